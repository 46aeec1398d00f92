//! Faults of AWS's side, as the real SDK sees them.

use super::{DOMAIN, base, code, sagemaker, start, studio_url};
use postern::sandbox::{Fault, Times};
use std::time::Duration;

#[tokio::test]
async fn a_fault_ends_after_its_calls() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, base(&sandbox));
    sandbox.faults().inject(Some("CreatePresignedDomainUrl"), Fault::Throttle, Times::Next(2));
    assert!(client.describe_domain().domain_id(DOMAIN).send().await.is_ok());
    for _ in 0..2 {
        assert_eq!(studio_url(&client, "ada").await.unwrap_err(), "ThrottlingException");
    }
    assert!(studio_url(&client, "ada").await.is_ok());
}

#[tokio::test]
async fn a_fault_for_every_second_call_hits_half_of_them() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, base(&sandbox));
    sandbox.faults().inject(None, Fault::InternalFailure, Times::Every(2));
    let mut failed = 0;
    for _ in 0..10 {
        failed += usize::from(studio_url(&client, "ada").await.is_err());
    }
    assert_eq!(failed, 5);
}

#[tokio::test]
async fn faults_of_the_answer_reach_the_client_as_such() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, base(&sandbox));
    let faults = sandbox.faults();
    for (fault, expected) in [
        (Fault::InternalFailure, "InternalFailure"),
        (Fault::Unavailable, "ServiceUnavailable"),
        (Fault::AccessDenied, "AccessDeniedException"),
        (Fault::ExpiredToken, "ExpiredTokenException"),
        (Fault::CutBody, "not a service error"),
        (Fault::NotAws, "not a service error"),
    ] {
        faults.inject(None, fault.clone(), Times::Next(1));
        assert_eq!(studio_url(&client, "ada").await.unwrap_err(), expected, "{fault:?}");
    }
    for (fault, start, length) in [
        (Fault::ForeignHost, "https://evil.example/", 0),
        (Fault::InsecureUrl, "http://d-sandbox00001.studio.eu-west-1.sagemaker.aws/", 0),
        (Fault::LongUrl(15_000), sandbox.landing_url().as_str(), 15_000),
    ] {
        faults.inject(None, fault, Times::Next(1));
        let url = studio_url(&client, "ada").await.unwrap();
        assert!(url.starts_with(start) && url.len() >= length);
    }
    faults.inject(None, Fault::MissingUrl, Times::Next(1));
    let call = client.create_presigned_domain_url().domain_id(DOMAIN).user_profile_name("ada");
    assert_eq!(call.send().await.unwrap().authorized_url, None);
    faults.inject(None, Fault::Stopped, Times::Next(1));
    let call = client.create_presigned_mlflow_tracking_server_url().tracking_server_name("experiments");
    assert_eq!(code(&call.send().await.unwrap_err()), "ValidationException");
}

#[tokio::test]
async fn a_slow_call_takes_its_time() {
    let sandbox = start().await;
    let client = sagemaker(&sandbox, base(&sandbox));
    sandbox.faults().inject(None, Fault::Slow(Duration::from_millis(200)), Times::UntilCleared);
    let started = std::time::Instant::now();
    assert!(studio_url(&client, "ada").await.is_ok());
    assert!(started.elapsed() >= Duration::from_millis(200));
}
