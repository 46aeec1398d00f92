//! Makes targets ready: from a [`StartGrant`] to a target that starts, and from a [`Grant`] to a profile that is created.
//!
//! A start is asked of AWS once, by whichever tab or replica comes first. AWS decides what its state allows: it is asked
//! for the state before, and again if it refuses, and its messages are never read for a meaning.

use crate::aws::domains::Place;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::session_name::session_name;
use crate::aws::state::TargetState;
use crate::aws::{AssumeRole, Aws, Deadline};
use crate::metrics::Metrics;
use crate::policy::grant::{Grant, StartGrant};
use crate::target::{Mint, NewProfile};
use std::fmt;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// The outcomes whose series exist from the start, at zero.
pub(crate) const OUTCOMES: [&str; 12] = [
    STARTED,
    ALREADY,
    "not-ready",
    "start-denied",
    "quota-exceeded",
    "no-capacity",
    "refused-by-aws",
    "aws-credentials",
    "throttled",
    "aws-unavailable",
    "out-of-time",
    "bad-answer",
];

const STARTED: &str = "ok";
/// The target was starting or running already.
const ALREADY: &str = "already";

/// Starts targets and creates profiles, for granted requests only.
#[derive(Debug)]
pub struct Waker {
    aws: Arc<Aws>,
    sole_realm: Option<Arc<str>>,
    metrics: Arc<Metrics>,
}

/// The end of a request to start a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// AWS was asked to start or create it.
    Started { role_session_name: Option<String>, aws_request_id: Option<String> },
    /// It is running, or about to be, without a call of ours.
    Already(TargetState),
}

/// The reason why a target was not started. Everything here may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WakeError {
    /// It cannot be started in this state.
    NotStartable(TargetState),
    Aws(AwsError),
}

impl Waker {
    /// `sole_realm` is the realm of all issuers, if they have one in common.
    pub(crate) fn new(aws: Arc<Aws>, sole_realm: Option<Arc<str>>, metrics: Arc<Metrics>) -> Self {
        Self { aws, sole_realm, metrics }
    }

    /// Starts the target as the person, once.
    ///
    /// # Errors
    ///
    /// [`WakeError`], within `aws.timeout` and by the caller's own deadline.
    pub async fn start(&self, grant: &StartGrant, by: Instant) -> Result<Woken, WakeError> {
        let change = Change::of(&self.aws, grant.grant(), self.sole_realm.as_deref(), by);
        let woken = in_a_task(change, Change::start).await;
        self.metrics.wakes.ended(grant.grant().destination(), outcome(&woken));
        woken
    }
}

impl Waker {
    /// Creates the person's profile, once, if the grant's destination creates profiles.
    ///
    /// # Errors
    ///
    /// [`WakeError`], within `aws.timeout` and by the caller's own deadline.
    pub async fn create_profile(&self, grant: &Grant, by: Instant) -> Result<Woken, WakeError> {
        let Some(profile) = grant.new_profile().cloned() else {
            return Err(WakeError::NotStartable(TargetState::Missing));
        };
        let change = Change::of(&self.aws, grant, self.sole_realm.as_deref(), by);
        let person = (Arc::clone(&grant.principal().realm), grant.principal().user.clone());
        in_a_task(change, |change| change.create_profile(profile, person)).await
    }
}

/// One change of a target, in the name of a person.
struct Change {
    aws: Arc<Aws>,
    mint: Mint,
    session_name: String,
    deadline: Deadline,
}

/// Runs to its end though the caller goes away, so that nothing is left half done.
async fn in_a_task<Changed>(
    change: Change,
    run: impl FnOnce(Arc<Change>) -> Changed,
) -> Result<Woken, WakeError>
where
    Changed: Future<Output = Result<Woken, WakeError>> + Send + 'static,
{
    let change = Arc::new(change);
    let running = Box::pin(run(Arc::clone(&change)));
    let task = tokio::spawn(async move {
        match timeout_at(change.deadline.at, running).await {
            Ok(woken) => woken,
            // Whether AWS was told is not known, so nobody else tells it at once.
            Err(_) => Err(WakeError::Aws(AwsError::out_of_time("start or create"))),
        }
    });
    let stopping = || AwsError::new(AwsErrorKind::Unavailable, "the program is stopping");
    task.await.unwrap_or_else(|_| Err(WakeError::Aws(stopping())))
}

/// The word for metrics and the audit trail.
pub fn outcome(woken: &Result<Woken, WakeError>) -> &'static str {
    match woken {
        Ok(Woken::Started { .. }) => STARTED,
        Ok(Woken::Already(_)) => ALREADY,
        Err(error) => error.as_str(),
    }
}

impl Change {
    fn of(aws: &Arc<Aws>, grant: &Grant, sole_realm: Option<&str>, by: Instant) -> Self {
        let person = grant.principal();
        Self {
            aws: Arc::clone(aws),
            mint: grant.mint().clone(),
            session_name: session_name(&person.realm, &person.user, sole_realm),
            deadline: Deadline::after(aws.timeout()).or(by),
        }
    }

    async fn start(self: Arc<Self>) -> Result<Woken, WakeError> {
        let Self { aws, mint, session_name, deadline } = &*self;
        let state = self.state().await?;
        if !state.can_be_started(mint.target.kind()) {
            return unless_under_way(state);
        }
        if !aws.claim_change(mint, &state).await {
            return Ok(Woken::Already(aws.state(mint).await));
        }
        let session = aws.start_session(mint, session_name.clone());
        let error = match aws.start(mint, session.as_ref(), *deadline).await {
            Ok(aws_request_id) => return Ok(Woken::started(session, aws_request_id)),
            Err(error) => error,
        };
        aws.abandon_change(mint, &state).await;
        // Perhaps somebody else has started it in the meantime, elsewhere than here.
        if error.kind == AwsErrorKind::Refused && !error.is_denial() {
            let state = self.state().await?;
            if !state.can_be_started(mint.target.kind()) {
                return unless_under_way(state);
            }
        }
        Err(error.into())
    }

    async fn create_profile(
        self: Arc<Self>,
        profile: NewProfile,
        (realm, user): (Arc<str>, String),
    ) -> Result<Woken, WakeError> {
        let Self { aws, mint, session_name, deadline } = &*self;
        let refused = |why: &str| AwsError::new(AwsErrorKind::Refused, format!("CreateUserProfile: {why}"));
        // Profiles of Identity Center are assigned there. What is not known is not tried.
        let place = Place::of(mint).ok_or_else(|| refused("the target is no domain"))?;
        let domain = aws.domain(&place).await?;
        if domain.auth_mode != "IAM" || domain.not_for_iam().is_some() {
            return Err(refused("the domain is not in IAM mode").into());
        }
        if !aws.claim_change(mint, &TargetState::Missing).await {
            return Ok(Woken::Already(aws.state(mint).await));
        }
        let session = aws.creation_session(mint, &profile, session_name.clone());
        let created = aws.create_profile(mint, &profile, (&realm, &user), session.as_ref(), *deadline).await;
        match created {
            Ok(aws_request_id) => Ok(Woken::started(session, aws_request_id)),
            // Somebody else was faster. Its tags decide whose it is.
            Err(error) if error.is_in_use() => Ok(Woken::Already(aws.state(mint).await)),
            Err(error) => {
                aws.abandon_change(mint, &TargetState::Missing).await;
                Err(error.into())
            }
        }
    }

    async fn state(&self) -> Result<TargetState, WakeError> {
        self.aws.state_of(&self.mint).await.map_err(WakeError::Aws)
    }
}

impl Woken {
    fn started(session: Option<Arc<AssumeRole>>, aws_request_id: Option<String>) -> Self {
        let role_session_name = session.map(|session| session.session_name.clone());
        Self::Started { role_session_name, aws_request_id }
    }
}

/// A state in which nothing is started: either it need not be, or it cannot.
fn unless_under_way(state: TargetState) -> Result<Woken, WakeError> {
    match state {
        TargetState::Ready | TargetState::Starting { .. } => Ok(Woken::Already(state)),
        state => Err(WakeError::NotStartable(state)),
    }
}

impl WakeError {
    /// The stable word for logs, metrics and programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotStartable(_) => "not-ready",
            Self::Aws(error) => error.kind.as_str(),
        }
    }

    pub fn aws_request_id(&self) -> Option<&str> {
        match self {
            Self::NotStartable(_) => None,
            Self::Aws(error) => error.request_id.as_deref(),
        }
    }
}

impl From<AwsError> for WakeError {
    fn from(error: AwsError) -> Self {
        match error.kind {
            AwsErrorKind::NotFound => Self::NotStartable(TargetState::Missing),
            _ => Self::Aws(error),
        }
    }
}

impl fmt::Display for WakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStartable(state) => write!(f, "nothing was started: the target is {state:?}"),
            Self::Aws(error) => write!(f, "nothing was started: {error}"),
        }
    }
}

impl std::error::Error for WakeError {}
