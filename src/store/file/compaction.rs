//! Rewriting an account file without what is superseded.
//!
//! The new file has a base, the accounts as they were before the changes that are kept, and then those changes, as the
//! commits that they are. So it reads like any other, and what is kept of the history comes with it, each change with
//! what was before it.
//!
//! It is written beside the old one while commits go on there, then caught up with it line by line, synced, and gets
//! its name in one step. Until that, the old file is whole; from then on, the new one is.

use super::disk::{Disk, DiskFile, read_full_at, write_all_at};
use super::format::{self, Body, DIVIDE, Entry, Header, Place};
use super::recovery::with_minutes;
use super::secrets::Secrets;
use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::sid::AccountSid;
use crate::snapshot::{Change, Event, KeyEvent, Listing, Seq, Snapshot};
use crate::store::StoreError;
use crate::store::live::Live;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A file on its way to be rewritten, in steps.
#[derive(Debug)]
pub(super) struct Compaction {
    disk: Arc<dyn Disk>,
    /// Where the new file is.
    path: PathBuf,
    /// `None` before the first step.
    file: Option<Arc<dyn DiskFile>>,
    secrets: Secrets,
    old: Arc<dyn DiskFile>,
    /// Where the old file ends, and where it ended when this began.
    old_end: Arc<AtomicU64>,
    began_at: u64,
    /// How long the new file is without what was committed meanwhile, once it has all else.
    clean: Option<u64>,
    /// Up to where what is in the old file is in the new one.
    old_done: u64,
    /// All accounts, and the kept changes, as of `old_done`.
    snapshot: Snapshot,
    changes: Vec<Arc<Change>>,
    /// For each account that those changes touched, what it was before them.
    before: HashMap<AccountSid, Option<Arc<Account>>>,
    /// The same of each API key.
    keys_before: HashMap<KeyId, Option<Arc<ApiKey>>>,
    next: Next,
    /// How heavy the base was thought to be, and how many bytes of it were written.
    base_expected: u64,
    base: u64,
    /// How much has been written.
    length: u64,
    lines: Vec<u8>,
    next_pause: Option<Instant>,
}

/// What is written next.
#[derive(Debug)]
enum Next {
    Header,
    /// The accounts that were not touched, after this one.
    Untouched(Option<AccountSid>),
    /// The others.
    Touched(Vec<Arc<Account>>),
    /// The API keys that are left, as they were before the kept changes.
    Keys(Vec<Arc<ApiKey>>),
    /// The changes from this one on, from this part on.
    Changes {
        change: usize,
        part: usize,
    },
    /// What was committed meanwhile.
    Rest,
}

/// So much is written at a time, and synced, so that no commit waits long behind what is being written.
const STEP: usize = if cfg!(test) { 2 << 10 } else { 128 << 10 };

/// For how long others wait at least before they go first.
const TURN: Duration = Duration::from_micros(200);

/// How many accounts are turned into lines before others go first: a few tens of microseconds.
const AT_ONCE: usize = 32;

/// When no more than this is left, the old file has been caught up with.
const CAUGHT_UP: u64 = if cfg!(test) { 512 } else { 64 << 10 };

impl Compaction {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        old: Arc<dyn DiskFile>,
        old_end: Arc<AtomicU64>,
        live: &Live,
        secrets: Secrets,
        base_expected: u64,
    ) -> Self {
        let began_at = old_end.load(Ordering::Acquire);
        Self {
            disk,
            path,
            file: None,
            secrets,
            old,
            old_done: began_at,
            old_end,
            began_at,
            clean: None,
            snapshot: live.snapshot(),
            changes: live.kept(),
            before: HashMap::new(),
            keys_before: HashMap::new(),
            next: Next::Header,
            base_expected,
            base: 0,
            length: 0,
            lines: Vec::new(),
            next_pause: None,
        }
    }

    /// Goes on. Whether there is more to do before [`Compaction::complete`] is quick.
    pub(super) fn step(&mut self) -> io::Result<bool> {
        while self.lines.len() < STEP {
            self.give_way();
            let lines = self.lines.len();
            let in_base = matches!(self.next, Next::Untouched(_) | Next::Touched(_) | Next::Keys(_));
            self.next = match std::mem::replace(&mut self.next, Next::Rest) {
                Next::Header => self.header()?,
                Next::Untouched(after) => self.untouched(after).map_err(io::Error::other)?,
                Next::Touched(accounts) => self.touched(accounts).map_err(io::Error::other)?,
                Next::Keys(keys) => self.keys(keys),
                Next::Changes { change, part } => self.change(change, part).map_err(io::Error::other)?,
                Next::Rest => break,
            };
            if in_base {
                self.base += (self.lines.len() - lines) as u64;
            }
        }
        if matches!(self.next, Next::Rest) && self.lines.len() < STEP {
            self.clean.get_or_insert(self.length + self.lines.len() as u64);
            self.copy(STEP)?;
        }
        self.write()?;
        Ok(!matches!(self.next, Next::Rest) || self.left() > CAUGHT_UP)
    }

    /// Lets whoever waits for a commit go first: otherwise they wait for the end of this thread's turn, which is
    /// milliseconds. On a machine that is busy with other things that may take long; then it goes on for as long before
    /// it does so again, so that it does not fall behind. The first step is short enough not to.
    fn give_way(&mut self) {
        if self.length == 0 {
            return;
        }
        let start = Instant::now();
        let next = *self.next_pause.get_or_insert(start + TURN);
        if next <= start {
            std::thread::yield_now();
            let end = Instant::now();
            self.next_pause = Some(end + (end - start).max(TURN));
        }
    }

    /// Does all that is left, and syncs. The file, locked, and its length.
    pub(super) fn complete(&mut self) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        while self.step()? {}
        while self.left() > 0 {
            self.copy(STEP)?;
            self.write()?;
        }
        let file = self.file()?;
        if !file.try_lock()? {
            return Err(io::Error::other("another process has locked the rewritten file"));
        }
        Ok((Arc::clone(file), self.length))
    }

    /// Whether the file as it was when this began is not even half as long now: then more was thought to be superseded
    /// than was.
    pub(super) fn gained_little(&self) -> bool {
        self.clean.is_some_and(|clean| clean > self.began_at / 2)
    }

    /// By how much the base is heavier than was thought, once it has been written.
    pub(super) fn base_misjudged(&self) -> i64 {
        self.base.cast_signed() - self.base_expected.cast_signed()
    }

    /// Removes what was written.
    pub(super) fn give_up(self) {
        if self.file.is_some() {
            // What can't be removed now is removed when the account file is opened next.
            let _ = self.disk.remove(&self.path);
        }
    }

    fn file(&self) -> io::Result<&Arc<dyn DiskFile>> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file was not begun"))
    }

    /// How much of the old file is not in the new one.
    fn left(&self) -> u64 {
        self.old_end.load(Ordering::Acquire) - self.old_done
    }

    fn write(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let file = self.file()?;
        write_all_at(&**file, &self.lines, self.length)?;
        file.sync()?;
        self.length += self.lines.len() as u64;
        self.lines.clear();
        // Others went while it was synced.
        self.next_pause = None;
        Ok(())
    }

    fn header(&mut self) -> io::Result<Next> {
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.file = Some(self.disk.create_new(&self.path)?),
        }
        // The oldest change that touched an account tells what it was.
        for event in self.changes.iter().rev().flat_map(|change| change.events.iter().rev()) {
            match event {
                Event::Key(event) => drop(self.keys_before.insert(event.key().id(), event.before().cloned())),
                Event::Created(account)
                | Event::Replaced { after: account, .. }
                | Event::Deleted(account) => {
                    self.before.insert(account.sid(), event.before().cloned());
                }
            }
        }
        let touched = self.before.keys().filter(|sid| self.snapshot.by_sid(**sid).is_some()).count();
        let were = self.before.values().flatten().count();
        let kept = |key: &&Arc<ApiKey>| !self.keys_before.contains_key(&key.id());
        let keys = self.snapshot.keys().filter(kept).count() + self.keys_before.values().flatten().count();
        let seq = self.snapshot.seq().get() - self.changes.len() as u64;
        let header = Header {
            version: format::VERSION,
            base: Seq::new(seq),
            accounts: (self.snapshot.len() - touched + were) as u64,
            keys: keys as u64,
            sealed: self.secrets.sealed(),
        };
        self.lines.extend(header.line());
        Ok(Next::Untouched(None))
    }

    fn untouched(&mut self, after: Option<AccountSid>) -> Result<Next, StoreError> {
        let listing = Listing::new().limit(AT_ONCE);
        let page = self.snapshot.page(&after.map_or(listing, |after| listing.after(after)));
        for account in page.accounts.iter().filter(|account| !self.before.contains_key(&account.sid())) {
            format::write_account(account, &self.secrets, &mut self.lines)?;
        }
        Ok(match page.next {
            Some(after) => Next::Untouched(Some(after)),
            None => {
                let mut touched: Vec<_> = self.before.drain().filter_map(|(_, before)| before).collect();
                touched.sort_by_key(|account| std::cmp::Reverse(account.sid()));
                Next::Touched(touched)
            }
        })
    }

    fn touched(&mut self, mut accounts: Vec<Arc<Account>>) -> Result<Next, StoreError> {
        match accounts.pop() {
            Some(account) => {
                let account = with_latest_minutes(&account, &self.snapshot);
                format::write_account(&account, &self.secrets, &mut self.lines)?;
                Ok(Next::Touched(accounts))
            }
            None => {
                let untouched = self.snapshot.keys().filter(|key| !self.keys_before.contains_key(&key.id()));
                let mut keys: Vec<_> = untouched.cloned().collect();
                let snapshot = &self.snapshot;
                let before = self.keys_before.drain().filter_map(|(_, before)| before);
                keys.extend(before.map(|key| with_latest_use(&key, snapshot)));
                keys.sort_by_key(|key| std::cmp::Reverse((key.owner(), key.id())));
                Ok(Next::Keys(keys))
            }
        }
    }

    fn keys(&mut self, mut keys: Vec<Arc<ApiKey>>) -> Next {
        match keys.pop() {
            Some(key) => {
                format::write_key(&key, &mut self.lines);
                Next::Keys(keys)
            }
            None => Next::Changes { change: 0, part: 0 },
        }
    }

    fn change(&mut self, number: usize, part: usize) -> Result<Next, StoreError> {
        let Some(change) = self.changes.get(number) else { return Ok(Next::Rest) };
        let events = change.events.get(part * DIVIDE..).unwrap_or_default();
        let (events, more) = (&events[..events.len().min(DIVIDE)], events.len() > DIVIDE);
        let latest = |event: &Event| match event {
            Event::Key(KeyEvent::Added(key)) => {
                Event::Key(KeyEvent::Added(with_latest_use(key, &self.snapshot)))
            }
            Event::Created(account) => Event::Created(with_latest_minutes(account, &self.snapshot)),
            event => event.clone(),
        };
        let events: Vec<Event> = events.iter().map(latest).collect();
        let entries = events.iter().map(Entry::from);
        let body = Body::new(change.at, &change.actor, entries, more, &self.secrets)?;
        // All of the file is synced before it gets its name, so that nothing is joined.
        body.write(Place { seq: change.seq, joined: 0, part: part as u64 }, &mut self.lines);
        let (change, part) = if more { (number, part + 1) } else { (number + 1, 0) };
        Ok(Next::Changes { change, part })
    }

    /// Takes over some of what was committed since this began, as it is.
    fn copy(&mut self, most: usize) -> io::Result<()> {
        let most = usize::try_from(self.left()).unwrap_or(most).min(most);
        let known = self.lines.len();
        self.lines.resize(known + most, 0);
        if read_full_at(&*self.old, &mut self.lines[known..], self.old_done)? < most {
            self.lines.truncate(known);
            return Err(io::Error::other("the account file has become shorter"));
        }
        self.old_done += most as u64;
        Ok(())
    }
}

/// The key, with its latest use. Uses are not among the changes that are kept: they come with what the key begins with,
/// from where on they are a maximum.
fn with_latest_use(key: &Arc<ApiKey>, now: &Snapshot) -> Arc<ApiKey> {
    key.used(now.key(key.id()).and_then(|key| key.last_used()))
}

/// The account, with the minutes that it has used by now: for the same reason, and they come with what it begins with.
fn with_latest_minutes(account: &Arc<Account>, now: &Snapshot) -> Arc<Account> {
    let minutes = now.by_sid(account.sid()).and_then(|account| account.minutes_used().cloned());
    with_minutes(Arc::clone(account), minutes)
}
