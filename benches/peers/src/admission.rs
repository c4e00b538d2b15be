//! Admitting a session and releasing it: over a counter that checks nothing, on two threads at once, over Redis, and how much
//! memory a running session takes.

use crate::Options;
use crate::accounts::{account, accounts, next};
use crate::report::{Report, Spread};
use dashmap::DashMap;
use gateway_accounts::admission::{Admission, Direction, Moment, SessionId};
use gateway_accounts::{Account, AccountRecord, AccountSid, Limit, MemoryStore, Seq, Snapshot, Unit};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const COUNTER: &str = "admit_release_vs_counter";
const TWO: &str = "admit_release_2t";
const REDIS: &str = "admit_release_vs_redis";
const MEMORY: &str = "sessions_1m";

pub const ALL: [&str; 4] = [COUNTER, TWO, REDIS, MEMORY];

/// How a process is told to print how much memory sessions take.
pub const MEMORY_OF: &str = "--memory-of-sessions";

const ACCOUNTS: u64 = 10_000;

pub fn all(options: &Options, report: &mut Report) {
    if options.wants(COUNTER) || options.wants(REDIS) {
        one_thread(options, report);
    }
    if options.wants(TWO) {
        two_threads(options, report);
    }
    if options.wants(MEMORY) {
        memory(options, report);
    }
}

/// An account with room for all sessions, of no service provider, whose sessions would be counted too.
fn roomy(n: u64, unit: Unit) -> Arc<Account> {
    let licensed_sessions = Limit::AtMost(1_000_000);
    let record = AccountRecord {
        unit,
        licensed_sessions,
        service_provider: None,
        ..AccountRecord::from(&*account(n))
    };
    Arc::new(Account::try_from(record).expect("the fields fit together"))
}

fn admission(accounts: impl IntoIterator<Item = Arc<Account>>) -> Admission {
    let snapshot = Snapshot::from_accounts(Seq::START, accounts).expect("all differ");
    Admission::new(MemoryStore::starting_from(snapshot, 1000))
}

/// The `Call-ID` of a session, as media servers make them.
fn call_id(n: u64) -> String {
    let mut state = n;
    let (high, low) = (next(&mut state), next(&mut state));
    let hex = format!("{high:016x}{low:016x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn time(count: usize, mut one: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..count).for_each(&mut one);
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn one_thread(options: &Options, report: &mut Report) {
    let unit = Unit::sessions(1_000_000);
    let of_none = admission((0..ACCOUNTS).map(|n| roomy(n, unit)));
    // The same accounts, but all of one service provider.
    let all = accounts(0, ACCOUNTS);
    let sids: Vec<AccountSid> = all.iter().map(|account| account.sid()).collect();
    let of_one = admission(all);
    let counters: DashMap<AccountSid, AtomicU32> = sids.iter().map(|sid| (*sid, AtomicU32::new(0))).collect();
    let count = if options.quick { 10_000 } else { 2_000_000 };
    let mut state = 7;
    let order: Vec<AccountSid> = (0..count).map(|_| sids[(next(&mut state) % ACCOUNTS) as usize]).collect();
    let ids: Vec<String> = (0..4096).map(call_id).collect();
    let mut count_up_and_down = |n: usize| {
        if let Some(counter) = counters.get(black_box(&order[n])) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(counter) = counters.get(black_box(&order[n])) {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    };
    let now = Moment::now();
    let admit_and_release = |admission: &Admission, n: usize| {
        let id = SessionId::parse(black_box(&ids[n % ids.len()])).expect("it is an id");
        let permit =
            admission.admit(black_box(order[n]), id, Direction::Inbound, now).expect("there is room");
        permit.release(now).expect("it is running");
    };
    let mut round = || {
        let counter = time(count, &mut count_up_and_down);
        let [ours, provider] =
            [&of_none, &of_one].map(|admission| time(count, |n| admit_and_release(admission, n)));
        [counter, ours, provider]
    };
    round();
    let rounds: Vec<[f64; 3]> = (0..options.repeats).map(|_| round()).collect();
    let [counter, ours, provider] = [0, 1, 2].map(|of| Spread::of(rounds.iter().map(|round| round[of])));
    if options.wants(COUNTER) {
        report.ratio(COUNTER, rounds.iter().map(|[counter, ours, _]| ours / counter), "");
        report.figure(&format!(
            "admit and release among {ACCOUNTS} accounts: {:.0} ns ({:.0} to {:.0}), of a service provider {:.0} ns; counter up and down {:.0} ns",
            ours.median, ours.low, ours.high, provider.median, counter.median
        ));
    }
    if options.wants(REDIS) {
        redis(options, report, &order, &mut |n| admit_and_release(&of_none, n));
    }
}

fn redis(options: &Options, report: &mut Report, order: &[AccountSid], ours: &mut impl FnMut(usize)) {
    let server = match Redis::start() {
        Ok(server) => server,
        Err(why) => {
            report.not_measured(REDIS, &why);
            return;
        }
    };
    let count = if options.quick { 1000 } else { 20_000 };
    let mut connection = server.connect();
    // Both commands of a session in one write, and both replies in one read.
    let mut pair = |n: usize| connection.up_and_down(&order[n..=n]);
    time(count, &mut pair);
    let rounds: Vec<[f64; 2]> =
        (0..options.repeats).map(|_| [time(count, &mut pair), time(count, &mut *ours)]).collect();
    report.ratio(REDIS, rounds.iter().map(|[redis, ours]| redis / ours), "");
    let each = Spread::of(rounds.iter().map(|[redis, _]| *redis));
    // As at the beginning and at the end of a call, each waiting for its reply.
    let apart = Spread::of((0..options.repeats).map(|_| {
        time(count, |n| {
            connection.send(&order[n..=n], &["INCR"]);
            connection.send(&order[n..=n], &["DECR"]);
        })
    }));
    let many = Spread::of(
        (0..options.repeats)
            .map(|_| time(count / 100, |n| connection.up_and_down(&order[n * 100..][..100])) / 100.0),
    );
    report.figure(&format!(
        "Redis INCR and DECR in one write: {:.1} us; in two, each with its reply {:.1} us; of a hundred sessions in one write {:.1} us each",
        each.median / 1000.0,
        apart.median / 1000.0,
        many.median / 1000.0
    ));
}

/// A server of its own, on a loopback port, that keeps nothing.
struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    fn start() -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("redis-server does not start: {error}"))?;
        let server = Self { process, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return Err("redis-server does not answer".to_owned());
            }
            thread::yield_now();
        }
        Ok(server)
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it has answered");
        stream.set_nodelay(true).expect("it is a socket");
        Connection { stream, request: Vec::new(), reply: Vec::new() }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Connection {
    fn up_and_down(&mut self, accounts: &[AccountSid]) {
        self.send(accounts, &["INCR", "DECR"]);
        assert!(self.reply.starts_with(b":1\r\n:0\r\n"), "{:?}", String::from_utf8_lossy(&self.reply));
    }

    fn send(&mut self, accounts: &[AccountSid], commands: &[&str]) {
        self.request.clear();
        for sid in accounts {
            for command in commands {
                let key = format!("incalls:account:{sid}");
                write!(self.request, "*2\r\n$4\r\n{command}\r\n${}\r\n{key}\r\n", key.len())
                    .expect("memory takes it");
            }
        }
        self.stream.write_all(&self.request).expect("the server reads");
        // Each reply is a line like `:1`.
        self.reply.resize(accounts.len() * commands.len() * ":1\r\n".len(), 0);
        self.stream.read_exact(&mut self.reply).expect("the server answers");
    }
}

/// Two threads with one account, over one.
fn two_threads(options: &Options, report: &mut Report) {
    let account = roomy(0, Unit::sessions(1_000_000));
    let sid = account.sid();
    let admission = admission([account]);
    let count = if options.quick { 10_000 } else { 2_000_000 };
    let run = |threads: usize| {
        let barrier = Barrier::new(threads);
        let work = |thread: usize| {
            let ids: Vec<String> = (0..1024).map(|n| call_id(n + 1024 * thread as u64)).collect();
            let now = Moment::now();
            barrier.wait();
            let start = Instant::now();
            for n in 0..count {
                let id = SessionId::parse(&ids[n % ids.len()]).expect("it is an id");
                let permit = admission.admit(sid, id, Direction::Inbound, now).expect("there is room");
                permit.release(now).expect("it is running");
            }
            (start, Instant::now())
        };
        let work = &work;
        let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        let start = times.iter().map(|(start, _)| *start).min().expect("there is one");
        let end = times.iter().map(|(_, end)| *end).max().expect("there is one");
        (threads * count) as f64 / (end - start).as_secs_f64()
    };
    run(2);
    let rounds: Vec<[f64; 2]> = (0..options.repeats).map(|_| [run(1), run(2)]).collect();
    report.ratio(TWO, rounds.iter().map(|[one, two]| two / one), "");
    let [one, two] = [0, 1].map(|of| Spread::of(rounds.iter().map(|round| round[of])));
    report.figure(&format!(
        "admissions and releases of one account: {:.1} M/s on one thread, {:.1} M/s on two",
        one.median / 1e6,
        two.median / 1e6
    ));
}

fn memory(options: &Options, report: &mut Report) {
    let count: u64 = if options.quick { 10_000 } else { 1_000_000 };
    let of = |unit: &str| {
        let program = std::env::current_exe().expect("this program is a file");
        let output = Command::new(program).args([MEMORY_OF, &count.to_string(), unit]).output();
        let output = output.expect("this program starts");
        let text = String::from_utf8(output.stdout).expect("it prints a number");
        text.trim().parse::<f64>().expect("it prints a number")
    };
    let sessions: Vec<f64> = (0..options.repeats.min(3)).map(|_| of("sessions")).collect();
    report.ratio(MEMORY, sessions, "");
    report.figure(&format!("{count} sessions of accounts with minutes: {:.0} bytes each", of("minutes")));
}

/// Prints how many bytes of memory each of so many sessions takes.
pub fn print_memory(count: u64, unit: &str) {
    let unit = if unit == "minutes" { Unit::minutes(u32::MAX) } else { Unit::sessions(1_000_000) };
    let accounts: Vec<_> = (0..ACCOUNTS).map(|n| roomy(n, unit)).collect();
    let sids: Vec<AccountSid> = accounts.iter().map(|account| account.sid()).collect();
    let admission = admission(accounts);
    let now = Moment::now();
    let admit = |n: u64| {
        let id = SessionId::parse(&call_id(n)).expect("it is an id");
        let sid = sids[(n % ACCOUNTS) as usize];
        admission.admit(sid, id, Direction::Inbound, now).expect("there is room").leave();
    };
    // What is kept of each account is there before.
    for (n, sid) in (0..).zip(&sids) {
        let id = SessionId::parse(&format!("first-{n}")).expect("it is an id");
        admission.admit(*sid, id, Direction::Inbound, now).expect("there is room").release(now);
    }
    let before = resident();
    (0..count).for_each(admit);
    let after = resident();
    assert_eq!(admission.figures(now).active, count);
    println!("{}", (after - before) / count as f64);
}

/// The resident memory of this process, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has that line");
    let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
    kilobytes * 1024.0
}
