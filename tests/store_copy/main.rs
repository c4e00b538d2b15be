//! Moving everything from one store into another.
#![cfg(feature = "testkit")]

mod changing;
mod conflicts;
#[cfg(feature = "file")]
mod files;
mod interrupted;
mod random;

use gateway_accounts::testkit::{account, admin, api_key, block_on, sid};
use gateway_accounts::{
    Account, AccountRecord, AccountStore, ApiKey, ApiKeyRecord, Batch, Copied, CopyError, KeyWrite, Limit,
    ManualClock, MemoryStore, MinutesUsed, PeriodUse, Revision, Scope, ServiceProviderSid, Snapshot,
    StoreCopy, Timestamp, Write,
};
use std::sync::Arc;

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_millis(1_795_466_300_000))
}

fn copy(from: &dyn AccountStore, to: &dyn AccountStore) -> Result<Copied, CopyError> {
    block_on(StoreCopy::new(from, to).batch(3).run(&admin(), &clock()))
}

#[track_caller]
fn commit(store: &dyn AccountStore, writes: impl IntoIterator<Item = Write>) {
    let batch = Batch::new(admin(), Timestamp::default()).with_all(writes);
    block_on(store.commit(batch)).unwrap();
}

fn snapshot(store: &dyn AccountStore) -> Snapshot {
    block_on(store.snapshot()).unwrap()
}

/// Compares everything but the number of the commit, by what it is written as.
#[track_caller]
fn assert_same(from: &dyn AccountStore, to: &dyn AccountStore) {
    let (from, to) = (snapshot(from), snapshot(to));
    let accounts =
        |of: &Snapshot| of.iter().map(|account| AccountRecord::from(&**account)).collect::<Vec<_>>();
    let keys = |of: &Snapshot| of.keys().map(|key| ApiKeyRecord::from(&**key)).collect::<Vec<_>>();
    let json = |value: &dyn Fn(&Snapshot) -> serde_json::Value| (value(&from), value(&to));
    let (one, other) = json(&|of| serde_json::to_value(accounts(of)).unwrap());
    assert_eq!(one, other);
    let (one, other) = json(&|of| serde_json::to_value(keys(of)).unwrap());
    assert_eq!(one, other);
    assert!(from.iter().eq(to.iter()) && from.keys().eq(to.keys()));
}

fn with(account: &Account, change: impl FnOnce(&mut AccountRecord)) -> Arc<Account> {
    let mut record = AccountRecord::from(account);
    change(&mut record);
    Arc::new(Account::try_from(record).unwrap())
}

fn key_with(key: &ApiKey, change: impl FnOnce(&mut ApiKeyRecord)) -> Arc<ApiKey> {
    let mut record = ApiKeyRecord::from(key);
    change(&mut record);
    Arc::new(ApiKey::try_from(record).unwrap())
}

fn used(as_of: i64, seconds: u64) -> Arc<MinutesUsed> {
    let period = PeriodUse { start: Timestamp::from_millis(0), seconds };
    Arc::new(MinutesUsed::new(Timestamp::from_millis(as_of), vec![period]).unwrap())
}

fn provider() -> ServiceProviderSid {
    "51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap()
}

/// The write of an edit of the account that is there.
fn edit(store: &dyn AccountStore, n: u64, change: impl FnOnce(&mut AccountRecord)) -> Write {
    let now = block_on(store.by_sid(sid(n))).unwrap().unwrap();
    Write::Replace(with(&now, change))
}

fn delete(store: &dyn AccountStore, n: u64) -> Write {
    let now = block_on(store.by_sid(sid(n))).unwrap().unwrap();
    Write::Delete { sid: sid(n), expected: now.revision() }
}

fn add(n: u64, owner: Scope) -> Write {
    Write::Key(KeyWrite::Add { key: Arc::new(api_key(n, owner)), at_most: usize::MAX })
}

fn own(n: u64) -> Scope {
    Scope::Account(sid(n))
}

/// A store of ten accounts, edited so many times, some with minutes used; and of keys of some of them, of a service provider
/// and of an admin, some edited, some used.
fn filled() -> MemoryStore {
    let store = MemoryStore::new();
    for n in 1..=10 {
        let created = with(&account(n), |record| {
            record.created = Timestamp::from_millis(1000 * n as i64);
            record.updated = Timestamp::from_millis(2000 * n as i64);
            record.service_provider = (n % 2 == 0).then(provider);
            record.sip_realm = record.sip_realm.take().filter(|_| n % 5 != 0);
        });
        commit(&store, [Write::Create(created)]);
        for stamp in 0..n % 4 {
            commit(
                &store,
                [edit(&store, n, |record| record.licensed_sessions = Limit::AtMost(stamp as u32))],
            );
        }
    }
    commit(&store, (1..4).map(|n| Write::MinutesUsed { sid: sid(n), used: used(5, 60 * n) }));
    commit(&store, (1..=8).map(|n| add(n, own(n))));
    commit(&store, (11..=13).map(|n| add(n, own(1))));
    commit(&store, (21..=23).map(|n| add(n, Scope::ServiceProvider(provider()))));
    commit(&store, (31..=33).map(|n| add(n, Scope::Admin)));
    for n in [2, 12, 22, 32] {
        let now = snapshot(&store).keys().find(|key| key.id() == api_key(n, Scope::Admin).id()).cloned();
        let edited = key_with(&now.unwrap(), |record| record.disabled = true);
        let at = Timestamp::from_millis(7 * n as i64);
        commit(
            &store,
            [Write::Key(KeyWrite::Use { id: edited.id(), at }), Write::Key(KeyWrite::Replace(edited))],
        );
    }
    store
}

#[test]
fn everything_is_copied_as_it_is() {
    let from = filled();
    let to = MemoryStore::new();
    let copied = copy(&from, &to).unwrap();
    assert_same(&from, &to);
    let now = snapshot(&from);
    assert_eq!((copied.as_of, copied.is_current, copied.rounds), (now.seq(), true, 1));
    assert_eq!((copied.accounts, copied.keys, copied.written), (10, 17, 27));
    // What was compared is not nothing.
    assert!(now.iter().any(|account| account.revision() == Revision::new(4)));
    assert_eq!(now.iter().filter(|account| account.minutes_used().is_some()).count(), 3);
    assert_eq!(now.keys().filter(|key| key.last_used().is_some()).count(), 4);
    // Ten accounts and seventeen keys, three to a commit; and each was told as created.
    assert_eq!(snapshot(&to).seq().get(), 4 + 6);
}

#[test]
fn copying_again_writes_nothing() {
    let from = filled();
    let to = MemoryStore::new();
    copy(&from, &to).unwrap();
    let seq = snapshot(&to).seq();
    let copied = copy(&from, &to).unwrap();
    assert_eq!((copied.written, copied.accounts, snapshot(&to).seq()), (0, 10, seq));
    // And there is nothing to do if there is nothing.
    let copied = copy(&MemoryStore::new(), &MemoryStore::new()).unwrap();
    assert_eq!((copied.written, copied.as_of.get(), copied.is_current), (0, 0, true));
}

#[test]
fn who_asks_is_told_how_far_it_has_come() {
    let from = filled();
    let to = MemoryStore::new();
    let told = std::sync::Mutex::new(Vec::new());
    let copy = StoreCopy::new(&from, &to).batch(4).on_progress(|so_far| told.lock().unwrap().push(so_far));
    block_on(copy.run(&admin(), &clock())).unwrap();
    let told: Vec<_> = told.into_inner().unwrap();
    let numbers: Vec<_> = told.iter().map(|so_far| (so_far.accounts, so_far.keys)).collect();
    let expected = [(0, 0), (4, 0), (8, 0), (10, 0), (10, 4), (10, 8), (10, 12), (10, 16), (10, 17)];
    assert_eq!(numbers, expected);
    assert!(told.iter().all(|so_far| (so_far.total_accounts, so_far.total_keys) == (10, 17)));
    assert_eq!(told[1].to_string(), "4 of 10 accounts, 0 of 17 API keys");
}

/// The commits of the target have the actor and the time of the copy, and tell of creations.
#[test]
fn the_history_of_the_target_tells_of_the_copy() {
    let from = filled();
    let to = MemoryStore::new();
    copy(&from, &to).unwrap();
    let history = gateway_accounts::AccountHistory::of(sid(3));
    let history = block_on(to.history(&history)).unwrap();
    let [key, created] = &history.entries[..] else { panic!("{history:?}") };
    assert_eq!(
        created.event,
        gateway_accounts::Event::Created(Arc::clone(snapshot(&from).by_sid(sid(3)).unwrap()))
    );
    assert!(key.event.key().is_some());
    assert_eq!((&created.actor, created.at), (&admin(), Timestamp::from_millis(1_795_466_300_000)));
}
