//! Bringing in many accounts from elsewhere.

use crate::access::{Action, Actor};
use crate::accounts::check::{is_other, taken};
use crate::accounts::refusals::Refusals;
use crate::accounts::{Accounts, Error};
use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::problem::{Problem, Problems};
use crate::snapshot::{Batch, Conflict, Snapshot, Write};
use crate::store::CommitError;
use crate::yielding::yield_now;
use foldhash::quality::RandomState;
use futures_core::Stream;
use std::borrow::Cow;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hash};
use std::pin::pin;
use std::sync::Arc;

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportProgress {
    /// What is being done. [`Accounts::import_stream`] goes from one to the other and back.
    pub phase: ImportPhase,
    /// With how many accounts that has been done.
    pub done: usize,
    /// How many there are, if that is known.
    pub total: Option<usize>,
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImportPhase {
    /// Looking for problems.
    Checking,
    /// Having the store write. Nothing is committed before all is written.
    Writing,
}

/// Why a stream of accounts did not come in to its end.
#[derive(Debug, thiserror::Error)]
#[error("after {committed} accounts had been imported, one chunk was not")]
#[non_exhaustive]
pub struct ImportStreamError {
    /// How many accounts had been committed before: the first so many of the stream. When the store failed, whether the
    /// chunk after them was committed too may be unknown ([`StoreError::kind`](crate::StoreError::kind)).
    pub committed: usize,
    /// What was wrong with the chunk. The positions of refused accounts count from the beginning of the stream.
    #[source]
    pub error: Error,
}

/// Who is told of the progress.
type Watcher = Arc<dyn Fn(ImportProgress) + Send + Sync>;

/// So many accounts are checked before others go first and the progress is told.
const STEP: usize = 4096;

impl Accounts {
    /// Brings in many accounts from elsewhere, all of them or none, as [`Accounts::import`] brings in one; in one
    /// commit. Admin only. Gives how many there were; when there were none, nothing is committed.
    ///
    /// `progress` is told now and then how far it has come; the store may call it from another thread.
    ///
    /// ```
    /// use gateway_accounts::*;
    /// # futures_lite::future::block_on(async {
    /// # let admin = Actor::admin("jane")?;
    /// # let elsewhere = Accounts::new(MemoryStore::new());
    /// # let mut from_elsewhere = Vec::new();
    /// # for name in ["Acme", "Globex"] {
    /// #     from_elsewhere.push(Account::clone(&*elsewhere.create(&admin, AccountPatch::new().name(name)).await?));
    /// # }
    /// let accounts = Accounts::new(MemoryStore::new());
    /// let bar = |progress: ImportProgress| println!("{:?}: {}", progress.phase, progress.done);
    /// assert_eq!(accounts.import_all(&admin, from_elsewhere.clone(), bar).await?, 2);
    ///
    /// // The same again: nothing comes in, and each account says why.
    /// let error = accounts.import_all(&admin, from_elsewhere, |_| {}).await.unwrap_err();
    /// let refusals = error.refusals().ok_or("they are there already")?;
    /// assert_eq!(refusals.count(), 2);
    /// for refusal in refusals.iter() {
    ///     println!("{refusal}"); // account 019a… "Acme": account_sid is that of an account that is here already
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that is wrong with each account: with itself, with what is here already, and
    /// with those before it; [`Error::Forbidden`] for anybody but an admin.
    pub async fn import_all(
        &self,
        actor: &Actor,
        accounts: impl IntoIterator<Item = Account>,
        progress: impl Fn(ImportProgress) + Send + Sync + 'static,
    ) -> Result<usize, Error> {
        self.allow(actor, Action::Import)?;
        let accounts: Vec<_> = accounts.into_iter().map(first_revision).collect();
        let total = Some(accounts.len());
        self.import_chunk(actor, accounts, Chunk { first: 0, total, progress: Arc::new(progress) }).await
    }

    /// Brings in accounts as they come, in chunks of so many (0 is read as 1): each chunk whole or not at all, as by
    /// [`Accounts::import_all`]. It ends with the stream, and gives how many came in, or with the first chunk that is
    /// refused. For more accounts than are to be in memory twice.
    ///
    /// # Errors
    /// [`ImportStreamError`], which says how many came in before.
    pub async fn import_stream(
        &self,
        actor: &Actor,
        accounts: impl Stream<Item = Account>,
        chunk: usize,
        progress: impl Fn(ImportProgress) + Send + Sync + 'static,
    ) -> Result<usize, ImportStreamError> {
        let mut committed = 0;
        self.allow(actor, Action::Import).map_err(|error| ImportStreamError { committed, error })?;
        let progress: Watcher = Arc::new(progress);
        let mut accounts = pin!(accounts);
        loop {
            let mut next = Vec::new();
            while next.len() < chunk.max(1) {
                let Some(account) = poll_fn(|context| accounts.as_mut().poll_next(context)).await else {
                    break;
                };
                next.push(first_revision(account));
            }
            // A stream that has ended is not polled again.
            let is_last = next.len() < chunk.max(1);
            let place = Chunk { first: committed, total: None, progress: Arc::clone(&progress) };
            let imported = self.import_chunk(actor, next, place).await;
            committed += imported.map_err(|error| ImportStreamError { committed, error })?;
            if is_last {
                return Ok(committed);
            }
        }
    }

    async fn import_chunk(
        &self,
        actor: &Actor,
        accounts: Vec<Arc<Account>>,
        chunk: Chunk,
    ) -> Result<usize, Error> {
        if accounts.is_empty() {
            return Ok(0);
        }
        // What is taken here is the store's to find: it looks in any case. Only when something is wrong is it asked
        // about every account, to tell everything together.
        let found = self.check_all(&accounts, &chunk, Taken::LeaveToStore).await?;
        if !found.is_empty() {
            return Err(self.all_refused(&accounts, &chunk, found).await);
        }
        let writing = chunk.clone();
        let batch = Batch::new(actor.clone(), self.0.clock.now())
            .with_all(accounts.iter().cloned().map(Write::Create))
            .on_progress(move |progress| writing.tell(ImportPhase::Writing, progress.done));
        chunk.tell(ImportPhase::Writing, 0);
        match self.0.store.commit(batch).await {
            Ok(_) => {
                chunk.tell(ImportPhase::Writing, accounts.len());
                Ok(accounts.len())
            }
            Err(CommitError::Conflict(conflict)) => {
                let found = of_conflict(&accounts, &chunk, &conflict);
                Err(self.all_refused(&accounts, &chunk, found).await)
            }
            Err(CommitError::Store(error)) => Err(Error::Store(error)),
        }
    }

    /// All that is wrong with any account; or what was found, if by now nothing is.
    async fn all_refused(&self, accounts: &[Arc<Account>], chunk: &Chunk, found: Refusals) -> Error {
        match self.check_all(accounts, chunk, Taken::LookUp).await {
            Ok(refusals) if !refusals.is_empty() => Error::Refused(Box::new(refusals)),
            Ok(_) => Error::Refused(Box::new(found)),
            Err(error) => error,
        }
    }

    /// Every rule of an import: all problems of all accounts when they are looked up, or else those of the first that
    /// has any.
    async fn check_all(
        &self,
        accounts: &[Arc<Account>],
        chunk: &Chunk,
        taken: Taken,
    ) -> Result<Refusals, Error> {
        let repeated = repeated(accounts).await;
        let mut repeated = repeated.into_iter().peekable();
        let live = self.0.store.live();
        let mut refusals = Refusals::default();
        for (position, account) in accounts.iter().enumerate() {
            if position % STEP == 0 {
                chunk.tell(ImportPhase::Checking, position);
                yield_now().await;
            }
            let mut problems = Problems::none();
            match (taken, &live) {
                (Taken::LeaveToStore, _) => {}
                (Taken::LookUp, Some(now)) => look_up(now, account, &mut problems),
                (Taken::LookUp, None) => self.ask(account, &mut problems).await?,
            }
            while let Some((_, field)) = repeated.next_if(|(repeated, _)| *repeated == position) {
                let message = "is that of an earlier account of this import";
                problems.push(Problem::new(field, "taken", message));
            }
            if let Err(error) = account.check_fields_together() {
                problems.push(Problem::of_value(Field::LicensedSessions, &error));
            }
            self.check_overlap(account, &mut problems);
            self.check_webhooks(account, |_| true, &mut problems);
            self.check_applications(account, |_| true, &mut problems).await?;
            refusals.add(chunk.first + position, account, problems);
            if taken == Taken::LeaveToStore && !refusals.is_empty() {
                return Ok(refusals);
            }
        }
        chunk.tell(ImportPhase::Checking, accounts.len());
        Ok(refusals)
    }

    /// What of the account is taken, in a store that is not in memory.
    async fn ask(&self, account: &Account, problems: &mut Problems) -> Result<(), Error> {
        let store = &self.0.store;
        if store.by_sid(account.sid).await?.is_some() {
            problems.push(sid_taken());
        }
        if is_other(store.by_name(&account.name).await?.as_ref(), account) {
            problems.push(taken(Field::Name));
        }
        if let Some(realm) = account.sip_realm()
            && is_other(store.by_realm(realm).await?.as_ref(), account)
        {
            problems.push(taken(Field::SipRealm));
        }
        Ok(())
    }
}

/// Who finds what is taken by the accounts that are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// The store, when it is told to write.
    LeaveToStore,
    /// The check.
    LookUp,
}

/// What is imported together, and who is told of it.
#[derive(Clone)]
struct Chunk {
    /// How many accounts came before it.
    first: usize,
    total: Option<usize>,
    progress: Watcher,
}

impl Chunk {
    fn tell(&self, phase: ImportPhase, done: usize) {
        (self.progress)(ImportProgress { phase, done: self.first + done, total: self.total });
    }
}

/// An imported account starts again. Said here, where the account is nobody else's, and not in the store, which would
/// have to copy it.
fn first_revision(account: Account) -> Arc<Account> {
    Arc::new(Account { revision: Revision::FIRST, ..account })
}

/// What of the account is taken by those that are here.
fn look_up(now: &Snapshot, account: &Account, problems: &mut Problems) {
    if now.by_sid(account.sid).is_some() {
        problems.push(sid_taken());
    }
    if is_other(now.by_name(&account.name), account) {
        problems.push(taken(Field::Name));
    }
    if is_other(account.sip_realm().and_then(|realm| now.by_realm(realm)), account) {
        problems.push(taken(Field::SipRealm));
    }
}

pub(super) fn sid_taken() -> Problem {
    Problem::new(Field::AccountSid, "taken", "is that of an account that is here already")
}

/// The positions of accounts that have what an earlier one has, and which field it is, in order.
async fn repeated(accounts: &[Arc<Account>]) -> Vec<(usize, Field)> {
    let mut found = Vec::new();
    repeats(accounts, Field::AccountSid, |account| Some(account.sid), &mut found);
    yield_now().await;
    repeats(accounts, Field::Name, |account| Some(account.name.folded()), &mut found);
    yield_now().await;
    repeats(
        accounts,
        Field::SipRealm,
        |account| Some(Cow::Borrowed(account.sip_realm()?.as_str())),
        &mut found,
    );
    found.sort_unstable();
    found
}

/// Sorts by hash, and compares those of the same hash: for a million accounts a fraction of what a hash table takes,
/// which misses the cache with each.
fn repeats<'a, K: Hash + Eq>(
    accounts: &'a [Arc<Account>],
    field: Field,
    key: impl Fn(&'a Account) -> Option<K>,
    found: &mut Vec<(usize, Field)>,
) {
    let hasher = RandomState::default();
    let hash =
        |(position, account): (usize, &'a Arc<Account>)| Some((hasher.hash_one(key(account)?), position));
    let mut hashes: Vec<_> = accounts.iter().enumerate().filter_map(hash).collect();
    hashes.sort_unstable();
    for same in hashes.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        // One key and its first account; another key of the same hash is next to impossible.
        let mut firsts: Vec<(Option<K>, &Account)> = Vec::new();
        for (_, position) in same {
            let account = &*accounts[*position];
            let own = key(account);
            match firsts.iter().find(|(key, _)| *key == own) {
                None => firsts.push((own, account)),
                // With its SID, it has its name and realm as a matter of course.
                Some((_, first)) if field != Field::AccountSid && first.sid == account.sid => {}
                Some(_) => found.push((*position, field)),
            }
        }
    }
}

/// What the store found, in the shape of what the check would have found.
fn of_conflict(accounts: &[Arc<Account>], chunk: &Chunk, conflict: &Conflict) -> Refusals {
    let (field, sid) = match conflict {
        Conflict::Taken { field, sid, .. } => (*field, *sid),
        // Of creations there is no other conflict.
        Conflict::Revision { sid, .. } | Conflict::Missing { sid } => (Field::AccountSid, *sid),
        Conflict::KeyTaken { .. }
        | Conflict::KeyRevision { .. }
        | Conflict::KeyMissing { .. }
        | Conflict::TooManyKeys { .. } => return Refusals::default(),
    };
    let mut refusals = Refusals::default();
    // A store that names an account which it was not given is broken; the first then stands for all.
    let position = accounts.iter().position(|account| account.sid == sid).unwrap_or(0);
    if let Some(account) = accounts.get(position) {
        refusals.add(chunk.first + position, account, taken(field).into());
    }
    refusals
}
