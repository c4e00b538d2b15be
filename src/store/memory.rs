//! Accounts in memory, gone with the process.

use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use crate::store::live::{History, Live};
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps accounts in memory only: for tests, and for a program that loads them from elsewhere.
///
/// It keeps every guarantee of [`AccountStore`] but durability. Cloning it shares it.
///
/// ```
/// use gateway_accounts::{AccountStore, MemoryStore};
/// let store = MemoryStore::new();
/// assert!(store.live().is_some_and(|snapshot| snapshot.is_empty()));
/// ```
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    live: Live,
    /// Held by the one who commits.
    writer: Mutex<()>,
}

impl MemoryStore {
    /// How many changes are kept for the feed when nothing is said.
    pub const DEFAULT_HISTORY: usize = 10_000;

    /// A store without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_from(Snapshot::empty(), Self::DEFAULT_HISTORY)
    }

    /// A store that starts from these accounts, and keeps so many changes for the feed.
    #[must_use]
    pub fn starting_from(snapshot: Snapshot, history: usize) -> Self {
        let history = History::new(snapshot.seq(), history);
        Self(Arc::new(Inner { live: Live::new(snapshot, history), writer: Mutex::new(()) }))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        // Nothing is awaited here, so that the lock is held for a few microseconds. A poisoned one has done no
        // harm: the snapshot is replaced whole.
        let _writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, change) = self.0.live.snapshot().apply(&batch)?;
        let change = Arc::new(change);
        self.0.live.publish(snapshot, [Arc::clone(&change)]);
        Ok(change)
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.0.live.find(|now| now.by_sid(sid).cloned()))
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.0.live.find(|now| now.by_name(name).cloned()))
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.0.live.find(|now| now.by_realm(realm).cloned()))
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        Ok(self.0.live.find(|now| now.key(id).cloned()))
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        Ok(self.0.live.snapshot().keys_of(owner).cloned().collect())
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        Ok(self.0.live.snapshot().page(listing))
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        Ok(self.0.live.changes(after, limit))
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        Ok(self.0.live.account_history(history).await)
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        // It ends with the last handle, and so never while somebody waits.
        self.0
            .live
            .wait_past(after)
            .await
            .ok_or_else(|| StoreError::new(StoreErrorKind::Failed, "the store has ended"))
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(self.0.live.snapshot())
    }

    fn live(&self) -> Option<Snapshot> {
        Some(self.0.live.snapshot())
    }

    fn live_seq(&self) -> Option<Seq> {
        Some(self.0.live.seq())
    }
}
