//! What the measurements need of this project besides the program itself. `tests/bench/run` starts it.
//!
//! ```text
//! stage sandbox                            SageMaker, STS and a provider on loopback, until standard input ends
//! stage sessions CONFIG COUNT MINUTES      the cookies of COUNT people who signed in MINUTES ago, one a line
//! stage calls SAGEMAKER SECONDS CALLERS    the bare SDK call in a loop, from so many callers at once
//! stage hop SAGEMAKER PORT                 the same call once per request, behind the least server there is
//! stage upstream PORT                      takes every call of MLflow's client, and every file
//! stage signing-hop UPSTREAM PORT          signs each of them and passes it on, behind the least server there is
//! stage handshakes PORT HOST PATH STATUS CERTIFICATE SECONDS CLIENTS
//!                                          one request per TLS connection, which must be answered with this status
//! ```

mod bridge;
mod calls;
mod files;
mod handshakes;
mod repeat;
mod sandbox;
mod sessions;

use handshakes::Question;
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

type Outcome<Value = ()> = Result<Value, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // One thread, as everything that is measured has one core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match *words {
            ["sandbox"] => sandbox::serve().await,
            ["sessions", config, count, minutes] => {
                let age = Duration::from_secs(60 * minutes.parse::<u64>()?);
                sessions::print(Path::new(config), count.parse()?, age).await
            }
            ["calls", sagemaker, seconds, callers] => {
                calls::call(sagemaker, Duration::from_secs(seconds.parse()?), callers.parse()?).await
            }
            ["hop", sagemaker, port] => calls::serve(sagemaker, port.parse()?).await,
            ["upstream", port] => bridge::upstream(port.parse()?).await,
            ["signing-hop", upstream, port] => bridge::hop(upstream, port.parse()?).await,
            ["handshakes", port, host, path, status, certificate, seconds, clients] => {
                let (host, path) = (host.to_owned(), path.to_owned());
                let question = Question { port: port.parse()?, host, path, status: status.parse()? };
                let time = Duration::from_secs(seconds.parse()?);
                handshakes::ask(question, Path::new(certificate), time, clients.parse()?).await
            }
            _ => Err("what is there to be done? See the head of tests/bench/stage/main.rs".into()),
        }
    })
}

/// Prints a line at once: who started this waits for it.
fn tell(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Ends when whoever started this closes our standard input, or is gone.
async fn until_left() -> io::Result<()> {
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()).map(drop)).await?
}
