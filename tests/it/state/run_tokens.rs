//! Run tokens at two replicas: one that ends at one of them ends at both.

use super::{Replicas, metric, same, says, url};
use crate::support::valkey::Valkey;
use crate::support::visitor::{Answer, Visitor};
use serde_json::{Value, json};

const MAKE: &str = "/-/api/tokens";

impl Replicas {
    async fn made(&self, person: &str) -> String {
        let wish = json!({"destination": "experiments"});
        let answer =
            self.stage.program(person).call("POST", &self.stage.postern.at(MAKE), &wish).await.checked();
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// The same call at both.
    async fn called(&self, token: &str) -> [Answer; 2] {
        let call = async |postern: &crate::support::postern::Postern| {
            let at = postern.at("/experiments/version");
            Visitor::program().bearer(token).get(&at).await.checked()
        };
        [call(&self.stage.postern).await, call(&self.second).await]
    }

    async fn counts(&self, token: &str) {
        for answer in self.called(token).await {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    async fn ended(&self, token: &str) {
        for answer in self.called(token).await {
            assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (401, "token-revoked"));
        }
    }
}

fn hidden(page: &str, name: &str) -> String {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_at_one_replica_ends_at_the_other() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    // Given back at the other one.
    let token = replicas.made("grace").await;
    replicas.counts(&token).await;
    let at = replicas.second.at("/-/api/tokens/current");
    let given = Visitor::program().bearer(&token).call("DELETE", &at, &Value::Null).await.checked();
    assert_eq!(given.status, 204);
    replicas.ended(&token).await;
    // Made on the page here, taken back by the button there.
    let mut grace = replicas.stage.person("grace").await;
    let page = replicas.here(&grace, "/-/tokens").await.body;
    let make =
        format!("form={}&do=make&destination=experiments&access=&lifetime=1h&name=x", hidden(&page, "form"));
    let here = replicas.stage.postern.at("/-/tokens");
    let mut form = grace.clone().with("sec-fetch-site", "same-origin");
    let shown = form.post(&here, &make).await.checked();
    assert_eq!(shown.status, 200, "{}", shown.body);
    let start = shown.body.find("postern_run_").unwrap();
    let token: String = shown.body[start..].chars().take_while(|letter| !"&<\n ".contains(*letter)).collect();
    replicas.counts(&token).await;
    let again = form.carried_to(&replicas, &make).await;
    assert_eq!(again.status, 409, "the form was used at the other replica: {}", again.body);
    let page = replicas.elsewhere(&grace, "/-/tokens").await.body;
    let take = format!("form={}&do=take-back&id={}", hidden(&page, "form"), hidden(&page, "id"));
    assert_eq!(form.carried_to(&replicas, &take).await.status, 303);
    replicas.ended(&token).await;
    // Made in a session here, whose person signs out there.
    let page = replicas.here(&grace, "/-/tokens").await.body;
    let make =
        format!("form={}&do=make&destination=experiments&access=&lifetime=1h&name=y", hidden(&page, "form"));
    let shown = form.post(&here, &make).await.checked().body;
    let start = shown.find("postern_run_").unwrap();
    let token: String = shown[start..].chars().take_while(|letter| !"&<\n ".contains(*letter)).collect();
    let by_program = replicas.made("grace").await;
    replicas.counts(&token).await;
    let copy = grace.clone();
    assert_eq!(replicas.sign_out_elsewhere(&copy).await.status, 303);
    replicas.ended(&token).await;
    replicas.counts(&by_program).await;
    assert_eq!(replicas.sign_out(&mut grace).await.status, 200, "there is no session any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_state_it_is_not_known_whether_a_token_was_taken_back() {
    let Some(mut valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let token = replicas.made("grace").await;
    valkey.stop();
    says(&replicas.second, "state.away", 1);
    assert_eq!(metric(&replicas.second, "postern_state_up").await, "0");
    for answer in replicas.called(&token).await {
        assert_eq!(
            (answer.status.as_u16(), answer.reason().as_str()),
            (503, "state-away"),
            "{}",
            answer.body
        );
        assert!(!answer.header("retry-after").is_empty());
    }
    let wish = json!({"destination": "experiments"});
    let mut program = replicas.stage.program("grace");
    let answer = program.call("POST", &replicas.stage.postern.at(MAKE), &wish).await.checked();
    assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (503, "state-away"));
    let at = replicas.stage.postern.at("/experiments/version");
    assert_eq!(program.get(&at).await.checked().status, 200, "the provider's own token goes on");
}

impl Visitor {
    /// Sends the form to the other replica, with the same cookies.
    async fn carried_to(&self, replicas: &Replicas, form: &str) -> Answer {
        let mut visitor = self.clone();
        let there = replicas.second.at("/-/tokens");
        visitor.carry_cookies(&replicas.stage.postern.url, &there);
        visitor.post(&there, form).await.checked()
    }
}
