//! Signature Version 4 of requests that no SDK makes.

use super::credentials::Credentials;
use crate::target::Region;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use hyper::Request;
use hyper::header::{HeaderName, HeaderValue};
use std::time::SystemTime;

/// The scope of a signature.
pub(super) struct Signed<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a Region,
    pub(super) at: SystemTime,
}

/// The headers that sign this request for its body.
///
/// # Errors
///
/// The request cannot be signed, with the reason.
pub(super) fn signature<T>(
    signed: &Signed<'_>,
    settings: SigningSettings,
    credentials: Credentials,
    request: &Request<T>,
    body: SignableBody<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(signed.region.as_str())
        .name(signed.service)
        .time(signed.at)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = request.headers().iter().map(|(name, value)| {
        let value = value.to_str().map_err(|_| format!("the header `{name}` is not ASCII"))?;
        Ok((name.as_str(), value))
    });
    let headers = headers.collect::<Result<Vec<_>, String>>()?;
    let (method, url) = (request.method().as_str(), request.uri().to_string());
    let signable = SignableRequest::new(method, url, headers.into_iter(), body);
    let signable = signable.map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
    let (headers, _) = instructions.into_parts();
    let header = |name: &'static str, value: &str, is_sensitive| {
        let mut value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        value.set_sensitive(is_sensitive);
        Ok((HeaderName::from_static(name), value))
    };
    headers.iter().map(|one| header(one.name(), one.value(), one.sensitive())).collect()
}
