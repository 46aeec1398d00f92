//! Nobody starts anything by another's hand, or without the right.

use super::{form, stage, starts};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_the_right_has_no_button() {
    let stage = stage().await;
    let config = stage.folder.path().join("postern.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let only_ada = text.replace("start: \"'ml-users' in groups\"", "start: \"'ml-risk' in groups\"");
    std::fs::write(&config, only_ada).unwrap();
    stage.hang_up("applied").await;
    let mut grace = stage.person("grace").await;
    let stopped = grace.get(&stage.postern.at("/archive")).await.checked();
    assert_eq!(form(&stopped.body), None, "{}", stopped.body);
    assert!(stopped.body.contains("Ask your platform team"), "whom to ask: {}", stopped.body);
    assert_eq!(form(&grace.get(&stage.postern.at("/")).await.checked().body), None);
    let refused = stage.program("grace").post(&stage.postern.at("/-/start/archive"), "").await.checked();
    assert_eq!((refused.status.as_u16(), refused.reason().as_str()), (403, "start-denied"));
    // A token of somebody who may, in the hands of somebody who may not.
    let mut ada = stage.person("ada").await;
    let of_ada = form(&ada.get(&stage.postern.at("/archive")).await.checked().body).expect("a button");
    let mut own = grace.clone().with("sec-fetch-site", "same-origin");
    let refused = own.post(&stage.postern.at("/-/start/archive"), &of_ada).await.checked();
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("This form came from another site"), "{}", refused.body);
    // Programs that may not open it may not start it.
    let olga = stage.program("olga").post(&stage.postern.at("/-/start/archive"), "").await.checked();
    assert_eq!(olga.reason(), "no-rule");
    assert!(starts(&stage.sandbox).is_empty());
    let records = stage.postern.audit_at_rest();
    let refused: Vec<_> = records.iter().filter(|record| record["event"] == "wake").collect();
    assert_eq!(refused.len(), 1, "{records:#?}");
    assert_eq!((&refused[0]["outcome"], &refused[0]["reason"]), (&json!("refused"), &json!("start-denied")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_or_session_starts_nothing() {
    let stage = stage().await;
    let at = stage.postern.at("/-/start/archive");
    let mut ada = stage.person("ada").await;
    let page = ada.get(&stage.postern.at("/archive")).await.checked();
    let good = form(&page.body).expect("a button");
    let of_other_session = {
        let mut again = stage.person("ada").await;
        form(&again.get(&stage.postern.at("/archive")).await.checked().body).unwrap()
    };
    let of_other_destination = {
        let mut grace = stage.person("grace").await;
        form(&grace.get(&stage.postern.at("/notebook")).await.checked().body).unwrap()
    };
    let ours = ada.clone().with("sec-fetch-site", "same-origin");
    let old = || ada.clone().without("sec-fetch-site");
    for (what, mut visitor, body) in [
        ("another site", ada.clone().with("sec-fetch-site", "cross-site"), good.as_str()),
        ("a sibling site", ada.clone().with("sec-fetch-site", "same-site"), &good),
        ("another origin", old().with("origin", "https://evil.example"), &good),
        ("no origin", old().with("origin", "null"), &good),
        ("a script", ours.clone().with("sec-fetch-mode", "cors"), &good),
        ("no token", ours.clone(), "return_to=%2Farchive"),
        ("a made-up token", ours.clone(), "token=AAAA&return_to=%2Farchive"),
        ("another session", ours.clone(), &of_other_session),
        ("another destination", ours.clone(), &of_other_destination),
    ] {
        let refused = visitor.post(&at, body).await.checked();
        assert_eq!(refused.status, 403, "{what}: {}", refused.body);
    }
    let anonymous = crate::support::visitor::Visitor::person().with("sec-fetch-site", "same-origin");
    assert_eq!(anonymous.clone().post(&at, &good).await.checked().status, 401);
    let no_form = ours.clone().call("POST", &at, &json!({})).await.checked();
    assert_eq!(no_form.status, 400);
    assert!(starts(&stage.sandbox).is_empty());

    // A page of another destination, or of another site, is none to return to.
    let (_, token) = good.split_once("token=").unwrap();
    for (named, led_to) in [
        ("%2Farchive%2Fexperiments%2F1", "/archive/experiments/1"),
        ("%2Fstudio", "/archive"),
        ("%2F%2Fevil.example", "/archive"),
        ("https%3A%2F%2Fevil.example", "/archive"),
        ("%2F-%2Flogout", "/archive"),
    ] {
        let body = format!("return_to={named}&token={token}");
        let pressed = ours.clone().post(&at, &body).await.checked();
        assert!(pressed.body.contains(&format!("content=\"1;url={led_to}\"")), "{named}: {}", pressed.body);
    }
    assert_eq!(starts(&stage.sandbox).len(), 1);
}
