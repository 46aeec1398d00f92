//! A browser, as far as cookies go.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub(crate) struct Browser {
    jar: BTreeMap<String, String>,
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
        if text.contains("Max-Age=0;") {
            self.jar.remove(name);
        } else {
            self.jar.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.jar.remove(name);
    }
}
