//! Where the accounts come from, and where minutes are written to.

use crate::snapshot::{Seq, Snapshot};
use crate::store::AccountStore;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The store that is followed, or what it had when it was left.
#[derive(Debug)]
pub(super) enum Source {
    Store(Box<dyn AccountStore>),
    Left(Option<Snapshot>),
}

impl Source {
    /// The number of the latest commit; `None` when nothing is known.
    #[inline]
    pub(super) fn seq(&self) -> Option<Seq> {
        match self {
            Self::Store(store) => store.live_seq(),
            Self::Left(snapshot) => snapshot.as_ref().map(Snapshot::seq),
        }
    }

    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        match self {
            Self::Store(store) => store.live(),
            Self::Left(snapshot) => snapshot.clone(),
        }
    }
}

/// The source, which can be put in the place of another.
#[derive(Debug)]
pub(super) struct Follow(ArcSwap<Source>);

impl Follow {
    pub(super) fn new(store: Box<dyn AccountStore>) -> Self {
        Self(ArcSwap::from_pointee(Source::Store(store)))
    }

    /// The source, to be held for a while.
    pub(super) fn hold(&self) -> Arc<Source> {
        self.0.load_full()
    }

    pub(super) fn set(&self, source: Source) {
        self.0.store(Arc::new(source));
    }
}
