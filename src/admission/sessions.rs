//! The sessions that are running.

use super::minutes::MeterNumber;
use super::moment::Moment;
use super::session_id::SessionId;
use super::sync::{Mutex, MutexGuard, lock};
use crate::model::sid::AccountSid;
#[cfg(gateway_accounts_loom)]
use foldhash::quality::FixedState as RandomState;
#[cfg(not(gateway_accounts_loom))]
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, VacantEntry};
use serde::{Deserialize, Serialize};
use slab::Slab;
use std::hash::BuildHasher;

/// Which way a session goes, as seen from the gateway. There is one limit for both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the gateway.
    Inbound,
    /// From the gateway.
    Outbound,
}

/// A session that is running.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) account: AccountSid,
    pub(super) id: SessionId,
    /// The number of the service provider that it is counted with, also when the account has gone to another since.
    pub(super) provider: Option<u32>,
    pub(super) since: Moment,
    pub(super) direction: Direction,
    pub(super) overage: bool,
    pub(super) key: Key,
    /// When it was heard of last, by the clock that only runs forward.
    heard: i64,
    /// The number of the permit that ends it when it is dropped.
    pub(super) owner: u32,
    meter: u32,
    /// The last reconciliation that had begun when it was admitted, and the one that found it.
    generation: u32,
    found: u32,
}

/// A session, or room for it.
pub(super) enum Place<'a> {
    Taken(&'a mut Session, &'a mut Tally),
    Free(Free<'a>),
}

/// Room for a session.
pub(super) struct Free<'a> {
    hash: u64,
    sessions: &'a mut Slab<Session>,
    place: VacantEntry<'a, u32>,
    number: &'a mut u64,
    pub(super) tally: &'a mut Tally,
    generation: u32,
}

impl<'a> Free<'a> {
    #[inline]
    pub(super) fn insert(self, new: NewSession) -> &'a mut Session {
        let NewSession { account, id, provider, since, heard, direction, overage, meter } = new;
        *self.number += 1;
        let vacant = self.sessions.vacant_entry();
        let key = Key { hash: self.hash, place: vacant.key(), number: *self.number };
        // There are fewer than a `u32` can tell: each takes a hundred bytes.
        self.place.insert(key.place as u32);
        vacant.insert(Session {
            account,
            id,
            provider,
            since,
            direction,
            overage,
            key,
            heard: heard.run,
            owner: 1,
            meter: meter.and_then(|meter| u32::try_from(meter).ok()).unwrap_or(NO_METER),
            generation: self.generation,
            found: 0,
        })
    }
}

/// By which a session is found again, and not taken for another of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Of its account and id.
    hash: u64,
    /// Where it is in its shard.
    place: usize,
    /// No other session of its shard has had this number.
    number: u64,
}

/// Not metered.
const NO_METER: u32 = u32::MAX;

/// What a session begins with.
pub(super) struct NewSession {
    pub(super) account: AccountSid,
    pub(super) id: SessionId,
    pub(super) provider: Option<u32>,
    pub(super) since: Moment,
    pub(super) heard: Moment,
    pub(super) direction: Direction,
    pub(super) overage: bool,
    pub(super) meter: Option<MeterNumber>,
}

impl Session {
    /// When it was heard of last.
    #[inline]
    pub(super) fn heard(&self) -> Moment {
        self.since.plus(self.heard.saturating_sub(self.since.run))
    }

    pub(super) fn hear(&mut self, now: Moment) {
        self.heard = self.heard.max(now.run);
    }

    /// Makes it somebody else's.
    pub(super) fn next_owner(&mut self) -> u32 {
        // 0 is nobody's.
        self.owner = self.owner.checked_add(1).unwrap_or(1);
        self.owner
    }

    #[inline]
    pub(super) fn meter(&self) -> Option<MeterNumber> {
        if self.meter == NO_METER { None } else { usize::try_from(self.meter).ok() }
    }

    pub(super) fn set_meter(&mut self, meter: MeterNumber) {
        self.meter = u32::try_from(meter).unwrap_or(NO_METER);
    }

    pub(super) fn mark_found(&mut self, reconciliation: u32) {
        self.found = reconciliation;
    }

    /// Whether it was there before this reconciliation began, and not found by it.
    pub(super) fn is_missing_in(&self, reconciliation: u32) -> bool {
        self.generation < reconciliation && self.found != reconciliation
    }

    #[inline]
    fn is(&self, account: AccountSid, id: &SessionId) -> bool {
        self.account == account && self.id == *id
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
    sessions: Slab<Session>,
    /// Where each is.
    places: HashTable<u32>,
    /// How many sessions it has had.
    number: u64,
    pub(super) tally: Tally,
    /// How many reconciliations are under way, and the number of the last that began.
    watchers: u32,
    generation: u32,
    /// Which sessions have ended while a reconciliation was under way, and which had begun last.
    ended: HashTable<EndedMeanwhile>,
}

/// A session that has ended while a reconciliation was under way.
#[derive(Debug)]
struct EndedMeanwhile {
    hash: u64,
    account: AccountSid,
    id: SessionId,
    /// The last reconciliation that had begun.
    generation: u32,
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
    const SHARDS: usize = if cfg!(gateway_accounts_loom) { 2 } else { 64 };

    pub(super) fn new() -> Self {
        let shards = (0..Self::SHARDS).map(|_| Padded(Mutex::new(Shard::default()))).collect();
        Self { shards, hasher: RandomState::default() }
    }

    #[inline]
    pub(super) fn hash(&self, account: AccountSid, id: &SessionId) -> u64 {
        self.hasher.hash_one((account, id.as_bytes()))
    }

    /// The shard of what has this hash. The table goes by its other bits.
    #[inline]
    pub(super) fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.place_of(hash)].0)
    }

    #[inline]
    pub(super) fn place_of(&self, hash: u64) -> usize {
        usize::try_from(hash >> 32).unwrap_or_default() % self.shards.len()
    }

    #[inline]
    pub(super) fn shard_of(&self, key: Key) -> MutexGuard<'_, Shard> {
        self.shard(key.hash)
    }

    /// The shards, one locked after the other.
    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| lock(&shard.0))
    }
}

impl Shard {
    #[inline]
    pub(super) fn find(&mut self, hash: u64, account: AccountSid, id: &SessionId) -> Option<&mut Session> {
        let Self { sessions, places, .. } = self;
        let is_it =
            |place: &u32| sessions.get(*place as usize).is_some_and(|session| session.is(account, id));
        let place = *places.find(hash, is_it)?;
        sessions.get_mut(place as usize)
    }

    /// The very session of this key, if it is running.
    #[inline]
    pub(super) fn find_by(&mut self, key: Key) -> Option<&mut Session> {
        self.sessions.get_mut(key.place).filter(|session| session.key == key)
    }

    /// The session of this id, or room for it.
    #[inline]
    pub(super) fn place(&mut self, hash: u64, account: AccountSid, id: &SessionId) -> Place<'_> {
        let Self { sessions, places, number, tally, generation, .. } = self;
        let at = |place: &u32| sessions.get(*place as usize);
        let is_it = |place: &u32| at(place).is_some_and(|session| session.is(account, id));
        let hash_of = |place: &u32| at(place).map_or(hash, |session| session.key.hash);
        match places.entry(hash, is_it, hash_of) {
            // There is one, as `is_it` has just found.
            Entry::Occupied(taken) => Place::Taken(&mut sessions[*taken.get() as usize], tally),
            Entry::Vacant(place) => {
                Place::Free(Free { hash, sessions, place, number, tally, generation: *generation })
            }
        }
    }

    /// Takes out a session, if it is there and this is so.
    #[inline]
    pub(super) fn remove_if(&mut self, key: Key, is_so: impl Fn(&Session) -> bool) -> Option<Session> {
        self.find_by(key).filter(|session| is_so(session))?;
        self.remove(key)
    }

    #[inline]
    fn remove(&mut self, key: Key) -> Option<Session> {
        if let Ok(entry) = self.places.find_entry(key.hash, |place| *place as usize == key.place) {
            entry.remove();
        }
        let removed = self.sessions.try_remove(key.place)?;
        self.note_ended(&removed);
        if self.sessions.is_empty() && self.sessions.capacity() > Self::SPACIOUS {
            // What a peak took is given back when it is over.
            self.sessions = Slab::new();
            self.places = HashTable::new();
        }
        Some(removed)
    }

    /// What takes less than so many sessions is kept for the next.
    const SPACIOUS: usize = 1024;

    #[inline]
    fn note_ended(&mut self, session: &Session) {
        if self.watchers > 0 {
            let Session { account, key: Key { hash, .. }, .. } = *session;
            let ended = EndedMeanwhile { hash, account, id: session.id.clone(), generation: self.generation };
            self.ended.insert_unique(hash, ended, |ended| ended.hash);
        }
    }

    /// Takes out all.
    pub(super) fn clear(&mut self) {
        self.sessions = Slab::new();
        self.places = HashTable::new();
        self.ended = HashTable::new();
    }

    /// Takes out those of which this is so.
    pub(super) fn take_if(&mut self, is_so: impl Fn(&Session) -> bool) -> Vec<Session> {
        let them: Vec<Key> = self
            .sessions
            .iter()
            .filter(|(_, session)| is_so(session))
            .map(|(_, session)| session.key)
            .collect();
        them.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
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
        self.ended
            .iter_hash(hash)
            .any(|ended| ended.generation >= reconciliation && ended.account == account && ended.id == *id)
    }
}
