//! The page of a failure: the event, the next step, and the report for support.

use super::Pages;
use crate::gateway::failure::Failure;
use hyper::StatusCode;
use maud::{Markup, html};
use std::sync::Arc;
use url::form_urlencoded;

impl Pages {
    pub(crate) fn failure(&self, failure: &Failure, request_id: &str) -> Markup {
        let content = html! {
            h1 { (failure.title) }
            p {
                @if let Some(opens) = &failure.opens { strong { (opens) } ": " }
                (self.addressed(&failure.detail))
            }
            @if let Some(said) = &failure.said { p { "AWS says: " q { (said) } } }
            @if let Some(name) = &failure.meant {
                p { "Did you mean " a href={ "/" (name) } { "/" (name) } "?" }
            }
            @if let Some(remedy) = &failure.remedy {
                p.remedy { strong { "What to do: " } (remedy) }
            } @else {
                p { (self.addressed(failure.advice)) }
            }
            @if !failure.facts.is_empty() {
                p.quiet { "The rules looked at:" }
                dl.facts { @for (fact, value) in &failure.facts { dt { (fact) } dd { (value) } } }
            }
            @if let Some(attempt) = failure.next_attempt() {
                p.quiet {
                    "This page tries again by itself after " (attempt.seconds) " s. "
                    a href=(attempt.never) { "Stop trying" }
                }
            } @else if failure.has_given_up() && failure.waits_long() {
                p.quiet { "This page has looked for an hour and no longer does so by itself." }
            } @else if failure.tries > 0 {
                p.quiet { "This page no longer tries by itself." }
            }
            @if let Some(form) = &failure.start { (Self::start_button(form, "Start it")) }
            p.actions { (self.way_on(failure)) }
            (self.contact(request_id))
            (self.details(failure, request_id))
        };
        self.page(failure.title, failure.person.as_deref(), None, &content)
    }

    fn way_on(&self, failure: &Failure) -> Markup {
        let everything = html! { a href=(self.home) { "Everything you can open" } };
        match (failure.status, &failure.again) {
            // Signing out ends the conflict between a session and another credential.
            (StatusCode::UNAUTHORIZED, _) if failure.reason == "conflicting-credentials" => {
                html! { a.button href="/-/logout" { "Sign out" } }
            }
            (StatusCode::MISDIRECTED_REQUEST, Some(again)) => html! { a.button href=(again) { (again) } },
            (StatusCode::NOT_FOUND, Some(again)) => {
                let opens = failure.opens.as_deref().unwrap_or("the destination");
                html! { a.button href=(again) { "Open " (opens) } (everything) }
            }
            (_, Some(again)) => html! {
                a.button[failure.start.is_none()] href=(again) { "Try again" }
                @if let Some(anew) = failure.anew { a href=(sign_in_anew(again)) { (anew) } }
                (everything)
            },
            (_, None) => everything,
        }
    }

    fn details(&self, failure: &Failure, request_id: &str) -> Markup {
        let mut report = self.report(request_id);
        report.line("Reason", &format!("{} ({})", failure.reason, failure.status.as_u16()));
        report.line("Answer", &failure.detail);
        if let Some(said) = &failure.said {
            report.line("AWS", said);
        }
        if let Some(person) = &failure.person {
            report.line("User", person);
        }
        if let Some(opens) = &failure.opens {
            report.line("Destination", opens);
        }
        for (fact, value) in &failure.facts {
            report.line(fact, value);
        }
        for (rule, outcome) in failure.trace.iter().flatten() {
            report.line("Rule", &format!("{rule}: {outcome}"));
        }
        html! {
            p.quiet { "Request " code { (request_id) } }
            (report.field())
            @if let Some(trace) = failure.trace.as_ref().filter(|trace| !trace.is_empty()) { (rules(trace)) }
        }
    }
}

/// Sign-in with a choice of the account, and back to `return_to`.
fn sign_in_anew(return_to: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("prompt", "select_account")
        .append_pair("return_to", return_to)
        .finish();
    format!("/-/login?{query}")
}

fn rules(trace: &[(Arc<str>, &str)]) -> Markup {
    html! {
        details {
            summary { "Rules that were tried" }
            table {
                thead { tr { th scope="col" { "Rule" } th scope="col" { "Outcome" } } }
                tbody {
                    @for (rule, outcome) in trace { tr { th scope="row" { code { (rule) } } td { (outcome) } } }
                }
            }
        }
    }
}
