//! The reasons why a server gave no answer, in words for the admin.

use super::egress::{Way, host_of};
use hyper::Uri;
use rustls::{CertificateError, InvalidMessage};
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;
use url::Url;

/// Carries the host that was asked and the proxy on the way, never a path, a query or a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// With the port, where the URL names one.
    pub host: String,
    /// The proxy that the host was asked through.
    pub proxy: Option<String>,
    pub kind: HttpErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpErrorKind {
    TimedOut(Duration),
    Unreachable(Cause),
    /// The answer has more bytes than this.
    TooLarge(usize),
    /// Nothing was sent: the request cannot be built.
    Unsendable(&'static str),
}

/// The failure on the way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    UnknownName(String),
    Refused,
    /// The server's certificate is not accepted.
    Certificate(String),
    /// The server's certificate is an authority's own, which no client accepts of a server (RFC 5280, section 4.2.1.9).
    AuthorityAsServer,
    /// The URL says `https`, and the port answers without TLS.
    NotTls,
    NotHttp,
    /// The proxy could not be reached itself.
    ProxyUnreachable(Box<Cause>),
    /// The proxy wants credentials, or refuses those it got (407).
    ProxyCredentials,
    /// The proxy does not connect to this host.
    ProxyRefused,
    Other(String),
}

impl HttpError {
    /// About a request for `url` that went this way.
    pub(crate) fn new(url: &Uri, way: &Way, kind: HttpErrorKind) -> Self {
        Self { host: host_of(url).to_owned(), proxy: way.proxy().map(str::to_owned), kind }
    }
}

impl HttpError {
    /// The other side is out of reach or too slow. An answer that is too long is no outage.
    pub fn is_outage(&self) -> bool {
        matches!(self.kind, HttpErrorKind::TimedOut(_) | HttpErrorKind::Unreachable(_))
    }

    /// About a request that was never sent.
    pub(super) fn unsendable(url: &Url, why: &'static str) -> Self {
        let host = url.host_str().unwrap_or_default().to_owned();
        Self { host, proxy: None, kind: HttpErrorKind::Unsendable(why) }
    }
}

impl Cause {
    /// Reads an error of hyper's or of the SDK's connector. `is_forwarded` says that it was connected to a proxy alone.
    pub(crate) fn of(error: &(dyn Error + 'static), is_forwarded: bool) -> Self {
        let mut is_proxys = is_forwarded;
        let mut found = None;
        let mut last = error.to_string();
        for error in chain(error) {
            let text = error.to_string();
            // The type is not public.
            match text.strip_prefix("tunnel error: ") {
                Some("proxy authorization required") => return Self::ProxyCredentials,
                Some("unsuccessful") => return Self::ProxyRefused,
                Some(_) => is_proxys = true,
                None => {}
            }
            // The innermost known cause is the most precise.
            found = Self::known(error).or(found);
            last = text;
        }
        let cause = found.unwrap_or(Self::Other(last));
        if is_proxys { Self::ProxyUnreachable(Box::new(cause)) } else { cause }
    }

    fn known(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Self::of_tls(error));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return (error.kind() == io::ErrorKind::ConnectionRefused).then_some(Self::Refused);
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Some(Self::NotHttp);
        }
        (error.to_string() == "dns error").then(|| {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            Self::UnknownName(why.trim_start_matches("failed to lookup address information: ").to_owned())
        })
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(error))
                if error.to_string().contains("CaUsedAsEndEntity") =>
            {
                Self::AuthorityAsServer
            }
            rustls::Error::InvalidCertificate(error) => Self::Certificate(error.to_string()),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            error => Self::Other(format!("TLS: {error}")),
        }
    }
}

/// An error and its causes, including the error inside an I/O error, which [`Error::source`] skips.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// The known cause of a failed connection, or the error with all its causes, of which the outermost says least.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    match chain(error).find_map(|error| error.downcast_ref::<HttpError>()) {
        Some(error) => error.to_string(),
        None => chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": "),
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        let through =
            self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        match &self.kind {
            HttpErrorKind::TimedOut(limit) => {
                write!(f, "{host} did not answer{through} within {} s", limit.as_secs())
            }
            HttpErrorKind::Unreachable(cause) => write!(f, "{host} cannot be reached{through}: {cause}"),
            HttpErrorKind::Unsendable(why) => write!(f, "{host} was not asked: {why}"),
            HttpErrorKind::TooLarge(limit) => {
                write!(f, "{host} answered{through} with more than {} KiB", limit / 1024)
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(why) => write!(f, "the name cannot be resolved: {why}"),
            Self::Refused => f.write_str("nothing listens on the port (connection refused)"),
            Self::Certificate(why) => write!(f, "the server's certificate is not accepted: {why}"),
            Self::AuthorityAsServer => f.write_str(
                "the server's certificate is not accepted: it is the own certificate of an authority \
                 (CaUsedAsEndEntity)",
            ),
            Self::NotTls => f.write_str("the port answers without TLS, and the URL says `https`"),
            Self::NotHttp => f.write_str("what the port answers is not HTTP: it may be a port for TLS"),
            Self::ProxyUnreachable(cause) => write!(f, "the proxy itself cannot be reached: {cause}"),
            Self::ProxyCredentials => f.write_str("the proxy asks for credentials, or for others (407)"),
            Self::ProxyRefused => f.write_str("the proxy refuses to connect to it"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl Error for HttpError {}
