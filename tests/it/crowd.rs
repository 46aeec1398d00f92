//! Many people at once: each URL reaches the person whose profile was in the call, and none is handed out twice.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::{Fault, SandboxOptions, Times, Token};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

const PEOPLE: usize = 200;
const LAUNCHES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_people_land_in_their_own_profiles() {
    let options = SandboxOptions { any_profile: true, ..SandboxOptions::default() };
    let stage = Stage::with(options, |text| {
        text.replace("    paths: [\"lab/tree/**\"]", "    prewarm: true")
            + "\nlimits: {mints_per_minute: 600}\n"
    })
    .await;
    stage.sandbox.faults().inject(None, Fault::Jitter(Duration::from_millis(120)), Times::UntilCleared);
    let studio = stage.postern.at("/studio");
    let mut visits = tokio::task::JoinSet::new();
    for number in 0..PEOPLE {
        let person = format!("person-{number}");
        let claims = Token::new(stage.sandbox.access_claims(&person)).claim("groups", json!(["ml-users"]));
        let mut visitor = Visitor::program().bearer(&stage.sandbox.token(&claims).unwrap());
        let studio = studio.clone();
        visits.spawn(async move {
            let mut landed = Vec::new();
            for _ in 0..LAUNCHES {
                let handed_out = visitor.get(&studio).await.checked();
                assert_eq!(handed_out.status, 302, "{person}: {}", handed_out.body);
                let url = handed_out.next().unwrap();
                let page = visitor.clone().without("authorization").get(&url).await;
                assert_eq!(page.status, 200, "{person}: the URL was used before");
                assert!(
                    page.body.contains(&format!(">{person}<")),
                    "{person} landed elsewhere: {}",
                    page.body
                );
                landed.push(url);
            }
            landed
        });
    }
    let mut urls = HashSet::new();
    while let Some(landed) = visits.join_next().await {
        for url in landed.expect("a visit") {
            assert!(urls.insert(url), "a URL was handed out twice");
        }
    }
    assert_eq!(urls.len(), PEOPLE * LAUNCHES);
    for call in stage.sandbox.calls().iter().filter(|call| call.operation == "CreatePresignedDomainUrl") {
        let profile = call.input["UserProfileName"].as_str().unwrap();
        assert_eq!(call.caller.source_identity.as_deref(), Some(&*format!("{profile}@corp.example")));
    }
}
