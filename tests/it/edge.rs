//! What stands between the network and the pipeline: connections, client addresses, signed headers, sign-out.

mod admin;
mod deadlines;
mod exact;
mod http1;
mod http2;
mod proxy_protocol;
mod rolling;
mod stop;
mod systemd;
mod tls;

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{SandboxOptions, Token};

/// A load balancer signs people in by a header, with the sandbox's keys. It passes on what the sandbox's provider
/// asserts, so it may assert the same addresses.
async fn behind_a_balancer(trusted_proxies: &str) -> Stage {
    behind_a_balancer_with(trusted_proxies, |text| text).await
}

async fn behind_a_balancer_with(trusted_proxies: &str, change: impl Fn(String) -> String) -> Stage {
    Stage::with(SandboxOptions::default(), |text| {
        let text = change(text);
        let issuer = text.lines().find_map(|line| line.strip_prefix("    issuer: http")).unwrap();
        let balancer = [
            "issuers:",
            "  balancer:",
            &format!("    issuer: http{issuer}"),
            "    insecure_http: true",
            "    audience: [ml-balancer]",
            "    algorithms: [RS256]",
            "    header: x-balancer-assertion",
            "    realm: sandbox",
            "",
        ];
        text.replace("  direct_clients: true\n", "").replace("issuers:\n", &balancer.join("\n"))
            + &format!(
                "\ntrusted_proxies: {trusted_proxies}\ncredentials: [bearer, session, signed_header]\n"
            )
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_the_rightmost_hop_that_is_not_trusted() {
    let stage = behind_a_balancer("[127.0.0.1, 10.0.100.0/24]").await;
    let studio = stage.postern.at("/studio");
    let max = |forwarded: &str| {
        let visitor = stage.program("max");
        if forwarded.is_empty() { visitor } else { visitor.with("x-forwarded-for", forwarded) }
    };
    for (forwarded, status) in [
        ("10.20.3.4", 302),
        ("203.0.113.9, 10.20.3.4", 302),
        ("10.20.3.4, 203.0.113.9", 403),
        ("10.20.3.4, 203.0.113.9, 10.0.100.7", 403),
        ("203.0.113.9, 10.20.3.4, 10.0.100.7, 10.0.100.8", 302),
        ("::ffff:10.20.3.4", 302),
        ("10.20.3.4:51234", 302),
        ("[::ffff:10.20.3.4]:51234", 302),
        ("203.0.113.9", 403),
        // Nobody said who the client is: the VPN rule cannot be evaluated, so it denies.
        ("", 403),
        ("10.0.100.7", 403),
        ("[::ffff:10.20.3.4]", 302),
        ("not-an-address", 400),
        ("10.20.3.4, ", 400),
        ("user@10.20.3.4", 400),
    ] {
        let answer = max(forwarded).get(&studio).await.checked();
        assert_eq!(answer.status.as_u16(), status, "{forwarded:?}: {}", answer.body);
    }
    let unknown = max("").get(&studio).await.checked();
    assert_eq!(unknown.reason(), "rule-error");
    stage.postern.wait_for_log("the rule `vpn`: `client_ip` is not known for this request", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_is_not_listed_is_nobodys_address() {
    let stage = behind_a_balancer("[10.0.100.0/24]").await;
    let change = |text: String| {
        text.replace("10.20.0.0/16", "127.0.0.0/8").replace("client_ip: 127.0.0.1", "client_ip: 203.0.113.9")
    };
    let file = stage.folder.path().join("postern.yaml");
    std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
    stage.hang_up("applied").await;
    let studio = stage.postern.at("/studio");
    assert_eq!(stage.program("max").get(&studio).await.checked().status, 302, "alone, it is the client");
    for (header, value) in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")] {
        let refused = stage.program("max").with(header, value).get(&studio).await.checked();
        assert_eq!((refused.status.as_u16(), refused.reason()), (403, "rule-error".to_owned()), "{header}");
    }
}

/// Whoever connects directly is the client, and what they write of an address is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_direct_client_writes_no_address_of_its_own() {
    let stage = Stage::new().await;
    for header in [("x-forwarded-for", "10.20.3.4"), ("forwarded", "for=10.20.3.4")] {
        let mut max = stage.program("max").with(header.0, header.1);
        let refused = max.get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(
            (refused.status.as_u16(), refused.reason()),
            (403, "rule-denied".to_owned()),
            "{header:?}"
        );
    }
}

/// Whoever connects may stand for everybody, where the configuration does not say who it is.
#[tokio::test(flavor = "multi_thread")]
async fn nobodys_address_is_known_where_nothing_says_who_connects() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let (rules, _) = text.split_once("\ntests:").unwrap();
        rules.replace("!in_cidr(client_ip, '10.20.0.0/16')", "false").replace("  direct_clients: true\n", "")
            + "\n"
    })
    .await;
    let opened = stage.program("max").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(opened.status, 302);
    let records = stage.postern.audit(2);
    let grant = records.iter().find(|record| record["event"] == "grant").unwrap();
    assert!(grant["client_ip"].is_null(), "{grant}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_the_same_by_session_bearer_and_signed_header() {
    let stage = behind_a_balancer("[127.0.0.1, 10.0.100.0/24]").await;
    let studio = stage.postern.at("/studio");
    let assertion = |person: &str| {
        let token = Token::new(stage.sandbox.access_claims(person)).claim("aud", "ml-balancer");
        stage.sandbox.token(&token.header("typ", "JWT")).unwrap()
    };
    let session = stage.person("grace").await;
    let visitors = [
        session.clone(),
        stage.program("grace"),
        Visitor::program().with("x-balancer-assertion", &assertion("grace")),
        session.clone().with("x-balancer-assertion", &assertion("grace")),
    ];
    for mut visitor in visitors {
        let answer = visitor.get(&studio).await.checked();
        assert_eq!(answer.status, 302, "{}", answer.body);
        let calls = stage.sandbox.calls();
        let last = calls.iter().rfind(|call| call.operation == "CreatePresignedDomainUrl").unwrap();
        assert_eq!(last.input["UserProfileName"], "grace");
        assert_eq!(last.caller.role_session_name.as_deref(), Some("grace@corp.example"));
    }
    let both = session.with("x-balancer-assertion", &assertion("ada")).get(&studio).await.checked();
    assert_eq!(both.status, 401);
    let mut bearer = Visitor::program().with("x-balancer-assertion", &stage.token("grace"));
    assert_eq!(bearer.get(&studio).await.checked().reason(), "wrong-type", "an access token is no assertion");
    let mut header = Visitor::program().bearer(&assertion("grace"));
    assert_eq!(header.get(&studio).await.checked().reason(), "wrong-audience", "and the other way round");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_a_peer_that_is_not_trusted_is_refused() {
    let stage = behind_a_balancer("[10.0.100.0/24]").await;
    let token =
        Token::new(stage.sandbox.access_claims("grace")).claim("aud", "ml-balancer").header("typ", "JWT");
    let token = stage.sandbox.token(&token).unwrap();
    let mut visitor = Visitor::program().with("x-balancer-assertion", &token);
    let refused = visitor.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason()), (401, "untrusted-header".to_owned()));
    assert_eq!(stage.mints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_for_good() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let stolen = grace.clone();
    let asked = grace.get(&stage.postern.at("/-/logout")).await.checked();
    assert_eq!(asked.status, 200, "GET only asks");
    assert_eq!(grace.get(&stage.postern.at("/")).await.checked().status, 200);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let visitor = grace.clone();
        let visitor = if name == "origin" { visitor.without("sec-fetch-site") } else { visitor };
        let refused = visitor.with(name, value).post(&stage.postern.at("/-/logout"), "").await.checked();
        assert_eq!(refused.status, 403, "{name}: {value}");
        assert!(refused.headers.get("set-cookie").is_none());
    }
    // What Chromium sends for our form: the pages' referrer policy makes the origin null.
    let mut form = grace.with("sec-fetch-site", "same-origin").with("origin", "null");
    let out = form.post(&stage.postern.at("/-/logout"), "").await.checked();
    assert_eq!(out.status, 303);
    assert_eq!(form.cookies(&stage.postern.url).keys().filter(|name| name.contains("session")).count(), 0);
    let replayed = stolen.without("accept").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((replayed.status.as_u16(), replayed.reason()), (401, "revoked".to_owned()));
}

/// Browsers that do not send `Sec-Fetch-Site` send the origin of a form.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_browsers_form_is_known_by_its_origin() {
    let stage = Stage::new().await;
    let port = stage.postern.url.port().unwrap();
    let mut grace = stage.person("grace").await.without("sec-fetch-site");
    for (origin, status) in [
        (format!("https://localhost:{port}"), 403),
        ("http://localhost:1".to_owned(), 403),
        (format!("http://localhost.evil.example:{port}"), 403),
        (format!("http://localhost:{port}"), 303),
    ] {
        grace = grace.with("origin", &origin);
        let answer = grace.post(&stage.postern.at("/-/logout"), "").await.checked();
        assert_eq!(answer.status.as_u16(), status, "{origin}");
    }
}
