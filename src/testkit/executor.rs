//! An executor that gives up on what hangs, and futures that are polled by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub(crate) use crate::yielding::yield_now;

/// How long a future may sleep before it counts as hung. It decides only when a check fails, never what it does.
/// The kit's own tests, which have stores that do hang, wait less.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 60 });

/// Runs a future to its end on this thread.
///
/// # Panics
/// When nothing wakes the future for a minute: a store that hangs fails its check.
#[track_caller]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    Started::new(future).finish()
}

/// Counts how often it was woken, and wakes the thread that made it.
struct Alarm {
    thread: Thread,
    rung: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A future that is polled by hand, on the thread that made it.
pub(crate) struct Started<F> {
    future: Pin<Box<F>>,
    alarm: Arc<Alarm>,
    /// How often the alarm had rung before the last poll.
    heard: usize,
}

impl<F: Future> Started<F> {
    pub(crate) fn new(future: F) -> Self {
        let alarm = Alarm { thread: thread::current(), rung: AtomicUsize::new(0) };
        Self { future: Box::pin(future), alarm: Arc::new(alarm), heard: 0 }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.heard = self.alarm.rung.load(Ordering::SeqCst);
        self.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.alarm))))
    }

    /// Polls at most so many times, each but the first after the future asked for it.
    #[track_caller]
    pub(crate) fn poll_times(&mut self, times: usize) -> Poll<F::Output> {
        for nth in 0..times {
            if nth > 0 {
                self.wait();
            }
            if let Poll::Ready(output) = self.poll() {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    #[track_caller]
    pub(crate) fn finish(mut self) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll() {
                return output;
            }
            self.wait();
        }
    }

    #[track_caller]
    fn wait(&self) {
        let start = Instant::now();
        while self.alarm.rung.load(Ordering::SeqCst) == self.heard {
            let left = PATIENCE.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "the store hangs: nothing woke the future of a call for {PATIENCE:?}");
            thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[test]
    fn runs_to_the_end_and_as_far_as_asked() {
        let thrice = async || {
            for _ in 0..3 {
                yield_now().await;
            }
            7
        };
        assert_eq!(block_on(thrice()), 7);
        assert_eq!(block_on(ready(7)), 7);
        assert_eq!(Started::new(thrice()).poll_times(3), Poll::Pending);
        assert_eq!(Started::new(thrice()).poll_times(4), Poll::Ready(7));
    }

    #[test]
    #[should_panic = "the store hangs"]
    fn gives_up_on_what_hangs() {
        block_on(pending::<()>());
    }
}
