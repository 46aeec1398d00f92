//! Work that is done ahead of a launch, so that the launch waits for less.

use super::context::RequestContext;
use super::listed::Listed;
use super::route::{Route, route};
use super::service::Gateway;
use crate::policy::Question;
use crate::policy::grant::Grant;
use crate::policy::link::decoded;
use crate::provider::principal::Principal;
use crate::sessions::SessionId;
use crate::sign_in::return_to::ReturnTo;
use hyper::Method;
use moka::sync::Cache;
use std::sync::Arc;

const MOST_PEOPLE: u64 = 10_000;

/// The destination that each person opened last at this replica. It is a guess at the next one, and decides nothing.
#[derive(Clone, Debug)]
pub(super) struct LastOpened(Cache<(Arc<str>, String), Arc<str>>);

impl LastOpened {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST_PEOPLE).build())
    }

    pub(super) fn note(&self, grant: &Grant) {
        self.0.insert(key(grant.principal()), Arc::clone(grant.destination()));
    }

    fn of(&self, person: &Principal) -> Option<Arc<str>> {
        self.0.get(&key(person))
    }
}

fn key(person: &Principal) -> (Arc<str>, String) {
    (Arc::clone(&person.realm), person.user.clone())
}

impl Gateway {
    /// Begins the AWS session for the destination to which the browser returns after a sign-in or, where the
    /// configuration says so, fills the new session's slot.
    pub(super) async fn prepare(
        &self,
        principal: &Arc<Principal>,
        session: &SessionId,
        return_to: &ReturnTo,
        context: &RequestContext,
    ) {
        let Route::Destination { name, path } = route(&Method::GET, return_to.path()) else { return };
        let Some(destination) = self.policy.destination(name) else { return };
        let (path, query) = (path.map(decoded), return_to.query());
        let question = Question { principal, client_ip: context.client_ip, path: path.as_deref(), query };
        let Ok(grant) = self.policy.authorize(destination, &question) else { return };
        if !destination.prewarm() {
            self.presigner.begin(grant);
        } else if self.mint_rate.take(principal).await.is_ok() {
            self.presigner.prewarm(grant, session);
        }
    }

    /// Begins the AWS session for the destination that the person opened last, if the list offers it.
    pub(super) fn expect_a_launch(&self, person: &Principal, access: &[Listed<'_>]) {
        let Some(last) = self.last_opened.of(person) else { return };
        let row = access.iter().find(|row| *row.name == *last);
        if let Some(grant) = row.and_then(|row| row.grant.clone()) {
            self.presigner.begin(grant);
        }
    }
}
