//! The minutes that accounts have used are noted beside their edits.

use crate::model::account::{Account, Revision};
use crate::model::minutes_used::{MinutesUsed, PeriodUse};
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::model::unit::Limit;
use crate::snapshot::{Listing, Write};
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::sample::{account, sid};
use std::sync::Arc;

/// Noting the minutes used is a commit without an event, that leaves the revision as it is; each read that can find the account
/// tells them, and those that are noted later, whatever their moment. Of an account that is not there, it does nothing.
pub fn minutes_used_change_nothing_else<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let [one, other] = [1, 2].map(|n| store.create(account(n)));
    assert_eq!(one.minutes_used(), None);
    for (minutes, seconds) in [(&used(10, 60), 60), (&used(20, 180), 180), (&used(5, 120), 120)] {
        let change = store.commit([note(one.sid, minutes), note(sid(9), minutes)]);
        assert_eq!(change.events, [], "an event tells of the minutes used");
        let found = seen(store, &one);
        assert_eq!(found.minutes_used(), Some(minutes), "the minutes used are not those noted last");
        assert_eq!(
            found.minutes_used().map(|used| used.seconds_in(Timestamp::from_millis(0))),
            Some(seconds)
        );
        let before = Account { minutes_used: None, ..Account::clone(&found) };
        assert_eq!(before, Account::clone(&one), "noting the minutes used changed something else");
    }
    assert_eq!(seen(store, &other), other, "another account was changed");
    assert_eq!(store.by_sid(sid(9)), None);

    // As part of a batch, in its order.
    store.commit([note(sid(3), &used(1, 60)), create(account(3)), note(sid(3), &used(2, 120))]);
    assert_eq!(store.by_sid(sid(3)).and_then(|third| third.minutes_used().cloned()), Some(used(2, 120)));
}

/// An edit leaves the minutes used as they are, whatever its writer knew of them; they go with the account.
pub fn an_edit_leaves_the_minutes_used<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let seen_before = store.create(account(1));
    let minutes = used(10, 60);
    store.commit([note(seen_before.sid, &minutes)]);
    let edit = |before: &Account, stamp, minutes_used| Account {
        licensed_sessions: Limit::AtMost(stamp),
        minutes_used,
        ..before.clone()
    };
    store.commit([replace(edit(&seen_before, 1, None))]);
    let edited = seen(store, &seen_before);
    assert_eq!((edited.revision, edited.minutes_used()), (Revision::new(2), Some(&minutes)));
    store.commit([replace(edit(&edited, 2, Some(used(99, 9999))))]);
    let edited = seen(store, &seen_before);
    assert_eq!((edited.revision, edited.minutes_used()), (Revision::new(3), Some(&minutes)));
    // Who has seen the minutes used edits as before.
    store.commit([note(edited.sid, &used(20, 120)), replace(edit(&edited, 3, None))]);
    let edited = seen(store, &seen_before);
    assert_eq!((edited.revision, edited.minutes_used()), (Revision::new(4), Some(&used(20, 120))));

    store.commit([delete(&edited), note(edited.sid, &minutes)]);
    assert_eq!(store.by_sid(edited.sid), None);
    store.create(account(1));
    assert_eq!(seen(store, &seen_before).minutes_used(), None, "a new account has the minutes of the former");
    // Who brings an account in brings its minutes.
    let brought = Account { minutes_used: Some(used(30, 60)), ..account(4) };
    store.create(brought.clone());
    assert_eq!(seen(store, &brought).minutes_used(), Some(&used(30, 60)));
}

/// The minutes that were noted and acknowledged are there when the store is opened anew.
pub fn minutes_used_are_there_after_reopening<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for n in 1..=3 {
        store.create(account(n));
    }
    store.commit([note(sid(1), &used(10, 60)), note(sid(2), &used(10, 60))]);
    let second = store.by_sid(sid(2)).expect("it was created");
    store.commit([replace(Account { licensed_sessions: Limit::AtMost(1), ..Account::clone(&second) })]);
    store.commit([note(sid(1), &used(20, 120))]);
    store.create(Account { minutes_used: Some(used(30, 60)), ..account(4) });
    let content = store.content();
    let Some(fresh) = fresh.reopen() else { return };
    let store = Caller::new(&**fresh.store());
    assert_eq!(store.content(), content, "the minutes used are not the same after reopening");
    store.commit([note(sid(1), &used(30, 180))]);
    let content = store.content();
    let Some(fresh) = fresh.reopen() else { panic!("a store was opened anew once, but not twice") };
    assert_eq!(Caller::new(&**fresh.store()).content(), content);
}

fn used(as_of: i64, seconds: u64) -> Arc<MinutesUsed> {
    let period = PeriodUse { start: Timestamp::from_millis(0), seconds };
    Arc::new(MinutesUsed::new(Timestamp::from_millis(as_of), vec![period]).expect("one period is in order"))
}

fn note(sid: AccountSid, used: &Arc<MinutesUsed>) -> Write {
    Write::MinutesUsed { sid, used: Arc::clone(used) }
}

/// The account, as every read that can find it tells; they must agree.
#[track_caller]
fn seen(store: Caller<'_>, account: &Account) -> Arc<Account> {
    let found = store.by_sid(account.sid).expect("the account is there");
    assert_eq!(store.by_name(&account.name).as_ref(), Some(&found), "by_name() and by_sid() differ");
    if let Some(realm) = account.sip_realm() {
        assert_eq!(store.by_realm(realm).as_ref(), Some(&found), "by_realm() and by_sid() differ");
    }
    assert!(store.page(Listing::new()).accounts.contains(&found), "list() and by_sid() differ");
    for snapshot in [Some(store.snapshot()), store.store().live()].into_iter().flatten() {
        assert_eq!(snapshot.by_sid(account.sid), Some(&found), "the snapshot and by_sid() differ");
        assert_eq!(snapshot.by_name(&account.name), Some(&found), "the snapshot and by_name() differ");
    }
    found
}
