//! AWS with the credentials of the person who runs a command, never with those of the gateway.

use super::error::AwsError;
use super::http::Connections;
use super::mlflow::ControlPlane;
use super::sdk::{self, fault};
use crate::config::AwsConfig;
use crate::http_client::HttpClient;
use crate::target::{Region, RoleArn};
use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;

/// The source of the operator's credentials: the SDK's default chain, a profile of it, or a role that those assume.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperatorSource {
    pub(crate) profile: Option<String>,
    pub(crate) role_arn: Option<RoleArn>,
}

/// AWS as reached by one operator.
#[derive(Debug)]
pub(crate) struct Operator {
    sdk: SdkConfig,
    config: AwsConfig,
}

impl Operator {
    /// Reads the environment and profile files; the network is asked by the first call.
    ///
    /// # Errors
    ///
    /// The certificate authorities cannot be read.
    pub(crate) async fn new(
        config: &AwsConfig,
        http: &HttpClient,
        source: &OperatorSource,
    ) -> Result<Self, String> {
        let sdk = sdk::operator_settings(config, Connections::new(http)?.0, source.profile.as_deref()).await;
        let sdk = match &source.role_arn {
            None => sdk,
            Some(role_arn) => {
                let mut base = sdk.clone().into_builder();
                base.set_endpoint_url(config.sts_endpoint_url.as_ref().map(ToString::to_string));
                let provider = AssumeRoleProvider::builder(role_arn.as_str())
                    .session_name("postern-servers")
                    .configure(&base.build())
                    .build()
                    .await;
                let mut assumed = sdk.into_builder();
                assumed.set_credentials_provider(Some(SharedCredentialsProvider::new(provider)));
                assumed.build()
            }
        };
        Ok(Self { sdk, config: config.clone() })
    }

    /// SageMaker in a region.
    pub(crate) fn control_plane(&self, region: &Region) -> ControlPlane {
        let mut sdk = self.sdk.clone().into_builder();
        sdk.set_region(Some(aws_config::Region::new(region.to_string())));
        ControlPlane::new(&sdk.build(), self.config.endpoint_url.as_ref().map(ToString::to_string))
    }

    /// The operator's ARN.
    ///
    /// # Errors
    ///
    /// [`AwsError`] if there are no credentials or AWS does not accept them.
    pub(crate) async fn caller(&self) -> Result<String, AwsError> {
        let mut builder = aws_sdk_sts::config::Builder::from(&self.sdk);
        builder.set_endpoint_url(self.config.sts_endpoint_url.as_ref().map(ToString::to_string));
        let client = aws_sdk_sts::Client::from_conf(builder.build());
        let sent = Box::pin(client.get_caller_identity().send()).await;
        let output = sent.map_err(|error| fault("GetCallerIdentity", &error))?;
        Ok(output.arn.unwrap_or_default())
    }
}
