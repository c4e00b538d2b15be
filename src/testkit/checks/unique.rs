//! No two accounts have the same SID, the same name without regard to case, or the same realm.

use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::snapshot::Conflict;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::race::race;
use crate::testkit::sample::{account, sid};
use std::sync::Arc;

/// An account whose SID, name or realm is another's is refused, with the field and who holds it, when it is
/// created and when it is changed. Names are compared without regard to case, as `AccountName::folded` does.
pub fn sid_name_and_realm_are_unique<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let holder = store.create(Account { name: name("Straße 7"), ..account(1) });
    let other = store.create(account(2));
    let before = store.content();
    let taken = |field, sid| Conflict::Taken { field, sid, holder: holder.sid };

    let twin = Account { sid: holder.sid, ..account(3) };
    assert_eq!(store.refused([create(twin)]), taken(Field::AccountSid, holder.sid));
    for text in ["Straße 7", "STRASSE 7", "strasse 7"] {
        let named = Account { name: name(text), ..account(3) };
        assert_eq!(store.refused([create(named)]), taken(Field::Name, sid(3)), "{text}");
        let renamed = Account { name: name(text), ..Account::clone(&other) };
        assert_eq!(store.refused([replace(renamed)]), taken(Field::Name, other.sid), "{text}");
    }
    let placed = Account { sip_realm: holder.sip_realm.clone(), ..account(3) };
    assert_eq!(store.refused([create(placed)]), taken(Field::SipRealm, sid(3)));
    let moved = Account { sip_realm: holder.sip_realm.clone(), ..Account::clone(&other) };
    assert_eq!(store.refused([replace(moved)]), taken(Field::SipRealm, other.sid));
    assert_eq!(store.content(), before, "a commit that was refused changed something");

    // An account is not in its own way, and no realm is not a realm.
    store.replace(Account { name: name("STRASSE 7"), ..Account::clone(&holder) });
    let nowhere = |n| Account { sip_realm: None, ..account(n) };
    store.create(nowhere(4));
    store.create(nowhere(5));
}

/// Accounts are found by their SID, by their name without regard to case, and by exactly their realm.
pub fn accounts_are_found_by_sid_name_and_realm<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let created = store.create(Account { name: name("Straße 7"), ..account(1) });
    for text in ["Straße 7", "STRASSE 7", "strasse 7", " Strasse 7 "] {
        assert_eq!(store.by_name(&name(text)).as_ref(), Some(&created), "{text}");
    }
    assert_eq!(store.by_name(&name("Strase 7")), None);
    assert_eq!(store.by_sid(sid(1)).as_ref(), Some(&created));
    assert_eq!(store.by_sid(sid(2)), None);
    assert_eq!(store.by_realm(&realm("Account-1.Example.")).as_ref(), Some(&created));
    for text in ["pbx.account-1.example", "1.example", "account-11.example"] {
        assert_eq!(store.by_realm(&realm(text)), None, "{text}");
    }
}

/// A name and a realm are free again when their account is deleted, when it changes to others, and when it gives
/// up its realm; and they are found no more.
pub fn what_an_account_gives_up_is_free<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let like_first = |n| Account { name: account(1).name, sip_realm: account(1).sip_realm, ..account(n) };
    let first_realm = realm("account-1.example");

    let first = store.create(account(1));
    store.commit([delete(&first)]);
    assert_eq!(store.by_name(&first.name), None);
    assert_eq!(store.by_realm(&first_realm), None);
    let second = store.create(like_first(2));

    let moved = store.replace(Account { name: account(9).name, sip_realm: None, ..Account::clone(&second) });
    assert_eq!(store.by_name(&first.name), None);
    assert_eq!(store.by_realm(&first_realm), None);
    assert_eq!(store.by_name(&account(9).name).as_ref(), Some(&moved));
    let third = store.create(like_first(3));
    assert_eq!(store.by_realm(&first_realm).as_ref(), Some(&third));

    // A SID is free, too; its account starts over at the first revision.
    let again = store.create(Account { sid: sid(1), ..account(8) });
    assert_eq!(again.revision, Revision::FIRST);
}

/// Of eight writers that want the same SID, name or realm at the same time, one gets it, and each other is told
/// who.
pub fn one_of_many_racers_gets_a_sid_a_name_and_a_realm<B: Backend>(backend: &B) {
    const RACERS: usize = 8;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for round in 0..15 {
        let first = 1000 + round * 100;
        for field in [Field::AccountSid, Field::Name, Field::SipRealm] {
            let racer = |n: usize| {
                let own = account(first + 8 + u64::try_from(n).unwrap_or_default());
                match field {
                    Field::AccountSid => Account { sid: sid(first), ..own },
                    Field::Name => Account { name: account(first).name, ..own },
                    _ => Account { sip_realm: account(first).sip_realm, ..own },
                }
            };
            let results = race(RACERS, |n| store.attempt([create(racer(n))]));
            let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
            assert_eq!(winners.len(), 1, "so many of {RACERS} racers have the same {field}");
            let winner: &Arc<Account> = winners[0].events[0].after().expect("it was created");
            for (n, result) in results.iter().enumerate() {
                if let Err(conflict) = result {
                    let told = Conflict::Taken { field, sid: racer(n).sid, holder: winner.sid };
                    assert_eq!(*conflict, told, "a racer was told something else");
                }
            }
            assert_eq!(store.by_sid(winner.sid).as_ref(), Some(winner));
            store.commit([delete(winner)]);
        }
    }
    assert!(store.snapshot().is_empty());
}

fn name(text: &str) -> AccountName {
    text.parse().expect("the name is valid")
}

fn realm(text: &str) -> SipRealm {
    text.parse().expect("the realm is valid")
}
