//! The user profiles that rules lead a person to of whom nothing but the name is known.

use super::expression::facts::Facts;
use super::name_pattern::NamePattern;
use super::{Policy, Question, Verdict};
use crate::provider::principal::{Groups, Principal, Unbound};
use crate::target::{DOMAIN_ID, USER_PROFILE_NAME};
use std::sync::Arc;

/// Whether rules that create profiles lead a person to a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    Yes,
    /// All of them lead this person to other profiles.
    Elsewhere,
    /// It depends on facts that are not known.
    Perhaps,
}

impl Policy {
    /// Whether rules create profiles in the domain, as far as the configuration alone tells.
    pub fn creates_profiles_in(&self, domain_id: &str) -> bool {
        self.possible_targets().iter().any(|target| {
            let creates = target.studio.as_ref().is_some_and(|studio| studio.new_profile.is_some());
            let id = target.names.first().and_then(NamePattern::constant);
            creates && id.is_none_or(|id| id == domain_id)
        })
    }

    /// Whether rules that create profiles in the domain can lead this person to the profile of this name.
    pub fn leads(&self, domain_id: &str, name: &str, realm: &str, user: &str) -> Leads {
        let principal = Arc::new(Principal {
            realm: realm.into(),
            user: user.to_owned(),
            issuer: realm.into(),
            subject: String::new(),
            name: None,
            groups: Groups::Unbound(Unbound::kept("they are not known".into())),
            groups_total: None,
            claims: Arc::default(),
        });
        let question = Question { principal: &principal, client_ip: None, path: None, query: None };
        // An expression that asks for a claim fails, for nobody knows whether the person has it.
        let facts = Facts::new(&self.library, &question).without_claims();
        let creating = self.destinations.iter().filter(|destination| destination.new_profile().is_some());
        let mut leads = Leads::Elsewhere;
        for rule in creating.flat_map(|destination| &destination.rules) {
            let Verdict::Allow(blueprint) = &rule.verdict else { continue };
            let Ok(mint) = blueprint.resolve(&facts) else {
                leads = Leads::Perhaps;
                continue;
            };
            if mint.target.text(DOMAIN_ID) != Some(domain_id) {
                continue;
            }
            if mint.target.text(USER_PROFILE_NAME).is_some_and(|named| named.eq_ignore_ascii_case(name)) {
                return Leads::Yes;
            }
        }
        leads
    }
}
