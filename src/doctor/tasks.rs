//! Checks that run at the same time, with their results in order.

use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// More at a time would only be throttled.
const AT_ONCE: usize = 8;

/// The results, in the order of `looks`.
pub(super) async fn a_few_at_a_time<Look, T>(looks: impl Iterator<Item = Look>) -> Vec<T>
where
    Look: Future<Output = Vec<T>> + Send + 'static,
    T: Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let tasks = looks.map(|look| {
        let turns = Arc::clone(&turns);
        tokio::spawn(async move {
            let _turn = turns.acquire().await;
            look.await
        })
    });
    in_order(tasks.collect()).await
}

/// The results of all tasks, in the order of the tasks.
pub(super) async fn in_order<T>(tasks: Vec<JoinHandle<Vec<T>>>) -> Vec<T> {
    let mut all = Vec::new();
    for task in tasks {
        match task.await {
            Ok(found) => all.extend(found),
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    all
}
