//! JSON objects of the log's lines, appended member by member.
//!
//! Names are ours and need no escaping. Nearly all values need none either, and checking that is cheaper than escaping.

use serde::Serialize;
use std::fmt::Display;
use std::io::Write;

/// An object under way, to be [ended](Self::end).
#[derive(Debug)]
pub struct Object<'a>(&'a mut Vec<u8>);

/// Writing to memory does not fail.
impl<'a> Object<'a> {
    pub fn begin(text: &'a mut Vec<u8>) -> Self {
        text.push(b'{');
        Self(text)
    }

    pub fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        string(self.0, value);
    }

    /// A value's `Display` text, as a string.
    pub fn shown(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.0.push(b'"');
        let begin = self.0.len();
        _ = write!(self.0, "{value}");
        if self.0.get(begin..).is_some_and(is_plain) {
            self.0.push(b'"');
        } else {
            let shown = self.0.split_off(begin);
            self.0.pop();
            string(self.0, &String::from_utf8_lossy(&shown));
        }
    }

    /// A number, a boolean, or any other value.
    pub fn value(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        if serde_json::to_writer(&mut *self.0, value).is_err() {
            self.0.extend_from_slice(b"null");
        }
    }

    /// Closes the object and returns the buffer.
    pub fn end(self) -> &'a mut Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

fn string(text: &mut Vec<u8>, value: &str) {
    if is_plain(value.as_bytes()) {
        text.push(b'"');
        text.extend_from_slice(value.as_bytes());
        text.push(b'"');
    } else {
        // Any string can become JSON.
        _ = serde_json::to_writer(text, value);
    }
}

/// Whether a string may hold these bytes of UTF-8 as they are (RFC 8259, section 7). No early exit: the compiler
/// then checks many bytes per instruction.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, byte| plain & (*byte >= b' ') & (*byte != b'"') & (*byte != b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn written(value: &str) -> Value {
        let mut text = Vec::new();
        let mut object = Object::begin(&mut text);
        object.string("string", value);
        object.shown("shown", value);
        object.value("value", value);
        object.end();
        serde_json::from_slice(&text).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_string_is_read_as_it_was_written(value in any::<String>()) {
            let whole = serde_json::json!({"string": value, "shown": value, "value": value});
            prop_assert_eq!(written(&value), whole);
        }
    }

    #[test]
    fn what_json_must_escape_is_escaped() {
        for code in 0..=0x20_u8 {
            let value = char::from(code).to_string();
            assert_eq!(written(&value)["string"], value.as_str(), "{code:#x}");
            assert_eq!(written(&value)["shown"], value.as_str(), "{code:#x}");
        }
        for value in ["\"", "\\", "\u{7f}", "a\"b\\c\nd", "zoë", ""] {
            assert_eq!(written(value)["string"], value);
            assert_eq!(written(value)["shown"], value);
        }
    }
}
