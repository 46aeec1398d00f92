//! Answers of AWS, and their effects.

use super::aws_fake::{json_error, sts_error};
use super::*;
use crate::aws::error::BadAnswer;
use aws_credential_types::provider::ProvideCredentials;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

/// A stage where only presign calls go wrong.
async fn presign_answers(reply: Reply) -> Stage {
    Setup::new().with(move |call| presigns(call).then(|| reply.clone())).await
}

fn answer(url: &str) -> Reply {
    Reply::Json(200, json!({"AuthorizedUrl": url}))
}

#[tokio::test]
async fn errors_are_told_apart_by_their_code() {
    for (status, code, expected) in [
        (400, "AccessDeniedException", AwsErrorKind::Refused),
        (400, "ValidationException", AwsErrorKind::Refused),
        (400, "ExpiredTokenException", AwsErrorKind::Credentials),
        (400, "UnrecognizedClientException", AwsErrorKind::Credentials),
        (403, "com.amazonaws.sagemaker#AccessDeniedException", AwsErrorKind::Refused),
    ] {
        let stage = presign_answers(json_error(status, code)).await;
        let PresignError::Aws(error) = stage.presign(&ada()).await.expect_err(code) else { panic!("{code}") };
        assert_eq!(error.kind, expected, "{code}");
        assert_eq!(error.code.as_deref(), code.rsplit('#').next());
        assert!(error.request_id.unwrap().starts_with("request-"));
        assert!(error.message.contains("said by AWS"), "{}", error.message);
        assert_eq!(stage.aws.calls("CreatePresignedDomainUrl").len(), 1, "{code} is not tried again");
    }
}

/// An answer tells the SDK how far the clock is from AWS's, but the call itself is lost.
#[tokio::test]
async fn a_signature_is_made_again() {
    let refused = AtomicUsize::new(0);
    let refuses_one = move |call: &Call| {
        let is_first = presigns(call) && refused.fetch_add(1, Ordering::SeqCst) == 0;
        is_first.then(|| json_error(400, "InvalidSignatureException"))
    };
    let stage = Setup::new().with(refuses_one).await;
    stage.presign(&ada()).await.unwrap();
    let stage = presign_answers(json_error(400, "InvalidSignatureException")).await;
    assert_eq!(kind(stage.presign(&ada()).await), AwsErrorKind::Credentials);
    assert_eq!(stage.aws.calls("CreatePresignedDomainUrl").len(), 3);
}

#[tokio::test]
async fn a_failing_service_is_tried_three_times() {
    for reply in [
        json_error(500, "InternalFailure"),
        json_error(503, "ServiceUnavailable"),
        json_error(400, "InternalServerException"),
        Reply::Text(502, "<html>Bad Gateway</html>".to_owned()),
        Reply::Close,
    ] {
        let shown = format!("{reply:?}");
        let stage = presign_answers(reply).await;
        assert_eq!(kind(stage.presign(&ada()).await), AwsErrorKind::Unavailable, "{shown}");
        assert_eq!(stage.aws.calls("CreatePresignedDomainUrl").len(), 3, "{shown}");
    }
}

#[tokio::test]
async fn a_passing_fault_is_not_seen() {
    for reply in [
        json_error(500, "InternalFailure"),
        json_error(400, "ThrottlingException"),
        Reply::CutOff,
        Reply::Close,
    ] {
        let faults = AtomicUsize::new(1);
        let shown = format!("{reply:?}");
        let stage = Setup::new()
            .with(move |call| {
                (presigns(call) && faults.swap(0, Ordering::SeqCst) == 1).then(|| reply.clone())
            })
            .await;
        stage.presign(&ada()).await.expect(&shown);
        assert_eq!(stage.aws.calls("CreatePresignedDomainUrl").len(), 2, "{shown}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unavailable() {
    let mut setup = Setup::new();
    setup.config.timeout = Duration::from_secs(2);
    let stage = setup.with(|_| None).await;
    let mint = Mint { endpoint_url: Some("http://127.0.0.1:1".to_owned()), ..mint(studio("ada")) };
    let presigned = stage.presign(&Grant::for_tests("corp", "ada", mint)).await;
    assert_eq!(kind(presigned), AwsErrorKind::Unavailable);
}

#[tokio::test]
async fn throttling_of_everything_ends_within_three_seconds() {
    let stage = Setup::new()
        .with(|call| {
            Some(match &*call.operation {
                "AssumeRole" => sts_error(400, "Throttling"),
                _ => json_error(400, "ThrottlingException"),
            })
        })
        .await;
    let started = Instant::now();
    let with_role = Grant::for_tests("corp", "ada", with_role(studio("ada")));
    let grant = ada();
    let (first, second) = tokio::join!(stage.presign(&grant), stage.presign(&with_role));
    // 2.6 s by design; the rest is for a machine that is busy with something else.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    for result in [first, second] {
        let AwsErrorKind::Throttled { retry_after } = kind(result) else { panic!("not throttled") };
        assert!((2..=6).contains(&retry_after.as_secs()), "{retry_after:?}");
    }
    assert!(stage.aws.calls("CreatePresignedDomainUrl").len() <= 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_of_half_of_all_calls_is_not_seen() {
    // Every other call of each person fails, so that the outcome does not depend on the order of the people.
    let presigned: Mutex<HashMap<String, usize>> = Mutex::default();
    let stage = Setup::new()
        .with(move |call| {
            let person = presigns(call).then(|| call.input["UserProfileName"].to_string())?;
            let mut presigned = presigned.lock().unwrap();
            let count = presigned.entry(person).or_default();
            *count += 1;
            (!count.is_multiple_of(2)).then(|| json_error(400, "ThrottlingException"))
        })
        .await;
    let launches = 400;
    let failed = launch_all(&stage, launches).await;
    assert_eq!(failed, 0);
    let calls = stage.aws.calls("CreatePresignedDomainUrl").len();
    assert!(calls <= 2 * launches, "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_bounded_for_the_whole_process() {
    let stage = presign_answers(json_error(400, "ThrottlingException")).await;
    let launches = 400;
    assert_eq!(launch_all(&stage, launches).await, launches);
    let calls = stage.aws.calls("CreatePresignedDomainUrl").len();
    assert!(calls < launches + 250, "{calls}");
}

/// Launches, twenty people at a time; returns the number of failures.
async fn launch_all(stage: &Stage, launches: usize) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for person in 0..20 {
        let presigner = Arc::clone(&stage.presigner);
        let user = format!("user-{person}");
        let grant = Grant::for_tests("corp", &user, mint(studio(&user)));
        tasks.spawn(async move {
            let mut failed = 0;
            for _ in 0..launches / 20 {
                if let Err(error) = presigner.presign(&grant, None, far_off()).await {
                    println!("{error}");
                    failed += 1;
                }
            }
            failed
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test]
async fn the_deadline_holds_whatever_is_slow() {
    for slow in ["CreatePresignedDomainUrl", "AssumeRole"] {
        let mut setup = Setup::new();
        setup.config.timeout = Duration::from_millis(600);
        let stage = setup
            .with(move |call| {
                (call.operation == slow)
                    .then(|| Reply::After(Duration::from_secs(30), Box::new(Reply::Close)))
            })
            .await;
        let started = Instant::now();
        let grant = Grant::for_tests("corp", "ada", with_role(studio("ada")));
        assert_eq!(kind(stage.presign(&grant).await), AwsErrorKind::OutOfTime, "{slow}");
        assert!(started.elapsed() < Duration::from_millis(1200), "{slow}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_hanging_connection_leaves_time_for_another() {
    let mut setup = Setup::new();
    setup.config.timeout = Duration::from_secs(1);
    let first = AtomicUsize::new(1);
    let stage = setup
        .with(move |call| {
            (presigns(call) && first.swap(0, Ordering::SeqCst) == 1)
                .then(|| Reply::After(Duration::from_secs(30), Box::new(Reply::Close)))
        })
        .await;
    stage.presign(&ada()).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_a_usable_url_is_a_bad_answer() {
    let bad = |why| Err(AwsErrorKind::BadAnswer(why));
    for (reply, expected) in [
        (Reply::Json(200, json!({})), Ok(BadUrl::Absent)),
        (Reply::Json(200, json!({"AuthorizedUrl": null})), Ok(BadUrl::Absent)),
        (answer(""), Ok(BadUrl::Absent)),
        (answer("http://d.studio.eu-west-1.sagemaker.aws/auth?token=t0ken"), Ok(BadUrl::NotHttps)),
        (answer("https://studio.example/auth?token=t0ken"), Ok(BadUrl::ForeignHost)),
        (answer("https://a@d.studio.eu-west-1.sagemaker.aws/auth?token=t0ken"), Ok(BadUrl::Userinfo)),
        (answer(&format!("https://d.sagemaker.aws/?token=t0ken{}", "a".repeat(17_000))), Ok(BadUrl::TooLong)),
        (
            answer(&format!("https://d.sagemaker.aws/?token=t0ken{}", "a".repeat(200_000))),
            bad(BadAnswer::TooLong),
        ),
        (Reply::Text(200, r#"{"AuthorizedUrl": 5, "t0ken": 1}"#.to_owned()), bad(BadAnswer::Unparseable)),
        (
            Reply::Text(200, r#"{"AuthorizedUrl": "https://d.sagemaker.aws/?t0ken"#.to_owned()),
            bad(BadAnswer::Unparseable),
        ),
        (Reply::Text(200, "<html>t0ken</html>".to_owned()), bad(BadAnswer::Unparseable)),
        (Reply::CutOff, bad(BadAnswer::CutOff)),
    ] {
        let shown = format!("{reply:?}");
        let stage = presign_answers(reply).await;
        let error = stage.presign(&ada()).await.expect_err(&shown);
        assert_eq!(error.as_str(), "bad-answer", "{shown}");
        assert!(!format!("{error} {error:?}").contains("t0ken"), "{error:?}");
        let found = match error {
            PresignError::BadUrl { why, .. } => Ok(why),
            other => Err(kind(Err(other))),
        };
        assert_eq!(found, expected, "{shown}");
    }
}

/// AWS reports by a code that no target has this name.
#[tokio::test]
async fn a_target_that_is_not_found_is_missing() {
    let stage = presign_answers(json_error(400, "ResourceNotFound")).await;
    assert_eq!(state(stage.presign(&ada()).await), TargetState::Missing);
    assert_eq!(stage.aws.calls("CreatePresignedDomainUrl").len(), 1, "it is not tried again");
}

#[tokio::test]
async fn a_long_url_is_handed_on_byte_for_byte() {
    let url = format!("https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token={}%2f+", "a".repeat(15_000));
    let stage = presign_answers(answer(&url)).await;
    assert_eq!(text(stage.presign(&ada()).await.unwrap()), url);
}

#[tokio::test]
async fn a_gateway_without_credentials_says_so() {
    #[derive(Debug)]
    struct Nothing;
    impl ProvideCredentials for Nothing {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            aws_credential_types::provider::future::ProvideCredentials::ready(Err(
                aws_credential_types::provider::error::CredentialsError::not_loaded("nothing is configured"),
            ))
        }
    }
    let mut setup = Setup::new();
    setup.credentials = SharedCredentialsProvider::new(Nothing);
    let stage = setup.with(|_| None).await;
    let presigned = stage.presign(&ada()).await;
    assert!(presigned.as_ref().unwrap_err().message().contains("nothing is configured"), "{presigned:?}");
    assert_eq!(kind(presigned), AwsErrorKind::Credentials);
}
