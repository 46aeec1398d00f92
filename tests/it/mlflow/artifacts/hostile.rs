//! Paths that climb, bodies that are too large or never end, and answers that are not whole.

use super::super::upstream::{Sends, Upstream};
use super::{BUCKET, asked, at, begin_download, begin_upload, with_api, with_s3};
use crate::support::raw::Raw;
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const SHORT: &str = "limits: {deadlines: {request: 2s, write: 2s}}\ndrain: {delay: 0s}";

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_out_of_the_store() {
    let stage = Stage::new().await;
    assert!(stage.sandbox.put_object(BUCKET, "secret.txt", b"secret".to_vec()));
    assert!(stage.sandbox.put_object(BUCKET, "mlflow2/secret.txt", b"secret".to_vec()));
    let port = stage.postern.url.port().unwrap();
    let files = "/experiments/api/2.0/mlflow-artifacts/artifacts";
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/1/../../secret.txt",
        "/1/%2E%2E/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/%252e%252e%252fsecret.txt",
        "//secret.txt",
        "//etc/passwd",
        "/%2fsecret.txt",
        "/1//secret.txt",
        "/1/./secret.txt",
        "/1/secret.txt/",
        "/1;/secret.txt",
        "/1/a%00b",
        "/1/a%0d%0ab",
        "/1/%ff",
        "/1/a%",
        "?path=..",
        "?path=../mlflow2",
        "?path=%2e%2e%2fmlflow2",
        "?path=%252e%252e%252fmlflow2",
        "?path=/1",
        "?path=1//2",
        "?path=1%5c2",
        "?path=1%00",
        "?path=1&path=2",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let mut raw = Raw::connect(port).await;
            let token = stage.token("ada");
            raw.send(format!(
                "{method} {files}{path} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            ))
            .await;
            let answer = raw.rest_as_text().await;
            let is_list = path.starts_with('?');
            let expected = if is_list && method != "GET" { "HTTP/1.1 404 " } else { "HTTP/1.1 400 " };
            assert!(answer.starts_with(expected), "{method} {path}: {answer}");
            assert!(!answer.contains("secret\""), "{method} {path}: {answer}");
        }
    }
    assert!(asked(&stage).is_empty(), "{:#?}", asked(&stage));
    assert_eq!(stage.sandbox.objects(BUCKET).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_the_bound_of_the_configuration() {
    let stage = Stage::with(SandboxOptions::default(), |text| with_api(&text, "body_size: 1MiB")).await;
    let mut announced = begin_upload(&stage, "grace", "/1/a", "content-length: 1048577").await;
    let refused = announced.rest_as_text().await;
    assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("1 MiB"), "{refused}");
    assert!(asked(&stage).is_empty());
    let mut chunked = begin_upload(&stage, "grace", "/1/a", "transfer-encoding: chunked").await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..17 {
        chunked.send(&chunk).await;
    }
    let refused = chunked.rest_as_text().await;
    assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("body-too-large"), "{refused}");
    assert!(stage.sandbox.objects(BUCKET).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_is_408_and_stores_nothing() {
    let stage =
        Stage::with(SandboxOptions::default(), |text| text.replace("drain: {delay: 0s}", SHORT)).await;
    for framing in ["content-length: 100", "transfer-encoding: chunked"] {
        let began = Instant::now();
        let mut raw = begin_upload(&stage, "grace", "/1/a", framing).await;
        raw.send(if framing.contains("chunked") { "5\r\nhello\r\n" } else { "hello" }).await;
        let late = raw.rest_as_text().await;
        assert!(late.starts_with("HTTP/1.1 408 ") && late.contains("body-overdue"), "{framing}: {late}");
        assert!(began.elapsed() < Duration::from_secs(6), "{framing}");
    }
    assert!(stage.sandbox.objects(BUCKET).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let mut known = begin_upload(&stage, "grace", "/1/known", "content-length: 1000").await;
    known.send("hello").await;
    let mut unknown = begin_upload(&stage, "grace", "/1/unknown", "transfer-encoding: chunked").await;
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x100000));
    for _ in 0..20 {
        unknown.send(&chunk).await;
    }
    for _ in 0..200 {
        if stage.sandbox.unfinished_uploads() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.sandbox.unfinished_uploads(), 1, "the first parts are there");
    drop((known, unknown));
    for _ in 0..200 {
        if stage.sandbox.unfinished_uploads() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(stage.sandbox.unfinished_uploads(), 0, "{}", stage.postern.log());
    assert!(stage.sandbox.objects(BUCKET).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_504_and_half_a_file_is_none() {
    let silent = Upstream::start(Sends::Nothing).await;
    let stage = Stage::with(SandboxOptions::default(), |text| {
        with_s3(&text.replace("drain: {delay: 0s}", SHORT), &silent.url)
    })
    .await;
    let late = stage.program("grace").put(&at(&stage, "/1/a"), "hello").await.checked();
    assert_eq!((late.status.as_u16(), late.reason().as_str()), (504, "out-of-time"));
    let late = stage.program("grace").get(&at(&stage, "/1/a")).await.checked();
    assert_eq!((late.status.as_u16(), late.reason().as_str()), (504, "out-of-time"));
    let half =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nset-cookie: a=b\r\ncontent-length: 100\r\n\r\nhalf";
    let upstream = Upstream::start(Sends::Once(half)).await;
    let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &upstream.url)).await;
    let port = stage.postern.url.port().unwrap();
    let mut raw = Raw::connect(port).await;
    let (token, path) = (stage.token("grace"), at(&stage, "/1/a").path().to_owned());
    raw.send(format!(
        "GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    ))
    .await;
    let answer = raw.rest_as_text().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ") && answer.contains("content-length: 100"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhalf"), "the length tells that the rest is missing: {answer}");
    assert!(!answer.contains("set-cookie") && !answer.contains("text/html"), "{answer}");
    let metrics = stage.program("grace").get(&stage.postern.admin("/metrics")).await.body;
    assert!(metrics.contains("access=\"read\",outcome=\"client-gone\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_an_end_ends_with_its_client() {
    let upstream = Upstream::start(Sends::ForEver(
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n",
        "0123456789abcdef",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &upstream.url)).await;
    // The first call takes memory for all that follow.
    let search = stage.postern.at("/experiments/api/2.0/mlflow/experiments/search");
    let warm = stage.program("grace").call("POST", &search, &json!({"max_results": 1})).await.checked();
    assert_eq!(warm.status, 200, "{}", warm.body);
    let before = stage.postern.memory();
    let raw = begin_download(&stage, "grace", "/1/a").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let grown = stage.postern.memory().saturating_sub(before);
    assert!(grown < 8 * 1024, "a client that does not read costs {grown} KiB");
    drop(raw);
    timeout(Duration::from_secs(10), upstream.given_up.notified()).await.expect("the call ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_signs_nothing_and_speaks_for_nobody() {
    let upstream = Upstream::start(Sends::Once(
        "HTTP/1.1 200 OK\r\nserver: x\r\nx-amz-version-id: 1\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\
         connection: close\r\n\r\nok",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &upstream.url)).await;
    let port = stage.postern.url.port().unwrap();
    let (token, path) = (stage.token("max"), at(&stage, "/1/a%20b").path().to_owned());
    let mut raw = Raw::connect(port).await;
    raw.send(format!(
        "GET {path}?x-id=smuggled&versionId=smuggled HTTP/1.1\r\nhost: localhost:{port}\r\n\
         authorization: Bearer {token}\r\nx-amz-expected-bucket-owner: smuggled\r\nx-amz-acl: smuggled\r\n\
         cookie: a=smuggled\r\nif-none-match: smuggled\r\nrange: bytes=1-2, 4-5\r\naccept-encoding: gzip\r\n\
         connection: close\r\n\r\n"
    ))
    .await;
    let answer = raw.rest_as_text().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
    for header in ["server:", "x-amz-", "content-encoding"] {
        assert!(!answer.contains(header), "{header} in {answer}");
    }
    let heads = upstream.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with("get /sandbox-artifacts/mlflow/1/a%20b http/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("x-amz-content-sha256: unsigned-payload"), "{}", heads[0]);
    assert!(heads[0].contains("x-amz-expected-bucket-owner: 111122223333"), "{}", heads[0]);
    for word in ["smuggled", "range:", "gzip", "bearer"] {
        assert!(!heads[0].contains(word), "{word} in {}", heads[0]);
    }
}
