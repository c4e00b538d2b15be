//! Several processes on one database: whether what they were told has one order.

use crate::linearizability::{Edit, History, Operation, Outcome, Promise, Recorder, Told};
use crate::postgres::server;
use crate::world::{block_on, connect};
use gateway_accounts::testkit::{account, api_key, key_id, sid};
use gateway_accounts::{
    Account, AccountRecord, AccountStore, Directory, Feed, Limit, PostgresStoreOptions, Revision, Scope, Seq,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const CHILD: &str = "GATEWAY_ACCOUNTS_TEST_CHILD";
const CALLS: usize = 150;
/// So few that they get in each other's way.
const ACCOUNTS: u64 = 5;

/// What a child is told: its number, the URL, the schema and the seed.
fn orders() -> Option<[String; 4]> {
    let orders = std::env::var(CHILD).ok()?;
    let orders: Vec<String> = orders.lines().map(str::to_owned).collect();
    orders.try_into().ok()
}

fn seed() -> u64 {
    let given = std::env::var("GATEWAY_ACCOUNTS_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| rand::random_range(0..1_000_000))
}

/// The account of this number with a name and a realm that may be another's.
fn clashing(n: u64, revision: Revision, random: &mut StdRng) -> Account {
    let mut whose = || if random.random_bool(0.2) { random.random_range(0..ACCOUNTS) } else { n };
    let [name, realm] = [whose(), whose()];
    let record = AccountRecord {
        name: account(name).name().clone(),
        sip_realm: account(realm).sip_realm().cloned(),
        licensed_sessions: Limit::AtMost(random.random_range(0..1000)),
        revision,
        ..(&account(n)).into()
    };
    Account::try_from(record).unwrap()
}

fn edit(n: u64, seen: Option<Revision>, random: &mut StdRng) -> Edit {
    match seen {
        _ if random.random_bool(0.1) => {
            Edit::add_key(api_key(random.random_range(0..10), Scope::Account(sid(n))))
        }
        _ if random.random_bool(0.1) => {
            Edit::RevokeKey { id: key_id(random.random_range(0..10)), expected: Revision::FIRST }
        }
        None => Edit::create(clashing(n, Revision::FIRST, random)),
        Some(expected) if random.random_bool(0.2) => Edit::Delete { sid: sid(n), expected },
        Some(revision) => Edit::replace(clashing(n, revision, random)),
    }
}

fn read(n: u64, random: &mut StdRng) -> Operation {
    match random.random_range(0..7) {
        0 => Operation::ByName(account(n).name().clone()),
        1 => Operation::ByRealm(account(n).sip_realm().unwrap().clone()),
        2 => Operation::Keys(Scope::Account(sid(n))),
        3 => Operation::Key(key_id(n)),
        4 => Operation::List,
        5 => Operation::Snapshot,
        _ => Operation::Changes(Seq::new(random.random_range(0..50))),
    }
}

/// Makes calls, one after the other.
async fn make_calls(
    recorder: &mut Recorder<impl FnMut(&str)>,
    store: &dyn AccountStore,
    random: &mut StdRng,
) {
    for _ in 0..CALLS {
        let n = random.random_range(0..ACCOUNTS);
        if random.random_bool(0.3) {
            recorder.call(store, read(n, random)).await;
            continue;
        }
        let seen = match recorder.call(store, Operation::BySid(sid(n))).await {
            Some(Outcome::Account(Some(Told(account)))) => Some(account.revision()),
            _ => None,
        };
        let edits = (0..random.random_range(1..3)).map(|_| edit(n, seen, random)).collect();
        recorder.call(store, Operation::Commit(edits)).await;
    }
}

/// Looks at a directory, which goes forward and has what was committed through it.
async fn look(recorder: &mut Recorder<impl FnMut(&str)>, directory: &Directory, random: &mut StdRng) {
    for _ in 0..CALLS {
        let n = random.random_range(0..ACCOUNTS);
        if random.random_bool(0.2) {
            let seen = directory.look_up_sid(sid(n)).map(|account| account.revision());
            let edits = vec![edit(n, seen, random)];
            recorder.call(directory, Operation::Commit(edits)).await;
        }
        recorder.call(directory, Operation::Live).await;
    }
}

/// One of the processes; a test only when it is started by the one below.
#[test]
fn a_process() {
    let Some([number, url, schema, seed]) = orders() else { return };
    let options = PostgresStoreOptions::new().schema(&schema).unwrap().connections(4);
    let store = connect(options.commit_timeout(Duration::from_secs(60)), &url);
    let directory = block_on(Directory::follow(store.clone())).unwrap();
    let out = Mutex::new(std::io::stdout());
    let note = |line: &str| out.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    std::thread::scope(|scope| {
        for client in 0..3_u64 {
            let (store, directory, note, number) = (&store, &directory, &note, &number);
            let mut random = StdRng::seed_from_u64(
                seed.parse::<u64>().unwrap() * 100 + number.parse::<u64>().unwrap() * 10 + client,
            );
            scope.spawn(move || {
                let recorder = Recorder::new(format!("p{number}c{client}"), note);
                if client == 2 {
                    let mut recorder = recorder.promised(Promise::Session);
                    block_on(look(&mut recorder, directory, &mut random));
                } else {
                    let mut recorder = recorder;
                    block_on(make_calls(&mut recorder, store, &mut random));
                }
            });
        }
    });
}

/// Two processes and a network that is cut again and again: there is one order that explains everything.
#[test]
fn one_order_explains_what_two_processes_were_told() {
    let Some(server) = server() else { return };
    let (schema, seed) = (server.fresh_schema(), seed());
    eprintln!("GATEWAY_ACCOUNTS_SEED={seed}");
    let store = connect(crate::world::options(&schema), &server.url());
    let proxy = server.proxy();
    let mut children: Vec<_> = (0..2)
        .map(|number| {
            let orders = format!("{number}\n{}\n{}\n{seed}", server.url_at(proxy.address()), schema.name());
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "processes::a_process", "--nocapture", "--test-threads=1"])
                .env(CHILD, orders)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let history = Mutex::new(History::default());
    std::thread::scope(|scope| {
        for (nth, child) in children.iter_mut().enumerate() {
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let (history, proxy) = (&history, &proxy);
            scope.spawn(move || {
                for (count, line) in lines.map_while(Result::ok).enumerate() {
                    history.lock().unwrap().hear(&line);
                    // The two have the network cut at other moments.
                    if count % 400 == 150 + nth * 200 {
                        proxy.cut();
                    }
                }
            });
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut feed = Vec::new();
    loop {
        let after =
            feed.last().map_or(Seq::START, |change: &std::sync::Arc<gateway_accounts::Change>| change.seq);
        let Feed::Changes(more) = block_on(store.changes(after, 1000)).unwrap() else { panic!("trimmed") };
        if more.is_empty() {
            break;
        }
        feed.extend(more);
    }
    match history.into_inner().unwrap().check(&feed) {
        Ok(summary) => {
            eprintln!("{summary:?}");
            assert!(summary.committed > 100 && summary.reads > 100, "{summary:?}");
        }
        Err(violation) => panic!("seed {seed}: {violation}"),
    }
}
