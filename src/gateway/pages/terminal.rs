//! The pages of a terminal's sign-in.

use super::{Pages, point_in_time};
use crate::clock::UnixSeconds;
use crate::gateway::terminal::Asking;
use crate::provider::principal::Principal;
use maud::{Markup, html};
use std::time::Duration;

impl Pages {
    pub(crate) fn ask_about_terminal(
        &self,
        asking: &Asking,
        person: &Principal,
        until: UnixSeconds,
        longest: Duration,
        form: &str,
    ) -> Markup {
        let content = html! {
            h1 { "Let a terminal act for you?" }
            p {
                "Somebody ran " code { "postern login" } " on a machine that calls itself " strong { (asking.machine) } "."
            }
            p {
                "If you allow it, that terminal can make run tokens as " strong { (person.user) } ", for every MLflow destination "
                "that your programs may call. It can do so until " (point_in_time(until)) ", or until you sign out; each "
                "token counts for " (humantime::format_duration(longest)) " at most."
            }
            p.remedy {
                strong { "Was that you, just now?" } " Your terminal shows " strong { (asking.check_word()) } ". If it shows something else, "
                "or somebody sent you a link to this page, do not allow it: they would act as you."
            }
            form.actions method="post" action="/-/terminal" {
                input type="hidden" name="form" value=(form);
                input type="hidden" name="code_challenge" value=(asking.challenge);
                input type="hidden" name="code_challenge_method" value="S256";
                input type="hidden" name="state" value=(asking.state);
                input type="hidden" name="machine" value=(asking.machine);
                @if let Some(redirect_uri) = asking.redirect_uri() {
                    input type="hidden" name="redirect_uri" value=(redirect_uri);
                }
                button.button type="submit" { "Allow it" }
                a href=(self.home) { "Do not allow it" }
            }
        };
        self.page("Let a terminal act for you?", Some(&person.user), None, &content)
    }

    /// The code that the person pastes into the terminal.
    pub(crate) fn code(&self, code: &str, user: &str) -> Markup {
        let content = html! {
            h1 { "Paste this code into your terminal" }
            label for="code" { "The code, which counts once and for five minutes" }
            textarea #code rows="1" readonly spellcheck="false" { (code) }
            p.remedy { "Give it to nobody: whoever has it and began this sign-in acts as you." }
        };
        self.page("Paste this code", Some(user), None, &content)
    }
}
