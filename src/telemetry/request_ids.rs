//! The ids of a request in the log, the audit trail and on pages, and of the trace that it is part of.

use aws_lc_rs::rand;
use hyper::HeaderMap;
use std::fmt;
use std::ops::Deref;

const TRACEPARENT: &str = "traceparent";

/// The ids of one request. Nothing is decided by them, because the sender of a request can choose the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestIds {
    /// 128 random bits, our own: support joins pages, logs and the audit trail by them.
    pub request_id: Hex<32>,
    /// The trace that the sender began, by `traceparent`, or a new one with the request's own id.
    pub trace_id: Hex<32>,
    /// Our part of the trace.
    pub span_id: Hex<16>,
    /// The sender's part of the trace.
    pub parent_span_id: Option<Hex<16>>,
}

/// Hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex<const DIGITS: usize>([u8; DIGITS]);

impl RequestIds {
    /// The ids of a request with these headers. A `traceparent` that W3C Trace Context does not allow is ignored, as
    /// the recommendation says, and a new trace begins. `tracestate` is not read and not passed on.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut random = [0; 24];
        if rand::fill(&mut random).is_err() {
            // Without randomness, the request goes on without ids of its own: nothing is decided by them.
            random = [0; 24];
        }
        let (request, span) = random.split_at(16);
        let (request_id, span_id) = (Hex::of(request), Hex::of(span));
        match parent(headers) {
            Some((trace_id, parent)) => Self { request_id, trace_id, span_id, parent_span_id: Some(parent) },
            None => Self { request_id, trace_id: request_id, span_id, parent_span_id: None },
        }
    }
}

/// Trace and parent of the one `traceparent`. <https://www.w3.org/TR/trace-context/#traceparent-header>
///
/// In a later version, only the fields of version 00 are read, and only if the text ends after them or a dash follows.
fn parent(headers: &HeaderMap) -> Option<(Hex<32>, Hex<16>)> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return None;
    }
    let (known, further) = value.split_at_checked(55)?;
    let mut fields = known.split(|byte| *byte == b'-');
    let version = Hex::<2>::parse(fields.next()?)?;
    let trace = Hex::<32>::parse(fields.next()?)?;
    let parent = Hex::<16>::parse(fields.next()?)?;
    Hex::<2>::parse(fields.next()?)?;
    let is_version = match &*version {
        "00" => further.is_empty(),
        "ff" => false,
        _ => matches!(further.first(), None | Some(b'-')),
    };
    let is_valid = is_version && fields.next().is_none() && !trace.is_zero() && !parent.is_zero();
    is_valid.then_some((trace, parent))
}

impl<const DIGITS: usize> Hex<DIGITS> {
    /// Two digits for each byte, and zeroes where bytes are missing.
    fn of(bytes: &[u8]) -> Self {
        const DIGITS_OF: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS_OF.get(usize::from(nibble)).copied().unwrap_or(b'0');
        let mut digits = [b'0'; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Self(digits)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let digits = text.try_into().ok()?;
        text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }

    fn is_zero(&self) -> bool {
        self.0.iter().all(|digit| *digit == b'0')
    }
}

impl<const DIGITS: usize> Deref for Hex<DIGITS> {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const DIGITS: usize> fmt::Debug for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
