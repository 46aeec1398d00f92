//! Reads JSON as it comes, and passes it on byte by byte but for the texts at some paths. Holds one text of bounded length at
//! a time, so a body of any length costs the same memory.

use super::{Rewriting, Step};

/// Objects and lists in one another, more than any message has.
const DEEPEST: usize = 128;
/// Longer keys and URIs are none that are looked for.
const LONGEST_TEXT: usize = 8 * 1024;

/// The reason why a body is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mlflow) enum Malformed {
    Json,
    /// A URI that leads out of its store.
    Uri,
}

#[derive(Debug)]
pub(in crate::mlflow) struct Scan {
    paths: &'static [&'static [Step]],
    rewriting: Rewriting,
    /// The objects and lists around.
    around: Vec<Container>,
    expects: Expects,
    /// The text under way, from its first quotation mark.
    held: Vec<u8>,
    /// The text under way is held, because it may matter.
    holds: bool,
    /// The paths that lead to the next value.
    leading: Paths,
}

/// A set of paths, by their places in the list.
type Paths = u32;

#[derive(Debug)]
struct Container {
    is_object: bool,
    /// The paths that lead here.
    leading: Paths,
    /// The text of the member `key`, if a path asks for it.
    key: Option<String>,
    /// The member whose value comes is `key`.
    is_key: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Value,
    /// A value, or the end of a list.
    FirstValue,
    /// A key, or the end of an object.
    FirstKey,
    Key,
    Colon,
    /// A comma, or the end of what is around.
    Comma,
    /// The rest of a text.
    Text {
        is_key: bool,
        is_escaped: bool,
    },
    /// The rest of a number or word.
    Word,
    /// Nothing but white space.
    End,
}

impl Scan {
    pub(super) fn new(paths: &'static [&'static [Step]], rewriting: Rewriting) -> Self {
        debug_assert!(paths.len() < Paths::BITS as usize);
        Self {
            paths,
            rewriting,
            around: Vec::new(),
            expects: Expects::Value,
            held: Vec::new(),
            holds: false,
            leading: (1 << paths.len()) - 1,
        }
    }

    /// Reads the next bytes, and appends those to pass on.
    ///
    /// # Errors
    ///
    /// [`Malformed`]
    pub(in crate::mlflow) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if let Expects::Text { is_key, is_escaped } = self.expects {
                // Up to the next byte with a meaning.
                let plain =
                    if is_escaped { Some(0) } else { rest.iter().position(|b| matches!(b, b'"' | b'\\')) };
                let length = plain.unwrap_or(rest.len());
                let (plain, marked) = rest.split_at(length);
                self.text(plain, out);
                let Some((&mark, after)) = marked.split_first() else { return Ok(()) };
                self.text(&[mark], out);
                rest = after;
                if is_escaped || mark == b'\\' {
                    self.expects = Expects::Text { is_key, is_escaped: !is_escaped };
                } else {
                    self.text_ends(is_key, out)?;
                }
                continue;
            }
            if self.expects == Expects::Word
                && !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')
            {
                if !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
                    return Err(Malformed::Json);
                }
                out.push(byte);
                rest = after;
                continue;
            }
            if self.expects == Expects::Word {
                self.value_ends();
            }
            self.mark(byte, out)?;
            rest = after;
        }
        Ok(())
    }

    /// Passes on what is held of a text that has not ended.
    pub(in crate::mlflow) fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        self.expects == Expects::End
    }

    /// A byte outside of texts and words.
    fn mark(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Malformed> {
        use Expects as E;
        match (byte, self.expects) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            (b'"', E::Value | E::FirstValue) => {
                self.text_begins(false, out);
                return Ok(());
            }
            (b'"', E::FirstKey | E::Key) => {
                self.text_begins(true, out);
                return Ok(());
            }
            (b'{' | b'[', E::Value | E::FirstValue) => {
                if self.around.len() >= DEEPEST {
                    return Err(Malformed::Json);
                }
                let is_object = byte == b'{';
                self.around.push(Container { is_object, leading: self.leading, key: None, is_key: false });
                self.expects = if is_object { E::FirstKey } else { E::FirstValue };
                if !is_object {
                    self.leading = self.led(|step| step == Step::Each);
                }
            }
            (b'}', E::FirstKey | E::Comma) if self.is_in_object() => self.container_ends(),
            (b']', E::FirstValue | E::Comma) if !self.is_in_object() => self.container_ends(),
            (b':', E::Colon) => self.expects = E::Value,
            (b',', E::Comma) if self.is_in_object() => self.expects = E::Key,
            (b',', E::Comma) => {
                self.leading = self.led(|step| step == Step::Each);
                self.expects = E::Value;
            }
            (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-', E::Value | E::FirstValue) => {
                self.expects = E::Word;
            }
            _ => return Err(Malformed::Json),
        }
        out.push(byte);
        Ok(())
    }

    fn is_in_object(&self) -> bool {
        self.around.last().is_some_and(|container| container.is_object)
    }

    fn container_ends(&mut self) {
        self.around.pop();
        self.value_ends();
    }

    fn value_ends(&mut self) {
        self.expects = if self.around.is_empty() { Expects::End } else { Expects::Comma };
    }

    /// The paths whose next step is taken.
    fn led(&self, is_taken: impl Fn(Step) -> bool) -> Paths {
        let Some(container) = self.around.last() else { return 0 };
        let depth = self.around.len() - 1;
        let paths = self.paths.iter().enumerate();
        let taken = paths.filter(|(place, path)| {
            container.leading & (1 << place) != 0 && path.get(depth).copied().is_some_and(&is_taken)
        });
        taken.fold(0, |taken, (place, _)| taken | 1 << place)
    }

    /// Whether a path ends at the value that comes.
    fn is_at_the_end(&self) -> bool {
        let depth = self.around.len();
        let mut paths = self.paths.iter().enumerate();
        paths.any(|(place, path)| self.leading & (1 << place) != 0 && path.len() == depth)
    }

    fn text_begins(&mut self, is_key: bool, out: &mut Vec<u8>) {
        let is_sibling = !is_key && self.around.last().is_some_and(|container| container.is_key);
        let matters = self.around.last().is_some_and(|container| container.leading != 0);
        self.holds = matters && (is_key || is_sibling || self.is_at_the_end());
        self.expects = Expects::Text { is_key, is_escaped: false };
        self.text(b"\"", out);
    }

    fn text(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.holds && self.held.len() + bytes.len() > LONGEST_TEXT {
            self.holds = false;
            out.append(&mut self.held);
        }
        if self.holds { &mut self.held } else { out }.extend_from_slice(bytes);
    }

    fn text_ends(&mut self, is_key: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let text: Option<String> = match self.holds {
            true => Some(serde_json::from_slice(&self.held).map_err(|_| Malformed::Json)?),
            false => None,
        };
        if is_key {
            self.expects = Expects::Colon;
            let key = text.as_deref().unwrap_or_default();
            let sibling = self.around.last().and_then(|container| container.key.as_deref());
            self.leading = self.led(|step| match step {
                Step::Key(wanted) => wanted == key,
                Step::ValueOf(wanted) => key == "value" && sibling == Some(wanted),
                Step::Each => false,
            });
            let asks_for_key = self.led(|step| matches!(step, Step::ValueOf(_))) != 0;
            if let Some(container) = self.around.last_mut() {
                container.is_key = asks_for_key && key == "key";
            }
        } else {
            let is_at_the_end = self.is_at_the_end();
            if let Some(container) = self.around.last_mut().filter(|container| container.is_key) {
                container.key.clone_from(&text);
            }
            if let Some(uri) = text.filter(|_| is_at_the_end)
                && let Some(other) = self.rewriting.other_form(&uri)?
            {
                self.held = serde_json::to_vec(&other).map_err(|_| Malformed::Json)?;
            }
            self.value_ends();
        }
        out.append(&mut self.held);
        Ok(())
    }
}
