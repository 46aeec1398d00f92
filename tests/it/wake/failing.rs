//! Starts that AWS refuses, or that end badly.

use super::{form, press, stage, starts, until_opened};
use postern::sandbox::{Fault, Times};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart() {
    let stage = stage().await;
    let operation = Some("StartNotebookInstance");
    for (fault, status, reason, heading) in [
        (Fault::Quota, 409, "quota-exceeded", "A quota is used up"),
        (Fault::Capacity, 503, "no-capacity", "AWS has no machine free"),
        (Fault::AccessDenied, 502, "refused-by-aws", "AWS did not let us open this"),
        (Fault::Throttle, 503, "throttled", "AWS is busy"),
    ] {
        let shows_words = matches!(fault, Fault::Quota | Fault::Capacity);
        stage.sandbox.faults().inject(operation, fault, Times::UntilCleared);
        let at = stage.postern.at("/-/start/notebook");
        let refused = stage.program("grace").post(&at, "").await.checked();
        assert_eq!(
            (refused.status.as_u16(), refused.reason().as_str()),
            (status, reason),
            "{}",
            refused.body
        );
        let mut grace = stage.person("grace").await;
        let stopped = grace.get(&stage.postern.at("/notebook")).await.checked();
        let page = press(&mut grace, &stage, "notebook", &stopped).await;
        assert_eq!(page.status.as_u16(), status);
        assert!(page.body.contains(heading), "{}", page.body);
        assert_eq!(page.body.contains("AWS says: "), shows_words, "{}", page.body);
        assert!(page.body.contains("href=\"/notebook\""), "it leads back: {}", page.body);
        assert!(!page.body.contains("arn:aws"), "{}", page.body);
        stage.sandbox.faults().clear();
    }
    let mut grace = stage.person("grace").await;
    let stopped = grace.get(&stage.postern.at("/notebook")).await.checked();
    assert_eq!(
        press(&mut grace, &stage, "notebook", &stopped).await.status,
        200,
        "a failed start is forgotten"
    );
    assert_eq!(until_opened(&mut grace, &stage, "/notebook").await.status, 302);
    let failed: Vec<_> = stage
        .postern
        .audit_at_rest()
        .into_iter()
        .filter(|record| record["event"] == "wake" && record["outcome"] == "failed")
        .map(|record| record["reason"].clone())
        .collect();
    assert_eq!(
        failed[..4],
        [json!("quota-exceeded"), json!("quota-exceeded"), json!("no-capacity"), json!("no-capacity")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_tells_why_and_can_be_tried_again() {
    let stage = stage().await;
    stage.sandbox.faults().inject(Some("StartNotebookInstance"), Fault::StartFails, Times::Next(1));
    let mut grace = stage.person("grace").await;
    let stopped = grace.get(&stage.postern.at("/notebook")).await.checked();
    assert_eq!(press(&mut grace, &stage, "notebook", &stopped).await.status, 200);
    let mut page = grace.get(&stage.postern.at("/notebook")).await.checked();
    for _ in 0..60 {
        if page.body.contains("failed state") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        page = grace.get(&stage.postern.at("/notebook")).await.checked();
    }
    assert!(
        page.body.contains("AWS says: <q>Insufficient notebook instance capacity. Retry later"),
        "{}",
        page.body
    );
    assert_eq!(press(&mut grace, &stage, "notebook", &page).await.status, 200);
    assert_eq!(until_opened(&mut grace, &stage, "/notebook").await.status, 302);
    assert_eq!(starts(&stage.sandbox).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_changed_meanwhile_is_looked_up_again() {
    let stage = stage().await;
    let drift = |word: &str| {
        assert!(stage.sandbox.drift("eu-west-1", "archive", "TrackingServerStatus", json!(word)));
    };
    let at = stage.postern.at("/-/start/archive");
    drift("Stopping");
    let stopping = stage.program("grace").post(&at, "").await.checked();
    assert_eq!((stopping.status.as_u16(), stopping.reason().as_str()), (409, "not-ready"));
    assert!(starts(&stage.sandbox).is_empty(), "a state that allows no start is known before");
    let page = stage.person("grace").await.get(&stage.postern.at("/archive")).await.checked();
    assert!(page.body.contains("It is being stopped.") && form(&page.body).is_none(), "{}", page.body);

    // Between the look-up and the start, another administrator has started it.
    drift("Stopped");
    let slow = Fault::Slow(Duration::from_millis(700));
    stage.sandbox.faults().inject(Some("StartMlflowTrackingServer"), slow, Times::Next(1));
    let mut program = stage.program("grace");
    let asking = tokio::spawn(async move { program.post(&at, "").await.checked() });
    tokio::time::sleep(Duration::from_millis(350)).await;
    drift("Starting");
    let already = asking.await.unwrap();
    assert_eq!((already.status.as_u16(), already.json()["state"].clone()), (202, json!("starting")));
    let refused = stage.sandbox.calls().into_iter().filter(|call| call.operation.starts_with("Start"));
    let refused: Vec<_> = refused.map(|call| call.error).collect();
    assert_eq!(refused, [Some("ValidationException".to_owned())]);
}
