//! The list of everything that a person may open.

use super::Pages;
use crate::aws::state::TargetState;
use crate::gateway::listed::Listed;
use crate::provider::principal::{Groups, Principal};
use maud::{Markup, html};

impl Pages {
    pub(crate) fn portal(&self, person: &Principal, access: &[Listed<'_>], request_id: &str) -> Markup {
        let may_open = || access.iter().filter(|row| row.allowed());
        let content = html! {
            h1 { "What you can open" }
            @if person.groups == Groups::LeftOut {
                p.remedy {
                    "Your company's sign-in left your groups out because there are too many, so what depends on a group "
                    "is not listed. Being added to another group will not help: tell " (self.platform_team()) "."
                }
                (self.contact(request_id))
            } @else if let Some(unbound) = person.groups.unbound() {
                p.remedy {
                    "Your company's sign-in did not send your groups in the form that is expected here, so what depends on a "
                    "group is not listed. Being added to another group will not help: tell " (self.platform_team())
                    " that " (unbound) "."
                }
                (self.contact(request_id))
            } @else if may_open().next().is_none() {
                p { "Nothing is open to you as " strong { (super::who_am_i::display_name(person)) } " yet." }
                p {
                    "Access usually comes with a group: ask " (self.platform_team()) " for it, then sign in again. "
                    a href="/-/whoami" { "Who you are here" } " has what they need to know."
                }
                (self.contact(request_id))
            }
            @if may_open().next().is_some() {
                ul.cards { @for row in may_open() { (self.card(row)) } }
            }
            (closed(access))
        };
        self.page("What you can open", Some(&person.user), None, &content)
    }

    /// A destination that the person may open.
    fn card(&self, row: &Listed<'_>) -> Markup {
        let (state, advice) = row.state.as_ref().map_or((None, None), |state| self.in_words(state));
        html! {
            li {
                h2 { a href={ "/" (row.name) } { (row.title) } }
                @if let Some(description) = row.description { p { (description) } }
                p.kind {
                    @if let Some(state) = state { span.state { (state) } }
                    (row.kind)
                }
                @if let Some(form) = &row.start {
                    (Self::start_button(form, &format!("Start {}", row.title)))
                } @else if let Some(advice) = advice {
                    p.quiet { (advice) }
                }
                @if let Some(tracking_uri) = &row.tracking_uri { (self.variables(row.name, tracking_uri)) }
            }
        }
    }

    /// The variables that MLflow's client needs to call the destination.
    pub(super) fn variables(&self, name: &str, tracking_uri: &str) -> Markup {
        html! {
            details {
                summary { "For programs" }
                pre { "export MLFLOW_TRACKING_URI=" (tracking_uri) "\nexport MLFLOW_TRACKING_TOKEN=…" }
                @if self.has_run_tokens {
                    p { "The token is " a href={ "/-/tokens?destination=" (name) } { "a run token of yours" } "." }
                } @else {
                    p { "The token is one of your company's sign-in." }
                }
            }
        }
    }

    /// The state, and the person's next step.
    fn in_words(&self, state: &TargetState) -> (Option<&'static str>, Option<String>) {
        let team = self.platform_team();
        match state {
            TargetState::Ready => (Some("Ready"), None),
            TargetState::Unknown => (None, None),
            TargetState::Stopped => (
                Some("Stopped"),
                Some(format!(
                    "It is switched off, and a visit does not start it. Ask {team} or whoever runs it to start it."
                )),
            ),
            TargetState::Starting { .. } => {
                (Some("Starting"), Some("It can be opened in a few minutes.".to_owned()))
            }
            TargetState::Stopping => {
                (Some("Stopping"), Some("It can be started when it has stopped.".to_owned()))
            }
            TargetState::Pending(_) => (
                Some("Being changed"),
                Some("It can be opened when AWS is done, usually in a few minutes.".to_owned()),
            ),
            TargetState::Missing => {
                (Some("Not there yet"), Some(format!("It has not been created for you: ask {team}.")))
            }
            TargetState::Failed { .. } => {
                (Some("Out of order"), Some(format!("It needs to be mended: tell {team}.")))
            }
        }
    }
}

/// The destinations that the person could open after following their rules' advice.
fn closed(access: &[Listed<'_>]) -> Markup {
    let refused = access.iter().filter(|row| !row.allowed());
    let closed: Vec<_> = refused.filter_map(|row| Some((row, row.remedy.as_deref()?))).collect();
    if closed.is_empty() {
        return html! {};
    }
    html! {
        details {
            summary { "Not open to you now, and what to do about it (" (closed.len()) ")" }
            ul.cards {
                @for (row, remedy) in closed {
                    li {
                        h2 { (row.title) }
                        @if let Some(description) = row.description { p { (description) } }
                        p.kind { (row.kind) }
                        p.remedy { strong { "What to do: " } (remedy) }
                    }
                }
            }
        }
    }
}
