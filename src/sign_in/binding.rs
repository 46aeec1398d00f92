//! The cookie with a random value that binds a sign-in to the browser that began it.
//!
//! One cookie serves all attempts of a browser. Its name has a random part, so that the answers to many tabs that begin
//! at once (a restored window) set several cookies side by side, and none takes away another tab's.

use super::attempt::{LIFETIME, base64url_of_sha256};
use crate::clock::UnixSeconds;
use crate::secret::random;
use crate::sessions::cookie::{CookieFamily, Found};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::time::Duration;
use url::Url;

/// The time for which a browser keeps the cookie. A tab that comes back from the provider later cannot be told from
/// another browser's, so it asks before it goes on.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// From this age on, a new attempt renews the cookie, so that every attempt finds it for half an hour at least.
const RENEWED: Duration = Duration::from_secs(30 * 60);
/// Once there is a newer cookie, no new attempt is bound to the older one. After twice an attempt's lifetime, no valid
/// attempt is bound to it, even if the clocks of replicas differ.
const SETTLED: Duration = Duration::from_secs(2 * LIFETIME.as_secs());
/// Up to this number, cookies need no tidying.
const HANDFUL: usize = 4;
/// The most deletions in one answer: proxies limit the size of its header.
const MOST_DELETIONS: usize = 16;

const SUFFIX_LEN: usize = 6;
const SECRET_LEN: usize = 16;
const TIME_LEN: usize = size_of::<u64>();

/// The cookies that bind sign-ins to a browser.
#[derive(Debug)]
pub(super) struct Bindings(CookieFamily);

/// One of these cookies as an attempt remembers it: without its value.
#[derive(Serialize, Deserialize)]
pub(super) struct Binding {
    #[serde(rename = "s")]
    suffix: String,
    #[serde(rename = "d")]
    digest: String,
}

/// One of these cookies in a request. The value is base64url of 16 random bytes and the time of issue, 32 characters.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Carried<'a> {
    issued: UnixSeconds,
    suffix: &'a str,
    value: &'a str,
}

impl Bindings {
    pub(super) fn new(public_url: &Url) -> Self {
        Self(CookieFamily::browser(public_url))
    }

    /// The cookie to which a new attempt of this browser is bound, and a `Set-Cookie` if the browser has none yet or it
    /// ends soon. If there are several, every tab takes the newest.
    pub(super) fn bind(&self, headers: &HeaderMap, now: UnixSeconds) -> (Binding, Option<HeaderValue>) {
        if let Some(newest) = self.carried(headers).first() {
            let binding = Binding::to(newest.suffix, newest.value);
            let due = now.0.abs_diff(newest.issued.0) >= RENEWED.as_secs();
            return (binding, due.then(|| self.0.set(newest.suffix, newest.value, KEPT)).flatten());
        }
        let suffix = URL_SAFE_NO_PAD.encode(random::<SUFFIX_LEN>());
        let mut value = random::<SECRET_LEN>().to_vec();
        value.extend_from_slice(&now.0.to_be_bytes());
        let value = URL_SAFE_NO_PAD.encode(value);
        (Binding::to(&suffix, &value), self.0.set(&suffix, &value, KEPT))
    }

    /// Whether the browser that comes back is the one that left. Without this check, an attacker could sign others in
    /// as himself.
    pub(super) fn holds(&self, binding: &Binding, headers: &HeaderMap) -> bool {
        match self.0.find(headers).get(binding.suffix.as_bytes()) {
            Some(Found::One(value)) => {
                verify_slices_are_equal(base64url_of_sha256(value).as_bytes(), binding.digest.as_bytes())
                    .is_ok()
            }
            Some(Found::Absent | Found::Duplicate) | None => false,
        }
    }

    /// Whether this browser has begun a sign-in lately.
    pub(super) fn any(&self, headers: &HeaderMap) -> bool {
        !self.0.find(headers).is_empty()
    }

    /// Deletes the cookies that many tabs left behind: beyond a handful, those to which no attempt is bound.
    pub(super) fn tidy(&self, headers: &HeaderMap, now: UnixSeconds) -> Vec<HeaderValue> {
        let carried = self.carried(headers);
        let newer = carried.iter().position(|cookie| now.since(cookie.issued) >= SETTLED);
        let kept = newer.map_or(carried.len(), |newer| HANDFUL.max(newer + 1));
        let surplus = carried.iter().skip(kept).take(MOST_DELETIONS);
        surplus.filter_map(|cookie| self.0.set(cookie.suffix, "", Duration::ZERO)).collect()
    }

    /// The cookies of our form that appear once, newest first.
    fn carried<'a>(&self, headers: &'a HeaderMap) -> Vec<Carried<'a>> {
        let found = self.0.find(headers).into_iter();
        let mut carried: Vec<_> = found.filter_map(|(suffix, found)| Carried::parse(suffix, found)).collect();
        carried.sort_unstable_by(|a, b| Reverse(a).cmp(&Reverse(b)));
        carried
    }
}

impl Binding {
    fn to(suffix: &str, value: &str) -> Self {
        Self { suffix: suffix.to_owned(), digest: base64url_of_sha256(value.as_bytes()) }
    }
}

impl<'a> Carried<'a> {
    fn parse(suffix: &'a [u8], found: Found<'a>) -> Option<Self> {
        let Found::One(value) = found else { return None };
        decoded::<SUFFIX_LEN>(suffix)?;
        let bytes = decoded::<{ SECRET_LEN + TIME_LEN }>(value)?;
        let issued = UnixSeconds(u64::from_be_bytes(*bytes.last_chunk()?));
        Some(Self { issued, suffix: str::from_utf8(suffix).ok()?, value: str::from_utf8(value).ok()? })
    }
}

fn decoded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
