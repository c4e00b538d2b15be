//! API keys: found by id and by owner, and never there without their account.

use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyHash, KeyId};
use crate::model::scope::Scope;
use crate::model::sid::ServiceProviderSid;
use crate::model::timestamp::Timestamp;
use crate::model::unit::Limit;
use crate::snapshot::{
    AccountHistory, Change, Conflict, Event, HistoryEntry, KeyEvent, KeyWrite, Seq, Snapshot, Write,
};
use crate::store::Feed;
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{
    Caller, Content, add_key, add_key_at_most, content, create, delete, replace, replace_key, revoke_key,
};
use crate::testkit::race::race;
use crate::testkit::sample::{account, api_key, key_id, sid};
use std::sync::Arc;

/// A key is found by its id and among its owner's, which are in the order of their ids, with every field as it was
/// written.
pub fn keys_are_found_by_id_and_by_owner<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for owner in owners() {
        assert_eq!(store.keys(owner), [], "there are keys before any was added");
    }
    store.commit([create(account(1)), create(account(2))]);
    // Neither the order of the ids nor that of the owners.
    let mut added: Vec<Arc<ApiKey>> = Vec::new();
    for n in [7, 2, 9, 4, 1, 8, 3, 6, 5] {
        let owner = owners()[n as usize % owners().len()];
        let written = if n % 2 == 0 { full(n, owner) } else { api_key(n, owner) };
        let change = store.commit([add_key(written.clone())]);
        let key = added_key(&change);
        assert_eq!(*key, written, "commit");
        assert_eq!(seen(store, key.id), Some(Arc::clone(&key)), "a key is not as it was added");
        added.push(key);
        added.sort_by_key(|key| key.id);
        for owner in owners() {
            let own: Vec<_> = added.iter().filter(|key| key.owner == owner).cloned().collect();
            assert_eq!(store.keys(owner), own, "the keys of {owner:?}");
        }
    }
    assert_eq!(seen(store, key_id(10)), None);
    assert_eq!(store.keys(Scope::Account(sid(3))), [], "the keys of an account that is not there");
    let revoked = added.remove(4);
    store.commit([revoke_key(&revoked)]);
    assert_eq!(seen(store, revoked.id), None, "a revoked key is found");
    let left: Vec<_> = added.iter().filter(|key| key.owner == revoked.owner).cloned().collect();
    assert_eq!(store.keys(revoked.owner), left);
}

/// A key whose id is another's is refused, whoever owns the two, and changes nothing; a revoked key's id is free.
pub fn the_id_of_a_key_is_unique<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1)), create(account(2))]);
    for (n, holder) in (1..).zip(owners()) {
        let key = added_key(&store.commit([add_key(api_key(n, holder))]));
        let before = store.content();
        for owner in owners() {
            let twin = ApiKey { label: api_key(99, owner).label, ..api_key(n, owner) };
            let taken = Conflict::KeyTaken { id: key.id };
            assert_eq!(store.refused([add_key(twin)]), taken, "{holder:?}, {owner:?}");
        }
        assert_eq!(store.content(), before, "a commit that was refused changed something");
    }
    let first = seen(store, key_id(1)).expect("it was added");
    let other = Scope::Account(sid(2));
    let again = store.commit([revoke_key(&first), add_key(api_key(1, other))]);
    assert_eq!(again.events.len(), 2);
    assert_eq!(seen(store, key_id(1)).map(|key| key.owner), Some(other));
}

/// A key of an account that is not there, or not any more, is refused; one of an account that is created just before it
/// in the same batch is not.
pub fn a_key_needs_its_account<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let key = || add_key(api_key(1, Scope::Account(sid(1))));
    let missing = Conflict::Missing { sid: sid(1) };
    assert_eq!(store.refused([key()]), missing);
    assert_eq!(store.refused([key(), create(account(1))]), missing);
    store.commit([create(account(1)), key()]);
    store.commit([delete(&account(1))]);
    assert_eq!(store.refused([key()]), missing);
    assert_eq!(seen(store, key_id(1)), None);
    // Nobody knows which service providers there are.
    store.commit([add_key(api_key(1, Scope::ServiceProvider(provider())))]);
}

/// A new key is stored at the first revision, whatever it carries, and each replacement at the next.
pub fn each_write_of_a_key_gives_the_next_revision<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1))]);
    for (n, owner) in (1..).zip(owners()).filter(|(_, owner)| *owner != Scope::Account(sid(2))) {
        let key = ApiKey { revision: Revision::new(7), ..api_key(n, owner) };
        let mut current = added_key(&store.commit([add_key(key)]));
        for number in 1..5 {
            assert_eq!(current.revision, Revision::new(number));
            race(2, |_| {
                let found = seen(store, current.id);
                assert_eq!(found.as_ref(), Some(&current), "what the commit returned is not what is there");
            });
            let written = ApiKey { revision: current.revision, ..full(n, owner) };
            let written = ApiKey { disabled: !current.disabled, ..written };
            let change = store.commit([replace_key(written.clone())]);
            let after = Arc::new(ApiKey { revision: current.revision.next(), ..written });
            let replaced = KeyEvent::Replaced { before: current, after: Arc::clone(&after) };
            assert_eq!(change.events, [Event::Key(replaced)]);
            current = after;
        }
        let change = store.commit([revoke_key(&current)]);
        assert_eq!(change.events, [Event::Key(KeyEvent::Revoked(current))]);
    }
}

/// A replacement or revocation by a writer who did not see the latest revision, or of a key that is not there, is
/// refused, and changes nothing.
pub fn stale_writes_of_keys_are_refused<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1))]);
    let owner = Scope::Account(sid(1));
    let missing = Conflict::KeyMissing { id: key_id(1) };
    assert_eq!(store.refused([replace_key(api_key(1, owner))]), missing);
    assert_eq!(store.refused([revoke_key(&api_key(1, owner))]), missing);

    let first = added_key(&store.commit([add_key(api_key(1, owner))]));
    store.commit([replace_key(ApiKey { disabled: true, ..ApiKey::clone(&first) })]);
    let second = seen(store, first.id).expect("it was replaced");
    let future = ApiKey { revision: Revision::new(3), ..ApiKey::clone(&second) };
    let before = store.content();
    for stale in [&*first, &future] {
        let (expected, actual) = (stale.revision, Revision::new(2));
        let conflict = Conflict::KeyRevision { id: first.id, expected, actual };
        assert_eq!(store.refused([replace_key(stale.clone())]), conflict);
        assert_eq!(store.refused([revoke_key(stale)]), conflict);
        // One stale write is enough.
        assert_eq!(store.refused([add_key(api_key(2, owner)), revoke_key(stale)]), conflict);
    }
    assert_eq!(store.content(), before, "a stale write changed something");
    assert_eq!(seen(store, key_id(2)), None);

    store.commit([revoke_key(&second)]);
    assert_eq!(store.refused([replace_key(ApiKey::clone(&second))]), missing);
    assert_eq!(store.refused([revoke_key(&second)]), missing);
}

/// A replacement that would give a key to another owner is refused, and changes nothing.
pub fn a_key_stays_its_owners<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1)), create(account(2))]);
    for (n, owner) in (1..).zip(owners()) {
        let key = added_key(&store.commit([add_key(api_key(n, owner))]));
        let before = store.content();
        let others = owners().into_iter().chain([Scope::Account(sid(3))]).filter(|other| *other != owner);
        for other in others {
            let given = ApiKey { owner: other, ..ApiKey::clone(&key) };
            assert_eq!(store.refused([replace_key(given)]), Conflict::KeyTaken { id: key.id });
        }
        assert_eq!(store.content(), before, "a commit that was refused changed something");
        assert_eq!(store.keys(owner), [key]);
    }
}

/// An owner never has more keys than the writer allows, also when eight writers add one at the same time: as many
/// succeed as there is room for, and the others are told. Keys of other owners do not count.
pub fn no_owner_has_more_keys_than_it_may<B: Backend>(backend: &B) {
    const RACERS: usize = 8;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1)), create(account(2))]);
    for owner in owners() {
        let too_many = |at_most| Conflict::TooManyKeys { owner, at_most };
        assert_eq!(store.refused([add_key_at_most(api_key(1, owner), 0)]), too_many(0));
        for round in 0..10 {
            let at_most = 1 + round % 4;
            let number = |racer: usize| (round * RACERS + racer) as u64;
            let results = race(RACERS, |racer| {
                store.attempt([add_key_at_most(api_key(number(racer), owner), at_most)])
            });
            let succeeded = results.iter().filter(|result| result.is_ok()).count();
            assert_eq!(succeeded, at_most, "so many of {RACERS} racers added a key, where {at_most} may be");
            for conflict in results.into_iter().filter_map(Result::err) {
                assert_eq!(conflict, too_many(at_most), "a racer was told something else");
            }
            let keys = store.keys(owner);
            assert_eq!(keys.len(), at_most);
            let [last, ..] = &keys[..] else { panic!("there is at least one") };
            // One goes, and one comes.
            let next = || add_key_at_most(api_key(1000 + number(0), owner), at_most);
            assert_eq!(store.refused([next(), revoke_key(last)]), too_many(at_most));
            store.commit([revoke_key(last), next()]);
            // Who allows fewer than there are.
            let fewer = add_key_at_most(api_key(2000, owner), at_most - 1);
            assert_eq!(store.refused([fewer]), too_many(at_most - 1));
            store.commit(store.keys(owner).iter().map(|key| revoke_key(key)));
        }
        // However many another has.
        let other = if owner == Scope::Admin { Scope::Account(sid(2)) } else { Scope::Admin };
        store.commit((1000..1005).map(|n| add_key(api_key(n, other))));
        store.commit([add_key_at_most(api_key(1, owner), 1)]);
        let all: Vec<_> = store.snapshot().keys().map(|key| revoke_key(key)).collect();
        store.commit(all);
    }
}

/// A use is noted and changes nothing else, not even the revision; an earlier one does nothing, and neither does one of
/// a key that is not there.
pub fn a_use_changes_nothing_but_when_it_was<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1))]);
    for (n, owner) in (1..).zip([Scope::Account(sid(1)), Scope::Admin]) {
        let nothing = store.commit([used(n, 5)]);
        assert_eq!(nothing.events, [], "a key that is not there was used");
        assert_eq!(seen(store, key_id(n)), None);

        let added = added_key(&store.commit([add_key(api_key(n, owner))]));
        let at = |millis| Some(Timestamp::from_millis(millis));
        let mut before = added;
        for (millis, is) in [(10, 10), (5, 10), (10, 10), (11, 11), (1, 11), (4000, 4000)] {
            let change = store.commit([used(n, millis)]);
            let after = Arc::new(ApiKey { last_used: at(is), ..ApiKey::clone(&before) });
            assert_eq!(seen(store, key_id(n)).as_ref(), Some(&after), "after a use at {millis}");
            assert_eq!(change.events, [], "a use is no event, and this one at {millis} is told as one");
            before = after;
        }
        // Many at the same time, in any order.
        race(4, |thread| {
            for nth in 0..10 {
                store.commit([used(n, 5000 + (nth * 7 % 10) * 4 + thread as i64)]);
            }
        });
        let after = seen(store, key_id(n)).expect("nobody revoked it");
        assert_eq!((after.last_used, after.revision), (at(5039), Revision::FIRST), "the latest use is told");
        store.commit([revoke_key(&after)]);
        assert_eq!(store.commit([used(n, 6000)]).events, [], "a revoked key was used");
        assert_eq!(seen(store, key_id(n)), None, "a use brought a revoked key back");
    }
}

/// When a key was last used is not lost when a writer who did not know of it replaces the key; nor is what a writer
/// knows of a later use.
pub fn a_replaced_key_keeps_its_last_use<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let added = added_key(&store.commit([add_key(api_key(1, Scope::Admin))]));
    store.commit([used(1, 50)]);
    for (revision, written, expected) in [(1, None, 50), (2, Some(40), 50), (3, Some(60), 60)] {
        let last_used = written.map(Timestamp::from_millis);
        let revision = Revision::new(revision);
        let disabled = revision.get() % 2 == 1;
        let written = ApiKey { revision, last_used, disabled, ..ApiKey::clone(&added) };
        let change = store.commit([replace_key(written.clone())]);
        let last_used = Some(Timestamp::from_millis(expected));
        let after = ApiKey { revision: revision.next(), last_used, ..written };
        assert_eq!(
            seen(store, added.id).as_deref(),
            Some(&after),
            "a replacement does not keep the latest use"
        );
        let told = change.events[0].key().and_then(KeyEvent::after);
        assert_eq!(told.map(|key| &**key), Some(&after));
    }
}

/// When an account is deleted, its keys are revoked by the same commit, which tells each before it tells the
/// deletion; others' keys stay. An account that is created with the SID again has none of them.
pub fn deleting_an_account_revokes_its_keys<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1)), create(account(2))]);
    let mut number = 0;
    let mut keys_of = |owner| -> Vec<Arc<ApiKey>> {
        let added = (0..3).map(|_| {
            number += 1;
            // Greater numbers first.
            added_key(&store.commit([add_key(full(100 - number, owner))]))
        });
        added.collect()
    };
    let others: Vec<_> = owners().into_iter().filter(|owner| *owner != Scope::Account(sid(1))).collect();
    let kept: Vec<_> = others.iter().flat_map(|owner| keys_of(*owner)).collect();
    let own = Scope::Account(sid(1));
    let mut going = keys_of(own);
    going.sort_by_key(|key| key.id);

    let at = 9_000_000_000_000;
    let deletion = store.commit([used(number_of(&going[0]), at), delete(&account(1))]);
    let last_used = Some(Timestamp::from_millis(at));
    going[0] = Arc::new(ApiKey { last_used, ..ApiKey::clone(&going[0]) });
    let revoked = going.iter().map(|key| Event::Key(KeyEvent::Revoked(Arc::clone(key))));
    let expected: Vec<_> = revoked.chain([Event::Deleted(account(1).into())]).collect();
    assert_eq!(deletion.events, expected, "the deletion does not tell that the keys were revoked");
    assert_eq!(store.all_changes().last(), Some(&deletion));

    let gone = |when: &str| {
        for key in &going {
            assert_eq!(seen(store, key.id), None, "a key of a deleted account is found, {when}");
        }
        assert_eq!(store.keys(own), [], "a deleted account has keys, {when}");
        for key in &kept {
            assert_eq!(seen(store, key.id).as_ref(), Some(key), "a key of another owner is not found");
        }
    };
    gone("afterwards");
    store.commit([create(account(1))]);
    gone("after it was created anew");
    // The ids are free; and in one batch all is done in order.
    let first = api_key(number_of(&going[0]), own);
    let writes = [add_key(first.clone()), delete(&account(1)), create(account(1)), add_key(first.clone())];
    let change = store.commit(writes);
    let kinds: Vec<_> = change.events.iter().map(kind).collect();
    assert_eq!(kinds, ["key added", "key revoked", "deleted", "created", "key added"]);
    assert_eq!(store.keys(own), [Arc::new(first)]);
}

/// While an account is deleted, others add keys to it: each is revoked with it, or refused.
pub fn no_key_outlives_its_account<B: Backend>(backend: &B) {
    const RACERS: usize = 5;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let owner = Scope::Account(sid(1));
    for _ in 0..25 {
        let created = store.create(account(1));
        let results = race(RACERS, |racer| match racer {
            2 => Ok(store.commit([delete(&created)])),
            _ => store.attempt([add_key(api_key(racer as u64, owner))]),
        });
        let mut added = Vec::new();
        let mut revoked = Vec::new();
        for result in results {
            match result {
                Ok(change) => {
                    for event in change.events.iter().filter_map(Event::key) {
                        match event {
                            KeyEvent::Revoked(key) => revoked.push(key.id),
                            event => added.push(event.key().id),
                        }
                    }
                }
                Err(conflict) => assert_eq!(conflict, Conflict::Missing { sid: sid(1) }),
            }
        }
        added.sort_unstable();
        assert_eq!(revoked, added, "the deletion revoked other keys than were added");
        assert_eq!(store.keys(owner), [], "a key outlived its account");
        for racer in 0..RACERS {
            assert_eq!(seen(store, key_id(racer as u64)), None, "a key outlived its account");
        }
    }
}

/// A batch that writes accounts and keys applies whole or not at all.
pub fn accounts_and_keys_are_written_together<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let own = |n: u64| Scope::Account(sid(n));
    let first = [create(account(1)), add_key(api_key(1, own(1))), add_key(api_key(2, Scope::Admin))];
    store.commit(first);
    let (key, admins) = (api_key(1, own(1)), api_key(2, Scope::Admin));
    let before = store.content();
    let missing = |n| Conflict::KeyMissing { id: key_id(n) };
    let revision = |id, expected| Conflict::KeyRevision { id, expected, actual: Revision::FIRST };
    let stale = ApiKey { revision: Revision::new(2), ..key.clone() };
    let edited = || replace(Account { licensed_sessions: Limit::AtMost(3), ..account(1) });
    let table: [(Vec<Write>, Conflict); 5] = [
        (vec![create(account(2)), add_key(api_key(3, own(2))), revoke_key(&api_key(9, own(1)))], missing(9)),
        (vec![used(1, 77), edited(), replace_key(stale.clone())], revision(key.id, stale.revision)),
        (vec![delete(&account(1)), replace_key(key.clone())], missing(1)),
        (vec![revoke_key(&admins), delete(&account(3))], Conflict::Missing { sid: sid(3) }),
        (
            vec![add_key(api_key(4, own(1))), edited(), add_key_at_most(api_key(5, own(1)), 2)],
            Conflict::TooManyKeys { owner: own(1), at_most: 2 },
        ),
    ];
    for (writes, conflict) in table {
        assert_eq!(store.refused(writes), conflict);
        assert_eq!(store.content(), before, "a batch that was refused changed something");
        for n in [1, 2] {
            assert!(seen(store, key_id(n)).is_some_and(|key| key.last_used.is_none()));
        }
        assert_eq!(seen(store, key_id(3)), None, "a batch that was refused changed something");
    }
    let whole = [
        edited(),
        replace_key(ApiKey { disabled: true, ..key }),
        used(1, 9),
        create(account(2)),
        add_key(api_key(3, own(2))),
        revoke_key(&admins),
    ];
    let change = store.commit(whole);
    let kinds: Vec<_> = change.events.iter().map(kind).collect();
    assert_eq!(kinds, ["replaced", "key replaced", "created", "key added", "key revoked"]);
    assert_eq!(change.seq, before.0.next());
    assert_eq!(seen(store, key_id(2)), None);
}

/// Following the whole feed from the beginning, or from a snapshot, gives the keys that are there, but for when they
/// were used, which is no part of the feed.
pub fn following_the_feed_gives_the_keys<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let middle = write_some(store, Scope::Account(sid(1)));
    write_some(store, Scope::Admin);
    for start in [Snapshot::empty(), middle] {
        let changes = store.changes(start.seq(), usize::MAX);
        let mut copy = start;
        for change in changes {
            copy = copy.advance(&change).unwrap_or_else(|error| {
                panic!("the feed does not follow from itself: {error}: {change:#?}");
            });
        }
        assert_eq!(unused(&copy), unused(&store.snapshot()), "a copy that followed the feed has other keys");
        assert!(copy.keys().count() > 3);
    }
}

/// The history of an account tells what happened to its keys, but not when they were used; and of nobody else's keys.
pub fn a_history_tells_of_the_keys_of_the_account<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for owner in owners() {
        write_some(store, owner);
    }
    let first = store.by_sid(sid(1)).expect("it was created");
    store.commit([delete(&first)]);
    // Uses alone are nothing.
    store.commit([add_key(api_key(5, Scope::Account(sid(2))))]);
    store.commit([used(5, 1), used(5, 2)]);
    let changes = store.all_changes();
    for n in 1..=3 {
        let own = |change: &Arc<Change>| -> Vec<HistoryEntry> {
            let own = change.events.iter().rev().filter(|event| event.sid() == Some(sid(n)));
            own.map(|event| HistoryEntry::new(change.seq, change.actor.clone(), change.at, event.clone()))
                .collect()
        };
        let expected: Vec<_> = changes.iter().rev().flat_map(own).collect();
        let page = store.history(&AccountHistory::of(sid(n)).limit(AccountHistory::MAX_LIMIT));
        assert_eq!(page.entries, expected, "the history of account {n}");
        assert_eq!((page.next, page.trimmed), (None, false));
        // By pages of one commit each, none of which is empty.
        let mut all = Vec::new();
        let mut request = AccountHistory::of(sid(n)).limit(1);
        loop {
            let page = store.history(&request);
            assert!(expected.is_empty() || !page.entries.is_empty(), "a page tells nothing");
            all.extend(page.entries);
            let Some(next) = page.next else { break };
            request = request.before(next);
        }
        assert_eq!(all, expected, "the history of account {n}, by pages");
    }
}

/// A history whose oldest entry is about a key does not reach back to the creation of the account, and says so. A
/// store that keeps all changes passes.
pub fn a_history_that_ends_with_a_key_was_trimmed<B: Backend>(backend: &B) {
    const COMMITS: u64 = 40;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1))]);
    for n in 0..COMMITS {
        store.commit([add_key(api_key(n, Scope::Account(sid(1))))]);
    }
    let page = store.history(&AccountHistory::of(sid(1)).limit(AccountHistory::MAX_LIMIT));
    let reaches_back = page.entries.last().is_some_and(|entry| matches!(entry.event, Event::Created(_)));
    assert_eq!(page.trimmed, !reaches_back, "whether a history was trimmed that ends with a key");
    if let Feed::Changes(_) = store.feed(Seq::START, 1) {
        assert!(reaches_back, "the feed reaches back, the history does not");
    }
}

/// Keys are there when the store is opened anew, with all their fields and their last use; and all rules go on from
/// there. A backend whose stores keep nothing has nothing to pass.
pub fn keys_are_there_after_reopening<B: Backend>(backend: &B) {
    let mut fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for owner in owners() {
        write_some(store, owner);
    }
    let own = Scope::Account(sid(2));
    store.commit([add_key(full(5, own)), used(5, 4_000_000_000_000)]);
    let mut kept = store.content();
    let all: Vec<_> = owners().map(|owner| store.keys(owner)).into();
    for _ in 0..2 {
        let Some(reopened) = fresh.reopen() else { return };
        fresh = reopened;
        let store = Caller::new(&**fresh.store());
        assert_eq!(store.content(), kept, "the keys are not the same after reopening");
        let found: Vec<_> = owners().map(|owner| store.keys(owner)).into();
        assert_eq!(found, all, "the keys are not the same after reopening");
        for key in all.iter().flatten() {
            assert_eq!(seen(store, key.id).as_ref(), Some(key), "a key was forgotten");
        }
        // What does nothing, and a commit that reaches the store all the same.
        store.commit([used(5, 3), used(6, 3)]);
        kept = store.content();
    }
    let store = Caller::new(&**fresh.store());
    let holder = seen(store, key_id(5)).expect("it is there");
    let taken = Conflict::KeyTaken { id: holder.id };
    assert_eq!(store.refused([add_key(api_key(5, Scope::Admin))]), taken);
    let full = Conflict::TooManyKeys { owner: own, at_most: all[1].len() };
    assert_eq!(store.refused([add_key_at_most(api_key(6, own), all[1].len())]), full);
    let stale = Conflict::KeyRevision { id: holder.id, expected: Revision::new(2), actual: Revision::FIRST };
    let seen_later = ApiKey { revision: Revision::new(2), ..ApiKey::clone(&holder) };
    assert_eq!(store.refused([revoke_key(&seen_later)]), stale);
    let account = store.by_sid(sid(2)).expect("it is there");
    let deletion = store.commit([delete(&account)]);
    assert_eq!(
        deletion.events.len(),
        all[1].len() + 1,
        "the deletion does not tell that the keys were revoked"
    );
    let Some(fresh) = fresh.reopen() else { panic!("a store was opened anew, but not again") };
    let store = Caller::new(&**fresh.store());
    assert_eq!(store.keys(own), [], "a deleted account has keys after reopening");
    assert_eq!(seen(store, holder.id), None);
}

/// Adds, replaces, uses and revokes keys of an owner, alone and together with accounts 1 and 2; some stay. Gives what
/// was there in the middle of it.
#[track_caller]
fn write_some(store: Caller<'_>, owner: Scope) -> Snapshot {
    // No other call has these numbers.
    let first = 100 * (store.snapshot().seq().get() + 1);
    let missing = [1, 2].into_iter().filter(|n| store.by_sid(sid(*n)).is_none());
    store.commit(missing.map(|n| create(account(n))));
    let keys: Vec<_> = (first..first + 8).map(|n| full(n, owner)).collect();
    store.commit(keys[..3].iter().cloned().map(add_key));
    store.commit([add_key(keys[3].clone())]);
    let used_first = used(first, 8_000_000_000_000);
    store.commit([used_first.clone()]);
    let middle = store.snapshot();
    store.commit([used_first]);
    // By a writer who does not know of the use.
    store.commit([replace_key(ApiKey { disabled: false, ..keys[0].clone() })]);
    store.commit([revoke_key(&keys[1]), add_key(keys[4].clone()), used(first + 4, 8_000_000_000_001)]);
    // The second account is deleted with what it has, and is there again with two of it.
    let second = store.by_sid(sid(2)).expect("it is there");
    store.commit([delete(&second), create(account(2))]);
    if owner == Scope::Account(sid(2)) {
        store.commit([add_key(keys[5].clone()), add_key(keys[6].clone())]);
    } else {
        let edit = Account { licensed_sessions: Limit::Unlimited, ..account(2) };
        store.commit([add_key(keys[5].clone()), replace(edit), revoke_key(&keys[2])]);
    }
    middle
}

/// Those who have keys in these checks: two accounts, a service provider and an admin.
fn owners() -> [Scope; 4] {
    [Scope::Account(sid(1)), Scope::Account(sid(2)), Scope::ServiceProvider(provider()), Scope::Admin]
}

fn provider() -> ServiceProviderSid {
    "51f4233a-4559-4b8c-a527-725db01b5080".parse().expect("the SID is valid")
}

/// A key with every field filled, none with a usual value.
fn full(n: u64, owner: Scope) -> ApiKey {
    ApiKey {
        label: format!("Stra\u{df}e '{n}' \"\\ \u{1f511} %_").parse().expect("the label is valid"),
        hash: KeyHash::parse("$argon2id$v=19$m=19456,t=2,p=1$\"\\'$aGFzaA").expect("it begins like a hash"),
        last_four: *b"\"\\'~",
        created: Timestamp::from_millis(0),
        created_by: "jane\u{e9} \"x\"".parse().expect("the subject is valid"),
        expires: Some(Timestamp::parse("9998-12-31T23:59:59.999Z").expect("the moment is valid")),
        disabled: true,
        last_used: Some(Timestamp::from_millis(1)),
        ..api_key(n, owner)
    }
}

/// What is there, but for when keys were used.
fn unused(snapshot: &Snapshot) -> Content {
    let (seq, accounts, keys) = content(snapshot);
    let unused = |key: Arc<ApiKey>| Arc::new(ApiKey { last_used: None, ..ApiKey::clone(&key) });
    (seq, accounts, keys.into_iter().map(unused).collect())
}

fn used(n: u64, millis: i64) -> Write {
    Write::Key(KeyWrite::Use { id: key_id(n), at: Timestamp::from_millis(millis) })
}

fn number_of(key: &ApiKey) -> u64 {
    key.id.as_str().parse().expect("the id of a sample is a number")
}

/// The key of this id, as every read that can find it tells; they must agree.
#[track_caller]
fn seen(store: Caller<'_>, id: KeyId) -> Option<Arc<ApiKey>> {
    let found = store.key(id);
    for snapshot in [Some(store.snapshot()), store.store().live()].into_iter().flatten() {
        assert_eq!(snapshot.key(id), found.as_ref(), "the snapshot and key() differ");
        assert_eq!(snapshot.keys().find(|key| key.id == id), found.as_ref(), "all keys and key() differ");
    }
    if let Some(found) = &found {
        assert!(store.keys(found.owner).contains(found), "keys() and key() differ");
    }
    found
}

/// The key that a commit of one write added.
#[track_caller]
fn added_key(change: &Change) -> Arc<ApiKey> {
    match &change.events[..] {
        [Event::Key(KeyEvent::Added(key))] => Arc::clone(key),
        events => panic!("a commit that adds a key tells something else: {events:#?}"),
    }
}

fn kind(event: &Event) -> &'static str {
    match event {
        Event::Created(_) => "created",
        Event::Replaced { .. } => "replaced",
        Event::Deleted(_) => "deleted",
        Event::Key(KeyEvent::Added(_)) => "key added",
        Event::Key(KeyEvent::Replaced { .. }) => "key replaced",
        Event::Key(KeyEvent::Revoked(_)) => "key revoked",
    }
}
