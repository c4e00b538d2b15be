//! What is brought from elsewhere is as it was there.

use super::order::full;
use crate::model::account::{Account, Revision};
use crate::model::api_key::ApiKey;
use crate::model::field::Field;
use crate::model::minutes_used::{MinutesUsed, PeriodUse};
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::model::unit::Limit;
use crate::snapshot::{AccountHistory, Conflict, Event, KeyEvent, Listing, Seq, Snapshot, Write};
use crate::store::Feed;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{
    Caller, add_key, add_key_at_most, create, delete, replace, replace_key, restore, restore_key, revoke_key,
};
use crate::testkit::sample::{account, api_key, key_id, sid};
use std::sync::Arc;

/// An account that is restored has the revision, the times and the minutes used that it carries, in every read and in the
/// event, which is that of a creation; the next edit gives the next revision.
pub fn a_restored_account_is_as_it_was<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let table = [
        elsewhere(full(), 7),
        elsewhere(account(2), 2),
        elsewhere(account(3), 9_007_199_254_740_993),
        Account { minutes_used: None, ..elsewhere(account(4), 1) },
        elsewhere(account(5), 0),
    ];
    for written in table {
        let written = Arc::new(written);
        let change = store.commit([Write::Restore(Arc::clone(&written))]);
        assert_eq!(change.events, [Event::Created(Arc::clone(&written))], "the event tells something else");
        assert_eq!(seen(store, &written), written, "a restored account is not as it was");
        let edit = Account { licensed_sessions: Limit::AtMost(3), ..Account::clone(&written) };
        let stale = Account { revision: written.revision.next(), ..edit.clone() };
        let conflict = Conflict::Revision {
            sid: written.sid,
            expected: written.revision.next(),
            actual: written.revision,
        };
        assert_eq!(store.refused([replace(stale.clone())]), conflict);
        assert_eq!(store.refused([delete(&stale)]), conflict);
        let edited = store.replace(edit);
        assert_eq!(edited.revision, written.revision.next(), "the edit of a restored account");
        assert_eq!(edited.minutes_used, written.minutes_used);
        let deletion = store.commit([delete(&edited)]);
        assert_eq!(deletion.events, [Event::Deleted(edited)]);
        // And whoever creates it anew begins anew.
        let again = store.create(Account::clone(&written));
        assert_eq!(again.revision, Revision::FIRST);
    }
}

/// An API key that is restored has the revision and the last use that it carries; the next edit gives the next revision.
/// However many its owner has, it is not refused for that, and counts for those that are added later.
pub fn a_restored_key_is_as_it_was<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1))]);
    for (n, owner) in (1..).zip([Scope::Account(sid(1)), Scope::Admin]) {
        let written = used_elsewhere(api_key(n, owner), 5);
        let change = store.commit([restore_key(written.clone())]);
        let key = Arc::new(written);
        assert_eq!(
            change.events,
            [Event::Key(KeyEvent::Added(Arc::clone(&key)))],
            "the event tells something else"
        );
        assert_eq!(seen_key(store, &key), key, "a restored key is not as it was");
        let stale = ApiKey { revision: Revision::FIRST, ..ApiKey::clone(&key) };
        let conflict = Conflict::KeyRevision { id: key.id, expected: Revision::FIRST, actual: key.revision };
        assert_eq!(store.refused([replace_key(stale.clone())]), conflict);
        assert_eq!(store.refused([revoke_key(&stale)]), conflict);
        store.commit([replace_key(ApiKey { last_used: None, ..ApiKey::clone(&key) })]);
        let edited = ApiKey { revision: Revision::new(6), ..ApiKey::clone(&key) };
        assert_eq!(*seen_key(store, &key), edited, "the edit of a restored key");

        let too_many = Conflict::TooManyKeys { owner, at_most: 1 };
        assert_eq!(store.refused([add_key_at_most(api_key(n + 10, owner), 1)]), too_many);
        store.commit([restore_key(used_elsewhere(api_key(n + 10, owner), 1))]);
        assert_eq!(store.keys(owner).len(), 2);
    }
}

/// What is in the way of what is restored is what would be in the way of something new: its SID, name, realm or id is
/// another's, or its account is not there. It is never put in the place of what is there, and a batch of which one part is
/// refused changes nothing.
pub fn what_is_restored_takes_nobodys_place<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let own = Scope::Account(sid(1));
    store.commit([create(account(1)), add_key(api_key(1, own)), add_key(api_key(2, Scope::Admin))]);
    let before = store.content();
    let taken = |field, sid| Conflict::Taken { field, sid, holder: account(1).sid };
    let key_taken = |n| Conflict::KeyTaken { id: key_id(n) };
    let like_first = |n| elsewhere(account(n), 4);
    let another = || elsewhere(Account { sid: sid(1), ..account(9) }, 4);
    let named = || Account { name: account(1).name, ..like_first(2) };
    let at_realm = || Account { sip_realm: account(1).sip_realm, ..like_first(2) };
    let key = |n, owner| used_elsewhere(api_key(n, owner), 3);
    let table: [(Write, Conflict); 8] = [
        (restore(like_first(1)), taken(Field::AccountSid, sid(1))),
        (restore(another()), taken(Field::AccountSid, sid(1))),
        (restore(named()), taken(Field::Name, sid(2))),
        (restore(at_realm()), taken(Field::SipRealm, sid(2))),
        (restore_key(key(1, own)), key_taken(1)),
        (restore_key(key(1, Scope::Admin)), key_taken(1)),
        (restore_key(key(2, own)), key_taken(2)),
        (restore_key(key(3, Scope::Account(sid(3)))), Conflict::Missing { sid: sid(3) }),
    ];
    for (write, conflict) in table {
        assert_eq!(store.refused([write.clone()]), conflict);
        // What was right before it does not happen either.
        let batch = [restore(like_first(5)), restore_key(key(5, Scope::Account(sid(5)))), write];
        assert_eq!(store.refused(batch), conflict);
        assert_eq!(store.content(), before, "a commit that was refused changed something");
    }
    let whole =
        [restore(like_first(5)), restore_key(key(5, Scope::Account(sid(5)))), restore_key(key(6, own))];
    assert_eq!(store.commit(whole).events.len(), 3);
}

/// Who follows the feed has what was restored with its revision, and the histories tell of it as it was.
pub fn what_was_restored_is_in_the_feed<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    write_some(store);
    let mut followed = Snapshot::empty();
    for change in store.all_changes() {
        let next = followed.advance(&change);
        followed = next.unwrap_or_else(|error| panic!("the feed can't be followed: {error:?}"));
    }
    assert!(followed.iter().eq(store.snapshot().iter()), "who follows the feed has other accounts");
    assert!(followed.keys().eq(store.snapshot().keys()), "who follows the feed has other keys");
    let history = store.history(&AccountHistory::of(sid(2)));
    let told: Vec<_> = history.entries.iter().map(|entry| entry.event.clone()).collect();
    let first = Arc::new(elsewhere(account(2), 4));
    let key = used_elsewhere(api_key(2, Scope::Account(sid(2))), 3);
    let after = Account { revision: Revision::new(5), ..edit(&first) };
    let expected = [
        Event::Replaced { before: Arc::clone(&first), after: Arc::new(after) },
        Event::Key(KeyEvent::Added(Arc::new(key))),
        Event::Created(first),
    ];
    assert_eq!(told, expected, "the history of a restored account");
}

/// What was restored is the same when the store is opened anew, also after another edit, and so is the feed, if it is kept.
pub fn what_was_restored_is_there_after_reopening<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    write_some(store);
    let (content, changes) = (store.content(), store.all_changes());
    let Some(fresh) = fresh.reopen() else { return };
    let store = Caller::new(&**fresh.store());
    assert_eq!(store.content(), content, "what was restored is not the same after reopening");
    if let Feed::Changes(kept) = store.feed(Seq::START, usize::MAX) {
        assert_eq!(kept, changes, "the feed is not the same after reopening");
    }
    let seventh = store.by_sid(sid(7)).expect("it was restored");
    store.replace(edit(&seventh));
    let content = store.content();
    let Some(fresh) = fresh.reopen() else { panic!("a store was opened anew once, but not twice") };
    assert_eq!(Caller::new(&**fresh.store()).content(), content, "an edit of it is not the same");
}

/// Restores accounts and keys, alone and together, and edits some.
#[track_caller]
fn write_some(store: Caller<'_>) {
    let key = |n, owner| restore_key(used_elsewhere(api_key(n, owner), 3));
    store.commit([restore(elsewhere(full(), 3))]);
    store.commit([restore(elsewhere(account(2), 4)), key(2, Scope::Account(sid(2))), key(3, Scope::Admin)]);
    store.commit([replace(edit(&elsewhere(account(2), 4)))]);
    store.commit((5..8).map(|n| restore(elsewhere(account(n), n))));
    store.commit([delete(&elsewhere(account(5), 5)), create(account(5))]);
    store.commit([revoke_key(&used_elsewhere(api_key(3, Scope::Admin), 3))]);
    store.commit([key(4, Scope::Account(sid(7)))]);
}

fn edit(before: &Account) -> Account {
    Account { licensed_sessions: Limit::AtMost(3), ..before.clone() }
}

/// The account as it may be in another store.
fn elsewhere(account: Account, revision: u64) -> Account {
    let period = PeriodUse { start: Timestamp::from_millis(0), seconds: revision };
    let used = MinutesUsed::new(Timestamp::from_millis(5), vec![period]).expect("one period is in order");
    Account {
        revision: Revision::new(revision),
        created: Timestamp::from_millis(60_000),
        updated: Timestamp::from_millis(61_000),
        minutes_used: Some(Arc::new(used)),
        ..account
    }
}

/// The key as it may be in another store.
fn used_elsewhere(key: ApiKey, revision: u64) -> ApiKey {
    ApiKey { revision: Revision::new(revision), last_used: Some(Timestamp::from_millis(62_000)), ..key }
}

/// The account, as every read that can find it tells; they must agree.
#[track_caller]
fn seen(store: Caller<'_>, of: &Account) -> Arc<Account> {
    let sid: AccountSid = of.sid;
    let found = store.by_sid(sid).expect("the account is there");
    assert_eq!(store.by_name(&of.name).as_ref(), Some(&found), "by_name() and by_sid() differ");
    if let Some(realm) = of.sip_realm() {
        assert_eq!(store.by_realm(realm).as_ref(), Some(&found), "by_realm() and by_sid() differ");
    }
    assert!(store.page(Listing::new()).accounts.contains(&found), "list() and by_sid() differ");
    for snapshot in [Some(store.snapshot()), store.store().live()].into_iter().flatten() {
        assert_eq!(snapshot.by_sid(sid), Some(&found), "the snapshot and by_sid() differ");
    }
    found
}

/// The key, as every read that can find it tells; they must agree.
#[track_caller]
fn seen_key(store: Caller<'_>, of: &ApiKey) -> Arc<ApiKey> {
    let found = store.key(of.id).expect("the key is there");
    assert!(store.keys(of.owner).contains(&found), "keys() and key() differ");
    for snapshot in [Some(store.snapshot()), store.store().live()].into_iter().flatten() {
        assert_eq!(snapshot.key(of.id), Some(&found), "the snapshot and key() differ");
    }
    found
}
