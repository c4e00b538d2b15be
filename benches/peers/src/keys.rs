//! Checking API keys: how much more than a digest and a look-up it takes, how much less than a password's hash, and
//! what a flood of wrong keys does to right ones.

use crate::Options;
use crate::own::resident;
use crate::report::{Report, Spread};
use gateway_accounts::{
    Account, AccountStore, Accounts, ApiKey, ApiKeyRecord, Authenticator, HashParams, HashPool, KeyToken,
    MemoryStore, Scope, SeededRandom, Seq, Snapshot, Timestamp,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const DIGEST: &str = "auth_hot_vs_digest";
const ARGON2: &str = "auth_hot_vs_argon2";
const COLD: &str = "auth_cold_per_core";
const FLOOD: &str = "auth_hot_under_flood";
const MANY: &str = "auth_hot_100k_vs_100";

/// Keys, their texts, and who checks them.
struct Keys {
    tokens: Vec<String>,
    authenticator: Authenticator,
}

impl Keys {
    /// So many keys, ten of each account.
    async fn new(accounts: &[Arc<Account>], keys: usize, pool: &HashPool) -> Self {
        let random = SeededRandom::new(keys as u64);
        let mut tokens = Vec::with_capacity(keys);
        let mut kept = Vec::with_capacity(keys);
        for n in 0..keys {
            let token = KeyToken::generate(&random).expect("a seeded source has bytes");
            let hash = loop {
                match pool.hash(token.parsed().secret(), &random, HashParams::LIGHT).await {
                    Ok(hash) => break hash,
                    Err(error) => eprintln!("{error}"),
                }
            };
            let record = ApiKeyRecord {
                id: token.id(),
                owner: Scope::Account(accounts[n / 10].sid()),
                label: "benchmark".parse().expect("a word is a label"),
                hash,
                last_four: String::from_utf8_lossy(&token.last_four()).into_owned(),
                created: Timestamp::default(),
                created_by: "bench".parse().expect("a word is a subject"),
                expires: None,
                disabled: false,
                last_used: None,
                revision: gateway_accounts::Revision::FIRST,
            };
            kept.push(Arc::new(ApiKey::try_from(record).expect("the fields are valid")));
            tokens.push(token.reveal().to_owned());
        }
        let snapshot = Snapshot::from_accounts(Seq::START, accounts.iter().cloned()).expect("all differ");
        let snapshot = snapshot.with_keys(kept).expect("all differ, and their accounts are there");
        let store: Arc<dyn AccountStore> = Arc::new(MemoryStore::starting_from(snapshot, 0));
        let accounts = Accounts::new(Arc::clone(&store));
        let authenticator =
            Authenticator::new(Arc::clone(accounts.store()), pool.clone()).with_cache_size(2 * keys);
        Self { tokens, authenticator }
    }

    /// Checks each key once, so that all are known.
    async fn warm(&self) -> Duration {
        let start = Instant::now();
        for token in &self.tokens {
            self.authenticator.authenticate(token).await.expect("it is right");
        }
        start.elapsed()
    }

    /// The time of one hot authentication, in nanoseconds: the keys in turns, `count` in all.
    fn hot(&self, count: usize) -> f64 {
        let start = Instant::now();
        for token in self.tokens.iter().cycle().take(count) {
            let found = self.authenticator.authenticate_cached(black_box(token));
            assert!(matches!(black_box(found), Some(Ok(_))));
        }
        start.elapsed().as_secs_f64() * 1e9 / count as f64
    }
}

/// What a check can't do without: a keyed digest of the token, and a look-up by it. In nanoseconds.
fn digest_and_look_up(tokens: &[String], count: usize) -> f64 {
    let keyed = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("any length is a key");
    let digest = |token: &str| -> [u8; 32] {
        let mut mac = keyed.clone();
        mac.update(token.as_bytes());
        mac.finalize().into_bytes().into()
    };
    let known: HashMap<[u8; 32], usize> =
        tokens.iter().enumerate().map(|(n, token)| (digest(token), n)).collect();
    let start = Instant::now();
    for token in tokens.iter().cycle().take(count) {
        assert!(black_box(known.get(&digest(black_box(token)))).is_some());
    }
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

/// One Argon2id hash with the parameters that OWASP recommends for passwords, its memory at hand. In nanoseconds.
fn owasp() -> f64 {
    let params = argon2::Params::new(19_456, 2, 1, Some(32)).expect("they are within bounds");
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut memory = vec![argon2::Block::default(); 19_456];
    let mut hash = [0; 32];
    let mut run = || {
        argon2
            .hash_password_into_with_memory(b"a password", b"sixteen bytes of", &mut hash, &mut memory)
            .expect("the lengths are right");
    };
    run();
    let start = Instant::now();
    (0..5).for_each(|_| run());
    start.elapsed().as_secs_f64() * 1e9 / 5.0
}

/// The 99th percentile of hot authentications over so long, in nanoseconds.
fn p99(keys: &Keys, time: Duration) -> f64 {
    let mut times = Vec::new();
    let end = Instant::now() + time;
    for token in keys.tokens.iter().cycle() {
        let start = Instant::now();
        assert!(matches!(keys.authenticator.authenticate_cached(token), Some(Ok(_))));
        let done = Instant::now();
        times.push((done - start).as_nanos() as u64);
        if done > end {
            break;
        }
    }
    times.sort_unstable();
    times[times.len() * 99 / 100] as f64
}

pub async fn all(options: &Options, report: &mut Report) {
    let pool = HashPool::new();
    let hot = if options.quick { 10_000 } else { 500_000 };
    let accounts = crate::accounts::accounts(0, 10_000);
    let few = Keys::new(&accounts, 100, &pool).await;
    few.warm().await;

    let mut pairs = Vec::new();
    for _ in 0..options.repeats {
        pairs.push((few.hot(hot), digest_and_look_up(&few.tokens, hot), owasp()));
    }
    if options.wants(DIGEST) {
        report.ratio(DIGEST, pairs.iter().map(|(hot, digest, _)| hot / digest), "");
    }
    if options.wants(ARGON2) {
        report.ratio(ARGON2, pairs.iter().map(|(hot, _, owasp)| owasp / hot), "");
    }
    let spread = |of: &dyn Fn(&(f64, f64, f64)) -> f64| Spread::of(pairs.iter().map(of));
    let (ours, digest, owasp) = (spread(&|p| p.0), spread(&|p| p.1), spread(&|p| p.2));
    report.figure(&format!(
        "authenticate a cached key: {:.0} ns ({:.0} to {:.0}); digest and look-up {:.0} ns ({:.0} to {:.0}); Argon2id \
         (OWASP) {:.1} ms ({:.1} to {:.1})",
        ours.median,
        ours.low,
        ours.high,
        digest.median,
        digest.low,
        digest.high,
        owasp.median / 1e6,
        owasp.low / 1e6,
        owasp.high / 1e6
    ));

    if options.wants(COLD) {
        cold(&accounts, options, report).await;
    }
    if options.wants(FLOOD) {
        flood(&few, options, report).await;
    }
    if options.wants(MANY) {
        many(&accounts, &few, &pool, options, report).await;
    }
}

/// Keys that nobody has shown before, 64 at a time, checked by one thread.
async fn cold(accounts: &[Arc<Account>], options: &Options, report: &mut Report) {
    let count = if options.quick { 500 } else { 5_000 };
    let mut rates = Vec::new();
    for _ in 0..options.repeats {
        let pool = HashPool::with_limits(1, HashPool::DEFAULT_WAITING);
        let keys = Arc::new(Keys::new(accounts, count, &pool).await);
        let next = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (keys, next) = (Arc::clone(&keys), Arc::clone(&next));
                tokio::spawn(async move {
                    while let Some(token) = keys.tokens.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                        keys.authenticator
                            .authenticate(token)
                            .await
                            .expect("it is right, and the queue is long enough");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("callers do not panic");
        }
        rates.push(count as f64 / start.elapsed().as_secs_f64());
    }
    report.ratio(COLD, rates, "keys a second and core");
}

/// Hot authentications on a thread of their own while 64 tasks show wrong secrets, and before.
async fn flood(keys: &Keys, options: &Options, report: &mut Report) {
    let time = options.time(Duration::from_secs(2));
    let mut pairs = Vec::new();
    for _ in 0..options.repeats {
        let without = p99(keys, time);
        let stop = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
                let authenticator = keys.authenticator.clone();
                // Right in form, and wrong.
                let token = wrong(&keys.tokens[n % keys.tokens.len()], n as u64);
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        assert!(authenticator.authenticate(&token).await.is_err());
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let with = p99(keys, time);
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.expect("callers do not panic");
        }
        eprintln!("{} wrong keys refused meanwhile", refused.load(Ordering::Relaxed));
        pairs.push((with, without));
    }
    report.ratio(FLOOD, pairs.iter().map(|(with, without)| with / without), "");
    let (with, without) =
        (Spread::of(pairs.iter().map(|pair| pair.0)), Spread::of(pairs.iter().map(|pair| pair.1)));
    report.figure(&format!(
        "authenticate a cached key, p99: {:.0} ns ({:.0} to {:.0}) under a flood, {:.0} ns ({:.0} to {:.0}) without",
        with.median, with.low, with.high, without.median, without.low, without.high
    ));
}

/// A token with the id of this one and another secret.
fn wrong(token: &str, seed: u64) -> String {
    let other = KeyToken::generate(&SeededRandom::new(seed)).expect("a seeded source has bytes");
    let text = format!("{}{}", &token[..21], &other.reveal()[21..54]);
    // The checksum is CRC-32, in six base-62 digits.
    let mut checksum = crc32fast::hash(text.as_bytes());
    let mut digits = [0; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(checksum % 62) as usize];
        checksum /= 62;
    }
    format!("{text}{}", String::from_utf8_lossy(&digits))
}

/// 100,000 keys on 10,000 accounts.
async fn many(
    accounts: &[Arc<Account>],
    few: &Keys,
    pool: &HashPool,
    options: &Options,
    report: &mut Report,
) {
    let count = if options.quick { 1_000 } else { 100_000 };
    let before = resident();
    let keys = Keys::new(accounts, count, pool).await;
    let kept = resident();
    keys.warm().await;
    let cached = resident();
    let each = |bytes: u64| bytes as f64 / count as f64;
    let mut pairs = Vec::new();
    let hot = if options.quick { 10_000 } else { 500_000 };
    for _ in 0..options.repeats {
        pairs.push((keys.hot(hot), few.hot(hot)));
    }
    report.ratio(MANY, pairs.iter().map(|(many, few)| many / few), "");
    let tokens = keys.tokens.iter().map(|token| token.capacity() + size_of::<String>()).sum::<usize>() as u64;
    report.figure(&format!(
        "{count} keys on {} accounts: about {:.0} bytes a key in the store, and {:.0} more once it is cached; a cached one is \
         authenticated in {:.0} ns",
        accounts.len(),
        each((kept - before).saturating_sub(tokens)),
        each(cached - kept),
        Spread::of(pairs.iter().map(|pair| pair.0)).median
    ));
}
