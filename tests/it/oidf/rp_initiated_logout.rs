//! The way back from the provider after a sign-out, whatever `state` it brings.

use crate::support::stage::Stage;
use url::Url;

/// Signs in and out, and comes back from the provider with an address that `change` has changed.
async fn comes_back(change: impl FnOnce(&mut Url)) {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await.with("sec-fetch-site", "same-origin");
    let out = grace.post(&stage.postern.at("/-/logout"), "").await.checked();
    let end_session = out.next().expect("the provider's end_session_endpoint");
    let sent = end_session.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let mut back = grace.get(&end_session).await.next().expect("the provider sends back");
    let state = back.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
    assert_eq!(state, Some(sent));
    change(&mut back);
    let landed = grace.get(&back).await.checked();
    assert_eq!(landed.status, 200);
    assert!(landed.body.contains("You are signed out"), "{}", landed.body);
    assert_eq!(grace.get(&stage.postern.at("/")).await.checked().status, 302, "to the sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_init_logout_other_state() {
    comes_back(|back| back.set_query(Some("state=another"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_client_test_rp_init_logout_no_state() {
    comes_back(|back| back.set_query(None)).await;
}
