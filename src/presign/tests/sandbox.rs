//! The same against the sandbox, which verifies signatures and holds sessions to their policies.

use super::*;
use crate::config::AuthorizedHost;
use crate::sandbox::{Fault, Sandbox, SandboxOptions, Times};

async fn stage() -> (Sandbox, Arc<Presigner>) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let landing = sandbox.landing_url();
    let mut setup = Setup::new();
    setup.clock = Clock::system();
    setup.config.endpoint_url = Some(sandbox.sagemaker_url().clone());
    setup.config.sts_endpoint_url = Some(sandbox.sts_url().clone());
    setup.config.authorized_url_hosts =
        vec![AuthorizedHost { host: landing.host_str().unwrap().to_owned(), port: landing.port() }];
    let own = sandbox.credentials();
    let own = Credentials::new(&own.access_key_id, &own.secret_access_key, None, None, "sandbox");
    setup.credentials = SharedCredentialsProvider::new(own);
    (sandbox, setup.presigner().await)
}

fn sandbox_studio() -> Target {
    Target::for_tests(
        Kind::StudioDomain,
        &[("domain_id", "d-sandbox00001"), ("user_profile_name", "ada")],
        &[],
    )
}

#[tokio::test]
async fn every_kind_of_target_is_minted_within_its_scoped_policy() {
    let (sandbox, presigner) = stage().await;
    let arn = |resource: &str| format!("arn:aws:sagemaker:eu-west-1:111122223333:{resource}");
    for target in [
        sandbox_studio(),
        Target::for_tests(Kind::MlflowTrackingServer, &[("tracking_server_name", "risk")], &[]),
        Target::for_tests(Kind::MlflowApp, &[("arn", &arn("mlflow-app/app-EXPERIMENTS1"))], &[]),
        Target::for_tests(Kind::NotebookInstance, &[("notebook_instance_name", "grace-notebook")], &[]),
        Target::for_tests(Kind::PartnerApp, &[("arn", &arn("partner-app/app-COMET0000001"))], &[]),
    ] {
        for mint in [mint(target.clone()), with_role(target.clone())] {
            let grant = Grant::for_tests("corp", "ada@corp.example", mint);
            presigner.presign(&grant, None, far_off()).await.unwrap();
        }
        assert_eq!(
            presigner.describe(&Grant::for_tests("corp", "ada", mint(target))).await,
            TargetState::Ready
        );
    }
    let refused: Vec<_> = sandbox.calls().into_iter().filter(|call| call.error.is_some()).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn a_target_that_is_not_there_is_missing() {
    let (_sandbox, presigner) = stage().await;
    let target = Target::for_tests(Kind::MlflowTrackingServer, &[("tracking_server_name", "nowhere")], &[]);
    let presigned = presigner.presign(&Grant::for_tests("corp", "ada", mint(target)), None, far_off()).await;
    assert_eq!(state(presigned), TargetState::Missing);
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again() {
    let (sandbox, presigner) = stage().await;
    sandbox.faults().inject(Some("CreatePresignedDomainUrl"), Fault::CutBody, Times::Next(1));
    presigner
        .presign(&Grant::for_tests("corp", "ada", with_role(sandbox_studio())), None, far_off())
        .await
        .unwrap();
}
