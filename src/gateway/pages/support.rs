//! The contact for help, and the report to send there.

use super::Pages;
use crate::config::branding::SupportContact;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::fmt::Write as _;

/// RFC 6068: everything but the unreserved characters and the `@`.
const IN_A_MAIL_ADDRESS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'@').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name of the gateway's operators if the configuration has none.
const PLATFORM_TEAM: &str = "your platform team";

/// Lines for people who look into a problem. A value is one line, whatever it holds.
pub(super) struct Report(String);

impl Pages {
    /// Begins with what every report needs.
    pub(super) fn report(&self, request_id: &str) -> Report {
        let now = humantime::format_rfc3339_seconds(self.clock.now_system());
        let mut report = Report(String::new());
        report.line("Service", &self.branding.product_name);
        report.line("Time", &now.to_string());
        report.line("Request", request_id);
        report
    }

    /// A paragraph with the contact, if the configuration has one.
    pub(super) fn contact(&self, request_id: &str) -> Markup {
        let Some(SupportContact { name, email, url }) = &self.branding.support else { return html! {} };
        let mail = email.as_ref().map(|email| {
            let subject = format!("{}: request {request_id}", self.branding.product_name);
            let encoded = |text| utf8_percent_encode(text, IN_A_MAIL_ADDRESS);
            format!("mailto:{}?subject={}", encoded(email), encoded(&subject))
        });
        html! {
            p {
                @match (url, mail) {
                    (Some(url), mail) => {
                        "Contact " a href=(url) { (name) }
                        @if let (Some(mail), Some(email)) = (mail, email) { " or write to " a href=(mail) { (email) } }
                        "."
                    }
                    (None, Some(mail)) => { "Contact " a href=(mail) { (name) } "." }
                    (None, None) => { "Contact " (name) "." }
                }
            }
        }
    }

    /// Replaces the platform team in a sentence by its name here.
    pub(super) fn addressed<'t>(&self, sentence: &'t str) -> Cow<'t, str> {
        match &self.branding.support {
            Some(support) if sentence.contains(PLATFORM_TEAM) => {
                Cow::Owned(sentence.replace(PLATFORM_TEAM, &support.name))
            }
            _ => Cow::Borrowed(sentence),
        }
    }

    /// The name of the platform team in sentences.
    pub(super) fn platform_team(&self) -> &str {
        self.branding.support.as_ref().map_or(PLATFORM_TEAM, |support| &support.name)
    }
}

impl Report {
    pub(super) fn line(&mut self, label: &str, value: &str) {
        _ = writeln!(self.0, "{label}: {}", value.replace(char::is_control, " "));
    }

    /// In a field of its own, where "select all" selects the report and nothing else.
    pub(super) fn field(&self) -> Markup {
        // On a phone, lines wrap after some 35 characters.
        let rows = self.0.lines().map(|line| line.len().div_ceil(35)).sum::<usize>().clamp(6, 24);
        html! {
            details {
                summary { "Details for support" }
                p.quiet { "Select all of this text, copy it and send it. It holds no password and no token." }
                textarea readonly rows=(rows) spellcheck="false" aria-label="Details for support" { (self.0) }
            }
        }
    }
}
