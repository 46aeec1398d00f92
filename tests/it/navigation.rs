//! What counts as a person opening a page: previews, frames, other sites, restored tabs.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use hyper::Method;
use postern::sandbox::SandboxOptions;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn only_a_deliberate_navigation_mints() {
    let stage = Stage::new().await;
    let visitor = stage.person("grace").await;
    let studio = stage.postern.at("/studio");
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-dest", "image"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-mode", "cors"),
        ("sec-purpose", "PREFETCH"),
    ] {
        let refused = visitor.clone().with(name, value).get(&studio).await.checked();
        assert_eq!(refused.status, 403, "{name}: {value}");
    }
    let looked = visitor.clone().send(Method::HEAD, &studio, None).await.checked();
    assert_eq!((looked.status.as_u16(), looked.location()), (200, ""));
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH, Method::TRACE] {
        let refused = visitor.clone().send(method.clone(), &studio, None).await.checked();
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
    assert_eq!(stage.mints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_another_site_began_asks_first() {
    let stage = Stage::new().await;
    let visitor = stage.person("grace").await;
    let mut sent = visitor.clone().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    let asked = sent.get(&stage.postern.at("/studio?tab=1&x=%20")).await.checked();
    assert_eq!(asked.status, 200);
    assert!(asked.body.contains("href=\"/studio?tab=1&amp;x=%20\""), "{}", asked.body);
    assert_eq!(stage.mints(), [""; 0]);
    let mut clicked = visitor.with("sec-fetch-site", "cross-site");
    assert_eq!(
        clicked.get(&stage.postern.at("/studio")).await.checked().status,
        302,
        "a click on a wiki's link"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_visit_began_is_remembered_through_sign_in() {
    let stage = Stage::new().await;
    // Nobody clicked on the first hop; the clicks at the provider do not change that.
    let mut sent = Visitor::person().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    let first = sent.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut sent, "grace", first).await;
    let arrived = sent.clone().with("sec-fetch-user", "?1").get(&callback).await.checked();
    assert_eq!(arrived.status, 200);
    assert!(arrived.body.contains("sent your browser here"), "{}", arrived.body);

    // A restored tab: deliberate on the first hop, but no click when it comes back from the provider's site.
    let mut restored = Visitor::person();
    let first = restored.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut restored, "grace", first).await;
    let mut back = restored.with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    let arrived = back.get(&callback).await.checked();
    assert_eq!(arrived.status, 200);
    assert!(arrived.body.contains("content=\"0;url=/studio\""), "{}", arrived.body);
    let mut own = back.with("sec-fetch-site", "same-origin");
    assert_eq!(own.get(&stage.postern.at("/studio")).await.checked().status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_fetch_metadata_counts_as_the_worst_that_it_could_mean() {
    let stage = Stage::new().await;
    let visitor = stage.person("grace").await.without("sec-fetch-user");
    let studio = stage.postern.at("/studio");
    for site in ["CROSS-SITE", "cross-site;x", "cross-origin", ""] {
        let asked = visitor.clone().with("sec-fetch-site", site).get(&studio).await.checked();
        assert_eq!(asked.status, 200, "{site}: a page that asks");
    }
    let mut twice = visitor.clone();
    twice.headers.append("sec-fetch-site", "none".parse().unwrap());
    assert_eq!(twice.get(&studio).await.checked().status, 200, "a header that stands twice");
    let mut speculative = visitor.with("sec-purpose", "prefetch");
    speculative.headers.append("sec-purpose", "prefetch;prerender".parse().unwrap());
    assert_eq!(speculative.get(&studio).await.checked().status, 403);
    assert_eq!(stage.mints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_for_a_look_from_afar() {
    let stage = Stage::new().await;
    let login = stage.postern.at("/-/login?return_to=/studio");
    let mut json = Visitor::program().with("accept", "application/json");
    assert_eq!(json.get(&login).await.checked().status, 401);
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "image"),
        ("sec-fetch-dest", "iframe"),
    ] {
        let refused = Visitor::program().with("accept", "*/*").with(name, value).get(&login).await.checked();
        assert_eq!(
            (refused.status.as_u16(), refused.reason()),
            (403, "not-a-navigation".to_owned()),
            "{name}: {value}"
        );
        assert!(refused.headers.get("set-cookie").is_none());
    }
}

/// What opens nothing answers a program's script, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_need_not_navigate_where_nothing_is_opened() {
    let stage = Stage::new().await;
    for (path, status) in [("/", 200), ("/-/whoami", 200), ("/studio", 403)] {
        let mut fetched = stage.program("grace").with("sec-fetch-mode", "cors");
        let answer = fetched.get(&stage.postern.at(path)).await.checked();
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
    }
    assert_eq!(stage.mints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_filled_for_a_deliberate_visit_only() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        text.replace("    paths: [\"lab/tree/**\"]", "    prewarm: true")
    })
    .await;
    let mut sent = Visitor::person().with("sec-fetch-site", "cross-site").without("sec-fetch-user");
    let first = sent.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut sent, "grace", first).await;
    assert_eq!(sent.get(&callback).await.checked().status, 200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.mints(), [""; 0]);

    let mut ada = Visitor::person();
    let first = ada.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut ada, "ada", first).await;
    assert_eq!(ada.get(&callback).await.checked().location(), "/studio");
    while stage.mints().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let handed_out = ada.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(handed_out.status, 302);
    assert_eq!(stage.mints().len(), 1, "from the slot");
    let records = stage.postern.audit(4);
    assert_eq!(records.last().unwrap()["from_slot"], json!(true), "{records:#?}");
    let again = ada.get(&stage.postern.at("/studio")).await.checked();
    assert_ne!(again.location(), handed_out.location());
    assert_eq!(stage.mints().len(), 2);
}
