//! When calls fail, what is there is still whole, and nobody is told otherwise.

use crate::accounts::{Accounts, Error, WhileRunning};
use crate::clock::ManualClock;
use crate::model::account::Account;
use crate::model::patch::AccountPatch;
use crate::model::unit::{Limit, Unit};
use crate::random::SeededRandom;
use crate::snapshot::{Event, Seq, Snapshot};
use crate::store::{AccountStore, CommitError, StoreErrorKind};
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, content, create, delete, replace, restore};
use crate::testkit::executor::block_on;
use crate::testkit::faults::FaultyStore;
use crate::testkit::sample::{admin, batch, now, sid};
use crate::testkit::seed::Seed;
use crate::testkit::specification::{Edit, Entry, Refusal, Specification};
use rand::RngExt;
use std::sync::Arc;

/// How often a call fails: one of so many.
const ONE_OF: u32 = 4;

/// A random program whose calls fail now and then, before they reach the store or after, finds what a model of it
/// has: a commit that failed is there whole or not at all, and every other is as it was answered.
pub fn a_failed_commit_happened_whole_or_not_at_all<B: Backend>(backend: &B) {
    const CALLS: u32 = 400;
    let fresh = Fresh::new(backend);
    let (behind, store) = (Caller::new(&**fresh.store()), FaultyStore::new(Arc::clone(fresh.store())));
    let seed = Seed::from_environment();
    let mut numbers = seed.numbers(0);
    let mut model = Specification::default();
    for stamp in 0..CALLS {
        store.fail_at_random(numbers.random(), ONE_OF);
        let number = numbers.random_range(0..4);
        let revision = match model.accounts.get(&number) {
            Some(entry) if numbers.random_ratio(9, 10) => entry.revision,
            _ => numbers.random_range(1..4),
        };
        let (name, realm) = (numbers.random_range(0..6), Some(numbers.random_range(0..6)));
        let entry = Entry { revision, name, realm, stamp };
        let (edit, write) = match numbers.random_range(0..5) {
            0 => (Edit::Create(number, entry), create(entry.to_account(number))),
            1 => (Edit::Restore(number, entry), restore(entry.to_account(number))),
            2 | 3 => (Edit::Replace(number, entry), replace(entry.to_account(number))),
            _ => (Edit::Delete { number, seen: revision }, delete(&entry.to_account(number))),
        };
        let applied = model.edit(edit, None);
        match block_on(store.commit(batch([write]))) {
            Ok(change) => {
                model = applied.unwrap_or_else(|| panic!("{edit:?} was accepted, of {model:?}"));
                assert_eq!(change.seq, Seq::new(model.seq));
            }
            Err(CommitError::Conflict(conflict)) => {
                let refusal = Refusal::of_conflict(&conflict, edit);
                assert!(
                    model.edit(edit, Some(refusal)).is_some(),
                    "{edit:?} was refused: {conflict}; {model:?}"
                );
            }
            Err(CommitError::Store(error)) => {
                // Nobody knows, until it is read back.
                let is_unknown = error.kind() == StoreErrorKind::Io;
                if let Some(applied) =
                    applied.filter(|applied| is_unknown && seen(&behind.snapshot()) == *applied)
                {
                    model = applied;
                }
                store.reopen();
            }
        }
        assert_eq!(seen(&behind.snapshot()), model, "after {edit:?}");
        store.fail_at_random(numbers.random(), ONE_OF);
        if let Ok(found) = block_on(store.by_sid(sid(number))) {
            let found = found.map(|account| Entry::of_account(&account).1);
            assert_eq!(found.as_ref(), model.accounts.get(&number), "a read that did not fail is wrong");
        }
        store.reopen();
    }
    assert_eq!(behind.all_changes().len() as u64, model.seq);
}

#[track_caller]
fn seen(snapshot: &Snapshot) -> Specification {
    let accounts = snapshot.iter().map(|account| Entry::of_account(account)).collect();
    Specification { seq: snapshot.seq().get(), accounts, ..Specification::default() }
}

/// Whatever calls to the store fail, [`Accounts`] on top reports success only for what is there, a failure that
/// is not the store's only for what is not, and never does more than one commit.
pub fn the_front_desk_never_claims_what_is_not_there<B: Backend>(backend: &B) {
    const CALLS: u64 = 300;
    let fresh = Fresh::new(backend);
    let (behind, store) =
        (Caller::new(&**fresh.store()), Arc::new(FaultyStore::new(Arc::clone(fresh.store()))));
    let seed = Seed::from_environment();
    let mut numbers = seed.numbers(1);
    let desk = Accounts::new(Arc::clone(&store))
        .with_clock(ManualClock::new(now()))
        .with_random(SeededRandom::new(numbers.random()));
    let actor = admin();
    for call in 0..CALLS {
        let before = behind.snapshot();
        let chosen = match before.len() {
            0 => None,
            many => before.iter().nth(numbers.random_range(0..many)).cloned(),
        };
        let name = format!("Account {}", numbers.random_range(0..10));
        let licensed = Limit::AtMost(u32::try_from(call).unwrap_or_default());
        let patch = AccountPatch::new().unit(Unit::sessions(u32::MAX)).licensed_sessions(licensed);
        store.fail_at_random(numbers.random(), 2 * ONE_OF);
        let result = match (numbers.random_range(0..4), chosen) {
            (0, Some(account)) => {
                let doing = desk.delete(&actor, account.sid, account.revision, WhileRunning::Refuse);
                block_on(doing).map(Event::Deleted)
            }
            (1 | 2, Some(before)) => {
                let patch = if numbers.random() { patch.name(name) } else { patch };
                let doing = desk.edit(&actor, before.sid, before.revision, patch);
                block_on(doing).map(|after| Event::Replaced { before, after })
            }
            _ => block_on(desk.create(&actor, patch.name(name))).map(Event::Created),
        };
        store.reopen();

        let after = behind.snapshot();
        let events =
            || behind.changes(before.seq(), 10).iter().flat_map(|change| change.events.clone()).collect();
        let done: Vec<Event> = events();
        match result {
            Ok(event) => assert_eq!(done, [event], "the front desk claims what is not there"),
            Err(Error::Store(error)) if error.kind() == StoreErrorKind::Io => {
                assert!(done.len() <= 1, "a call to the front desk did more than one thing: {done:?}");
            }
            Err(error) => assert!(done.is_empty(), "the front desk denies what is there: {error}: {done:?}"),
        }
        assert_eq!(after.seq().get(), before.seq().get() + done.len() as u64);
        for event in done {
            let found = event.sid().and_then(|sid| after.by_sid(sid)).map(|account| Account::clone(account));
            assert_eq!(found.as_ref(), event.after().map(|account| &**account));
        }
    }
    let copy = behind.all_changes().iter().try_fold(Snapshot::empty(), |copy, change| copy.advance(change));
    assert_eq!(copy.ok().as_ref().map(content), Some(behind.content()));
}
