//! Accounts in PostgreSQL, shared by any number of processes.

mod database;
mod error;
mod load;
mod notices;
mod options;
mod rows;
mod schema;
mod sealing;
mod secrets;
mod writer;
mod writes;

pub use options::{PostgresStoreOptions, SchemaNameError};

use crate::access::Actor;
use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{AccountHistory, Batch, Change, HistoryPage, Listing, Page, Seq, Snapshot};
use crate::store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
use async_trait::async_trait;
use database::Database;
use notices::Notices;
use rows::{Rows, damaged};
use secrets::{Secrets, read_json};
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row, Socket};
use writer::Waiting;
use writes::Written;

/// Keeps accounts in a PostgreSQL database, in a schema of its own, for any number of processes at a time.
///
/// It keeps every guarantee of [`AccountStore`]. What is unique, which revision an account has and which number a commit gets is decided by
/// the database, in one statement for each commit, or for several that wait; so no lock is held while anything goes over
/// the network. Its durability is the database's: leave `fsync` on.
///
/// - **Numbers of commits** are given one after the other, in the order in which commits become visible. So a reader of the feed
///   never passes over one that comes late.
/// - **A commit whose connection is lost** before the answer comes is sent again, and made once: it has an id. Only if the database stays
///   away for longer than [`commit_timeout`](PostgresStoreOptions::commit_timeout) is its fate
///   [`Unknown`](StoreErrorKind::Unknown). Dropping the future of a commit does not take it back.
/// - **Reads ask the database.** [`live`](AccountStore::live) gives `None`: a [`Directory`](crate::Directory) follows the store for those
///   who can't wait.
/// - **Secrets** are in the database in clear, unless they are sealed (`PostgresStoreOptions::sealed_with`, feature `sealing`).
///
/// It needs a tokio runtime to be connected in, which has to go on; its futures may be polled by any executor. TLS is the
/// caller's choice: `tokio-postgres-rustls`, `postgres-native-tls`, or [`NoTls`](tokio_postgres::NoTls) for a socket. Connections have to be the
/// session's own: a pooler that hands them on between transactions, as PgBouncer does in its transaction mode, is in the way of hearing
/// of commits.
///
/// Cloning it shares it.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    database: Arc<Database>,
    notices: Arc<Notices>,
    secrets: Secrets,
    commits: mpsc::Sender<Waiting>,
    runtime: Handle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.notices.close();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.0.database).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, by what holds where nothing is said: see [`PostgresStoreOptions::connect`].
    ///
    /// # Errors
    /// [`StoreError`], as there.
    pub async fn connect<T>(config: Config, tls: T) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        PostgresStoreOptions::new().connect(config, tls).await
    }

    async fn open<T>(
        options: PostgresStoreOptions,
        config: Config,
        tls: T,
        runtime: Handle,
    ) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let database = Arc::new(Database::new(&options, config, tls)?);
        schema::prepare(&database, options.may_migrate).await?;
        sealing::prepare(&database, &options.secrets, options.may_migrate).await?;
        let notices = Arc::new(Notices::new(&options.schema, options.poll_interval));
        let PostgresStoreOptions { secrets, commit_timeout, history, .. } = options;
        let commits = writer::start(&database, &notices, &secrets, commit_timeout, history);
        Ok(Self(Arc::new(Inner { database, notices, secrets, commits, runtime })))
    }

    /// Seals all secrets anew, with the first key of the keyring, so that a former key is not needed any more; how many accounts
    /// there were. Commits wait meanwhile. Without a keyring it does nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was changed.
    #[cfg(feature = "sealing")]
    pub async fn reseal(&self) -> Result<usize, StoreError> {
        self.run(|inner| async move { sealing::reseal(&inner.database, &inner.secrets).await }).await
    }

    /// Closes its connections when the commits that are under way are done; whoever waits for others is told so. What is asked of it afterwards
    /// fails.
    pub fn close(&self) {
        self.0.notices.close();
        self.0.database.close();
    }

    /// Does something in the runtime that it was connected in, to the end, also if nobody waits for it any more.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        match self.0.runtime.spawn(work(Arc::clone(&self.0))).await {
            Ok(done) => done,
            Err(error) => Err(ended(error)),
        }
    }

    /// What a statement gives, its first row read.
    async fn one<T, P>(
        &self,
        statement: &'static str,
        parameter: P,
        read: fn(Rows<'_>, &Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        P: ToSql + Send + Sync + 'static,
    {
        self.run(move |inner| async move {
            let rows = inner.database.query(&inner.database.sql(statement), &[&parameter]).await?;
            rows.first().map(|row| read(Rows::new(&inner.secrets), row)).transpose()
        })
        .await
    }
}

fn ended(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Failed, "the runtime that the store was connected in has ended")
        .with_source(error)
}

/// A number of commits or rows, for the database. No table has more.
fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seq_number(seq: Seq) -> i64 {
    i64::try_from(seq.get()).unwrap_or(i64::MAX)
}

#[async_trait]
impl AccountStore for PostgresStore {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let written = Written::new(batch, &self.0.secrets)?;
        let (send, receive) = oneshot::channel();
        let closed = || {
            StoreError::new(StoreErrorKind::Failed, "the runtime that the store was connected in has ended")
        };
        self.0.commits.send((written, send)).await.map_err(|_| closed())?;
        receive.await.map_err(ended)?
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        let statement = "SELECT record, boxes, minutes_used FROM {schema}.accounts WHERE sid = $1";
        self.one(statement, sid.as_uuid(), |rows, row| rows.account(row)).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        let statement = "SELECT record, boxes, minutes_used FROM {schema}.accounts WHERE folded_name = $1";
        self.one(statement, name.folded().into_owned(), |rows, row| rows.account(row)).await
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        let statement = "SELECT record, boxes, minutes_used FROM {schema}.accounts WHERE sip_realm = $1";
        self.one(statement, realm.as_str().to_owned(), |rows, row| rows.account(row)).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let statement = "SELECT record, last_used FROM {schema}.api_keys WHERE id = $1";
        self.one(statement, id.as_str().to_owned(), |rows, row| rows.key(row)).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        let statement = "SELECT record, last_used FROM {schema}.api_keys WHERE owner = $1 ORDER BY id";
        self.run(move |inner| async move {
            let rows = inner.database.query(&inner.database.sql(statement), &[&writes::owner(owner)]).await?;
            rows.iter().map(|row| Rows::new(&inner.secrets).key(row)).collect()
        })
        .await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        let listing = *listing;
        self.run(move |inner| async move {
            let statement = inner.database.sql(match listing.service_provider() {
                None => {
                    "SELECT record, boxes, minutes_used FROM {schema}.accounts \
                     WHERE ($1::uuid IS NULL OR sid > $1) AND $3::uuid IS NULL ORDER BY sid LIMIT $2"
                }
                Some(_) => {
                    "SELECT record, boxes, minutes_used FROM {schema}.accounts \
                     WHERE ($1::uuid IS NULL OR sid > $1) AND service_provider = $3 ORDER BY sid LIMIT $2"
                }
            });
            let after = listing.start().map(AccountSid::as_uuid);
            let limit = number(listing.size().saturating_add(1));
            let provider = listing.service_provider().map(|sid| sid.as_uuid());
            let rows = inner.database.query(&statement, &[&after, &limit, &provider]).await?;
            let accounts: Result<Vec<_>, _> =
                rows.iter().map(|row| Rows::new(&inner.secrets).account(row)).collect();
            Ok(Page::from_one_more(accounts?, &listing))
        })
        .await
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        /// More at once would only be held in memory twice.
        const MOST: usize = 10_000;
        let statement = "SELECT h.trimmed, c.seq, c.at, c.actor, e.n, e.kind, e.before_record, e.before_boxes, \
             e.before_minutes_used, e.before_last_used, e.after_record, e.after_boxes, e.after_minutes_used, \
             e.after_last_used \
             FROM {schema}.head h \
             LEFT JOIN {schema}.changes c ON c.seq > $1 AND c.seq <= $1 + $2 \
             LEFT JOIN {schema}.events e ON e.seq = c.seq \
             ORDER BY c.seq, e.n";
        self.run(move |inner| async move {
            // So that the sum is a number, too.
            let from = seq_number(after).min(i64::MAX / 2);
            let rows = inner
                .database
                .query(&inner.database.sql(statement), &[&from, &number(limit.min(MOST))])
                .await?;
            let read = Rows::new(&inner.secrets);
            let first = rows.first().ok_or_else(|| damaged("the table head is empty"))?;
            let trimmed = read.this_seq(first, "trimmed")?;
            if after < trimmed {
                return Ok(Feed::Trimmed { oldest: trimmed.next() });
            }
            Ok(Feed::Changes(changes_of(&rows, &read)?))
        })
        .await
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        let statement = "WITH own AS ( \
                 SELECT DISTINCT seq FROM {schema}.events WHERE sid = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3 \
             ) \
             SELECT h.trimmed, c.seq, c.at, c.actor, e.n, e.kind, e.before_record, e.before_boxes, \
             e.before_minutes_used, e.before_last_used, e.after_record, e.after_boxes, e.after_minutes_used, \
             e.after_last_used \
             FROM {schema}.head h \
             LEFT JOIN own ON true \
             LEFT JOIN {schema}.changes c ON c.seq = own.seq \
             LEFT JOIN {schema}.events e ON e.seq = c.seq AND e.sid = $1 \
             ORDER BY c.seq DESC, e.n";
        let history = *history;
        self.run(move |inner| async move {
            let before = history.start().map_or(i64::MAX, seq_number);
            let limit = number(history.size().saturating_add(1));
            let parameters: [&(dyn ToSql + Sync); 3] = [&history.sid().as_uuid(), &before, &limit];
            let rows = inner.database.query(&inner.database.sql(statement), &parameters).await?;
            let read = Rows::new(&inner.secrets);
            let first = rows.first().ok_or_else(|| damaged("the table head is empty"))?;
            let complete = read.this_seq(first, "trimmed")? == Seq::START;
            Ok(HistoryPage::from_one_more(&changes_of(&rows, &read)?, complete, &history))
        })
        .await
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.run(move |inner| async move {
            let latest = notices::latest(&inner.database).await?;
            if latest > after {
                return Ok(latest);
            }
            // Who waits keeps nobody from closing the store.
            let (notices, database, runtime) =
                (Arc::clone(&inner.notices), Arc::clone(&inner.database), inner.runtime.clone());
            drop(inner);
            notices.wait_past(after, &database, &runtime).await
        })
        .await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.run(|inner| async move { load::snapshot(&inner.database, &inner.secrets).await }).await
    }

    fn live(&self) -> Option<Snapshot> {
        None
    }

    fn live_seq(&self) -> Option<Seq> {
        None
    }
}

/// Commits and their events, whose rows follow each other.
fn changes_of(rows: &[Row], read: &Rows<'_>) -> Result<Vec<Arc<Change>>, StoreError> {
    let mut changes: Vec<Change> = Vec::new();
    for row in rows {
        let Some(seq) = read.seq(row, "seq")? else { continue };
        if changes.last().is_none_or(|change| change.seq != seq) {
            let actor: Actor = read_json(read.get(row, "actor")?, "an actor")?;
            let at = Timestamp::from_millis(read.get(row, "at")?);
            changes.push(Change::new(seq, actor, at, Vec::new()));
        }
        if let (Some(_), Some(change)) = (read.get::<Option<i32>>(row, "n")?, changes.last_mut()) {
            change.events.push(read.event(row)?);
        }
    }
    Ok(changes.into_iter().map(Arc::new).collect())
}
