//! The sandbox under clients that this project did not write: boto3 and the AWS command line.

use crate::support::elsewhere::peers;
use postern::sandbox::{Fault, Sandbox, SandboxOptions, Times};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(240);

#[tokio::test]
async fn boto3_and_the_aws_command_line_agree_with_the_sandbox() {
    let Some(peers) = peers("boto3 and the AWS command line") else { return };
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    sandbox.faults().inject(Some("DescribePartnerApp"), Fault::Throttle, Times::UntilCleared);
    let credentials = sandbox.credentials();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/aws/drive.py");
    let child = Command::new(peers.join("aws/bin/python"))
        .arg(script)
        .env("SANDBOX_SAGEMAKER_URL", sandbox.sagemaker_url().as_str())
        .env("SANDBOX_STS_URL", sandbox.sts_url().as_str())
        .env("AWS_ACCESS_KEY_ID", &credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("POSTERN_PEERS holds what tests/peers/install made");
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("in time").unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.trim_end().ends_with(" 0 failed"), "the last line counts");
}
