//! How a destination opens a Studio domain: the profiles that it creates, and domains of Identity Center.

use super::compiler::Compiler;
use super::fields::Fields;
use crate::config;
use crate::config::diagnostics::{Checked, Diagnostic};
use crate::config::file::fields::{CREATE_PROFILE, SessionNameMode};
use crate::config::file::policy::{self as file, SsoDomain};
use crate::config::located::At;
use crate::policy::grant::Studio;
use crate::target::{Kind, NewProfile, RoleArn, arn};
use std::sync::Arc;

/// AWS takes 50 tags, and two are ours.
const MOST_TAGS: usize = 48;
const OURS: &str = "postern:";

impl Compiler<'_> {
    /// A role can be passed in its own account only, so a profile with a role of another account is never created.
    pub(super) fn keep_to_account(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        execution_role: Option<&At<String>>,
        fields: &Fields,
    ) {
        let (Some(passed), Some(assumed)) = (execution_role, fields.constant_role()) else { return };
        let [passes_in, assumed_in] = [passed.as_str(), assumed].map(arn::account);
        if passes_in.is_empty() || passes_in == assumed_in {
            return;
        }
        let message = format!(
            "this rule creates profiles by a role in the account {assumed_in}, and `{CREATE_PROFILE}.execution_role` is in \
             {passes_in}: AWS lets nobody pass a role of another account"
        );
        self.warnings.push(Diagnostic::new(path, rule.location, message));
    }

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
                if let Some((key, _)) = value.tags.iter().nth(MOST_TAGS) {
                    let message = format!("{} tags; allowed: {MOST_TAGS}", tags.len());
                    self.problem(&format!("{path}.tags"), key.location, message);
                }
                if let Some((key, _)) = value.tags.iter().find(|(key, _)| key.starts_with(OURS)) {
                    let message = format!(
                        "found `{}`; allowed: keys that do not begin with `{OURS}`, for those say whose profile it is",
                        key.value
                    );
                    self.problem(&format!("{path}.tags.{}", key.value), key.location, message);
                }
                let names_people = value.session_name != Some(SessionNameMode::Static);
                Some(NewProfile { execution_role, tags, names_people })
            }
        };
        Ok(Some(Arc::new(Studio { new_profile, redirects_sso })))
    }
}
