//! The page that shows a person's identity, and why they may or may not open each destination.

use super::Pages;
use crate::gateway::listed::Listed;
use crate::policy::grant::DenialReason;
use crate::provider::policy_inputs::Names;
use crate::provider::principal::{Groups, Principal};
use maud::{Markup, html};
use std::net::IpAddr;

/// A report names this many groups; the page has all of them.
const MOST_REPORTED: usize = 100;

/// The identity of the person who asks.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub person: &'a Principal,
    /// The `iss` of the issuer's tokens.
    pub issuer_url: &'a str,
    pub client_ip: Option<IpAddr>,
    /// The groups that the rules ask for.
    pub asked_for: &'a Names,
    pub request_id: &'a str,
    pub config_digest: &'a str,
}

impl Identity<'_> {
    /// The person's groups: those that the rules ask for by name, and the others.
    pub(crate) fn groups(&self) -> Option<(Vec<&str>, Vec<&str>)> {
        let Groups::Known(groups) = &self.person.groups else { return None };
        Some(groups.iter().map(|group| &**group).partition(|group| self.asked_for.contains(group)))
    }
}

impl Pages {
    pub(crate) fn who_am_i(&self, identity: &Identity<'_>, access: &[Listed<'_>]) -> Markup {
        let person = identity.person;
        let content = html! {
            h1 { "You are " (display_name(person)) }
            dl {
                dt { "User" } dd { (person.user) }
                dt { "Signed in by" } dd { (person.issuer) " (" (identity.issuer_url) ")" }
                dt { "Subject" } dd { code { (person.subject) } }
                @if let Some(address) = identity.client_ip { dt { "Your address" } dd { (address) } }
                dt { "Groups" }
                dd {
                    (groups(identity))
                    @if let Some(total) = person.groups_total {
                        " (of " (total) " groups, those that rules here ask for)"
                    }
                }
            }
            h2 { "What you may open, and why" }
            table {
                thead { tr { th scope="col" { "Destination" } th scope="col" { "Answer" } } }
                tbody { @for row in access { (self.access_row(row)) } }
            }
            (self.contact(identity.request_id))
            (self.identity_report(identity, access).field())
        };
        self.page("Who you are here", Some(&person.user), None, &content)
    }

    fn access_row(&self, row: &Listed<'_>) -> Markup {
        let team = self.platform_team();
        html! {
            tr {
                th scope="row" { @if row.allowed() { a href={ "/" (row.name) } { (row.title) } } @else { (row.title) } }
                td {
                    @match (row.reason, &row.rule) {
                        (None, Some(rule)) => { strong { "Yes" } ": the rule " code { (rule) } " allows it." },
                        (None, None) => { strong { "Yes" } },
                        (Some(DenialReason::RuleDenied), rule) => {
                            strong { "No" } ": the rule " @if let Some(rule) = rule { code { (rule) } } " refuses it."
                        },
                        (Some(DenialReason::NoRule), _) => {
                            strong { "No" } ": no rule gives you access. Ask " (team) " for it."
                        },
                        (Some(DenialReason::GroupsOverage), _) => {
                            strong { "Undecided" } ": it depends on your groups, and your company's sign-in did not send them. Tell "
                            (team) "."
                        },
                        (Some(DenialReason::RuleError), rule) => {
                            strong { "Undecided" } ": the rule " @if let Some(rule) = rule { code { (rule) } }
                            " could not be applied to you. Tell " (team) "."
                        },
                    }
                    @if row.may_start { p { "You may start it where it is stopped." } }
                    @if let Some(remedy) = &row.remedy { p { "What to do: " (remedy) } }
                    @if let Some(tracking_uri) = &row.tracking_uri { (self.variables(row.name, tracking_uri)) }
                }
            }
        }
    }

    fn identity_report(&self, identity: &Identity<'_>, access: &[Listed<'_>]) -> super::support::Report {
        let person = identity.person;
        let mut report = self.report(identity.request_id);
        report.line("User", &person.user);
        report.line("Issuer", &format!("{} ({})", person.issuer, identity.issuer_url));
        report.line("Realm", &person.realm);
        report.line("Subject", &person.subject);
        match identity.address() {
            Some(address) => report.line("Address", &address),
            None => report.line("Address", "not known"),
        }
        match identity.groups() {
            None => match identity.person.groups.unbound() {
                Some(unbound) => report.line("Groups", &format!("not known: {unbound}")),
                None => report.line("Groups", "left out by the sign-in provider"),
            },
            Some((mut groups, others)) => {
                groups.extend(others);
                let count = groups.len();
                let more = if count > MOST_REPORTED { ", …" } else { "" };
                groups.truncate(MOST_REPORTED);
                report.line(&format!("Groups ({count})"), &format!("{}{more}", groups.join(", ")));
            }
        }
        for row in access {
            report.line(&format!("Destination {}", row.name), &answer(row));
        }
        report.line("Configuration", identity.config_digest);
        report
    }
}

impl Identity<'_> {
    fn address(&self) -> Option<String> {
        self.client_ip.map(|address| address.to_string())
    }
}

fn answer(row: &Listed<'_>) -> String {
    let decided = row.reason.map_or("allowed".to_owned(), |reason| format!("refused, {}", reason.as_str()));
    match &row.rule {
        Some(rule) => format!("{decided}, rule {rule}"),
        None => decided,
    }
}

fn groups(identity: &Identity<'_>) -> Markup {
    match identity.groups() {
        None => match identity.person.groups.unbound() {
            Some(unbound) => html! { "not known: " (unbound) },
            None => html! { "left out by the sign-in provider, because there are too many" },
        },
        Some((asked_for, others)) if asked_for.is_empty() && others.is_empty() => html! { "none" },
        Some((asked_for, others)) => html! {
            @if asked_for.is_empty() { "none that the rules ask for" } @else { (asked_for.join(", ")) }
            @if !others.is_empty() {
                details {
                    summary { (others.len()) " more that no rule asks for by name" }
                    p { (others.join(", ")) }
                }
            }
        },
    }
}

pub(super) fn display_name(person: &Principal) -> &str {
    person.name.as_deref().unwrap_or(&person.user)
}
