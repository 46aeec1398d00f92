//! `postern iam`

use super::args::{IamArgs, IamFor, IamFormat};
use super::configuration::load;
use super::output::{Failed, print, print_json};
use crate::config::servers::DeclaredServer;
use crate::files::Files;
use crate::iam::{Document, Own, Policies, cloudformation, operator, policies};
use crate::target::RoleArn;
use serde::Serialize;

pub(super) fn run(args: &IamArgs) -> Result<(), Failed> {
    let configuration = load(&args.config, &Files::default())?;
    if args.whose == IamFor::Operator {
        return for_operator(args, &configuration.loaded.servers);
    }
    let (settings, servers) = (&configuration.loaded.gateway, &configuration.loaded.servers);
    let principal = args.principal.as_deref().map(RoleArn::parse).transpose();
    let principal = principal.map_err(|error| Failed::Usage(format!("--principal: {error}")))?;
    if args.format == IamFormat::Cloudformation {
        let policies = policies(&configuration.policy, settings, servers, &cloudformation::own());
        for note in &policies.notes {
            super::output::note(note);
        }
        return print_json(&cloudformation::template(&policies, principal.as_ref().map(RoleArn::as_str)));
    }
    let own = principal.as_ref().map_or_else(|| Own::placeholder(&settings.aws.region), Own::of);
    let policies = policies(&configuration.policy, settings, servers, &own);
    match args.format {
        IamFormat::Json => print(&pretty(&policies)),
        _ => print(as_text(&policies, principal.is_none()).trim_end()),
    }
}

/// Prints the policies of the operator who applies the declarations.
fn for_operator(args: &IamArgs, declared: &[DeclaredServer]) -> Result<(), Failed> {
    if declared.is_empty() {
        let message = "the configuration declares no `mlflow_tracking_servers` and no `mlflow_apps`";
        return Err(Failed::Usage(message.to_owned()));
    }
    let document = pretty(&operator::policy(declared));
    match args.format {
        IamFormat::Json => print(&document),
        IamFormat::Text => {
            print(&format!("# Identity policy of the one who runs `postern servers`\n\n{document}"))
        }
        IamFormat::Cloudformation => Err(Failed::Usage(
            "--for operator has the formats text and json: a person's own policy is no part of the \
                               gateway's template"
                .to_owned(),
        )),
    }
}

fn as_text(policies: &Policies, placeholders: bool) -> String {
    let mut text = String::new();
    let mut section = |heading: &str, document: &Document| {
        text += &format!("# {heading}\n\n{}\n\n", pretty(document));
    };
    section("Identity policy of the role that Postern runs as", &policies.identity_policy);
    for role in &policies.roles {
        let (arn, destinations) = (&role.role_arn, role.destinations.join(", "));
        section(&format!("Permission policy of {arn} (for {destinations})"), &role.permission_policy);
        section(&format!("Trust policy of {arn}"), &role.trust_policy);
    }
    for endpoint in &policies.endpoint_policies {
        let mut heading = format!(
            "Policy of a VPC endpoint for {} in {}, if there is one",
            endpoint.service, endpoint.region
        );
        for url in &endpoint.endpoint_urls {
            heading += &format!("\n# {url}");
        }
        section(&heading, &endpoint.policy);
    }
    if placeholders {
        text += "# Replace ACCOUNT_ID and POSTERN_ROLE, or run this again with --principal and the ARN of the role that \
                 Postern runs as.\n";
    }
    for note in &policies.notes {
        text += &format!("# {note}\n");
    }
    text
}

/// JSON in the order of the members, which a `Value` would lose.
fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
