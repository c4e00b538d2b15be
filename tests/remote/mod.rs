//! A store that is read as one elsewhere is, such as a database: it has no accounts in memory to give out.

use gateway_accounts::*;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Remote(pub(crate) MemoryStore);

#[async_trait]
impl AccountStore for Remote {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        self.0.commit(batch).await
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        self.0.by_sid(sid).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        self.0.by_name(name).await
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        self.0.by_realm(realm).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.0.key(id).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.0.keys(owner).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.0.list(listing).await
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        self.0.changes(after, limit).await
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        self.0.history(history).await
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.0.wait_past(after).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.0.snapshot().await
    }

    fn live(&self) -> Option<Snapshot> {
        None
    }

    fn live_seq(&self) -> Option<Seq> {
        None
    }
}
