//! A replacement or deletion applies only at the revision its writer saw.

use crate::model::account::{Account, Revision};
use crate::model::unit::Limit;
use crate::snapshot::{Conflict, Seq};
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::race::race;
use crate::testkit::sample::{account, sid};

/// A new account is stored at the first revision, whatever it carries, and each replacement at the next.
pub fn each_write_gives_the_next_revision<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let mut current = store.create(Account { revision: Revision::new(7), ..account(1) });
    for number in 1..5 {
        assert_eq!(current.revision, Revision::new(number));
        assert_eq!(
            store.by_sid(sid(1)).as_ref(),
            Some(&current),
            "what the commit returned is not what is there"
        );
        current = store.replace(Account::clone(&current));
    }
}

/// A replacement or deletion by a writer who did not see the latest revision is refused, with both revisions, and
/// changes nothing.
pub fn stale_writes_are_refused<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let first = store.create(account(1));
    let second = store.replace(Account { licensed_sessions: Limit::AtMost(1), ..Account::clone(&first) });
    let future = Account { revision: Revision::new(3), ..Account::clone(&second) };
    let before = store.content();
    for seen in [&*first, &future] {
        let expected = Conflict::Revision { sid: sid(1), expected: seen.revision, actual: Revision::new(2) };
        assert_eq!(store.refused([replace(seen.clone())]), expected);
        assert_eq!(store.refused([delete(seen)]), expected);
        let renamed = Account { name: account(2).name, ..seen.clone() };
        assert_eq!(store.refused([replace(renamed)]), expected);
    }
    assert_eq!(store.content(), before, "a stale write changed something");
    assert_eq!(store.by_name(&account(2).name), None);
    assert_eq!(store.commit([delete(&second)]).seq, Seq::new(3));
}

/// A replacement or deletion of an account that is not there, or not any more, is refused.
pub fn writes_of_missing_accounts_are_refused<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let missing = Conflict::Missing { sid: sid(1) };
    assert_eq!(store.refused([replace(account(1))]), missing);
    assert_eq!(store.refused([delete(&account(1))]), missing);
    let created = store.create(account(1));
    store.commit([delete(&created)]);
    assert_eq!(store.refused([replace(Account::clone(&created))]), missing);
    assert_eq!(store.refused([delete(&created)]), missing);
    assert!(store.snapshot().is_empty());
}

/// Of eight writers that edit, or delete, what they saw at the same revision, one wins, and the others are told
/// that they were too late.
pub fn one_of_many_racers_wins_a_revision<B: Backend>(backend: &B) {
    const RACERS: usize = 8;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let mut seen = store.create(account(1));
    for round in 0..40 {
        // In some rounds, one of them deletes it.
        let deleter = (round % 4 == 0).then_some(round / 4 % RACERS);
        let edit = |racer: usize| {
            let licensed = Limit::AtMost(u32::try_from(round * RACERS + racer).unwrap_or_default());
            Account { licensed_sessions: licensed, ..Account::clone(&seen) }
        };
        let results = race(RACERS, |racer| {
            store.attempt([if deleter == Some(racer) { delete(&seen) } else { replace(edit(racer)) }])
        });
        let winners: Vec<_> = (0..RACERS).filter(|racer| results[*racer].is_ok()).collect();
        let [winner] = winners[..] else {
            panic!("racers {winners:?} all replaced revision {}", seen.revision)
        };
        let is_deleted = deleter == Some(winner);
        for conflict in results.into_iter().filter_map(Result::err) {
            let late = if is_deleted {
                Conflict::Missing { sid: sid(1) }
            } else {
                Conflict::Revision { sid: sid(1), expected: seen.revision, actual: seen.revision.next() }
            };
            assert_eq!(conflict, late, "a racer was told something else");
        }
        let found = store.by_sid(sid(1));
        if is_deleted {
            assert_eq!(found, None);
            seen = store.create(account(1));
        } else {
            let won = Account { revision: seen.revision.next(), ..edit(winner) };
            assert_eq!(found.as_deref(), Some(&won), "what is there is not what the winner wrote");
            seen = found.unwrap_or(seen);
        }
    }
}

/// Eight writers that each add to a number, reading again whenever somebody was faster, lose nothing of it.
pub fn no_edit_is_lost<B: Backend>(backend: &B) {
    const RACERS: usize = 8;
    const EDITS: u32 = 10;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.commit([create(account(1))]);
    let total = u32::try_from(RACERS).unwrap_or_default() * EDITS;
    race(RACERS, |_| {
        for _ in 0..EDITS {
            // Who is too late is so because another edit was made; there are not more than these.
            for tries in 0.. {
                assert!(tries < total, "a writer that reads again each time is always too late");
                let current = store.by_sid(sid(1)).expect("nobody deletes it");
                let Limit::AtMost(count) = current.licensed_sessions else {
                    panic!("nobody lifts the limit")
                };
                let next =
                    Account { licensed_sessions: Limit::AtMost(count + 1), ..Account::clone(&current) };
                match store.attempt([replace(next)]) {
                    Ok(_) => break,
                    Err(Conflict::Revision { expected, actual, .. }) => {
                        assert_eq!(expected, current.revision);
                        assert!(
                            actual > expected,
                            "a writer that was told to be late at {expected} is not: {actual}"
                        );
                    }
                    Err(conflict) => panic!("an edit was refused: {conflict}"),
                }
            }
        }
    });
    let after = store.by_sid(sid(1)).expect("nobody deleted it");
    assert_eq!(after.licensed_sessions, Limit::AtMost(total), "an edit was lost");
    assert_eq!(after.revision, Revision::new(u64::from(total) + 1));
}
