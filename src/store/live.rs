//! What every store that decides in process has in memory: the latest snapshot, the recent changes, and those who
//! wait for the next.

use crate::snapshot::{AccountHistory, Change, Event as AccountEvent, HistoryPage, Seq, Snapshot};
use crate::store::Feed;
use crate::store::latest::Latest;
use crate::yielding::yield_now;
use event_listener::{Event, listener};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(crate) struct Live {
    latest: Latest,
    history: Mutex<History>,
    changed: Event,
    /// Nothing will be published any more.
    ended: AtomicBool,
}

/// The recent changes: those after `trimmed`, at most `most` of them.
pub(crate) struct History {
    changes: VecDeque<Arc<Change>>,
    most: usize,
    trimmed: Seq,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("after", &self.trimmed).field("changes", &self.changes.len()).finish()
    }
}

impl History {
    /// An empty history that keeps at most so many changes, from the commit after `start`.
    pub(crate) fn new(start: Seq, most: usize) -> Self {
        Self { changes: VecDeque::new(), most, trimmed: start }
    }

    /// Adds the next change.
    pub(crate) fn push(&mut self, change: Arc<Change>) {
        self.changes.push_back(change);
        while self.changes.len() > self.most {
            if let Some(oldest) = self.changes.pop_front() {
                self.trimmed = oldest.seq;
            }
        }
    }

    fn after(&self, after: Seq, limit: usize) -> Feed {
        if after < self.trimmed {
            return Feed::Trimmed { oldest: self.trimmed.next() };
        }
        // Sequence numbers have no gaps, so that the distance is the place.
        let skip = usize::try_from(after.get() - self.trimmed.get()).unwrap_or(usize::MAX);
        Feed::Changes(self.changes.iter().skip(skip).take(limit).cloned().collect())
    }

    /// The changes before this one, or the latest, newest first, with at most about so many events, and the last
    /// that is not kept. They are none when nothing before is kept.
    fn before(&self, before: Option<Seq>, events: usize) -> (Vec<Arc<Change>>, Seq) {
        let kept = self.changes.len();
        let older = before.map_or(kept, |before| {
            let distance = before.get().saturating_sub(self.trimmed.next().get());
            usize::try_from(distance).unwrap_or(kept).min(kept)
        });
        let mut left = events;
        let newest_first = self.changes.range(..older).rev();
        let chunk = newest_first.take_while(|change| {
            let take = left > 0;
            left = left.saturating_sub(change.events.len().max(1));
            take
        });
        (chunk.cloned().collect(), self.trimmed)
    }
}

/// About how many events are looked at before others go first: a commit is looked at whole, however many it has.
const EVENTS_AT_ONCE: usize = 1000;

impl Live {
    pub(crate) fn new(snapshot: Snapshot, history: History) -> Self {
        Self {
            latest: Latest::new(snapshot),
            history: Mutex::new(history),
            changed: Event::new(),
            ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.latest.snapshot()
    }

    /// The number of the latest commit that anybody has seen before the call, or of a later one.
    pub(crate) fn seq(&self) -> Seq {
        self.latest.seq()
    }

    /// What `look` finds in the latest snapshot ([`Latest::find`]).
    pub(crate) fn find<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        self.latest.find(look)
    }

    /// Makes commits visible, to all readers at once. Only one thread at a time publishes.
    ///
    /// Gives back the snapshot that was the latest: what nobody else holds of it takes a while to free.
    pub(crate) fn publish(
        &self,
        snapshot: Snapshot,
        changes: impl IntoIterator<Item = Arc<Change>>,
    ) -> Arc<Snapshot> {
        // A reader of the history waits for the lock, so that whoever has seen the snapshot finds the change, and
        // whoever has the change finds the snapshot.
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.latest.replace(snapshot);
        changes.into_iter().for_each(|change| history.push(change));
        drop(history);
        self.changed.notify(usize::MAX);
        former
    }

    pub(crate) fn changes(&self, after: Seq, limit: usize) -> Feed {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).after(after, limit)
    }

    /// The changes that are kept, as of the snapshot, for whoever publishes: nobody else does meanwhile.
    #[cfg(feature = "file")]
    pub(crate) fn kept(&self) -> Vec<Arc<Change>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).changes.iter().cloned().collect()
    }

    /// Looks through the changes, from the newest, for those of one account. Neither the lock nor the thread is held
    /// throughout: what is trimmed meanwhile is not there any more when it is come to.
    pub(crate) async fn account_history(&self, history: &AccountHistory) -> HistoryPage {
        let is_own = |event: &AccountEvent| event.is_told_of(history.sid());
        let mut found: Vec<Arc<Change>> = Vec::new();
        let mut before = history.start();
        loop {
            let (chunk, trimmed) =
                self.history.lock().unwrap_or_else(PoisonError::into_inner).before(before, EVENTS_AT_ONCE);
            let last = chunk.last().map(|change| change.seq);
            found.extend(chunk.into_iter().filter(|change| change.events.iter().any(is_own)));
            // One more, to know whether there is a next page.
            if found.len() > history.size() || last.is_none() {
                return HistoryPage::from_one_more(&found, trimmed == Seq::START, history);
            }
            before = last;
            yield_now().await;
        }
    }

    /// Says that nothing will be published any more.
    #[cfg(feature = "file")]
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    /// Waits for a commit after this one; `None` when there is none and never will be.
    pub(crate) async fn wait_past(&self, after: Seq) -> Option<Seq> {
        loop {
            listener!(self.changed => changed);
            // Listening begins before looking, so that no commit falls in between.
            let latest = self.latest.find(Snapshot::seq);
            if latest > after {
                return Some(latest);
            }
            if self.ended.load(Ordering::SeqCst) {
                return None;
            }
            changed.await;
        }
    }
}
