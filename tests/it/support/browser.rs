//! A browser, as far as cookies go.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Default)]
pub(crate) struct Browser {
    jar: BTreeMap<String, String>,
    /// By name: when a cookie ends, on the browser's own clock.
    ends: BTreeMap<String, Duration>,
    now: Duration,
}

impl Browser {
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.jar.is_empty() {
            let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.insert(COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
        }
        headers
    }

    pub(crate) fn keep(&mut self, set_cookie: &HeaderValue) {
        let text = set_cookie.to_str().unwrap();
        let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
        let age = text.split("; ").find_map(|attribute| attribute.strip_prefix("Max-Age="));
        let age: Option<u64> = age.map(|age| age.parse().unwrap());
        self.forget(name);
        if age != Some(0) {
            self.set(name, value);
            self.ends.extend(age.map(|age| (name.to_owned(), self.now + Duration::from_secs(age))));
        }
    }

    pub(crate) fn keep_all(&mut self, cookies: &[HeaderValue]) {
        for cookie in cookies {
            self.keep(cookie);
        }
    }

    /// Time goes by; cookies end.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        let ended: Vec<_> =
            self.ends.iter().filter(|(_, end)| **end <= self.now).map(|(name, _)| name.clone()).collect();
        for name in ended {
            self.forget(&name);
        }
    }

    /// The cookies that bind attempts.
    pub(crate) fn bindings(&self) -> Vec<(&str, &str)> {
        let ours = self.jar.iter().filter(|(name, _)| name.starts_with("__Host-postern-browser"));
        ours.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.jar.remove(name);
        self.ends.remove(name);
    }
}
