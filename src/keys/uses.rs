//! What is to be written of keys that were used: when, and better hashes. It is noted at once, and written a few times
//! a minute.

use super::authenticated::Authenticated;
use crate::model::api_key::{ApiKey, KeyHash, KeyId};
use crate::model::timestamp::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is noted.
pub(super) struct Uses {
    /// Those whose uses are not written. They are here and not in the cache, which forgets.
    used: Mutex<Vec<Authenticated>>,
    /// When some were written last, in milliseconds since 1970.
    written: AtomicI64,
    /// New hashes of keys; `None` while one is being made.
    rehashed: Mutex<HashMap<KeyId, Option<Rehash>>>,
}

/// When a key was used, in milliseconds since 1970; [`Usage::NEVER`] before all times.
pub(super) struct Usage {
    last: AtomicI64,
    /// Whether it is among those to be written.
    noted: AtomicBool,
}

/// A better hash of the same secret.
#[derive(Clone)]
pub(super) struct Rehash {
    pub(super) from: KeyHash,
    pub(super) to: KeyHash,
}

impl Usage {
    const NEVER: i64 = -1;

    pub(super) fn of(key: &ApiKey) -> Self {
        let last = key.last_used().map_or(Self::NEVER, Timestamp::as_millis);
        Self { last: AtomicI64::new(last), noted: AtomicBool::new(false) }
    }
}

impl Default for Uses {
    fn default() -> Self {
        Self { used: Mutex::default(), written: AtomicI64::new(i64::MIN), rehashed: Mutex::default() }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Uses {
    /// Notes that a key is used now. It takes a lock only for the first use since the last writing.
    pub(super) fn note(&self, known: &Authenticated, now: Timestamp) {
        let usage = known.usage();
        let now = now.as_millis();
        // Whoever noted the same or a later time has done the rest.
        if usage.last.load(Ordering::Relaxed) >= now {
            return;
        }
        // First the time, then whether it is noted; the writer goes the other way round, and so never misses both.
        usage.last.fetch_max(now, Ordering::SeqCst);
        if !usage.noted.load(Ordering::SeqCst) {
            self.put_back(known);
        }
    }

    fn put_back(&self, known: &Authenticated) {
        if !known.usage().noted.swap(true, Ordering::SeqCst) {
            self.used().push(known.clone());
        }
    }

    fn used(&self) -> MutexGuard<'_, Vec<Authenticated>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is to be written, if what was written before is as old as this. It comes back unless it is written.
    pub(super) fn take(&self, interval: Duration, now: Timestamp) -> Taken<'_> {
        let written = self.written.load(Ordering::SeqCst);
        // A clock that was set back keeps nothing waiting.
        let waits = (written..written.saturating_add(millis(interval))).contains(&now.as_millis());
        let due = if waits { Vec::new() } else { std::mem::take(&mut *self.used()) };
        let due = due.into_iter().map(|known| {
            known.usage().noted.store(false, Ordering::SeqCst);
            let at = known.usage().last.load(Ordering::SeqCst);
            (known, at)
        });
        Taken { uses: self, taken: due.collect(), now }
    }

    /// Announces that a new hash of a key is being made; `None` when one is or was.
    pub(super) fn begin_rehash(self: &Arc<Self>, id: KeyId) -> Option<Rehashing> {
        let mut rehashed = self.rehashed();
        if rehashed.contains_key(&id) {
            return None;
        }
        rehashed.insert(id, None);
        Some(Rehashing { uses: Arc::clone(self), id })
    }

    fn rehashed(&self) -> MutexGuard<'_, HashMap<KeyId, Option<Rehash>>> {
        self.rehashed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The new hashes that were made.
    pub(super) fn rehashes(&self) -> Vec<(KeyId, Rehash)> {
        self.rehashed().iter().filter_map(|(id, rehash)| Some((*id, rehash.clone()?))).collect()
    }

    /// Forgets a new hash that was written, or is not wanted any more.
    pub(super) fn forget_rehash(&self, id: KeyId) {
        self.rehashed().remove(&id);
    }
}

/// Uses on their way to the store. Dropped, they are noted again.
pub(super) struct Taken<'a> {
    uses: &'a Uses,
    taken: Vec<(Authenticated, i64)>,
    /// When they were taken.
    now: Timestamp,
}

impl Taken<'_> {
    /// Each key with its last use, once, in the order of their ids.
    pub(super) fn last_uses(&self) -> Vec<(KeyId, Timestamp)> {
        let mut last: Vec<_> =
            self.taken.iter().map(|(known, at)| (known.key_id(), Timestamp::from_millis(*at))).collect();
        // The latest first, which then stays.
        last.sort_unstable_by(|a, b| b.cmp(a));
        last.dedup_by_key(|(id, _)| *id);
        last.reverse();
        last
    }

    /// They are written.
    pub(super) fn written(mut self) {
        if !self.taken.is_empty() {
            self.uses.written.store(self.now.as_millis(), Ordering::SeqCst);
            self.taken.clear();
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.taken.iter().for_each(|(known, _)| self.uses.put_back(known));
    }
}

/// A new hash that is being made. Dropped before it is, it can be begun again.
pub(super) struct Rehashing {
    uses: Arc<Uses>,
    id: KeyId,
}

impl Rehashing {
    pub(super) fn done(self, rehash: Rehash) {
        self.uses.rehashed().insert(self.id, Some(rehash));
    }
}

impl Drop for Rehashing {
    fn drop(&mut self) {
        let mut rehashed = self.uses.rehashed();
        if rehashed.get(&self.id).is_some_and(Option::is_none) {
            rehashed.remove(&self.id);
        }
    }
}
