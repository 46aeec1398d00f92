//! Inline session policies: the actions that a session of the assumed role may take, and the one resource for them.
//!
//! A session may do what the role's policies *and* its session policy allow, so these only ever narrow.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>

use super::permissions::{self, On, Permission, Place};
use super::resource::Resource;
use super::s3::store::ArtifactStore;
use crate::target::{Access, Kind, Region, RoleArn};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// The purpose of a session. Sessions are told apart by it; its text is made only when a session begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// Allows one presign on one resource, and the actions that AWS checks later on the session that the URL opens.
    ///
    /// `tagged`: the session carries tags, which makes AWS ask for a further Studio action.
    Mint { resource: Resource, region: Region, tagged: bool, access: Option<Access> },
    /// Allows to call one MLflow target's API, as far as the class of access goes.
    Call { resource: Resource, region: Region, access: Option<Access> },
    /// Allows to start one target.
    Start { resource: Resource, region: Region },
    /// Allows to create one user profile, with its tags and its execution role.
    CreateProfile { resource: Resource, region: Region, execution_role: Option<RoleArn> },
    /// Allows to use the artifacts of one store, as far as the class of access goes.
    Artifacts { store: Arc<ArtifactStore>, access: Option<Access> },
    /// Allows to read the states of all targets in a region, how its domains authenticate, and tags; and nothing else. One
    /// session serves all look-ups.
    LookUp { region: Region },
    /// Allows to list the MLflow Apps, and nothing else.
    ListApps,
    /// Allows to list user profiles, and nothing else.
    ListProfiles,
}

impl Scope {
    /// The session policy, for resources in the role's partition and account.
    pub(super) fn policy(&self, role: &RoleArn) -> String {
        match self {
            Self::Mint { resource, region, tagged, access } => {
                let permissions = permissions::to_mint(resource.kind(), *tagged, *access);
                policy(&permissions, &resource.arns(role, region))
            }
            Self::Call { resource, region, access } => {
                policy(&[permissions::to_call(resource.kind(), *access)], &resource.arns(role, region))
            }
            Self::Start { resource, region } => {
                let permissions: Vec<Permission> =
                    permissions::to_start(resource.kind()).into_iter().collect();
                policy(&permissions, &resource.arns(role, region))
            }
            Self::CreateProfile { resource, region, execution_role } => {
                let (create, arns) = ([permissions::to_create_profile()], resource.arns(role, region));
                let mut statements = statements(&create, &arns);
                let pass = [permissions::PASS_ROLE.to_owned()];
                if let Some(execution_role) = execution_role {
                    let resource = Resources::One(execution_role.as_str());
                    statements.push(Statement { effect: "Allow", action: &pass, resource });
                }
                document(statements)
            }
            Self::Artifacts { store, access } => artifacts(store, *access, role),
            Self::LookUp { region } => {
                let states = Kind::ALL.into_iter().flat_map(|kind| permissions::to_look_up(kind).actions);
                let actions = states
                    .chain([permissions::DESCRIBE_DOMAIN, permissions::LIST_TAGS].map(str::to_owned))
                    .collect();
                policy(
                    &[Permission { actions, on: On::Target }],
                    &[Place::of(role, region.as_str()).anything()],
                )
            }
            Self::ListApps => policy(&[permissions::to_list_apps()], &[]),
            Self::ListProfiles => policy(&[permissions::to_list_profiles()], &[]),
        }
    }
}

/// One store's artifacts. The key of an encrypted store is not told, so any may be used, by way of S3.
fn artifacts(store: &ArtifactStore, access: Option<Access>, role: &RoleArn) -> String {
    let partition = Place::of(role, "").partition;
    let (bucket, below) = (format!("arn:{partition}:s3:::{}", store.bucket()), format!("{}*", store.root()));
    let statements = json!([
        {
            "Effect": "Allow",
            "Action": permissions::to_use_artifacts(access),
            "Resource": format!("{bucket}/{below}"),
        },
        {
            "Effect": "Allow",
            "Action": permissions::LIST_ARTIFACTS,
            "Resource": bucket,
            "Condition": {"StringLike": {"s3:prefix": below}},
        },
        {
            "Effect": "Allow",
            "Action": permissions::to_use_the_stores_key(access),
            "Resource": "*",
            "Condition": {"StringLike": {"kms:ViaService": permissions::VIA_S3}},
        },
    ]);
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    statement: Vec<Statement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    effect: &'static str,
    action: &'a [String],
    resource: Resources<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Resources<'a> {
    One(&'a str),
    Several(&'a [String]),
}

fn policy(permissions: &[Permission], target: &[String]) -> String {
    document(statements(permissions, target))
}

fn statements<'a>(permissions: &'a [Permission], target: &'a [String]) -> Vec<Statement<'a>> {
    let statements = permissions.iter().map(|permission| {
        let resource = match permission.on {
            On::Target => match target {
                [one] => Resources::One(one),
                several => Resources::Several(several),
            },
            On::Anything => Resources::One("*"),
        };
        Statement { effect: "Allow", action: &permission.actions, resource }
    });
    statements.collect()
}

fn document(statement: Vec<Statement<'_>>) -> String {
    let document = Document { version: "2012-10-17", statement };
    // Texts and lists of them always become JSON.
    serde_json::to_string(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{self, Kind, Target};
    use serde_json::Value;

    const APP: &str = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-ABC";
    const PARTNER: &str = "arn:aws:sagemaker:eu-west-1:111122223333:partner-app/app-ABCDEF123456";

    fn mint_policy(target: &Target, tagged: bool) -> Value {
        let role = RoleArn::parse("arn:aws-us-gov:iam::111122223333:role/path/postern").unwrap();
        let region = Region::parse("eu-west-1").unwrap();
        let text = Scope::Mint { resource: Resource::of(target), region, tagged, access: None }.policy(&role);
        assert!(text.len() <= 2048);
        let policy: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
        policy["Statement"].clone()
    }

    fn studio() -> Target {
        Target::for_tests(Kind::StudioDomain, &[("domain_id", "d-abc"), ("user_profile_name", "ada")], &[])
    }

    #[test]
    fn a_studio_mint_may_presign_for_one_profile() {
        let arn = "arn:aws-us-gov:sagemaker:eu-west-1:111122223333:user-profile/d-abc/ada";
        let actions = json!(["sagemaker:CreatePresignedDomainUrl"]);
        assert_eq!(
            mint_policy(&studio(), false),
            json!([{"Effect": "Allow", "Action": actions, "Resource": arn}])
        );
        let actions = json!([
            "sagemaker:CreatePresignedDomainUrl",
            "sagemaker:CreatePresignedDomainUrlWithPrincipalTag"
        ]);
        assert_eq!(
            mint_policy(&studio(), true),
            json!([{"Effect": "Allow", "Action": actions, "Resource": arn}])
        );
    }

    #[test]
    fn a_profile_with_capitals_is_named_in_both_spellings() {
        let longest = "A".repeat(63);
        for name in ["PowerUser", "ADA", "a-B", &longest] {
            let target = studio().with("user_profile_name", target::Value::Text(name.into())).unwrap();
            let arn = |name: &str| {
                format!("arn:aws-us-gov:sagemaker:eu-west-1:111122223333:user-profile/d-abc/{name}")
            };
            let both = json!([arn(name), arn(&name.to_ascii_lowercase())]);
            assert_eq!(mint_policy(&target, true)[0]["Resource"], both, "{name}");
        }
    }

    #[test]
    fn an_mlflow_mint_may_also_use_the_one_server() {
        let longest = "a".repeat(256);
        let target =
            Target::for_tests(Kind::MlflowTrackingServer, &[("tracking_server_name", &longest)], &[]);
        let arn = format!("arn:aws-us-gov:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/{longest}");
        assert_eq!(
            mint_policy(&target, true),
            json!([
                {
                    "Effect": "Allow",
                    "Action": ["sagemaker:CreatePresignedMlflowTrackingServerUrl", "sagemaker-mlflow:*"],
                    "Resource": arn
                },
                {"Effect": "Allow", "Action": ["sagemaker-mlflow:AccessUI"], "Resource": "*"}
            ])
        );
    }

    #[test]
    fn the_other_kinds_name_their_own_resource() {
        let app = Target::for_tests(Kind::MlflowApp, &[("arn", APP)], &[]);
        let partner = Target::for_tests(Kind::PartnerApp, &[("arn", PARTNER)], &[]);
        let notebook = Target::for_tests(Kind::NotebookInstance, &[("notebook_instance_name", "nb")], &[]);
        for (target, actions, arn) in [
            (app, json!(["sagemaker:CreatePresignedMlflowAppUrl", "sagemaker:CallMlflowAppApi"]), APP),
            (
                partner,
                json!(["sagemaker:CreatePartnerAppPresignedUrl", "sagemaker:CallPartnerAppApi"]),
                PARTNER,
            ),
            (
                notebook,
                json!(["sagemaker:CreatePresignedNotebookInstanceUrl"]),
                "arn:aws-us-gov:sagemaker:eu-west-1:111122223333:notebook-instance/nb",
            ),
        ] {
            assert_eq!(
                mint_policy(&target, true),
                json!([{"Effect": "Allow", "Action": actions, "Resource": arn}])
            );
        }
    }

    #[test]
    fn access_narrows_what_may_be_called() {
        let role = RoleArn::parse("arn:aws:iam::111122223333:role/postern").unwrap();
        let server = Target::for_tests(Kind::MlflowTrackingServer, &[("tracking_server_name", "risk")], &[]);
        let app = Target::for_tests(Kind::MlflowApp, &[("arn", APP)], &[]);
        let reads = ["sagemaker-mlflow:Get*", "sagemaker-mlflow:List*", "sagemaker-mlflow:Search*"];
        let statements =
            |scope: Scope| serde_json::from_str::<Value>(&scope.policy(&role)).unwrap()["Statement"].clone();
        let resource = |target| (Resource::of(target), Region::parse("eu-west-1").unwrap());
        for (access, server_actions, app_actions) in [
            (Access::Read, json!(reads), json!(["sagemaker:CallMlflowAppApi", reads[0], reads[1], reads[2]])),
            (
                Access::Log,
                json!(["sagemaker-mlflow:*"]),
                json!(["sagemaker:CallMlflowAppApi", "sagemaker-mlflow:*"]),
            ),
        ] {
            let access = Some(access);
            let arn = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/risk";
            for (target, actions, arn) in [(&server, server_actions, arn), (&app, app_actions, APP)] {
                let (resource, region) = resource(target);
                assert_eq!(
                    statements(Scope::Call { resource, region, access }),
                    json!([{"Effect": "Allow", "Action": actions, "Resource": arn}])
                );
            }
            let (resource, region) = resource(&server);
            let minted = statements(Scope::Mint { resource, region, tagged: false, access });
            let narrowed = minted.to_string().contains("sagemaker-mlflow:Get*");
            assert_eq!(narrowed, access == Some(Access::Read), "{minted}");
            assert_ne!(narrowed, minted.to_string().contains("sagemaker-mlflow:*"), "{minted}");
        }
    }

    #[test]
    fn a_start_may_do_nothing_but_start_the_one_target() {
        let role = RoleArn::parse("arn:aws:iam::111122223333:role/postern").unwrap();
        for (kind, name, action, arn) in [
            (
                Kind::MlflowTrackingServer,
                "tracking_server_name",
                "sagemaker:StartMlflowTrackingServer",
                "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/old",
            ),
            (
                Kind::NotebookInstance,
                "notebook_instance_name",
                "sagemaker:StartNotebookInstance",
                "arn:aws:sagemaker:eu-west-1:111122223333:notebook-instance/old",
            ),
        ] {
            let resource = Resource::of(&Target::for_tests(kind, &[(name, "old")], &[]));
            let text = Scope::Start { resource, region: Region::parse("eu-west-1").unwrap() }.policy(&role);
            assert_eq!(
                serde_json::from_str::<Value>(&text).unwrap()["Statement"],
                json!([{"Effect": "Allow", "Action": [action], "Resource": arn}])
            );
        }
    }

    #[test]
    fn a_creation_names_one_profile_and_passes_one_role() {
        let role = RoleArn::parse("arn:aws:iam::111122223333:role/postern").unwrap();
        let passed = "arn:aws:iam::111122223333:role/studio-user";
        let arn = "arn:aws:sagemaker:eu-west-1:111122223333:user-profile/d-abc/ada";
        let create = json!({
            "Effect": "Allow", "Action": ["sagemaker:CreateUserProfile", "sagemaker:AddTags"], "Resource": arn
        });
        let pass = json!({"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": passed});
        for (execution_role, expected) in
            [(None, json!([create])), (RoleArn::parse(passed).ok(), json!([create, pass]))]
        {
            let (resource, region) = (Resource::of(&studio()), Region::parse("eu-west-1").unwrap());
            let text = Scope::CreateProfile { resource, region, execution_role }.policy(&role);
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["Statement"], expected);
        }
    }

    #[test]
    fn a_store_is_used_below_its_prefix_and_as_far_as_access_goes() {
        let role = RoleArn::parse("arn:aws-us-gov:iam::111122223333:role/postern").unwrap();
        let longest = format!("s3://{}/{}", "b".repeat(63), "p".repeat(400));
        for access in [Access::Read, Access::Log, Access::Write] {
            let store = Arc::new(ArtifactStore::parse(&longest, None).unwrap());
            assert!(Scope::Artifacts { store, access: Some(access) }.policy(&role).len() <= 2048);
        }
        let store = |uri| Arc::new(ArtifactStore::parse(uri, None).unwrap());
        let policy = Scope::Artifacts { store: store("s3://corp-ml/mlflow/"), access: Some(Access::Read) }
            .policy(&role);
        assert_eq!(
            serde_json::from_str::<Value>(&policy).unwrap()["Statement"],
            json!([
                {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws-us-gov:s3:::corp-ml/mlflow/*"},
                {
                    "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws-us-gov:s3:::corp-ml",
                    "Condition": {"StringLike": {"s3:prefix": "mlflow/*"}}
                },
                {
                    "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "*",
                    "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com*"}}
                },
            ])
        );
        for (access, has, has_not) in
            [(Access::Log, "s3:PutObject", "s3:DeleteObject"), (Access::Write, "s3:DeleteObject", "s3:*")]
        {
            let policy =
                Scope::Artifacts { store: store("s3://corp-ml"), access: Some(access) }.policy(&role);
            assert!(policy.contains(has) && !policy.contains(has_not), "{policy}");
            assert!(policy.contains("arn:aws-us-gov:s3:::corp-ml/*"), "{policy}");
        }
    }

    #[test]
    fn a_look_up_may_only_read() {
        let role = RoleArn::parse("arn:aws-us-gov:iam::111122223333:role/postern").unwrap();
        let region = Region::parse("us-gov-west-1").unwrap();
        let text = Scope::LookUp { region }.policy(&role);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap()["Statement"],
            json!([{
                "Effect": "Allow",
                "Action": [
                    "sagemaker:DescribeUserProfile",
                    "sagemaker:DescribeMlflowTrackingServer",
                    "sagemaker:DescribeMlflowApp",
                    "sagemaker:DescribeNotebookInstance",
                    "sagemaker:DescribePartnerApp",
                    "sagemaker:DescribeDomain",
                    "sagemaker:ListTags"
                ],
                "Resource": "arn:aws-us-gov:sagemaker:us-gov-west-1:*:*"
            }])
        );
    }
}
