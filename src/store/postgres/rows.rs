//! Rows of the database to values.

use super::secrets::{Secrets, read_json};
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, ApiKeyRecord};
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Event, KeyEvent, Seq};
use crate::store::{StoreError, StoreErrorKind};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

/// The kind of an event that says that a key was revoked.
pub(super) const REVOKED: i16 = 5;

/// Reads rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    secrets: &'a Secrets,
}

/// The columns of one state of an account or a key in a row.
struct State {
    record: &'static str,
    boxes: &'static str,
    minutes_used: &'static str,
    last_used: &'static str,
}

/// In `accounts` and `api_keys`.
const NOW: State =
    State { record: "record", boxes: "boxes", minutes_used: "minutes_used", last_used: "last_used" };
/// In what `commit_batches` gives.
const WAS: State = State {
    record: "was_record",
    boxes: "was_boxes",
    minutes_used: "was_minutes_used",
    last_used: "was_last_used",
};
/// In `events`.
const BEFORE: State = State {
    record: "before_record",
    boxes: "before_boxes",
    minutes_used: "before_minutes_used",
    last_used: "before_last_used",
};
const AFTER: State = State {
    record: "after_record",
    boxes: "after_boxes",
    minutes_used: "after_minutes_used",
    last_used: "after_last_used",
};

pub(super) fn damaged(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, message)
}

impl<'a> Rows<'a> {
    pub(super) fn new(secrets: &'a Secrets) -> Self {
        Self { secrets }
    }

    pub(super) fn get<'r, T: FromSql<'r>>(self, row: &'r Row, column: &str) -> Result<T, StoreError> {
        row.try_get(column)
            .map_err(|error| damaged(format!("the column {column} of the database can't be read: {error}")))
    }

    pub(super) fn seq(self, row: &Row, column: &str) -> Result<Option<Seq>, StoreError> {
        let seq: Option<i64> = self.get(row, column)?;
        let read =
            |seq| u64::try_from(seq).map(Seq::new).map_err(|_| damaged("a commit has a negative number"));
        seq.map(read).transpose()
    }

    /// A number of a commit that has to be there.
    pub(super) fn this_seq(self, row: &Row, column: &str) -> Result<Seq, StoreError> {
        self.seq(row, column)?.ok_or_else(|| damaged(format!("the column {column} of the database is empty")))
    }

    pub(super) fn revision(self, row: &Row, column: &str) -> Result<Revision, StoreError> {
        let number: i64 = self.get(row, column)?;
        u64::try_from(number).map(Revision::new).map_err(|_| damaged("a revision is negative"))
    }

    pub(super) fn sid(self, row: &Row, column: &str) -> Result<AccountSid, StoreError> {
        let uuid: Uuid = self.get(row, column)?;
        AccountSid::from_uuid(uuid).map_err(|error| damaged(format!("{column}: {error}")))
    }

    pub(super) fn time(self, row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
    }

    pub(super) fn event_kind(self, row: &Row) -> Result<i16, StoreError> {
        self.get(row, "event_kind")
    }

    /// An account of `accounts`.
    pub(super) fn account(self, row: &Row) -> Result<Arc<Account>, StoreError> {
        self.account_at(row, &NOW)
    }

    /// A key of `api_keys`.
    pub(super) fn key(self, row: &Row) -> Result<Arc<ApiKey>, StoreError> {
        self.key_at(row, &NOW)
    }

    /// What an account was that was just replaced or deleted.
    pub(super) fn account_before(self, row: &Row) -> Result<Arc<Account>, StoreError> {
        self.account_at(row, &WAS)
    }

    /// What a key was that was just replaced or revoked.
    pub(super) fn key_before(self, row: &Row) -> Result<Arc<ApiKey>, StoreError> {
        self.key_at(row, &WAS)
    }

    /// An event of `events`.
    pub(super) fn event(self, row: &Row) -> Result<Event, StoreError> {
        let account = |state| self.account_at(row, state);
        let key = |state| self.key_at(row, state);
        Ok(match self.get::<i16>(row, "kind")? {
            0 => Event::Created(account(&AFTER)?),
            1 => Event::Replaced { before: account(&BEFORE)?, after: account(&AFTER)? },
            2 => Event::Deleted(account(&BEFORE)?),
            3 => Event::Key(KeyEvent::Added(key(&AFTER)?)),
            4 => Event::Key(KeyEvent::Replaced { before: key(&BEFORE)?, after: key(&AFTER)? }),
            REVOKED => Event::Key(KeyEvent::Revoked(key(&BEFORE)?)),
            other => return Err(damaged(format!("there is no kind of event {other}"))),
        })
    }

    fn account_at(self, row: &Row, state: &State) -> Result<Arc<Account>, StoreError> {
        let record = self.get(row, state.record)?;
        let boxes = self.get(row, state.boxes)?;
        let minutes_used = self.get(row, state.minutes_used)?;
        self.secrets.read(record, boxes, minutes_used).map(Arc::new)
    }

    fn key_at(self, row: &Row, state: &State) -> Result<Arc<ApiKey>, StoreError> {
        let mut record: ApiKeyRecord = read_json(self.get(row, state.record)?, "an API key")?;
        record.last_used = self.time(row, state.last_used)?;
        let id = record.id;
        let key = ApiKey::try_from(record);
        key.map(Arc::new)
            .map_err(|error| damaged(format!("API key {id} in the database breaks a rule: {error}")))
    }
}
