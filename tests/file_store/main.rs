//! The file store on a real disk: opening, closing, locking and refusing here; the rest by concept.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

mod backup;
mod compaction;
mod golden;
mod panics;
#[cfg(feature = "sealing")]
mod sealed;
mod verify;

use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountPatch, AccountStore, Accounts, Actor, Batch, CommitError, FileDamage, FileStore,
    FileStoreOptions, Scope, Seq, StoreErrorKind, Timestamp,
};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.log");
    (folder, path)
}

fn admin() -> Actor {
    Actor::new(Scope::Admin, "jane".parse().unwrap())
}

#[track_caller]
fn open(path: &Path) -> Arc<FileStore> {
    Arc::new(block_on(FileStore::open(path)).unwrap())
}

#[track_caller]
fn refused(path: &Path) -> gateway_accounts::StoreError {
    block_on(FileStore::open(path)).map(|_| ()).unwrap_err()
}

/// Creates accounts of these names, and closes the file.
fn filled(path: &Path, names: &[&str]) -> Vec<Arc<Account>> {
    let store = open(path);
    let accounts = Accounts::new(Arc::clone(&store));
    let created = names
        .iter()
        .map(|name| block_on(accounts.create(&admin(), AccountPatch::new().name(name))).unwrap())
        .collect();
    block_on(store.close());
    created
}

fn content(store: &FileStore) -> Vec<Arc<Account>> {
    store.live().unwrap().iter().cloned().collect()
}

/// Sets this when it is dropped, so that threads that go on until then end when the test fails, too.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_was_written_is_there_after_opening_anew() {
    let (_folder, path) = folder();
    let mut created = filled(&path, &["Acme", "Globex", "Tallinna Sõnumitooja OÜ"]);
    created.sort_by_key(|account| account.sid());
    let store = open(&path);
    assert_eq!(content(&store), created);
    assert_eq!(
        (store.opened().accounts, store.opened().seq, store.opened().torn_tail),
        (3, Seq::new(3), None)
    );
}

#[test]
fn an_operator_can_read_the_file() {
    let (_folder, path) = folder();
    let created = filled(&path, &["Acme"]);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(&line[9..]).unwrap()).collect();
    assert_eq!(lines[0]["format"], "gateway-accounts");
    assert_eq!(lines[1]["seq"], 1);
    assert_eq!(lines[1]["actor"]["subject"], "jane");
    assert_eq!(lines[1]["events"][0]["created"]["name"], "Acme");
    assert_eq!(lines[1]["events"][0]["created"]["webhook_secret"], created[0].webhook_secret().reveal());
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    filled(&path, &["Acme"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_second_owner_is_told_that_it_is_in_use() {
    let (_folder, path) = folder();
    let first = open(&path);
    let error = refused(&path);
    assert_eq!(error.kind(), StoreErrorKind::InUse);
    assert!(error.to_string().contains("in use"), "{error}");
    block_on(first.close());
    open(&path);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_the_same_file() {
    let (folder, path) = folder();
    let link = folder.path().join("link.log");
    let _first = open(&path);
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(refused(&link).kind(), StoreErrorKind::InUse);
}

#[test]
fn a_closed_store_writes_no_more_and_still_reads() {
    let (_folder, path) = folder();
    let store = open(&path);
    let accounts = Accounts::new(Arc::clone(&store));
    let acme = block_on(accounts.create(&admin(), AccountPatch::new().name("Acme"))).unwrap();
    block_on(store.close());
    block_on(store.close());
    let error = block_on(store.commit(Batch::new(admin(), Timestamp::default()))).unwrap_err();
    assert!(matches!(error, CommitError::Store(error) if error.kind() == StoreErrorKind::Failed));
    assert_eq!(block_on(accounts.get(&admin(), acme.sid())).unwrap(), acme);
    // Who waits for a change learns that none will come; what was there is still told.
    assert_eq!(block_on(store.wait_past(Seq::START)).unwrap(), Seq::new(1));
    assert_eq!(block_on(store.wait_past(Seq::new(1))).unwrap_err().kind(), StoreErrorKind::Failed);
}

#[test]
fn closing_wakes_who_waits() {
    let (_folder, path) = folder();
    let store = open(&path);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| block_on(store.wait_past(Seq::START)));
        block_on(store.close());
        assert_eq!(waits.join().unwrap().unwrap_err().kind(), StoreErrorKind::Failed);
    });
}

#[test]
fn a_commit_whose_caller_went_away_is_still_written() {
    let (_folder, path) = folder();
    let store = open(&path);
    let accounts = Accounts::new(Arc::clone(&store));
    let admin = admin();
    let create = accounts.create(&admin, AccountPatch::new().name("Acme"));
    // Polled once, the commit is on its way to the writing thread; then its future is dropped.
    block_on(futures_lite::future::poll_once(create));
    block_on(store.close());
    assert_eq!(open(&path).opened().accounts, 1);
}

#[test]
fn a_torn_tail_is_cut_off_and_reported_once() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let whole = fs::read(&path).unwrap();
    let torn = whole.len() - 100;
    fs::write(&path, &whole[..torn]).unwrap();

    let store = open(&path);
    let tail = store.opened().torn_tail.unwrap();
    assert_eq!((tail.line, tail.offset + tail.bytes), (3, torn as u64));
    assert_eq!(store.opened().accounts, 1);
    block_on(store.close());
    assert_eq!(fs::metadata(&path).unwrap().len(), tail.offset);

    // The next commit follows the last good one.
    filled(&path, &["Initech"]);
    let store = open(&path);
    assert_eq!(
        (store.opened().torn_tail, store.opened().accounts, store.opened().seq),
        (None, 2, Seq::new(2))
    );
}

#[test]
fn a_missing_line_feed_is_added() {
    let (_folder, path) = folder();
    filled(&path, &["Acme"]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    filled(&path, &["Globex"]);
    assert_eq!(open(&path).opened().accounts, 2);
}

#[test]
fn a_file_whose_creation_was_cut_short_is_a_new_one() {
    for start in ["", "9c5a", "\0\0\0\0"] {
        let (_folder, path) = folder();
        let header = {
            filled(&path, &[]);
            fs::read(&path).unwrap()
        };
        let start = if start == "9c5a" { &header[..10] } else { start.as_bytes() };
        fs::write(&path, start).unwrap();
        filled(&path, &["Acme"]);
        assert_eq!(open(&path).opened().accounts, 1, "{start:?}");
    }
}

#[test]
fn damage_is_refused_with_line_and_offset_and_nothing_is_changed() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex", "Initech"]);
    let mut bytes = fs::read(&path).unwrap();
    let second =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).nth(1).unwrap();
    bytes[second + 50] ^= 1;
    fs::write(&path, &bytes).unwrap();

    let error = refused(&path);
    assert_eq!(error.kind(), StoreErrorKind::Damaged);
    let damage = error.source().unwrap().downcast_ref::<FileDamage>().unwrap();
    assert_eq!((damage.line, damage.offset), (3, second as u64));
    let message = error.to_string();
    assert!(message.contains(&format!("line 3, byte {second}")) && message.contains("backup"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), bytes);

    // What the message offers works.
    fs::write(&path, &bytes[..second]).unwrap();
    assert_eq!(open(&path).opened().accounts, 1);
}

#[test]
fn foreign_files_and_folders_are_left_alone() {
    let (folder, path) = folder();
    fs::write(&path, "dear diary\n").unwrap();
    assert_eq!(refused(&path).kind(), StoreErrorKind::Foreign);
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary\n");
    assert_eq!(refused(folder.path()).kind(), StoreErrorKind::Foreign);
    for path in [folder.path().join("no/such/folder.log"), folder.path().join("new.log/."), PathBuf::new()] {
        assert_eq!(refused(&path).kind(), StoreErrorKind::Io, "{path:?}");
    }
}

#[test]
fn a_newer_format_is_refused() {
    let (_folder, path) = folder();
    // The checksum of the header that the next version would have.
    let json = br#"{"format":"gateway-accounts","version":7,"colour":"blue"}"#;
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(format!("{:08x} ", crc(json)).as_bytes()).unwrap();
    file.write_all(json).unwrap();
    file.write_all(b"\n").unwrap();
    let error = refused(&path);
    assert_eq!(error.kind(), StoreErrorKind::NewerVersion);
    assert!(error.to_string().contains("version 7"), "{error}");
}

/// CRC-32 by its definition, so that the format is checked against more than the library that writes it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn the_history_is_as_long_as_asked_for() {
    let (_folder, path) = folder();
    filled(&path, &["a", "b", "c", "d"]);
    let store = block_on(FileStoreOptions::default().history(2).open(&path)).unwrap();
    let gateway_accounts::Feed::Trimmed { oldest } = block_on(store.changes(Seq::START, 10)).unwrap() else {
        panic!("four changes are kept where two were asked for");
    };
    assert_eq!(oldest, Seq::new(3));
    let gateway_accounts::Feed::Changes(changes) = block_on(store.changes(Seq::new(2), 10)).unwrap() else {
        panic!("the two changes are not kept");
    };
    assert_eq!(changes.iter().map(|change| change.seq.get()).collect::<Vec<_>>(), [3, 4]);
}

/// A commit that was queued behind the closing once waited for ever.
#[test]
fn whoever_is_queued_behind_the_closing_is_refused() {
    let (_folder, path) = folder();
    let store = open(&path);
    std::thread::scope(|scope| {
        let commits: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    // Until the store is closed; then the answer must be that it is.
                    loop {
                        if let Err(error) = block_on(store.commit(Batch::new(admin(), Timestamp::default())))
                        {
                            return error;
                        }
                    }
                })
            })
            .collect();
        let closes = [(); 2].map(|()| scope.spawn(|| block_on(store.close())));
        closes.into_iter().for_each(|close| close.join().unwrap());
        for commit in commits {
            let error = commit.join().unwrap();
            assert!(matches!(error, CommitError::Store(error) if error.kind() == StoreErrorKind::Failed));
        }
    });
    let seq = store.live().unwrap().seq();
    drop(store);
    assert_eq!(open(&path).opened().seq, seq);
}

#[cfg(unix)]
#[test]
fn one_file_has_one_owner_however_it_is_reached() {
    let (folder, path) = folder();
    let link = folder.path().join("link.log");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    // The link's target is not there yet.
    let first = open(&link);
    assert_eq!(refused(&link).kind(), StoreErrorKind::InUse);
    assert_eq!(refused(&path).kind(), StoreErrorKind::InUse);
    // Somebody takes the lock for a stale one.
    fs::remove_file(folder.path().join("accounts.log.lock")).unwrap();
    assert_eq!(refused(&path).kind(), StoreErrorKind::InUse);
    let hard = folder.path().join("hard.log");
    fs::hard_link(&path, &hard).unwrap();
    assert_eq!(refused(&hard).kind(), StoreErrorKind::InUse);
    block_on(first.close());
}

/// A commit to a file that was removed or cut would be acknowledged, and never found again.
#[cfg(unix)]
#[test]
fn nothing_is_acknowledged_to_a_file_that_somebody_else_disturbed() {
    type Disturb = fn(&Path);
    let disturbances: [(&str, Disturb); 4] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("cut", |path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(60).unwrap()),
        ("appended to", |path| {
            fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap()
        }),
        ("replaced", |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
    ];
    for (how, disturb) in disturbances {
        let (_folder, path) = folder();
        let store = open(&path);
        let accounts = Accounts::new(Arc::clone(&store));
        let acme = block_on(accounts.create(&admin(), AccountPatch::new().name("Acme"))).unwrap();
        disturb(&path);
        for _ in 0..2 {
            let error = block_on(accounts.create(&admin(), AccountPatch::new().name("Globex"))).unwrap_err();
            let gateway_accounts::Error::Store(error) = error else { panic!("{how}: {error}") };
            assert_eq!(error.kind(), StoreErrorKind::Failed, "{how}");
        }
        assert_eq!(block_on(accounts.get(&admin(), acme.sid())).unwrap(), acme, "{how}");
    }
}

/// Ends that look torn, but hold what was acknowledged, or what is none of ours.
#[test]
fn what_may_have_been_acknowledged_is_never_cut_off() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 4;
    flipped.extend_from_slice(b"deadbeef {\"seq\":3");
    for (what, bytes, kind) in [
        ("all of it zeroed", vec![0; whole.len()], StoreErrorKind::Foreign),
        ("a line feed that became another character, and a torn tail", flipped, StoreErrorKind::Damaged),
    ] {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(refused(&path).kind(), kind, "{what}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what}");
    }
}

/// What waits for the next commit of a store that has failed once waited for ever.
#[cfg(unix)]
#[test]
fn who_waits_for_a_store_that_has_failed_is_told() {
    let (_folder, path) = folder();
    let store = open(&path);
    fs::remove_file(&path).unwrap();
    let error = block_on(store.commit(Batch::new(admin(), Timestamp::default()))).unwrap_err();
    assert!(matches!(error, CommitError::Store(error) if error.kind() == StoreErrorKind::Failed));
    assert_eq!(block_on(store.wait_past(Seq::START)).unwrap_err().kind(), StoreErrorKind::Failed);
}

/// Two who closed it at the same time were once both told that it was closed when it was only for the first.
#[test]
fn a_store_is_closed_for_everybody_whom_closing_it_has_told_so() {
    let (_folder, path) = folder();
    for round in 0..20 {
        let store = block_on(FileStoreOptions::default().compact_from(1).open(&path)).unwrap();
        block_on(
            Accounts::new(store.clone()).create(&admin(), AccountPatch::new().name(format!("n{round}"))),
        )
        .unwrap();
        std::thread::scope(|scope| {
            let compacting = scope.spawn(|| block_on(store.compact()));
            // One that is given up.
            block_on(futures_lite::future::poll_once(store.close()));
            let closes = [(); 2].map(|()| {
                scope.spawn(|| {
                    block_on(store.close());
                    FileStore::verify(&path)
                })
            });
            closes.into_iter().for_each(|close| drop(close.join().unwrap()));
            block_on(open(&path).close());
            // Done or refused.
            let _ = compacting.join().unwrap();
        });
    }
}
