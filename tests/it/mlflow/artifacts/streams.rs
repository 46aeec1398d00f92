//! Files of every length, both ways, in constant memory.

use super::super::upstream::{Sends, Upstream};
use super::{BUCKET, asked, at, begin_download, begin_upload, with_s3};
use crate::support::stage::Stage;
use postern::sandbox::SandboxOptions;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn empty_files_and_ranges() {
    let stage = Stage::new().await;
    let (empty, file) = (at(&stage, "/1/empty"), at(&stage, "/1/file"));
    assert_eq!(stage.program("grace").put(&empty, "").await.checked().status, 200);
    let mut chunked = begin_upload(&stage, "grace", "/1/chunked", "transfer-encoding: chunked").await;
    chunked.send("0\r\n\r\n").await;
    assert!(chunked.rest_as_text().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(stage.sandbox.objects(BUCKET), ["mlflow/1/chunked", "mlflow/1/empty"]);
    let read = stage.program("max").get(&empty).await.checked();
    assert_eq!((read.status.as_u16(), read.body.as_str(), read.header("content-length")), (200, "", "0"));
    assert_eq!(stage.program("grace").put(&file, "0123456789").await.checked().status, 200);
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=8-", 206, "89", "bytes 8-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=8-99", 206, "89", "bytes 8-9/10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
    ] {
        let part = stage.program("max").with("range", range).get(&file).await.checked();
        assert_eq!((part.status.as_u16(), part.body.as_str()), (status, body), "{range}");
        assert_eq!(part.header("content-range"), content_range, "{range}");
    }
    let beyond = stage.program("max").with("range", "bytes=10-").get(&file).await.checked();
    assert_eq!((beyond.status.as_u16(), beyond.reason().as_str()), (416, "no-such-range"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_unknown_length_arrives_whole() {
    let stage = Stage::new().await;
    for megabytes in [1, 8, 20] {
        let path = format!("/1/{megabytes}");
        let mut raw = begin_upload(&stage, "grace", &path, "transfer-encoding: chunked").await;
        for number in 0..megabytes {
            let line = format!("{number:08}");
            raw.send(format!("100000\r\n{}\r\n", line.repeat(0x20000))).await;
        }
        raw.send("0\r\n\r\n").await;
        let stored = raw.rest_as_text().await;
        assert!(stored.starts_with("HTTP/1.1 200 "), "{stored}\n{}", stage.postern.log());
        let file = stage.program("max").get(&at(&stage, &path)).await.checked().body;
        assert_eq!(file.len(), megabytes * 0x100000);
        for number in 0..megabytes {
            assert!(file[number * 0x100000..].starts_with(&format!("{number:08}")), "{megabytes}: {number}");
        }
    }
    let operations: Vec<String> = asked(&stage).into_iter().map(|call| call.operation).collect();
    let of = |name: &str| operations.iter().filter(|operation| *operation == name).count();
    assert_eq!(
        (of("PutObject"), of("CreateMultipartUpload"), of("UploadPart")),
        (1, 2, 1 + 3),
        "{operations:?}"
    );
    assert_eq!(stage.sandbox.unfinished_uploads(), 0);
}

/// An upload that goes on takes longer than any other request may.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_arrives_whole() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let limits = "limits: {deadlines: {request: 2s, write: 2s, idle: 2s}}";
        text.replace("drain: {delay: 0s}", &format!("{limits}\ndrain: {{delay: 0s}}"))
    })
    .await;
    let mut raw = begin_upload(&stage, "grace", "/1/slow", "content-length: 8").await;
    for digit in 0..8 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        raw.send(digit.to_string()).await;
    }
    let stored = raw.rest_as_text().await;
    assert!(stored.starts_with("HTTP/1.1 200 "), "{stored}\n{}", stage.postern.log());
    assert_eq!(stage.program("max").get(&at(&stage, "/1/slow")).await.checked().body, "01234567");
}

/// An S3 that reads bodies of announced length, and keeps nothing.
async fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                let end = loop {
                    if let Some(end) = head.windows(4).position(|end| end == b"\r\n\r\n") {
                        break end + 4;
                    }
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                };
                let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                let mut left = length.unwrap().parse::<usize>().unwrap() - (head.len() - end);
                let mut buffer = vec![0; 65536];
                while left > 0 {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => left -= read,
                    }
                }
                _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_takes_no_memory() {
    const MEGABYTES: usize = 300;
    let url = sink().await;
    let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &url)).await;
    assert_eq!(stage.program("grace").put(&at(&stage, "/1/warm"), "x").await.checked().status, 200);
    let before = stage.postern.memory();
    let framing = format!("content-length: {}", MEGABYTES * 0x100000);
    let mut raw = begin_upload(&stage, "grace", "/1/large", &framing).await;
    let megabyte = vec![7; 0x100000];
    let mut most = 0;
    for _ in 0..MEGABYTES {
        raw.send(&megabyte).await;
        most = most.max(stage.postern.memory());
    }
    assert!(raw.rest_as_text().await.starts_with("HTTP/1.1 200 "), "{}", stage.postern.log());
    let grown = most.saturating_sub(before);
    assert!(grown < 12 * 1024, "{MEGABYTES} MB up cost {grown} KiB");
    let upstream = Upstream::start(Sends::Slowly(
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n0123",
        "45",
        2,
        "67",
    ))
    .await;
    let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &upstream.url)).await;
    let read = stage.program("grace").get(&at(&stage, "/1/slow")).await.checked();
    assert_eq!(read.body, "0123454567", "a file comes as slowly as it is sent");
}

/// The most bytes that the kernel keeps for a client of this port.
fn queued(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let queues = table.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let sent = fields.get(4)?.split(':').next()?;
        fields.get(1)?.ends_with(&local).then(|| u64::from_str_radix(sent, 16).unwrap())
    });
    queues.max().unwrap_or_default()
}

/// With room for less than the network holds, each part would wait for the acknowledgement of the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_has_more_room_on_its_way_than_a_page() {
    const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
    const SHORT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    for (head, room) in [(LONG, 150_000..1_000_000), (SHORT, 1..130_000)] {
        let upstream = Upstream::start(Sends::ForEver(head, "0123456789abcdef")).await;
        let stage = Stage::with(SandboxOptions::default(), |text| with_s3(&text, &upstream.url)).await;
        let _unread = begin_download(&stage, "grace", "/1/a").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let queued = queued(stage.postern.url.port().unwrap());
        assert!(room.contains(&queued), "{queued} bytes wait for a client that does not read: {head}");
    }
}
