//! Profiles that are created on a first visit, and domains that open elsewhere.

use crate::support::stage::Stage;
use crate::support::visitor::{Answer, Visitor};
use postern::sandbox::{Call, Fault, SandboxOptions, Times};
use serde_json::{Value, json};
use std::time::Duration;

const PACE: Duration = Duration::from_secs(2);
const CREATE: &str = "CreateUserProfile";

async fn stage(change: impl Fn(String) -> String) -> Stage {
    let options = SandboxOptions { pace: PACE, ..SandboxOptions::default() };
    Stage::with(options, |text| change(text) + "\nlimits: {mints_per_minute: 600}\n").await
}

fn creations(stage: &Stage) -> Vec<Call> {
    let mut calls = stage.sandbox.calls();
    calls.retain(|call| call.operation == CREATE);
    calls
}

async fn until_opened(visitor: &mut Visitor, stage: &Stage, path: &str) -> Answer {
    for _ in 0..100 {
        let answer = visitor.get(&stage.postern.at(path)).await.checked();
        if answer.status != 409 {
            return answer;
        }
        assert!(!answer.header("refresh").is_empty(), "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("{path} never opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_creates_a_profile_that_is_the_persons() {
    let role = "arn:aws:iam::111122223333:role/studio-user";
    let stage = stage(|text| {
        text.replace(
            "create_profile: {tags:",
            &format!("create_profile: {{execution_role: \"{role}\", tags:"),
        )
    })
    .await;
    stage.sandbox.faults().inject(Some(CREATE), Fault::Lag(Duration::from_secs(1)), Times::UntilCleared);
    let mut nora = stage.person("nora").await;
    assert!(creations(&stage).is_empty(), "the list creates nothing");
    let path = "/studio/lab/tree/work/a.ipynb";
    let waiting = nora.get(&stage.postern.at(path)).await.checked();
    assert_eq!(waiting.status, 409, "{}", waiting.body);
    assert!(waiting.body.contains("It is being prepared"), "{}", waiting.body);
    assert_eq!(waiting.header("refresh"), format!("5;url={path}?-try=1"));
    let opened = until_opened(&mut nora, &stage, path).await;
    assert_eq!(opened.status, 302, "{}", opened.body);

    let calls = creations(&stage);
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!((call.caller.role_session_name.as_deref(), &call.error), (Some("nora@corp.example"), &None));
    assert_eq!(call.input["UserProfileName"], "nora");
    let tag = |key: &str, value: &str| json!({"Key": key, "Value": value});
    assert_eq!(
        call.input["Tags"],
        json!([
            tag("postern:realm", "sandbox"),
            tag("postern:person", "nora@corp.example"),
            tag("cost-center", "0042")
        ])
    );
    assert_eq!(
        call.input["UserSettings"],
        json!({"ExecutionRole": role, "StudioWebPortalSettings": {"ExecutionRoleSessionNameMode": "USER_IDENTITY"}})
    );
    let assumed = stage.sandbox.calls().into_iter().filter(|call| call.operation == "AssumeRole");
    let policies: Vec<String> =
        assumed.filter_map(|call| call.input["Policy"].as_str().map(str::to_owned)).collect();
    let policy = policies.iter().find(|policy| policy.contains(CREATE)).expect("a session");
    let policy: Value = serde_json::from_str(policy).unwrap();
    let arn = "arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-sandbox00001/nora";
    assert_eq!(
        policy["Statement"],
        json!([
            {"Effect": "Allow", "Action": ["sagemaker:CreateUserProfile", "sagemaker:AddTags"], "Resource": arn},
            {"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": role}
        ])
    );
    let records = stage.postern.audit_at_rest();
    let created: Vec<_> = records.iter().filter(|record| record["event"] == "create-profile").collect();
    assert_eq!(
        (&created[0]["user"], &created[0]["outcome"]),
        (&json!("nora@corp.example"), &json!("created"))
    );
    assert_eq!(created[0]["facts"]["path"], "lab/tree/work/a.ipynb");
    assert!(created[0]["facts"]["groups"].as_array().unwrap().contains(&json!("ml-users")));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_visits_at_once_create_one() {
    let stage = stage(|text| text).await;
    let nora = stage.person("nora").await;
    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (mut tab, url) = (nora.clone(), stage.postern.at("/studio"));
        visits.spawn(async move { tab.get(&url).await.checked().status.as_u16() });
    }
    assert!(visits.join_all().await.iter().all(|status| *status == 409));
    assert_eq!(creations(&stage).len(), 1);
    // Somebody else created it between the look and the call.
    let mut late = stage.person("nora").await;
    assert_eq!(until_opened(&mut late, &stage, "/studio").await.status, 302);
    assert_eq!(creations(&stage).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_persons_visit_creates_a_profile() {
    let stage = stage(|text| text).await;
    let nora = stage.person("nora").await;
    let at = |path: &str| stage.postern.at(path);
    for visitor in [
        stage.program("nora"),
        nora.clone().with("sec-purpose", "prefetch"),
        nora.clone().with("sec-fetch-dest", "iframe"),
        nora.clone().with("sec-fetch-site", "cross-site").without("sec-fetch-user"),
    ] {
        for path in ["/studio", "/studio/lab/tree/x"] {
            _ = visitor.clone().get(&at(path)).await.checked();
            _ = visitor.clone().send(hyper::Method::HEAD, &at(path), None).await;
        }
    }
    let minted = stage.program("nora").post(&at("/-/api/destinations/studio/url"), "").await.checked();
    assert_eq!((minted.status.as_u16(), minted.reason().as_str()), (409, "not-ready"));
    assert!(creations(&stage).is_empty());
    // Nobody else's rules name a profile that is created for them.
    assert_eq!(stage.person("olga").await.get(&at("/studio")).await.checked().status, 403);
    assert!(creations(&stage).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_another_person_stays_closed() {
    let stage = stage(|text| text).await;
    let mut grace = stage.person("grace").await;
    let untagged = grace.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!(untagged.status, 302, "one that Postern did not create is used: {}", untagged.body);
    let key = stage.sandbox.credentials();
    let credentials = aws_sdk_sagemaker::config::Credentials::new(
        &key.access_key_id,
        &key.secret_access_key,
        None,
        None,
        "sandbox",
    );
    let config = aws_sdk_sagemaker::Config::builder()
        .behavior_version(aws_sdk_sagemaker::config::BehaviorVersion::latest())
        .region(aws_sdk_sagemaker::config::Region::new("eu-west-1"))
        .endpoint_url(stage.sandbox.sagemaker_url().as_str())
        .credentials_provider(credentials)
        .build();
    let admin = aws_sdk_sagemaker::Client::from_conf(config);
    let tag = |key: &str, value: &str| aws_sdk_sagemaker::types::Tag::builder().key(key).value(value).build();
    let arn = "arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-sandbox00001/grace";
    let tagged = admin
        .add_tags()
        .resource_arn(arn)
        .tags(tag("postern:realm", "sandbox"))
        .tags(tag("postern:person", "somebody@corp.example"));
    tagged.send().await.unwrap();
    let mints = stage.mints().len();
    let mut refused = grace.get(&stage.postern.at("/studio")).await.checked();
    for _ in 0..80 {
        if refused.status == 403 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        refused = grace.get(&stage.postern.at("/studio")).await.checked();
    }
    assert_eq!(refused.status, 403, "within the time that a state counts");
    assert!(
        refused.body.contains("somebody else's") && !refused.body.contains("somebody@"),
        "{}",
        refused.body
    );
    let mints_then = stage.mints().len();
    let program = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((program.status.as_u16(), program.reason().as_str()), (403, "profile-of-another"));
    assert_eq!(stage.mints().len(), mints_then, "nothing is minted");
    assert!(mints_then > mints);
    for _ in 0..100 {
        if stage.postern.audit_text().matches("\"reason\":\"profile-of-another\"").count() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let records = stage.postern.audit_at_rest();
    let refused: Vec<_> = records.iter().filter(|record| record["reason"] == "profile-of-another").collect();
    assert_eq!(refused.len(), 2, "one record for each visit");
    assert!(refused.iter().all(|record| record["outcome"] == "failed" && record["event"] == "grant"));
    // What cannot be told is not opened.
    stage.sandbox.faults().inject(Some("ListTags"), Fault::AccessDenied, Times::UntilCleared);
    let mut nora = stage.program("nora");
    let unknown = nora.get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((unknown.status.as_u16(), unknown.reason().as_str()), (502, "refused-by-aws"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_tells_why() {
    let stage = stage(|text| text).await;
    for (fault, status, heading) in [
        (Fault::Quota, 409, "A quota is used up"),
        (Fault::AccessDenied, 502, "AWS did not let us open this"),
    ] {
        stage.sandbox.faults().inject(Some(CREATE), fault, Times::Next(1));
        let page = stage.person("nora").await.get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(page.status.as_u16(), status);
        assert!(page.body.contains(heading), "{}", page.body);
    }
    stage.sandbox.faults().inject(Some(CREATE), Fault::StartFails, Times::Next(1));
    let mut nora = stage.person("nora").await;
    let mut page = nora.get(&stage.postern.at("/studio")).await.checked();
    for _ in 0..80 {
        if page.body.contains("failed state") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        page = nora.get(&stage.postern.at("/studio")).await.checked();
    }
    assert!(page.body.contains("AWS says: <q>The execution role cannot be assumed"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_that_open_elsewhere_are_recognised_before_a_url_is_asked_for() {
    for (domain, words) in
        [("d-singlesignon", "IAM Identity Center"), ("d-unified00001", "Unified Studio only")]
    {
        let stage =
            stage(|text| text.replace("domain_id: d-sandbox00001", &format!("domain_id: {domain}"))).await;
        let mut grace = stage.person("grace").await;
        let page = grace.get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(page.status, 409);
        assert!(page.body.contains(words) && page.body.contains("This opens elsewhere"), "{}", page.body);
        let program = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
        assert_eq!(program.reason(), "sso-domain");
        assert!(stage.mints().is_empty() && creations(&stage).is_empty());
        let described = stage.sandbox.calls().into_iter().filter(|call| call.operation == "DescribeDomain");
        assert_eq!(described.count(), 1, "the answer is kept");
        drop(stage);
        let sent_on = super::profiles::stage(|text| {
            text.replace("domain_id: d-sandbox00001", &format!("domain_id: {domain}")).replace(
                "    paths: [\"lab/tree/**\"]\n",
                "    sso_domain: redirect\n    paths: [\"lab/tree/**\"]\n",
            )
        })
        .await;
        let answer = sent_on.person("grace").await.get(&sent_on.postern.at("/studio")).await.checked();
        assert_eq!(answer.location(), format!("https://{domain}.studio.eu-west-1.sagemaker.aws"));
        assert!(sent_on.mints().is_empty());
    }
    // Without the permission to ask, the presign call decides.
    let stage = stage(|text| text.replace("domain_id: d-sandbox00001", "domain_id: d-singlesignon")).await;
    stage.sandbox.faults().inject(Some("DescribeDomain"), Fault::AccessDenied, Times::UntilCleared);
    let program = stage.program("grace").get(&stage.postern.at("/studio")).await.checked();
    assert_eq!((program.status.as_u16(), program.reason().as_str()), (502, "refused-by-aws"));
}
