//! Claims that let a rule decide, found by trying the names and constants in its expressions: fewest first, and never
//! more than a bounded number. Each suggestion has been judged, so its test passes.

use super::Suggestion;
use crate::config::file::GroupsFormat;
use crate::config::{ClaimPath, IssuerConfig};
use crate::policy::explain::{fields, names_place};
use crate::policy::expression::Literals;
use crate::policy::grant::Outcome;
use crate::policy::{Destination, Policy, Question, Refusal, Rule};
use crate::provider::policy_inputs::{Names, PolicyInputs};
use crate::provider::principal::principal_from_claims;
use crate::target::Mint;
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// People tried for one rule.
const MOST_TRIED: usize = 4000;
const MOST_NAMES: usize = 10;
const MOST_GROUPS: usize = 3;
/// An address for documentation (RFC 5737), so in hardly anybody's network.
const ELSEWHERE: [u8; 4] = [203, 0, 113, 9];

pub(super) struct Search<'a> {
    policy: &'a Policy,
    issuers: &'a [IssuerConfig],
}

/// The names in the rules up to the one that is to decide.
struct Named {
    groups: Vec<String>,
    claims: Vec<String>,
    texts: Vec<String>,
    numbers: Vec<Value>,
    client_ips: Vec<Option<IpAddr>>,
}

/// Things to choose from, each with how much it adds to a test.
type Choices<T> = Vec<(usize, T)>;

impl<'a> Search<'a> {
    pub(super) fn new(policy: &'a Policy, issuers: &'a [IssuerConfig]) -> Self {
        Self { policy, issuers }
    }

    pub(super) fn test(&self, destination: Option<&str>, rule: &str) -> Option<Suggestion> {
        let destinations = self.policy.destinations.iter();
        let mut destinations =
            destinations.filter(|found| destination.is_none_or(|name| *found.name == *name));
        let destination = destinations.next()?;
        self.issuers.iter().find_map(|issuer| self.of_issuer(destination, rule, issuer))
    }

    fn of_issuer(&self, destination: &Destination, rule: &str, issuer: &IssuerConfig) -> Option<Suggestion> {
        let rules: Vec<&Rule> = self.policy.deny.iter().chain(&destination.rules).collect();
        let at = rules.iter().position(|known| *known.name == *rule)?;
        let named = Named::by(rules.get(..=at)?);
        let users = users(&named, issuer);
        let (groups, claims) = (subsets(&named.groups), assignments(&named));
        let addresses: Choices<_> =
            named.client_ips.iter().map(|address| (usize::from(address.is_some()), *address)).collect();
        let heaviest = [weight(&users), weight(&groups), weight(&claims), weight(&addresses)];
        let mut tried = 0;
        for total in 0..=heaviest.into_iter().sum() {
            for (of_user, user) in &users {
                for (of_groups, groups) in &groups {
                    for (of_claims, further) in &claims {
                        for (of_address, client_ip) in &addresses {
                            if of_user + of_groups + of_claims + of_address != total {
                                continue;
                            }
                            tried += 1;
                            if tried > MOST_TRIED {
                                return None;
                            }
                            let claims = claims_of(issuer, user, groups, further)?;
                            let found = self.decides(destination, rule, issuer, claims, *client_ip);
                            if found.is_some() {
                                return found;
                            }
                        }
                    }
                }
            }
        }
        None
    }

    fn decides(
        &self,
        destination: &Destination,
        rule: &str,
        issuer: &IssuerConfig,
        claims: Map<String, Value>,
        client_ip: Option<IpAddr>,
    ) -> Option<Suggestion> {
        let principal = Arc::new(principal_from_claims(issuer, &claims).ok()?);
        let question = Question { principal: &principal, client_ip, path: None, query: None };
        let decided = self.policy.authorize(destination, &question);
        let trace = decided.as_ref().map_or_else(Refusal::trace, |grant| grant.trace());
        let step = trace.deciding().filter(|step| *step.rule == *rule && step.outcome == Outcome::Matched)?;
        let expect = match &decided {
            Ok(grant) => place(grant.mint()),
            Err(refusal) => Map::from_iter([("deny".to_owned(), Value::from(refusal.reason()))]),
        };
        Some(Suggestion {
            issuer: issuer.name.to_string(),
            claims,
            client_ip,
            destination: destination.name.to_string(),
            rule: step.rule.to_string(),
            expect,
        })
    }
}

impl Named {
    fn by(rules: &[&Rule]) -> Self {
        let (mut reads, mut literals) = (PolicyInputs::default(), Literals::default());
        for rule in rules {
            rule.gather(&mut reads);
            rule.expressions().for_each(|expression| expression.gather_literals(&mut literals));
        }
        let names = |names: &Names| match names {
            Names::All => Vec::new(),
            Names::Only(names) => names.iter().take(MOST_NAMES).cloned().collect(),
        };
        let Literals { texts, numbers } = literals;
        let networks: Vec<IpNet> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let elsewhere = Some(IpAddr::from(ELSEWHERE));
        let inside = networks.iter().filter_map(|network| network.hosts().next());
        let client_ips = if networks.is_empty() {
            vec![None]
        } else {
            std::iter::once(None).chain(inside.map(Some)).chain([elsewhere]).collect()
        };
        let groups = match &reads.groups {
            // Only the texts can tell which groups.
            Names::All => texts.iter().take(MOST_NAMES).cloned().collect(),
            Names::Only(_) => names(&reads.groups),
        };
        Self {
            groups,
            claims: names(&reads.claims),
            texts: texts.into_iter().take(MOST_NAMES).collect(),
            numbers: numbers.into_iter().take(MOST_NAMES).map(Value::from).collect(),
            client_ips,
        }
    }
}

fn weight<T>(choices: &Choices<T>) -> usize {
    choices.iter().map(|(weight, _)| *weight).max().unwrap_or_default()
}

/// Names of people whom the issuer can assert: anybody first.
fn users(named: &Named, issuer: &IssuerConfig) -> Choices<String> {
    let domain = issuer.user_domains.as_ref().and_then(|domains| domains.first());
    let anybody = domain.map_or_else(|| "person".to_owned(), |domain| format!("person@{domain}"));
    let others = issuer.user_domains.iter().flatten().skip(1).map(|domain| format!("person@{domain}"));
    let written = named.texts.iter().filter(|text| domain.is_none() || text.contains('@')).cloned();
    let others = others.chain(written).map(|user| (1, user));
    std::iter::once((0, anybody)).chain(others).collect()
}

/// Sets of few groups.
fn subsets(names: &[String]) -> Choices<Vec<String>> {
    let mut subsets = vec![(0, Vec::new())];
    for name in names {
        let longer: Vec<_> = subsets
            .iter()
            .filter(|(size, _)| *size < MOST_GROUPS)
            .map(|(size, subset)| (size + 1, [subset.as_slice(), std::slice::from_ref(name)].concat()))
            .collect();
        subsets.extend(longer);
    }
    subsets
}

/// Claims with values that the expressions compare with, or without.
fn assignments(named: &Named) -> Choices<Map<String, Value>> {
    let texts = named.texts.iter().flat_map(|text| [json!(text), json!([text])]);
    let values: Vec<Value> =
        texts.chain(named.numbers.iter().cloned()).chain([json!(true), json!("x")]).collect();
    let mut found = vec![(0, Map::new())];
    for claim in &named.claims {
        let with = found.iter().flat_map(|(size, claims): &(usize, Map<String, Value>)| {
            values.iter().map(move |value| {
                let mut claims = claims.clone();
                claims.insert(claim.clone(), value.clone());
                (size + 1, claims)
            })
        });
        let with: Vec<_> = with.take(MOST_TRIED).collect();
        found.extend(with);
    }
    found
}

/// The claims as a token of this issuer has them. `None` where the configuration reads them in an unknown way.
fn claims_of(
    issuer: &IssuerConfig,
    user: &str,
    groups: &[String],
    further: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut claims = further.clone();
    claims.entry("sub").or_insert_with(|| "u1".into());
    let path = issuer.claims.user.first()?;
    put(&mut claims, path, user.into())?;
    if issuer.user_domains.is_some() && !issuer.unmarked_email {
        put(&mut claims, &beside(path, "email"), user.into())?;
        put(&mut claims, &beside(path, "email_verified"), true.into())?;
    }
    let groups = match issuer.claims.groups.format {
        GroupsFormat::List | GroupsFormat::ListOrOne => json!(groups),
        GroupsFormat::Text | GroupsFormat::Commas => groups.join(",").into(),
        GroupsFormat::Words => groups.join(" ").into(),
        GroupsFormat::Json => json!(groups).to_string().into(),
        GroupsFormat::Keys => groups.iter().map(|group| (group.clone(), Value::from(true))).collect(),
    };
    put(&mut claims, &issuer.claims.groups.path, groups)?;
    Some(claims)
}

/// The claim of this name in the same object.
fn beside(path: &ClaimPath, name: &str) -> ClaimPath {
    match path {
        ClaimPath::Text(_) => name.into(),
        ClaimPath::Steps(steps) => {
            let above = steps.iter().take(steps.len().saturating_sub(1)).cloned();
            ClaimPath::Steps(above.chain([name.to_owned()]).collect())
        }
    }
}

fn put(claims: &mut Map<String, Value>, path: &ClaimPath, value: Value) -> Option<()> {
    match path {
        ClaimPath::Text(name) => _ = claims.insert(name.clone(), value),
        ClaimPath::Steps(steps) => {
            let (last, above) = steps.split_last()?;
            let mut holder = claims;
            for step in above {
                holder = holder.entry(step).or_insert_with(|| json!({})).as_object_mut()?;
            }
            holder.insert(last.clone(), value);
        }
    }
    Some(())
}

/// The fields of a target that make a place.
fn place(mint: &Mint) -> Map<String, Value> {
    fields(mint).into_iter().filter(|(key, _)| names_place(key)).collect()
}
