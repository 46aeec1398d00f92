//! Stopped targets are started by a button or a program, once, as the person, and by nothing else.

mod failing;
mod forged;

use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::{Fault, Sandbox, SandboxOptions, Times};
use regex::Regex;
use serde_json::json;
use std::time::Duration;

pub(super) const PACE: Duration = Duration::from_secs(2);

/// The demo's stage, with an archive that has pages and a notebook that is stopped.
pub(super) async fn stage() -> Stage {
    staged(PACE).await
}

pub(super) async fn staged(pace: Duration) -> Stage {
    let options = SandboxOptions { pace, ..SandboxOptions::default() };
    Stage::with(options, |text| {
        let text = text + "\nlimits: {mints_per_minute: 600}\n";
        text.replace(
            "    description: A tracking server that is stopped\n",
            "    description: A tracking server that is stopped\n    paths: [\"experiments/**\"]\n",
        )
        .replace("grace-notebook", "old-notebook")
        .replace(
            "    title: Grace's notebook\n",
            "    title: Grace's notebook\n    start: \"'ml-users' in groups\"\n",
        )
    })
    .await
}

/// The calls that start something, by operation and caller.
pub(super) fn starts(sandbox: &Sandbox) -> Vec<(String, Option<String>)> {
    let calls = sandbox.calls().into_iter().filter(|call| call.operation.starts_with("Start"));
    calls.map(|call| (call.operation, call.caller.role_session_name)).collect()
}

/// The body of the form that starts a target.
pub(super) fn form(page: &str) -> Option<String> {
    let fields = Regex::new("<input type=\"hidden\" name=\"([a-z_]+)\" value=\"([^\"]*)\">").unwrap();
    let form = page.split("action=\"/-/start/").nth(1)?;
    let form = form.split("</form>").next().unwrap();
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    for found in fields.captures_iter(form) {
        body.append_pair(&found[1], &found[2].replace("&amp;", "&"));
    }
    Some(body.finish())
}

/// Presses the button of a page.
pub(super) async fn press(visitor: &mut Visitor, stage: &Stage, name: &str, page: &Answer) -> Answer {
    let form = form(&page.body).unwrap_or_else(|| panic!("no button: {}", page.body));
    let mut button = visitor.clone().with("sec-fetch-site", "same-origin");
    let pressed = button.post(&stage.postern.at(&format!("/-/start/{name}")), &form).await.checked();
    visitor.keep(&pressed);
    pressed
}

/// Waits as the page does, but not so long.
pub(super) async fn until_opened(visitor: &mut Visitor, stage: &Stage, path: &str) -> Answer {
    for _ in 0..100 {
        let answer = visitor.get(&stage.postern.at(path)).await.checked();
        if answer.status != 409 {
            return answer;
        }
        assert!(answer.header("refresh").ends_with("-try=1"), "{}", answer.header("refresh"));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("{path} never opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_starts_it_and_leads_to_the_page_that_was_asked_for() {
    let stage = stage().await;
    stage.sandbox.faults().inject(
        Some("StartMlflowTrackingServer"),
        Fault::Lag(Duration::from_secs(1)),
        Times::UntilCleared,
    );
    let path = "/archive/experiments/7?o=1&p=2";
    let mut ada = stage.person("ada").await;
    let stopped = ada.get(&stage.postern.at(path)).await.checked();
    assert_eq!(stopped.status, 409);
    assert!(
        stopped.body.contains("It is stopped.") && stopped.body.contains(">Start it<"),
        "{}",
        stopped.body
    );
    assert!(starts(&stage.sandbox).is_empty(), "a visit starts nothing");

    let pressed = press(&mut ada, &stage, "archive", &stopped).await;
    assert_eq!(pressed.status, 200);
    let onward = format!("<meta http-equiv=\"refresh\" content=\"1;url={}\">", path.replace('&', "&amp;"));
    assert!(pressed.body.contains(&onward), "{}", pressed.body);
    assert_eq!(
        starts(&stage.sandbox),
        [("StartMlflowTrackingServer".to_owned(), Some("ada@corp.example".to_owned()))]
    );

    // Describe still says that it is stopped.
    let starting = ada.get(&stage.postern.at(path)).await.checked();
    assert_eq!(starting.status, 409);
    assert!(starting.body.contains("It has been starting since 20"), "{}", starting.body);
    assert!(starting.body.contains("20 to 40 minutes"), "{}", starting.body);
    assert_eq!(starting.header("refresh"), format!("20;url={path}&-try=1"));
    assert!(form(&starting.body).is_none(), "nothing to press");
    let bridge = stage.postern.at("/archive/api/2.0/mlflow/runs/create");
    let call = stage.program("grace").call("POST", &bridge, &json!({})).await.checked();
    assert_eq!((call.status.as_u16(), call.reason().as_str()), (429, "not-ready"));

    let opened = until_opened(&mut ada, &stage, path).await;
    assert_eq!(opened.status, 302);
    assert!(opened.location().ends_with("#/experiments/7?o=1&p=2"), "{}", opened.location());
    assert_eq!(starts(&stage.sandbox).len(), 1);
    let records = stage.postern.audit_at_rest();
    let wake = records.iter().find(|record| record["event"] == "wake").expect("a record");
    assert_eq!((&wake["user"], &wake["destination"]), (&json!("ada@corp.example"), &json!("archive")));
    assert_eq!(
        (&wake["outcome"], &wake["reason"], &wake["rule"]),
        (&json!("started"), &json!("ok"), &json!("staff"))
    );
    assert_eq!(wake["role_session_name"], "ada@corp.example");
    assert_eq!(wake["facts"]["groups"], json!(["ml-users", "ml-risk"]), "what the rules and `start` read");
    assert!(wake["aws_request_id"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_start_may_do_nothing_else() {
    let stage = stage().await;
    let started = stage.program("ada").post(&stage.postern.at("/-/start/archive"), "").await.checked();
    assert_eq!(
        (started.status.as_u16(), started.json()),
        (202, json!({"destination": "archive", "state": "starting"}))
    );
    let calls = stage.sandbox.calls();
    let assumed = calls
        .iter()
        .rfind(|call| call.operation == "AssumeRole" && call.input["RoleSessionName"] == "ada@corp.example");
    let policy: serde_json::Value =
        serde_json::from_str(assumed.expect("a session").input["Policy"].as_str().unwrap()).unwrap();
    let arn = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/archive";
    assert_eq!(
        policy["Statement"],
        json!([{"Effect": "Allow", "Action": ["sagemaker:StartMlflowTrackingServer"], "Resource": arn}])
    );
    let again = stage.program("grace").post(&stage.postern.at("/-/start/archive"), "").await.checked();
    assert_eq!(again.status, 202);
    assert_eq!(starts(&stage.sandbox).len(), 1);
    let running = stage.program("grace").post(&stage.postern.at("/-/start/notebook"), "").await.checked();
    assert_eq!(running.status, 202);
    tokio::time::sleep(PACE + Duration::from_secs(3)).await;
    let running = stage.program("grace").post(&stage.postern.at("/-/start/notebook"), "").await.checked();
    assert_eq!((running.status.as_u16(), running.json()["state"].clone()), (200, json!("ready")));
    assert_eq!(starts(&stage.sandbox).len(), 2, "one for each target");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_start_it_once() {
    let stage = stage().await;
    let slow = Fault::Slow(Duration::from_millis(300));
    stage.sandbox.faults().inject(Some("DescribeMlflowTrackingServer"), slow, Times::UntilCleared);
    let url = stage.postern.at("/-/start/archive");
    let mut asking = tokio::task::JoinSet::new();
    for person in ["ada", "grace", "ada", "grace", "ada", "grace"] {
        let (mut program, url) = (stage.program(person), url.clone());
        asking.spawn(async move { program.post(&url, "").await.checked().status.as_u16() });
    }
    assert_eq!(asking.join_all().await, [202; 6]);
    assert_eq!(starts(&stage.sandbox).len(), 1);
    let metrics = Visitor::program().get(&stage.postern.admin("/metrics")).await.body;
    for (outcome, count) in [("ok", 1), ("already", 5), ("quota-exceeded", 0)] {
        let line = format!("postern_wakes_total{{destination=\"archive\",outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_and_refreshes_start_nothing() {
    let stage = stage().await;
    let grace = stage.person("grace").await;
    let at = |path: &str| stage.postern.at(path);
    for visitor in [
        grace.clone(),
        grace.clone().with("sec-purpose", "prefetch;prerender"),
        grace.clone().with("sec-fetch-dest", "iframe"),
        grace.clone().with("sec-fetch-site", "cross-site").without("sec-fetch-user"),
        stage.program("grace"),
    ] {
        for path in
            ["/archive", "/archive?-try=5", "/archive/experiments/1", "/", "/notebook", "/-/start/archive"]
        {
            _ = visitor.clone().get(&at(path)).await.checked();
            _ = visitor.clone().send(hyper::Method::HEAD, &at(path), None).await;
        }
    }
    let minted = stage.program("grace").post(&at("/-/api/destinations/archive/url"), "").await.checked();
    assert_eq!(minted.status, 409);
    assert!(starts(&stage.sandbox).is_empty());
    let read = grace.clone().get(&at("/-/start/archive")).await.checked();
    assert_eq!((read.status.as_u16(), read.header("allow")), (405, "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_waits_for_an_hour() {
    let stage = staged(Duration::from_secs(600)).await;
    let mut grace = stage.person("grace").await;
    let stopped = grace.get(&stage.postern.at("/archive?-try=31")).await.checked();
    assert_eq!(stopped.header("refresh"), "120;url=/archive?-try=32");
    let pressed = press(&mut grace, &stage, "archive", &stopped).await;
    assert!(pressed.body.contains("1;url=/archive\""), "{}", pressed.body);
    let last = grace.get(&stage.postern.at("/archive?-try=32")).await.checked();
    assert_eq!((last.status.as_u16(), last.header("refresh")), (409, ""));
    assert!(last.body.contains("has looked for an hour and no longer does so by itself"), "{}", last.body);
    assert!(last.body.contains("href=\"/archive\">Try again</a>"), "{}", last.body);
    assert!(!last.headers.contains_key("set-cookie"), "it renews no session");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_the_button_and_programs_are_told() {
    let stage = stage().await;
    let mut grace = stage.person("grace").await;
    let portal = grace.get(&stage.postern.at("/")).await.checked();
    assert!(portal.body.contains(">Start Archived experiments (MLflow)<"), "{}", portal.body);
    let pressed = press(&mut grace, &stage, "archive", &portal).await;
    assert_eq!(pressed.status, 200);
    assert_eq!(starts(&stage.sandbox).len(), 1);
    let who = grace.get(&stage.postern.at("/-/whoami")).await.checked();
    assert!(who.body.contains("You may start it where it is stopped."), "{}", who.body);
    let told = stage.program("grace").get(&stage.postern.at("/-/whoami")).await.checked().json();
    let rows = told["destinations"].as_array().unwrap();
    let may_start: Vec<_> =
        rows.iter().filter(|row| row["may_start"] == true).map(|row| row["name"].clone()).collect();
    assert_eq!(may_start, ["archive", "notebook"]);
    let listed = stage.program("max").get(&stage.postern.at("/-/api/destinations")).await.checked().json();
    let archive =
        listed["destinations"].as_array().unwrap().iter().find(|row| row["name"] == "archive").unwrap();
    assert_eq!((&archive["may_start"], &archive["state"]), (&json!(true), &json!("starting")));
}
