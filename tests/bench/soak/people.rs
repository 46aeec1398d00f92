//! People with sessions, and what they expect to land in.

use super::connection::{Answer, Connection, Front, Style};
use hyper::header::{ACCEPT, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use postern::sandbox::{PersonGroups, Sandbox};
use std::sync::Mutex;
use url::Url;

pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    /// The `Authorization` of their programs.
    bearer: HeaderValue,
    /// The session's cookie, `NAME=VALUE`.
    cookie: Mutex<String>,
}

impl Person {
    /// Somebody whom the sandbox's provider knows, with a token from an hour ago that is good for six more.
    pub(crate) fn hired(sandbox: &Sandbox, number: usize) -> Self {
        Self::with_groups(sandbox, number, vec!["ml-users".to_owned()])
    }

    /// The same, in these groups.
    pub(crate) fn with_groups(sandbox: &Sandbox, number: usize, groups: Vec<String>) -> Self {
        let id = format!("person-{number}");
        let person = postern::sandbox::Person {
            id: id.clone(),
            name: format!("Person {number}"),
            subject: format!("u-{number:05}"),
            email: format!("{id}@corp.example"),
            groups: PersonGroups::Listed(groups),
        };
        let email = person.email.clone();
        sandbox.put_person(person);
        let bearer = bearer(sandbox, &id);
        Self { id, email, bearer, cookie: Mutex::default() }
    }

    /// What a browser sends when the person clicks.
    pub(crate) fn clicks(&self) -> HeaderMap {
        let mut headers = navigation();
        let cookie = self.cookie();
        if !cookie.is_empty() {
            headers.insert(COOKIE, cookie.parse().expect("a cookie"));
        }
        headers
    }

    /// What a program of theirs sends.
    pub(crate) fn calls(&self) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, self.bearer.clone())])
    }

    pub(crate) fn cookie(&self) -> String {
        self.cookie.lock().expect("a cookie").clone()
    }

    /// Opens `path` without a session, signs in at the provider, and comes back. The answer is the callback's.
    ///
    /// # Errors
    ///
    /// At which hop it ended.
    pub(crate) async fn sign_in(
        &self,
        gateway: &mut Connection,
        provider: &Url,
        path: &str,
    ) -> Result<Answer, String> {
        let mut headers = navigation();
        let sent = gateway.get(path, &headers).await.map_err(|lost| format!("{path}: {lost}"))?;
        let mut authorize = Url::parse(sent.location())
            .map_err(|_| format!("{path} does not lead to the provider: {} {}", sent.status, sent.text()))?;
        authorize.query_pairs_mut().append_pair("login_hint", &self.id);
        let binding = set_cookies(&sent).map(str::to_owned).collect::<Vec<_>>().join("; ");
        let address = *provider.socket_addrs(|| None).expect("an address").first().expect("an address");
        let mut there = Front::plain(address, provider.clone()).connect(Style::Fresh);
        let question = format!("{}?{}", authorize.path(), authorize.query().unwrap_or_default());
        let back = there.get(&question, &navigation()).await.map_err(|lost| format!("provider: {lost}"))?;
        let callback = Url::parse(back.location())
            .map_err(|_| format!("the provider does not send back: {} {}", back.status, back.text()))?;
        headers.insert(COOKIE, binding.parse().expect("cookies"));
        let question = format!("{}?{}", callback.path(), callback.query().unwrap_or_default());
        let arrived = gateway.get(&question, &headers).await.map_err(|lost| format!("callback: {lost}"))?;
        let session = set_cookies(&arrived)
            .find(|cookie| cookie.split('=').next().is_some_and(|name| name.contains("session")))
            .ok_or_else(|| format!("no session: {} {}", arrived.status, arrived.text()))?;
        *self.cookie.lock().expect("a cookie") = session.to_owned();
        Ok(arrived)
    }
}

fn bearer(sandbox: &Sandbox, person: &str) -> HeaderValue {
    let now = postern::clock::Clock::system().now().0;
    let token = postern::sandbox::Token::new(sandbox.access_claims(person));
    let token = token.claim("iat", now - 3600).claim("exp", now + 6 * 3600);
    let token = sandbox.token(&token).expect("a token");
    format!("Bearer {token}").parse().expect("a header")
}

/// What tells a click from a program.
fn navigation() -> HeaderMap {
    let headers = [
        (ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8"),
        (HeaderName::from_static("sec-fetch-dest"), "document"),
        (HeaderName::from_static("sec-fetch-mode"), "navigate"),
        (HeaderName::from_static("sec-fetch-site"), "none"),
        (HeaderName::from_static("sec-fetch-user"), "?1"),
    ];
    headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

/// `NAME=VALUE` of what an answer sets.
fn set_cookies(answer: &Answer) -> impl Iterator<Item = &str> {
    let cookies = answer.headers.get_all(SET_COOKIE).iter();
    cookies
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .filter(|cookie| !cookie.ends_with('='))
}
