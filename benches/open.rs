//! Opening an account file of 100,000 accounts, against reading the same bytes and decoding their JSON into the
//! same records on one thread.
//!
//! `cargo bench --bench open` prints the ratio with its median, lowest and highest of interleaved repeats, then
//! the absolute figures. The number of accounts can be given: `-- 1000000`.

use futures_lite::future::block_on;
use gateway_accounts::{
    AccountPatch, AccountRecord, AccountStore, Accounts, Actor, Batch, FileStore, Limit, MemoryStore, Scope,
    Timestamp, Unit, Write,
};
use serde::Deserialize;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const REPEATS: usize = 9;

#[derive(Deserialize)]
struct Commit {
    #[allow(dead_code, reason = "decoded, not read")]
    events: Vec<Created>,
}

#[derive(Deserialize)]
struct Created {
    #[allow(dead_code, reason = "decoded, not read")]
    created: AccountRecord,
}

/// Reads the file and decodes each line's JSON: what no reader of it can do without.
fn decode(path: &Path) -> (usize, Duration) {
    let start = Instant::now();
    let bytes = std::fs::read(path).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
    let count =
        lines.map(|line| serde_json::from_slice::<Commit>(&line[9..]).unwrap()).map(black_box).count();
    (count, start.elapsed())
}

/// Opens the file, and closes it again outside of the time that counts.
fn open(path: &Path) -> (usize, Duration) {
    let start = Instant::now();
    let store = block_on(FileStore::open(path)).unwrap();
    let elapsed = start.elapsed();
    block_on(store.close());
    (store.opened().accounts, elapsed)
}

fn main() {
    let count = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(100_000_usize);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.log");
    let actor = Actor::new(Scope::Admin, "bench".parse().unwrap());
    fill(&path, &actor, count);

    assert_eq!(open(&path).0, count);
    assert_eq!(decode(&path).0, count);
    let mut pairs: Vec<(Duration, Duration)> =
        (0..REPEATS).map(|_| (open(&path).1, decode(&path).1)).collect();
    pairs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (ours, theirs) = pairs[REPEATS / 2];
    println!("{count} accounts, {} bytes", std::fs::metadata(&path).unwrap().len());
    println!(
        "ratio open_vs_decode {:.2} {:.2}..{:.2}",
        ratio(&pairs[REPEATS / 2]),
        ratio(&pairs[0]),
        ratio(&pairs[REPEATS - 1])
    );
    println!(
        "      {:.0} ms against {:.0} ms (goal for 100000 accounts: < 500 ms)",
        ours.as_secs_f64() * 1e3,
        theirs.as_secs_f64() * 1e3
    );
}

fn ratio((ours, theirs): &(Duration, Duration)) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

/// One commit for each account, as they would come in over the years.
fn fill(path: &Path, actor: &Actor, count: usize) {
    block_on(async {
        // Made in memory, where it is quick, by the rules that make them in earnest.
        let accounts = Accounts::new(MemoryStore::new());
        let store = FileStore::open(path).await.unwrap();
        for n in 0..count {
            let draft = AccountPatch::new()
                .name(format!("Customer {n} of the Benchmark"))
                .sip_realm(format!("r{:x}.sip.example.com", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                .unit(Unit::sessions(120))
                .licensed_sessions(Limit::AtMost(100))
                .service_provider("51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap());
            let account = accounts.create(actor, draft).await.unwrap();
            let batch = Batch::new(actor.clone(), Timestamp::default()).with(Write::Create(account));
            store.commit(batch).await.unwrap();
        }
        store.close().await;
    });
}
