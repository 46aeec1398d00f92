//! A bound on how often one issuer's source of keys is asked because of names that anybody can invent.
//!
//! A name cannot be told from an invented one before the source was asked. So each address has its own share, and waits
//! for no other's: a client that sends many unknown names delays only its own requests.

use moka::sync::Cache;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Fetches under way at one time for one address, and for one issuer.
const OF_ONE_ADDRESS: usize = 8;
const OF_ONE_ISSUER: usize = 32;
/// A fetch that brought no key keeps its place for so long after its end: a flood from one address costs at most 320
/// fetches a second, however fast the source says no.
const AFTER_IN_VAIN: Duration = Duration::from_millis(25);
/// Addresses that are told apart. One that is forgotten gets a fresh share.
const MOST_ADDRESSES: u64 = 10_000;
const REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Budget {
    shares: Cache<Option<IpAddr>, Arc<Semaphore>>,
    all: Arc<Semaphore>,
}

/// A place for one fetch.
#[derive(Debug)]
pub(crate) struct Place {
    _of_address: OwnedSemaphorePermit,
    _of_issuer: OwnedSemaphorePermit,
}

impl Budget {
    pub(crate) fn new() -> Self {
        let shares = Cache::builder().max_capacity(MOST_ADDRESSES).time_to_idle(REMEMBERED).build();
        Self { shares, all: Arc::new(Semaphore::new(OF_ONE_ISSUER)) }
    }

    /// Waits for a place: first among those of the same address, then among all.
    pub(crate) async fn place(&self, address: Option<IpAddr>) -> Option<Place> {
        let share = self.shares.get_with(address, || Arc::new(Semaphore::new(OF_ONE_ADDRESS)));
        let of_address = share.acquire_owned().await.ok()?;
        let of_issuer = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of_address: of_address, _of_issuer: of_issuer })
    }
}

impl Place {
    /// Gives the place back after a fetch in vain.
    pub(crate) async fn leave_late(self) {
        tokio::time::sleep(AFTER_IN_VAIN).await;
    }
}

/// The unit by which addresses are counted: of IPv6, the network that one customer has (RFC 6177).
pub(crate) fn one_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}
