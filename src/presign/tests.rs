//! Presigning over the wire, with the real SDK against a stand-in for AWS.

#[path = "../../tests/it/support/aws_fake.rs"]
mod aws_fake;

mod answers;
mod hand_out;
mod inputs;
#[cfg(feature = "sandbox")]
mod sandbox;
mod sessions;
mod states;
mod trouble;

use super::error::{BadUrl, PresignError};
use super::{Presigned, Presigner};
use crate::aws::error::AwsErrorKind;
use crate::aws::state::TargetState;
use crate::aws::{Aws, Connections, Credentials, SharedCredentialsProvider};
use crate::clock::{Clock, UnixSeconds};
use crate::config::AwsConfig;
use crate::http_client::HttpClient;
use crate::policy::grant::Grant;
use crate::sessions::SessionId;
use crate::state::State;
use crate::target::{EXPIRES_IN_SECONDS, Kind, Mint, Region, RoleArn, SESSION_EXPIRATION_SECONDS, Target};
use aws_fake::{AwsFake, Call, Reply};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const ROLE: &str = "arn:aws:iam::111122223333:role/postern";

/// A gateway's presigner before its stand-in for AWS; each test changes the part that it tests.
struct Setup {
    config: AwsConfig,
    clock: Clock,
    sole_realm: Option<Arc<str>>,
    credentials: SharedCredentialsProvider,
}

struct Stage {
    aws: AwsFake,
    presigner: Arc<Presigner>,
    clock: Clock,
}

impl Setup {
    fn new() -> Self {
        Self {
            config: AwsConfig {
                region: Region::parse("eu-west-1").unwrap(),
                role_arn: None,
                source_identity: true,
                scoped_session_policy: true,
                external_id: None,
                session_tags: Vec::new(),
                timeout: Duration::from_secs(5),
                calls_at_once: 64,
                endpoint_url: None,
                sts_endpoint_url: None,
                authorized_url_hosts: Vec::new(),
            },
            clock: Clock::manual(UnixSeconds(1_800_000_000)),
            sole_realm: Some("corp".into()),
            credentials: SharedCredentialsProvider::new(Credentials::new(
                "AKIAOWN", "secret", None, None, "test",
            )),
        }
    }

    async fn presigner(self) -> Arc<Presigner> {
        let Self { config, clock, sole_realm, credentials } = self;
        let metrics = Arc::default();
        let aws = Aws::new(
            &config,
            clock.clone(),
            State::in_memory(clock.clone()),
            Arc::clone(&metrics),
            &Connections::new(&HttpClient::new().unwrap()).unwrap(),
            Some(credentials),
        )
        .await
        .unwrap();
        Arc::new(Presigner::new(aws, &config.authorized_url_hosts, sole_realm, clock, metrics))
    }

    async fn with(mut self, behaviour: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) -> Stage {
        let aws = AwsFake::start(behaviour).await;
        self.config.endpoint_url = Some(aws.url().parse().unwrap());
        self.config.sts_endpoint_url = Some(aws.url().parse().unwrap());
        let clock = self.clock.clone();
        Stage { aws, presigner: self.presigner().await, clock }
    }
}

/// Later than every step of a test.
fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

impl Stage {
    async fn well() -> Self {
        Setup::new().with(|_| None).await
    }

    async fn presign(&self, grant: &Grant) -> Result<Presigned, PresignError> {
        self.presigner.presign(grant, Some(&session(grant)), far_off()).await
    }

    /// Waits until the one slot has been filled.
    async fn prewarmed(&self, grant: &Grant) {
        self.presigner.prewarm(grant.clone(), &session(grant));
        for _ in 0..200 {
            if self.presigner.slots.filled() == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the slot was not filled");
    }
}

fn studio(profile: &str) -> Target {
    Target::for_tests(
        Kind::StudioDomain,
        &[("domain_id", "d-abc"), ("user_profile_name", profile)],
        &[(EXPIRES_IN_SECONDS, 20), (SESSION_EXPIRATION_SECONDS, 1800)],
    )
}

fn mint(target: Target) -> Mint {
    Mint {
        target,
        region: Region::parse("eu-west-1").unwrap(),
        role_arn: None,
        endpoint_url: None,
        fragment: None,
        access: None,
    }
}

fn with_role(target: Target) -> Mint {
    Mint { role_arn: Some(RoleArn::parse(ROLE).unwrap()), ..mint(target) }
}

/// The session of a grant's person.
fn session(grant: &Grant) -> SessionId {
    let person = grant.principal();
    SessionId::for_tests(&format!("{} {}", person.realm, person.user))
}

fn ada() -> Grant {
    Grant::for_tests("corp", "ada", mint(studio("ada")))
}

fn text(presigned: Presigned) -> String {
    presigned.url.into_api_answer().to_string()
}

/// The kind of an error that AWS caused.
fn kind(result: Result<Presigned, PresignError>) -> AwsErrorKind {
    match result.expect_err("there is no URL") {
        PresignError::Aws(error) => error.kind,
        other => panic!("{other:?}"),
    }
}

/// The state in which the target was found.
fn state(result: Result<Presigned, PresignError>) -> TargetState {
    match result.expect_err("there is no URL") {
        PresignError::NotReady { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

fn presigns(call: &Call) -> bool {
    call.operation.contains("Presigned")
}
