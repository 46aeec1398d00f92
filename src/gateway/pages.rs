//! The pages for people. Plain HTML with one inline stylesheet: no script, no external asset, nothing to load.

mod failure;
mod portal;
mod style;
mod support;
pub(crate) mod terminal;
pub(crate) mod tokens;
pub(crate) mod who_am_i;

use super::start_form::StartForm;
use crate::clock::{Clock, UnixSeconds};
use crate::config::branding::Branding;
use crate::config::file::Portal;
use crate::provider::principal::Principal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Pages {
    branding: Arc<Branding>,
    style: String,
    /// The stylesheet's digest, as a policy allows it.
    allowed_style: String,
    content_security_policy: HeaderValue,
    /// The address of the list of everything that a person may open.
    home: &'static str,
    has_run_tokens: bool,
    clock: Clock,
}

impl Pages {
    pub(crate) fn new(branding: Arc<Branding>, portal: Portal, clock: Clock) -> Self {
        let style = style::stylesheet(branding.accent);
        // The one stylesheet is allowed by its digest (CSP Level 3, section 2.3.1), so nothing injected could style a page.
        let allowed_style = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        let content_security_policy = policy(&allowed_style, "'self'");
        let home = match portal {
            Portal::Show => "/",
            Portal::Skip => "/?show",
        };
        Self { branding, style, allowed_style, content_security_policy, home, has_run_tokens: false, clock }
    }

    /// People may make run tokens.
    pub(crate) fn with_run_tokens(self, has_run_tokens: bool) -> Self {
        Self { has_run_tokens, ..self }
    }

    pub(crate) fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
    }

    /// For a page with a form whose answer leads to `origin`. Browsers check every redirect after the form against
    /// `form-action`, and a provider may pass a sign-out on to hosts that are not known here: for those, all of `https`
    /// is allowed.
    pub(crate) fn content_security_policy_to(&self, origin: &str) -> HeaderValue {
        policy(&self.allowed_style, &format!("'self' https: {origin}"))
    }

    /// For a page with a form whose answer leads to this one address on the reader's own machine.
    pub(crate) fn content_security_policy_to_terminal(&self, origin: &str) -> HeaderValue {
        policy(&self.allowed_style, &format!("'self' {origin}"))
    }

    /// Asks before a destination opens that another site pointed the browser at.
    pub(crate) fn ask_to_continue(
        &self,
        title: &str,
        path_and_query: &str,
        person: Option<&Principal>,
    ) -> Markup {
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

    /// Shown after a sign-in that no click preceded (a restored tab): a navigation from this page is this site's own.
    pub(crate) fn signed_in(&self, path_and_query: &str, user: Option<&str>) -> Markup {
        let content = html! {
            h1 { "You are signed in" }
            p { a.button href=(path_and_query) { "Continue" } }
        };
        self.page("Signed in", user, Some(&format!("0;url={path_and_query}")), &content)
    }

    /// Shown after the button that starts a target, and leads back to the page that was asked for. A redirect from the form
    /// would not do: browsers would refuse its way to AWS.
    pub(crate) fn starting(&self, title: &str, path_and_query: &str, user: &str) -> Markup {
        let content = html! {
            h1 { (title) " is starting" }
            p { a.button href=(path_and_query) { "Continue" } }
        };
        self.page("Starting", Some(user), Some(&format!("1;url={path_and_query}")), &content)
    }

    /// The button that starts a target.
    fn start_button(form: &StartForm, label: &str) -> Markup {
        let StartForm { name, return_to, token } = form;
        html! {
            form method="post" action={ "/-/start/" (name) } {
                input type="hidden" name="return_to" value=(return_to);
                @if let Some(token) = token { input type="hidden" name="token" value=(token); }
                button.button type="submit" { (label) }
            }
        }
    }

    /// `user` is the name, if known; `at_provider` says that the provider's session ends, too.
    pub(crate) fn ask_to_sign_out(&self, user: Option<&str>, at_provider: bool) -> Markup {
        let content = html! {
            h1 { "Sign out?" }
            p {
                "This ends your session here"
                @if at_provider { " and at your company's sign-in" }
                ". Studio, MLflow and notebook tabs that are already open stay open until "
                "their own sessions end."
                @if self.has_run_tokens { " Run tokens that you made in this session end with it." }
            }
            form.actions method="post" action="/-/logout" {
                button.button type="submit" { "Sign out" }
                button.button.plain type="submit" name="everywhere" value="yes" { "Sign out everywhere" }
            }
            p.quiet {
                "Everywhere: all your sessions here end, in every browser"
                @if self.has_run_tokens { ", and all your run tokens" }
                "."
            }
            p { a href="/" { "Stay signed in" } }
        };
        self.page("Sign out?", user, None, &content)
    }

    /// `elsewhere_until` is set if other replicas could not be told: they accept copies of the cookie until then.
    /// `provider` is the address at which the session at the provider can still be ended.
    pub(crate) fn signed_out(&self, elsewhere_until: Option<UnixSeconds>, provider: Option<&str>) -> Markup {
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
                        @if let Some(user) = user { (self.account(user)) }
                    }
                    main { (content) }
                }
            }
        }
    }

    /// The person who is signed in, and the links that are the same on every page.
    fn account(&self, user: &str) -> Markup {
        html! {
            nav aria-label="Your account" {
                p { "Signed in as " strong { (user) } }
                ul {
                    li { a href=(self.home) { "Everything you can open" } }
                    li { a href="/-/whoami" { "Who you are here" } }
                    @if self.has_run_tokens { li { a href="/-/tokens" { "Run tokens" } } }
                    li { a href="/-/logout" { "Sign out" } }
                }
            }
        }
    }
}

fn policy(style: &str, form_action: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// A time for people, in UTC: the browser's time zone is not known.
pub(super) fn point_in_time(at: UnixSeconds) -> String {
    at.rfc3339().replace('T', " ").replace('Z', " UTC")
}
