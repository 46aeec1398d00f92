//! The same thing again and again, for a time, by so many at once.

use super::{Outcome, tell};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

pub(super) struct Repeated {
    latencies: Vec<Duration>,
    took: Duration,
}

/// `work` is given the number of its turn: the first of each worker is its own number. A failure ends it all.
pub(super) async fn repeat<Work, Done>(time: Duration, workers: usize, work: Work) -> Outcome<Repeated>
where
    Work: Fn(usize) -> Done + Clone + Send + 'static,
    Done: Future<Output = Outcome> + Send,
{
    let began = Instant::now();
    let mut running = JoinSet::new();
    for worker in 0..workers {
        let work = work.clone();
        running.spawn(async move {
            let mut latencies = Vec::new();
            for number in worker.. {
                let started = Instant::now();
                if started.duration_since(began) >= time {
                    break;
                }
                work(number).await?;
                latencies.push(started.elapsed());
            }
            Outcome::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = running.join_next().await {
        latencies.extend(ended??);
    }
    latencies.sort_unstable();
    Ok(Repeated { latencies, took: began.elapsed() })
}

impl Repeated {
    /// Prints how that went, `more` included; times are in microseconds.
    pub(super) fn tell(&self, more: Value) -> Outcome {
        let at = |percent: usize| {
            self.latencies.get(self.latencies.len() * percent / 100).map(Duration::as_micros)
        };
        let mut said = json!({
            "requests": self.latencies.len(),
            "duration_us": self.took.as_micros(),
            "p50_us": at(50),
            "p99_us": at(99),
        });
        if let (Value::Object(said), Value::Object(more)) = (&mut said, more) {
            said.extend(more);
        }
        Ok(tell(&said.to_string())?)
    }
}
