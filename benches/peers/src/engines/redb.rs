//! redb, every commit with `Durability::Immediate` (its default): one sync each.
//!
//! It has one writer at a time, so that a thread which commits together what waits is the only way to sync less
//! often than once for each account. Quick repair and two-phase commit stay off, which sync twice.

use super::group::{Commit, Front};
use super::{Engine, Taken};
use crate::accounts::Row;
use ::redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, WriteTransaction,
};
use async_trait::async_trait;
use gateway_accounts::{Account, SipRealm};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ACCOUNTS: TableDefinition<[u8; 16], &[u8]> = TableDefinition::new("accounts");
const NAMES: TableDefinition<&str, [u8; 16]> = TableDefinition::new("names");
const REALMS: TableDefinition<&str, [u8; 16]> = TableDefinition::new("realms");

pub struct Redb {
    database: Arc<Database>,
    front: Front<Writer>,
}

/// With a cache that holds all of a million accounts.
fn connect(folder: &Path) -> Database {
    let path = folder.join("accounts.redb");
    let database = Database::builder().set_cache_size(2 << 30).create(path).expect("the database opens");
    let transaction = begin(&database);
    drop(Tables::of(&transaction));
    transaction.commit().expect("the tables are made");
    database
}

fn begin(database: &Database) -> WriteTransaction {
    let mut transaction = database.begin_write().expect("it can be written to");
    transaction.set_durability(Durability::Immediate).expect("it is the default");
    transaction
}

struct Tables<'a> {
    accounts: Table<'a, [u8; 16], &'static [u8]>,
    names: Table<'a, &'static str, [u8; 16]>,
    realms: Table<'a, &'static str, [u8; 16]>,
}

impl<'a> Tables<'a> {
    fn of(transaction: &'a WriteTransaction) -> Self {
        Self {
            accounts: transaction.open_table(ACCOUNTS).expect("the table opens"),
            names: transaction.open_table(NAMES).expect("the table opens"),
            realms: transaction.open_table(REALMS).expect("the table opens"),
        }
    }

    fn insert(&mut self, row: &Row) -> Result<(), Taken> {
        let taken = self.accounts.get(row.sid).expect("it can be read").is_some()
            || self.names.get(&*row.name).expect("it can be read").is_some()
            || row
                .realm
                .as_deref()
                .is_some_and(|realm| self.realms.get(realm).expect("it can be read").is_some());
        if taken {
            return Err(Taken);
        }
        self.accounts.insert(row.sid, &*row.json).expect("it can be written to");
        self.names.insert(&*row.name, row.sid).expect("it can be written to");
        if let Some(realm) = &row.realm {
            self.realms.insert(&**realm, row.sid).expect("it can be written to");
        }
        Ok(())
    }
}

impl Redb {
    pub fn open(folder: &Path, grouped: bool) -> Self {
        let database = Arc::new(connect(folder));
        let front = Front::new(Writer(Arc::clone(&database)), grouped);
        Self { database, front }
    }
}

struct Writer(Arc<Database>);

impl Commit for Writer {
    fn commit(&mut self, rows: &[Row]) -> Vec<Result<(), Taken>> {
        let transaction = begin(&self.0);
        let mut tables = Tables::of(&transaction);
        let results = rows.iter().map(|row| tables.insert(row)).collect();
        drop(tables);
        transaction.commit().expect("it can be written to");
        results
    }
}

fn find(
    accounts: &ReadOnlyTable<[u8; 16], &'static [u8]>,
    realms: &ReadOnlyTable<&'static str, [u8; 16]>,
    realm: &SipRealm,
) -> bool {
    let sid = realms.get(realm.as_str()).expect("it can be read").map(|sid| sid.value());
    let json = sid.and_then(|sid| accounts.get(sid).expect("it can be read"));
    json.is_some_and(|json| !black_box(json.value()).is_empty())
}

#[async_trait]
impl Engine for Redb {
    async fn create(&self, account: &Arc<Account>) -> Result<(), Taken> {
        self.front.create(Row::of(account)).await
    }

    /// A read transaction sees what was committed before it began, and so each look-up has one of its own.
    async fn look_up(&self, realms: &[SipRealm]) -> usize {
        let found = |realm: &&SipRealm| {
            let transaction = self.database.begin_read().expect("it can be read");
            let accounts = transaction.open_table(ACCOUNTS).expect("the table opens");
            let realms = transaction.open_table(REALMS).expect("the table opens");
            find(&accounts, &realms, realm)
        };
        realms.iter().filter(found).count()
    }

    async fn count(&self) -> u64 {
        let transaction = self.database.begin_read().expect("it can be read");
        let accounts = transaction.open_table(ACCOUNTS).expect("the table opens");
        accounts.len().expect("it can be read")
    }
}

/// As `look_up`, in one read transaction for all, which sees nothing that was committed since: said beside the
/// figure that counts.
pub fn look_up_in_one_transaction(folder: &Path, realms: &[SipRealm]) -> Duration {
    let database = connect(folder);
    let transaction = database.begin_read().expect("it can be read");
    let accounts = transaction.open_table(ACCOUNTS).expect("the table opens");
    let by_realm = transaction.open_table(REALMS).expect("the table opens");
    let pass = || realms.iter().filter(|realm| find(&accounts, &by_realm, realm)).count();
    assert_eq!(pass(), realms.len());
    let start = Instant::now();
    assert_eq!(pass(), realms.len());
    start.elapsed()
}

pub fn load(folder: &Path, accounts: &[Arc<Account>], commit: usize) -> Duration {
    let database = connect(folder);
    let start = Instant::now();
    for some in accounts.chunks(commit) {
        let transaction = begin(&database);
        let mut tables = Tables::of(&transaction);
        for account in some {
            tables.insert(&Row::of(account)).expect("they are all different");
        }
        drop(tables);
        transaction.commit().expect("it can be written to");
    }
    start.elapsed()
}
