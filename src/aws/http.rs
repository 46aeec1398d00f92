//! The SDK's HTTP client, and which of its requests may go to a proxy.

use crate::http_client::egress::{Egress, Way};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Each request to the metadata service carries one of these, wherever a profile says that the service is.
const METADATA_TOKENS: [&str; 2] = ["x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"];

/// The SDK's default client, but that it asks directly where [`Egress`] says so: by itself it sends even the requests for
/// a pod's credentials to the proxy, unless `NO_PROXY` excepts their addresses.
pub(super) fn client(egress: Egress) -> SharedHttpClient {
    SharedHttpClient::new(ByWay {
        egress,
        direct: by(ProxyConfig::disabled),
        proxied: by(ProxyConfig::from_env),
    })
}

fn by(proxies: fn() -> ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let crypto = tls::rustls_provider::CryptoMode::AwsLc;
        let mut builder =
            Connector::builder().tls_provider(tls::Provider::Rustls(crypto)).proxy_config(proxies());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.build()
    })
}

#[derive(Debug)]
struct ByWay<T> {
    egress: Egress,
    direct: T,
    proxied: T,
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
            proxied: self.proxied.http_connector(settings, components),
        })
    }
}

impl HttpConnector for ByWay<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asks_for_credentials = METADATA_TOKENS.iter().any(|name| request.headers().contains_key(name));
        let way = request.uri().parse().map(|url| self.egress.way(&url));
        match way {
            Ok(Way::Proxy(_)) if !asks_for_credentials => self.proxied.call(request),
            _ => self.direct.call(request),
        }
    }
}
