//! Reading on, past whatever does not read.

use super::report::{LeftOut, Loss, WhyLeftOut};
use crate::model::account::Account;
use crate::model::api_key::ApiKey;
use crate::model::field::Field;
use crate::model::record::AccountRecord;
use crate::model::sid::AccountSid;
use crate::snapshot::{Conflict, Seq};
use crate::store::file::disk::{DiskFile, read_full_at};
use crate::store::file::format::{
    Commit, Header, Line, LineError, MAX_LINE, Place, ReadEvent, whole_lines_in,
};
use crate::store::file::keys::Keys;
use crate::store::file::reader::{BadLine, ReadLine, read_lines};
use crate::store::file::recovery::{TornTail, with_minutes};
use crate::store::file::secrets::{Boxes, Secrets};
use crate::store::findings::Findings;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// An account that was found and is not to be saved.
pub(super) type Unsaved = LeftOut;

/// What was found.
pub(super) struct Found {
    /// The last commit.
    pub(super) seq: Seq,
    /// The accounts, and in which order they were last written.
    pub(super) accounts: Vec<(u64, Arc<Account>)>,
    /// The API keys, as they were last written.
    pub(super) keys: Vec<Arc<ApiKey>>,
    /// The accounts that do not open, or break a rule.
    pub(super) unsaved: Vec<Unsaved>,
    pub(super) lost: Findings<Loss>,
}

/// An account as it was last written, or why it can't be had.
type Kept = Result<Arc<Account>, Box<Unsaved>>;

/// The state that the readable lines make.
pub(super) struct Reading<'a> {
    header: Option<Header>,
    secrets: &'a Secrets,
    accounts: HashMap<AccountSid, (u64, Kept)>,
    keys: Keys,
    /// Counts what was written, for the order.
    order: u64,
    /// The line that was taken last.
    line: u64,
    /// How many lines of the base there were, those that do not read included.
    base_lines: u64,
    /// How many accounts of it were found, and how many keys.
    base_accounts: u64,
    base_keys: u64,
    /// The part of a commit that was read last.
    last: Option<Last>,
    /// The first line that does not have its checksum, as long as nothing says that it was synced.
    suspect: Option<Suspect>,
    lost: Findings<Loss>,
}

/// The part of a commit that was read last.
#[derive(Clone, Copy)]
struct Last {
    place: Place,
    /// Another part follows.
    more: bool,
    /// Where the first part of the commit is.
    start: Position,
}

#[derive(Clone, Copy)]
struct Position {
    line: u64,
    offset: u64,
}

struct Suspect {
    at: Position,
    /// It looks torn.
    torn: bool,
    /// The first commit that it can be.
    seq: Seq,
}

impl<'a> Reading<'a> {
    pub(super) fn new(header: Option<Header>, secrets: &'a Secrets) -> Self {
        Self {
            header,
            secrets,
            accounts: HashMap::new(),
            keys: Keys::default(),
            order: 0,
            // Without a header, the first line is one that does not read.
            line: header.map_or(0, |_| 1),
            base_lines: 0,
            base_accounts: 0,
            base_keys: 0,
            last: None,
            suspect: None,
            lost: Findings::default(),
        }
    }

    /// Reads the lines from `start` to `end`.
    pub(super) fn read(&mut self, file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
        // Where the header is lost, the lines themselves tell whether their secrets are sealed.
        let sealed = self.header.map_or(self.secrets.sealed(), |header| header.sealed);
        let secrets = self.secrets.of_file(sealed);
        read_lines(file, start, end, &secrets, |line| self.take(file, line))
    }

    /// Whether anything in the file is ours.
    pub(super) fn found_any(&self) -> bool {
        self.base_accounts + self.base_keys > 0 || self.last.is_some()
    }

    fn take(&mut self, file: &dyn DiskFile, line: ReadLine) -> io::Result<()> {
        self.line += 1;
        let ReadLine { offset, bytes, ended, content } = line;
        let bad = match content {
            Ok(line) => {
                self.take_line(line.into(), offset, bytes);
                return Ok(());
            }
            Err(bad) => bad,
        };
        if bytes > MAX_LINE as u64 {
            self.skip(&bad, offset, bytes, ended);
            return Ok(());
        }
        let mut text = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        let read = read_full_at(file, &mut text, offset)?;
        text.truncate(read);
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        match (&bad.error, self.leniently(text)) {
            (LineError::Checksum, _) => {
                self.skip_all_but_whole_lines(&bad, text, offset, bytes, ended);
            }
            // It has its checksum, and one or the other of its accounts does not open, or breaks a rule.
            (_, Ok(line)) => self.take_line(line, offset, bytes),
            (_, Err(_)) => self.skip(&bad, offset, bytes, ended),
        }
        Ok(())
    }

    /// Reads a line each of whose accounts may not read.
    fn leniently(&self, line: &[u8]) -> Result<Line<Kept>, LineError> {
        Line::read_with(line, &mut None, |record, boxes| Ok(self.account(record, boxes)))
    }

    fn account(&self, record: AccountRecord, boxes: Option<&Boxes>) -> Kept {
        let (sid, name) = (record.sid, record.name.clone());
        // Boxes are opened wherever they are found; but where all is sealed, nothing else is believed.
        let sealed = boxes.is_some() || self.header.is_some_and(|header| header.sealed);
        let opened = if sealed && !self.secrets.sealed() {
            Err(LineError::Locked("no key was given".to_owned()))
        } else {
            self.secrets.of_file(sealed).open(record, boxes)
        };
        let read =
            opened.and_then(|record| Account::try_from(record).map(Arc::new).map_err(LineError::Record));
        read.map_err(|error| {
            let why = match error {
                LineError::Record(error) => WhyLeftOut::Rule { reason: error.to_string() },
                LineError::Secret(reason) | LineError::Locked(reason) => WhyLeftOut::Sealed { reason },
                error => WhyLeftOut::Sealed { reason: error.to_string() },
            };
            Box::new(LeftOut { sid, name, why })
        })
    }

    /// A line without its checksum, in which there may be others: those that it ran into when its line feed was lost,
    /// and the one behind a hole.
    fn skip_all_but_whole_lines(&mut self, bad: &BadLine, text: &[u8], offset: u64, bytes: u64, ended: bool) {
        let whole: Vec<_> = whole_lines_in(text)
            .filter_map(|range| Some((range.clone(), self.leniently(&text[range]).ok()?)))
            .collect();
        if whole.is_empty() {
            return self.skip(bad, offset, bytes, ended);
        }
        self.suspect(bad, offset, ended);
        let mut done = 0;
        for (range, line) in whole {
            self.lose_stretch(done..range.start, offset);
            done = range.end;
            self.take_line(line, offset + range.start as u64, range.len() as u64);
        }
        self.lose_stretch(done..text.len(), offset);
    }

    /// What is between whole lines.
    fn lose_stretch(&mut self, stretch: std::ops::Range<usize>, offset: u64) {
        if !stretch.is_empty() {
            let (offset, bytes) = (offset + stretch.start as u64, stretch.len() as u64);
            self.lose_line(offset, bytes, "it is no line that has its checksum".to_owned());
        }
    }

    fn skip(&mut self, bad: &BadLine, offset: u64, bytes: u64, ended: bool) {
        self.suspect(bad, offset, ended);
        self.base_lines += u64::from(self.last.is_none());
        self.lose_line(offset, bytes, bad.error.to_string());
    }

    /// Makes a note of the line if it may be where the torn tail begins; see [`recovery`](super::super::recovery).
    fn suspect(&mut self, bad: &BadLine, offset: u64, ended: bool) {
        let in_base =
            self.last.is_none() && self.header.is_none_or(|header| self.base_lines < header.lines());
        if !in_base && self.suspect.is_none() {
            let torn = matches!(bad.error, LineError::Checksum) && (bad.lost || !ended && !bad.begins_whole);
            let at = Position { line: self.line, offset };
            self.suspect = Some(Suspect { at, torn, seq: self.done().next() });
        }
    }

    fn lose_line(&mut self, offset: u64, bytes: u64, reason: String) {
        self.lost.push(Loss::Line { line: self.line, offset, bytes, reason });
    }

    /// The last commit that ended.
    fn done(&self) -> Seq {
        match &self.last {
            None => self.header.map_or(Seq::START, |header| header.base),
            Some(Last { place, more: false, .. }) => place.seq,
            Some(Last { place, .. }) => Seq::new(place.seq.get().saturating_sub(1)),
        }
    }

    fn take_line(&mut self, line: Line<Kept>, offset: u64, bytes: u64) {
        match line {
            Line::Account(account) => self.take_account(account, offset, bytes),
            Line::Key(key) => self.take_key(key, offset, bytes),
            Line::Commit(commit) => self.take_commit(commit, offset, bytes),
        }
    }

    fn take_account(&mut self, account: Kept, offset: u64, bytes: u64) {
        let sid = sid(&account);
        if self.last.is_some() {
            let error = LineError::Kind { expected: "a commit", found: "an account of the base" };
            return self.lose_line(offset, bytes, error.to_string());
        }
        self.base_lines += 1;
        if self.accounts.contains_key(&sid) {
            let conflict = Conflict::Taken { field: Field::AccountSid, sid, holder: sid };
            let error = LineError::Contradiction(conflict.to_string());
            return self.lose_line(offset, bytes, error.to_string());
        }
        self.base_accounts += 1;
        self.put(account);
    }

    fn take_key(&mut self, key: Arc<ApiKey>, offset: u64, bytes: u64) {
        if self.last.is_some() {
            let error = LineError::Kind { expected: "a commit", found: "an API key of the base" };
            return self.lose_line(offset, bytes, error.to_string());
        }
        self.base_lines += 1;
        match self.keys.insert(key) {
            Ok(()) => self.base_keys += 1,
            Err(key) => {
                let conflict = Conflict::KeyTaken { id: key.id() };
                let error = LineError::Contradiction(conflict.to_string());
                self.lose_line(offset, bytes, error.to_string());
            }
        }
    }

    fn take_commit(&mut self, commit: Commit<Kept>, offset: u64, bytes: u64) {
        let Commit { place, events, more, .. } = commit;
        if self.suspect.as_ref().is_some_and(|suspect| place.synced_before() >= suspect.seq) {
            self.suspect = None;
        }
        let here = Position { line: self.line, offset };
        let start = match self.last {
            Some(Last { place: last, start, .. }) if place.seq == last.seq && place.part > last.part => {
                self.lose_parts(place.seq, last.part.saturating_add(1), place.part);
                start
            }
            Some(Last { place: last, .. }) if place.seq <= last.seq => {
                let error = LineError::Seq { expected: last.seq.next(), found: place.seq };
                return self.lose_line(offset, bytes, error.to_string());
            }
            _ => {
                self.lose_commits_before(place.seq);
                self.lose_parts(place.seq, 0, place.part);
                here
            }
        };
        self.last = Some(Last { place, more, start });
        for event in events {
            match event {
                ReadEvent::Created(account) => {
                    // If there was one of its SID, the line is lost that deleted it, and with it its keys.
                    self.keys.remove_all_of(sid(&account));
                    self.put(account);
                }
                ReadEvent::Replaced(Ok(account)) => {
                    let minutes = match self.accounts.get(&account.sid()) {
                        Some((_, Ok(before))) => before.minutes_used().cloned(),
                        _ => None,
                    };
                    self.put(Ok(with_minutes(account, minutes)));
                }
                ReadEvent::Replaced(unreadable) => self.put(unreadable),
                ReadEvent::MinutesUsed(sid, used) => {
                    if let Some((_, Ok(account))) = self.accounts.get_mut(&sid) {
                        *account = with_minutes(Arc::clone(account), Some(used));
                    }
                }
                ReadEvent::Deleted(sid, _) => {
                    self.accounts.remove(&sid);
                    self.keys.remove_all_of(sid);
                }
                ReadEvent::KeyAdded(key) => self.keys.put(key),
                ReadEvent::KeyReplaced(key) => {
                    let used = self.keys.get(key.id()).and_then(|before| before.last_used());
                    self.keys.put(key.used(used));
                }
                ReadEvent::KeyRevoked(id, _) => self.keys.remove(id),
                ReadEvent::KeyUsed(id, at) => {
                    if let Some(key) = self.keys.get(id) {
                        let used = key.used(Some(at));
                        self.keys.put(used);
                    }
                }
            }
        }
    }

    /// Reports what is missing between the last commit and this one.
    fn lose_commits_before(&mut self, seq: Seq) {
        self.lose_last_parts();
        let last = self.last.as_ref().map(|last| last.place.seq);
        // Without a header it is not known where the file began.
        let Some(last) = last.or(self.header.map(|header| header.base)) else { return };
        if last.next() < seq {
            let (first, last) = (last.next(), Seq::new(seq.get() - 1));
            self.lost.push(Loss::Commits { first, last });
        }
    }

    /// Reports the end of the last commit, if it is missing.
    fn lose_last_parts(&mut self) {
        if let Some(Last { place, more: true, .. }) = &self.last {
            self.lost.push(Loss::Parts { seq: place.seq, first: place.part.saturating_add(1), last: None });
        }
    }

    /// Reports the parts from `first` to before `found`.
    fn lose_parts(&mut self, seq: Seq, first: u64, found: u64) {
        if first < found {
            self.lost.push(Loss::Parts { seq, first, last: Some(found - 1) });
        }
    }

    fn put(&mut self, account: Kept) {
        self.order += 1;
        self.accounts.insert(sid(&account), (self.order, account));
    }

    /// What was never acknowledged at the end of the file, where all has been read. Parts of a commit whose last one is
    /// missing are not taken for that: a file that was cut short ends like this too.
    pub(super) fn torn_tail(&self, end: u64) -> Option<TornTail> {
        let suspect = self.suspect.as_ref().filter(|suspect| suspect.torn)?;
        if matches!(self.last, Some(Last { more: true, .. })) {
            return None;
        }
        let Position { line, offset } = suspect.at;
        Some(TornTail { line, offset, bytes: end - offset })
    }

    pub(super) fn finish(mut self) -> Found {
        self.lose_last_parts();
        if let Some(Header { accounts, keys, .. }) = self.header {
            if self.base_accounts < accounts {
                self.lost.push(Loss::Base { expected: accounts, found: self.base_accounts });
            }
            if self.base_keys < keys {
                self.lost.push(Loss::BaseKeys { expected: keys, found: self.base_keys });
            }
        }
        let base = self.header.map_or(Seq::START, |header| header.base);
        let seq = self.last.as_ref().map_or(base, |last| last.place.seq);
        let mut accounts = Vec::with_capacity(self.accounts.len());
        let mut unsaved = Vec::new();
        for (order, kept) in self.accounts.into_values() {
            match kept {
                Ok(account) => accounts.push((order, account)),
                Err(left_out) => unsaved.push(*left_out),
            }
        }
        let keys = self.keys.into_all().collect();
        Found { seq, accounts, keys, unsaved, lost: self.lost }
    }
}

fn sid(kept: &Kept) -> AccountSid {
    match kept {
        Ok(account) => account.sid(),
        Err(left_out) => left_out.sid,
    }
}

impl From<Line> for Line<Kept> {
    fn from(line: Line) -> Self {
        let Commit { place, at, actor, events, more } = match line {
            Line::Account(account) => return Self::Account(Ok(account)),
            Line::Key(key) => return Self::Key(key),
            Line::Commit(commit) => commit,
        };
        let event = |event| match event {
            ReadEvent::Created(account) => ReadEvent::Created(Ok(account)),
            ReadEvent::Replaced(account) => ReadEvent::Replaced(Ok(account)),
            ReadEvent::Deleted(sid, revision) => ReadEvent::Deleted(sid, revision),
            ReadEvent::KeyAdded(key) => ReadEvent::KeyAdded(key),
            ReadEvent::KeyReplaced(key) => ReadEvent::KeyReplaced(key),
            ReadEvent::KeyRevoked(id, revision) => ReadEvent::KeyRevoked(id, revision),
            ReadEvent::KeyUsed(id, at) => ReadEvent::KeyUsed(id, at),
            ReadEvent::MinutesUsed(sid, used) => ReadEvent::MinutesUsed(sid, used),
        };
        Self::Commit(Commit { place, at, actor, events: events.into_iter().map(event).collect(), more })
    }
}
