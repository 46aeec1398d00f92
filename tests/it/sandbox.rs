//! The sandbox's AWS, driven by the real SDK, and its issued URLs.

mod faults;
mod sign_in;

use aws_sdk_sagemaker::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sagemaker::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use postern::clock::{Clock, UnixSeconds};
use postern::sandbox::{ACCOUNT, Sandbox, SandboxOptions, UrlStyle};
use std::time::Duration;

const DOMAIN: &str = "d-sandbox00001";
const MLFLOW_APP: &str = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-EXPERIMENTS1";
const PARTNER_APP: &str = "arn:aws:sagemaker:eu-west-1:111122223333:partner-app/app-COMET0000001";
const ROLE: &str = "arn:aws:iam::111122223333:role/postern";

async fn start() -> Sandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

fn base(sandbox: &Sandbox) -> Credentials {
    let credentials = sandbox.credentials();
    Credentials::new(&credentials.access_key_id, &credentials.secret_access_key, None, None, "sandbox")
}

fn sagemaker(sandbox: &Sandbox, credentials: Credentials) -> aws_sdk_sagemaker::Client {
    let config = aws_sdk_sagemaker::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(sandbox.sagemaker_url().as_str())
        .credentials_provider(credentials)
        .retry_config(aws_sdk_sagemaker::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sagemaker::Client::from_conf(config)
}

fn sts(sandbox: &Sandbox) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(sandbox.sts_url().as_str())
        .credentials_provider(base(sandbox))
        .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sts::Client::from_conf(config)
}

fn session(assumed: &AssumeRoleOutput) -> Credentials {
    let issued = assumed.credentials().unwrap();
    let token = Some(issued.session_token().to_owned());
    Credentials::new(issued.access_key_id(), issued.secret_access_key(), token, None, "sandbox")
}

async fn studio_url(client: &aws_sdk_sagemaker::Client, profile: &str) -> Result<String, String> {
    let call = client.create_presigned_domain_url().domain_id(DOMAIN).user_profile_name(profile);
    call.send().await.map(|output| output.authorized_url.unwrap()).map_err(|error| code(&error))
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error.as_service_error().and_then(|error| error.code()).unwrap_or("not a service error").to_owned()
}

async fn open(url: &str) -> (StatusCode, String) {
    send(Request::builder().method(Method::GET).uri(url).body(Full::default()).unwrap()).await
}

async fn send(request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn all_five_presign_calls_answer_a_url_that_opens() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, base(&sandbox));
    let urls = [
        studio_url(&client, "ada").await.unwrap(),
        client
            .create_presigned_mlflow_tracking_server_url()
            .tracking_server_name("experiments")
            .send()
            .await
            .unwrap()
            .authorized_url
            .unwrap(),
        client
            .create_presigned_notebook_instance_url()
            .notebook_instance_name("grace-notebook")
            .send()
            .await
            .unwrap()
            .authorized_url
            .unwrap(),
        client
            .create_presigned_mlflow_app_url()
            .arn(MLFLOW_APP)
            .send()
            .await
            .unwrap()
            .authorized_url
            .unwrap(),
        client.create_partner_app_presigned_url().arn(PARTNER_APP).send().await.unwrap().url.unwrap(),
    ];
    for url in urls {
        assert_eq!(open(&url).await.0, StatusCode::OK);
    }
    let calls = sandbox.calls();
    assert_eq!(calls.len(), 5);
    assert!(calls.iter().all(|call| call.service == "sagemaker" && call.error.is_none()));
    assert_eq!(calls[0].input["UserProfileName"], "ada");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_url_opens_once() {
    let sandbox = start().await;
    let url = studio_url(&sagemaker(&sandbox, base(&sandbox)), "ada").await.unwrap();
    assert_eq!(open(&url).await.0, StatusCode::OK);
    let (status, page) = open(&url).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("Link already used"));
}

#[tokio::test]
async fn a_url_expires_after_the_seconds_that_were_asked() {
    let clock = Clock::manual(UnixSeconds(1_900_000_000));
    let options = SandboxOptions { clock: clock.clone(), ..Default::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let client = sagemaker(&sandbox, base(&sandbox));
    let mint = || {
        client
            .create_presigned_domain_url()
            .domain_id(DOMAIN)
            .user_profile_name("ada")
            .expires_in_seconds(20)
            .send()
    };
    let (in_time, too_late) =
        (mint().await.unwrap().authorized_url.unwrap(), mint().await.unwrap().authorized_url.unwrap());
    clock.advance(Duration::from_secs(19));
    assert_eq!(open(&in_time).await.0, StatusCode::OK);
    clock.advance(Duration::from_secs(1));
    let (status, page) = open(&too_late).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("Link expired"));
}

#[tokio::test]
async fn the_landing_page_names_the_person_and_the_place() {
    let sandbox = start().await;
    let assumed = sts(&sandbox)
        .assume_role()
        .role_arn(ROLE)
        .role_session_name("ada@corp.example")
        .source_identity("ada@corp.example")
        .send()
        .await
        .unwrap();
    let client = sagemaker(&sandbox, session(&assumed));
    let url = client
        .create_presigned_domain_url()
        .domain_id(DOMAIN)
        .user_profile_name("ada")
        .landing_uri("app:JupyterLab:lab/tree/<b>")
        .send()
        .await
        .unwrap()
        .authorized_url
        .unwrap();
    let page = open(&url).await.1;
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/postern/ada@corp.example");
    for expected in ["app:JupyterLab:lab/tree/&lt;b&gt;", "CreatePresignedDomainUrl", DOMAIN, &arn] {
        assert!(page.contains(expected), "{expected} is missing");
    }
    assert!(!page.contains("<script") && !page.contains("<b>"));
    let call = sandbox.calls().pop().unwrap();
    assert_eq!(call.caller.source_identity.as_deref(), Some("ada@corp.example"));
    assert_eq!(call.caller.role_session_name.as_deref(), Some("ada@corp.example"));
}

#[tokio::test]
async fn a_wrong_secret_key_is_refused() {
    let sandbox = start().await;
    let key = sandbox.credentials().access_key_id.clone();
    let client = sagemaker(&sandbox, Credentials::new(key, "wrong", None, None, "test"));
    assert_eq!(studio_url(&client, "ada").await.unwrap_err(), "InvalidSignatureException");
    assert!(sandbox.calls().is_empty());
}

#[tokio::test]
async fn an_unknown_access_key_is_refused() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, Credentials::new("AKIAUNKNOWN000000000", "any", None, None, "test"));
    assert_eq!(studio_url(&client, "ada").await.unwrap_err(), "UnrecognizedClientException");
}

#[tokio::test]
async fn issued_credentials_are_good_with_their_session_token_only() {
    let sandbox = start().await;
    let assumed = sts(&sandbox).assume_role().role_arn(ROLE).role_session_name("ada").send().await.unwrap();
    assert!(studio_url(&sagemaker(&sandbox, session(&assumed)), "ada").await.is_ok());
    let issued = assumed.credentials().unwrap();
    let without = Credentials::new(issued.access_key_id(), issued.secret_access_key(), None, None, "test");
    let refused = studio_url(&sagemaker(&sandbox, without), "ada").await.unwrap_err();
    assert_eq!(refused, "UnrecognizedClientException");
}

#[tokio::test]
async fn issued_credentials_expire() {
    let clock = Clock::manual(UnixSeconds(1_900_000_000));
    let options = SandboxOptions { clock: clock.clone(), ..Default::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let assume = sts(&sandbox).assume_role().role_arn(ROLE).role_session_name("ada").duration_seconds(900);
    let client = sagemaker(&sandbox, session(&assume.send().await.unwrap()));
    clock.advance(Duration::from_secs(899));
    assert!(studio_url(&client, "ada").await.is_ok());
    clock.advance(Duration::from_secs(1));
    assert_eq!(studio_url(&client, "ada").await.unwrap_err(), "ExpiredTokenException");
}

#[tokio::test]
async fn a_session_policy_allows_its_own_profile_only() {
    let sandbox = start().await;
    // AWS compares names of profiles without case.
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
            "Action": "sagemaker:CreatePresignedDomainUrl",
            "Resource": "arn:aws:sagemaker:eu-west-1:{ACCOUNT}:user-profile/{DOMAIN}/Ada"}}]}}"#
    );
    let assume = sts(&sandbox).assume_role().role_arn(ROLE).role_session_name("ada").policy(policy);
    let client = sagemaker(&sandbox, session(&assume.send().await.unwrap()));
    assert!(studio_url(&client, "ada").await.is_ok());
    assert_eq!(studio_url(&client, "max").await.unwrap_err(), "AccessDeniedException");
    let described = client.describe_user_profile().domain_id(DOMAIN).user_profile_name("ada").send().await;
    let error = described.unwrap_err();
    let text = error.as_service_error().and_then(|error| error.message()).unwrap_or_default().to_owned();
    assert_eq!(
        text,
        format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/postern/ada is not authorized to perform: \
             sagemaker:DescribeUserProfile on resource: \
             arn:aws:sagemaker:eu-west-1:{ACCOUNT}:user-profile/{DOMAIN}/ada \
             because no session policy allows the sagemaker:DescribeUserProfile action"
        )
    );
}

#[tokio::test]
async fn a_tagged_session_needs_the_permission_for_tags() {
    let sandbox = start().await;
    let policy = |actions: &str| {
        format!(r#"{{"Statement": {{"Effect": "Allow", "Action": [{actions}], "Resource": "*"}}}}"#)
    };
    let tag = aws_sdk_sts::types::Tag::builder().key("team").value("risk").build().unwrap();
    for (actions, allowed) in [
        (r#""sagemaker:CreatePresignedDomainUrl""#, false),
        (r#""sagemaker:CreatePresignedDomainUrl*""#, true),
    ] {
        let assume = sts(&sandbox).assume_role().role_arn(ROLE).role_session_name("ada").tags(tag.clone());
        let assumed = assume.policy(policy(actions)).send().await.unwrap();
        assert_eq!(studio_url(&sagemaker(&sandbox, session(&assumed)), "ada").await.is_ok(), allowed);
    }
}

#[tokio::test]
async fn what_is_missing_or_not_ready_is_refused() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, base(&sandbox));
    assert_eq!(studio_url(&client, "nobody").await.unwrap_err(), "ResourceNotFound");
    assert_eq!(studio_url(&client, "newcomer").await.unwrap_err(), "ValidationException");
    assert_eq!(studio_url(&client, "ada.lovelace").await.unwrap_err(), "ValidationException");
    assert!(studio_url(&client, "ADA").await.is_ok());
    let stopped = client.create_presigned_mlflow_tracking_server_url().tracking_server_name("archive");
    assert_eq!(code(&stopped.send().await.unwrap_err()), "ValidationException");
    let described =
        client.describe_mlflow_tracking_server().tracking_server_name("archive").send().await.unwrap();
    assert_eq!(described.is_active.unwrap().as_str(), "Inactive");
}

#[tokio::test]
async fn any_profile_exists_where_it_is_asked_for() {
    let options = SandboxOptions { any_profile: true, ..Default::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    assert!(studio_url(&sagemaker(&sandbox, base(&sandbox)), "somebody-17").await.is_ok());
}

#[tokio::test]
async fn long_urls_open_too() {
    let options = SandboxOptions { urls: UrlStyle::LongLanding, ..Default::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let url = studio_url(&sagemaker(&sandbox, base(&sandbox)), "ada").await.unwrap();
    assert_eq!(url.len(), 4_400);
    assert_eq!(open(&url).await.0, StatusCode::OK);
}

#[tokio::test]
async fn urls_can_stand_on_the_hosts_of_aws() {
    let options = SandboxOptions { urls: UrlStyle::AwsHosts, ..Default::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let url = studio_url(&sagemaker(&sandbox, base(&sandbox)), "ada").await.unwrap();
    assert!(url.starts_with("https://d-sandbox00001.studio.eu-west-1.sagemaker.aws/auth?token="));
}

#[tokio::test]
async fn unsigned_requests_are_refused() {
    let sandbox = start().await;
    let request = Request::post(sandbox.sagemaker_url().as_str())
        .header("x-amz-target", "SageMaker.DescribeDomain")
        .body(Full::from("{}"))
        .unwrap();
    let (status, body) = send(request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("MissingAuthenticationTokenException"));
}

#[tokio::test]
async fn only_loopback_is_served() {
    let mut options = SandboxOptions::default();
    options.addresses.landing = "0.0.0.0:0".parse().unwrap();
    let refused = Sandbox::start(options).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn role_chaining_keeps_the_source_identity() {
    let sandbox = start().await;
    let client = sts(&sandbox);
    let assume = client.assume_role().role_arn(ROLE).role_session_name("ada").source_identity("ada");
    let chained = aws_sdk_sts::Client::from_conf(
        client.config().to_builder().credentials_provider(session(&assume.send().await.unwrap())).build(),
    );
    let again = || chained.assume_role().role_arn(ROLE).role_session_name("second");
    let kept = again().send().await.unwrap();
    assert_eq!(kept.source_identity(), Some("ada"));
    let changed = again().source_identity("max").send().await.unwrap_err();
    assert_eq!(code(&changed), "AccessDenied");
    let too_long = again().duration_seconds(3601).send().await.unwrap_err();
    assert_eq!(code(&too_long), "ValidationError");
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_only() {
    let options = SandboxOptions { external_id: Some("shared".to_owned()), ..Default::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let assume = || sts(&sandbox).assume_role().role_arn(ROLE).role_session_name("ada");
    assert!(assume().external_id("shared").send().await.is_ok());
    assert_eq!(code(&assume().external_id("other").send().await.unwrap_err()), "AccessDenied");
    assert_eq!(code(&assume().send().await.unwrap_err()), "AccessDenied");
}
