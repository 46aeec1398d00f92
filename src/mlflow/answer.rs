//! An answer on its way from MLflow to the client: bounded in size and time, and never ended as if it were whole.

use super::places::Place;
use crate::metrics::calls::CallUnderWay;
use crate::server::Broken;
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
    body: Incoming,
    left: u64,
    until: Instant,
    silence: Duration,
    silent: Pin<Box<Sleep>>,
    call: CallUnderWay,
    #[expect(dead_code, reason = "held")]
    place: Place,
}

impl Passing {
    pub(super) fn new(body: Incoming, silence: Duration, mut call: CallUnderWay, place: Place) -> Self {
        if body.is_end_stream() {
            call.whole();
        }
        let until = Instant::now() + LONGEST;
        let silent = Box::pin(sleep(silence));
        Self { body, left: MOST_BYTES, until, silence, silent, call, place }
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
                    None
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
                    this.call.answered(length);
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
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
