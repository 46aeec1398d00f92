//! The choice of the targets to check.

use crate::policy::grant::{Api, Grant};
use crate::policy::{Destination, Policy, Question};
use crate::provider::principal::Principal;
use crate::target::Mint;
use std::net::IpAddr;
use std::sync::Arc;

/// The person whose targets are checked, and the address from which they come.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub principal: Arc<Principal>,
    pub client_ip: Option<IpAddr>,
}

/// One target of a destination, or the reason why there is none.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) destination: Arc<str>,
    pub(super) target: Opened,
    /// Whether somebody may start it.
    pub(super) startable: bool,
    /// How programs call it, if they may.
    pub(super) api: Option<Arc<Api>>,
}

#[derive(Clone, Debug)]
pub(super) enum Opened {
    /// The same for everyone whom this rule lets in.
    Constant { rule: Arc<str>, mint: Box<Mint> },
    /// The person's own target.
    Granted(Box<Grant>),
    /// No target to check, with the reason.
    Nothing(String),
}

impl Opened {
    pub(super) fn mint(&self) -> Option<&Mint> {
        match self {
            Self::Constant { mint, .. } => Some(mint),
            Self::Granted(grant) => Some(grant.mint()),
            Self::Nothing(_) => None,
        }
    }
}

/// In the order of the configuration.
pub(super) fn all(policy: &Policy, person: Option<&Person>) -> Vec<Opening> {
    match person {
        Some(person) => of_person(policy, person),
        None => of_everyone(policy),
    }
}

fn of_person(policy: &Policy, person: &Person) -> Vec<Opening> {
    let question =
        Question { principal: &person.principal, client_ip: person.client_ip, path: None, query: None };
    let opening = |destination| {
        let destination: &Destination = destination;
        let target = match policy.authorize(destination, &question) {
            Ok(grant) => Opened::Granted(Box::new(grant)),
            Err(refusal) => {
                let failure = refusal.trace().failure().map(|failure| format!(" by {failure}"));
                let deciding = || refusal.trace().deciding();
                let rule = failure.or_else(|| Some(format!(" by the rule `{}`", deciding()?.rule)));
                let (user, rule) = (&person.principal.user, rule.unwrap_or_default());
                Opened::Nothing(format!("{user} may not open it: {}{rule}", refusal.reason()))
            }
        };
        let startable = destination.can_be_started();
        let (destination, api) = (Arc::clone(destination.name()), destination.api().cloned());
        Opening { destination, target, startable, api }
    };
    policy.destinations().map(opening).collect()
}

fn of_everyone(policy: &Policy) -> Vec<Opening> {
    let openings = policy.openings().into_iter().map(|opening| {
        let target = match opening.mint {
            Some(mint) => Opened::Constant { rule: opening.rule, mint: Box::new(mint) },
            None => Opened::Nothing(
                "the target depends on the person: ask again with --as and a file of somebody's claims"
                    .to_owned(),
            ),
        };
        let found = policy.destination(&opening.destination);
        let startable = found.is_some_and(Destination::can_be_started);
        let api = found.and_then(|found| found.api().cloned());
        Opening { destination: opening.destination, target, startable, api }
    });
    openings.collect()
}
