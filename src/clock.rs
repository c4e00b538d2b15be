//! What time it is. Every rule that needs the time takes it from a [`Clock`], so that a test can set it.

use crate::model::timestamp::Timestamp;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// A source of the current time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. It may step back between two calls, as system clocks do.
    fn now(&self) -> Timestamp;

    /// How long a clock that never steps has run, since some moment that is the same throughout a process. Durations are
    /// told by it.
    fn running(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn running(&self) -> Duration {
        (**self).running()
    }
}

/// The system's clock; the one for production.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn running(&self) -> Duration {
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        BEGIN.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that stands still until it is told otherwise, for tests. Share it as an `Arc` to move it on while it is in
/// use.
#[derive(Debug)]
pub struct ManualClock {
    /// Milliseconds since 1970.
    now: AtomicI64,
    /// Milliseconds.
    running: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.as_millis()), running: AtomicI64::new(0) }
    }

    /// Sets the clock, forwards or back: no time passes by that.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().after(by));
        self.running.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn running(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.running.load(Ordering::SeqCst)).unwrap_or(0))
    }
}
