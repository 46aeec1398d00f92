//! The PROXY header: where it ends never depends on what comes after it, and what an encoder wrote is what is read.

use postern::server::proxy_protocol::{Parsed, Source, parse};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The specification's bound for a line, and ours for version 2.
const LONGEST: [usize; 2] = [107, 2048];
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The input is what a connection begins with, and then once more the fields of a header to write.
pub(super) fn check(input: &[u8]) {
    let parsed = parse(input);
    let (v1, v2) = (input.starts_with(b"PROXY "), input.starts_with(SIGNATURE));
    match parsed {
        Parsed::Header { length, source } => {
            assert!(length <= input.len() && length <= if v2 { LONGEST[1] } else { LONGEST[0] });
            assert!(v1 || v2, "it begins as a header does");
            for end in 0..length {
                assert_eq!(parse(&input[..end]), Parsed::NeedMore, "the first {end} of {length} bytes");
            }
            for end in length..input.len() {
                assert_eq!(parse(&input[..end]), parsed, "what follows is not looked at");
            }
            if v1 {
                says(&input[..length], source);
            }
        }
        Parsed::NeedMore => {
            assert!(
                input.len() < if v2 { LONGEST[1] } else { LONGEST[0] },
                "more is asked for below the bound only"
            );
            for end in 0..input.len() {
                assert_eq!(parse(&input[..end]), Parsed::NeedMore, "the first {end} bytes");
            }
        }
        Parsed::Invalid(why) => {
            assert!(!why.is_empty());
            for more in [&b"\r\n"[..], &[0; 300], &[0xff; 16]] {
                assert_eq!(parse(&[input, more].concat()), parsed, "nothing that follows heals it");
            }
        }
    }
    written(input);
}

/// The line has the address and port of the client as its third and fifth word.
fn says(line: &[u8], source: Source) {
    let line = std::str::from_utf8(line).unwrap().strip_suffix("\r\n").unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    match source {
        Source::Client(client) => {
            assert_eq!(words[2].parse::<IpAddr>().unwrap(), client.ip());
            assert_eq!(words[4], client.port().to_string(), "a port is written in one way");
            assert_eq!(words[1], if client.is_ipv4() { "TCP4" } else { "TCP6" });
            assert_eq!(words.len(), 6);
        }
        Source::Nobody => assert_eq!(words[1], "UNKNOWN"),
    }
}

/// The fields of some bytes, written as the specification says, are read again, whatever follows.
fn written(input: &[u8]) {
    let Some((fields, rest)) = input.split_first_chunk::<36>() else { return };
    let port = u16::from_be_bytes([fields[32], fields[33]]);
    let four = |at: usize| Ipv4Addr::new(fields[at], fields[at + 1], fields[at + 2], fields[at + 3]);
    let six = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&fields[at..at + 16]).unwrap());
    let clients = [
        (SocketAddr::new(four(0).into(), port), IpAddr::from(four(16))),
        (SocketAddr::new(six(0).into(), port), IpAddr::from(six(16))),
    ];
    for (client, server) in clients {
        for mut header in [line(client, server), binary(client, server, rest)] {
            let length = header.len();
            header.extend_from_slice(rest);
            assert_eq!(parse(&header), Parsed::Header { length, source: Source::Client(client) });
        }
    }
}

fn line(client: SocketAddr, server: IpAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {server} {} 443\r\n", client.ip(), client.port()).into_bytes()
}

/// With some of `value` as a TLV.
fn binary(client: SocketAddr, server: IpAddr, value: &[u8]) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    };
    let value = &value[..value.len().min(500)];
    let mut body = [octets(client.ip()), octets(server)].concat();
    body.extend(client.port().to_be_bytes());
    body.extend(443_u16.to_be_bytes());
    body.push(0xea);
    body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    body.extend(value);
    let family = if client.is_ipv4() { 0x11 } else { 0x21 };
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, family], &length, &body].concat()
}
