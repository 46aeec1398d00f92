//! The image: what it holds, how it is run, and that its binary serves as the user and in the file system that it has.

use super::{judged, pass_checkov, said, shipped};
use crate::support::elsewhere::{images, peers};
use crate::support::postern::free_port;
use crate::support::program::Process;
use crate::support::stage::mints;
use crate::support::visitor::Visitor;
use postern::sandbox::{Sandbox, SandboxOptions, Token};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use url::Url;

const USER: &str = "65532:65532";
/// A name that only DNS knows.
const KEYS_HOST: &str = "keys.corp.example";

/// A container of the image, as buildah keeps it.
struct Container {
    images: PathBuf,
    name: String,
    root: PathBuf,
}

impl Container {
    /// `None`, said aloud, where no image was built.
    fn new() -> Option<Self> {
        let images = images("the container image")?;
        let told = |arguments: &[&str]| {
            let output = buildah(&images, arguments);
            assert!(output.status.success(), "buildah {arguments:?}: {}", said(&output));
            String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
        };
        let name = told(&["from", "postern"]);
        let root = told(&["mount", &name]).into();
        Some(Self { images, name, root })
    }

    /// Runs its binary alone in its file system, as its user.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("chroot")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={USER}")).arg(&self.root).arg("/postern");
        command
    }

    /// Puts a file where an engine would mount it.
    fn mount(&self, path: &str, text: &str) {
        fs::write(self.root.join(path), text).expect("a file in the container");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        buildah(&self.images, &["rm", &self.name]);
    }
}

fn buildah(images: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("buildah");
    command.arg("--root").arg(images.join("storage")).arg("--runroot").arg(images.join("run"));
    command.args(["--storage-driver", "vfs"]).args(arguments).output().expect("buildah")
}

#[test]
fn the_dockerfile_holds_to_good_practice() {
    let Some(peers) = peers("the Dockerfile") else { return };
    let dockerfile = shipped("container/Dockerfile");
    let output = judged(&peers.join("hadolint/bin/hadolint"), &[], std::slice::from_ref(&dockerfile));
    assert_eq!(said(&output), "");
    pass_checkov(&peers, "dockerfile", &[], &[dockerfile]);
}

#[test]
fn the_image_says_how_it_is_run() {
    let Some(images) = images("the container image") else { return };
    let output = buildah(&images, &["inspect", "--type", "image", "postern"]);
    let inspected: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let config = &inspected["OCIv1"]["config"];
    assert_eq!(config["User"], USER);
    assert_eq!(config["Entrypoint"], json!(["/postern"]));
    assert_eq!(config["Cmd"], json!(["serve", "--config", "/etc/postern/postern.yaml"]));
    let label = |name: &str| config["Labels"][format!("org.opencontainers.image.{name}")].as_str();
    assert_eq!(label("version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(label("licenses"), Some(env!("CARGO_PKG_LICENSE")));
    assert!(label("revision").is_some_and(|revision| !revision.is_empty()));
}

#[test]
fn the_image_holds_the_binary_and_what_it_reads() {
    let Some(container) = Container::new() else { return };
    let mut files = Vec::new();
    collect(&container.root, &container.root, &mut files);
    files.sort();
    let expected = [
        "etc/nsswitch.conf",
        "etc/ssl/certs/ca-certificates.crt",
        "postern",
        "usr/share/licenses/postern/LICENSE",
    ];
    assert_eq!(files, expected, "no shell, no library, nothing else");
    let authorities = fs::read_to_string(container.root.join(expected[1])).expect("the authorities");
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 50);
    assert!(!has_interpreter(&fs::read(container.root.join("postern")).expect("the binary")), "it is static");

    let version = container.run(&["--version"]);
    assert_eq!(said(&version), concat!("postern ", env!("CARGO_PKG_VERSION"), "\n"));
    let demo = container.run(&["demo"]);
    assert_eq!(demo.status.code(), Some(2));
    assert!(said(&demo).contains("unrecognized subcommand 'demo'"), "{}", said(&demo));
}

/// Files by their path in the image, each root's own and for nobody else to write.
fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("metadata");
        assert_eq!((metadata.uid(), metadata.permissions().mode() & 0o6022), (0, 0), "{}", path.display());
        if metadata.is_dir() {
            collect(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).expect("below it").to_str().expect("UTF-8").to_owned());
        }
    }
}

/// Whether an ELF file asks for a dynamic loader: a program header of the type `PT_INTERP`.
fn has_interpreter(elf: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        elf[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "64 bits, little-endian");
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    assert!(count > 0);
    (0..count).any(|index| number(table + index * size, 4) == 3)
}

/// Names are looked up as in any container: `localhost` in /etc/hosts, the host of the keys by DNS.
#[tokio::test(flavor = "multi_thread")]
async fn the_binary_of_the_image_serves_a_launch() {
    let Some(container) = Container::new() else { return };
    let sandbox = Sandbox::start(SandboxOptions::default()).await.expect("a sandbox");
    let port = free_port();
    container.mount("etc/hosts", "127.0.0.1 localhost\n");
    container.mount("etc/resolv.conf", &format!("nameserver {}\n", name_server()));
    container.mount("etc/postern/postern.yaml", &configuration(&sandbox, port));

    let checked = container.run(&["check", "--config", "/etc/postern/postern.yaml"]);
    assert!(checked.status.success(), "{}", said(&checked));

    let root = container.root.to_str().expect("UTF-8");
    let user = format!("--userspec={USER}");
    let arguments = [&user, root, "/postern", "serve", "--config", "/etc/postern/postern.yaml"];
    let key = sandbox.credentials();
    let environment = [
        ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let served =
        Process::start("chroot", &arguments, &environment, |printed| printed.contains("\"started\""))
            .unwrap_or_else(|refusal| panic!("{refusal}"));

    let token = sandbox.token(&Token::new(sandbox.access_claims("grace"))).expect("a token");
    let here = Url::parse(&format!("http://localhost:{port}/studio")).expect("a URL");
    let mut program = Visitor::program().bearer(&token);
    let handed_out = program.get(&here).await.checked();
    assert_eq!(handed_out.status, 302, "{}: {}", handed_out.body, served.printed());
    let landed = program.without("authorization").get(&handed_out.next().expect("a URL")).await;
    assert_eq!(landed.status, 200);
    assert_eq!(mints(&sandbox), ["CreatePresignedDomainUrl"]);
}

fn configuration(sandbox: &Sandbox, port: u16) -> String {
    let port_of = |url: &Url| url.port().expect("a port");
    let (keys, sagemaker, sts) =
        (port_of(sandbox.issuer()), port_of(sandbox.sagemaker_url()), port_of(sandbox.sts_url()));
    let landing = sandbox.landing_url().authority();
    let issuer = sandbox.issuer_text();
    format!(
        "
public_url: http://localhost:{port}
listen: {{address: '127.0.0.1:{port}', direct_clients: true}}
admin: {{address: '127.0.0.1:0'}}
issuers:
  sandbox:
    issuer: {issuer}
    jwks_uri: http://{KEYS_HOST}:{keys}/jwks
    insecure_http: true
    audience: [postern-api]
    algorithms: [RS256]
    user_domains: [corp.example]
credentials: [bearer]
aws:
  region: eu-west-1
  role_arn: arn:aws:iam::111122223333:role/postern
  endpoint_url: http://localhost:{sagemaker}
  sts_endpoint_url: http://localhost:{sts}
  authorized_url_hosts: ['{landing}']
destinations:
  studio:
    title: SageMaker Studio
    target: {{studio_domain: {{domain_id: d-sandbox00001, user_profile_name: grace}}}}
    rules: [{{name: everyone, allow: \"'ml-users' in groups\"}}]
"
    )
}

/// Answers that every name is 127.0.0.1, at an address of its own: the port is DNS's.
fn name_server() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, high, low, 53);
    let socket = UdpSocket::bind((address, 53)).expect("port 53 of an address of loopback");
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// RFC 1035, section 4.1; to a question for anything but an A record, an answer without records.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name_end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(12..name_end + 5)?;
    let is_address = question.ends_with(&[0, 1, 0, 1]);
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
