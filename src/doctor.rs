//! Whether what the configuration needs of others is there: it asks the identity provider, AWS and the shared state, by the
//! code that the gateway asks them by.
//!
//! Nothing is started, changed or opened. URLs are minted, to know that it can be done, and dropped inside `presign`.
//! Checks that do not need one another run at the same time; each has a deadline; the order of the report is the same
//! each time.

mod aws;
mod clock;
mod local;
mod opening;
mod provider;
mod remedy;
mod report;

pub(crate) use opening::Person;
pub(crate) use report::{Check, Report};

use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::{self, servers::DeclaredServer};
use crate::http_client::HttpClient;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::presign::Presigner;
use crate::provider::issuer::Issuer;
use crate::state::State;
use report::Asking;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Asks everything. With `person`, targets are that person's; without, those that are the same for everyone.
///
/// # Errors
///
/// This machine has no certificate authorities, or AWS's settings cannot be read, in words for the admin.
pub(crate) async fn examine(
    settings: config::Gateway,
    servers: &[DeclaredServer],
    policy: &Policy,
    person: Option<&Person>,
    clock: Clock,
) -> Result<Report, String> {
    let http = HttpClient::new()?;
    // Counted and never asked for: nobody scrapes a command.
    let metrics = Arc::new(Metrics::default());
    let aws = Aws::new(&settings.aws, clock.clone(), Arc::clone(&metrics), &http, None).await?;
    let presigner = Presigner::new(
        aws,
        &settings.aws.authorized_url_hosts,
        settings.sole_realm(),
        clock.clone(),
        Arc::clone(&metrics),
    );
    let (openings, places) = (opening::all(policy, person), aws::Places::of(policy, person));
    let settings = Arc::new(settings);
    let mut checks = local::examine(&settings, &clock);
    checks.extend(person.map(|person| local::groups(&person.principal)));
    let mut tasks = Vec::new();
    for config in &settings.issuers {
        let issuer = match Issuer::new(config.clone(), http.clone(), clock.clone(), &metrics) {
            Ok(issuer) => issuer,
            Err(error) => {
                let asking = Asking::about(format!("issuers.{}", config.name));
                checks.push(asking.failed("keys", error, "correct the key file or the issuer's URL"));
                continue;
            }
        };
        let sign_in = settings.sign_in.clone().filter(|sign_in| sign_in.issuer == config.name);
        let examined = provider::issuer(Arc::clone(&issuer), sign_in.is_some(), clock.clone());
        tasks.push(tokio::spawn(examined));
        if let Some(sign_in) = sign_in {
            let (settings, http, clock) = (Arc::clone(&settings), http.clone(), clock.clone());
            tasks.push(tokio::spawn(async move {
                vec![provider::client(settings, sign_in, issuer, http, clock).await]
            }));
        }
    }
    tasks.push(tokio::spawn(state(Arc::clone(&settings))));
    tasks.push(tokio::spawn(aws::examine(Arc::new(presigner), places, openings, servers.into(), clock)));
    checks.extend(in_order(tasks).await);
    checks.extend(ways(&http));
    Ok(Report { checks })
}

/// Which way each host was asked that was asked at all.
fn ways(http: &HttpClient) -> impl Iterator<Item = Check> {
    let taken = http.egress().ways_taken().into_iter();
    taken.map(|(host, way)| Asking::about(format!("host {host}")).ok("way", format!("asked {way}")))
}

async fn state(settings: Arc<config::Gateway>) -> Vec<Check> {
    let asking = Asking::about("state.valkey");
    let found = match State::examine(&settings.state, &settings.public_url).await {
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

/// What the tasks found, whichever was first.
async fn in_order(tasks: Vec<JoinHandle<Vec<Check>>>) -> Vec<Check> {
    let mut checks = Vec::new();
    for task in tasks {
        match task.await {
            Ok(found) => checks.extend(found),
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    checks
}
