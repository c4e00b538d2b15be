//! Processes that are killed, and disks that are full, while an account file is written.
//!
//! Each test starts this same test program again as a child that writes accounts and prints what was acknowledged;
//! then the parent kills it, opens the file, and compares.

#![cfg(all(feature = "file", unix))]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountPatch, AccountRecord, AccountStore, Accounts, Actor, Batch, CommitError, Event,
    FileStore, FileStoreOptions, Limit, Revision, Scope, StoreErrorKind, Timestamp, Unit, WhileRunning,
    Write,
};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const CHILD: &str = "GATEWAY_ACCOUNTS_CRASH_CHILD";

/// Set for a child that rewrites its file all the time.
const COMPACTING: &str = "GATEWAY_ACCOUNTS_CRASH_COMPACTING";

/// A file of this name is sealed.
const SEALED: &str = "sealed.log";

fn options(path: &Path) -> FileStoreOptions {
    let options = FileStoreOptions::default();
    #[cfg(feature = "sealing")]
    if path.ends_with(SEALED) {
        let key = gateway_accounts::SealingKey::new("crash", [7; 32]).unwrap();
        return options.sealed_with(gateway_accounts::Keyring::new(key));
    }
    let _ = path;
    options
}

fn admin() -> Actor {
    Actor::new(Scope::Admin, "crash".parse().unwrap())
}

/// Prints a line at once: what has not left the process when it is killed was not acknowledged.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The child: creates, edits and deletes accounts for ever, in three threads, one of which writes by itself, printing
/// each acknowledgement. Every third commit is a batch of two accounts, which must come back together or not at all, and
/// so must their deletion.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let compacting = std::env::var_os(COMPACTING).is_some();
    let options = options(Path::new(&path));
    let options = if compacting { options.history(5).compact_from(1) } else { options };
    let store = match block_on(options.open(&path)) {
        Ok(store) => Arc::new(store),
        Err(error) => return say(&format!("refused {:?}", error.kind())),
    };
    let round = store.opened().seq.get();
    say("open");
    std::thread::scope(|scope| {
        if compacting {
            // Until the process is killed, or writing has failed.
            scope.spawn(|| {
                while block_on(store.compact()).is_ok() {
                    say("rewritten");
                }
            });
        }
        for thread in 0..3 {
            let store = if thread == 0 { Arc::new(store.in_place()) } else { Arc::clone(&store) };
            scope.spawn(move || {
                let accounts = Accounts::new(Arc::clone(&store));
                for n in 0_u64.. {
                    if let Err(error) = write(&accounts, &store, &format!("{round}-{thread}-{n}"), say) {
                        return say(&format!("failed {error}"));
                    }
                }
            });
        }
    });
}

fn write(accounts: &Accounts, store: &FileStore, name: &str, say: fn(&str)) -> Result<(), String> {
    let kind = |error: gateway_accounts::Error| match error {
        gateway_accounts::Error::Store(error) => format!("{:?}", error.kind()),
        error => error.to_string(),
    };
    let admin = admin();
    let draft = AccountPatch::new().name(name).sip_realm(format!("a{name}.example")).unit(Unit::sessions(9));
    let account = block_on(accounts.create(&admin, draft)).map_err(kind)?;
    say(&format!("account {} {}", account.sid(), account.revision()));
    let edit = AccountPatch::new().licensed_sessions(Limit::AtMost(7));
    let account = block_on(accounts.edit(&admin, account.sid(), account.revision(), edit)).map_err(kind)?;
    say(&format!("account {} {}", account.sid(), account.revision()));

    let twin = |suffix: &str| {
        let mut record = AccountRecord::from(&*account);
        record.sid =
            gateway_accounts::AccountSid::generate(Timestamp::default(), &gateway_accounts::OsRandom)
                .unwrap();
        record.name = format!("{name} {suffix}").parse().unwrap();
        record.sip_realm = None;
        record.revision = Revision::FIRST;
        Arc::new(Account::try_from(record).unwrap())
    };
    let (left, right) = (twin("left"), twin("right"));
    let twins = [left.sid(), right.sid()];
    say(&format!("twins {} {}", left.sid(), right.sid()));
    let batch =
        Batch::new(admin.clone(), Timestamp::default()).with(Write::Create(left)).with(Write::Create(right));
    match block_on(store.commit(batch)) {
        Ok(change) => {
            for event in &change.events {
                say(&format!("account {} 1", event.sid().unwrap()));
            }
        }
        Err(CommitError::Store(error)) => return Err(format!("{:?}", error.kind())),
        Err(CommitError::Conflict(conflict)) => return Err(conflict.to_string()),
    }
    // Most are deleted again, so that the file stays small and its rewriting quick.
    if account.sid().as_uuid().as_bytes()[15] < 224 {
        say(&format!("deleting {}", account.sid()));
        block_on(accounts.delete(&admin, account.sid(), account.revision(), WhileRunning::Refuse))
            .map_err(kind)?;
        say(&format!("deleted {}", account.sid()));
        twins.iter().for_each(|sid| say(&format!("deleting {sid}")));
        let delete =
            |batch: Batch, sid: &_| batch.with(Write::Delete { sid: *sid, expected: Revision::FIRST });
        let batch = twins.iter().fold(Batch::new(admin, Timestamp::default()), delete);
        block_on(store.commit(batch)).map_err(|error| match error {
            CommitError::Store(error) => format!("{:?}", error.kind()),
            CommitError::Conflict(conflict) => conflict.to_string(),
        })?;
        twins.iter().for_each(|sid| say(&format!("deleted {sid}")));
    }
    Ok(())
}

fn child_command(path: &Path, limit: Option<u32>) -> Command {
    let me = std::env::current_exe().unwrap();
    let mut command = match limit {
        None => Command::new(me),
        // The largest file the child may write, in units of 512 bytes; the write then fails, as on a full disk.
        Some(blocks) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")).arg(me);
            shell
        }
    };
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .stdout(Stdio::piped());
    command
}

/// What a child said.
#[derive(Default)]
struct Said {
    /// The revision of each account that was acknowledged last.
    accounts: HashMap<String, u64>,
    /// Accounts whose deletion was begun, and those whose deletion was acknowledged.
    deleting: HashSet<String>,
    deleted: HashSet<String>,
    twins: Vec<(String, String)>,
    failed: Vec<String>,
    rewritten: u32,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["account", sid, revision] => {
                self.accounts.insert((*sid).to_owned(), revision.parse().unwrap());
            }
            ["deleting", sid] => drop(self.deleting.insert((*sid).to_owned())),
            ["deleted", sid] => drop(self.deleted.insert((*sid).to_owned())),
            ["twins", left, right] => self.twins.push(((*left).to_owned(), (*right).to_owned())),
            ["rewritten"] => self.rewritten += 1,
            ["failed", kind @ ..] => self.failed.push(kind.join(" ")),
            // The test harness's own lines.
            _ => {}
        }
    }

    /// Every acknowledged write is there, and no other is half there.
    #[track_caller]
    fn check(&self, path: &Path, seed: u64) {
        let store = block_on(options(path).open(path)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let snapshot = store.live().unwrap();
        let there = |sid: &str| snapshot.by_sid(sid.parse().unwrap());
        for (sid, revision) in &self.accounts {
            match there(sid) {
                Some(account) => {
                    assert!(
                        account.revision().get() >= *revision,
                        "seed {seed}: {sid} lost revision {revision}"
                    );
                    assert!(!self.deleted.contains(sid), "seed {seed}: {sid} came back");
                    let realm = account.sip_realm().and_then(|realm| snapshot.by_realm(realm));
                    assert!(
                        account.sip_realm().is_none() || realm.is_some(),
                        "seed {seed}: {sid} lost its realm"
                    );
                }
                None => assert!(self.deleting.contains(sid), "seed {seed}: {sid} is lost"),
            }
        }
        for (left, right) in &self.twins {
            assert_eq!(there(left).is_some(), there(right).is_some(), "seed {seed}: half a batch");
        }
        block_on(store.close());
    }
}

fn seed() -> u64 {
    std::env::var("GATEWAY_ACCOUNTS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed)
}

/// A step of splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// 500 times on files that are rewritten all the time, one of five of them sealed: let a child write for a random while,
/// kill it with SIGKILL, open the file and compare.
#[test]
fn no_acknowledged_write_is_lost_to_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let seed = seed();
    let mut random = seed;
    let mut files = ["accounts.log", SEALED].map(|name| (folder.path().join(name), Said::default()));
    let mut killed_rewriting = 0;
    for round in 0..500 {
        let (path, said) = &mut files[usize::from(round % 5 == 4)];
        let mut child = child_command(path, None).env(COMPACTING, "1").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after so many lines, at whatever the child is doing then: opening, in the middle of a write, or
        // between two. What it had said by then is still in the pipe.
        let lines_until_killed = next(&mut random) % 75;
        for line in lines.by_ref().take(usize::try_from(lines_until_killed).unwrap()) {
            said.hear(&line.unwrap());
        }
        for _ in 0..next(&mut random) % 20_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed_rewriting += u32::from(path.with_extension("log.new").exists());
        // The last line may be cut.
        lines.map_while(Result::ok).for_each(|line| said.hear(&line));
        said.check(path, seed);
    }
    let [(_, clear), (_, sealed)] = &files;
    for said in [clear, sealed] {
        assert!(said.failed.is_empty(), "{:?}", said.failed);
    }
    assert!(clear.accounts.len() > 500 && clear.deleted.len() > 20, "the children hardly wrote");
    let rewritten = clear.rewritten + sealed.rewritten;
    println!("rewritten {rewritten} times, and {killed_rewriting} times killed while it was");
    assert!(rewritten > 20 && killed_rewriting > 20, "{rewritten}, {killed_rewriting}");
}

/// A write that the system refuses half way: it is reported, nothing more is acknowledged, and the file opens with
/// everything that was.
#[test]
fn a_full_disk_loses_nothing_and_ends_acknowledging() {
    for blocks in [40, 41, 77] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.log");
        let output = child_command(&path, Some(blocks)).output().unwrap();
        let mut said = Said::default();
        String::from_utf8(output.stdout).unwrap().lines().for_each(|line| said.hear(line));
        said.check(&path, u64::from(blocks));
        // All threads of the child end: one meets the error itself; another was in the same group of commits and meets
        // it too, or is refused after it.
        let kinds = [StoreErrorKind::Io, StoreErrorKind::Failed].map(|kind| format!("{kind:?}"));
        assert_eq!(said.failed.len(), 3, "{:?}", said.failed);
        assert!(said.failed.iter().all(|kind| kinds.contains(kind)), "{:?}", said.failed);
        assert!(said.failed.contains(&kinds[0]), "nobody met the error");
    }
}

/// The same guarantee for the feed: what is replayed is what was committed, in the same order.
#[test]
fn the_feed_of_a_reopened_file_is_the_feed_that_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.log");
    let store = Arc::new(block_on(FileStore::open(&path)).unwrap());
    let accounts = Accounts::new(Arc::clone(&store));
    for n in 0..20 {
        write(&accounts, &store, &format!("x-{n}"), |_| ()).unwrap();
    }
    let gateway_accounts::Feed::Changes(before) = block_on(store.changes(Default::default(), 1000)).unwrap()
    else {
        panic!("the history of a small file was trimmed");
    };
    block_on(store.close());
    let store = block_on(FileStore::open(&path)).unwrap();
    let gateway_accounts::Feed::Changes(after) = block_on(store.changes(Default::default(), 1000)).unwrap()
    else {
        panic!("the history of a small file was trimmed");
    };
    assert_eq!(before, after);
    assert!(before.iter().any(|change| matches!(change.events.as_slice(), [Event::Replaced { .. }])));
}
