//! Histories of concurrent calls, and whether one order of all calls explains them.
//!
//! A history is linearizable when its calls can be put in one order such that a call which returned before another
//! began comes before it, and a store that does one call after the other, in that order, answers each as it was
//! answered. The search for the order is that of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993)
//! with Lowe's memory of what was tried ("Testing for Linearizability", 2017).

use crate::model::scope::Scope;
use crate::snapshot::{Listing, Snapshot};
use crate::store::{AccountStore, CommitError};
use crate::testkit::caller::{
    Caller, add_key, create, delete, replace, replace_key, restore, restore_key, revoke_key,
};
use crate::testkit::executor::Started;
use crate::testkit::race::race;
use crate::testkit::sample::{batch, key_id, sid};
use crate::testkit::seed::Seed;
use crate::testkit::specification::{Edit, Entry, KeyEntry, Refusal, Specification};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

const THREADS: usize = 4;
const CALLS: usize = 15;

/// How many accounts, names and realms the callers fight over.
const NUMBERS: u64 = 3;

/// How many API keys of these accounts.
const KEYS: u64 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Commit(Edit),
    BySid(u64),
    ByName(u64),
    ByRealm(u64),
    Key(u64),
    /// The keys of an account.
    Keys(u64),
    List,
    Snapshot,
    Live,
    /// The number of the last change of the feed.
    Head,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed(u64),
    Refused(Refusal),
    Found(Option<(u64, Entry)>),
    FoundKey(Option<(u64, KeyEntry)>),
    ListedKeys(BTreeMap<u64, KeyEntry>),
    Listed(BTreeMap<u64, Entry>),
    Saw(Specification),
    Head(u64),
}

/// A call: when it began and returned, by a clock that all threads share, and with what. A commit that was given
/// up has not returned: it may have taken effect at any time since it began, or never.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    thread: usize,
    operation: Operation,
    began: usize,
    returned: Option<(usize, Outcome)>,
}

#[derive(Debug)]
pub(crate) struct History(Vec<Call>);

impl Specification {
    /// After the operation, if its outcome can be this one.
    fn step(&self, operation: &Operation, outcome: Option<&Outcome>) -> Option<Self> {
        let is_right = match (operation, outcome) {
            (Operation::Commit(edit), Some(Outcome::Committed(seq))) => {
                return self.edit(*edit, None).filter(|next| next.seq == *seq);
            }
            (Operation::Commit(edit), Some(Outcome::Refused(refusal))) => {
                return self.edit(*edit, Some(*refusal));
            }
            (Operation::Commit(edit), None) => return self.edit(*edit, None),
            (Operation::BySid(number), Some(Outcome::Found(found))) => {
                *found == self.accounts.get(number).map(|entry| (*number, *entry))
            }
            (Operation::ByName(name), Some(Outcome::Found(found))) => *found == self.by_name(*name),
            (Operation::ByRealm(realm), Some(Outcome::Found(found))) => *found == self.by_realm(*realm),
            (Operation::Key(number), Some(Outcome::FoundKey(found))) => {
                *found == self.keys.get(number).map(|key| (*number, *key))
            }
            (Operation::Keys(owner), Some(Outcome::ListedKeys(keys))) => {
                self.keys.iter().filter(|(_, key)| key.owner == *owner).eq(keys)
            }
            (Operation::List, Some(Outcome::Listed(accounts))) => *accounts == self.accounts,
            (Operation::Snapshot | Operation::Live, Some(Outcome::Saw(seen))) => seen == self,
            (Operation::Head, Some(Outcome::Head(seq))) => *seq == self.seq,
            _ => false,
        };
        is_right.then(|| self.clone())
    }
}

impl History {
    /// # Panics
    /// When no order of the calls explains them.
    #[track_caller]
    pub(crate) fn check(mut self) {
        if self.is_linearizable() {
            return;
        }
        self.0.sort_unstable_by_key(|call| call.began);
        let mut told = String::new();
        for Call { thread, operation, began, returned } in &self.0 {
            let (end, outcome) = match returned {
                Some((end, outcome)) => (end.to_string(), format!("{outcome:?}")),
                None => ("?".into(), "given up".into()),
            };
            told += &format!("{began:4} to {end:>4}  thread {thread}  {operation:?}: {outcome}\n");
        }
        panic!("no one order of these calls explains what they returned:\n{told}");
    }

    pub(crate) fn is_linearizable(&self) -> bool {
        assert!(self.0.len() <= 64, "a history has at most 64 calls, one for each bit");
        let returned = |call: &Call| call.returned.as_ref().map(|(at, _)| *at);
        let bits = || (0..).map(|nth| 1_u64 << nth).zip(&self.0);
        let to_explain: u64 = bits().filter(|(_, call)| call.returned.is_some()).map(|(bit, _)| bit).sum();
        let mut tried = HashSet::new();
        let mut open = vec![(0_u64, Specification::default())];
        while let Some((done, state)) = open.pop() {
            if done & to_explain == to_explain {
                return true;
            }
            let left = || bits().filter(|(bit, _)| done & bit == 0);
            // What began after another returned can't come before it.
            let first_return = left().filter_map(|(_, call)| returned(call)).min().unwrap_or(usize::MAX);
            for (bit, call) in left().filter(|(_, call)| call.began < first_return) {
                let outcome = call.returned.as_ref().map(|(_, outcome)| outcome);
                if let Some(next) = state.step(&call.operation, outcome)
                    && tried.insert((done | bit, next.clone()))
                {
                    open.push((done | bit, next));
                }
            }
        }
        false
    }
}

/// Runs a random program on a new store, and records it.
#[track_caller]
pub(crate) fn record(store: &impl AccountStore, seed: &Seed, program: usize) -> History {
    let (store, clock) = (Caller::new(store), AtomicUsize::new(0));
    let calls = race(THREADS, |thread| {
        let mut numbers = seed.numbers(program * THREADS + thread);
        let mut seen = Seen::default();
        let mut calls = Vec::new();
        for nth in 0..CALLS {
            let stamp = u32::try_from(thread * CALLS + nth).unwrap_or_default();
            let operation = random_operation(&mut numbers, stamp, &seen);
            let polls = if numbers.random_ratio(1, 12) { numbers.random_range(0..4) } else { usize::MAX };
            if numbers.random_ratio(1, 3) {
                thread::yield_now();
            }
            let began = clock.fetch_add(1, Ordering::SeqCst);
            let outcome = match &operation {
                Operation::Commit(edit) => commit(store, *edit, polls),
                read => Some(self::read(store, read)),
            };
            let returned = outcome.map(|outcome| (clock.fetch_add(1, Ordering::SeqCst), outcome));
            if let Some((_, outcome)) = &returned {
                seen.note(&operation, outcome);
            }
            calls.push(Call { thread, operation, began, returned });
        }
        calls
    });
    let mut calls: Vec<_> = calls.into_iter().flatten().collect();
    if store.store().live().is_none() {
        calls.retain(|call| call.operation != Operation::Live);
    }
    History(calls)
}

/// The revisions that a caller has seen last, of accounts and of keys, and whose these are.
#[derive(Default)]
struct Seen {
    accounts: BTreeMap<u64, u64>,
    keys: BTreeMap<u64, (u64, u64)>,
}

impl Seen {
    fn note(&mut self, operation: &Operation, outcome: &Outcome) {
        match (operation, outcome) {
            (_, Outcome::Found(Some((number, entry)))) => {
                self.accounts.insert(*number, entry.revision);
            }
            (_, Outcome::FoundKey(Some((number, key)))) => {
                self.keys.insert(*number, (key.revision, key.owner));
            }
            (Operation::Commit(edit), Outcome::Committed(_)) => match edit {
                Edit::Create(number, _) => drop(self.accounts.insert(*number, 1)),
                Edit::Restore(number, entry) => drop(self.accounts.insert(*number, entry.revision)),
                Edit::Replace(number, entry) => drop(self.accounts.insert(*number, entry.revision + 1)),
                Edit::Delete { number, .. } => drop(self.accounts.remove(number)),
                Edit::AddKey(number, key) => drop(self.keys.insert(*number, (1, key.owner))),
                Edit::RestoreKey(number, key) => drop(self.keys.insert(*number, (key.revision, key.owner))),
                Edit::ReplaceKey(number, key) => {
                    self.keys.insert(*number, (key.revision + 1, key.owner));
                }
                Edit::RevokeKey { number, .. } => drop(self.keys.remove(number)),
            },
            _ => {}
        }
    }
}

fn random_operation(numbers: &mut StdRng, stamp: u32, seen: &Seen) -> Operation {
    let number = numbers.random_range(0..NUMBERS);
    let revision = seen.accounts.get(&number).copied().unwrap_or(1);
    let key = numbers.random_range(0..KEYS);
    let (key_revision, owner) = seen.keys.get(&key).copied().unwrap_or((1, number));
    let entry = Entry {
        revision,
        name: numbers.random_range(0..NUMBERS),
        realm: numbers.random_ratio(2, 3).then(|| numbers.random_range(0..NUMBERS)),
        stamp,
    };
    match numbers.random_range(0..20) {
        14 => Operation::Commit(Edit::AddKey(key, KeyEntry { owner: number, revision: 1, stamp })),
        15 => {
            let revision = u64::from(stamp % 5);
            Operation::Commit(Edit::RestoreKey(key, KeyEntry { owner: number, revision, stamp }))
        }
        16 => Operation::Commit(Edit::ReplaceKey(key, KeyEntry { owner, revision: key_revision, stamp })),
        17 => Operation::Commit(Edit::RevokeKey { number: key, seen: key_revision }),
        18 => Operation::Key(key),
        19 => Operation::Keys(number),
        0..3 => Operation::Commit(Edit::Create(number, entry)),
        3 => {
            let revision = u64::from(stamp % 5);
            Operation::Commit(Edit::Restore(number, Entry { revision, ..entry }))
        }
        4..7 => Operation::Commit(Edit::Replace(number, entry)),
        7 => Operation::Commit(Edit::Delete { number, seen: revision }),
        8 => Operation::BySid(number),
        9 => Operation::ByName(number),
        10 => Operation::ByRealm(number),
        11 => Operation::List,
        12 => Operation::Snapshot,
        _ if numbers.random() => Operation::Live,
        _ => Operation::Head,
    }
}

/// What became of a commit that was polled at most so many times, if that is known.
#[track_caller]
fn commit(store: Caller<'_>, edit: Edit, polls: usize) -> Option<Outcome> {
    let write = match edit {
        Edit::Create(number, entry) => create(entry.to_account(number)),
        Edit::Restore(number, entry) => restore(entry.to_account(number)),
        Edit::Replace(number, entry) => replace(entry.to_account(number)),
        Edit::Delete { number, seen } => {
            let entry = Entry { revision: seen, name: 0, realm: None, stamp: 0 };
            delete(&entry.to_account(number))
        }
        Edit::AddKey(number, key) => add_key(key.to_key(number)),
        Edit::RestoreKey(number, key) => restore_key(key.to_key(number)),
        Edit::ReplaceKey(number, key) => replace_key(key.to_key(number)),
        Edit::RevokeKey { number, seen } => {
            revoke_key(&KeyEntry { owner: 0, revision: seen, stamp: 0 }.to_key(number))
        }
    };
    let Poll::Ready(result) = Started::new(store.store().commit(batch([write]))).poll_times(polls) else {
        return None;
    };
    match result {
        Ok(change) => Some(Outcome::Committed(change.seq.get())),
        Err(CommitError::Conflict(conflict)) => Some(Outcome::Refused(Refusal::of_conflict(&conflict, edit))),
        Err(CommitError::Store(error)) => panic!("the store failed: {error}"),
    }
}

#[track_caller]
fn read(store: Caller<'_>, operation: &Operation) -> Outcome {
    let saw = |snapshot: Snapshot| {
        let accounts = snapshot.iter().map(|account| Entry::of_account(account)).collect();
        let keys = snapshot.keys().map(|key| KeyEntry::of_key(key)).collect();
        Outcome::Saw(Specification { seq: snapshot.seq().get(), accounts, keys })
    };
    let found = match operation {
        Operation::BySid(number) => store.by_sid(sid(*number)),
        Operation::ByName(name) => store.by_name(&Entry::named(*name).to_account(0).name),
        Operation::ByRealm(realm) => {
            let account = Entry::named(*realm).to_account(0);
            store.by_realm(account.sip_realm.as_ref().expect("it has a realm"))
        }
        Operation::Key(number) => {
            return Outcome::FoundKey(store.key(key_id(*number)).map(|key| KeyEntry::of_key(&key)));
        }
        Operation::Keys(owner) => {
            let keys = store.keys(Scope::Account(sid(*owner)));
            return Outcome::ListedKeys(keys.iter().map(|key| KeyEntry::of_key(key)).collect());
        }
        Operation::List => {
            let page = store.page(Listing::new());
            return Outcome::Listed(page.accounts.iter().map(|account| Entry::of_account(account)).collect());
        }
        Operation::Snapshot => return saw(store.snapshot()),
        Operation::Live => return saw(store.store().live().unwrap_or_default()),
        Operation::Head => {
            return Outcome::Head(store.all_changes().last().map_or(0, |change| change.seq.get()));
        }
        Operation::Commit(_) => unreachable!("a commit is not a read"),
    };
    Outcome::Found(found.map(|account| Entry::of_account(&account)))
}

impl Entry {
    /// One with this name, and the realm of the same number.
    fn named(number: u64) -> Self {
        Self { revision: 1, name: number, realm: Some(number), stamp: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field::Field;

    /// A call that began and returned then.
    fn call(began: usize, returned: usize, operation: Operation, outcome: Outcome) -> Call {
        Call { thread: 0, operation, began, returned: Some((returned, outcome)) }
    }

    fn unknown(began: usize, operation: Operation) -> Call {
        Call { thread: 0, operation, began, returned: None }
    }

    /// The first state of an account, with this name.
    fn entry(name: u64) -> Entry {
        Entry { revision: 1, name, realm: None, stamp: 0 }
    }

    fn create(number: u64, name: u64) -> Operation {
        Operation::Commit(Edit::Create(number, entry(name)))
    }

    fn replace(number: u64, seen: u64, stamp: u32) -> Operation {
        Operation::Commit(Edit::Replace(number, Entry { revision: seen, stamp, ..entry(number) }))
    }

    fn found(number: u64, revision: u64, stamp: u32) -> Outcome {
        Outcome::Found(Some((number, Entry { revision, stamp, ..entry(number) })))
    }

    fn taken(field: Field, holder: u64) -> Outcome {
        Outcome::Refused(Refusal::Taken { field, holder })
    }

    #[track_caller]
    fn assert_linearizable(calls: impl Into<Vec<Call>>, expected: bool) {
        let history = History(calls.into());
        assert_eq!(history.is_linearizable(), expected, "{history:#?}");
    }

    use Operation::{ByName, BySid, Head, List, Snapshot};
    use Outcome::{Committed, Refused};

    #[test]
    fn a_read_during_a_commit_may_see_it_or_not_and_one_after_it_must() {
        let nothing = Outcome::Found(None);
        assert_linearizable([], true);
        assert_linearizable(
            [call(0, 2, create(1, 1), Committed(1)), call(1, 3, BySid(1), nothing.clone())],
            true,
        );
        assert_linearizable(
            [call(0, 2, create(1, 1), Committed(1)), call(1, 3, BySid(1), found(1, 1, 0))],
            true,
        );
        assert_linearizable(
            [call(0, 1, create(1, 1), Committed(1)), call(2, 3, BySid(1), found(1, 1, 0))],
            true,
        );
        // Stale, and out of the future.
        assert_linearizable([call(0, 1, create(1, 1), Committed(1)), call(2, 3, BySid(1), nothing)], false);
        assert_linearizable(
            [call(0, 1, BySid(1), found(1, 1, 0)), call(2, 3, create(1, 1), Committed(1))],
            false,
        );
    }

    #[test]
    fn two_reads_during_a_commit_may_not_go_back() {
        let reads = |first, second| {
            [
                call(0, 1, create(1, 1), Committed(1)),
                call(2, 9, replace(1, 1, 7), Committed(2)),
                call(3, 4, BySid(1), first),
                call(5, 6, ByName(1), second),
            ]
        };
        assert_linearizable(reads(found(1, 1, 0), found(1, 2, 7)), true);
        assert_linearizable(reads(found(1, 2, 7), found(1, 2, 7)), true);
        assert_linearizable(reads(found(1, 2, 7), found(1, 1, 0)), false);
    }

    #[test]
    fn no_update_is_lost() {
        let edits = |second, sees| {
            [
                call(0, 1, create(1, 1), Committed(1)),
                call(2, 5, replace(1, 1, 7), Committed(2)),
                call(3, 4, replace(1, 1, 8), second),
                call(6, 7, BySid(1), sees),
            ]
        };
        assert_linearizable(edits(Refused(Refusal::Revision { actual: 2 }), found(1, 2, 7)), true);
        assert_linearizable(edits(Committed(3), found(1, 2, 8)), false);
        assert_linearizable(edits(Committed(3), found(1, 3, 8)), false);
        assert_linearizable(edits(Refused(Refusal::Revision { actual: 2 }), found(1, 2, 8)), false);
        assert_linearizable(edits(Refused(Refusal::Revision { actual: 3 }), found(1, 2, 7)), false);
    }

    #[test]
    fn a_name_has_one_winner_and_the_loser_is_told_of_it() {
        let race = |second| [call(0, 3, create(1, 5), Committed(1)), call(1, 2, create(2, 5), second)];
        assert_linearizable(race(taken(Field::Name, 1)), true);
        assert_linearizable(race(Committed(2)), false);
        assert_linearizable(race(taken(Field::Name, 2)), false);
        assert_linearizable(race(taken(Field::SipRealm, 1)), false);
        assert_linearizable(race(Refused(Refusal::Missing)), false);
        // The loser returned before the winner began.
        assert_linearizable(
            [call(0, 1, create(2, 5), taken(Field::Name, 1)), call(2, 3, create(1, 5), Committed(1))],
            false,
        );
    }

    #[test]
    fn numbers_are_dense_and_in_the_order_of_the_commits() {
        let two = |first, second| {
            [call(0, 1, create(1, 1), Committed(first)), call(2, 3, create(2, 2), Committed(second))]
        };
        assert_linearizable(two(1, 2), true);
        assert_linearizable(two(2, 1), false);
        assert_linearizable(two(1, 3), false);
        assert_linearizable(two(1, 1), false);
        let head = |head| [call(0, 1, create(1, 1), Committed(1)), call(2, 3, Head, Outcome::Head(head))];
        assert_linearizable(head(1), true);
        assert_linearizable(head(0), false);
    }

    #[test]
    fn listings_and_snapshots_are_of_one_moment() {
        let one = |number| BTreeMap::from([(number, entry(number))]);
        let both = || BTreeMap::from([(1, entry(1)), (2, entry(2))]);
        let listed = |accounts| {
            [
                call(0, 1, create(1, 1), Committed(1)),
                call(2, 5, create(2, 2), Committed(2)),
                call(3, 4, List, Outcome::Listed(accounts)),
            ]
        };
        assert_linearizable(listed(one(1)), true);
        assert_linearizable(listed(both()), true);
        assert_linearizable(listed(one(2)), false);
        assert_linearizable(listed(BTreeMap::new()), false);
        let saw = |seq, accounts| {
            let [first, second, read] = listed(BTreeMap::new());
            let seen = Specification { seq, accounts, ..Specification::default() };
            let returned = Some((4, Outcome::Saw(seen)));
            [first, second, Call { operation: Snapshot, returned, ..read }]
        };
        assert_linearizable(saw(2, both()), true);
        assert_linearizable(saw(1, both()), false);
    }

    #[test]
    fn a_key_is_never_there_without_its_account() {
        let key = KeyEntry { owner: 1, revision: 1, stamp: 0 };
        let add = || Operation::Commit(Edit::AddKey(0, key));
        let delete = Operation::Commit(Edit::Delete { number: 1, seen: 1 });
        let there = || Outcome::FoundKey(Some((0, key)));
        let of_account = |keys: &[(u64, KeyEntry)]| Outcome::ListedKeys(keys.iter().copied().collect());
        let during = |added, deleted, read, seen| {
            [
                call(0, 1, create(1, 1), Committed(1)),
                call(2, 7, add(), added),
                call(3, 6, delete.clone(), deleted),
                call(4, 5, read, seen),
            ]
        };
        use Operation::{Key, Keys};
        let missing = || Refused(Refusal::Missing);
        assert_linearizable(during(Committed(2), Committed(3), Key(0), there()), true);
        assert_linearizable(during(Committed(2), Committed(3), Keys(1), of_account(&[(0, key)])), true);
        assert_linearizable(during(Committed(2), Committed(3), Keys(1), of_account(&[])), true);
        assert_linearizable(during(missing(), Committed(2), Key(0), Outcome::FoundKey(None)), true);
        assert_linearizable(during(missing(), Committed(2), Key(0), there()), false);
        assert_linearizable(during(Committed(3), Committed(2), Key(0), there()), false);
        // Afterwards it is gone, and its id free.
        let afterwards = |read, seen| {
            [
                call(0, 1, create(1, 1), Committed(1)),
                call(2, 3, add(), Committed(2)),
                call(4, 5, delete.clone(), Committed(3)),
                call(6, 7, read, seen),
            ]
        };
        assert_linearizable(afterwards(Key(0), Outcome::FoundKey(None)), true);
        assert_linearizable(afterwards(Key(0), there()), false);
        assert_linearizable(afterwards(Keys(1), of_account(&[(0, key)])), false);
        assert_linearizable(afterwards(add(), missing()), true);
        assert_linearizable(afterwards(add(), Refused(Refusal::KeyTaken)), false);
        let stale = Operation::Commit(Edit::RevokeKey { number: 0, seen: 1 });
        assert_linearizable(afterwards(stale.clone(), Refused(Refusal::KeyMissing)), true);
        assert_linearizable(afterwards(stale, Refused(Refusal::KeyRevision { actual: 1 })), false);
    }

    #[test]
    fn a_commit_of_unknown_fate_is_later_or_never_but_not_half_and_not_earlier() {
        let nothing = || Outcome::Found(None);
        let given_up = |first, second| {
            [unknown(2, create(1, 1)), call(3, 4, BySid(1), first), call(5, 6, BySid(1), second)]
        };
        assert_linearizable(given_up(nothing(), nothing()), true);
        assert_linearizable(given_up(nothing(), found(1, 1, 0)), true);
        assert_linearizable(given_up(found(1, 1, 0), found(1, 1, 0)), true);
        assert_linearizable(given_up(found(1, 1, 0), nothing()), false);
        assert_linearizable([call(0, 1, BySid(1), found(1, 1, 0)), unknown(2, create(1, 1))], false);
        // It used a number if it took effect, and none if it did not.
        let next = |seq| [unknown(0, create(1, 1)), call(1, 2, create(2, 2), Committed(seq))];
        assert_linearizable(next(1), true);
        assert_linearizable(next(2), true);
        assert_linearizable(next(3), false);
    }
}
