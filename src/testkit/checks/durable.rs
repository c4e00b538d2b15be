//! Once a commit has returned, it is there when the store is opened anew. A backend whose stores keep nothing has
//! nothing to pass.

use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::unit::Limit;
use crate::snapshot::{Change, Conflict, Seq};
use crate::store::Feed;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::checks::cancel::seen_whole;
use crate::testkit::checks::order::full;
use crate::testkit::executor::Started;
use crate::testkit::race::race;
use crate::testkit::sample::{account, batch, sid};
use std::sync::Arc;

/// Everything that was acknowledged is there when the store is opened anew: the accounts with all their fields, and
/// the number of the last commit; the feed says how far back it reaches; and all rules go on from there.
pub fn what_was_acknowledged_is_there_after_reopening<B: Backend>(backend: &B) {
    // What was never written, and what has nothing but a number.
    let Some(fresh) = Fresh::new(backend).reopen() else { return };
    assert_eq!(Caller::new(&**fresh.store()).content(), (Seq::START, Vec::new(), Vec::new()));
    Caller::new(&**fresh.store()).commit([]);
    let Some(fresh) = fresh.reopen() else { panic!("a store was opened anew once, but not twice") };
    let store = Caller::new(&**fresh.store());
    assert_eq!(store.snapshot().seq(), Seq::new(1), "an empty commit was forgotten");

    let full = store.create(full());
    let second = store.create(account(2));
    let edited = store.replace(Account { licensed_sessions: Limit::AtMost(1), ..Account::clone(&second) });
    let third = store.create(account(3));
    store.commit([delete(&third), create(account(4))]);
    store.commit([]);
    let (content, changes) = (store.content(), changes_left(store));
    assert_eq!(content.0, Seq::new(7));

    let Some(fresh) = fresh.reopen() else { panic!("a store was opened anew twice, but not again") };
    let store = Caller::new(&**fresh.store());
    assert_eq!(store.content(), content, "the accounts are not the same after reopening");
    let left = changes_left(store);
    assert!(changes.ends_with(&left), "the feed is another after reopening: {left:#?} of {changes:#?}");
    assert_eq!(store.by_sid(full.sid).as_ref(), Some(&full));
    assert_eq!(store.by_name(&full.name).as_ref(), Some(&full));
    assert_eq!(full.sip_realm.as_ref().and_then(|realm| store.by_realm(realm)).as_ref(), Some(&full));
    assert_eq!(store.by_name(&third.name), None);
    assert_eq!(store.wait_past(Seq::START), Seq::new(7));

    let same_name = Account { name: full.name.clone(), ..account(9) };
    let holder = full.sid;
    assert_eq!(
        store.refused([create(same_name)]),
        Conflict::Taken { field: Field::Name, sid: sid(9), holder }
    );
    let (expected, actual) = (Revision::new(1), Revision::new(2));
    let stale = Conflict::Revision { sid: sid(2), expected, actual };
    assert_eq!(store.refused([replace(Account::clone(&second))]), stale);
    assert_eq!(store.commit([delete(&edited), create(account(3))]).seq, Seq::new(8));
    let content = store.content();
    let Some(fresh) = fresh.reopen() else { panic!("a store was opened anew, but not again") };
    assert_eq!(
        Caller::new(&**fresh.store()).content(),
        content,
        "what was written after reopening was forgotten"
    );
}

/// What the feed still has: a store may keep fewer changes when it is closed, or none, but says so.
#[track_caller]
fn changes_left(store: Caller<'_>) -> Vec<Arc<Change>> {
    let oldest = match store.feed(Seq::START, 1) {
        Feed::Changes(_) => Seq::new(1),
        Feed::Trimmed { oldest } => oldest,
    };
    let changes = store.changes(Seq::new(oldest.get() - 1), usize::MAX);
    let last = changes.last().map_or(Seq::new(oldest.get() - 1), |change| change.seq);
    assert_eq!(last, store.snapshot().seq(), "the feed does not reach the latest commit after reopening");
    changes
}

/// What eight writers were told was committed is there when the store is opened anew, and what they gave up is
/// there whole or not at all.
pub fn concurrent_commits_are_there_after_reopening<B: Backend>(backend: &B) {
    const WRITERS: usize = 8;
    const COMMITS: usize = 10;
    let fresh = Fresh::new(backend);
    let acknowledged = race(WRITERS, |writer| {
        let store = Caller::new(&**fresh.store());
        let commits = (0..COMMITS).map(|nth| {
            let first = (writer * COMMITS + nth) as u64 * 10;
            let old = store.create(account(first));
            let whole = [create(account(first + 1)), delete(&old), create(account(first + 2))];
            let _ = Started::new(store.store().commit(batch(whole))).poll_times(nth % 4);
            store.commit([create(account(first + 3))])
        });
        commits.collect::<Vec<_>>()
    });
    let Some(fresh) = fresh.reopen() else { return };
    let store = Caller::new(&**fresh.store());
    let (snapshot, changes) = (store.snapshot(), changes_left(store));
    for change in acknowledged.into_iter().flatten() {
        assert!(change.seq <= snapshot.seq(), "an acknowledged commit was forgotten");
        let kept = changes.iter().find(|kept| kept.seq >= change.seq);
        assert!(
            kept.is_none_or(|kept| kept.seq > change.seq || *kept == change),
            "a commit is another after reopening"
        );
        assert!(
            change.events[0].sid().is_some_and(|sid| snapshot.by_sid(sid).is_some()),
            "an acknowledged commit was forgotten"
        );
    }
    for first in (0..WRITERS * COMMITS).map(|nth| nth as u64 * 10) {
        seen_whole(&snapshot, first);
    }
    assert_eq!(store.commit([]).seq, snapshot.seq().next(), "numbers do not go on after reopening");
}
