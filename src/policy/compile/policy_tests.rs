//! The configuration's `tests`.

use super::compiler::Compiler;
use crate::config::diagnostics::{Diagnostic, did_you_mean, did_you_mean_or_all, listed};
use crate::config::file::fields::{Expect, FRAGMENT, Written};
use crate::config::file::policy::{self as file, PolicyFile};
use crate::config::located::At;
use crate::policy::NO_SUCH_PATH;
use crate::policy::grant::DenialReason;
use crate::policy::link::Link;
use crate::policy::policy_test::{Expectation, PolicyTest};
use crate::target::{Access, Links};
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
            let kind = destination.target.kind;
            let deep_linked = kind.description().links == Links::Fragment;
            let keys = test.expect.fields.0.iter().map(|(key, _)| *key);
            for key in keys.filter(|key| *key != FRAGMENT || !deep_linked) {
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

    fn expectation(&mut self, path: &str, expect: &At<Expect>) -> Expectation {
        let mut fields = written_fields(expect);
        if let Some(access) = &expect.access {
            let words = Access::ALL.map(Access::as_str);
            if !words.contains(&access.as_str()) {
                let message = format!("`{}` is not a class of access: {}", access.value, listed(words));
                self.problem(&format!("{path}.access"), access.location, message);
            }
            fields.insert("access".to_owned(), access.as_str().into());
        }
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
            if !fields.is_empty() || expect.start.is_some() {
                self.problem(
                    path,
                    expect.location,
                    "a denial has no target: expect `deny`, or `start` and fields of the target",
                );
            }
        }
        if expect.deny.is_none() && expect.rule.is_none() && expect.start.is_none() && fields.is_empty() {
            self.problem(path, expect.location, "`expect` is empty: the test could not fail");
        }
        Expectation {
            rule: expect.rule.as_ref().map(|rule| rule.value.clone()),
            deny: expect.deny.as_ref().map(|deny| deny.value.clone()),
            start: expect.start.as_ref().map(|start| start.value),
            fields,
        }
    }
}

fn written_fields(expect: &Expect) -> Map<String, Value> {
    let json = |written: &Written| match written {
        Written::Text(text) => Value::from(text.as_str()),
        Written::Number(number) => (*number).into(),
    };
    expect.fields.0.iter().map(|(key, value)| ((*key).to_owned(), json(value))).collect()
}
