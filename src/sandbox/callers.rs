//! The callers of the sandbox's AWS: one access key that is always good, and the credentials that AssumeRole issued.

use super::http::Request;
use super::lock::lock;
use super::random;
use super::session_policy::SessionPolicy;
use super::sigv4::{Claimed, SignatureError};
use crate::clock::{Clock, UnixSeconds};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

/// The account of the sandbox's own access key.
pub const ACCOUNT: &str = "111122223333";

/// Sessions that are remembered; the oldest is forgotten first.
const SESSIONS: usize = 100_000;

/// The sandbox's long-lived AWS credentials.
#[derive(Clone)]
pub struct AwsCredentials {
    pub access_key_id: String,
    /// Good at this sandbox alone.
    pub secret_access_key: String,
}

/// The identity behind a verified call.
#[derive(Clone, Debug)]
pub struct Caller {
    pub access_key_id: String,
    pub account: String,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, or the sandbox's IAM user.
    pub arn: String,
    /// `UserId` of GetCallerIdentity.
    pub user_id: String,
    pub role_session_name: Option<String>,
    pub source_identity: Option<String>,
    pub session_tags: Vec<(String, String)>,
    pub(super) session_policy: Option<Arc<SessionPolicy>>,
}

/// Credentials that AssumeRole issues.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: String,
    pub(super) expires: UnixSeconds,
}

/// The reason why a caller is not known. Each protocol has its own names for these.
#[derive(Debug)]
pub(super) enum Refusal {
    Signature(SignatureError),
    /// No such access key, or not with this session token.
    UnknownToken,
    ExpiredToken,
}

pub(super) struct Callers {
    base: AwsCredentials,
    clock: Clock,
    signature_clock: Clock,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_key: HashMap<String, (Issued, Caller)>,
    in_order: VecDeque<String>,
}

impl Callers {
    pub(super) fn new(clock: Clock, signature_clock: Clock) -> Self {
        let base = AwsCredentials {
            access_key_id: "AKIASANDBOX000000000".to_owned(),
            secret_access_key: "sandbox/NotASecret/0000000000000000000EX".to_owned(),
        };
        Self { base, clock, signature_clock, sessions: Mutex::default() }
    }

    pub(super) fn base(&self) -> &AwsCredentials {
        &self.base
    }

    /// The caller whose key signed this request for the service, and the region of the request.
    pub(super) fn admit(&self, request: &Request, service: &str) -> Result<(Caller, String), Refusal> {
        let claimed = Claimed::read(request).map_err(Refusal::Signature)?;
        let token = request.header("x-amz-security-token");
        let (secret, caller, expires) = if claimed.access_key_id == self.base.access_key_id {
            if token.is_some() {
                return Err(Refusal::UnknownToken);
            }
            (self.base.secret_access_key.clone(), self.base_caller(), None)
        } else {
            let sessions = lock(&self.sessions);
            let (issued, caller) = sessions.by_key.get(claimed.access_key_id).ok_or(Refusal::UnknownToken)?;
            if token != Some(&issued.session_token) {
                return Err(Refusal::UnknownToken);
            }
            (issued.secret_access_key.clone(), caller.clone(), Some(issued.expires))
        };
        let region = claimed.region.to_owned();
        claimed.verify(request, service, &secret, self.signature_clock.now()).map_err(Refusal::Signature)?;
        if expires.is_some_and(|expires| self.clock.now() >= expires) {
            return Err(Refusal::ExpiredToken);
        }
        Ok((caller, region))
    }

    /// Issues credentials; `caller` has everything but the access key.
    pub(super) fn issue(&self, mut caller: Caller, expires: UnixSeconds) -> Issued {
        let issued = Issued {
            access_key_id: format!("ASIA{}", random::key_characters::<16>()),
            secret_access_key: random::hex::<20>(),
            session_token: format!("IQoJsandbox{}", random::hex::<128>()),
            expires,
        };
        caller.access_key_id.clone_from(&issued.access_key_id);
        let mut sessions = lock(&self.sessions);
        if sessions.in_order.len() >= SESSIONS
            && let Some(oldest) = sessions.in_order.pop_front()
        {
            sessions.by_key.remove(&oldest);
        }
        sessions.in_order.push_back(issued.access_key_id.clone());
        sessions.by_key.insert(issued.access_key_id.clone(), (issued.clone(), caller));
        issued
    }

    fn base_caller(&self) -> Caller {
        Caller {
            access_key_id: self.base.access_key_id.clone(),
            account: ACCOUNT.to_owned(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/sandbox"),
            user_id: "AIDASANDBOX0000000000".to_owned(),
            role_session_name: None,
            source_identity: None,
            session_tags: Vec::new(),
            session_policy: None,
        }
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
