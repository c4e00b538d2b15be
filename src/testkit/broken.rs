//! Proof that the suite can fail: stores that are broken in one way each, and the checks that find it.

use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::minutes_used::MinutesUsed;
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{
    AccountHistory, Batch, Change, Conflict, Event, HistoryEntry, HistoryPage, KeyEvent, KeyWrite, Listing,
    Page, Seq, Snapshot, Write,
};
use crate::store::memory::MemoryStore;
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use crate::testkit::backend::Backend;
use crate::testkit::checks;
use crate::testkit::executor::yield_now;
use crate::testkit::sample::{admin, now};
use async_trait::async_trait;
use std::any::Any;
use std::collections::BTreeMap;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// Nothing: so that the wrapper itself is known to be right.
    None,
    /// Does the writes of a batch one by one.
    HalfBatches,
    /// Does the writes of a batch one by one, in one go, but can be given up in between.
    HalfWhenGivenUp,
    /// Refuses everything after a commit was given up.
    WedgedWhenGivenUp,
    /// Writes over what the writer has not seen.
    IgnoresRevisions,
    /// Tells the wrong revision.
    TellsWrongRevision,
    /// Tells that a commit was accepted when it was not.
    ClaimsSuccess,
    /// Writes nothing, of some commits.
    Forgets,
    /// Blames the wrong account.
    TellsWrongHolder,
    /// Uses up a number for what it refuses.
    NumbersRefused,
    /// Does not commit empty batches.
    IgnoresEmpty,
    /// Finds names only as they are written.
    CaseSensitive,
    /// Answers what was so before the last commit.
    StaleSid,
    StaleRealm,
    StaleList,
    StaleChanges,
    StaleSnapshot,
    StaleLive,
    StaleLiveSeq,
    /// Leaves out what was written last, in one read.
    DropsField,
    /// Lists the last account of a page again on the next.
    ListsTwice,
    /// Forgets where it was when the account that it goes on from is gone.
    ForgetsItsPlace,
    /// Lists the accounts of all service providers.
    ListsAllProviders,
    /// Names a next page after the last.
    NamesNextOfLast,
    /// Leaves a change out.
    FeedGap,
    /// Gives a change twice.
    FeedTwice,
    /// Gives more changes than asked for.
    FeedTooLong,
    /// Says that a feed beyond its end was trimmed.
    FeedTrimmedBeyond,
    /// Answers a history without the last commit.
    StaleHistory,
    /// Gives the oldest of a page first.
    HistoryOldestFirst,
    /// Tells of the other accounts of a commit.
    HistoryOfOthers,
    /// Tells one event of a commit that has several.
    HistoryDropsEvents,
    /// Gives the last commit of a page again on the next.
    HistoryTwice,
    /// Gives more commits than asked for.
    HistoryTooLong,
    /// Counts where a page begins from the newest commit.
    HistoryMoves,
    /// Names a next page after the last.
    HistoryNextOfLast,
    /// Does not say that it was trimmed.
    HistoryNeverTrimmed,
    /// Says always that it was.
    HistoryAlwaysTrimmed,
    /// Does not wake those who wait.
    NeverWakes,
    /// Ends a wait before there is a commit.
    WakesEarly,
    /// Wakes only one of those who wait.
    WakesOne,
    /// Finds a key, or an owner's, as it was before the last commit.
    StaleKey,
    StaleKeys,
    /// Edits an account to note the minutes that it has used.
    MinutesAreRevision,
    /// Refuses the minutes of an account that is not there.
    MinutesNeedAccount,
    /// Takes over the minutes used of an edit.
    EditUndoesMinutes,
    /// Keeps no minutes used when it is closed.
    ForgetsMinutes,
    /// Leaves out of a key when it expires.
    DropsKeyField,
    /// Gives the keys of everybody.
    KeysOfAll,
    /// Gives an owner's keys in another order than that of their ids.
    KeysUnordered,
    /// Tells the wrong revision of a key.
    TellsWrongKeyRevision,
    /// Counts an owner's keys, and adds one afterwards.
    CountsKeysFirst,
    /// Counts the keys of everybody.
    CountsAllKeys,
    /// Takes a use for a replacement.
    UseIsRevision,
    /// Takes an earlier use for the last.
    UseGoesBack,
    /// Refuses to note the use of a key that is not there.
    UseNeedsKey,
    /// Believes what a replacement says of the last use.
    ReplaceUndoesUse,
    /// Finds the keys of an account that was deleted.
    KeysStay,
    /// Finds them again when there is an account of the SID again.
    KeysComeBack,
    /// Does not tell that keys were revoked with their account.
    TellsNoRevocation,
    /// Tells it after the deletion.
    RevokesLast,
    /// Leaves keys out of the feed.
    FeedWithoutKeys,
    /// Leaves keys out of histories.
    HistoryWithoutKeys,
    /// Takes a history whose oldest entry is about a key for whole.
    HistoryWholeAtKey,
    /// Takes what is restored for new.
    RestoresAsNew,
    /// Restores no minutes used, and no last use.
    RestoresUnused,
    /// Puts what is restored in the place of what is there.
    RestoresOverOthers,
    /// Counts the keys of the owner of one that is restored.
    RestoresFewKeys,
    /// Tells what was restored as if it were new.
    FeedTellsNew,
    /// Keeps no revision of what was restored when it is closed.
    ForgetsRevisions,
    /// Forgets the keys when it is closed.
    ForgetsKeys,
    /// Forgets when they were used.
    ForgetsUses,
    /// Forgets the last commit when it is closed.
    ForgetsLast,
    /// Forgets the feed's number when it is closed.
    ForgetsNumber,
}

#[derive(Debug)]
struct BrokenStore {
    bug: Bug,
    good: MemoryStore,
    /// Before the last commit.
    stale: Mutex<Snapshot>,
    given_up: AtomicBool,
    commits: AtomicUsize,
    waiting: AtomicBool,
    /// The latest commit when a first page of a history was read.
    seen: AtomicU64,
    /// The keys that were revoked with their accounts.
    left_behind: Mutex<Vec<Arc<ApiKey>>>,
    /// When keys were last used, as it believes.
    believed: Mutex<BTreeMap<KeyId, Option<Timestamp>>>,
}

/// Sets a flag to this at the end, and when a call is given up.
struct OnDrop<'a>(&'a AtomicBool, bool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, Ordering::SeqCst);
    }
}

impl BrokenStore {
    fn new(bug: Bug, good: MemoryStore) -> Self {
        let stale = Mutex::new(good.live().unwrap_or_default());
        let (given_up, waiting) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            bug,
            good,
            stale,
            given_up,
            commits: AtomicUsize::new(0),
            waiting,
            seen: AtomicU64::new(0),
            left_behind: Mutex::default(),
            believed: Mutex::default(),
        }
    }

    fn now(&self) -> Snapshot {
        self.good.live().unwrap_or_default()
    }

    /// What this read is answered from.
    fn read(&self, stale: Bug) -> Snapshot {
        if self.bug == stale {
            self.stale.lock().unwrap_or_else(PoisonError::into_inner).clone()
        } else {
            self.now()
        }
    }

    /// Remembers what is needed to answer wrong later.
    fn remember(&self, batch: &Batch, change: &Change) {
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        for write in batch.writes() {
            match write {
                Write::Key(KeyWrite::Use { id, at }) if self.bug == Bug::UseGoesBack => {
                    believed.insert(*id, Some(*at));
                }
                Write::Key(KeyWrite::Replace(key)) if self.bug == Bug::ReplaceUndoesUse => {
                    believed.insert(key.id, key.last_used);
                }
                _ => {}
            }
        }
        if change.events.iter().any(|event| matches!(event, Event::Deleted(_))) {
            let revoked = change.events.iter().filter_map(|event| match event {
                Event::Key(KeyEvent::Revoked(key)) => Some(Arc::clone(key)),
                _ => None,
            });
            self.left_behind.lock().unwrap_or_else(PoisonError::into_inner).extend(revoked);
        }
    }

    /// A key as it is wrongly believed to be.
    fn as_believed(&self, key: Arc<ApiKey>) -> Arc<ApiKey> {
        let believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        match believed.get(&key.id) {
            Some(last_used) => Arc::new(ApiKey { last_used: *last_used, ..ApiKey::clone(&key) }),
            None => key,
        }
    }

    /// What it makes of a write that restores something.
    fn restored(&self, before: &Snapshot, write: &Write) -> Vec<Write> {
        match (self.bug, write) {
            (Bug::RestoresAsNew, Write::Restore(account)) => vec![Write::Create(Arc::clone(account))],
            (Bug::RestoresAsNew, Write::Key(KeyWrite::Restore(key))) => {
                vec![Write::Key(KeyWrite::Add { key: Arc::clone(key), at_most: usize::MAX })]
            }
            (Bug::RestoresUnused, Write::Restore(account)) => {
                let unused = Account { minutes_used: None, ..Account::clone(account) };
                vec![Write::Restore(Arc::new(unused))]
            }
            (Bug::RestoresUnused, Write::Key(KeyWrite::Restore(key))) => {
                let unused = ApiKey { last_used: None, ..ApiKey::clone(key) };
                vec![Write::Key(KeyWrite::Restore(Arc::new(unused)))]
            }
            (Bug::RestoresOverOthers, Write::Restore(account)) => {
                let former = before.by_sid(account.sid);
                let gone = former.map(|former| Write::Delete { sid: former.sid, expected: former.revision });
                gone.into_iter().chain([write.clone()]).collect()
            }
            (Bug::RestoresOverOthers, Write::Key(KeyWrite::Restore(key))) => {
                let former = before.key(key.id);
                let revoke = |former: &ApiKey| KeyWrite::Revoke { id: former.id, expected: former.revision };
                let gone = former.map(|former| Write::Key(revoke(former)));
                gone.into_iter().chain([write.clone()]).collect()
            }
            _ => vec![write.clone()],
        }
    }

    /// The keys that it finds though they are not there any more.
    fn ghosts(&self) -> Vec<Arc<ApiKey>> {
        let now = self.now();
        let is_found = |key: &Arc<ApiKey>| match (self.bug, key.owner) {
            (Bug::KeysStay, _) => true,
            (Bug::KeysComeBack, Scope::Account(sid)) => now.by_sid(sid).is_some(),
            _ => false,
        };
        let left_behind = self.left_behind.lock().unwrap_or_else(PoisonError::into_inner);
        left_behind.iter().filter(|key| is_found(key) && now.key(key.id).is_none()).cloned().collect()
    }

    /// What it tells of a change.
    fn as_told(&self, change: Arc<Change>) -> Arc<Change> {
        let is_deletion = |event: &Event| matches!(event, Event::Deleted(_));
        if !change.events.iter().any(is_deletion) {
            return change;
        }
        let mut told = Change::clone(&change);
        match self.bug {
            Bug::TellsNoRevocation => {
                told.events.retain(|event| !matches!(event, Event::Key(KeyEvent::Revoked(_))))
            }
            Bug::RevokesLast => told.events.sort_by_key(|event| !is_deletion(event)),
            _ => return change,
        }
        Arc::new(told)
    }

    /// One commit for each write.
    async fn one_by_one(&self, batch: &Batch) -> Result<Arc<Change>, CommitError> {
        let mut events = Vec::new();
        let mut seq = self.now().seq();
        for write in batch.writes() {
            let part = Batch::new(batch.actor().clone(), batch.at()).with(write.clone());
            let change = self.good.commit(part).await?;
            events.extend(change.events.iter().cloned());
            seq = change.seq;
            yield_now().await;
        }
        Ok(Arc::new(Change::new(seq, batch.actor().clone(), batch.at(), events)))
    }

    async fn broken_commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let nothing = |batch: &Batch, seq| {
            Ok(Arc::new(Change::new(seq, batch.actor().clone(), batch.at(), Vec::new())))
        };
        let nth = self.commits.fetch_add(1, Ordering::SeqCst);
        let before = self.now();
        match self.bug {
            Bug::HalfBatches | Bug::HalfWhenGivenUp if batch.writes().len() > 1 => {
                // The second is right as long as nobody gives up: it looks before it writes.
                if self.bug == Bug::HalfWhenGivenUp {
                    before.apply(&batch)?;
                }
                self.one_by_one(&batch).await
            }
            Bug::WedgedWhenGivenUp => {
                if self.given_up.load(Ordering::SeqCst) {
                    let kind = StoreErrorKind::Failed;
                    return Err(StoreError::new(kind, "somebody holds the lock for ever").into());
                }
                let mut guard = OnDrop(&self.given_up, true);
                yield_now().await;
                guard.1 = false;
                self.good.commit(batch).await
            }
            Bug::IgnoresRevisions => loop {
                let now = self.now();
                let writes = batch.writes().iter().map(|write| at_current_revision(&now, write));
                let blind = writes.fold(Batch::new(admin(), batch.at()), Batch::with);
                match self.good.commit(blind).await {
                    // Somebody was faster.
                    Err(CommitError::Conflict(Conflict::Revision { .. } | Conflict::KeyRevision { .. }))
                        if self.now().seq() > now.seq() => {}
                    result => return result,
                }
            },
            Bug::CountsKeysFirst => {
                before.apply(&batch)?;
                // Others go first.
                for _ in 0..20 {
                    std::thread::yield_now();
                    yield_now().await;
                }
                let writes = batch.writes().iter().map(|write| match write {
                    Write::Key(KeyWrite::Add { key, .. }) => {
                        Write::Key(KeyWrite::Add { key: Arc::clone(key), at_most: usize::MAX })
                    }
                    write => write.clone(),
                });
                self.good.commit(writes.fold(Batch::new(admin(), now()), Batch::with)).await
            }
            Bug::CountsAllKeys => {
                for write in batch.writes() {
                    if let Write::Key(KeyWrite::Add { key, at_most }) = write
                        && before.keys().count() >= *at_most
                    {
                        return Err(Conflict::TooManyKeys { owner: key.owner, at_most: *at_most }.into());
                    }
                }
                self.good.commit(batch).await
            }
            Bug::UseIsRevision => {
                let writes = batch.writes().iter().map(|write| match write {
                    Write::Key(KeyWrite::Use { id, at }) => match before.key(*id) {
                        Some(key) if key.last_used < Some(*at) => {
                            let used = ApiKey { last_used: Some(*at), ..ApiKey::clone(key) };
                            Write::Key(KeyWrite::Replace(Arc::new(used)))
                        }
                        _ => write.clone(),
                    },
                    write => write.clone(),
                });
                self.good.commit(writes.fold(Batch::new(admin(), now()), Batch::with)).await
            }
            Bug::UseNeedsKey => {
                for write in batch.writes() {
                    if let Write::Key(KeyWrite::Use { id, .. }) = write
                        && before.key(*id).is_none()
                    {
                        return Err(Conflict::KeyMissing { id: *id }.into());
                    }
                }
                self.good.commit(batch).await
            }
            Bug::MinutesAreRevision => {
                let writes = batch.writes().iter().map(|write| match write {
                    Write::MinutesUsed { sid, used } if before.by_sid(*sid).is_some() => {
                        let account = before.by_sid(*sid).map(|account| Account::clone(account));
                        let minutes_used = Some(Arc::clone(used));
                        let replace = |account| Write::Replace(Arc::new(Account { minutes_used, ..account }));
                        account.map_or_else(|| write.clone(), replace)
                    }
                    write => write.clone(),
                });
                self.good.commit(writes.fold(Batch::new(admin(), now()), Batch::with)).await
            }
            Bug::RestoresAsNew | Bug::RestoresUnused | Bug::RestoresOverOthers => {
                let writes = batch.writes().iter().flat_map(|write| self.restored(&before, write));
                self.good.commit(writes.fold(Batch::new(admin(), now()), Batch::with)).await
            }
            Bug::RestoresFewKeys => {
                for write in batch.writes() {
                    if let Write::Key(KeyWrite::Restore(key)) = write
                        && before.keys_of(key.owner).next().is_some()
                    {
                        return Err(Conflict::TooManyKeys { owner: key.owner, at_most: 1 }.into());
                    }
                }
                self.good.commit(batch).await
            }
            Bug::MinutesNeedAccount => {
                for write in batch.writes() {
                    if let Write::MinutesUsed { sid, .. } = write
                        && before.by_sid(*sid).is_none()
                    {
                        return Err(Conflict::Missing { sid: *sid }.into());
                    }
                }
                self.good.commit(batch).await
            }
            Bug::EditUndoesMinutes => {
                let undone = batch.writes().iter().filter_map(|write| match write {
                    Write::Replace(account) => {
                        let used = account.minutes_used.clone().or_else(|| {
                            Some(Arc::new(MinutesUsed::new(Timestamp::default(), Vec::new()).ok()?))
                        });
                        Some(Write::MinutesUsed { sid: account.sid, used: used? })
                    }
                    _ => None,
                });
                let undone: Vec<_> = undone.collect();
                self.good.commit(batch.with_all(undone)).await
            }
            Bug::ClaimsSuccess => match self.good.commit(batch.clone()).await {
                Err(_) => nothing(&batch, before.seq()),
                result => result,
            },
            Bug::Forgets if nth % 5 == 4 => Ok(Arc::new(before.apply(&batch)?.1)),
            Bug::IgnoresEmpty if batch.writes().is_empty() => nothing(&batch, before.seq()),
            Bug::NumbersRefused => {
                let result = self.good.commit(batch).await;
                if result.is_err() {
                    self.good.commit(Batch::new(admin(), now())).await?;
                }
                result
            }
            _ => match self.good.commit(batch).await {
                Err(CommitError::Conflict(Conflict::Taken { field, sid, .. }))
                    if self.bug == Bug::TellsWrongHolder =>
                {
                    Err(Conflict::Taken { field, sid, holder: sid }.into())
                }
                Err(CommitError::Conflict(Conflict::Revision { sid, expected, actual }))
                    if self.bug == Bug::TellsWrongRevision =>
                {
                    Err(Conflict::Revision { sid, expected, actual: actual.next() }.into())
                }
                Err(CommitError::Conflict(Conflict::KeyRevision { id, expected, actual }))
                    if self.bug == Bug::TellsWrongKeyRevision =>
                {
                    Err(Conflict::KeyRevision { id, expected, actual: actual.next() }.into())
                }
                result => result,
            },
        }
    }
}

/// The write by somebody who has seen what is there now.
fn at_current_revision(now: &Snapshot, write: &Write) -> Write {
    match write {
        Write::Replace(account) => {
            let revision = now.by_sid(account.sid).map_or(account.revision, |now| now.revision);
            Write::Replace(Arc::new(Account { revision, ..Account::clone(account) }))
        }
        Write::Delete { sid, expected } => {
            Write::Delete { sid: *sid, expected: now.by_sid(*sid).map_or(*expected, |now| now.revision) }
        }
        Write::Key(KeyWrite::Replace(key)) => {
            let revision = now.key(key.id).map_or(key.revision, |now| now.revision);
            Write::Key(KeyWrite::Replace(Arc::new(ApiKey { revision, ..ApiKey::clone(key) })))
        }
        Write::Key(KeyWrite::Revoke { id, expected }) => {
            let expected = now.key(*id).map_or(*expected, |now| now.revision);
            Write::Key(KeyWrite::Revoke { id: *id, expected })
        }
        Write::Create(_) | Write::Restore(_) | Write::Key(_) | Write::MinutesUsed { .. } => write.clone(),
    }
}

fn as_new(account: &Account) -> Account {
    Account { revision: Revision::FIRST, ..account.clone() }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl AccountStore for BrokenStore {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let before = self.now();
        let result = self.broken_commit(batch.clone()).await;
        if let Ok(change) = &result {
            *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = before;
            self.remember(&batch, change);
        }
        result.map(|change| self.as_told(change))
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.read(Bug::StaleSid).by_sid(sid).cloned())
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.good.by_name(name).await?;
        Ok(found.filter(|account| self.bug != Bug::CaseSensitive || account.name == *name))
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.read(Bug::StaleRealm).by_realm(realm).cloned();
        if self.bug == Bug::DropsField {
            return Ok(
                found.map(|account| Arc::new(Account { organisation: None, ..Account::clone(&account) }))
            );
        }
        Ok(found)
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let found = self.read(Bug::StaleKey).key(id).cloned();
        let found = found.or_else(|| self.ghosts().into_iter().find(|key| key.id == id));
        let found = found.map(|key| self.as_believed(key));
        if self.bug == Bug::DropsKeyField {
            return Ok(found.map(|key| Arc::new(ApiKey { expires: None, ..ApiKey::clone(&key) })));
        }
        Ok(found)
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        let now = self.read(Bug::StaleKeys);
        let mut keys: Vec<_> = if self.bug == Bug::KeysOfAll {
            now.keys().cloned().collect()
        } else {
            now.keys_of(owner).cloned().collect()
        };
        keys.extend(self.ghosts().into_iter().filter(|key| key.owner == owner));
        if self.bug == Bug::KeysUnordered {
            keys.reverse();
        }
        Ok(keys.into_iter().map(|key| self.as_believed(key)).collect())
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        let now = self.read(Bug::StaleList);
        let everybody = listing.start().map_or(Listing::new(), |after| Listing::new().after(after));
        let mut page = match self.bug {
            Bug::ListsAllProviders => now.page(&everybody.limit(listing.size())),
            Bug::ForgetsItsPlace if listing.start().is_some_and(|after| now.by_sid(after).is_none()) => {
                Page::empty()
            }
            _ => now.page(listing),
        };
        match self.bug {
            Bug::ListsTwice => {
                let again = listing.start().and_then(|sid| now.by_sid(sid).cloned());
                page.accounts.splice(0..0, again).for_each(drop);
                page.accounts.truncate(listing.size());
            }
            Bug::NamesNextOfLast => page.next = page.accounts.last().map(|account| account.sid),
            _ => {}
        }
        Ok(page)
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        let (head, limit) =
            (self.now().seq(), if self.bug == Bug::FeedTooLong { limit.max(2) } else { limit });
        if self.bug == Bug::FeedTrimmedBeyond && after > head {
            return Ok(Feed::Trimmed { oldest: head });
        }
        let mut feed = self.good.changes(after, limit).await?;
        if let Feed::Changes(changes) = &mut feed {
            match self.bug {
                Bug::FeedGap if changes.len() > 2 => drop(changes.remove(1)),
                Bug::FeedTwice if changes.len() > 1 => changes[1] = Arc::clone(&changes[0]),
                Bug::StaleChanges => {
                    changes.retain(|change| change.seq <= self.read(Bug::StaleChanges).seq())
                }
                Bug::FeedTellsNew => {
                    for change in changes.iter_mut() {
                        let mut told = Change::clone(change);
                        for event in &mut told.events {
                            if let Event::Created(account) = event {
                                *account = Arc::new(as_new(account));
                            }
                        }
                        *change = Arc::new(told);
                    }
                }
                Bug::FeedWithoutKeys => {
                    for change in changes.iter_mut() {
                        let mut told = Change::clone(change);
                        told.events.retain(|event| event.key().is_none());
                        *change = Arc::new(told);
                    }
                }
                _ => {}
            }
            changes.iter_mut().for_each(|change| *change = self.as_told(Arc::clone(change)));
        }
        Ok(feed)
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        let head = self.now().seq();
        let asked = match (self.bug, history.start()) {
            (Bug::StaleHistory, None) => history.before(head),
            (Bug::HistoryTwice, Some(before)) => history.before(before.next()),
            (Bug::HistoryTooLong, _) => history.limit(history.size() + 1),
            (Bug::HistoryMoves, None) => {
                self.seen.store(head.get(), Ordering::SeqCst);
                *history
            }
            (Bug::HistoryMoves, Some(before)) => {
                let newer = head.get() - self.seen.load(Ordering::SeqCst).min(head.get());
                history.before(Seq::new(before.get().saturating_add(newer)))
            }
            _ => *history,
        };
        let mut page = self.good.history(&asked).await?;
        match self.bug {
            Bug::HistoryOldestFirst => page.entries.reverse(),
            Bug::HistoryDropsEvents => page.entries.dedup_by_key(|entry| entry.seq),
            Bug::HistoryOfOthers => {
                let seqs: Vec<_> = page.entries.iter().map(|entry| entry.seq).collect();
                for seq in seqs.into_iter().filter(|seq| *seq > Seq::START) {
                    let Feed::Changes(changes) = self.good.changes(Seq::new(seq.get() - 1), 1).await? else {
                        continue;
                    };
                    for event in changes.iter().flat_map(|change| &change.events) {
                        if event.sid() != Some(history.sid())
                            && let Some(at) = page.entries.iter().position(|entry| entry.seq == seq)
                        {
                            let other = HistoryEntry { event: event.clone(), ..page.entries[at].clone() };
                            page.entries.insert(at, other);
                        }
                    }
                }
            }
            Bug::HistoryNextOfLast => page.next = page.entries.last().map(|entry| entry.seq),
            Bug::HistoryNeverTrimmed => page.trimmed = false,
            Bug::HistoryAlwaysTrimmed => page.trimmed = page.next.is_none(),
            Bug::HistoryWithoutKeys => page.entries.retain(|entry| entry.event.key().is_none()),
            Bug::HistoryWholeAtKey => {
                page.trimmed &= page.entries.last().is_none_or(|oldest| oldest.event.key().is_none());
            }
            _ => {}
        }
        Ok(page)
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        if self.now().seq() <= after {
            match self.bug {
                Bug::NeverWakes => pending().await,
                Bug::WakesEarly => return Ok(after),
                Bug::WakesOne if self.waiting.swap(true, Ordering::SeqCst) => pending().await,
                _ => {}
            }
        }
        let _woken = OnDrop(&self.waiting, false);
        self.good.wait_past(after).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(self.read(Bug::StaleSnapshot))
    }

    fn live(&self) -> Option<Snapshot> {
        Some(self.read(Bug::StaleLive))
    }

    fn live_seq(&self) -> Option<Seq> {
        Some(self.read(Bug::StaleLiveSeq).seq())
    }
}

/// A backend whose stores are kept in memory across reopening.
struct Broken(Bug);

impl Backend for Broken {
    type Store = BrokenStore;
    type Place = ();

    fn create(&self) -> ((), BrokenStore) {
        // So many that checks of other things find all changes, or so few that they are trimmed.
        let few = [Bug::HistoryNeverTrimmed, Bug::HistoryWholeAtKey].contains(&self.0);
        let history = if few { 10 } else { 5000 };
        ((), BrokenStore::new(self.0, MemoryStore::starting_from(Snapshot::empty(), history)))
    }

    fn reopen(&self, (): &(), store: BrokenStore) -> Option<BrokenStore> {
        let now = store.now();
        let kept = match self.0 {
            Bug::ForgetsLast => MemoryStore::starting_from(store.read(Bug::ForgetsLast), 5000),
            Bug::ForgetsNumber => {
                let number = if now.is_empty() { Seq::START } else { now.seq() };
                let accounts = Snapshot::from_accounts(number, now.iter().cloned()).ok()?;
                MemoryStore::starting_from(accounts.with_keys(now.keys().cloned()).ok()?, 5000)
            }
            Bug::ForgetsKeys | Bug::ForgetsUses => {
                let keys = if self.0 == Bug::ForgetsKeys { Vec::new() } else { now.keys().collect() };
                let unused = |key| Arc::new(ApiKey { last_used: None, ..ApiKey::clone(key) });
                let accounts = Snapshot::from_accounts(now.seq(), now.iter().cloned()).ok()?;
                let kept = accounts.with_keys(keys.into_iter().map(|key| unused(key))).ok()?;
                MemoryStore::starting_from(kept, 5000)
            }
            Bug::ForgetsRevisions => {
                let accounts = now.iter().map(|account| Arc::new(as_new(account)));
                let accounts = Snapshot::from_accounts(now.seq(), accounts).ok()?;
                MemoryStore::starting_from(accounts.with_keys(now.keys().cloned()).ok()?, 5000)
            }
            Bug::ForgetsMinutes => {
                let unused = |account: &Arc<Account>| {
                    Arc::new(Account { minutes_used: None, ..Account::clone(account) })
                };
                let accounts = Snapshot::from_accounts(now.seq(), now.iter().map(unused)).ok()?;
                MemoryStore::starting_from(accounts.with_keys(now.keys().cloned()).ok()?, 5000)
            }
            _ => store.good,
        };
        Some(BrokenStore::new(self.0, kept))
    }
}

fn message(panic: Box<dyn Any + Send>) -> String {
    panic.downcast::<String>().map_or_else(
        |panic| panic.downcast::<&str>().map_or_else(|_| "?".to_owned(), |text| (*text).to_owned()),
        |text| *text,
    )
}

#[test]
fn a_store_without_a_bug_passes() {
    assert!(crate::testkit::run(&Broken(Bug::None)).failed.is_empty());
}

#[test]
fn each_bug_is_found_by_its_check() {
    use Bug::*;
    use checks::*;
    type Check = fn(&Broken);
    #[rustfmt::skip]
    let expected: &[(Bug, Check, &str)] = &[
        (HalfBatches, a_batch_applies_whole_or_not_at_all, "changed something"),
        (HalfBatches, readers_never_see_half_a_batch, "half a batch"),
        (HalfBatches, a_large_batch_applies_whole, "changed something"),
        (HalfBatches, a_commit_that_is_given_up_happens_whole_or_not_at_all, "by half"),
        (HalfWhenGivenUp, a_commit_that_is_given_up_happens_whole_or_not_at_all, "by half"),
        (HalfWhenGivenUp, concurrent_commits_are_there_after_reopening, "by half"),
        (WedgedWhenGivenUp, a_commit_that_is_given_up_happens_whole_or_not_at_all, "lock for ever"),
        (IgnoresRevisions, stale_writes_are_refused, "was accepted"),
        (IgnoresRevisions, one_of_many_racers_wins_a_revision, "all replaced revision"),
        (IgnoresRevisions, one_order_explains_what_concurrent_callers_see, "no one order"),
        (IgnoresRevisions, a_failed_commit_happened_whole_or_not_at_all, "was accepted"),
        (TellsWrongRevision, stale_writes_are_refused, "left == right"),
        (TellsWrongRevision, one_of_many_racers_wins_a_revision, "told something else"),
        (ClaimsSuccess, sid_name_and_realm_are_unique, "was accepted"),
        (ClaimsSuccess, one_of_many_racers_gets_a_sid_a_name_and_a_realm, "have the same"),
        (ClaimsSuccess, one_order_explains_what_concurrent_callers_see, "no one order"),
        (ClaimsSuccess, writes_of_missing_accounts_are_refused, "was accepted"),
        (Forgets, no_edit_is_lost, "edit was lost"),
        (Forgets, commits_are_numbered_without_gaps, "the one before it"),
        (Forgets, the_front_desk_never_claims_what_is_not_there, "claims what is not there"),
        (TellsWrongHolder, sid_name_and_realm_are_unique, "left == right"),
        (TellsWrongHolder, one_of_many_racers_gets_a_sid_a_name_and_a_realm, "told something else"),
        (NumbersRefused, a_batch_applies_whole_or_not_at_all, "changed something"),
        (NumbersRefused, commits_are_numbered_without_gaps, "were numbered"),
        (IgnoresEmpty, an_empty_batch_is_a_commit, "left == right"),
        (CaseSensitive, accounts_are_found_by_sid_name_and_realm, "left == right"),
        (StaleSid, a_read_sees_what_was_committed_before, "by_sid"),
        (StaleSid, no_edit_is_lost, ""),
        (StaleSid, each_write_gives_the_next_revision, "not what is there"),
        (StaleSid, one_order_explains_what_concurrent_callers_see, "no one order"),
        (StaleRealm, a_read_sees_what_was_committed_before, "by_realm"),
        (StaleRealm, what_an_account_gives_up_is_free, "left == right"),
        (StaleList, a_read_sees_what_was_committed_before, "list"),
        (StaleList, one_order_explains_what_concurrent_callers_see, "no one order"),
        (StaleChanges, a_read_sees_what_was_committed_before, "changes"),
        (StaleChanges, the_feed_gives_each_change_once_and_in_order, "no change after"),
        (StaleSnapshot, a_read_sees_what_was_committed_before, "snapshot"),
        (StaleLive, a_read_sees_what_was_committed_before, "snapshot"),
        (StaleLive, one_order_explains_what_concurrent_callers_see, "no one order"),
        (StaleLiveSeq, a_read_sees_what_was_committed_before, "live_seq"),
        (DropsField, every_field_comes_back_as_it_was, "by_realm"),
        (ListsTwice, pages_are_complete_and_in_order, "is listed after"),
        (ListsTwice, a_listing_has_what_is_there_throughout, "is listed after"),
        (ForgetsItsPlace, a_listing_goes_on_where_it_was, ""),
        (ListsAllProviders, pages_are_complete_and_in_order, "left == right"),
        (ListsAllProviders, a_listing_has_what_is_there_throughout, "in the listing of another"),
        (NamesNextOfLast, pages_are_complete_and_in_order, "names a next"),
        (FeedGap, the_feed_gives_each_change_once_and_in_order, "has gaps"),
        (FeedGap, following_the_feed_gives_the_accounts, "has gaps"),
        (FeedGap, a_trimmed_feed_says_so, "left == right"),
        (FeedTwice, the_feed_gives_each_change_once_and_in_order, "has gaps"),
        (FeedTooLong, the_feed_ends_at_the_latest_change, "at most"),
        (FeedTrimmedBeyond, the_feed_ends_at_the_latest_change, "after 11"),
        (StaleHistory, a_read_sees_what_was_committed_before, "history"),
        (StaleHistory, a_history_is_complete_and_newest_first, "left == right"),
        (HistoryOldestFirst, a_history_is_complete_and_newest_first, "comes after"),
        (HistoryOfOthers, a_history_is_complete_and_newest_first, "left == right"),
        (HistoryDropsEvents, a_history_is_complete_and_newest_first, "left == right"),
        (HistoryTwice, a_history_is_complete_and_newest_first, "comes after"),
        (HistoryTooLong, a_history_is_complete_and_newest_first, "not at most"),
        (HistoryMoves, a_history_goes_on_where_it_was, "moved the second"),
        (HistoryNextOfLast, a_history_is_complete_and_newest_first, ""),
        (HistoryNeverTrimmed, a_trimmed_history_says_so, "was trimmed"),
        (HistoryAlwaysTrimmed, a_trimmed_history_says_so, "was trimmed"),
        (NeverWakes, a_wait_ends_with_the_next_commit, "the store hangs"),
        (WakesEarly, a_wait_ends_with_the_next_commit, "before there was a commit"),
        (WakesOne, a_wait_that_is_given_up_wakes_the_others, "the store hangs"),
        (ForgetsLast, what_was_acknowledged_is_there_after_reopening, "forgotten"),
        (ForgetsLast, concurrent_commits_are_there_after_reopening, ""),
        (ForgetsNumber, what_was_acknowledged_is_there_after_reopening, "forgotten"),
        (HalfBatches, accounts_and_keys_are_written_together, "changed something"),
        (IgnoresRevisions, stale_writes_of_keys_are_refused, "was accepted"),
        (ClaimsSuccess, the_id_of_a_key_is_unique, "was accepted"),
        (ClaimsSuccess, a_key_needs_its_account, "was accepted"),
        (ClaimsSuccess, a_key_stays_its_owners, "was accepted"),
        (ClaimsSuccess, stale_writes_of_keys_are_refused, "was accepted"),
        (TellsWrongKeyRevision, stale_writes_of_keys_are_refused, "left == right"),
        (StaleKey, keys_are_found_by_id_and_by_owner, "differ"),
        (StaleKey, each_write_of_a_key_gives_the_next_revision, "differ"),
        (StaleKey, one_order_explains_what_concurrent_callers_see, "no one order"),
        (StaleKeys, keys_are_found_by_id_and_by_owner, "differ"),
        (StaleKeys, one_order_explains_what_concurrent_callers_see, "no one order"),
        (StaleSnapshot, keys_are_found_by_id_and_by_owner, "differ"),
        (DropsKeyField, keys_are_found_by_id_and_by_owner, "differ"),
        (KeysOfAll, keys_are_found_by_id_and_by_owner, "the keys of"),
        (KeysUnordered, keys_are_found_by_id_and_by_owner, "the keys of"),
        (CountsKeysFirst, no_owner_has_more_keys_than_it_may, "racers added a key"),
        (CountsAllKeys, no_owner_has_more_keys_than_it_may, "was refused"),
        (MinutesAreRevision, minutes_used_change_nothing_else, "an event tells"),
        (MinutesNeedAccount, minutes_used_change_nothing_else, ""),
        (EditUndoesMinutes, an_edit_leaves_the_minutes_used, "left == right"),
        (ForgetsMinutes, minutes_used_are_there_after_reopening, "not the same"),
        (StaleSid, minutes_used_change_nothing_else, "differ"),
        (StaleRealm, minutes_used_change_nothing_else, "differ"),
        (RestoresAsNew, a_restored_account_is_as_it_was, "tells something else"),
        (RestoresAsNew, a_restored_key_is_as_it_was, "tells something else"),
        (RestoresAsNew, one_order_explains_what_concurrent_callers_see, "no one order"),
        (RestoresUnused, a_restored_account_is_as_it_was, "tells something else"),
        (RestoresUnused, a_restored_key_is_as_it_was, "tells something else"),
        (StaleSid, a_restored_account_is_as_it_was, "the account is there"),
        (StaleKey, a_restored_key_is_as_it_was, "the key is there"),
        (RestoresFewKeys, a_restored_key_is_as_it_was, "was refused"),
        (RestoresOverOthers, what_is_restored_takes_nobodys_place, "was accepted"),
        (HalfBatches, what_is_restored_takes_nobodys_place, "changed something"),
        (FeedTellsNew, what_was_restored_is_in_the_feed, "can't be followed"),
        (HistoryWithoutKeys, what_was_restored_is_in_the_feed, "the history of a restored account"),
        (ForgetsRevisions, what_was_restored_is_there_after_reopening, "not the same after reopening"),
        (UseIsRevision, a_use_changes_nothing_but_when_it_was, "after a use"),
        (UseGoesBack, a_use_changes_nothing_but_when_it_was, "differ"),
        (UseNeedsKey, a_use_changes_nothing_but_when_it_was, "was refused"),
        (ReplaceUndoesUse, a_replaced_key_keeps_its_last_use, "differ"),
        (KeysStay, deleting_an_account_revokes_its_keys, "differ"),
        (KeysStay, no_key_outlives_its_account, "outlived"),
        (KeysStay, one_order_explains_what_concurrent_callers_see, "no one order"),
        (KeysComeBack, one_order_explains_what_concurrent_callers_see, "no one order"),
        (KeysOfAll, one_order_explains_what_concurrent_callers_see, "no one order"),
        (KeysComeBack, deleting_an_account_revokes_its_keys, "differ"),
        (TellsNoRevocation, deleting_an_account_revokes_its_keys, "does not tell"),
        (TellsNoRevocation, no_key_outlives_its_account, "revoked other keys"),
        (TellsNoRevocation, keys_are_there_after_reopening, "does not tell"),
        (RevokesLast, deleting_an_account_revokes_its_keys, "does not tell"),
        (FeedWithoutKeys, following_the_feed_gives_the_keys, "has other keys"),
        (FeedGap, following_the_feed_gives_the_keys, "has gaps"),
        (HistoryWithoutKeys, a_history_tells_of_the_keys_of_the_account, "the history of account"),
        (HistoryOfOthers, a_history_tells_of_the_keys_of_the_account, "the history of account"),
        (HistoryWholeAtKey, a_history_that_ends_with_a_key_was_trimmed, "was trimmed"),
        (HistoryAlwaysTrimmed, a_history_that_ends_with_a_key_was_trimmed, "was trimmed"),
        (ForgetsKeys, keys_are_there_after_reopening, "not the same"),
        (ForgetsUses, keys_are_there_after_reopening, "not the same"),
        (ForgetsLast, keys_are_there_after_reopening, "not the same"),
    ];
    let mut wrong = Vec::new();
    for (bug, check, expected) in expected {
        match catch_unwind(AssertUnwindSafe(|| check(&Broken(*bug)))) {
            Ok(()) => wrong.push(format!("{bug:?} was not found ({expected:?})")),
            Err(panic) => {
                let message = message(panic);
                if !message.contains(expected) {
                    wrong.push(format!("{bug:?} was found for another reason than {expected:?}: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
