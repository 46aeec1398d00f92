//! Uploads. S3 wants to know a file's length before its first byte. A long body of known length is passed on as it comes; a short
//! one is held, and so is one without a length, which is sent in parts if it is long, each held until it is sent.

use super::super::places::LONGEST_TRANSFER;
use super::super::places::Room;
use super::super::{Bridge, CallError, request_id};
use super::exchange::{successful, unanswered};
use super::pace::{Pace, Paced, Unbegun};
use crate::aws::s3::answer::{StoreError, StoreErrorKind, parts, upload_ended, upload_id};
use crate::aws::s3::store::Key;
use crate::aws::s3::{Operation, StoreAccess};
use crate::metrics::calls::CallUnderWay;
use crate::provider::principal::Principal;
use crate::server::GoesOn;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use hyper::ext::on_informational;
use hyper::header::{CONTENT_TYPE, ETAG, EXPECT, HeaderMap, HeaderValue};
use hyper::http::request;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// A part of an upload without a length. S3 takes parts of at least 5 MiB, and 10,000 of them.
const PART: usize = 8 * 1024 * 1024;
/// Shorter bodies are held and sent at once.
const WITHOUT_ASKING: u64 = 64 * 1024;
/// The wait for an answer to `Expect: 100-continue`.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_CONTENT_TYPE: usize = 200;
/// The time for removing the parts of an upload that has failed.
const TO_CLEAN_UP: Duration = Duration::from_secs(30);

impl Bridge {
    /// Stores a body of at most `most` bytes. Returns AWS's id of the call.
    pub(super) async fn upload(
        self: &Arc<Self>,
        access: &StoreAccess,
        key: &Key,
        most: u64,
        (head, body): (&request::Parts, Incoming),
        person: &Principal,
        call: &CallUnderWay,
    ) -> Result<Option<String>, CallError> {
        let length = body.size_hint().exact();
        if length.is_some_and(|length| length > most) {
            return Err(CallError::BodyTooLarge { most });
        }
        let goes_on = head.extensions.get::<GoesOn>().cloned();
        let pace = Pace::new(self.silence, LONGEST_TRANSFER, most, goes_on);
        let content_type = content_type(&head.headers);
        let stored = match length {
            Some(length) if length > WITHOUT_ASKING => {
                self.store_stream(access, key, content_type, (body, length), &pace).await
            }
            length => {
                let held = length.map_or(PART, |_| WITHOUT_ASKING as usize);
                let room = self.places.room(held, person)?;
                let body = Paced::new(Unbegun::new(body), length, Arc::clone(&pace));
                self.store_parts(access, key, content_type, body, &pace, room).await
            }
        };
        call.sent(pace.bytes());
        // The client's fault is the reason for whatever S3 made of it.
        stored.map_err(|error| pace.fault().unwrap_or(error))
    }

    /// Passes the body on as it comes. Where S3 refuses the credentials before it wants the body, it is asked once more with
    /// others.
    async fn store_stream(
        &self,
        access: &StoreAccess,
        key: &Key,
        content_type: Option<HeaderValue>,
        (body, length): (Incoming, u64),
        pace: &Arc<Pace>,
    ) -> Result<Option<String>, CallError> {
        let operation = Operation::Put { key, length, content_type };
        let (mut unbegun, mut is_again) = (Unbegun::new(body), false);
        loop {
            let (request, by) =
                self.aws.sign_for_store(access, &operation).await.map_err(CallError::Unsigned)?;
            let body = Paced::new(unbegun.clone(), Some(length), Arc::clone(pace));
            let request = asking_first(request.map(|()| body));
            let sent = pace.keep(self.client.send_streamed(request)).await?;
            let response = sent.map_err(unanswered)?;
            // Before the answer is read, so that nothing is read for the first request any more.
            let left = unbegun.take();
            match (successful(response).await, left) {
                (Err(error), Some(body))
                    if !is_again && error.is_about_credentials() && self.aws.replaced(by).await =>
                {
                    (unbegun, is_again) = (Unbegun::new(body), true);
                }
                (answer, _) => return Ok(request_id(answer?.headers())),
            }
        }
    }

    async fn store_parts(
        self: &Arc<Self>,
        access: &StoreAccess,
        key: &Key,
        content_type: Option<HeaderValue>,
        mut body: Paced,
        pace: &Arc<Pace>,
        _room: Room,
    ) -> Result<Option<String>, CallError> {
        let (first, is_last) = part(&mut body, pace).await?;
        if is_last {
            let operation = Operation::Put { key, length: first.len() as u64, content_type };
            let response = pace.keep(self.ask_store(access, &operation, first)).await??;
            return Ok(request_id(response.headers()));
        }
        let begin = Operation::BeginUpload { key, content_type };
        let (_, said) = pace.keep(self.told_by_store(access, &begin, Bytes::new())).await??;
        let id = upload_id(&said).map_err(CallError::Store)?;
        let mut unfinished = Unfinished { bridge: self, access, key, id: &id, is_ended: false };
        let (mut next, mut is_last, mut sent) = (first, is_last, Vec::new());
        for number in 1.. {
            let length = next.len() as u64;
            let operation = Operation::PutPart { key, upload: &id, number, length };
            let response = pace.keep(self.ask_store(access, &operation, next)).await??;
            pace.goes_on();
            let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
            let tag = tag.ok_or_else(|| CallError::Store(StoreError::bad_answer("has no ETag")))?;
            sent.push((number, tag.to_owned()));
            if is_last {
                break;
            }
            (next, is_last) = part(&mut body, pace).await?;
            if next.is_empty() {
                break;
            }
        }
        let list = Bytes::from(parts(&sent));
        let end = Operation::EndUpload { key, upload: &id, length: list.len() as u64 };
        let (headers, said) = pace.keep(self.told_by_store(access, &end, list)).await??;
        let id = request_id(&headers);
        upload_ended(id.as_deref(), &said).map_err(CallError::Store)?;
        unfinished.is_ended = true;
        Ok(id)
    }
}

/// Asks S3 whether it wants the body before it is sent, so that a refusal is heard: one that comes amid a body is lost with the
/// connection. A server that does not answer the question gets the body after a second.
fn asking_first(request: Request<Paced>) -> Request<Paced> {
    let asked = Arc::new(Notify::new());
    let answered = Arc::clone(&asked);
    let mut request =
        request.map(|body| body.after(async move { _ = timeout(PATIENCE, asked.notified()).await }));
    request.headers_mut().insert(EXPECT, HeaderValue::from_static("100-continue"));
    on_informational(&mut request, move |_| answered.notify_one());
    request
}

/// The next bytes of the body, as many as a part has, and whether they are the last.
async fn part(body: &mut Paced, pace: &Pace) -> Result<(Bytes, bool), CallError> {
    let mut part = Vec::new();
    while part.len() < PART {
        match pace.keep(body.frame()).await? {
            None => return Ok((part.into(), true)),
            Some(Err(_)) => return Err(pace.fault().unwrap_or(CallError::BodyBroken)),
            Some(Ok(frame)) => part.extend_from_slice(&frame.into_data().unwrap_or_default()),
        }
    }
    Ok((part.into(), false))
}

fn content_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let is_fit = value.len() <= LONGEST_CONTENT_TYPE && value.to_str().is_ok_and(|text| text == text.trim());
    is_fit.then(|| value.clone())
}

/// An upload in parts. If it does not end, also because its client is gone, its parts are removed: they cost money and no
/// list shows them.
struct Unfinished<'a> {
    bridge: &'a Arc<Bridge>,
    access: &'a StoreAccess,
    key: &'a Key,
    id: &'a str,
    is_ended: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        let (bridge, access) = (Arc::clone(self.bridge), self.access.clone());
        let (key, id) = (self.key.clone(), self.id.to_owned());
        tokio::spawn(async move {
            let operation = Operation::AbandonUpload { key: &key, upload: &id };
            let abandoned = timeout(TO_CLEAN_UP, bridge.ask_store(&access, &operation, Bytes::new())).await;
            let is_gone = |error: &CallError| matches!(error, CallError::Store(error) if error.kind == StoreErrorKind::NoSuchUpload);
            match abandoned {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if is_gone(&error) => {}
                Ok(Err(error)) => tracing::warn!(%error, "artifact.parts_left"),
                Err(_) => tracing::warn!(error = "out of time", "artifact.parts_left"),
            }
        });
    }
}
