//! `postern check`

use super::{CheckArgs, Configuration, Failed, Format, load, print, print_json};
use crate::audit::file::AuditFile;
use crate::clock::Clock;
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::located::{At, Location};
use crate::config::{ClientAuthentication, KeySource};
use crate::gateway::start::{Surroundings, browser_sign_in, sealer};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::policy::explain;
use crate::policy::policy_test::{TestOutcome, run_tests};
use crate::provider::issuer::Issuer;
use crate::provider::policy_inputs::PolicyInputs;
use crate::server::tls::Tls;
use crate::state::State;
use serde_json::json;

pub(super) fn run(args: &CheckArgs) -> Result<(), Failed> {
    let configuration = match (load(&args.config), args.format) {
        (Err(diagnostics), Format::Json) => {
            print_json(&json!({"errors": diagnostics.findings.iter().map(finding).collect::<Vec<_>>()}))?;
            return Err(Failed::Usage(format!("{} is refused", args.config.display())));
        }
        (loaded, _) => loaded?,
    };
    let outcomes = configuration.run_tests();
    let secrets = if args.with_secrets { check_secrets(&configuration) } else { Secrets::default() };
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    match args.format {
        Format::Json => print_json(&as_json(&configuration, &outcomes, &secrets))?,
        Format::Text => print(as_text(args, &configuration, &outcomes, &secrets).trim_end())?,
    }
    if failed == 0 && secrets.wrong.is_empty() { Ok(()) } else { Err(Failed::Ran(None)) }
}

impl Configuration {
    /// Runs the `tests:` of the configuration: claims go the way of a token's, from the mapping to the target.
    pub(super) fn run_tests(&self) -> Vec<TestOutcome> {
        run_tests(&self.policy, &self.tests, |issuer, claims| self.principal(issuer, claims))
    }
}

/// What was found in the files and variables that the configuration names.
#[derive(Debug, Default)]
struct Secrets {
    wrong: Vec<String>,
    /// What `serve` would only warn of.
    warnings: Vec<Diagnostic>,
}

/// Reads what `serve` would read at its start, and says what is wrong with it.
fn check_secrets(configuration: &Configuration) -> Secrets {
    let gateway = &configuration.loaded.gateway;
    let Secrets { mut wrong, mut warnings } = Secrets::default();
    let (http, clock) = match HttpClient::new() {
        Ok(http) => (http, Clock::system()),
        Err(error) => return Secrets { wrong: vec![error], warnings },
    };
    let metrics = Metrics::default();
    let mut issuers = Vec::new();
    for issuer in &gateway.issuers {
        match Issuer::new(issuer.clone(), http.clone(), clock.clone(), &metrics) {
            Ok(issuer) => issuers.push(issuer),
            Err(error) if matches!(issuer.keys, KeySource::JwksFile(_)) => {
                wrong.push(format!("issuers.{}.jwks_file: {error}", issuer.name));
            }
            Err(error) => wrong.push(format!("issuers.{}: {error}", issuer.name)),
        }
    }
    for key in &gateway.session.keys {
        if let Err(error) = key.read() {
            wrong.push(format!("session.keys: {error}"));
        }
    }
    if let Some(sign_in) = &gateway.sign_in {
        let (ClientAuthentication::Secret(secret) | ClientAuthentication::PrivateKeyJwt(secret)) =
            &sign_in.client_authentication;
        if let Err(error) = secret.read() {
            wrong.push(format!("{}: {error}", sign_in.secret_key()));
        }
    }
    wrong.extend(State::check(&gateway.state).err());
    match gateway.listen.tls.as_ref().map(|files| Tls::load(files, None)) {
        Some(Ok(tls)) => {
            let (path, now) = ("listen.tls.certificate", clock.now_system());
            match tls.complaint(&gateway.public_url, now) {
                Some(complaint) if tls.validity().contains(now) => {
                    warnings.push(Diagnostic::new(path, Location::default(), format!("it {complaint}")));
                }
                Some(complaint) => wrong.push(format!("{path}: it {complaint}")),
                None => {}
            }
        }
        Some(Err(error)) => wrong.push(error),
        None => {}
    }
    match gateway.audit_file.as_deref().map(|file| (file.display(), AuditFile::examine(file))) {
        Some((file, Ok(Some(complaint)))) => {
            let message = format!("`{file}`: {complaint}");
            warnings.push(Diagnostic::new("audit.file", Location::default(), message));
        }
        Some((file, Err(error))) => wrong.push(format!("audit.file: cannot write `{file}`: {error}")),
        _ => {}
    }
    if wrong.is_empty()
        && let Err(error) =
            sealer(gateway).map_err(|error| format!("session.keys: {error}")).and_then(|sealer| {
                let state = State::in_memory(clock.clone());
                let surroundings =
                    Surroundings { http: &http, clock: &clock, state: &state, observers: None };
                browser_sign_in(gateway, &issuers, sealer.as_ref(), &PolicyInputs::default(), surroundings)
            })
    {
        wrong.push(error);
    }
    Secrets { wrong, warnings }
}

fn as_text(
    args: &CheckArgs,
    configuration: &Configuration,
    outcomes: &[TestOutcome],
    secrets: &Secrets,
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

fn as_json(configuration: &Configuration, outcomes: &[TestOutcome], secrets: &Secrets) -> serde_json::Value {
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
    json!({
        "config_digest": loaded.digest,
        "destinations": configuration.policy.destinations().map(|found| found.name()).collect::<Vec<_>>(),
        "warnings": loaded.warnings.iter().chain(&secrets.warnings).map(finding).collect::<Vec<_>>(),
        "secrets": secrets.wrong,
        "tests": tests.collect::<Vec<_>>(),
    })
}

/// What is wrong and where, for machines.
fn finding(finding: &Diagnostic) -> serde_json::Value {
    json!({
        "path": finding.path,
        "line": finding.location.line,
        "column": finding.location.column,
        "message": finding.message,
        "help": finding.help,
    })
}
