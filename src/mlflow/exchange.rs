//! One call, signed and sent to the data plane, and once more where AWS does not accept its credentials.

use super::refused::{AnswerBody, unless_credentials_refused};
use super::{Bridge, CallError, MadeAs, is_json};
use crate::aws::error::AwsErrorKind;
use crate::aws::session_name::session_name;
use crate::aws::state::TargetState;
use crate::aws::{AssumeRole, Outlook};
use crate::http_client::NoAnswer;
use crate::policy::grant::Grant;
use crate::target::Mint;
use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::timeout;

/// A request before it is signed: method, URL, headers and whole body.
pub(super) type Unsigned = (Method, String, HeaderMap, Bytes);

impl Bridge {
    /// Makes a call as the grant's person, and waits for the head of its answer.
    pub(super) async fn exchange(
        &self,
        grant: &Grant,
        request: Unsigned,
        made_as: &MadeAs,
    ) -> Result<Response<AnswerBody>, CallError> {
        let (mint, principal) = (&*self.located(grant).await?, grant.principal());
        let name = session_name(&principal.realm, &principal.user, self.sole_realm.as_deref());
        let session = self.aws.call_session(mint, name);
        self.ready(mint, session.as_ref()).await?;
        made_as.set(session.as_ref());
        let response = self.ask(mint, session.as_ref(), request).await?;
        let status = response.status();
        let is_troubled =
            status.is_server_error() || (status == StatusCode::NOT_FOUND && !is_json(&response));
        if is_troubled {
            // Perhaps it was stopped after the last look-up.
            let state = timeout(self.aws.timeout() / 4, self.aws.state(mint)).await;
            let state = state.unwrap_or(TargetState::Unknown);
            if state == TargetState::Missing {
                self.aws.forget_location(grant.mint()).await;
            }
            // The answer about a server that is starting, 429, makes the client repeat the call. After an error of the server's
            // own, MLflow may have carried it out already.
            let is_starting = matches!(state, TargetState::Starting { .. } | TargetState::Pending(_));
            if !(is_starting && status.is_server_error()) {
                refuse_unless_open(state)?;
            }
        }
        Ok(response)
    }

    /// Signs and sends a request. Where AWS does not accept the credentials, it is sent once more with others.
    pub(super) async fn ask(
        &self,
        mint: &Mint,
        session: Option<&Arc<AssumeRole>>,
        (method, url, headers, body): Unsigned,
    ) -> Result<Response<AnswerBody>, CallError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|_| CallError::Ambiguous("a character that no URL has"))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut is_again = false;
        loop {
            let mut signed = request.clone();
            let by = self.aws.sign_call(mint, session, &mut signed).await.map_err(CallError::Unsigned)?;
            let response = self.client.send(signed).await.map_err(unanswered)?;
            let status = response.status();
            if status.is_redirection() || status.is_informational() {
                return Err(CallError::BadAnswer(format!("its answer has the status {}", status.as_u16())));
            }
            match unless_credentials_refused(response).await {
                Err(CallError::Unsigned(_)) if !is_again && self.aws.replaced(by).await => is_again = true,
                answer => return answer,
            }
        }
    }

    /// The grant's target by its ARN, which may have to be looked up.
    pub(super) async fn located<'g>(&self, grant: &'g Grant) -> Result<Cow<'g, Mint>, CallError> {
        self.aws.located(grant.mint()).await.map_err(|error| match error.kind {
            AwsErrorKind::NotFound => CallError::NotReady(TargetState::Missing),
            _ => CallError::Unsigned(error),
        })
    }

    /// Begins the session, and refuses where the target is known not to be usable.
    async fn ready(&self, mint: &Mint, session: Option<&Arc<AssumeRole>>) -> Result<(), CallError> {
        if let Outlook::Known(state) = self.aws.outlook(mint).await {
            return refuse_unless_open(state);
        }
        let look_up = timeout(self.aws.timeout() / 4, self.aws.state(mint));
        let (state, begun) = tokio::join!(look_up, self.aws.begin(session));
        refuse_unless_open(state.unwrap_or(TargetState::Unknown))?;
        begun.map_err(CallError::Unsigned)
    }
}

fn unanswered(NoAnswer { error, is_unsent }: NoAnswer) -> CallError {
    if is_unsent {
        CallError::Unreachable(error.to_string())
    } else {
        CallError::BadAnswer(error.to_string())
    }
}

fn refuse_unless_open(state: TargetState) -> Result<(), CallError> {
    if state.may_open() { Ok(()) } else { Err(CallError::NotReady(state)) }
}
