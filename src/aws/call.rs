//! Calls to MLflow's data plane, for which there is no SDK: their addresses and their signature.
//!
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow.html>; the names of hosts, services and headers are those of AWS's
//! own plugin, <https://github.com/aws/sagemaker-mlflow>.

use super::Aws;
use super::credentials::SignedBy;
use super::error::{AwsError, AwsErrorKind};
use super::resource::Resource;
use super::sdk::shown_id;
use super::session_policy::Scope;
use super::signature::{Signed, signature};
use super::sts::AssumeRole;
use crate::target::{Kind, Mint};
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SigningSettings};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::sync::Arc;

const SERVER: HeaderName = HeaderName::from_static("x-mlflow-sm-tracking-server-arn");
const APP: HeaderName = HeaderName::from_static("x-sm-mlflow-app-arn");

impl Aws {
    /// The session in which a person's programs call an MLflow target. `None` if no role is assumed.
    pub(crate) fn call_session(&self, mint: &Mint, session_name: String) -> Option<Arc<AssumeRole>> {
        let session = self.session(mint, session_name)?;
        let scope = self.config.scoped_session_policy.then(|| Scope::Call {
            resource: Resource::of(&mint.target),
            region: mint.region.clone(),
            access: mint.access,
        });
        Some(Arc::new(AssumeRole { scope, ..(*session).clone() }))
    }

    /// Names the target of a call in the header by which the data plane finds it, and signs the whole request. Returns what it
    /// is signed by.
    ///
    /// # Errors
    ///
    /// There are no credentials, or the request cannot be signed; then nothing was sent.
    pub(crate) async fn sign_call(
        &self,
        mint: &Mint,
        session: Option<&Arc<AssumeRole>>,
        request: &mut Request<Bytes>,
    ) -> Result<SignedBy, AwsError> {
        let refused = |what: &str| AwsError::new(AwsErrorKind::Refused, format!("call to MLflow: {what}"));
        let (service, header, arn) =
            address(mint).ok_or_else(|| refused("the target has no ARN that can be told"))?;
        let arn = HeaderValue::try_from(arn).map_err(|_| refused("the ARN cannot stand in a header"))?;
        request.headers_mut().insert(header, arn);
        let credentials = self.credentials.acquire(session.cloned()).await?;
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let scope = Signed { service, region: &mint.region, at: self.clock.now_system() };
        let body = SignableBody::Bytes(request.body());
        let signed =
            signature(&scope, settings, credentials.clone(), request, body).map_err(|what| refused(&what))?;
        request.headers_mut().extend(signed);
        Ok(SignedBy { session: session.cloned(), credentials })
    }

    /// Drops credentials that AWS has refused. Returns whether there are others to sign the same request with. The caller has
    /// the deadline.
    pub(crate) async fn replaced(&self, refused: SignedBy) -> bool {
        self.credentials.replace(refused).await
    }
}

/// The refusal of the credentials of a call, if this answer is one. Any other answer is MLflow's, or says that a permission is
/// missing.
///
/// The form that the data plane gives it is not published. AWS's services name the code in a header or in a member of the body.
pub(crate) fn refusal_of_credentials(headers: &HeaderMap, body: &[u8]) -> Option<AwsError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let named = text("x-amzn-errortype").map(str::to_owned).or_else(|| {
        let said: Value = serde_json::from_slice(body).ok()?;
        let code = ["__type", "code", "error_code"].iter().find_map(|member| said.get(member)?.as_str());
        code.map(str::to_owned)
    })?;
    // `CODE:ADDRESS` and `NAMESPACE#CODE` are both in use.
    let code = named.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default();
    let is_about_credentials = matches!(
        code.strip_suffix("Exception").unwrap_or(code),
        "ExpiredToken"
            | "TokenRefreshRequired"
            | "InvalidToken"
            | "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
    );
    is_about_credentials.then(|| AwsError {
        kind: AwsErrorKind::Credentials,
        code: Some(code.to_owned()),
        request_id: text("x-amzn-requestid").map(shown_id),
        message: format!("call to MLflow: {code}"),
    })
}

/// The service name that a call is signed with, and the header, with its value, that names the target.
fn address(mint: &Mint) -> Option<(&'static str, HeaderName, String)> {
    match mint.target.kind() {
        Kind::MlflowTrackingServer => {
            // The account is the role's.
            let arns = Resource::of(&mint.target).arns(mint.role_arn.as_ref()?, &mint.region);
            Some(("sagemaker-mlflow", SERVER, arns.into_iter().next()?))
        }
        Kind::MlflowApp => Some(("sagemaker", APP, mint.target.text(crate::target::ARN)?.to_owned())),
        Kind::StudioDomain | Kind::NotebookInstance | Kind::PartnerApp => None,
    }
}
