//! What leaves this process by HTTP, and which way.

use crate::support::postern::{BINARY, Postern, free_port};
use crate::support::provider::{CLIENT_SECRET, Provider};
use crate::support::proxy::Proxy;
use crate::support::tls::Authority;
use crate::support::visitor::Visitor;
use postern::clock::Clock;
use postern::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
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

const IDP: &str = "https://idp.corp.example";

/// The demo's configuration with a provider at a name that only the proxy knows.
fn with_provider(sandbox: &Sandbox, folder: &Path, port: u16, issuer: &str) -> std::path::PathBuf {
    std::fs::write(folder.join("secret"), CLIENT_SECRET).expect("a file");
    let text = sandbox.configuration(&format!("http://localhost:{port}"), &format!("127.0.0.1:{port}"));
    let text = text
        .replace(sandbox.issuer_text(), issuer)
        .replace("sandbox-client-secret", "secret")
        .replace("algorithms: [RS256]", "algorithms: [ES256]");
    let path = folder.join("postern.yaml");
    std::fs::write(&path, text).expect("a file");
    path
}

fn environment<'a>(sandbox: &'a Sandbox, further: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let key = sandbox.credentials();
    let own = [
        ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    [&own, further].concat()
}

/// Discovery, keys, token endpoint and UserInfo: all by tunnels, with TLS to the provider itself, and each says who asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_goes_through_the_proxy_end_to_end() {
    let (sandbox, proxy) = (Sandbox::start(SandboxOptions::default()).await.unwrap(), Proxy::start().await);
    let (authority, provider) =
        (Authority::for_name("idp.corp.example"), Provider::named(IDP, Clock::system()).await);
    proxy.knows("idp.corp.example:443", secured(&authority, provider.address).await);
    {
        let mut says = provider.now_says();
        says.client_id = "postern".to_owned();
        // So that UserInfo is asked, too.
        says.claims = json!({"groups": null});
        says.user_info = Some(json!({"sub": "u1", "groups": ["ml-users"]}));
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let config = with_provider(&sandbox, folder.path(), port, IDP);
    let (authorities, proxy_url) = (authority.folder.path().join("ca.pem"), proxy.url());
    let further = [("https_proxy", proxy_url.as_str()), ("SSL_CERT_FILE", authorities.to_str().unwrap())];
    let url = format!("http://localhost:{port}").parse().unwrap();
    let postern = Postern::serve(&config, url, &environment(&sandbox, &further)).expect("the port");
    let mut visitor = Visitor::person();
    let asked = visitor.get(&postern.at("/-/whoami")).await.next().expect("the way to the provider");
    assert!(asked.as_str().starts_with("https://idp.corp.example/authorize?"), "{asked}");
    let back = visitor.get(&postern.at(&format!("/-/callback?{}", provider.sign_in(&asked)))).await;
    assert_eq!(back.location(), "/-/whoami", "{}\n{}", back.body, postern.log());
    let who = visitor.get(&postern.at("/-/whoami")).await;
    assert!(who.body.contains("ada@corp.example") && who.body.contains("ml-users"), "{}", who.body);
    for target in proxy.targets() {
        assert_eq!(target, "CONNECT idp.corp.example:443");
    }
    assert!(!proxy.targets().is_empty());
    let own = format!("postern/{}", env!("CARGO_PKG_VERSION"));
    assert!(
        proxy.asked().iter().all(|head| head.contains(&format!("user-agent: {own}\r\n"))),
        "{:?}",
        proxy.asked()
    );
    let agents = provider.now_says().agents.clone();
    for path in ["/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"] {
        assert!(agents.contains(&(path.to_owned(), own.clone())), "{path}: {agents:?}");
    }
    assert!(agents.iter().all(|(_, agent)| *agent == own), "{agents:?}");
    postern.wait_for_log("through the proxy", 1).await;
}

/// One check of the report.
fn check(examined: &Output, subject: &str, check: &str) -> Value {
    let report: Value = serde_json::from_slice(&examined.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(examined)));
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["subject"] == subject && found["check"] == check);
    found.unwrap_or_else(|| panic!("no {subject}, {check}: {report}")).clone()
}

/// A proxy gets the whole URL of an `http` issuer, and its own credentials.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_which_way_each_host_was_asked() {
    let (sandbox, proxy) = (Sandbox::start(SandboxOptions::default()).await.unwrap(), Proxy::start().await);
    let provider = Provider::named("http://idp.corp.example", Clock::system()).await;
    proxy.knows("idp.corp.example", provider.address);
    let folder = tempfile::tempdir().unwrap();
    let config = with_provider(&sandbox, folder.path(), free_port(), "http://idp.corp.example");
    let proxy_url = proxy.url().replace("http://", "http://user:pass%20word@");
    let examined = doctor(&config, &environment(&sandbox, &[("HTTP_PROXY", &proxy_url)]));
    assert_eq!(check(&examined, "issuers.sandbox", "discovery")["outcome"], "ok", "{}", text(&examined));
    let way = format!("asked through the proxy {}", proxy.address);
    assert_eq!(check(&examined, "host idp.corp.example", "way")["found"], way);
    let sts = format!("host {}", address(sandbox.sts_url()));
    assert_eq!(check(&examined, &sts, "way")["found"], "asked directly");
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    for head in asked {
        assert!(
            head.starts_with("GET http://idp.corp.example/")
                || head.starts_with("POST http://idp.corp.example/")
        );
        assert!(head.contains("proxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n"), "{head}");
    }
    assert!(!text(&examined).contains("pass"), "{}", text(&examined));
    // Excepted, it is asked directly, where nobody knows its name.
    let excepted = [("HTTP_PROXY", proxy_url.as_str()), ("NO_PROXY", ".corp.example")];
    let examined = doctor(&config, &environment(&sandbox, &excepted));
    assert_eq!(check(&examined, "host idp.corp.example", "way")["found"], "asked directly");
    let told = check(&examined, "issuers.sandbox", "discovery");
    assert!(
        told["found"]
            .as_str()
            .unwrap()
            .contains("idp.corp.example cannot be reached: the name cannot be resolved"),
        "{told}"
    );
}

/// What the provider's host, or the proxy before it, does; what is said of it; and what to do.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_on_the_way_is_said_with_what_to_do() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = |issuer: &str, further: &[(&str, &str)]| {
        let config = with_provider(&sandbox, folder.path(), free_port(), issuer);
        let told = check(&doctor(&config, &environment(&sandbox, further)), "issuers.sandbox", "discovery");
        (told["found"].as_str().unwrap().to_owned(), told["remedy"].as_str().unwrap_or_default().to_owned())
    };
    let expect = |(found, remedy): (String, String), cause: &str, todo: &str| {
        assert!(found.contains(cause) && remedy.contains(todo), "{cause}; {todo}: {found}; {remedy}");
    };
    let nobody = format!("https://127.0.0.1:{}", free_port());
    expect(told(&nobody, &[]), "cannot be reached: nothing listens on the port", "DNS");
    let plain = format!("https://{}", address(sandbox.sts_url()));
    expect(
        told(&plain, &[]),
        "the port answers without TLS, and the URL says `https`",
        "correct the scheme or the port",
    );

    let authority = Authority::new();
    let tls = secured(&authority, address(sandbox.sts_url())).await;
    let unencrypted = format!("http://localhost:{}", tls.port());
    expect(
        told(&unencrypted, &[]),
        "is not HTTP: it may be a port for TLS",
        "correct the scheme or the port",
    );
    let encrypted = format!("https://localhost:{}", tls.port());
    expect(told(&encrypted, &[]), "certificate is not accepted: UnknownIssuer", "SSL_CERT_FILE");
    let ca = authority.folder.path().join("ca.pem");
    let trusting = [("SSL_CERT_FILE", ca.to_str().unwrap())];
    // The authority counts in place of the machine's, and the sandbox's STS has no such document.
    expect(told(&encrypted, &trusting), "answered 400", "/.well-known/openid-configuration");
    authority.serve_itself();
    let itself = secured(&authority, address(sandbox.sts_url())).await;
    let itself = format!("https://localhost:{}", itself.port());
    expect(told(&itself, &trusting), "CaUsedAsEndEntity", "issued from that authority");

    let proxy = Proxy::start().await;
    let proxy_url = proxy.url();
    let proxied = [("HTTPS_PROXY", proxy_url.as_str())];
    expect(
        told(IDP, &proxied),
        &format!("cannot be reached through the proxy {}: the proxy refuses", proxy.address),
        "NO_PROXY",
    );
    proxy.refuses_with("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    expect(
        told(IDP, &proxied),
        "the proxy asks for credentials, or for others (407)",
        "`http://USER:PASSWORD@HOST:PORT`",
    );
    let away = format!("http://127.0.0.1:{}", free_port());
    expect(
        told(IDP, &[("HTTPS_PROXY", &away)]),
        "the proxy itself cannot be reached: nothing listens",
        "HTTPS_PROXY",
    );
}

/// The same words for AWS.
#[tokio::test(flavor = "multi_thread")]
async fn aws_is_asked_in_the_same_way_and_its_failures_are_said_in_the_same_words() {
    let (sandbox, proxy) = (Sandbox::start(SandboxOptions::default()).await.unwrap(), Proxy::start().await);
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(&sandbox, folder.path());
    let identity = |further: &[(&str, &str)]| {
        check(&doctor(&config, &environment(&sandbox, further)), "aws", "identity")
    };
    let proxy_url = proxy.url();
    let proxied = [("HTTPS_PROXY", proxy_url.as_str())];
    let told = identity(&proxied);
    let refused =
        format!("sts.corp.example cannot be reached through the proxy {}: the proxy refuses", proxy.address);
    assert!(told["found"].as_str().unwrap().contains(&refused), "{told}");
    let told = identity(&[("HTTPS_PROXY", &proxy_url), ("NO_PROXY", "corp.example")]);
    assert!(
        told["found"]
            .as_str()
            .unwrap()
            .contains("sts.corp.example cannot be reached: the name cannot be resolved"),
        "{told}"
    );
    let authority = Authority::for_name("sts.corp.example");
    proxy.knows("sts.corp.example:443", secured(&authority, address(sandbox.sts_url())).await);
    let told = identity(&proxied);
    assert!(told["found"].as_str().unwrap().contains("UnknownIssuer"), "{told}");
    let ca = authority.folder.path().join("ca.pem");
    let told = identity(&[("HTTPS_PROXY", &proxy_url), ("SSL_CERT_FILE", ca.to_str().unwrap())]);
    assert_eq!(told["outcome"], "ok", "{told}");
    let nowhere = folder.path().join("none.pem");
    let examined = doctor(&config, &environment(&sandbox, &[("SSL_CERT_FILE", nowhere.to_str().unwrap())]));
    assert!(
        text(&examined).contains("SSL_CERT_FILE: `") && examined.status.code() == Some(1),
        "{}",
        text(&examined)
    );
}
