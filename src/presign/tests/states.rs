//! The known state of a target, and that the look-up delays nobody: tested by the order of calls, never by time.

use super::aws_fake::json_error;
use super::*;
use serde_json::json;
use std::sync::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const DESCRIBE: &str = "DescribeUserProfile";
const PRESIGN: &str = "CreatePresignedDomainUrl";

/// AWS's answers about a profile and to a presign call; a test changes them as it goes on.
#[derive(Clone)]
struct Told {
    described: Arc<Mutex<Reply>>,
    presigned: Arc<Mutex<Option<Reply>>>,
}

impl Told {
    fn describe(&self, reply: Reply) {
        *self.described.lock().unwrap() = reply;
    }

    fn presign(&self, reply: Option<Reply>) {
        *self.presigned.lock().unwrap() = reply;
    }
}

fn is(status: &str) -> Reply {
    Reply::Json(200, json!({"Status": status}))
}

/// A reply that waits until the test adds a permit.
fn held(reply: Reply) -> (Arc<Semaphore>, Reply) {
    let permits = Arc::new(Semaphore::new(0));
    (Arc::clone(&permits), Reply::When(permits, Box::new(reply)))
}

async fn stage(described: Reply) -> (Stage, Told) {
    let told = Told { described: Arc::new(Mutex::new(described)), presigned: Arc::default() };
    let answers = told.clone();
    let stage = Setup::new().with(move |call| match &*call.operation {
        DESCRIBE => Some(answers.described.lock().unwrap().clone()),
        PRESIGN => answers.presigned.lock().unwrap().clone(),
        _ => None,
    });
    (stage.await, told)
}

impl Stage {
    async fn asked(&self, operation: &str, times: usize) {
        for _ in 0..500 {
            if self.aws.calls(operation).len() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{operation} was not asked for {times} times");
    }

    /// Launches in a task of its own.
    fn launching(&self) -> JoinHandle<Result<Presigned, PresignError>> {
        let presigner = Arc::clone(&self.presigner);
        tokio::spawn(async move { presigner.presign(&ada(), None, far_off()).await })
    }

    fn count(&self, operation: &str) -> usize {
        self.aws.calls(operation).len()
    }
}

#[tokio::test]
async fn an_unknown_state_is_looked_up_beside_the_launch() {
    let (held, reply) = held(is("InService"));
    let (stage, _) = stage(reply).await;
    stage.presign(&ada()).await.unwrap();
    stage.asked(DESCRIBE, 1).await;
    held.add_permits(1);
    // The answer came late, and still serves the portal.
    assert_eq!(stage.presigner.describe(&ada()).await, TargetState::Ready);
    assert_eq!(stage.count(DESCRIBE), 1);
}

#[tokio::test]
async fn a_state_that_is_found_out_first_counts_and_the_url_is_dropped() {
    for (status, found) in [("Pending", TargetState::Pending("Pending".to_owned())), ("Failed", failed())] {
        let (stage, told) = stage(is(status)).await;
        let (held, reply) = held(Reply::Json(200, json!({"AuthorizedUrl": "https://d.sagemaker.aws/"})));
        told.presign(Some(reply));
        assert_eq!(state(stage.presign(&ada()).await), found);
        held.add_permits(9);
        // A target that is known not to be usable is not presigned again.
        let presigned = stage.count(PRESIGN);
        assert_eq!(state(stage.presign(&ada()).await), found);
        assert_eq!(stage.count(PRESIGN), presigned);
        assert_eq!(stage.presigner.slots.filled(), 0);
    }
}

#[tokio::test]
async fn a_refusal_is_explained_by_the_state() {
    let (held, reply) = held(is("Failed"));
    let (stage, told) = stage(reply).await;
    told.presign(Some(json_error(400, "ValidationException")));
    let launching = stage.launching();
    stage.asked(PRESIGN, 1).await;
    held.add_permits(1);
    assert_eq!(state(launching.await.unwrap()), failed());
}

#[tokio::test]
async fn a_refusal_of_a_usable_target_stays_one() {
    let (stage, told) = stage(is("InService")).await;
    told.presign(Some(json_error(400, "ValidationException")));
    assert_eq!(kind(stage.presign(&ada()).await), AwsErrorKind::Refused);
}

#[tokio::test]
async fn a_usable_state_counts_while_it_is_looked_up_again() {
    let (stage, told) = stage(is("InService")).await;
    assert_eq!(stage.presigner.describe(&ada()).await, TargetState::Ready);
    stage.clock.advance(Duration::from_secs(14));
    stage.presign(&ada()).await.unwrap();
    assert_eq!(stage.count(DESCRIBE), 1, "it is fresh");

    stage.clock.advance(Duration::from_secs(1));
    let (held, reply) = held(is("Failed"));
    told.describe(reply);
    stage.presign(&ada()).await.unwrap();
    stage.asked(DESCRIBE, 2).await;
    stage.presign(&ada()).await.unwrap();
    assert_eq!(stage.count(DESCRIBE), 2, "all wait for the one answer");
    held.add_permits(1);
    assert_eq!(stage.presigner.describe(&ada()).await, failed());
    let presigned = stage.count(PRESIGN);
    state(stage.presign(&ada()).await);
    assert_eq!(stage.count(PRESIGN), presigned);
}

#[tokio::test]
async fn a_usable_state_counts_for_ten_minutes_at_most() {
    let (stage, told) = stage(is("InService")).await;
    assert_eq!(stage.presigner.describe(&ada()).await, TargetState::Ready);
    told.describe(json_error(500, "InternalFailure"));
    for _ in 0..39 {
        stage.clock.advance(Duration::from_secs(15));
        assert_eq!(
            stage.presigner.describe(&ada()).await,
            TargetState::Ready,
            "a failure to look changes nothing"
        );
    }
    stage.clock.advance(Duration::from_secs(15));
    assert_eq!(stage.presigner.describe(&ada()).await, TargetState::Unknown);
}

#[tokio::test]
async fn a_state_that_was_not_usable_is_waited_for() {
    let (stage, told) = stage(is("Pending")).await;
    stage.presigner.describe(&ada()).await;
    stage.clock.advance(Duration::from_secs(15));
    let (held, reply) = held(is("InService"));
    told.describe(reply);
    let launching = stage.launching();
    stage.asked(DESCRIBE, 2).await;
    assert_eq!(stage.count(PRESIGN), 0);
    held.add_permits(1);
    launching.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_contradicted_state_is_looked_at_again_after_two_seconds() {
    let (stage, told) = stage(is("InService")).await;
    assert_eq!(stage.presigner.describe(&ada()).await, TargetState::Ready);
    told.presign(Some(json_error(400, "ResourceNotFound")));
    assert_eq!(state(stage.presign(&ada()).await), TargetState::Missing);
    told.presign(None);
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(state(stage.presign(&ada()).await), TargetState::Missing);
    assert_eq!((stage.count(DESCRIBE), stage.count(PRESIGN)), (1, 1), "it counts for two seconds");
    stage.clock.advance(Duration::from_secs(1));
    stage.presign(&ada()).await.unwrap();
    assert_eq!((stage.count(DESCRIBE), stage.count(PRESIGN)), (2, 2));
}

#[tokio::test]
async fn a_failed_look_up_is_made_again_after_two_seconds_and_later_where_aws_is_throttling() {
    for (code, again) in [("InternalFailure", 2), ("ThrottlingException", 15)] {
        let (stage, _) = stage(json_error(400, code)).await;
        assert_eq!(stage.presigner.describe(&ada()).await, TargetState::Unknown);
        stage.clock.advance(Duration::from_secs(again - 1));
        stage.presigner.describe(&ada()).await;
        assert_eq!(stage.count(DESCRIBE), 1, "{code}");
        stage.clock.advance(Duration::from_secs(1));
        stage.presigner.describe(&ada()).await;
        assert_eq!(stage.count(DESCRIBE), 2, "{code}");
    }
}

#[tokio::test]
async fn a_look_up_that_fails_or_hangs_does_not_stand_in_the_way() {
    for reply in [
        json_error(400, "AccessDeniedException"),
        json_error(400, "ThrottlingException"),
        Reply::Text(200, "{".to_owned()),
        is("SomethingNew"),
        held(is("Failed")).1,
    ] {
        let shown = format!("{reply:?}");
        let (stage, _) = stage(reply).await;
        stage.presign(&ada()).await.expect(&shown);
    }
}

#[tokio::test]
async fn a_state_is_looked_up_once_for_all_who_ask() {
    let (held, reply) = held(is("InService"));
    let (stage, _) = stage(reply).await;
    let grant = ada();
    let answers = async {
        stage.asked(DESCRIBE, 1).await;
        held.add_permits(1);
    };
    let (first, second, ()) =
        tokio::join!(stage.presigner.describe(&grant), stage.presigner.describe(&grant), answers);
    assert_eq!((first, second), (TargetState::Ready, TargetState::Ready));
    assert_eq!(stage.count(DESCRIBE), 1);
}

/// One session looks up all targets of a role and region, so a person's first launch begins only their own.
#[tokio::test]
async fn a_first_launch_begins_one_session() {
    let stage = Stage::well().await;
    let launch = |user: &str, profile: &str| Grant::for_tests("corp", user, with_role(studio(profile)));
    stage.presign(&launch("max", "max")).await.unwrap();
    stage.presigner.describe(&launch("max", "max")).await;
    let look_up = stage.aws.calls(DESCRIBE)[0].access_key_id.clone();
    for (number, user) in ["ada", "eve", "kim"].into_iter().enumerate() {
        let begun = stage.count("AssumeRole");
        stage.presign(&launch(user, user)).await.unwrap();
        stage.asked(DESCRIBE, number + 2).await;
        let calls = stage.aws.calls("AssumeRole");
        assert_eq!(calls.len(), begun + 1, "{user}");
        assert_eq!(calls[begun].input["RoleSessionName"], user);
        assert_eq!(stage.aws.calls(DESCRIBE)[number + 1].access_key_id, look_up);
    }
    let role = RoleArn::parse("arn:aws:iam::444455556666:role/other").unwrap();
    let other = Mint { role_arn: Some(role), ..mint(studio("ada")) };
    let begun = stage.count("AssumeRole");
    stage.presigner.describe(&Grant::for_tests("corp", "ada", other)).await;
    assert_eq!(stage.count("AssumeRole"), begun + 1, "another role looks for itself");
}

fn failed() -> TargetState {
    TargetState::Failed { status: "Failed".to_owned(), reason: None }
}
