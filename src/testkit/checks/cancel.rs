//! A call can be given up: its future dropped at any point.

use crate::snapshot::{AccountHistory, Listing, Seq, Snapshot};
use crate::store::AccountStore;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, content, create, delete};
use crate::testkit::executor::Started;
use crate::testkit::race::race;
use crate::testkit::sample::{account, batch, sid};
use std::pin::Pin;

/// How many points of a call are tried at which it can be given up, at most.
const MOST_POLLS: usize = 50;

/// A commit that is given up, at whatever point, happens whole or not at all, and the store goes on: others
/// commit meanwhile and afterwards, without a gap.
pub fn a_commit_that_is_given_up_happens_whole_or_not_at_all<B: Backend>(backend: &B) {
    const THREADS: usize = 4;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    race(THREADS, |thread| {
        for polls in 0..MOST_POLLS {
            let first = (thread * MOST_POLLS + polls) as u64 * 10;
            let old = store.create(account(first));
            let whole = [create(account(first + 1)), delete(&old), create(account(first + 2))];
            let is_done = Started::new(store.store().commit(batch(whole))).poll_times(polls).is_ready();
            seen_whole(&store.snapshot(), first);
            store.create(account(first + 3));
            if is_done {
                break;
            }
        }
    });
    let snapshot = store.snapshot();
    for first in (0..THREADS * MOST_POLLS).map(|nth| nth as u64 * 10) {
        seen_whole(&snapshot, first);
    }
    // It may still happen, but only as the next commit of all.
    let head = store.commit([]).seq;
    let changes = store.all_changes();
    assert!(changes.last().is_some_and(|last| last.seq >= head));
    let copy = changes.iter().try_fold(Snapshot::empty(), |copy, change| copy.advance(change));
    let copy =
        copy.unwrap_or_else(|error| panic!("a commit that was given up is wrong in the feed: {error}"));
    let now = store.snapshot();
    if now.seq() == copy.seq() {
        assert_eq!(content(&copy), content(&now), "a commit that was given up is not what the feed tells");
    }
}

/// Of three writes, all or none is there.
#[track_caller]
pub(super) fn seen_whole(snapshot: &Snapshot, first: u64) {
    let is_there = |n| snapshot.by_sid(sid(n)).is_some();
    let seen = (is_there(first), is_there(first + 1), is_there(first + 2));
    let [nothing, before, after] = [(false, false, false), (true, false, false), (false, true, true)];
    assert!(
        [nothing, before, after].contains(&seen),
        "a commit that was given up was done by half: {seen:?}"
    );
}

/// A read that is given up, at whatever point, is as if it had not been asked: the store goes on.
pub fn a_read_that_is_given_up_leaves_the_store_working<B: Backend>(backend: &B) {
    type Read<'a> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + 'a>> + 'a>;
    let fresh = Fresh::new(backend);
    let store: &B::Store = fresh.store();
    let caller = Caller::new(store);
    let sample = account(1);
    let realm = sample.sip_realm.as_ref().expect("a sample account has a realm");
    let listing = Listing::new();
    let history = AccountHistory::of(sample.sid);
    let reads: [Read<'_>; 8] = [
        Box::new(|| Box::pin(async { store.by_sid(sample.sid).await.is_ok() })),
        Box::new(|| Box::pin(async { store.by_name(&sample.name).await.is_ok() })),
        Box::new(|| Box::pin(async { store.by_realm(realm).await.is_ok() })),
        Box::new(|| Box::pin(async { store.list(&listing).await.is_ok() })),
        Box::new(|| Box::pin(async { store.changes(Seq::START, 10).await.is_ok() })),
        Box::new(|| Box::pin(async { store.history(&history).await.is_ok() })),
        Box::new(|| Box::pin(async { store.snapshot().await.is_ok() })),
        // There is a commit to see, so that it need not wait.
        Box::new(|| Box::pin(async { store.wait_past(Seq::START).await.is_ok() })),
    ];
    caller.create(sample.clone());
    for (nth, read) in reads.iter().enumerate() {
        for polls in 0..MOST_POLLS {
            let is_done = Started::new(read()).poll_times(polls).is_ready();
            let number = 100 + (nth * MOST_POLLS + polls) as u64;
            let created = caller.create(account(number));
            assert_eq!(caller.by_sid(created.sid).as_ref(), Some(&created));
            assert!(Started::new(read()).finish(), "a read failed after one that was given up");
            if is_done {
                break;
            }
        }
    }
}
