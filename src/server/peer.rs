//! The other end of a connection.

use std::net::SocketAddr;

/// The effective peer: the one that opened the TCP connection or, with the PROXY protocol, the client in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    /// False if a balancer opened the connection and named no client. The address is then the balancer's, the client is
    /// unknown, and no header is believed because of the address.
    pub is_somebody: bool,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { address, is_somebody: true }
    }
}
