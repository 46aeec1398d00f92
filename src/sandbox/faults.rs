//! Deliberate faults, switched at run time by the program that holds the sandbox and by nobody else.

use super::lock::lock;
use super::random;
use serde_json::{Map, Value};
use std::sync::Mutex;
use std::time::Duration;

/// A fault of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`, HTTP 400, with a null message.
    Throttle,
    /// `InternalFailure`, HTTP 500.
    InternalFailure,
    /// `ServiceUnavailable`, HTTP 503.
    Unavailable,
    /// The answer comes this much later.
    Slow(Duration),
    /// The answer comes later by a random time up to this.
    Jitter(Duration),
    /// Half of the body, then a broken connection.
    CutBody,
    /// 200 with `{}`.
    MissingUrl,
    /// An `https` URL on a host that is not AWS's.
    ForeignHost,
    /// An `http` URL on a host of AWS's.
    InsecureUrl,
    /// A URL of at least this many bytes.
    LongUrl(usize),
    /// `AccessDeniedException`, whatever the session policy says.
    AccessDenied,
    /// 502 with a page of HTML, as a proxy in between answers.
    NotAws,
    /// Servers and notebooks are stopped.
    Stopped,
    /// Members that replace those of a description; null removes.
    Described(Map<String, Value>),
    /// `ValidationException`.
    Invalid,
    /// Describe and lists do not know a created resource for this long, or that a stopped one starts.
    Lag(Duration),
    /// `ResourceLimitExceeded`, with AWS's words.
    Quota,
    /// `InsufficientInstanceCapacity`.
    Capacity,
    /// A start begins well and fails when it would end.
    StartFails,
    /// `ExpiredTokenException`, as if the credentials were too old.
    ExpiredToken,
}

/// The calls that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Next(usize),
    /// One call of so many: `Every(2)` is half of the calls, the first of them included. 0 counts as 1.
    Every(usize),
    UntilCleared,
}

/// A fault of the identity provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentityProviderFaults {
    /// Every request is answered with 503.
    pub unavailable: bool,
    /// Every answer comes this much later.
    pub slow: Duration,
    /// Members that replace those of an ID token before it is signed; null removes.
    pub id_token_claims: Map<String, Value>,
    /// Members that replace those of UserInfo; null removes.
    pub user_info_claims: Map<String, Value>,
    /// The `iss` of the authorization answer (RFC 9207) instead of the right one.
    pub answer_issuer: Option<String>,
}

#[derive(Debug, Default)]
pub struct Faults {
    aws: Mutex<Vec<Active>>,
    identity_provider: Mutex<IdentityProviderFaults>,
}

#[derive(Debug)]
struct Active {
    operation: Option<String>,
    fault: Fault,
    times: Times,
    seen: usize,
}

/// The faults of one call: a delay, and perhaps a failure after it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) fault: Option<Fault>,
}

impl Faults {
    /// Adds a fault to one operation, such as `CreatePresignedDomainUrl` or `AssumeRole`, or to all of them. Delays add
    /// up; of the other faults that still apply, the earliest decides.
    pub fn inject(&self, operation: Option<&str>, fault: Fault, times: Times) {
        let operation = operation.map(str::to_owned);
        lock(&self.aws).push(Active { operation, fault, times, seen: 0 });
    }

    /// Ends all faults, of AWS and of the identity provider.
    pub fn clear(&self) {
        lock(&self.aws).clear();
        *lock(&self.identity_provider) = IdentityProviderFaults::default();
    }

    /// Replaces the identity provider's faults.
    pub fn set_identity_provider(&self, faults: IdentityProviderFaults) {
        *lock(&self.identity_provider) = faults;
    }

    pub(super) fn identity_provider(&self) -> IdentityProviderFaults {
        lock(&self.identity_provider).clone()
    }

    /// Takes the faults that apply to one call.
    pub(super) fn take(&self, operation: &str) -> Plan {
        let mut plan = Plan { delay: Duration::ZERO, fault: None };
        let mut active = lock(&self.aws);
        for entry in active.iter_mut().filter(|entry| entry.applies_to(operation)) {
            let is_delay = matches!(entry.fault, Fault::Slow(_) | Fault::Jitter(_));
            if !is_delay && plan.fault.is_some() || !entry.use_up() {
                continue;
            }
            match &entry.fault {
                Fault::Slow(delay) => plan.delay += *delay,
                Fault::Jitter(most) => plan.delay += most.mul_f64(fraction()),
                fault => plan.fault = Some(fault.clone()),
            }
        }
        active.retain(|entry| entry.times != Times::Next(0));
        plan
    }
}

impl Active {
    fn applies_to(&self, operation: &str) -> bool {
        self.operation.as_deref().is_none_or(|only| only == operation)
    }

    fn use_up(&mut self) -> bool {
        match &mut self.times {
            Times::UntilCleared => true,
            Times::Next(0) => false,
            Times::Next(left) => {
                *left -= 1;
                true
            }
            Times::Every(n) => {
                self.seen += 1;
                (self.seen - 1).is_multiple_of((*n).max(1))
            }
        }
    }
}

/// From 0 up to 1.
fn fraction() -> f64 {
    f64::from(u32::from_be_bytes(random::bytes())) / f64::from(u32::MAX)
}
