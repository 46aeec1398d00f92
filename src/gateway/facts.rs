//! The facts about a person that the rules read, for the page that refuses that person.

use crate::provider::policy_inputs::Names;
use crate::provider::principal::{Groups, Principal};
use std::net::IpAddr;

/// Groups on the page; `/-/whoami` has all of them.
const MOST_GROUPS: usize = 20;
/// Characters of a group's name.
const LONGEST_GROUP: usize = 80;

/// The facts about which the rules ask, each with its value. `known` are the groups that the rules ask for by name.
pub(super) fn of(
    asks: impl Fn(&str) -> bool,
    person: &Principal,
    client_ip: Option<IpAddr>,
    known: &Names,
) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if asks("user") {
        facts.push(("Your user name", person.user.clone()));
    }
    if asks("groups") {
        facts.push(("Your groups", groups(person, known)));
    }
    if asks("client_ip") {
        let address = client_ip.map_or("not known".to_owned(), |address| address.to_string());
        facts.push(("Your network address", address));
    }
    facts
}

fn groups(person: &Principal, known: &Names) -> String {
    let groups = match (&person.groups, person.groups.unbound()) {
        (Groups::Known(groups), _) => groups,
        (_, Some(unbound)) => return format!("not known: {unbound}"),
        (_, None) => return "left out by your company's sign-in, because there are too many".to_owned(),
    };
    let named: Vec<String> = groups
        .iter()
        .filter(|group| known.contains(group))
        .take(MOST_GROUPS)
        .map(|group| match group.char_indices().nth(LONGEST_GROUP) {
            Some((end, _)) => format!("{}…", group.get(..end).unwrap_or_default()),
            None => group.to_string(),
        })
        .collect();
    let total = person.groups_total.unwrap_or(groups.len());
    match (named.as_slice(), total - named.len().min(total)) {
        ([], 0) => "none".to_owned(),
        ([], others) => format!("{others}, none of which the rules ask for by name"),
        (named, 0) => named.join(", "),
        (named, others) => format!("{} and {others} more", named.join(", ")),
    }
}
