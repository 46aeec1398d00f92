//! Unmodified clients before MLflow's own server without artifacts, and an S3 that this project did not write: moto's. Every call
//! to either passes the sandbox's front, which checks the signature, the routing header and the session's policy.

use super::client::python_of;
use super::{calls, languages};
use crate::moto::Moto;
use crate::support::elsewhere::peers;
use crate::support::postern::free_port;
use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::SandboxOptions;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// MLflow's server, with all its processes.
struct Server {
    child: Child,
    at: SocketAddr,
}

impl Server {
    /// As SageMaker runs it: the clients reach the artifacts by themselves.
    fn start(peers: &Path, folder: &Path, s3: &str) -> Self {
        let port = free_port();
        let log = std::fs::File::create(folder.join("server.log")).unwrap();
        let child = Command::new(peers.join("mlflow/bin/mlflow"))
            .args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
            .args(["--no-serve-artifacts", "--default-artifact-root", "s3://sandbox-artifacts/mlflow"])
            .args(["--backend-store-uri", "sqlite:///server.db"])
            .current_dir(folder)
            .env("PATH", format!("{}:/usr/bin:/bin", peers.join("mlflow/bin").display()))
            .env("HOME", folder)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("MLFLOW_S3_ENDPOINT_URL", s3)
            .env("AWS_ACCESS_KEY_ID", "server")
            .env("AWS_SECRET_ACCESS_KEY", "server")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("POSTERN_PEERS holds what tests/peers/install made");
        Self { child, at: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    async fn is_up(&mut self, folder: &Path) {
        for _ in 0..1200 {
            if tokio::net::TcpStream::connect(self.at).await.is_ok() {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}", log(folder));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("MLflow's server does not start: {}", log(folder));
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("server.log")).unwrap_or_default()
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its workers are in a group of their own.
        _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
        _ = self.child.wait();
    }
}

const MAKE_BUCKET: &str = "import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='eu-west-1', aws_access_key_id='x', aws_secret_access_key='x')
if sys.argv[2] == 'make':
    s3.create_bucket(Bucket='sandbox-artifacts', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
else:
    for page in s3.get_paginator('list_objects_v2').paginate(Bucket='sandbox-artifacts'):
        for each in page.get('Contents', []):
            print(each['Key'])
";

fn boto(peers: &Path, s3: &str, what: &str) -> String {
    let done =
        Command::new(peers.join("aws/bin/python")).args(["-c", MAKE_BUCKET, s3, what]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// All of it.
struct Real {
    peers: PathBuf,
    moto: Moto,
    _server: Server,
    stage: Stage,
    folder: TempDir,
}

impl Real {
    async fn start(peers: PathBuf) -> Self {
        let folder = TempDir::new().unwrap();
        let moto = Moto::start(&peers);
        boto(&peers, &moto.url, "make");
        let mut server = Server::start(&peers, folder.path(), &moto.url);
        server.is_up(folder.path()).await;
        let s3 = moto.url.trim_start_matches("http://").parse().unwrap();
        let options = SandboxOptions {
            mlflow_server: Some(server.at),
            s3_server: Some(s3),
            ..SandboxOptions::default()
        };
        let stage = Stage::with(options, |text| text).await;
        Self { peers, moto, _server: server, stage, folder }
    }

    /// Runs a script with two variables in an environment that has nothing else.
    fn run(&self, client: &str, script: &str) {
        let (url, token) = (self.stage.postern.at("/experiments"), self.stage.token("ada"));
        let variables = [("MLFLOW_TRACKING_URI", url.as_str()), ("MLFLOW_TRACKING_TOKEN", &token)];
        let folder = TempDir::new().unwrap();
        let output = python_of(&self.peers, client, folder.path(), script, &variables);
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success() && said.contains("everything "),
            "{client}: {said}\n{wrong}\n{}\n{}",
            self.stage.postern.log(),
            log(self.folder.path())
        );
        assert!(!wrong.contains("NoCredentials"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_clients_work_before_the_real_server_without_keys_of_aws() {
    let Some(peers) = peers("MLflow's clients and server, and moto") else { return };
    let real = Real::start(peers).await;
    real.run("mlflow", include_str!("real/everything.py"));
    let keys = boto(&real.peers, &real.moto.url, "list");
    assert!(keys.lines().all(|key| key.starts_with("mlflow/")), "{keys}");
    assert!(keys.contains("/artifacts/notes/note é+%.txt") && keys.contains("/artifacts/MLmodel"), "{keys}");
    let newest = calls(&real.stage).len();
    assert!(newest > 60, "{newest} calls");
    real.run("mlflow-2", include_str!("real/older.py"));
    assert!(calls(&real.stage).len() > newest + 20);
    languages::java(&real.stage).await;
    // It lists artifacts by the server, which has no boto3 here.
    languages::r(&real.stage).await;
    for call in real.stage.sandbox.calls() {
        let is_of_person = ["sagemaker-mlflow", "s3"].contains(&call.service);
        let person = call.caller.source_identity.as_deref().filter(|_| is_of_person);
        assert!(
            !is_of_person
                || person.is_some_and(|person| ["ada@corp.example", "grace@corp.example"].contains(&person))
        );
        assert_eq!(call.error, None, "{} {}", call.service, call.operation);
    }
    the_front_lets_nothing_else_through(&real.stage).await;
}

/// Without a signature, nothing reaches the server.
async fn the_front_lets_nothing_else_through(stage: &Stage) {
    let before = calls(stage).len();
    let url = stage.sandbox.mlflow_url().join("/api/2.0/mlflow/experiments/search?max_results=1").unwrap();
    let arn = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/experiments";
    let unnamed = Visitor::program().get(&url).await;
    let unsigned = Visitor::program().with("x-mlflow-sm-tracking-server-arn", arn).get(&url).await;
    assert_eq!((unnamed.status.as_u16(), unsigned.status.as_u16()), (500, 403), "{}", unsigned.body);
    assert_eq!(calls(stage).len(), before);
}
