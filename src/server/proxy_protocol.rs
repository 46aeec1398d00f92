//! The PROXY protocol, versions 1 and 2: a balancer that passes bytes on names the client that sent them.
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// "PROXY TCP6", two addresses, two ports and the line's end: the specification's own bound.
const LONGEST_V1: usize = 107;
/// A version 2 header with its TLVs, in which balancers send names, subjects of certificates and ids.
const LONGEST_V2: usize = 2048;
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The meaning of the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header of so many bytes.
    Header { length: usize, source: Source },
    /// The beginning of a header so far.
    NeedMore,
    /// No header, whatever bytes follow.
    Invalid(&'static str),
}

/// The client that the balancer speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Client(SocketAddr),
    /// The balancer itself (`LOCAL`), or a client without an internet address (`UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`).
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

/// Takes the header off a connection, and no byte after it.
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
        // The peeked bytes can be read without waiting.
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
        // The specification says to ignore the rest of an UNKNOWN line.
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
        // LOCAL: the specification says to discard the rest, a checksum included.
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
    let Some(source) = source else { return Parsed::Invalid("it is too short for its addresses") };
    let header = bytes.get(..length + 16).unwrap_or_default();
    match check_vectors(header, vectors) {
        Ok(()) => Parsed::Header { length: length + 16, source },
        Err(why) => Parsed::Invalid(why),
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

/// Type, length in two bytes, value, up to the header's end. The only value that is looked at is the header's checksum.
fn check_vectors(header: &[u8], mut vectors: &[u8]) -> Result<(), &'static str> {
    const CRC32C: u8 = 0x03;
    while !vectors.is_empty() {
        let torn = "its TLVs are torn";
        let (&[kind, high, low], rest) = vectors.split_first_chunk::<3>().ok_or(torn)?;
        let (value, next) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).ok_or(torn)?;
        if kind == CRC32C {
            let before = header.get(..header.len() - rest.len()).unwrap_or_default();
            // The checksum is computed as if its own bytes were zero.
            let computed = crc32c(before.iter().chain(&[0; 4]).chain(next));
            if value != computed.to_be_bytes() {
                return Err("its checksum is wrong");
            }
        }
        vectors = next;
    }
    Ok(())
}

/// RFC 9260, appendix A.
fn crc32c<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    let polynomial = 0x82f6_3b78;
    !bytes.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { polynomial } else { 0 })
    })
}
