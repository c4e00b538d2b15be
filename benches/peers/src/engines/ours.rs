//! The file store.

use super::{Engine, Taken};
use crate::accounts::actor;
use async_trait::async_trait;
use gateway_accounts::{
    Account, AccountStore, Actor, Batch, CommitError, Conflict, FileStore, SipRealm, Timestamp, Write,
};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Its name in the folder.
pub const FILE: &str = "accounts.log";

pub struct Ours {
    pub store: FileStore,
    actor: Actor,
}

impl Ours {
    /// With one caller, commits are written in its task, as the peers' are.
    pub async fn open(folder: &Path, in_place: bool) -> Self {
        let store = FileStore::open(folder.join(FILE)).await.expect("the file opens");
        Self { store: if in_place { store.in_place() } else { store }, actor: actor() }
    }
}

#[async_trait]
impl Engine for Ours {
    async fn create(&self, account: &Arc<Account>) -> Result<(), Taken> {
        let create = Write::Create(Arc::clone(account));
        match self.store.commit(Batch::new(self.actor.clone(), Timestamp::default()).with(create)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(Conflict::Taken { .. })) => Err(Taken),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn look_up(&self, realms: &[SipRealm]) -> usize {
        // As the data plane does: without a future, and with the latest snapshot for each.
        let found = |realm: &&SipRealm| {
            let now = self.store.live().expect("it keeps its accounts in memory");
            black_box(now.by_realm(realm)).is_some()
        };
        realms.iter().filter(found).count()
    }

    async fn count(&self) -> u64 {
        self.store.snapshot().await.expect("memory is always there").len() as u64
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

pub async fn load(folder: &Path, accounts: &[Arc<Account>], commit: usize) -> Result<Duration, String> {
    let store = FileStore::open(folder.join(FILE)).await.expect("the file opens");
    let start = Instant::now();
    let mut result = Ok(());
    for some in accounts.chunks(commit) {
        let batch = Batch::new(actor(), Timestamp::default());
        let batch = some.iter().fold(batch, |batch, account| batch.with(Write::Create(Arc::clone(account))));
        result = result.and(store.commit(batch).await.map(|_| ()));
    }
    let elapsed = start.elapsed();
    store.close().await;
    result.map(|()| elapsed).map_err(|error| error.to_string())
}
