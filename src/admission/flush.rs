//! Keeping the minutes used in the store.

use super::gate::Admission;
use super::moment::{Moment, millis};
use super::source::Source;
use super::sync::lock;
use super::tracked::Tracked;
use crate::access::Actor;
use crate::model::minutes_used::MinutesUsed;
use crate::model::scope::Scope;
use crate::model::subject::Subject;
use crate::snapshot::{Batch, Write};
use crate::store::{CommitError, StoreError, StoreErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Admission {
    /// How many accounts' minutes are written in one commit.
    const AT_ONCE: usize = 1000;

    /// Writes the minutes used to the store: those of all accounts that used any since they were written last, in one commit
    /// for up to a thousand accounts. It does nothing while another is under way.
    ///
    /// Call it every [`flush_interval`](super::AdmissionOptions::flush_interval) or more often, or have a
    /// [`Keeper`](super::Keeper) do it; and when the program ends, after the last session has.
    ///
    /// It writes in the name of an admin `admission`. No event of the feed tells of it.
    ///
    /// # Errors
    /// [`StoreError`] of the store. Nothing is lost by it, nor by dropping the future: what was not written is kept, in as
    /// little memory as before, and the next call writes it.
    pub async fn flush(&self, now: Moment) -> Result<Flushed, StoreError> {
        let flushing = &self.gate().flushing;
        let Some(_under_way) = UnderWay::begin(&flushing.is_under_way) else { return Ok(Flushed::default()) };
        let mut due = Vec::new();
        for tracked in self.gate().accounts.all() {
            let mut ledger = self.gate().current(&tracked);
            if ledger.account.is_none() {
                drop(ledger);
                self.gate().retire(&tracked);
                continue;
            }
            if let Some(used) = ledger.use_to_write(now) {
                drop(ledger);
                due.push((tracked, Arc::new(used)));
            }
        }
        flushing.unwritten.store(due.len() as u64, Ordering::Relaxed);
        match self.write(&due, now).await {
            Ok(()) => {
                flushing.last.store(now.run, Ordering::Relaxed);
                flushing.failures.store(0, Ordering::Relaxed);
                flushing.unwritten.store(0, Ordering::Relaxed);
                Ok(Flushed { accounts: due.len() })
            }
            Err(error) => {
                flushing.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    async fn write(&self, due: &[(Arc<Tracked>, Arc<MinutesUsed>)], now: Moment) -> Result<(), StoreError> {
        if due.is_empty() {
            return Ok(());
        }
        let source = self.gate().source.hold();
        let Source::Store(store) = &*source else {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "no store is followed just now"));
        };
        for some in due.chunks(Self::AT_ONCE) {
            let writes = some
                .iter()
                .map(|(tracked, used)| Write::MinutesUsed { sid: tracked.sid, used: Arc::clone(used) });
            match store.commit(Batch::new(writer(), now.at()).with_all(writes)).await {
                Ok(_) => {}
                Err(CommitError::Store(error)) => return Err(error),
                // What is used contradicts nothing.
                Err(CommitError::Conflict(conflict)) => {
                    let message = "the store refused to note how many minutes were used";
                    return Err(StoreError::new(StoreErrorKind::Failed, message).with_source(conflict));
                }
            }
            for (tracked, used) in some {
                let mut ledger = lock(&tracked.ledger);
                // Another store, if one is followed by now, does not have it.
                if Arc::ptr_eq(&source, &self.gate().source.hold()) {
                    ledger.written = Some(Arc::clone(used));
                }
            }
        }
        Ok(())
    }

    /// Whether it is time to flush.
    #[must_use]
    pub fn wants_flush(&self, now: Moment) -> bool {
        let last = self.gate().flushing.last.load(Ordering::Relaxed);
        last == i64::MIN || now.run.saturating_sub(last) >= millis(self.gate().options.flush_interval)
    }
}

/// What a flush has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flushed {
    /// Of how many accounts it wrote the minutes.
    pub accounts: usize,
}

fn writer() -> Actor {
    Actor::new(Scope::Admin, Subject::parse("admission").expect("it is a subject"))
}

/// Only one at a time, until it is dropped.
struct UnderWay<'a>(&'a AtomicBool);

impl<'a> UnderWay<'a> {
    fn begin(flag: &'a AtomicBool) -> Option<Self> {
        let begun = flag.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        begun.then_some(Self(flag))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
