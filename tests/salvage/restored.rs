//! What was brought from elsewhere, in a damaged file.

use super::{Folder, folder, lines, salvage};
use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountRecord, AccountStore, ApiKey, ApiKeyRecord, FileStore, KeyWrite, Revision, Scope, Write,
    testkit,
};
use std::fs;
use std::sync::Arc;

/// A file of three commits: an account at revision 41, a key of it at revision 9, and another account.
fn file() -> Vec<u8> {
    let Folder { path, .. } = &folder();
    let store = block_on(FileStore::open(path)).unwrap();
    let account = |n, revision| {
        let record = AccountRecord { revision: Revision::new(revision), ..(&testkit::account(n)).into() };
        Write::Restore(Arc::new(Account::try_from(record).unwrap()))
    };
    let key = testkit::api_key(1, Scope::Account(testkit::sid(1)));
    let key = ApiKeyRecord { revision: Revision::new(9), ..(&key).into() };
    let key = Write::Key(KeyWrite::Restore(Arc::new(ApiKey::try_from(key).unwrap())));
    for write in [account(1, 41), key, account(2, 7)] {
        block_on(store.commit(testkit::batch([write]))).unwrap();
    }
    block_on(store.close());
    fs::read(path).unwrap()
}

#[test]
fn what_was_restored_is_saved_as_it_was() {
    let file = file();
    let (salvaged, snapshot) = salvage(&file);
    assert!(salvaged.is_everything(), "{salvaged:?}");
    let revision = |n| snapshot.by_sid(testkit::sid(n)).unwrap().revision().get();
    assert_eq!((revision(1), revision(2)), (41, 7));
    assert_eq!(snapshot.key(testkit::key_id(1)).unwrap().revision().get(), 9);

    // Whatever else is lost.
    for damaged in 2..4 {
        let mut bytes = file.clone();
        bytes[lines(&file)[damaged].start + 20] ^= 1;
        let (salvaged, snapshot) = salvage(&bytes);
        assert!(!salvaged.is_everything());
        assert_eq!(snapshot.by_sid(testkit::sid(1)).unwrap().revision().get(), 41);
        assert_eq!(snapshot.key(testkit::key_id(1)).is_some(), damaged != 2);
        assert_eq!(snapshot.by_sid(testkit::sid(2)).is_some(), damaged != 3);
    }
}
