//! The list of destinations: states, a list that is skipped, and a long one.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_tells_states_and_starts_nothing() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    let portal = grace.get(&stage.postern.at("/")).await.checked().body;
    let card = |name: &str| {
        let card = portal.split("<li>").find(|card| card.contains(&format!("href=\"/{name}\""))).expect(name);
        card.to_owned()
    };
    assert!(card("archive").contains("<span class=\"state stopped\">Stopped</span>"), "{}", card("archive"));
    assert!(card("archive").contains("action=\"/-/start/archive\""), "{}", card("archive"));
    assert!(card("studio").contains("<span class=\"state ready\">Ready</span>"), "{}", card("studio"));
    assert!(card("studio").contains("Notebooks and training jobs"), "{}", card("studio"));
    for path in ["/", "/-/api/destinations"] {
        let states = states(&stage, "grace", path).await;
        assert_eq!(states[0], ("studio".to_owned(), json!("ready")), "{path}");
        assert_eq!(states[2], ("archive".to_owned(), json!("stopped")), "{path}");
    }
    let calls = stage.sandbox.calls();
    let operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    let harmless = |name: &&str| name.starts_with("Describe") || *name == "AssumeRole";
    assert!(operations.iter().all(harmless), "{operations:?}");
    assert_eq!(
        operations.iter().filter(|name| name.starts_with("Describe")).count(),
        6,
        "each once: {operations:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_aws_does_not_make_the_portal_slow() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    tokio::time::sleep(Duration::from_secs(16)).await; // what is known is forgotten
    let slow = Fault::Slow(Duration::from_secs(2));
    stage.sandbox.faults().inject(Some("DescribeMlflowTrackingServer"), slow, Times::UntilCleared);
    let started = Instant::now();
    let portal = grace.get(&stage.postern.at("/")).await.checked();
    let took = started.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
    assert_eq!(portal.status, 200);
    assert!(portal.body.contains("href=\"/archive\"") && !portal.body.contains("Stopped"), "{}", portal.body);
    assert!(portal.body.contains("<span class=\"state ready\">Ready</span>"), "the quick ones are known");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let later = grace.get(&stage.postern.at("/")).await.checked();
    assert!(later.body.contains("Stopped"), "the look-up went on: {}", later.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_without_a_choice_can_be_skipped() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        let staff = "    rules: *staff\n";
        let (kept, rest) = text.split_once("  experiments:").expect("the second destination");
        let tests = rest.split_once("\ntests:").expect("the tests").1;
        assert!(!kept.contains(staff), "only studio is left");
        let second = "  notes:\n    title: Notes\n    target: {notebook_instance: {notebook_instance_name: grace-notebook}}\n    rules: [{name: ada, allow: \"user == 'ada@corp.example'\"}]\n";
        let tests = tests.split("  - name: newcomers").next().expect("the tests");
        format!("{kept}{second}\ntests:{tests}\nportal: skip\n")
    })
    .await;
    let at = |path: &str| stage.postern.at(path);
    let mut grace = Visitor::person();
    let first = stage.sign_in(&mut grace, "grace", "/").await;
    assert_eq!((first.status.as_u16(), first.location()), (302, "/studio"), "{}", first.body);
    assert_eq!(stage.mints(), [""; 0]);
    let mut sent = grace.clone().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    assert_eq!(sent.get(&at("/")).await.checked().location(), "/studio");
    let asked = sent.get(&at("/studio")).await.checked();
    assert!(asked.body.contains("Continue to"), "the rules of a launch apply: {}", asked.body);
    assert!(asked.body.contains("href=\"/?show\""), "{}", asked.body);
    let shown = grace.get(&at("/?show")).await.checked();
    assert_eq!(shown.status, 200);
    assert!(shown.body.contains("href=\"/studio\""), "{}", shown.body);
    assert_eq!(grace.get(&at("/-/whoami")).await.checked().status, 200);
    let listed = stage.program("grace").get(&at("/")).await.checked();
    assert_eq!(listed.json()["destinations"].as_array().unwrap().len(), 1, "programs get the list");

    // Another site began the sign-in; the click at the provider is not one here.
    let lured = Visitor::person().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    for path in ["/", "/?x=1", "/-/login?return_to=/"] {
        let mut lured = lured.clone();
        let first = lured.get(&at(path)).await.checked();
        let callback = stage.pick(&mut lured, "grace", first).await;
        let mut clicked = lured.with("sec-fetch-user", "?1");
        let arrived = clicked.get(&callback).await.checked();
        assert_eq!(arrived.status, 200, "{path}: {}", arrived.location());
        assert!(arrived.body.contains("href=\"/studio\">Continue to"), "{path}: {}", arrived.body);
        assert!(arrived.body.contains("href=\"/?show\""), "{path}: {}", arrived.body);
        assert!(!arrived.body.contains("http-equiv"), "nothing goes on by itself: {}", arrived.body);
        assert_eq!(stage.mints(), [""; 0], "{path}");
        // A copy of the callback asks, too.
        let again = clicked.get(&callback).await.checked();
        assert!(again.body.contains("href=\"/studio\">Continue to"), "{path}: {}", again.body);
        assert_eq!(stage.mints(), [""; 0], "{path}");
    }
    // With a choice, or with nothing to open, the list asks by itself.
    for person in ["ada", "olga"] {
        let mut lured = lured.clone();
        let first = lured.get(&at("/")).await.checked();
        let callback = stage.pick(&mut lured, person, first).await;
        let arrived = lured.with("sec-fetch-user", "?1").get(&callback).await.checked();
        assert_eq!(arrived.location(), "/?show", "{person}: {}", arrived.body);
    }
    // The one who clicks on the page gets there.
    let mut lured = lured.clone();
    let first = lured.get(&at("/")).await.checked();
    let callback = stage.pick(&mut lured, "grace", first).await;
    assert_eq!(lured.get(&callback).await.checked().status, 200);
    let mut continued = lured.with("sec-fetch-site", "same-origin").with("sec-fetch-user", "?1");
    assert_eq!(continued.get(&at("/studio")).await.checked().status, 302);
    assert_eq!(stage.mints().len(), 1);

    let two = stage.sign_in(&mut Visitor::person(), "ada", "/").await;
    assert_eq!(two.status, 200, "there is a choice: {}", two.body);
    let none = stage.sign_in(&mut Visitor::person(), "olga", "/").await;
    assert_eq!(none.status, 200, "there is nothing to open: {}", none.body);
    assert!(none.body.contains("Nothing is open to you"), "{}", none.body);
}

#[tokio::test]
async fn what_is_closed_with_a_remedy_is_folded_on_the_portal() {
    let stage = Stage::new().await;
    let mut max = stage.person("max").await;
    let portal = max.get(&stage.postern.at("/")).await.checked().body;
    let (open, closed) = portal.split_once("<details><summary>Not open").expect("what is closed");
    assert!(open.contains("href=\"/experiments\"") && !open.contains("href=\"/studio\""), "{portal}");
    assert!(closed.starts_with(" to you now, and what to do about it (1)"), "{portal}");
    assert!(closed.contains("<h2>SageMaker Studio</h2>"), "{portal}");
    assert!(closed.contains("<strong>What to do: </strong>Connect to the office VPN first."), "{portal}");
    let mut ada = stage.person("ada").await;
    let portal = ada.get(&stage.postern.at("/")).await.checked().body;
    assert!(!portal.contains("Not open to you now"), "a refusal without a remedy is not listed: {portal}");
}

/// The states of what a person may open, by name.
async fn states(stage: &Stage, person: &str, path: &str) -> Vec<(String, Value)> {
    let listed = stage.program(person).get(&stage.postern.at(path)).await.checked().json();
    let row = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["state"].clone());
    listed["destinations"].as_array().unwrap().iter().map(row).collect()
}

/// Forty destinations more, all of one kind.
fn forty_more(text: &str) -> String {
    let notebook = |number: usize| {
        format!(
            "  notebook-{number:02}:\n    title: Notebook {number:02}\n    target: {{notebook_instance: \
             {{notebook_instance_name: grace-notebook}}}}\n    rules: [{{name: all, allow: \"'ml-users' in groups\"}}]\n"
        )
    };
    let many: String = (0..40).map(notebook).collect();
    text.replacen("destinations:\n", &format!("destinations:\n{many}"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_grouped_and_can_be_searched() {
    let stage = Stage::with(SandboxOptions::default(), |text| forty_more(&text)).await;
    let mut grace = stage.person("grace").await;
    let list = grace.get(&stage.postern.at("/")).await.checked().body;
    assert!(list.len() < 20_000, "{} bytes", list.len());
    assert_eq!(list.matches("href=\"/notebook-").count(), 40);
    for part in
        ["role=\"search\"", "<h3><a href=\"/studio\">", "Notebook instance</h2>", "/notebook-07</code>"]
    {
        assert!(list.contains(part), "{part}: {list}");
    }
    let found = grace.get(&stage.postern.at("/?find=BOOK+3")).await.checked().body;
    assert_eq!(found.matches("href=\"/notebook-3").count(), 10, "{found}");
    assert!(!found.contains("href=\"/notebook-07\"") && found.contains("value=\"BOOK 3\""), "{found}");
    let none = grace.get(&stage.postern.at("/?find=%3Cb%3E")).await.checked().body;
    assert!(none.contains("Nothing that you can open has “&lt;b&gt;”"), "{none}");
}
