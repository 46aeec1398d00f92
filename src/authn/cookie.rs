//! Cookies, read strictly and written in one form.
//!
//! The `__Host-` prefix (RFC 6265bis, section 4.1.3) makes a browser refuse the cookie from any other host, path or plain
//! connection. Browsers compare the prefix without case, so a name counts here byte for byte only.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use std::time::Duration;
use url::Url;

/// One of our cookies: its name and attributes never vary, so that a deletion always meets its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: &'static str,
    secure: bool,
}

/// What a request says under one cookie's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Absent,
    One(&'a [u8]),
    /// Several: nobody can tell which of them is ours.
    Duplicate,
}

impl Cookie {
    /// The session of a signed-in browser.
    pub fn session(public_url: &Url) -> Self {
        Self::new(public_url, "__Host-postern-session", "postern-session-insecure")
    }

    /// What binds the sign-ins under way to the browser that began them.
    pub fn browser(public_url: &Url) -> Self {
        Self::new(public_url, "__Host-postern-browser", "postern-browser-insecure")
    }

    /// Cookies are `Secure` by the public URL, never by the connection. Over plain http a browser keeps neither
    /// `Secure` nor `__Host-` cookies: there the name says so.
    fn new(public_url: &Url, secure: &'static str, insecure: &'static str) -> Self {
        match public_url.scheme() {
            "http" => Self { name: insecure, secure: false },
            _ => Self { name: secure, secure: true },
        }
    }

    pub fn name(self) -> &'static str {
        self.name
    }

    /// The value in a request's `Cookie` fields (HTTP/2 may split them, RFC 9113, section 8.2.3).
    pub fn find(self, headers: &HeaderMap) -> Found<'_> {
        let mut found = Found::Absent;
        let pairs = headers.get_all(COOKIE).iter().flat_map(|field| field.as_bytes().split(|b| *b == b';'));
        for pair in pairs {
            let pair = pair.trim_ascii();
            let value = pair.strip_prefix(self.name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = value {
                match found {
                    Found::Absent => found = Found::One(value),
                    Found::One(_) | Found::Duplicate => return Found::Duplicate,
                }
            }
        }
        found
    }

    /// A `Set-Cookie` value; nothing where `value` cannot stand in a header.
    pub(super) fn set(self, value: &str, max_age: Duration) -> Option<HeaderValue> {
        let mut text =
            format!("{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax", self.name, max_age.as_secs());
        if self.secure {
            text.push_str("; Secure");
        }
        let mut header = HeaderValue::try_from(text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// A `Set-Cookie` value that deletes the cookie.
    pub fn clear(self) -> HeaderValue {
        self.set("", Duration::ZERO).unwrap_or_else(|| HeaderValue::from_static(""))
    }
}
