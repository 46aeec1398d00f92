//! One event as one line, in JSON or for people. Whatever a value holds, it cannot end the line or begin another.

use super::request_ids::RequestIds;
use crate::clock::Clock;
use serde::Serialize;
use std::fmt::{Debug, Display};
use std::io::Write;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Human,
    Json,
}

/// Appends the line of an event, with the names of the request that it happened in.
pub(super) fn of_event(
    format: LogFormat,
    clock: &Clock,
    event: &Event<'_>,
    ids: Option<&RequestIds>,
    text: &mut Vec<u8>,
) {
    let metadata = event.metadata();
    let mut line = Line::begin(text, format, clock, metadata.level(), metadata.target());
    event.record(&mut line);
    if let Some(RequestIds { request_id, trace_id, span_id, parent_span_id }) = ids {
        line.string("request_id", request_id);
        line.string("trace_id", trace_id);
        line.string("span_id", span_id);
        if let Some(parent) = parent_span_id {
            line.string("parent_span_id", parent);
        }
    }
    line.end();
}

/// The line that tells of lost ones.
pub(super) fn of_lost(format: LogFormat, clock: &Clock, lost: u64) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = Line::begin(&mut text, format, clock, &Level::ERROR, module_path!());
    line.string("message", "log.lost");
    line.plain("lost", lost);
    line.end();
    text
}

struct Line<'a> {
    format: LogFormat,
    text: &'a mut Vec<u8>,
}

/// Writing to memory does not fail.
impl<'a> Line<'a> {
    fn begin(text: &'a mut Vec<u8>, format: LogFormat, clock: &Clock, level: &Level, target: &str) -> Self {
        let time = humantime::format_rfc3339_micros(clock.now_system());
        _ = match format {
            LogFormat::Human => write!(text, "{time} {level:>5} {target}:"),
            LogFormat::Json => {
                write!(text, r#"{{"timestamp":"{time}","level":"{level}","target":"{target}""#)
            }
        };
        Self { format, text }
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        _ = match self.format {
            LogFormat::Json => serde_json::to_writer(&mut *self.text, value).is_ok(),
            LogFormat::Human if name == "message" => write!(self.text, "{}", readable(value)).is_ok(),
            LogFormat::Human if is_word(value) => self.text.write_all(value.as_bytes()).is_ok(),
            LogFormat::Human => write!(self.text, "{value:?}").is_ok(),
        };
    }

    /// A number, or yes and no.
    fn plain(&mut self, name: &str, value: impl Serialize + Display) {
        self.name(name);
        _ = match self.format {
            LogFormat::Json => serde_json::to_writer(&mut *self.text, &value).is_ok(),
            LogFormat::Human => write!(self.text, "{value}").is_ok(),
        };
    }

    /// Field names are ours and need no escaping.
    fn name(&mut self, name: &str) {
        let (before, behind) = match self.format {
            LogFormat::Json => (",\"", "\":"),
            LogFormat::Human if name == "message" => return self.text.push(b' '),
            LogFormat::Human => (" ", "="),
        };
        for part in [before, name, behind] {
            self.text.extend_from_slice(part.as_bytes());
        }
    }

    fn end(self) {
        self.text.extend_from_slice(match self.format {
            LogFormat::Human => b"\n",
            LogFormat::Json => b"}\n",
        });
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let LogFormat::Json = self.format {
            self.name(field.name());
            _ = serde_json::to_writer(&mut *self.text, &format_args!("{value:?}"));
        } else {
            self.string(field.name(), &format!("{value:?}"));
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '='))
}

/// The text as it is, but for control characters.
fn readable(text: &str) -> String {
    let mut readable = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            readable.extend(c.escape_default());
        } else {
            readable.push(c);
        }
    }
    readable
}
