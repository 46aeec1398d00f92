//! The roles and domains to check before the targets.

use super::opening::{self, Person};
use crate::aws::domains::Place;
use crate::policy::Policy;
use crate::policy::possible::PossibleTarget;
use crate::target::{DomainId, Kind, Region, RoleArn};

/// Each once, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) roles: Vec<RoleArn>,
    /// Roles that depend on the person, as patterns.
    pub(super) unknown_roles: Vec<String>,
    pub(super) domains: Vec<Place>,
    /// Domains from which people of Identity Center are sent on.
    pub(super) redirecting: Vec<Place>,
}

impl Places {
    pub(super) fn of(policy: &Policy, person: Option<&Person>) -> Self {
        let mut places = Self::default();
        let possible = policy.possible_targets();
        possible.iter().for_each(|target| places.add_written(target, &possible));
        if let Some(person) = person {
            places.unknown_roles.clear();
            let openings = opening::all(policy, Some(person));
            for mint in openings.iter().filter_map(|opening| opening.target.mint()) {
                add(&mut places.roles, mint.role_arn.clone());
                add(&mut places.domains, Place::of(mint));
            }
        }
        places
    }

    /// Adds what a rule names without asking for the person.
    fn add_written(&mut self, target: &PossibleTarget, possible: &[PossibleTarget]) {
        let role_arn = match &target.role_arn {
            None => None,
            Some(role) => match role.constant() {
                Some(role) => RoleArn::parse(role).ok(),
                None => return add(&mut self.unknown_roles, Some(role.to_iam())),
            },
        };
        add(&mut self.roles, role_arn.clone());
        let domain = domain_of(target, role_arn).filter(|_| pairs_are_known(target, possible));
        if target.studio.as_ref().is_some_and(|studio| studio.redirects_sso) {
            add(&mut self.redirecting, domain.clone());
        }
        add(&mut self.domains, domain);
    }
}

fn domain_of(target: &PossibleTarget, role_arn: Option<RoleArn>) -> Option<Place> {
    let id = target.names.first().filter(|_| target.kind == Kind::StudioDomain)?;
    let id = DomainId::parse(id.constant()?).ok()?;
    let region = Region::parse(target.region.constant()?).ok()?;
    Some(Place { id, region, role_arn, endpoint_url: target.endpoint_url.clone() })
}

/// False if the target's rule can name several roles and several domains: then only the person decides which role goes
/// with which domain.
fn pairs_are_known(target: &PossibleTarget, possible: &[PossibleTarget]) -> bool {
    let of_rule = possible
        .iter()
        .filter(|other| (&other.destination, &other.rule) == (&target.destination, &target.rule));
    of_rule.clone().all(|other| other.role_arn == target.role_arn)
        || of_rule.clone().all(|other| other.names.first() == target.names.first())
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    list.extend(item.filter(|item| !list.contains(item)));
}
