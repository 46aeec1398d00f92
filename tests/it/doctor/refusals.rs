//! What STS says of the tags that a pod's session passes on, and what to do about it.

use super::*;
use crate::support::aws_fake::{AwsFake, Reply};

const ROLE: &str = "role arn:aws:iam::111122223333:role/postern";

fn refusal(code: &str, message: &str) -> Reply {
    let text = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>11111111-2222-3333-4444-555555555555</RequestId></ErrorResponse>"
    );
    Reply::Text(403, text)
}

fn identity() -> Reply {
    let text = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                <Arn>arn:aws:sts::111122223333:assumed-role/postern-task/eks-prod-postern</Arn><UserId>A:b</UserId>\
                <Account>111122223333</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId>\
                </ResponseMetadata></GetCallerIdentityResponse>";
    Reply::Text(200, text.to_owned())
}

/// What is said of the role where STS refuses to have it assumed.
async fn of_role(code: &'static str, message: &'static str) -> Value {
    let sts = AwsFake::start(move |call| match &*call.operation {
        "GetCallerIdentity" => Some(identity()),
        _ => Some(refusal(code, message)),
    });
    let sts = sts.await;
    let clinic = Clinic::new().await;
    let sandboxed = clinic.sandbox.sts_url().as_str().trim_end_matches('/').to_owned();
    clinic.configure(|text| text.replace(&sandboxed, &sts.url()));
    clinic.examine(&[]).check(ROLE, "assume").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_may_not_go_along() {
    let told = of_role(
        "AccessDenied",
        "User: arn:aws:sts::111122223333:assumed-role/postern-task/eks-prod-postern is not authorized to perform: \
         sts:TagSession on resource: arn:aws:iam::111122223333:role/postern",
    );
    let told = told.await;
    assert_eq!(told["outcome"], "failed", "{told}");
    let remedy = told["remedy"].as_str().unwrap();
    for part in
        ["allow sts:TagSession", "trust policy", "`postern iam`", "EKS Pod Identity", "`disableSessionTags`"]
    {
        assert!(remedy.contains(part), "{part}: {remedy}");
    }
    assert!(!remedy.contains("external_id"), "nothing is said of that: {remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_a_policy_that_are_too_large_together() {
    for code in ["PackedPolicyTooLarge", "PackedPolicyTooLargeException"] {
        let told = of_role(code, "Packed size of session tags consumes 112% of allotted space.").await;
        let remedy = told["remedy"].as_str().unwrap();
        for part in ["too large", "`aws.session_tags`", "EKS Pod Identity", "`disableSessionTags`"] {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
    }
}
