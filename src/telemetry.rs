//! Logs for operators, on standard error. A stalled reader loses lines and delays nobody.
//!
//! Every event that happens while a request is answered carries the ids of that request, which [`within`] sets.

mod line;
pub mod request_ids;

pub use line::LogFormat;

use self::request_ids::RequestIds;
use crate::clock::Clock;
use crate::sink::Sink;
use prometheus_client::metrics::counter::Counter;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

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

/// The most bytes of events that wait for standard error: some thousands of events.
const QUEUE: usize = 4 * 1024 * 1024;

tokio::task_local! {
    /// The request of this task. Cheaper than a span: it costs nothing until something is logged.
    static REQUEST: RequestIds;
}

/// The installed logger's output.
#[derive(Clone, Debug)]
pub struct Log {
    sink: Sink,
    lost: Counter,
}

impl Log {
    /// Counts the events that could not be written.
    pub fn lost(&self) -> &Counter {
        &self.lost
    }

    /// Waits until all logged events have been written or lost, or the deadline is over.
    pub fn flush(&self, deadline: Duration) {
        self.sink.flush(deadline);
    }
}

/// Answers a request; every event that is logged meanwhile carries its ids.
///
/// No `async fn`, whose future would have room for `answering` twice.
pub fn within<Answer>(
    request: RequestIds,
    answering: impl Future<Output = Answer>,
) -> impl Future<Output = Answer> {
    REQUEST.scope(request, answering)
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
    let capped = filter_fn(|metadata| {
        *metadata.level() <= Level::WARN || !CAPPED.iter().any(|prefix| metadata.target().starts_with(prefix))
    });
    let (lost, clock) = (Counter::default(), Clock::system());
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let notice = {
        let clock = clock.clone();
        move |lost| line::of_lost(format, &clock, lost)
    };
    let sink = stderr.and_then(|stderr| Sink::start("log", QUEUE, lost.clone(), stderr, notice));
    let sink = sink.map_err(|error| format!("standard error: {error}"))?;
    let lines = Lines { format, clock, sink: sink.clone() };
    tracing_subscriber::registry()
        .with(filter)
        .with(capped)
        .with(lines)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(Log { sink, lost })
}

/// Writes events. Spans are not kept: only the SDK makes any, and their fields are not ours to show.
struct Lines {
    format: LogFormat,
    clock: Clock,
    sink: Sink,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let ids = REQUEST.try_with(|request| *request).ok();
        self.sink.write(|text| line::of_event(self.format, &self.clock, event, ids.as_ref(), text));
    }
}
