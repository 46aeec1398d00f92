//! The list of everything that a person may open.

use super::Pages;
use crate::aws::state::TargetState;
use crate::gateway::listed::Listed;
use crate::provider::principal::{Groups, Principal};
use crate::target::Kind;
use maud::{Markup, html};

/// A list of so many destinations is seen at a glance.
const FEW: usize = 8;

impl Pages {
    /// With many destinations, the list has a search field and is grouped by kind.
    pub(crate) fn portal(
        &self,
        person: &Principal,
        access: &[Listed<'_>],
        sought: Option<&str>,
        request_id: &str,
    ) -> Markup {
        let open: Vec<_> = access.iter().filter(|row| row.allowed()).collect();
        let is_long = open.len() > FEW;
        let found: Vec<_> =
            open.iter().copied().filter(|row| sought.is_none_or(|sought| row.has(sought))).collect();
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
            } @else if open.is_empty() {
                p { "Nothing is open to you as " strong { (super::who_am_i::display_name(person)) } " yet." }
                p {
                    "Access usually comes with a group: ask " (self.platform_team()) " for it, then sign in again. "
                    a href="/-/whoami" { "Who you are here" } " has what they need to know."
                }
                (self.contact(request_id))
            }
            @if is_long || sought.is_some() { (search(sought)) }
            @if let (Some(sought), true) = (sought, found.is_empty()) {
                p { "Nothing that you can open has “" (sought) "” in its name, description or kind. " a href="/?show" { "Show all" } }
            } @else if is_long {
                @for kind in Kind::ALL {
                    @let of_kind: Vec<_> = found.iter().filter(|row| row.target_kind == kind).collect();
                    @if let Some(first) = of_kind.first() {
                        h2.group { (icon(kind)) (first.kind) }
                        ul.cards { @for row in of_kind { li { h3 { (link(row)) } (self.card(row, false)) } } }
                    }
                }
            } @else if !found.is_empty() {
                ul.cards { @for row in found { li { h2 { (link(row)) } (self.card(row, true)) } } }
            }
            (closed(access))
        };
        self.page("What you can open", Some(&person.user), None, &content)
    }

    /// A destination that the person may open, below its title.
    fn card(&self, row: &Listed<'_>, with_kind: bool) -> Markup {
        let (state, advice) = row.state.as_ref().map_or((None, None), |state| self.in_words(state));
        html! {
            @if let Some(description) = row.description { p { (description) } }
            p.kind {
                @if let Some(state) = state { span.state.(colour(row.state.as_ref())) { (state) } }
                @if with_kind { (icon(row.target_kind)) (row.kind) " · " }
                code { (row.address) }
            }
            @if let Some(form) = &row.start {
                (Self::start_button(form, &format!("Start {}", row.title)))
            } @else if let Some(advice) = advice {
                p.quiet { (advice) }
            }
            @if let Some(tracking_uri) = &row.tracking_uri { (self.variables(row.name, tracking_uri)) }
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
            TargetState::Pending(_) if state.is_maintenance() => {
                (Some("Maintenance"), Some("It can be opened when AWS is done with it.".to_owned()))
            }
            TargetState::Pending(_) => (
                Some("Being changed"),
                Some("It can be opened when AWS is done, usually in a few minutes.".to_owned()),
            ),
            TargetState::Maintenance(_) => {
                (Some("Maintenance"), Some("AWS may not let it be opened until that is over.".to_owned()))
            }
            TargetState::OfIdentityCenter => (
                Some("Ready"),
                Some("If it does not open here, open it from your company's AWS access portal.".to_owned()),
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

fn link(row: &Listed<'_>) -> Markup {
    html! { a href={ "/" (row.name) } { (row.title) } }
}

fn search(sought: Option<&str>) -> Markup {
    html! {
        form.search role="search" method="get" action="/" {
            label for="find" { "Find" }
            input #find type="search" name="find" maxlength="100" value=[sought];
            button.button.plain type="submit" { "Find" }
            @if sought.is_some() { a href="/?show" { "Show all" } }
        }
    }
}

/// The class of the state's colour, which repeats what its word says.
fn colour(state: Option<&TargetState>) -> &'static str {
    match state {
        Some(TargetState::Ready | TargetState::OfIdentityCenter) => "ready",
        Some(
            TargetState::Starting { .. }
            | TargetState::Stopping
            | TargetState::Pending(_)
            | TargetState::Maintenance(_),
        ) => "changing",
        Some(TargetState::Failed { .. } | TargetState::Missing) => "failed",
        Some(TargetState::Stopped | TargetState::Unknown) | None => "stopped",
    }
}

/// A drawing for the eye: the kind stands beside it in words.
fn icon(kind: Kind) -> Markup {
    let path = match kind {
        Kind::StudioDomain => "M1 2h14v9H1zM5 14h6",
        Kind::MlflowTrackingServer => "M2 1v13h13M4 10l3-4 3 3 4-6",
        Kind::MlflowApp => "M4 13a3 3 0 0 1 0-6 4 4 0 0 1 8 0 3 3 0 0 1 0 6z",
        Kind::NotebookInstance => "M3 1h10v14H3zM6 1v14",
        Kind::PartnerApp => "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
    };
    html! { svg.icon viewBox="0 0 16 16" aria-hidden="true" { path d=(path) {} } }
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
