//! Credentials that end before their time, a slow domain, and answers whose request id is malformed.

use super::aws_fake::{json_error, sts_error};
use super::*;
use crate::target::Value;
use aws_credential_types::provider::{ProvideCredentials, future};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

const PRESIGN: &str = "CreatePresignedDomainUrl";

fn as_ada() -> Grant {
    Grant::for_tests("corp", "ada", with_role(studio("ada")))
}

/// The access keys that signed the calls of an operation, in order; without those of state look-ups.
fn signers(stage: &Stage, operation: &str) -> Vec<String> {
    let calls = stage.aws.calls(operation).into_iter();
    let calls = calls.filter(|call| call.input["RoleSessionName"] != "postern");
    calls.map(|call| call.access_key_id).collect()
}

/// A source that has other credentials each time it is asked: `AKIA1`, `AKIA2`, …
#[derive(Debug, Default)]
struct Rotated(AtomicUsize);

impl ProvideCredentials for Rotated {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let id = format!("AKIA{}", self.0.fetch_add(1, Ordering::SeqCst) + 1);
        future::ProvideCredentials::ready(Ok(Credentials::new(id, "secret", None, None, "test")))
    }
}

fn rotated() -> Setup {
    Setup { credentials: SharedCredentialsProvider::new(Rotated::default()), ..Setup::new() }
}

#[tokio::test]
async fn a_session_that_aws_no_longer_takes_is_begun_anew_inside_the_launch() {
    for code in ["ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"] {
        let refused = AtomicUsize::new(0);
        let stage = Setup::new().with(move |call| {
            let is_first = call.operation == PRESIGN && refused.fetch_add(1, Ordering::SeqCst) == 0;
            is_first.then(|| json_error(400, code))
        });
        let stage = stage.await;
        stage.presign(&as_ada()).await.expect(code);
        let [first, second] = &*signers(&stage, PRESIGN) else { panic!("{code}: two calls") };
        assert_ne!(first, second, "{code}: by other credentials");
        assert_eq!(signers(&stage, "AssumeRole").len(), 2, "{code}");
        stage.presign(&as_ada()).await.expect(code);
        assert_eq!(signers(&stage, PRESIGN)[2], *second, "{code}: the new ones are kept");
    }
}

#[tokio::test]
async fn credentials_that_are_refused_twice_are_refused() {
    let stage = Setup::new()
        .with(|call| (call.operation == PRESIGN).then(|| json_error(400, "ExpiredTokenException")));
    let stage = stage.await;
    assert_eq!(kind(stage.presign(&as_ada()).await), AwsErrorKind::Credentials);
    assert_eq!((signers(&stage, PRESIGN).len(), signers(&stage, "AssumeRole").len()), (2, 2));
}

#[tokio::test]
async fn own_credentials_that_aws_no_longer_takes_are_fetched_anew() {
    let expired = |call: &Call| call.access_key_id == "AKIA1";
    for (grant, operation) in [(ada(), PRESIGN), (as_ada(), "AssumeRole")] {
        let stage = rotated().with(move |call| match &*call.operation {
            "AssumeRole" if expired(call) => Some(sts_error(403, "ExpiredToken")),
            "DescribeDomain" => None,
            _ if expired(call) => Some(json_error(400, "ExpiredTokenException")),
            _ => None,
        });
        let stage = stage.await;
        stage.presign(&grant).await.expect(operation);
        let signers: Vec<_> = stage.aws.calls(operation).into_iter().map(|call| call.access_key_id).collect();
        assert_eq!(signers[..2], ["AKIA1", "AKIA2"]);
    }
}

#[tokio::test]
async fn one_slow_domain_leaves_half_of_the_calls_to_others() {
    let mut setup = Setup::new();
    setup.config.calls_at_once = 4;
    setup.config.timeout = Duration::from_secs(60);
    let stage = setup.with(|call| {
        let is_slow = call.input["DomainId"] == "d-slow";
        is_slow.then(|| Reply::When(Arc::new(Semaphore::new(0)), Box::new(Reply::Close)))
    });
    let stage = stage.await;
    let slow = |user: usize| {
        let target = studio(&format!("user-{user}"));
        mint(target.with("domain_id", Value::Text("d-slow".into())).unwrap())
    };
    let calls_to_it = || {
        let calls = ["DescribeUserProfile", PRESIGN].map(|operation| stage.aws.calls(operation));
        calls.iter().flatten().filter(|call| call.input["DomainId"] == "d-slow").count()
    };
    let mut launches = tokio::task::JoinSet::new();
    // More people than may wait, so that some fail at once.
    for user in 0..600 {
        let (presigner, mint) = (Arc::clone(&stage.presigner), slow(user));
        launches.spawn(async move {
            let grant = Grant::for_tests("corp", &format!("user-{user}"), mint);
            presigner.presign(&grant, None, far_off()).await
        });
    }
    let overfull = launches.join_next().await.unwrap().unwrap();
    assert!(overfull.as_ref().unwrap_err().message().contains("d-slow"), "{overfull:?}");
    assert_eq!(kind(overfull), AwsErrorKind::Unavailable);
    while calls_to_it() < 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..8 {
        stage.presign(&ada()).await.unwrap();
    }
    assert_eq!(calls_to_it(), 2);
}

#[tokio::test]
async fn what_is_no_request_id_is_left_out() {
    let long = "a".repeat(65);
    for (id, kept) in [
        ("11111111-2222-3333-4444-555555555555", true),
        ("7QDVAAVHKLTL2M4V0JKDGM7FHPCPAGBCEFFHJHRHGGWTSNB4CWJM", true),
        (&*long, false),
        ("", false),
        ("https://d.sagemaker.aws/auth?token=t0ken", false),
        ("a b", false),
        ("a\tb", false),
        ("é", false),
    ] {
        for refusal in [None, Some(json_error(400, "AccessDeniedException"))] {
            let (id, is_refused) = (id.to_owned(), refusal.is_some());
            let url = serde_json::json!({"AuthorizedUrl": "https://d.studio.sagemaker.aws/auth?token=a"});
            let reply = refusal.unwrap_or(Reply::Json(200, url));
            let reply = Reply::WithId(id.clone(), Box::new(reply));
            let stage = Setup::new().with(move |call| presigns(call).then(|| reply.clone())).await;
            let presigned = stage.presign(&ada()).await;
            assert_eq!(presigned.is_err(), is_refused);
            let found = match &presigned {
                Ok(presigned) => presigned.facts.aws_request_id.as_deref(),
                Err(error) => error.aws_request_id(),
            };
            let expected = if kept { Some(&*id) } else { Some("[left-out]") };
            assert_eq!(found, expected, "{id}");
            assert!(!format!("{presigned:?}").contains("t0ken"), "{presigned:?}");
        }
    }
}
