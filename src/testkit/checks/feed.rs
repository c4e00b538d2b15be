//! The feed gives each change once, in order, without gaps.

use crate::model::account::Account;
use crate::model::unit::Limit;
use crate::snapshot::{Change, Seq, Snapshot};
use crate::store::Feed;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, content, create, delete, replace};
use crate::testkit::executor::Started;
use crate::testkit::race::race;
use crate::testkit::sample::{account, sid};
use std::sync::Arc;
use std::task::Poll;

/// While eight writers commit, a reader that waits and reads gets each change once, in order and without gaps,
/// and each is the one its writer got; another that starts in the middle, from a snapshot, comes to the same
/// accounts.
pub fn the_feed_gives_each_change_once_and_in_order<B: Backend>(backend: &B) {
    const WRITERS: usize = 8;
    const COMMITS: usize = 25;
    const LAST: Seq = Seq::new((WRITERS * COMMITS) as u64);
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let mut threads = race(WRITERS + 2, |thread| match thread.checked_sub(2) {
        Some(writer) => (0..COMMITS).map(|nth| churn(store, writer, nth)).collect(),
        None if thread == 0 => {
            let mut read: Vec<Arc<Change>> = Vec::new();
            let mut after = Seq::START;
            while after < LAST {
                let latest = store.wait_past(after);
                assert!(latest > after, "a wait past commit {after} ended at {latest}");
                let changes = store.changes(after, 7);
                after = changes.last().unwrap_or_else(|| panic!("no change after {after}, at {latest}")).seq;
                read.extend(changes);
            }
            read
        }
        None => {
            let mut copy = store.snapshot();
            while copy.seq() < LAST {
                let latest = store.wait_past(copy.seq());
                let changes = store.changes(copy.seq(), 5);
                assert!(!changes.is_empty(), "no change after {}, at {latest}", copy.seq());
                copy = follow(&copy, &changes);
            }
            assert_eq!(content(&copy), store.content(), "a copy that followed the feed has other accounts");
            Vec::new()
        }
    });
    let read = threads.swap_remove(0);
    assert_eq!(read.len(), WRITERS * COMMITS);
    let mut written: Vec<_> = threads.into_iter().flatten().collect();
    written.sort_unstable_by_key(|change| change.seq);
    assert_eq!(read, written, "the feed does not give what the writers got");
}

/// Following the whole feed from the beginning gives the accounts that are there.
pub fn following_the_feed_gives_the_accounts<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for nth in 0..30 {
        churn(store, 0, nth);
        churn(store, 1, nth);
        let copy = follow(&Snapshot::empty(), &store.all_changes());
        assert_eq!(content(&copy), store.content(), "a copy that followed the feed has other accounts");
    }
}

/// At its end and beyond, the feed is empty; it is no error to ask. It never gives more than asked for.
pub fn the_feed_ends_at_the_latest_change<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    assert_eq!(store.feed(Seq::START, 10), Feed::Changes(Vec::new()), "an empty store has changes");
    let changes: Vec<_> = (0..10).map(|_| store.commit([])).collect();
    for after in 0..10_usize {
        let rest = &changes[after..];
        for limit in [0, 1, 3, 10, 11, usize::MAX] {
            let got = store.changes(Seq::new(after as u64), limit);
            assert_eq!(got, rest[..limit.min(rest.len())], "after {after}, at most {limit}");
        }
    }
    for beyond in [10, 11, 1000, u64::MAX / 2, i64::MAX as u64, u64::MAX] {
        assert_eq!(store.feed(Seq::new(beyond), 10), Feed::Changes(Vec::new()), "after {beyond}");
    }
}

/// A feed that does not reach back far enough says so, names its oldest change, and gives everything from there.
/// A feed that reaches back to the beginning passes.
pub fn a_trimmed_feed_says_so<B: Backend>(backend: &B) {
    const COMMITS: u64 = 50;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let changes: Vec<_> = (0..COMMITS).map(|_| store.commit([])).collect();
    let oldest = match store.feed(Seq::START, 1) {
        Feed::Changes(_) => Seq::new(1),
        Feed::Trimmed { oldest } => oldest,
    };
    assert!(oldest > Seq::START && oldest <= Seq::new(COMMITS + 1), "{oldest} is not the oldest change");
    for (after, rest) in (0..=COMMITS).zip((0..).map(|skip| &changes[skip..])) {
        let expected = if Seq::new(after).next() < oldest {
            Feed::Trimmed { oldest }
        } else {
            Feed::Changes(rest.to_vec())
        };
        assert_eq!(store.feed(Seq::new(after), usize::MAX), expected, "after {after}");
    }
}

/// A wait ends with the next commit, for all who wait; at once if there is one already; and not before.
pub fn a_wait_ends_with_the_next_commit<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([]);
    assert_eq!(store.wait_past(Seq::START), Seq::new(1));

    // Those who wait for the first, the second and the third commit from now.
    let mut waiting: Vec<_> =
        [1, 1, 2, 3].map(|after| (after, Started::new(store.store().wait_past(Seq::new(after))))).into();
    for (_, wait) in &mut waiting {
        assert!(wait.poll().is_pending(), "a wait ended before there was a commit");
    }
    for latest in 2..=4 {
        store.commit([]);
        let (ends, still): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(after, _)| *after < latest);
        for (after, wait) in ends {
            let got = wait.finish().unwrap_or_else(|error| panic!("a wait failed: {error}"));
            assert_eq!(got, Seq::new(latest), "a wait past {after} gave another than the latest commit");
        }
        waiting = still;
        for (after, wait) in &mut waiting {
            assert!(wait.poll().is_pending(), "a wait past {after} ended at commit {latest}");
        }
    }

    // On other threads, asleep or not yet.
    race(8, |thread| {
        if thread == 0 {
            store.commit([create(account(1))]);
            return;
        }
        assert_eq!(store.wait_past(Seq::new(4)), Seq::new(5));
        assert!(store.by_sid(sid(1)).is_some(), "a wait ended before its commit can be seen");
        assert_eq!(store.changes(Seq::new(4), 10).len(), 1, "a wait ended before its change can be read");
    });
}

/// A wait that is given up takes nothing from the others who wait.
pub fn a_wait_that_is_given_up_wakes_the_others<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let wait = |after| Started::new(store.store().wait_past(Seq::new(after)));
    for round in 0..20 {
        let mut waits: Vec<_> = (0..4).map(|_| wait(round)).collect();
        for wait in &mut waits {
            assert_eq!(wait.poll().map(Result::ok), Poll::Pending, "a wait ended before there was a commit");
        }
        // One before it is woken; after the commit, one that was woken and has not looked yet.
        drop(waits.swap_remove(0));
        store.commit([]);
        drop(waits.swap_remove(0));
        for wait in waits {
            assert_eq!(wait.finish().ok(), Some(Seq::new(round + 1)));
        }
    }
}

/// The nth commit of a writer whose accounts no other touches: creates, edits, renames, moves and deletes.
#[track_caller]
fn churn(store: Caller<'_>, writer: usize, nth: usize) -> Arc<Change> {
    let first = 100 * (writer as u64 + 1);
    let number = first + nth as u64 / 5;
    let current = || store.by_sid(sid(number)).expect("only its own writer deletes an account");
    match nth % 5 {
        0 => store.commit([create(account(number)), create(account(number + 50))]),
        1 => {
            let licensed = Limit::AtMost(u32::try_from(nth).unwrap_or_default());
            store.commit([replace(Account { licensed_sessions: licensed, ..Account::clone(&current()) })])
        }
        2 => {
            let elsewhere = account(number + 10_000);
            let (name, sip_realm) = (elsewhere.name, elsewhere.sip_realm);
            store.commit([replace(Account { name, sip_realm, ..Account::clone(&current()) })])
        }
        3 => store.commit([delete(&current()), create(account(number))]),
        _ => store.commit([delete(&current())]),
    }
}

#[track_caller]
fn follow(start: &Snapshot, changes: &[Arc<Change>]) -> Snapshot {
    changes.iter().fold(start.clone(), |copy, change| {
        copy.advance(change).unwrap_or_else(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            panic!("the feed does not follow from itself: {error}: {source}")
        })
    })
}
