//! The audit trail: one JSON object per decision, on standard output or in a file.
//!
//! A blocked or full stream never holds a request up. Lost records are counted: by a record in their place, as soon as
//! the stream takes something again, by `postern_audit_lost_total`, and in the log.

pub mod facts;
pub mod file;

use crate::clock::Clock;
use crate::sink::Sink;
use facts::Facts;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of records that may wait for the stream: some thousands of them.
const QUEUE: usize = 4 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Audit {
    sink: Sink,
    /// The number of lost records that the log has told of.
    told: Arc<AtomicU64>,
    clock: Clock,
    config_digest: Arc<str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Grant,
    Deny,
    SignIn,
    SignOut,
    /// A program's call to MLflow.
    Call,
    /// A person asked to start a target.
    Wake,
    /// A person's profile is created on their first visit.
    CreateProfile,
    /// A run token was made, taken back or refused.
    Token,
    /// The identity provider no longer stands by a session, which ended it.
    Withdraw,
    /// A session goes on although the identity provider could not be asked about it in time.
    Unchecked,
    Start,
    Reload,
    /// Records are missing here.
    #[default]
    Lost,
}

/// The outcome of one rule, as a record and `postern explain` show it.
#[derive(Clone, Debug, Serialize)]
pub struct RuleStep {
    pub rule: Arc<str>,
    /// `allow` or `deny`.
    pub effect: &'static str,
    pub expression: Arc<str>,
    /// `matched`, `not-matched` or `failed`.
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One event. Fields that do not apply are left out. There is no field for a URL, a token or a cookie.
#[derive(Debug, Default, Serialize)]
pub struct Record<'a> {
    pub event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// The trace that the request is part of, by W3C Trace Context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
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
    /// `opened`; `forwarded`; `started`; `created`; `unchanged`, if that was under way already; `issued` or `revoked`, of a
    /// run token; `refused` by us or the provider; or `failed`: granted, but no URL was handed out or the call had
    /// no answer, for the `reason` given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// The claim that should hold the groups of the person who signed in, and what came in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_unbound: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<serde_json::Map<String, serde_json::Value>>,
    /// The rules that were tried, in order, with the outcome of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<RuleStep>>,
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
    /// The changes that a reload has made: names and paths.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub changes: &'a [String],
    /// The facts that the rules read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts<'a>>,
    /// Some of the facts had no room.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub facts_cut: bool,
    /// The name of the run token that is meant, or with which the call was made. It opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<&'a str>,
    /// The expiry of a new run token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The person's access in a call, or the most that a new run token gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<&'static str>,
    /// The HTTP method of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// MLflow's endpoint of a call, with gaps for the names of things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'static str>,
}

impl Record<'_> {
    pub fn new(event: Event) -> Self {
        Self { event, ..Self::default() }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    record: &'a Record<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_digest: Option<&'a str>,
    /// The number of missing records.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
}

impl Audit {
    /// `lost` counts the records that could not be written.
    ///
    /// # Errors
    ///
    /// The writer's thread cannot be started.
    pub fn start(
        stream: impl Write + Send + 'static,
        lost: Counter,
        clock: Clock,
        config_digest: Arc<str>,
    ) -> io::Result<Self> {
        let timed = clock.clone();
        let notice = move |lost| {
            let record = Record::new(Event::Lost);
            let line = Line { time: time(&timed), record: &record, config_digest: None, lost: Some(lost) };
            let mut text = Vec::new();
            line.append_to(&mut text);
            text
        };
        let sink = Sink::start("audit", QUEUE, lost, stream, notice)?;
        Ok(Self { sink, told: Arc::default(), clock, config_digest })
    }

    /// The same trail, for decisions by another configuration.
    pub fn under(&self, config_digest: Arc<str>) -> Self {
        Self { config_digest, ..self.clone() }
    }

    /// Queues one record; never waits.
    pub fn record(&self, record: &Record<'_>) {
        let lost = self.sink.lost();
        let untold = lost.saturating_sub(self.told.fetch_max(lost, Ordering::Relaxed));
        if untold > 0 {
            tracing::error!(lost = untold, "audit.lost");
        }
        let config_digest = Some(&*self.config_digest);
        let line = Line { time: time(&self.clock), record, config_digest, lost: None };
        self.sink.write(|text| line.append_to(text));
    }

    /// The digest of the configuration that is in force.
    pub fn config_digest(&self) -> &str {
        &self.config_digest
    }

    /// Waits until all that was queued has been written or lost, or the deadline is over.
    pub fn flush(&self, deadline: Duration) {
        self.sink.flush(deadline);
    }
}

impl Line<'_> {
    /// Appends the record as JSON. Writing to memory does not fail.
    fn append_to(&self, text: &mut Vec<u8>) {
        _ = serde_json::to_writer(&mut *text, self);
        text.push(b'\n');
    }
}

fn time(clock: &Clock) -> String {
    humantime::format_rfc3339_millis(clock.now_system()).to_string()
}
