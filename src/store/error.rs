//! What can go wrong with a store.

use crate::snapshot::Conflict;
use std::fmt;

/// The store could not do what was asked, for a reason of its own.
#[derive(Debug)]
pub struct StoreError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store can't be reached just now; nothing was written.
    Unavailable,
    /// Reading or writing failed. Whether the commit that met it was written is unknown until the store is opened
    /// anew; no other is acknowledged until then.
    Io,
    /// An earlier write failed, and so nothing more is written until the store is opened anew. Nothing of this
    /// commit was.
    Failed,
    /// Another process, or another store in this one, has it open.
    InUse,
    /// What is stored is damaged. Nothing was changed.
    Damaged,
    /// There is a file already where a new one was to be. Nothing was changed.
    Exists,
    /// What is there was never written by this crate. Nothing was changed.
    Foreign,
    /// It was written by a newer version of this crate.
    NewerVersion,
    /// Secrets in it are sealed, and no key that was given opens them; or keys are needed and none were given. Nothing
    /// was changed.
    Sealed,
    /// What was asked is more than the store can take; nothing was written.
    TooLarge,
    /// Who keeps the accounts is there, and does not let this program do it: a wrong password, a database or a right that
    /// there is not. Somebody has to see to it. Nothing was written.
    Refused,
    /// Whether the commit was written could not be found out: the connection to who was to write it was lost, and did not
    /// come back for as long as was waited. What is there tells, once it can be read again. The store goes on.
    Unknown,
}

impl StoreError {
    /// An error of this kind; `message` says what happened in this layer, the source why.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// The same error, with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later without anybody doing something about it, and does no harm if the
    /// first did succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            StoreErrorKind::Unavailable => true,
            StoreErrorKind::Io
            | StoreErrorKind::Failed
            | StoreErrorKind::InUse
            | StoreErrorKind::Damaged
            | StoreErrorKind::Exists
            | StoreErrorKind::Foreign
            | StoreErrorKind::NewerVersion
            | StoreErrorKind::Sealed
            | StoreErrorKind::TooLarge
            | StoreErrorKind::Refused
            | StoreErrorKind::Unknown => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It contradicts what is there. Nothing was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
