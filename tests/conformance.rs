//! Every store of the crate, and every wrapper, passes the same suite.
#![cfg(feature = "testkit")]

mod remote;

use gateway_accounts::testkit::{self, FaultyStore, conformance};
use gateway_accounts::{AccountStore, Directory, MemoryStore, Snapshot};
use remote::Remote;
use std::sync::Arc;

conformance!(memory, MemoryStore::new);

conformance!(shared, || -> Arc<dyn AccountStore> { Arc::new(MemoryStore::new()) });

#[cfg(feature = "file")]
conformance!(file, files::Files { in_place: false });

#[cfg(feature = "file")]
conformance!(file_in_place, files::Files { in_place: true });

// Without faults it is a store like any other; and it can be given up at more points than those behind it.
conformance!(faulty_without_faults, || FaultyStore::new(MemoryStore::new()));

// A store that is elsewhere, with nothing in memory.
conformance!(remote_store, Remote::default);

// One with a snapshot of its own.
conformance!(directory_of_memory, || testkit::block_on(Directory::follow(MemoryStore::new())).unwrap());

conformance!(directory_of_remote, || testkit::block_on(Directory::follow(Remote::default())).unwrap());

#[test]
fn a_feed_and_a_history_that_were_trimmed_say_so() {
    for history in [0, 1, 10, 49, 50, 51] {
        let store = || MemoryStore::starting_from(Snapshot::empty(), history);
        testkit::checks::a_trimmed_feed_says_so(&store);
        testkit::checks::a_trimmed_history_says_so(&store);
        testkit::checks::a_history_that_ends_with_a_key_was_trimmed(&store);
    }
}

#[cfg(feature = "file")]
mod files {
    use gateway_accounts::FileStore;
    use gateway_accounts::testkit::{Backend, block_on};
    use tempfile::TempDir;

    pub(super) struct Files {
        pub(super) in_place: bool,
    }

    impl Files {
        fn open(&self, place: &TempDir) -> FileStore {
            let store = block_on(FileStore::open(place.path().join("accounts.log"))).unwrap();
            if self.in_place { store.in_place() } else { store }
        }
    }

    impl Backend for Files {
        type Store = FileStore;
        type Place = TempDir;

        fn create(&self) -> (TempDir, FileStore) {
            let place = tempfile::tempdir().unwrap();
            let store = self.open(&place);
            (place, store)
        }

        fn reopen(&self, place: &TempDir, store: FileStore) -> Option<FileStore> {
            block_on(store.close());
            Some(self.open(place))
        }
    }
}
