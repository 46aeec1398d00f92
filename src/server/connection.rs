//! One connection, step by step: accepted → \[PROXY header\] → \[TLS\] → HTTP.

use super::drain::Ticket;
use super::http;
use super::peer::Peer;
use super::proxy_protocol::{self, Source};
use super::serving::{Answers, Serving};
use super::settings::ListenerSettings;
use crate::metrics::series::GONE;
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

/// The time for which a silent connection is kept once the server is ending: its request may be on its way.
const LAST_WORD: Duration = Duration::from_secs(1);

pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
}

/// The peer is known; the next bytes are TLS or HTTP.
struct Introduced {
    stream: TcpStream,
    peer: Peer,
}

struct Secured {
    stream: Box<TlsStream<TcpStream>>,
    peer: Peer,
}

/// The reason why a connection ended before it spoke HTTP.
#[derive(Debug)]
pub(super) enum Refused {
    /// No byte came in time.
    Silent,
    /// A PROXY header is required, and `trusted_proxies` does not list the TCP peer.
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
        settings: &ListenerSettings,
        serving: &Arc<Serving<Handler>>,
        ticket: &mut Ticket,
    ) -> Result<(), Refused> {
        let introduced = self.introduce(settings, ticket).await?;
        let Some(tls) = &settings.tls else {
            let Introduced { stream, peer } = introduced;
            let served = http::serve(stream, |tcp| tcp, peer, None, settings, serving, ticket);
            Box::pin(served).await;
            return Ok(());
        };
        let deadline = settings.limits.deadlines.tls_handshake;
        let secured = Box::pin(introduced.secure(TlsAcceptor::from(tls.config()), deadline)).await?;
        let version = Some(secured.version());
        let Secured { stream, peer } = secured;
        let served = http::serve(stream, |tls| tls.get_ref().0, peer, version, settings, serving, ticket);
        Box::pin(served).await;
        Ok(())
    }

    async fn introduce(
        mut self,
        settings: &ListenerSettings,
        ticket: &mut Ticket,
    ) -> Result<Introduced, Refused> {
        let deadlines = &settings.limits.deadlines;
        let mut peer = Peer::from(self.peer);
        if let Some(listed) = &settings.proxy_protocol {
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
        // A silent connection costs no more than its socket.
        first_byte(&self.stream, deadlines.first_byte, ticket).await?;
        Ok(Introduced { stream: self.stream, peer })
    }
}

impl Introduced {
    async fn secure(self, tls: TlsAcceptor, deadline: Duration) -> Result<Secured, Refused> {
        let handshake = timeout(deadline, tls.accept(self.stream));
        let stream = handshake.await.map_err(|_| Refused::HandshakeOverdue)?.map_err(Refused::Handshake)?;
        Ok(Secured { stream: Box::new(stream), peer: self.peer })
    }
}

impl Secured {
    /// As agreed by ALPN (RFC 7301); a client without ALPN speaks HTTP/1.1.
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
    /// The stable label value for metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::PeerNotListed => "peer-not-listed",
            Self::HeaderOverdue => "proxy-header-overdue",
            Self::Header(_) => "proxy-header",
            Self::HandshakeOverdue => "tls-handshake-overdue",
            Self::Handshake(_) => "tls-handshake",
            Self::Gone(_) => GONE,
        }
    }

    /// Whether an admin should hear of it: an unlisted balancer, and a listed one that sends no PROXY header, lose every
    /// connection.
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
