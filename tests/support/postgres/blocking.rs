//! Futures in tests that are not asynchronous themselves, or run by whatever executor.

use std::thread;

/// Waits for a future that needs tokio, on a thread of its own: also within a test that tokio runs.
pub(crate) fn wait_for<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("the system has a thread and a selector for tokio").block_on(future)
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
