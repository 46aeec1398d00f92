//! The PROXY protocol, versions 1 and 2: how a balancer that passes bytes on says whose bytes they are.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// "PROXY TCP6", two addresses, two ports and the line's end: the specification's own bound.
const LONGEST_V1: usize = 107;
/// A version 2 header with its TLVs, which balancers fill with names, certificates' subjects and ids.
const LONGEST_V2: usize = 2048;
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header of so many bytes.
    Header { length: usize, source: Source },
    /// The beginning of a header, so far.
    NeedMore,
    /// No header, whatever may follow.
    Invalid(&'static str),
}

/// For whom the balancer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Client(SocketAddr),
    /// For itself (`LOCAL`), or for somebody without an internet address (`UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`).
    Nobody,
}

/// Looks at the first bytes of a connection. Never looks past the header, and asks for more only below its bound.
pub fn parse(bytes: &[u8]) -> Parsed {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.iter().zip(&SIGNATURE).all(|(found, expected)| found == expected) && known > 0 {
        return parse_v2(bytes);
    }
    let prefix = b"PROXY ";
    if bytes.iter().zip(prefix).all(|(found, expected)| found == expected) {
        return parse_v1(bytes);
    }
    Parsed::Invalid("it does not begin with a PROXY header")
}

/// Takes the header off a connection and nothing that comes after it.
///
/// # Errors
///
/// The bytes are no header, or end within it.
pub(super) async fn receive(stream: &mut TcpStream) -> io::Result<Source> {
    let mut bytes = vec![0; 256];
    let mut taken = 0;
    loop {
        if taken == bytes.len() {
            bytes.resize(LONGEST_V2, 0);
        }
        let fresh = bytes.get_mut(taken..).unwrap_or_default();
        let seen = stream.peek(fresh).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (end, source) = match parse(bytes.get(..taken + seen).unwrap_or_default()) {
            Parsed::Header { length, source } => (length, Some(source)),
            Parsed::NeedMore => (taken + seen, None),
            Parsed::Invalid(why) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        };
        // What was looked at is there to be taken.
        stream.read_exact(bytes.get_mut(taken..end).unwrap_or_default()).await?;
        taken = end;
        if let Some(source) = source {
            return Ok(source);
        }
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 51234 443\r\n`
fn parse_v1(bytes: &[u8]) -> Parsed {
    let within = bytes.get(..LONGEST_V1).unwrap_or(bytes);
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        let is_full = within.len() == LONGEST_V1;
        return if is_full { Parsed::Invalid("its line is too long") } else { Parsed::NeedMore };
    };
    let line = within.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Parsed::Invalid("its line does not end in CR LF");
    };
    let source = match line.split(' ').collect::<Vec<_>>().as_slice() {
        // What follows UNKNOWN on the line is to be passed over.
        ["PROXY", "UNKNOWN", ..] => Some(Source::Nobody),
        ["PROXY", "TCP4", rest @ ..] => addresses::<Ipv4Addr>(rest),
        ["PROXY", "TCP6", rest @ ..] => addresses::<Ipv6Addr>(rest),
        _ => None,
    };
    match source {
        Some(source) => Parsed::Header { length: end + 1, source },
        None => Parsed::Invalid("its line is malformed"),
    }
}

fn addresses<Address: FromStr + Into<IpAddr>>(fields: &[&str]) -> Option<Source> {
    let [source, destination, source_port, destination_port] = fields else { return None };
    let address: Address = source.parse().ok()?;
    let _: Address = destination.parse().ok()?;
    port(destination_port)?;
    Some(Source::Client(SocketAddr::new(address.into(), port(source_port)?)))
}

/// Decimal, without a sign or leading zeroes.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first));
    if is_plain { text.parse().ok() } else { None }
}

/// The signature, version and command, family, length; then addresses and TLVs of so many bytes.
fn parse_v2(bytes: &[u8]) -> Parsed {
    if let Some(command) = bytes.get(12)
        && !matches!(command, 0x20 | 0x21)
    {
        return Parsed::Invalid("its version or command is unknown");
    }
    let Some((&[.., command, family, high, low], rest)) = bytes.split_first_chunk::<16>() else {
        return Parsed::NeedMore;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length + 16 > LONGEST_V2 {
        return Parsed::Invalid("it is too long");
    }
    let Some(body) = rest.get(..length) else { return Parsed::NeedMore };
    let (source, vectors) = match (command, family) {
        // LOCAL: addresses, if there are any, mean nothing.
        (0x20, _) => (Some(Source::Nobody), &[][..]),
        (_, 0x11) => v2_addresses::<4, 12>(body),
        (_, 0x21) => v2_addresses::<16, 36>(body),
        (_, 0x00) => (Some(Source::Nobody), body),
        (_, 0x31) => match body.get(216..) {
            Some(vectors) => (Some(Source::Nobody), vectors),
            None => (None, body),
        },
        _ => return Parsed::Invalid("it is not about a stream"),
    };
    match source {
        Some(source) if are_whole(vectors) => Parsed::Header { length: length + 16, source },
        Some(_) => Parsed::Invalid("its TLVs are torn"),
        None => Parsed::Invalid("it is too short for its addresses"),
    }
}

/// Source and destination address of `SIZE` bytes each, and their ports: `WHOLE` bytes; then TLVs.
fn v2_addresses<const SIZE: usize, const WHOLE: usize>(body: &[u8]) -> (Option<Source>, &[u8])
where
    [u8; SIZE]: Into<IpAddr>,
{
    let Some((addresses, vectors)) = body.split_first_chunk::<WHOLE>() else { return (None, body) };
    let source = addresses.first_chunk::<SIZE>().zip(addresses.get(2 * SIZE..2 * SIZE + 2));
    let source = source.map(|(address, port)| {
        let port = port.iter().fold(0, |port, byte| port << 8 | u16::from(*byte));
        Source::Client(SocketAddr::new((*address).into(), port))
    });
    (source, vectors)
}

/// Type, length in two bytes, value: none is looked into, and each must be there to its end.
fn are_whole(mut vectors: &[u8]) -> bool {
    while !vectors.is_empty() {
        let Some((&[_, high, low], rest)) = vectors.split_first_chunk::<3>() else { return false };
        let Some(next) = rest.get(usize::from(u16::from_be_bytes([high, low]))..) else { return false };
        vectors = next;
    }
    true
}
