//! The lines of an account file.
//!
//! A file is lines of text. Each is a checksum, a space, a JSON object, and a line feed:
//!
//! ```text
//! 9c5a1d20 {"format":"gateway-accounts","version":1}
//! 3f0e77b1 {"seq":1,"at":"2026-11-23T20:37:43.000Z","actor":{…},"events":[{"created":{…}}]}
//! ```
//!
//! The checksum is the CRC-32 (IEEE 802.3, as in gzip) of the JSON text, in 8 lower-case hexadecimal digits. The
//! first line is the header; every other is a commit, with its sequence number one above that of the line before.
//! An event is `{"created": account}`, `{"replaced": account}` with the account as it is after, or
//! `{"deleted": {"account_sid": …, "revision": …}}`. An account is an [`AccountRecord`].

use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::record::{AccountRecord, AccountRecordError};
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Change, Conflict, Event, Seq, Snapshot};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The version of the format that is written.
pub(super) const VERSION: u32 = 1;

const FORMAT: &str = "gateway-accounts";

/// Digits of the checksum, and the space after them.
const CHECKSUM_LEN: usize = 9;

/// The longest line, far above any batch an application would commit, so that a damaged file can't make its reader
/// allocate without end.
pub(super) const MAX_LINE: usize = 256 << 20;

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("its checksum does not match")]
    Checksum,
    #[error("it is longer than {MAX_LINE} bytes")]
    TooLong,
    #[error("its JSON is not that of a commit: {0}")]
    Json(#[source] serde_json::Error),
    #[error("an account in it breaks a rule: {0}")]
    Record(#[source] AccountRecordError),
    #[error("it is commit {found} where commit {expected} belongs")]
    Seq { expected: Seq, found: Seq },
    #[error("it contradicts the lines before it: {0}")]
    Contradiction(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit<'a, A> {
    seq: Seq,
    at: Timestamp,
    actor: Cow<'a, Actor>,
    events: Vec<Entry<A>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Entry<A> {
    Created(A),
    Replaced(A),
    Deleted { account_sid: AccountSid, revision: Revision },
}

/// A commit that was read from its line: the accounts as they are after it, not yet compared with those before.
pub(super) struct Read(Commit<'static, Arc<Account>>);

/// The first line of a file.
pub(super) fn header() -> Vec<u8> {
    with_checksum(|line| {
        line.extend_from_slice(format!(r#"{{"format":"{FORMAT}","version":{VERSION}}}"#).as_bytes());
    })
}

/// Which version a file of this first line has; `None` when it is no header at all.
pub(super) fn version(line: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Header {
        format: String,
        version: u32,
    }
    let header: Header = serde_json::from_slice(checked(line).ok()?).ok()?;
    (header.format == FORMAT).then_some(header.version)
}

/// The line of a commit, with its line feed.
pub(super) fn encode(change: &Change) -> Vec<u8> {
    let record = |account: &Arc<Account>| Box::new(AccountRecord::from(&**account));
    let events = change.events.iter().map(|event| match event {
        Event::Created(account) => Entry::Created(record(account)),
        Event::Replaced { after, .. } => Entry::Replaced(record(after)),
        Event::Deleted(account) => {
            Entry::Deleted { account_sid: account.sid(), revision: account.revision() }
        }
    });
    let commit = Commit {
        seq: change.seq,
        at: change.at,
        actor: Cow::Borrowed(&change.actor),
        events: events.collect(),
    };
    with_checksum(|line| {
        serde_json::to_writer(line, &commit)
            .expect("texts and numbers in structs always serialize to memory");
    })
}

/// Reads a line, without its line feed.
pub(super) fn read(line: &[u8]) -> Result<Read, LineError> {
    let commit: Commit<'_, Box<AccountRecord>> =
        serde_json::from_slice(checked(line)?).map_err(LineError::Json)?;
    let account =
        |record: Box<AccountRecord>| Account::try_from(*record).map(Arc::new).map_err(LineError::Record);
    let events = commit.events.into_iter().map(|entry| {
        Ok(match entry {
            Entry::Created(record) => Entry::Created(account(record)?),
            Entry::Replaced(record) => Entry::Replaced(account(record)?),
            Entry::Deleted { account_sid, revision } => Entry::Deleted { account_sid, revision },
        })
    });
    let events = events.collect::<Result<_, LineError>>()?;
    let actor = Cow::Owned(commit.actor.into_owned());
    Ok(Read(Commit { seq: commit.seq, at: commit.at, actor, events }))
}

/// The change that a commit makes to this snapshot.
pub(super) fn change(Read(commit): Read, snapshot: &Snapshot) -> Result<Change, LineError> {
    let expected = snapshot.seq().next();
    if commit.seq != expected {
        return Err(LineError::Seq { expected, found: commit.seq });
    }
    let mut events: Vec<Event> = Vec::with_capacity(commit.events.len());
    // What the earlier events of the same commit left of the accounts that they changed.
    let mut changed: HashMap<AccountSid, Option<Arc<Account>>> = HashMap::new();
    let current = |sid: AccountSid, changed: &HashMap<_, Option<_>>| {
        let before = changed.get(&sid).cloned().unwrap_or_else(|| snapshot.by_sid(sid).cloned());
        before.ok_or_else(|| LineError::Contradiction(Conflict::Missing { sid }.to_string()))
    };
    for entry in commit.events {
        let event = match entry {
            Entry::Created(account) => Event::Created(account),
            Entry::Replaced(after) => Event::Replaced { before: current(after.sid(), &changed)?, after },
            Entry::Deleted { account_sid, revision } => {
                let before = current(account_sid, &changed)?;
                if before.revision() != revision {
                    let conflict = Conflict::Revision {
                        sid: account_sid,
                        expected: revision,
                        actual: before.revision(),
                    };
                    return Err(LineError::Contradiction(conflict.to_string()));
                }
                Event::Deleted(before)
            }
        };
        changed.insert(event.sid(), event.after().cloned());
        events.push(event);
    }
    Ok(Change::new(commit.seq, commit.actor.into_owned(), commit.at, events))
}

/// The JSON of a line, if the checksum before it is its own.
pub(super) fn checked(line: &[u8]) -> Result<&[u8], LineError> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_LEN).ok_or(LineError::Checksum)?;
    if checksum == digits(crc32fast::hash(json)) { Ok(json) } else { Err(LineError::Checksum) }
}

/// Whether a line begins with all of a line: its checksum is that of a part of what follows it.
pub(super) fn begins_whole(line: &[u8]) -> bool {
    let Some((checksum, json)) = line.split_at_checked(CHECKSUM_LEN) else { return false };
    let mut hasher = crc32fast::Hasher::new();
    json.split_inclusive(|byte| *byte == b'}').any(|part| {
        hasher.update(part);
        checksum == digits(hasher.clone().finalize())
    })
}

fn with_checksum(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut line = vec![b' '; CHECKSUM_LEN];
    write(&mut line);
    let checksum = digits(crc32fast::hash(&line[CHECKSUM_LEN..]));
    line[..CHECKSUM_LEN].copy_from_slice(&checksum);
    line.push(b'\n');
    line
}

fn digits(checksum: u32) -> [u8; CHECKSUM_LEN] {
    let mut digits = [b' '; CHECKSUM_LEN];
    for (i, digit) in digits[..8].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(checksum >> (28 - 4 * i)) as usize & 0xf];
    }
    digits
}
