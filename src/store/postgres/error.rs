//! What goes wrong with a database, told apart.

use crate::store::{StoreError, StoreErrorKind};
use deadpool_postgres::{HookError, PoolError, TimeoutType};
use std::error::Error as _;
use tokio_postgres::error::SqlState;

/// What is known of a call of the database that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    pub(super) fate: Fate,
}

/// What became of what the call was to write, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing was written, and trying again may help.
    Again,
    /// Nothing was written, and trying again does not help.
    Never,
    /// It may have been written.
    Unknown,
}

/// SQL states that this crate's own functions use.
pub(super) const SEALED_OTHERWISE: &str = "GA002";

impl Failure {
    fn new(fate: Fate, kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { error: StoreError::new(kind, message), fate }
    }

    /// Nothing was sent.
    pub(super) fn before_sending(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        let fate = if kind == StoreErrorKind::Unavailable { Fate::Again } else { Fate::Never };
        Self::new(fate, kind, message)
    }

    fn with_source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: self.error.with_source(source), ..self }
    }

    /// No answer came in time.
    pub(super) fn no_answer() -> Self {
        Self::new(Fate::Unknown, StoreErrorKind::Unavailable, "the database did not answer in time")
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return without_the_database(error) };
        let (state, said) = (db.code(), db.message().to_owned());
        let (fate, kind, message) = by_state(state, &said);
        Self::new(fate, kind, message).with_source(error)
    }
}

/// The connection failed, or what came through it was not understood.
fn without_the_database(error: tokio_postgres::Error) -> Failure {
    let is_local = error.source().is_some_and(|source| source.is::<std::io::Error>());
    let message = match error.source() {
        Some(source) if is_local => format!("the connection to the database failed: {source}"),
        _ if error.is_closed() => "the connection to the database was closed".to_owned(),
        _ => format!("the database can't be talked to: {error}"),
    };
    Failure::new(Fate::Unknown, StoreErrorKind::Unavailable, message).with_source(error)
}

fn by_state(state: &SqlState, said: &str) -> (Fate, StoreErrorKind, String) {
    use StoreErrorKind::{Damaged, Failed, Foreign, Refused, Sealed, TooLarge, Unavailable};
    let code = state.code();
    let again = |what: &str| (Fate::Again, Unavailable, format!("{what}: {said}"));
    let never = |kind, what: &str| (Fate::Never, kind, format!("{what}: {said}"));
    match code {
        SEALED_OTHERWISE => never(Sealed, "the database is used by somebody who seals secrets otherwise"),
        "40001" | "40P01" => again("another transaction was in the way"),
        "57014" => again("the database gave up a statement that took too long"),
        "55P03" => again("a lock was not to be had in time"),
        "25006" => again("the database can only be read just now, as a replica can"),
        // The server goes away, and may have done so after it committed.
        "57P01" | "57P02" | "57P05" => {
            (Fate::Unknown, Unavailable, format!("the database ended the connection: {said}"))
        }
        "57P03" => again("the database is starting up or shutting down"),
        "3D000" => never(Refused, "there is no such database"),
        "42501" => never(Refused, "the database does not give the right to"),
        "42P01" | "3F000" | "42703" | "42883" => never(Foreign, "the schema is not one of this crate"),
        "54000" | "54001" | "54011" | "54023" => never(TooLarge, "it is more than the database takes"),
        _ => match &code[..code.len().min(2)] {
            "08" => (Fate::Unknown, Unavailable, format!("the connection to the database failed: {said}")),
            "28" => never(Refused, "the database does not let in who asks"),
            "53" => again("the database has not what it needs"),
            "58" | "XX" => never(Damaged, "the database failed"),
            "23" => never(Damaged, "the database has what contradicts itself"),
            _ => never(Failed, "the database refused"),
        },
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::before_sending(
                StoreErrorKind::Unavailable,
                "all connections to the database are in use",
            ),
            PoolError::Timeout(_) => Self::before_sending(
                StoreErrorKind::Unavailable,
                "no connection to the database was made in time",
            ),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                let failure = Self::from(error);
                // Nothing was sent on a connection that there is not.
                let fate = if failure.fate == Fate::Unknown { Fate::Again } else { failure.fate };
                Self { fate, ..failure }
            }
            PoolError::Closed => Self::before_sending(StoreErrorKind::Failed, "the store is closed"),
            other => Self::before_sending(
                StoreErrorKind::Failed,
                format!("the pool of connections failed: {other}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_sql_state() {
        use Fate::{Again, Never, Unknown};
        use StoreErrorKind::{Damaged, Failed, Foreign, Refused, Sealed, Unavailable};
        for (code, fate, kind) in [
            ("40001", Again, Unavailable),
            ("40P01", Again, Unavailable),
            ("57P01", Unknown, Unavailable),
            ("57P03", Again, Unavailable),
            ("57014", Again, Unavailable),
            ("53300", Again, Unavailable),
            ("53100", Again, Unavailable),
            ("25006", Again, Unavailable),
            ("08006", Unknown, Unavailable),
            ("28P01", Never, Refused),
            ("28000", Never, Refused),
            ("3D000", Never, Refused),
            ("42501", Never, Refused),
            ("42P01", Never, Foreign),
            ("GA002", Never, Sealed),
            ("23505", Never, Damaged),
            ("22021", Never, Failed),
        ] {
            let (is_fate, is_kind, message) = by_state(&SqlState::from_code(code), "so it said");
            assert_eq!((is_fate, is_kind), (fate, kind), "{code}");
            assert!(message.ends_with("so it said"), "{message}");
            // Who may try again, may try again later.
            assert_eq!(StoreError::new(is_kind, "").is_retryable(), fate != Never, "{code}");
        }
    }
}
