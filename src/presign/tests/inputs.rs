//! The inputs of calls to SageMaker.

use super::*;
use serde_json::{Value, json};

const MLFLOW_APP: &str = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-ABC";
const PARTNER_APP: &str = "arn:aws:sagemaker:eu-west-1:111122223333:partner-app/app-ABCDEF123456";

/// Mints and gives back the operation, its input and the URL.
async fn asked(target: Target) -> (String, Value, String) {
    let stage = Stage::well().await;
    let grant = Grant::for_tests("corp", "ada", mint(target));
    let presigned = stage.presign(&grant).await.unwrap();
    let operation = presigned.facts.operation;
    let calls = stage.aws.calls(operation);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].access_key_id, "AKIAOWN");
    assert_eq!(presigned.facts.aws_request_id.as_deref(), Some(&*format!("request-{}", calls[0].number)));
    assert_eq!(presigned.facts.role_session_name, None);
    (operation.to_owned(), calls[0].input.clone(), text(presigned))
}

#[tokio::test]
async fn a_studio_domain_is_asked_for_with_every_field() {
    let (operation, input, url) = asked(Target::for_tests(
        Kind::StudioDomain,
        &[
            ("domain_id", "d-abc"),
            ("user_profile_name", "ada"),
            ("space_name", "shared"),
            ("landing_uri", "app:JupyterLab:lab/tree/a.ipynb"),
        ],
        &[(EXPIRES_IN_SECONDS, 20), (SESSION_EXPIRATION_SECONDS, 1800)],
    ))
    .await;
    assert_eq!(operation, "CreatePresignedDomainUrl");
    assert_eq!(
        input,
        json!({
            "DomainId": "d-abc",
            "UserProfileName": "ada",
            "SpaceName": "shared",
            "LandingUri": "app:JupyterLab:lab/tree/a.ipynb",
            "ExpiresInSeconds": 20,
            "SessionExpirationDurationInSeconds": 1800
        })
    );
    assert!(url.starts_with("https://d-abc.studio.eu-west-1.sagemaker.aws/auth?token=ada."));
}

#[tokio::test]
async fn what_is_not_configured_is_not_sent() {
    let (_, input, _) = asked(Target::for_tests(
        Kind::StudioDomain,
        &[("domain_id", "d-abc"), ("user_profile_name", "ada")],
        &[],
    ))
    .await;
    assert_eq!(input, json!({"DomainId": "d-abc", "UserProfileName": "ada"}));
}

#[tokio::test]
async fn a_tracking_server_is_asked_for_by_name() {
    let (operation, input, url) = asked(Target::for_tests(
        Kind::MlflowTrackingServer,
        &[("tracking_server_name", "risk")],
        &[(EXPIRES_IN_SECONDS, 20), (SESSION_EXPIRATION_SECONDS, 1800)],
    ))
    .await;
    assert_eq!(operation, "CreatePresignedMlflowTrackingServerUrl");
    assert_eq!(
        input,
        json!({
            "TrackingServerName": "risk",
            "ExpiresInSeconds": 20,
            "SessionExpirationDurationInSeconds": 1800
        })
    );
    assert_eq!(url, "https://t-1.eu-west-1.experiments.sagemaker.aws/auth?authToken=a");
}

#[tokio::test]
async fn an_mlflow_app_is_asked_for_by_arn() {
    let (operation, input, url) = asked(Target::for_tests(
        Kind::MlflowApp,
        &[("arn", MLFLOW_APP)],
        &[(EXPIRES_IN_SECONDS, 20), (SESSION_EXPIRATION_SECONDS, 1800)],
    ))
    .await;
    assert_eq!(operation, "CreatePresignedMlflowAppUrl");
    assert_eq!(
        input,
        json!({"Arn": MLFLOW_APP, "ExpiresInSeconds": 20, "SessionExpirationDurationInSeconds": 1800})
    );
    assert_eq!(url, "https://mlflow.sagemaker.eu-west-1.app.aws/auth?authToken=a");
}

#[tokio::test]
async fn a_notebook_instance_is_asked_for_without_an_expiry() {
    let (operation, input, url) = asked(Target::for_tests(
        Kind::NotebookInstance,
        &[("notebook_instance_name", "nb")],
        &[(SESSION_EXPIRATION_SECONDS, 1800)],
    ))
    .await;
    assert_eq!(operation, "CreatePresignedNotebookInstanceUrl");
    assert_eq!(input, json!({"NotebookInstanceName": "nb", "SessionExpirationDurationInSeconds": 1800}));
    assert_eq!(url, "https://nb.notebook.eu-west-1.sagemaker.aws?authToken=a");
}

#[tokio::test]
async fn a_partner_app_answers_in_another_field() {
    let (operation, input, url) = asked(Target::for_tests(
        Kind::PartnerApp,
        &[("arn", PARTNER_APP)],
        &[(EXPIRES_IN_SECONDS, 20), (SESSION_EXPIRATION_SECONDS, 1800)],
    ))
    .await;
    assert_eq!(operation, "CreatePartnerAppPresignedUrl");
    assert_eq!(
        input,
        json!({"Arn": PARTNER_APP, "ExpiresInSeconds": 20, "SessionExpirationDurationInSeconds": 1800})
    );
    assert_eq!(url, "https://app-1.partner.eu-west-1.sagemaker.aws/auth?authToken=a");
}

#[tokio::test]
async fn a_mint_goes_to_its_own_region_and_endpoint() {
    let stage = Stage::well().await;
    let elsewhere = Mint {
        region: Region::parse("eu-central-1").unwrap(),
        endpoint_url: Some(format!("{}/vpce", stage.aws.url())),
        ..mint(studio("ada"))
    };
    stage.presign(&Grant::for_tests("corp", "ada", elsewhere)).await.unwrap();
    stage.presign(&ada()).await.unwrap();
    let calls = stage.aws.calls("CreatePresignedDomainUrl");
    assert_eq!((&*calls[0].region, &*calls[0].path), ("eu-central-1", "/vpce/"));
    assert_eq!((&*calls[1].region, &*calls[1].path), ("eu-west-1", "/"));
}
