//! What a person reads. Plain HTML with one inline stylesheet: no script, no external asset, nothing to load.

mod failure;
mod portal;
mod style;
mod support;
mod who_am_i;

pub use who_am_i::Identity;

use crate::authn::principal::Principal;
use crate::clock::Clock;
use crate::config::branding::Branding;
use crate::config::file::Portal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

#[derive(Debug)]
pub struct Pages {
    branding: Arc<Branding>,
    style: String,
    content_security_policy: HeaderValue,
    /// Where everything is listed that a person may open.
    home: &'static str,
    clock: Clock,
}

impl Pages {
    pub fn new(branding: Arc<Branding>, portal: Portal, clock: Clock) -> Self {
        let style = style::stylesheet(branding.accent);
        // The one stylesheet is allowed by its digest (CSP Level 3, section 2.3.1), so nothing injected could style a page.
        let allowed = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let content_security_policy =
            HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        let home = match portal {
            Portal::Show => "/",
            Portal::Skip => "/?show",
        };
        Self { branding, style, content_security_policy, home, clock }
    }

    pub fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
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
            p.actions {
                a.button href=(path_and_query) { "Continue to " (title) }
                a href=(self.home) { "Everything you can open" }
            }
        };
        self.page("Continue?", person.map(|person| person.user.as_str()), None, &content)
    }

    /// After a sign-in that no click preceded (a restored tab): a navigation that starts here is this site's own.
    pub fn signed_in(&self, path_and_query: &str) -> Markup {
        let content = html! {
            h1 { "You are signed in" }
            p { a.button href=(path_and_query) { "Continue" } }
        };
        self.page("Signed in", None, Some(&format!("0;url={path_and_query}")), &content)
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
        self.page("Sign out?", None, None, &content)
    }

    pub fn signed_out(&self) -> Markup {
        let content = html! {
            h1 { "You are signed out" }
            p { "Your bookmarks keep working: the next one you open asks you to sign in again." }
            p { a.button href="/" { "Sign in again" } }
        };
        self.page("Signed out", None, None, &content)
    }

    /// `refresh` is the content of a `Refresh`: seconds, and an address of ours.
    fn page(&self, title: &str, user: Option<&str>, refresh: Option<&str>, content: &Markup) -> Markup {
        let Branding { product_name, logo, .. } = &*self.branding;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    @if let Some(refresh) = refresh { meta http-equiv="refresh" content=(refresh); }
                    link rel="icon" href="data:,";
                    title { (title) " · " (product_name) }
                    style { (PreEscaped(&self.style)) }
                }
                body {
                    header {
                        p.product {
                            @if let Some(logo) = logo { img src=(logo.data_url()) alt=""; }
                            span { (product_name) }
                        }
                    }
                    main { (content) }
                    @if let Some(user) = user { (self.footer(user)) }
                }
            }
        }
    }

    fn footer(&self, user: &str) -> Markup {
        html! {
            footer {
                p { "Signed in as " (user) }
                nav aria-label="Your account" {
                    ul {
                        li { a href=(self.home) { "Everything you can open" } }
                        li { a href="/-/whoami" { "Who you are here" } }
                        li { a href="/-/logout" { "Sign out" } }
                    }
                }
            }
        }
    }
}
