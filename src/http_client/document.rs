//! One document of an identity provider, and why it cannot be had or used.

use super::{Answer, HttpClient, HttpError};
use hyper::StatusCode;
use std::fmt;
use url::Url;

/// The reason why a provider's document cannot be fetched or used, for the admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    Http(HttpError),
    /// The status is not 200.
    Status {
        host: String,
        path: String,
        status: u16,
    },
    /// The discovery document of `issuer` names `found` as its issuer.
    OtherIssuer {
        issuer: String,
        found: String,
    },
    /// The content is not usable, with the reason.
    Unusable(String),
    /// The provider has not answered within the time that a request waits for it.
    Unfinished,
}

/// One document. Any status but 200 is an error.
pub(crate) async fn fetch(http: &HttpClient, url: &Url) -> Result<Answer, FetchError> {
    let answer = http.get(url).await.map_err(FetchError::Http)?;
    if answer.status == StatusCode::OK {
        Ok(answer)
    } else {
        let host = url.host_str().unwrap_or_default().to_owned();
        Err(FetchError::Status { host, path: url.path().to_owned(), status: answer.status.as_u16() })
    }
}

impl FetchError {
    /// The publisher of the document is out of reach or out of order: no answer in time, 5xx or 429.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Http(error) => error.is_outage(),
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::OtherIssuer { .. } | Self::Unusable(_) => false,
            Self::Unfinished => true,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Status { host, path, status } => write!(f, "{host} answered {status} to {path}"),
            Self::OtherIssuer { issuer, found } => {
                write!(f, "`issuer` in the discovery document of `{issuer}` is not exactly that: `{found}`")
            }
            Self::Unusable(why) => f.write_str(why),
            Self::Unfinished => f.write_str("the identity provider has not answered yet"),
        }
    }
}

impl std::error::Error for FetchError {}
