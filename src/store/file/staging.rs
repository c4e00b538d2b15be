//! Commits on their way to the file: applied to the accounts one after the other, and turned into lines, while those
//! before them are still being written.

use super::append::Append;
use super::format::{self, Body, DIVIDE, Entry, Place};
use super::parallel::in_order;
use super::secrets::Secrets;
use crate::snapshot::{Batch, Change, Conflict, Event, Snapshot, Write};
use crate::store::StoreError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A batch, and its lines but for their place.
#[derive(Debug)]
pub(super) struct Prepared {
    batch: Batch,
    /// Empty when there are so many that they are made only when they are written.
    bodies: Vec<Body>,
    /// By how much the minutes used that it notes make the base heavier, once that is known.
    minutes: i64,
}

impl Prepared {
    /// More writes than this are turned into lines when they are written, a few at a time, and on all processors.
    const AT_ONCE: usize = 4 * DIVIDE;

    /// Makes the lines, which takes most of the time that a commit takes of a processor, and so is done on the
    /// caller's.
    pub(super) fn new(batch: Batch, secrets: &Secrets) -> Result<Self, StoreError> {
        let pieces = if batch.writes.len() > Self::AT_ONCE { 0 } else { pieces(&batch) };
        let bodies = (0..pieces).map(|n| body(&batch, n, secrets)).collect::<Result<_, _>>()?;
        Ok(Self { batch, bodies, minutes: 0 })
    }

    /// Whether its lines are made when they are written.
    fn is_large(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Finds out how heavy the minutes used will be that it notes.
    fn weigh_minutes(&mut self, before: &Snapshot) {
        let gains = self.batch.writes.iter().map(|write| match write {
            Write::MinutesUsed { sid, used } => before.by_sid(*sid).map_or(0, |account| {
                format::minutes_weight(Some(used)) - format::minutes_weight(account.minutes_used())
            }),
            _ => 0,
        });
        self.minutes = gains.sum();
    }

    /// Adds its lines, if it is not large. Gives its bytes, and by how much it makes the base heavier.
    fn write(&self, change: &Change, joined: u64, secrets: &Secrets, lines: &mut Vec<u8>) -> (u64, i64) {
        let start = lines.len();
        for (part, body) in (0..).zip(&self.bodies) {
            body.write(Place { seq: change.seq, joined, part }, lines);
        }
        let weight = self.bodies.iter().map(|body| body.weight).sum();
        ((lines.len() - start) as u64, gain(weight, change, secrets) + self.minutes)
    }

    /// As [`Prepared::write`], if it is large.
    fn write_large(
        &self,
        change: &Change,
        joined: u64,
        secrets: &Secrets,
        append: &mut Append<'_>,
    ) -> io::Result<(u64, i64)> {
        let start = append.end();
        let (mut part, mut weight, mut done) = (0, 0, 0);
        let mut pieces = 0..pieces(&self.batch);
        in_order(
            || pieces.next(),
            |n| body(&self.batch, n, secrets).map_err(io::Error::other),
            |body| {
                let body = body?;
                done += DIVIDE;
                self.report(done);
                body.write(Place { seq: change.seq, joined, part }, &mut append.lines);
                part += 1;
                weight += body.weight;
                append.write_if_many()
            },
        )?;
        Ok((append.end() - start, gain(weight, change, secrets) + self.minutes))
    }

    /// Tells whoever wants to know how many writes are done. Should they panic, it is none of the commit's business.
    fn report(&self, done: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.batch.report(done))) {
            // It may panic once more when it is dropped.
            std::mem::forget(panic);
        }
    }
}

/// Into how many lines a commit is divided.
fn pieces(batch: &Batch) -> usize {
    batch.writes.len().div_ceil(DIVIDE).max(1)
}

/// The n-th line of a commit.
fn body(batch: &Batch, n: usize, secrets: &Secrets) -> Result<Body, StoreError> {
    let entries = batch.writes.iter().skip(n * DIVIDE).take(DIVIDE).map(Entry::from);
    Body::new(batch.at, &batch.actor, entries, n + 1 < pieces(batch), secrets)
}

/// What a commit comes to, in the order of commits.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) prepared: Prepared,
    pub(super) applied: Result<Arc<Change>, Conflict>,
}

impl Staged {
    fn change(&self) -> Option<(&Prepared, &Arc<Change>)> {
        Some((&self.prepared, self.applied.as_ref().ok()?))
    }
}

/// Commits that are written and synced together.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) commits: Vec<Staged>,
    /// The lines of those before the first that is large, and that don't conflict.
    lines: Vec<u8>,
    /// Of each commit of those lines, its bytes, and by how much it makes the base heavier.
    sizes: Vec<(u64, i64)>,
    has_large: bool,
}

impl Group {
    /// What those do that don't conflict.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Arc<Change>> {
        self.commits.iter().filter_map(|commit| commit.applied.as_ref().ok())
    }

    /// Writes the lines, those that were made and those that were not. Gives, for each commit that changes something,
    /// its bytes, and by how much it makes the base heavier.
    pub(super) fn write(
        &mut self,
        append: &mut Append<'_>,
        secrets: &Secrets,
    ) -> io::Result<Vec<(u64, i64)>> {
        append.lines = std::mem::take(&mut self.lines);
        let mut sizes = std::mem::take(&mut self.sizes);
        let written = sizes.len();
        let changes = self.commits.iter().filter_map(Staged::change);
        for (joined, (prepared, change)) in (0..).zip(changes).skip(written) {
            sizes.push(if prepared.is_large() {
                prepared.write_large(change, joined, secrets, append)?
            } else {
                let size = prepared.write(change, joined, secrets, &mut append.lines);
                append.write_if_many()?;
                size
            });
        }
        Ok(sizes)
    }
}

/// By how much a commit makes the base heavier, whose own accounts weigh so much.
fn gain(weight: u64, change: &Change, secrets: &Secrets) -> i64 {
    let before = change.events.iter().filter_map(Event::before);
    let superseded: u64 = before.map(|account| format::weight(account, secrets)).sum();
    // What an edit leaves as it is, is not in its line.
    let kept: i64 = change
        .events
        .iter()
        .map(|event| match event {
            Event::Replaced { after, .. } => format::minutes_weight(after.minutes_used()),
            _ => 0,
        })
        .sum();
    let keys: i64 = change.events.iter().filter_map(Event::key).map(format::key_gain).sum();
    weight.cast_signed() - superseded.cast_signed() + keys + kept
}

/// The accounts with all that was submitted, and the commits that nobody has begun to write yet.
///
/// What is ahead of the disk here is seen by nobody. If it can't be written, nothing after it can be either.
#[derive(Debug)]
pub(super) struct Staging {
    next: Snapshot,
    secrets: Secrets,
    group: Group,
}

impl Staging {
    pub(super) fn new(latest: Snapshot, secrets: Secrets) -> Self {
        Self { next: latest, secrets, group: Group::default() }
    }

    /// How many commits wait to be written.
    pub(super) fn len(&self) -> usize {
        self.group.commits.len()
    }

    /// Applies a batch, if it does not contradict what is there, and makes its lines.
    pub(super) fn stage(&mut self, mut prepared: Prepared) {
        prepared.weigh_minutes(&self.next);
        let applied = self.next.apply_in_place(&prepared.batch).map(Arc::new);
        let Group { commits, lines, sizes, has_large } = &mut self.group;
        *has_large |= prepared.is_large() && applied.is_ok();
        if let (Ok(change), false) = (&applied, *has_large) {
            sizes.push(prepared.write(change, sizes.len() as u64, &self.secrets, lines));
        }
        commits.push(Staged { prepared, applied });
    }

    /// Takes what waits, and the accounts as they are after it.
    pub(super) fn take(&mut self) -> (Group, Snapshot) {
        (std::mem::take(&mut self.group), self.next.clone())
    }
}
