//! A batch applies whole or not at all.

use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::realm::SipRealm;
use crate::model::unit::Limit;
use crate::snapshot::{Conflict, Event, Listing, Seq};
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::race::{Meanwhile, race};
use crate::testkit::sample::{account, admin, now, sid};
use std::sync::Arc;

/// A batch whose last write contradicts what is there changes nothing: no account, no commit number, no entry of
/// the feed.
pub fn a_batch_applies_whole_or_not_at_all<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let kept = store.create(account(1));
    let stale = store.create(account(2));
    let current = store.replace(Account { licensed_sessions: Limit::AtMost(1), ..Account::clone(&stale) });
    let deleted = store.create(account(4));
    let before = store.content();

    let same_name = Account { name: kept.name.clone(), ..account(9) };
    let same_realm = Account { sip_realm: kept.sip_realm.clone(), ..account(9) };
    let taken = |field, sid| Conflict::Taken { field, sid, holder: kept.sid };
    let revision =
        Conflict::Revision { sid: stale.sid, expected: Revision::new(1), actual: Revision::new(2) };
    for (last, expected) in [
        (create(account(1)), taken(Field::AccountSid, kept.sid)),
        (create(same_name), taken(Field::Name, sid(9))),
        (create(same_realm), taken(Field::SipRealm, sid(9))),
        (replace(Account::clone(&stale)), revision.clone()),
        (delete(&stale), revision),
        (replace(account(8)), Conflict::Missing { sid: sid(8) }),
        (delete(&account(8)), Conflict::Missing { sid: sid(8) }),
    ] {
        let edited = Account { licensed_sessions: Limit::AtMost(7), ..Account::clone(&kept) };
        let conflict = store.refused([create(account(3)), replace(edited), delete(&deleted), last]);
        assert_eq!(conflict, expected);
        assert_eq!(store.content(), before, "a batch that was refused with {conflict:?} changed something");
        assert_eq!(store.by_sid(sid(3)), None);
        assert_eq!(store.by_name(&account(3).name), None);
        assert_eq!(store.by_sid(stale.sid).as_ref(), Some(&current));
        assert_eq!(store.all_changes().len(), 4, "a batch that was refused is in the feed");
    }
    assert_eq!(store.commit([]).seq, Seq::new(5), "a batch that was refused used up a commit number");
}

/// The writes of a batch take effect in order, and each sees what the ones before it did.
pub fn the_writes_of_a_batch_take_effect_in_order<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let first = account(1);
    let edited = Account { licensed_sessions: Limit::AtMost(1), ..first.clone() };
    let stored = Account { revision: Revision::new(2), ..edited.clone() };
    // The second has what was the first's.
    let second = Account { name: first.name.clone(), sip_realm: first.sip_realm.clone(), ..account(2) };
    let change =
        store.commit([create(first.clone()), replace(edited), delete(&stored), create(second.clone())]);
    let events = [
        Event::Created(first.clone().into()),
        Event::Replaced { before: first.clone().into(), after: stored.clone().into() },
        Event::Deleted(stored.into()),
        Event::Created(second.clone().into()),
    ];
    assert_eq!(change.events, events, "the change does not tell what the batch did");
    assert_eq!(
        (&change.actor, change.at),
        (&admin(), now()),
        "the change does not tell whose it is, and when"
    );
    assert_eq!(store.by_sid(first.sid), None);
    for found in [store.by_sid(second.sid), store.by_name(&first.name), store.by_realm(&realm(&first))] {
        assert_eq!(found.as_deref(), Some(&second));
    }

    // Two accounts change places by way of a third name.
    let third = Account { name: account(3).name, sip_realm: None, ..second.clone() };
    let back =
        Account { name: account(4).name, sip_realm: None, revision: Revision::new(2), ..third.clone() };
    let fourth = Account { name: second.name.clone(), sip_realm: second.sip_realm.clone(), ..account(4) };
    store.commit([replace(third), create(fourth.clone()), replace(back)]);
    assert_eq!(store.by_name(&second.name).as_deref(), Some(&fourth));
    assert_eq!(store.by_name(&account(3).name), None);
    assert_eq!(store.by_name(&account(4).name).map(|found| found.revision), Some(Revision::new(3)));

    let twin = Account { name: account(5).name, ..account(6) };
    let conflict = store.refused([create(account(5)), create(twin)]);
    assert_eq!(conflict, Conflict::Taken { field: Field::Name, sid: sid(6), holder: sid(5) });
    let conflict = store.refused([create(account(5)), replace(account(5)), replace(account(5))]);
    let (expected, actual) = (Revision::new(1), Revision::new(2));
    assert_eq!(conflict, Conflict::Revision { sid: sid(5), expected, actual });
}

/// While batches are committed that each change several accounts, no reader sees one done and the other not: not
/// in a snapshot, not in a page, not in the feed, and a name that moves to another account always has an owner.
pub fn readers_never_see_half_a_batch<B: Backend>(backend: &B) {
    const COMMITS: u32 = 200;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let name = account(1).name;
    // Two accounts that always have the same number of licensed sessions, and one that each commit deletes and
    // creates anew.
    let pair = [account(10), account(20)];
    let mover = |n: u32| Account { name: name.clone(), ..account(100 + u64::from(n)) };
    store.commit([create(pair[0].clone()), create(pair[1].clone()), create(mover(0))]);

    let writing = Meanwhile::new();
    let whole = |accounts: &[Arc<Account>]| {
        let licensed = |of: &Account| {
            accounts.iter().find(|account| account.sid == of.sid).map(|account| account.licensed_sessions)
        };
        assert_eq!(accounts.len(), 3, "half a batch was seen: {accounts:#?}");
        assert_eq!(licensed(&pair[0]), licensed(&pair[1]), "half a batch was seen: {accounts:#?}");
    };
    race(3, |thread| match thread {
        0 => {
            let _end = writing.until_dropped();
            for n in 1..=COMMITS {
                let edit = |account: &Account| {
                    let revision = Revision::new(u64::from(n));
                    replace(Account { licensed_sessions: Limit::AtMost(n), revision, ..account.clone() })
                };
                store.commit([edit(&pair[0]), delete(&mover(n - 1)), create(mover(n)), edit(&pair[1])]);
            }
        }
        1 => {
            while writing.goes_on() {
                whole(&store.content().1);
                whole(&store.page(Listing::new()).accounts);
                if let Some(live) = store.store().live() {
                    whole(&live.iter().cloned().collect::<Vec<_>>());
                }
            }
        }
        _ => {
            while writing.goes_on() {
                assert!(store.by_name(&name).is_some(), "half a batch was seen: a moving name had no owner");
            }
        }
    });
    whole(&store.content().1);
    for change in &store.all_changes()[1..] {
        assert_eq!(change.events.len(), 4, "the feed has half a batch: {change:#?}");
    }
}

/// An empty batch is a commit like any other: it has a number, and is in the feed.
pub fn an_empty_batch_is_a_commit<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let change = store.commit([]);
    assert_eq!(change.seq, Seq::new(1));
    assert!(change.events.is_empty());
    assert_eq!(store.commit([]).seq, Seq::new(2));
    assert_eq!(store.wait_past(Seq::START), Seq::new(2));
    assert_eq!(store.snapshot().seq(), Seq::new(2));
    assert_eq!(store.all_changes()[0], change);
}

/// A batch of a thousand writes is a batch like any other.
pub fn a_large_batch_applies_whole<B: Backend>(backend: &B) {
    const WRITES: u64 = 1000;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let conflict = store.refused((0..WRITES).chain([WRITES / 2]).map(|n| create(account(n))));
    let twin = sid(WRITES / 2);
    assert_eq!(conflict, Conflict::Taken { field: Field::AccountSid, sid: twin, holder: twin });
    assert!(store.snapshot().is_empty(), "a batch that was refused changed something");
    store.commit((0..WRITES).map(|n| create(account(n))));
    assert!(store.pages(Listing::new()).iter().map(|account| account.sid).eq((0..WRITES).map(sid)));
    assert_eq!(store.all_changes().len(), 1);
}

fn realm(account: &Account) -> SipRealm {
    account.sip_realm.clone().expect("a sample account has a realm")
}
