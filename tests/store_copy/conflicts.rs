//! What is in the way.

use super::*;
use gateway_accounts::{AccountName, Field, WhyNotCopied};

type Change<'a> = &'a dyn Fn(&MemoryStore);

/// What it is; what is done to the store that is copied from, and to the target; and what is in the way then.
type Case<'a> = (&'a str, Change<'a>, Change<'a>, Vec<(String, WhyNotCopied)>);

fn revoke(store: &MemoryStore, n: u64) -> Write {
    let key = key(store, n);
    Write::Key(KeyWrite::Revoke { id: key.id(), expected: key.revision() })
}

fn key(store: &MemoryStore, n: u64) -> Arc<ApiKey> {
    Arc::clone(snapshot(store).key(api_key(n, Scope::Admin).id()).unwrap())
}

fn name(n: u64) -> AccountName {
    account(n).name().clone()
}

/// What is done to the two after a copy, and what the next copy says: of which account or key, and why. Then it has written
/// nothing.
#[test]
fn nothing_is_overwritten_that_was_not_copied() {
    let license = |store: &MemoryStore, n, stamp| {
        commit(store, [edit(store, n, |record| record.licensed_sessions = Limit::AtMost(stamp))]);
    };
    let note = |store: &MemoryStore, n, as_of| {
        commit(store, [Write::MinutesUsed { sid: sid(n), used: used(as_of, 1) }]);
    };
    let use_key = |store: &MemoryStore, n, at| {
        let at = Timestamp::from_millis(at);
        commit(store, [Write::Key(KeyWrite::Use { id: key(store, n).id(), at })]);
    };
    let disable = |store: &MemoryStore, n| {
        let edited = key_with(&key(store, n), |record| record.disabled = !record.disabled);
        commit(store, [Write::Key(KeyWrite::Replace(edited))]);
    };
    let nothing: Change = &|_| {};
    let differs = |target, source| WhyNotCopied::Differs {
        target: Revision::new(target),
        source: Revision::new(source),
    };
    let only = WhyNotCopied::OnlyInTarget;
    let account_1 = || format!("account {} \"Account 1\"", sid(1));
    let key_1 = || format!("API key {:016} of account {}", 1, sid(1));
    let table: [Case<'_>; 29] = [
        ("nothing", nothing, nothing, vec![]),
        ("an edit there", &|from| license(from, 1, 77), nothing, vec![]),
        ("an edit here", nothing, &|to| license(to, 1, 77), vec![(account_1(), differs(3, 2))]),
        (
            "another edit on both sides",
            &|from| license(from, 1, 77),
            &|to| license(to, 1, 78),
            vec![(account_1(), differs(3, 3))],
        ),
        // Whoever made it, it is the same, but for when it was.
        ("the same edit on both sides", &|from| license(from, 1, 77), &|to| license(to, 1, 77), vec![]),
        (
            "more edits there than here",
            &|from| (70..75).for_each(|stamp| license(from, 1, stamp)),
            &|to| license(to, 1, 78),
            vec![(account_1(), differs(3, 7))],
        ),
        // The same edits, not all of them.
        (
            "some of the same edits",
            &|from| (70..75).for_each(|stamp| license(from, 1, stamp)),
            &|to| (70..72).for_each(|stamp| license(to, 1, stamp)),
            vec![],
        ),
        (
            "another account",
            nothing,
            &|to| commit(to, [Write::Create(account(50).into())]),
            vec![(format!("account {} \"Account 50\"", sid(50)), only.clone())],
        ),
        // It is missing here, and comes again.
        ("a deletion here", nothing, &|to| commit(to, [delete(to, 10)]), vec![]),
        ("a deletion there", &|from| commit(from, [delete(from, 1)]), nothing, vec![]),
        (
            "a deletion there, of what was edited here",
            &|from| commit(from, [delete(from, 1)]),
            &|to| license(to, 1, 77),
            vec![(account_1(), only.clone())],
        ),
        (
            "a deletion there, of what has another key here",
            &|from| commit(from, [delete(from, 1)]),
            &|to| commit(to, [add(77, own(1))]),
            vec![(format!("API key {:016} of account {}", 77, sid(1)), only.clone())],
        ),
        (
            "the name of a new account",
            &|from| commit(from, [Write::Create(account(50).into())]),
            &|to| commit(to, [Write::Create(with(&account(51), |record| record.name = name(50)))]),
            vec![
                (format!("account {} \"Account 50\"", sid(51)), only.clone()),
                (
                    format!("account {} \"Account 50\"", sid(50)),
                    WhyNotCopied::Taken { field: Field::Name, holder: sid(51) },
                ),
            ],
        ),
        (
            "the realm that an account is given",
            &|from| {
                let realm = Some("taken.example".parse().unwrap());
                commit(from, [edit(from, 1, |record| record.sip_realm = realm)]);
            },
            &|to| {
                let realm = Some("taken.example".parse().unwrap());
                commit(to, [Write::Create(with(&account(51), |record| record.sip_realm = realm))]);
            },
            vec![
                (format!("account {} \"Account 51\"", sid(51)), only.clone()),
                (account_1(), WhyNotCopied::Taken { field: Field::SipRealm, holder: sid(51) }),
            ],
        ),
        ("minutes used there", &|from| note(from, 1, 90), nothing, vec![]),
        ("the first minutes used there", &|from| note(from, 9, 90), nothing, vec![]),
        (
            "minutes used here",
            nothing,
            &|to| note(to, 1, 90),
            vec![(account_1(), WhyNotCopied::UsedInTarget)],
        ),
        ("minutes used there, later", &|from| note(from, 1, 91), &|to| note(to, 1, 90), vec![]),
        (
            "minutes used here, and an edit there",
            &|from| license(from, 1, 77),
            &|to| note(to, 1, 90),
            vec![(account_1(), WhyNotCopied::UsedInTarget)],
        ),
        ("a key used there", &|from| use_key(from, 1, 900), nothing, vec![]),
        ("a key used here", nothing, &|to| use_key(to, 1, 900), vec![(key_1(), WhyNotCopied::UsedInTarget)]),
        ("a key edited there", &|from| disable(from, 1), nothing, vec![]),
        ("a key edited here", nothing, &|to| disable(to, 1), vec![(key_1(), differs(2, 1))]),
        (
            "a key edited here, of an account edited there",
            &|from| license(from, 1, 77),
            &|to| disable(to, 1),
            vec![(key_1(), differs(2, 1))],
        ),
        (
            "another key, of an account edited there",
            &|from| license(from, 1, 77),
            &|to| commit(to, [add(77, own(1))]),
            vec![(format!("API key {:016} of account {}", 77, sid(1)), only.clone())],
        ),
        (
            "another key of an admin",
            nothing,
            &|to| commit(to, [add(77, Scope::Admin)]),
            vec![(format!("API key {:016} of an admin", 77), only.clone())],
        ),
        ("a key revoked here", nothing, &|to| commit(to, [revoke(to, 1)]), vec![]),
        ("a key revoked there", &|from| commit(from, [revoke(from, 1)]), nothing, vec![]),
        (
            "a key revoked there, and edited here",
            &|from| commit(from, [revoke(from, 1)]),
            &|to| disable(to, 1),
            vec![(key_1(), only.clone())],
        ),
    ];
    for (what, there, here, expected) in table {
        let (from, to) = (filled(), MemoryStore::new());
        copy(&from, &to).unwrap();
        there(&from);
        here(&to);
        let before = snapshot(&to);
        match copy(&from, &to) {
            Ok(_) => {
                assert_eq!(expected, [], "{what}");
                assert_same(&from, &to);
            }
            Err(CopyError::Conflicts(found)) => {
                let found: Vec<_> =
                    found.first.iter().map(|found| (found.item.to_string(), found.why.clone())).collect();
                assert_eq!(found, expected, "{what}");
                assert_eq!(snapshot(&to).seq(), before.seq(), "{what}: something was written");
            }
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
}

/// What a store had is known as far back as its feed goes.
#[test]
fn without_a_feed_nothing_is_overwritten() {
    for (kept, is_known) in [(0, false), (1, true), (5, true)] {
        let from = MemoryStore::starting_from(snapshot(&filled()), kept);
        let to = MemoryStore::new();
        copy(&from, &to).unwrap();
        commit(&from, [edit(&from, 1, |record| record.licensed_sessions = Limit::AtMost(77))]);
        match copy(&from, &to) {
            Ok(_) => assert!(is_known, "{kept}"),
            Err(error) => {
                assert!(!is_known, "{kept}: {error:?}");
                let expected = format!(
                    "account {} \"Account 1\" differs, at revision 2 in the target and 3 in the store that is copied \
                     from, which is not known to have had it like that",
                    sid(1)
                );
                assert_eq!(error.to_string(), expected);
            }
        }
        // But within a run, it is known what was copied.
        let to = MemoryStore::new();
        let once = std::sync::Once::new();
        let copy = StoreCopy::new(&from, &to).on_progress(|_| {
            once.call_once(|| {
                commit(&from, [edit(&from, 2, |record| record.licensed_sessions = Limit::AtMost(77))]);
                commit(&from, [delete(&from, 3)]);
            });
        });
        assert_eq!(block_on(copy.run(&admin(), &clock())).unwrap().rounds, 2);
        assert_same(&from, &to);
    }
}

/// The wrong target: very many conflicts are counted, and the first are told.
#[test]
fn many_conflicts_are_counted() {
    let to = MemoryStore::new();
    commit(&to, (100..2000).map(|n| Write::Create(account(n).into())));
    let error = copy(&filled(), &to).unwrap_err();
    let CopyError::Conflicts(found) = &error else { panic!("{error:?}") };
    assert_eq!((found.first.len(), found.more), (1000, 900));
    assert!(error.to_string().ends_with("; and 1899 more"), "{error}");
    assert_eq!(snapshot(&to).len(), 1900);
}

/// No secret and no hash is in what is said, nor in how it is shown for debugging.
#[test]
fn no_secret_is_told() {
    let (from, to) = (filled(), MemoryStore::new());
    commit(&to, [Write::Create(with(&account(1), |record| record.licensed_sessions = Limit::AtMost(9)))]);
    commit(&to, [add(31, Scope::Admin)]);
    let disabled = key_with(&key(&to, 31), |record| record.disabled = true);
    commit(&to, [Write::Key(KeyWrite::Replace(disabled))]);
    let error = copy(&from, &to).unwrap_err();
    let told = format!("{error} {error:?} {:?}", StoreCopy::new(&from, &to));
    assert!(!told.contains("wh_secret") && !told.contains("argon2id"), "{told}");
}
