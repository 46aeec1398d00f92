//! Randomness in the forms that the sandbox hands out.

use std::fmt::Write;

pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "the operating system's generator does not fail once it is seeded"
    )]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// `N` bytes in lower-case hexadecimal.
pub(super) fn hex<const N: usize>() -> String {
    to_hex(&bytes::<N>())
}

/// `N` characters of AWS's key alphabet, `A-Z2-7`.
pub(super) fn key_characters<const N: usize>() -> String {
    bytes::<N>()
        .iter()
        .map(|byte| if byte & 31 < 26 { b'A' + (byte & 31) } else { b'2' + (byte & 31) - 26 })
        .map(char::from)
        .collect()
}

/// A version 4 UUID (RFC 9562, section 5.4).
pub(super) fn uuid() -> String {
    let random = u128::from_be_bytes(bytes());
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    groups.join("-")
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String does not fail
        hex
    })
}
