//! The actions that each kind of target needs: the one table behind the session policies that are sent and the policies
//! that `postern iam` prints.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html>

use crate::target::{Access, Kind, RoleArn, arn};

/// Actions that are allowed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) actions: Vec<String>,
    pub(crate) on: On,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The resource that the target opens.
    Target,
    /// `*`: the actions know no resources.
    Anything,
}

/// The further action that AWS asks for where a tagged session presigns a Studio URL. AWS's examples grant it; its list of
/// actions leaves it out. <https://docs.aws.amazon.com/sagemaker/latest/dg/setting-up-canvas-sso.html>
pub(crate) const TAGGED_STUDIO: &str = "sagemaker:CreatePresignedDomainUrlWithPrincipalTag";

/// To read how people sign in to a domain.
pub(crate) const DESCRIBE_DOMAIN: &str = "sagemaker:DescribeDomain";

/// The reading actions of a tracking server's API. All of its actions begin with a verb, and these are all that read.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html>
const MLFLOW_READS: &[&str] =
    &["sagemaker-mlflow:Get*", "sagemaker-mlflow:List*", "sagemaker-mlflow:Search*"];
/// Newer parts of the API have no action of their own in AWS's list, so changes are not narrowed further.
const MLFLOW_ALL: &[&str] = &["sagemaker-mlflow:*"];

/// To presign, and the actions that AWS checks later on the session that the URL opens. `tagged`: the session carries
/// tags.
pub(crate) fn to_mint(kind: Kind, tagged: bool, access: Option<Access>) -> Vec<Permission> {
    let mut presign = to_presign(kind, tagged);
    let later: &[&str] = match kind {
        Kind::StudioDomain | Kind::NotebookInstance => &[],
        Kind::MlflowTrackingServer => mlflow_actions(access),
        Kind::MlflowApp => &["sagemaker:CallMlflowAppApi"],
        Kind::PartnerApp => &["sagemaker:CallPartnerAppApi"],
    };
    presign.actions.extend(later.iter().map(ToString::to_string));
    let mut permissions = vec![presign];
    if kind == Kind::MlflowTrackingServer {
        let actions = vec!["sagemaker-mlflow:AccessUI".to_owned()];
        permissions.push(Permission { actions, on: On::Anything });
    }
    permissions
}

/// To call an MLflow target's API. An App has one action for all calls; AWS's examples grant it those of tracking
/// servers, too, and it is not known whether they count.
pub(crate) fn to_call(kind: Kind, access: Option<Access>) -> Permission {
    let app: &[&str] = if kind == Kind::MlflowApp { &["sagemaker:CallMlflowAppApi"] } else { &[] };
    let actions = app.iter().chain(mlflow_actions(access)).map(ToString::to_string).collect();
    Permission { actions, on: On::Target }
}

fn mlflow_actions(access: Option<Access>) -> &'static [&'static str] {
    if access == Some(Access::Read) { MLFLOW_READS } else { MLFLOW_ALL }
}

/// To read the artifacts below a prefix, and to write or delete them as far as the class of access goes: the actions on
/// objects. Abandoning an upload of several parts removes what it has sent.
pub(crate) fn to_use_artifacts(access: Option<Access>) -> &'static [&'static str] {
    match access {
        Some(Access::Read) | None => &["s3:GetObject"],
        Some(Access::Log) => &["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
        Some(Access::Write) => {
            &["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"]
        }
    }
}

/// The action on the bucket, for prefixes below the store's own.
pub(crate) const LIST_ARTIFACTS: &str = "s3:ListBucket";

/// The values of `kms:ViaService` for S3, whatever the region and partition.
pub(crate) const VIA_S3: &str = "s3.*.amazonaws.com*";

/// For a store that is encrypted by a KMS key, by way of S3 only.
pub(crate) fn to_use_the_stores_key(access: Option<Access>) -> &'static [&'static str] {
    match access {
        Some(Access::Read) | None => &["kms:Decrypt"],
        Some(Access::Log | Access::Write) => &["kms:Decrypt", "kms:GenerateDataKey"],
    }
}

/// To presign alone: the actions of the API call itself.
pub(crate) fn to_presign(kind: Kind, tagged: bool) -> Permission {
    let mut actions = vec![action(kind.presign_operation())];
    if kind == Kind::StudioDomain && tagged {
        actions.push(TAGGED_STUDIO.to_owned());
    }
    Permission { actions, on: On::Target }
}

/// To read the state of a target's resource.
pub(crate) fn to_look_up(kind: Kind) -> Permission {
    Permission { actions: vec![action(kind.describe_operation())], on: On::Target }
}

/// To start a target; `None` if its kind cannot be stopped.
pub(crate) fn to_start(kind: Kind) -> Option<Permission> {
    kind.start_operation().map(|operation| Permission { actions: vec![action(operation)], on: On::Target })
}

/// To read the tags of a user profile.
pub(crate) const LIST_TAGS: &str = "sagemaker:ListTags";

/// To create a user profile with tags.
pub(crate) fn to_create_profile() -> Permission {
    Permission { actions: vec![action("CreateUserProfile"), action("AddTags")], on: On::Target }
}

/// To let AWS run a profile's apps in its execution role.
pub(crate) const PASS_ROLE: &str = "iam:PassRole";

/// To find an App by its name. The action knows no resources.
pub(crate) fn to_list_apps() -> Permission {
    Permission { actions: vec![action("ListMlflowApps")], on: On::Anything }
}

/// To list user profiles. Only `postern doctor` does, so the gateway's own policies leave it out.
pub(crate) fn to_list_profiles() -> Permission {
    Permission { actions: vec![action("ListUserProfiles")], on: On::Anything }
}

/// The keys of the tags that EKS Pod Identity gives a pod's session. They are transitive, so they go along with each
/// `AssumeRole`, which then needs `sts:TagSession`.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html>
pub(crate) const POD_IDENTITY_TAGS: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
    "kubernetes-service-account",
];

/// For `AssumeRole` as the gateway calls it. `named`: with `SourceIdentity`.
pub(crate) fn to_assume(named: bool, tagged: bool) -> Vec<&'static str> {
    let further = [("sts:SetSourceIdentity", named), ("sts:TagSession", tagged)];
    let further = further.into_iter().filter(|(_, asked)| *asked).map(|(action, _)| action);
    std::iter::once("sts:AssumeRole").chain(further).collect()
}

/// The partition, region and account of an ARN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) partition: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
}

impl<'a> Place<'a> {
    /// The place of the role's resources.
    pub(super) fn of(role: &'a RoleArn, region: &'a str) -> Self {
        let [_, partition, _, _, account, _] = arn::fields(role.as_str()).unwrap_or_default();
        Self { partition, region, account }
    }

    /// The ARNs by which IAM knows a target's resource. `names`: domain and profile, or one name; for an app, its ARN,
    /// or `*` for any.
    ///
    /// Two if the name of a profile has capitals. SageMaker takes it for the same name in lower case; IAM tells the two
    /// apart, and has been seen to judge calls by the lower-case ARN.
    /// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateUserProfile.html>
    pub(crate) fn arns(self, kind: Kind, names: &[&str]) -> Vec<String> {
        let name = names.join("/");
        let Some(resource) = kind.description().resource else {
            let is_any_app = kind == Kind::MlflowApp && name == "*";
            return vec![if is_any_app { self.resource("mlflow-app/*") } else { name }];
        };
        let folded =
            Some(name.to_ascii_lowercase()).filter(|folded| kind == Kind::StudioDomain && *folded != name);
        let spellings = std::iter::once(name).chain(folded);
        spellings.map(|name| self.resource(&format!("{resource}/{name}"))).collect()
    }

    pub(crate) fn domain(self, id: &str) -> String {
        self.resource(&format!("domain/{id}"))
    }

    /// Every SageMaker resource in the region. An app may be of another account than the role.
    pub(super) fn anything(self) -> String {
        Self { account: "*", ..self }.resource("*")
    }

    fn resource(self, resource: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:sagemaker:{region}:{account}:{resource}")
    }
}

fn action(operation: &str) -> String {
    format!("sagemaker:{operation}")
}
