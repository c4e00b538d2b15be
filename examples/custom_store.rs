//! A store of one's own, and proof that it keeps the promises of `AccountStore`.
//!
//! Run it with `cargo run --example custom_store --features testkit`.
//!
//! This one keeps all accounts and API keys as one JSON document, and writes it anew for every commit: beside the former, synced,
//! then renamed over it. That is enough for a handful of accounts that seldom change. What it does not do: it does
//! not keep a second process out; it keeps no changes from before it was opened, and its feed and histories say so; it would not
//! notice a damaged disk; and it writes on the thread that polls the commit, where a store for a busy program would
//! use one of its own.

use async_trait::async_trait;
use futures_lite::future::block_on;
use gateway_accounts::testkit::{self, Backend};
use gateway_accounts::*;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps accounts in one JSON document.
#[derive(Debug)]
struct DocumentStore {
    directory: PathBuf,
    /// Answers all reads, and decides which batches contradict what is there.
    memory: MemoryStore,
    /// Held by the one who commits. Whether a write has failed: what is on disk is then unknown until it is read
    /// again.
    failed: Mutex<bool>,
}

/// What is in the file. It has the webhook secrets in clear.
#[derive(Serialize, Deserialize)]
struct Document {
    seq: Seq,
    accounts: Vec<AccountRecord>,
    keys: Vec<ApiKeyRecord>,
}

impl DocumentStore {
    const FILE: &str = "accounts.json";
    const NEXT_FILE: &str = "accounts.json.next";

    fn open(directory: &Path) -> Result<Self, StoreError> {
        let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::new(StoreErrorKind::Damaged, "the document holds no accounts").with_source(error)
        };
        let snapshot = match fs::read(directory.join(Self::FILE)) {
            Ok(bytes) => {
                let Document { seq, accounts, keys } =
                    serde_json::from_slice(&bytes).map_err(|error| damaged(error.into()))?;
                let accounts: Result<Vec<_>, _> = accounts.into_iter().map(Account::try_from).collect();
                let accounts = accounts.map_err(|error| damaged(error.into()))?;
                let keys: Result<Vec<_>, _> = keys.into_iter().map(ApiKey::try_from).collect();
                let keys = keys.map_err(|error| damaged(error.into()))?;
                Snapshot::from_accounts(seq, accounts.into_iter().map(Arc::new))
                    .and_then(|snapshot| snapshot.with_keys(keys.into_iter().map(Arc::new)))
                    .map_err(|error| damaged(error.into()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Snapshot::empty(),
            Err(error) => {
                return Err(
                    StoreError::new(StoreErrorKind::Io, "the document can't be read").with_source(error)
                );
            }
        };
        let memory = MemoryStore::starting_from(snapshot, MemoryStore::DEFAULT_HISTORY);
        Ok(Self { directory: directory.to_owned(), memory, failed: Mutex::new(false) })
    }

    fn write(&self, snapshot: &Snapshot) -> io::Result<()> {
        let accounts = snapshot.iter().map(|account| AccountRecord::from(&**account)).collect();
        let keys = snapshot.keys().map(|key| ApiKeyRecord::from(&**key)).collect();
        let document = serde_json::to_vec(&Document { seq: snapshot.seq(), accounts, keys })?;
        let next = self.directory.join(Self::NEXT_FILE);
        fs::write(&next, document)?;
        File::open(&next)?.sync_all()?;
        fs::rename(&next, self.directory.join(Self::FILE))?;
        // The new name is durable once its directory is.
        File::open(&self.directory)?.sync_all()
    }
}

#[async_trait]
impl AccountStore for DocumentStore {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        // Nothing is awaited from here on, and so nobody can give up a commit half way.
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            let message = "an earlier write failed; open the store anew";
            return Err(StoreError::new(StoreErrorKind::Failed, message).into());
        }
        let (next, _) = self.memory.live().unwrap_or_default().apply(&batch)?;
        if let Err(error) = self.write(&next) {
            *failed = true;
            let error =
                StoreError::new(StoreErrorKind::Io, "the document can't be written").with_source(error);
            return Err(error.into());
        }
        // Durable first, visible then. A commit to memory does not wait, and this one was decided already.
        block_on(self.memory.commit(batch))
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        self.memory.by_sid(sid).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        self.memory.by_name(name).await
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        self.memory.by_realm(realm).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.memory.key(id).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.memory.keys(owner).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.memory.list(listing).await
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        self.memory.changes(after, limit).await
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        self.memory.history(history).await
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.memory.wait_past(after).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.memory.snapshot().await
    }

    fn live(&self) -> Option<Snapshot> {
        self.memory.live()
    }

    fn live_seq(&self) -> Option<Seq> {
        self.memory.live_seq()
    }
}

/// How the suite gets one: each in a directory of its own, which is removed with its `TempDir`.
struct InTemporaryDirectory;

impl Backend for InTemporaryDirectory {
    type Store = DocumentStore;
    type Place = tempfile::TempDir;

    fn create(&self) -> (Self::Place, DocumentStore) {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let store = DocumentStore::open(place.path()).expect("a new store opens");
        (place, store)
    }

    fn reopen(&self, place: &Self::Place, store: DocumentStore) -> Option<DocumentStore> {
        drop(store);
        Some(DocumentStore::open(place.path()).expect("what was written can be read"))
    }
}

fn main() {
    // In the tests of a crate, one line does the same: testkit::conformance!(document, InTemporaryDirectory);
    let report = testkit::run(&InTemporaryDirectory);
    println!("\n{report}");
    assert!(report.failed.is_empty());
}
