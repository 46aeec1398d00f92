//! Checks of the user profiles that are there: whose they are, and the name that Studio's calls carry in them.

use super::report::{Asking, Check};
use super::tasks::a_few_at_a_time;
use crate::aws::Aws;
use crate::aws::domains::Place;
use crate::aws::error::AwsError;
use crate::aws::owners::{DIGESTED, Owner};
use crate::policy::Policy;
use crate::policy::named_profiles::Leads;
use crate::target::RoleArn;
use std::sync::Arc;

/// Names that one line shows.
const MOST_NAMED: usize = 10;

/// The profiles of one domain, as AWS tells them.
struct Found {
    place: Place,
    /// Whether the domain's default lets Studio's calls carry the person's name.
    by_default: bool,
    profiles: Result<Vec<Profile>, AwsError>,
    is_cut: bool,
}

struct Profile {
    name: String,
    owner: Result<Owner, AwsError>,
    names_people: Result<Option<bool>, AwsError>,
}

/// Looks at the profiles of these domains, a hundred of each at most.
pub(super) async fn examine(aws: &Arc<Aws>, policy: &Policy, places: Vec<Place>) -> Vec<Check> {
    let mut checks = Vec::new();
    for place in places {
        // Domains of Identity Center, and those that cannot be asked, have a check of their own.
        let Ok(domain) = aws.domain_in_time(&place).await else { continue };
        if domain.auth_mode != "IAM" || domain.not_for_iam().is_some() {
            continue;
        }
        checks.extend(told(policy, &look(aws, place, domain.names_people).await));
    }
    checks
}

async fn look(aws: &Arc<Aws>, place: Place, by_default: bool) -> Found {
    let listed = match aws.profiles_in_time(&place).await {
        Ok(listed) => listed,
        Err(error) => return Found { place, by_default, profiles: Err(error), is_cut: false },
    };
    let looks = listed.names.into_iter().map(|name| {
        let (aws, place) = (Arc::clone(aws), place.clone());
        async move {
            let (owner, names_people) =
                tokio::join!(aws.owner_of(&place, &name), aws.names_people(&place, &name));
            vec![Profile { name, owner, names_people }]
        }
    });
    let profiles = a_few_at_a_time(looks).await;
    Found { place, by_default, profiles: Ok(profiles), is_cut: listed.is_cut }
}

fn told(policy: &Policy, found: &Found) -> Vec<Check> {
    let Found { place, profiles, is_cut, .. } = found;
    let asking = Asking::about(format!("profiles of {} in {}", place.id, place.region));
    let profiles = match profiles {
        Ok(profiles) if profiles.is_empty() => return Vec::new(),
        Ok(profiles) => profiles,
        Err(error) => {
            let caller = place.role_arn.as_ref().map_or("Postern itself", RoleArn::as_str);
            let why = format!(
                "they cannot be listed: {}; only this check needs sagemaker:ListUserProfiles (for {caller})",
                error.message
            );
            return vec![asking.skipped("owners", why)];
        }
    };
    let of = match (profiles.len(), is_cut) {
        (1, false) => "of 1 profile".to_owned(),
        (count, false) => format!("of {count} profiles"),
        (count, true) => format!("of the first {count} profiles"),
    };
    owners(&asking, policy, found, profiles, &of)
        .into_iter()
        .chain([names(&asking, found, profiles, &of)])
        .collect()
}

/// `None` where no rule creates profiles in the domain.
fn owners(asking: &Asking, policy: &Policy, found: &Found, profiles: &[Profile], of: &str) -> Option<Check> {
    let domain_id = found.place.id.as_str();
    if !policy.creates_profiles_in(domain_id) {
        return None;
    }
    let (mut foreign, mut untagged, mut unknown) = (Vec::new(), 0_usize, 0_usize);
    for Profile { name, owner, .. } in profiles {
        let (realm, person) = match owner {
            Ok(Owner::Tagged { realm: Some(realm), person: Some(person) })
                if ![realm, person].iter().any(|value| value.starts_with(DIGESTED)) =>
            {
                (realm, person)
            }
            Ok(Owner::Nobody) => {
                untagged += 1;
                continue;
            }
            Ok(Owner::Tagged { .. }) | Err(_) => {
                unknown += 1;
                continue;
            }
        };
        match policy.leads(domain_id, name, realm, person) {
            Leads::Elsewhere => foreign.push(format!("{name} ({person})")),
            Leads::Perhaps => unknown += 1,
            Leads::Yes => {}
        }
    }
    let fitting = profiles.len() - foreign.len() - untagged - unknown;
    let counted = format!(
        "{of}: {fitting} with tags that name a person whom the rules lead there, {untagged} without tags, which are used as they \
         are, {unknown} of which it cannot be told"
    );
    if foreign.is_empty() {
        return Some(asking.ok("owners", counted));
    }
    let all = foreign.len();
    let found = format!(
        "{counted}, {all} with tags that name a person whom the rules lead elsewhere: {}",
        shown(foreign)
    );
    let remedy = "nobody else is let in there: let the rules lead the person there again, or correct the tags if the profile is \
                  somebody else's";
    Some(asking.warning("owners", found, remedy))
}

fn names(asking: &Asking, Found { place, by_default, .. }: &Found, profiles: &[Profile], of: &str) -> Check {
    let (mut others, mut unknown) = (Vec::new(), 0_usize);
    for Profile { name, names_people, .. } in profiles {
        match names_people {
            Ok(own) if own.unwrap_or(*by_default) => {}
            Ok(_) => others.push(name.clone()),
            Err(_) => unknown += 1,
        }
    }
    let unknown = if unknown == 0 { String::new() } else { format!(", and {unknown} do not tell") };
    let (all, Place { id, region, .. }) = (others.len(), place);
    let Some(one) = others.first().cloned() else {
        return asking
            .ok("session-name", format!("{of}, none hides the person's name from Studio's calls{unknown}"));
    };
    let command = format!(
        "aws sagemaker update-user-profile --region {region} --domain-id {id} --user-profile-name {one} --user-settings \
         '{{\"StudioWebPortalSettings\":{{\"ExecutionRoleSessionNameMode\":\"USER_IDENTITY\"}}}}'"
    );
    asking.ok(
        "session-name",
        format!("{of}, Studio's calls carry the name SageMaker in {all}{unknown}: {}; to change that of one: {command}", shown(others)),
    )
}

fn shown(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &more
}
