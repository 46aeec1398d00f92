//! What a command prints, and how it ends.

use crate::config::diagnostics::Diagnostics;
use std::fmt::Display;
use std::io::{self, Write};

/// How a command ended, other than well.
#[derive(Debug)]
pub(super) enum Failed {
    /// It ran and failed; what there is to say has been printed, or is this.
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
        // Whoever reads no further has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failed::ran(format!("standard output: {error}"))),
    }
}

/// What an admin should know beside the result, where the result is for machines.
pub(super) fn note(text: &str) {
    _ = writeln!(io::stderr(), "note: {text}");
}

pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failed> {
    print(&serde_json::to_string_pretty(value).unwrap_or_default())
}
