//! How a database is used.

use super::PostgresStore;
use super::secrets::Secrets;
#[cfg(feature = "sealing")]
use crate::sealing::Keyring;
use crate::store::{StoreError, StoreErrorKind};
use std::time::Duration;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};

/// How a [`PostgresStore`] uses its database.
///
/// ```no_run
/// use gateway_accounts::PostgresStoreOptions;
/// use std::time::Duration;
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStoreOptions::new()
///     .schema("voice_accounts")?
///     .connections(8)
///     .commit_timeout(Duration::from_secs(10))
///     .connect("postgres://gateway@db.internal/operator".parse()?, tokio_postgres::NoTls)
///     .await?;
/// # let _ = store;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresStoreOptions {
    /// Unquoted.
    pub(super) schema: String,
    pub(super) connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) commit_timeout: Duration,
    pub(super) poll_interval: Duration,
    pub(super) history: u64,
    pub(super) may_migrate: bool,
    pub(super) secrets: Secrets,
}

/// The name of a schema that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a schema has 1 to {} of the characters a to z, 0 to 9 and _, and begins with a letter",
    PostgresStoreOptions::MAX_SCHEMA
)]
pub struct SchemaNameError;

impl PostgresStoreOptions {
    /// The schema that is used when nothing is said.
    pub const DEFAULT_SCHEMA: &str = "gateway_accounts";

    /// The longest name of a schema, in characters.
    pub const MAX_SCHEMA: usize = 48;

    /// How many changes are kept at least for the feed and histories, when nothing is said.
    pub const DEFAULT_HISTORY: u64 = 1_000_000;

    /// What holds where nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema: Self::DEFAULT_SCHEMA.to_owned(),
            connections: 16,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            commit_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            history: Self::DEFAULT_HISTORY,
            may_migrate: true,
            secrets: Secrets::default(),
        }
    }

    /// The schema that has the tables, so that they can be in a database that has others: [`DEFAULT_SCHEMA`](Self::DEFAULT_SCHEMA),
    /// when nothing is said. Nothing outside it is looked at.
    ///
    /// # Errors
    /// [`SchemaNameError`]: it has 1 to 48 of the characters `a` to `z`, `0` to `9` and `_`, and begins with a letter.
    pub fn schema(self, name: &str) -> Result<Self, SchemaNameError> {
        let is_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins_well || name.len() > Self::MAX_SCHEMA || !name.chars().all(is_one) {
            return Err(SchemaNameError);
        }
        Ok(Self { schema: name.to_owned(), ..self })
    }

    /// How many connections there are at most for reads and commits, at least 3: 16, when nothing is said. One more is used to hear of
    /// commits, if anybody waits for them.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: connections.max(3), ..self }
    }

    /// How long making a connection, or waiting for one that is in use, may take: 5 seconds, when nothing is said.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// How long one statement may take: 30 seconds, when nothing is said. Reading a whole snapshot may take ten times as long.
    #[must_use]
    pub fn statement_timeout(self, timeout: Duration) -> Self {
        Self { statement_timeout: timeout, ..self }
    }

    /// How long a commit goes on trying while the database can't be reached, or other transactions are in its way: 30 seconds,
    /// when nothing is said; at most 5 minutes. If it was sent and no answer came in all that time, its fate is unknown
    /// ([`StoreErrorKind::Unknown`]).
    #[must_use]
    pub fn commit_timeout(self, timeout: Duration) -> Self {
        Self { commit_timeout: timeout.min(Duration::from_secs(300)), ..self }
    }

    /// How often it is looked for new commits by those who wait for them, should the database not have told of one: every
    /// second, when nothing is said.
    #[must_use]
    pub fn poll_interval(self, interval: Duration) -> Self {
        Self { poll_interval: interval.max(Duration::from_millis(1)), ..self }
    }

    /// How many changes are kept at least, for the feed and histories; none is dropped before it is ten minutes old. A
    /// million, when nothing is said; [`u64::MAX`] for all.
    #[must_use]
    pub fn history(self, changes: u64) -> Self {
        Self { history: changes, ..self }
    }

    /// Never creates or alters tables: for programs that have not the right to. If the tables are not there, or older than this crate
    /// needs, connecting fails.
    #[must_use]
    pub fn without_migrations(self) -> Self {
        Self { may_migrate: false, ..self }
    }

    /// Secrets are sealed with this keyring, as those of a file are. What is in clear is sealed by connecting, in one transaction; from
    /// then on, nobody can use the schema without a key.
    #[cfg(feature = "sealing")]
    #[must_use]
    pub fn sealed_with(self, keyring: Keyring) -> Self {
        Self { secrets: Secrets::sealed_with(keyring), ..self }
    }

    /// Connects, and creates or upgrades the tables if that has not been done: once, under a lock, however many processes
    /// start together.
    ///
    /// It is called in a tokio runtime with time and network, which must go on for as long as the store is used. The store's
    /// futures themselves may then be polled by any executor.
    ///
    /// # Errors
    /// [`StoreError`]: [`Unavailable`](StoreErrorKind::Unavailable) when the database can't be reached,
    /// [`Refused`](StoreErrorKind::Refused) when it does not let this program in, or not do it,
    /// [`NewerVersion`](StoreErrorKind::NewerVersion) when a newer version of this crate has upgraded the tables,
    /// [`Foreign`](StoreErrorKind::Foreign) when there are others of the same names,
    /// [`Sealed`](StoreErrorKind::Sealed) when secrets are sealed and no key was given.
    pub async fn connect<T>(self, config: Config, tls: T) -> Result<PostgresStore, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            let message = "a store in PostgreSQL is connected within a tokio runtime";
            StoreError::new(StoreErrorKind::Failed, message).with_source(error)
        })?;
        PostgresStore::open(self, config, tls, runtime).await
    }
}

impl Default for PostgresStoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_schemas() {
        let long = "a".repeat(48);
        for (name, accepted) in [
            ("gateway_accounts", true),
            ("a", true),
            ("a1_", true),
            (&*long, true),
            (&*format!("{long}a"), false),
            ("", false),
            ("1a", false),
            ("_a", false),
            ("Accounts", false),
            ("a-b", false),
            ("a\"; DROP SCHEMA public; --", false),
            ("é", false),
        ] {
            assert_eq!(PostgresStoreOptions::new().schema(name).is_ok(), accepted, "{name:?}");
        }
    }
}
