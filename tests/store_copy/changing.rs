//! Stores that are written while they are copied.

use super::*;
use gateway_accounts::WhyNotCopied;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What somebody writes to a store.
type Writer<'a> = &'a (dyn Fn(&MemoryStore) -> Write + Sync);

/// Copies, and does this when so many commits were made.
fn copy_and(
    from: &dyn AccountStore,
    to: &dyn AccountStore,
    after: usize,
    change: impl Fn() + Send + Sync,
) -> Result<Copied, CopyError> {
    let told = AtomicUsize::new(0);
    let copy = StoreCopy::new(from, to).batch(3).on_progress(|_| {
        if told.fetch_add(1, Ordering::SeqCst) == after {
            change();
        }
    });
    block_on(copy.run(&admin(), &clock()))
}

/// Everything that can happen to an account and to a key.
fn change_everything(from: &MemoryStore) {
    // Two accounts swap their names, and a third gives its realm to a new one.
    let [one, two] = [1, 2].map(|n| snapshot(from).by_sid(sid(n)).unwrap().name().clone());
    let third = "between".parse().unwrap();
    commit(from, [edit(from, 1, |record| record.name = third)]);
    commit(from, [edit(from, 2, |record| record.name = one)]);
    commit(from, [edit(from, 1, |record| record.name = two)]);
    let realm = snapshot(from).by_sid(sid(3)).unwrap().sip_realm().cloned();
    commit(from, [edit(from, 3, |record| record.sip_realm = None)]);
    commit(from, [Write::Create(with(&account(11), |record| record.sip_realm = realm))]);
    // One goes with its keys, one comes again, and another takes the name of the one that went.
    let name = snapshot(from).by_sid(sid(7)).unwrap().name().clone();
    commit(from, [delete(from, 7), edit(from, 9, |record| record.name = name)]);
    commit(from, [delete(from, 6), Write::Create(account(6).into()), add(6, own(6))]);
    commit(from, [Write::MinutesUsed { sid: sid(1), used: used(50, 600) }]);
    commit(from, [Write::MinutesUsed { sid: sid(10), used: used(50, 600) }]);
    // A key goes to another owner, one to a new account, one is added, one edited, one used, one revoked.
    let key =
        |n| snapshot(from).keys().find(|key| key.id() == api_key(n, Scope::Admin).id()).cloned().unwrap();
    let revoke = |n| {
        let key = key(n);
        Write::Key(KeyWrite::Revoke { id: key.id(), expected: key.revision() })
    };
    commit(from, [revoke(31), add(31, own(4)), revoke(4), add(4, own(11)), add(99, own(1))]);
    commit(from, [revoke(12), add(12, own(8)), revoke(13)]);
    commit(from, [Write::Key(KeyWrite::Replace(key_with(&key(21), |record| record.disabled = true)))]);
    commit(from, [Write::Key(KeyWrite::Use { id: key(22).id(), at: Timestamp::from_millis(9_999) })]);
}

/// Whenever it happens, the copy follows, in one run and in two.
#[test]
fn what_changes_meanwhile_is_copied_too() {
    for after in 0..11 {
        let (from, to) = (filled(), MemoryStore::new());
        let copied = copy_and(&from, &to, after, || change_everything(&from)).unwrap();
        assert_same(&from, &to);
        assert_eq!((copied.rounds, copied.is_current), (2, true), "after {after}");
        assert_eq!(copied.as_of, snapshot(&from).seq());
    }
    // Between two runs, of which the first may have been cut off.
    for batch in [1, 3, 1000] {
        let (from, to) = (filled(), MemoryStore::new());
        block_on(StoreCopy::new(&from, &to).batch(batch).run(&admin(), &clock())).unwrap();
        change_everything(&from);
        let copied = block_on(StoreCopy::new(&from, &to).batch(batch).run(&admin(), &clock())).unwrap();
        assert_same(&from, &to);
        assert_eq!(copied.rounds, 1);
    }
}

/// What changed is one commit of the target: nobody sees half of a swap.
#[test]
fn what_changed_is_one_commit() {
    let (from, to) = (filled(), MemoryStore::new());
    copy(&from, &to).unwrap();
    let before = snapshot(&to).seq();
    for n in 1..9 {
        commit(&from, [edit(&from, n, |record| record.licensed_sessions = Limit::AtMost(77))]);
    }
    let copied = copy(&from, &to).unwrap();
    assert_eq!((snapshot(&to).seq(), copied.written), (before.next(), 8));
    assert_same(&from, &to);
}

/// Progress counts nothing twice, whatever is deleted and created anew.
#[test]
fn progress_adds_up_when_something_changed() {
    let (from, to) = (filled(), MemoryStore::new());
    copy(&from, &to).unwrap();
    change_everything(&from);
    let last = std::sync::Mutex::new(None);
    let copy = StoreCopy::new(&from, &to).batch(2).on_progress(|so_far| *last.lock().unwrap() = Some(so_far));
    block_on(copy.run(&admin(), &clock())).unwrap();
    let last = last.into_inner().unwrap().unwrap();
    assert_eq!((last.accounts, last.keys), (last.total_accounts, last.total_keys), "{last}");
}

/// A store that never rests is copied as of a commit, which is told.
#[test]
fn rounds_end() {
    let (from, to) = (filled(), MemoryStore::new());
    let stamp = AtomicUsize::new(0);
    // Before each copy is compared, there is another commit.
    let copy = StoreCopy::new(&from, &to).rounds(3).on_progress(|_| {
        let stamp = stamp.fetch_add(1, Ordering::SeqCst) as u32;
        commit(&from, [edit(&from, 1, |record| record.licensed_sessions = Limit::AtMost(stamp))]);
    });
    let copied = block_on(copy.run(&admin(), &clock())).unwrap();
    assert_eq!((copied.rounds, copied.is_current), (3, false));
    assert!(copied.as_of < snapshot(&from).seq());
    let then = snapshot(&to).by_sid(sid(1)).cloned();
    assert_ne!(then, snapshot(&from).by_sid(sid(1)).cloned());
    // As of that commit, though.
    let mut as_of = filled().live().unwrap();
    let gateway_accounts::Feed::Changes(changes) = block_on(from.changes(as_of.seq(), 1000)).unwrap() else {
        panic!("it was trimmed")
    };
    for change in changes.iter().take_while(|change| change.seq <= copied.as_of) {
        as_of = as_of.advance(change).unwrap();
    }
    assert_eq!(as_of.seq(), copied.as_of);
    assert!(as_of.iter().eq(snapshot(&to).iter()));
    super::copy(&from, &to).unwrap();
    assert_same(&from, &to);
}

/// Who writes to the target meanwhile is found out, by the commit that meets it or by the comparison.
#[test]
fn who_writes_to_the_target_is_found_out() {
    let from = filled();
    // An account that is yet to be copied.
    let to = MemoryStore::new();
    let error = copy_and(&from, &to, 0, || commit(&to, [Write::Create(account(5).into())])).unwrap_err();
    let CopyError::Write { item, .. } = &error else { panic!("{error:?}") };
    assert_eq!(item.to_string(), format!("account {} \"Account 5\"", sid(5)));

    // One that was; one that nobody knows.
    let edit_first = |to: &MemoryStore| edit(to, 1, |record| record.licensed_sessions = Limit::AtMost(99));
    let table: [(Writer<'_>, String); 3] = [
        (&edit_first, format!("account {} \"Account 1\" differs in licensed_sessions, revision", sid(1))),
        (
            &|_: &MemoryStore| Write::Create(account(50).into()),
            format!("account {} \"Account 50\" is in the target alone", sid(50)),
        ),
        (
            &|to: &MemoryStore| delete(to, 10),
            format!("account {} \"Account 10\" is not in the target", sid(10)),
        ),
    ];
    for (write, expected) in table {
        let to = MemoryStore::new();
        let error = copy_and(&from, &to, 4, || commit(&to, [write(&to)])).unwrap_err();
        assert!(matches!(error, CopyError::Differs(_)), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
    // So are keys, when all is written.
    let use_key = KeyWrite::Use { id: api_key(31, Scope::Admin).id(), at: Timestamp::from_millis(5) };
    let revoke = KeyWrite::Revoke { id: api_key(32, Scope::Admin).id(), expected: Revision::new(2) };
    for (write, expected) in [
        (add(77, Scope::Admin), format!("API key {:016} of an admin is in the target alone", 77)),
        (Write::Key(use_key), format!("API key {:016} of an admin differs in last_used", 31)),
        (Write::Key(revoke), format!("API key {:016} of an admin is not in the target", 32)),
    ] {
        let to = MemoryStore::new();
        let error = copy_and(&from, &to, 10, || commit(&to, [write.clone()])).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    // And by the next run.
    let to = MemoryStore::new();
    copy(&from, &to).unwrap();
    commit(&to, [edit_first(&to)]);
    let Err(CopyError::Conflicts(conflicts)) = copy(&from, &to) else { panic!("it was overwritten") };
    assert!(matches!(conflicts.first[0].why, WhyNotCopied::Differs { .. }));
}
