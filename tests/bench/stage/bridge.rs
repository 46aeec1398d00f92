//! What stands behind and beside the bridge: a server that takes every call, and the least hop that signs one.

use super::files::{FILES, stored};
use super::{Outcome, until_left};
use aws_sdk_sagemaker::config::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern::clock::Clock;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

pub(super) type Failed = Box<dyn std::error::Error + Send + Sync>;

const ARN: &str = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/experiments";

/// Answers every call as MLflow answers one that it has carried out, and keeps and gives files as S3 does.
pub(super) async fn upstream(port: u16) -> Outcome {
    serve(port, |mut request| async move {
        if let Some(answer) = stored(&mut request).await? {
            return Ok(answer);
        }
        request.into_body().collect().await?;
        let answer = Response::builder().header(CONTENT_TYPE, "application/json");
        Ok(answer.body(Either::Left(Full::from("{}")))?)
    })
    .await
}

/// Signs every call and passes it on, whoever sends it.
pub(super) async fn hop(upstream: &str, port: u16) -> Outcome {
    let (id, secret) = (std::env::var("AWS_ACCESS_KEY_ID")?, std::env::var("AWS_SECRET_ACCESS_KEY")?);
    let hop = Hop {
        upstream: upstream.to_owned(),
        credentials: Credentials::new(id, secret, None, None, "environment"),
        client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        streams: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
    };
    serve(port, move |request| {
        let hop = hop.clone();
        async move {
            Ok(match request.uri().path().starts_with(FILES) {
                true => hop.carry(request).await?.map(Either::Right),
                false => hop.forward(request).await?.map(Either::Left),
            })
        }
    })
    .await
}

#[derive(Clone)]
pub(super) struct Hop {
    pub(super) upstream: String,
    credentials: Credentials,
    client: Client<HttpConnector, Full<Bytes>>,
    /// For files.
    pub(super) streams: Client<HttpConnector, Incoming>,
}

impl Hop {
    async fn forward(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failed> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = head.uri.path().trim_start_matches("/tracking");
        let url: Uri = format!("{}{path}", self.upstream).parse()?;
        let mut signed = Request::builder()
            .method(head.method.clone())
            .uri(&url)
            .header("x-mlflow-sm-tracking-server-arn", ARN)
            .header(CONTENT_TYPE, "application/json");
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let named = [("content-type", "application/json"), ("x-mlflow-sm-tracking-server-arn", ARN)];
        let (service, body_signed) = ("sagemaker-mlflow", SignableBody::Bytes(&body));
        for (name, value) in self.signature(service, settings, &url, &head.method, &named, body_signed)? {
            signed = signed.header(name, value);
        }
        let answer = self.client.request(signed.body(Full::from(body))?).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, Full::from(body)))
    }

    pub(super) fn signature(
        &self,
        service: &str,
        settings: SigningSettings,
        url: &Uri,
        method: &Method,
        headers: &[(&str, &str)],
        body: SignableBody<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Failed> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(service)
            .time(Clock::system().now_system())
            .settings(settings)
            .build()?
            .into();
        let request = SignableRequest::new(method.as_str(), url.to_string(), headers.iter().copied(), body)?;
        let (instructions, _) = sign(request, &params)?.into_parts();
        let (headers, _) = instructions.into_parts();
        headers
            .iter()
            .map(|one| Ok((HeaderName::from_static(one.name()), HeaderValue::from_str(one.value())?)))
            .collect()
    }
}

async fn serve<Answering, Answer>(
    port: u16,
    answer: impl Fn(Request<Incoming>) -> Answering + Clone + Send + 'static,
) -> Outcome
where
    Answering: Future<Output = Result<Response<Answer>, Failed>> + Send + 'static,
    Answer: Body<Data = Bytes, Error: Into<Failed>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let left = until_left();
    let mut left = std::pin::pin!(left);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                let answer = answer.clone();
                // A client that went away is no event here.
                tokio::spawn(async move {
                    let service = service_fn(answer);
                    _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            ended = &mut left => return Ok(ended?),
        }
    }
}
