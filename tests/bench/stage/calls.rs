//! The bare SDK call: what a launch cannot do without. Once in a loop, and once behind a server that does nothing else.

use super::repeat::repeat;
use super::{Outcome, until_left};
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::{BehaviorVersion, Builder, Credentials, Region};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// As many people as the launches that are compared with this.
const PEOPLE: usize = 100;
const WARM_UP: usize = 200;

/// Calls for `time` and prints how that went, with the CPU time of this process.
pub(super) async fn call(sagemaker: &str, time: Duration, callers: usize) -> Outcome {
    let client = client(sagemaker)?;
    for number in 0..WARM_UP {
        presign(client.clone(), number).await?;
    }
    let before = cpu_nanoseconds()?;
    let called = repeat(time, callers, move |number| {
        let call = presign(client.clone(), number);
        async { call.await.map(drop) }
    })
    .await?;
    called.tell(json!({ "cpu_us": (cpu_nanoseconds()? - before) / 1000 }))
}

/// Answers every request with a redirect to a fresh URL.
pub(super) async fn serve(sagemaker: &str, port: u16) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let (client, number) = (client(sagemaker)?, Arc::new(AtomicUsize::new(0)));
    let left = until_left();
    let mut left = std::pin::pin!(left);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                tokio::spawn(connection(stream, client.clone(), Arc::clone(&number)));
            }
            ended = &mut left => return Ok(ended?),
        }
    }
}

async fn connection(stream: TcpStream, client: Client, number: Arc<AtomicUsize>) {
    let service = service_fn(move |_: Request<Incoming>| {
        redirect(client.clone(), number.fetch_add(1, Ordering::Relaxed))
    });
    // A client that went away is no event here.
    _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn redirect(client: Client, number: usize) -> Result<Response<Empty<Bytes>>, hyper::http::Error> {
    let response = match presign(client, number).await {
        Ok(url) => Response::builder().status(302).header("location", url),
        Err(_) => Response::builder().status(502),
    };
    response.body(Empty::new())
}

/// With the SDK's own defaults, and the key of the environment.
fn client(sagemaker: &str) -> Result<Client, std::env::VarError> {
    let (id, secret) = (std::env::var("AWS_ACCESS_KEY_ID")?, std::env::var("AWS_SECRET_ACCESS_KEY")?);
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(sagemaker)
        .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
        .build();
    Ok(Client::from_conf(config))
}

async fn presign(client: Client, number: usize) -> Outcome<String> {
    let output = client
        .create_presigned_domain_url()
        .domain_id("d-sandbox00001")
        .user_profile_name(format!("user-{:05}", number % PEOPLE))
        .expires_in_seconds(20)
        .send()
        .await?;
    output.authorized_url.ok_or_else(|| "no URL".into())
}

/// Of this whole process so far, by the scheduler's own account (the first field of schedstat).
fn cpu_nanoseconds() -> Outcome<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let account = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += account.split_whitespace().next().ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(sum)
}
