//! The operations that the sandbox knows: their inputs, and the resources by which IAM judges them.

use super::error::Error;
use super::input::{Input, Patterns, Text};
use super::mlflow;
use serde_json::{Map, Value};

/// A valid input.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) resource: Resource,
    /// The resource to presign; `None` for a Describe.
    pub(super) presign: Option<Presign>,
}

#[derive(Clone, Debug)]
pub(super) enum Resource {
    Domain { id: String },
    UserProfile { domain_id: String, name: String },
    TrackingServer { name: String },
    NotebookInstance { name: String },
    MlflowApp { arn: String },
    PartnerApp { arn: String },
}

#[derive(Clone, Debug)]
pub(super) struct Presign {
    pub(super) expires_in_seconds: u64,
    pub(super) session_seconds: u64,
    pub(super) space_name: Option<String>,
    pub(super) landing_uri: Option<String>,
}

#[derive(Clone, Copy)]
enum Kind {
    Domain,
    UserProfile,
    TrackingServer,
    NotebookInstance,
    MlflowApp,
    PartnerApp,
}

/// Name, kind of resource, whether it presigns.
const OPERATIONS: [(&str, Kind, bool); 11] = [
    ("CreatePresignedDomainUrl", Kind::UserProfile, true),
    ("CreatePresignedMlflowTrackingServerUrl", Kind::TrackingServer, true),
    ("CreatePresignedNotebookInstanceUrl", Kind::NotebookInstance, true),
    ("CreatePresignedMlflowAppUrl", Kind::MlflowApp, true),
    ("CreatePartnerAppPresignedUrl", Kind::PartnerApp, true),
    ("DescribeDomain", Kind::Domain, false),
    ("DescribeUserProfile", Kind::UserProfile, false),
    ("DescribeMlflowTrackingServer", Kind::TrackingServer, false),
    ("DescribeNotebookInstance", Kind::NotebookInstance, false),
    ("DescribeMlflowApp", Kind::MlflowApp, false),
    ("DescribePartnerApp", Kind::PartnerApp, false),
];

const fn text(min: usize, max: usize, pattern: &'static str) -> Text {
    Text { min, max, pattern: Some(pattern) }
}

pub(super) const DOMAIN_ID: Text = text(0, 63, "d-(-*[a-z0-9]){1,61}");
pub(super) const PROFILE_NAME: Text = text(0, 63, "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}");
pub(super) const NOTEBOOK_NAME: Text = text(0, 63, "[a-zA-Z0-9](-*[a-zA-Z0-9])*");
const PARTNER_APP_ARN: Text =
    text(1, 128, r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:partner-app\/app-[A-Z0-9]{12}");
const LANDING_URI: Text = Text { min: 0, max: 1023, pattern: None };
const LANDING_FORMS: [&str; 6] = [
    "studio::",
    "app:JupyterServer:",
    "app:JupyterLab:",
    "app:RStudioServerPro:",
    "app:CodeEditor:",
    "app:Canvas:",
];

pub(super) fn patterns() -> Result<Patterns, regex::Error> {
    let texts = [DOMAIN_ID, PROFILE_NAME, NOTEBOOK_NAME, PARTNER_APP_ARN];
    let patterns = texts.iter().filter_map(|text| text.pattern).chain(mlflow::patterns());
    Patterns::compile(&patterns.collect::<Vec<_>>())
}

impl Operation {
    pub(super) fn read(name: &str, members: &Map<String, Value>, patterns: &Patterns) -> Result<Self, Error> {
        let known = OPERATIONS.iter().find(|(known, _, _)| *known == name);
        let Some((name, kind, presigns)) = known else {
            return Err(Error::new("UnknownOperationException", "The requested operation is not known."));
        };
        let mut input = Input::new(members, patterns);
        let resource = match kind {
            Kind::Domain => Resource::Domain { id: input.required("DomainId", DOMAIN_ID)? },
            Kind::UserProfile => Resource::UserProfile {
                domain_id: input.required("DomainId", DOMAIN_ID)?,
                name: input.required("UserProfileName", PROFILE_NAME)?,
            },
            Kind::TrackingServer => {
                Resource::TrackingServer { name: input.required("TrackingServerName", mlflow::SERVER_NAME)? }
            }
            Kind::NotebookInstance => {
                Resource::NotebookInstance { name: input.required("NotebookInstanceName", NOTEBOOK_NAME)? }
            }
            Kind::MlflowApp => Resource::MlflowApp { arn: input.required("Arn", mlflow::APP_ARN)? },
            Kind::PartnerApp => Resource::PartnerApp { arn: input.required("Arn", PARTNER_APP_ARN)? },
        };
        let presign = if *presigns { Some(Presign::read(&mut input, *kind)?) } else { None };
        input.finish()?;
        if let Some(uri) = presign.as_ref().and_then(|presign| presign.landing_uri.as_deref())
            && !LANDING_FORMS.iter().any(|form| uri.starts_with(form))
        {
            // AWS documents the forms; its words for a refusal are not known.
            return Err(Error::validation("LandingUri must begin with studio:: or app:<AppType>:"));
        }
        Ok(Self { name, resource, presign })
    }
}

impl Presign {
    fn read(input: &mut Input<'_>, kind: Kind) -> Result<Self, Error> {
        // A notebook's operation has no such member, so it is ignored there: five minutes.
        let expires = match kind {
            Kind::NotebookInstance => None,
            _ => input.seconds("ExpiresInSeconds", 5, 300)?,
        };
        let session = input.seconds("SessionExpirationDurationInSeconds", 1800, 43200)?;
        let (space_name, landing_uri) = match kind {
            Kind::UserProfile => {
                (input.text("SpaceName", PROFILE_NAME)?, input.text("LandingUri", LANDING_URI)?)
            }
            _ => (None, None),
        };
        Ok(Self {
            expires_in_seconds: expires.unwrap_or(300),
            session_seconds: session.unwrap_or(43200),
            space_name,
            landing_uri,
        })
    }
}

impl Resource {
    /// The ARN that IAM compares with `Resource` of a policy.
    pub(super) fn arn(&self, region: &str, account: &str) -> String {
        let arn = |resource: String| format!("arn:aws:sagemaker:{region}:{account}:{resource}");
        match self {
            Self::Domain { id } => arn(format!("domain/{id}")),
            Self::UserProfile { domain_id, name } => {
                arn(format!("user-profile/{domain_id}/{}", name.to_ascii_lowercase()))
            }
            Self::TrackingServer { name } => arn(format!("mlflow-tracking-server/{name}")),
            Self::NotebookInstance { name } => arn(format!("notebook-instance/{name}")),
            Self::MlflowApp { arn } | Self::PartnerApp { arn } => arn.clone(),
        }
    }
}
