//! Deep links through the front door: into MLflow and into Studio, and the many ways in which a link could lie.

use crate::support::elsewhere::vectors;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use postern::sandbox::SandboxOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use url::Url;

/// Every path is on the list, so that nothing but its form can refuse it.
async fn open_stage() -> Stage {
    Stage::with(SandboxOptions::default(), |text| {
        text.replace("paths: [\"lab/tree/**\"]", "paths: [\"**\"]")
            .replace("[experiments, \"experiments/**\", models, \"models/**\", compare-runs]", "[\"**\"]")
            + "\nlimits: {mints_per_minute: 6000}\n"
    })
    .await
}

/// The part before `#`, which must be a URL of the sandbox's byte for byte, and the part behind it.
fn split(stage: &Stage, location: &str) -> (String, Option<String>) {
    let (url, fragment) = match location.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment.to_owned())),
        None => (location, None),
    };
    let token = url.strip_prefix(&format!("{}auth?authToken=", stage.sandbox.landing_url()));
    assert!(token.is_some_and(|token| token.len() == 64), "{location}");
    assert_eq!(Url::parse(location).unwrap().fragment(), fragment.as_deref());
    (url.to_owned(), fragment)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_run_survives_sign_in() {
    let stage = Stage::new().await;
    for (destination, operation) in [
        ("experiments", "CreatePresignedMlflowTrackingServerUrl"),
        ("tracking", "CreatePresignedMlflowAppUrl"),
    ] {
        let mut grace = Visitor::person();
        let path = format!("/{destination}/experiments/12/runs/0a1b?compareRunsMode=CHART&x=%5B1%5D");
        let handed_out = stage.sign_in(&mut grace, "grace", &path).await;
        assert_eq!(handed_out.url, stage.postern.at(&path), "the exact path and query");
        let (url, fragment) = split(&stage, handed_out.location());
        assert_eq!(fragment.as_deref(), Some("/experiments/12/runs/0a1b?compareRunsMode=CHART&x=%5B1%5D"));
        assert_eq!(grace.get(&Url::parse(&url).unwrap()).await.status, 200, "the browser keeps the fragment");
        assert!(stage.mints().contains(&operation.to_owned()));
        for call in stage.sandbox.calls() {
            assert!(!call.input.to_string().contains("0a1b"), "AWS is not told: {call:?}");
        }
    }
    let mut grace = Visitor::person();
    let long = format!("/experiments/compare-runs?runs={}", "a".repeat(1890));
    let handed_out = stage.sign_in(&mut grace, "grace", &long).await;
    assert!(handed_out.location().ends_with(&format!("#/compare-runs?runs={}", "a".repeat(1890))));
    let records = stage.postern.audit(3);
    let grant = records.iter().find(|record| record["event"] == "grant").unwrap();
    assert_eq!(grant["target"]["fragment"], "/experiments/12/runs/0a1b?compareRunsMode=CHART&x=%5B1%5D");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_paths_decides_on_the_decoded_path() {
    let stage = Stage::new().await;
    let mut grace = stage.program("grace");
    for (path, fragment) in [
        ("experiments/12", "/experiments/12"),
        ("%65xperiments/12", "/experiments/12"),
        ("experiments/1%32", "/experiments/12"),
        ("experiments%2F12", "/experiments/12"),
        ("models/My%20model/versions/3", "/models/My%20model/versions/3"),
        ("models/Gr%C3%B6%C3%9Fe", "/models/Gr%C3%B6%C3%9Fe"),
        ("compare-runs?runs=[%22a%22]", "/compare-runs?runs=%5B%22a%22%5D"),
    ] {
        let url = stage.postern.at(&format!("/experiments/{path}"));
        let opened = grace.get(&url).await.checked();
        assert_eq!(opened.status, 302, "{path}: {}", opened.body);
        assert_eq!(split(&stage, opened.location()).1.as_deref(), Some(fragment), "{path}");
    }
    for path in [
        "prompts",
        "experiments/..%2fmodels",
        "experiments/12%23x",
        "experiments/12%3Fx",
        "experiments/12%0d%0aSet-Cookie:x",
        "experiments/12%5c..",
        "experiments/%252e%252e",
        "experiments/%FF",
        "experiments//evil.example",
        "/evil.example",
        "javascript:alert(1)",
    ] {
        let url = stage.postern.at(&format!("/experiments/{path}"));
        let refused = grace.get(&url).await.checked();
        assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (404, "no-such-path"), "{path}");
    }
    let long = stage.postern.at(&format!("/experiments/experiments/{}", "a".repeat(600)));
    assert_eq!(grace.get(&long).await.checked().reason(), "no-such-path");
    assert_eq!(
        split(&stage, grace.get(&stage.postern.at("/experiments?x=1")).await.checked().location()).1,
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_the_page() {
    let stage = Stage::new().await;
    let claims = stage.folder.path().join("grace.json");
    std::fs::write(&claims, serde_json::to_vec(&stage.sandbox.access_claims("grace")).unwrap()).unwrap();
    let explained = |link: &str| {
        let output = std::process::Command::new(crate::support::postern::BINARY)
            .args(["explain", "--format", "json", "--config"])
            .arg(stage.folder.path().join("postern.yaml"))
            .arg("--claims")
            .arg(&claims)
            .arg(link)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let found = explained("/experiments/experiments/12?searchFilter=a%20b");
    assert_eq!(found["target"]["fragment"], "/experiments/12?searchFilter=a%20b");
    assert_eq!((&found["path"], &found["rule"]), (&"experiments/12".into(), &"staff".into()));
    assert_eq!(explained("experiments?a=b")["target"].get("fragment"), None);
    assert_eq!(explained("tracking/models/My model")["target"]["fragment"], "/models/My%20model");
    let pasted = explained("/tracking/models/My%20model");
    assert_eq!(
        (&pasted["path"], &pasted["target"]["fragment"]),
        (&"models/My model".into(), &"/models/My%20model".into())
    );
    assert_eq!(explained("tracking/")["target"].get("fragment"), None);
    assert_eq!(explained("tracking/models/%FF")["reason"], "no-such-path");
    assert_eq!(explained("tracking/prompts/x")["reason"], "no-such-path");
    assert_eq!(explained("studio/lab/tree/a?b")["target"]["landing_uri"], "app:JupyterLab:lab/tree/a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_for_one_page() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace(
            "{tracking_server_name: experiments}",
            "{tracking_server_name: experiments, expires_in_seconds: 60}",
        )
        .replace("    paths: &pages", "    prewarm: true\n    paths: &pages")
    })
    .await;
    let mut grace = Visitor::person();
    let first = grace.get(&stage.postern.at("/experiments/experiments/12?a=1")).await.checked();
    let callback = stage.pick(&mut grace, "grace", first).await;
    let arrived = grace.get(&callback).await.checked();
    assert_eq!(arrived.location(), "/experiments/experiments/12?a=1");
    while stage.mints().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for (path, fragment, mints) in [
        ("", None, 2),
        ("/experiments/13", Some("/experiments/13"), 3),
        ("/experiments/12", Some("/experiments/12"), 4),
        ("/experiments/12?a=1", Some("/experiments/12?a=1"), 4),
        ("/experiments/12?a=1", Some("/experiments/12?a=1"), 5),
    ] {
        let opened = grace.get(&stage.postern.at(&format!("/experiments{path}"))).await.checked();
        assert_eq!(split(&stage, opened.location()).1.as_deref(), fragment);
        assert_eq!(stage.mints().len(), mints, "{path}");
    }
}

/// What no browser sends: nothing between us and the gateway normalises these.
#[tokio::test(flavor = "multi_thread")]
async fn requests_by_hand_are_judged_the_same() {
    let stage = open_stage().await;
    let (port, token) = (stage.postern.url.port().unwrap(), stage.token("grace"));
    let ask = |target: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let location = answer.lines().find_map(|line| line.strip_prefix("location: ").map(str::to_owned));
        (answer.split(' ').nth(1).unwrap().to_owned(), location)
    };
    for target in [
        "/experiments/../studio",
        "/experiments/x/../../studio",
        "/experiments/./x",
        "/experiments/x/%2e%2E/y",
        "/experiments//evil.example/x",
        "/experiments/x//y",
        "/experiments/\\\\evil.example",
        "/experiments/x\\..\\y",
        "/experiments/%5c%5cevil.example",
        "/experiments/%2f%2fevil.example",
        "/experiments/x%00",
        "/experiments/x%0d%0aset-cookie:%20a=b",
        "/experiments/x%23y",
        "/experiments/x#y?z",
        "/experiments/x?%0d%0aset-cookie:%20a=b",
        "/experiments/x?%",
        "/studio/../experiments",
        "/studio/x%2f..%2fy",
        "/studio//evil.example",
    ] {
        let (status, location) = ask(target);
        assert!(matches!(status.as_str(), "400" | "404"), "{target}: {status}");
        assert_eq!(location, None, "{target}");
    }
    assert_eq!(stage.mints(), [""; 0]);
    for (target, fragment) in [
        ("/experiments/x?q=[{|}]^`\\", "/x?q=%5B%7B%7C%7D%5D%5E%60%5C"),
        ("/experiments/x?next=//evil.example/", "/x?next=//evil.example/"),
        ("/experiments/@evil.example", "/%40evil.example"),
        ("/experiments/javascript:alert(1)", "/javascript%3Aalert(1)"),
    ] {
        let (status, location) = ask(target);
        assert_eq!(status, "302", "{target}");
        assert_eq!(split(&stage, &location.unwrap()).1.as_deref(), Some(fragment), "{target}");
    }
}

/// Each public redirect trick, as path and as query, as browsers send it and fully encoded.
fn tricks(stage: &Stage, destination: &str) -> Option<Vec<Url>> {
    let cases = std::fs::read(vectors("cases/open_redirect_public.json")?).unwrap();
    let cases: serde_json::Value = serde_json::from_slice(&cases).unwrap();
    let mut tricks = Vec::new();
    for case in cases["cases"].as_array().unwrap() {
        let text = case["candidate"].as_str().unwrap();
        let encoded = utf8_percent_encode(text, NON_ALPHANUMERIC);
        let own = |url: &Url| url.path().starts_with(&format!("/{destination}/"));
        let forms = [
            format!("/{destination}/{text}"),
            format!("/{destination}/{encoded}"),
            format!("/{destination}/x/{encoded}"),
            format!("/{destination}/x?{text}"),
            format!("/{destination}/x?{encoded}"),
        ];
        tricks.extend(forms.iter().filter_map(|form| stage.postern.url.join(form).ok()).filter(own));
    }
    assert!(tricks.len() > 3000, "{}", tricks.len());
    Some(tricks)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trick_changes_an_mlflow_url() {
    let stage = open_stage().await;
    let Some(tricks) = tricks(&stage, "experiments") else { return };
    let mut grace = stage.program("grace");
    let mut opened = 0;
    for trick in tricks {
        let answer = grace.get(&trick).await;
        if answer.status == 302 {
            let (_, fragment) = split(&stage, answer.location());
            assert!(
                fragment.is_some_and(|fragment| fragment.starts_with('/') && !fragment.starts_with("//")),
                "{trick}"
            );
            opened += 1;
        } else {
            assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (404, "no-such-path"), "{trick}");
        }
    }
    assert!(opened > 500, "{opened}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trick_leads_studio_elsewhere() {
    let stage = open_stage().await;
    let Some(tricks) = tricks(&stage, "studio") else { return };
    let mut grace = stage.program("grace");
    for trick in tricks {
        let answer = grace.get(&trick).await;
        match answer.status.as_u16() {
            302 => {
                let prefix = format!("{}auth?token=", stage.sandbox.landing_url());
                assert!(
                    answer.location().starts_with(&prefix) && !answer.location().contains('#'),
                    "{trick}"
                );
            }
            404 => assert_eq!(answer.reason(), "no-such-path", "{trick}"),
            status => panic!("{status} for {trick}"),
        }
    }
    let mut opened = 0;
    for call in stage.sandbox.calls().iter().filter(|call| call.operation == "CreatePresignedDomainUrl") {
        assert_eq!(
            (&call.input["DomainId"], &call.input["UserProfileName"]),
            (&"d-sandbox00001".into(), &"grace".into())
        );
        let below = call.input["LandingUri"].as_str().unwrap().strip_prefix("app:JupyterLab:").unwrap();
        let decoded = percent_decode_str(below).decode_utf8().unwrap();
        assert!(!decoded.split(['/', '\\']).any(|segment| matches!(segment, "" | "." | "..")), "{below}");
        assert!(!decoded.contains(['#', '?', '\\']), "{below}");
        opened += 1;
    }
    assert!(opened > 300, "{opened}");
}
