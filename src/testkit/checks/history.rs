//! The history of one account: all of it, newest first, and nothing else.

use crate::model::account::{Account, Revision};
use crate::model::sid::AccountSid;
use crate::model::unit::Limit;
use crate::snapshot::{AccountHistory, Change, Event, HistoryEntry, Seq};
use crate::store::Feed;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::race::{Meanwhile, race};
use crate::testkit::sample::{account, sid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The pages of an account's history together are every event of it, newest first, each once, by whatever pages; also
/// when one commit has several of it, or is about others too, and when the account is gone. Only the last page names
/// no next.
pub fn a_history_is_complete_and_newest_first<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    assert_eq!(history(store, sid(1), 10), (Vec::new(), false), "an empty store has a history");
    let mut changes = Vec::new();
    for round in 0..7_u32 {
        // The second is created and deleted in each round, the third is not in all of them.
        let at = |n: u64, revision, stamp| Account {
            licensed_sessions: Limit::AtMost(stamp),
            revision: Revision::new(revision),
            ..account(n)
        };
        let first = match store.by_sid(sid(1)) {
            None => create(account(1)),
            Some(first) => replace(at(1, first.revision.get(), round)),
        };
        changes.push(store.commit([first, create(account(2))]));
        changes.push(store.commit([replace(at(2, 1, round)), replace(at(2, 2, round + 1))]));
        // So many others that no store looks at all of them in one go.
        changes.push(store.commit((0..300).map(|n| create(account(1000 * (u64::from(round) + 1) + n)))));
        changes.push(store.commit([]));
        let write = match store.by_sid(sid(3)) {
            Some(third) if round % 3 == 0 => delete(&third),
            Some(third) => replace(at(3, third.revision.get(), round)),
            None => create(account(3)),
        };
        changes.push(store.commit([delete(&at(2, 3, 0)), write, create(account(2)), delete(&account(2))]));
    }
    for n in 1..=4 {
        let expected = events_of(&changes, sid(n));
        for size in [1, 2, 3, 7, 14, 28, AccountHistory::MAX_LIMIT] {
            assert_eq!(history(store, sid(n), size), (expected.clone(), false), "account {n}, by {size}");
        }
        for before in 0..=changes.len() as u64 + 2 {
            let older: Vec<_> =
                expected.iter().filter(|entry| entry.seq < Seq::new(before)).cloned().collect();
            let from = AccountHistory::of(sid(n)).before(Seq::new(before)).limit(AccountHistory::MAX_LIMIT);
            let page = store.history(&from);
            assert_eq!(page.entries, older, "account {n}, before {before}");
            assert_eq!((page.next, page.trimmed), (None, false), "account {n}, before {before}");
        }
    }
}

/// Pages that follow each other neither overlap nor leave anything out, while others commit to the account and to
/// others.
pub fn a_history_goes_on_where_it_was<B: Backend>(backend: &B) {
    const COMMITS: u32 = 100;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let edit = |n: u64, revision, stamp| {
        let revision = Revision::new(revision);
        replace(Account { licensed_sessions: Limit::AtMost(stamp), revision, ..account(n) })
    };
    store.commit([create(account(1)), create(account(2))]);
    for revision in 1..10 {
        store.commit([edit(1, revision, 0)]);
    }
    let first = store.history(&AccountHistory::of(sid(1)).limit(3));
    let next = first.next.expect("there is more");
    store.commit([edit(1, 10, 0)]);
    store.commit([edit(1, 11, 0)]);
    let second = store.history(&AccountHistory::of(sid(1)).limit(3).before(next));
    let revisions = |entries: &[HistoryEntry]| -> Vec<_> {
        entries.iter().filter_map(|entry| Some(entry.event.after()?.revision.get())).collect()
    };
    assert_eq!(revisions(&first.entries), [10, 9, 8]);
    assert_eq!(revisions(&second.entries), [7, 6, 5], "commits between two pages moved the second");

    let reading = Meanwhile::new();
    race(3, |thread| {
        let Some(writer) = thread.checked_sub(1) else {
            let _end = reading.until_dropped();
            for size in [1, 2, 5, 17] {
                let (entries, trimmed) = history(store, sid(1), size);
                let got = revisions(&entries);
                let whole: Vec<_> = (1..=got[0]).rev().collect();
                assert_eq!((got, trimmed), (whole, false), "by {size}, while others commit");
            }
            return;
        };
        let number = writer as u64 + 1;
        for stamp in 0..COMMITS {
            if !reading.goes_on() {
                break;
            }
            let current = store.by_sid(sid(number)).expect("nobody deletes it");
            store.commit([edit(number, current.revision.get(), stamp)]);
        }
    });
}

/// A history that does not reach back to the creation of the account says so, and one that does, does not; it has at
/// least what the feed has. That is so after reopening, too. A store that keeps all changes passes.
pub fn a_trimmed_history_says_so<B: Backend>(backend: &B) {
    const COMMITS: u64 = 50;
    let mut fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let mut changes = vec![store.commit([create(account(1)), create(account(2))])];
    for revision in 1..COMMITS {
        // The second account is seldom edited, and the third is new.
        let number = if revision % 20 == 0 { 2 } else { 1 };
        let current = store.by_sid(sid(number)).expect("it was created");
        let edit = replace(Account { licensed_sessions: Limit::Unlimited, ..Account::clone(&current) });
        let new = (revision == COMMITS - 3).then(|| create(account(3)));
        changes.push(store.commit([edit].into_iter().chain(new)));
    }
    for reopened in [false, true] {
        let store = Caller::new(&**fresh.store());
        let oldest = match store.feed(Seq::START, 1) {
            Feed::Changes(_) => Seq::new(1),
            Feed::Trimmed { oldest } => oldest,
        };
        for n in 1..=3 {
            let all = events_of(&changes, sid(n));
            let in_feed = all.iter().filter(|entry| entry.seq >= oldest).count();
            for size in [1, 4, AccountHistory::MAX_LIMIT] {
                let (got, trimmed) = history(store, sid(n), size);
                assert!(
                    got.len() >= in_feed,
                    "the feed reaches back to {oldest}, the history does not: {got:#?}"
                );
                assert_eq!(got[..], all[..got.len().min(all.len())], "account {n}, by {size}");
                assert_eq!(trimmed, got.len() < all.len(), "whether the history of account {n} was trimmed");
            }
        }
        if reopened {
            return;
        }
        match fresh.reopen() {
            Some(reopened) => fresh = reopened,
            None => return,
        }
    }
}

/// All pages of a history, checked to be no longer than asked for and to have the newest first, and whether the last
/// says that it was trimmed.
#[track_caller]
fn history(store: Caller<'_>, sid: AccountSid, size: usize) -> (Vec<HistoryEntry>, bool) {
    let mut all: Vec<HistoryEntry> = Vec::new();
    let mut request = AccountHistory::of(sid).limit(size);
    loop {
        let page = store.history(&request);
        let commits: BTreeSet<_> = page.entries.iter().map(|entry| entry.seq).collect();
        assert!(commits.len() <= size, "a page has {} commits, not at most {size}", commits.len());
        if let (Some(last), Some(first)) = (all.last(), page.entries.first()) {
            assert!(first.seq < last.seq, "commit {} comes after {}", first.seq, last.seq);
        }
        for pair in page.entries.windows(2) {
            assert!(pair[1].seq <= pair[0].seq, "commit {} comes after {}", pair[1].seq, pair[0].seq);
        }
        all.extend(page.entries);
        let Some(next) = page.next else { return (all, page.trimmed) };
        assert!(!page.trimmed, "a page that names a next says that there is none");
        assert_eq!(Some(next), all.last().map(|entry| entry.seq), "a page does not name its end as the next");
        request = request.before(next);
    }
}

/// What these commits, in order, did to one account, newest first.
fn events_of(changes: &[Arc<Change>], sid: AccountSid) -> Vec<HistoryEntry> {
    let entry = |change: &Change, event: &Event| {
        HistoryEntry::new(change.seq, change.actor.clone(), change.at, event.clone())
    };
    let own = |change: &Arc<Change>| -> Vec<_> {
        change
            .events
            .iter()
            .rev()
            .filter(|event| event.sid() == Some(sid))
            .map(|event| entry(change, event))
            .collect()
    };
    changes.iter().rev().flat_map(own).collect()
}
