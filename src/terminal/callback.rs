//! The place on this machine to which the gateway sends the browser back (RFC 8252, section 7.3).

use super::error::TerminalError;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, REFERRER_POLICY,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::form_urlencoded;

/// The longest wait for the person.
const PATIENCE: Duration = Duration::from_secs(300);
/// The deadline of a request's head.
const HEAD: Duration = Duration::from_secs(5);
const LARGEST_HEAD: usize = 16 * 1024;
/// Connections that are served at once, of any program on this machine.
const MOST: usize = 8;

#[derive(Debug)]
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// # Errors
    ///
    /// [`TerminalError::NoPort`]
    pub(super) async fn listen() -> Result<Self, TerminalError> {
        let no_port = |error: std::io::Error| TerminalError::NoPort(error.to_string());
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let port = listener.local_addr().map_err(no_port)?.port();
        Ok(Self { listener, port })
    }

    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}/callback", self.port)
    }

    /// The code that the browser brings together with this `state`. Everything else that asks here gets 404.
    ///
    /// # Errors
    ///
    /// [`TerminalError::OutOfTime`]
    pub(super) async fn code(self, state: &str) -> Result<String, TerminalError> {
        let (tell, mut told) = mpsc::channel(1);
        let places = std::sync::Arc::new(tokio::sync::Semaphore::new(MOST));
        let serve = async {
            loop {
                let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { return };
                let Ok((stream, _)) = self.listener.accept().await else { continue };
                let (tell, state, host) =
                    (tell.clone(), state.to_owned(), format!("127.0.0.1:{}", self.port));
                tokio::spawn(async move {
                    let _place = place;
                    let service = service_fn(|request: Request<Incoming>| {
                        let code = code(&request, &state, &host);
                        let answer = answer(code.is_some());
                        if let Some(code) = code {
                            _ = tell.try_send(code);
                        }
                        async { Ok::<_, Infallible>(answer) }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD)
                        .max_buf_size(LARGEST_HEAD)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    _ = timeout(2 * HEAD, connection).await;
                });
            }
        };
        let arrived = async {
            tokio::select! {
                code = told.recv() => code,
                () = serve => None,
            }
        };
        let code = timeout(PATIENCE, arrived).await.ok().flatten().ok_or(TerminalError::OutOfTime)?;
        // For the answer to leave before the program ends.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(code)
    }
}

/// The code of a request that belongs to this sign-in.
fn code(request: &Request<Incoming>, state: &str, host: &str) -> Option<String> {
    let named = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    if request.method() != Method::GET || request.uri().path() != "/callback" || named != Some(host) {
        return None;
    }
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let only = |name: &str| {
        let mut values = form_urlencoded::parse(query).filter(|(key, _)| key == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    let is_ours = verify_slices_are_equal(only("state")?.as_bytes(), state.as_bytes()).is_ok();
    only("code").filter(|code| is_ours && !code.is_empty()).map(std::borrow::Cow::into_owned)
}

fn answer(is_ours: bool) -> Response<Full<Bytes>> {
    let (status, title, text) = match is_ours {
        true => (StatusCode::OK, "Signed in", "Your terminal is signed in. You can close this page."),
        false => (StatusCode::NOT_FOUND, "Not found", "There is nothing here."),
    };
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    );
    let mut response = Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONNECTION, "close"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
