//! Finds a fragment in a request target, which HTTP/1.1 does not allow there (RFC 9112, section 3.2).
//!
//! hyper's type for targets silently drops a fragment. HTTP/2's library does the same, and hides it. Nothing else
//! depends on this: a fragment that is not found is dropped as before.

/// The part of a request line that has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RequestLine {
    /// Before the target.
    #[default]
    Method,
    Target,
    /// A `#` stood in the target.
    Fragment,
    /// The target is complete, or the start of the request is unknown: it came together with the end of another one.
    Over,
}

impl RequestLine {
    /// Reads the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match (*self, byte) {
                (Self::Fragment | Self::Over, _) => return,
                (Self::Method, b' ') => Self::Target,
                (Self::Target, b'#') => Self::Fragment,
                (Self::Target, b' ' | b'\n') => Self::Over,
                (same, _) => same,
            }
        }
    }

    /// The line of the request after the one whose head ended in `bytes`.
    pub(super) fn after(bytes: &[u8]) -> Self {
        let nothing_follows = bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n");
        if nothing_follows { Self::Method } else { Self::Over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_found_in_the_target_alone() {
        for (line, expected) in [
            (&b"GET /a#b HTTP/1.1\r\n"[..], RequestLine::Fragment),
            (b"\r\nGET /# HTTP/1.1\r\n", RequestLine::Fragment),
            (b"GET http://localhost/a#b HTTP/1.1\r\n", RequestLine::Fragment),
            (b"GET /a HTTP/1.1\r\nreferer: http://localhost/#b\r\n", RequestLine::Over),
            // A method may have a `#` (RFC 9110, section 5.6.2).
            (b"G#T /a HTTP/1.1\r\n", RequestLine::Over),
            (b"GET /a%23b HTTP/1.1\r\n", RequestLine::Over),
        ] {
            for step in 1..line.len() {
                let mut read = RequestLine::default();
                line.chunks(step).for_each(|piece| read.read(piece));
                assert_eq!(read, expected, "{} by {step}", String::from_utf8_lossy(line));
            }
        }
    }
}
