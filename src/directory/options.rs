//! How a directory is set up.

use super::Directory;
use crate::clock::{Clock, SystemClock};
use crate::random::{OsRandom, Random};
use crate::store::{AccountStore, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// What a [`Directory`] goes by.
///
/// ```
/// use gateway_accounts::{DirectoryOptions, MemoryStore};
/// use std::time::Duration;
/// # futures_lite::future::block_on(async {
/// let directory = DirectoryOptions::new()
///     .poll_interval(Duration::from_millis(500))
///     .backoff(Duration::from_millis(100), Duration::from_secs(10))
///     .follow(MemoryStore::new())
///     .await?;
/// # let _ = directory;
/// # Ok::<(), gateway_accounts::StoreError>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct DirectoryOptions {
    pub(super) poll_interval: Duration,
    pub(super) first_backoff: Duration,
    pub(super) last_backoff: Duration,
    pub(super) catch_up_limit: Duration,
    pub(super) request_limit: Duration,
    pub(super) snapshot_limit: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// The shortest interval of all, so that no option makes a thread spin.
const SHORTEST: Duration = Duration::from_millis(1);

impl DirectoryOptions {
    /// What holds where nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            first_backoff: Duration::from_millis(50),
            last_backoff: Duration::from_secs(5),
            catch_up_limit: Duration::from_secs(5),
            request_limit: Duration::from_secs(30),
            snapshot_limit: Duration::from_secs(600),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }

    /// How often the store is asked for changes that it has told nobody of: every second, when nothing is said. An idle
    /// store is asked this often, and costs one request each time.
    #[must_use]
    pub fn poll_interval(self, poll_interval: Duration) -> Self {
        Self { poll_interval: poll_interval.max(SHORTEST), ..self }
    }

    /// How long to wait after a request that failed, before the next: 50 milliseconds at first, twice as long each time, and
    /// 5 seconds at most, when nothing is said. It is made shorter by up to a half, at random, so that a store which comes back is
    /// not asked by all its directories at once.
    #[must_use]
    pub fn backoff(self, first: Duration, last: Duration) -> Self {
        let first_backoff = first.max(SHORTEST);
        Self { first_backoff, last_backoff: last.max(first_backoff), ..self }
    }

    /// How long a call through the directory waits, after the store has answered, until the directory's own snapshot has what
    /// the answer told: 5 seconds at most, when nothing is said. After that it gives the answer anyway.
    #[must_use]
    pub fn catch_up_limit(self, catch_up_limit: Duration) -> Self {
        Self { catch_up_limit, ..self }
    }

    /// How long a request for changes may take before it is given up and made again: 30 seconds, when nothing is said.
    #[must_use]
    pub fn request_limit(self, request_limit: Duration) -> Self {
        Self { request_limit: request_limit.max(SHORTEST), ..self }
    }

    /// How long reading all accounts may take before it is given up and begun again: 10 minutes, when nothing is said. The
    /// first time, by [`DirectoryOptions::follow`], takes as long as it takes.
    #[must_use]
    pub fn snapshot_limit(self, snapshot_limit: Duration) -> Self {
        Self { snapshot_limit: snapshot_limit.max(SHORTEST), ..self }
    }

    /// The clock that all these durations are told by ([`Clock::running`]), and the moments of the status.
    #[must_use]
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// What makes waits after failures differ.
    #[must_use]
    pub fn random(self, random: impl Random + 'static) -> Self {
        Self { random: Arc::new(random), ..self }
    }

    /// Follows this store: reads all its accounts and API keys, and keeps them current from then on.
    ///
    /// # Errors
    /// [`StoreError`] when they can't be read, and [`StoreErrorKind::Failed`](crate::StoreErrorKind::Failed) when no thread can
    /// be started.
    pub async fn follow(self, store: impl AccountStore + 'static) -> Result<Directory, StoreError> {
        Directory::with_options(self, Arc::new(store)).await
    }

    /// How long to wait after so many failures in a row: 1 for the first.
    pub(super) fn backoff_after(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.first_backoff.saturating_mul(doubled).min(self.last_backoff);
        let mut bytes = [0; 2];
        // Without random bytes it is the longest.
        let shorter = self.random.fill(&mut bytes).map_or(0, |()| u16::from_ne_bytes(bytes));
        longest - longest / 2 / u32::from(u16::MAX) * u32::from(shorter)
    }
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{RandomError, SeededRandom};

    #[test]
    fn waits_get_longer_up_to_the_last_and_differ() {
        let millis = Duration::from_millis;
        let options = DirectoryOptions::new().random(SeededRandom::new(1));
        for (failures, longest) in [
            (0, 50),
            (1, 50),
            (2, 100),
            (3, 200),
            (7, 3200),
            (8, 5000),
            (9, 5000),
            (33, 5000),
            (u32::MAX, 5000),
        ] {
            let waits: Vec<_> = (0..20).map(|_| options.backoff_after(failures)).collect();
            for wait in &waits {
                assert!((millis(longest) / 2..=millis(longest)).contains(wait), "{failures}: {wait:?}");
            }
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures}: all are the same");
        }
    }

    #[test]
    fn extremes_do_no_harm() {
        #[derive(Debug)]
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError::new("broken"))
            }
        }
        let options = DirectoryOptions::new().random(Broken);
        assert_eq!(options.backoff_after(1), Duration::from_millis(50));
        let longest = options.clone().backoff(Duration::MAX, Duration::ZERO);
        assert_eq!(longest.backoff_after(u32::MAX), Duration::MAX);
        let shortest = options.backoff(Duration::ZERO, Duration::ZERO).poll_interval(Duration::ZERO);
        assert_eq!((shortest.backoff_after(9), shortest.poll_interval), (SHORTEST, SHORTEST));
        let random = shortest.random(SeededRandom::new(2)).backoff(Duration::MAX, Duration::MAX);
        assert!(random.backoff_after(1) >= Duration::MAX / 2);
    }
}
