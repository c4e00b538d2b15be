//! Copies of a file that is in use.

use super::{StopAtEnd, admin, content, filled, folder, open};
use futures_lite::future::block_on;
use gateway_accounts::{
    AccountPatch, AccountStore, Accounts, Feed, FileStore, Seq, Snapshot, StoreErrorKind,
};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the store had after this commit, made from its feed.
fn as_of(store: &FileStore, seq: Seq) -> Snapshot {
    let Feed::Changes(changes) = block_on(store.changes(Seq::START, usize::MAX)).unwrap() else {
        panic!("the history was trimmed");
    };
    changes
        .iter()
        .take_while(|change| change.seq <= seq)
        .fold(Snapshot::empty(), |snapshot, change| snapshot.advance(change).unwrap())
}

#[test]
fn is_the_file_as_of_one_commit_while_writes_go_on() {
    let (folder, path) = folder();
    filled(&path, &["Acme"]);
    let store = open(&path);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let accounts = Accounts::new(Arc::clone(store));
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("{thread}-{n}");
                    block_on(accounts.create(&admin(), AccountPatch::new().name(name))).unwrap();
                }
            });
        }
        let end = StopAtEnd(&stop);
        let mut last = Seq::START;
        for n in 0..10 {
            // Each has more than the one before.
            last = block_on(store.wait_past(last)).unwrap();
            let copy = folder.path().join(format!("backup-{n}.log"));
            let backup = block_on(store.backup(&copy)).unwrap();
            assert!(backup.seq >= last);
            assert_eq!(fs::metadata(&copy).unwrap().len(), backup.bytes);
            let opened = open(&copy);
            assert_eq!((opened.opened().seq, opened.opened().accounts), (backup.seq, backup.accounts));
            assert_eq!(opened.opened().torn_tail, None);
            let then: Vec<_> = as_of(&store, backup.seq).iter().cloned().collect();
            assert_eq!(content(&opened), then);
        }
        drop(end);
    });
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("partial")));
}

#[test]
fn no_file_is_written_over() {
    let (folder, path) = folder();
    filled(&path, &["Acme"]);
    let store = open(&path);
    let there = folder.path().join("there.log");
    fs::write(&there, "mine").unwrap();
    for path in [&there, &path] {
        let before = fs::read(path).unwrap();
        assert_eq!(block_on(store.backup(path)).unwrap_err().kind(), StoreErrorKind::Exists);
        assert_eq!(fs::read(path).unwrap(), before);
    }
    let nowhere = folder.path().join("no/such/folder.log");
    assert_eq!(block_on(store.backup(nowhere)).unwrap_err().kind(), StoreErrorKind::Io);
    block_on(store.close());
    let error = block_on(store.backup(folder.path().join("late.log"))).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Failed);
}

/// What a crash left under the temporary name is not in the way, and is not written into: it may be another name of a
/// whole backup.
#[cfg(unix)]
#[test]
fn leftovers_are_replaced_and_it_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = folder();
    filled(&path, &["Acme"]);
    let store = open(&path);
    let [copy, partial, former] =
        ["copy.log", "copy.log.partial", "former.log"].map(|name| folder.path().join(name));
    fs::write(&former, "a former backup").unwrap();
    fs::hard_link(&former, &partial).unwrap();
    block_on(store.backup(&copy)).unwrap();
    assert_eq!(fs::read_to_string(&former).unwrap(), "a former backup");
    assert!(!partial.exists());
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(content(&open(&copy)), content(&store));
}

/// A backup to the name that the rewritten file has until it is done was once removed by the next rewriting.
#[test]
fn a_name_that_stores_use_for_themselves_is_refused() {
    let (folder, path) = folder();
    filled(&path, &["Acme"]);
    let store = open(&path);
    for name in ["accounts.log.new", "accounts.log.lock", "other.partial"] {
        let error = block_on(store.backup(folder.path().join(name))).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::InUse, "{name}");
    }
}
