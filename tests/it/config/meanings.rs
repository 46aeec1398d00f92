//! Texts and the relations between keys: what the file says.

use super::{Case, each_is_refused};

#[test]
fn what_makes_no_sense_is_refused() {
    each_is_refused(CASES);
}

/// A part of the legal configuration, the text that replaces it, and the findings that `check` then reports.
const CASES: &[Case] = &[
    (
        r#"listen: {address: "127.0.0.1:8443"}"#,
        r#"listen: {address: "127.0.0.1:8443", proxy_protocol: required, direct_clients: true}"#,
        &["3:53 listen.proxy_protocol: `direct_clients: true` says that no balancer stands in front"],
    ),
    (
        r#"listen: {address: "127.0.0.1:8443"}"#,
        r#"listen: {address: "127.0.0.1:8443", direct_clients: true}"#,
        &[
            "5:19 trusted_proxies: `listen.direct_clients: true` says that no proxy stands in front; allowed: one of the two",
        ],
    ),
    (
        "  role_arn: arn:aws:iam:",
        "  role_arn: arn:aws-cn:iam:",
        &[
            "31:13 aws.role_arn: found `arn:aws-cn:iam::111122223333:role/postern`; allowed: a role of the region's partition, `arn:aws:iam::…`",
        ],
    ),
    (
        "limits: {mints_per_minute: 30}",
        "limits: {head_size: 64kb, body_size: 2MiB, deadlines: {idle: 2h, request: 10ms}}",
        &[
            "37:21 limits.head_size: found `64kb`; allowed: a size with its unit, such as `64KiB` or `1MiB`, from 8KiB to 1024KiB",
            "37:38 limits.body_size: found `2MiB`; allowed: a size with its unit, such as `64KiB` or `1MiB`, from 4KiB to 1024KiB",
            "37:62 limits.deadlines.idle: found `2h`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 100ms to 1h",
            "37:75 limits.deadlines.request: found `10ms`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 5m",
        ],
    ),
    (
        "https://ml.corp.example\n",
        "http://ml.corp.example\n",
        &[
            "1:13 public_url: found `http://ml.corp.example`; allowed: an absolute `https` URL without user, query or fragment | `http` is allowed for loopback addresses and `localhost` only",
        ],
    ),
    (
        "https://ml.corp.example\n",
        "https://ml.corp.example/portal\n",
        &[
            "1:13 public_url: found `https://ml.corp.example/portal`; allowed: `https`, a host and perhaps a port, without a path",
        ],
    ),
    (
        "https://ml.corp.example\n",
        "https://ml.corp.example?a=b\n",
        &[
            "1:13 public_url: found `https://ml.corp.example?a=b`; allowed: an absolute `https` URL without user, query or fragment",
        ],
    ),
    (
        "https://ml.corp.example\n",
        "https://me:pass@ml.corp.example\n",
        &[
            "1:13 public_url: found a URL with a user; allowed: an absolute `https` URL without user, query or fragment",
        ],
    ),
    (
        "https://ml.corp.example\n",
        "ml.corp.example\n",
        &[
            "1:13 public_url: found `ml.corp.example`; allowed: an absolute `https` URL without user, query or fragment",
        ],
    ),
    (
        "ml.eu.corp.example",
        "https://ml.eu.corp.example",
        &[
            "2:11 aliases[0]: found `https://ml.eu.corp.example`; allowed: a host name such as `ml.corp.example`, without scheme, port or path",
        ],
    ),
    (
        "127.0.0.1:8443",
        "localhost:8443",
        &[
            "3:19 listen.address: found `localhost:8443`; allowed: an IP address and a port, such as `127.0.0.1:8443` or `[::]:8443` | write `127.0.0.1:8443`",
        ],
    ),
    (
        "127.0.0.1:9902",
        "127.0.0.1:8443",
        &["4:18 admin.address: `127.0.0.1:8443` is taken by `listen.address`, `127.0.0.1:8443`"],
    ),
    (
        "127.0.0.1:9902",
        "[::]:8443",
        &["4:18 admin.address: `[::]:8443` is taken by `listen.address`, `127.0.0.1:8443`"],
    ),
    (
        "10.0.100.0/24",
        "10.0.100.7/24",
        &[
            "5:19 trusted_proxies[0]: found `10.0.100.7/24`; allowed: a network without host bits | the network is `10.0.100.0/24`",
        ],
    ),
    (
        "10.0.100.0/24",
        "0.0.0.0/0",
        &[
            "5:19 trusted_proxies[0]: `0.0.0.0/0` contains everyone; a trusted proxy may speak for any client | name the load balancer's own subnets; `insecure_trust_everyone: true` accepts this",
        ],
    ),
    (
        "10.0.100.0/24",
        "0.0.0.0/1, 128.0.0.0/1",
        &[
            "5:19 trusted_proxies[0]: `0.0.0.0/1` contains everyone; a trusted proxy may speak for any client | name the load balancer's own subnets; `insecure_trust_everyone: true` accepts this",
            "5:30 trusted_proxies[1]: `128.0.0.0/1` contains everyone; a trusted proxy may speak for any client | name the load balancer's own subnets; `insecure_trust_everyone: true` accepts this",
        ],
    ),
    (
        "10.0.100.0/24",
        r#""::/0""#,
        &[
            "5:19 trusted_proxies[0]: `::/0` contains everyone; a trusted proxy may speak for any client | name the load balancer's own subnets; `insecure_trust_everyone: true` accepts this",
        ],
    ),
    (
        "10.0.100.0/24",
        r#""::ffff:10.0.0.0/104""#,
        &[
            "5:19 trusted_proxies[0]: `::ffff:10.0.0.0/104` is an IPv4 network in IPv6 form | write `10.0.0.0/8`",
        ],
    ),
    (
        "10.0.100.0/24",
        "lb.corp.example",
        &[
            "5:19 trusted_proxies[0]: found `lb.corp.example`; allowed: a network such as `10.0.100.0/24`, or an address",
        ],
    ),
    (
        "trusted_proxies: [10.0.100.0/24]\n",
        "",
        &[
            "18:32 credentials[2]: `trusted_proxies` is empty, so nobody may send a signed header for this credential",
        ],
    ),
    (
        "    audience: [postern-api]\n",
        "",
        &["18:15 credentials[0]: no issuer without `header` has an `audience` for this credential"],
    ),
    (
        "  issuer: corp\n",
        "  issuer: crop\n",
        &["21:11 sign_in.issuer: no issuer `crop`; there is `corp`, `balancer` | did you mean `corp`?"],
    ),
    (
        "  issuer: corp\n",
        "  issuer: balancer\n",
        &[
            "21:11 sign_in.issuer: issuer `balancer` has no discovery, which sign-in takes its endpoints from | name an issuer without `header` and `jwks_file`",
        ],
    ),
    (
        "scopes: [openid, email]",
        "scopes: [email]",
        &["24:12 sign_in.scopes: `openid` is missing: without it the provider gives no ID token"],
    ),
    (
        "scopes: [openid, email]",
        r#"scopes: ["openid email"]"#,
        &[
            "24:12 sign_in.scopes[0]: found `openid email`; allowed: a scope: ASCII without spaces, quotes and backslashes",
        ],
    ),
    (
        "  keys: [{env: SESSION_KEY}]\n",
        "",
        &[
            "26:3 session: the key `keys` is missing: sign-in needs a key that seals sessions | `postern keygen` makes one; write `keys: [{file: PATH}]`",
        ],
    ),
    (
        "session:\n  keys: [{env: SESSION_KEY}]\n",
        "tokens: {lifetime: 1h}\nsession:\n",
        &[
            "25:9 tokens: `session.keys` is missing: run tokens need a key that seals them | `postern keygen` makes one; write `session: {keys: [{file: PATH}]}`",
            "27:3 session: the key `keys` is missing: sign-in needs a key that seals sessions | `postern keygen` makes one; write `keys: [{file: PATH}]`",
        ],
    ),
    (
        "  keys: [{env: SESSION_KEY}]\n",
        "  keys: [c2VjcmV0]\n",
        &[
            "26:10 session.keys[0]: a secret is never written in the configuration | name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`",
        ],
    ),
    (
        "  keys: [{env: SESSION_KEY}]\n",
        "  keys: [{env: SESSION_KEY}]\n  insecure_ephemeral_session_key: true\n",
        &["26:10 session.insecure_ephemeral_session_key: `session.keys` are given: one of the two must go"],
    ),
    (
        "lifetime: 8h",
        "lifetime: 8",
        &[
            "27:13 session.lifetime: found `8`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 7d",
        ],
    ),
    (
        "lifetime: 8h",
        "lifetime: 8d",
        &[
            "27:13 session.lifetime: found `8d`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 7d",
        ],
    ),
    (
        "lifetime: 8h",
        "lifetime: 30m",
        &[
            "28:9 session.idle: found `1h`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 30m",
        ],
    ),
    (
        "idle: 1h",
        "revalidate: 9h",
        &[
            "28:15 session.revalidate: found `9h`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 8h",
        ],
    ),
    (
        "idle: 1h",
        "unconfirmed: 1h",
        &[
            "28:16 session.unconfirmed: `revalidate` is missing: without it no session is ever to be confirmed",
        ],
    ),
    (
        "idle: 1h",
        "revalidate: 15m\n  unconfirmed: 10m",
        &[
            "29:16 session.unconfirmed: found `10m`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 15m to 8h",
        ],
    ),
    (
        "idle: 1h",
        "idle: 0s",
        &[
            "28:9 session.idle: found `0s`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 8h",
        ],
    ),
    (
        "idle: 1h",
        "idle: 1h\n  renew: 15m",
        &[
            "29:3 session.renew: unknown key `renew`; allowed: `idle`, `insecure_ephemeral_session_key`, `keys`, `lifetime`, `revalidate`, `unconfirmed`",
        ],
    ),
    (
        "aws:\n  region: eu-west-1",
        "aws:\n  region: Ireland",
        &[
            "30:11 aws.region: found `Ireland`; allowed: a region such as `eu-west-1`: words in lower case and a number, joined by hyphens, at most 32 characters",
        ],
    ),
    (
        "arn:aws:iam::111122223333:role/postern",
        "arn:aws:iam::111122223333:user/postern",
        &[
            "31:13 aws.role_arn: found `arn:aws:iam::111122223333:user/postern`; allowed: `arn:aws:iam::ACCOUNT:role/NAME`, ACCOUNT being 12 digits",
        ],
    ),
    (
        "external_id: postern-7c1f",
        r#"external_id: "a b""#,
        &["32:16 aws.external_id: found `a b`; allowed: 2 to 1224 letters, digits and `_+=,.@:/-`"],
    ),
    (
        "session_tags: {team: ml}",
        "session_tags: {team: ml, Team: x}",
        &["33:28 aws.session_tags.Team: `Team` differs from another tag key in case only"],
    ),
    (
        "session_tags: {team: ml}",
        r#"session_tags: {"aws:team": ml}"#,
        &["33:18 aws.session_tags.aws:team: tag keys that start with `aws:` are reserved by AWS"],
    ),
    (
        "session_tags: {team: ml}",
        r#"session_tags: {team: "a*b"}"#,
        &[
            "33:24 aws.session_tags.team: found `a*b`; allowed: at most 256 letters, digits, spaces and `_.:/=+-@`",
        ],
    ),
    (
        "timeout: 5s",
        "timeout: 31s",
        &[
            "34:12 aws.timeout: found `31s`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 1s to 30s",
        ],
    ),
    (
        "https://vpce.example",
        "http://vpce.example",
        &[
            "35:17 aws.endpoint_url: found `http://vpce.example`; allowed: an absolute `https` URL without user, query or fragment | `http` is allowed for loopback addresses and `localhost` only",
        ],
    ),
    (
        "[.corp.example]",
        "[.com]",
        &[
            "36:26 aws.authorized_url_hosts[0]: found `.com`; allowed: `.suffix.example` for all hosts below it, `host.example` or `host.example:8443`, without a scheme",
        ],
    ),
    (
        "[.corp.example]",
        "[com]",
        &[
            "36:26 aws.authorized_url_hosts[0]: found `com`; allowed: `.suffix.example` for all hosts below it, `host.example` or `host.example:8443`, without a scheme",
        ],
    ),
    (
        "[.corp.example]",
        r#"["https://corp.example"]"#,
        &[
            "36:26 aws.authorized_url_hosts[0]: found `https://corp.example`; allowed: `.suffix.example` for all hosts below it, `host.example` or `host.example:8443`, without a scheme",
        ],
    ),
    (
        "[.corp.example]",
        r#"["corp.example:443"]"#,
        &[
            "36:26 aws.authorized_url_hosts[0]: found `corp.example:443`; allowed: `.suffix.example` for all hosts below it, `host.example` or `host.example:8443`, without a scheme",
        ],
    ),
    (
        "[.corp.example]",
        r#"["*.corp.example"]"#,
        &[
            "36:26 aws.authorized_url_hosts[0]: found `*.corp.example`; allowed: `.suffix.example` for all hosts below it, `host.example` or `host.example:8443`, without a scheme",
        ],
    ),
    (
        "timeout: 250ms",
        "timeout: 1ms",
        &[
            "47:51 state.valkey.timeout: found `1ms`; allowed: a time with its unit, such as `90s`, `15m` or `8h`, from 10ms to 5s",
        ],
    ),
    (
        "timeout: 250ms",
        "when_away: wait",
        &["47:53 state.valkey.when_away: found `wait`; allowed: `refuse`, `serve`"],
    ),
    (
        "{env: VALKEY_URL}",
        "rediss://:hunter2@cache.example",
        &[
            "47:23 state.valkey.url: a secret is never written in the configuration | name an environment variable, `{env: NAME}`, or a file, `{file: PATH}`",
        ],
    ),
    (
        "timeout: 250ms}",
        "timeout: 250ms}, memory: {}",
        &["47:1 state: exactly one of `memory`, `valkey` is needed; found 2"],
    ),
    (
        "destinations:\n",
        "lookups: {profiles: {file: nowhere.yaml}}\ndestinations:\n",
        &[
            "38:28 lookups.profiles.file: `nowhere.yaml` cannot be read: No such file or directory (os error 2)",
        ],
    ),
];
