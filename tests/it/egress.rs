//! What leaves this process by HTTP, and which way.

use crate::support::postern::{BINARY, free_port};
use crate::support::proxy::Proxy;
use crate::support::tls::Authority;
use postern::sandbox::{Sandbox, SandboxOptions};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// TLS in front of a plain server, with the authority's certificate.
async fn secured(authority: &Authority, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tls = TlsAcceptor::from(authority.server());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let (mut client, mut server) =
                    tokio::try_join!(tls.accept(stream), TcpStream::connect(server)).ok()?;
                copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    address
}

/// An address of the sandbox.
fn address(url: &url::Url) -> SocketAddr {
    url.socket_addrs(|| None).expect("an address")[0]
}

/// A container's credentials at a loopback address. Notes the tokens that it is asked with.
async fn container_credentials(sandbox: &Sandbox) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    use http_body_util::Full;
    use hyper::body::{Bytes, Incoming};
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let key = sandbox.credentials();
    let answer = json!({
        "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key, "Token": "a-session",
        "Expiration": "2100-01-01T00:00:00Z",
    });
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&tokens);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, noted) = (answer.to_string(), Arc::clone(&noted));
            let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
                let token =
                    request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
                noted.lock().unwrap().extend(token);
                let response = hyper::Response::new(Full::<Bytes>::from(answer.clone()));
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(hyper_util::rt::TokioIo::new(stream), service));
        }
    });
    (address, tokens)
}

fn doctor(config: &Path, environment: &[(&str, &str)]) -> Output {
    Command::new(BINARY)
        .args(["doctor", "--format", "json", "--config"])
        .arg(config)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// The demo's configuration, with STS at a name that only the proxy knows.
fn configuration(sandbox: &Sandbox, folder: &Path) -> std::path::PathBuf {
    std::fs::write(folder.join("sandbox-client-secret"), sandbox.client().1.expose()).expect("a file");
    let port = free_port();
    let text = sandbox.configuration(&format!("http://localhost:{port}"), &format!("127.0.0.1:{port}"));
    let sts = sandbox.sts_url().to_string();
    let text = text.replace(sts.trim_end_matches('/'), "https://sts.corp.example");
    let path = folder.join("postern.yaml");
    std::fs::write(&path, text).expect("a file");
    path
}

/// The token that a pod gets its credentials with, and the credentials, pass no proxy, while STS is reached through it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pods_credentials_never_go_to_a_proxy() {
    let (sandbox, proxy) = (Sandbox::start(SandboxOptions::default()).await.unwrap(), Proxy::start().await);
    let authority = Authority::for_name("sts.corp.example");
    proxy.knows("sts.corp.example:443", secured(&authority, address(sandbox.sts_url())).await);
    let (credentials, tokens) = container_credentials(&sandbox).await;
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(&sandbox, folder.path());
    let (authorities, proxy_url) = (authority.folder.path().join("ca.pem"), proxy.url());
    let full_uri = format!("http://{credentials}/v1/credentials");
    for upper in [true, false] {
        let name = |name: &'static str| if upper { name.to_owned() } else { name.to_ascii_lowercase() };
        let (http, https) = (name("HTTP_PROXY"), name("HTTPS_PROXY"));
        let examined = doctor(
            &config,
            &[
                (&http, &proxy_url),
                (&https, &proxy_url),
                ("SSL_CERT_FILE", authorities.to_str().unwrap()),
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &full_uri),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-pods-token"),
            ],
        );
        let told = text(&examined);
        // The answer of the sandbox's STS, which knows no session of this token.
        assert!(told.contains("GetCallerIdentity: InvalidClientTokenId (HTTP 403)"), "{told}");
    }
    assert_eq!(tokens.lock().unwrap().first().map(String::as_str), Some("a-pods-token"));
    let asked = proxy.asked();
    assert!(asked.iter().any(|head| head.starts_with("CONNECT sts.corp.example:443 ")), "{asked:?}");
    for head in asked {
        assert!(head.contains("corp.example") && !head.contains("a-pods-token"), "{head}");
    }
}

/// Nothing answers at these addresses here. Asked directly, they fail; the proxy hears of none.
#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_ec2_ecs_and_eks_never_go_to_a_proxy() {
    let (sandbox, proxy) = (Sandbox::start(SandboxOptions::default()).await.unwrap(), Proxy::start().await);
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(&sandbox, folder.path());
    let proxy_url = proxy.url();
    let (endpoint, name) = (format!("http://127.0.0.1:{}", free_port()), "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let places: [&[(&str, &str)]; 5] = [
        &[],
        &[(name, &endpoint)],
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")],
        &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x")],
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-pods-token"),
        ],
    ];
    for place in places {
        let proxies = [("HTTP_PROXY", proxy_url.as_str()), ("HTTPS_PROXY", proxy_url.as_str())];
        let examined = doctor(&config, &[&proxies, place].concat());
        assert!(text(&examined).contains("aws"), "{}", text(&examined));
        assert_eq!(proxy.targets(), Vec::<String>::new(), "{place:?}");
    }
}

#[test]
fn a_variable_that_names_no_http_proxy_is_refused_and_not_shown() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.yaml");
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        for value in [
            "socks5://user:hidden@proxy.example:1080",
            "http://user:hid den@proxy.example",
            "http://",
            "ftp://hidden",
        ] {
            let examined = doctor(&config, &[(name, value)]);
            let told = text(&examined);
            assert_eq!(examined.status.code(), Some(1), "{name}={value}: {told}");
            assert!(told.contains(name) && told.contains("`http://HOST:PORT`"), "{name}={value}: {told}");
            assert!(!told.contains("hid"), "{told}");
        }
    }
}
