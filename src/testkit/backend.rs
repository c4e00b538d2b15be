//! What the suite has to know of a kind of store.

use crate::store::AccountStore;
use std::sync::Arc;

/// A kind of store, and how to get one: what its author writes to have it tested.
///
/// A function or closure that gives a new store is a backend, one whose stores keep nothing:
///
/// ```
/// use gateway_accounts::{MemoryStore, testkit};
/// testkit::checks::an_empty_batch_is_a_commit(&MemoryStore::new);
/// ```
///
/// The methods are not `async`, and the suite brings no runtime: it polls the store's futures on threads of its
/// own. A store of a database keeps the runtime it needs, or a handle to it, to itself; its backend opens the
/// store with that runtime's `block_on`.
pub trait Backend: Sync {
    /// The store.
    type Store: AccountStore + 'static;

    /// Where one store keeps its accounts, such as a temporary directory or a database schema; `()` for one that
    /// keeps nothing. It is dropped after the store, and then cleans up.
    type Place: Sync;

    /// A new store, without accounts, before its first commit. It shares nothing with any other: the suite uses
    /// several at a time. Its feed reaches back at least 5,000 commits.
    ///
    /// # Panics
    /// When there is no store to be had.
    fn create(&self) -> (Self::Place, Self::Store);

    /// Closes the store, completely, and opens what it kept at its place anew; `None` if it keeps nothing, and
    /// then nothing is checked of it.
    ///
    /// # Panics
    /// When it can't be opened.
    fn reopen(&self, place: &Self::Place, store: Self::Store) -> Option<Self::Store>;
}

impl<S: AccountStore + 'static, F: Fn() -> S + Sync> Backend for F {
    type Store = S;
    type Place = ();

    fn create(&self) -> ((), S) {
        ((), self())
    }

    fn reopen(&self, (): &(), _: S) -> Option<S> {
        None
    }
}

/// A store made for one check, and its place.
pub(crate) struct Fresh<'a, B: Backend> {
    // Fields are dropped in this order.
    store: Arc<B::Store>,
    place: B::Place,
    backend: &'a B,
}

impl<'a, B: Backend> Fresh<'a, B> {
    pub(crate) fn new(backend: &'a B) -> Self {
        let (place, store) = backend.create();
        Self { store: Arc::new(store), place, backend }
    }

    pub(crate) fn store(&self) -> &Arc<B::Store> {
        &self.store
    }

    #[track_caller]
    pub(crate) fn reopen(self) -> Option<Self> {
        let store = Arc::into_inner(self.store).expect("a check holds on to a store that it reopens");
        let store = self.backend.reopen(&self.place, store)?;
        Some(Self { store: Arc::new(store), ..self })
    }
}
