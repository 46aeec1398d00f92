//! Cookies, read strictly and written in one form.
//!
//! The `__Host-` prefix (RFC 6265bis, section 4.1.3) makes a browser refuse the cookie from any other host, path or plain
//! connection. Browsers compare the prefix without case, so a name counts here byte for byte only.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Browsers keep 4096 bytes of name, value and attributes (RFC 6265bis, section 5.6); proxies are content with this.
pub(super) const LONGEST_SET_COOKIE: usize = 3800;

/// One of our cookies: its name and attributes never vary, so that a deletion always meets its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: &'static str,
    secure: bool,
}

/// Cookies of one kind that stand side by side: each is named by the stem, `-` and a suffix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieFamily {
    stem: &'static str,
    secure: bool,
}

/// The cookie of one name in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Absent,
    One(&'a [u8]),
    /// Several cookies of the name: the gateway's own cannot be told from the others.
    Duplicate,
}

impl Cookie {
    /// The session of a signed-in browser.
    pub fn session(public_url: &Url) -> Self {
        Self::new(public_url, "__Host-postern-session", "postern-session-insecure")
    }

    /// Cookies are `Secure` by the public URL, never by the connection. Over plain http a browser keeps neither
    /// `Secure` nor `__Host-` cookies, so another name is used there.
    fn new(public_url: &Url, secure: &'static str, insecure: &'static str) -> Self {
        match public_url.scheme() {
            "http" => Self { name: insecure, secure: false },
            _ => Self { name: secure, secure: true },
        }
    }

    pub fn name(self) -> &'static str {
        self.name
    }

    /// The value in a request's `Cookie` fields.
    pub fn find(self, headers: &HeaderMap) -> Found<'_> {
        let mut found = Found::Absent;
        for pair in pairs(headers) {
            if let Some(value) = after(pair, self.name).and_then(|rest| rest.strip_prefix(b"=")) {
                found = found.and(value);
            }
        }
        found
    }

    /// A `Set-Cookie` value; `None` if `value` cannot stand in a header.
    pub(crate) fn set(self, value: &str, max_age: Duration) -> Option<HeaderValue> {
        set_cookie(self.name, value, max_age, self.secure)
    }

    /// A `Set-Cookie` value that deletes the cookie.
    pub fn clear(self) -> HeaderValue {
        self.set("", Duration::ZERO).unwrap_or_else(|| HeaderValue::from_static(""))
    }
}

impl CookieFamily {
    /// The cookies that bind the sign-ins under way to the browser that began them.
    pub fn browser(public_url: &Url) -> Self {
        let Cookie { name: stem, secure } =
            Cookie::new(public_url, "__Host-postern-browser", "postern-browser-insecure");
        Self { stem, secure }
    }

    /// All of the family in a request's `Cookie` fields, by suffix.
    pub(crate) fn find(self, headers: &HeaderMap) -> BTreeMap<&[u8], Found<'_>> {
        let mut found: BTreeMap<&[u8], Found<'_>> = BTreeMap::new();
        for pair in pairs(headers) {
            let Some(named) = after(pair, self.stem).and_then(|rest| rest.strip_prefix(b"-")) else {
                continue;
            };
            let mut parts = named.splitn(2, |b| *b == b'=');
            if let (Some(suffix), Some(value)) = (parts.next(), parts.next()) {
                let before = found.entry(suffix).or_insert(Found::Absent);
                *before = before.and(value);
            }
        }
        found
    }

    /// As [`Cookie::set`], for the cookie of this suffix.
    pub(crate) fn set(self, suffix: &str, value: &str, max_age: Duration) -> Option<HeaderValue> {
        set_cookie(&format!("{}-{suffix}", self.stem), value, max_age, self.secure)
    }
}

impl<'a> Found<'a> {
    fn and(self, value: &'a [u8]) -> Self {
        match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Duplicate => Self::Duplicate,
        }
    }
}

/// HTTP/2 may split the pairs over several fields (RFC 9113, section 8.2.3).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let fields = headers.get_all(COOKIE).iter();
    fields.flat_map(|field| field.as_bytes().split(|b| *b == b';')).map(|pair| pair.trim_ascii())
}

fn after<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())
}

fn set_cookie(name: &str, value: &str, max_age: Duration, secure: bool) -> Option<HeaderValue> {
    let mut text = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax", max_age.as_secs());
    if secure {
        text.push_str("; Secure");
    }
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
