//! What only our file has: its lines, opening it, the memory it takes, compaction.

use crate::accounts::{account, actor};
use crate::engines::{Engine, FILE, Ours};
use crate::measure::{Run, create_until};
use gateway_accounts::{Account, AccountRecord, Actor, FileStore, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A commit, as the file store writes it.
#[derive(Serialize)]
pub struct Commit {
    seq: u64,
    at: Timestamp,
    actor: Actor,
    events: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Created(Box<AccountRecord>),
    Replaced(Box<AccountRecord>),
    Deleted {},
}

impl Commit {
    pub fn creating(seq: u64, account: &Account) -> Self {
        let events = vec![Event::Created(Box::new(AccountRecord::from(account)))];
        Self { seq, at: Timestamp::default(), actor: actor(), events }
    }
}

/// The line of a commit.
pub fn line(commit: &Commit) -> Vec<u8> {
    let mut line = vec![b' '; 9];
    serde_json::to_writer(&mut line, commit).expect("commits serialize");
    let checksum = format!("{:08x}", crc32fast::hash(&line[9..]));
    line[..8].copy_from_slice(checksum.as_bytes());
    line.push(b'\n');
    line
}

/// Any line but the header.
#[derive(Deserialize)]
struct Line {
    account: Option<Box<AccountRecord>>,
    #[serde(default)]
    events: Vec<Event>,
}

/// Writes a file of so many accounts, one commit each, as they would come in over the years, in no time: the store
/// itself would sync each. Gives the bytes of the accounts' JSON.
pub async fn write_file(folder: &Path, count: u64) -> u64 {
    let path = folder.join(FILE);
    // The store writes the header.
    FileStore::open(&path).await.expect("the file opens").close().await;
    let file = File::options().append(true).open(&path).expect("the file opens");
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut json = 0;
    for n in 0..count {
        let account = account(n);
        json += serde_json::to_vec(&AccountRecord::from(&*account)).expect("records serialize").len() as u64;
        file.write_all(&line(&Commit::creating(n + 1, &account))).expect("it can be written to");
    }
    file.into_inner().expect("it can be written to").sync_all().expect("it can be written to");
    json
}

/// Opens the file, and closes it again outside of the time that counts.
pub async fn open(folder: &Path, count: u64) -> Duration {
    let start = Instant::now();
    let store = FileStore::open(folder.join(FILE)).await.expect("the file opens");
    let elapsed = start.elapsed();
    store.close().await;
    assert_eq!(store.opened().accounts as u64, count);
    elapsed
}

/// Reads the file and decodes each line's JSON, on this thread: what no reader of it can do without, unless it does
/// it on more than one.
pub fn decode(folder: &Path, count: u64) -> Duration {
    let start = Instant::now();
    let bytes = std::fs::read(folder.join(FILE)).expect("it can be read");
    let lines = bytes.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
    let mut decoded = 0;
    for line in lines {
        let line: Line = serde_json::from_slice(&line[9..]).expect("it is the JSON of a line");
        decoded += usize::from(line.account.is_some());
        decoded += line.events.iter().filter(|event| matches!(event, Event::Created(_))).count();
        black_box(line);
    }
    let elapsed = start.elapsed();
    assert_eq!(decoded as u64, count);
    elapsed
}

/// The flag with which this program starts itself to measure memory.
pub const MEMORY_OF: &str = "--memory-of";

/// By how much opening the file in this folder makes a process grow, in a process of its own.
pub fn memory(folder: &Path) -> u64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).arg(MEMORY_OF).arg(folder).output().expect("it can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("it printed a number")
}

/// What that process does.
pub async fn print_memory(folder: &Path) {
    let before = resident();
    let store = FileStore::open(folder.join(FILE)).await.expect("the file opens");
    println!("{}", resident() - before);
    store.close().await;
}

/// The resident memory of this process, in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") * 1024
}

/// Rewrites the file; done when it returns.
async fn compact(store: &FileStore) -> Result<(), &'static str> {
    store.compact().await.map_err(|_| "the file could not be rewritten")
}

/// Creates by so many callers while the file in this folder is compacted, and for as long without. The folder is
/// not changed otherwise than by what is created.
pub async fn while_compacting(
    folder: &Path,
    callers: usize,
    numbers: &Arc<AtomicU64>,
) -> Result<(Run, Run), &'static str> {
    let ours = Ours::open(folder, false).await;
    let store = ours.store.clone();
    let engine: Arc<dyn Engine> = Arc::new(ours);
    let stop = Arc::new(AtomicBool::new(false));
    let creating = {
        let (engine, numbers, stop) = (Arc::clone(&engine), Arc::clone(numbers), Arc::clone(&stop));
        tokio::spawn(async move { create_until(&engine, callers, numbers, stop).await })
    };
    let start = Instant::now();
    let compacted = compact(&store).await;
    let elapsed = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    let during = creating.await.expect("callers do not panic");
    let without = {
        let stop = Arc::new(AtomicBool::new(compacted.is_err()));
        let timer = Arc::clone(&stop);
        std::thread::spawn(move || {
            std::thread::sleep(elapsed);
            timer.store(true, Ordering::Relaxed);
        });
        create_until(&engine, callers, Arc::clone(numbers), stop).await
    };
    store.close().await;
    compacted.map(|()| (during, without))
}

/// A folder's file system and its kind, as far as Linux tells.
pub fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    // The longest, and of those the last, is mounted over the others.
    let (_, kind) =
        mounts.filter(|(place, _)| folder.starts_with(place)).max_by_key(|(place, _)| place.len())?;
    Some(kind.to_owned())
}
