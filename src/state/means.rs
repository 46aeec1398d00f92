//! The secrets and authorities that a connection to the server needs.

use crate::config::secrets::Secrets;
use crate::http_client::Authorities;

#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    pub secrets: &'a Secrets,
    /// The authorities that count unless the configuration names others.
    pub authorities: &'a Authorities,
}
