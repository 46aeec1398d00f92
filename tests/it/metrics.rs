//! The metrics: what there is, and that nothing a client sends makes more of it.

use crate::support::elsewhere::peers;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::Method;
use postern::clock::UnixSeconds;
use postern::metrics::{Exposition, Metrics};
use postern::sandbox::{Fault, SandboxOptions, Times, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Name, type, unit, labels. Operators build on these: a name is never changed, and a new one is added here.
const ALL: [(&str, &str, &str, &[&str]); 32] = [
    ("postern_audit_lost", "counter", "", &[]),
    ("postern_aws_calls", "counter", "", &["operation", "outcome"]),
    ("postern_aws_calls_limit", "gauge", "", &[]),
    ("postern_aws_calls_running", "gauge", "", &[]),
    ("postern_aws_calls_waiting", "gauge", "", &[]),
    ("postern_build", "info", "", &["version"]),
    ("postern_call_bytes", "counter", "bytes", &["direction"]),
    ("postern_call_duration_seconds", "histogram", "seconds", &["le"]),
    ("postern_calls", "counter", "", &["access", "destination", "outcome"]),
    ("postern_certificate_expires_timestamp_seconds", "gauge", "seconds", &[]),
    ("postern_config_changes", "counter", "", &[]),
    ("postern_config_info", "gauge", "", &["digest"]),
    ("postern_config_last_reload_successful", "gauge", "", &[]),
    ("postern_config_loaded_timestamp_seconds", "gauge", "seconds", &[]),
    ("postern_connections", "gauge", "", &[]),
    ("postern_connections_active", "gauge", "", &[]),
    ("postern_connections_limit", "gauge", "", &[]),
    ("postern_connections_refused", "counter", "", &["reason"]),
    ("postern_jwks_refreshes", "counter", "", &["issuer", "outcome"]),
    ("postern_log_lost", "counter", "", &[]),
    ("postern_mint_duration_seconds", "histogram", "seconds", &["le"]),
    ("postern_mints", "counter", "", &["destination", "operation", "outcome"]),
    ("postern_ready", "gauge", "", &[]),
    ("postern_reloads", "counter", "", &["outcome"]),
    ("postern_request_duration_seconds", "histogram", "seconds", &["le"]),
    ("postern_requests", "counter", "", &["destination", "outcome"]),
    ("postern_sessions", "counter", "", &["event"]),
    ("postern_slots", "counter", "", &["event"]),
    ("postern_state_up", "gauge", "", &[]),
    ("postern_tokens", "counter", "", &["issuer", "outcome"]),
    ("postern_tokens_issued", "counter", "", &[]),
    ("postern_wakes", "counter", "", &["destination", "outcome"]),
];

/// One family as it is exposed.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    unit: String,
    help: String,
    labels: BTreeSet<String>,
}

/// What an exposition in OpenMetrics holds: families, and every series without its value.
pub(crate) fn parse(text: &str) -> (BTreeMap<String, Family>, BTreeSet<String>) {
    let mut families = BTreeMap::<String, Family>::new();
    let mut all = BTreeSet::new();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut current = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<_> = comment.splitn(3, ' ').collect();
            current = words[1].to_owned();
            let family = families.entry(current.clone()).or_default();
            let field = match words[0] {
                "TYPE" => &mut family.kind,
                "UNIT" => &mut family.unit,
                "HELP" => &mut family.help,
                other => panic!("{other}"),
            };
            *field = words[2].to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(series.starts_with(&current), "{series} stands below {current}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        families.get_mut(&current).expect("a family").labels.extend(names.map(str::to_owned));
        assert!(all.insert(series.to_owned()), "{series} stands twice");
    }
    (families, all)
}

pub(crate) async fn exposed(stage: &Stage) -> String {
    let answer = Visitor::program().get(&stage.postern.admin("/metrics")).await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    answer.body
}

/// A bit of everything. `suffix` makes people, tokens, names, hosts and methods that were never there before.
async fn visit(stage: &Stage, suffix: &str) {
    let at = |path: &str| stage.postern.at(path);
    for person in ["ada", "grace", "max", "bob"] {
        _ = stage.program(person).get(&at("/studio")).await;
    }
    let mut claims = stage.sandbox.access_claims("grace");
    claims.insert("sub".to_owned(), format!("u-{suffix}").into());
    claims.insert("email".to_owned(), format!("{suffix}@corp.example").into());
    let unknown = Token::new(claims.clone());
    let foreign = unknown.clone().claim("iss", format!("https://{suffix}.example"));
    let expired = unknown.clone().claim("exp", 1000 + suffix.len());
    for token in [unknown, foreign, expired] {
        let token = stage.sandbox.token(&token).unwrap();
        _ = Visitor::program().bearer(&token).get(&at("/studio")).await;
    }
    let mut program = stage.program("grace");
    for path in [format!("/{suffix}"), format!("/studio/{suffix}"), format!("/-/{suffix}"), "/-/live".into()]
    {
        _ = program.get(&at(&path)).await;
        _ = Visitor::person().get(&at(&path)).await;
    }
    let method = Method::from_bytes(suffix.to_uppercase().as_bytes()).unwrap();
    _ = program.send(method, &at("/studio"), None).await;
    _ = program.clone().with("host", &format!("{suffix}.example")).get(&at("/studio")).await;
    _ = Visitor::program().bearer(suffix).get(&at("/studio")).await;
    _ = program.post(&at(&format!("/-/api/destinations/{suffix}/url")), "").await;
    _ = program.get(&at("/archive")).await;
    stage.sandbox.faults().inject(Some("CreatePresignedDomainUrl"), Fault::AccessDenied, Times::Next(1));
    _ = program.get(&at("/studio")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_complete() {
    let stage = Stage::new().await;
    visit(&stage, "once").await;
    let (mut families, _) = parse(&exposed(&stage).await);
    // Without TLS there is no certificate that could expire.
    let metrics = Metrics::default();
    metrics.certificate_expires(UnixSeconds(1_900_000_000));
    let (with_certificate, series) = parse(&metrics.render(Exposition::OpenMetrics));
    assert!(series.contains("postern_certificate_expires_timestamp_seconds{}"), "{series:#?}");
    families.extend(with_certificate.into_iter().filter(|(name, _)| name.contains("certificate")));
    let expected = ALL.map(|(name, kind, unit, labels)| (name, kind, unit, labels.to_vec()));
    let found: Vec<_> = families
        .iter()
        .map(|(name, family)| {
            let labels = family.labels.iter().map(String::as_str).collect::<Vec<_>>();
            (name.as_str(), family.kind.as_str(), family.unit.as_str(), labels)
        })
        .collect();
    assert_eq!(found, expected);
    for (name, family) in &families {
        assert!(family.help.len() > 10 && family.help.ends_with('.'), "{name}: {}", family.help);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_client_sends_makes_a_series() {
    let stage = Stage::new().await;
    visit(&stage, "alpha").await;
    let (_, before) = parse(&exposed(&stage).await);
    for suffix in ["bravo", "charlie", "one-that-is-quite-different"] {
        visit(&stage, suffix).await;
    }
    let text = exposed(&stage).await;
    let (_, after) = parse(&text);
    // A profile that does not exist is told by the look-up or by the presign call, whichever answers first.
    let is_of_a_race = |series: &&String| {
        **series == "postern_aws_calls_total{operation=\"CreatePresignedDomainUrl\",outcome=\"not-ready\"}"
    };
    let new: Vec<_> = after.difference(&before).filter(|series| !is_of_a_race(series)).collect();
    assert_eq!(new, [&""; 0]);
    for word in ["alpha", "bravo", "charlie", "different", "corp.example", "grace"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_count_is_there_before_it_happens() {
    let stage = Stage::new().await;
    let (_, series) = parse(&exposed(&stage).await);
    let mint = |outcome| {
        format!(
            r#"postern_mints_total{{destination="studio",operation="CreatePresignedDomainUrl",outcome="{outcome}"}}"#
        )
    };
    for outcome in ["ok", "refused-by-aws", "aws-credentials", "throttled", "aws-unavailable", "out-of-time"]
    {
        assert!(series.contains(&mint(outcome)), "{outcome}: {series:#?}");
    }
    for line in [
        r#"postern_requests_total{destination="studio",outcome="rule-denied"}"#,
        r#"postern_reloads_total{outcome="refused"}"#,
        r#"postern_jwks_refreshes_total{issuer="sandbox",outcome="failed"}"#,
        r#"postern_tokens_total{issuer="sandbox",outcome="expired"}"#,
        r#"postern_sessions_total{event="signed-in"}"#,
        r#"postern_slots_total{event="taken"}"#,
        r#"postern_connections_refused_total{reason="peer-not-listed"}"#,
        "postern_audit_lost_total",
        "postern_log_lost_total",
    ] {
        assert!(series.contains(line), "{line}: {series:#?}");
    }
    // And a launch makes no series of its own, whatever its kind.
    for path in ["/studio", "/experiments", "/tracking", "/notebook", "/comet"] {
        assert_eq!(stage.program("grace").get(&stage.postern.at(path)).await.checked().status, 302, "{path}");
    }
    let (_, after) = parse(&exposed(&stage).await);
    let made = after.difference(&series).filter(|series| !series.starts_with("postern_aws_calls_total"));
    assert_eq!(made.collect::<Vec<_>>(), [&""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_event_is_counted_where_it_belongs() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("    paths: [\"lab/tree/**\"]", "    prewarm: true\n    paths: [\"lab/tree/**\"]")
    })
    .await;
    let mut grace = Visitor::person();
    let first = grace.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut grace, "grace", first).await;
    assert_eq!(grace.get(&callback).await.checked().status, 302);
    while !exposed(&stage).await.contains("postern_slots_total{event=\"filled\"} 1\n") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
    let unasked = grace.clone().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    assert_eq!(unasked.clone().get(&stage.postern.at("/studio")).await.checked().status, 200);
    _ = stage.program("max").get(&stage.postern.at("/studio")).await;
    stage.sandbox.faults().inject(Some("CreatePartnerAppPresignedUrl"), Fault::AccessDenied, Times::Next(1));
    _ = stage.program("ada").get(&stage.postern.at("/comet")).await;
    _ = Visitor::program().get(&stage.postern.at("/-/ready")).await;
    _ = Visitor::program().bearer("no-token").get(&stage.postern.at("/studio")).await;
    let text = exposed(&stage).await;
    for line in [
        r#"postern_sessions_total{event="sign-in-started"} 1"#,
        r#"postern_sessions_total{event="signed-in"} 1"#,
        r#"postern_slots_total{event="filled"} 1"#,
        r#"postern_slots_total{event="taken"} 1"#,
        r#"postern_mints_total{destination="studio",operation="CreatePresignedDomainUrl",outcome="ok"} 1"#,
        r#"postern_mints_total{destination="comet",operation="CreatePartnerAppPresignedUrl",outcome="refused-by-aws"} 1"#,
        r#"postern_aws_calls_total{operation="CreatePartnerAppPresignedUrl",outcome="refused-by-aws"} 1"#,
        r#"postern_requests_total{destination="studio",outcome="ok"} 1"#,
        r#"postern_requests_total{destination="studio",outcome="asked"} 1"#,
        r#"postern_requests_total{destination="studio",outcome="rule-denied"} 1"#,
        r#"postern_requests_total{destination="comet",outcome="refused-by-aws"} 1"#,
        r#"postern_tokens_total{issuer="-",outcome="malformed-token"} 1"#,
        r#"postern_tokens_total{issuer="sandbox",outcome="ok"} 3"#,
        r#"postern_jwks_refreshes_total{issuer="sandbox",outcome="ok"} 1"#,
        r#"postern_config_last_reload_successful 1"#,
        "postern_ready 1",
        "postern_state_up 1",
        "postern_aws_calls_running 0",
        "postern_aws_calls_waiting 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(text.contains(r#"postern_requests_total{destination="-",outcome="probe"} "#), "{text}");
    let count = text.lines().find_map(|line| line.strip_prefix("postern_mint_duration_seconds_count "));
    assert_eq!(count, Some("2"), "a URL from a slot is no mint: {text}");
    let digest = stage.postern.audit(1)[0]["config_digest"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("postern_config_info{{digest=\"{digest}\"}} 1")), "{text}");
}

/// RFC 9110, section 15.5.6.
#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_told_which_there_are() {
    let stage = Stage::new().await;
    let answer = Visitor::program().post(&stage.postern.admin("/metrics"), "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD"));
}

/// Prometheus's own tool reads the older format only.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_object_to() {
    let Some(peers) = peers("promtool check metrics") else { return };
    let stage = Stage::new().await;
    visit(&stage, "promtool").await;
    let mut scraper = Visitor::program().with("accept", "text/plain;version=0.0.4;q=0.3");
    let answer = scraper.get(&stage.postern.admin("/metrics")).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let mut promtool = Command::new(peers.join("prometheus/promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("POSTERN_PEERS holds what tests/peers/install made");
    promtool.stdin.take().unwrap().write_all(answer.body.as_bytes()).unwrap();
    let judged = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && said.is_empty(), "{said}\n{}", answer.body);
    let both = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let modern = Visitor::program().with("accept", both).get(&stage.postern.admin("/metrics")).await;
    assert!(modern.header("content-type").starts_with("application/openmetrics-text"));
    let names = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, _)| name.to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&answer.body), names(&modern.body), "the same series in both");
}
