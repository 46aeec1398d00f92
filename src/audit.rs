//! The audit trail: one JSON object per decision, on standard output.
//!
//! Writing happens on a thread of its own behind a bounded queue, so that a blocked or full sink never holds a request
//! up. What the queue could not take is counted and reported in the next record that gets through.

use crate::clock::Clock;
use crate::policy::explain::ExplainedStep;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Records that may wait for the sink.
const QUEUE: usize = 4096;

#[derive(Clone, Debug)]
pub struct Audit {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    clock: Clock,
    config_digest: Arc<str>,
}

#[derive(Debug)]
enum Message {
    Record(Vec<u8>),
    Flush(SyncSender<()>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Grant,
    Deny,
    SignIn,
    SignOut,
    Start,
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
    /// Records lost since the last line because the sink was too slow.
    #[serde(skip_serializing_if = "is_zero")]
    dropped_before: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Audit {
    /// Starts the writer thread, which ends when the last clone is gone.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(
        mut sink: impl Write + Send + 'static,
        clock: Clock,
        config_digest: Arc<str>,
    ) -> io::Result<Self> {
        let (queue, records) = sync_channel(QUEUE);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || write_all(&records, &mut sink))?;
        Ok(Self { queue, dropped: Arc::default(), clock, config_digest })
    }

    /// Queues one record; never waits.
    pub fn record(&self, record: &Record<'_>) {
        let dropped_before = self.dropped.swap(0, Ordering::Relaxed);
        let line = Line {
            time: humantime::format_rfc3339_millis(self.clock.now_system()).to_string(),
            record,
            config_digest: &self.config_digest,
            dropped_before,
        };
        let sent = serde_json::to_vec(&line).map(|mut text| {
            text.push(b'\n');
            self.queue.try_send(Message::Record(text))
        });
        if !matches!(sent, Ok(Ok(()))) {
            self.dropped.fetch_add(dropped_before + 1, Ordering::Relaxed);
        }
    }

    /// Records lost so far that no line has reported yet.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was queued has been written, or the deadline is over.
    pub fn flush(&self, deadline: std::time::Duration) {
        let (done, wait) = sync_channel(1);
        match self.queue.try_send(Message::Flush(done)) {
            Ok(()) => _ = wait.recv_timeout(deadline),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn write_all(records: &Receiver<Message>, sink: &mut impl Write) {
    while let Ok(message) = records.recv() {
        match message {
            // A sink that fails has nobody to tell: standard error may be the same broken pipe.
            Message::Record(line) => _ = sink.write_all(&line).and_then(|()| sink.flush()),
            Message::Flush(done) => _ = done.try_send(()),
        }
    }
}
