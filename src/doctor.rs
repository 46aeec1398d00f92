//! Checks the identity provider, AWS and the shared state for everything that the configuration needs of them, with the
//! code that the gateway itself uses.
//!
//! Nothing is started, changed or opened. URLs are minted to prove that minting works, and are dropped inside
//! `presign`. Independent checks run at the same time; each has a deadline; the order of the report is always the same.

mod aws;
mod clock;
mod domains;
mod local;
mod opening;
mod places;
mod profiles;
mod programs;
mod provider;
mod redirect_uri;
mod remedy;
mod report;
mod targets;
mod tasks;

pub(crate) use opening::Person;
pub(crate) use report::{Check, Report};

use crate::aws::{Aws, Connections};
use crate::clock::Clock;
use crate::config::secrets::Secrets;
use crate::config::{self, servers::DeclaredServer};
use crate::files::Files;
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::mlflow::Bridge;
use crate::policy::Policy;
use crate::presign::Presigner;
use crate::provider::issuer::Issuer;
use crate::provider::policy_inputs::PolicyInputs;
use crate::provider::relying_party::RelyingParty;
use crate::sign_in::redirect_uri;
use crate::state::{Means, State};
use report::Asking;
use std::sync::Arc;
use tasks::in_order;

/// The gateway's own keys and files, read before any other system is asked.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) http: HttpClient,
    pub(crate) files: Files,
}

/// Runs all checks. With `person`, it checks that person's targets; without, the targets that are the same for
/// everyone.
///
/// # Errors
///
/// AWS's settings cannot be read, in words for the admin.
pub(crate) async fn examine(
    settings: config::Gateway,
    own: Own,
    servers: &[DeclaredServer],
    policy: &Policy,
    person: Option<&Person>,
    clock: Clock,
) -> Result<Report, String> {
    let Own { secrets, http, files } = own;
    // Never read: no scraper reaches a command.
    let metrics = Arc::new(Metrics::default());
    let state_here = State::in_memory(clock.clone());
    let connections = Connections::new(&http)?;
    let aws =
        Aws::new(&settings.aws, clock.clone(), state_here, Arc::clone(&metrics), &connections, None).await?;
    let write = settings.limits.deadlines.write;
    let bridge = Bridge::new(Arc::clone(&aws), &http, write, settings.sole_realm(), Arc::clone(&metrics))?;
    let presigner = Presigner::new(
        aws,
        &settings.aws.authorized_url_hosts,
        settings.sole_realm(),
        clock.clone(),
        Arc::clone(&metrics),
    );
    let (openings, places) = (opening::all(policy, person), places::Places::of(policy, person));
    let settings = Arc::new(settings);
    let mut checks = local::examine(&settings, &secrets, &files, &clock);
    checks.extend(person.map(|person| local::groups(&person.principal)));
    let mut tasks = Vec::new();
    for config in &settings.issuers {
        let issuer = match Issuer::new(config.clone(), &secrets, http.clone(), clock.clone(), &metrics) {
            Ok(issuer) => issuer,
            Err(error) => {
                let asking = Asking::about(format!("issuers.{}", config.name));
                checks.push(asking.failed(
                    "keys",
                    error.to_string(),
                    "correct the key file or the issuer's URL",
                ));
                continue;
            }
        };
        let sign_in = settings.sign_in.clone().filter(|sign_in| sign_in.issuer == config.name);
        let examined = provider::issuer(Arc::clone(&issuer), sign_in.is_some(), clock.clone());
        tasks.push(tokio::spawn(examined));
        if let Some(sign_in) = sign_in {
            let (http, reads) = (http.clone(), PolicyInputs::default());
            let issuer_asked = Arc::clone(&issuer);
            let party = RelyingParty::new(&sign_in, &secrets, issuer, &reads, http.clone(), clock.clone());
            let settings = Arc::clone(&settings);
            tasks.push(tokio::spawn(async move {
                let redirect_uri = redirect_uri(&settings.public_url);
                let client = provider::client(&sign_in, &redirect_uri, party).await;
                vec![client, redirect_uri::check(&sign_in, &redirect_uri, &issuer_asked, &http).await]
            }));
        }
    }
    tasks.push(tokio::spawn(state(Arc::clone(&settings), Arc::clone(&secrets), http.clone())));
    let (domains, aws) = (places.domains.clone(), Arc::clone(presigner.aws()));
    let callers = targets::Callers { presigner: Arc::new(presigner), bridge: Arc::new(bridge) };
    tasks.push(tokio::spawn(aws::examine(callers, places, openings, servers.into(), clock)));
    checks.extend(in_order(tasks).await);
    checks.extend(profiles::examine(&aws, policy, domains).await);
    checks.extend(ways(&http));
    Ok(Report { checks })
}

/// The way (direct or by proxy) that each host was asked.
fn ways(http: &HttpClient) -> impl Iterator<Item = Check> {
    let taken = http.egress().ways_taken().into_iter();
    taken.map(|(host, way)| Asking::about(format!("host {host}")).ok("way", format!("asked {way}")))
}

async fn state(settings: Arc<config::Gateway>, secrets: Arc<Secrets>, http: HttpClient) -> Vec<Check> {
    let asking = Asking::about("state.valkey");
    let means = Means { secrets: &secrets, authorities: http.authorities() };
    let found = match State::examine(&settings.state, means, &settings.public_url).await {
        Ok(None) => return Vec::new(),
        Ok(Some(found)) => found,
        Err(error) => {
            let remedy = "check `state.valkey` (address, user, password, certificate authority), and that this machine \
                          reaches the server: until it does, nobody's session counts unless `when_away: serve`";
            return vec![asking.failed("server", error, remedy)];
        }
    };
    let server = asking.ok("server", format!("{} takes writes", found.server));
    let memory = match found.maxmemory_policy.as_deref() {
        Some("noeviction") => asking.ok("maxmemory-policy", "noeviction"),
        Some(other) => asking.failed(
            "maxmemory-policy",
            format!("{other}: the server forgets sign-outs when its memory is full"),
            "set `maxmemory-policy noeviction` at the server",
        ),
        None => asking.warning(
            "maxmemory-policy",
            "the server does not tell it (INFO memory)",
            "look there yourself: it must be `noeviction`, or sign-outs are forgotten when memory is full",
        ),
    };
    vec![server, memory]
}
