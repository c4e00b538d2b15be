//! How an account's record is written with its secrets: in clear, or sealed.

use super::writes::json;
use crate::model::account::{Account, Revision};
use crate::model::record::AccountRecord;
#[cfg(feature = "sealing")]
use crate::random::OsRandom;
#[cfg(feature = "sealing")]
use crate::sealing::{Keyring, SealedSecrets, UnsealError};
use crate::store::{StoreError, StoreErrorKind};
use std::sync::Arc;

/// In clear without a keyring, sealed with one.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    #[cfg(feature = "sealing")]
    keyring: Option<Arc<Keyring>>,
}

impl Secrets {
    #[cfg(feature = "sealing")]
    pub(super) fn sealed_with(keyring: Keyring) -> Self {
        Self { keyring: Some(Arc::new(keyring)) }
    }

    /// Whether they are written sealed.
    pub(super) fn are_sealed(&self) -> bool {
        #[cfg(feature = "sealing")]
        return self.keyring.is_some();
        #[cfg(not(feature = "sealing"))]
        false
    }

    /// The account's record at this revision, without its minutes, and what its secrets are sealed in.
    pub(super) fn write(
        &self,
        account: &Account,
        revision: Revision,
    ) -> Result<(String, Option<String>), StoreError> {
        #[cfg(feature = "sealing")]
        if let Some(keyring) = &self.keyring {
            let (mut record, boxes) = keyring.seal_account(account, &OsRandom).map_err(|error| {
                let message = "no nonce could be made to seal a secret with; nothing was written";
                StoreError::new(StoreErrorKind::Unavailable, message).with_source(error)
            })?;
            record.revision = revision;
            record.minutes_used = None;
            return Ok((json(&record), Some(json(&boxes))));
        }
        let record = AccountRecord { revision, minutes_used: None, ..AccountRecord::from(account) };
        Ok((json(&record), None))
    }

    /// The account of a record.
    pub(super) fn read(
        &self,
        record: &str,
        boxes: Option<&str>,
        minutes_used: Option<&str>,
    ) -> Result<Account, StoreError> {
        let mut record: AccountRecord = read_json(record, "an account")?;
        let sid = record.sid;
        if boxes.is_some() != self.are_sealed() {
            let message = match boxes {
                Some(_) => format!("the secrets of account {sid} are sealed, and no key was given"),
                None => format!("the secrets of account {sid} are in clear, where all are to be sealed"),
            };
            return Err(StoreError::new(StoreErrorKind::Sealed, message));
        }
        #[cfg(feature = "sealing")]
        if let (Some(keyring), Some(boxes)) = (&self.keyring, boxes) {
            let boxes: SealedSecrets = read_json(boxes, "sealed secrets")?;
            record = keyring.open_account(record, &boxes).map_err(|error| {
                let kind = match error {
                    UnsealError::UnknownKey { .. } | UnsealError::Open { .. } => StoreErrorKind::Sealed,
                    _ => StoreErrorKind::Damaged,
                };
                StoreError::new(kind, format!("the secrets of account {sid} can't be read: {error}"))
            })?;
        }
        if let Some(used) = minutes_used {
            record.minutes_used = Some(Arc::new(read_json(used, "minutes used")?));
        }
        Account::try_from(record).map_err(|error| {
            let message = format!("account {sid} in the database breaks a rule: {error}");
            StoreError::new(StoreErrorKind::Damaged, message)
        })
    }
}

/// A value in JSON. What it was is not told with the error: it may be a secret.
pub(super) fn read_json<'a, T: serde::Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message =
            format!("the JSON of {what} in the database can't be read, at line {line}, column {column}");
        StoreError::new(StoreErrorKind::Damaged, message)
    })
}
