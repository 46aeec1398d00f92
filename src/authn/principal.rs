//! A person, after every check of the token that named them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// An authenticated person. A person *is* ([`realm`](Self::realm), [`user`](Self::user)): the same two mean the same
/// human, whether a session, a bearer token or a signed header named them.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The realm of the issuer: `realm:` in the config, by default the issuer's key there.
    pub realm: Arc<str>,
    /// The mapped user claim, checked and folded: an e-mail address or another stable name.
    pub user: String,
    /// The issuer's key in the config, not its URL.
    pub issuer: Arc<str>,
    /// `sub` of the token.
    pub subject: String,
    /// What the person is called, for pages only; never used to decide.
    pub name: Option<String>,
    pub groups: Groups,
    /// The verified claims, for the policy's expressions.
    pub claims: Arc<Map<String, Value>>,
}

/// The groups an issuer asserts. "None" and "left out" differ: a rule that asks for groups which the provider left out
/// must fail, not see an empty list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Groups {
    /// The groups in the token; empty where the claim is absent or an empty list.
    Known(Arc<[Arc<str>]>),
    /// The provider left them out because there are too many (Entra ID's `_claim_names`, `hasgroups`).
    LeftOut,
}

/// Why verified claims name nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingError {
    UserMissing,
}

/// Maps claims as the config says, whether verified or, for `explain` and the policy tests, straight from a file.
///
/// # Errors
///
/// [`MappingError`] where the claims name nobody.
pub fn principal_from_claims(
    config: &crate::config::IssuerConfig,
    claims: &Map<String, Value>,
) -> Result<Principal, MappingError> {
    let _ = (config, claims);
    Err(MappingError::UserMissing)
}
