//! The accounts of which something is counted.

use super::gate::Gate;
use super::ledger::Ledger;
use super::minutes::Paid;
use super::sessions::Session;
use super::sync::{Mutex, lock};
use super::terms::Terms;
use crate::model::sid::AccountSid;
use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// An account of which something is counted. Its ledger is locked after the sessions it is about. What every admission needs
/// is in one line of the processor's cache.
#[repr(C, align(64))]
pub(super) struct Tracked {
    pub(super) gate: Arc<Gate>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) sid: AccountSid,
}

impl Tracked {
    pub(super) fn new(sid: AccountSid, terms: Arc<Terms>, gate: Arc<Gate>) -> Self {
        Self { gate, sid, ledger: Mutex::new(Ledger::new(terms)) }
    }

    /// What a session of it is paid for, if it is metered.
    pub(super) fn paid(&self, session: &Session) -> Option<Paid> {
        let meter = session.meter()?;
        lock(&self.ledger).minutes.as_ref().map(|minutes| minutes.paid_now(meter))
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("sid", &self.sid).finish_non_exhaustive()
    }
}

/// All of them. Looking one up writes to no memory that others read: with a lock, threads that ask for the same account
/// would wait for each other. So each shard is copied when an account is added, which happens once for each.
pub(super) struct TrackedAccounts {
    shards: Box<[ArcSwap<Shard>]>,
    hasher: RandomState,
}

type Shard = HashMap<AccountSid, Arc<Tracked>, RandomState>;

impl TrackedAccounts {
    /// At a million accounts, a copy is of two thousand.
    const SHARDS: usize = 512;

    pub(super) fn new() -> Self {
        let hasher = RandomState::default();
        let empty = || ArcSwap::from_pointee(HashMap::with_hasher(hasher.clone()));
        Self { shards: (0..Self::SHARDS).map(|_| empty()).collect(), hasher }
    }

    #[inline]
    fn shard(&self, sid: AccountSid) -> &ArcSwap<Shard> {
        // The tables go by the other bits.
        let place = usize::try_from(self.hasher.hash_one(sid) >> 48).unwrap_or_default();
        &self.shards[place % self.shards.len()]
    }

    #[inline]
    pub(super) fn get(&self, sid: AccountSid) -> Option<Arc<Tracked>> {
        self.shard(sid).load().get(&sid).cloned()
    }

    pub(super) fn get_or_add(&self, sid: AccountSid, new: impl FnOnce() -> Tracked) -> Arc<Tracked> {
        let new = Arc::new(new());
        let shard = self.shard(sid);
        shard.rcu(|known| {
            let mut more = Shard::clone(known);
            more.entry(sid).or_insert_with(|| Arc::clone(&new));
            more
        });
        shard.load().get(&sid).map_or(new, Arc::clone)
    }

    pub(super) fn remove(&self, tracked: &Tracked) {
        self.shard(tracked.sid).rcu(|known| {
            let mut fewer = Shard::clone(known);
            if fewer.get(&tracked.sid).is_some_and(|other| std::ptr::eq(&**other, tracked)) {
                fewer.remove(&tracked.sid);
            }
            fewer
        });
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.load().len()).sum()
    }

    pub(super) fn all(&self) -> Vec<Arc<Tracked>> {
        self.shards.iter().flat_map(|shard| shard.load().values().cloned().collect::<Vec<_>>()).collect()
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            shard.store(Arc::new(HashMap::with_hasher(self.hasher.clone())));
        }
    }
}
