//! Secrets of the whole schema: in clear, sealed, or sealed anew.

use super::database::Database;
use super::error::Failure;
use super::rows::damaged;
use super::secrets::Secrets;
use crate::store::{StoreError, StoreErrorKind};
use deadpool_postgres::Transaction;
use tokio_postgres::Row;

/// So many rows are sealed at a time.
const ROWS: i64 = 1000;

/// It may take so many times as long as other statements.
const TIMES: u32 = 100;

/// What has secrets: the table, its key, and the columns of the record, the boxes and the minutes.
const PLACES: [[&str; 4]; 3] = [
    ["accounts", "record", "boxes", "minutes_used"],
    ["events", "before_record", "before_boxes", "before_minutes_used"],
    ["events", "after_record", "after_boxes", "after_minutes_used"],
];

/// Sees to it that secrets are as they are to be: seals them if they are in clear, and are to be sealed.
pub(super) async fn prepare(
    database: &Database,
    secrets: &Secrets,
    may_seal: bool,
) -> Result<(), StoreError> {
    let rows = database.query(&database.sql("SELECT sealed FROM {schema}.head"), &[]).await?;
    let sealed = is_sealed(rows.first())?;
    match (sealed, secrets.are_sealed()) {
        (true, false) => {
            let schema = database.schema();
            let message = format!("secrets in the schema {schema} are sealed, and no key was given");
            Err(StoreError::new(StoreErrorKind::Sealed, message))
        }
        (false, true) if may_seal => rewrite(database, &Secrets::default(), secrets).await.map(|_| ()),
        (false, true) => {
            let message = "secrets are in clear, and are not to be sealed by this program";
            Err(StoreError::new(StoreErrorKind::Refused, message))
        }
        _ => Ok(()),
    }
}

/// Seals everything anew; how many accounts there were.
#[cfg(feature = "sealing")]
pub(super) async fn reseal(database: &Database, secrets: &Secrets) -> Result<usize, StoreError> {
    if !secrets.are_sealed() {
        return Ok(0);
    }
    rewrite(database, secrets, secrets).await
}

fn is_sealed(head: Option<&Row>) -> Result<bool, StoreError> {
    let head = head.ok_or_else(|| damaged("the table head is empty"))?;
    head.try_get(0).map_err(|error| damaged(format!("whether secrets are sealed can't be read: {error}")))
}

/// Reads all secrets as they are, and writes them as they are to be, in one transaction, during which nobody commits.
async fn rewrite(database: &Database, from: &Secrets, to: &Secrets) -> Result<usize, StoreError> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await.map_err(Failure::from)?;
    database.allow(&transaction, TIMES).await.map_err(Failure::from)?;
    let head = database.sql("SELECT sealed FROM {schema}.head FOR UPDATE");
    let head = transaction.query_opt(&head, &[]).await.map_err(Failure::from)?;
    // Another may have done it meanwhile.
    let from = if is_sealed(head.as_ref())? { to } else { from };
    let mut accounts = 0;
    for place in PLACES {
        let rows = rewrite_place(database, &transaction, place, from, to).await?;
        accounts += if place[0] == "accounts" { rows } else { 0 };
    }
    let note = database.sql("UPDATE {schema}.head SET sealed = $1");
    transaction.execute(&note, &[&to.are_sealed()]).await.map_err(Failure::from)?;
    transaction.commit().await.map_err(Failure::from)?;
    Ok(accounts)
}

async fn rewrite_place(
    database: &Database,
    transaction: &Transaction<'_>,
    [table, record, boxes, minutes_used]: [&str; 4],
    from: &Secrets,
    to: &Secrets,
) -> Result<usize, StoreError> {
    let only = if table == "accounts" { "true" } else { "kind < 3" };
    let cursor = format!(
        "DECLARE secrets NO SCROLL CURSOR FOR SELECT ctid::text, {record}, {boxes}, {minutes_used} \
         FROM {{schema}}.{table} WHERE {record} IS NOT NULL AND {only}"
    );
    transaction.batch_execute(&database.sql(&cursor)).await.map_err(Failure::from)?;
    let update = database.sql(&format!(
        "UPDATE {{schema}}.{table} SET {record} = t.record, {boxes} = t.boxes \
         FROM unnest($1::text[], $2::text[], $3::text[]) AS t(place, record, boxes) WHERE {table}.ctid = t.place::tid"
    ));
    let mut done = 0;
    loop {
        let fetch = format!("FETCH {ROWS} FROM secrets");
        let rows = transaction.query(&fetch, &[]).await.map_err(Failure::from)?;
        if rows.is_empty() {
            break;
        }
        let (mut places, mut records, mut all_boxes) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let text = |column| row.try_get::<_, Option<&str>>(column).map_err(Failure::from);
            let account = from.read(text(1)?.unwrap_or_default(), text(2)?, text(3)?)?;
            let (record, boxes) = to.write(&account, account.revision())?;
            places.push(text(0)?);
            records.push(record);
            all_boxes.push(boxes);
        }
        done += rows.len();
        transaction.execute(&update, &[&places, &records, &all_boxes]).await.map_err(Failure::from)?;
    }
    transaction.batch_execute("CLOSE secrets").await.map_err(Failure::from)?;
    Ok(done)
}
