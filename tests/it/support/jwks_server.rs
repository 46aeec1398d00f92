//! An identity provider's documents over real HTTP, with the faults that real ones have.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

#[derive(Clone)]
pub(crate) struct JwksServer {
    pub base: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    requests: HashMap<String, usize>,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Body(String),
    Status(u16),
    Redirect(String),
    Slow(Duration, String),
    /// Accepts the request and never answers.
    Hang,
}

impl JwksServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let server = Self { base, state: Arc::clone(&state) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    pub(crate) fn serve(&self, path: &str, body: impl std::fmt::Display) {
        self.answer(path, Answer::Body(body.to_string()));
    }

    pub(crate) fn requests(&self, path: &str) -> usize {
        self.state.lock().unwrap().requests.get(path).copied().unwrap_or_default()
    }

    pub(crate) fn all_requests(&self) -> usize {
        self.state.lock().unwrap().requests.values().sum()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let answer = {
        let mut state = state.lock().unwrap();
        *state.requests.entry(path.clone()).or_default() += 1;
        state.answers.get(&path).cloned().unwrap_or(Answer::Status(404))
    };
    let response = match answer {
        Answer::Body(body) => Response::new(Full::from(body)),
        Answer::Status(status) => Response::builder().status(status).body(Full::default()).unwrap(),
        Answer::Redirect(to) => {
            Response::builder().status(302).header("location", to).body(Full::default()).unwrap()
        }
        Answer::Slow(delay, body) => {
            tokio::time::sleep(delay).await;
            Response::new(Full::from(body))
        }
        Answer::Hang => std::future::pending().await,
    };
    Ok(response)
}
