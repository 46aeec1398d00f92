//! Proof under load and faults: runs the scenarios at the size of their claims and prints what was measured.
//!
//! `tests/bench/soak/run` builds and starts this with the peers that it needs:
//!
//! ```text
//! tests/bench/soak/run                       all of them
//! tests/bench/soak/run rolling-restart stop  some
//! tests/bench/soak/run --small               as in the tests
//! ```
//!
//! The exit status is 1 where a promise was missed.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a scenario that cannot be set up fails by panicking"
)]

mod beside;
mod calls;
mod clock;
mod clock_steps;
mod connection;
mod crashes;
mod dark_provider;
mod figures;
mod growth;
mod hours;
mod launches;
mod load;
mod people;
mod reloads;
mod replica;
mod rolling_restart;
mod site;
mod stalled;
mod stop;
mod throttling;
mod training;
mod waits;

#[path = "../../it/support"]
mod support {
    #[allow(dead_code, reason = "the tests use the rest")]
    pub(crate) mod elsewhere;
    #[allow(dead_code, reason = "the tests use the rest")]
    pub(crate) mod valkey;

    /// What `valkey` takes from there. The rest starts the program that Cargo builds for tests.
    pub(crate) mod postern {
        pub(crate) fn free_port() -> u16 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("an address").port()
        }
    }
}

use figures::{Report, Size};
use std::process::ExitCode;

const ALL: [&str; 14] = [
    "reloads",
    "rolling-restart",
    "stop",
    "throttling",
    "crashes",
    "valkey",
    "clock-steps",
    "stalled",
    "calls",
    "training",
    "launches",
    "hours",
    "growth",
    "waits",
];
/// Takes ten minutes and little else, so that it runs beside the others.
const BESIDE: &str = "dark-provider";

fn main() -> ExitCode {
    let (options, mut names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|it| it.starts_with("--"));
    let size = if options.iter().any(|option| option == "--small") { Size::Small } else { Size::Full };
    if names.is_empty() {
        names = ALL.iter().chain([&BESIDE]).map(ToString::to_string).collect();
    }
    if let Some(unknown) = names.iter().find(|name| !ALL.contains(&name.as_str()) && *name != BESIDE) {
        eprintln!("no scenario is called {unknown}; there are: {}, {BESIDE}", ALL.join(", "));
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(all(&names, size)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn all(names: &[String], size: Size) -> bool {
    let beside = names.iter().any(|name| name == BESIDE);
    let beside = beside.then(|| tokio::spawn(dark_provider::run(size)));
    let mut all_held = true;
    for name in names.iter().filter(|name| *name != BESIDE) {
        all_held &= told(name, Box::pin(run(name, size)).await);
    }
    if let Some(beside) = beside {
        all_held &= told(BESIDE, beside.await.expect("a scenario"));
    }
    all_held
}

async fn run(name: &str, size: Size) -> Option<Report> {
    match name {
        "reloads" => Some(reloads::run(size).await),
        "rolling-restart" => rolling_restart::run(size).await,
        "stop" => Some(stop::run(size).await),
        "throttling" => Some(throttling::run(size).await),
        "crashes" => crashes::replicas(size).await,
        "valkey" => crashes::state(size).await,
        "clock-steps" => clock_steps::run(size).await,
        "stalled" => Some(stalled::run(size).await),
        "calls" => calls::run(size).await,
        "hours" => hours::run(size).await,
        "growth" => growth::run(size).await,
        "training" => training::run(size).await,
        "waits" => Some(waits::run(size).await),
        _ => Some(launches::run(size).await),
    }
}

fn told(name: &str, report: Option<Report>) -> bool {
    match report {
        Some(report) => {
            println!("{report}");
            report.held()
        }
        None => {
            eprintln!("{name} needs peers: run tests/peers/install and set POSTERN_PEERS");
            false
        }
    }
}
