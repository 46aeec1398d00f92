//! The two text formats that scrapers read.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, HeaderValue};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>, for scrapers that know nothing newer, and for
    /// `promtool check metrics`.
    PrometheusText,
}

impl Exposition {
    /// OpenMetrics, except for clients that accept plain text and not OpenMetrics.
    pub fn negotiated(headers: &HeaderMap) -> Self {
        let accepts = |media_type: &str| {
            let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|range| {
                range.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(media_type))
            })
        };
        if accepts("text/plain") && !accepts("application/openmetrics-text") {
            Self::PrometheusText
        } else {
            Self::OpenMetrics
        }
    }

    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::PrometheusText => "text/plain; version=0.0.4; charset=utf-8",
        })
    }

    pub(super) fn render(self, registry: &Registry) -> String {
        let mut text = String::new();
        if encode(&mut text, registry).is_err() {
            // Writing to a `String` does not fail; an empty exposition is the honest answer if it ever does.
            text = String::from("# EOF\n");
        }
        match self {
            Self::OpenMetrics => text,
            Self::PrometheusText => prometheus_text(&text),
        }
    }
}

/// The older format names a counter after its samples, and has no infos, no units and no end mark.
fn prometheus_text(open_metrics: &str) -> String {
    let types = open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let suffix = |family: &str| match types.clone().find(|(name, _)| *name == family) {
        Some((_, "counter")) => "_total",
        Some((_, "info")) => "_info",
        _ => "",
    };
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(keyword @ ("HELP" | "TYPE")), Some(family), Some(rest)) => {
                let rest = if (keyword, rest) == ("TYPE", "info") { "gauge" } else { rest };
                text.extend(["# ", keyword, " ", family, suffix(family), " ", rest, "\n"]);
            }
            (Some("#"), ..) => {}
            _ => text.extend([line, "\n"]),
        }
    }
    text
}
