//! Every form that the header may and may not have, whole and torn at every byte.

use postern::server::proxy_protocol::{Parsed, Source, parse};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// The header with a checksum as its last TLV.
fn checked(family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = v2(0x21, family, &[body, &[3, 0, 4, 0, 0, 0, 0]].concat());
    let sum = crc32c(&header).to_be_bytes();
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum);
    header
}

/// By polynomial division, bit by bit, over reflected bytes (RFC 3720, appendix B.4 has examples).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ 0x1edc_6f41 } else { sum << 1 };
        }
    }
    !sum.reverse_bits()
}

#[test]
fn a_checksum_that_is_there_must_be_right() {
    assert_eq!([crc32c(&[0; 32]), crc32c(&[0xff; 32])], [0x8a91_36aa, 0x62a8_ab43]);
    for (family, body) in [(0x11, IPV4.to_vec()), (0x21, ipv6()), (0x00, vec![5, 0, 1, b'x'])] {
        let header = checked(family, &body);
        assert!(matches!(parse(&header), Parsed::Header { .. }), "{header:?}");
        let behind = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&behind), parse(&header), "the checksum ends where the header does");
        // One bit of the addresses, the ports or the sum itself is another.
        for at in (16..16 + body.len().min(12)).chain(header.len() - 4..header.len()) {
            let mut torn = header.clone();
            torn[at] ^= 1;
            assert!(matches!(parse(&torn), Parsed::Invalid(_)), "byte {at} of {header:?}");
        }
    }
    // Of any other length than four bytes it is no checksum.
    for vector in [&[3, 0, 0][..], &[3, 0, 3, 0, 0, 0], &[3, 0, 5, 0, 0, 0, 0, 0]] {
        assert_eq!(
            parse(&v2(0x21, 0x11, &[&IPV4[..], vector].concat())),
            Parsed::Invalid("its checksum is wrong"),
            "{vector:?}"
        );
    }
    // What LOCAL brings is discarded unseen.
    assert!(matches!(
        parse(&v2(0x20, 0x11, &[&IPV4[..], &[3, 0, 4, 1, 2, 3, 4]].concat())),
        Parsed::Header { .. }
    ));
}

const IPV4: [u8; 12] = [10, 20, 3, 4, 127, 0, 0, 1, 0xc8, 0x22, 1, 0xbb];

fn ipv6() -> Vec<u8> {
    [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 15], &[1], &[0xc8, 0x22, 1, 0xbb]].concat()
}

fn client(text: &str) -> Source {
    Source::Client(text.parse().unwrap())
}

fn good() -> Vec<(Vec<u8>, Source)> {
    let unique_id = [5, 0, 3, b'a', b'b', b'c'];
    // PP2_TYPE_SSL with a TLV of its own inside, and PP2_TYPE_NOOP without a value.
    let ssl = [0x20, 0, 13, 1, 0, 0, 0, 0, 0x21, 0, 5, b'T', b'L', b'S', b'v', b'1', 4, 0, 0];
    let unix = [0x2f; 216];
    vec![
        (b"PROXY TCP4 10.20.3.4 127.0.0.1 51234 443\r\n".to_vec(), client("10.20.3.4:51234")),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), client("255.255.255.255:65535")),
        (b"PROXY TCP4 10.20.3.4 127.0.0.1 0 443\r\n".to_vec(), client("10.20.3.4:0")),
        (b"PROXY TCP6 2001:db8::7 ::1 51234 443\r\n".to_vec(), client("[2001:db8::7]:51234")),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65534\r\n".to_vec(),
            client("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Source::Nobody),
        (b"PROXY UNKNOWN ffff:f ffff:f 65535 65535\r\n".to_vec(), Source::Nobody),
        (v2(0x21, 0x11, &IPV4), client("10.20.3.4:51234")),
        (v2(0x21, 0x21, &ipv6()), client("[2001:db8::7]:51234")),
        (v2(0x21, 0x11, &[&IPV4[..], &unique_id, &ssl].concat()), client("10.20.3.4:51234")),
        (v2(0x21, 0x21, &[ipv6(), ssl.to_vec()].concat()), client("[2001:db8::7]:51234")),
        (checked(0x11, &[&IPV4[..], &unique_id].concat()), client("10.20.3.4:51234")),
        (v2(0x20, 0x00, &[]), Source::Nobody),
        (v2(0x20, 0x11, &IPV4), Source::Nobody),
        (v2(0x20, 0xff, b"anything"), Source::Nobody),
        (v2(0x21, 0x00, &[]), Source::Nobody),
        (v2(0x21, 0x00, &unique_id), Source::Nobody),
        (v2(0x21, 0x31, &unix), Source::Nobody),
    ]
}

#[test]
fn a_good_header_is_understood_and_nothing_after_it_is_looked_at() {
    for (header, source) in good() {
        for after in [&b""[..], b"GET / HTTP/1.1\r\n", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", &[0xff; 4096]] {
            let bytes = [&header[..], after].concat();
            let expected = Parsed::Header { length: header.len(), source };
            assert_eq!(parse(&bytes), expected, "{}", String::from_utf8_lossy(&header));
        }
        for end in 0..header.len() {
            assert_eq!(
                parse(&header[..end]),
                Parsed::NeedMore,
                "{:?}",
                String::from_utf8_lossy(&header[..end])
            );
        }
    }
}

#[test]
fn anything_else_is_refused() {
    let huge = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100)).into_bytes();
    let bad: Vec<Vec<u8>> = [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 10.20.3.4 127.0.0.1 51234 443\r\n",
        "PROXY\tTCP4 10.20.3.4 127.0.0.1 51234 443\r\n",
        "PROXY TCP4  10.20.3.4 127.0.0.1 51234 443\r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 51234 443 \r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 51234 443\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 51234 443\r\r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 51234\r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 51234 65536\r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 51234 -1\r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 +51234 443\r\n",
        "PROXY TCP4 10.20.3.4 127.0.0.1 051234 443\r\n",
        "PROXY TCP4 010.20.3.4 127.0.0.1 51234 443\r\n",
        "PROXY TCP4 10.20.3 127.0.0.1 51234 443\r\n",
        "PROXY TCP4 10.20.3.4/32 127.0.0.1 51234 443\r\n",
        "PROXY TCP4 2001:db8::7 127.0.0.1 51234 443\r\n",
        "PROXY TCP4 10.20.3.4 ::1 51234 443\r\n",
        "PROXY TCP6 10.20.3.4 ::1 51234 443\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 51234 443\r\n",
        "PROXY TCP6 [::1] ::1 51234 443\r\n",
        "PROXY TCP4 10.20.3.4\0 127.0.0.1 51234 443\r\n",
        "PROXY UDP4 10.20.3.4 127.0.0.1 51234 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY\r\n",
        "\r\n\r\n\0\r\nQUIX\n",
        "\r\nPROXY TCP4 10.20.3.4 127.0.0.1 51234 443\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        b"PROXY UNKNOWN \xff\r\n".to_vec(),
        long,
        huge,
        v2(0x11, 0x11, &IPV4),
        v2(0x31, 0x11, &IPV4),
        v2(0x22, 0x11, &IPV4),
        // Datagrams, and families that are none.
        v2(0x21, 0x12, &IPV4),
        v2(0x21, 0x22, &ipv6()),
        v2(0x21, 0x41, &IPV4),
        v2(0x21, 0x10, &IPV4),
        // Too short for the addresses, or for a TLV.
        v2(0x21, 0x11, &IPV4[..11]),
        v2(0x21, 0x21, &IPV4),
        v2(0x21, 0x31, &[0; 215]),
        v2(0x21, 0x11, &[&IPV4[..], &[5]].concat()),
        v2(0x21, 0x11, &[&IPV4[..], &[5, 0, 2, 0]].concat()),
        v2(0x21, 0x11, &[&IPV4[..], &[5, 0xff, 0xff, 0]].concat()),
        v2(0x21, 0x00, &[5, 0]),
        v2(0x21, 0x11, &vec![0; 2048]),
    ])
    .collect();
    for bytes in bad {
        assert!(matches!(parse(&bytes), Parsed::Invalid(_)), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

/// However long it waits, it never waits for more than its bound.
#[test]
fn more_is_never_asked_for_without_end() {
    for (header, _) in good() {
        for filler in [0, b'x', b' ', b'\r'] {
            let endless = [&header[..header.len().min(30)], &vec![filler; 8192]].concat();
            assert_ne!(parse(&endless), Parsed::NeedMore, "{:?}", String::from_utf8_lossy(&endless[..40]));
        }
    }
}
