//! Logs for operators, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
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

/// Installs the logger. `filter` is in the syntax of `tracing_subscriber::EnvFilter`; without one, `info`.
///
/// # Errors
///
/// The filter cannot be parsed, or a logger is installed already.
pub fn install(format: LogFormat, filter: Option<&str>) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter.unwrap_or_default())
        .map_err(|error| format!("POSTERN_LOG: {error}"))?;
    let capped = tracing_subscriber::filter::filter_fn(|metadata| {
        *metadata.level() <= tracing::Level::WARN
            || !CAPPED.iter().any(|prefix| metadata.target().starts_with(prefix))
    });
    let writer = fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Human => writer.with_target(true).boxed(),
        LogFormat::Json => writer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(capped).with_filter(filter))
        .try_init()
        .map_err(|error| error.to_string())
}
