//! How a destination opens a Studio domain: the profiles that it creates, and domains of Identity Center.

use super::compiler::Compiler;
use super::fields::Fields;
use crate::config;
use crate::config::diagnostics::Checked;
use crate::config::file::fields::{CREATE_PROFILE, SessionNameMode};
use crate::config::file::policy::{self as file, SsoDomain};
use crate::config::located::At;
use crate::policy::grant::Studio;
use crate::target::{Kind, NewProfile, RoleArn};
use std::sync::Arc;

/// AWS takes 50 tags, and two are ours.
const MOST_TAGS: usize = 48;
const OURS: &str = "postern:";

impl Compiler<'_> {
    /// `None` for another kind of target.
    pub(super) fn studio(
        &mut self,
        path: &str,
        written: &file::Destination,
        kind: Kind,
        fields: &Fields,
    ) -> Checked<Option<Arc<Studio>>> {
        if kind != Kind::StudioDomain {
            let Some(sso_domain) = &written.sso_domain else { return Ok(None) };
            let message = format!("a {} is no domain: `sso_domain` is for studio_domain", kind.as_str());
            return Err(self.problem(&format!("{path}.sso_domain"), sso_domain.location, message));
        }
        let redirects_sso =
            written.sso_domain.as_ref().is_some_and(|written| written.value == SsoDomain::Redirect);
        let new_profile = match &written.target.create_profile {
            None => None,
            Some(At { value, location }) => {
                let path = format!("{path}.target.{}.{CREATE_PROFILE}", kind.as_str());
                if !fields.has("role_arn") {
                    let message =
                        "creating profiles needs a `role_arn`: its account is part of the profile's ARN";
                    self.problem(&path, *location, message);
                }
                let execution_role = match &value.execution_role {
                    None => None,
                    Some(role) => {
                        let key = format!("{path}.execution_role");
                        Some(self.checked(&key, role.location, RoleArn::parse(role))?)
                    }
                };
                let tags = config::tags_of(&format!("{path}.tags"), &value.tags, &mut self.diagnostics)?;
                if tags.len() > MOST_TAGS {
                    let message = format!("{} tags; allowed: {MOST_TAGS}", tags.len());
                    self.problem(&format!("{path}.tags"), *location, message);
                }
                if let Some((key, _)) = tags.iter().find(|(key, _)| key.starts_with(OURS)) {
                    let message = format!("`{key}`: tags that begin with `{OURS}` say whose profile it is");
                    self.problem(&format!("{path}.tags"), *location, message);
                }
                let names_people = value.session_name != Some(SessionNameMode::Static);
                Some(NewProfile { execution_role, tags, names_people })
            }
        };
        Ok(Some(Arc::new(Studio { new_profile, redirects_sso })))
    }
}
