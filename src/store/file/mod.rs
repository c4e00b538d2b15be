//! Accounts in a file: the state machine of [`Snapshot`], plus one append-only log.

mod format;
mod recovery;
mod writer;

pub use recovery::{FileDamage, TornTail};

use crate::model::account::Account;
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::sid::AccountSid;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use crate::store::live::Live;
use crate::store::memory::MemoryStore;
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use async_channel::{Sender, bounded};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use writer::Request;

/// Keeps accounts in a file, and all of them in memory too.
///
/// The file is append-only lines of JSON with a checksum before each, one line for each commit, for an operator to
/// read with `less`, `grep` and `jq` (`cut -c 10- accounts.log | jq`; the
/// first line says what the file is). A commit is on the disk (`fdatasync`) before
/// it is acknowledged. Opening reads the file from its beginning; a commit that was being written when the process or
/// the machine stopped was never acknowledged, and is cut off and reported by [`FileStore::opened`]. Damage
/// anywhere else is refused, naming the line.
///
/// The file holds the webhook secrets and passwords **in clear**; it is created readable by its owner alone
/// (0600).
///
/// One store at a time has a file open: it is locked, and so is a file beside it, of its name and `.lock`. Another
/// program may read it, but must not change, remove or replace it (rotate it, say) while it is open: the store
/// notices before its next write, and then writes no more.
///
/// Cloning it shares it. All writing is done by one thread that the store starts, so that no executor is needed or
/// blocked. When the last handle is dropped, the thread finishes what it was asked, and closes the file; to wait for that, as before
/// opening the file anew, use [`FileStore::close`].
///
/// ```
/// use gateway_accounts::{Accounts, FileStore};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("accounts.log");
/// # futures_lite::future::block_on(async {
/// let store = FileStore::open(&path).await?;
/// assert_eq!(store.opened().accounts, 0);
/// let accounts = Accounts::new(store);
/// # Ok::<(), gateway_accounts::StoreError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FileStore {
    live: Arc<Live>,
    opened: Opened,
    requests: Sender<Request>,
}

/// What was found when an account file was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The last commit in it.
    pub seq: Seq,
    /// How many accounts there are.
    pub accounts: usize,
    /// What was cut off at its end. No acknowledged commit is in it; but an application may want to log it.
    pub torn_tail: Option<TornTail>,
}

/// How to open an account file.
#[derive(Debug, Clone, Copy)]
pub struct FileStoreOptions {
    history: usize,
}

impl Default for FileStoreOptions {
    fn default() -> Self {
        Self { history: MemoryStore::DEFAULT_HISTORY }
    }
}

impl FileStoreOptions {
    /// How many changes are kept in memory for the feed; the default is [`MemoryStore::DEFAULT_HISTORY`]. The file
    /// keeps all of them.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }

    /// Opens the file; creates it when there is none.
    ///
    /// # Errors
    /// [`StoreError`] of kind
    /// [`InUse`](StoreErrorKind::InUse) when another store has it open,
    /// [`Damaged`](StoreErrorKind::Damaged) when it does not read back (the source is a [`FileDamage`], if it is an
    /// account file at all),
    /// [`NewerVersion`](StoreErrorKind::NewerVersion) when a newer version of this crate wrote it,
    /// [`Io`](StoreErrorKind::Io) when the system refuses.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<FileStore, StoreError> {
        let path = path.as_ref().to_owned();
        let (start, started) = bounded(1);
        let (requests, asked) = bounded(QUEUE);
        std::thread::Builder::new()
            .name("gateway-accounts".into())
            .spawn(move || writer::run(&path, self, &start, &asked))
            .map_err(|error| {
                StoreError::new(StoreErrorKind::Io, "could not start the writing thread").with_source(error)
            })?;
        let (live, opened) = started.recv().await.unwrap_or_else(|_| Err(gone()))?;
        Ok(FileStore { live, opened, requests })
    }
}

/// How many commits wait for the writing thread before callers do.
const QUEUE: usize = 1024;

impl FileStore {
    /// Opens a file with the default [`FileStoreOptions`]; creates it when there is none.
    ///
    /// # Errors
    /// As [`FileStoreOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        FileStoreOptions::default().open(path).await
    }

    /// What was found when the file was opened.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Commits what was asked before, closes the file, and lets others open it. Later commits are refused with
    /// [`StoreErrorKind::Failed`], and so is waiting for one; reads go on from memory.
    pub async fn close(&self) {
        let (reply, closed) = bounded(1);
        if self.requests.send(Request::Close { reply }).await.is_ok() {
            // An error means that the thread is gone, which is what is waited for.
            let _ = closed.recv().await;
        }
    }
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Failed, "the account file is closed")
}

#[async_trait]
impl AccountStore for FileStore {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let (reply, answer) = bounded(1);
        self.requests.send(Request::Commit { batch, reply }).await.map_err(|_| gone())?;
        answer.recv().await.map_err(|_| gone())?
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.live.snapshot().by_sid(sid).cloned())
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.live.snapshot().by_name(name).cloned())
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.live.snapshot().by_realm(realm).cloned())
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        Ok(self.live.snapshot().page(listing))
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        Ok(self.live.changes(after, limit))
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        Ok(self.live.account_history(history).await)
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.live.wait_past(after).await.ok_or_else(gone)
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(self.live.snapshot())
    }

    fn live(&self) -> Option<Snapshot> {
        Some(self.live.snapshot())
    }
}
