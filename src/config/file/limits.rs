//! Limits and deadlines.

use crate::config::located::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Limits on requests, connections and calls.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Per person; by default 30.
    #[schemars(range(min = 1, max = 6000))]
    pub mints_per_minute: Option<u32>,
    /// Calls to AWS under way at one time; by default 64. At most half are about one domain, server or app.
    #[schemars(range(min = 1, max = 10_000))]
    pub aws_calls: Option<usize>,
    /// Connections open at one time; by default 4000.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: Option<usize>,
    /// Requests under way at one time on one HTTP/2 connection; by default 64.
    #[schemars(range(min = 1, max = 1000))]
    pub streams: Option<u32>,
    /// Header fields of a request; by default 100.
    #[schemars(range(min = 10, max = 1000))]
    pub header_fields: Option<usize>,
    /// Bytes of a request's head, such as `64KiB`, the default; `8KiB` to `1MiB`.
    pub head_size: Option<At<String>>,
    /// Bytes of a request's body; by default `16KiB`; `4KiB` to `1MiB`.
    pub body_size: Option<At<String>>,
    pub deadlines: Option<Deadlines>,
}

/// The deadline of each phase of a connection.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// From the connection to its first byte; by default `10s`; `100ms` to `5m`.
    pub first_byte: Option<At<String>>,
    /// From its first byte to its last; by default `5s`; `100ms` to `1m`.
    pub proxy_header: Option<At<String>>,
    /// From the first byte of TLS to the end of its handshake; by default `10s`; `100ms` to `1m`.
    pub tls_handshake: Option<At<String>>,
    /// From its first byte to its last, HTTP/2's preface included; by default `10s`; `100ms` to `5m`.
    pub request_head: Option<At<String>>,
    /// From a request's head to the end of its body; by default `5s`; `100ms` to `1m`.
    pub request_body: Option<At<String>>,
    /// From a request's head to its answer; by default `45s`; `1s` to `5m`.
    pub request: Option<At<String>>,
    /// How long an answer may wait for a client that does not read; by default `30s`; `100ms` to `5m`.
    pub write: Option<At<String>>,
    /// From an answer to the next request; by default `75s`; `100ms` to `1h`.
    pub idle: Option<At<String>>,
}
