//! Copies that are cut off, and go on.

use super::*;
use gateway_accounts::StoreErrorKind;
use gateway_accounts::testkit::{Fault, FaultyStore};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whatever commit fails, in whatever way, the next run completes the copy, and writes nothing twice.
#[test]
fn a_copy_that_is_cut_off_goes_on() {
    let from = filled();
    for fault in [Fault::Unavailable, Fault::Lost, Fault::Kept] {
        let mut cut_off = 0;
        for nth in 0.. {
            let to = FaultyStore::new(MemoryStore::new());
            let told = AtomicUsize::new(0);
            let copy = StoreCopy::new(&from, &to).batch(3).on_progress(|_| {
                if told.fetch_add(1, Ordering::SeqCst) == nth {
                    to.fail_next([fault]);
                }
            });
            let result = block_on(copy.run(&admin(), &clock()));
            if told.into_inner() <= nth {
                result.unwrap();
                break;
            }
            cut_off += 1;
            match result.unwrap_err() {
                CopyError::Write { item, writes, source } => {
                    assert!(writes <= 3 && !item.to_string().is_empty(), "{item}: {source}");
                }
                // The last to be told is that all is written, and then the target is read again.
                CopyError::To(error) => assert_ne!(error.kind(), StoreErrorKind::Failed),
                other => panic!("{fault:?}, {nth}: {other:?}"),
            }
            to.reopen();
            let before = snapshot(&to);
            let copied = super::copy(&from, &to).unwrap();
            assert_same(&from, &to);
            assert_eq!(copied.written, 27 - before.len() - before.key_count(), "{fault:?}, {nth}");
            let changes = snapshot(&to).seq().get();
            assert!(changes <= 12, "{fault:?}, {nth}: {changes} commits");
        }
        assert_eq!(cut_off, 11);
    }
}

/// The first account of a commit that failed is named.
#[test]
fn a_commit_that_fails_is_named() {
    let from = filled();
    let to = FaultyStore::new(MemoryStore::new());
    let first = StoreCopy::new(&from, &to).on_progress(|_| to.fail_next([Fault::Lost]));
    let error = block_on(first.run(&admin(), &clock())).unwrap_err();
    let name = format!("account {} \"Account 1\"", sid(1));
    assert_eq!(error.to_string(), format!("a commit of 10 writes, among them that of {name}, failed"));
    assert!(std::error::Error::source(&error).is_some());
}

/// Whichever of the two can't be read, the error says so.
#[test]
fn reads_that_fail_are_told_apart() {
    let [from, to] = [(); 2].map(|()| FaultyStore::new(filled()));
    from.fail_next([Fault::Unavailable]);
    assert!(matches!(super::copy(&from, &to), Err(CopyError::From(_))));
    to.fail_next([Fault::Unavailable]);
    assert!(matches!(super::copy(&from, &to), Err(CopyError::To(_))));
}

/// Given up after any number of polls, and run again until it is done.
#[test]
fn a_copy_that_is_dropped_goes_on() {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    let from = filled();
    for polls in 1.. {
        // This store returns to the executor twice in each call.
        let to = FaultyStore::new(MemoryStore::new());
        let is_done = {
            let copy = StoreCopy::new(&from, &to).batch(3);
            let (actor, clock) = (admin(), clock());
            let mut running = pin!(copy.run(&actor, &clock));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| matches!(running.as_mut().poll(&mut context), Poll::Ready(Ok(_))))
        };
        super::copy(&from, &to).unwrap();
        assert_same(&from, &to);
        if is_done {
            assert!(polls > 20, "{polls}");
            return;
        }
    }
}
