//! The settings of a new connection. A reload makes other settings, for the connections after it.

use super::tls::Tls;
use crate::config::secrets::{CERTIFICATE, SecretError, Secrets};
use crate::config::{self, Limits};
use ipnet::IpNet;
use std::sync::Arc;
use std::time::SystemTime;

#[derive(Debug)]
pub struct ListenerSettings {
    /// The networks that may, and must, send a PROXY header; `None` where no header is taken.
    pub(super) proxy_protocol: Option<Vec<IpNet>>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) limits: Limits,
}

impl ListenerSettings {
    /// Takes the certificate and the key as they were read. If they are unchanged, the TLS state of `before` is kept,
    /// and with it the sessions that clients resume.
    ///
    /// # Errors
    ///
    /// The pair is not usable, or has expired while the one before it has not.
    pub fn new(
        settings: &config::Gateway,
        secrets: &Secrets,
        before: Option<&Self>,
        now: SystemTime,
    ) -> Result<Self, SecretError> {
        let before = before.and_then(|before| before.tls.as_ref());
        let tls = settings.listen.tls.as_ref().map(|files| Tls::new(files, secrets, before)).transpose()?;
        if let (Some(fresh), Some(before)) = (&tls, before)
            && let Some(complaint) = fresh.validity().complaint(now)
            && !fresh.validity().contains(now)
            && before.validity().contains(now)
        {
            let why = format!("it {complaint}; the one in force is valid");
            return Err(SecretError::unusable(CERTIFICATE, why));
        }
        let proxy_protocol = settings.listen.proxy_protocol.then(|| settings.trusted_proxies.clone());
        Ok(Self { proxy_protocol, tls, limits: settings.limits.clone() })
    }

    /// Plain HTTP.
    pub fn plain(limits: Limits) -> Self {
        Self { proxy_protocol: None, tls: None, limits }
    }

    /// Whether both take PROXY headers from the same networks.
    pub(super) fn takes_headers_like(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.proxy_protocol == other.proxy_protocol
    }

    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }
}
