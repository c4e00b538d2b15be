//! How an account is written with its secrets: in clear, or sealed.

use super::format::LineError;
use crate::model::account::{Account, Revision};
use crate::model::record::{AccountRecord, InClear};
use crate::store::StoreError;
use std::io;

/// What an account's secrets are sealed in.
pub(super) type Boxes = serde::de::IgnoredAny;

/// How secrets are written and read.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {}

impl Secrets {
    /// Whether they are sealed.
    pub(super) fn sealed(&self) -> bool {
        false
    }

    /// Whether what is sealed can be read.
    pub(super) fn opens_sealed(&self) -> bool {
        false
    }

    /// How the secrets of a file are read, which may not be as they are to be written.
    pub(super) fn of_file(&self, _sealed: bool) -> Self {
        self.clone()
    }

    /// Appends the account, and after it, as the next value of the object that it is in, what its secrets are sealed
    /// in.
    pub(super) fn write(
        &self,
        account: &Account,
        revision: Revision,
        json: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        serde_json::to_writer(json, &InClear(account, revision))
            .expect("texts and numbers in structs always serialize to memory");
        Ok(())
    }

    /// How many bytes [`Secrets::write`] appends.
    pub(super) fn length(&self, account: &Account) -> u64 {
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
        let mut count = Count(0);
        serde_json::to_writer(&mut count, &InClear(account, account.revision()))
            .expect("texts and numbers in structs always serialize, and counting never fails");
        count.0
    }

    /// The record with its secrets in clear.
    pub(super) fn open(
        &self,
        record: AccountRecord,
        sealed: Option<Boxes>,
    ) -> Result<AccountRecord, LineError> {
        match sealed {
            None => Ok(record),
            Some(_) => Err(LineError::Secret("it is sealed, in a file that is not".to_owned())),
        }
    }
}
