//! A day of calls on a real account file, in which the process is killed now and then.
//!
//! Calls are simulated by the millisecond: when each begins, is answered for, renewed and ended is drawn from a seed. Killing
//! the process is dropping the admission and the store without a word, of which the file has what was written by then. The
//! media servers and the records of calls are this test: they know which calls live, and how long each took.

use crate::world::{START, admin, id, secs};
use futures_lite::future::block_on;
use gateway_accounts::admission::{
    Admission, AdmissionOptions, Direction, LiveSession, Moment, SessionId, Terms,
};
use gateway_accounts::{AccountPatch, AccountSid, AccountStore, Accounts, FileStore, Limit, Timestamp, Unit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::env;
use std::path::Path;
use std::time::Duration;

const ACCOUNTS: usize = 100;
/// Somewhat more than an account has at a time.
const MAXIMUM: u32 = 45;
const DAY: i64 = 86_400_000;
const FLUSH: i64 = 10_000;

/// A call that lives.
struct Call {
    account: usize,
    id: SessionId,
    since: i64,
    ends: i64,
}

/// What happens next, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Begin,
    Renew(u64),
    End(u64),
    Flush,
    Reconcile,
    Crash,
}

struct Day {
    dice: StdRng,
    accounts: Vec<AccountSid>,
    terms: Terms,
    admission: Admission,
    store: FileStore,
    live: BTreeMap<u64, Call>,
    /// Calls that ended since the last flush, with when they did.
    ended: Vec<(Call, i64)>,
    /// What the calls' own records come to, in seconds: of those that have ended.
    records: Vec<i64>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    refused: u64,
    crashes: u64,
    expired: u64,
}

fn moment(millis: i64) -> Moment {
    Moment::new(
        Timestamp::from_millis(START + millis),
        Duration::from_millis(millis.unsigned_abs()) + secs(1_000_000),
    )
}

/// By the minute, as a record of a call is billed.
fn billed(millis: i64) -> i64 {
    (millis + 59_999) / 60_000 * 60
}

fn open(path: &Path) -> FileStore {
    block_on(FileStore::open(path)).unwrap()
}

impl Day {
    fn new(path: &Path, seed: u64) -> Self {
        let store = open(path);
        let front_desk = Accounts::new(store.clone());
        let accounts = (0..ACCOUNTS).map(|n| {
            // Half of them are limited by sessions, half by minutes, of which there are enough for the day.
            let unit = if n % 2 == 0 { Unit::sessions(MAXIMUM) } else { Unit::minutes(10_000_000) };
            let draft = AccountPatch::new()
                .name(format!("Customer {n}"))
                .unit(unit)
                .licensed_sessions(Limit::AtMost(40));
            block_on(front_desk.create(&admin(), draft)).unwrap().sid()
        });
        let accounts = accounts.collect();
        let terms = Terms::new();
        Self {
            dice: StdRng::seed_from_u64(seed),
            accounts,
            admission: Self::start(&store, &terms),
            terms,
            store,
            live: BTreeMap::new(),
            ended: Vec::new(),
            records: vec![0; ACCOUNTS],
            tally: Tally::default(),
        }
    }

    fn start(store: &FileStore, terms: &Terms) -> Admission {
        AdmissionOptions::new().terms(terms.clone()).start(store.clone())
    }

    fn begin(&mut self, now: i64, number: u64, agenda: &mut BinaryHeap<Reverse<(i64, Next)>>) {
        let account = self.dice.random_range(0..ACCOUNTS);
        let session = id(&format!("call-{number}"));
        let sid = self.accounts[account];
        self.tally.calls += 1;
        match self.admission.admit(sid, session.clone(), Direction::Inbound, moment(now)) {
            Ok(permit) => {
                permit.leave();
                // Most are short, some long.
                let minutes = if self.dice.random_range(0..20) == 0 { 40 } else { 4 };
                let ends = now + self.dice.random_range(0..minutes * 60_000);
                agenda.push(Reverse((ends, Next::End(number))));
                agenda.push(Reverse((now + 45_000, Next::Renew(number))));
                self.live.insert(number, Call { account, id: session, since: now, ends });
            }
            Err(refused) => {
                assert_eq!(refused.code(), "sessions");
                let running = self.live.values().filter(|call| call.account == account).count();
                assert_eq!(running, MAXIMUM as usize, "refused below the maximum, or admitted above it");
                self.tally.refused += 1;
            }
        }
    }

    fn renew(&mut self, now: i64, number: u64, agenda: &mut BinaryHeap<Reverse<(i64, Next)>>) {
        if let Some(call) = self.live.get(&number).filter(|call| call.ends > now) {
            self.admission.renew(self.accounts[call.account], &call.id, moment(now)).unwrap();
            agenda.push(Reverse((now + 45_000, Next::Renew(number))));
        }
    }

    fn end(&mut self, now: i64, number: u64) {
        let Some(call) = self.live.remove(&number) else { return };
        let ended = self.admission.release(self.accounts[call.account], &call.id, moment(now)).unwrap();
        if call.account % 2 == 1 {
            let charge = billed(now - call.since);
            assert_eq!(ended.charged_seconds(), Some(charge.unsigned_abs()));
            self.records[call.account] += charge;
        }
        self.ended.push((call, now));
    }

    fn flush(&mut self, now: i64) {
        block_on(self.admission.flush(moment(now))).unwrap();
        self.ended.clear();
    }

    /// What is counted and charged is what lives, and what the records come to.
    fn check(&self, now: i64) {
        let mut running = vec![0; ACCOUNTS];
        let mut charged = self.records.clone();
        for call in self.live.values() {
            running[call.account] += 1;
            if call.account % 2 == 1 {
                charged[call.account] += billed(now - call.since);
            }
        }
        for (n, sid) in self.accounts.iter().enumerate() {
            let usage = self.admission.usage(*sid, moment(now)).unwrap();
            assert_eq!(usage.active, running[n], "sessions of {n}");
            let used = usage.minutes.map_or(0, |minutes| minutes.used_seconds);
            assert_eq!(used.cast_signed(), charged[n], "seconds of {n}");
        }
    }

    /// Everything is gone but the file; some of the calls with it.
    fn crash(&mut self, now: i64, path: &Path) {
        self.tally.crashes += 1;
        drop(std::mem::replace(&mut self.admission, Admission::new(gateway_accounts::MemoryStore::new())));
        block_on(self.store.close());
        self.store = open(path);
        self.admission = Self::start(&self.store, &self.terms);
        // Their media server was on the same machine.
        let numbers: Vec<u64> = self.live.keys().copied().collect();
        let gone = self.dice.random_range(0..3) == 0;
        for number in numbers {
            if gone && self.dice.random_range(0..4) == 0 {
                let call = self.live.remove(&number).unwrap();
                if call.account % 2 == 1 {
                    self.records[call.account] += billed(now - call.since);
                }
                self.ended.push((call, now));
            }
        }
        let at = |millis: i64| moment(millis).at();
        let session =
            |call: &Call| LiveSession::new(self.accounts[call.account], call.id.clone(), at(call.since));
        let live = self.live.values().map(session);
        let ended = self.ended.iter().map(|(call, end)| session(call).ended(at(*end)));
        let report = self.admission.adopt(live.chain(ended), moment(now));
        assert_eq!((report.adopted.len(), report.known, report.unknown.len()), (self.live.len(), 0, 0));
        self.check(now);
    }

    fn reconcile(&self, now: i64) {
        let at = |millis: i64| moment(millis).at();
        let live = self
            .live
            .values()
            .map(|call| LiveSession::new(self.accounts[call.account], call.id.clone(), at(call.since)));
        let report = self.admission.reconcile(live, moment(now));
        assert_eq!((report.known, report.adopted.len(), report.freed.len()), (self.live.len(), 0, 0));
        assert!(self.admission.expire(moment(now)).is_empty());
    }
}

fn run(calls: u64, crashes: usize) {
    let seed: u64 = env::var("GATEWAY_ACCOUNTS_SEED").map_or(1, |seed| seed.parse().unwrap());
    eprintln!("the day is that of GATEWAY_ACCOUNTS_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.log");
    let mut day = Day::new(&path, seed);
    let mut agenda = BinaryHeap::new();
    let length = DAY * i64::try_from(calls).unwrap() / 2_000_000;
    for _ in 0..calls {
        agenda.push(Reverse((day.dice.random_range(0..length), Next::Begin)));
    }
    for _ in 0..crashes {
        agenda.push(Reverse((day.dice.random_range(0..length), Next::Crash)));
    }
    agenda.extend((1..=length / FLUSH).map(|n| Reverse((n * FLUSH, Next::Flush))));
    agenda.extend((1..=length / 600_000).map(|n| Reverse((n * 600_000, Next::Reconcile))));
    let mut number = 0;
    while let Some(Reverse((now, next))) = agenda.pop() {
        match next {
            Next::Begin => {
                number += 1;
                day.begin(now, number, &mut agenda);
            }
            Next::Renew(number) => day.renew(now, number, &mut agenda),
            Next::End(number) => day.end(now, number),
            Next::Flush => day.flush(now),
            Next::Reconcile => {
                day.reconcile(now);
                day.check(now);
            }
            Next::Crash => day.crash(now, &path),
        }
    }
    let end = length + 3_600_000;
    assert!(day.live.is_empty());
    day.check(end);
    day.flush(end);
    for (n, sid) in day.accounts.iter().enumerate() {
        let used = block_on(day.store.by_sid(*sid)).unwrap().unwrap().minutes_used().cloned();
        let seconds: u64 = used.iter().flat_map(|used| used.periods()).map(|period| period.seconds).sum();
        assert_eq!(seconds.cast_signed(), day.records[n], "what the file has of {n}");
    }
    eprintln!("{:?}, {} seconds charged", day.tally, day.records.iter().sum::<i64>());
    assert!(day.tally.crashes == crashes as u64 && day.tally.expired == 0);
    assert!(day.tally.refused > 100, "the day has become tame");
}

/// An hour and a bit of the day below.
#[test]
fn an_hour_of_calls_with_crashes() {
    run(100_000, 20);
}

#[test]
#[ignore = "two million calls take a minute with `--release`, and ten without"]
fn a_day_of_two_million_calls_with_crashes() {
    run(2_000_000, 200);
}
