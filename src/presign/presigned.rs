//! What a mint brings.

use super::authorized_url::AuthorizedUrl;

/// A URL, and what the audit record says of it.
#[derive(Debug)]
pub struct Presigned {
    pub url: AuthorizedUrl,
    pub facts: MintFacts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintFacts {
    pub operation: &'static str,
    pub aws_request_id: Option<String>,
    /// The person's name in AWS; `None` where no role is assumed.
    pub role_session_name: Option<String>,
    pub from_slot: bool,
}
