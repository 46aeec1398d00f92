//! The claims by which an issuer names people and programs.

use super::texts::{self, mismatch};
use crate::config::claims::{ClaimPath, ClaimPaths, GroupsClaim, Programs};
use crate::config::file::{self, Absent, AccessTokens, ClaimName, Described, GroupsFormat};
use crate::config::findings::{Checked, Findings, Problem};
use crate::config::located::At;
use std::sync::Arc;

const LONGEST_NAME: usize = 1024;

pub(super) fn paths(
    path: &str,
    written: Option<&file::Claims>,
    findings: &mut Findings,
) -> Checked<ClaimPaths> {
    let user = match written.and_then(|claims| claims.user.as_ref()) {
        Some(written) => user(&format!("{path}.user"), written, findings),
        None => Ok(vec!["email".into()]),
    };
    let groups = match written.and_then(|claims| claims.groups.as_ref()) {
        Some(written) => groups(&format!("{path}.groups"), written, findings),
        None => Ok("groups".into()),
    };
    let name = match written.and_then(|claims| claims.name.as_ref()) {
        Some(written) => claim(&format!("{path}.name"), written, findings),
        None => Ok("name".into()),
    };
    Ok(ClaimPaths { user: user?, groups: groups?, name: name? })
}

/// `people` are the groups of the issuer's people.
pub(super) fn programs(
    path: &str,
    written: &file::Programs,
    people: Checked<&GroupsClaim>,
    findings: &mut Findings,
) -> Checked<Programs> {
    let told_by = claim(&format!("{path}.claim"), &written.claim, findings);
    let value = findings.check_optional(&format!("{path}.value"), written.value.as_ref(), |text| {
        Ok::<_, Problem>(text.to_owned())
    });
    let user = claim(&format!("{path}.user"), &written.user, findings);
    let groups = match &written.groups {
        Some(written) => groups(&format!("{path}.groups"), written, findings),
        None => people.cloned(),
    };
    let realm = findings
        .check(&format!("{path}.realm"), &written.realm, |text| texts::label(text).map(Arc::<str>::from));
    Ok(Programs { claim: told_by?, value: value?, user: user?, groups: groups?, realm: realm? })
}

/// Legal only for an issuer of bearer tokens.
pub(super) fn access_tokens(
    at: &str,
    written: &file::Issuer,
    findings: &mut Findings,
) -> Checked<Option<AccessTokens>> {
    let Some(form) = &written.access_tokens else { return Ok(None) };
    if written.preset.is_some() || written.header.is_some() || written.audience.is_none() {
        let message = "`access_tokens` says how bearer tokens are read, and this issuer has none: they need `audience`, \
                       and neither `header` nor `preset`";
        return Err(findings.refuse(&format!("{at}.access_tokens"), form, message));
    }
    Ok(Some(form.value))
}

fn user(
    path: &str,
    written: &At<Described<file::FirstOf>>,
    findings: &mut Findings,
) -> Checked<Vec<ClaimPath>> {
    match &written.value {
        Described::Name(name) => Ok(vec![named(path, name, written, findings)?]),
        Described::Map(file::FirstOf { first_of }) => {
            let each = first_of.iter().enumerate();
            let paths: Vec<Checked<ClaimPath>> = each
                .map(|(index, name)| claim(&format!("{path}.first_of[{index}]"), name, findings))
                .collect();
            paths.into_iter().collect()
        }
    }
}

fn groups(
    path: &str,
    written: &At<Described<file::GroupsClaim>>,
    findings: &mut Findings,
) -> Checked<GroupsClaim> {
    match &written.value {
        Described::Name(name) => named(path, name, written, findings).map(GroupsClaim::from),
        Described::Map(file::GroupsClaim { path: name, absent, format }) => Ok(GroupsClaim {
            path: claim(&format!("{path}.path"), name, findings)?,
            absent: absent.unwrap_or(Absent::Unknown),
            format: format.unwrap_or(GroupsFormat::List),
        }),
    }
}

fn claim(path: &str, written: &At<ClaimName>, findings: &mut Findings) -> Checked<ClaimPath> {
    named(path, written, written, findings)
}

fn named<T>(path: &str, name: &ClaimName, at: &At<T>, findings: &mut Findings) -> Checked<ClaimPath> {
    match name {
        ClaimName::Text(text) => {
            let text = At::new(text.clone(), at.location);
            findings.check(path, &text, |text| claim_text(text).map(ClaimPath::Text))
        }
        ClaimName::Steps(steps) => findings.each(path, steps, step).map(ClaimPath::Steps),
    }
}

fn claim_text(text: &str) -> Result<String, Problem> {
    if text.split('.').any(str::is_empty) {
        let allowed = "the name of a claim, or a dotted path such as `realm_access.roles`";
        let help = "a list of names, one for each step, takes any name";
        return Err(mismatch(text, allowed).help(help));
    }
    step(text)
}

fn step(text: &str) -> Result<String, Problem> {
    if text.len() <= LONGEST_NAME && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, &format!("at most {LONGEST_NAME} bytes without control characters")))
    }
}
