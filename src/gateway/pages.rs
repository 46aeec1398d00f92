//! What a person reads. Plain HTML with one inline stylesheet: no script, no external asset, nothing to load.

use super::failure::Failure;
use crate::authn::principal::{Groups, Principal};
use crate::clock::UnixSeconds;
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
    /// The digest of the one stylesheet.
    style: String,
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
        Self { content_security_policy: policy(&style, "'self'"), style }
    }
}

impl Pages {
    pub fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
    }

    /// For a page with a form whose answer leads to `origin`: browsers hold redirects against `form-action`, too.
    pub fn content_security_policy_to(&self, origin: &str) -> HeaderValue {
        policy(&self.style, &format!("'self' {origin}"))
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
                dt { "Groups" } dd { (groups(&person.groups)) }
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

    /// `at_provider` where the provider's session ends, too.
    pub fn ask_to_sign_out(&self, at_provider: bool) -> Markup {
        let content = html! {
            h1 { "Sign out?" }
            p {
                "This ends your session here"
                @if at_provider { " and at your company's sign-in" }
                ". Studio, MLflow and notebook tabs that are already open stay open until "
                "their own sessions end."
            }
            form method="post" action="/-/logout" { button.button type="submit" { "Sign out" } }
            p { a href="/" { "Stay signed in" } }
        };
        page("Sign out?", None, &content)
    }

    /// `elsewhere_until` where other replicas could not be told, and accept copies of the cookie until then; `provider` is
    /// where the session at the provider can still be ended.
    pub fn signed_out(&self, elsewhere_until: Option<UnixSeconds>, provider: Option<&str>) -> Markup {
        let content = html! {
            h1 { "You are signed out" @if elsewhere_until.is_some() { " in this browser" } }
            @if let Some(until) = elsewhere_until {
                p.remedy {
                    "Your session could not be ended everywhere: if somebody has a copy of this browser's cookies, it may "
                    "still be accepted until " (point_in_time(until)) ". If you fear that, tell your platform team."
                }
            }
            @if let Some(provider) = provider {
                p { a.button href=(provider) { "Sign out at your company's sign-in, too" } }
            }
            p { "Your bookmarks keep working: the next one you open asks you to sign in again." }
            p { a.button href="/" { "Sign in again" } }
        };
        page("Signed out", None, &content)
    }
}

fn policy(style: &str, form_action: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
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

/// For people, in UTC: the browser's time zone is not known.
fn point_in_time(at: UnixSeconds) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at.0);
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

fn display_name(person: &Principal) -> &str {
    person.name.as_deref().unwrap_or(&person.user)
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
