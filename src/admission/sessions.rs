//! The sessions that are running.

use super::minutes::MeterNumber;
use super::moment::Moment;
use super::session_id::SessionId;
use super::sync::{Mutex, MutexGuard, lock};
use super::tracked::Tracked;
use crate::model::sid::AccountSid;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// Which way a session goes, as seen from the gateway. There is one limit for both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the gateway.
    Inbound,
    /// From the gateway.
    Outbound,
}

/// A session that is running. What changes of it is changed under the lock of its shard only.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) account: Arc<Tracked>,
    /// The number of the service provider that it is counted with, also when the account has gone to another since.
    pub(super) provider: Option<u32>,
    pub(super) since: Moment,
    pub(super) direction: Direction,
    pub(super) overage: bool,
    hash: u64,
    /// When it was heard of last, by the clock that only runs forward.
    heard: AtomicI64,
    /// The number of the permit that ends it when it is dropped.
    owner: AtomicU32,
    meter: AtomicU32,
    /// The last reconciliation that had begun when it was admitted, and the one that found it.
    generation: AtomicU32,
    found: AtomicU32,
}

/// Not metered.
const NO_METER: u32 = u32::MAX;

/// What a session begins with.
pub(super) struct NewSession {
    pub(super) id: SessionId,
    pub(super) account: Arc<Tracked>,
    pub(super) provider: Option<u32>,
    pub(super) since: Moment,
    pub(super) heard: Moment,
    pub(super) direction: Direction,
    pub(super) overage: bool,
    pub(super) meter: Option<MeterNumber>,
}

impl Session {
    /// When it was heard of last.
    pub(super) fn heard(&self) -> Moment {
        self.since.plus(self.heard.load(Ordering::Relaxed).saturating_sub(self.since.run))
    }

    pub(super) fn hear(&self, now: Moment) {
        self.heard.fetch_max(now.run, Ordering::Relaxed);
    }

    pub(super) fn owner(&self) -> u32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Makes it somebody else's.
    pub(super) fn next_owner(&self) -> u32 {
        self.owner.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    pub(super) fn meter(&self) -> Option<MeterNumber> {
        match self.meter.load(Ordering::Relaxed) {
            NO_METER => None,
            meter => usize::try_from(meter).ok(),
        }
    }

    pub(super) fn set_meter(&self, meter: MeterNumber) {
        self.meter.store(u32::try_from(meter).unwrap_or(NO_METER), Ordering::Relaxed);
    }

    pub(super) fn find_by(&self, reconciliation: u32) {
        self.found.store(reconciliation, Ordering::Relaxed);
    }

    /// Whether it was there before this reconciliation began, and not found by it.
    pub(super) fn is_missing_in(&self, reconciliation: u32) -> bool {
        self.generation.load(Ordering::Relaxed) < reconciliation
            && self.found.load(Ordering::Relaxed) != reconciliation
    }
}

/// All sessions, in shards by account and id.
#[derive(Debug)]
pub(super) struct Sessions {
    shards: Box<[Padded]>,
    hasher: RandomState,
}

/// A shard with a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// Some of the sessions. It is locked before the ledger of the account.
#[derive(Debug, Default)]
pub(super) struct Shard {
    table: HashTable<Arc<Session>>,
    pub(super) tally: Tally,
    /// How many reconciliations are under way, and the number of the last that began.
    watchers: u32,
    generation: u32,
    /// Which sessions have ended while a reconciliation was under way, and which had begun last.
    ended: HashTable<(u32, Arc<Session>)>,
}

/// What has happened so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) admitted: u64,
    pub(super) overage: u64,
    pub(super) repeated: u64,
    pub(super) adopted: u64,
    pub(super) released: u64,
    pub(super) expired: u64,
    pub(super) freed: u64,
}

impl Sessions {
    /// How many shards: enough for some dozen threads to hardly meet.
    const SHARDS: usize = if cfg!(gateway_accounts_loom) { 1 } else { 64 };

    pub(super) fn new() -> Self {
        let shards = (0..Self::SHARDS).map(|_| Padded(Mutex::new(Shard::default()))).collect();
        Self { shards, hasher: RandomState::default() }
    }

    pub(super) fn hash(&self, account: AccountSid, id: &SessionId) -> u64 {
        self.hasher.hash_one((account, id.as_bytes()))
    }

    /// The shard of what has this hash. The table goes by its other bits.
    pub(super) fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(hash >> 32).unwrap_or_default() % self.shards.len();
        lock(&self.shards[place].0)
    }

    pub(super) fn shard_of(&self, session: &Session) -> MutexGuard<'_, Shard> {
        self.shard(session.hash)
    }

    /// The shards, one locked after the other.
    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| lock(&shard.0))
    }
}

impl Shard {
    pub(super) fn find(&self, hash: u64, account: AccountSid, id: &SessionId) -> Option<&Arc<Session>> {
        self.table.find(hash, |session| session.account.sid == account && session.id == *id)
    }

    /// Whether this very session is running.
    pub(super) fn has(&self, session: &Arc<Session>) -> bool {
        self.table.find(session.hash, |other| Arc::ptr_eq(other, session)).is_some()
    }

    /// Adds a session that is not there.
    pub(super) fn insert(&mut self, hash: u64, new: NewSession) -> Arc<Session> {
        let NewSession { id, account, provider, since, heard, direction, overage, meter } = new;
        let session = Arc::new(Session {
            id,
            account,
            provider,
            since,
            direction,
            overage,
            hash,
            heard: AtomicI64::new(heard.run),
            owner: AtomicU32::new(1),
            meter: AtomicU32::new(meter.and_then(|meter| u32::try_from(meter).ok()).unwrap_or(NO_METER)),
            generation: AtomicU32::new(self.generation),
            found: AtomicU32::new(0),
        });
        self.table.insert_unique(hash, Arc::clone(&session), |session| session.hash);
        session
    }

    /// Takes out a session, if it is there.
    pub(super) fn remove(&mut self, session: &Arc<Session>) -> bool {
        let Ok(entry) = self.table.find_entry(session.hash, |other| Arc::ptr_eq(other, session)) else {
            return false;
        };
        let (removed, _) = entry.remove();
        self.note_ended(removed);
        // What is empty again after a peak is given back, with room left for the next.
        if self.table.capacity() > Self::SPACIOUS && self.table.len() < self.table.capacity() / 8 {
            self.table.shrink_to(self.table.len() * 2, |session| session.hash);
        }
        true
    }

    /// A table below this never gets smaller.
    const SPACIOUS: usize = 1024;

    fn note_ended(&mut self, session: Arc<Session>) {
        if self.watchers > 0 {
            let hash = session.hash;
            self.ended.insert_unique(hash, (self.generation, session), |(_, session)| session.hash);
        }
    }

    /// Takes out all.
    pub(super) fn clear(&mut self) {
        self.table = HashTable::new();
        self.ended = HashTable::new();
    }

    /// Takes out those of which this is so.
    pub(super) fn take_if(&mut self, is_so: impl Fn(&Session) -> bool) -> Vec<Arc<Session>> {
        let taken: Vec<_> = self.table.extract_if(|session| is_so(session)).collect();
        taken.iter().for_each(|session| self.note_ended(Arc::clone(session)));
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// From now on it is noted what ends.
    pub(super) fn watch(&mut self, generation: u32) {
        self.watchers += 1;
        self.generation = self.generation.max(generation);
    }

    pub(super) fn unwatch(&mut self) {
        self.watchers -= 1;
        if self.watchers == 0 {
            self.ended = HashTable::new();
        }
    }

    /// Whether a session has ended since this reconciliation began.
    pub(super) fn has_ended(
        &self,
        hash: u64,
        account: AccountSid,
        id: &SessionId,
        reconciliation: u32,
    ) -> bool {
        self.ended.iter_hash(hash).any(|(generation, session)| {
            *generation >= reconciliation && session.account.sid == account && session.id == *id
        })
    }
}
