//! The credentials that a call is signed with: the gateway's own, or those of a session of the assumed role.

use super::error::{AwsError, AwsErrorKind, for_log};
use super::retry::{Calls, Deadline};
use super::sts::{AssumeRole, Sts};
use crate::clock::Clock;
use crate::http_client::causes;
use aws_sdk_sagemaker::config::{ProvideCredentials, SharedCredentialsProvider};
use moka::future::Cache;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

pub(super) use aws_sdk_sagemaker::config::Credentials;

const REUSED_FOR: Duration = Duration::from_secs(300);
/// A signature made in the last minute may reach AWS when it is too late.
const LAST_MINUTE: Duration = Duration::from_secs(60);
const MOST_SESSIONS: u64 = 10_000;

#[derive(Debug)]
pub(super) struct CredentialStore {
    provider: SharedCredentialsProvider,
    sts: Sts,
    calls: Arc<Calls>,
    clock: Clock,
    timeout: Duration,
    own: Cache<(), Credentials>,
    sessions: Cache<Arc<AssumeRole>, Credentials>,
}

/// The credentials of a signature that no SDK made.
#[derive(Debug)]
pub(crate) struct SignedBy {
    pub(super) session: Option<Arc<AssumeRole>>,
    pub(super) credentials: Credentials,
}

impl CredentialStore {
    pub(super) fn new(
        provider: SharedCredentialsProvider,
        sts: Sts,
        calls: Arc<Calls>,
        clock: Clock,
        timeout: Duration,
    ) -> Arc<Self> {
        let own = Cache::builder().max_capacity(1).time_to_live(REUSED_FOR).build();
        let sessions = Cache::builder().max_capacity(MOST_SESSIONS).time_to_live(REUSED_FOR).build();
        Arc::new(Self { provider, sts, calls, clock, timeout, own, sessions })
    }

    pub(super) fn sts(&self) -> &Sts {
        &self.sts
    }

    /// Credentials for the session, or the gateway's own if there is none.
    ///
    /// Waits for as long as fetching them may take; the caller has the deadline.
    ///
    /// # Errors
    ///
    /// The error of the fetch that this caller waited for. Failures are not kept.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        session: Option<Arc<AssumeRole>>,
    ) -> Result<Credentials, AwsError> {
        match session {
            Some(session) => self.session(session).await,
            None => self.own().await,
        }
    }

    /// Makes a call in a session or, without one, as the gateway itself. If AWS refuses the credentials, the call is
    /// made once more with others, where there are any.
    ///
    /// # Errors
    ///
    /// The error of the call, or of the fetch of its credentials. The caller has the deadline.
    pub(super) async fn in_session<T, Answer>(
        self: &Arc<Self>,
        session: Option<&Arc<AssumeRole>>,
        call: impl Fn(Credentials) -> Answer,
    ) -> Result<T, AwsError>
    where
        Answer: Future<Output = Result<T, AwsError>>,
    {
        let discard = |refused| async move {
            match session {
                Some(session) => discard(&self.sessions, session, &refused).await,
                None => discard(&self.own, &(), &refused).await,
            }
        };
        with_others_if_refused(|| self.acquire(session.cloned()), discard, call).await
    }

    /// Drops credentials that AWS has refused. Returns whether there are others to sign the same request with.
    pub(super) async fn replace(self: &Arc<Self>, SignedBy { session, credentials }: SignedBy) -> bool {
        match &session {
            Some(session) => discard(&self.sessions, session, &credentials).await,
            None => discard(&self.own, &(), &credentials).await,
        }
        self.acquire(session).await.is_ok_and(|others| !is_same(&others, &credentials))
    }

    async fn session(self: &Arc<Self>, session: Arc<AssumeRole>) -> Result<Credentials, AwsError> {
        if let Some(credentials) = self.usable(&self.sessions, &session).await {
            return Ok(credentials);
        }
        let store = Arc::clone(self);
        let input = Arc::clone(&session);
        shared(&self.sessions, session, async move {
            let (store, input, deadline) = (&store, &input, Deadline::after(store.timeout));
            let discard = |refused| async move { discard(&store.own, &(), &refused).await };
            let assume = |own: Credentials| async move {
                store.calls.retrying("AssumeRole", None, deadline, || store.sts.assume(&own, input)).await
            };
            with_others_if_refused(|| store.own(), discard, assume).await
        })
        .await
    }

    async fn own(self: &Arc<Self>) -> Result<Credentials, AwsError> {
        if let Some(credentials) = self.usable(&self.own, &()).await {
            return Ok(credentials);
        }
        let store = Arc::clone(self);
        shared(&self.own, (), async move {
            // Shorter than the mint's own deadline, so that the error names the culprit.
            let limit = store.timeout.mul_f64(0.8);
            // The SDK reads token and profile files on the calling thread, and a file may hang.
            let (provider, runtime) = (store.provider.clone(), Handle::current());
            let provided =
                tokio::task::spawn_blocking(move || runtime.block_on(provider.provide_credentials()));
            match tokio::time::timeout(limit, provided).await {
                Ok(Ok(Ok(credentials))) => Ok(credentials),
                Ok(Err(_)) => {
                    Err(AwsError::new(AwsErrorKind::Credentials, "the source of AWS credentials broke down"))
                }
                Ok(Ok(Err(error))) => Err(AwsError::new(
                    AwsErrorKind::Credentials,
                    format!("the gateway has no AWS credentials: {}", for_log(&causes(&error))),
                )),
                Err(_) => Err(AwsError::new(
                    AwsErrorKind::Credentials,
                    format!("no source of AWS credentials answered within {limit:?}"),
                )),
            }
        })
        .await
    }

    /// Cached credentials that are good for another minute.
    async fn usable<K: Hash + Eq + Send + Sync + 'static>(
        &self,
        cache: &Cache<K, Credentials>,
        key: &K,
    ) -> Option<Credentials> {
        let credentials = cache.get(key).await?;
        let too_old =
            credentials.expiry().is_some_and(|expiry| expiry <= self.clock.now_system() + LAST_MINUTE);
        if too_old {
            cache.invalidate(key).await;
            return None;
        }
        Some(credentials)
    }
}

/// Calls, and calls once more with other credentials if AWS refuses the first: they may have been revoked or have ended
/// before their time. A wrong signature is not handled here: it has been made anew already.
async fn with_others_if_refused<T, Acquired, Discarded, Answer>(
    acquire: impl Fn() -> Acquired,
    discard: impl Fn(Credentials) -> Discarded,
    call: impl Fn(Credentials) -> Answer,
) -> Result<T, AwsError>
where
    Acquired: Future<Output = Result<Credentials, AwsError>>,
    Discarded: Future<Output = ()>,
    Answer: Future<Output = Result<T, AwsError>>,
{
    let mut refused: Option<(Credentials, AwsError)> = None;
    loop {
        let credentials = acquire().await?;
        match &refused {
            Some((before, error)) if is_same(before, &credentials) => return Err(error.clone()),
            _ => {}
        }
        match Box::pin(call(credentials.clone())).await {
            Err(error) if error.kind == AwsErrorKind::Credentials => {
                discard(credentials.clone()).await;
                if refused.is_some() || error.is_about_the_signature() {
                    return Err(error);
                }
                refused = Some((credentials, error));
            }
            answer => return answer,
        }
    }
}

fn is_same(one: &Credentials, other: &Credentials) -> bool {
    (one.access_key_id(), one.session_token()) == (other.access_key_id(), other.session_token())
}

/// Drops credentials that AWS refuses, unless others have replaced them.
async fn discard<K: Hash + Eq + Send + Sync + 'static>(
    cache: &Cache<K, Credentials>,
    key: &K,
    refused: &Credentials,
) {
    if cache.get(key).await.is_some_and(|cached| is_same(&cached, refused)) {
        cache.invalidate(key).await;
    }
}

/// Fetches once for all callers that ask for the same key at the same time, in a task of its own, so that a caller who
/// goes away does not cancel the fetch for the others. Errors reach everyone who waited and are not kept.
async fn shared<K: Hash + Eq + Send + Sync + 'static>(
    cache: &Cache<K, Credentials>,
    key: K,
    fetch: impl Future<Output = Result<Credentials, AwsError>> + Send + 'static,
) -> Result<Credentials, AwsError> {
    let cache = cache.clone();
    let task = tokio::spawn(async move { cache.try_get_with(key, Box::pin(fetch)).await });
    match task.await {
        Ok(result) => result.map_err(|error| (*error).clone()),
        Err(_) => Err(AwsError::new(AwsErrorKind::Unavailable, "the program is stopping")),
    }
}
