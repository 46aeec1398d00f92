//! A client of TLS 1.3 that never resumes: each request is a connection with a whole handshake. (wrk resumes wherever it is
//! given a ticket.)

use super::Outcome;
use super::repeat::repeat;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What is asked, and what must be answered.
pub(super) struct Question {
    pub(super) port: u16,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) status: u16,
}

/// Asks for `time` from `clients` at once, and prints how that went.
pub(super) async fn ask(question: Question, certificate: &Path, time: Duration, clients: usize) -> Outcome {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let (connector, question) = (TlsConnector::from(Arc::new(config)), Arc::new(question));
    let asked = repeat(time, clients, move |_| once(connector.clone(), Arc::clone(&question))).await?;
    asked.tell(json!({}))
}

/// Closes when it has the answer: not every server is quick to do so.
async fn once(connector: TlsConnector, question: Arc<Question>) -> Outcome {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, question.port)).await?;
    stream.set_nodelay(true)?;
    let stream = connector.connect(ServerName::try_from(question.host.clone())?, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(&question.path).header(HOST, &question.host).header(CONNECTION, "close");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    connection.abort();
    if status == question.status { Ok(()) } else { Err(format!("answered {status}").into()) }
}
