//! The known states of targets: each is looked up once for all callers, and again before it is too old to count.

use super::begun::Begun;
use super::credentials::CredentialStore;
use super::error::{AwsError, AwsErrorKind};
use super::resource::Resource;
use super::retry::{Calls, Deadline};
use super::sagemaker::{At, Described, SageMaker};
use super::session_policy::Scope;
use super::share::Share;
use super::state::{TargetState, state_of};
use super::stores::Stores;
use super::sts::AssumeRole;
use crate::clock::Clock;
use crate::config::AwsConfig;
use crate::target::{Mint, Region, RoleArn};
use moka::future::Cache;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Older states are looked up again. So is a failure to look up, where AWS asked for fewer calls.
const FRESH_FOR: Duration = Duration::from_secs(15);
/// After a failed look-up, and after AWS contradicted what was known.
const SOON: Duration = Duration::from_secs(2);
/// How long a usable state counts while it is looked up again.
const USABLE_FOR: Duration = Duration::from_secs(600);
const MOST_TARGETS: u64 = 10_000;

#[derive(Debug)]
pub(super) struct States {
    sagemaker: Arc<SageMaker>,
    credentials: Arc<CredentialStore>,
    calls: Arc<Calls>,
    config: AwsConfig,
    begun: Begun,
    clock: Clock,
    cache: Cache<StateKey, Known>,
    /// Told along with the states.
    pub(super) stores: Stores<StateKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StateKey {
    pub(super) resource: Resource,
    pub(super) region: Region,
    pub(super) role_arn: Option<RoleArn>,
    pub(super) endpoint_url: Option<String>,
}

#[derive(Clone, Debug)]
struct Known {
    state: TargetState,
    since: SystemTime,
    /// Not looked up again within this time of `checked`.
    holds_for: Duration,
    checked: SystemTime,
}

/// How a launch goes on, by the known state of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// This state counts.
    Known(TargetState),
    /// The target was not usable some time ago: the launch looks it up first.
    Doubtful,
    /// No state that counts is known: the launch goes on while it is looked up.
    Unknown,
}

impl States {
    pub(super) fn new(
        sagemaker: Arc<SageMaker>,
        credentials: Arc<CredentialStore>,
        calls: Arc<Calls>,
        config: &AwsConfig,
        begun: Begun,
        clock: Clock,
    ) -> Arc<Self> {
        // By the monotonic clock, too: the wall clock may be set back.
        let cache = Cache::builder().max_capacity(MOST_TARGETS).time_to_live(USABLE_FOR).build();
        Arc::new(Self {
            sagemaker,
            credentials,
            calls,
            config: config.clone(),
            begun,
            clock,
            cache,
            stores: Stores::new(),
        })
    }

    /// The known state, without waiting. A usable state that is no longer fresh is looked up again in the background.
    pub(super) async fn outlook(self: &Arc<Self>, mint: &Mint) -> Outlook {
        let key = StateKey::of(mint);
        let now = self.clock.now_system();
        match self.cache.get(&key).await {
            Some(known) if known.holds(now) => {
                Outlook::Known(self.begun.seen_through(&key, known.state).await)
            }
            Some(known) if known.is_usable(now) => {
                let states = Arc::clone(self);
                tokio::spawn(async move { states.look_up(key).await });
                Outlook::Known(known.state)
            }
            Some(known) if !known.state.may_open() => Outlook::Doubtful,
            _ => Outlook::Unknown,
        }
    }

    /// The state as of some seconds ago. Never an error: a failed look-up is [`TargetState::Unknown`].
    /// The caller has the deadline.
    pub(super) async fn state(self: &Arc<Self>, mint: &Mint) -> TargetState {
        let key = StateKey::of(mint);
        let told = self.look_up(key.clone()).await;
        self.begun.seen_through(&key, told).await
    }

    /// Whether the caller is the one to change this state of the target.
    pub(super) async fn claim_change(&self, mint: &Mint, from: &TargetState) -> bool {
        let key = StateKey::of(mint);
        let is_ours = self.begun.claim(&key, from).await;
        if is_ours {
            self.cache.invalidate(&key).await;
        }
        is_ours
    }

    pub(super) async fn abandon_change(&self, mint: &Mint, from: &TargetState) {
        let key = StateKey::of(mint);
        self.begun.forget(&key, from).await;
        self.cache.invalidate(&key).await;
    }

    /// Replaces the known state of a target by the one that AWS has just told.
    pub(super) async fn contradict(&self, mint: &Mint, state: TargetState) {
        let now = self.clock.now_system();
        let known = Known { state, since: now, holds_for: SOON, checked: now };
        self.cache.insert(StateKey::of(mint), known).await;
    }

    /// Asks AWS now, with retries where it is throttled, and keeps nothing.
    ///
    /// # Errors
    ///
    /// The error that hid the state.
    pub(super) async fn describe_retrying(&self, mint: &Mint) -> Result<TargetState, AwsError> {
        self.describe(&StateKey::of(mint), true).await
    }

    async fn look_up(self: &Arc<Self>, key: StateKey) -> TargetState {
        let now = self.clock.now_system();
        let before = self.cache.get(&key).await;
        if let Some(known) = before.as_ref().filter(|known| known.holds(now)) {
            return known.state.clone();
        }
        let (states, asked, usable) =
            (Arc::clone(self), key.clone(), before.filter(|known| known.is_usable(now)));
        let look_up = async move {
            let described = tokio::time::timeout(states.config.timeout, states.describe(&asked, false));
            let described = described.await.unwrap_or_else(|_| Err(AwsError::out_of_time("look-up")));
            let checked = states.clock.now_system();
            Known::of(described, usable, checked)
        };
        // In a task of its own, so that a caller who goes away does not cancel the look-up for the others.
        let cache = self.cache.clone();
        let looked_up = tokio::spawn(async move {
            cache
                .entry(key)
                .or_insert_with_if(Box::pin(look_up), |known| !known.holds(now))
                .await
                .into_value()
        });
        looked_up.await.map_or(TargetState::Unknown, |known| known.state)
    }

    /// AWS's answer now, after retries where it is throttled. It is not kept.
    ///
    /// # Errors
    ///
    /// [`AwsError`], also if there is no such target.
    pub(super) async fn described(&self, mint: &Mint) -> Result<Described, AwsError> {
        self.ask(&StateKey::of(mint), true).await
    }

    async fn describe(&self, key: &StateKey, retrying: bool) -> Result<TargetState, AwsError> {
        match self.ask(key, retrying).await {
            Ok(described) => {
                self.stores.keep(key, key.resource.kind(), &described).await;
                Ok(state_of(&key.resource, &described))
            }
            // A missing target is an answer, too.
            Err(error) if error.kind == AwsErrorKind::NotFound => Ok(TargetState::Missing),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn ask(&self, key: &StateKey, retrying: bool) -> Result<Described, AwsError> {
        let (operation, share) = (key.resource.describe_operation(), &key.share());
        let deadline = Deadline::after(self.config.timeout);
        let session = self.session(key);
        let described = self.credentials.in_session(session.as_ref(), |credentials| async move {
            let ask = || self.sagemaker.describe(&key.resource, key.at(), &credentials);
            if retrying {
                self.calls.retrying(operation, Some(share), deadline, ask).await
            } else {
                self.calls.once(operation, Some(share), deadline.at, ask()).await
            }
        });
        described.await
    }

    fn session(&self, key: &StateKey) -> Option<Arc<AssumeRole>> {
        let scope = Scope::LookUp { region: key.region.clone() };
        let role_arn = key.role_arn.as_ref()?;
        Some(Arc::new(AssumeRole::for_look_up(role_arn, &self.config, Some(scope))))
    }
}

impl Known {
    /// A failed look-up does not change a usable state.
    fn of(described: Result<TargetState, AwsError>, usable: Option<Self>, checked: SystemTime) -> Self {
        let error = match described {
            Ok(state) => return Self { state, since: checked, holds_for: FRESH_FOR, checked },
            Err(error) => error,
        };
        tracing::debug!(error = %error, "target.look_up_failed");
        let is_throttled = matches!(error.kind, AwsErrorKind::Throttled { .. });
        let holds_for = if is_throttled { FRESH_FOR } else { SOON };
        let (state, since) =
            usable.map_or((TargetState::Unknown, checked), |known| (known.state, known.since));
        Self { state, since, holds_for, checked }
    }

    fn holds(&self, now: SystemTime) -> bool {
        now.duration_since(self.checked).unwrap_or_default() < self.holds_for
    }

    fn is_usable(&self, now: SystemTime) -> bool {
        self.state == TargetState::Ready && now.duration_since(self.since).unwrap_or_default() < USABLE_FOR
    }
}

impl StateKey {
    pub(super) fn of(mint: &Mint) -> Self {
        Self {
            resource: Resource::of(&mint.target),
            region: mint.region.clone(),
            role_arn: mint.role_arn.clone(),
            endpoint_url: mint.endpoint_url.clone(),
        }
    }

    fn at(&self) -> At<'_> {
        At { region: &self.region, endpoint_url: self.endpoint_url.as_deref() }
    }

    fn share(&self) -> Share {
        Share::of(&self.resource, &self.region, self.endpoint_url.as_deref(), self.role_arn.as_ref())
    }
}
