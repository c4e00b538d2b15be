//! The snapshot at a million accounts, against a plain `HashMap` with the same keys and the same hasher: looking
//! up by realm in a tight loop, and when each look-up waits for the one before; applying a batch of one; memory;
//! building it, from accounts and by one batch.
//!
//! `cargo bench --bench snapshot` prints a line for each figure: a ratio with its median, lowest and highest of
//! interleaved repeats, then the absolute figures. The number of accounts can be given: `-- 100000`.

use foldhash::quality::RandomState;
use gateway_accounts::{
    Account, AccountRecord, AccountSid, Actor, Batch, Contract, Limit, Revision, Scope, SeededRandom, Seq,
    SipRealm, Snapshot, Status, Timestamp, Unit, WebhookSecret, Write,
};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const REPEATS: usize = 7;

/// A step of splitmix64: repeatable, and good enough to shuffle with.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// An account as customers have them: a name, a realm, limits, a generated secret. `follower` is the account that
/// a chain of look-ups goes to next.
fn account(n: u64, follower: usize) -> Account {
    let mut state = n;
    Account::try_from(AccountRecord {
        // As the crate generates them, for accounts that are created one after the other.
        sid: AccountSid::generate(Timestamp::from_millis(n as i64 * 1000), &SeededRandom::new(n)).unwrap(),
        name: format!("Customer {n} of the Benchmark").parse().unwrap(),
        unit: Unit::sessions(120),
        licensed_sessions: Limit::AtMost(100),
        sip_realm: Some(format!("r{:x}.sip.example.com", next(&mut state)).parse().unwrap()),
        former_webhook_secret: None,
        minutes_used: None,
        webhook_secret: WebhookSecret::import(&format!("whsec_{:043x}=", n)).unwrap(),
        device_calling_application: None,
        siprec_application: None,
        registration_webhook: None,
        queue_event_webhook: None,
        organisation: None,
        service_provider: Some("51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap()),
        contract: Contract::RESTRICTED,
        status: Status::Active,
        revision: Revision::FIRST,
        created: Timestamp::from_millis(n as i64),
        updated: Timestamp::from_millis(i64::try_from(follower).unwrap()),
    })
    .unwrap()
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Times two ways of doing the same in turns, and prints the ratio of each pair.
fn compare(name: &str, goal: &str, each: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
    ours();
    theirs();
    let mut pairs: Vec<(f64, Duration, Duration)> = (0..REPEATS)
        .map(|_| (timed(&mut ours), timed(&mut theirs)))
        .map(|(ours, theirs)| (ours.as_secs_f64() / theirs.as_secs_f64(), ours, theirs))
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (median, ours, theirs) = pairs[REPEATS / 2];
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / each as f64;
    println!("ratio {name} {median:.2} {:.2}..{:.2} (goal {goal})", pairs[0].0, pairs[REPEATS - 1].0);
    println!("      {:.0} ns against {:.0} ns", nanos(ours), nanos(theirs));
}

fn main() {
    let count = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000_usize);
    let look_ups = 1_000_000;
    let mut random = 42;

    // Each account leads to another: one cycle through all of them, in random order (Sattolo's shuffle).
    let mut followers: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        followers.swap(i, next(&mut random) as usize % i);
    }

    let before = resident();
    let accounts: Vec<Arc<Account>> = (0..count).map(|n| Arc::new(account(n as u64, followers[n]))).collect();
    let json: usize = accounts
        .iter()
        .step_by(101)
        .map(|account| serde_json::to_string(&AccountRecord::from(&**account)).unwrap().len())
        .sum::<usize>()
        / count.div_ceil(101);
    let build = Instant::now();
    let snapshot = Snapshot::from_accounts(Seq::START, accounts).unwrap();
    let build = build.elapsed();
    let bytes = (resident() - before) as usize / count;

    let mut map: HashMap<SipRealm, Arc<Account>, RandomState> =
        HashMap::with_capacity_and_hasher(count, RandomState::default());
    let mut by_number = vec![None; count];
    for account in snapshot.iter() {
        let realm = account.sip_realm().unwrap().clone();
        let number = usize::try_from(account.created().as_millis()).unwrap();
        map.insert(realm.clone(), Arc::clone(account));
        by_number[number] = Some(realm);
    }
    let realms: Vec<SipRealm> = by_number.into_iter().flatten().collect();
    // Written in the order of their use, so that fetching what is looked for costs next to nothing.
    let wanted: Vec<SipRealm> =
        (0..look_ups).map(|_| realms[next(&mut random) as usize % count].clone()).collect();

    println!("{count} accounts");
    compare(
        "read_realm_tight_vs_hashmap",
        "<= 3",
        look_ups,
        || wanted.iter().for_each(|realm| drop(black_box(snapshot.by_realm(realm).cloned()))),
        || wanted.iter().for_each(|realm| drop(black_box(map.get(realm).cloned()))),
    );
    let chain = |find: &dyn Fn(&SipRealm) -> Option<Arc<Account>>| {
        let mut at = 0;
        for _ in 0..look_ups {
            let account = find(&realms[at]).unwrap();
            at = usize::try_from(account.updated().as_millis()).unwrap();
        }
        black_box(at);
    };
    compare(
        "read_realm_dependent_vs_hashmap",
        "<= 1.3",
        look_ups,
        || chain(&|realm| snapshot.by_realm(realm).cloned()),
        || chain(&|realm| map.get(realm).cloned()),
    );
    drop(map);

    let actor = Actor::new(Scope::Admin, "bench".parse().unwrap());
    let sids: Vec<_> = snapshot.iter().map(|account| account.sid()).collect();
    let mut current = snapshot.clone();
    let mut apply = |name: &str, write: &mut dyn FnMut(&Snapshot, u64) -> Write| {
        let (mut steps, mut whole): (Vec<Duration>, Vec<Duration>) = (0..20_000)
            .map(|n| {
                let batch = Batch::new(actor.clone(), Timestamp::default()).with(write(&current, n));
                let start = Instant::now();
                let (after, change) = current.apply(&batch).unwrap();
                let step = start.elapsed();
                current = after;
                drop(change);
                (step, start.elapsed())
            })
            .unzip();
        steps.sort();
        whole.sort();
        let micros = |times: &[Duration], at: usize| times[at * (times.len() - 1) / 100].as_secs_f64() * 1e6;
        println!(
            "apply_{name}_us {:.1} (goal <= 20), 1 % {:.1}, 99 % {:.1}; with freeing the snapshot before it {:.1}",
            micros(&steps, 50),
            micros(&steps, 1),
            micros(&steps, 99),
            micros(&whole, 50)
        );
    };
    apply("create", &mut |_, n| Write::Create(Arc::new(account(count as u64 + n, 0))));
    apply("edit", &mut |snapshot, n| {
        let sid = sids[(n as usize * 7919) % sids.len()];
        let mut record = AccountRecord::from(&**snapshot.by_sid(sid).unwrap());
        record.name = format!("Renamed {n}").parse().unwrap();
        record.sip_realm = Some(format!("renamed-{n}.example").parse().unwrap());
        Write::Replace(Arc::new(Account::try_from(record).unwrap()))
    });
    apply("delete", &mut |snapshot, n| {
        let sid = sids[(n as usize * 6_700_417) % sids.len()];
        match snapshot.by_sid(sid) {
            Some(account) => Write::Delete { sid, expected: account.revision() },
            None => Write::Create(Arc::new(account(2 * count as u64 + n, 0))),
        }
    });

    println!("bytes_per_account {bytes} ({json} bytes of JSON, {:.2} times)", bytes as f64 / json as f64);
    println!("build_ns_per_account {:.0}", build.as_secs_f64() * 1e9 / count as f64);

    let empty = Batch::new(actor, Timestamp::default());
    let creates = snapshot.iter().cloned().map(Write::Create).fold(empty, Batch::with);
    let start = Instant::now();
    let created = black_box(Snapshot::empty().apply(&creates).unwrap());
    println!("create_in_one_batch_ns_per_account {:.0}", start.elapsed().as_secs_f64() * 1e9 / count as f64);
    drop(created);
}
