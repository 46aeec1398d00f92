//! One connection, step by step: accepted → \[PROXY header\] → \[TLS\] → HTTP.

use super::ahead::Ahead;
use super::drain::Ticket;
use super::edge::Edge;
use super::peer::Peer;
use super::proxy_protocol::{self, Source};
use super::{Answers, Serving, http, tls};
use hyper::Version;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a connection that has said nothing is still listened to once the server is ending: its request may be on its way.
const LAST_WORD: Duration = Duration::from_secs(1);

pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
}

/// Whom it is from is known; the next bytes are TLS or HTTP.
struct Introduced {
    stream: TcpStream,
    peer: Peer,
}

struct Secured {
    stream: Box<TlsStream<Ahead<TcpStream>>>,
    peer: Peer,
}

/// Why a connection ended before it spoke HTTP.
#[derive(Debug)]
pub(super) enum Refused {
    /// Not a byte came in time.
    Silent,
    /// A PROXY header is required, and the TCP peer is none of `trusted_proxies`.
    PeerNotListed,
    HeaderOverdue,
    Header(io::Error),
    HandshakeOverdue,
    Handshake(io::Error),
    Gone(io::Error),
}

impl Accepted {
    /// Serves the connection to its end.
    pub(super) async fn run<Handler: Answers>(
        self,
        edge: &Edge,
        serving: &Arc<Serving<Handler>>,
        ticket: &mut Ticket,
    ) -> Result<(), Refused> {
        let introduced = self.introduce(edge, ticket).await?;
        let Some(tls) = &edge.tls else {
            let Introduced { stream, peer } = introduced;
            Box::pin(http::serve(stream, peer, None, edge, serving, ticket)).await;
            return Ok(());
        };
        let deadline = edge.limits.deadlines.tls_handshake;
        let secured = Box::pin(introduced.secure(TlsAcceptor::from(tls.config()), deadline)).await?;
        let version = Some(secured.version());
        Box::pin(http::serve(secured.stream, secured.peer, version, edge, serving, ticket)).await;
        Ok(())
    }

    async fn introduce(mut self, edge: &Edge, ticket: &mut Ticket) -> Result<Introduced, Refused> {
        let deadlines = &edge.limits.deadlines;
        let mut peer = Peer::from(self.peer);
        if let Some(listed) = &edge.proxy_protocol {
            let balancer = self.peer.ip().to_canonical();
            if !listed.iter().any(|network| network.contains(&balancer)) {
                return Err(Refused::PeerNotListed);
            }
            first_byte(&self.stream, deadlines.first_byte, ticket).await?;
            let header = proxy_protocol::receive(&mut self.stream);
            let header = timeout(deadlines.proxy_header, header).await.map_err(|_| Refused::HeaderOverdue)?;
            match header.map_err(Refused::Header)? {
                Source::Client(address) => peer = Peer::from(address),
                Source::Nobody => peer.is_somebody = false,
            }
        }
        // Until then it costs nothing but its socket.
        first_byte(&self.stream, deadlines.first_byte, ticket).await?;
        Ok(Introduced { stream: self.stream, peer })
    }
}

impl Introduced {
    async fn secure(self, tls: TlsAcceptor, deadline: Duration) -> Result<Secured, Refused> {
        let mut stream = Ahead::new(self.stream);
        let handshake = timeout(deadline, async {
            let hello = tls::record::receive(&mut stream).await?;
            stream.put_back(hello);
            tls.accept(stream).await
        });
        let stream = handshake.await.map_err(|_| Refused::HandshakeOverdue)?.map_err(Refused::Handshake)?;
        Ok(Secured { stream: Box::new(stream), peer: self.peer })
    }
}

impl Secured {
    /// As ALPN has it (RFC 7301); a client that does not take part speaks HTTP/1.1.
    fn version(&self) -> Version {
        let (_, session) = self.stream.get_ref();
        if session.alpn_protocol() == Some(b"h2") { Version::HTTP_2 } else { Version::HTTP_11 }
    }
}

async fn first_byte(stream: &TcpStream, deadline: Duration, ticket: &mut Ticket) -> Result<(), Refused> {
    let mut byte = [0];
    tokio::select! {
        biased;
        seen = stream.peek(&mut byte) => match seen {
            Ok(0) => Err(Refused::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(Refused::Gone(error)),
        },
        () = sleep(deadline) => Err(Refused::Silent),
        () = async {
            ticket.closing().await;
            sleep(LAST_WORD).await;
        } => Err(Refused::Silent),
    }
}

impl Refused {
    /// Whether an admin should hear of it: a balancer that was not listed is refused whatever it does, and one that was but
    /// sends no PROXY header loses every connection.
    pub(super) fn is_misconfigured(&self) -> bool {
        matches!(self, Self::PeerNotListed | Self::Header(_))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("it sent nothing"),
            Self::PeerNotListed => f.write_str("a PROXY header is taken from `trusted_proxies` only"),
            Self::HeaderOverdue => f.write_str("its PROXY header did not come in time"),
            Self::Header(error) => write!(
                f,
                "its PROXY header cannot be read: {error}; the balancer must send one, or `listen.proxy_protocol` be off"
            ),
            Self::HandshakeOverdue => f.write_str("its TLS handshake did not end in time"),
            Self::Handshake(error) => write!(f, "its TLS handshake failed: {error}"),
            Self::Gone(error) => write!(f, "it ended: {error}"),
        }
    }
}
