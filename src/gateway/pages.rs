//! What a person reads. Plain HTML with one inline stylesheet: no script, no external asset, nothing to load.

use super::failure::Failure;
use crate::authn::principal::{Groups, Principal};
use crate::policy::grant::DenialReason;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

const STYLE: &str = include_str!("pages.css");

#[derive(Debug)]
pub struct Pages {
    content_security_policy: HeaderValue,
}

/// One destination on the portal.
#[derive(Debug)]
pub struct Card<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub description: Option<&'a str>,
    pub kind: &'static str,
}

/// One destination, and whether a person may open it.
#[derive(Debug)]
pub struct Access<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub description: Option<&'a str>,
    pub kind: &'static str,
    pub allowed: bool,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    pub reason: Option<DenialReason>,
    pub remedy: Option<Arc<str>>,
}

impl Default for Pages {
    fn default() -> Self {
        // The one stylesheet is allowed by its digest (CSP Level 3, section 2.3.1), so nothing injected could style a page.
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let content_security_policy =
            HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        Self { content_security_policy }
    }
}

impl Pages {
    pub fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
    }

    pub fn failure(&self, failure: &Failure, request_id: &str) -> Markup {
        let retry = failure.retry_seconds();
        let refresh =
            retry.map(|seconds| format!("{seconds};url={}", failure.again.as_deref().unwrap_or("/")));
        let content = html! {
            h1 { (failure.title) }
            p {
                @if let Some(opens) = &failure.opens { strong { (opens) } ": " }
                (failure.detail)
            }
            @if let Some(remedy) = &failure.remedy {
                p.remedy { strong { "What to do: " } (remedy) }
            } @else {
                p { (failure.advice) }
            }
            @if let Some(seconds) = retry {
                p.quiet { "This page tries again by itself after " (seconds) " s." }
            }
            p { (way_on(failure)) }
            details {
                summary { "Details for support" }
                dl {
                    dt { "Request" } dd { code { (request_id) } }
                    dt { "Reason" } dd { code { (failure.reason) } }
                    dt { "Status" } dd { (failure.status.as_u16()) }
                    @if let Some(person) = &failure.person { dt { "Signed in as" } dd { (person) } }
                }
                @if let Some(trace) = &failure.trace { (trace_table(trace)) }
            }
            @if let Some(person) = &failure.person { (signed_in_as(person)) }
        };
        page(failure.title, refresh.as_deref(), &content)
    }

    /// Asked before a destination opens that another site pointed the browser at.
    pub fn ask_to_continue(&self, title: &str, path_and_query: &str, person: Option<&Principal>) -> Markup {
        let content = html! {
            h1 { "Open " (title) "?" }
            p {
                "Another site or an old link sent your browser here, and opening " (title) " signs you in there"
                @if let Some(person) = person { " as " strong { (person.user) } }
                ". If that is what you want, continue."
            }
            p { a.button href=(path_and_query) { "Continue to " (title) } }
            p { a href="/" { "Everything you can open" } }
            @if let Some(person) = person { (signed_in_as(&person.user)) }
        };
        page("Continue?", None, &content)
    }

    /// After a sign-in that no click preceded (a restored tab): a navigation that starts here is this site's own.
    pub fn signed_in(&self, path_and_query: &str) -> Markup {
        let content = html! {
            h1 { "You are signed in" }
            p { a.button href=(path_and_query) { "Continue" } }
        };
        page("Signed in", Some(&format!("0;url={path_and_query}")), &content)
    }

    pub fn portal(&self, person: &Principal, cards: &[Card<'_>]) -> Markup {
        let content = html! {
            h1 { "What you can open" }
            @if person.groups == Groups::LeftOut {
                p.remedy {
                    "Your company's sign-in left your groups out because there are too many, so what depends on a group "
                    "is not listed. Being added to another group will not help: send this page to your platform team."
                }
            } @else if cards.is_empty() {
                p { "No destination is open to you as " strong { (display_name(person)) } "." }
                p {
                    "See " a href="/-/whoami" { "who you are here and why" }
                    "; your platform team can add you to a group."
                }
            }
            ul.cards {
                @for card in cards {
                    li {
                        a href={ "/" (card.name) } { (card.title) }
                        @if let Some(description) = card.description { p { (description) } }
                        p.kind { (card.kind) }
                    }
                }
            }
            (signed_in_as(&person.user))
        };
        page("Your destinations", None, &content)
    }

    pub fn who_am_i(&self, person: &Principal, access: &[Access<'_>], request_id: &str) -> Markup {
        let content = html! {
            h1 { "You are " (display_name(person)) }
            dl {
                dt { "User" } dd { (person.user) }
                dt { "Signed in by" } dd { (person.issuer) }
                dt { "Subject" } dd { code { (person.subject) } }
                dt { "Groups" } dd { (groups(&person.groups)) (selection(person)) }
                dt { "Request" } dd { code { (request_id) } }
            }
            h2 { "What you may open" }
            table {
                thead { tr { th scope="col" { "Destination" } th scope="col" { "Answer" } } }
                tbody { @for row in access { (access_row(row)) } }
            }
            (signed_in_as(&person.user))
        };
        page("Who you are here", None, &content)
    }

    pub fn ask_to_sign_out(&self) -> Markup {
        let content = html! {
            h1 { "Sign out?" }
            p {
                "This ends your session here. Studio, MLflow and notebook tabs that are already open stay open until "
                "their own sessions end."
            }
            form method="post" action="/-/logout" { button.button type="submit" { "Sign out" } }
            p { a href="/" { "Stay signed in" } }
        };
        page("Sign out?", None, &content)
    }

    pub fn signed_out(&self) -> Markup {
        let content = html! {
            h1 { "You are signed out" }
            p { "Your bookmarks keep working: the next one you open asks you to sign in again." }
            p { a.button href="/" { "Sign in again" } }
        };
        page("Signed out", None, &content)
    }
}

/// `refresh` is the content of a `Refresh`: seconds, and an address of ours.
fn page(title: &str, refresh: Option<&str>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                @if let Some(refresh) = refresh { meta http-equiv="refresh" content=(refresh); }
                link rel="icon" href="data:,";
                title { (title) " · Postern" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { p.product { "Postern" } (content) } }
        }
    }
}

fn way_on(failure: &Failure) -> Markup {
    match (failure.status, &failure.again) {
        // Signing out is what ends the disagreement of a session with another credential.
        (StatusCode::UNAUTHORIZED, _) if failure.reason == "conflicting-credentials" => {
            html! { a.button href="/-/logout" { "Sign out" } }
        }
        (StatusCode::MISDIRECTED_REQUEST, Some(again)) => html! { a.button href=(again) { (again) } },
        (StatusCode::NOT_FOUND, Some(again)) => {
            let opens = failure.opens.as_deref().unwrap_or("the destination");
            html! { a.button href=(again) { "Open " (opens) } }
        }
        (_, Some(again)) => {
            html! { a.button href=(again) { "Try again" } " " a href="/" { "Everything you can open" } }
        }
        (_, None) => html! { a href="/" { "Everything you can open" } },
    }
}

fn access_row(row: &Access<'_>) -> Markup {
    html! {
        tr {
            td { @if row.allowed { a href={ "/" (row.name) } { (row.title) } } @else { (row.title) } }
            td {
                @match row.reason {
                    None => { "Yes" },
                    Some(DenialReason::RuleDenied) => { "No" },
                    Some(DenialReason::NoRule) => { "No: no rule gives you access" },
                    Some(DenialReason::GroupsOverage) => { "Undecided: your groups did not arrive" },
                    Some(DenialReason::RuleError) => { "Undecided: a rule could not be applied" },
                }
                @if let Some(rule) = &row.rule { ", by rule " code { (rule) } }
                @if let Some(remedy) = &row.remedy { p.quiet { (remedy) } }
            }
        }
    }
}

fn trace_table(trace: &[(String, String)]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Rule" } th scope="col" { "Outcome" } } }
            tbody { @for (rule, outcome) in trace { tr { td { code { (rule) } } td { (outcome) } } } }
        }
    }
}

fn signed_in_as(user: &str) -> Markup {
    html! {
        footer.quiet {
            "Signed in as " (user) ". " a href="/" { "Everything you can open" } " · "
            a href="/-/whoami" { "Who you are here" } " · " a href="/-/logout" { "Sign out" }
        }
    }
}

fn display_name(person: &Principal) -> &str {
    person.name.as_deref().unwrap_or(&person.user)
}

/// Where the session holds only what matters here.
fn selection(person: &Principal) -> Markup {
    html! {
        @if let Some(total) = person.groups_total { " (of " (total) " groups, those that rules here ask for)" }
    }
}

fn groups(groups: &Groups) -> Markup {
    match groups {
        Groups::LeftOut => html! { "left out by the sign-in provider, because there are too many" },
        Groups::Known(groups) if groups.is_empty() => html! { "none" },
        Groups::Known(groups) => {
            html! { @for (index, group) in groups.iter().enumerate() { @if index > 0 { ", " } (group) } }
        }
    }
}
