//! A store whose calls fail when a test wants them to.

use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use crate::testkit::executor::yield_now;
use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in front of another, which makes calls fail by plan: to see what an application does then.
///
/// It fails as [`AccountStore`] says a store may. After a commit that met [`Fault::Lost`] or [`Fault::Kept`], it
/// acknowledges no other until [`FaultyStore::reopen`]; reads go on. Each call can be given up at two points more
/// than a call of the store behind it: before it reaches that store, and after.
///
/// ```
/// use gateway_accounts::testkit::{Fault, FaultyStore};
/// use gateway_accounts::{AccountStore, CommitError, MemoryStore, StoreErrorKind, Write, testkit};
/// let store = FaultyStore::new(MemoryStore::new());
/// let create = || testkit::block_on(store.commit(testkit::batch([Write::Create(testkit::account(1).into())])));
///
/// store.fail_next([Fault::Kept]);
/// let Err(CommitError::Store(error)) = create() else { panic!("it was to fail") };
/// assert_eq!(error.kind(), StoreErrorKind::Io);
/// // Nobody knew; it is there.
/// assert!(testkit::block_on(store.by_sid(testkit::sid(1)))?.is_some());
/// # Ok::<(), gateway_accounts::StoreError>(())
/// ```
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    plan: Mutex<Plan>,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// [`StoreErrorKind::Unavailable`]: it does not reach the store behind.
    Unavailable,
    /// [`StoreErrorKind::Io`], and it did not reach the store behind. The caller can't tell it from
    /// [`Fault::Kept`].
    Lost,
    /// [`StoreErrorKind::Io`], though the store behind did what it was asked. The caller can't tell it from
    /// [`Fault::Lost`].
    Kept,
}

#[derive(Debug)]
struct Plan {
    /// What the next calls meet.
    next: VecDeque<Fault>,
    /// What the calls after them meet: one of so many fails.
    random: Option<(StdRng, u32)>,
    /// Whether a commit has met a fault that leaves its fate unknown.
    failed: bool,
}

impl<S> FaultyStore<S> {
    /// The store, without faults so far.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::new(Plan { next: VecDeque::new(), random: None, failed: false }) }
    }

    /// The store behind.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Makes the next calls fail, one for each fault, whatever they are but [`AccountStore::live`], which can't.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan().next.extend(faults);
    }

    /// Makes one of so many calls fail from now on, at random; 0 makes none. The same seed fails the same calls,
    /// if they come in the same order.
    pub fn fail_at_random(&self, seed: u64, one_of: u32) {
        self.plan().random = (one_of > 0).then(|| (StdRng::seed_from_u64(seed), one_of));
    }

    /// Plans no more faults, and acknowledges commits again: as if the store were opened anew.
    pub fn reopen(&self) {
        *self.plan() = Plan { next: VecDeque::new(), random: None, failed: false };
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call, or lets it fail.
    async fn call<T, E: From<StoreError>>(
        &self,
        is_commit: bool,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        yield_now().await;
        let fault = self.plan().fault(is_commit)?;
        let error = |kind, message| Err(StoreError::new(kind, message).into());
        match fault {
            Some(Fault::Unavailable) => {
                error(StoreErrorKind::Unavailable, "the store can't be reached, as planned")
            }
            Some(Fault::Lost) => error(StoreErrorKind::Io, "the call failed, as planned"),
            Some(Fault::Kept) => {
                // What the store behind answers, nobody learns.
                let _ = call.await;
                error(StoreErrorKind::Io, "the call failed, as planned")
            }
            None => {
                let answer = call.await;
                yield_now().await;
                answer
            }
        }
    }
}

impl Plan {
    /// What this call meets.
    fn fault(&mut self, is_commit: bool) -> Result<Option<Fault>, StoreError> {
        if is_commit && self.failed {
            let message = "an earlier commit failed; the store must be opened anew";
            return Err(StoreError::new(StoreErrorKind::Failed, message));
        }
        let random = |(numbers, one_of): &mut (StdRng, u32)| {
            let fault = [Fault::Unavailable, Fault::Lost, Fault::Kept][numbers.random_range(0..3)];
            numbers.random_ratio(1, *one_of).then_some(fault)
        };
        let fault = self.next.pop_front().or_else(|| self.random.as_mut().and_then(random));
        self.failed |= is_commit && matches!(fault, Some(Fault::Lost | Fault::Kept));
        Ok(fault)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: AccountStore> AccountStore for FaultyStore<S> {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        self.call(true, self.inner.commit(batch)).await
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        self.call(false, self.inner.by_sid(sid)).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        self.call(false, self.inner.by_name(name)).await
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        self.call(false, self.inner.by_realm(realm)).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.call(false, self.inner.key(id)).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.call(false, self.inner.keys(owner)).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.call(false, self.inner.list(listing)).await
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        self.call(false, self.inner.changes(after, limit)).await
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        self.call(false, self.inner.history(history)).await
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.call(false, self.inner.wait_past(after)).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.call(false, self.inner.snapshot()).await
    }

    fn live(&self) -> Option<Snapshot> {
        self.inner.live()
    }

    fn live_seq(&self) -> Option<Seq> {
        self.inner.live_seq()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::testkit::caller::create;
    use crate::testkit::executor::block_on;
    use crate::testkit::sample::{account, batch, sid};

    #[test]
    fn fails_as_planned() {
        let store = FaultyStore::new(MemoryStore::new());
        let commit = |n| match block_on(store.commit(batch([create(account(n))]))) {
            Ok(change) => Ok(change.seq.get()),
            Err(CommitError::Store(error)) => Err(error.kind()),
            Err(CommitError::Conflict(conflict)) => panic!("{conflict}"),
        };
        let is_there = |n| block_on(store.inner().by_sid(sid(n))).unwrap().is_some();

        assert_eq!(commit(1), Ok(1));
        store.fail_next([Fault::Unavailable, Fault::Lost]);
        assert_eq!(commit(2), Err(StoreErrorKind::Unavailable));
        assert_eq!(commit(3), Err(StoreErrorKind::Io));
        assert_eq!(commit(4), Err(StoreErrorKind::Failed));
        store.reopen();
        store.fail_next([Fault::Kept]);
        assert_eq!(commit(5), Err(StoreErrorKind::Io));
        assert_eq!(commit(6), Err(StoreErrorKind::Failed));
        assert!(block_on(store.by_sid(sid(5))).unwrap().is_some(), "reads go on");
        store.reopen();
        assert_eq!(commit(7), Ok(3));
        let there: Vec<_> = (1..8).filter(|n| is_there(*n)).collect();
        assert_eq!(there, [1, 5, 7]);
    }

    #[test]
    fn the_same_seed_fails_the_same_calls() {
        let outcomes = |seed| {
            let store = FaultyStore::new(MemoryStore::new());
            store.fail_at_random(seed, 3);
            let read = |_| block_on(store.by_sid(sid(1))).map_err(|error| error.kind());
            (0..100).map(read).collect::<Vec<_>>()
        };
        let first = outcomes(1);
        assert_eq!(first, outcomes(1));
        assert_ne!(first, outcomes(2));
        let failed = first.iter().filter(|outcome| outcome.is_err()).count();
        assert!((15..50).contains(&failed), "{failed} of 100 failed");
    }
}
