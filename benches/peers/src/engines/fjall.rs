//! fjall, every batch synced before its callers are answered.
//!
//! A thread that commits together what waits: fjall's own concurrency would sync once for each account, since a
//! commit holds the journal while it syncs. Its batches check nothing, so that the thread looks for the SID, name
//! and realm first; nobody else writes, and so no transaction is needed. It syncs with `fdatasync`
//! (`PersistMode::SyncData`), as ours does and as fjall recommends where that is enough.

use super::group::{Commit, Front};
use super::{Engine, Taken};
use crate::accounts::Row;
use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use async_trait::async_trait;
use gateway_accounts::{Account, SipRealm};
use std::collections::HashSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SYNC: PersistMode = PersistMode::SyncData;

/// How many accounts are loaded in one batch: it keeps all of one in memory.
const LOAD: usize = 10_000;

#[derive(Clone)]
struct Keyspaces {
    database: Database,
    accounts: Keyspace,
    names: Keyspace,
    realms: Keyspace,
}

impl Keyspaces {
    /// With a cache that holds all of a million accounts.
    fn open(folder: &Path) -> Self {
        let database =
            Database::builder(folder.join("fjall")).cache_size(2 << 30).open().expect("the database opens");
        let keyspace =
            |name| database.keyspace(name, KeyspaceCreateOptions::default).expect("the keyspace opens");
        Self {
            accounts: keyspace("accounts"),
            names: keyspace("names"),
            realms: keyspace("realms"),
            database,
        }
    }
}

pub struct Fjall {
    keyspaces: Keyspaces,
    front: Front<Keyspaces>,
}

impl Fjall {
    pub fn open(folder: &Path, grouped: bool) -> Self {
        let keyspaces = Keyspaces::open(folder);
        Self { front: Front::new(keyspaces.clone(), grouped), keyspaces }
    }
}

impl Commit for Keyspaces {
    fn commit(&mut self, rows: &[Row]) -> Vec<Result<(), Taken>> {
        let mut batch = self.database.batch().durability(Some(SYNC));
        // A batch can't be read before it is committed.
        let (mut sids, mut names, mut realms) = (HashSet::new(), HashSet::new(), HashSet::new());
        let results = rows.iter().map(|row| {
            let has = |keyspace: &Keyspace, key: &[u8]| keyspace.contains_key(key).expect("it can be read");
            if sids.contains(&row.sid)
                || names.contains(&row.name)
                || row.realm.as_ref().is_some_and(|realm| realms.contains(realm))
                || has(&self.accounts, &row.sid)
                || has(&self.names, row.name.as_bytes())
                || row.realm.as_ref().is_some_and(|realm| has(&self.realms, realm.as_bytes()))
            {
                return Err(Taken);
            }
            sids.insert(&row.sid);
            names.insert(&row.name);
            batch.insert(&self.accounts, row.sid, &*row.json);
            batch.insert(&self.names, &*row.name, row.sid);
            if let Some(realm) = &row.realm {
                realms.insert(realm);
                batch.insert(&self.realms, &**realm, row.sid);
            }
            Ok(())
        });
        let results = results.collect();
        batch.commit().expect("it can be written to");
        results
    }
}

#[async_trait]
impl Engine for Fjall {
    async fn create(&self, account: &Arc<Account>) -> Result<(), Taken> {
        self.front.create(Row::of(account)).await
    }

    async fn look_up(&self, realms: &[SipRealm]) -> usize {
        let found = |realm: &&SipRealm| {
            let sid = self.keyspaces.realms.get(realm.as_str()).expect("it can be read");
            let json = sid.and_then(|sid| self.keyspaces.accounts.get(sid).expect("it can be read"));
            json.is_some_and(|json| !black_box(&*json).is_empty())
        };
        realms.iter().filter(found).count()
    }

    async fn count(&self) -> u64 {
        self.keyspaces.accounts.len().expect("it can be read") as u64
    }
}

/// Not in one commit, but in synced batches: a figure of fjall's is not compared.
pub fn load(folder: &Path, accounts: &[Arc<Account>]) -> Duration {
    let mut keyspaces = Keyspaces::open(folder);
    let start = Instant::now();
    for some in accounts.chunks(LOAD) {
        let rows: Vec<Row> = some.iter().map(|account| Row::of(account)).collect();
        assert!(keyspaces.commit(&rows).iter().all(Result::is_ok), "they are all different");
    }
    let elapsed = start.elapsed();
    // What is read later is then in tables, as after some time of rest.
    for keyspace in [&keyspaces.accounts, &keyspaces.names, &keyspaces.realms] {
        keyspace
            .rotate_memtable_and_wait()
            .and_then(|()| keyspace.major_compact())
            .expect("it can be written to");
    }
    elapsed
}
