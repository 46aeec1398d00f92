//! The setup that both SDK clients share, and the meaning of their errors.

use super::error::{AwsError, AwsErrorKind, BadAnswer, for_log};
use crate::clock::UnixSeconds;
use crate::config::AwsConfig;
use crate::http_client::causes;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_sagemaker::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeDeserializationInterceptorContextRef,
};
use aws_sdk_sagemaker::config::{
    ConfigBag, Credentials, Intercept, ProvideCredentials, RuntimeComponents, SharedCredentialsProvider,
    SharedHttpClient,
};
use aws_sdk_sagemaker::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_sagemaker::operation::RequestId;
use aws_smithy_types::body::SdkBody;
use http_body_util::{LengthLimitError, Limited};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// No answer that we ask for is longer: the longest URL that is handed on has 16 KiB.
const LONGEST_ANSWER: usize = 64 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_millis(1500);
/// One call of an operator's command.
const OPERATOR_CALL_WITHIN: Duration = Duration::from_secs(30);

/// The settings for all clients: the SDK's default chains with our region, and without the SDK's retries and deadlines,
/// which are ours (`retry`). Reads the environment and profile files; asks no network.
///
/// Signatures are made by the machine's clock, for AWS judges them by its own.
pub(super) async fn settings(
    config: &AwsConfig,
    http: SharedHttpClient,
    credentials: Option<SharedCredentialsProvider>,
) -> SdkConfig {
    let connect = TimeoutConfig::builder().connect_timeout(CONNECT_WITHIN);
    let loader = loader(config, http).timeout_config(connect.build());
    match credentials {
        Some(credentials) => loader.credentials_provider(credentials),
        None => loader,
    }
    .load()
    .await
}

/// The settings for an operator's commands: the same, with a profile in place of the usual one and a deadline of the SDK's
/// for each call.
pub(super) async fn operator_settings(
    config: &AwsConfig,
    http: SharedHttpClient,
    profile: Option<&str>,
) -> SdkConfig {
    let within =
        TimeoutConfig::builder().connect_timeout(CONNECT_WITHIN).operation_timeout(OPERATOR_CALL_WITHIN);
    let loader = loader(config, http).timeout_config(within.build());
    match profile {
        Some(profile) => loader.profile_name(profile),
        None => loader,
    }
    .load()
    .await
}

fn loader(config: &AwsConfig, http: SharedHttpClient) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(config.region.to_string()))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    match AppName::new("postern") {
        Ok(name) => loader.app_name(name),
        Err(_) => loader,
    }
}

tokio::task_local! {
    static OF_THE_CALL: Credentials;
}

/// Makes one call with these credentials and no others, by a client that knows only [`OfTheCall`].
///
/// The SDK's own way, an override of the call's configuration, builds the layers of a client anew for each call.
pub(super) fn signed_with<F: Future>(
    credentials: &Credentials,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    OF_THE_CALL.scope(credentials.clone(), call)
}

/// The credentials that were given to the call under way. Outside of a call there are none: a call without credentials
/// fails, and nothing is remembered from one call to the next, as long as the client caches no identity.
#[derive(Debug)]
pub(super) struct OfTheCall;

impl ProvideCredentials for OfTheCall {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let credentials = OF_THE_CALL.try_with(Clone::clone);
        future::ProvideCredentials::ready(credentials.map_err(CredentialsError::not_loaded))
    }
}

/// Bounds the bytes that are read of an answer. The SDK itself reads to the end.
#[derive(Debug)]
pub(super) struct AnswerLimit;

impl Intercept for AnswerLimit {
    fn name(&self) -> &'static str {
        "AnswerLimit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let unlimited = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(unlimited, LONGEST_ANSWER));
        Ok(())
    }
}

/// AWS's name for a call, from its answer.
pub(super) fn request_id(answer: &impl RequestId) -> Option<String> {
    answer.request_id().map(shown_id)
}

/// AWS's name for a call as log and audit trail may show it. Anybody on the way may have written the header, so a text of
/// another form is left out.
pub(crate) fn shown_id(id: &str) -> String {
    const LONGEST: usize = 64;
    let is_one =
        (1..=LONGEST).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_one { id } else { "[left-out]" }.to_owned()
}

/// The meaning of an error of the SDK's: by AWS's code if there is one, otherwise by the fate of the connection.
pub(super) fn fault<E>(operation: &str, error: &SdkError<E>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    let (kind, said) = match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let kind = code
                .map_or_else(|| AwsErrorKind::of_status(status), |code| AwsErrorKind::of_code(code, status));
            (kind, service.err().message().unwrap_or("no message").to_owned())
        }
        SdkError::ResponseError(_) => {
            let kind = match status {
                Some(status) if status >= 400 => AwsErrorKind::of_status(status),
                _ => AwsErrorKind::BadAnswer(answer_fault(error)),
            };
            // The parser's own message may quote the answer, and the answer may hold a URL.
            let said = match &kind {
                AwsErrorKind::BadAnswer(why) => why.to_string(),
                _ => "the answer has no error code".to_owned(),
            };
            (kind, said)
        }
        SdkError::TimeoutError(_) => (AwsErrorKind::OutOfTime, "timed out".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => (AwsErrorKind::Refused, causes(error)),
        SdkError::DispatchFailure(_) => (AwsErrorKind::Unavailable, causes(error)),
        _ => (AwsErrorKind::Refused, causes(error)),
    };
    let code = code.filter(|code| code.len() <= 128 && code.bytes().all(|b| b.is_ascii_graphic()));
    let said = for_log(&said);
    let status = status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
    AwsError {
        kind,
        code: code.map(str::to_owned),
        request_id: request_id(error),
        message: match code {
            Some(code) => format!("{operation}: {code}{status}: {said}"),
            None => format!("{operation}{status}: {said}"),
        },
    }
}

/// Notes the time in an answer's `Date`, also if the answer is a refusal.
#[derive(Clone, Debug, Default)]
pub(super) struct DateSeen(Arc<Mutex<Option<UnixSeconds>>>);

impl DateSeen {
    pub(super) fn date(&self) -> Option<UnixSeconds> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for DateSeen {
    fn name(&self) -> &'static str {
        "DateSeen"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(UnixSeconds::of_http_date);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

fn answer_fault(error: &(dyn Error + 'static)) -> BadAnswer {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return BadAnswer::TooLong;
        }
        if error.is::<hyper::Error>() || error.is::<std::io::Error>() {
            return BadAnswer::CutOff;
        }
        cause = error.source();
    }
    BadAnswer::Unparseable
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn key_in_use() -> Option<String> {
        tokio::task::yield_now().await;
        let credentials = OfTheCall.provide_credentials().await.ok()?;
        Some(credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn credentials_are_of_one_call_alone() {
        let [ada, eve] = ["ASIAADA", "ASIAEVE"].map(|id| Credentials::new(id, "secret", None, None, "test"));
        let (of_ada, of_eve, of_none) =
            tokio::join!(signed_with(&ada, key_in_use()), signed_with(&eve, key_in_use()), key_in_use());
        assert_eq!((of_ada.as_deref(), of_eve.as_deref(), of_none), (Some("ASIAADA"), Some("ASIAEVE"), None));
        let elsewhere = signed_with(&ada, async { tokio::spawn(key_in_use()).await.unwrap() });
        assert_eq!(elsewhere.await, None, "what a call starts on its own has none");
        assert_eq!(key_in_use().await, None);
    }
}
