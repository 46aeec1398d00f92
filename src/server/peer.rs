//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The effective peer: who opened the TCP connection or, with the PROXY protocol, whom the balancer spoke for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    /// False where a balancer opened the connection and spoke for nobody: its address is all there is, nothing that comes
    /// over it is believed on its account, and the client is unknown.
    pub is_somebody: bool,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { address, is_somebody: true }
    }
}
