//! `postern check`

use super::args::{CheckArgs, Format};
use super::configuration::{Configuration, load};
use super::coverage::Covered;
use super::output::{Failed, print, print_json};
use super::prepared::{Examined, Prepared};
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::located::{At, Location};
use crate::files::Files;
use crate::policy::explain;
use crate::policy::policy_test::{TestOutcome, run_tests};
use serde_json::json;

pub(super) fn run(args: &CheckArgs) -> Result<(), Failed> {
    let files = Files::default();
    let configuration = match (load(&args.config, &files), args.format) {
        (Err(diagnostics), Format::Json) => {
            print_json(&json!({"errors": diagnostics.findings.iter().map(finding).collect::<Vec<_>>()}))?;
            return Err(Failed::Usage(format!("{} is refused", args.config.display())));
        }
        (loaded, _) => loaded?,
    };
    let outcomes = configuration.run_tests();
    let (configuration, secrets) = if args.with_secrets {
        let prepared = Prepared::read(configuration, &files).map_err(Failed::ran)?;
        let examined = prepared.examine();
        (prepared.configuration, examined)
    } else {
        (configuration, Examined::default())
    };
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let covered = args.coverage.map(|_| Covered::of(&configuration, &outcomes));
    let is_covered = match (&covered, args.coverage.flatten()) {
        (Some(covered), Some(least)) => covered.coverage.percent() >= least,
        _ => true,
    };
    match args.format {
        Format::Json => print_json(&as_json(&configuration, &outcomes, &secrets, covered.as_ref()))?,
        Format::Text => {
            print(as_text(args, &configuration, &outcomes, &secrets, covered.as_ref()).trim_end())?;
        }
    }
    if failed == 0 && secrets.wrong.is_empty() && is_covered { Ok(()) } else { Err(Failed::Ran(None)) }
}

impl Configuration {
    /// Runs the `tests:` of the configuration: their claims go the way of a token's, from the mapping to the target.
    pub(super) fn run_tests(&self) -> Vec<TestOutcome> {
        run_tests(&self.policy, &self.tests, |issuer, claims| self.principal(issuer, claims))
    }
}

fn as_text(
    args: &CheckArgs,
    configuration: &Configuration,
    outcomes: &[TestOutcome],
    secrets: &Examined,
    covered: Option<&Covered>,
) -> String {
    let loaded = &configuration.loaded;
    let mut text = String::new();
    for warning in loaded.warnings.iter().chain(&secrets.warnings) {
        text += &format!("{}\n\n", loaded.source.render(Severity::Warning, warning));
    }
    for wrong in &secrets.wrong {
        text += &format!("error: {wrong}\n");
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed()) {
        let At { value: name, location: Location { line, column, .. } } = &outcome.name;
        text += &format!("test failed: {name}\n --> {}:{line}:{column}\n", loaded.source.name);
        for failure in &outcome.failures {
            text += &format!("  {failure}\n");
        }
        for (number, step) in explain::steps(&outcome.trace).iter().enumerate() {
            text += &format!("  {}. {} {}: {}\n", number + 1, step.effect, step.rule, step.outcome);
            text += &step.detail.as_ref().map(|detail| format!("     {detail}\n")).unwrap_or_default();
        }
    }
    if let Some(covered) = covered {
        text += &covered.text(&loaded.source.name);
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed()).count();
    let wrong = match (args.with_secrets, secrets.wrong.len()) {
        (false, _) => String::new(),
        (true, count) => format!("; secrets and files that cannot be used: {count}"),
    };
    text + &format!(
        "{}: destinations: {}; tests: {passed} of {} passed; warnings: {}{wrong}\n",
        args.config.display(),
        configuration.policy.destinations().count(),
        outcomes.len(),
        loaded.warnings.len() + secrets.warnings.len(),
    )
}

fn as_json(
    configuration: &Configuration,
    outcomes: &[TestOutcome],
    secrets: &Examined,
    covered: Option<&Covered>,
) -> serde_json::Value {
    let loaded = &configuration.loaded;
    let tests = outcomes.iter().map(|outcome| {
        json!({
            "name": outcome.name.value,
            "line": outcome.name.location.line,
            "column": outcome.name.location.column,
            "passed": outcome.passed(),
            "failures": outcome.failures,
            "steps": explain::steps(&outcome.trace),
        })
    });
    let mut report = json!({
        "config_digest": loaded.digest,
        "destinations": configuration.policy.destinations().map(|found| found.name()).collect::<Vec<_>>(),
        "warnings": loaded.warnings.iter().chain(&secrets.warnings).map(finding).collect::<Vec<_>>(),
        "secrets": secrets.wrong.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tests": tests.collect::<Vec<_>>(),
    });
    if let (Some(covered), Some(members)) = (covered, report.as_object_mut()) {
        members.insert("coverage".to_owned(), covered.json());
    }
    report
}

/// A fault and its place, for machines.
fn finding(finding: &Diagnostic) -> serde_json::Value {
    json!({
        "path": finding.path,
        "line": finding.location.line,
        "column": finding.location.column,
        "message": finding.message,
        "help": finding.help,
    })
}
