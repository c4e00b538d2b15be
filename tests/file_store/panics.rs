//! A thread panics in the middle of a commit: nobody waits for ever.

use super::{admin, folder};
use futures_lite::future::block_on;
use gateway_accounts::{AccountStore, Batch, FileStore, Seq, StoreErrorKind, Timestamp};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// An executor that panics when it is told that there was a commit.
struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("as planned");
    }
}

fn empty() -> Batch {
    Batch::new(admin(), Timestamp::default())
}

/// Polls once.
fn has_panicking_waker<T>(wait: Pin<&mut (dyn Future<Output = T> + Send)>) {
    let waker = Waker::from(Arc::new(Panicking));
    assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
}

fn open(path: &Path) -> FileStore {
    block_on(FileStore::open(path)).unwrap()
}

/// So many commits that wait at the same time, and are all answered.
#[track_caller]
fn all_are_answered(store: &FileStore, commits: usize) {
    let (done, is_done) = mpsc::channel();
    let store = store.clone();
    thread::spawn(move || {
        let mut all: Vec<_> = (0..commits).map(|_| store.commit(empty())).collect();
        block_on(futures_lite::future::poll_fn(|context| {
            all.retain_mut(|commit| commit.as_mut().poll(context).is_pending());
            if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }));
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(30)).expect("somebody waits for ever");
}

#[test]
fn in_place_commit_panics() {
    for commits in [1, 64, 4000] {
        let (_folder, path) = folder();
        let store = open(&path);
        // It is not dropped either: what listens does not bear a panic of whom it wakes.
        let mut wait = ManuallyDrop::new(store.wait_past(Seq::START));
        has_panicking_waker(wait.as_mut());
        let in_place = store.in_place();
        let result = catch_unwind(AssertUnwindSafe(|| block_on(in_place.commit(empty()))));
        assert!(result.is_err());
        all_are_answered(&store, commits);
        block_on(store.close());
        let error = block_on(in_place.commit(empty())).unwrap_err();
        assert!(
            matches!(error, gateway_accounts::CommitError::Store(error) if error.kind() == StoreErrorKind::Failed)
        );
        // What is in the file is whole, and nobody holds it.
        block_on(open(&path).close());
    }
}

#[test]
fn a_writing_thread_panics() {
    for commits in [1, 64, 4000] {
        let (_folder, path) = folder();
        let store = open(&path);
        // It is not dropped either: what listens does not bear a panic of whom it wakes.
        let mut wait = ManuallyDrop::new(store.wait_past(Seq::START));
        has_panicking_waker(wait.as_mut());
        all_are_answered(&store, commits);
        block_on(store.close());
        block_on(open(&path).close());
    }
}
