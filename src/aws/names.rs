//! The addresses of AWS's hosts.

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use moka::future::Cache;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// AWS moves its endpoints by records that live for a minute or less.
const KEPT_FOR: Duration = Duration::from_secs(60);
const MOST_HOSTS: u64 = 256;

/// Asks the machine's resolver, once for all connections that need the same name, and keeps the addresses for a minute:
/// in a burst of launches, no new connection waits for a name that has just been resolved. Failures are not kept.
#[derive(Clone, Debug)]
pub(super) struct Names(Cache<String, Arc<[IpAddr]>>);

impl Default for Names {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST_HOSTS).time_to_live(KEPT_FOR).build())
    }
}

impl Names {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveDnsError> {
        let ask = async {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok::<_, io::Error>(found.map(|address| address.ip()).collect())
        };
        let kept = self.0.try_get_with_by_ref(name, ask).await;
        kept.map(|addresses| addresses.to_vec()).map_err(ResolveDnsError::new)
    }
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(self.addresses(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn a_name_that_was_resolved_is_not_asked_for_again() {
        let names = Names::default();
        let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
        names.0.insert("host.invalid".to_owned(), Arc::from([address])).await;
        assert_eq!(names.addresses("host.invalid").await.unwrap(), [address]);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let names = Names::default();
        assert!(names.addresses("host.invalid").await.is_err());
        assert!(names.0.get("host.invalid").await.is_none());
        assert!(!names.addresses("localhost").await.unwrap().is_empty());
    }
}
