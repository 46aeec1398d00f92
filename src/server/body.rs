//! The body of an answer: whole bytes, or a stream.

use http_body_util::Full;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of an answer.
pub struct Body(Kind);

enum Kind {
    Whole(Full<Bytes>),
    Streamed(Streamed),
}

type Streamed = Pin<Box<dyn HttpBody<Data = Bytes, Error = Broken> + Send>>;

/// A streamed body broke off. The connection or stream is cut off, so that its reader notices.
#[derive(Debug)]
pub struct Broken(pub &'static str);

impl Body {
    pub fn new(bytes: Bytes) -> Self {
        Self(Kind::Whole(Full::new(bytes)))
    }

    pub fn streamed(body: impl HttpBody<Data = Bytes, Error = Broken> + Send + 'static) -> Self {
        Self(Kind::Streamed(Box::pin(body)))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::new(Bytes::new())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::new(text.into())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Kind::Whole(whole) => {
                Pin::new(whole).poll_frame(context).map_err(|impossible| match impossible {})
            }
            Kind::Streamed(streamed) => streamed.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(whole) => whole.is_end_stream(),
            Kind::Streamed(streamed) => streamed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(whole) => whole.size_hint(),
            Kind::Streamed(streamed) => streamed.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Whole(_) => "whole",
            Kind::Streamed(_) => "streamed",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Broken {}
