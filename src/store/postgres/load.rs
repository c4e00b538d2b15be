//! All accounts as of one commit.

use super::database::Database;
use super::error::Failure;
use super::rows::{Rows, damaged};
use super::secrets::Secrets;
use crate::snapshot::Snapshot;
use crate::store::StoreError;
use deadpool_postgres::Transaction;
use futures_util::stream::{StreamExt, TryStreamExt};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// So many rows are read at a time by a thread that may take its time.
const ROWS: usize = 4096;

/// So many threads read at a time.
const THREADS: usize = 4;

/// It may take so many times as long as other statements.
const TIMES: u32 = 10;

pub(super) async fn snapshot(database: &Database, secrets: &Secrets) -> Result<Snapshot, StoreError> {
    let mut client = database.client().await?;
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(Failure::from)?;
    database.allow(&transaction, TIMES).await.map_err(Failure::from)?;
    let head = database.sql("SELECT seq FROM {schema}.head");
    let head = transaction.query_one(&head, &[]).await.map_err(Failure::from)?;
    let seq = Rows::new(secrets).this_seq(&head, "seq")?;
    let accounts = database.sql("SELECT record, boxes, minutes_used FROM {schema}.accounts");
    let accounts = read_all(&transaction, &accounts, secrets, |rows, row| rows.account(row)).await?;
    let keys = database.sql("SELECT record, last_used FROM {schema}.api_keys");
    let keys = read_all(&transaction, &keys, secrets, |rows, row| rows.key(row)).await?;
    transaction.commit().await.map_err(Failure::from)?;
    drop(client);
    let built = tokio::task::spawn_blocking(move || {
        let snapshot = Snapshot::from_accounts(seq, accounts)?;
        snapshot.with_keys(keys)
    });
    built
        .await
        .map_err(|error| damaged(format!("the accounts could not be put together: {error}")))?
        .map_err(|conflict| damaged(format!("the database contradicts itself: {conflict}")))
}

/// What a statement gives, read on several threads.
async fn read_all<T: Send + 'static>(
    transaction: &Transaction<'_>,
    statement: &str,
    secrets: &Secrets,
    read: fn(Rows<'_>, &Row) -> Result<Arc<T>, StoreError>,
) -> Result<Vec<Arc<T>>, StoreError>
where
    Arc<T>: Send,
{
    let none: [&(dyn ToSql + Sync); 0] = [];
    let rows = transaction.query_raw(statement, none).await.map_err(Failure::from)?;
    let read_some = |some: Vec<Result<Row, tokio_postgres::Error>>| {
        let secrets = secrets.clone();
        let task = tokio::task::spawn_blocking(move || {
            let rows = Rows::new(&secrets);
            let read = |row: Result<Row, tokio_postgres::Error>| read(rows, &row.map_err(Failure::from)?);
            some.into_iter().map(read).collect::<Result<Vec<_>, StoreError>>()
        });
        async move { task.await.map_err(|error| damaged(format!("rows could not be read: {error}")))? }
    };
    let parts: Vec<Vec<Arc<T>>> = rows.chunks(ROWS).map(read_some).buffered(THREADS).try_collect().await?;
    Ok(parts.into_iter().flatten().collect())
}
