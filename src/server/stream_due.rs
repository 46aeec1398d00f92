//! The deadline at which an HTTP/2 stream is reset if its client does not read.

use hyper::rt::Executor;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

tokio::task_local! {
    static OF_THIS_STREAM: Arc<StreamDue>;
}

/// Runs HTTP/2's streams, each from its request to the last byte of its answer.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    pub(super) request: Duration,
    pub(super) write: Duration,
}

/// The instant at which a stream is reset. Each part of the answer that the client has room for moves it, so an answer may
/// take as long as its client reads, and a client that takes no bytes (a window of zero) holds nothing for ever.
#[derive(Debug)]
pub(super) struct StreamDue {
    at: Mutex<Instant>,
    write: Duration,
}

impl StreamDue {
    /// The deadline of the stream whose task this is; `None` over HTTP/1.1.
    pub(super) fn of_this_stream() -> Option<Arc<Self>> {
        OF_THIS_STREAM.try_with(Arc::clone).ok()
    }

    /// A part of the answer was handed over.
    pub(super) fn goes_on(&self) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        *at = (*at).max(Instant::now() + self.write);
    }

    fn at(&self) -> Instant {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Stream: Future<Output: Send> + Send + 'static> Executor<Stream> for Streams {
    fn execute(&self, stream: Stream) {
        let at = Mutex::new(Instant::now() + self.request + self.write);
        let due = Arc::new(StreamDue { at, write: self.write });
        tokio::spawn(OF_THIS_STREAM.scope(Arc::clone(&due), async move {
            let mut stream = pin!(stream);
            loop {
                let at = due.at();
                if timeout_at(at, stream.as_mut()).await.is_ok() || due.at() <= at {
                    return;
                }
            }
        }));
    }
}
