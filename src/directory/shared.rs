//! What the clones of a directory, those who wait, and the thread that follows have in common.

use super::copy::{Notes, Own};
use super::options::DirectoryOptions;
use super::status::{Course, DirectoryState, DirectoryStatus};
use crate::blocking::Alarm;
use crate::snapshot::{Change, Seq, Snapshot};
use crate::store::AccountStore;
use crate::store::latest::Latest;
use event_listener::{Event, listener};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<dyn AccountStore>,
    pub(super) options: DirectoryOptions,
    /// What readers see.
    pub(super) latest: Latest,
    /// How many requests were begun that can confirm that the snapshot is current.
    asked: AtomicU64,
    /// The number of the latest of them that did.
    confirmed: AtomicU64,
    /// When that was sent, in nanoseconds by the clock that never steps.
    confirmed_at: AtomicU64,
    /// How many commits were taken in.
    pub(super) changes: AtomicU64,
    course: Mutex<Course>,
    orders: Mutex<Orders>,
    /// Wakes the thread.
    alarm: Arc<Alarm>,
    /// Wakes those who wait.
    pub(super) changed: Event,
    /// The thread is gone.
    pub(super) has_ended: AtomicBool,
}

/// What the thread is to do.
#[derive(Debug, Default)]
struct Orders {
    stop: bool,
    /// Ask the store for changes at once.
    look: bool,
    own: Vec<Own>,
    /// How many commits are on their way that may write what no event tells of.
    with_notes: usize,
    seen: Vec<Seen>,
    /// When somebody is to be woken, by the clock that never steps; and a number, since two may wait for the same moment.
    deadlines: BTreeSet<(Duration, u64)>,
    next_deadline: u64,
}

/// A snapshot that somebody has read, and is about to see.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) snapshot: Snapshot,
    /// Whether readers see it, or a later one.
    pub(super) settled: Arc<AtomicBool>,
}

/// What the thread has taken of its orders.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) stop: bool,
    pub(super) look: bool,
    pub(super) own: Vec<Own>,
    /// Whether more may come whose commits the store has already, and of which no event tells all.
    pub(super) own_may_come: bool,
    pub(super) seen: Vec<Seen>,
    /// When the next is to be woken.
    pub(super) next_deadline: Option<Duration>,
}

impl Shared {
    pub(super) fn new(
        store: Arc<dyn AccountStore>,
        options: DirectoryOptions,
        snapshot: Snapshot,
        sent: Duration,
    ) -> Self {
        let course = Course { state: DirectoryState::Following, reloads: 0, last_error: None, turns: 0 };
        Self {
            store,
            options,
            latest: Latest::new(snapshot),
            asked: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            confirmed_at: AtomicU64::new(nanos(sent)),
            changes: AtomicU64::new(0),
            course: Mutex::new(course),
            orders: Mutex::default(),
            alarm: Arc::default(),
            changed: Event::new(),
            has_ended: AtomicBool::new(false),
        }
    }

    /// How it goes, locked for a moment.
    pub(super) fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn status(&self) -> DirectoryStatus {
        let course = self.course();
        DirectoryStatus {
            state: course.state.clone(),
            seq: self.latest.seq(),
            staleness: self.staleness(),
            changes: self.changes.load(Ordering::Relaxed),
            reloads: course.reloads,
            last_error: course.last_error.clone(),
        }
    }

    pub(super) fn running(&self) -> Duration {
        self.options.clock.running()
    }

    pub(super) fn staleness(&self) -> Duration {
        let confirmed_at = Duration::from_nanos(self.confirmed_at.load(Ordering::Acquire));
        self.running().saturating_sub(confirmed_at)
    }
}

/// For those who wait.
impl Shared {
    /// Says that a commit with these notes begins.
    pub(super) fn begin(&self, notes: Notes) -> Begun<'_> {
        if !notes.is_empty() {
            self.orders().with_notes += 1;
        }
        Begun { shared: self, notes }
    }

    /// Waits until the snapshot has this commit, but not for ever.
    pub(super) async fn catch_up(&self, seq: Seq) {
        if !self.has(seq) {
            self.look();
            self.wait(true, |shared| shared.has(seq)).await;
        }
    }

    /// Waits until the snapshot has this commit; whether it has.
    pub(super) async fn caught_up(&self, seq: Seq) -> bool {
        if !self.has(seq) {
            self.look();
            self.wait(false, |shared| shared.has(seq)).await;
        }
        self.has(seq)
    }

    /// Waits until the snapshot has all that the store had when this was called, but not for ever.
    pub(super) async fn refresh(&self) {
        let before = self.asked.load(Ordering::Acquire);
        self.look();
        self.wait(true, |shared| shared.confirmed.load(Ordering::Acquire) > before).await;
    }

    /// Puts a snapshot that somebody has read, and is about to see, in the place of this one, if it is not older.
    pub(super) async fn offer(&self, snapshot: &Snapshot) {
        let settled = Arc::new(AtomicBool::new(false));
        let seen = Seen { snapshot: snapshot.clone(), settled: Arc::clone(&settled) };
        self.orders().seen.push(seen);
        self.alarm.ring();
        self.wait(true, |_| settled.load(Ordering::Acquire)).await;
    }

    fn has(&self, seq: Seq) -> bool {
        // Not the number alone, which may be that of a commit that is about to be seen.
        self.latest.find(|now| now.seq() >= seq)
    }

    /// Has the store asked at once.
    fn look(&self) {
        self.orders().look = true;
        self.alarm.ring();
    }

    /// Waits until it is so, the thread is gone, or, if there is a limit, it has taken too long.
    async fn wait(&self, is_limited: bool, is_so: impl Fn(&Self) -> bool) {
        let limit = self.options.catch_up_limit;
        let deadline = is_limited.then(|| Deadline::in_time(self, self.running().saturating_add(limit)));
        loop {
            listener!(self.changed => changed);
            // Listening begins before looking, so that no change falls in between.
            if is_so(self) || self.has_ended.load(Ordering::Acquire) {
                return;
            }
            if deadline.as_ref().is_some_and(|deadline| self.running() >= deadline.at) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn stop(&self) {
        self.orders().stop = true;
        self.alarm.ring();
    }
}

/// A commit that is under way.
#[derive(Debug)]
pub(super) struct Begun<'a> {
    shared: &'a Shared,
    notes: Notes,
}

impl Begun<'_> {
    /// Hands the commit over, and waits until readers see it, but not for ever.
    pub(super) async fn done(mut self, change: &Arc<Change>) {
        let notes = std::mem::take(&mut self.notes);
        let (shared, seq, has_notes) = (self.shared, change.seq, !notes.is_empty());
        if !has_notes && shared.has(seq) {
            return;
        }
        let settled = Arc::new(AtomicBool::new(false));
        let own = Own { change: Arc::clone(change), notes, settled: Arc::clone(&settled) };
        {
            let mut orders = shared.orders();
            orders.own.push(own);
            // Together, so that the thread never knows of neither.
            orders.with_notes -= usize::from(has_notes);
        }
        shared.alarm.ring();
        shared.wait(true, |_| settled.load(Ordering::Acquire)).await;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.notes.is_empty() {
            self.shared.orders().with_notes -= 1;
        }
    }
}

/// When somebody wants to be woken, as long as it is held.
struct Deadline<'a> {
    shared: &'a Shared,
    at: Duration,
    number: u64,
}

impl<'a> Deadline<'a> {
    fn in_time(shared: &'a Shared, at: Duration) -> Self {
        let mut orders = shared.orders();
        let number = orders.next_deadline;
        orders.next_deadline += 1;
        let is_first = orders.deadlines.first().is_none_or(|(first, _)| at < *first);
        orders.deadlines.insert((at, number));
        drop(orders);
        if is_first {
            shared.alarm.ring();
        }
        Self { shared, at, number }
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        self.shared.orders().deadlines.remove(&(self.at, self.number));
    }
}

/// For the thread.
impl Shared {
    pub(super) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// What there is to do; and wakes those who have waited too long.
    pub(super) fn take_orders(&self, now: Duration) -> Taken {
        let mut orders = self.orders();
        let later = orders.deadlines.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut orders.deadlines, later);
        let taken = Taken {
            stop: orders.stop,
            look: std::mem::take(&mut orders.look),
            own: std::mem::take(&mut orders.own),
            own_may_come: orders.with_notes > 0,
            seen: std::mem::take(&mut orders.seen),
            next_deadline: orders.deadlines.first().map(|(at, _)| *at),
        };
        drop(orders);
        if !due.is_empty() {
            self.changed.notify(usize::MAX);
        }
        taken
    }

    /// The number of a request that begins now, and can confirm that the snapshot is current.
    pub(super) fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// That the snapshot has all that the store had when the request of this number was sent.
    pub(super) fn confirm(&self, request: u64, sent: Duration) {
        self.confirmed_at.store(nanos(sent), Ordering::Release);
        self.confirmed.store(request, Ordering::Release);
        self.changed.notify(usize::MAX);
    }

    /// Makes a snapshot seen, and says so to those who wait for what is in it.
    pub(super) fn publish(&self, snapshot: Snapshot, settled: &[Arc<AtomicBool>]) {
        let former = self.latest.replace(snapshot);
        settled.iter().for_each(|settled| settled.store(true, Ordering::Release));
        self.changed.notify(usize::MAX);
        drop(former);
    }

    pub(super) fn turn(&self, change: impl FnOnce(&mut Course)) {
        let mut course = self.course();
        change(&mut course);
        course.turns += 1;
        drop(course);
        self.changed.notify(usize::MAX);
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.changed.notify(usize::MAX);
    }
}

/// Nanoseconds, for five hundred years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
