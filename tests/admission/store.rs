//! Admission and the store it follows: commits that fail, stores that are opened anew.

use crate::world::{World, admin, id, secs};
use futures_lite::future::block_on;
use gateway_accounts::admission::{AdmissionOptions, Direction, Keeper, Kept, Moment};
use gateway_accounts::testkit::{Fault, FaultyStore};
use gateway_accounts::{
    AccountPatch, AccountSid, AccountStore, Accounts, Limit, ManualClock, MemoryStore, Timestamp, Unit,
};
use std::sync::{Arc, mpsc};

fn written(store: &MemoryStore, account: AccountSid) -> u64 {
    let used = block_on(store.by_sid(account)).unwrap().unwrap().minutes_used().cloned();
    used.iter().flat_map(|used| used.periods()).map(|period| period.seconds).sum()
}

#[test]
fn minutes_are_written_when_they_have_changed_in_one_commit_for_all() {
    let world = World::new();
    let accounts: Vec<_> = (0..5)
        .map(|n| world.create(&format!("Customer {n}"), Unit::minutes(100), Limit::AtMost(9)))
        .collect();
    let sessions = world.trunk("Sessions", 9);
    accounts.iter().for_each(|account| world.start(*account, "1"));
    world.start(sessions, "1");
    let before = world.store.live().unwrap().seq();
    assert!(world.admission.wants_flush(world.now()));
    // What is reserved is not used yet.
    assert_eq!(world.flush(), 0);
    world.pass(1);
    assert_eq!(world.flush(), 5);
    assert_eq!(world.store.live().unwrap().seq(), before.next());
    assert_eq!(written(&world.store, accounts[0]), 60);
    assert!(!world.admission.wants_flush(world.now()));
    world.pass(9);
    assert!(!world.admission.wants_flush(world.now()));
    world.pass(1);
    assert!(world.admission.wants_flush(world.now()));
    assert_eq!(world.flush(), 0);
    world.pass(60);
    world.admission.release(accounts[3], &id("1"), world.now()).unwrap();
    assert_eq!(world.flush(), 5);
    assert_eq!(written(&world.store, accounts[3]), 120);
    // An edit by somebody who saw less leaves them as they are.
    world.edit(accounts[3], AccountPatch::new().licensed_sessions(Limit::AtMost(1)));
    assert_eq!(written(&world.store, accounts[3]), 120);
    assert_eq!(world.charged(accounts[3]), (120, 0));
}

/// The store can't be written for ten minutes: calls go on, what they use is kept, and written when it can be.
#[test]
fn a_store_that_cannot_be_written_keeps_nobody_waiting() {
    let memory = MemoryStore::new();
    let store = Arc::new(FaultyStore::new(memory.clone()));
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(crate::world::START)));
    let now = || Moment::by(&*clock);
    let accounts = Accounts::new(memory.clone()).with_clock(Arc::clone(&clock));
    let draft =
        AccountPatch::new().name("Acme").unit(Unit::minutes(100)).licensed_sessions(Limit::AtMost(99));
    let account = block_on(accounts.create(&admin(), draft)).unwrap().sid();
    let admission = AdmissionOptions::new().clock(Arc::clone(&clock)).start(Arc::clone(&store));
    store.fail_next([Fault::Unavailable, Fault::Lost]);
    for n in 0..10 {
        let session = id(&n.to_string());
        let permit = admission.admit(account, session, Direction::Inbound, now()).unwrap();
        clock.advance(secs(60));
        permit.release(now()).unwrap();
        assert!(block_on(admission.flush(now())).is_err());
        let figures = admission.figures(now());
        assert_eq!((figures.write_failures, figures.unwritten_accounts), (n + 1, 1));
    }
    assert_eq!(written(&memory, account), 0);
    store.reopen();
    assert_eq!(block_on(admission.flush(now())).unwrap().accounts, 1);
    assert_eq!(written(&memory, account), 600);
    let figures = admission.figures(now());
    assert_eq!((figures.write_failures, figures.unwritten_accounts), (0, 0));
    assert_eq!(figures.written_ago, Some(secs(0)));
}

/// The future of a flush is dropped before the store has answered.
#[test]
fn a_flush_that_is_given_up_is_done_again() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(100), Limit::AtMost(9));
    world.start(account, "1");
    world.pass(1);
    {
        // One flush at a time: the second does nothing.
        let mut first = Box::pin(world.admission.flush(world.now()));
        assert!(block_on(futures_lite::future::poll_once(&mut first)).is_some());
    }
    world.pass(60);
    drop(world.admission.flush(world.now()));
    assert_eq!(world.flush(), 1);
    assert_eq!(written(&world.store, account), 120);
}

/// A store that has failed is left, opened anew, and followed again.
#[test]
fn a_store_is_left_and_another_followed() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(100), Limit::AtMost(9));
    world.start(account, "1");
    world.pass(1);
    world.flush();
    let as_it_was = world.store.live().unwrap();
    world.pass(60);
    world.flush();
    world.admission.leave_store();
    // An edit that nobody sees.
    world.edit(account, AccountPatch::new().unit(Unit::minutes(0)));
    assert!(world.admit(account, "2").is_ok());
    world.pass(60);
    assert!(block_on(world.admission.flush(world.now())).is_err());
    // The last commits were lost with the disk, the minutes among them.
    let anew = MemoryStore::starting_from(as_it_was, 100);
    assert_eq!(written(&anew, account), 60);
    world.admission.follow(anew.clone());
    assert!(world.admit(account, "3").is_ok());
    assert_eq!(world.flush(), 1);
    assert_eq!(written(&anew, account), 180);
    world.admission.follow(world.store.clone());
    assert_eq!(world.admit(account, "4").unwrap_err().code(), "minutes");
}

#[test]
fn without_a_snapshot_nothing_is_admitted() {
    let world = World::new();
    let account = world.trunk("Acme", 9);
    world.start(account, "1");
    let admission = AdmissionOptions::new().start(Remote(world.store.clone()));
    let refused = admission.admit(account, id("1"), Direction::Inbound, world.now()).unwrap_err();
    assert_eq!((refused.code(), refused.sip_response().status), ("unavailable", 503));
    // One that knows sessions already answers for those.
    world.admission.follow(Remote(world.store.clone()));
    assert!(world.admit(account, "1").is_ok());
    assert_eq!(world.admit(account, "2").unwrap_err().code(), "unavailable");
    assert!(world.admission.release(account, &id("1"), world.now()).is_some());
}

/// A keeper expires and writes on its own, and once more when it stops.
#[test]
fn a_keeper_keeps_house() {
    let store = MemoryStore::new();
    let accounts = Accounts::new(store.clone());
    let draft = AccountPatch::new().name("Acme").unit(Unit::minutes(100)).licensed_sessions(Limit::AtMost(9));
    let account = block_on(accounts.create(&admin(), draft)).unwrap().sid();
    let admission = AdmissionOptions::new().heartbeat(secs(0)).start(store.clone());
    let (tell, told) = mpsc::channel();
    let keeper = Keeper::start(admission.clone(), move |kept| tell.send(kept).unwrap()).unwrap();
    let ago = Moment::new(Timestamp::from_millis(0), secs(0));
    admission.admit(account, id("silent"), Direction::Inbound, ago).unwrap().leave();
    match told.recv().unwrap() {
        Kept::Expired(ended) => assert_eq!(ended.session(), &id("silent")),
        other => panic!("{other:?}"),
    }
    let permit = admission.admit(account, id("short"), Direction::Inbound, Moment::now()).unwrap();
    permit.release(Moment::now().after(secs(1))).unwrap();
    keeper.stop();
    assert_eq!(written(&store, account), 60);
}

/// A store that has no snapshot in memory.
#[derive(Debug)]
struct Remote(MemoryStore);

mod remote {
    use super::*;
    use gateway_accounts::*;

    #[async_trait]
    impl AccountStore for Remote {
        async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
            self.0.commit(batch).await
        }
        async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
            self.0.by_sid(sid).await
        }
        async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
            self.0.by_name(name).await
        }
        async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
            self.0.by_realm(realm).await
        }
        async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
            self.0.key(id).await
        }
        async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
            self.0.keys(owner).await
        }
        async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
            self.0.list(listing).await
        }
        async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
            self.0.changes(after, limit).await
        }
        async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
            self.0.history(history).await
        }
        async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
            self.0.wait_past(after).await
        }
        async fn snapshot(&self) -> Result<Snapshot, StoreError> {
            self.0.snapshot().await
        }
        fn live(&self) -> Option<Snapshot> {
            None
        }
        fn live_seq(&self) -> Option<Seq> {
            None
        }
    }
}
