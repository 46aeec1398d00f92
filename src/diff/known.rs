//! People as a record or a provider's claims tell of them.

use super::line::{Decision, Fact, Facts};
use crate::config::IssuerConfig;
use crate::policy::judge::Known;
use crate::provider::policy_inputs::{Names, PolicyInputs};
use crate::provider::principal::{Groups, Principal, Unbound, principal_from_claims};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The facts of a record, with its gaps. A record without facts tells the person and their address alone.
pub(super) fn of_record(decision: &Decision, issuers: &[IssuerConfig]) -> Known {
    // A record of a program may name this issuer, so the realm is left empty. No configured realm is empty.
    let realm = || {
        let config = issuers.iter().find(|config| *config.name == *decision.issuer);
        let config = config.filter(|config| config.programs.is_none());
        config.map_or_else(|| "".into(), |config| Arc::clone(&config.realm))
    };
    let facts = decision.facts.as_ref();
    let (groups, groups_on_record) = facts.map_or_else(nothing, groups);
    let claims = facts.map(|facts| facts.claims.clone()).unwrap_or_default();
    let claims_on_record = match facts {
        Some(facts) if facts.claims_all => Names::All,
        _ => Names::Only(claims.keys().cloned().collect()),
    };
    let (client_ip, client_ip_on_record) = match facts.map(|facts| &facts.client_ip) {
        None => (decision.client_ip, decision.client_ip.is_some()),
        Some(Fact::NotOnRecord) => (None, false),
        Some(Fact::Absent) => (None, true),
        Some(Fact::Known(address)) => (Some(*address), true),
    };
    Known {
        client_ip,
        client_ip_on_record,
        path: facts.and_then(|facts| facts.path.clone()),
        on_record: PolicyInputs { claims: claims_on_record, groups: groups_on_record },
        principal: Arc::new(Principal {
            realm: facts.map_or_else(realm, |facts| facts.realm.as_str().into()),
            user: decision.user.clone(),
            issuer: decision.issuer.as_str().into(),
            subject: decision.subject.clone(),
            name: None,
            groups,
            groups_total: None,
            claims: Arc::new(claims),
        }),
    }
}

/// All facts are known but the address. `None` where the claims name nobody.
pub(super) fn of_claims(
    issuer: &str,
    claims: &Map<String, Value>,
    issuers: &[IssuerConfig],
) -> Option<Known> {
    let config = issuers.iter().find(|config| &*config.name == issuer)?;
    let principal = principal_from_claims(config, claims).ok()?;
    Some(Known {
        principal: Arc::new(principal),
        client_ip: None,
        client_ip_on_record: false,
        path: None,
        on_record: PolicyInputs { claims: Names::All, groups: Names::All },
    })
}

fn groups(facts: &Facts) -> (Groups, Names) {
    match (&facts.groups, &facts.groups_asked) {
        (Fact::NotOnRecord, _) => nothing(),
        (Fact::Absent, _) => {
            let unbound = facts.groups_unbound.as_deref();
            let groups = unbound.map_or(Groups::LeftOut, |text| Groups::Unbound(Unbound::kept(text.into())));
            (groups, Names::All)
        }
        (Fact::Known(groups), None) => (known(groups), Names::All),
        (Fact::Known(groups), Some(asked)) => (known(groups), Names::Only(asked.clone())),
    }
}

fn known(groups: &[String]) -> Groups {
    Groups::Known(groups.iter().map(|group| Arc::from(group.as_str())).collect())
}

fn nothing() -> (Groups, Names) {
    (Groups::Known(Arc::default()), Names::Only(BTreeSet::new()))
}
