//! The audit trail: one JSON object per decision, on standard output or in a file.
//!
//! A blocked or full stream never holds a request up. What it could not take is counted: by a record in its place, as soon
//! as the stream takes something again, by `postern_audit_lost_total`, and in the log.

pub mod file;

use crate::clock::Clock;
use crate::sink::Sink;
use crate::sink::object::Object;
use humantime::Rfc3339Timestamp;
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
    /// How many lost records the log has told of.
    told: Arc<AtomicU64>,
    clock: Clock,
    config_digest: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Grant,
    Deny,
    SignIn,
    SignOut,
    /// The identity provider no longer stands by a session, which ended it.
    Withdraw,
    /// A session goes on although the identity provider could not be asked about it in time.
    Unchecked,
    Start,
    Reload,
    /// Records are missing here.
    Lost,
}

/// What one rule said, as a record and `postern explain` show it.
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

/// What happened. Fields that do not apply are left out. There is no field for a URL, a token or a cookie.
#[derive(Debug)]
pub struct Record<'a> {
    pub event: Event,
    pub request_id: Option<&'a str>,
    /// The trace that the request is part of, by W3C Trace Context.
    pub trace_id: Option<&'a str>,
    pub issuer: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub user: Option<&'a str>,
    pub destination: Option<&'a str>,
    /// The name of the rule that decided.
    pub rule: Option<&'a str>,
    pub reason: Option<&'a str>,
    /// `opened`; `refused` by us or the provider; or `failed`: granted, but no URL was handed out, for the `reason` given.
    pub outcome: Option<&'static str>,
    pub target: Option<serde_json::Map<String, serde_json::Value>>,
    /// The rules that were tried, in order, and what each said.
    pub trace: Option<Vec<RuleStep>>,
    pub role_session_name: Option<&'a str>,
    pub aws_request_id: Option<&'a str>,
    pub client_ip: Option<IpAddr>,
    pub user_agent: Option<&'a str>,
    pub from_slot: Option<bool>,
}

impl<'a> Record<'a> {
    pub fn new(event: Event) -> Self {
        Self {
            event,
            request_id: None,
            trace_id: None,
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

struct Line<'a> {
    time: Rfc3339Timestamp,
    record: &'a Record<'a>,
    config_digest: Option<&'a str>,
    /// How many records are missing.
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

    /// Of the configuration that is in force.
    pub fn config_digest(&self) -> &str {
        &self.config_digest
    }

    /// Waits until all that was queued has been written or lost, or the deadline is over.
    pub fn flush(&self, deadline: Duration) {
        self.sink.flush(deadline);
    }
}

impl Line<'_> {
    /// Field by field, so that one which is new has to be thought of here.
    fn append_to(&self, text: &mut Vec<u8>) {
        let Record {
            event,
            request_id,
            trace_id,
            issuer,
            subject,
            user,
            destination,
            rule,
            reason,
            outcome,
            ref target,
            ref trace,
            role_session_name,
            aws_request_id,
            client_ip,
            user_agent,
            from_slot,
        } = *self.record;
        let mut line = Object::begin(text);
        line.shown("time", &self.time);
        line.string("event", event.as_str());
        append_texts(
            &mut line,
            [
                ("request_id", request_id),
                ("trace_id", trace_id),
                ("issuer", issuer),
                ("subject", subject),
                ("user", user),
                ("destination", destination),
                ("rule", rule),
                ("reason", reason),
                ("outcome", outcome),
            ],
        );
        if let Some(target) = target {
            line.value("target", target);
        }
        if let Some(trace) = trace {
            line.list("trace", trace, append_step);
        }
        append_texts(
            &mut line,
            [("role_session_name", role_session_name), ("aws_request_id", aws_request_id)],
        );
        if let Some(client_ip) = client_ip {
            line.shown("client_ip", client_ip);
        }
        append_texts(&mut line, [("user_agent", user_agent)]);
        if let Some(from_slot) = from_slot {
            line.value("from_slot", &from_slot);
        }
        append_texts(&mut line, [("config_digest", self.config_digest)]);
        if let Some(lost) = self.lost {
            line.value("lost", &lost);
        }
        line.end().push(b'\n');
    }
}

/// Those that there are.
fn append_texts<const COUNT: usize>(line: &mut Object<'_>, texts: [(&str, Option<&str>); COUNT]) {
    for (name, text) in texts {
        if let Some(text) = text {
            line.string(name, text);
        }
    }
}

fn append_step(line: &mut Object<'_>, step: &RuleStep) {
    let RuleStep { rule, effect, expression, outcome, detail } = step;
    line.string("rule", rule);
    line.string("effect", effect);
    line.string("expression", expression);
    line.string("outcome", outcome);
    append_texts(line, [("detail", detail.as_deref())]);
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Deny => "deny",
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
            Self::Withdraw => "withdraw",
            Self::Unchecked => "unchecked",
            Self::Start => "start",
            Self::Reload => "reload",
            Self::Lost => "lost",
        }
    }
}

fn time(clock: &Clock) -> Rfc3339Timestamp {
    humantime::format_rfc3339_millis(clock.now_system())
}
