//! The lines of an account file, as `docs/file-format.md` specifies them.
//!
//! A file is lines of text. Each is a checksum, a space, a JSON object, and a line feed:
//!
//! ```text
//! 82ea7968 {"format":"gateway-accounts","version":6,"base":{"seq":41,"accounts":1,"keys":1},"sealed":false}
//! 9f1b20aa {"account":{…}}
//! 41c7d0b3 {"key":{…}}
//! 3f0e77b1 {"seq":42,"at":"2026-11-23T20:37:43.000Z","actor":{…},"events":[{"created":{…}}]}
//! 07c1be55 {"seq":43,"joined":1,"at":"2026-11-23T20:37:43.000Z","actor":{…},"events":[{"replaced":{…}}]}
//! ```
//!
//! The checksum is the CRC-32 (IEEE 802.3, as in gzip) of the JSON text, in 8 lower-case hexadecimal digits. The first
//! line is the header. Then comes the base: a line for each account that there was after commit `base.seq`, and then one
//! for each API key. Every other line is a commit or a part of one. Commits that were written and synced together say so: `joined` is how
//! many of those before it a commit shares its sync with.

use super::secrets::{Boxes, Secrets};
use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, ApiKeyRecord, ApiKeyRecordError, KeyId};
use crate::model::minutes_used::MinutesUsed;
use crate::model::record::{AccountRecord, AccountRecordError};
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Event, KeyEvent, KeyWrite, Seq, Write};
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The version of the format that is written. Those before it are still read: in version 5 whatever was new had
/// revision 1, version 4 had no minutes used, version 3 had no former webhook
/// secrets, version 2 no API keys, and version 1 neither a base nor joined, divided or sealed commits.
pub(super) const VERSION: u32 = 6;

/// From this version on, what is new may have been brought from elsewhere, with its revision.
pub(super) const RESTORED: u32 = 6;

const FORMAT: &str = "gateway-accounts";

/// Digits of the checksum, and the space after them.
const CHECKSUM_LEN: usize = 9;

/// The longest line that is read, so that a damaged file can't make its reader allocate without end.
pub(super) const MAX_LINE: usize = 256 << 20;

/// A commit of more events is divided into lines of so many: half a megabyte, as accounts go.
pub(super) const DIVIDE: usize = if cfg!(test) { 8 } else { 1024 };

/// What fills the space made ready after the last line. JSON text has it nowhere, so that what was not written there
/// is told from what was; and to whoever reads JSON it is white space.
pub(super) const PAD: u8 = b'\t';

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("its checksum does not match")]
    Checksum,
    #[error("it is longer than {MAX_LINE} bytes")]
    TooLong,
    #[error("its JSON is not that of {expected}: {source}")]
    Json { expected: &'static str, source: serde_json::Error },
    #[error("an event in it is not just one thing that happened")]
    Event,
    #[error("an account in it breaks a rule: {0}")]
    Record(#[source] AccountRecordError),
    #[error("an API key in it breaks a rule: {0}")]
    Key(#[source] ApiKeyRecordError),
    #[error("it is commit {found} where commit {expected} belongs")]
    Seq { expected: Seq, found: Seq },
    #[error("it is a commit that none can follow")]
    LastSeq,
    #[error("it is part {found} of commit {seq} where part {expected} belongs")]
    Part { seq: Seq, expected: u64, found: u64 },
    #[error("it is {found} where {expected} belongs")]
    Kind { expected: &'static str, found: &'static str },
    #[error("the file ends after {found} of the {expected} lines of its base")]
    BaseEnds { expected: u64, found: u64 },
    #[error("it contradicts the lines before it: {0}")]
    Contradiction(String),
    #[error("a secret in it can't be read: {0}")]
    Secret(String),
    /// No key opens it.
    #[error("{0}")]
    Locked(String),
}

/// The first line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    /// The commit after which the accounts of the base are the state.
    pub(super) base: Seq,
    /// How many accounts the base has.
    pub(super) accounts: u64,
    /// How many API keys, after them.
    pub(super) keys: u64,
    /// Whether the secrets are sealed, all of them.
    pub(super) sealed: bool,
}

#[derive(Serialize, Deserialize)]
struct HeaderJson {
    format: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<BaseJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct BaseJson {
    seq: Seq,
    accounts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
}

impl Header {
    /// The header of a file that was never rewritten.
    pub(super) fn new(sealed: bool) -> Self {
        Self { version: VERSION, base: Seq::START, accounts: 0, keys: 0, sealed }
    }

    /// The line, with its line feed.
    pub(super) fn line(&self) -> Vec<u8> {
        let newer = self.version > 1;
        let json = HeaderJson {
            format: FORMAT.to_owned(),
            version: self.version,
            base: newer.then_some(BaseJson {
                seq: self.base,
                accounts: self.accounts,
                keys: (self.version > 2).then_some(self.keys),
            }),
            sealed: newer.then_some(self.sealed),
        };
        let mut line = Vec::new();
        with_checksum(&mut line, |line| write_json(line, &json));
        line
    }

    /// How many lines the base has.
    pub(super) fn lines(&self) -> u64 {
        self.accounts.saturating_add(self.keys)
    }

    /// Reads a first line, without its line feed.
    pub(super) fn read(line: &[u8]) -> Result<Self, NoHeader> {
        let start = Self::new(false).line();
        // The checksum and the numbers are left out of the comparison.
        let resembles = || {
            let (line, start) = (line.iter().skip(CHECKSUM_LEN), start.iter().skip(CHECKSUM_LEN).take(40));
            line.zip(start).filter(|(a, b)| a == b).count() > 30
        };
        let json: Option<HeaderJson> = checked(line).ok().and_then(|json| serde_json::from_slice(json).ok());
        match json {
            Some(json) if json.format == FORMAT && json.version > VERSION => {
                Err(NoHeader::Newer(json.version))
            }
            Some(HeaderJson { version, base, sealed, .. }) => {
                let none = BaseJson { seq: Seq::START, accounts: 0, keys: None };
                let BaseJson { seq, accounts, keys } = base.unwrap_or(none);
                let keys = keys.unwrap_or(0);
                let header = Self { version, base: seq, accounts, keys, sealed: sealed.unwrap_or(false) };
                // What is read is written back as it was, so that nothing in it went unread.
                let same = header.line().strip_suffix(b"\n") == Some(line);
                if same && version > 0 && seq.next() != seq { Ok(header) } else { Err(NoHeader::Damaged) }
            }
            None if resembles() => Err(NoHeader::Damaged),
            None => Err(NoHeader::Foreign),
        }
    }

    /// Whether these bytes, without a line feed, are the beginning of the header of a new file, of whatever version.
    pub(super) fn begins(bytes: &[u8]) -> bool {
        let headers = (1..=VERSION).flat_map(|version| [true, false].map(|sealed| (version, sealed)));
        headers
            .into_iter()
            .any(|(version, sealed)| Self { version, ..Self::new(sealed) }.line().starts_with(bytes))
    }
}

/// Why a first line is not a header.
#[derive(Debug)]
pub(super) enum NoHeader {
    Newer(u32),
    Damaged,
    Foreign,
}

/// What happened to an account, as it is written.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    Created(&'a Account, Revision),
    Replaced(&'a Account, Revision),
    Deleted(AccountSid, Revision),
    KeyAdded(&'a ApiKey, Revision),
    KeyReplaced(&'a ApiKey, Revision),
    KeyRevoked(KeyId, Revision),
    KeyUsed(KeyId, Timestamp),
    MinutesUsed(AccountSid, &'a MinutesUsed),
}

impl<'a> From<&'a Write> for Entry<'a> {
    /// What a write becomes if it is committed: revisions don't depend on what is stored.
    fn from(write: &'a Write) -> Self {
        match write {
            Write::Create(account) => Self::Created(account, Revision::FIRST),
            Write::Restore(account) => Self::Created(account, account.revision()),
            Write::Replace(account) => Self::Replaced(account, account.revision().next()),
            Write::Delete { sid, expected } => Self::Deleted(*sid, *expected),
            Write::Key(KeyWrite::Add { key, .. }) => Self::KeyAdded(key, Revision::FIRST),
            Write::Key(KeyWrite::Restore(key)) => Self::KeyAdded(key, key.revision()),
            Write::Key(KeyWrite::Replace(key)) => Self::KeyReplaced(key, key.revision().next()),
            Write::Key(KeyWrite::Revoke { id, expected }) => Self::KeyRevoked(*id, *expected),
            Write::Key(KeyWrite::Use { id, at }) => Self::KeyUsed(*id, *at),
            Write::MinutesUsed { sid, used } => Self::MinutesUsed(*sid, used),
        }
    }
}

impl<'a> From<&'a Event> for Entry<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::Created(account) => Self::Created(account, account.revision()),
            Event::Replaced { after, .. } => Self::Replaced(after, after.revision()),
            Event::Deleted(account) => Self::Deleted(account.sid(), account.revision()),
            Event::Key(KeyEvent::Added(key)) => Self::KeyAdded(key, key.revision()),
            Event::Key(KeyEvent::Replaced { after, .. }) => Self::KeyReplaced(after, after.revision()),
            Event::Key(KeyEvent::Revoked(key)) => Self::KeyRevoked(key.id(), key.revision()),
        }
    }
}

/// A line of a commit but for its place among the commits, which is known only when it is written.
#[derive(Debug)]
pub(super) struct Body {
    /// The JSON from after the place to its end.
    json: Vec<u8>,
    /// How many bytes its accounts take as lines of a base.
    pub(super) weight: u64,
}

/// A place among the commits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) seq: Seq,
    /// How many commits before it share its sync.
    pub(super) joined: u64,
    /// Which part of the commit it is, from 0.
    pub(super) part: u64,
}

impl Body {
    /// A line with these events. `more` says that the commit goes on in another line.
    pub(super) fn new<'a>(
        at: Timestamp,
        actor: &Actor,
        entries: impl Iterator<Item = Entry<'a>>,
        more: bool,
        secrets: &Secrets,
    ) -> Result<Self, StoreError> {
        let mut json = Vec::with_capacity(1024);
        let mut weight = 0;
        json.extend_from_slice(b"\"at\":");
        write_json(&mut json, &at);
        json.extend_from_slice(b",\"actor\":");
        write_json(&mut json, actor);
        json.extend_from_slice(b",\"events\":[");
        for (n, entry) in entries.enumerate() {
            if n > 0 {
                json.push(b',');
            }
            weight += write_entry(&mut json, entry, secrets)?;
        }
        json.push(b']');
        if more {
            json.extend_from_slice(b",\"more\":true");
        }
        json.push(b'}');
        Ok(Self { json, weight })
    }

    /// Appends the whole line to these.
    pub(super) fn write(&self, place: Place, lines: &mut Vec<u8>) {
        with_checksum(lines, |line| {
            let Place { seq, joined, part } = place;
            line.extend_from_slice(format!("{{\"seq\":{seq},").as_bytes());
            for (name, number) in [("joined", joined), ("part", part)] {
                if number > 0 {
                    line.extend_from_slice(format!("\"{name}\":{number},").as_bytes());
                }
            }
            line.extend_from_slice(&self.json);
        });
    }
}

/// Appends the line of an account of the base.
pub(super) fn write_account(
    account: &Account,
    secrets: &Secrets,
    lines: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let mut result = Ok(());
    with_checksum(lines, |line| {
        line.extend_from_slice(ACCOUNT.as_bytes());
        result = secrets.write(account, account.revision(), line);
        line.push(b'}');
    });
    result
}

const ACCOUNT: &str = "{\"account\":";

/// How many bytes the line of an account has beside the account.
const ACCOUNT_LINE: u64 = CHECKSUM_LEN as u64 + ACCOUNT.len() as u64 + 2;

/// Appends the line of an API key of the base.
pub(super) fn write_key(key: &ApiKey, lines: &mut Vec<u8>) {
    with_checksum(lines, |line| {
        line.extend_from_slice(KEY.as_bytes());
        write_json(line, &ApiKeyRecord::from(key));
        line.push(b'}');
    });
}

const KEY: &str = "{\"key\":";

/// How many bytes a key takes as a line of a base, but for when it was last used: that changes without an event.
pub(super) fn key_weight(key: &ApiKey) -> u64 {
    let mut line = Vec::with_capacity(512);
    write_key(&ApiKey { last_used: None, ..key.clone() }, &mut line);
    line.len() as u64
}

/// By how much what happened to a key makes the base heavier.
pub(super) fn key_gain(event: &KeyEvent) -> i64 {
    let weight = |key: Option<&Arc<ApiKey>>| key.map_or(0, |key| key_weight(key).cast_signed());
    weight(event.after()) - weight(event.before())
}

/// How many bytes an account takes as a line of a base.
pub(super) fn weight(account: &Account, secrets: &Secrets) -> u64 {
    secrets.length(account) + ACCOUNT_LINE
}

/// How many bytes the minutes used take in the line of their account.
pub(super) fn minutes_weight(used: Option<&Arc<MinutesUsed>>) -> i64 {
    const NAME: usize = "\"minutes_used\":,".len();
    used.map_or(0, |used| {
        let mut json = Vec::with_capacity(256);
        write_json(&mut json, &**used);
        (json.len() + NAME) as i64
    })
}

/// The weight of each of a line's accounts, about, by the length of the line and how many of its events have none.
pub(super) fn share(bytes: u64, events: usize, deletions: usize) -> u32 {
    /// What a commit has beside its events, and a deletion, about.
    const COMMIT: u64 = 120;
    const DELETION: u64 = 80;
    let accounts = bytes.saturating_sub(COMMIT + DELETION * deletions as u64);
    let each = accounts / events.saturating_sub(deletions).max(1) as u64;
    u32::try_from(each + ACCOUNT_LINE).unwrap_or(u32::MAX)
}

/// Appends an event; the weight of its account. What keys weigh is told from what becomes of them: see
/// [`key_weight`].
fn write_entry(json: &mut Vec<u8>, entry: Entry<'_>, secrets: &Secrets) -> Result<u64, StoreError> {
    #[derive(Serialize)]
    struct Deleted {
        account_sid: AccountSid,
        revision: Revision,
    }
    let without_minutes;
    let (name, account, revision) = match entry {
        Entry::Created(account, revision) => ("{\"created\":", account, revision),
        Entry::Replaced(account, revision) if account.minutes_used().is_none() => {
            ("{\"replaced\":", account, revision)
        }
        // An edit leaves them as they are, whatever its writer knew of them.
        Entry::Replaced(account, revision) => {
            without_minutes = Account { minutes_used: None, ..account.clone() };
            ("{\"replaced\":", &without_minutes, revision)
        }
        Entry::Deleted(account_sid, revision) => {
            json.extend_from_slice(b"{\"deleted\":");
            write_json(json, &Deleted { account_sid, revision });
            json.push(b'}');
            return Ok(0);
        }
        Entry::KeyAdded(key, revision) | Entry::KeyReplaced(key, revision) => {
            let added = matches!(entry, Entry::KeyAdded(..));
            json.extend_from_slice(if added { b"{\"key_added\":" } else { b"{\"key_replaced\":" });
            write_json(json, &ApiKeyRecord { revision, ..ApiKeyRecord::from(key) });
            json.push(b'}');
            return Ok(0);
        }
        Entry::KeyRevoked(key_id, revision) => {
            json.extend_from_slice(b"{\"key_revoked\":");
            write_json(json, &KeyRevokedJson { key_id, revision });
            json.push(b'}');
            return Ok(0);
        }
        Entry::KeyUsed(key_id, at) => {
            json.extend_from_slice(b"{\"key_used\":");
            write_json(json, &KeyUsedJson { key_id, at });
            json.push(b'}');
            return Ok(0);
        }
        Entry::MinutesUsed(account_sid, used) => {
            json.extend_from_slice(b"{\"minutes_used\":");
            write_json(json, &MinutesUsedJson { account_sid, used: Cow::Borrowed(used) });
            json.push(b'}');
            return Ok(0);
        }
    };
    json.extend_from_slice(name.as_bytes());
    let start = json.len();
    secrets.write(account, revision, json)?;
    let length = json.len() - start;
    json.push(b'}');
    // By the same measure as when it is superseded, or the difference would add up.
    Ok(if secrets.sealed() { weight(account, secrets) } else { length as u64 + ACCOUNT_LINE })
}

/// A line after the header that was read. `A` is what its accounts are read as.
#[derive(Debug)]
pub(super) enum Line<A = Arc<Account>> {
    /// An account of the base.
    Account(A),
    /// An API key of the base.
    Key(Arc<ApiKey>),
    /// A commit, or a part of one.
    Commit(Commit<A>),
}

/// A commit that was read, or a part of one: the accounts as they are after it, not yet compared with those before.
#[derive(Debug)]
pub(super) struct Commit<A = Arc<Account>> {
    pub(super) place: Place,
    pub(super) at: Timestamp,
    pub(super) actor: Arc<Actor>,
    /// Mostly one, and then without memory of its own, which would be freed on another thread than it was made on.
    pub(super) events: SmallVec<[ReadEvent<A>; 1]>,
    /// Another part follows.
    pub(super) more: bool,
}

#[derive(Debug)]
pub(super) enum ReadEvent<A = Arc<Account>> {
    Created(A),
    Replaced(A),
    Deleted(AccountSid, Revision),
    KeyAdded(Arc<ApiKey>),
    KeyReplaced(Arc<ApiKey>),
    KeyRevoked(KeyId, Revision),
    KeyUsed(KeyId, Timestamp),
    MinutesUsed(AccountSid, Arc<MinutesUsed>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinutesUsedJson<'a> {
    account_sid: AccountSid,
    used: Cow<'a, MinutesUsed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyJson {
    key: Box<ApiKeyRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRevokedJson {
    key_id: KeyId,
    revision: Revision,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyUsedJson {
    key_id: KeyId,
    at: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountJson {
    account: Box<AccountRecord>,
    #[serde(default)]
    sealed: Option<Boxes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitJson {
    seq: Seq,
    #[serde(default)]
    joined: u64,
    #[serde(default)]
    part: u64,
    at: Timestamp,
    actor: Actor,
    events: Vec<EventJson>,
    #[serde(default)]
    more: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventJson {
    #[serde(default)]
    created: Option<Box<AccountRecord>>,
    #[serde(default)]
    replaced: Option<Box<AccountRecord>>,
    #[serde(default)]
    deleted: Option<DeletedJson>,
    #[serde(default)]
    key_added: Option<Box<ApiKeyRecord>>,
    #[serde(default)]
    key_replaced: Option<Box<ApiKeyRecord>>,
    #[serde(default)]
    key_revoked: Option<KeyRevokedJson>,
    #[serde(default)]
    key_used: Option<KeyUsedJson>,
    #[serde(default)]
    minutes_used: Option<MinutesUsedJson<'static>>,
    #[serde(default)]
    sealed: Option<Boxes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeletedJson {
    account_sid: AccountSid,
    revision: Revision,
}

impl Line {
    /// Reads a line after the header, without its line feed. Commits one after the other that have the same actor share
    /// it.
    pub(super) fn read(
        line: &[u8],
        secrets: &Secrets,
        last: &mut Option<Arc<Actor>>,
    ) -> Result<Self, LineError> {
        Self::read_with(line, last, |record, sealed| {
            let record = secrets.open(record, sealed)?;
            Account::try_from(record).map(Arc::new).map_err(LineError::Record)
        })
    }
}

impl<A> Line<A> {
    /// Reads a line after the header, without its line feed, and each account in it in this way.
    pub(super) fn read_with(
        line: &[u8],
        last: &mut Option<Arc<Actor>>,
        account: impl Fn(AccountRecord, Option<&Boxes>) -> Result<A, LineError>,
    ) -> Result<Self, LineError> {
        let json = checked(line)?;
        let account = |record: Box<AccountRecord>, sealed: Option<Boxes>| account(*record, sealed.as_ref());
        if json.starts_with(ACCOUNT.as_bytes()) {
            let read: AccountJson = serde_json::from_slice(json)
                .map_err(|source| LineError::Json { expected: "an account", source })?;
            return account(read.account, read.sealed).map(Self::Account);
        }
        if json.starts_with(KEY.as_bytes()) {
            let read: KeyJson = serde_json::from_slice(json)
                .map_err(|source| LineError::Json { expected: "an API key", source })?;
            return key(*read.key).map(Self::Key);
        }
        let read: CommitJson = serde_json::from_slice(json)
            .map_err(|source| LineError::Json { expected: "a commit", source })?;
        if read.seq.next() == read.seq {
            return Err(LineError::LastSeq);
        }
        let event = |event: EventJson| {
            let EventJson {
                created,
                replaced,
                deleted,
                key_added,
                key_replaced,
                key_revoked,
                key_used,
                minutes_used,
                sealed,
            } = event;
            let are = [
                created.is_some(),
                replaced.is_some(),
                deleted.is_some(),
                key_added.is_some(),
                key_replaced.is_some(),
                key_revoked.is_some(),
                key_used.is_some(),
                minutes_used.is_some(),
            ];
            let has_account = created.is_some() || replaced.is_some();
            if are.into_iter().filter(|is| *is).count() != 1 || sealed.is_some() && !has_account {
                return Err(LineError::Event);
            }
            if let Some(created) = created {
                return account(created, sealed).map(ReadEvent::Created);
            }
            if let Some(replaced) = replaced {
                return account(replaced, sealed).map(ReadEvent::Replaced);
            }
            if let Some(added) = key_added {
                return key(*added).map(ReadEvent::KeyAdded);
            }
            if let Some(replaced) = key_replaced {
                return key(*replaced).map(ReadEvent::KeyReplaced);
            }
            if let Some(KeyRevokedJson { key_id, revision }) = key_revoked {
                return Ok(ReadEvent::KeyRevoked(key_id, revision));
            }
            if let Some(KeyUsedJson { key_id, at }) = key_used {
                return Ok(ReadEvent::KeyUsed(key_id, at));
            }
            if let Some(MinutesUsedJson { account_sid, used }) = minutes_used {
                return Ok(ReadEvent::MinutesUsed(account_sid, Arc::new(used.into_owned())));
            }
            let DeletedJson { account_sid, revision } = deleted.ok_or(LineError::Event)?;
            Ok(ReadEvent::Deleted(account_sid, revision))
        };
        let actor = match last {
            Some(last) if **last == read.actor => Arc::clone(last),
            _ => Arc::clone(last.insert(Arc::new(read.actor))),
        };
        Ok(Self::Commit(Commit {
            place: Place { seq: read.seq, joined: read.joined, part: read.part },
            at: read.at,
            actor,
            events: read.events.into_iter().map(event).collect::<Result<_, _>>()?,
            more: read.more,
        }))
    }
}

impl Place {
    /// The last commit that was synced before this one was written.
    pub(super) fn synced_before(&self) -> Seq {
        Seq::new(self.seq.get().saturating_sub(1).saturating_sub(self.joined))
    }
}

fn key(record: ApiKeyRecord) -> Result<Arc<ApiKey>, LineError> {
    ApiKey::try_from(record).map(Arc::new).map_err(LineError::Key)
}

/// The JSON of a line, if the checksum before it is its own.
pub(super) fn checked(line: &[u8]) -> Result<&[u8], LineError> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_LEN).ok_or(LineError::Checksum)?;
    if checksum == digits(crc32fast::hash(json)) { Ok(json) } else { Err(LineError::Checksum) }
}

/// Whether a line begins with all of a line: its checksum is that of a part of what follows it.
pub(super) fn begins_whole(line: &[u8]) -> bool {
    whole_start(line).is_some()
}

/// How long the line is that a line begins with all of.
fn whole_start(line: &[u8]) -> Option<usize> {
    let (checksum, json) = line.split_at_checked(CHECKSUM_LEN)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut length = CHECKSUM_LEN;
    json.split_inclusive(|byte| *byte == b'}').find_map(|part| {
        hasher.update(part);
        length += part.len();
        (checksum == digits(hasher.clone().finalize())).then_some(length)
    })
}

/// Where there are whole lines within one that is damaged, such as one whose line feed became another character.
///
/// A line begins like `5c3d1f0e {"`, which is nowhere within one: outside of texts there is no space, and within a
/// text no quotation mark without a backslash. Where a text ends so, what follows does not read.
pub(super) fn whole_lines_in(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    /// What comes between a checksum and the first key.
    const OPENING: &[u8] = b" {\"";
    const KEYS: [&[u8]; 4] = [b"account\":", b"key\":", b"seq\":", b"format\":"];
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(found) = line.get(from..)?.windows(OPENING.len()).position(|found| found == OPENING) {
            let space = from + found;
            from = space + 1;
            if let Some(start) = space.checked_sub(CHECKSUM_LEN - 1)
                && line[start..space].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
                && KEYS.iter().any(|key| line[space + OPENING.len()..].starts_with(key))
                && let Some(length) = whole_start(&line[start..])
            {
                from = start + length;
                return Some(start..from);
            }
        }
        None
    })
}

/// Appends a line.
fn with_checksum(lines: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = lines.len();
    lines.extend_from_slice(&[b' '; CHECKSUM_LEN]);
    write(lines);
    let (checksum, json) = lines[start..].split_at_mut(CHECKSUM_LEN);
    checksum.copy_from_slice(&digits(crc32fast::hash(json)));
    lines.push(b'\n');
}

fn write_json(into: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(into, value).expect("texts and numbers in structs always serialize to memory");
}

fn digits(checksum: u32) -> [u8; CHECKSUM_LEN] {
    let mut digits = [b' '; CHECKSUM_LEN];
    for (i, digit) in digits[..8].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(checksum >> (28 - 4 * i)) as usize & 0xf];
    }
    digits
}
