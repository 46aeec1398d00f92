//! `postern explain`

use super::args::{ExplainArgs, Format};
use super::configuration::{Configuration, load};
use super::output::{Failed, print, print_json};
use crate::doctor::Person;
use crate::files::Files;
use crate::gateway::try_again::without_count;
use crate::metrics::calls::NOBODY;
use crate::mlflow::{Asked, CallError, METHODS, is_for_clients};
use crate::policy::explain::{ExplainedCall, Explanation};
use crate::policy::link::{Link, divided};
use crate::policy::{Destination, Policy, Question, explain};
use crate::provider::principal::{Principal, principal_from_claims};
use crate::target::Access;
use serde_json::{Map, Value};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

pub(super) fn run(args: &ExplainArgs) -> Result<(), Failed> {
    let configuration = load(&args.config, &Files::default())?;
    let person = configuration.person(&args.claims, args.issuer.as_deref(), args.client_ip)?;
    let link = args.destination.as_deref().map(Link::parse);
    let path = link.as_ref().and_then(|link| link.path.as_deref());
    let query = link.as_ref().and_then(|link| without_count(link.query?));
    let question =
        Question { principal: &person.principal, client_ip: person.client_ip, path, query: query.as_deref() };
    let policy = &configuration.policy;
    let Some(name) = link.as_ref().map(|link| link.name) else {
        let all = explain::explain_all(policy, &question);
        return match args.format {
            Format::Text => print(explain::table(&all).trim_end()),
            Format::Json => print_json(&serde_json::to_value(&all).unwrap_or_default()),
        };
    };
    let destination = policy.destination(name).ok_or_else(|| {
        let known: Vec<&str> = policy.destinations().map(|found| &**found.name()).collect();
        Failed::Usage(format!("there is no destination `{name}`; there are: {}", known.join(", ")))
    })?;
    let raw = args.destination.as_deref().and_then(raw_path).filter(|path| is_for_clients(path));
    let explanation = match raw.filter(|_| destination.has_api()) {
        Some(path) => explain_call(policy, destination, &question, path),
        None => explain::explain(policy, destination, &question),
    };
    match args.format {
        Format::Text => print(explanation.to_string().trim_end()),
        Format::Json => print_json(&serde_json::to_value(&explanation).unwrap_or_default()),
    }
}

/// The path behind the destination's name, as it came.
fn raw_path(destination: &str) -> Option<&str> {
    let destination = destination.strip_prefix('/').unwrap_or(destination);
    divided(destination.split('?').next().unwrap_or_default()).1
}

/// A path of MLflow's API is decided like the destination itself; then the access of the person counts.
fn explain_call(
    policy: &Policy,
    destination: &Destination,
    question: &Question<'_>,
    path: &str,
) -> Explanation {
    let question = Question { path: None, query: None, ..*question };
    let grant = policy.authorize(destination, &question).ok();
    let has = grant.as_ref().and_then(|grant| grant.mint().access);
    let has_artifacts =
        grant.as_ref().and_then(|grant| grant.api()).is_some_and(|api| api.artifacts.is_some());
    let mut explanation = explain::explain(policy, destination, &question);
    explanation.path = Some(path.to_owned());
    let calls = METHODS.split(", ").filter_map(|method| {
        let asked = Asked::read(&method.parse().ok()?, path);
        let (endpoint, needs) = match &asked {
            Ok(asked) => (asked.endpoint(), asked.access()),
            Err(CallError::Ambiguous(_)) => ("(ambiguous)", None),
            Err(_) => return None,
        };
        let decision = match (&asked, has) {
            (Err(error), _) => error.as_str(),
            (Ok(asked), Some(has)) => {
                asked.admit(has, has_artifacts).map_or_else(|error| error.as_str(), |()| "forward")
            }
            (Ok(_), None) => "deny",
        };
        Some(ExplainedCall { method, endpoint, needs: needs.map_or(NOBODY, Access::as_str), decision })
    });
    explanation.calls = calls.collect();
    explanation
}

impl Configuration {
    /// The person whom a file of claims names, at an address.
    pub(super) fn person(
        &self,
        claims: &Path,
        issuer: Option<&str>,
        client_ip: Option<IpAddr>,
    ) -> Result<Person, Failed> {
        let claims = read_claims(claims)?;
        let issuer = self.issuer(issuer)?;
        let principal = self
            .principal(&issuer, &claims)
            .map_err(|error| Failed::Ran(Some(format!("these claims name nobody: {error}"))))?;
        let client_ip = client_ip.map(|address| address.to_canonical());
        Ok(Person { principal: Arc::new(principal), client_ip })
    }

    /// The named issuer, or the only one, or the one that people sign in at.
    pub(super) fn issuer(&self, named: Option<&str>) -> Result<Arc<str>, Failed> {
        let names: Vec<&Arc<str>> = self.loaded.gateway.issuers.iter().map(|issuer| &issuer.name).collect();
        let listed = || names.iter().map(|name| &***name).collect::<Vec<_>>().join(", ");
        let sign_in = self.loaded.gateway.sign_in.as_ref().map(|sign_in| &sign_in.issuer);
        match (named, names.as_slice(), sign_in) {
            (None, [only], _) => Ok(Arc::clone(only)),
            (None, _, Some(issuer)) => Ok(Arc::clone(issuer)),
            (None, _, None) => {
                Err(Failed::Usage(format!("several issuers: name one with --issuer: {}", listed())))
            }
            (Some(named), _, _) => {
                names.iter().find(|name| &****name == named).map(|name| Arc::clone(name)).ok_or_else(|| {
                    Failed::Usage(format!("no issuer is named `{named}`; there are: {}", listed()))
                })
            }
        }
    }

    /// The person whom an issuer's claims name.
    pub(super) fn principal(&self, issuer: &str, claims: &Map<String, Value>) -> Result<Principal, String> {
        let issuers = &self.loaded.gateway.issuers;
        let config = issuers
            .iter()
            .find(|config| &*config.name == issuer)
            .ok_or_else(|| format!("no issuer is named `{issuer}`"))?;
        principal_from_claims(config, claims).map_err(|error| error.with_claim(config, claims))
    }
}

fn read_claims(path: &Path) -> Result<Map<String, Value>, Failed> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failed::Usage(format!("{}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Failed::Usage(format!("{}: not a JSON object of claims: {error}", path.display())))
}
