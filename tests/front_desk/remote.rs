//! A store that is not in this process.

use gateway_accounts::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store that is read as one elsewhere is, such as a database: it has no accounts in memory to give out, and can be
/// made to fail.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    store: MemoryStore,
    pub(crate) fails: AtomicBool,
}

impl Remote {
    fn check(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            let cause = std::io::Error::other("disk on fire");
            return Err(
                StoreError::new(StoreErrorKind::Io, "the account file could not be read").with_source(cause)
            );
        }
        Ok(())
    }
}

#[async_trait]
impl AccountStore for Remote {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        self.check()?;
        self.store.commit(batch).await
    }
    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        self.check()?;
        self.store.by_sid(sid).await
    }
    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        self.check()?;
        self.store.by_name(name).await
    }
    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        self.check()?;
        self.store.by_realm(realm).await
    }
    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.store.key(id).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.store.keys(owner).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.check()?;
        self.store.list(listing).await
    }
    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        self.store.changes(after, limit).await
    }
    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        self.check()?;
        self.store.history(history).await
    }
    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.store.wait_past(after).await
    }
    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot().await
    }
    fn live(&self) -> Option<Snapshot> {
        None
    }

    fn live_seq(&self) -> Option<Seq> {
        None
    }
}
