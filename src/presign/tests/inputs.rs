//! What is asked of SageMaker.

use super::*;
use crate::target::{
    LandingUri, MlflowAppArn, NotebookInstanceName, PartnerAppArn, SpaceName, TrackingServerName,
};
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

fn twenty() -> Option<ExpiresInSeconds> {
    Some(ExpiresInSeconds::new(20).unwrap())
}

fn half_an_hour() -> Option<SessionExpirationSeconds> {
    Some(SessionExpirationSeconds::new(1800).unwrap())
}

#[tokio::test]
async fn a_studio_domain_is_asked_for_with_every_field() {
    let (operation, input, url) = asked(Target::StudioDomain {
        domain_id: DomainId::parse("d-abc").unwrap(),
        user_profile_name: UserProfileName::parse("ada").unwrap(),
        space_name: Some(SpaceName::parse("shared").unwrap()),
        landing_uri: Some(LandingUri::parse("app:JupyterLab:lab/tree/a.ipynb").unwrap()),
        expires_in: twenty(),
        session_expiration: half_an_hour(),
    })
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
    let (_, input, _) = asked(Target::StudioDomain {
        domain_id: DomainId::parse("d-abc").unwrap(),
        user_profile_name: UserProfileName::parse("ada").unwrap(),
        space_name: None,
        landing_uri: None,
        expires_in: None,
        session_expiration: None,
    })
    .await;
    assert_eq!(input, json!({"DomainId": "d-abc", "UserProfileName": "ada"}));
}

#[tokio::test]
async fn a_tracking_server_is_asked_for_by_name() {
    let (operation, input, url) = asked(Target::MlflowTrackingServer {
        tracking_server_name: TrackingServerName::parse("risk").unwrap(),
        expires_in: twenty(),
        session_expiration: half_an_hour(),
    })
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
    let (operation, input, url) = asked(Target::MlflowApp {
        arn: MlflowAppArn::parse(MLFLOW_APP).unwrap(),
        expires_in: twenty(),
        session_expiration: half_an_hour(),
    })
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
    let (operation, input, url) = asked(Target::NotebookInstance {
        notebook_instance_name: NotebookInstanceName::parse("nb").unwrap(),
        session_expiration: half_an_hour(),
    })
    .await;
    assert_eq!(operation, "CreatePresignedNotebookInstanceUrl");
    assert_eq!(input, json!({"NotebookInstanceName": "nb", "SessionExpirationDurationInSeconds": 1800}));
    assert_eq!(url, "https://nb.notebook.eu-west-1.sagemaker.aws?authToken=a");
}

#[tokio::test]
async fn a_partner_app_answers_in_another_field() {
    let (operation, input, url) = asked(Target::PartnerApp {
        arn: PartnerAppArn::parse(PARTNER_APP).unwrap(),
        expires_in: twenty(),
        session_expiration: half_an_hour(),
    })
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
