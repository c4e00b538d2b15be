//! Moving a file into a database, and back.

use crate::postgres::server;
use crate::world::{block_on, connect, options};
use gateway_accounts::testkit;
use gateway_accounts::{AccountStore, FileStore, KeyWrite, Scope, Snapshot, StoreCopy, SystemClock, Write};

fn copy(from: &dyn AccountStore, to: &dyn AccountStore) -> usize {
    let copied = block_on(StoreCopy::new(from, to).batch(700).run(&testkit::admin(), &SystemClock)).unwrap();
    assert!(copied.is_current);
    copied.written
}

/// That both have the same.
fn assert_same(one: &Snapshot, other: &Snapshot) {
    let mut accounts = (one.iter().collect::<Vec<_>>(), other.iter().collect::<Vec<_>>());
    accounts.0.sort_by_key(|account| account.sid());
    accounts.1.sort_by_key(|account| account.sid());
    assert_eq!(accounts.0, accounts.1);
    let mut keys = (one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    keys.0.sort_by_key(|key| key.id());
    keys.1.sort_by_key(|key| key.id());
    assert_eq!(keys.0, keys.1);
}

#[test]
fn a_file_is_moved_into_a_database_and_back() {
    let Some(server) = server() else { return };
    let schema = server.fresh_schema();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| block_on(FileStore::open(folder.path().join(name))).unwrap();
    let (first, third) = (file("first.log"), file("third.log"));
    let second = connect(options(&schema), &server.url());
    let key = |n: u64| {
        let owner = if n.is_multiple_of(3) { Scope::Admin } else { Scope::Account(testkit::sid(n)) };
        Write::Key(KeyWrite::Add { key: testkit::api_key(n, owner).into(), at_most: usize::MAX })
    };
    let create = |n: u64| Write::Create(testkit::account(n).into());
    block_on(first.commit(testkit::batch((0..2000).map(create).chain((0..2000).map(key))))).unwrap();

    assert_eq!(copy(&first, &second), 4000);
    assert_same(&block_on(first.snapshot()).unwrap(), &block_on(second.snapshot()).unwrap());
    // Some are edited, some deleted, and one changes its name with another.
    let seen = |n: u64| block_on(first.by_sid(testkit::sid(n))).unwrap().unwrap();
    let edits = (0..50).map(|n| Write::Replace(seen(n)));
    let deletions = (50..60).map(|n| Write::Delete { sid: testkit::sid(n), expected: seen(n).revision() });
    block_on(first.commit(testkit::batch(edits.chain(deletions)))).unwrap();
    copy(&first, &second);
    assert_eq!(copy(&second, &third), 3983);
    assert_same(&block_on(first.snapshot()).unwrap(), &block_on(third.snapshot()).unwrap());
    assert_eq!(copy(&first, &third), 0);
}
