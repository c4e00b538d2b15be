//! All accounts at one moment, and the one pure function that steps from one moment to the next.

mod batch;
mod bulk;
mod history;
mod keys;
mod listing;
mod ordered;
#[cfg(test)]
#[cfg(feature = "testkit")]
mod tests;
mod trie;

pub use batch::{Batch, Change, Conflict, Event, Seq, Write, WriteProgress};
pub use history::{AccountHistory, HistoryEntry, HistoryPage};
pub use keys::{KeyEvent, KeyWrite};
pub use listing::{Listing, Page};

use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::field::Field;
use crate::model::minutes_used::MinutesUsed;
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::random::{OsRandom, Random};
use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use ordered::OrderedSet;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, OnceLock};
use trie::Trie;

/// An immutable view of all accounts after one commit, indexed by SID, name and realm.
///
/// Cloning one is copying a pointer. Readers share it without locks, never see half a commit, and hold it for as
/// long as they like. [`Snapshot::apply`] gives the next one and leaves this one as it is; the two share all that
/// the batch did not touch.
///
/// This is the state machine of every store that decides in process, and all its rules are here: SIDs, folded
/// names and realms are unique; a replacement or deletion names the revision its writer saw; a batch applies
/// whole or not at all.
///
/// The hash tables are seeded from the operating system's random source, since the realms that are looked up
/// come in from the network.
#[derive(Clone)]
pub struct Snapshot(Arc<State>);

#[derive(Clone)]
struct State {
    seq: Seq,
    hasher: SeedableRandomState,
    by_sid: Trie<Arc<Account>>,
    /// SIDs, not accounts: names are looked up rarely, and so an edit that keeps the name leaves this as it is.
    by_name: Trie<AccountSid>,
    by_realm: Trie<Arc<Account>>,
    sids: OrderedSet<AccountSid>,
    /// `Some` in each; `None` stands before a provider's first.
    sids_of_providers: OrderedSet<(ServiceProviderSid, Option<AccountSid>)>,
    keys: Trie<Arc<ApiKey>>,
    /// `Some` in each; `None` stands before an owner's first.
    keys_of_owners: OrderedSet<(Scope, Option<KeyId>)>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("seq", &self.seq()).field("accounts", &self.len()).finish()
    }
}

/// A change that does not follow from this snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvanceError {
    /// It is not the next one.
    #[error("commit {found} does not follow commit {current}")]
    Gap {
        /// The snapshot's commit.
        current: Seq,
        /// The change's.
        found: Seq,
    },
    /// It contradicts what is there.
    #[error("commit {seq} contradicts the accounts before it")]
    Conflict {
        /// The change's commit.
        seq: Seq,
        /// How.
        source: Conflict,
    },
}

impl Snapshot {
    /// No accounts, before the first commit.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(State::empty()))
    }

    /// These accounts, as after commit `seq`: for a store that keeps accounts in a form of its own.
    ///
    /// # Errors
    /// [`Conflict::Taken`] when two of them have the same SID, name or realm.
    pub fn from_accounts(
        seq: Seq,
        accounts: impl IntoIterator<Item = Arc<Account>>,
    ) -> Result<Self, Conflict> {
        let accounts: Vec<Arc<Account>> = accounts.into_iter().collect();
        let mut state = State { seq, ..State::empty() };
        if !state.insert_in_bulk(&accounts.iter().collect::<Vec<_>>()) {
            state = State { seq, ..State::empty() };
            for account in accounts {
                state.insert(account)?;
            }
        }
        Ok(Self(Arc::new(state)))
    }

    /// The same with these API keys too: for a store that keeps them in a form of its own.
    ///
    /// # Errors
    /// [`Conflict::KeyTaken`] when two of them have the same id, [`Conflict::Missing`] when one is an account's that is
    /// not there.
    pub fn with_keys(mut self, keys: impl IntoIterator<Item = Arc<ApiKey>>) -> Result<Self, Conflict> {
        let state = Arc::make_mut(&mut self.0);
        for key in keys {
            state.check_new_key(&key)?;
            state.insert_key(key);
        }
        Ok(self)
    }

    /// The commit after which this is the state.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.0.seq
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.sids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The account of this SID.
    #[must_use]
    pub fn by_sid(&self, sid: AccountSid) -> Option<&Arc<Account>> {
        self.0.by_sid(sid)
    }

    /// The account of this name, without regard to case.
    #[must_use]
    pub fn by_name(&self, name: &AccountName) -> Option<&Arc<Account>> {
        self.0.by_folded_name(&name.folded())
    }

    /// The account of exactly this realm. It may be suspended: ask [`Status::in_service`](crate::Status::in_service).
    #[must_use]
    pub fn by_realm(&self, realm: &SipRealm) -> Option<&Arc<Account>> {
        self.0.by_realm(realm.as_str())
    }

    /// The account of this realm or, if there is none, of the nearest parent domain that is one:
    /// `pbx.acme.example.com` finds `acme.example.com`. It may be suspended: ask
    /// [`Status::in_service`](crate::Status::in_service).
    ///
    /// Whoever has a realm gets the calls of all its subdomains that nobody else has. Where customers choose their
    /// realms themselves, a [`RealmPolicy`](crate::RealmPolicy) keeps one from taking those of another.
    #[must_use]
    pub fn by_realm_or_parent(&self, realm: &SipRealm) -> Option<&Arc<Account>> {
        self.by_realm(realm).or_else(|| realm.parents().find_map(|parent| self.0.by_realm(parent)))
    }

    /// The API key of this id. It may be expired or disabled, and its account suspended.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&Arc<ApiKey>> {
        self.0.key(id)
    }

    /// The API keys of this owner, in the order of their ids.
    pub fn keys_of(&self, owner: Scope) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.0.keys_of(owner)
    }

    /// How many API keys there are.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.0.keys_of_owners.len()
    }

    /// All API keys, in the order of their owners.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.0.keys_of_owners.after(None).filter_map(|(_, id)| self.0.key((*id)?))
    }

    /// All accounts, in the order of their SIDs.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.sids.after(None).filter_map(|sid| self.by_sid(*sid))
    }

    /// A page of a listing.
    #[must_use]
    pub fn page(&self, listing: &Listing) -> Page {
        let most = listing.size() + 1;
        let after = listing.start();
        let accounts = match listing.service_provider() {
            None => self
                .0
                .sids
                .after(after.as_ref())
                .take(most)
                .filter_map(|sid| self.by_sid(*sid).cloned())
                .collect(),
            Some(provider) => {
                let rest = self.0.sids_of_providers.after(Some(&(provider, after)));
                rest.take_while(|(of, _)| *of == provider)
                    .take(most)
                    .filter_map(|(_, sid)| self.by_sid((*sid)?).cloned())
                    .collect()
            }
        };
        Page::from_one_more(accounts, listing)
    }

    /// The next snapshot, after the batch, and what changed; or why the batch can't be applied, and then nothing
    /// of it is. This snapshot stays as it is.
    ///
    /// # Errors
    /// [`Conflict`], the first in the order of the writes.
    pub fn apply(&self, batch: &Batch) -> Result<(Self, Change), Conflict> {
        let mut next = self.clone();
        let change = next.apply_in_place(batch)?;
        Ok((next, change))
    }

    /// As [`Snapshot::apply`], but changing what no other copy shares in place: for a working copy that takes many
    /// batches before anyone sees it. After a conflict it is as it was.
    pub(crate) fn apply_in_place(&mut self, batch: &Batch) -> Result<Change, Conflict> {
        let events = match batch.writes() {
            [write] => Arc::make_mut(&mut self.0).write(write)?,
            // A later one may conflict when the first has changed something already, so they get a copy.
            writes => {
                let (state, events) = self.0.after(writes)?;
                self.0 = Arc::new(state);
                events
            }
        };
        let state = Arc::make_mut(&mut self.0);
        state.seq = state.seq.next();
        Ok(Change::new(state.seq, batch.actor().clone(), batch.at(), events))
    }

    /// The next snapshot, after a change that some store has committed: how a copy follows a feed. When API keys were
    /// used is not among the changes, and stays as it was.
    ///
    /// # Errors
    /// [`AdvanceError`] when the change is not the next one, or does not fit what is here. This snapshot stays as
    /// it is.
    pub fn advance(&self, change: &Change) -> Result<Self, AdvanceError> {
        let mut next = self.clone();
        next.advance_in_place(change)?;
        Ok(next)
    }

    /// Does what no event tells of, if that is what the write is, as part of the commit that this is as of: for a copy whose
    /// holder made that commit.
    pub(crate) fn note_in_place(&mut self, write: &Write) {
        Arc::make_mut(&mut self.0).note(write);
    }

    /// As [`Snapshot::advance`], but changing what no other copy shares in place. After an error it is of no more
    /// use.
    pub(crate) fn advance_in_place(&mut self, change: &Change) -> Result<(), AdvanceError> {
        let seq = change.seq;
        if seq != self.seq().next() {
            return Err(AdvanceError::Gap { current: self.seq(), found: seq });
        }
        if let Some(state) = self.0.after_creating(&change.events) {
            self.0 = Arc::new(State { seq, ..state });
            return Ok(());
        }
        let state = Arc::make_mut(&mut self.0);
        state.seq = seq;
        for event in &change.events {
            state.take(event).map_err(|source| AdvanceError::Conflict { seq, source })?;
        }
        Ok(())
    }
}

/// A hasher whose seed nobody outside can guess.
fn hasher() -> SeedableRandomState {
    static SHARED: OnceLock<SharedSeed> = OnceLock::new();
    let seed = || {
        let mut bytes = [0; 8];
        // Without the system's random source, foldhash's own mix of addresses and times must do.
        let fallback = || foldhash::quality::RandomState::default().hash_one(0);
        OsRandom.fill(&mut bytes).map_or_else(|_| fallback(), |()| u64::from_ne_bytes(bytes))
    };
    SeedableRandomState::with_seed(seed(), SHARED.get_or_init(|| SharedSeed::from_u64(seed())))
}

impl State {
    fn empty() -> Self {
        Self {
            seq: Seq::START,
            hasher: hasher(),
            by_sid: Trie::default(),
            by_name: Trie::default(),
            by_realm: Trie::default(),
            sids: OrderedSet::default(),
            sids_of_providers: OrderedSet::default(),
            keys: Trie::default(),
            keys_of_owners: OrderedSet::default(),
        }
    }

    fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    fn by_sid(&self, sid: AccountSid) -> Option<&Arc<Account>> {
        self.by_sid.get(self.hash(sid), |account| account.sid == sid)
    }

    fn by_folded_name(&self, folded: &str) -> Option<&Arc<Account>> {
        let named =
            |sid: &AccountSid| self.by_sid(*sid).is_some_and(|account| account.name.folded() == folded);
        self.by_sid(*self.by_name.get(self.hash(folded), named)?)
    }

    fn by_realm(&self, realm: &str) -> Option<&Arc<Account>> {
        self.by_realm.get(self.hash(realm), |account| has_realm(account, realm))
    }

    /// What a write does here to an account, its revision checked.
    fn event(&self, write: &Write) -> Result<Option<Event>, Conflict> {
        let current = |sid, expected| {
            let account = self.by_sid(sid).ok_or(Conflict::Missing { sid })?;
            let actual = account.revision;
            if actual == expected {
                Ok(Arc::clone(account))
            } else {
                Err(Conflict::Revision { sid, expected, actual })
            }
        };
        Ok(Some(match write {
            Write::Create(account) => Event::Created(at_revision(account, Revision::FIRST)),
            Write::Restore(account) => Event::Created(Arc::clone(account)),
            Write::Replace(account) => {
                let before = current(account.sid, account.revision)?;
                Event::Replaced { after: edited(&before, account), before }
            }
            Write::Delete { sid, expected } => Event::Deleted(current(*sid, *expected)?),
            Write::Key(write) => return Ok(self.key_event(write)?.map(Event::Key)),
            Write::MinutesUsed { .. } => return Ok(None),
        }))
    }

    /// Does what a write asks for; what that was, in order. After a conflict, the state is as it was.
    fn write(&mut self, write: &Write) -> Result<Vec<Event>, Conflict> {
        self.note(write);
        let Some(event) = self.event(write)? else { return Ok(Vec::new()) };
        let mut events = match &event {
            Event::Deleted(account) => self.revocations(account.sid).collect(),
            _ => Vec::new(),
        };
        self.take(&event)?;
        events.push(event);
        Ok(events)
    }

    /// Does what a write asks for, if no event tells of it.
    fn note(&mut self, write: &Write) {
        match write {
            Write::Key(KeyWrite::Use { id, at }) => self.use_key(*id, *at),
            Write::MinutesUsed { sid, used } => self.use_minutes(*sid, used),
            Write::Create(_)
            | Write::Restore(_)
            | Write::Replace(_)
            | Write::Delete { .. }
            | Write::Key(_) => {}
        }
    }

    /// The state after these writes, but with the same number, and what they did.
    fn after(&self, writes: &[Write]) -> Result<(Self, Vec<Event>), Conflict> {
        let creates = |write: &Write| matches!(write, Write::Create(_) | Write::Restore(_));
        if self.is_worth_bulk(writes.len()) && writes.iter().all(creates) {
            let events: Vec<Event> =
                writes.iter().filter_map(|write| self.event(write).transpose()).collect::<Result<_, _>>()?;
            if let Some(state) = self.after_creating(&events) {
                return Ok((state, events));
            }
        }
        let mut state = self.clone();
        let mut events = Vec::with_capacity(writes.len());
        for write in writes {
            events.append(&mut state.write(write)?);
        }
        Ok((state, events))
    }

    /// Makes an event true, if it does not contradict what is here. After a conflict, the state is as it was:
    /// everything is checked before anything is changed.
    fn take(&mut self, event: &Event) -> Result<(), Conflict> {
        let sid = match event {
            Event::Key(event) => return self.take_key(event),
            Event::Created(account) | Event::Replaced { after: account, .. } | Event::Deleted(account) => {
                account.sid
            }
        };
        let has = |expected: Revision, actual: Revision| {
            if expected == actual { Ok(()) } else { Err(Conflict::Revision { sid, expected, actual }) }
        };
        let now = self.by_sid(sid).map(|account| account.revision);
        match (event, now) {
            (Event::Replaced { after, .. }, Some(now)) => has(now.next(), after.revision)?,
            (Event::Deleted(account), Some(now)) => has(account.revision, now)?,
            // A new one has whatever revision it had elsewhere.
            (Event::Created(_) | Event::Key(_), _) => {}
            (_, None) => return Err(Conflict::Missing { sid }),
        }
        match event {
            Event::Created(account) => self.insert(Arc::clone(account)),
            Event::Replaced { after, .. } => self.replace(after),
            Event::Deleted(account) => self.remove(account.sid),
            Event::Key(_) => Ok(()),
        }
    }

    fn check_free(&self, account: &Account, folded: &str) -> Result<(), Conflict> {
        let sid = account.sid;
        let taken = |field, holder: Option<&Arc<Account>>| match holder {
            Some(holder) if holder.sid != sid => Err(Conflict::Taken { field, sid, holder: holder.sid }),
            _ => Ok(()),
        };
        taken(Field::Name, self.by_folded_name(folded))?;
        taken(Field::SipRealm, account.sip_realm().and_then(|realm| self.by_realm(realm.as_str())))
    }

    fn insert(&mut self, account: Arc<Account>) -> Result<(), Conflict> {
        let sid = account.sid;
        if self.by_sid(sid).is_some() {
            return Err(Conflict::Taken { field: Field::AccountSid, sid, holder: sid });
        }
        let folded = account.name.folded();
        self.check_free(&account, &folded)?;
        let name_hash = self.hash(&*folded);
        drop(folded);
        self.by_name.insert(name_hash, sid);
        if let Some(realm) = account.sip_realm() {
            self.by_realm.insert(self.hash(realm.as_str()), Arc::clone(&account));
        }
        if let Some(provider) = account.service_provider {
            self.sids_of_providers.insert((provider, Some(sid)));
        }
        self.sids.insert(sid);
        self.by_sid.insert(self.hash(sid), account);
        Ok(())
    }

    fn replace(&mut self, after: &Arc<Account>) -> Result<(), Conflict> {
        let sid = after.sid;
        let is_it = |account: &Arc<Account>| account.sid == sid;
        let folded = after.name.folded();
        self.check_free(after, &folded)?;
        let before = self
            .by_sid
            .replace(self.hasher.hash_one(sid), Arc::clone(after), is_it)
            .ok_or(Conflict::Missing { sid })?;

        if before.name != after.name {
            self.by_name.remove(self.hash(&*before.name.folded()), |named| *named == sid);
            self.by_name.insert(self.hash(&*folded), sid);
        }

        let hash = |realm: Option<&SipRealm>| realm.map(|realm| self.hasher.hash_one(realm.as_str()));
        let (from, to) = (hash(before.sip_realm()), hash(after.sip_realm()));
        match (from, to) {
            (Some(from), Some(to)) if from == to => {
                self.by_realm.replace(to, Arc::clone(after), is_it);
            }
            _ => {
                from.and_then(|from| self.by_realm.remove(from, is_it));
                if let Some(to) = to {
                    self.by_realm.insert(to, Arc::clone(after));
                }
            }
        }

        if before.service_provider != after.service_provider {
            if let Some(provider) = before.service_provider {
                self.sids_of_providers.remove(&(provider, Some(sid)));
            }
            if let Some(provider) = after.service_provider {
                self.sids_of_providers.insert((provider, Some(sid)));
            }
        }
        Ok(())
    }

    /// Notes the minutes used, wherever the account is.
    fn use_minutes(&mut self, sid: AccountSid, used: &Arc<MinutesUsed>) {
        let Some(before) = self.by_sid(sid) else { return };
        let after = Arc::new(Account { minutes_used: Some(Arc::clone(used)), ..Account::clone(before) });
        let is_it = |account: &Arc<Account>| account.sid == sid;
        if let Some(realm) = after.sip_realm() {
            self.by_realm.replace(self.hash(realm.as_str()), Arc::clone(&after), is_it);
        }
        self.by_sid.replace(self.hasher.hash_one(sid), after, is_it);
    }

    fn remove(&mut self, sid: AccountSid) -> Result<(), Conflict> {
        let is_it = |account: &Arc<Account>| account.sid == sid;
        let removed =
            self.by_sid.remove(self.hasher.hash_one(sid), is_it).ok_or(Conflict::Missing { sid })?;
        self.by_name.remove(self.hash(&*removed.name.folded()), |named| *named == sid);
        if let Some(realm) = removed.sip_realm() {
            self.by_realm.remove(self.hash(realm.as_str()), is_it);
        }
        if let Some(provider) = removed.service_provider {
            self.sids_of_providers.remove(&(provider, Some(sid)));
        }
        self.sids.remove(&sid);
        // Most often none: the events before this one revoked them.
        self.remove_keys_of(sid);
        Ok(())
    }
}

fn has_realm(account: &Account, realm: &str) -> bool {
    account.sip_realm().is_some_and(|own| own.as_str() == realm)
}

/// An account after an edit, which leaves the minutes used as they are.
fn edited(before: &Account, account: &Arc<Account>) -> Arc<Account> {
    let revision = account.revision.next();
    Arc::new(Account { revision, minutes_used: before.minutes_used.clone(), ..Account::clone(account) })
}

fn at_revision(account: &Arc<Account>, revision: Revision) -> Arc<Account> {
    if account.revision == revision {
        return Arc::clone(account);
    }
    Arc::new(Account { revision, ..Account::clone(account) })
}
