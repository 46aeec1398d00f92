//! The result of a mint.

use super::authorized_url::AuthorizedUrl;

/// A URL, and its facts for the audit record.
#[derive(Debug)]
pub struct Presigned {
    pub url: AuthorizedUrl,
    pub facts: MintFacts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintFacts {
    pub operation: &'static str,
    pub aws_request_id: Option<String>,
    /// The person's name in AWS; `None` if no role is assumed.
    pub role_session_name: Option<String>,
    pub from_slot: bool,
}
