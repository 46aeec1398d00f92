//! The target of issued URLs: each opens once, in time, and then shows the person and the resource.

use super::callers::Caller;
use super::http::{self, Reply, Request};
use super::lock::lock;
use super::{pages, random};
use crate::clock::{Clock, UnixSeconds};
use hyper::{Method, StatusCode};
use maud::{Markup, html};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use url::Url;

/// URLs that are remembered; the oldest is forgotten first.
const TICKETS: usize = 50_000;
/// A real Studio URL carries a token of this size.
const STUDIO_LENGTH: usize = 4_400;
pub(super) const USER_PROFILE: &str = "User profile";

/// The hosts of the issued URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrlStyle {
    /// The sandbox's own loopback listener, so that a browser can open them.
    #[default]
    Landing,
    /// The same, filled up to the 4.4 kB of a real Studio URL.
    LongLanding,
    /// `https` on the hosts that AWS uses, for checks of the host; nobody can open them.
    AwsHosts,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Studio,
    Mlflow,
    Notebook,
    PartnerApp,
}

/// The resource that an issued URL opens, and its person.
pub(super) struct Ticket {
    pub(super) kind: Kind,
    /// The first label of AWS's host.
    pub(super) host: String,
    pub(super) region: String,
    pub(super) operation: &'static str,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) caller: Caller,
    pub(super) lifetime: Duration,
}

/// The resource that an issued URL has opened, and its person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub operation: &'static str,
    /// Set for Studio.
    pub user_profile: Option<String>,
    pub source_identity: Option<String>,
    pub role_session_name: Option<String>,
}

/// The reason why a URL does not open.
struct Refusal {
    title: &'static str,
    why: &'static str,
}

pub(super) struct Landing {
    clock: Clock,
    url: Url,
    style: UrlStyle,
    tickets: Mutex<Tickets>,
}

#[derive(Default)]
struct Tickets {
    by_token: HashMap<String, Slot>,
    in_order: VecDeque<String>,
}

struct Slot {
    ticket: Ticket,
    expires: UnixSeconds,
    used: bool,
}

impl Landing {
    pub(super) fn new(url: Url, style: UrlStyle, clock: Clock) -> Self {
        Self { clock, url, style, tickets: Mutex::default() }
    }

    /// A fresh URL, at least `length` characters long if given.
    pub(super) fn issue(&self, ticket: Ticket, length: Option<usize>) -> String {
        let token = random::hex::<32>();
        let (path, parameter) = match ticket.kind {
            Kind::Studio | Kind::PartnerApp => ("/auth", "token"),
            Kind::Mlflow => ("/auth", "authToken"),
            Kind::Notebook => ("", "authToken"), // AWS puts no slash before the query either
        };
        let base = match self.style {
            UrlStyle::AwsHosts => format!("https://{}", aws_host(&ticket)),
            UrlStyle::Landing | UrlStyle::LongLanding => self.url.as_str().trim_end_matches('/').to_owned(),
        };
        let mut url = format!("{base}{path}?{parameter}={token}");
        let length = length.or((self.style == UrlStyle::LongLanding).then_some(STUDIO_LENGTH));
        if let Some(missing) = length.and_then(|length| length.checked_sub(url.len())) {
            url.push('.');
            url.extend(std::iter::repeat_n('A', missing.saturating_sub(1)));
        }
        let expires = self.clock.now().plus(ticket.lifetime);
        let mut tickets = lock(&self.tickets);
        if tickets.in_order.len() >= TICKETS
            && let Some(oldest) = tickets.in_order.pop_front()
        {
            tickets.by_token.remove(&oldest);
        }
        tickets.in_order.push_back(token.clone());
        tickets.by_token.insert(token, Slot { ticket, expires, used: false });
        url
    }

    pub(super) fn answer(&self, request: &Request) -> Reply {
        if request.method != Method::GET {
            return http::text(StatusCode::METHOD_NOT_ALLOWED, "Only GET opens a URL.\n");
        }
        let Some(token) = token(&request.query) else {
            let page = refused(
                "This page needs a link",
                "Links come from the gateway; this address alone opens nothing.",
            );
            return http::html(StatusCode::NOT_FOUND, page);
        };
        match self.redeem(&token, |ticket| arrived(ticket, &request.path)) {
            Ok(page) => http::html(StatusCode::OK, page),
            Err(Refusal { title, why }) => http::html(StatusCode::FORBIDDEN, refused(title, why)),
        }
    }

    pub(super) fn open(&self, query: &str) -> Result<Opened, &'static str> {
        let token = token(query).ok_or("no token")?;
        self.redeem(&token, Opened::of).map_err(|refusal| refusal.title)
    }

    /// Uses up the URL with this token.
    fn redeem<T>(&self, token: &str, show: impl FnOnce(&Ticket) -> T) -> Result<T, Refusal> {
        let refused = |title, why| Err(Refusal { title, why });
        match lock(&self.tickets).by_token.get_mut(token) {
            None => refused("Unknown link", "No such link was issued here."),
            Some(slot) if slot.used => {
                refused("Link already used", "Each link opens once, and this one was opened before.")
            }
            Some(slot) if self.clock.now() >= slot.expires => {
                refused("Link expired", "The link was not opened in the time that it was issued for.")
            }
            Some(slot) => {
                slot.used = true;
                Ok(show(&slot.ticket))
            }
        }
    }
}

impl Opened {
    fn of(ticket: &Ticket) -> Self {
        let profile = ticket.facts.iter().find(|(label, _)| *label == USER_PROFILE);
        Self {
            operation: ticket.operation,
            user_profile: profile.map(|(_, name)| name.clone()),
            source_identity: ticket.caller.source_identity.clone(),
            role_session_name: ticket.caller.role_session_name.clone(),
        }
    }
}

/// The token in a query: Studio's, or MLflow's and the notebooks'.
fn token(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token" || name == "authToken")
        .map(|(_, value)| value.split('.').next().unwrap_or_default().to_owned())
}

fn aws_host(Ticket { kind, host, region, .. }: &Ticket) -> String {
    match kind {
        Kind::Studio => format!("{host}.studio.{region}.sagemaker.aws"),
        Kind::Mlflow => format!("t-sandbox.{region}.experiments.sagemaker.aws"),
        Kind::Notebook => format!("{host}.notebook.{region}.sagemaker.aws"),
        Kind::PartnerApp => format!("{host}.partner-app.{region}.sagemaker.aws"),
    }
}

fn arrived(ticket: &Ticket, path: &str) -> Markup {
    let title = match ticket.kind {
        Kind::Studio => "You are in SageMaker Studio",
        Kind::Mlflow => "You are in MLflow",
        Kind::Notebook => "You are in the notebook",
        Kind::PartnerApp => "You are in the partner app",
    };
    let caller = &ticket.caller;
    let page = html! {
        p { "A real link would have opened the application here. It was issued for:" }
        dl {
            @if let Some(identity) = &caller.source_identity { dt { "Person (source identity)" } dd { (identity) } }
            @if let Some(name) = &caller.role_session_name { dt { "Role session" } dd { (name) } }
            @for (label, value) in &ticket.facts { dt { (label) } dd { (value) } }
            @if !path.is_empty() && path != "/" && path != "/auth" { dt { "Path" } dd { code { (path) } } }
            dt { "Call" } dd { code { (ticket.operation) } }
            dt { "Called by" } dd { code { (caller.arn) } }
        }
        p { small { "The link is used up now: opening it again, or reloading this page, is refused." } }
    };
    pages::page(title, &page)
}

fn refused(title: &str, why: &str) -> Markup {
    let page = html! {
        p { (why) }
        p { "AWS would send you to the sign-in page of its console now, with no way back to the gateway." }
        p { small { "Go back to the gateway's own address and open the destination again for a fresh link." } }
    };
    pages::page(title, &page)
}
