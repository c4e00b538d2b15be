//! Histories that no correct store makes are found out, and others are not.

use crate::linearizability::{
    Call, Edit, History, Operation, Outcome, Promise, Recorder, Refusal, Summary, Told, Violation, now,
};
use gateway_accounts::testkit::{account, api_key, block_on, key_id, sid};
use gateway_accounts::{
    Account, AccountRecord, AccountStore, Actor, Batch, Change, Feed, Limit, MemoryStore, Revision, Scope,
    Seq, Snapshot, Timestamp, Write,
};
use std::sync::{Arc, Mutex};

/// Account 1 at this revision, with as many sessions.
fn at(revision: u64) -> Account {
    let record = AccountRecord {
        licensed_sessions: Limit::AtMost(u32::try_from(revision).unwrap()),
        revision: Revision::new(revision),
        ..(&account(1)).into()
    };
    Account::try_from(record).unwrap()
}

fn create() -> Operation {
    Operation::Commit(vec![Edit::create(at(1))])
}

/// From the revision before to this one.
fn replace(revision: u64) -> Operation {
    let seen = AccountRecord { revision: Revision::new(revision - 1), ..(&at(revision)).into() };
    Operation::Commit(vec![Edit::replace(Account::try_from(seen).unwrap())])
}

fn read() -> Operation {
    Operation::BySid(sid(1))
}

/// What a read of account 1 gives: of no revision, when it isn't there.
fn found(revision: u64) -> Outcome {
    Outcome::Account((revision > 0).then(|| Told(at(revision).into())))
}

fn committed(seq: u64) -> Outcome {
    Outcome::Committed(Seq::new(seq))
}

fn one(nth: u64, began: u64, operation: Operation, returned: Option<(u64, Outcome)>) -> Call {
    // A client makes one call after the other; so each of these, which overlap, has its own.
    Call { client: format!("c{nth}"), nth, began, operation, promise: Promise::Linearizable, returned }
}

/// A history of calls that each have a beginning, an operation, an end and an outcome.
fn history(calls: impl IntoIterator<Item = (u64, Operation, u64, Outcome)>) -> Vec<Call> {
    let calls = (0..).zip(calls);
    calls.map(|(nth, (began, asked, end, told))| one(nth, began, asked, Some((end, told)))).collect()
}

/// The feed that has these calls, in that order.
fn feed(calls: &[Call], order: &[usize]) -> Vec<Arc<Change>> {
    let mut state = Snapshot::empty();
    let changes = order.iter().map(|nth| {
        let (next, change) = state.apply(&batch(&calls[*nth])).unwrap();
        state = next;
        change.into()
    });
    changes.collect()
}

fn batch(call: &Call) -> Batch {
    let Operation::Commit(edits) = &call.operation else { panic!("{call} is no commit") };
    let writes = edits.iter().map(|edit| match edit.clone() {
        Edit::Create(Told(account)) => Write::Create(account),
        Edit::Replace(Told(account)) => Write::Replace(account),
        Edit::Delete { sid, expected } => Write::Delete { sid, expected },
        other => panic!("{other:?}"),
    });
    Batch::new(Actor::admin(&call.id()).unwrap(), Timestamp::default()).with_all(writes)
}

fn check(calls: &[Call], feed: &[Arc<Change>]) -> Result<Summary, Violation> {
    calls.iter().cloned().collect::<History>().check(feed)
}

/// The violation of calls of which the feed has these, in that order.
#[track_caller]
fn violation(calls: &[Call], order: &[usize]) -> Violation {
    let violation = check(calls, &feed(calls, order)).unwrap_err();
    // It can be told.
    assert!(violation.to_string().contains("/"), "{violation}");
    violation
}

#[test]
fn reads_during_a_commit_may_see_it_or_not() {
    for (first, second, is_right) in [(1, 1, true), (1, 2, true), (2, 2, true), (2, 1, false)] {
        let calls = history([
            (0, create(), 1, committed(1)),
            (10, replace(2), 19, committed(2)),
            (11, read(), 12, found(first)),
            (13, read(), 14, found(second)),
        ]);
        let checked = check(&calls, &feed(&calls, &[0, 1]));
        assert_eq!(checked.is_ok(), is_right, "{first}, {second}: {checked:?}");
        if is_right {
            assert_eq!(checked.unwrap(), Summary { committed: 2, reads: 2, ..Summary::default() });
        }
    }
}

#[test]
fn a_stale_read_is_found_and_why_it_is_stale() {
    let calls = history([
        (0, create(), 1, committed(1)),
        (2, replace(2), 3, committed(2)),
        (4, replace(3), 5, committed(3)),
        (6, read(), 7, found(2)),
    ]);
    let Violation::Stale { call, saw, at_least, because_of } = violation(&calls, &[0, 1, 2]) else {
        panic!()
    };
    assert_eq!((*call, saw.get(), at_least.get(), *because_of), (calls[3].clone(), 2, 3, calls[2].clone()));
    // Two reads that go back, while a commit is under way.
    let mut calls = calls;
    calls[2].returned = None;
    calls[3] = one(3, 6, read(), Some((7, found(3))));
    calls.push(one(4, 8, read(), Some((9, found(2)))));
    let Violation::Stale { call, because_of, .. } = violation(&calls, &[0, 1, 2]) else { panic!() };
    assert_eq!((*call, *because_of), (calls[4].clone(), calls[3].clone()));
    // Whoever follows the store may see it late, but does not go back either.
    calls[4].promise = Promise::Session;
    check(&calls, &feed(&calls, &[0, 1, 2])).unwrap();
    (calls[4].client, calls[4].nth) = (calls[3].client.clone(), 9);
    violation(&calls, &[0, 1, 2]);
}

#[test]
fn a_read_of_the_future_is_found() {
    let calls =
        history([(0, create(), 1, committed(1)), (2, read(), 3, found(2)), (4, replace(2), 5, committed(2))]);
    let Violation::Future { call, saw, at_most, because_of } = violation(&calls, &[0, 2]) else { panic!() };
    assert_eq!((*call, saw.get(), at_most.get(), *because_of), (calls[1].clone(), 2, 1, calls[2].clone()));
    // Also if nobody was told what became of the commit.
    let mut calls = calls;
    calls[2].returned = None;
    assert!(matches!(violation(&calls, &[0, 2]), Violation::Future { .. }));
}

#[test]
fn a_lost_write_is_found() {
    let calls = history([(0, create(), 1, committed(1)), (2, replace(2), 3, committed(2))]);
    let Violation::Lost { commit, is: None, .. } = violation(&calls, &[0]) else { panic!() };
    assert_eq!(*commit, calls[1]);
    // Acknowledged with another number than it has.
    let calls = history([(0, create(), 1, committed(1)), (2, replace(2), 3, committed(3))]);
    let Violation::Lost { said, is: Some(is), .. } = violation(&calls, &[0, 1]) else { panic!() };
    assert_eq!((said.get(), is.get()), (3, 2));
    // One update over another, both acknowledged.
    let calls = history([
        (0, create(), 1, committed(1)),
        (2, replace(2), 5, committed(2)),
        (3, replace(2), 4, committed(3)),
    ]);
    let mut feed = feed(&calls, &[0, 1]);
    let again = &feed[1];
    let by = Actor::admin(&calls[2].id()).unwrap();
    feed.push(Change::new(Seq::new(3), by, again.at, again.events.clone()).into());
    assert!(matches!(check(&calls, &feed), Err(Violation::Contradiction { .. })));
}

#[test]
fn commits_against_the_order_of_time_are_found() {
    let other = || Operation::Commit(vec![Edit::create(account(2))]);
    let calls = history([(0, create(), 1, committed(2)), (2, other(), 3, committed(1))]);
    let Violation::Reordered { lesser, greater } = violation(&calls, &[1, 0]) else { panic!() };
    assert_eq!((*lesser, *greater), (calls[1].clone(), calls[0].clone()));
    let calls = history([(0, create(), 3, committed(2)), (2, other(), 3, committed(1))]);
    check(&calls, &feed(&calls, &[1, 0])).unwrap();
}

#[test]
fn a_commit_that_took_effect_twice_is_found() {
    let calls = history([(0, create(), 1, committed(1))]);
    let mut feed = feed(&calls, &[0]);
    feed.push(Change::new(Seq::new(2), feed[0].actor.clone(), feed[0].at, feed[0].events.clone()).into());
    let Err(Violation::Twice { first, second, .. }) = check(&calls, &feed) else { panic!() };
    assert_eq!((first.get(), second.get()), (1, 2));
    // Or if it was acknowledged as the second.
    let calls = history([(0, create(), 1, committed(2))]);
    assert!(matches!(check(&calls, &feed), Err(Violation::Twice { .. })));
}

#[test]
fn a_feed_that_is_not_of_these_calls_is_found() {
    let calls = history([(0, create(), 1, committed(1)), (2, replace(2), 3, committed(2))]);
    let right = feed(&calls, &[0, 1]);
    assert!(matches!(check(&calls, &right[1..]), Err(Violation::Gap { .. })));
    let strangers = history([(0, create(), 1, committed(1)), (2, read(), 3, found(1))]);
    assert!(matches!(check(&strangers, &right), Err(Violation::Stranger { .. })));
    let other = Change::new(right[1].seq, right[1].actor.clone(), right[1].at, right[0].events.clone());
    let other = [Arc::clone(&right[0]), other.into()];
    assert!(matches!(check(&calls, &other), Err(Violation::OtherEffect { .. })));
    for denial in [Outcome::NotWritten, Outcome::Refused(Refusal::Missing(sid(1)))] {
        let mut calls = calls.clone();
        calls[1].returned = Some((3, denial));
        assert!(matches!(check(&calls, &right), Err(Violation::Denied { .. })));
    }
}

#[test]
fn a_commit_of_unknown_fate_is_later_or_never() {
    let known = [(0, create(), 1, committed(1)), (9, read(), 10, found(1)), (11, read(), 12, found(2))];
    let mut calls = history(known);
    calls.push(one(3, 2, replace(2), None));
    let summary = check(&calls, &feed(&calls, &[0, 3])).unwrap();
    assert_eq!(summary, Summary { committed: 1, unknown_done: 1, reads: 2, ..Summary::default() });
    // What is in no feed was never seen.
    assert!(matches!(violation(&calls, &[0]), Violation::Never { .. }));
    calls.remove(2);
    let summary = check(&calls, &feed(&calls, &[0])).unwrap();
    assert_eq!(summary, Summary { committed: 1, unknown_not_done: 1, reads: 1, ..Summary::default() });
}

#[test]
fn a_refusal_is_true_when_it_is_told() {
    let refused = |refusal, calls: [u64; 2]| {
        history([
            (0, create(), 1, committed(1)),
            (10, replace(2), 20, committed(2)),
            (calls[0], replace(2), calls[1], Outcome::Refused(refusal)),
        ])
    };
    let [one, two, three] = [1, 2, 3].map(Revision::new);
    let revision = |actual| Refusal::Revision { sid: sid(1), expected: one, actual };
    for during in [[11, 19], [11, 30], [21, 22]] {
        let calls = refused(revision(two), during);
        let summary = check(&calls, &feed(&calls, &[0, 1])).unwrap();
        assert_eq!(summary, Summary { committed: 2, refused: 1, ..Summary::default() });
    }
    assert!(matches!(violation(&refused(revision(two), [2, 3]), &[0, 1]), Violation::Future { .. }));
    let missing = Refusal::Missing(sid(1));
    assert!(matches!(violation(&refused(missing, [21, 22]), &[0, 1]), Violation::Stale { .. }));
    for never in [revision(three), revision(one), Refusal::Sid(sid(1)), Refusal::KeyMissing(key_id(1))] {
        let calls = refused(never.clone(), [11, 19]);
        assert!(matches!(violation(&calls, &[0, 1]), Violation::Never { .. }), "{never:?}");
    }
}

/// A step of splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn seed() -> u64 {
    std::env::var("GATEWAY_ACCOUNTS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed)
}

/// Small random histories, right ones and wrong ones: the check says what trying all orders says.
#[test]
fn the_check_says_what_trying_all_orders_says() {
    let seed = seed();
    let mut random = seed;
    let mut below = |bound: u64| next(&mut random) % bound;
    let (mut right, mut wrong) = (0, 0);
    for round in 0..20_000 {
        // A chain of commits, and reads of any of its states, at random times.
        let commits = below(4);
        let mut calls = Vec::new();
        for nth in 0..commits + below(4) {
            let is_commit = nth < commits;
            // Commits mostly in the order of their numbers.
            let began = if is_commit { nth * 3 + below(8) } else { below(16) };
            let end = began + 1 + below(8);
            let (asked, told) = match nth {
                0 if is_commit => (create(), committed(1)),
                nth if is_commit => (replace(nth + 1), committed(nth + 1)),
                _ if below(4) > 0 => (read(), found(below(commits + 1))),
                _ => {
                    let [seen, is] = [below(3) + 1, below(3) + 1].map(Revision::new);
                    let refusal = Refusal::Revision { sid: sid(1), expected: seen, actual: is };
                    (replace(seen.get() + 1), Outcome::Refused(refusal))
                }
            };
            let is_unknown = is_commit && below(5) == 0;
            calls.push(one(nth, began, asked, (!is_unknown).then_some((end, told))));
        }
        let order: Vec<usize> = (0..usize::try_from(commits).unwrap()).collect();
        let feed = feed(&calls, &order);
        let checked = check(&calls, &feed);
        let expected = has_an_order(&calls, &mut Vec::new(), order.len());
        assert_eq!(checked.is_ok(), expected, "seed {seed}, round {round}: {checked:?} of {calls:#?}");
        *(if expected { &mut right } else { &mut wrong }) += 1;
    }
    assert!(right > 2000 && wrong > 2000, "{right} were right, and {wrong} wrong");
}

/// Whether the calls can be put behind those that are placed already; the first so many are the feed's.
fn has_an_order(calls: &[Call], placed: &mut Vec<usize>, commits: usize) -> bool {
    if placed.len() == calls.len() {
        return true;
    }
    let number = placed.iter().filter(|nth| **nth < commits).count();
    let revision = u64::try_from(number).unwrap();
    for nth in 0..calls.len() {
        let is_first = |other: &usize| {
            *other == nth || placed.contains(other) || {
                let end = calls[*other].returned.as_ref().map_or(u64::MAX, |(at, _)| *at);
                end >= calls[nth].began
            }
        };
        if placed.contains(&nth) || !(0..calls.len()).all(|other| is_first(&other)) {
            continue;
        }
        let is_right = match (&calls[nth].operation, &calls[nth].returned) {
            (_, Some((_, Outcome::Refused(Refusal::Revision { expected, actual, .. })))) => {
                actual != expected && actual.get() == revision
            }
            (Operation::Commit(_), _) => nth == number,
            (_, Some((_, outcome))) => *outcome == found(revision),
            (_, None) => unreachable!("reads return"),
        };
        placed.push(nth);
        if is_right && has_an_order(calls, placed, commits) {
            return true;
        }
        placed.pop();
    }
    false
}

/// Four clients of a store in memory: the lines that they note are right, also without that of a commit's return; and not
/// with one answer that is wrong.
#[test]
fn what_clients_note_of_a_store_that_is_right_is_right() {
    let store = MemoryStore::new();
    let lines = Mutex::new(Vec::new());
    let seed = seed();
    std::thread::scope(|scope| {
        for client in 0..4_u64 {
            let (store, lines) = (&store, &lines);
            scope.spawn(move || {
                let note = |line: &str| lines.lock().unwrap().push(line.to_owned());
                let mut recorder = Recorder::new(format!("client {client}"), note);
                let mut random = seed ^ client;
                for _ in 0..300 {
                    let n = next(&mut random) % 3;
                    let operation = match next(&mut random) % 14 {
                        0..3 => {
                            Operation::Commit(vec![Edit::create(account(n)), Edit::create(account(n + 7))])
                        }
                        3..6 => Operation::Commit(vec![Edit::replace(account(n))]),
                        6 => {
                            let delete = |n| Edit::Delete { sid: sid(n), expected: Revision::FIRST };
                            Operation::Commit(vec![delete(n), delete(n + 7)])
                        }
                        7 => Operation::Commit(vec![Edit::add_key(api_key(n, Scope::Account(sid(n))))]),
                        8 => {
                            let id = key_id(n);
                            Operation::Commit(vec![Edit::RevokeKey { id, expected: Revision::FIRST }])
                        }
                        9 => Operation::ByName(account(n).name().clone()),
                        10 => Operation::ByRealm(account(n).sip_realm().unwrap().clone()),
                        11 => Operation::Keys(Scope::Account(sid(n))),
                        12 if n == 0 => Operation::Snapshot,
                        12 => Operation::List,
                        _ if n == 0 => Operation::Key(key_id(n)),
                        _ => Operation::Changes(Seq::new(5)),
                    };
                    block_on(recorder.call(store, operation)).unwrap();
                }
            });
        }
    });
    let lines = lines.into_inner().unwrap();
    let feed = all_changes(&store);
    let heard = |lines: &[String]| {
        let mut history = History::default();
        assert!(!history.hear("test result: ok"), "that is no call");
        lines.iter().for_each(|line| assert!(history.hear(line), "{line}"));
        history.check(&feed)
    };
    let summary = heard(&lines).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    assert!(summary.committed > 100 && summary.refused > 100 && summary.reads > 300, "{summary:?}");
    // Of the last that returned, nobody is told.
    let last = lines.iter().rposition(|line| line.contains("Committed")).unwrap();
    let rest = [&lines[..last], &lines[last + 1..]].concat();
    assert_eq!(heard(&rest).unwrap().unknown_done, 1);
    // One answer tells of a commit that nobody made.
    let mut wrong = lines.clone();
    let feed_read = wrong.iter_mut().find(|line| line.contains(r#""Changes":[["#)).unwrap();
    *feed_read = feed_read.replacen("[[", r#"[[4,"nobody"],["#, 1);
    assert!(heard(&wrong).is_err());
}

fn all_changes(store: &MemoryStore) -> Vec<Arc<Change>> {
    let Feed::Changes(changes) = block_on(store.changes(Seq::START, usize::MAX)).unwrap() else {
        panic!("the history was trimmed")
    };
    changes
}

#[test]
fn time_goes_on() {
    let before = now();
    assert!(before > 0 && now() >= before);
}
