//! How following goes, for whoever wants to know.

use super::shared::Shared;
use crate::model::timestamp::Timestamp;
use crate::snapshot::Seq;
use crate::store::StoreError;
use event_listener::listener;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How a [`Directory`](super::Directory) follows its store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DirectoryStatus {
    /// Whether it does.
    pub state: DirectoryState,
    /// The commit that its snapshot is as of.
    pub seq: Seq,
    /// How long ago it was current for certain ([`Directory::staleness`](super::Directory::staleness)).
    pub staleness: Duration,
    /// How many commits it has taken in from the feed, or from its own callers.
    pub changes: u64,
    /// How often it has read all accounts again, since the feed did not reach back far enough or did not fit.
    pub reloads: u64,
    /// The last error of all, also when it goes on by now.
    pub last_error: Option<Arc<StoreError>>,
}

/// Whether a [`Directory`](super::Directory) follows its store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DirectoryState {
    /// It need not: the store has a snapshot of its own.
    InMemory,
    /// It does: the store answered the last request.
    Following,
    /// It tries to: requests fail.
    Reconnecting {
        /// When the first of them failed.
        since: Timestamp,
        /// How many have failed in a row.
        failures: u32,
        /// What was wrong with the last.
        error: Arc<StoreError>,
    },
}

/// What is known of how it goes.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) state: DirectoryState,
    pub(super) reloads: u64,
    pub(super) last_error: Option<Arc<StoreError>>,
    /// How often any of this has changed.
    pub(super) turns: u64,
}

/// Tells when the status of a [`Directory`](super::Directory) changes: when a request fails or works again, and when all
/// accounts were read again. It tells nothing of single commits; for these there is
/// [`AccountStore::wait_past`](crate::AccountStore::wait_past).
///
/// It does not keep the directory going.
pub struct DirectoryWatch {
    /// `None` of a store with a snapshot of its own.
    shared: Option<Arc<Shared>>,
    seen: u64,
}

impl DirectoryWatch {
    pub(super) fn new(shared: Option<Arc<Shared>>) -> Self {
        let seen = shared.as_ref().map_or(0, |shared| shared.course().turns);
        Self { shared, seen }
    }

    /// The status, when it has changed since the watch began or told of it last; several changes in between are told once.
    /// `None` when it won't change any more: the last clone of the directory is gone, or the store is in memory.
    ///
    /// The future may be dropped at any time; then nothing is missed.
    pub async fn changed(&mut self) -> Option<DirectoryStatus> {
        let shared = self.shared.as_ref()?;
        loop {
            listener!(shared.changed => changed);
            // Listening begins before looking, so that no change falls in between.
            let turns = shared.course().turns;
            if turns != self.seen {
                self.seen = turns;
                return Some(shared.status());
            }
            if shared.has_ended.load(Ordering::Acquire) {
                return None;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for DirectoryWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryWatch").field("seen", &self.seen).finish_non_exhaustive()
    }
}
