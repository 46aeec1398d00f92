//! One event as one line, in JSON or for people. No value can end the line or begin another.

use super::request_ids::RequestIds;
use crate::clock::Clock;
use crate::sink::object::Object;
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

/// Appends the line of an event, with the ids of its request.
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

/// The line that reports lost events.
pub(super) fn of_lost(format: LogFormat, clock: &Clock, lost: u64) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = Line::begin(&mut text, format, clock, &Level::ERROR, module_path!());
    line.string("message", "log.lost");
    line.plain("lost", lost);
    line.end();
    text
}

enum Line<'a> {
    Human(&'a mut Vec<u8>),
    Json(Object<'a>),
}

/// Writing to memory does not fail.
impl<'a> Line<'a> {
    fn begin(text: &'a mut Vec<u8>, format: LogFormat, clock: &Clock, level: &Level, target: &str) -> Self {
        let time = humantime::format_rfc3339_micros(clock.now_system());
        match format {
            LogFormat::Human => {
                _ = write!(text, "{time} {level:>5} {target}:");
                Self::Human(text)
            }
            LogFormat::Json => {
                let mut object = Object::begin(text);
                object.shown("timestamp", time);
                object.string("level", level.as_str());
                object.string("target", target);
                Self::Json(object)
            }
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        let text = match self {
            Self::Json(object) => return object.string(name, value),
            Self::Human(text) => text,
        };
        _ = match name {
            "message" => write!(text, " {}", readable(value)),
            _ if is_word(value) => write!(text, " {name}={value}"),
            _ => write!(text, " {name}={value:?}"),
        };
    }

    /// A number or a boolean.
    fn plain(&mut self, name: &str, value: impl Serialize + Display) {
        match self {
            Self::Json(object) => object.value(name, &value),
            Self::Human(text) => _ = write!(text, " {name}={value}"),
        }
    }

    fn end(self) {
        let text = match self {
            Self::Json(object) => object.end(),
            Self::Human(text) => text,
        };
        text.push(b'\n');
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
        match self {
            Self::Json(object) => object.shown(field.name(), format_args!("{value:?}")),
            Self::Human(_) => self.string(field.name(), &format!("{value:?}")),
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '='))
}

/// The text with its control characters escaped.
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
