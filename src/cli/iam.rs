//! `postern iam`

use super::{Failed, IamArgs, IamFormat, load, print, print_json};
use crate::files::Files;
use crate::iam::{Document, Own, Policies, cloudformation, policies};
use crate::target::RoleArn;
use serde::Serialize;

pub(super) fn run(args: &IamArgs) -> Result<(), Failed> {
    let configuration = load(&args.config, &Files::default())?;
    let settings = &configuration.loaded.gateway;
    let principal = args.principal.as_deref().map(RoleArn::parse).transpose();
    let principal = principal.map_err(|error| Failed::Usage(format!("--principal: {error}")))?;
    if args.format == IamFormat::Cloudformation {
        let policies = policies(&configuration.policy, settings, &cloudformation::own());
        for note in &policies.notes {
            super::note(note);
        }
        return print_json(&cloudformation::template(&policies, principal.as_ref().map(RoleArn::as_str)));
    }
    let own = principal.as_ref().map_or_else(|| Own::placeholder(&settings.aws.region), Own::of);
    let policies = policies(&configuration.policy, settings, &own);
    match args.format {
        IamFormat::Json => print(&pretty(&policies)),
        _ => print(as_text(&policies, principal.is_none()).trim_end()),
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

/// In the order of the members, which a value would lose.
fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
