//! Importing a million accounts with one call, over a store in memory: how much of the time is the front desk's own,
//! beyond what the store takes.
//!
//! `cargo bench --bench import` prints medians. The number of accounts can be given:
//! `-- 100000`. A second number is how many are in the store already: `-- 100000 1000000`.

use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountHistory, AccountRecord, AccountSid, AccountStore, Accounts, Actor, AnyApplication,
    Contract, ImportPhase, ImportProgress, Limit, MemoryStore, Revision, SeededRandom, Seq, Snapshot, Status,
    Timestamp, Unit, Webhook, WebhookSecret, WebhookUrl,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const REPEATS: usize = 5;

/// An account as customers have them, with both webhooks or none.
fn account(n: usize, hooks: bool) -> Account {
    let hook = |what: &str| {
        let url = format!("https://hooks.customer-{n}.example.com/{what}");
        hooks.then(|| Box::new(Webhook::new(WebhookUrl::parse(&url).unwrap())))
    };
    let at = Timestamp::from_millis(n as i64 * 1000);
    Account::try_from(AccountRecord {
        sid: AccountSid::generate(at, &SeededRandom::new(n as u64)).unwrap(),
        name: format!("Customer {n} of the Benchmark").parse().unwrap(),
        unit: Unit::sessions(120),
        licensed_sessions: Limit::AtMost(100),
        sip_realm: Some(format!("r{n:x}.sip.example.com").parse().unwrap()),
        former_webhook_secret: None,
        minutes_used: None,
        webhook_secret: WebhookSecret::import(&format!("whsec_{n:043x}=")).unwrap(),
        device_calling_application: None,
        siprec_application: None,
        registration_webhook: hook("register"),
        queue_event_webhook: hook("queue"),
        organisation: None,
        service_provider: Some("51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap()),
        contract: Contract::RESTRICTED,
        status: Status::Active,
        revision: Revision::new(3),
        created: at,
        updated: at,
    })
    .unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let answer = work();
    (start.elapsed(), answer)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (count, there) = (numbers.next().unwrap_or(1_000_000), numbers.next().unwrap_or(0));
    let admin = Actor::admin("bench").unwrap();
    for hooks in [false, true] {
        let before = (count..count + there).map(|n| Arc::new(account(n, hooks)));
        let before = Snapshot::from_accounts(Seq::new(1), before).unwrap();
        let fresh = || MemoryStore::starting_from(before.clone(), 10);
        let accounts: Vec<_> = (0..count).map(|n| account(n, hooks)).collect();
        let (mut whole, mut stores, mut own, mut scan) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            let (store, copies) = (fresh(), accounts.clone());
            let desk = Accounts::new(store.clone()).with_applications(AnyApplication);
            // When the store began to write, and when it was done.
            let writing = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&writing);
            let progress = move |progress: ImportProgress| {
                if progress.phase == ImportPhase::Writing {
                    noted.lock().unwrap().push(Instant::now());
                }
            };
            let (time, imported) = timed(|| block_on(desk.import_all(&admin, copies, progress)).unwrap());
            assert_eq!(imported, count);
            let writing = std::mem::take(&mut *writing.lock().unwrap());
            let store_time = writing[writing.len() - 1] - writing[0];
            whole.push(time);
            stores.push(store_time);
            own.push(time - store_time);
            // All events of the one commit are looked at.
            let history = AccountHistory::of(accounts[0].sid());
            scan.push(timed(|| block_on(store.history(&history)).unwrap()).0);
        }
        let [whole, store, own] = [whole, stores, own].map(median);
        let what = if hooks { "with two webhooks each" } else { "without webhooks" };
        println!("{count} accounts {what}, {there} there before: {whole:.0} ms");
        println!("      of which the store takes {store:.0} ms, the front desk {own:.0} ms");
        println!("      history of one of them: {:.1} ms", median(scan));
    }
}
