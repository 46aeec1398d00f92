//! `postern demo`: the gateway between a sandbox identity provider and a sandbox SageMaker.

mod own;

use super::args::DemoArgs;
use super::configuration::{Configuration, compiled};
use super::output::Failed;
use super::runtime::block_on;
use super::serve::install_logger;
use super::serve::{FLUSH, prepare, serve};
use crate::aws::{Credentials, SharedCredentialsProvider};
use crate::config::{self, Loaded};
use crate::files::{Files, off_runtime};
use crate::sandbox::{Sandbox, SandboxOptions, Token};
use crate::server::systemd::Sockets;
use crate::telemetry::Log;
use serde_json::Value;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

pub(super) fn run(args: &DemoArgs) -> Result<(), Failed> {
    let log = install_logger(args.log_format)?;
    let served = block_on(demo(args, &log));
    log.flush(FLUSH);
    served
}

async fn demo(args: &DemoArgs, log: &Log) -> Result<(), Failed> {
    let own = match args.config.clone() {
        Some(file) => Some(off_runtime_load(file, args).await?),
        None => None,
    };
    let port = own::port(args, own.as_ref().and_then(|(_, port)| *port));
    // The port is held from here on: the client is registered under it before the gateway serves.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Failed::ran(format!("port {port} of 127.0.0.1: {error}; name another one by `--port`, or take a free one by `--port 0`"))
    })?;
    let address = listener.local_addr().map_err(Failed::ran)?;
    let gateway = format!("http://localhost:{}", address.port());
    let options = SandboxOptions {
        redirect_uris: vec![format!("{gateway}/-/callback")],
        post_logout_redirect_uris: vec![format!("{gateway}/-/logout")],
        backchannel_logout_uri: Url::parse(&format!("{gateway}/-/backchannel-logout")).ok(),
        any_target: own.is_some(),
        // Long enough to be looked at; some minutes at AWS.
        pace: Duration::from_secs(8),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options).await.map_err(Failed::ran)?;
    let folder = Folder::create()?;
    let (configuration, greeting) = match own {
        Some((mut loaded, port)) => {
            let replaced = own::adapt(&mut loaded, port, address, &sandbox);
            let greeting = own_greeting(&loaded, &replaced);
            (compiled(loaded)?.passing().map_err(Failed::Usage)?, greeting)
        }
        None => of_sandbox(&sandbox, &folder, &gateway, address)?,
    };
    let key = sandbox.credentials();
    let credentials = Credentials::new(&key.access_key_id, &key.secret_access_key, None, None, "sandbox");
    let credentials = Some(SharedCredentialsProvider::new(credentials));
    let greet = |_| _ = write!(io::stderr().lock(), "{greeting}");
    let sockets = Sockets { main: Some(listener), ..Sockets::default() };
    let prepared = off_runtime(move || prepare(configuration, &Files::default())).await;
    let prepared = prepared.ok_or_else(|| Failed::ran("the sandbox's secret could not be read"))??;
    let audit = serve(prepared, None, sockets, credentials, log, greet).await?;
    audit.flush(FLUSH);
    sandbox.shutdown().await;
    Ok(())
}

async fn off_runtime_load(file: PathBuf, args: &DemoArgs) -> Result<(Loaded, Option<u16>), Failed> {
    let port = args.port;
    let loaded = off_runtime(move || own::load(&file, port)).await;
    loaded.ok_or_else(|| Failed::ran("the configuration could not be read"))?
}

/// `config/sandbox.yaml`, and the greeting to print when it is served.
fn of_sandbox(
    sandbox: &Sandbox,
    folder: &Folder,
    gateway: &str,
    address: SocketAddr,
) -> Result<(Configuration, String), Failed> {
    let (_, secret) = sandbox.client();
    let file = folder.0.join("sandbox-client-secret");
    write_secret(&file, secret.expose())
        .map_err(|error| Failed::ran(format!("{}: {error}", file.display())))?;
    let text = sandbox.configuration(gateway, &address.to_string());
    let written = folder.0.join("postern.yaml");
    fs::write(&written, &text).map_err(|error| Failed::ran(format!("{}: {error}", written.display())))?;
    let loaded = config::load_text("config/sandbox.yaml", &text, &folder.0).map_err(Box::new)?;
    let greeting = greeting(gateway, sandbox, &written).map_err(Failed::ran)?;
    Ok((compiled(loaded)?, greeting))
}

/// Writes the file for its owner alone.
fn write_secret(file: &Path, secret: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(secret)
}

fn greeting(gateway: &str, sandbox: &Sandbox, config: &Path) -> io::Result<String> {
    let (issuer, sagemaker, sts) = (sandbox.issuer(), sandbox.sagemaker_url(), sandbox.sts_url());
    let (mlflow, s3, token) = (sandbox.mlflow_url(), sandbox.s3_url(), token(sandbox)?);
    let key = sandbox.credentials();
    let (id, secret) = (&key.access_key_id, &key.secret_access_key);
    // A program that cargo runs does not stand in the PATH.
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("postern"));
    let (program, config) = (program.display(), config.display());
    Ok(format!(
        "
  Open {gateway}/studio in a browser and choose who you are.
  Everything that person may open: {gateway}/

  Identity provider {issuer}   SageMaker {sagemaker}   STS {sts}   MLflow {mlflow}   S3 {s3}

  Tracking servers as code, in another terminal (plan, apply or status):
    export AWS_ACCESS_KEY_ID={id}
    export AWS_SECRET_ACCESS_KEY={secret}
    {program} servers plan --config {config}

  MLflow from a program, as Grace, in another terminal; then `import mlflow` and log a run with an artifact:
    export MLFLOW_TRACKING_URI={gateway}/experiments
    export MLFLOW_TRACKING_TOKEN={token}

{END}"
    ))
}

/// `replaced` holds a line for each setting that is not as the file has it.
fn own_greeting(loaded: &Loaded, replaced: &[String]) -> String {
    let (file, gateway) = (&loaded.source.name, loaded.gateway.public_url.as_str().trim_end_matches('/'));
    let replaced: String = replaced.iter().map(|line| format!("    {line}\n")).collect();
    let sign_in = match &loaded.gateway.sign_in {
        Some(sign_in) => format!(
            "  Sign-in goes to your own provider, issuer `{}`, where `{}` needs the redirect URI\n    {gateway}/-/callback\n",
            sign_in.issuer, sign_in.client_id
        ),
        None => "  There is no `sign_in`: programs come with bearer tokens of your issuers.\n".to_owned(),
    };
    format!(
        "
  Open {gateway}/ in a browser.

{sign_in}
  Nothing in AWS is touched: whatever your rules name exists in the sandbox and is ready.
  Replaced in {file}:
{replaced}
{END}"
    )
}

/// An access token of Grace's for a working day.
fn token(sandbox: &Sandbox) -> io::Result<String> {
    const LIFETIME: u64 = 12 * 3600;
    let mut claims = sandbox.access_claims("grace");
    let issued = claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
    claims.insert("exp".to_owned(), (issued + LIFETIME).into());
    sandbox.token(&Token::new(claims))
}

const END: &str =
    "  All of it runs on this machine and ends with Ctrl-C. Audit records go to standard output.\n\n";

/// The most folders of killed demos that are passed over.
const MOST_LEFT: u32 = 1000;

/// A private folder for the client's secret, gone with the demo.
struct Folder(PathBuf);

impl Folder {
    /// A demo that was killed has left its folder, and in a container the next one has the same process id.
    fn create() -> Result<Self, Failed> {
        let (parent, process) = (std::env::temp_dir(), std::process::id());
        for number in 0..MOST_LEFT {
            let path = parent.join(format!("postern-demo-{process}-{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failed::ran(format!("{}: {error}", path.display()))),
            }
        }
        let left = parent.join(format!("postern-demo-{process}-*"));
        Err(Failed::ran(format!(
            "{}: demos that were killed left too many folders; remove them",
            left.display()
        )))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_left_is_in_nobodys_way() {
        let folders = [Folder::create().unwrap(), Folder::create().unwrap()];
        assert_ne!(folders[0].0, folders[1].0);
        assert!(folders.iter().all(|folder| folder.0.is_dir()));
    }
}
