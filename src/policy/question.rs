//! The question that the policy answers.

use crate::provider::principal::Principal;
use std::net::IpAddr;
use std::sync::Arc;

/// The person who asks, their address, and the path and query below the destination.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub principal: &'a Arc<Principal>,
    /// `None` where a trusted proxy did not say; an expression that depends on it then fails.
    pub client_ip: Option<IpAddr>,
    /// A deep link: the decoded path below the destination, without a leading slash.
    pub path: Option<&'a str>,
    /// The query of a deep link, as it came. MLflow reads it; for other targets it means nothing.
    pub query: Option<&'a str>,
}
