//! Accounts in a file: the state machine of [`Snapshot`], plus one append-only log.

mod append;
mod backup;
mod committer;
mod compaction;
mod disk;
mod format;
mod keys;
mod log;
mod parallel;
mod partial;
mod reader;
mod recovery;
mod rewriting;
mod salvage;
mod secrets;
#[cfg(test)]
mod simulation;
mod size;
mod staging;
mod verify;
mod writer;

pub use backup::Backup;
pub use log::Opened;
pub use recovery::{FileDamage, TornTail};
pub use salvage::{LeftOut, Loss, Salvaged, WhyLeftOut};
pub use verify::Verified;

use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use crate::store::live::Live;
use crate::store::memory::MemoryStore;
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use async_channel::{Receiver, Sender, bounded};
use async_trait::async_trait;
use backup::Copying;
use committer::{Committer, Here};
use disk::RealDisk;
use futures_channel::oneshot;
use log::LogOptions;
use secrets::Secrets;
use staging::Prepared;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use writer::Request;

/// Keeps accounts in a file, and all of them in memory too.
///
/// The file is lines of JSON with a checksum before each, one line for each commit, for an operator to
/// read with `less`, `grep` and `jq` (`cut -c 10- accounts.log | jq`; the first line says what the file is).
/// `docs/file-format.md` in the repository specifies it. A commit is on the disk (`fdatasync`) before it is acknowledged;
/// commits that wait at the same time share one write and one sync. Opening reads the file from its beginning; what was
/// being written when the process or the machine stopped was never acknowledged, and is cut off and reported by
/// [`FileStore::opened`] (so is the end of a file that somebody cut short). Damage anywhere else is refused, naming the line; [`FileStore::salvage`] saves the rest.
///
/// When more than half of the file is superseded, it is rewritten in the background, and the new one takes its place in
/// one step ([`FileStoreOptions::compact_from`]); the last changes stay in it
/// ([`FileStoreOptions::history`]). So with its copy it takes less than three times the space of the accounts and the
/// history, and up to 2 MiB. While it is open, it ends in up to 1 MiB of TAB characters, which the next commits are
/// written over; `tail` shows little else, `grep '"seq":'` the commits.
///
/// Without a keyring the file holds the webhook secrets and passwords **in clear**; with one
/// (`FileStoreOptions::sealed_with`, feature `sealing`) they are sealed. It is created readable by its owner alone (0600);
/// one that is put there by somebody else keeps the permissions that it has until it is rewritten.
///
/// One store at a time has a file open: it is locked, and so is a file beside it, of its name and `.lock`; the
/// rewritten file is beside it too, under its name and `.new`. Another
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
#[derive(Clone)]
pub struct FileStore {
    live: Arc<Live>,
    opened: Opened,
    requests: Sender<Request>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
    secrets: Secrets,
    committer: Arc<Committer>,
    /// Whether commits are written on the thread that polls them, where that is possible.
    in_place: bool,
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.live.snapshot();
        f.debug_struct("FileStore")
            .field("seq", &now.seq())
            .field("accounts", &now.len())
            .field("in_place", &self.in_place)
            .finish_non_exhaustive()
    }
}

/// How to open an account file.
#[derive(Debug, Clone)]
pub struct FileStoreOptions {
    history: usize,
    compact_from: u64,
    secrets: Secrets,
}

impl Default for FileStoreOptions {
    fn default() -> Self {
        Self {
            history: MemoryStore::DEFAULT_HISTORY,
            compact_from: Self::DEFAULT_COMPACT_FROM,
            secrets: Secrets::default(),
        }
    }
}

impl FileStoreOptions {
    /// What [`FileStoreOptions::compact_from`] is when nothing is said: 1 MiB.
    pub const DEFAULT_COMPACT_FROM: u64 = 1 << 20;

    /// How many changes are kept, of all accounts together, for the feed and for the history of each account; the
    /// default is [`MemoryStore::DEFAULT_HISTORY`], 10,000. In the file, older ones stay until it is rewritten.
    ///
    /// One account that is edited very often pushes the changes of others out. What a change takes in memory is what it
    /// replaced, half a kilobyte as accounts go, and in the file as much again.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }

    /// The least number of superseded bytes for which the file is rewritten; it is, when they are also more than half
    /// of it.
    #[must_use]
    pub fn compact_from(mut self, bytes: u64) -> Self {
        self.compact_from = bytes;
        self
    }

    /// Keeps webhook secrets and the passwords of webhooks sealed with the first key of this keyring; every one of its
    /// keys opens what was sealed with it. A file whose secrets are in clear is rewritten with all of them sealed when
    /// it is opened, before anything else; from then on it opens only with the keys. What was sealed with another key
    /// stays so until [`FileStore::reseal`].
    ///
    /// To replace a key: open with the new one first and the present one as a
    /// [former](crate::Keyring::with_former) one, [`FileStore::reseal`], and from the next opening on leave the former
    /// one out. Backups that were made before still need it. Those made before a file was sealed at all, and perhaps
    /// blocks of the disk that the file has given up, still hold the secrets in clear.
    #[cfg(feature = "sealing")]
    #[must_use]
    pub fn sealed_with(mut self, keyring: crate::Keyring) -> Self {
        self.secrets = Secrets::sealed_with(keyring);
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
    /// [`Sealed`](StoreErrorKind::Sealed) when its secrets are sealed and no key that was given opens them,
    /// [`Io`](StoreErrorKind::Io) when the system refuses.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<FileStore, StoreError> {
        let path = path.as_ref().to_owned();
        let (start, started) = bounded(1);
        let (requests, asked) = bounded(QUEUE);
        let itself = requests.downgrade();
        let (ending, ended) = bounded(1);
        let secrets = self.secrets.clone();
        let options =
            LogOptions { history: self.history, worth_compacting: self.compact_from, secrets: self.secrets };
        std::thread::Builder::new()
            .name("gateway-accounts".into())
            .spawn(move || {
                // Dropped last, when all files are closed.
                let _ending = ending;
                writer::run(&path, options, &start, &asked, itself);
            })
            .map_err(|error| {
                StoreError::new(StoreErrorKind::Io, "could not start the writing thread").with_source(error)
            })?;
        let (live, opened, committer) = started.recv().await.unwrap_or_else(|_| Err(gone()))?;
        Ok(FileStore { live, opened, requests, ended, secrets, committer, in_place: false })
    }
}

impl FileStoreOptions {
    /// Reads a file as opening does, and changes nothing: neither is it locked, completed, nor upgraded. So it can be
    /// done to a file that is in use (then the commit that is just being written may be a torn tail), and to one that
    /// may not be written to.
    ///
    /// Without a keyring, secrets that are sealed are not looked at.
    ///
    /// A file that was cut short after its base, or to nothing, reads well, perhaps with a torn tail: compare
    /// [`Verified`] with the [`Backup`] that it was.
    ///
    /// # Errors
    /// As [`FileStoreOptions::open`]; the first thing that is wrong. Of kind [`Io`](StoreErrorKind::Io), too, when
    /// there is no file.
    pub async fn verify(self, path: impl AsRef<Path>) -> Result<Verified, StoreError> {
        let path = path.as_ref().to_owned();
        let secrets = if self.secrets.sealed() { self.secrets } else { self.secrets.unopened() };
        blocking("verify", move || {
            writer::check_is_file(&path)?;
            verify::verify(&RealDisk, &path, &secrets)
        })
        .await
    }

    /// Saves everything readable of a damaged file into a new one, and tells what was lost. The damaged file is only
    /// read, whatever its version; it should not be in use.
    ///
    /// Lines that do not read are skipped, the others applied in their order, whether they follow from what was lost or
    /// not. The new file has the accounts and no history; it is durable when this returns, its owner's alone, and sealed
    /// if there is a keyring. Until it is complete it has the name of the new file and `.partial`.
    ///
    /// # Errors
    /// [`StoreError`] of kind
    /// [`Foreign`](StoreErrorKind::Foreign) when nothing in the damaged file is of an account file,
    /// [`Exists`](StoreErrorKind::Exists) when there is a file at the new path already,
    /// [`NewerVersion`](StoreErrorKind::NewerVersion) when a newer version of this crate wrote it,
    /// [`Sealed`](StoreErrorKind::Sealed) when its secrets are sealed, and no key that was given opens any of them,
    /// [`InUse`](StoreErrorKind::InUse) when another file is being written to the new path,
    /// [`Io`](StoreErrorKind::Io) when there is no damaged file, or the system refuses.
    pub async fn salvage(
        self,
        damaged: impl AsRef<Path>,
        new: impl AsRef<Path>,
    ) -> Result<Salvaged, StoreError> {
        let (damaged, new) = (damaged.as_ref().to_owned(), new.as_ref().to_owned());
        let salvage = move || salvage::salvage(Arc::new(RealDisk), &damaged, &new, &self.secrets);
        blocking("salvage", salvage).await
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

    /// Reads a file as opening does, and changes nothing, with the default [`FileStoreOptions`].
    ///
    /// ```
    /// use gateway_accounts::FileStore;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("accounts.log");
    /// # futures_lite::future::block_on(async {
    /// FileStore::open(&path).await?.close().await;
    /// let verified = FileStore::verify(&path).await?;
    /// assert_eq!((verified.accounts, verified.torn_tail), (0, None));
    /// # Ok::<(), gateway_accounts::StoreError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`FileStoreOptions::verify`].
    pub async fn verify(path: impl AsRef<Path>) -> Result<Verified, StoreError> {
        FileStoreOptions::default().verify(path).await
    }

    /// Saves everything readable of a damaged file into a new one, with the default [`FileStoreOptions`].
    ///
    /// ```
    /// use gateway_accounts::FileStore;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("accounts.log");
    /// # let new = folder.path().join("salvaged.log");
    /// # futures_lite::future::block_on(async {
    /// # FileStore::open(&path).await?.close().await;
    /// let salvaged = FileStore::salvage(&path, &new).await?;
    /// print!("saved {} accounts\n{}{}", salvaged.accounts, salvaged.lost, salvaged.left_out);
    /// # assert!(salvaged.is_everything());
    /// let store = FileStore::open(&new).await?;
    /// # Ok::<(), gateway_accounts::StoreError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`FileStoreOptions::salvage`].
    pub async fn salvage(damaged: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<Salvaged, StoreError> {
        FileStoreOptions::default().salvage(damaged, new).await
    }

    /// What was found when the file was opened.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// A handle of this store that writes on the thread that polls a commit, and syncs there, when nobody else is
    /// writing: for a program that gives its commits a thread of their own, such as a provisioning job, or that runs
    /// them where blocking is allowed. A lone caller then waits for a write and a sync and for nothing else; by any
    /// other handle it also waits for two threads to be woken. When others are writing, its commits join theirs.
    ///
    /// It keeps every guarantee of [`AccountStore`] but one: it blocks the thread on a disk, and so does not belong on
    /// the threads of an async executor that others wait for. On a thread of its own, a future is run by any `block_on`,
    /// such as that of `futures-lite` or of a handle to the runtime. Closing one handle closes all. An
    /// [`Accounts`](crate::Accounts) over it is another than the one over the store, and is to be told the same policies.
    ///
    /// ```
    /// use gateway_accounts::{Accounts, FileStore};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("accounts.log");
    /// # futures_lite::future::block_on(async {
    /// let store = FileStore::open(&path).await?;
    /// let provisioning = Accounts::new(store.in_place());
    /// # Ok::<(), gateway_accounts::StoreError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_place(&self) -> Self {
        Self { in_place: true, ..self.clone() }
    }

    /// Rewrites the file without what is superseded, which it otherwise does by itself when that is more than half
    /// of it. Commits go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] of kind [`Io`](StoreErrorKind::Io) when the system refuses; then the file is as it was. Of kind
    /// [`Failed`](StoreErrorKind::Failed) when the store is closed or has failed.
    pub async fn compact(&self) -> Result<(), StoreError> {
        let (reply, compacted) = bounded(1);
        self.requests.send(Request::Compact { reply }).await.map_err(|_| gone())?;
        compacted.recv().await.map_err(|_| gone())?
    }

    /// Seals all secrets with the first key of the keyring that the store was opened with, so that no other is needed
    /// any more, and rewrites the file in one step. Commits go on meanwhile.
    ///
    /// # Errors
    /// As [`FileStore::compact`]; and of kind [`Sealed`](StoreErrorKind::Sealed) when the store was opened without a
    /// keyring.
    #[cfg(feature = "sealing")]
    pub async fn reseal(&self) -> Result<(), StoreError> {
        if !self.secrets.sealed() {
            let message = "the store was opened without a keyring, and so there is no key to seal with";
            return Err(StoreError::new(StoreErrorKind::Sealed, message));
        }
        // Whatever is written since the store was opened is sealed with the first key, also while the file is being
        // rewritten.
        self.compact().await
    }

    /// Copies the file to a new one, as it is at this moment, while commits go on. The copy is a whole account file,
    /// durable when this returns, its owner's alone, and holds secrets just as the original does. Until it is
    /// complete it has the name of the new file and `.partial`.
    ///
    /// Keep what this returns beside the copy: that a copy of the copy was cut short, only its length and its last
    /// commit tell. A store that has failed can still be backed up, as of its last acknowledged commit.
    ///
    /// # Errors
    /// [`StoreError`] of kind [`Exists`](StoreErrorKind::Exists) when there is a file already,
    /// [`InUse`](StoreErrorKind::InUse) when another backup is being written there,
    /// [`Io`](StoreErrorKind::Io) when the system refuses,
    /// [`Failed`](StoreErrorKind::Failed) when the store is closed.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<Backup, StoreError> {
        let path = path.as_ref().to_owned();
        let (reply, source) = bounded(1);
        self.requests.send(Request::End { reply }).await.map_err(|_| gone())?;
        let source = source.recv().await.map_err(|_| gone())??;
        blocking("backup", move || {
            let mut copying = Copying::begin(Arc::new(RealDisk), source, &path)?;
            loop {
                if let Some(backup) = copying.step()? {
                    return Ok(backup);
                }
            }
        })
        .await
    }

    /// Commits what was asked before, closes the file, and lets others open it. Later commits are refused with
    /// [`StoreErrorKind::Failed`], and so is waiting for one; reads go on from memory.
    pub async fn close(&self) {
        // An error means that somebody else has closed it, or is closing it.
        let _ = self.requests.send(Request::Close).await;
        let _ = self.ended.recv().await;
    }
}

/// Does work that waits for a disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (reply, done) = bounded(1);
    let spawned = std::thread::Builder::new().name(format!("gateway-accounts-{name}")).spawn(move || {
        // Whoever asked may have given up; then there is nobody to tell.
        let _ = reply.try_send(work());
    });
    let failed = |error| {
        StoreError::new(StoreErrorKind::Io, format!("could not start a thread for {name}")).with_source(error)
    };
    spawned.map_err(failed)?;
    let panicked = |_| StoreError::new(StoreErrorKind::Failed, format!("the thread for {name} ended early"));
    done.recv().await.map_err(panicked)?
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Failed, "the account file is closed")
}

#[async_trait]
impl AccountStore for FileStore {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let mut prepared = Prepared::new(batch, &self.secrets)?;
        if self.in_place {
            match self.committer.commit_here(prepared) {
                Here::Done(result) => return result,
                Here::Busy(busy) => prepared = busy,
            }
        }
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Commit { prepared, reply }).await.map_err(|_| gone())?;
        let (result, _) = answer.await.map_err(|_| gone())?;
        result
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.live.find(|now| now.by_sid(sid).cloned()))
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.live.find(|now| now.by_name(name).cloned()))
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.live.find(|now| now.by_realm(realm).cloned()))
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        Ok(self.live.find(|now| now.key(id).cloned()))
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        Ok(self.live.snapshot().keys_of(owner).cloned().collect())
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

    fn live_seq(&self) -> Option<Seq> {
        Some(self.live.seq())
    }
}
