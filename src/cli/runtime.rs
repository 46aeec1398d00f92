//! The runtime that a command's asynchronous work runs on.

use super::output::Failed;
use std::future::Future;
use std::time::Duration;

/// The longest that the program waits at its end for work that does not end.
pub(super) const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Runs `task` to its end. Work that it leaves behind is dropped before this returns. Only a task that hangs on a file or
/// on a name server is left alone.
pub(super) fn block_on<Done>(task: impl Future<Output = Result<Done, Failed>>) -> Result<Done, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::ran(format!("the runtime cannot be started: {error}")))?;
    let done = runtime.block_on(task);
    runtime.shutdown_timeout(LAST_FLUSH);
    done
}
