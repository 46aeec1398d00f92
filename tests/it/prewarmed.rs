//! A URL that was minted ahead is its session's alone: however that ends, and whoever asks afterwards.

use crate::support::postern::Postern;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{IdentityProviderFaults, SandboxOptions, Token};
use serde_json::{Value, json};
use std::time::Duration;
use url::form_urlencoded::Serializer;

/// Every sign-in on the way to Studio fills a slot, which lives for longer than a test.
#[expect(clippy::needless_pass_by_value, reason = "a stage hands its configuration over to be changed")]
pub(crate) fn prewarming(text: String) -> String {
    text.replace("    paths: [\"lab/tree/**\"]", "    prewarm: true")
        .replace("        expires_in_seconds: 20\n", "        expires_in_seconds: 300\n")
}

/// Signs in on the way to Studio, and stops when the slot is filled.
pub(crate) async fn prewarmed(stage: &Stage, visitor: &mut Visitor, person: &str) {
    let filled = slots(&stage.postern, "filled").await;
    let first = visitor.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(visitor, person, first).await;
    assert_eq!(visitor.get(&callback).await.checked().location(), "/studio");
    for _ in 0..500 {
        if slots(&stage.postern, "filled").await > filled {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the slot was not filled");
}

/// The slots of which a gateway says that this became of them.
async fn slots(postern: &Postern, event: &str) -> usize {
    let text = Visitor::program().get(&postern.admin("/metrics")).await.body;
    let name = format!("postern_slots_total{{event=\"{event}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).expect("the series").parse().expect("a count")
}

/// Opens Studio at a gateway, and tells whether the URL was minted ahead.
pub(crate) async fn from_slot(postern: &Postern, visitor: &mut Visitor) -> bool {
    let taken = slots(postern, "taken").await;
    let answer = visitor.get(&postern.at("/studio")).await.checked();
    assert!(answer.location().contains("token="), "{} {}", answer.status, answer.location());
    slots(postern, "taken").await > taken
}

async fn stage() -> Stage {
    Stage::with(SandboxOptions::default(), prewarming).await
}

/// Grace signs in anew, on the way to the portal, for which nothing is minted ahead.
async fn after_another_sign_in(stage: &Stage) -> bool {
    from_slot(&stage.postern, &mut stage.person("grace").await).await
}

/// The provider says that Grace is signed out there.
async fn tell(stage: &Stage, change: impl FnOnce(Token) -> Token) {
    let token = Token::new(stage.sandbox.logout_claims("grace")).header("typ", "logout+jwt");
    let token = stage.sandbox.token(&change(token)).unwrap();
    let form = Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    let at = stage.postern.at("/-/backchannel-logout");
    assert_eq!(Visitor::program().post(&at, &form).await.checked().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_that_it_was_minted_for_gets_it() {
    let stage = stage().await;
    let mut grace = Visitor::person();
    prewarmed(&stage, &mut grace, "grace").await;
    assert!(from_slot(&stage.postern, &mut grace).await);
    assert!(!from_slot(&stage.postern, &mut grace).await, "once");
    assert_eq!(stage.mints().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_session_and_no_program_of_the_same_person_gets_it() {
    let stage = stage().await;
    let mut grace = Visitor::person();
    prewarmed(&stage, &mut grace, "grace").await;
    assert!(!after_another_sign_in(&stage).await);
    assert!(!from_slot(&stage.postern, &mut stage.program("grace")).await);
    assert!(from_slot(&stage.postern, &mut grace).await, "and it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_a_sign_out() {
    let stage = stage().await;
    let mut grace = Visitor::person();
    prewarmed(&stage, &mut grace, "grace").await;
    let mut leaving = grace.clone().with("sec-fetch-site", "same-origin");
    assert_eq!(leaving.post(&stage.postern.at("/-/logout"), "").await.checked().status, 303);
    assert_eq!(slots(&stage.postern, "forgotten").await, 1);
    assert!(!after_another_sign_in(&stage).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_another_person_signs_in_at_the_browser() {
    let stage = stage().await;
    let mut browser = Visitor::person();
    prewarmed(&stage, &mut browser, "grace").await;
    let ask = browser.get(&stage.postern.at("/-/login?prompt=select_account")).await.checked();
    assert_eq!(stage.return_from_provider(&mut browser, "ada", ask).await.status, 200);
    assert_eq!(slots(&stage.postern, "forgotten").await, 1);
    assert!(!after_another_sign_in(&stage).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_a_logout_of_the_subject() {
    let stage = stage().await;
    prewarmed(&stage, &mut Visitor::person(), "grace").await;
    tell(&stage, |token| token).await;
    assert!(!after_another_sign_in(&stage).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_a_logout_of_the_session_at_the_provider() {
    let stage = stage().await;
    let sid = json!({"sid": "at the provider"}).as_object().unwrap().clone();
    let faults = IdentityProviderFaults { id_token_claims: sid, ..Default::default() };
    stage.sandbox.faults().set_identity_provider(faults);
    prewarmed(&stage, &mut Visitor::person(), "grace").await;
    tell(&stage, |token| token.claim("sid", "at the provider").claim("sub", Value::Null)).await;
    stage.sandbox.faults().set_identity_provider(IdentityProviderFaults::default());
    assert!(!after_another_sign_in(&stage).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_the_provider_withdraws_the_person() {
    let stage = Stage::with(SandboxOptions::default(), |text| {
        prewarming(text).replace("revalidate: 1m", "revalidate: 1s")
    });
    let stage = stage.await;
    let person = stage.sandbox.people().into_iter().find(|person| person.id == "grace").unwrap();
    let mut grace = Visitor::person();
    prewarmed(&stage, &mut grace, "grace").await;
    stage.sandbox.remove_person("grace");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let answer = grace.clone().get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(answer.next().and_then(|next| next.port()), stage.sandbox.issuer().port(), "{}", answer.body);
    let withdrawn = stage.postern.audit(3).into_iter().any(|record| record["event"] == json!("withdraw"));
    assert!(withdrawn);
    stage.sandbox.put_person(person);
    assert!(!after_another_sign_in(&stage).await);
    let again = grace.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(again.next().and_then(|next| next.port()), stage.sandbox.issuer().port(), "it stays ended");
}
