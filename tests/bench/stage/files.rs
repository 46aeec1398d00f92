//! Files behind and beside the bridge: a store that takes and gives every file, and the least hop that signs and streams one.

use super::bridge::{Failed, Hop};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SigningSettings, UriPathNormalizationMode,
};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The path of files at the gateway's destination, and of the store at AWS.
pub(super) const FILES: &str = "/tracking/api/2.0/mlflow-artifacts/artifacts/";
const STORE: &str = "/sandbox-artifacts/mlflow/";
/// Each file that is asked for has this length.
const LENGTH: u64 = 100_000_000;

/// Bytes that nobody wrote.
pub(super) struct Zeros {
    left: u64,
}

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static SOME: [u8; 65_536] = [0; 65_536];
        let length = self.left.min(SOME.len() as u64);
        self.left -= length;
        let bytes = Bytes::from_static(SOME.get(..length as usize).unwrap_or_default());
        Poll::Ready((length > 0).then(|| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The store's answer; `None` if the call is not about a file.
pub(super) async fn stored(
    request: &mut Request<Incoming>,
) -> Result<Option<Response<Either<Full<Bytes>, Zeros>>>, Failed> {
    if !request.uri().path().starts_with(STORE) {
        return Ok(None);
    }
    while let Some(frame) = request.body_mut().frame().await {
        frame?;
    }
    Ok(Some(Response::new(match *request.method() {
        Method::GET => Either::Right(Zeros { left: LENGTH }),
        _ => Either::Left(Full::default()),
    })))
}

impl Hop {
    /// Passes a file on as it comes, in either direction.
    pub(super) async fn carry(self, request: Request<Incoming>) -> Result<Response<Incoming>, Failed> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix(FILES).unwrap_or_default();
        let url: Uri = format!("{}{STORE}{path}", self.upstream).parse()?;
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let mut headers = HeaderMap::new();
        if let Some(length) = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_str(length)?);
        }
        let named: Vec<(&str, &str)> =
            headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let signed =
            self.signature("s3", settings, &url, &head.method, &named, SignableBody::UnsignedPayload)?;
        headers.extend(signed);
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (head.method, url, headers);
        Ok(self.streams.request(request).await?)
    }
}
