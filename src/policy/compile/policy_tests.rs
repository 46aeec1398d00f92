//! The configuration's `tests`.

use super::compiler::Compiler;
use super::fields::kind;
use crate::config::diagnostics::{Diagnostic, did_you_mean, did_you_mean_or_all, listed};
use crate::config::file::policy::{self as file, PolicyFile};
use crate::config::located::At;
use crate::policy::grant::DenialReason;
use crate::policy::link::Link;
use crate::policy::policy_test::{Expectation, PolicyTest};
use crate::policy::{Kind, NO_SUCH_PATH};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn tests(&mut self, file: &PolicyFile) -> Vec<PolicyTest> {
        let tests = file.tests.iter().enumerate();
        tests.filter_map(|(index, test)| self.test(&format!("tests[{index}]"), test, file)).collect()
    }

    fn test(&mut self, path: &str, test: &file::Test, file: &PolicyFile) -> Option<PolicyTest> {
        let issuer = self.issuer(path, test);
        let client_ip = test.client_ip.as_ref().map(|written| {
            let address = written.parse();
            let message = format!("`{}` is not an IP address", written.value);
            address.map_err(|_| self.problem(&format!("{path}.client_ip"), written.location, message))
        });
        let Link { name, path: path_below, query } = Link::parse(&test.destination);
        let expected = format!("{path}.expect");
        if let Some((_, destination)) = file.destinations.iter().find(|(known, _)| known.value == name) {
            let kind = kind(&destination.target);
            let deep_linked = matches!(kind, Kind::MlflowTrackingServer | Kind::MlflowApp);
            for key in written_fields(&test.expect).keys().filter(|key| *key != "fragment" || !deep_linked) {
                self.key(&expected, key, test.expect.location, kind);
            }
            if let Some(rule) = &test.expect.rule {
                let global = file.deny.iter().map(|rule| rule.name.value.as_str());
                let own = destination.rules.iter().map(|rule| rule.name.value.as_str());
                self.known_rule(&format!("{expected}.rule"), rule, global.chain(own));
            }
        } else {
            let known = file.destinations.iter().map(|(name, _)| name.value.as_str());
            let (location, message) =
                (test.destination.location, format!("there is no destination `{name}`"));
            let diagnostic = Diagnostic::new(format!("{path}.destination"), location, message);
            self.diagnostics.push(Diagnostic { help: did_you_mean(name, known), ..diagnostic });
        }
        let expect = self.expectation(&expected, &test.expect);
        Some(PolicyTest {
            name: test.name.clone(),
            issuer: issuer?,
            claims: test.claims.value.clone(),
            client_ip: client_ip.transpose().ok()?,
            destination: name.to_owned(),
            path: path_below.map(Cow::into_owned),
            query: query.map(str::to_owned),
            expect,
        })
    }

    fn known_rule<'a>(
        &mut self,
        path: &str,
        rule: &At<String>,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        if !known.clone().any(|known| known == rule.value) {
            let message = format!("there is no rule `{}` for this destination", rule.value);
            let help = did_you_mean_or_all(rule, known);
            self.diagnostics.push(Diagnostic::new(path, rule.location, message).help(help));
        }
    }

    fn issuer(&mut self, path: &str, test: &file::Test) -> Option<Arc<str>> {
        let mut issuers: Vec<&Arc<str>> = self.context.issuers.iter().map(|issuer| &issuer.name).collect();
        // Its people and its programs are of one issuer.
        issuers.dedup();
        let (location, found) = match (&test.issuer, issuers.as_slice()) {
            (Some(written), _) => {
                (written.location, issuers.iter().find(|issuer| ****issuer == **written).copied())
            }
            (None, [only]) => (test.name.location, Some(*only)),
            (None, _) => (test.name.location, self.context.default_issuer),
        };
        if found.is_none() {
            let message = format!("`issuer` is one of {}", listed(issuers.iter().map(|issuer| &***issuer)));
            self.problem(&format!("{path}.issuer"), location, message);
        }
        found.cloned()
    }

    fn expectation(&mut self, path: &str, expect: &At<file::Expect>) -> Expectation {
        let fields = written_fields(expect);
        let reasons = [
            DenialReason::RuleDenied.as_str(),
            DenialReason::NoRule.as_str(),
            DenialReason::RuleError.as_str(),
            DenialReason::GroupsOverage.as_str(),
            NO_SUCH_PATH,
        ];
        if let Some(deny) = &expect.deny {
            if !reasons.contains(&deny.as_str()) {
                let message = format!("`{}` is not a reason: {}", deny.value, listed(reasons));
                self.problem(&format!("{path}.deny"), deny.location, message);
            }
            if !fields.is_empty() {
                self.problem(
                    path,
                    expect.location,
                    "a denial has no target: expect `deny`, or fields of the target",
                );
            }
        }
        if expect.deny.is_none() && expect.rule.is_none() && fields.is_empty() {
            self.problem(path, expect.location, "`expect` is empty: the test could not fail");
        }
        Expectation {
            rule: expect.rule.as_ref().map(|rule| rule.value.clone()),
            deny: expect.deny.as_ref().map(|deny| deny.value.clone()),
            fields,
        }
    }
}

fn written_fields(expect: &file::Expect) -> Map<String, Value> {
    let text = |value: &Option<At<String>>| value.as_ref().map(|value| Value::from(value.value.as_str()));
    let number = |value: &Option<At<i64>>| value.as_ref().map(|value| Value::from(value.value));
    let fields = [
        ("domain_id", text(&expect.domain_id)),
        ("user_profile_name", text(&expect.user_profile_name)),
        ("space_name", text(&expect.space_name)),
        ("landing_uri", text(&expect.landing_uri)),
        ("tracking_server_name", text(&expect.tracking_server_name)),
        ("fragment", text(&expect.fragment)),
        ("arn", text(&expect.arn)),
        ("notebook_instance_name", text(&expect.notebook_instance_name)),
        ("expires_in_seconds", number(&expect.expires_in_seconds)),
        ("session_expiration_duration_in_seconds", number(&expect.session_expiration_duration_in_seconds)),
        ("region", text(&expect.region)),
        ("role_arn", text(&expect.role_arn)),
    ];
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
