//! Codes, refresh tokens and access tokens that may still be used.

use crate::clock::UnixSeconds;
use crate::sandbox::lock::lock;
use crate::sandbox::random;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// Entries of each kind; the oldest is forgotten first.
const ENTRIES: usize = 20_000;

/// One person's consent, from the authorization to the last refresh.
#[derive(Clone)]
pub(super) struct Consent {
    /// The family that a replayed code or refresh token ends.
    pub(super) family: String,
    pub(super) subject: String,
    pub(super) scope: String,
    pub(super) auth_time: UnixSeconds,
}

/// The request that a code is bound to.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) consent: Consent,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
}

#[derive(Default)]
pub(in crate::sandbox) struct Sessions(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    codes: Bounded<Code>,
    refresh_tokens: Bounded<Consent>,
    access_tokens: Bounded<Consent>,
}

impl Sessions {
    pub(super) fn add_code(&self, code: Code, expires: UnixSeconds) -> String {
        lock(&self.0).codes.add(random::hex::<24>(), code, expires)
    }

    pub(super) fn add_refresh_token(&self, consent: Consent, expires: UnixSeconds) -> String {
        lock(&self.0).refresh_tokens.add(random::hex::<32>(), consent, expires)
    }

    pub(super) fn add_access_token(&self, token: String, consent: Consent, expires: UnixSeconds) {
        lock(&self.0).access_tokens.add(token, consent, expires);
    }

    /// Takes a code. A second use ends everything that the first one led to (RFC 6749, section 4.1.2).
    pub(super) fn take_code(&self, code: &str, now: UnixSeconds) -> Option<Code> {
        let mut state = lock(&self.0);
        match state.codes.take(code, now) {
            Ok(code) => Some(code),
            Err(spent) => {
                let family = spent.map(|code| code.consent.family);
                state.end(family.as_deref());
                None
            }
        }
    }

    /// Takes a refresh token. Each works once; a second use ends the family (RFC 9700, section 4.14.2).
    pub(super) fn take_refresh_token(&self, token: &str, now: UnixSeconds) -> Option<Consent> {
        let mut state = lock(&self.0);
        match state.refresh_tokens.take(token, now) {
            Ok(consent) => Some(consent),
            Err(spent) => {
                let family = spent.map(|consent| consent.family);
                state.end(family.as_deref());
                None
            }
        }
    }

    pub(super) fn by_access_token(&self, token: &str, now: UnixSeconds) -> Option<Consent> {
        lock(&self.0).access_tokens.look(token, now)
    }

    pub(super) fn end_subject(&self, subject: &str) {
        let mut state = lock(&self.0);
        state.refresh_tokens.entries.retain(|_, entry| entry.value.subject != subject);
        state.access_tokens.entries.retain(|_, entry| entry.value.subject != subject);
    }
}

impl Tables {
    fn end(&mut self, family: Option<&str>) {
        let Some(family) = family else { return };
        self.refresh_tokens.entries.retain(|_, entry| entry.value.family != family);
        self.access_tokens.entries.retain(|_, entry| entry.value.family != family);
    }
}

struct Bounded<T> {
    entries: HashMap<String, Entry<T>>,
    in_order: VecDeque<String>,
}

struct Entry<T> {
    value: T,
    expires: UnixSeconds,
    spent: bool,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), in_order: VecDeque::new() }
    }
}

impl<T: Clone> Bounded<T> {
    fn add(&mut self, key: String, value: T, expires: UnixSeconds) -> String {
        if self.in_order.len() >= ENTRIES
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        self.in_order.push_back(key.clone());
        self.entries.insert(key.clone(), Entry { value, expires, spent: false });
        key
    }

    /// The value at the first use; at a later use, the value as the error.
    fn take(&mut self, key: &str, now: UnixSeconds) -> Result<T, Option<T>> {
        let entry = self.entries.get_mut(key).ok_or(None)?;
        if entry.spent {
            return Err(Some(entry.value.clone()));
        }
        entry.spent = true;
        if now >= entry.expires { Err(None) } else { Ok(entry.value.clone()) }
    }

    fn look(&self, key: &str, now: UnixSeconds) -> Option<T> {
        let entry = self.entries.get(key)?;
        (now < entry.expires).then(|| entry.value.clone())
    }
}
