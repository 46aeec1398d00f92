//! The profiles that are there: whose they are, and whose name Studio's calls carry in them.

use super::{Clinic, Examined};
use postern::sandbox::{Fault, Times};
use serde_json::{Map, json};

impl Clinic {
    /// An administrator tags a profile.
    async fn tag(&self, profile: &str, person: &str) {
        let key = self.sandbox.credentials();
        let (id, secret) = (&key.access_key_id, &key.secret_access_key);
        let credentials = aws_sdk_sagemaker::config::Credentials::new(id, secret, None, None, "sandbox");
        let config = aws_sdk_sagemaker::Config::builder()
            .behavior_version(aws_sdk_sagemaker::config::BehaviorVersion::latest())
            .region(aws_sdk_sagemaker::config::Region::new("eu-west-1"))
            .endpoint_url(self.sandbox.sagemaker_url().as_str())
            .credentials_provider(credentials)
            .build();
        let tag =
            |key: &str, value: &str| aws_sdk_sagemaker::types::Tag::builder().key(key).value(value).build();
        let arn = format!("arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-sandbox00001/{profile}");
        let tagged = aws_sdk_sagemaker::Client::from_conf(config)
            .add_tags()
            .resource_arn(arn)
            .tags(tag("postern:realm", "sandbox"))
            .tags(tag("postern:person", person));
        tagged.send().await.expect("tags");
    }
}

fn found(examined: &Examined, check: &str) -> (String, String) {
    let subject = "profiles of d-sandbox00001 in eu-west-1";
    let all = examined.checks.iter();
    let found = all.clone().find(|found| found["check"] == check && found["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("no such check: {}", examined.text));
    (found["outcome"].as_str().unwrap().to_owned(), found["found"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_whose_person_is_led_elsewhere_are_listed() {
    let clinic = Clinic::new().await;
    clinic.tag("ada", "ada@corp.example").await;
    let all = "of 4 profiles: 1 with tags that name a person whom the rules lead there, 3 without tags, which are used as they \
               are, 0 of which it cannot be told";
    assert_eq!(found(&clinic.examine(&[]), "owners"), ("ok".to_owned(), all.to_owned()));

    clinic.tag("grace", "somebody@corp.example").await;
    let (outcome, told) = found(&clinic.examine(&[]), "owners");
    assert_eq!(outcome, "warning");
    assert!(told.contains(": 1 with tags that name") && told.contains("2 without tags"), "{told}");
    assert!(told.ends_with("lead elsewhere: grace (somebody@corp.example)"), "{told}");

    clinic.sandbox.faults().inject(Some("ListUserProfiles"), Fault::AccessDenied, Times::UntilCleared);
    let (outcome, told) = found(&clinic.examine(&[]), "owners");
    assert_eq!(outcome, "skipped");
    assert!(told.contains("only this check needs sagemaker:ListUserProfiles"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_studios_calls_carry_is_told_of_each_profile() {
    let clinic = Clinic::new().await;
    let (outcome, told) = found(&clinic.examine(&[]), "session-name");
    assert_eq!(outcome, "ok");
    assert!(
        told.starts_with("of 4 profiles, Studio's calls carry the name SageMaker in 4: ada, max, "),
        "{told}"
    );
    assert!(told.contains(
        "update-user-profile --region eu-west-1 --domain-id d-sandbox00001 --user-profile-name ada "
    ));
    let set = json!({"UserSettings": {"StudioWebPortalSettings": {"ExecutionRoleSessionNameMode": "USER_IDENTITY"}}});
    let set: Map<_, _> = set.as_object().unwrap().clone();
    clinic.sandbox.faults().inject(Some("DescribeUserProfile"), Fault::Described(set), Times::UntilCleared);
    assert_eq!(
        found(&clinic.examine(&[]), "session-name").1,
        "of 4 profiles, none hides the person's name from Studio's calls"
    );
}
