//! The audit trail: one JSON object per decision, on standard output.
//!
//! A blocked or full stream never holds a request up. What it could not take is counted: in the next record that gets
//! through, in `postern_audit_lost_total`, and in the log.

use crate::clock::Clock;
use crate::policy::explain::ExplainedStep;
use crate::sink::Sink;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Records that may wait for the stream.
const QUEUE: usize = 4096;

#[derive(Clone, Debug)]
pub struct Audit {
    sink: Sink,
    /// How many lost records have been told so far.
    told: Arc<AtomicU64>,
    clock: Clock,
    config_digest: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Grant,
    Deny,
    SignIn,
    SignOut,
    /// The identity provider no longer stands by a session, which ended it.
    Withdraw,
    Start,
    Reload,
}

/// What happened. Fields that do not apply are left out. There is no field for a URL, a token or a cookie.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    pub event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<&'a str>,
    /// The name of the rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// `opened`; `refused` by us or the provider; or `failed`: granted, but AWS gave no URL or the client had gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<serde_json::Map<String, serde_json::Value>>,
    /// The rules that were tried, in order, and what each said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<ExplainedStep>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_slot: Option<bool>,
}

impl<'a> Record<'a> {
    pub fn new(event: Event) -> Self {
        Self {
            event,
            request_id: None,
            issuer: None,
            subject: None,
            user: None,
            destination: None,
            rule: None,
            reason: None,
            outcome: None,
            target: None,
            trace: None,
            role_session_name: None,
            aws_request_id: None,
            client_ip: None,
            user_agent: None,
            from_slot: None,
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    record: &'a Record<'a>,
    config_digest: &'a str,
    /// Records lost since the last line that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_before: Option<u64>,
}

impl Audit {
    /// # Errors
    ///
    /// The writer's thread cannot be started.
    pub fn start(
        stream: impl Write + Send + 'static,
        clock: Clock,
        config_digest: Arc<str>,
    ) -> io::Result<Self> {
        Ok(Self { sink: Sink::start("audit", QUEUE, stream)?, told: Arc::default(), clock, config_digest })
    }

    /// The same trail, for decisions by another configuration.
    pub fn under(&self, config_digest: Arc<str>) -> Self {
        Self { config_digest, ..self.clone() }
    }

    /// Queues one record; never waits.
    pub fn record(&self, record: &Record<'_>) {
        let lost = self.sink.lost();
        let untold = lost.saturating_sub(self.told.swap(lost, Ordering::Relaxed));
        if untold > 0 {
            tracing::error!(lost = untold, "audit.lost");
        }
        let line = Line {
            time: humantime::format_rfc3339_millis(self.clock.now_system()).to_string(),
            record,
            config_digest: &self.config_digest,
            lost_before: (untold > 0).then_some(untold),
        };
        // A record is text, numbers and lists of them: there is nothing in it that could fail to become JSON.
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            self.sink.line(text);
        }
    }

    /// Records lost so far, for the metric.
    pub fn lost(&self) -> u64 {
        self.sink.lost()
    }

    /// Waits until all that was queued has been written, or the deadline is over.
    /// Of the configuration that is in force.
    pub fn config_digest(&self) -> &str {
        &self.config_digest
    }

    pub fn flush(&self, deadline: Duration) {
        self.sink.flush(deadline);
    }
}
