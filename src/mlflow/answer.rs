//! An answer on its way from MLflow to the client: bounded in size and time, and never ended as if it were whole.

use super::places::{LONGEST_TRANSFER, Place};
use super::refused::AnswerBody;
use super::rewriting::Scan;
use crate::metrics::calls::CallUnderWay;
use crate::server::Broken;
use http_body_util::Either;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// A search of many runs stays far below this.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(3600);

/// The rest of an answer. Dropping it ends the call.
pub(super) struct Passing {
    body: AnswerBody,
    left: u64,
    until: Instant,
    silence: Duration,
    silent: Pin<Box<Sleep>>,
    call: CallUnderWay,
    #[expect(dead_code, reason = "held")]
    place: Place,
    rewriting: Option<Scan>,
}

impl Passing {
    pub(super) fn new(
        body: AnswerBody,
        silence: Duration,
        call: CallUnderWay,
        place: Place,
        rewriting: Option<Scan>,
    ) -> Self {
        Self { rewriting, ..Self::bounded(body, silence, call, place, (MOST_BYTES, LONGEST)) }
    }

    /// A file, which may be as long as it says.
    pub(super) fn of_a_file(body: Incoming, silence: Duration, call: CallUnderWay, place: Place) -> Self {
        let bytes = body.size_hint().exact().unwrap_or(MOST_BYTES);
        Self::bounded(Either::Left(body), silence, call, place, (bytes, LONGEST_TRANSFER))
    }

    fn bounded(
        body: AnswerBody,
        silence: Duration,
        mut call: CallUnderWay,
        place: Place,
        (left, longest): (u64, Duration),
    ) -> Self {
        if body.is_end_stream() {
            call.whole();
        }
        let until = Instant::now() + longest;
        let silent = Box::pin(sleep(silence));
        Self { body, left, until, silence, silent, call, place, rewriting: None }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        loop {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                ready!(this.silent.as_mut().poll(context));
                return Poll::Ready(Some(Err(Broken("MLflow has stopped answering"))));
            };
            let now = Instant::now();
            this.silent.as_mut().reset((now + this.silence).min(this.until));
            return Poll::Ready(match frame {
                None => {
                    this.call.whole();
                    let mut rest = Vec::new();
                    if let Some(mut scan) = this.rewriting.take() {
                        scan.end(&mut rest);
                    }
                    (!rest.is_empty()).then(|| Ok(Frame::data(rest.into())))
                }
                Some(Err(_)) => Some(Err(Broken("MLflow's answer broke off"))),
                Some(Ok(frame)) => {
                    // Trailers belong to the connection that they came by.
                    let Ok(data) = frame.into_data() else { continue };
                    let length = data.len() as u64;
                    if length > this.left || now > this.until {
                        return Poll::Ready(Some(Err(Broken("MLflow's answer has no end"))));
                    }
                    this.left -= length;
                    let data = match &mut this.rewriting {
                        None => data,
                        Some(scan) => {
                            let mut rewritten = Vec::with_capacity(data.len() + 64);
                            if scan.feed(&data, &mut rewritten).is_err() {
                                return Poll::Ready(Some(Err(Broken("MLflow's answer is no JSON"))));
                            }
                            rewritten.into()
                        }
                    };
                    this.call.answered(data.len() as u64);
                    if data.is_empty() {
                        continue;
                    }
                    // hyper does not poll a body again that has said it is at its end.
                    if this.body.is_end_stream() {
                        this.call.whole();
                    }
                    Some(Ok(Frame::data(data)))
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rewriting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rewriting.is_none() { self.body.size_hint() } else { SizeHint::default() }
    }
}
