//! What a new connection is met with. A reload makes another one, which holds for the connections after it.

use super::tls::Tls;
use crate::config::{self, Limits};
use ipnet::IpNet;
use std::sync::Arc;
use std::time::SystemTime;

#[derive(Debug)]
pub struct Edge {
    /// Where a PROXY header is required: who may send one.
    pub(super) proxy_protocol: Option<Vec<IpNet>>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) limits: Limits,
}

impl Edge {
    /// Reads the certificate and its key. `before` goes on where both are what they were, and with it what its clients
    /// resume.
    ///
    /// # Errors
    ///
    /// The pair is not usable, or has expired while the one before it has not, in words for the admin.
    pub fn load(settings: &config::Gateway, before: Option<&Self>, now: SystemTime) -> Result<Self, String> {
        let before = before.and_then(|edge| edge.tls.as_ref());
        let tls = settings.listen.tls.as_ref().map(|files| Tls::load(files, before)).transpose()?;
        if let (Some(fresh), Some(before)) = (&tls, before)
            && let Some(complaint) = fresh.validity().complaint(now)
            && !fresh.validity().contains(now)
            && before.validity().contains(now)
        {
            return Err(format!("listen.tls.certificate: it {complaint}; the one in force is valid"));
        }
        let proxy_protocol = settings.listen.proxy_protocol.then(|| settings.trusted_proxies.clone());
        Ok(Self { proxy_protocol, tls, limits: settings.limits.clone() })
    }

    /// Plain HTTP.
    pub fn plain(limits: Limits) -> Self {
        Self { proxy_protocol: None, tls: None, limits }
    }

    /// Whether a connection that was met with `self` would be introduced in the same way now.
    pub(super) fn introduces_like(&self, now: &Self) -> bool {
        std::ptr::eq(self, now) || self.proxy_protocol == now.proxy_protocol
    }

    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }
}
