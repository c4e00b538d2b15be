//! What an account file holds.
//!
//! Commits are appended in groups, each group with one write and one sync, and none of it is acknowledged before
//! that. So after a crash or a power cut only the last group can be incomplete, and what is incomplete was never
//! acknowledged: such a *torn tail* is cut off. Anything else that does not read back is damage, and the file is
//! refused as it is.
//!
//! What tells the two apart, where a line does not have its checksum:
//!
//! - if a later line says that a commit from here on was synced before it was written: damage;
//! - if it has no line feed, and does not begin with all of a line: torn;
//! - if the part of it that lies in some block of 512 bytes is nothing but padding or NUL bytes, as where the disk has
//!   not written what it was given: torn;
//! - otherwise: damage. The write was complete, so that it may have been acknowledged.
//!
//! A line whose checksum is right, but which does not follow from those before it, is damage always; and so is
//! whatever does not read in the base, which was synced before the file got its name.

use super::disk::{DiskFile, read_full_at};
use super::format::{self, Commit, Header, Line, LineError, NoHeader, PAD, ReadEvent};
use super::keys::Keys;
use super::reader::{ReadLine, read_lines};
use super::secrets::Secrets;
use super::size::Size;
use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::field::Field;
use crate::model::minutes_used::MinutesUsed;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Change, Conflict, Event, KeyEvent, Seq, Snapshot};
use crate::store::live::History;
use foldhash::quality::RandomState;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Recovered {
    /// `None` for a new file.
    pub(super) header: Option<Header>,
    pub(super) snapshot: Snapshot,
    pub(super) history: History,
    pub(super) size: Size,
    /// How long the good part of the file is; what follows is to be cut off.
    pub(super) length: u64,
    /// Where the commits begin that were written last, with one sync.
    pub(super) group: u64,
    /// The last line is whole but for its line feed, which is to be added.
    pub(super) lacks_line_feed: bool,
    /// The torn tail, if there is one.
    pub(super) torn: Option<TornTail>,
}

/// The end of an account file that is not whole: commits that were being written when the process or the machine
/// stopped, and so were never acknowledged. Opening the file cuts it off.
///
/// A file that somebody else cut short, such as a copy that was not completed, ends like this too; nothing in it can
/// tell. How long a backup is, and what its last commit is, [`Backup`](crate::Backup) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The first line of it, from 1.
    pub line: u64,
    /// Where it began, in bytes from 0.
    pub offset: u64,
    /// How many bytes there were.
    pub bytes: u64,
}

/// Where and how an account file is damaged. It is the [`source`](std::error::Error::source) of a
/// [`StoreError`](crate::StoreError) of kind [`Damaged`](crate::StoreErrorKind::Damaged).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, which begins at byte {offset}: {reason}")]
#[non_exhaustive]
pub struct FileDamage {
    /// The first damaged line, from 1.
    pub line: u64,
    /// Where it begins, in bytes from 0. The bytes before it are good.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file can't be read back.
#[derive(Debug)]
pub(super) enum Unreadable {
    Io(io::Error),
    NotAnAccountFile,
    NewerVersion(u32),
    /// Its secrets are sealed, and there is no key.
    Sealed,
    /// A secret is sealed with a key that is not there, or does not open with the one that is.
    Locked(FileDamage),
    Damaged(FileDamage),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The most that a header can be long.
pub(super) const MAX_HEADER: usize = 512;

/// Reads a file from its beginning. An empty one, or one whose header was torn, is a new one.
pub(super) fn recover(
    file: &dyn DiskFile,
    history: usize,
    secrets: &Secrets,
) -> Result<Recovered, Unreadable> {
    let end = end_of_content(file)?;
    let mut start = vec![0; MAX_HEADER.min(usize::try_from(end).unwrap_or(MAX_HEADER))];
    let read = read_full_at(file, &mut start, 0)?;
    start.truncate(read);
    let Some(line) = start.iter().position(|byte| *byte == b'\n') else {
        return new_file(file, &start, end, history);
    };
    let header = match Header::read(&start[..line]) {
        Ok(header) => header,
        Err(NoHeader::Newer(version)) => return Err(Unreadable::NewerVersion(version)),
        Err(NoHeader::Damaged) => return Err(damaged(1, 0, &LineError::Checksum)),
        Err(NoHeader::Foreign) => return Err(Unreadable::NotAnAccountFile),
    };
    if header.sealed && !secrets.opens_sealed() {
        return Err(Unreadable::Sealed);
    }
    let secrets = &secrets.of_file(header.sealed);
    let first = line as u64 + 1;
    let replay = |end| {
        let mut replay = Replay::new(header, history, first, end);
        read_lines(file, first, end, secrets, |line| replay.take(line))?;
        let torn = replay.ending(end)?;
        Ok::<_, Unreadable>((replay, torn))
    };
    let (mut replayed, torn) = replay(end)?;
    if let Some(torn) = torn {
        // Some of a commit whose end is torn may have been applied. Without it, the file ends well.
        (replayed, _) = replay(torn.offset)?;
    }
    replayed
        .finish(torn)
        .or_else(|conflict| Err(replay(torn.map_or(end, |torn| torn.offset))?.0.clash(&conflict)))
}

/// Where the content ends and the padding begins, if there is any.
pub(super) fn end_of_content(file: &dyn DiskFile) -> io::Result<u64> {
    let mut end = file.len()?;
    let mut block = vec![0; 64 << 10];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let read = read_full_at(file, &mut block[..usize::try_from(end - start).unwrap_or(0)], start)?;
        if let Some(last) = block[..read].iter().rposition(|byte| ![PAD, 0].contains(byte)) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// A file that has no line: new, or created and not completed. Any other start is somebody else's file, and stays as
/// it is.
fn new_file(file: &dyn DiskFile, start: &[u8], end: u64, history: usize) -> Result<Recovered, Unreadable> {
    let length = file.len()?;
    if end > start.len() as u64 || length > MAX_HEADER as u64 || !Header::begins(start) {
        let resembles = matches!(Header::read(start), Err(NoHeader::Damaged));
        let damage = || damaged(1, 0, &LineError::Checksum);
        return Err(if resembles { damage() } else { Unreadable::NotAnAccountFile });
    }
    Ok(Recovered {
        header: None,
        snapshot: Snapshot::empty(),
        history: History::new(Seq::START, history),
        size: Size::new(history),
        length: 0,
        group: 0,
        lacks_line_feed: false,
        torn: (length > 0).then_some(TornTail { line: 1, offset: 0, bytes: length }),
    })
}

/// The state that the lines so far make.
struct Replay {
    header: Header,
    /// How many accounts of the base have been read, and how many keys.
    base: u64,
    base_keys: u64,
    accounts: Accounts,
    keys: Keys,
    seq: Seq,
    recent: Recent,
    size: Size,
    /// The line that was taken last.
    line: u64,
    /// Where the last whole commit ends.
    length: u64,
    /// Where the commits that share its sync begin.
    group: u64,
    lacks_line_feed: bool,
    /// A commit of which parts are missing.
    divided: Option<Divided>,
    /// The first line that does not have its checksum, and may be torn.
    suspect: Option<Suspect>,
}

/// An account, and where it came from.
struct Placed {
    account: Arc<Account>,
    line: u64,
    offset: u64,
    weight: u32,
}

/// Accounts by SID, and in the order in which they were created: by which they lie in memory too, so that going through
/// all of them is quick.
struct Accounts {
    /// `None` where one was deleted.
    placed: Vec<Option<Placed>>,
    places: HashMap<AccountSid, usize, RandomState>,
}

impl Accounts {
    fn with_capacity(accounts: usize) -> Self {
        Self {
            placed: Vec::with_capacity(accounts),
            places: HashMap::with_capacity_and_hasher(accounts, RandomState::default()),
        }
    }

    fn get(&self, sid: AccountSid) -> Option<&Placed> {
        self.placed.get(*self.places.get(&sid)?)?.as_ref()
    }

    fn get_mut(&mut self, sid: AccountSid) -> Option<&mut Placed> {
        self.placed.get_mut(*self.places.get(&sid)?)?.as_mut()
    }

    fn insert(&mut self, sid: AccountSid, placed: Placed) -> Result<(), LineError> {
        let Entry::Vacant(free) = self.places.entry(sid) else { return Err(taken(sid)) };
        free.insert(self.placed.len());
        self.placed.push(Some(placed));
        Ok(())
    }

    fn remove(&mut self, sid: AccountSid) -> Option<Placed> {
        self.placed.get_mut(self.places.remove(&sid)?)?.take()
    }
}

struct Divided {
    line: u64,
    offset: u64,
    parts: u64,
    at: Timestamp,
    actor: Arc<Actor>,
    events: usize,
    weight: i64,
}

/// The last commits, not yet made into changes, of which most would be dropped again.
struct Recent {
    commits: VecDeque<(Timestamp, Arc<Actor>, usize)>,
    /// Of all those commits, and of the one that is being read.
    events: VecDeque<Event>,
    most: usize,
}

impl Recent {
    fn push(&mut self, at: Timestamp, actor: Arc<Actor>, events: usize) {
        self.commits.push_back((at, actor, events));
        while self.commits.len() > self.most
            && let Some((_, _, events)) = self.commits.pop_front()
        {
            self.events.drain(..events);
        }
    }

    /// The changes, of which the last is this one.
    fn into_history(mut self, last: Seq) -> History {
        let start = Seq::new(last.get() - self.commits.len() as u64);
        let mut history = History::new(start, self.most);
        let mut seq = start;
        for (at, actor, events) in self.commits {
            seq = seq.next();
            let events = self.events.drain(..events).collect();
            history.push(Arc::new(Change::new(seq, Actor::clone(&actor), at, events)));
        }
        history
    }
}

struct Suspect {
    line: u64,
    offset: u64,
    error: LineError,
    /// The line itself looks torn.
    torn: bool,
    /// The first commit that it can be.
    seq: Seq,
}

impl Replay {
    fn new(header: Header, history: usize, length: u64, end: u64) -> Self {
        /// The least that an account takes, about.
        const ACCOUNT: u64 = 512;
        /// No more than this are made room for on the word of a file's length.
        const MOST: u64 = 1 << 20;
        let accounts = ((end - length) / ACCOUNT).min(MOST) as usize;
        Self {
            header,
            base: 0,
            base_keys: 0,
            keys: Keys::default(),
            accounts: Accounts::with_capacity(accounts),
            seq: header.base,
            recent: Recent { commits: VecDeque::new(), events: VecDeque::new(), most: history },
            size: Size::new(history),
            line: 1,
            length,
            group: 0,
            lacks_line_feed: false,
            divided: None,
            suspect: None,
        }
    }

    fn take(&mut self, line: ReadLine) -> Result<(), Unreadable> {
        self.line += 1;
        let ReadLine { offset, bytes, ended, content } = line;
        let accounts_left = self.base < self.header.accounts;
        let in_base = accounts_left || self.base_keys < self.header.keys;
        let taken = match (content, &self.suspect) {
            (Ok(Line::Commit(commit)), Some(suspect)) if commit.place.synced_before() >= suspect.seq => {
                return Err(damaged(suspect.line, suspect.offset, &suspect.error));
            }
            (_, Some(_)) => return Ok(()),
            (Ok(Line::Account(account)), None) if accounts_left => self.take_account(account, offset, bytes),
            (Ok(Line::Key(key)), None) if in_base && !accounts_left => self.take_key(key, offset, bytes),
            (Ok(Line::Account(_)), None) => Err(LineError::Kind {
                expected: if in_base { "an API key of the base" } else { "a commit" },
                found: "an account of the base",
            }),
            (Ok(Line::Key(_)), None) => Err(LineError::Kind {
                expected: if in_base { "an account of the base" } else { "a commit" },
                found: "an API key of the base",
            }),
            (Ok(Line::Commit(_)), None) if in_base => Err(LineError::Kind {
                expected: if accounts_left { "an account of the base" } else { "an API key of the base" },
                found: "a commit",
            }),
            (Ok(Line::Commit(commit)), None) => self.take_commit(commit, offset, bytes, ended),
            (Err(bad), None) if in_base || !matches!(bad.error, LineError::Checksum) => Err(bad.error),
            (Err(bad), None) => {
                self.suspect = Some(Suspect {
                    line: self.line,
                    offset,
                    error: bad.error,
                    torn: bad.lost || !ended && !bad.begins_whole,
                    seq: self.seq.next(),
                });
                return Ok(());
            }
        };
        taken.map_err(|error| damaged(self.line, offset, &error))
    }

    fn take_account(&mut self, account: Arc<Account>, offset: u64, bytes: u64) -> Result<(), LineError> {
        self.base += 1;
        self.length = offset + bytes;
        self.group = self.length;
        self.size.base += bytes;
        let sid = account.sid();
        let weight = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.accounts.insert(sid, Placed { account, line: self.line, offset, weight })
    }

    fn take_key(&mut self, key: Arc<ApiKey>, offset: u64, bytes: u64) -> Result<(), LineError> {
        self.base_keys += 1;
        self.length = offset + bytes;
        self.group = self.length;
        self.size.base += bytes;
        self.add_key(key)
    }

    fn key(&self, id: KeyId) -> Result<Arc<ApiKey>, LineError> {
        self.keys.get(id).cloned().ok_or_else(|| contradiction(&Conflict::KeyMissing { id }))
    }

    /// Adds a key that is not there, of an account that is.
    fn add_key(&mut self, key: Arc<ApiKey>) -> Result<(), LineError> {
        if let Scope::Account(sid) = key.owner()
            && self.accounts.get(sid).is_none()
        {
            return Err(missing(sid));
        }
        let id = key.id();
        self.keys.insert(key).map_err(|_| contradiction(&Conflict::KeyTaken { id }))
    }

    fn take_commit(&mut self, commit: Commit, offset: u64, bytes: u64, ended: bool) -> Result<(), LineError> {
        let Commit { place, at, actor, events, more } = commit;
        let expected = self.seq.next();
        if place.seq != expected {
            return Err(LineError::Seq { expected, found: place.seq });
        }
        let mut divided = self.divided.take().unwrap_or(Divided {
            line: self.line,
            offset,
            parts: 0,
            at,
            actor,
            events: 0,
            weight: 0,
        });
        if place.part != divided.parts {
            let Divided { parts: expected, .. } = divided;
            return Err(LineError::Part { seq: place.seq, expected, found: place.part });
        }
        // What an account of this line takes, about.
        let deletions = events
            .iter()
            .filter(|event| matches!(event, ReadEvent::Deleted(..) | ReadEvent::MinutesUsed(..)))
            .count();
        let share = format::share(bytes, events.len(), deletions);
        let known = self.recent.events.len();
        for event in events {
            divided.weight += self.apply(event, offset, share)?;
        }
        divided.events += self.recent.events.len() - known;
        if more {
            divided.parts += 1;
            self.divided = Some(divided);
            return Ok(());
        }
        self.seq = place.seq;
        self.length = offset + bytes;
        self.lacks_line_feed = !ended;
        if place.joined == 0 {
            self.group = divided.offset;
        }
        self.size.push(self.length - divided.offset, divided.weight);
        self.recent.push(divided.at, divided.actor, divided.events);
        Ok(())
    }

    /// Makes an event true, and adds it to the recent ones, with what follows from it; by how much it makes the base
    /// heavier.
    fn apply(&mut self, event: ReadEvent, offset: u64, weight: u32) -> Result<i64, LineError> {
        let line = self.line;
        let placed = |account: &Arc<Account>| Placed { account: Arc::clone(account), line, offset, weight };
        let mut gained = 0;
        let (event, gain) = match event {
            ReadEvent::Created(account) => {
                let sid = account.sid();
                if self.header.version < format::RESTORED {
                    fits(sid, Revision::FIRST, account.revision())?;
                }
                self.accounts.insert(sid, placed(&account))?;
                (Event::Created(account), i64::from(weight))
            }
            ReadEvent::Replaced(after) => {
                let sid = after.sid();
                let there = self.accounts.get_mut(sid).ok_or_else(|| missing(sid))?;
                fits(sid, there.account.revision().next(), after.revision())?;
                // An edit leaves them as they are.
                let minutes = there.account.minutes_used().cloned();
                let kept = u32::try_from(format::minutes_weight(minutes.as_ref())).unwrap_or(0);
                let weight = weight.saturating_add(kept);
                let after = with_minutes(after, minutes);
                let before = std::mem::replace(there, Placed { weight, ..placed(&after) });
                let heavier = i64::from(weight) - i64::from(before.weight);
                (Event::Replaced { before: before.account, after }, heavier)
            }
            ReadEvent::Deleted(sid, revision) => {
                let there = self.accounts.get_mut(sid).ok_or_else(|| missing(sid))?;
                fits(sid, revision, there.account.revision())?;
                let before = self.accounts.remove(sid).ok_or_else(|| missing(sid))?;
                for key in self.keys.remove_all_of(sid) {
                    let revoked = KeyEvent::Revoked(key);
                    gained += format::key_gain(&revoked);
                    self.recent.events.push_back(Event::Key(revoked));
                }
                (Event::Deleted(before.account), -i64::from(before.weight))
            }
            ReadEvent::MinutesUsed(sid, used) => {
                let Some(there) = self.accounts.get_mut(sid) else { return Ok(0) };
                let before = format::minutes_weight(there.account.minutes_used());
                let heavier = format::minutes_weight(Some(&used)) - before;
                there.weight = u32::try_from(i64::from(there.weight) + heavier).unwrap_or(0);
                there.account = with_minutes(Arc::clone(&there.account), Some(used));
                return Ok(heavier);
            }
            ReadEvent::KeyAdded(_)
            | ReadEvent::KeyReplaced(_)
            | ReadEvent::KeyRevoked(..)
            | ReadEvent::KeyUsed(..) => match self.apply_to_key(event)? {
                Some(event) => {
                    gained += format::key_gain(&event);
                    (Event::Key(event), 0)
                }
                None => return Ok(0),
            },
        };
        self.recent.events.push_back(event);
        Ok(gain + gained)
    }

    /// As [`Replay::apply`], of an event about a key; `None` if nothing comes of it.
    fn apply_to_key(&mut self, event: ReadEvent) -> Result<Option<KeyEvent>, LineError> {
        Ok(match event {
            ReadEvent::KeyAdded(key) => {
                if self.header.version < format::RESTORED {
                    key_fits(key.id(), Revision::FIRST, key.revision())?;
                }
                self.add_key(Arc::clone(&key))?;
                Some(KeyEvent::Added(key))
            }
            ReadEvent::KeyReplaced(after) => {
                let before = self.key(after.id())?;
                key_fits(after.id(), before.revision().next(), after.revision())?;
                if before.owner() != after.owner() {
                    return Err(contradiction(&Conflict::KeyTaken { id: after.id() }));
                }
                // Who wrote it did not know of every use.
                let after = after.used(before.last_used());
                self.keys.put(Arc::clone(&after));
                Some(KeyEvent::Replaced { before, after })
            }
            ReadEvent::KeyRevoked(id, revision) => {
                let before = self.key(id)?;
                key_fits(id, revision, before.revision())?;
                self.keys.remove(id);
                Some(KeyEvent::Revoked(before))
            }
            ReadEvent::KeyUsed(id, at) => {
                if let Some(before) = self.keys.get(id).cloned() {
                    self.keys.put(before.used(Some(at)));
                }
                None
            }
            ReadEvent::Created(_)
            | ReadEvent::Replaced(_)
            | ReadEvent::Deleted(..)
            | ReadEvent::MinutesUsed(..) => None,
        })
    }

    /// How the content, which ends here, ends: well, torn, or damaged.
    fn ending(&self, end: u64) -> Result<Option<TornTail>, Unreadable> {
        let (expected, found) = (self.header.lines(), self.base + self.base_keys);
        if found < expected && self.suspect.is_none() {
            let error = LineError::BaseEnds { expected, found };
            return Err(damaged(self.line + 1, end, &error));
        }
        let (line, offset) = match (&self.divided, &self.suspect) {
            (_, Some(suspect)) if !suspect.torn => {
                return Err(damaged(suspect.line, suspect.offset, &suspect.error));
            }
            (Some(divided), _) => (divided.line, divided.offset),
            (None, Some(suspect)) => (suspect.line, suspect.offset),
            (None, None) => return Ok(None),
        };
        Ok(Some(TornTail { line, offset, bytes: end - offset }))
    }

    fn finish(self, torn: Option<TornTail>) -> Result<Recovered, Conflict> {
        let accounts = self.accounts.placed.into_iter().flatten().map(|placed| placed.account);
        Ok(Recovered {
            header: Some(self.header),
            snapshot: Snapshot::from_accounts(self.seq, accounts)?.with_keys(self.keys.into_all())?,
            history: self.recent.into_history(self.seq),
            size: self.size,
            length: self.length,
            group: self.group,
            lacks_line_feed: self.lacks_line_feed,
            torn,
        })
    }

    /// Where two accounts clash: of the two that can't both be, the later is the one that does not fit.
    fn clash(&self, conflict: &Conflict) -> Unreadable {
        let (sid, holder) = match *conflict {
            Conflict::Taken { sid, holder, .. } => (sid, holder),
            Conflict::Revision { sid, .. } | Conflict::Missing { sid } => (sid, sid),
            // Keys are compared as they are read.
            Conflict::KeyTaken { .. }
            | Conflict::KeyRevision { .. }
            | Conflict::KeyMissing { .. }
            | Conflict::TooManyKeys { .. } => {
                return damaged(self.line, self.length, &contradiction(conflict));
            }
        };
        let places = [sid, holder].into_iter().filter_map(|sid| self.accounts.get(sid));
        let later = places.map(|placed| (placed.line, placed.offset)).max();
        let (line, offset) = later.unwrap_or((self.line, self.length));
        damaged(line, offset, &LineError::Contradiction(conflict.to_string()))
    }
}

/// An account with these minutes used.
pub(super) fn with_minutes(account: Arc<Account>, minutes_used: Option<Arc<MinutesUsed>>) -> Arc<Account> {
    if account.minutes_used() == minutes_used.as_ref() {
        return account;
    }
    Arc::new(Account { minutes_used, ..Arc::unwrap_or_clone(account) })
}

fn taken(sid: AccountSid) -> LineError {
    let conflict = Conflict::Taken { field: Field::AccountSid, sid, holder: sid };
    LineError::Contradiction(conflict.to_string())
}

fn contradiction(conflict: &Conflict) -> LineError {
    LineError::Contradiction(conflict.to_string())
}

fn missing(sid: AccountSid) -> LineError {
    contradiction(&Conflict::Missing { sid })
}

fn key_fits(id: KeyId, expected: Revision, actual: Revision) -> Result<(), LineError> {
    if expected == actual {
        return Ok(());
    }
    Err(contradiction(&Conflict::KeyRevision { id, expected, actual }))
}

fn fits(sid: AccountSid, expected: Revision, actual: Revision) -> Result<(), LineError> {
    if expected == actual {
        return Ok(());
    }
    Err(LineError::Contradiction(Conflict::Revision { sid, expected, actual }.to_string()))
}

fn damaged(line: u64, offset: u64, error: &LineError) -> Unreadable {
    let damage = FileDamage { line, offset, reason: error.to_string() };
    if matches!(error, LineError::Locked(_)) {
        Unreadable::Locked(damage)
    } else {
        Unreadable::Damaged(damage)
    }
}

#[cfg(test)]
mod tests;
