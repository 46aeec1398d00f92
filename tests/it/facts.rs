//! The facts in the record of a decision: everything that the rules read and nothing else, bounded, with each gap named.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::audit::facts::LARGEST;
use postern::sandbox::{IdentityProviderFaults, SandboxOptions, Token};
use serde_json::{Map, Value, json};

const STAFF: &str = "rules: [{name: grace, allow: \"user == 'grace@corp.example'\"}]";

/// The demo, whose rules for the notebook are these.
async fn stage(rules: &str) -> Stage {
    let rules = rules.to_owned();
    Stage::with(SandboxOptions::default(), move |text| {
        assert!(text.contains(STAFF));
        text.replace(STAFF, &rules)
    })
    .await
}

/// Opens with a token of these further claims, and finds the record of it.
async fn record(stage: &Stage, person: &str, further: Value, path: &str) -> Value {
    let mut claims = stage.sandbox.access_claims(person);
    claims.extend(further.as_object().unwrap().clone());
    let token = stage.sandbox.token(&Token::new(claims)).unwrap();
    let before = stage.postern.audit(1).len();
    _ = Visitor::program().bearer(&token).get(&stage.postern.at(path)).await.checked();
    stage.postern.audit(before + 1).remove(before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_holds_what_the_rules_of_its_destination_read() {
    let stage = stage(
        "rules: [{name: risk, allow: \"'ml-risk' in groups && claims.department == 'risk' && claims.level > 3\"}, \
         {name: grace, allow: \"user == 'grace@corp.example'\"}]",
    )
    .await;
    let opened =
        record(&stage, "grace", json!({"department": "labs", "hobby": "sailing"}), "/notebook").await;
    assert_eq!((&opened["event"], &opened["outcome"]), (&"grant".into(), &"opened".into()));
    assert_eq!(
        opened["facts"],
        json!({
            "realm": "sandbox",
            "client_ip": "127.0.0.1",
            "groups": ["ml-users"],
            "claims": {"department": "labs", "level": null},
        })
    );
    let refused = record(&stage, "max", json!({"department": {"code": 7}}), "/notebook").await;
    assert_eq!((&refused["event"], &refused["reason"]), (&"deny".into(), &"no-rule".into()));
    assert_eq!(refused["facts"]["groups"], json!(["contractors", "ml-users"]));
    assert_eq!(refused["facts"]["claims"], json!({"department": {"code": 7}, "level": null}));

    let linked = record(&stage, "grace", json!({}), "/studio/lab/tree/a%20b").await;
    assert_eq!(linked["facts"]["path"], "lab/tree/a b");
    let missed = record(&stage, "grace", json!({}), "/studio/elsewhere").await;
    assert_eq!((&missed["reason"], &missed["facts"]["path"]), (&"no-such-path".into(), &"elsewhere".into()));

    let left_out = record(&stage, "bob", json!({}), "/studio").await;
    assert_eq!(left_out["reason"], "groups-overage");
    assert_eq!(left_out["facts"], json!({"realm": "sandbox", "client_ip": "127.0.0.1", "groups": null}));
    let odd = record(&stage, "grace", json!({"groups": 7}), "/studio").await;
    assert_eq!(odd["facts"]["groups"], Value::Null);
    assert_eq!(
        odd["facts"]["groups_unbound"],
        "the claim `groups` is a number, not a list of texts (`format: list`)"
    );
    assert!(opened.get("facts_cut").is_none() && odd.get("facts_cut").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_ask_nothing_of_a_person_leave_nothing_on_record() {
    let stage = stage("rules: [{name: all, allow: 'true'}]").await;
    let opened = record(&stage, "grace", json!({"department": "labs"}), "/notebook").await;
    assert_eq!(opened["facts"], json!({"realm": "sandbox", "client_ip": "127.0.0.1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_bounded_and_say_so() {
    let stage = stage(
        "rules: [{name: risk, allow: \"'ml-risk' in groups && claims.long == 'x' && claims.short == 'y'\"}, \
         {name: every, allow: \"size(groups) > 1000\"}]",
    )
    .await;
    let long = "\u{1}".repeat(1000);
    let cut = record(&stage, "grace", json!({"long": long, "short": "y"}), "/notebook").await;
    assert_eq!(cut["facts_cut"], true);
    assert_eq!(
        cut["facts"]["claims"],
        json!({"short": "y"}),
        "a claim that was cut is not one that is absent"
    );
    assert_eq!(cut["facts"]["groups"], json!(["ml-users"]));

    let groups: Vec<String> = (0..130).map(|number| format!("group-{number:032}")).collect();
    let cut = record(&stage, "grace", json!({"groups": groups}), "/notebook").await;
    assert_eq!(cut["facts_cut"], true);
    assert!(cut["facts"].get("groups").is_none(), "half a list would be another list: {cut}");
    assert!(serde_json::to_string(&cut["facts"]).unwrap().len() <= LARGEST);

    // Rules that name their groups need no more than those.
    let with_risk: Vec<&str> = groups.iter().map(String::as_str).chain(["ml-risk", "contractors"]).collect();
    let asked = record(&stage, "grace", json!({"groups": with_risk}), "/studio").await;
    assert_eq!(asked["facts"]["groups"], json!(["ml-risk", "contractors"]));
    assert_eq!(asked["facts"]["groups_asked"], json!(["contractors", "ml-risk", "ml-users"]));
    assert!(asked.get("facts_cut").is_none());

    let mut most = Map::new();
    for size in (0..4200).step_by(60) {
        most.insert("short".to_owned(), "s".repeat(size).into());
        let record = record(&stage, "grace", Value::Object(most.clone()), "/notebook").await;
        let text = serde_json::to_string(&record["facts"]).unwrap();
        assert!(text.len() <= LARGEST, "{}", text.len());
        if record["facts_cut"] == true {
            assert!(size > 3500, "{size}");
            return;
        }
        most.clear();
    }
    panic!("nothing was cut");
}

/// Of very many groups, a session keeps those that the rules ask for. They are not all groups of the person.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_session_that_keeps_some_groups_the_record_says_which_were_asked_for() {
    let stage = Stage::new().await;
    let groups: Vec<String> = (0..200).map(|number| format!("team-{number:03}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).chain(["ml-users"]).collect();
    let id_token_claims = json!({"groups": groups}).as_object().unwrap().clone();
    stage
        .sandbox
        .faults()
        .set_identity_provider(IdentityProviderFaults { id_token_claims, ..Default::default() });
    let mut grace = stage.person("grace").await;
    let before = stage.postern.audit(1).len();
    assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
    let opened = stage.postern.audit(before + 1).remove(before);
    assert_eq!(opened["facts"]["groups"], json!(["ml-users"]));
    assert_eq!(opened["facts"]["groups_asked"], json!(["contractors", "ml-risk", "ml-users"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_can_be_left_out() {
    let stage = Stage::with(SandboxOptions::default(), |text| text + "\naudit: {facts: false}\n").await;
    for (person, event) in [("grace", "grant"), ("max", "deny")] {
        let record = record(&stage, person, json!({}), "/studio").await;
        assert_eq!(record["event"], event);
        assert!(record.get("facts").is_none() && record.get("facts_cut").is_none(), "{record}");
    }
}
