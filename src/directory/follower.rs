//! The thread that follows a store.

use super::copy::{Copy, Misfit, Own};
use super::shared::Shared;
use super::status::DirectoryState;
use crate::blocking::block_on_until;
use crate::snapshot::{Change, Seq, Snapshot};
use crate::store::{Feed, StoreError, StoreErrorKind};
use std::future::pending;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many commits are asked for at once.
pub(super) const PAGE: usize = 1000;

pub(super) struct Follower {
    shared: Arc<Shared>,
    copy: Copy,
    /// Somebody wants the store to be asked at once.
    look: bool,
    own_may_come: bool,
    /// How many requests have failed in a row.
    failures: u32,
    /// All accounts were read again, and the feed has not gone on from there so far.
    has_reloaded: bool,
    /// The commit that the store is said to have.
    promised: Seq,
    /// The store has not what it promised, or failed to wait: until the next poll, it is not asked to wait again.
    distrusts_waits: bool,
}

/// The directory is gone.
struct Stopped;

/// Why a wait was broken off.
enum Broken {
    Stopped,
    /// It has taken as long as it may.
    Due,
    /// Somebody wants the store to be asked at once.
    Look,
    /// The copy has taken in a commit.
    Moved,
}

/// What breaks a wait off.
#[derive(Clone, Copy)]
struct Until {
    /// When it is due.
    due: Duration,
    /// From when on somebody may have the store asked at once, if ever.
    look_from: Option<Duration>,
    /// As of which commit the copy has to be, if that matters.
    at: Option<Seq>,
}

/// What to do next.
enum Next {
    /// Ask for changes.
    Ask,
    /// Read all accounts.
    Reload,
    /// Wait until there is something to ask for, or for the next poll, which is due then.
    Idle(Duration),
    /// Wait after a failure, and then this.
    BackOff { since: Duration, then_reload: bool },
}

impl Follower {
    /// Starts the thread.
    pub(super) fn start(shared: Arc<Shared>, snapshot: Snapshot) -> io::Result<()> {
        let mut follower = Self {
            shared,
            copy: Copy::new(snapshot),
            look: false,
            own_may_come: false,
            failures: 0,
            has_reloaded: false,
            promised: Seq::START,
            distrusts_waits: false,
        };
        std::thread::Builder::new().name("directory".to_owned()).spawn(move || {
            follower.run();
            follower.shared.end();
        })?;
        Ok(())
    }

    fn run(&mut self) {
        let mut next = Next::Ask;
        loop {
            // What a panic of the store leaves behind is its own affair; the copy is replaced whole.
            let step = catch_unwind(AssertUnwindSafe(|| self.step(&next)));
            next = match step {
                Ok(Ok(next)) => next,
                Ok(Err(Stopped)) => return,
                Err(_) => self.failed(StoreError::new(StoreErrorKind::Failed, "the store panicked"), false),
            };
        }
    }

    fn step(&mut self, next: &Next) -> Result<Next, Stopped> {
        match *next {
            Next::Ask => self.ask(),
            Next::Reload => self.reload(),
            Next::Idle(due) => self.idle(due),
            Next::BackOff { since, then_reload } => self.back_off(since, then_reload),
        }
    }

    /// Asks for changes, and takes them in.
    fn ask(&mut self) -> Result<Next, Stopped> {
        let (store, limit) = (Arc::clone(&self.shared.store), self.shared.options.request_limit);
        self.look = false;
        let (request, sent) = (self.shared.ask(), self.shared.running());
        let feed = match self.request(store.changes(self.copy.seq(), PAGE), limit)? {
            Ok(feed) => feed,
            Err(error) => return Ok(self.failed(error, false)),
        };
        let changes = match feed {
            Feed::Changes(changes) => changes,
            Feed::Trimmed { .. } if !self.has_reloaded => return Ok(Next::Reload),
            Feed::Trimmed { oldest } => {
                let message = format!("the feed begins at commit {oldest}, after {}", self.copy.seq());
                return Ok(self.failed(StoreError::new(StoreErrorKind::Failed, message), true));
            }
        };
        if let Err(misfit) = self.take(&changes) {
            let message = "a change does not fit the accounts, and so all are read again";
            let error = StoreError::new(StoreErrorKind::Damaged, message).with_source(misfit);
            if self.has_reloaded {
                return Ok(self.failed(error, true));
            }
            self.shared.turn(|course| course.last_error = Some(Arc::new(error)));
            return Ok(Next::Reload);
        }
        self.works();
        if changes.len() >= PAGE {
            return Ok(Next::Ask);
        }
        self.distrusts_waits |= self.promised > self.copy.seq();
        self.promised = Seq::START;
        self.shared.confirm(request, sent);
        Ok(Next::Idle(sent.saturating_add(self.shared.options.poll_interval)))
    }

    /// Takes in changes, and makes them seen.
    fn take(&mut self, changes: &[Arc<Change>]) -> Result<(), Misfit> {
        // Of a commit of which no event tells all, it is known by now that it may come.
        if self.take_orders().is_break() {
            // The next wait notices.
            return Ok(());
        }
        if !changes.is_empty() {
            let taken = self.copy.advance(changes, self.own_may_come)?;
            self.shared.changes.fetch_add(taken, Ordering::Relaxed);
            self.settle();
        }
        Ok(())
    }

    /// Reads all accounts.
    fn reload(&mut self) -> Result<Next, Stopped> {
        let (store, limit) = (Arc::clone(&self.shared.store), self.shared.options.snapshot_limit);
        let (request, sent, before) = (self.shared.ask(), self.shared.running(), self.copy.seq());
        let snapshot = match self.request(store.snapshot(), limit)? {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(self.failed(error, true)),
        };
        if snapshot.seq() < before {
            let message =
                format!("the store is at commit {}, before {before}, which was seen", snapshot.seq());
            return Ok(self.failed(StoreError::new(StoreErrorKind::Failed, message), true));
        }
        self.copy.replace(snapshot);
        self.settle();
        self.has_reloaded = true;
        self.shared.turn(|course| course.reloads += 1);
        self.shared.confirm(request, sent);
        Ok(Next::Ask)
    }

    /// Waits until there is something to ask for.
    fn idle(&mut self, due: Duration) -> Result<Next, Stopped> {
        if self.distrusts_waits {
            let until = Until { due, look_from: Some(Duration::ZERO), at: None };
            return match self.wait(pending::<()>(), until) {
                Err(Broken::Stopped) => Err(Stopped),
                broken => {
                    self.distrusts_waits = matches!(broken, Err(Broken::Look));
                    Ok(Next::Ask)
                }
            };
        }
        let (store, at) = (Arc::clone(&self.shared.store), self.copy.seq());
        let until = Until { due, look_from: Some(Duration::ZERO), at: Some(at) };
        match self.wait(store.wait_past(at), until) {
            Ok(Ok(latest)) => {
                self.distrusts_waits = latest <= at;
                self.promised = latest;
                Ok(Next::Ask)
            }
            Ok(Err(error)) => {
                self.distrusts_waits = true;
                self.shared.turn(|course| course.last_error = Some(Arc::new(error)));
                Ok(Next::Ask)
            }
            Err(Broken::Stopped) => Err(Stopped),
            Err(Broken::Due | Broken::Look) => Ok(Next::Ask),
            // What it has taken in is no reason to ask: it waits for what comes after.
            Err(Broken::Moved) => Ok(Next::Idle(due)),
        }
    }

    /// Waits after a failure. Who wants the store to be asked at once has it asked earlier.
    fn back_off(&mut self, since: Duration, then_reload: bool) -> Result<Next, Stopped> {
        let options = &self.shared.options;
        let until = Until {
            due: since.saturating_add(options.backoff_after(self.failures)),
            look_from: Some(since.saturating_add(options.first_backoff)),
            at: None,
        };
        match self.wait(pending::<()>(), until) {
            Err(Broken::Stopped) => Err(Stopped),
            _ if then_reload => Ok(Next::Reload),
            _ => Ok(Next::Ask),
        }
    }

    /// Notes that a request has failed; what to do then.
    fn failed(&mut self, error: StoreError, then_reload: bool) -> Next {
        self.failures = self.failures.saturating_add(1);
        let (now, error) = (self.shared.options.clock.now(), Arc::new(error));
        self.shared.turn(|course| {
            let (since, failures) = match course.state {
                DirectoryState::Reconnecting { since, failures, .. } => (since, failures.saturating_add(1)),
                DirectoryState::InMemory | DirectoryState::Following => (now, 1),
            };
            course.last_error = Some(Arc::clone(&error));
            course.state = DirectoryState::Reconnecting { since, failures, error };
        });
        Next::BackOff { since: self.shared.running(), then_reload }
    }

    /// Notes that a request has not failed.
    fn works(&mut self) {
        self.failures = 0;
        self.has_reloaded = false;
        if !matches!(self.shared.course().state, DirectoryState::Following) {
            self.shared.turn(|course| course.state = DirectoryState::Following);
        }
    }

    /// Makes a request that may take so long.
    fn request<T>(
        &mut self,
        request: impl Future<Output = Result<T, StoreError>>,
        limit: Duration,
    ) -> Result<Result<T, StoreError>, Stopped> {
        let until = Until { due: self.shared.running().saturating_add(limit), look_from: None, at: None };
        match self.wait(request, until) {
            Ok(answer) => Ok(answer),
            Err(Broken::Stopped) => Err(Stopped),
            Err(Broken::Due | Broken::Look | Broken::Moved) => {
                let message = format!("the store has not answered within {limit:?}");
                Ok(Err(StoreError::new(StoreErrorKind::Unavailable, message)))
            }
        }
    }

    /// Waits for the future, and meanwhile does what there is to do.
    fn wait<T>(&mut self, future: impl Future<Output = T>, until: Until) -> Result<T, Broken> {
        let alarm = Arc::clone(self.shared.alarm());
        block_on_until(pin!(future), &alarm, || self.meanwhile(until))
    }

    fn meanwhile(&mut self, until: Until) -> ControlFlow<Broken, Duration> {
        let next_deadline = match self.take_orders() {
            ControlFlow::Break(Stopped) => return ControlFlow::Break(Broken::Stopped),
            ControlFlow::Continue(next_deadline) => next_deadline,
        };
        let now = self.shared.running();
        if until.at.is_some_and(|at| at != self.copy.seq()) {
            return ControlFlow::Break(Broken::Moved);
        }
        let look_from = until.look_from.filter(|_| self.look);
        if look_from.is_some_and(|from| now >= from) {
            return ControlFlow::Break(Broken::Look);
        }
        if now >= until.due {
            return ControlFlow::Break(Broken::Due);
        }
        let first = [look_from, next_deadline].into_iter().flatten().fold(until.due, Duration::min);
        ControlFlow::Continue(first.saturating_sub(now))
    }

    /// Does what others want to have done at once; when the next of those who wait is to be woken.
    fn take_orders(&mut self) -> ControlFlow<Stopped, Option<Duration>> {
        let taken = self.shared.take_orders(self.shared.running());
        if taken.stop {
            return ControlFlow::Break(Stopped);
        }
        self.look |= taken.look;
        self.own_may_come = taken.own_may_come;
        let has_more = !taken.seen.is_empty() || !taken.own.is_empty();
        let mut settled = Vec::new();
        for seen in taken.seen {
            self.copy.replace(seen.snapshot);
            settled.push(seen.settled);
        }
        if has_more {
            self.settle_with(taken.own, settled);
            // What was committed before its own is not there yet.
            self.look |= self.copy.lacks_some();
        }
        ControlFlow::Continue(taken.next_deadline)
    }

    /// Takes in its own commits, and makes what the copy has seen.
    fn settle(&mut self) {
        self.settle_with(Vec::new(), Vec::new());
    }

    /// The same, with commits that are new, and with what else is to be set when it is seen.
    fn settle_with(&mut self, own: Vec<Own>, mut settled: Vec<Arc<AtomicBool>>) {
        let before = self.copy.seq();
        settled.append(&mut self.copy.settle(own, self.own_may_come));
        let taken = self.copy.seq().get() - before.get();
        self.shared.changes.fetch_add(taken, Ordering::Relaxed);
        self.shared.publish(self.copy.snapshot().clone(), &settled);
    }
}
