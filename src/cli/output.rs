//! The output of a command, and its end.

use crate::config::diagnostics::Diagnostics;
use std::fmt::Display;
use std::io::{self, Write};

/// The end of a command, other than success.
#[derive(Debug)]
pub(super) enum Failed {
    /// The command ran and failed; the text is printed, unless everything has been printed already.
    Ran(Option<String>),
    /// Wrong usage, or a configuration that does not load.
    Usage(String),
}

impl Failed {
    pub(super) fn ran(why: impl Display) -> Self {
        Self::Ran(Some(why.to_string()))
    }
}

impl From<Box<Diagnostics>> for Failed {
    fn from(diagnostics: Box<Diagnostics>) -> Self {
        Self::Usage(diagnostics.to_string())
    }
}

pub(super) fn print(line: &str) -> Result<(), Failed> {
    match writeln!(io::stdout(), "{line}") {
        // A reader who closes the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failed::ran(format!("standard output: {error}"))),
    }
}

/// Prints a note for the admin beside a result for machines.
pub(super) fn note(text: &str) {
    _ = writeln!(io::stderr(), "note: {text}");
}

pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failed> {
    print(&serde_json::to_string_pretty(value).unwrap_or_default())
}
