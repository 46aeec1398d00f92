//! Destinations that open what the same file declares.

use super::{REGION, ROLE, Workshop};
use crate::support::stage::Stage;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::{BehaviorVersion, Credentials, Region};
use postern::sandbox::{Sandbox, SandboxOptions};
use std::time::Duration;

const APPS: &str = "
mlflow_apps:
  trials:
    artifact_store_uri: s3://corp-ml/apps
    role_arn: arn:aws:iam::111122223333:role/mlflow
";

const DESTINATION: &str = "  team-experiments:
    target: {mlflow_app: {name: trials}}
    rules: [{name: everyone, allow: 'true'}]
";

fn with_app(text: &str) -> String {
    let text = super::without_declarations(text);
    text.replace("\ndestinations:\n", &format!("\ndestinations:\n{DESTINATION}")) + APPS
}

/// An operator by AWS's own SDK.
fn operator(sandbox: &Sandbox) -> Client {
    let key = sandbox.credentials();
    let credentials =
        Credentials::new(&key.access_key_id, &key.secret_access_key, None, None, "the sandbox's");
    let config = aws_sdk_sagemaker::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(sandbox.sagemaker_url().as_str())
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

/// Creates an App, waits until it can be opened, and returns its ARN.
async fn create(operator: &Client, name: &str) -> String {
    let created =
        operator.create_mlflow_app().name(name).artifact_store_uri("s3://corp-ml/apps").role_arn(ROLE);
    let arn = created.send().await.expect("an App").arn.expect("its ARN");
    for _ in 0..100 {
        let described = operator.describe_mlflow_app().arn(&arn).send().await;
        if described.is_ok_and(|app| app.status.is_some_and(|status| status.as_str() == "Created")) {
            return arn;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the App is never created");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_opened_by_its_declared_name() {
    let options = SandboxOptions { pace: Duration::from_millis(50), ..SandboxOptions::default() };
    let stage = Stage::with(options, |text| with_app(&text)).await;
    let operator = operator(&stage.sandbox);
    let open = || async { stage.person("ada").await.get(&stage.postern.at("/team-experiments")).await };
    let opened = |arn: &str| {
        let calls = stage.sandbox.calls();
        let mints = calls.iter().filter(|call| call.operation == "CreatePresignedMlflowAppUrl");
        mints.filter(|call| call.input["Arn"] == arn).count()
    };
    let lists = || stage.sandbox.calls().iter().filter(|call| call.operation == "ListMlflowApps").count();

    let answer = open().await;
    assert_eq!(answer.status, 409, "there is none yet: {}", answer.body);

    // Enough Apps of other names for a second page.
    for index in 0..101 {
        let name = format!("other-{index}");
        let other =
            operator.create_mlflow_app().name(name).artifact_store_uri("s3://corp-ml/o").role_arn(ROLE);
        other.send().await.expect("another App");
    }
    let first = create(&operator, "trials").await;
    // For some seconds, it counts as missing.
    for _ in 0..60 {
        if open().await.status == 302 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(opened(&first), 1);
    let before = lists();
    assert_eq!(open().await.status, 302);
    assert_eq!(lists(), before, "a known ARN is not asked for again");

    operator.delete_mlflow_app().arn(&first).send().await.expect("a deletion");
    let second = create(&operator, "trials").await;
    let mut last = 0;
    // The first launch after the deletion finds the App gone, unless its state is remembered for some seconds.
    for _ in 0..60 {
        last = open().await.status.as_u16();
        if opened(&second) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!((last, opened(&second)), (302, 1), "the App made anew is opened by its own ARN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_two_apps_carry_opens_neither() {
    let options = SandboxOptions { pace: Duration::from_millis(50), ..SandboxOptions::default() };
    let stage = Stage::with(options, |text| with_app(&text)).await;
    let operator = operator(&stage.sandbox);
    let arns = [create(&operator, "trials").await, create(&operator, "trials").await];
    let answer = stage.person("ada").await.get(&stage.postern.at("/team-experiments")).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(stage.sandbox.calls().iter().all(|call| !call.operation.contains("Presigned")));
    stage.postern.wait_for_log("ambiguous-name", 1).await;
    let log = stage.postern.log();
    for arn in arns {
        assert!(log.contains(&arn), "the log names both: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_holds_destinations_and_declarations_together() {
    let workshop = Workshop::new().await;
    let base = super::without_declarations(
        &workshop.sandbox.configuration("http://localhost:8080", "127.0.0.1:8080"),
    );
    let with = |destination: &str, declared: &str| {
        base.replace("\ndestinations:\n", &format!("\ndestinations:\n{destination}")) + declared
    };
    let check = |text: &str| {
        std::fs::write(workshop.config(), text).expect("a file");
        super::declared::check(&workshop)
    };
    let (status, out) = check(&with(DESTINATION, APPS));
    assert_eq!(status, 0, "{out}");
    for (changed, said) in [
        (
            with(DESTINATION, ""),
            "found `trials`; allowed: the name of an App of `mlflow_apps`, which declares none",
        ),
        (
            with(&DESTINATION.replace("name: trials", "name: trial"), APPS),
            "found `trial`; allowed: `trials`, which `mlflow_apps` declares",
        ),
        (
            with(&DESTINATION.replace("name: trials", "name: '${user}'"), APPS),
            "found `${user}`; allowed: `trials`",
        ),
        (
            with(&DESTINATION.replace("name: trials", ""), APPS),
            "exactly one of `arn`, `name` is needed; found none",
        ),
        (
            with(
                &DESTINATION.replace(
                    "name: trials",
                    "name: trials, arn: 'arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-ABC'",
                ),
                APPS,
            ),
            "exactly one of `arn`, `name` is needed; found `arn`, `name`",
        ),
        (
            with(&DESTINATION.replace("    target", "    region: eu-central-1\n    target"), APPS),
            "this rule opens the App `trials` in `eu-central-1`; allowed: `eu-west-1`",
        ),
    ] {
        let (status, out) = check(&changed);
        assert_eq!(status, 2, "{out}");
        assert!(out.contains(said), "{said}\n{out}");
    }
    let server = "  risk:\n    region: eu-central-1\n    target: {mlflow_tracking_server: {tracking_server_name: analysis}}\n    \
                  rules: [{name: everyone, allow: 'true'}]\n";
    let (status, out) = check(&with(server, &format!("\nmlflow_tracking_servers:{}", super::RISK)));
    assert_eq!(status, 0, "{out}");
    let said = "opens the tracking server `analysis` in `eu-central-1`, and `mlflow_tracking_servers` declares it in `eu-west-1`";
    assert!(out.contains(said), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_may_look_for_apps_where_one_is_named() {
    let workshop = Workshop::new().await;
    let base = workshop.sandbox.configuration("http://localhost:8080", "127.0.0.1:8080");
    let iam = |text: &str| {
        std::fs::write(workshop.config(), text).expect("a file");
        let output = std::process::Command::new(crate::support::postern::BINARY)
            .args(["iam", "--format", "json", "--config"])
            .arg(workshop.config())
            .output()
            .expect("the program");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let without = iam(&super::without_declarations(&base));
    assert!(!without.contains("ListMlflowApps"), "{without}");
    let named = iam(&with_app(&base));
    assert!(named.contains("sagemaker:ListMlflowApps"), "{named}");
    assert!(named.contains(":mlflow-app/*"), "{named}");
}
