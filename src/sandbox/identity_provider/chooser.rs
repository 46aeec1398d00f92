//! The page that asks who signs in.

use crate::sandbox::pages;
use crate::sandbox::people::{Person, PersonGroups};
use maud::{Markup, html};

/// One form for each person, which sends the same request as a POST.
pub(super) fn page(people: &[Person], query: &str) -> Markup {
    let action = format!("/authorize?{query}");
    let content = html! {
        p { "Choose a person to sign in as. There is no password: these people exist in the sandbox only." }
        @for person in people {
            form method="post" action=(action) {
                input type="hidden" name="person" value=(person.id);
                button type="submit" {
                    strong { (person.name) }
                    small { (person.email) " · " (groups(&person.groups)) }
                }
            }
        }
        form method="post" action=(action) {
            button type="submit" { "Do not sign in" }
        }
    };
    pages::page("Who are you today?", &content)
}

fn groups(groups: &PersonGroups) -> String {
    match groups {
        PersonGroups::Listed(groups) if groups.is_empty() => "no groups".to_owned(),
        PersonGroups::Listed(groups) => groups.join(", "),
        PersonGroups::Overage => "too many groups for a token".to_owned(),
    }
}
