//! The copy of the store's accounts, as it takes in what the store and the directory's own commits tell.

use crate::model::api_key::KeyId;
use crate::model::sid::AccountSid;
use crate::snapshot::{AdvanceError, Batch, Change, Event, KeyWrite, Seq, Snapshot, Write};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A snapshot that follows a feed, and what is needed to have in it, too, what no event tells of: when keys were used, and the
/// minutes used, as far as they were committed through this directory.
///
/// Such notes come with the answer to the commit, perhaps after the feed has told of that commit and of later ones. Then a note
/// counts unless something later has touched the same account or key; this is remembered while there may be such a commit.
#[derive(Debug)]
pub(super) struct Copy {
    snapshot: Snapshot,
    /// As of which commit all of it was read last.
    read_at: Seq,
    /// The directory's own commits that are not settled.
    own: BTreeMap<Seq, Own>,
    touched: Touched,
}

/// A commit that was made through the directory.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) change: Arc<Change>,
    pub(super) notes: Notes,
    /// Whether readers see all of it.
    pub(super) settled: Arc<AtomicBool>,
}

/// What a change does not fit.
pub(super) type Misfit = AdvanceError;

impl Copy {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let read_at = snapshot.seq();
        Self { snapshot, read_at, own: BTreeMap::new(), touched: Touched::default() }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn seq(&self) -> Seq {
        self.snapshot.seq()
    }

    /// Whether there are commits of its own that it can't take in before others.
    pub(super) fn lacks_some(&self) -> bool {
        !self.own.is_empty()
    }

    /// Takes in what the feed tells; how many commits that were. Those that it has already are left out. If one doesn't fit,
    /// the copy stays as it is.
    pub(super) fn advance(&mut self, changes: &[Arc<Change>], own_may_come: bool) -> Result<u64, Misfit> {
        let mut next = self.snapshot.clone();
        let mut taken = 0;
        for change in changes.iter().filter(|change| change.seq > self.snapshot.seq()) {
            next.advance_in_place(change)?;
            if own_may_come || !self.own.is_empty() {
                self.touched.note(change);
            }
            if let Some(own) = self.own.get(&change.seq) {
                own.notes.take(change.seq, &mut next, &mut self.touched);
            }
            taken += 1;
        }
        self.snapshot = next;
        Ok(taken)
    }

    /// Takes in those of its own commits that come next, and what no event told of those that it has. Gives back what is to be
    /// set of those that are all there, when readers see them.
    pub(super) fn settle(
        &mut self,
        fresh: impl IntoIterator<Item = Own>,
        own_may_come: bool,
    ) -> Vec<Arc<AtomicBool>> {
        for own in fresh {
            let seq = own.change.seq;
            // What was read as of a later commit has it all.
            if self.read_at < seq && seq <= self.seq() {
                own.notes.take(seq, &mut self.snapshot, &mut self.touched);
            }
            self.own.insert(seq, own);
        }
        while let Some(next) = self.own.get(&self.seq().next()).map(|own| Arc::clone(&own.change)) {
            // If it doesn't fit, nor will the same change from the feed, and all is read again.
            if self.advance(&[next], own_may_come).is_err() {
                break;
            }
        }
        let lacking = self.own.split_off(&self.seq().next());
        let settled = std::mem::replace(&mut self.own, lacking);
        if !own_may_come && self.own.is_empty() {
            self.touched = Touched::default();
        }
        settled.into_values().map(|own| own.settled).collect()
    }

    /// Puts all accounts as they were read in the place of what there is, unless it is older.
    pub(super) fn replace(&mut self, snapshot: Snapshot) {
        if snapshot.seq() >= self.seq() {
            self.read_at = snapshot.seq();
            self.snapshot = snapshot;
        }
    }
}

/// By which commit an account or a key was changed last.
#[derive(Debug, Default)]
struct Touched {
    accounts: HashMap<AccountSid, Seq>,
    keys: HashMap<KeyId, Seq>,
}

impl Touched {
    fn note(&mut self, change: &Change) {
        for event in &change.events {
            match event {
                Event::Key(event) => drop(self.keys.insert(event.key().id(), change.seq)),
                Event::Created(account)
                | Event::Replaced { after: account, .. }
                | Event::Deleted(account) => {
                    self.accounts.insert(account.sid(), change.seq);
                }
            }
        }
    }

    /// Whether nothing after this commit has changed what the note is about; then the note is the last.
    fn is_last(&mut self, seq: Seq, note: &Write) -> bool {
        let last = match note {
            Write::MinutesUsed { sid, .. } => self.accounts.entry(*sid).or_default(),
            Write::Key(KeyWrite::Use { id, .. }) => self.keys.entry(*id).or_default(),
            _ => return false,
        };
        let is_last = *last <= seq;
        *last = seq.max(*last);
        is_last
    }
}

/// What a batch writes that no event tells of, and what nothing later in the batch undoes.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Write>);

impl Notes {
    pub(super) fn of(batch: &Batch) -> Self {
        let mut notes = Vec::new();
        let (mut accounts, mut keys) = (HashSet::new(), HashSet::new());
        if !batch.writes().iter().any(is_note) {
            return Self(notes);
        }
        for write in batch.writes().iter().rev() {
            match write {
                Write::MinutesUsed { sid, .. } if !accounts.contains(sid) => notes.push(write.clone()),
                Write::Key(KeyWrite::Use { id, .. }) if !keys.contains(id) => notes.push(write.clone()),
                // Before that, it was another one.
                Write::Create(account) | Write::Restore(account) => drop(accounts.insert(account.sid())),
                Write::Delete { sid, .. } => drop(accounts.insert(*sid)),
                Write::Key(KeyWrite::Add { key, .. } | KeyWrite::Restore(key)) => drop(keys.insert(key.id())),
                _ => {}
            }
        }
        notes.reverse();
        Self(notes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes them into a snapshot that has this commit, and perhaps later ones.
    fn take(&self, seq: Seq, snapshot: &mut Snapshot, touched: &mut Touched) {
        for note in &self.0 {
            if touched.is_last(seq, note) {
                snapshot.note_in_place(note);
            }
        }
    }
}

fn is_note(write: &Write) -> bool {
    matches!(write, Write::MinutesUsed { .. } | Write::Key(KeyWrite::Use { .. }))
}
