//! Minting as one person: AssumeRole and its cache.

use super::aws_fake::{assumed, sts_error};
use super::*;
use serde_json::Value;

fn as_person(user: &str) -> Grant {
    Grant::for_tests("corp", user, with_role(studio("ada")))
}

/// The AssumeRole calls for people, without those of state look-ups.
fn people(stage: &Stage) -> Vec<Call> {
    let mut calls = stage.aws.calls("AssumeRole");
    calls.retain(|call| call.input["RoleSessionName"] != "postern");
    calls
}

#[tokio::test]
async fn the_session_carries_the_persons_name_and_only_their_rights() {
    let mut setup = Setup::new();
    setup.config.external_id = Some("external".to_owned());
    setup.config.session_tags = vec![("team".to_owned(), "ml".to_owned())];
    let stage = setup.with(|_| None).await;
    let presigned = stage.presign(&as_person("ada@corp.example")).await.unwrap();
    assert_eq!(presigned.facts.role_session_name.as_deref(), Some("ada@corp.example"));

    let calls = people(&stage);
    assert_eq!(calls.len(), 1);
    let input = &calls[0].input;
    assert_eq!(calls[0].access_key_id, "AKIAOWN");
    assert_eq!(input["RoleArn"], ROLE);
    assert_eq!(input["RoleSessionName"], "ada@corp.example");
    assert_eq!(input["SourceIdentity"], "ada@corp.example");
    assert_eq!(input["ExternalId"], "external");
    assert_eq!(input["DurationSeconds"], "900");
    assert_eq!((&input["Tags.member.1.Key"], &input["Tags.member.1.Value"]), (&"team".into(), &"ml".into()));
    let policy: Value = serde_json::from_str(input["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Resource"],
        "arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-abc/ada"
    );

    let mint = &stage.aws.calls("CreatePresignedDomainUrl")[0];
    assert_eq!(mint.access_key_id, format!("ASIA{}", calls[0].number));
}

#[tokio::test]
async fn a_state_is_looked_up_in_nobodys_name() {
    let stage = Stage::well().await;
    stage.presign(&as_person("ada")).await.unwrap();
    let look_up =
        stage.aws.calls("AssumeRole").into_iter().find(|call| call.input["RoleSessionName"] == "postern");
    let look_up = look_up.expect("a session for the look-up");
    assert_eq!(look_up.input.get("SourceIdentity"), None);
    let policy: Value = serde_json::from_str(look_up.input["Policy"].as_str().unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    for action in actions {
        let action = action.as_str().unwrap();
        let reads = action.starts_with("sagemaker:Describe") || action == "sagemaker:ListTags";
        assert!(reads, "it may only read: {policy}");
    }
    assert_eq!(stage.aws.calls("DescribeUserProfile")[0].access_key_id, format!("ASIA{}", look_up.number));
}

#[tokio::test]
async fn what_is_switched_off_is_not_sent() {
    let mut setup = Setup::new();
    setup.config.source_identity = false;
    setup.config.scoped_session_policy = false;
    let stage = setup.with(|_| None).await;
    stage.presign(&as_person("ada")).await.unwrap();
    let input = &people(&stage)[0].input;
    for absent in ["SourceIdentity", "Policy", "ExternalId", "Tags.member.1.Key"] {
        assert_eq!(input.get(absent), None);
    }
}

#[tokio::test]
async fn the_realm_is_said_where_there_are_several() {
    let mut setup = Setup::new();
    setup.sole_realm = None;
    let stage = setup.with(|_| None).await;
    let mut names = Vec::new();
    for realm in ["corp", "partners"] {
        let grant = Grant::for_tests(realm, "ada", with_role(studio("ada")));
        names.push(stage.presign(&grant).await.unwrap().facts.role_session_name.unwrap());
    }
    assert_eq!(names, ["ada=corp", "ada=partners"]);
    assert_eq!(people(&stage).len(), 2, "each has a session of their own");
}

#[tokio::test]
async fn credentials_are_reused_for_the_same_complete_input_only() {
    let stage = Stage::well().await;
    for _ in 0..3 {
        stage.presign(&as_person("ada")).await.unwrap();
    }
    assert_eq!(people(&stage).len(), 1);
    stage.presign(&as_person("max")).await.unwrap();
    assert_eq!(people(&stage).len(), 2, "another person");
    stage.presign(&Grant::for_tests("corp", "ada", with_role(studio("other")))).await.unwrap();
    assert_eq!(people(&stage).len(), 3, "another resource in the policy");
    let role = RoleArn::parse("arn:aws:iam::444455556666:role/other").unwrap();
    let other = Mint { role_arn: Some(role), ..mint(studio("ada")) };
    stage.presign(&Grant::for_tests("corp", "ada", other)).await.unwrap();
    assert_eq!(people(&stage).len(), 4, "another role");
    stage.presign(&as_person("ada")).await.unwrap();
    assert_eq!(people(&stage).len(), 4, "the first is still known");
}

#[tokio::test]
async fn credentials_are_not_used_in_their_last_minute() {
    // 1 800 000 000 is 2027-01-15T08:00:00Z.
    let stage = Setup::new()
        .with(|call| (call.operation == "AssumeRole").then(|| assumed(call, "2027-01-15T08:04:00Z")))
        .await;
    stage.presign(&as_person("ada")).await.unwrap();
    stage.clock.advance(Duration::from_secs(179));
    stage.presign(&as_person("ada")).await.unwrap();
    assert_eq!(people(&stage).len(), 1);
    stage.clock.advance(Duration::from_secs(1));
    stage.presign(&as_person("ada")).await.unwrap();
    assert_eq!(people(&stage).len(), 2);
}

#[tokio::test]
async fn a_person_who_hangs_up_does_not_cost_another_theirs() {
    let stage = Setup::new()
        .with(|call| {
            (call.operation == "AssumeRole").then(|| {
                let well = assumed(call, "2100-01-01T00:00:00Z");
                Reply::After(Duration::from_millis(200), Box::new(well))
            })
        })
        .await;
    let grant = as_person("ada");
    let gone = tokio::time::timeout(Duration::from_millis(50), stage.presign(&grant)).await;
    assert!(gone.is_err());
    stage.presign(&grant).await.unwrap();
    assert_eq!(people(&stage).len(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_role_is_final() {
    for (code, expected) in [
        ("AccessDenied", AwsErrorKind::Refused),
        ("ExpiredToken", AwsErrorKind::Credentials),
        ("InvalidClientTokenId", AwsErrorKind::Credentials),
    ] {
        let stage = Setup::new()
            .with(move |call| (call.operation == "AssumeRole").then(|| sts_error(403, code)))
            .await;
        let error = stage.presign(&as_person("ada")).await;
        assert!(error.as_ref().unwrap_err().message().starts_with("AssumeRole: "), "{error:?}");
        assert_eq!(kind(error), expected);
        assert_eq!(people(&stage).len(), 1, "{code} is not tried again");
        assert!(stage.aws.calls("CreatePresignedDomainUrl").is_empty(), "and not with other rights");
    }
}
