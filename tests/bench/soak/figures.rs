//! What a scenario measured, beside what it has to reach.

use std::fmt;

/// How much of it: all that a figure claims, or as much as a test run has time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Full,
    Small,
}

impl Size {
    pub(crate) fn choose<T>(self, full: T, small: T) -> T {
        match self {
            Self::Full => full,
            Self::Small => small,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Report {
    title: &'static str,
    figures: Vec<Figure>,
}

#[derive(Debug)]
struct Figure {
    what: String,
    measured: String,
    /// What was promised and whether it held. Without it, the figure is told and not judged.
    promise: Option<(String, bool)>,
}

impl Report {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, figures: Vec::new() }
    }

    /// A figure that is only told.
    pub(crate) fn tell(&mut self, what: impl Into<String>, measured: impl fmt::Display) {
        self.figures.push(Figure { what: what.into(), measured: measured.to_string(), promise: None });
    }

    /// A figure that has to be reached.
    pub(crate) fn promise(
        &mut self,
        what: impl Into<String>,
        measured: impl fmt::Display,
        promise: impl Into<String>,
        held: bool,
    ) {
        let promise = Some((promise.into(), held));
        self.figures.push(Figure { what: what.into(), measured: measured.to_string(), promise });
    }

    /// None of them, of whatever must not happen.
    pub(crate) fn none(&mut self, what: impl Into<String>, count: u64) {
        self.promise(what, count, "0", count == 0);
    }

    pub(crate) fn held(&self) -> bool {
        self.figures.iter().all(|figure| figure.promise.as_ref().is_none_or(|(_, held)| *held))
    }
}

/// A table in Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n### {}\n\n| figure | measured | promised | |\n|---|---|---|---|", self.title)?;
        for Figure { what, measured, promise } in &self.figures {
            let (promise, verdict) = match promise {
                Some((promise, true)) => (promise.as_str(), "held"),
                Some((promise, false)) => (promise.as_str(), "**MISSED**"),
                None => ("", ""),
            };
            writeln!(f, "| {what} | {measured} | {promise} | {verdict} |")?;
        }
        Ok(())
    }
}
