//! SQLite, as `rusqlite` bundles it: write-ahead log, `synchronous=FULL`, so that a commit is synced before it
//! returns.
//!
//! Its best honest configuration, as measured: see the comment at [`connect`].

use super::group::{Commit, Front};
use super::{Engine, Taken};
use crate::accounts::Row;
use async_trait::async_trait;
use gateway_accounts::{Account, SipRealm};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS accounts (
    sid BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, realm TEXT UNIQUE, json TEXT NOT NULL
) STRICT";

const INSERT: &str = "INSERT INTO accounts (sid, name, realm, json) VALUES (?1, ?2, ?3, CAST(?4 AS TEXT))";

/// What this build of SQLite syncs with.
pub const SYNCS_WITH: &str = match option_env!("LIBSQLITE3_FLAGS") {
    Some(flags) if !flags.is_empty() => flags,
    _ => "fsync",
};

pub struct Sqlite {
    front: Front<Writer>,
    /// Readers do not wait for the writer in a write-ahead log.
    reader: Mutex<Connection>,
}

/// A cache and a memory map that hold all of a million accounts. A checkpoint syncs the database too: with many
/// callers one after 64 MiB of log (instead of 4) gave a third more creates and a third of the p99 of one after 16 MiB;
/// with one caller it made them fewer, since a log that is written over syncs faster than one that grows. A table
/// without row numbers made no clear difference. Built to use `fdatasync` instead of `fsync`, which `rusqlite` does not do
/// by itself, it gave some 16 % more creates with 64 callers and no more with one: set
/// `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC` when building to give it that; [`SYNCS_WITH`] is printed.
fn connect(folder: &Path, grouped: bool) -> Connection {
    let connection = Connection::open(folder.join("accounts.sqlite")).expect("the database opens");
    let set = |name: &str, value: &dyn rusqlite::ToSql| {
        connection.pragma_update(None, name, value).expect("the setting is known");
    };
    set("journal_mode", &"WAL");
    set("synchronous", &"FULL");
    set("cache_size", &-2_097_152);
    set("mmap_size", &(4_i64 << 30));
    set("wal_autocheckpoint", if grouped { &16_384 } else { &4096 });
    connection
}

impl Sqlite {
    pub fn open(folder: &Path, grouped: bool) -> Self {
        let connection = connect(folder, grouped);
        connection.execute_batch(TABLE).expect("the table is made");
        let reader = Mutex::new(connect(folder, grouped));
        Self { front: Front::new(Writer(connection), grouped), reader }
    }
}

struct Writer(Connection);

/// Adds a row; a constraint that it breaks takes back no more than that.
fn insert(statement: &mut rusqlite::CachedStatement<'_>, row: &Row) -> Result<(), Taken> {
    match statement.execute(params![row.sid, row.name, row.realm, row.json]) {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Err(Taken),
        Err(error) => panic!("{error}"),
    }
}

impl Commit for Writer {
    fn commit(&mut self, rows: &[Row]) -> Vec<Result<(), Taken>> {
        let execute = |sql| {
            self.0.prepare_cached(sql).and_then(|mut statement| statement.execute([])).expect("it is SQL")
        };
        execute("BEGIN IMMEDIATE");
        let mut statement = self.0.prepare_cached(INSERT).expect("it is SQL");
        let results = rows.iter().map(|row| insert(&mut statement, row)).collect();
        execute("COMMIT");
        results
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn create(&self, account: &Arc<Account>) -> Result<(), Taken> {
        self.front.create(Row::of(account)).await
    }

    async fn look_up(&self, realms: &[SipRealm]) -> usize {
        let connection = self.reader.lock().expect("nobody panics with it");
        let mut statement =
            connection.prepare_cached("SELECT json FROM accounts WHERE realm = ?1").expect("it is SQL");
        let mut found = 0;
        for realm in realms {
            let length = statement
                .query_row([realm.as_str()], |row| Ok(black_box(row.get_ref(0)?.as_bytes()?).len()))
                .optional()
                .expect("it can be read");
            found += usize::from(length.is_some());
        }
        found
    }

    async fn count(&self) -> u64 {
        let connection = self.reader.lock().expect("nobody panics with it");
        let count: i64 =
            connection.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).expect("it is SQL");
        count as u64
    }
}

pub fn load(folder: &Path, accounts: &[Arc<Account>], commit: usize) -> Duration {
    let connection = connect(folder, true);
    connection.execute_batch(TABLE).expect("the table is made");
    let writer = Writer(connection);
    let start = Instant::now();
    for some in accounts.chunks(commit) {
        let execute = |sql| writer.0.execute_batch(sql).expect("it is SQL");
        execute("BEGIN IMMEDIATE");
        let mut statement = writer.0.prepare_cached(INSERT).expect("it is SQL");
        for account in some {
            insert(&mut statement, &Row::of(account)).expect("they are all different");
        }
        execute("COMMIT");
    }
    let elapsed = start.elapsed();
    // Closing moves what is in the log to the database.
    writer.0.close().expect("it can be closed");
    elapsed
}
