//! The SDK's HTTP client: its proxies, the certificate authorities that it accepts, and the meaning of its failures.

use super::names::Names;
use crate::http_client::egress::{Egress, Way};
use crate::http_client::{self, Authorities, Cause, HttpError, HttpErrorKind};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;

/// Each request to the metadata service carries one of these, whatever address a profile gives the service.
const METADATA_TOKENS: [&str; 2] = ["x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"];

/// The connections to AWS. They outlive a configuration: a reload keeps those that are open.
#[derive(Clone, Debug)]
pub struct Connections(pub(super) SharedHttpClient);

impl Connections {
    /// The SDK's default client, except that it bypasses the proxy where [`Egress`] says so, shares the certificate
    /// authorities of `http`, and keeps the addresses of AWS's hosts. By itself it sends even the requests for a pod's
    /// credentials to the proxy, unless `NO_PROXY` excepts them.
    ///
    /// # Errors
    ///
    /// The SDK does not accept the certificate authorities.
    pub fn new(http: &http_client::HttpClient) -> Result<Self, String> {
        client(http).map(Self)
    }
}

fn client(http: &http_client::HttpClient) -> Result<SharedHttpClient, String> {
    let trust = TrustStore::empty().with_pem_certificate(pem(http.authorities()));
    let tls = TlsContext::builder().with_trust_store(trust).build();
    let tls =
        tls.map_err(|error| format!("the AWS SDK does not accept the certificate authorities: {error}"))?;
    let egress = http.egress().clone();
    let names = Names::default();
    let direct = by(ProxyConfig::disabled(), tls.clone(), names.clone());
    let proxied = egress.has_proxies().then(|| by(ProxyConfig::from_env(), tls, names));
    Ok(SharedHttpClient::new(ByWay { egress, direct, proxied }))
}

fn by(proxies: ProxyConfig, tls: TlsContext, names: Names) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls.clone())
            .proxy_config(proxies.clone());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.build_with_resolver(names.clone())
    })
}

/// RFC 7468, which is the only form that the SDK takes.
fn pem(authorities: &Authorities) -> String {
    let bundle = authorities.certificates().iter().map(|certificate| {
        let text = STANDARD.encode(certificate);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    });
    bundle.collect()
}

#[derive(Debug)]
struct ByWay<T> {
    egress: Egress,
    direct: T,
    /// `None` without any proxy.
    proxied: Option<T>,
}

impl HttpClient for ByWay<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ByWay {
            egress: self.egress.clone(),
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.as_ref().map(|proxied| proxied.http_connector(settings, components)),
        })
    }
}

impl HttpConnector for ByWay<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Ok(url) = request.uri().parse::<Uri>() else { return self.direct.call(request) };
        let asks_for_credentials = METADATA_TOKENS.iter().any(|name| request.headers().contains_key(name));
        let way = if asks_for_credentials { Way::Direct } else { self.egress.way(&url) };
        let answer = match (&way, &self.proxied) {
            (Way::Proxy(_), Some(proxied)) => proxied.call(request),
            _ => self.direct.call(request),
        };
        HttpConnectorFuture::new(async move { answer.await.map_err(|error| named(&error, &url, &way)) })
    }
}

/// The same error, with our words for the host and the failure.
fn named(error: &ConnectorError, url: &Uri, way: &Way) -> ConnectorError {
    let is_plain = url.scheme_str() == Some("http");
    let cause = match error.is_timeout() {
        true => Cause::Other("it took no connection in time".to_owned()),
        false => Cause::of(error, is_plain && way.proxy().is_some()),
    };
    let source = Box::new(HttpError::new(url, way, HttpErrorKind::Unreachable(cause)));
    match (error.is_timeout(), error.is_user(), error.is_io()) {
        (true, ..) => ConnectorError::timeout(source),
        (_, true, _) => ConnectorError::user(source),
        (.., true) => ConnectorError::io(source),
        _ => ConnectorError::other(source, error.as_other()),
    }
}
