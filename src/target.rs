//! The targets that destinations open: the kinds of SageMaker target and their fields, in one table.
//!
//! A kind is a [`Description`], a field one of its fields. The table serves the written form, compiling, resolving,
//! explanations and permissions. Only three other places know more of a kind: the calls to AWS (`aws::sagemaker`), the
//! reading of AWS's states (`aws::state`), and the further actions that a session needs (`aws::permissions`).
//!
//! The SDK checks no input at all, so this room does: a [`Target`] holds only values that its fields' parsers accept.
//! <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html>

mod access;
pub(crate) mod arn;
mod names;
mod new_profile;
mod resolved;

pub use access::Access;
pub use names::{
    DomainId, EXPIRES_IN, Fragment, InvalidName, LandingUri, MlflowAppArn, MlflowAppName,
    NotebookInstanceName, PartnerAppArn, Region, RoleArn, SESSION_EXPIRATION, Seconds, SpaceName,
    TrackingServerName, UserProfileName,
};

pub use new_profile::NewProfile;
pub use resolved::{InvalidTarget, Mint, Target, Value};

/// The kinds of target. Rules may change a target's fields, never its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    StudioDomain,
    MlflowTrackingServer,
    MlflowApp,
    NotebookInstance,
    PartnerApp,
}

/// The table's row for one kind.
#[derive(Debug)]
pub struct Description {
    pub kind: Kind,
    /// The kind's word in the configuration.
    pub name: &'static str,
    /// The kind's name for people.
    pub title: &'static str,
    /// The noun for admins, before the target's names.
    pub noun: &'static str,
    /// The API operation that presigns.
    pub presign_operation: &'static str,
    /// A further remark for the configuration's schema.
    pub remark: &'static str,
    /// The API operation that tells the state of the opened resource: for Studio, the person's profile.
    pub describe_operation: &'static str,
    /// The API operation that starts it, if it can be stopped.
    pub start_operation: Option<&'static str>,
    /// The resource type before the names in the target's ARN; `None` if the one name is an ARN.
    pub resource: Option<&'static str>,
    /// The fields that name the target, in the order of its ARN.
    pub names: &'static [&'static str],
    pub declared_name: Option<DeclaredName>,
    pub links: Links,
    /// How long a URL waits to be opened by default, in seconds, as far as AWS documents that.
    pub documented_life: Option<u32>,
    pub fields: &'static [Field],
}

/// A field that may stand in place of another one: AWS is then asked for the other's value.
#[derive(Clone, Copy, Debug)]
pub struct DeclaredName {
    pub key: &'static str,
    pub stands_for: &'static str,
}

/// How a deep link reaches the page below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    No,
    /// Behind the `landing_uri`.
    LandingUri,
    /// As the fragment of the URL.
    Fragment,
}

#[derive(Debug)]
pub struct Field {
    pub key: &'static str,
    pub form: Form,
    pub is_required: bool,
    /// Whether the field names the opened place, so that two people with the same value meet there.
    pub makes_place: bool,
    /// For the configuration's schema.
    pub description: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// May hold `${…}` templates.
    Text(fn(&str) -> Result<(), InvalidName>),
    Seconds(Seconds),
}

pub const DOMAIN_ID: &str = "domain_id";
pub const USER_PROFILE_NAME: &str = "user_profile_name";
pub const SPACE_NAME: &str = "space_name";
pub const LANDING_URI: &str = "landing_uri";
pub const TRACKING_SERVER_NAME: &str = "tracking_server_name";
pub const ARN: &str = "arn";
pub const APP_NAME: &str = "name";
pub const NOTEBOOK_INSTANCE_NAME: &str = "notebook_instance_name";
pub const EXPIRES_IN_SECONDS: &str = "expires_in_seconds";
pub const SESSION_EXPIRATION_SECONDS: &str = "session_expiration_duration_in_seconds";

const EXPIRES: Field = Field {
    key: EXPIRES_IN_SECONDS,
    form: Form::Seconds(EXPIRES_IN),
    is_required: false,
    makes_place: false,
    description: "How long a URL waits to be opened, in seconds.",
};
const SESSION: Field = Field {
    key: SESSION_EXPIRATION_SECONDS,
    form: Form::Seconds(SESSION_EXPIRATION),
    is_required: false,
    makes_place: false,
    description: "How long the opened session lasts, in seconds.",
};

static STUDIO_DOMAIN: Description = Description {
    kind: Kind::StudioDomain,
    name: "studio_domain",
    title: "SageMaker Studio",
    noun: "user profile",
    presign_operation: "CreatePresignedDomainUrl",
    remark: "",
    describe_operation: "DescribeUserProfile",
    start_operation: None,
    resource: Some("user-profile"),
    names: &[DOMAIN_ID, USER_PROFILE_NAME],
    declared_name: None,
    links: Links::LandingUri,
    documented_life: Some(300),
    fields: &[
        Field {
            key: DOMAIN_ID,
            form: Form::Text(|text| DomainId::parse(text).map(drop)),
            is_required: true,
            makes_place: true,
            description: "The id of a Studio domain in IAM mode, such as `d-abcdefghijkl`.",
        },
        Field {
            key: USER_PROFILE_NAME,
            form: Form::Text(|text| UserProfileName::parse(text).map(drop)),
            is_required: true,
            makes_place: true,
            description: "The name of the person's user profile in the domain.",
        },
        Field {
            key: SPACE_NAME,
            form: Form::Text(|text| SpaceName::parse(text).map(drop)),
            is_required: false,
            makes_place: true,
            description: "Opens this space in place of the profile's own.",
        },
        Field {
            key: LANDING_URI,
            form: Form::Text(|text| LandingUri::parse(text).map(drop)),
            is_required: false,
            makes_place: false,
            description: "Where Studio opens, such as `app:JupyterLab:`.",
        },
        EXPIRES,
        SESSION,
    ],
};

static MLFLOW_TRACKING_SERVER: Description = Description {
    kind: Kind::MlflowTrackingServer,
    name: "mlflow_tracking_server",
    title: "MLflow tracking server",
    noun: "tracking server",
    presign_operation: "CreatePresignedMlflowTrackingServerUrl",
    remark: "",
    describe_operation: "DescribeMlflowTrackingServer",
    start_operation: Some("StartMlflowTrackingServer"),
    resource: Some("mlflow-tracking-server"),
    names: &[TRACKING_SERVER_NAME],
    declared_name: None,
    links: Links::Fragment,
    documented_life: None,
    fields: &[
        Field {
            key: TRACKING_SERVER_NAME,
            form: Form::Text(|text| TrackingServerName::parse(text).map(drop)),
            is_required: true,
            makes_place: true,
            description: "The name of an MLflow tracking server.",
        },
        EXPIRES,
        SESSION,
    ],
};

static MLFLOW_APP: Description = Description {
    kind: Kind::MlflowApp,
    name: "mlflow_app",
    title: "MLflow App",
    noun: "MLflow App",
    presign_operation: "CreatePresignedMlflowAppUrl",
    remark: "",
    describe_operation: "DescribeMlflowApp",
    start_operation: None,
    resource: None,
    names: &[ARN],
    declared_name: Some(DeclaredName { key: APP_NAME, stands_for: ARN }),
    links: Links::Fragment,
    documented_life: None,
    fields: &[
        Field {
            key: APP_NAME,
            form: Form::Text(|text| MlflowAppName::parse(text).map(drop)),
            is_required: false,
            makes_place: true,
            description: "The name of an App of `mlflow_apps`, in place of its ARN.",
        },
        Field {
            key: ARN,
            form: Form::Text(|text| MlflowAppArn::parse(text).map(drop)),
            is_required: true,
            makes_place: true,
            description: "The ARN of the app.",
        },
        EXPIRES,
        SESSION,
    ],
};

static NOTEBOOK_INSTANCE: Description = Description {
    kind: Kind::NotebookInstance,
    name: "notebook_instance",
    title: "Notebook instance",
    noun: "notebook instance",
    presign_operation: "CreatePresignedNotebookInstanceUrl",
    remark: "its URL always lives for five minutes",
    describe_operation: "DescribeNotebookInstance",
    start_operation: Some("StartNotebookInstance"),
    resource: Some("notebook-instance"),
    names: &[NOTEBOOK_INSTANCE_NAME],
    declared_name: None,
    links: Links::No,
    documented_life: Some(300),
    fields: &[
        Field {
            key: NOTEBOOK_INSTANCE_NAME,
            form: Form::Text(|text| NotebookInstanceName::parse(text).map(drop)),
            is_required: true,
            makes_place: true,
            description: "The name of a notebook instance.",
        },
        SESSION,
    ],
};

static PARTNER_APP: Description = Description {
    kind: Kind::PartnerApp,
    name: "partner_app",
    title: "Partner AI App",
    noun: "partner app",
    presign_operation: "CreatePartnerAppPresignedUrl",
    remark: "",
    describe_operation: "DescribePartnerApp",
    start_operation: None,
    resource: None,
    names: &[ARN],
    declared_name: None,
    links: Links::No,
    documented_life: None,
    fields: &[
        Field {
            key: ARN,
            form: Form::Text(|text| PartnerAppArn::parse(text).map(drop)),
            is_required: true,
            makes_place: true,
            description: "The ARN of the app.",
        },
        EXPIRES,
        SESSION,
    ],
};

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::StudioDomain,
        Self::MlflowTrackingServer,
        Self::MlflowApp,
        Self::NotebookInstance,
        Self::PartnerApp,
    ];

    pub fn description(self) -> &'static Description {
        match self {
            Self::StudioDomain => &STUDIO_DOMAIN,
            Self::MlflowTrackingServer => &MLFLOW_TRACKING_SERVER,
            Self::MlflowApp => &MLFLOW_APP,
            Self::NotebookInstance => &NOTEBOOK_INSTANCE,
            Self::PartnerApp => &PARTNER_APP,
        }
    }

    /// Whether a required field is given, or the declared name in its place.
    pub fn is_met(self, field: &Field, is_given: impl Fn(&str) -> bool) -> bool {
        let in_place = self.description().declared_name.filter(|name| name.stands_for == field.key);
        !field.is_required || is_given(field.key) || in_place.is_some_and(|name| is_given(name.key))
    }

    /// The kind's word in the configuration.
    pub fn as_str(self) -> &'static str {
        self.description().name
    }

    pub fn presign_operation(self) -> &'static str {
        self.description().presign_operation
    }

    pub fn describe_operation(self) -> &'static str {
        self.description().describe_operation
    }

    /// `None` if the kind cannot be stopped.
    pub fn start_operation(self) -> Option<&'static str> {
        self.description().start_operation
    }

    /// Whether the kind has MLflow's API.
    pub fn is_mlflow(self) -> bool {
        matches!(self, Self::MlflowTrackingServer | Self::MlflowApp)
    }

    /// The endpoint of the kind's MLflow API in a region; `None` if it has no such API, or if the endpoint is not
    /// known.
    ///
    /// AWS's own plugin has these names and no others. <https://github.com/aws/sagemaker-mlflow>
    pub fn mlflow_endpoint(self, region: &Region) -> Option<String> {
        match (self, region.partition()) {
            (Self::MlflowTrackingServer, "aws" | "aws-us-gov") => {
                Some(format!("https://{region}.experiments.sagemaker.aws"))
            }
            (Self::MlflowApp, "aws") => Some(format!("https://mlflow.sagemaker.{region}.app.aws")),
            _ => None,
        }
    }

    pub fn field(self, key: &str) -> Option<&'static Field> {
        self.description().fields.iter().find(|field| field.key == key)
    }

    /// The fields of all kinds, each key once.
    pub fn all_fields() -> Vec<&'static Field> {
        let mut found: Vec<&Field> = Vec::new();
        for field in Self::ALL.iter().flat_map(|kind| kind.description().fields) {
            if !found.iter().any(|known| known.key == field.key) {
                found.push(field);
            }
        }
        found
    }
}
