//! From a [`Grant`] to an [`AuthorizedUrl`].
//!
//! A URL comes from a slot that was filled ahead for this very session, person and input, or from one call of its own. It
//! is never shared: two requests never get the same URL, not even by waiting for the same call.

pub mod authorized_url;
pub mod error;
pub(crate) mod examination;
mod presigned;
mod slots;
#[cfg(test)]
mod tests;

pub use presigned::{MintFacts, Presigned};

use crate::aws::domains::{Domain, NotForIam, Place};
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::session_name::session_name;
use crate::aws::state::TargetState;
use crate::aws::{AssumeRole, Aws, Deadline, Minted, Outlook};
use crate::clock::Clock;
use crate::config::AuthorizedHost;
use crate::metrics::Metrics;
use crate::policy::grant::Grant;
use crate::provider::principal::Principal;
use crate::sessions::SessionId;
use crate::target::Mint;
use authorized_url::AuthorizedHosts;
use error::PresignError;
use slots::{SlotKey, Slots};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

/// The most slots being filled and AWS sessions being begun at once; the other calls are for people who wait.
const AHEAD_AT_ONCE: usize = 16;

/// Mints authorized URLs, for granted requests only.
#[derive(Debug)]
pub struct Presigner {
    aws: Arc<Aws>,
    slots: Arc<Slots>,
    hosts: AuthorizedHosts,
    ahead: Arc<Semaphore>,
    sole_realm: Option<Arc<str>>,
    metrics: Arc<Metrics>,
}

impl Presigner {
    /// `further_hosts` are hosts of URLs beside AWS's own.
    ///
    /// `sole_realm` is the realm of all issuers, if they have one in common: it then need not be part of a person's
    /// `RoleSessionName`.
    pub fn new(
        aws: Arc<Aws>,
        further_hosts: &[AuthorizedHost],
        sole_realm: Option<Arc<str>>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            aws,
            slots: Slots::new(clock, metrics.slots.clone()),
            hosts: AuthorizedHosts::new(further_hosts),
            ahead: Arc::new(Semaphore::new(AHEAD_AT_ONCE)),
            sole_realm,
            metrics,
        }
    }

    /// Takes the URL out of the slot of the request's session, or mints one.
    ///
    /// A caller that goes away takes the mint with it: its URL is dropped and never kept for anyone.
    ///
    /// # Errors
    ///
    /// [`PresignError`], within `aws.timeout` and by the caller's own deadline.
    pub async fn presign(
        &self,
        grant: &Grant,
        session: Option<&SessionId>,
        by: Instant,
    ) -> Result<Presigned, PresignError> {
        match session.and_then(|session| self.slots.take(&SlotKey::of(grant, session))) {
            Some(presigned) => Ok(presigned),
            None => self.mint(grant, Deadline::after(self.aws.timeout()).or(by)).await,
        }
    }

    /// Fills the session's slot in a task of its own, so that its next request need not wait for AWS.
    ///
    /// Does nothing where the slot is filled or being filled, where many others are being filled, and for a target
    /// whose URLs live for a time that neither the config nor AWS's documentation names.
    pub fn prewarm(self: &Arc<Self>, grant: Grant, session: &SessionId) {
        let Some(life) = slots::life(&grant.mint().target) else { return };
        let Ok(permit) = Arc::clone(&self.ahead).try_acquire_owned() else { return };
        let Some(filling) = self.slots.reserve(SlotKey::of(&grant, session), life) else { return };
        let presigner = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            let deadline = Deadline::after(presigner.aws.timeout());
            match presigner.mint(&grant, deadline).await {
                Ok(presigned) => filling.fill(presigned),
                Err(error) => {
                    presigner.metrics.slots.failed.inc();
                    tracing::debug!(error = %error, "slot.not_filled");
                }
            }
        });
    }

    /// Begins the person's AWS session for a launch that is likely to follow, in a task of its own. A session that has
    /// begun is not begun again.
    pub(crate) fn begin(self: &Arc<Self>, grant: Grant) {
        let Ok(permit) = Arc::clone(&self.ahead).try_acquire_owned() else { return };
        let presigner = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            let begun = timeout(presigner.aws.timeout(), Box::pin(presigner.begin_session(&grant))).await;
            if let Ok(Err(error)) = begun {
                tracing::debug!(error = %error.message, "session.not_begun");
            }
        });
    }

    async fn begin_session(&self, grant: &Grant) -> Result<(), AwsError> {
        let located = self.aws.located(grant.mint()).await?;
        let session = self.aws.session(&located, self.session_name(grant.principal()));
        self.aws.begin(session.as_ref()).await
    }

    /// Drops the session's unused URLs, those still being minted included.
    pub fn forget(&self, session: &SessionId) {
        self.slots.forget(session);
    }

    /// Whether the grant's target can be opened now, as of some seconds ago.
    pub async fn describe(&self, grant: &Grant) -> TargetState {
        let described = async {
            match self.aws.located(grant.mint()).await {
                Ok(mint) => self.aws.state(&mint).await,
                Err(error) if error.kind == AwsErrorKind::NotFound => TargetState::Missing,
                Err(_) => TargetState::Unknown,
            }
        };
        timeout(self.aws.timeout(), described).await.unwrap_or(TargetState::Unknown)
    }

    async fn mint(&self, grant: &Grant, deadline: Deadline) -> Result<Presigned, PresignError> {
        let operation = grant.mint().target.operation();
        let counted = self.metrics.mint(grant.destination(), operation);
        let minted = timeout_at(deadline.at, Box::pin(self.mint_granted(deadline, grant)))
            .await
            .unwrap_or_else(|_| Err(PresignError::out_of_time(operation)));
        counted.ended(minted.as_ref().map_or_else(PresignError::as_str, |_| "ok"));
        minted
    }

    /// One mint for a person, as far as the domain and the profile are theirs to open.
    async fn mint_granted(&self, deadline: Deadline, grant: &Grant) -> Result<Presigned, PresignError> {
        let mint = grant.mint();
        if let Some(place) = Place::of(mint) {
            let known = timeout(self.aws.timeout() / 4, self.aws.domain(&place)).await;
            // If it is not known, the presign call decides.
            if let Ok(Ok(domain)) = known
                && let Some(why) = domain.not_for_iam()
            {
                return self.elsewhere(grant, why, &domain);
            }
        }
        if grant.new_profile().is_some() {
            let person = grant.principal();
            let owner = match self.aws.profile_owner(mint).await {
                Ok(owner) => owner,
                // How AWS refuses to tell the tags of what does not exist is not documented.
                Err(error) if error.kind == AwsErrorKind::Refused && !error.is_denial() => {
                    unless_closed(mint, self.aws.state(mint).await)?;
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            };
            if !owner.lets_in(&person.realm, &person.user) {
                let message = format!("the tags of the {} name somebody else: {owner:?}", mint.target);
                return Err(PresignError::ProfileOfAnother { message });
            }
        }
        self.mint_until(deadline, mint, self.session_name(grant.principal())).await
    }

    /// The address of a domain for which no URL can be presigned, if people are to be sent there.
    fn elsewhere(&self, grant: &Grant, why: NotForIam, domain: &Domain) -> Result<Presigned, PresignError> {
        let operation = "DescribeDomain";
        let Some(url) = domain.url.clone().filter(|_| grant.redirects_sso()) else {
            let message = format!("{operation}: {why:?}, AuthMode {}", domain.auth_mode);
            return Err(PresignError::NotForIam { why, message, aws_request_id: None });
        };
        let url = self.hosts.check(Zeroizing::new(url), &grant.mint().region).map_err(|why| {
            PresignError::BadUrl { why, message: format!("{operation}: {why}"), aws_request_id: None }
        })?;
        let facts = MintFacts { operation, aws_request_id: None, role_session_name: None, from_slot: false };
        Ok(Presigned { url, facts })
    }

    /// One mint: the presign call, as far as the target's state lets it, and the check of its answer.
    async fn mint_until(
        &self,
        deadline: Deadline,
        mint: &Mint,
        session_name: String,
    ) -> Result<Presigned, PresignError> {
        let operation = mint.target.operation();
        let located = self.aws.located(mint).await?;
        let session = self.aws.session(&located, session_name);
        let minted = self.minted(deadline, &located, session.as_ref()).await;
        if minted.as_ref().is_err_and(PresignError::is_missing) {
            self.aws.forget_location(mint).await;
        }
        let minted = minted?;
        let aws_request_id = minted.aws_request_id;
        let url = self.hosts.check(minted.url, &mint.region).and_then(|url| match &mint.fragment {
            Some(page) => url.at(page),
            None => Ok(url),
        });
        let url = url.map_err(|why| PresignError::BadUrl {
            why,
            message: format!("{operation}: {why}"),
            aws_request_id: aws_request_id.clone(),
        })?;
        let role_session_name = session.map(|session| session.session_name.clone());
        let facts = MintFacts { operation, aws_request_id, role_session_name, from_slot: false };
        Ok(Presigned { url, facts })
    }

    /// AWS's answer to the presign call. A state look-up spares the person a dead end, and is not waited for if it
    /// would most likely report that the target is usable.
    async fn minted(
        &self,
        deadline: Deadline,
        mint: &Mint,
        session: Option<&Arc<AssumeRole>>,
    ) -> Result<Minted, PresignError> {
        let presign = || self.aws.presigned_url(mint, session, deadline);
        let look_up = timeout(self.aws.timeout() / 4, self.aws.state(mint));
        let looked_up = |state: Result<TargetState, _>| state.unwrap_or(TargetState::Unknown);
        let state = match self.aws.outlook(mint).await {
            Outlook::Known(state) => unless_closed(mint, state)?,
            Outlook::Doubtful => {
                let (state, begun) = tokio::join!(look_up, self.aws.begin(session));
                let state = unless_closed(mint, looked_up(state))?;
                begun?;
                state
            }
            Outlook::Unknown => {
                let (mut look_up, mut presigning) = (pin!(look_up), pin!(presign()));
                return tokio::select! {
                    biased;
                    state = &mut look_up => {
                        // The URL of the presign call, if there is one already, is dropped with the call.
                        let state = unless_closed(mint, looked_up(state))?;
                        presigning.await.map_err(|error| refused(state, error))
                    }
                    minted = &mut presigning => match minted {
                        Err(error) if error.kind == AwsErrorKind::Refused => {
                            Err(refused(unless_closed(mint, looked_up(look_up.await))?, error))
                        }
                        minted => Ok(minted?),
                    }
                };
            }
        };
        presign().await.map_err(|error| refused(state, error))
    }

    pub(crate) fn aws(&self) -> &Arc<Aws> {
        &self.aws
    }

    fn session_name(&self, principal: &Principal) -> String {
        session_name(&principal.realm, &principal.user, self.sole_realm.as_deref())
    }
}

/// The state, if a URL is worth asking for.
fn unless_closed(mint: &Mint, state: TargetState) -> Result<TargetState, PresignError> {
    if state.may_open() {
        return Ok(state);
    }
    let message = format!("{}: no URL, for the target is {state:?}", mint.target.operation());
    Err(PresignError::NotReady { state, message, aws_request_id: None })
}

/// AWS's refusal, as the state explains it: its messages are never read for a meaning.
fn refused(state: TargetState, error: AwsError) -> PresignError {
    if !state.explains_refusals() || error.kind != AwsErrorKind::Refused || error.is_denial() {
        return error.into();
    }
    let AwsError { message, request_id: aws_request_id, .. } = error;
    match state {
        TargetState::OfIdentityCenter => {
            PresignError::NotForIam { why: NotForIam::PartnerApp, message, aws_request_id }
        }
        state => PresignError::NotReady { state, message, aws_request_id },
    }
}
