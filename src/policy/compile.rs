//! Compiles the written rules to a [`Policy`], or reports every fault in them.

mod api;
mod compiler;
mod fields;
mod policy_tests;
mod studio;
mod tables;

use super::apart::Places;
use super::expression::functions::Library;
use super::expression::{Condition, Gathered, Vocabulary};
use super::grant::Api;
use super::paths::Glob;
use super::policy_test::PolicyTest;
use super::start::Start;
use super::{Destination, Kind, Policy, Rule, Verdict, is_destination_name};
use crate::config::diagnostics::{Diagnostic, listed};
use crate::config::file::policy::{self as file, PolicyFile};
use crate::config::located::{At, Location};
use crate::config::servers::ServerKind;
use crate::provider::policy_inputs::PolicyInputs;
use crate::target::{self, LANDING_URI, Links};
use compiler::Compiler;
use fields::Fields;
use std::collections::HashMap;
use std::sync::Arc;

pub use compiler::CompileContext;

/// The result of compiling.
#[derive(Debug)]
pub struct Compiled {
    pub policy: Policy,
    pub tests: Vec<PolicyTest>,
    /// Parts that are legal but hardly meant.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles the policy and its tests.
///
/// # Errors
///
/// Every fault, not only the first.
pub fn compile(file: &PolicyFile, context: &CompileContext<'_>) -> Result<Compiled, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let tables = tables::read(file, context, &mut diagnostics);
    let vocabulary = Vocabulary {
        client_ip_known: context.client_ip_known,
        trusted_proxies: context.trusted_proxies,
        tables: &tables,
    };
    let places = Places::new(context.issuers, &tables);
    let (gathered, lookups) = (Gathered::default(), &file.lookups);
    let mut compiler =
        Compiler { context, vocabulary, lookups, gathered, places, diagnostics, warnings: Vec::new() };
    let mut names = Names::default();
    let deny: Vec<Option<Rule>> =
        file.deny.iter().enumerate().map(|(index, rule)| compiler.global(index, rule, &mut names)).collect();
    let destinations: Vec<Option<Destination>> = file
        .destinations
        .iter()
        .map(|(name, destination)| compiler.destination(name, destination, names.clone()))
        .collect();
    let tests = compiler.tests(file);
    let unreachable = compiler.unreachable_keys();
    let Compiler { gathered, mut diagnostics, mut warnings, .. } = compiler;
    warnings.extend(unreachable);
    let Gathered { patterns, reads, .. } = gathered;
    let library = Library::new(patterns, tables)
        .map_err(|error| diagnostics.push(Diagnostic::new("", Location::default(), error.to_string())));
    match (library, all(deny), all(destinations)) {
        (Ok(library), Some(deny), Some(mut destinations)) if diagnostics.is_empty() => {
            for Destination { rules, reads, start, .. } in &mut destinations {
                deny.iter().chain(&*rules).for_each(|rule| rule.gather(reads));
                start.iter().for_each(|start| start.condition.evaluated().gather(reads));
            }
            Ok(Compiled { policy: Policy { library, deny, destinations, reads }, tests, warnings })
        }
        _ => Err(diagnostics),
    }
}

/// The rules' names so far, with the place of each.
#[derive(Clone, Default)]
struct Names(HashMap<String, u32>);

/// The settings that a destination's rules start from.
#[derive(Clone, Copy)]
struct Base<'a> {
    kind: Kind,
    fields: &'a Fields,
    api: Option<&'a Arc<Api>>,
    /// The execution role of the profiles that the destination creates.
    execution_role: Option<&'a At<String>>,
}

impl Compiler<'_> {
    fn global(&mut self, index: usize, rule: &file::DenyRule, names: &mut Names) -> Option<Rule> {
        let path = format!("deny[{index}]");
        let name = self.rule_name(&path, &rule.name, names);
        let condition = self.condition(&format!("{path}.when"), &rule.when);
        Some(Rule {
            name: name?,
            expression: rule.when.value.as_str().into(),
            condition: condition?,
            verdict: Verdict::Deny,
            remedy: rule.remedy.as_deref().map(Arc::from),
        })
    }

    fn destination(
        &mut self,
        name: &At<String>,
        written: &file::Destination,
        mut names: Names,
    ) -> Option<Destination> {
        let path = format!("destinations.{}", name.value);
        if !is_destination_name(name) {
            let message = format!(
                "`{}` is not a name: 1 to 63 lower-case letters, digits and hyphens, no hyphen first",
                name.value
            );
            self.problem(&path, name.location, message);
        }
        let (kind, fields) = self.base_fields(&path, written);
        let paths = self.paths(&path, written, kind, &fields);
        if written.rules.is_empty() {
            self.problem(
                &format!("{path}.rules"),
                name.location,
                "there is no rule, so nobody may open this",
            );
        }
        let api = self.api(&path, written.api.as_ref(), kind);
        let called = api.clone().ok().flatten();
        let creates = written.target.create_profile.as_ref();
        let execution_role = creates.and_then(|creates| creates.execution_role.as_ref());
        let base = Base { kind, fields: &fields, api: called.as_ref(), execution_role };
        let rules = written.rules.iter().enumerate();
        let rules: Vec<Option<Rule>> = rules
            .map(|(index, rule)| self.rule(&format!("{path}.rules[{index}]"), rule, base, &mut names))
            .collect();
        self.keep_within_reach(&path, &written.rules, &rules);
        let studio = self.studio(&path, written, kind, &fields);
        let start = written.start.as_ref().map(|start| self.start(&format!("{path}.start"), start, kind));
        Some(Destination {
            name: name.value.as_str().into(),
            title: written.title.clone().unwrap_or_else(|| name.value.clone()),
            description: written.description.clone(),
            kind,
            prewarm: written.prewarm,
            rules: all(rules)?,
            paths: paths?,
            reads: PolicyInputs::default(),
            api: api.ok()?,
            studio: studio.ok()?,
            start: start.map_or(Some(None), |start| start.map(Some))?,
        })
    }

    fn start(&mut self, path: &str, written: &At<String>, kind: Kind) -> Option<Start> {
        if kind.start_operation().is_none() {
            let startable = Kind::ALL.iter().filter(|kind| kind.start_operation().is_some());
            let startable = listed(startable.map(|kind| kind.as_str()));
            let message = format!("a {} cannot be started: `start` is for {startable}", kind.as_str());
            self.problem(path, written.location, message);
        }
        let condition = self.condition(path, written)?;
        Some(Start { expression: written.value.as_str().into(), condition })
    }

    /// Refuses a rule behind one that allows everybody: it would never be asked.
    fn keep_within_reach(&mut self, path: &str, written: &[At<file::Rule>], rules: &[Option<Rule>]) {
        let pairs = written.iter().zip(rules).zip(written.iter().skip(1)).enumerate();
        for (index, ((open, compiled), behind)) in pairs {
            if compiled.as_ref().is_some_and(Rule::allows_everybody) {
                let (path, line) = (format!("{path}.rules[{}]", index + 1), open.location.line);
                let message =
                    format!("is never asked: the rule `{}` on line {line} allows everybody", *open.name);
                let help = format!("put `{}` last", *open.name);
                self.diagnostics.push(Diagnostic::new(path, behind.location, message).help(help));
            }
        }
    }

    fn rule(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        Base { kind, fields: base, api, execution_role }: Base<'_>,
        names: &mut Names,
    ) -> Option<Rule> {
        let name = self.rule_name(path, &rule.name, names);
        let (key, expression) = match (&rule.allow, &rule.deny) {
            (Some(allow), None) => ("allow", allow),
            (None, Some(deny)) => ("deny", deny),
            _ => {
                self.problem(path, rule.location, "a rule has exactly one of `allow` and `deny`");
                return None;
            }
        };
        let condition = self.condition(&format!("{path}.{key}"), expression);
        let set = format!("{path}.set");
        let verdict = if key == "deny" {
            self.access(path, rule, kind, base, api);
            match &rule.set {
                Some(written) => {
                    self.problem(&set, written.location, "a rule that denies sets nothing");
                    None
                }
                None => Some(Verdict::Deny),
            }
        } else {
            let own = rule.set.as_ref().map(|written| self.set_fields(&set, written, kind).or(base));
            let fields = own.as_ref().unwrap_or(base);
            self.keep_people_apart(path, rule, kind, condition.as_ref(), fields);
            self.keep_to_region(path, rule, fields);
            self.keep_to_declaration(path, rule, fields);
            self.keep_to_account(path, rule, execution_role, fields);
            let access = self.access(path, rule, kind, fields, api);
            fields.plan(kind, access).map(|blueprint| Verdict::Allow(Arc::new(blueprint)))
        };
        Some(Rule {
            name: name?,
            expression: expression.value.as_str().into(),
            condition: condition?,
            verdict: verdict?,
            remedy: rule.remedy.as_deref().map(Arc::from),
        })
    }

    fn keep_people_apart(
        &mut self,
        path: &str,
        rule: &At<file::Rule>,
        kind: Kind,
        condition: Option<&Condition>,
        fields: &Fields,
    ) {
        let Some(condition) = condition else { return };
        if let Err(problem) = self.places.add(&fields.opened(kind, condition, rule.location.line)) {
            self.problems(path, rule.location, vec![problem]);
        }
    }

    /// The calls go to the rule's region, and AWS knows resources of another one nowhere but there.
    fn keep_to_region(&mut self, path: &str, rule: &At<file::Rule>, fields: &Fields) {
        let Some((key, arn, region)) = fields.foreign_arn() else { return };
        let partition = region.partition();
        let allowed = match key {
            target::ARN => format!("arn:{partition}:sagemaker:{region}:"),
            _ => format!("arn:{partition}:"),
        };
        let message = format!(
            "this rule opens with the `{key}` `{arn}` in `{region}`; allowed: one that begins with `{allowed}`, as the region \
             has it"
        );
        self.problem(path, rule.location, message);
    }

    /// A tracking server of the same name may exist in each region. An App is known by its declaration alone.
    fn keep_to_declaration(&mut self, path: &str, rule: &At<file::Rule>, fields: &Fields) {
        let Some((server, region)) = fields.declared_elsewhere(self.context) else { return };
        let (name, key) = (&server.name, server.kind.key());
        match server.kind {
            ServerKind::TrackingServer => {
                let message = format!(
                    "this rule opens the tracking server `{name}` in `{region}`, and `{key}` declares it in `{}`",
                    server.region
                );
                self.warnings.push(Diagnostic::new(path, rule.location, message));
            }
            ServerKind::MlflowApp => {
                let message = format!(
                    "this rule opens the App `{name}` in `{region}`; allowed: `{}`, where `{key}` declares it",
                    server.region
                );
                self.problem(path, rule.location, message);
            }
        }
    }

    fn rule_name(&mut self, path: &str, name: &At<String>, names: &mut Names) -> Option<Arc<str>> {
        let path = format!("{path}.name");
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            self.problem(
                &path,
                name.location,
                "a rule's name has 1 to 64 characters, none of them a control character",
            );
            return None;
        }
        if let Some(line) = names.0.insert(name.value.clone(), name.location.line) {
            let message = format!(
                "the rule on line {line} has the name `{}` too: the audit trail could not tell which decided",
                name.value
            );
            self.problem(&path, name.location, message);
            return None;
        }
        Some(name.value.as_str().into())
    }

    fn condition(&mut self, path: &str, written: &At<String>) -> Option<Condition> {
        let condition = Condition::parse(written, &self.vocabulary, &mut self.gathered);
        condition.map_err(|problems| self.problems(path, written.location, problems)).ok()
    }

    fn paths(
        &mut self,
        path: &str,
        written: &file::Destination,
        kind: Kind,
        fields: &Fields,
    ) -> Option<Vec<Glob>> {
        let Some(location) = written.paths.first().map(|glob| glob.location) else { return Some(Vec::new()) };
        let path = format!("{path}.paths");
        match kind.description().links {
            Links::LandingUri if fields.has(LANDING_URI) => {}
            Links::LandingUri => {
                self.problem(&path, location, "deep links need a `landing_uri` to be appended to");
            }
            Links::Fragment => {}
            Links::No => {
                let linked = Kind::ALL.iter().filter(|kind| kind.description().links != Links::No);
                let linked = listed(linked.map(|kind| kind.as_str()));
                let message = format!("a {} takes no deep links: `paths` is for {linked}", kind.as_str());
                self.problem(&path, location, message);
            }
        }
        let globs = written.paths.iter().enumerate().map(|(index, written)| {
            let glob = Glob::parse(written);
            glob.map_err(|message| self.problem(&format!("{path}[{index}]"), written.location, message)).ok()
        });
        all(globs.collect())
    }
}

fn all<T>(items: Vec<Option<T>>) -> Option<Vec<T>> {
    items.into_iter().collect()
}
