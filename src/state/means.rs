//! The means by which a server is reached.

use crate::config::secrets::Secrets;
use crate::http_client::Authorities;

#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    pub secrets: &'a Secrets,
    /// They count unless the configuration names others.
    pub authorities: &'a Authorities,
}
