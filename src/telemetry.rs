//! Logs for operators, on standard error. A reader that stalls there loses lines and holds nobody up.

use crate::sink::Sink;
use std::io::{self, Write};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Human,
    Json,
}

/// Targets that print bodies, headers or buffers below this level; with the SDK's, that would be authorized URLs.
/// They stay capped whatever `POSTERN_LOG` says.
const CAPPED: [&str; 13] = [
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_sagemaker",
    "aws_sdk_sts",
    "aws_sigv4",
    "aws_smithy",
    "h2",
    "hyper",
    "hyper_util",
    "hyper_rustls",
    "rustls",
    "tokio_rustls",
];

/// Events that may wait for standard error.
const QUEUE: usize = 4096;

/// The installed logger's way out.
#[derive(Clone, Debug)]
pub struct Log(Sink);

impl Log {
    /// Waits until all that was logged has been written, or the deadline is over.
    pub fn flush(&self, deadline: Duration) {
        self.0.flush(deadline);
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Event;

    fn make_writer(&'a self) -> Event {
        Event { text: Vec::new(), sink: self.0.clone() }
    }
}

/// One event, sent off as a whole when its last byte is there.
#[derive(Debug)]
pub struct Event {
    text: Vec<u8>,
    sink: Sink,
}

impl Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.sink.line(std::mem::take(&mut self.text));
        }
    }
}

/// Installs the logger. `filter` is in the syntax of `tracing_subscriber::EnvFilter`; without one, `info`.
///
/// # Errors
///
/// The filter cannot be parsed, or a logger is installed already.
pub fn install(format: LogFormat, filter: Option<&str>) -> Result<Log, String> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter.unwrap_or_default())
        .map_err(|error| format!("POSTERN_LOG: {error}"))?;
    let capped = tracing_subscriber::filter::filter_fn(|metadata| {
        *metadata.level() <= tracing::Level::WARN
            || !CAPPED.iter().any(|prefix| metadata.target().starts_with(prefix))
    });
    let log = Log(Sink::start("log", QUEUE, io::stderr()).map_err(|error| error.to_string())?);
    let writer = fmt::layer().with_ansi(false).with_writer(log.clone());
    let layer = match format {
        LogFormat::Human => writer.with_target(true).boxed(),
        LogFormat::Json => writer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(capped).with_filter(filter))
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(log)
}
