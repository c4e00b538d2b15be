//! Where accounts are kept.

mod copy;
mod error;
#[cfg(feature = "file")]
pub(crate) mod file;
mod findings;
pub(crate) mod latest;
mod live;
pub(crate) mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;

pub use copy::{
    Copied, CopyConflict, CopyDifference, CopyError, CopyItem, CopyProgress, StoreCopy, WhyNotCopied,
};
pub use error::{CommitError, StoreError, StoreErrorKind};
pub use findings::Findings;

use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// Keeps accounts.
///
/// A store keeps the guarantees below under any number of concurrent callers; the conformance suite
/// (`gateway_accounts::testkit`, feature `testkit`) tests them. It knows nothing of who may do what: that is for
/// [`Accounts`](crate::Accounts), through which an application normally goes.
///
/// - **Atomic.** A batch applies whole or not at all.
/// - **Durable**, if the store keeps accounts at all: once `commit` has returned a change, no crash loses it.
/// - **Unique.** No two accounts have the same SID, the same name without regard to case, or the same realm.
/// - **Optimistic.** A replacement or deletion applies only at the revision its writer saw.
/// - **Linearizable.** Commits have one total order, numbered without gaps; a read that starts after a commit has
///   returned sees it.
/// - **Cancel-safe.** When the future of a commit is dropped, the commit happens whole or not at all, and the
///   store goes on.
/// - **Fails safe.** After a write has failed so that its fate is unknown, the store acknowledges no other until
///   it is opened anew; reads go on.
///
/// No method needs a particular executor, and none blocks the thread that polls it on a disk or a network.
///
/// No method has a default, so that a store which wraps another can't forget one.
///
/// The methods are those of the `async-trait` crate; an implementation is written under
/// `#[gateway_accounts::async_trait]`, with `async fn`. `examples/custom_store.rs` is one, complete.
#[async_trait]
pub trait AccountStore: Send + Sync + fmt::Debug {
    /// Applies a batch and makes it durable. An empty batch is a commit like any other.
    ///
    /// # Errors
    /// [`CommitError::Conflict`]: the batch contradicts what is there; nothing was written.
    /// [`CommitError::Store`]: the store failed; unless the error says otherwise, whether the batch was written is
    /// unknown until it is read back.
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError>;

    /// The account of this SID.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError>;

    /// The account of this name, without regard to case.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError>;

    /// The account of exactly this realm.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError>;

    /// The API key of this id.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError>;

    /// The API keys of this owner, all at the same moment, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError>;

    /// A page of accounts, in the order of their SIDs.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn list(&self, listing: &Listing) -> Result<Page, StoreError>;

    /// What was committed after `after`, in order and without gaps: at most `limit` commits, none when there are
    /// none yet (or when `after` is beyond the latest). When the store does not have all of them any more, it says
    /// so, and the reader starts over from [`AccountStore::snapshot`].
    ///
    /// A follower starts from the [`Seq`] of a snapshot, and goes on like this:
    ///
    /// ```
    /// # use gateway_accounts::*;
    /// async fn follow(store: &dyn AccountStore) -> Result<(), StoreError> {
    ///     let mut seen = store.snapshot().await?.seq();
    ///     loop {
    ///         store.wait_past(seen).await?;
    ///         match store.changes(seen, 100).await? {
    ///             Feed::Changes(changes) => {
    ///                 for change in &changes {
    ///                     for event in &change.events {
    ///                         // Keys of service providers and admins have no account.
    ///                         if let Some(sid) = event.sid() {
    ///                             println!("{} {} {sid} {:?}", change.at, change.actor, event.changed_fields());
    ///                         }
    ///                     }
    ///                     seen = change.seq;
    ///                 }
    ///             }
    ///             // Too far behind: whatever is kept is made anew from all accounts.
    ///             Feed::Trimmed { .. } => seen = store.snapshot().await?.seq(),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError>;

    /// A page of what happened to one account, newest first, whether or not the account is there any more: every event
    /// of it and of its API keys in every commit that is kept, each once, but for the uses of keys
    /// ([`Event::is_told_of`](crate::Event::is_told_of)), and no event of another account. Pages that follow each other
    /// do not overlap, whatever is committed between them; only what is not kept any more by then is missing. The
    /// page that is the last says so, and whether the history before it was trimmed ([`HistoryPage::trimmed`]).
    ///
    /// It is kept as long as the feed is, or longer.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError>;

    /// Waits until there is a commit after `after`, and gives the number of the latest. Returns at once if there
    /// is one.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read, and when it is closed, so that nothing would ever come.
    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError>;

    /// All accounts as of one commit, not older than any that had returned before the call.
    ///
    /// A store that keeps its accounts in memory answers at once; another reads them all.
    ///
    /// # Errors
    /// [`StoreError`] when the store can't be read.
    async fn snapshot(&self) -> Result<Snapshot, StoreError>;

    /// As [`AccountStore::snapshot`], without waiting, from a store that keeps its accounts in memory; `None` from
    /// any other. The data plane reads from it.
    fn live(&self) -> Option<Snapshot>;

    /// The number of the commit that [`AccountStore::live`] is as of, told more cheaply than by asking for all of it. It is
    /// never less than that of a commit that has returned, or of a snapshot that was seen, and may be that of a commit that
    /// is about to be seen.
    fn live_seq(&self) -> Option<Seq>;
}

/// An answer of [`AccountStore::changes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// The commits asked for, in order.
    Changes(Vec<Arc<Change>>),
    /// Some of them are not kept any more.
    Trimmed {
        /// The oldest commit that is still kept.
        oldest: Seq,
    },
}

/// A shared store is a store.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: AccountStore + ?Sized> AccountStore for Arc<S> {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        (**self).commit(batch).await
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        (**self).by_sid(sid).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        (**self).by_name(name).await
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        (**self).by_realm(realm).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        (**self).key(id).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        (**self).keys(owner).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        (**self).list(listing).await
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        (**self).changes(after, limit).await
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        (**self).history(history).await
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        (**self).wait_past(after).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        (**self).snapshot().await
    }

    fn live(&self) -> Option<Snapshot> {
        (**self).live()
    }

    fn live_seq(&self) -> Option<Seq> {
        (**self).live_seq()
    }
}
