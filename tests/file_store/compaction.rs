//! Rewriting a file without what is superseded, while it is in use.

use super::{StopAtEnd, admin, content, filled, folder, open};
use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountPatch, AccountStore, Accounts, Feed, FileStore, FileStoreOptions, Limit, Seq, Unit,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HISTORY: usize = 10;

fn small() -> FileStoreOptions {
    FileStoreOptions::default().history(HISTORY).compact_from(4 << 10)
}

fn licensed(sessions: u32) -> AccountPatch {
    AccountPatch::new().licensed_sessions(Limit::AtMost(sessions))
}

fn create(store: &Arc<FileStore>, name: &str) -> Arc<Account> {
    let accounts = Accounts::new(Arc::clone(store));
    let draft = AccountPatch::new().name(name).unit(Unit::sessions(100_000));
    block_on(accounts.create(&admin(), draft)).unwrap()
}

fn edit(store: &Arc<FileStore>, account: &Account, sessions: u32) -> Arc<Account> {
    let accounts = Accounts::new(Arc::clone(store));
    block_on(accounts.edit(&admin(), account.sid(), account.revision(), licensed(sessions))).unwrap()
}

/// How long the file is without its padding.
fn length(path: &Path) -> u64 {
    block_on(FileStore::verify(path)).unwrap().bytes
}

#[test]
fn it_happens_by_itself_and_the_file_stays_small() {
    let (_folder, path) = folder();
    let store = Arc::new(block_on(small().open(&path)).unwrap());
    let mut accounts: Vec<_> = (0..20).map(|n| create(&store, &format!("a{n}"))).collect();
    block_on(store.compact()).unwrap();
    // As few bytes as it can have: the accounts, and the history.
    let least = length(&path);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let sid = accounts[0].sid();
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                // What was seen once is not unseen, and nothing is missing.
                let snapshot = store.live().unwrap();
                assert_eq!(snapshot.len(), 20);
                let revision = snapshot.by_sid(sid).unwrap().revision().get();
                assert!(revision >= seen);
                seen = revision;
            }
            seen
        });
        let end = StopAtEnd(&stop);
        let mut accounts = accounts.clone();
        let mut written = 0;
        let mut former = length(&path);
        let mut shrunk = 0;
        for round in 1..=40 {
            for account in &mut accounts {
                *account = edit(&store, account, round);
                written += 1;
            }
            let now = length(&path);
            shrunk += u32::from(now < former);
            former = now;
        }
        drop(end);
        assert!(reader.join().unwrap() > 1);
        assert_eq!(written, 800);
        assert!(shrunk > 2, "it was hardly rewritten");
    });
    // When there is more, it is rewritten. While that goes on, a few more commits have come; on a busy machine it is not
    // over yet, but nothing more is asked for it to be.
    let given_up = Instant::now() + Duration::from_secs(20);
    while length(&path) >= 3 * least && Instant::now() < given_up {
        std::thread::yield_now();
    }
    block_on(store.close());
    let now = length(&path);
    assert!(now < 3 * least, "{now} bytes where {least} would do");

    let store = Arc::new(block_on(small().open(&path)).unwrap());
    for account in &mut accounts {
        *account = Arc::clone(store.live().unwrap().by_sid(account.sid()).unwrap());
        assert_eq!((account.revision().get(), account.licensed_sessions()), (41, Limit::AtMost(40)));
    }
    // 20 accounts, and 40 edits of each.
    let last = 820;
    assert_eq!(store.opened().seq, Seq::new(last));
    let from = Seq::new(last - HISTORY as u64);
    let Feed::Changes(changes) = block_on(store.changes(from, 1000)).unwrap() else {
        panic!("less history than was asked for");
    };
    assert_eq!(changes.iter().map(|change| change.seq.get()).collect::<Vec<_>>(), Vec::from_iter(811..=820));
    for change in &changes {
        let [gateway_accounts::Event::Replaced { before, after }] = change.events.as_slice() else {
            panic!("{change:?}");
        };
        assert_eq!(
            (before.licensed_sessions(), after.licensed_sessions()),
            (Limit::AtMost(39), Limit::AtMost(40))
        );
    }
    let before = block_on(store.changes(Seq::new(from.get() - 1), 1000)).unwrap();
    assert!(matches!(before, Feed::Trimmed { oldest } if oldest == from.next()));
}

#[test]
fn commits_of_several_threads_meanwhile_lose_nothing() {
    let (_folder, path) = folder();
    let store = open(&path);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    let mut account = create(store, &format!("t{thread}"));
                    for n in 1..=150 {
                        account = edit(store, &account, n);
                    }
                })
            })
            .collect();
        let mut compactions = 0;
        while !writers.iter().all(|writer| writer.is_finished()) || compactions < 3 {
            block_on(store.compact()).unwrap();
            compactions += 1;
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
    let (before, feed) = (content(&store), block_on(store.changes(Seq::START, 10_000)).unwrap());
    assert_eq!(store.live().unwrap().seq(), Seq::new(3 * 151));
    block_on(store.close());
    let store = open(&path);
    assert_eq!((store.opened().seq, store.opened().torn_tail), (Seq::new(3 * 151), None));
    assert_eq!(content(&store), before);
    assert_eq!(block_on(store.changes(Seq::START, 10_000)).unwrap(), feed);
}

/// Closing ends a compaction, done or not.
#[test]
fn closing_meanwhile() {
    let (folder, path) = folder();
    for round in 0..10 {
        let store = open(&path);
        let last = create(&store, &format!("r{round}"));
        let compacting = std::thread::spawn({
            let store = Arc::clone(&store);
            move || block_on(store.compact())
        });
        block_on(store.close());
        // It was done before, or is refused.
        let _ = compacting.join().unwrap();
        drop(store);
        assert!(!folder.path().join("accounts.log.new").exists(), "round {round}");
        let store = open(&path);
        assert_eq!(store.opened().accounts, round + 1);
        assert_eq!(store.live().unwrap().by_sid(last.sid()), Some(&last));
        block_on(store.close());
    }
}

#[test]
fn what_a_crash_left_of_a_rewritten_file_is_removed() {
    let (folder, path) = folder();
    let created = filled(&path, &["Acme"]);
    let left = folder.path().join("accounts.log.new");
    fs::write(&left, "half a file").unwrap();
    assert_eq!(content(&open(&path)), created);
    assert!(!left.exists());
}
