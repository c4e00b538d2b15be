//! Batches as the database takes them, and what it says of them.

use super::rows::Rows;
use super::secrets::Secrets;
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, ApiKeyRecord, KeyId};
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Batch, Change, Conflict, Event, KeyEvent, KeyWrite, Write};
use crate::store::{CommitError, StoreError, StoreErrorKind};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// A batch as it is written. Its columns are those of the function `commit_batches`.
#[derive(Debug)]
pub(super) struct Written {
    /// Made up for this commit, so that it is not made twice.
    pub(super) id: Uuid,
    pub(super) batch: Batch,
    actor: String,
    columns: Columns,
}

#[derive(Debug, Default)]
struct Columns {
    kind: Vec<i16>,
    sid: Vec<Option<Uuid>>,
    id: Vec<Option<String>>,
    expected: Vec<Option<i64>>,
    revision: Vec<Option<i64>>,
    folded_name: Vec<Option<String>>,
    sip_realm: Vec<Option<String>>,
    service_provider: Vec<Option<Uuid>>,
    owner: Vec<Option<String>>,
    record: Vec<Option<String>>,
    boxes: Vec<Option<String>>,
    minutes_used: Vec<Option<String>>,
    last_used: Vec<Option<i64>>,
    at_most: Vec<Option<i64>>,
}

/// One line of the columns.
#[derive(Debug, Default)]
struct Line {
    kind: i16,
    sid: Option<AccountSid>,
    id: Option<KeyId>,
    expected: Option<Revision>,
    revision: Option<Revision>,
    folded_name: Option<String>,
    sip_realm: Option<String>,
    service_provider: Option<Uuid>,
    owner: Option<String>,
    record: Option<String>,
    boxes: Option<String>,
    minutes_used: Option<String>,
    last_used: Option<Timestamp>,
    at_most: Option<usize>,
}

mod kind {
    pub(super) const CREATE: i16 = 0;
    pub(super) const REPLACE: i16 = 1;
    pub(super) const DELETE: i16 = 2;
    pub(super) const MINUTES_USED: i16 = 3;
    pub(super) const ADD_KEY: i16 = 4;
    pub(super) const REPLACE_KEY: i16 = 5;
    pub(super) const REVOKE_KEY: i16 = 6;
    pub(super) const USE_KEY: i16 = 7;
}

/// Does something to each column, together with the same one of another.
macro_rules! for_each_column {
    ($these:ident, $others:ident, |$this:ident, $other:ident| $does:expr) => {
        for_each_column!(@ $these, $others, $this, $other, $does, kind sid id expected revision folded_name sip_realm
            service_provider owner record boxes minutes_used last_used at_most)
    };
    (@ $these:ident, $others:ident, $this:ident, $other:ident, $does:expr, $($column:ident)*) => {
        $({
            let ($this, $other) = (&mut $these.$column, &mut $others.$column);
            $does;
        })*
    };
}

impl Columns {
    fn push(&mut self, line: Line) {
        self.kind.push(line.kind);
        self.sid.push(line.sid.map(AccountSid::as_uuid));
        self.id.push(line.id.map(|id| id.as_str().to_owned()));
        self.expected.push(line.expected.map(number));
        self.revision.push(line.revision.map(number));
        self.folded_name.push(line.folded_name);
        self.sip_realm.push(line.sip_realm);
        self.service_provider.push(line.service_provider);
        self.owner.push(line.owner);
        self.record.push(line.record);
        self.boxes.push(line.boxes);
        self.minutes_used.push(line.minutes_used);
        self.last_used.push(line.last_used.map(Timestamp::as_millis));
        self.at_most.push(line.at_most.map(|most| i64::try_from(most).unwrap_or(i64::MAX)));
    }

    fn append(&mut self, mut other: Self) {
        for_each_column!(self, other, |own, others| own.append(others));
    }

    /// Takes the first lines away.
    fn split_first(&mut self, lines: usize) -> Self {
        let mut first = Self::default();
        for_each_column!(self, first, |own, firsts| firsts.extend(own.drain(..lines)));
        first
    }
}

/// Revisions count edits: none comes near the largest number. One that did would be refused as not the one expected.
fn number(revision: Revision) -> i64 {
    i64::try_from(revision.get()).unwrap_or(i64::MAX)
}

/// How an owner of keys is written.
pub(super) fn owner(owner: Scope) -> String {
    match owner {
        Scope::Admin => String::new(),
        Scope::ServiceProvider(sid) => format!("s{sid}"),
        Scope::Account(sid) => sid.to_string(),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers in structs always serialize")
}

impl Written {
    pub(super) fn new(batch: Batch, secrets: &Secrets) -> Result<Self, StoreError> {
        let mut columns = Columns::default();
        for write in batch.writes() {
            columns.push(line(write, secrets)?);
        }
        Ok(Self {
            id: uuid::Builder::from_random_bytes(rand::random()).into_uuid(),
            actor: json(batch.actor()),
            batch,
            columns,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.columns.kind.len()
    }
}

fn line(write: &Write, secrets: &Secrets) -> Result<Line, StoreError> {
    let account = |kind, account: &Account, expected: Option<Revision>, revision: Revision| {
        let (record, boxes) = secrets.write(account, revision)?;
        Ok::<_, StoreError>(Line {
            kind,
            sid: Some(account.sid()),
            expected,
            revision: Some(revision),
            folded_name: Some(account.name().folded().into_owned()),
            sip_realm: account.sip_realm().map(|realm| realm.as_str().to_owned()),
            service_provider: account.service_provider().map(|sid| sid.as_uuid()),
            record: Some(record),
            boxes,
            minutes_used: account.minutes_used().map(|used| json(&**used)),
            ..Line::default()
        })
    };
    let key = |kind, key: &ApiKey, expected: Option<Revision>, revision: Revision| Line {
        kind,
        sid: match key.owner() {
            Scope::Account(sid) => Some(sid),
            Scope::ServiceProvider(_) | Scope::Admin => None,
        },
        id: Some(key.id()),
        expected,
        revision: Some(revision),
        owner: Some(owner(key.owner())),
        record: Some(json(&ApiKeyRecord { revision, last_used: None, ..ApiKeyRecord::from(key) })),
        last_used: key.last_used(),
        ..Line::default()
    };
    Ok(match write {
        Write::Create(new) => account(kind::CREATE, new, None, Revision::FIRST)?,
        Write::Restore(new) => account(kind::CREATE, new, None, new.revision())?,
        Write::Replace(after) => {
            account(kind::REPLACE, after, Some(after.revision()), after.revision().next())?
        }
        Write::Delete { sid, expected } => {
            Line { kind: kind::DELETE, sid: Some(*sid), expected: Some(*expected), ..Line::default() }
        }
        Write::MinutesUsed { sid, used } => Line {
            kind: kind::MINUTES_USED,
            sid: Some(*sid),
            minutes_used: Some(json(&**used)),
            ..Line::default()
        },
        Write::Key(KeyWrite::Add { key: new, at_most }) => Line {
            at_most: Some(*at_most).filter(|most| *most < usize::MAX),
            ..key(kind::ADD_KEY, new, None, Revision::FIRST)
        },
        Write::Key(KeyWrite::Restore(new)) => key(kind::ADD_KEY, new, None, new.revision()),
        Write::Key(KeyWrite::Replace(after)) => {
            key(kind::REPLACE_KEY, after, Some(after.revision()), after.revision().next())
        }
        Write::Key(KeyWrite::Revoke { id, expected }) => {
            Line { kind: kind::REVOKE_KEY, id: Some(*id), expected: Some(*expected), ..Line::default() }
        }
        Write::Key(KeyWrite::Use { id, at }) => {
            Line { kind: kind::USE_KEY, id: Some(*id), last_used: Some(*at), ..Line::default() }
        }
    })
}

/// Batches that are committed by one call of the database.
#[derive(Debug)]
pub(super) struct Group {
    channel: String,
    is_sealed: bool,
    ids: Vec<Uuid>,
    ats: Vec<i64>,
    actors: Vec<String>,
    batch_of: Vec<i32>,
    columns: Columns,
    /// The batches, and how many writes come before each.
    batches: Vec<(Batch, usize)>,
}

/// What became of a batch.
pub(super) type Outcome = Result<Arc<Change>, CommitError>;

impl Group {
    pub(super) fn new(channel: String, is_sealed: bool, written: impl IntoIterator<Item = Written>) -> Self {
        let mut group = Self {
            channel,
            is_sealed,
            ids: Vec::new(),
            ats: Vec::new(),
            actors: Vec::new(),
            batch_of: Vec::new(),
            columns: Columns::default(),
            batches: Vec::new(),
        };
        for (nth, written) in (1..).zip(written) {
            group.batches.push((written.batch, group.batch_of.len()));
            group.ids.push(written.id);
            let (batch, _) = &group.batches[group.batches.len() - 1];
            group.ats.push(batch.at().as_millis());
            group.actors.push(written.actor);
            group.batch_of.extend(std::iter::repeat_n(nth, written.columns.kind.len()));
            group.columns.append(written.columns);
        }
        group
    }

    /// How many batches there are.
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// How many writes they have.
    pub(super) fn writes(&self) -> usize {
        self.batch_of.len()
    }

    /// Each batch for itself.
    pub(super) fn into_single(mut self) -> Vec<Self> {
        let batches = std::mem::take(&mut self.batches);
        let heads = self.ids.into_iter().zip(self.ats).zip(self.actors);
        heads
            .zip(batches)
            .map(|(((id, at), actor), (batch, _))| {
                let columns = self.columns.split_first(batch.writes().len());
                Self {
                    channel: self.channel.clone(),
                    is_sealed: self.is_sealed,
                    ids: vec![id],
                    ats: vec![at],
                    actors: vec![actor],
                    batch_of: vec![1; batch.writes().len()],
                    columns,
                    batches: vec![(batch, 0)],
                }
            })
            .collect()
    }

    /// The statement that commits them.
    pub(super) fn statement(schema: &str) -> String {
        let parameters: Vec<String> = (1..=20).map(|n| format!("${n}")).collect();
        format!("SELECT * FROM \"{schema}\".commit_batches({})", parameters.join(", "))
    }

    /// What the statement is given.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 20] {
        let columns = &self.columns;
        [
            &self.is_sealed,
            &self.channel,
            &self.ids,
            &self.ats,
            &self.actors,
            &self.batch_of,
            &columns.kind,
            &columns.sid,
            &columns.id,
            &columns.expected,
            &columns.revision,
            &columns.folded_name,
            &columns.sip_realm,
            &columns.service_provider,
            &columns.owner,
            &columns.record,
            &columns.boxes,
            &columns.minutes_used,
            &columns.last_used,
            &columns.at_most,
        ]
    }

    /// What the statement said, of each batch.
    pub(super) fn outcomes(&self, rows: &[Row], secrets: &Secrets) -> Vec<Outcome> {
        let mut rows = rows.iter().peekable();
        let of = |row: &Row, nth: i32| row.try_get::<_, i32>("batch").is_ok_and(|batch| batch == nth);
        (1..)
            .zip(&self.batches)
            .map(|(nth, (batch, before))| {
                let mut own = Vec::new();
                while let Some(row) = rows.next_if(|row| of(row, nth)) {
                    own.push(row);
                }
                outcome(batch, *before, &own, secrets)
            })
            .collect()
    }
}

fn outcome(batch: &Batch, before: usize, rows: &[&Row], secrets: &Secrets) -> Outcome {
    let (first, events) = rows.split_first().ok_or_else(|| {
        let message = "the database did not say what became of the commit; it may have been written";
        StoreError::new(StoreErrorKind::Damaged, message)
    })?;
    let read = Rows::new(secrets);
    if let Some(seq) = read.seq(first, "commit_seq")? {
        batch.report(batch.writes().len());
        let events = events_of(batch, events, &read)?;
        return Ok(Arc::new(Change::new(seq, batch.actor().clone(), batch.at(), events)));
    }
    let at: i32 = read.get(first, "at_write")?;
    let write = usize::try_from(at).ok().and_then(|at| batch.writes().get(at.checked_sub(1 + before)?));
    let write = write.ok_or_else(|| {
        StoreError::new(StoreErrorKind::Damaged, "the database refused a write that it was not given")
    })?;
    Err(conflict(write, first, &read)?.into())
}

/// What the writes of a batch did, by what the database says was there before.
fn events_of(batch: &Batch, rows: &[&Row], read: &Rows<'_>) -> Result<Vec<Event>, StoreError> {
    let mut rows = rows.iter();
    let mut next = || {
        rows.next().copied().ok_or_else(|| {
            StoreError::new(StoreErrorKind::Damaged, "the database lacks an event of the commit")
        })
    };
    let mut events = Vec::with_capacity(batch.writes().len());
    for write in batch.writes() {
        match write {
            Write::Create(account) => events.push(Event::Created(at_revision(account, Revision::FIRST))),
            Write::Restore(account) => events.push(Event::Created(Arc::clone(account))),
            Write::Replace(account) => {
                let before = read.account_before(next()?)?;
                let after = Account {
                    revision: account.revision.next(),
                    minutes_used: before.minutes_used.clone(),
                    ..Account::clone(account)
                };
                events.push(Event::Replaced { before, after: Arc::new(after) });
            }
            Write::Delete { .. } => loop {
                let row = next()?;
                match read.event_kind(row)? {
                    super::rows::REVOKED => {
                        events.push(Event::Key(KeyEvent::Revoked(read.key_before(row)?)));
                    }
                    _ => {
                        events.push(Event::Deleted(read.account_before(row)?));
                        break;
                    }
                }
            },
            Write::Key(KeyWrite::Add { key, .. }) => {
                events.push(Event::Key(KeyEvent::Added(key_with(key, Revision::FIRST, key.last_used))));
            }
            Write::Key(KeyWrite::Restore(key)) => {
                events.push(Event::Key(KeyEvent::Added(Arc::clone(key))));
            }
            Write::Key(KeyWrite::Replace(key)) => {
                let row = next()?;
                let last_used = read.time(row, "is_last_used")?;
                events.push(Event::Key(KeyEvent::Replaced {
                    before: read.key_before(row)?,
                    after: key_with(key, key.revision.next(), last_used),
                }));
            }
            Write::Key(KeyWrite::Revoke { .. }) => {
                events.push(Event::Key(KeyEvent::Revoked(read.key_before(next()?)?)));
            }
            Write::MinutesUsed { .. } | Write::Key(KeyWrite::Use { .. }) => {}
        }
    }
    Ok(events)
}

fn at_revision(account: &Arc<Account>, revision: Revision) -> Arc<Account> {
    if account.revision == revision {
        return Arc::clone(account);
    }
    Arc::new(Account { revision, ..Account::clone(account) })
}

fn key_with(key: &Arc<ApiKey>, revision: Revision, last_used: Option<Timestamp>) -> Arc<ApiKey> {
    Arc::new(ApiKey { revision, last_used, ..ApiKey::clone(key) })
}

/// Why the database refused this write.
fn conflict(write: &Write, row: &Row, read: &Rows<'_>) -> Result<Conflict, StoreError> {
    let nonsense = || {
        StoreError::new(
            StoreErrorKind::Damaged,
            "the database refused a write for a reason that it can't have",
        )
    };
    let actual = || read.revision(row, "actual");
    let taken = |field, sid: AccountSid| {
        Ok::<_, StoreError>(Conflict::Taken { field, sid, holder: read.sid(row, "holder")? })
    };
    let kind: i16 = read.get(row, "conflict")?;
    Ok(match (write, kind) {
        (Write::Create(account) | Write::Restore(account) | Write::Replace(account), 0..=2) => {
            let field = [Field::AccountSid, Field::Name, Field::SipRealm];
            taken(field[usize::try_from(kind).map_err(|_| nonsense())?], account.sid())?
        }
        (Write::Replace(account), 3) => {
            Conflict::Revision { sid: account.sid(), expected: account.revision(), actual: actual()? }
        }
        (Write::Delete { sid, expected }, 3) => {
            Conflict::Revision { sid: *sid, expected: *expected, actual: actual()? }
        }
        (Write::Replace(account), 4) => Conflict::Missing { sid: account.sid() },
        (Write::Delete { sid, .. }, 4) => Conflict::Missing { sid: *sid },
        (Write::Key(KeyWrite::Add { key, .. } | KeyWrite::Restore(key)), 4) => match key.owner() {
            Scope::Account(sid) => Conflict::Missing { sid },
            Scope::ServiceProvider(_) | Scope::Admin => return Err(nonsense()),
        },
        (Write::Key(KeyWrite::Add { key, .. } | KeyWrite::Restore(key) | KeyWrite::Replace(key)), 5) => {
            Conflict::KeyTaken { id: key.id() }
        }
        (Write::Key(KeyWrite::Replace(key)), 6) => {
            Conflict::KeyRevision { id: key.id(), expected: key.revision(), actual: actual()? }
        }
        (Write::Key(KeyWrite::Revoke { id, expected }), 6) => {
            Conflict::KeyRevision { id: *id, expected: *expected, actual: actual()? }
        }
        (Write::Key(KeyWrite::Replace(key)), 7) => Conflict::KeyMissing { id: key.id() },
        (Write::Key(KeyWrite::Revoke { id, .. }), 7) => Conflict::KeyMissing { id: *id },
        (Write::Key(KeyWrite::Add { key, at_most }), 8) => {
            Conflict::TooManyKeys { owner: key.owner(), at_most: *at_most }
        }
        _ => return Err(nonsense()),
    })
}
