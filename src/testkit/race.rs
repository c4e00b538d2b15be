//! Threads that do something at the same time.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Runs so many threads that start together, each with its number, and gives what each came to, in order. When
/// one panics, so does this.
pub(crate) fn race<T: Send>(threads: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let (start, run) = (&start, &run);
        let begin = |number| {
            scope.spawn(move || {
                start.wait();
                run(number)
            })
        };
        let running: Vec<_> = (0..threads).map(begin).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Something that others do as long as it goes on: until its guard is dropped, be it by a panic, so that nobody
/// goes on for ever.
pub(crate) struct Meanwhile(AtomicBool);

pub(crate) struct EndOf<'a>(&'a Meanwhile);

impl Meanwhile {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(true))
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    #[must_use]
    pub(crate) fn until_dropped(&self) -> EndOf<'_> {
        EndOf(self)
    }
}

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::SeqCst);
    }
}
