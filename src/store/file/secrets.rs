//! How an account is written with its secrets: in clear, or sealed.

use super::format::LineError;
use crate::model::account::{Account, Revision};
use crate::model::record::{AccountRecord, InClear};
use crate::random::RandomError;
#[cfg(feature = "sealing")]
use crate::random::{OsRandom, Random};
#[cfg(feature = "sealing")]
use crate::sealing::{Keyring, UnsealError};
use crate::store::{StoreError, StoreErrorKind};
use serde::Serialize;
use std::io;

/// What an account's secrets are sealed in.
#[cfg(feature = "sealing")]
pub(super) type Boxes = crate::sealing::SealedSecrets;
#[cfg(not(feature = "sealing"))]
pub(super) type Boxes = serde::de::IgnoredAny;

/// How secrets are written and read: in clear without a keyring, sealed with one.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    #[cfg(feature = "sealing")]
    keyring: Option<Keyring>,
    /// They are not looked at: boxes stay closed.
    unopened: bool,
}

impl Secrets {
    #[cfg(feature = "sealing")]
    pub(super) fn sealed_with(keyring: Keyring) -> Self {
        Self { keyring: Some(keyring), unopened: false }
    }

    /// For reading an account file whose secrets are of no interest.
    pub(super) fn unopened(mut self) -> Self {
        self.unopened = true;
        self
    }

    /// Whether they are written sealed.
    pub(super) fn sealed(&self) -> bool {
        #[cfg(feature = "sealing")]
        return self.keyring.is_some();
        #[cfg(not(feature = "sealing"))]
        false
    }

    /// Whether a file of sealed secrets can be read.
    pub(super) fn opens_sealed(&self) -> bool {
        self.sealed() || self.unopened
    }

    /// How the secrets of a file are read, which may not be as they are to be written.
    pub(super) fn of_file(&self, sealed: bool) -> Self {
        if sealed { self.clone() } else { Self::default() }
    }

    /// Appends the account, and after it, as the next value of the object that it is in, what its secrets are sealed
    /// in.
    pub(super) fn write(
        &self,
        account: &Account,
        revision: Revision,
        json: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        self.serialize(account, revision, json).map_err(|error| {
            let message = "no nonce could be made to seal a secret with; nothing was written";
            StoreError::new(StoreErrorKind::Unavailable, message).with_source(error)
        })
    }

    /// How many bytes [`Secrets::write`] appends; about, when they are sealed.
    pub(super) fn length(&self, account: &Account) -> u64 {
        /// What boxes add, about.
        const BOXES: u64 = 150;
        let mut count = Count(0);
        write_json(&InClear(account, account.revision()), &mut count);
        count.0 + if self.sealed() { BOXES } else { 0 }
    }

    fn serialize(
        &self,
        account: &Account,
        revision: Revision,
        json: &mut Vec<u8>,
    ) -> Result<(), RandomError> {
        #[cfg(feature = "sealing")]
        if let Some(keyring) = &self.keyring {
            let random: &dyn Random = &OsRandom;
            let (mut record, boxes) = keyring.seal_account(account, random)?;
            record.revision = revision;
            write_json(&record, &mut *json);
            json.extend_from_slice(b",\"sealed\":");
            write_json(&boxes, json);
            return Ok(());
        }
        write_json(&InClear(account, revision), json);
        Ok(())
    }

    /// The record with its secrets in clear.
    pub(super) fn open(
        &self,
        record: AccountRecord,
        boxes: Option<&Boxes>,
    ) -> Result<AccountRecord, LineError> {
        #[cfg(feature = "sealing")]
        if let (Some(keyring), Some(boxes)) = (&self.keyring, boxes) {
            return keyring.open_account(record, boxes).map_err(|error| match error {
                UnsealError::UnknownKey { .. } | UnsealError::Open { .. } => {
                    LineError::Locked(error.to_string())
                }
                _ => LineError::Secret(error.to_string()),
            });
        }
        match boxes {
            None if self.opens_sealed() => {
                Err(LineError::Secret("it is in clear, in a file of sealed secrets".to_owned()))
            }
            Some(_) if !self.unopened => {
                Err(LineError::Secret("it is sealed, in a file of secrets in clear".to_owned()))
            }
            _ => Ok(record),
        }
    }
}

fn write_json(value: &impl Serialize, to: impl io::Write) {
    serde_json::to_writer(to, value)
        .expect("texts and numbers in structs always serialize, and memory takes them");
}

/// Counts what is written.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
