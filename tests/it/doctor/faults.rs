//! One fault at a time.

use super::{Clinic, Examined};
use crate::support::jwks_server::JwksServer;
use crate::support::postern::free_port;
use crate::support::tls::Authority;
use postern::clock::{Clock, UnixSeconds};
use postern::sandbox::{Fault, SandboxOptions, Times};
use serde_json::json;

const ROLE: &str = "role arn:aws:iam::111122223333:role/postern";

/// The one failure, its cause and what to do; and what was not tried because of it.
#[track_caller]
fn fails(examined: &Examined, subject: &str, check: &str, cause: &str, remedy: &str, skipped: &[&str]) {
    assert_eq!(examined.status, 1, "{}", examined.text);
    assert_eq!(examined.with_outcome("failed"), [format!("{subject}, {check}")], "{}", examined.text);
    let told = examined.check(subject, check);
    assert!(told["found"].as_str().unwrap().contains(cause), "{cause}: {told}");
    assert!(told["remedy"].as_str().unwrap().contains(remedy), "{remedy}: {told}");
    assert_eq!(examined.with_outcome("skipped"), skipped, "{}", examined.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_secret() {
    let clinic = Clinic::new().await;
    clinic.write("sandbox-client-secret", b"renewed");
    let examined = clinic.examine_as("grace");
    fails(&examined, "sign_in", "client", "invalid_client", "`sign_in.client_secret`", &[]);
    std::fs::remove_file(clinic.folder.path().join("sandbox-client-secret")).unwrap();
    let examined = clinic.examine_as("grace");
    fails(&examined, "sign_in", "client", "cannot be read", "correct `sign_in.client_secret`", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_issuer() {
    let clinic = Clinic::new().await;
    let ours = clinic.sandbox.issuer_text().to_owned();
    let other = ours.replace("127.0.0.1", "localhost");
    clinic.configure(|text| text.replace(&ours, &other));
    let examined = clinic.examine_as("grace");
    let cause = format!("`issuer` in the discovery document of `{other}` is not exactly that: `{ours}`");
    let skipped = ["issuers.sandbox, keys", "sign_in, client", "sign_in, redirect-uri"];
    fails(&examined, "issuers.sandbox", "discovery", &cause, "character by character", &skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_provider() {
    let clinic = Clinic::new().await;
    let ours = clinic.sandbox.issuer_text().to_owned();
    let skipped = ["issuers.sandbox, keys", "sign_in, client", "sign_in, redirect-uri"];
    clinic.configure(|text| text.replace(&ours, &format!("{ours}/realms/none")));
    let examined = clinic.examine_as("grace");
    fails(
        &examined,
        "issuers.sandbox",
        "discovery",
        "answered 404",
        "/.well-known/openid-configuration",
        &skipped,
    );
    clinic.configure(|text| text.replace(&ours, &format!("http://127.0.0.1:{}", free_port())));
    let examined = clinic.examine_as("grace");
    fails(&examined, "issuers.sandbox", "discovery", "cannot be reached", "DNS", &skipped);
    let verbose = JwksServer::start().await;
    verbose.serve("/.well-known/openid-configuration", " ".repeat(256 * 1024 + 1));
    clinic.configure(|text| text.replace(&ours, &verbose.base));
    let examined = clinic.examine_as("grace");
    fails(&examined, "issuers.sandbox", "discovery", "more than 256 KiB", "ask who runs it", &skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_for_what_is_configured() {
    let clinic = Clinic::with(SandboxOptions::default(), |text| text.replace("[RS256]", "[EdDSA]")).await;
    let examined = clinic.examine_as("grace");
    fails(&examined, "issuers.sandbox", "keys", "none is for EdDSA", "`issuers.sandbox.algorithms`", &[]);
    clinic.configure(|text| text.replace("[RS256]", "[RS256, EdDSA]"));
    let examined = clinic.examine_as("grace");
    assert_eq!(examined.status, 0, "one that never comes is no failure: {}", examined.text);
    assert_eq!(examined.check("issuers.sandbox", "keys")["outcome"], "warning");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong() {
    let elsewhere = |clock: Clock| SandboxOptions {
        clock: clock.clone(),
        signature_clock: clock,
        ..SandboxOptions::default()
    };
    let ahead = Clock::manual(UnixSeconds(Clock::system().now().0 + 600));
    let clinic = Clinic::with(elsewhere(ahead), |text| text).await;
    let examined = clinic.examine_as("grace");
    assert_eq!(examined.status, 1, "{}", examined.text);
    // A signature that is too old is refused, and the answer still says what time it is.
    assert_eq!(
        examined.with_outcome("failed"),
        ["issuers.sandbox, clock", "aws, identity", "aws, clock"],
        "{}",
        examined.text
    );
    for subject in ["issuers.sandbox", "aws"] {
        let told = examined.check(subject, "clock");
        let found = told["found"].as_str().unwrap();
        assert!(found.contains("s behind") && told["remedy"].as_str().unwrap().contains("NTP"), "{told}");
    }
    let behind = Clock::manual(UnixSeconds(Clock::system().now().0 - 20));
    let clinic = Clinic::with(elsewhere(behind), |text| text).await;
    let examined = clinic.examine_as("grace");
    assert_eq!(examined.check("aws", "clock")["outcome"], "warning", "{}", examined.text);
    assert!(examined.check("aws", "clock")["found"].as_str().unwrap().contains("s ahead of"));
    assert_eq!(examined.check("destinations.studio", "presign")["outcome"], "ok", "{}", examined.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_does_not_trust_us() {
    let clinic = Clinic::with(SandboxOptions::default(), |text| {
        text.replace("role/postern", "role/postern-untrusting")
    })
    .await;
    let examined = clinic.examine_as("grace");
    let skipped = ["studio", "experiments", "tracking", "notebook", "comet"];
    let skipped = skipped.map(|name| format!("destinations.{name}, presign"));
    let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
    let subject = format!("{ROLE}-untrusting");
    fails(
        &examined,
        &subject,
        "assume",
        "not authorized to perform: sts:AssumeRole",
        "trust policy",
        &skipped,
    );
    let remedy = examined.check(&subject, "assume")["remedy"].as_str().unwrap();
    for part in ["arn:aws:iam::111122223333:user/sandbox", "`postern iam`", "set `aws.external_id`"] {
        assert!(remedy.contains(part), "{part}: {remedy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_external_id() {
    let options = SandboxOptions { external_id: Some("right".to_owned()), ..SandboxOptions::default() };
    let wrong = |text: String| text.replace("role/postern\n", "role/postern\n  external_id: wrong\n");
    let clinic = Clinic::with(options, wrong).await;
    let examined = clinic.examine(&[]);
    let told = examined.check(ROLE, "assume");
    assert_eq!(told["outcome"], "failed", "{}", examined.text);
    assert!(told["found"].as_str().unwrap().contains("with an ExternalId, a SourceIdentity"), "{told}");
    assert!(told["remedy"].as_str().unwrap().contains("compare `aws.external_id`"), "{told}");
    clinic.configure(|text| wrong(text).replace("external_id: wrong", "external_id: right"));
    assert_eq!(clinic.examine_as("grace").status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_in_identity_center_mode() {
    let clinic =
        Clinic::with(SandboxOptions::default(), |text| text.replace("d-sandbox00001", "d-singlesignon"))
            .await;
    let examined = clinic.examine_as("ada");
    let subject = "domain d-singlesignon in eu-west-1";
    let skipped = ["destinations.studio, presign", "destinations.notebook, presign"];
    fails(&examined, subject, "auth-mode", "AuthMode SSO", "create a new domain in IAM mode", &skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_missing_or_pending() {
    let creating = Clinic::new().await;
    let told = creating.examine_as("stranger").check("destinations.studio", "state").clone();
    assert!(told["found"].as_str().unwrap().contains("is created on the first visit"), "{told}");
    let clinic = Clinic::with(SandboxOptions::default(), |text| {
        text.replace("        create_profile: {tags: {cost-center: \"0042\"}}\n", "")
    })
    .await;
    let skipped = ["destinations.studio, presign", "destinations.notebook, presign"];
    let examined = clinic.examine_as("stranger");
    let cause = "user profile stranger of d-sandbox00001 is not there";
    fails(&examined, "destinations.studio", "state", cause, "create it", &skipped);
    let examined = clinic.examine_as("newcomer");
    fails(&examined, "destinations.studio", "state", "in the state Pending", "wait", &skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped() {
    let clinic = Clinic::with(SandboxOptions::default(), |text| {
        text.replace("tracking_server_name: experiments", "tracking_server_name: archive")
    })
    .await;
    let examined = clinic.examine_as("grace");
    let subject = "destinations.experiments";
    let skipped = ["destinations.experiments, presign"];
    fails(&examined, subject, "state", "tracking server archive is stopped", "start it", &skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_or_puts_off() {
    let clinic = Clinic::new().await;
    let faults = clinic.sandbox.faults();
    let operation = "CreatePresignedMlflowTrackingServerUrl";
    for (fault, cause, remedy) in [
        (Fault::Throttle, "ThrottlingException", "quota of sagemaker:CreatePresignedMlflowTrackingServerUrl"),
        (
            Fault::AccessDenied,
            "AccessDeniedException",
            "allow sagemaker:CreatePresignedMlflowTrackingServerUrl for arn:aws:iam::111122223333:role/postern",
        ),
        (Fault::ForeignHost, "host is none of AWS's", "`aws.authorized_url_hosts`"),
        (Fault::NotAws, "HTTP 502", "endpoint"),
    ] {
        faults.inject(Some(operation), fault, Times::UntilCleared);
        let examined = clinic.examine_as("grace");
        fails(&examined, "destinations.experiments", "presign", cause, remedy, &[]);
        faults.clear();
    }
    // What the gateway can do without is a warning.
    for (operation, subject, check) in [
        ("DescribeDomain", "domain d-sandbox00001 in eu-west-1", "auth-mode"),
        ("DescribeMlflowTrackingServer", "destinations.experiments", "state"),
    ] {
        faults.inject(Some(operation), Fault::AccessDenied, Times::UntilCleared);
        let examined = clinic.examine_as("grace");
        assert_eq!(examined.status, 0, "{}", examined.text);
        let told = examined.check(subject, check);
        assert_eq!(told["outcome"], "warning", "{told}");
        assert!(told["remedy"].as_str().unwrap().contains(&format!("allow sagemaker:{operation}")), "{told}");
        faults.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_cannot_be_reached() {
    let clinic = Clinic::new().await;
    let closed = format!("http://127.0.0.1:{}/", free_port());
    let (sagemaker, sts) = (clinic.sandbox.sagemaker_url().to_string(), clinic.sandbox.sts_url().to_string());
    let without_slash = |url: &str| url.trim_end_matches('/').to_owned();
    clinic.configure(|text| text.replace(&without_slash(&sts), &without_slash(&closed)));
    let examined = clinic.examine(&[]);
    assert_eq!(examined.with_outcome("failed"), ["aws, identity".to_owned(), format!("{ROLE}, assume")]);
    let told = examined.check("aws", "identity");
    assert!(told["remedy"].as_str().unwrap().contains("`aws.sts_endpoint_url`"), "{told}");
    clinic.configure(|text| text.replace(&without_slash(&sagemaker), &without_slash(&closed)));
    let examined = clinic.examine(&[]);
    let told = examined.check("destinations.experiments (staff)", "presign");
    assert_eq!(told["outcome"], "failed", "{}", examined.text);
    assert!(told["remedy"].as_str().unwrap().contains("`endpoint_url`"), "{told}");
    assert_eq!(examined.check(ROLE, "assume")["outcome"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_whose_authority_is_not_known() {
    let clinic = Clinic::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = tokio_rustls::TlsAcceptor::from(Authority::new().server());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            _ = tls.accept(stream).await;
        }
    });
    let sts = clinic.sandbox.sts_url().to_string();
    clinic.configure(|text| text.replace(sts.trim_end_matches('/'), &format!("https://localhost:{port}")));
    let told = clinic.examine(&[]).check("aws", "identity").clone();
    assert!(told["found"].as_str().unwrap().contains("UnknownIssuer"), "{told}");
    assert!(told["remedy"].as_str().unwrap().contains("SSL_CERT_FILE"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_aws_does_not_know() {
    let clinic = Clinic::new().await;
    clinic.sandbox.faults().inject(Some("GetCallerIdentity"), Fault::ExpiredToken, Times::UntilCleared);
    let examined = clinic.examine_as("grace");
    fails(&examined, "aws", "identity", "ExpiredToken", "credentials that AWS accepts", &["aws, targets"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_key_that_cannot_be_read() {
    let clinic = Clinic::with(SandboxOptions::default(), |text| {
        text.replace(
            "{insecure_ephemeral_session_key: true, revalidate: 1m}",
            "{keys: [{file: session-key}]}",
        )
    })
    .await;
    let examined = clinic.examine_as("grace");
    fails(&examined, "session.keys", "keys", "session-key", "`postern keygen`", &[]);
    let told = examined.check("session.keys", "keys");
    assert!(told["found"].as_str().unwrap().starts_with("session.keys[0]: `"), "{told}");
}

/// Whoever makes a bucket of the same name gets the artifacts of a server that does not check the owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_owner_is_not_checked_or_not_the_declared_one_is_warned_of() {
    let clinic = Clinic::new().await;
    let found = |examined: &Examined| {
        let check = examined.checks.iter().find(|check| {
            check["check"] == "store-ownership" && check["subject"].as_str().unwrap().contains("experiments")
        });
        let check = check.unwrap_or_else(|| panic!("{}", examined.text));
        (check["outcome"].clone(), check["found"].as_str().unwrap().to_owned())
    };
    let (outcome, said) = found(&clinic.examine(&[]));
    assert_eq!(outcome, "ok", "{said}");
    for (member, value, expected) in [
        (
            "S3BucketOwnerAccountId",
            json!("999988887777"),
            "takes account 999988887777 for the bucket's owner",
        ),
        ("S3BucketOwnerVerification", json!(false), "does not check who owns the bucket"),
    ] {
        assert!(clinic.sandbox.drift("eu-west-1", "experiments", member, value));
        clinic.configure(|text| {
            let declared = "mlflow_tracking_servers:\n";
            assert!(text.contains(declared), "{text}");
            let owned = "  experiments:\n    artifact_store_uri: s3://sandbox-experiments/mlflow\n    \
                         role_arn: arn:aws:iam::111122223333:role/mlflow\n    \
                         s3_bucket_owner_account_id: \"111122223333\"\n";
            text.replace(declared, &format!("{declared}{owned}"))
        });
        let (outcome, said) = found(&clinic.examine(&[]));
        assert_eq!(outcome, "warning", "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
