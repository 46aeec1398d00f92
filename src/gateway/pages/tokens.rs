//! The page of a person's run tokens.

use super::{Pages, point_in_time};
use crate::clock::UnixSeconds;
use crate::gateway::tokens::LONGEST_NAME;
use crate::provider::principal::Principal;
use crate::sessions::run_tokens::{Entry, MOST_LISTED};
use crate::target::Access;
use maud::{Markup, html};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Everything that the page shows.
#[derive(Debug)]
pub(crate) struct TokensPage<'a> {
    pub person: &'a Principal,
    /// The destinations for which the person may make one.
    pub choices: Vec<Choice<'a>>,
    pub living: &'a [Entry],
    /// The longest life of a token.
    pub longest: Duration,
    pub made: Option<NewToken>,
    /// The value that the forms carry.
    pub form: String,
}

#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub name: &'a str,
    pub title: &'a str,
    /// The most access that a token can have there.
    pub given: Access,
    pub is_chosen: bool,
}

/// A token that was made by this request. The page is the only one that shows it.
pub(crate) struct NewToken {
    pub text: String,
    pub tracking_uri: String,
    pub access: Access,
    pub expires: UnixSeconds,
    pub is_listed: bool,
}

impl Pages {
    pub(crate) fn tokens(&self, page: &TokensPage<'_>) -> Markup {
        let content = html! {
            h1 { "Run tokens" }
            p {
                "A run token lets your programs call one MLflow destination as you, for as long as a run lasts. It opens "
                "nothing else, and your access is checked at every call."
            }
            @if let Some(made) = &page.made { (new_token(made)) }
            h2 { "Make a run token" }
            @if page.choices.is_empty() {
                p { "There is no destination that your programs may call. Ask " (self.platform_team()) " for access." }
            } @else {
                (form(page))
            }
            h2 { "Your run tokens" }
            (living(page))
            p.quiet { "Signing out ends the run tokens that you made in that session." }
        };
        self.page("Run tokens", Some(&page.person.user), None, &content)
    }
}

fn form(page: &TokensPage<'_>) -> Markup {
    let lifetimes = [HOUR, 12 * HOUR, 24 * HOUR, 3 * 24 * HOUR, 7 * 24 * HOUR];
    let mut lifetimes: Vec<Duration> = lifetimes.into_iter().filter(|life| *life < page.longest).collect();
    lifetimes.push(page.longest);
    html! {
        form.fields method="post" action="/-/tokens" {
            input type="hidden" name="form" value=(page.form);
            input type="hidden" name="do" value="make";
            label for="name" { "Name, for your own list" }
            input #name type="text" name="name" maxlength=(LONGEST_NAME) autocomplete="off" placeholder="nightly training";
            label for="destination" { "Destination" }
            select #destination name="destination" required {
                @for choice in &page.choices {
                    option value=(choice.name) selected[choice.is_chosen] {
                        (choice.title) " (" (in_words(choice.given)) ")"
                    }
                }
            }
            label for="access" { "What its programs may do" }
            select #access name="access" {
                option value="" { "Everything that you may" }
                @for access in Access::ALL { option value=(access) { "At most: " (in_words(access)) } }
            }
            label for="lifetime" { "How long it is valid" }
            select #lifetime name="lifetime" {
                @for life in &lifetimes {
                    option value=(humantime::format_duration(*life)) selected[*life == page.longest] {
                        (humantime::format_duration(*life))
                    }
                }
            }
            button.button type="submit" { "Make a run token" }
        }
    }
}

fn new_token(made: &NewToken) -> Markup {
    let NewToken { text, tracking_uri, access, expires, is_listed } = made;
    let shell = format!("export MLFLOW_TRACKING_URI={tracking_uri}\nexport MLFLOW_TRACKING_TOKEN={text}");
    let notebook = format!("%env MLFLOW_TRACKING_URI={tracking_uri}\n%env MLFLOW_TRACKING_TOKEN={text}");
    let ci = format!(
        "# MLFLOW_TRACKING_TOKEN is a secret of the repository.\nenv:\n  MLFLOW_TRACKING_URI: {tracking_uri}\n  MLFLOW_TRACKING_TOKEN: ${{{{ secrets.MLFLOW_TRACKING_TOKEN }}}}"
    );
    html! {
        section.remedy aria-labelledby="new" {
            h2 #new { "Your new run token" }
            p {
                strong { "Copy it now: this page shows it once." } " It counts until " (point_in_time(*expires))
                ", to " (in_words(*access)) "."
                @if !is_listed { " Your list below is full, so it is not on it; “Take all back” ends it, too." }
            }
            (copied("token", "The token", 2, text))
            (copied("shell", "For a shell", 3, &shell))
            (copied("notebook", "For a notebook", 3, &notebook))
            (copied("ci", "For GitHub Actions", 4, &ci))
        }
    }
}

fn copied(id: &str, label: &str, rows: u8, text: &str) -> Markup {
    html! {
        label for=(id) { (label) }
        textarea id=(id) rows=(rows) readonly spellcheck="false" { (text) }
    }
}

fn living(page: &TokensPage<'_>) -> Markup {
    if page.living.is_empty() {
        return html! { p { "You have none." } };
    }
    html! {
        ul.cards {
            @for entry in page.living {
                li {
                    h3 { (entry.name.as_deref().unwrap_or("Without a name")) }
                    p.kind {
                        @if entry.destination.is_empty() {
                            "A terminal that makes run tokens for you"
                        } @else {
                            (entry.destination) ", to " (in_words(entry.access))
                        }
                        ". Made " (point_in_time(entry.issued))
                        ", counts until " (point_in_time(entry.expires)) "."
                    }
                    (take_back(page, "take-back", Some(entry), "Take back"))
                }
            }
        }
        @if page.living.len() >= MOST_LISTED {
            p { "The list holds " (MOST_LISTED) ". Programs may have made more for you." }
        }
        (take_back(page, "take-back-all", None, "Take all back"))
    }
}

fn take_back(page: &TokensPage<'_>, what: &str, entry: Option<&Entry>, label: &str) -> Markup {
    html! {
        form.under method="post" action="/-/tokens" {
            input type="hidden" name="form" value=(page.form);
            input type="hidden" name="do" value=(what);
            @if let Some(entry) = entry { input type="hidden" name="id" value=(entry.id); }
            button.button.plain type="submit" {
                (label) @if let Some(name) = entry.and_then(|entry| entry.name.as_ref()) { span.unseen { " " (name) } }
            }
        }
    }
}

fn in_words(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Log => "read and log",
        Access::Write => "read, log and change",
    }
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewToken(..)")
    }
}
