//! Limits and deadlines.

use super::texts;
use crate::config::file;
use crate::config::findings::{Checked, Findings};
use crate::config::located::At;
use crate::config::settings::{Deadlines, Limits};
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SHORTEST: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn limits(written: Option<&file::Limits>, findings: &mut Findings) -> Checked<Limits> {
    let default = file::Limits::default();
    let written = written.unwrap_or(&default);
    let mut size = |key: &str, written: &Option<At<String>>, least: usize, most: usize, default: usize| {
        let path = format!("limits.{key}");
        let size = findings.check_optional(&path, written.as_ref(), |text| texts::size(text, least, most));
        size.map(|size| size.unwrap_or(default))
    };
    let head_size = size("head_size", &written.head_size, 8 * KIB, MIB, 64 * KIB);
    let body_size = size("body_size", &written.body_size, 4 * KIB, MIB, 16 * KIB);
    let deadlines = deadlines(written.deadlines.as_ref(), findings);
    Ok(Limits {
        mints_per_minute: written.mints_per_minute.unwrap_or(30),
        connections: written.connections.unwrap_or(4_000),
        streams: written.streams.unwrap_or(64),
        header_fields: written.header_fields.unwrap_or(100),
        head_size: head_size?,
        body_size: body_size?,
        deadlines: deadlines?,
    })
}

/// Calls to AWS under way at one time.
pub(super) fn aws_calls(written: Option<&file::Limits>) -> usize {
    written.and_then(|limits| limits.aws_calls).unwrap_or(64)
}

fn deadlines(written: Option<&file::Deadlines>, findings: &mut Findings) -> Checked<Deadlines> {
    let default = file::Deadlines::default();
    let written = written.unwrap_or(&default);
    let mut time =
        |key: &str, written: &Option<At<String>>, least: Duration, most: Duration, default: u64| {
            let path = format!("limits.deadlines.{key}");
            let time =
                findings.check_optional(&path, written.as_ref(), |text| texts::duration(text, least, most));
            time.map(|time| time.unwrap_or(Duration::from_secs(default)))
        };
    let first_byte = time("first_byte", &written.first_byte, SHORTEST, 5 * MINUTE, 10);
    let proxy_header = time("proxy_header", &written.proxy_header, SHORTEST, MINUTE, 5);
    let tls_handshake = time("tls_handshake", &written.tls_handshake, SHORTEST, MINUTE, 10);
    let request_head = time("request_head", &written.request_head, SHORTEST, 5 * MINUTE, 10);
    let request_body = time("request_body", &written.request_body, SHORTEST, MINUTE, 5);
    let request = time("request", &written.request, Duration::from_secs(1), 5 * MINUTE, 45);
    let write = time("write", &written.write, SHORTEST, 5 * MINUTE, 30);
    // Longer than balancers keep theirs (60 s by default in AWS's), so that the balancer, which sends, closes first.
    let idle = time("idle", &written.idle, SHORTEST, 60 * MINUTE, 75);
    Ok(Deadlines {
        first_byte: first_byte?,
        proxy_header: proxy_header?,
        tls_handshake: tls_handshake?,
        request_head: request_head?,
        request_body: request_body?,
        request: request?,
        write: write?,
        idle: idle?,
    })
}
