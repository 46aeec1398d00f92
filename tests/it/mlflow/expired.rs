//! AWS finds the credentials of a call too old: the call is made once more with others, where its body is still there.

use super::artifacts::{BUCKET, asked, at, with_s3};
use super::{RUNS, calls};
use crate::support::stage::Stage;
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn sessions(stage: &Stage) -> usize {
    stage.sandbox.calls().iter().filter(|call| call.operation == "AssumeRole").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_mlflow_is_made_once_more() {
    let stage = Stage::new().await;
    let create = stage.postern.at(&format!("{RUNS}/create"));
    let wish = json!({"experiment_id": "0", "start_time": 1});
    let mut grace = stage.program("grace");
    assert_eq!(grace.call("POST", &create, &wish).await.checked().status, 200);
    let before = sessions(&stage);
    stage.sandbox.faults().inject(Some("mlflow"), Fault::ExpiredToken, Times::Next(1));
    let again = grace.call("POST", &create, &wish).await.checked();
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!((calls(&stage).len(), sessions(&stage)), (3, before + 1));
    let keys: BTreeSet<String> = calls(&stage).iter().map(|call| call.caller.access_key_id.clone()).collect();
    assert_eq!(keys.len(), 2, "the second try is signed by others");
    stage.sandbox.faults().inject(Some("mlflow"), Fault::ExpiredToken, Times::UntilCleared);
    let refused = grace.call("POST", &create, &wish).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (502, "aws-credentials"));
    assert_eq!(calls(&stage).len(), 5, "twice, and no more");
    let failed = stage.postern.audit(3).pop().unwrap();
    assert_eq!(
        (&failed["event"], &failed["reason"]),
        (&json!("call"), &json!("aws-credentials")),
        "{failed}"
    );
    assert_eq!(failed["role_session_name"], "grace@corp.example", "the name by which AWS's own trail has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_s3_is_made_once_more() {
    let stage = Stage::new().await;
    let (file, mut ada) = (at(&stage, "/1/run/artifacts/a.txt"), stage.program("ada"));
    let expire = || stage.sandbox.faults().inject(Some("s3"), Fault::ExpiredToken, Times::Next(1));
    expire();
    assert_eq!(ada.put(&file, "one two").await.checked().status, 200);
    expire();
    let read = ada.get(&file).await.checked();
    assert_eq!((read.status.as_u16(), read.body.as_str()), (200, "one two"));
    expire();
    assert_eq!(
        ada.get(&at(&stage, "?path=1/run/artifacts")).await.checked().json()["files"][0]["path"],
        "a.txt"
    );
    let tried: Vec<(String, Option<String>)> =
        asked(&stage).into_iter().map(|call| (call.operation, call.error)).collect();
    let expected = ["PutObject", "GetObject", "ListObjectsV2"].into_iter().flat_map(|operation| {
        [Some("ExpiredToken".to_owned()), None].map(|error| (operation.to_owned(), error))
    });
    assert_eq!(tried, expected.collect::<Vec<_>>());
    stage.sandbox.faults().inject(Some("s3"), Fault::ExpiredToken, Times::UntilCleared);
    let refused = ada.get(&file).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (502, "aws-credentials"));
    assert_eq!(asked(&stage).len(), 8);
    stage.sandbox.faults().clear();
    assert_eq!(stage.sandbox.objects(BUCKET).len(), 1);
}

const EXPIRED: &str =
    "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
const LONG: usize = 300_000;

/// An S3 that refuses the first head: before it has asked for the body, or after it has taken all of it. Keeps the bodies.
async fn refusing(first_takes_the_body: bool) -> (String, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&taken);
    tokio::spawn(async move {
        for is_first in [true, false] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let length = if is_first && !first_takes_the_body { 0 } else { body(&mut stream).await };
            kept.lock().unwrap().push(length);
            let (status, said) = if is_first { ("400 Bad Request", EXPIRED) } else { ("200 OK", "") };
            let answer = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{said}",
                said.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, taken)
}

async fn body(stream: &mut TcpStream) -> usize {
    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    let mut body = vec![0; LONG];
    stream.read_exact(&mut body).await.unwrap();
    body.iter().filter(|byte| **byte == b'x').count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_is_sent_once_more_only_if_nothing_of_it_was() {
    for (takes_the_body, status, taken) in [(false, 200, vec![0, LONG]), (true, 502, vec![LONG])] {
        let (url, bodies) = refusing(takes_the_body).await;
        let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &url)).await;
        let file = at(&stage, "/1/run/artifacts/long.bin");
        let answer = stage.program("grace").put(&file, &"x".repeat(LONG)).await.checked();
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(*bodies.lock().unwrap(), taken);
    }
}
