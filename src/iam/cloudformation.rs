//! The policies as one CloudFormation template for every account: each stack makes only the resources of its account.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html>

use super::endpoint::EndpointPolicy;
use super::own::{Own, partition_and_account};
use super::{Policies, RolePolicies};
use crate::aws::permissions::TAGGED_STUDIO;
use serde_json::{Map, Value, json};

const PRINCIPAL: &str = "${PosternRoleArn}";
const ACCOUNT: &str = "${AWS::AccountId}";
const PARTITION: &str = "${AWS::Partition}";
/// Covers [`TAGGED_STUDIO`], which AWS's list of actions leaves out: tools that know the list refuse the name and
/// accept this pattern.
const STUDIO_TAGGED_OR_NOT: &str = "sagemaker:CreatePresignedDomainUrl*";

/// The placeholders in the policies that become the template's parameters.
pub(crate) fn own() -> Own {
    Own { principal: PRINCIPAL.to_owned(), account: ACCOUNT.to_owned(), partition: PARTITION.to_owned() }
}

/// The template, of policies that were made for [`own`]. `principal` is the default of the parameter.
pub(crate) fn template(policies: &Policies, principal: Option<&str>) -> Value {
    let mut conditions = Map::new();
    let mut resources = Map::new();
    conditions.insert("IsOwnAccount".to_owned(), is_own_account());
    conditions.insert("HasRoleName".to_owned(), is_given("PosternRoleName"));
    conditions.insert("HasVpc".to_owned(), is_given("VpcId"));
    resources.insert("PosternPolicy".to_owned(), own_policy(policies));
    let roles = policies.roles.iter().filter(|role| !role.role_arn.contains('*'));
    for (index, role) in roles.enumerate() {
        let (_, account) = partition_and_account(&role.role_arn);
        let condition = format!("IsAccount{account}");
        conditions.insert(condition.clone(), equals(json!({"Ref": "AWS::AccountId"}), account));
        resources.insert(format!("Role{}", index + 1), assumed_role(role, &condition));
    }
    let endpoints = policies.endpoint_policies.iter().filter(|endpoint| !endpoint.region.contains('*'));
    for endpoint in endpoints {
        let words = endpoint.region.split('-').map(capitalized).collect::<String>();
        let condition = format!("IsEndpointIn{words}");
        let region = equals(json!({"Ref": "AWS::Region"}), &endpoint.region);
        let both = json!({"Fn::And": [{"Condition": "HasVpc"}, {"Condition": "IsOwnAccount"}, region]});
        conditions.insert(condition.clone(), both);
        let name = if endpoint.service == "sts" { "Sts" } else { "SageMakerApi" };
        resources.insert(format!("{name}Endpoint{words}"), vpc_endpoint(endpoint, &condition));
    }
    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Postern may do: its own policy, the roles that it assumes, and VPC endpoints. One template for every account.",
        "Parameters": parameters(principal),
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": {
            "PosternPolicyArn": {
                "Description": "The policy of the role that Postern runs as.",
                "Condition": "IsOwnAccount",
                "Value": {"Ref": "PosternPolicy"},
            },
        },
    });
    substitute(&mut template);
    template
}

fn parameters(principal: Option<&str>) -> Value {
    let text = |description: &str| json!({"Type": "String", "Default": "", "Description": description});
    let list =
        |description: &str| json!({"Type": "CommaDelimitedList", "Default": "", "Description": description});
    let mut arn = json!({
        "Type": "String",
        "AllowedPattern": "arn:aws[a-z-]*:iam::[0-9]{12}:role/.+",
        "Description": "The ARN of the role that Postern runs as, which must exist.",
    });
    if let (Some(principal), Some(parameter)) = (principal, arn.as_object_mut()) {
        parameter.insert("Default".to_owned(), json!(principal));
    }
    json!({
        "PosternRoleArn": arn,
        "PosternRoleName": text("The name of that role, to attach the policy to it; empty: it is not attached."),
        "VpcId": text(
            "The VPC that Postern runs in, to make endpoints with their policies and private DNS: all calls to SageMaker and \
             STS from this VPC then go through them. Empty: none are made."
        ),
        "SubnetIds": list("The subnets of the endpoints."),
        "SecurityGroupIds": list("The security groups of the endpoints."),
    })
}

fn own_policy(policies: &Policies) -> Value {
    json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Condition": "IsOwnAccount",
        "Properties": {
            "Description": "What Postern itself may do",
            "PolicyDocument": policies.identity_policy,
            "Roles": {"Fn::If": ["HasRoleName", [{"Ref": "PosternRoleName"}], {"Ref": "AWS::NoValue"}]},
        },
    })
}

fn assumed_role(role: &RolePolicies, condition: &str) -> Value {
    let resource = role.role_arn.split_once(":role/").map_or("", |(_, resource)| resource);
    let (path, name) = resource.rsplit_once('/').unwrap_or(("", resource));
    let path = if path.is_empty() { "/".to_owned() } else { format!("/{path}/") };
    json!({
        "Type": "AWS::IAM::Role",
        "Condition": condition,
        "Properties": {
            "RoleName": name,
            "Path": path,
            "Description": "Assumed by Postern for each person",
            "MaxSessionDuration": 3600,
            "AssumeRolePolicyDocument": role.trust_policy,
            "Policies": [{"PolicyName": "postern", "PolicyDocument": role.permission_policy}],
        },
    })
}

fn vpc_endpoint(endpoint: &EndpointPolicy, condition: &str) -> Value {
    json!({
        "Type": "AWS::EC2::VPCEndpoint",
        "Condition": condition,
        "Properties": {
            "VpcEndpointType": "Interface",
            "ServiceName": format!("com.amazonaws.{}.{}", endpoint.region, endpoint.service),
            "VpcId": {"Ref": "VpcId"},
            "SubnetIds": {"Ref": "SubnetIds"},
            "SecurityGroupIds": {"Ref": "SecurityGroupIds"},
            "PrivateDnsEnabled": true,
            "PolicyDocument": endpoint.policy,
        },
    })
}

fn is_own_account() -> Value {
    let account = json!({"Fn::Select": [4, {"Fn::Split": [":", {"Ref": "PosternRoleArn"}]}]});
    json!({"Fn::Equals": [account, {"Ref": "AWS::AccountId"}]})
}

fn is_given(parameter: &str) -> Value {
    json!({"Fn::Not": [equals(json!({"Ref": parameter}), "")]})
}

fn equals(value: Value, text: &str) -> Value {
    Value::Object(Map::from_iter([("Fn::Equals".to_owned(), Value::Array(vec![value, text.into()]))]))
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Turns texts with parameters into `Ref` and `Fn::Sub`, and the action that tools refuse into the pattern that they
/// accept.
fn substitute(value: &mut Value) {
    match value {
        Value::String(text) if text == TAGGED_STUDIO => STUDIO_TAGGED_OR_NOT.clone_into(text),
        Value::String(text) if text == PRINCIPAL => *value = json!({"Ref": "PosternRoleArn"}),
        Value::String(text) if [PRINCIPAL, ACCOUNT, PARTITION].iter().any(|each| text.contains(each)) => {
            *value = json!({"Fn::Sub": escaped(text)});
        }
        Value::Array(values) => values.iter_mut().for_each(substitute),
        Value::Object(members) => members.values_mut().for_each(substitute),
        _ => {}
    }
}

/// Marks IAM's own `${…}`, which is no parameter, with the `!` that `Fn::Sub` takes for that.
fn escaped(text: &str) -> String {
    let escaped = text.replace("${", "${!");
    [PRINCIPAL, ACCOUNT, PARTITION]
        .iter()
        .fold(escaped, |text, parameter| text.replace(&parameter.replace("${", "${!"), parameter))
}
