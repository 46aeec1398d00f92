//! The validity of a certificate: RFC 5280, section 4.1.2.5. The TLS library does not expose it.

use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// Reads a certificate in DER. `None` if it is not one.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
        let (SEQUENCE, signed, _) = element(certificate)? else { return None };
        let (tag, _, rest) = element(signed)?;
        let serial_on = if tag == VERSION { rest } else { signed };
        let (_serial, _, rest) = element(serial_on)?;
        let (_algorithm, _, rest) = element(rest)?;
        let (_issuer, _, rest) = element(rest)?;
        let (SEQUENCE, validity, _) = element(rest)? else { return None };
        let (tag, text, rest) = element(validity)?;
        let not_before = time(tag, text)?;
        let (tag, text, _) = element(rest)?;
        Some(Self { not_before, not_after: time(tag, text)? })
    }

    pub fn contains(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The reason why the certificate is not valid, or will not be soon.
    pub fn complaint(&self, now: SystemTime) -> Option<String> {
        const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        let at = |time| humantime::format_rfc3339_seconds(time);
        if now < self.not_before {
            Some(format!("is not valid before {}", at(self.not_before)))
        } else if now > self.not_after {
            Some(format!("expired at {}", at(self.not_after)))
        } else if now + SOON > self.not_after {
            Some(format!("expires at {}", at(self.not_after)))
        } else {
            None
        }
    }
}

/// Whether the certificate is one of an authority: the extension `basicConstraints` (RFC 5280, section 4.2.1.9) says `cA`.
pub(super) fn is_of_authority(certificate: &[u8]) -> bool {
    const BASIC_CONSTRAINTS: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x13];
    const BOOLEAN: u8 = 0x01;
    const OCTETS: u8 = 0x04;
    let behind = certificate.windows(BASIC_CONSTRAINTS.len()).position(|window| window == BASIC_CONSTRAINTS);
    let says_so = |rest| {
        let (tag, content, rest) = element(rest)?;
        let (tag, content) = if tag == BOOLEAN {
            element(rest).map(|(tag, content, _)| (tag, content))?
        } else {
            (tag, content)
        };
        let (OCTETS, (SEQUENCE, constraints, _)) = (tag, element(content)?) else { return None };
        element(constraints).map(|(tag, value, _)| tag == BOOLEAN && value == [0xff])
    };
    behind.and_then(|at| certificate.get(at + BASIC_CONSTRAINTS.len()..)).and_then(says_so).unwrap_or(false)
}

/// Tag, content and rest. No certificate has a length of more than three bytes.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ`, the years from 1950 on, or `YYYYMMDDhhmmssZ`.
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let full = match tag {
        UTC_TIME if text < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let digits = full.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..12),
        part(12..14)
    );
    humantime::parse_rfc3339(&written).ok()
}
