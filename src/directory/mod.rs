//! A snapshot of a store's accounts that is kept current, for stores that have none of their own.

mod copy;
mod follower;
mod options;
mod shared;
mod status;
#[cfg(all(test, feature = "testkit"))]
mod tests;

pub use options::DirectoryOptions;
pub use status::{DirectoryState, DirectoryStatus, DirectoryWatch};

use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use async_trait::async_trait;
use copy::Notes;
use follower::Follower;
use shared::Shared;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A store whose accounts and API keys are in memory too: a snapshot of them that is kept current from the store's feed.
///
/// The data plane of a node asks far more often than a database can be asked, and goes on when the database is away. So where
/// the store is elsewhere ([`AccountStore::live`] is `None`), the node follows it, and gives the directory to whatever wants a
/// store: [`Accounts`](crate::Accounts), `Authenticator`, `Admission`. Cloning it shares it.
///
/// ```
/// use gateway_accounts::*;
/// # futures_lite::future::block_on(async {
/// # let store = MemoryStore::new();
/// let directory = Directory::follow(store).await?;
/// let accounts = Accounts::new(directory.clone());
/// let admin = Actor::admin("jane@operator.example")?;
/// let acme = accounts.create(&admin, AccountPatch::new().name("Acme").sip_realm("acme.example.com")).await?;
///
/// // From memory, without waiting for anything.
/// let realm = SipRealm::parse("phones.acme.example.com")?;
/// assert_eq!(directory.look_up_realm_or_parent(&realm), Some(acme));
/// assert!(directory.staleness().as_secs() < 10);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// Of a store that has a snapshot of its own ([`MemoryStore`](crate::MemoryStore), [`FileStore`](crate::FileStore)), the
/// directory gives that one, and costs nothing: no thread and no copy.
///
/// # What is answered from where
///
/// | call | answers |
/// |---|---|
/// | [`live`](AccountStore::live), [`live_seq`](AccountStore::live_seq), `look_up_…` | the snapshot: at once, without a lock, whatever the store does |
/// | `commit` | the store; it returns when the snapshot has the commit |
/// | every other read of [`AccountStore`] | the store, as of now |
///
/// What was seen through the directory is in its snapshot: a commit before it returns, what a read has found that the snapshot
/// did not have, and what a commit was refused for. Such a call waits for the snapshot, which takes a request to the store at
/// most, and nothing where the snapshot has it already. If the store does not answer that request, the call returns all the same
/// after a while ([`DirectoryOptions::catch_up_limit`]); only then may a snapshot be older than what its reader knows.
///
/// # How late it may be
///
/// What others commit is in the snapshot as soon as the store has told of it ([`AccountStore::wait_past`]) and was asked for the
/// changes; at worst, when no word of it comes, after the [poll interval](DirectoryOptions::poll_interval) and one request.
/// While the store can't be reached, the snapshot stays as it was, and [`Directory::staleness`] says how old it is. **A suspension
/// or the revocation of a key is no exception: it counts on this node when its snapshot has it.** Who may not let anybody in by an
/// older word looks at `staleness` and refuses above a bound of their own.
///
/// No event tells of minutes used and of uses of keys ([`Write::MinutesUsed`](crate::Write::MinutesUsed)). Those that were
/// committed through this directory are in its snapshot; those of other nodes are as of the last time that the account or key
/// was edited or all were read. [`AccountStore::snapshot`] reads all accounts, and renews the directory's own snapshot by that.
///
/// # When the store is away
///
/// It is asked again, after waits that get longer, until it answers. Where the feed does not reach back far enough by then, all
/// accounts are read again. An older state than was seen is never shown: if the store itself was set back, such as to a backup,
/// a new directory is needed. [`Directory::status`] and [`Directory::watch`] tell how it goes.
///
/// A page of the feed that is shorter than was asked for is taken to be the last.
#[derive(Clone)]
pub struct Directory(Arc<Handle>);

/// What the clones share. When the last is gone, nothing is followed any more.
enum Handle {
    /// A store that has a snapshot of its own.
    InMemory(Arc<dyn AccountStore>),
    Follows(Arc<Shared>),
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Self::Follows(shared) = self {
            shared.stop();
        }
    }
}

impl Directory {
    /// Follows this store by what holds where nothing is said ([`DirectoryOptions`]): reads all its accounts and API keys,
    /// and keeps them current from then on, on a thread of its own. When the last clone is dropped, the thread ends; nobody
    /// waits for that.
    ///
    /// # Errors
    /// [`StoreError`] when they can't be read, and [`StoreErrorKind::Failed`] when no thread can be started.
    pub async fn follow(store: impl AccountStore + 'static) -> Result<Self, StoreError> {
        DirectoryOptions::new().follow(store).await
    }

    async fn with_options(
        options: DirectoryOptions,
        store: Arc<dyn AccountStore>,
    ) -> Result<Self, StoreError> {
        if store.live().is_some() {
            return Ok(Self(Arc::new(Handle::InMemory(store))));
        }
        let sent = options.clock.running();
        let snapshot = store.snapshot().await?;
        let shared = Arc::new(Shared::new(store, options, snapshot.clone(), sent));
        Follower::start(Arc::clone(&shared), snapshot).map_err(|error| {
            StoreError::new(StoreErrorKind::Failed, "no thread can be started to follow the store")
                .with_source(error)
        })?;
        Ok(Self(Arc::new(Handle::Follows(shared))))
    }

    /// The account of this SID, from memory. It may be suspended: ask [`Status::in_service`](crate::Status::in_service).
    #[must_use]
    pub fn look_up_sid(&self, sid: AccountSid) -> Option<Arc<Account>> {
        self.look_up(|now| now.by_sid(sid).cloned())
    }

    /// The account of this name, without regard to case, from memory.
    #[must_use]
    pub fn look_up_name(&self, name: &AccountName) -> Option<Arc<Account>> {
        self.look_up(|now| now.by_name(name).cloned())
    }

    /// The account of exactly this realm, from memory. It may be suspended.
    #[must_use]
    pub fn look_up_realm(&self, realm: &SipRealm) -> Option<Arc<Account>> {
        self.look_up(|now| now.by_realm(realm).cloned())
    }

    /// The account of this realm or, if there is none, of the nearest parent domain that is one, from memory; see
    /// [`Snapshot::by_realm_or_parent`].
    #[must_use]
    pub fn look_up_realm_or_parent(&self, realm: &SipRealm) -> Option<Arc<Account>> {
        self.look_up(|now| now.by_realm_or_parent(realm).cloned())
    }

    /// The API key of this id, from memory. It may be expired or disabled, and its account suspended.
    #[must_use]
    pub fn look_up_key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.look_up(|now| now.key(id).cloned())
    }

    #[inline]
    fn look_up<T>(&self, find: impl FnOnce(&Snapshot) -> Option<T>) -> Option<T> {
        match &*self.0 {
            Handle::InMemory(store) => find(&store.live()?),
            Handle::Follows(shared) => shared.latest.find(find),
        }
    }

    /// The commit that its snapshot is as of.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.live_seq().unwrap_or_default()
    }

    /// How long ago its snapshot was current for certain: since the last request was sent whose answer was that there is
    /// nothing newer. It is about the [poll interval](DirectoryOptions::poll_interval) at most while all is well, and grows
    /// while the store can't be reached. Of a store that has a snapshot of its own, it is zero.
    #[must_use]
    pub fn staleness(&self) -> Duration {
        self.shared().map_or(Duration::ZERO, |shared| shared.staleness())
    }

    /// How following goes.
    #[must_use]
    pub fn status(&self) -> DirectoryStatus {
        match self.shared() {
            Some(shared) => shared.status(),
            None => DirectoryStatus {
                state: DirectoryState::InMemory,
                seq: self.seq(),
                staleness: Duration::ZERO,
                changes: 0,
                reloads: 0,
                last_error: None,
            },
        }
    }

    /// Tells when that changes, from now on.
    #[must_use]
    pub fn watch(&self) -> DirectoryWatch {
        DirectoryWatch::new(self.shared().cloned())
    }

    /// Waits until its snapshot has this commit, for one that was made elsewhere: so that who was told of a commit by another
    /// node reads what they wrote. It waits as long as that takes; to give up, drop the future.
    ///
    /// # Errors
    /// [`StoreError`] when the snapshot will never have it, since the store is closed.
    pub async fn caught_up(&self, seq: Seq) -> Result<(), StoreError> {
        match &*self.0 {
            Handle::InMemory(store) => match seq.get().checked_sub(1) {
                Some(before) => store.wait_past(Seq::new(before)).await.map(drop),
                None => Ok(()),
            },
            Handle::Follows(shared) if shared.caught_up(seq).await => Ok(()),
            Handle::Follows(_) => {
                Err(StoreError::new(StoreErrorKind::Failed, "the store is not followed any more"))
            }
        }
    }

    fn store(&self) -> &dyn AccountStore {
        match &*self.0 {
            Handle::InMemory(store) => &**store,
            Handle::Follows(shared) => &*shared.store,
        }
    }

    fn shared(&self) -> Option<&Arc<Shared>> {
        match &*self.0 {
            Handle::InMemory(_) => None,
            Handle::Follows(shared) => Some(shared),
        }
    }

    /// Waits until the snapshot has what was found in the store, unless it finds the same.
    async fn seen(&self, finds_the_same: impl FnOnce(&Snapshot) -> bool) {
        if let Some(shared) = self.shared()
            && !shared.latest.find(finds_the_same)
        {
            shared.refresh().await;
        }
    }

    /// Waits until the snapshot has a commit that the store told of.
    async fn seen_commit(&self, seq: Seq) {
        if let Some(shared) = self.shared() {
            shared.catch_up(seq).await;
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("store", &self.store()).field("seq", &self.seq()).finish()
    }
}

/// See [`Directory`] for what is answered from where.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl AccountStore for Directory {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let Some(shared) = self.shared() else { return self.store().commit(batch).await };
        let begun = shared.begin(Notes::of(&batch));
        match shared.store.commit(batch).await {
            Ok(change) => {
                begun.done(&change).await;
                Ok(change)
            }
            Err(CommitError::Conflict(conflict)) => {
                // With what others have committed; whoever looks finds it.
                shared.refresh().await;
                Err(conflict.into())
            }
            Err(error) => Err(error),
        }
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.store().by_sid(sid).await?;
        self.seen(|now| is_same(now.by_sid(sid), found.as_ref())).await;
        Ok(found)
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.store().by_name(name).await?;
        self.seen(|now| is_same(now.by_name(name), found.as_ref())).await;
        Ok(found)
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.store().by_realm(realm).await?;
        self.seen(|now| is_same(now.by_realm(realm), found.as_ref())).await;
        Ok(found)
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let found = self.store().key(id).await?;
        self.seen(|now| match (now.key(id), &found) {
            (Some(now), Some(found)) => is_same_key(now, found),
            (now, found) => now.is_none() && found.is_none(),
        })
        .await;
        Ok(found)
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        let found = self.store().keys(owner).await?;
        let is_same = |now: &Snapshot| {
            let mut those = found.iter();
            now.keys_of(owner).all(|key| those.next().is_some_and(|found| is_same_key(key, found)))
                && those.next().is_none()
        };
        self.seen(is_same).await;
        Ok(found)
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        let page = self.store().list(listing).await?;
        let is_same = |now: &Snapshot| {
            let known = now.page(listing);
            let same = |(known, found): (_, &Arc<Account>)| is_same_account(known, found);
            known.next == page.next
                && known.accounts.len() == page.accounts.len()
                && known.accounts.iter().zip(&page.accounts).all(same)
        };
        self.seen(is_same).await;
        Ok(page)
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        let feed = self.store().changes(after, limit).await?;
        let last = match &feed {
            Feed::Changes(changes) => changes.last().map(|change| change.seq),
            Feed::Trimmed { oldest } => oldest.get().checked_sub(1).map(Seq::new),
        };
        if let Some(last) = last {
            self.seen_commit(last).await;
        }
        Ok(feed)
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        let page = self.store().history(history).await?;
        if let Some(newest) = page.entries.first() {
            self.seen_commit(newest.seq).await;
        }
        Ok(page)
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        let latest = self.store().wait_past(after).await?;
        self.seen_commit(latest).await;
        Ok(latest)
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let snapshot = self.store().snapshot().await?;
        if let Some(shared) = self.shared() {
            shared.offer(&snapshot).await;
        }
        Ok(snapshot)
    }

    fn live(&self) -> Option<Snapshot> {
        match &*self.0 {
            Handle::InMemory(store) => store.live(),
            Handle::Follows(shared) => Some(shared.latest.snapshot()),
        }
    }

    #[inline]
    fn live_seq(&self) -> Option<Seq> {
        match &*self.0 {
            Handle::InMemory(store) => store.live_seq(),
            Handle::Follows(shared) => Some(shared.latest.seq()),
        }
    }
}

/// Whether they are the same account, but for the minutes used, of which the feed does not tell.
fn is_same(known: Option<&Arc<Account>>, found: Option<&Arc<Account>>) -> bool {
    match (known, found) {
        (Some(known), Some(found)) => is_same_account(known, found),
        (known, found) => known.is_none() && found.is_none(),
    }
}

fn is_same_account(known: &Arc<Account>, found: &Arc<Account>) -> bool {
    let but_for_minutes = |account: &Account| Account { minutes_used: None, ..account.clone() };
    known == found || (known.revision == found.revision && but_for_minutes(known) == but_for_minutes(found))
}

fn is_same_key(known: &Arc<ApiKey>, found: &Arc<ApiKey>) -> bool {
    let but_for_uses = |key: &ApiKey| ApiKey { last_used: None, ..key.clone() };
    known == found || (known.revision == found.revision && but_for_uses(known) == but_for_uses(found))
}
