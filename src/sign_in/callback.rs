//! The query of the callback, written by a provider or by anyone else.

use crate::provider::error::{described, error_code};
use std::borrow::Cow;
use std::collections::BTreeSet;
use url::form_urlencoded;

/// `code` and `state` are opaque: no `Debug`.
#[derive(Default)]
pub(super) struct Callback {
    pub(super) state: Option<String>,
    pub(super) code: Option<String>,
    /// RFC 9207.
    pub(super) issuer: Option<String>,
    /// An error code in the form of RFC 6749, or a fixed word for any other text.
    pub(super) error: Option<String>,
    /// The provider's words about the error, for the log: bounded, and without control characters.
    pub(super) description: Option<String>,
}

impl Callback {
    /// `None` if a parameter stands twice (RFC 6749, section 3.1), or `code` beside `error`. Empty parameters count as
    /// absent, as that section says.
    pub(super) fn parse(query: &str) -> Option<Self> {
        let mut callback = Self::default();
        let mut seen: BTreeSet<Cow<'_, str>> = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = (!value.is_empty()).then(|| value.into_owned());
            match &*name {
                "state" => callback.state = value,
                "code" => callback.code = value,
                "iss" => callback.issuer = value,
                "error_description" => callback.description = value.as_deref().map(described),
                "error" => callback.error = value.as_deref().map(error_code),
                _ => {}
            }
            if !seen.insert(name) {
                return None;
            }
        }
        let contradicts_itself = callback.code.is_some() && callback.error.is_some();
        (!contradicts_itself).then_some(callback)
    }
}

/// Whether the provider needed to ask the person something, and the request forbade it (OpenID Connect Core 1.0,
/// section 3.1.2.6). Our requests never forbid it, so this one was an old or altered address.
pub(super) fn is_for_want_of_interaction(error: &str) -> bool {
    matches!(
        error,
        "login_required" | "interaction_required" | "account_selection_required" | "consent_required"
    )
}
