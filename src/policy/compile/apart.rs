//! Two people must not meet in one computed name.

use super::Compiler;
use super::fields::{Fields, Named};
use crate::config::diagnostics::listed;
use crate::config::located::At;
use crate::policy::expression::{Condition, Problem};
use crate::policy::file;
use std::collections::BTreeSet;

/// Where a rule leads those whose addresses are of some domains.
pub(super) struct Home {
    /// The place as it is written, without the domains.
    form: String,
    domains: Vec<String>,
    line: u32,
}

impl Compiler<'_> {
    pub(super) fn keep_people_apart(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        condition: Option<&Condition>,
        fields: &Fields,
    ) {
        let place = fields.place();
        self.keep_realms_apart(path, rule, condition, &place);
        self.keep_domains_apart(path, rule, fields.account_and_region(), &place);
    }

    /// The same user of two realms is two people.
    fn keep_realms_apart(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        condition: Option<&Condition>,
        place: &[Named<'_>],
    ) {
        let computed = place.iter().filter_map(|field| match field {
            Named::Computed { key, template } => Some((*key, template)),
            Named::Constant(_) => None,
        });
        // A space is a part of a profile's domain: it tells people apart where nothing else is computed.
        let (spaces, names): (Vec<_>, Vec<_>) = computed.partition(|(key, _)| *key == "space_name");
        let names = if names.is_empty() { spaces } else { names };
        let Some((key, _)) = names.first() else { return };
        let told_apart = names.iter().any(|(_, template)| template.computed().any(|part| part.names_realm));
        if self.context.several_realms && !told_apart && condition.is_some_and(|rule| !rule.names_realm()) {
            let message = format!("people of several realms could get the same `{key}` by this rule");
            let help = "ask for the `realm` in the rule, or write `profile_name(realm + '/' + …)`".to_owned();
            self.problems(path, rule.location, vec![Problem { character: None, message, help: Some(help) }]);
        }
    }

    /// `ada` of one domain is somebody else than `ada` of another.
    fn keep_domains_apart(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        account_and_region: String,
        place: &[Named<'_>],
    ) {
        let mut home = Home { form: account_and_region, domains: Vec::new(), line: rule.location.line };
        let mut prefixes = 0;
        for field in place {
            match field {
                Named::Constant(value) => home.form.push_str(value),
                Named::Computed { key: "space_name", .. } => {}
                Named::Computed { key, template } => {
                    home.form.push_str(key);
                    home.form.push_str(&template.form());
                    for part in template.computed() {
                        home.domains.extend(part.domains.iter().cloned());
                        prefixes += part.prefixes;
                    }
                }
            }
            home.form.push('\n');
        }
        let distinct: BTreeSet<&String> = home.domains.iter().collect();
        if distinct.len() > prefixes + 1 {
            let message = format!(
                "people of {} could get the same place by this rule",
                listed(distinct.iter().map(|domain| domain.as_str()))
            );
            let help = "write `profile_name('prefix', …)` for all but one of them".to_owned();
            self.problems(path, rule.location, vec![Problem { character: None, message, help: Some(help) }]);
        }
        let other = self.homes.iter().find(|other| other.form == home.form && other.domains != home.domains);
        if let Some(other) = other {
            let message = format!(
                "people of `{}` could get the same place by this rule as those of `{}` by the rule on line {}",
                home.domains.join("` and `"),
                other.domains.join("` and `"),
                other.line
            );
            let help = "write `profile_name('prefix', …)` in one of them".to_owned();
            self.problems(path, rule.location, vec![Problem { character: None, message, help: Some(help) }]);
        }
        self.homes.push(home);
    }
}
