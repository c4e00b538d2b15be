//! The tables: made, upgraded, or found to be as they should.

use super::database::Database;
use super::error::Failure;
use super::rows::damaged;
use crate::store::{StoreError, StoreErrorKind};
use tokio_postgres::{GenericClient, Transaction};

/// What makes each version out of the one before it.
const MIGRATIONS: [&str; 1] = [include_str!("schema_1.sql")];

/// The version that this crate uses.
const VERSION: i32 = MIGRATIONS.len() as i32;

/// Sees to it that the tables are there.
pub(super) async fn prepare(database: &Database, may_migrate: bool) -> Result<(), StoreError> {
    let mut client = database.client().await?;
    let schema = database.schema();
    let version = version(&**client, schema).await?;
    if check(schema, version)? {
        return Ok(());
    }
    if !may_migrate {
        let message = match version {
            None => format!(
                "the schema {schema} has no tables of accounts, and they are not to be made by this program"
            ),
            Some(version) => format!(
                "the tables in the schema {schema} are of version {version}, this program needs version {VERSION}, and is not to \
                 upgrade them"
            ),
        };
        return Err(StoreError::new(StoreErrorKind::Refused, message));
    }
    let transaction = client.transaction().await.map_err(Failure::from)?;
    migrate(&transaction, schema).await?;
    transaction.commit().await.map_err(Failure::from)?;
    Ok(())
}

async fn migrate(transaction: &Transaction<'_>, schema: &str) -> Result<(), StoreError> {
    // Whoever comes second finds all done.
    let name = format!("gateway-accounts {schema}");
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    transaction.query(lock, &[&name]).await.map_err(Failure::from)?;
    let now = version(transaction, schema).await?;
    if check(schema, now)? {
        return Ok(());
    }
    let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let there = transaction.query_one(there, &[&schema]).await.map_err(Failure::from)?;
    if !there.try_get::<_, bool>(0).map_err(Failure::from)? {
        transaction.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await.map_err(Failure::from)?;
    }
    if now.is_none() {
        let table = format!(
            "CREATE TABLE \"{schema}\".migrations (version integer PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())"
        );
        transaction.batch_execute(&table).await.map_err(|error| already_there(error, schema))?;
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(now.unwrap_or(0)).unwrap_or(0)) {
        let sql = migration.replace("{schema}", &format!("\"{schema}\""));
        transaction.batch_execute(&sql).await.map_err(|error| already_there(error, schema))?;
        let note = format!("INSERT INTO \"{schema}\".migrations (version) VALUES ($1)");
        transaction.execute(&note, &[&version]).await.map_err(Failure::from)?;
    }
    Ok(())
}

fn already_there(error: tokio_postgres::Error, schema: &str) -> StoreError {
    // Relations, functions, types and schemas that are there already.
    let is_there = |code: &str| matches!(code, "42P07" | "42723" | "42710" | "42P06");
    if error.code().is_some_and(|state| is_there(state.code())) {
        let message =
            format!("the schema {schema} has something of the same name that is not of this crate: {error}");
        return StoreError::new(StoreErrorKind::Foreign, message).with_source(error);
    }
    Failure::from(error).error
}

/// Whether the version is the one that is used.
fn check(schema: &str, version: Option<i32>) -> Result<bool, StoreError> {
    match version {
        Some(VERSION) => Ok(true),
        Some(newer) if newer > VERSION => {
            let message = format!(
                "the tables in the schema {schema} are of version {newer}, which a newer version of this crate has made; this one \
                 knows versions up to {VERSION}"
            );
            Err(StoreError::new(StoreErrorKind::NewerVersion, message))
        }
        Some(old) if old < 0 => Err(damaged("the version of the tables is negative")),
        _ => Ok(false),
    }
}

/// The version of the tables; `None` when there are none.
async fn version(client: &(impl GenericClient + Sync), schema: &str) -> Result<Option<i32>, StoreError> {
    // Not by `to_regclass`: within a transaction it may answer as it did before another made the table.
    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = 'migrations')";
    let there = client.query_one(there, &[&schema]).await.map_err(Failure::from)?;
    if !there.try_get::<_, bool>(0).map_err(Failure::from)? {
        return Ok(None);
    }
    let version = format!("SELECT coalesce(max(version), 0) FROM \"{schema}\".migrations");
    let version = client.query_one(&version, &[]).await.map_err(Failure::from)?;
    Ok(Some(version.try_get(0).map_err(Failure::from)?))
}
