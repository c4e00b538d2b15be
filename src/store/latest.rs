//! The latest snapshot, which many read and one replaces.

use crate::snapshot::{Seq, Snapshot};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Latest {
    snapshot: ArcSwap<Snapshot>,
    /// The number of the latest commit that readers see, or are about to.
    seq: AtomicU64,
}

impl Latest {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self { seq: AtomicU64::new(snapshot.seq().get()), snapshot: ArcSwap::from_pointee(snapshot) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::clone(&self.snapshot.load())
    }

    /// The number of the latest commit that anybody has seen before the call, or of a later one.
    pub(crate) fn seq(&self) -> Seq {
        Seq::new(self.seq.load(Ordering::Acquire))
    }

    /// What `look` finds in the latest snapshot, which is not counted as held meanwhile: counting takes as long as a
    /// look-up, and readers on several processors would wait for each other's count.
    pub(crate) fn find<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.snapshot.load())
    }

    /// Makes a snapshot the latest, for all readers at once. Only one thread at a time does.
    ///
    /// Gives back the one that was: what nobody else holds of it takes a while to free.
    pub(crate) fn replace(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        // First, so that nobody who has seen the snapshot is told of an older commit.
        self.seq.store(snapshot.seq().get(), Ordering::Release);
        self.snapshot.swap(Arc::new(snapshot))
    }
}
