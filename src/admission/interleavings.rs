//! Every order of the steps of three threads, as a model checker goes through them.
//!
//! ```sh
//! RUSTFLAGS="--cfg gateway_accounts_loom" cargo test --release --features admission --lib admission::interleavings
//! ```

use super::*;
use crate::model::account::{Account, Revision};
use crate::model::record::tests::full;
use crate::model::sid::AccountSid;
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::snapshot::{Batch, Seq, Snapshot, Write};
use crate::store::AccountStore;
use crate::store::memory::MemoryStore;
use futures_lite::future::block_on;
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// An account with at most so many sessions, and what admits them.
#[derive(Clone)]
struct World {
    store: MemoryStore,
    admission: Admission,
}

impl World {
    fn new(unit: Unit) -> Self {
        let account = Account {
            unit,
            licensed_sessions: Limit::AtMost(1),
            status: Status::Active,
            revision: Revision::FIRST,
            minutes_used: None,
            ..full()
        };
        let other = Account {
            sid: Self::other(),
            name: "Globex".parse().unwrap(),
            sip_realm: None,
            ..account.clone()
        };
        let snapshot = Snapshot::from_accounts(Seq::START, [account, other].map(Arc::new)).unwrap();
        let store = MemoryStore::starting_from(snapshot, 10);
        let options =
            AdmissionOptions::new().heartbeat(Duration::from_secs(60)).reconcile_grace(Duration::ZERO);
        Self { store: store.clone(), admission: options.start(store) }
    }

    fn sid() -> AccountSid {
        full().sid()
    }

    /// Another account of the same service provider.
    fn other() -> AccountSid {
        "06b5fe07-1d99-422b-902a-000000000002".parse().unwrap()
    }

    fn admit(&self, name: &str) -> Result<Permit, Refused> {
        let permit = self.admission.admit(Self::sid(), id(name), Direction::Inbound, at(0));
        self.check();
        permit
    }

    /// That no more are counted than may be, at any step.
    fn check(&self) {
        assert!(self.admission.running(Self::sid()) <= 2);
    }

    fn limit(&self, unit: Unit) {
        let account = block_on(self.store.by_sid(Self::sid())).unwrap().unwrap();
        let account = Account { unit, licensed_sessions: Limit::AtMost(0), ..Account::clone(&account) };
        let batch = Batch::new(crate::Actor::admin("jane").unwrap(), Timestamp::default());
        block_on(self.store.commit(batch.with(Write::Replace(Arc::new(account))))).unwrap();
    }

    /// That exactly so many are counted, and after those all places are free again.
    fn has(&self, running: u32) {
        let figures = self.admission.figures(at(0));
        assert_eq!((self.admission.running(Self::sid()), figures.active), (running, u64::from(running)));
        let provider = full().service_provider().unwrap();
        assert_eq!(self.admission.service_provider_usage(provider).active, running);
    }

    fn charged(&self) -> (u64, u64) {
        let usage = self.admission.usage(Self::sid(), at(0)).unwrap();
        usage.minutes.map_or((0, 0), |minutes| (minutes.used_seconds, minutes.reserved_seconds))
    }
}

fn id(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn at(seconds: u64) -> Moment {
    Moment::new(Timestamp::from_millis(1_795_466_263_000), Duration::from_secs(1000 + seconds))
}

fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.check(check);
}

/// Runs this on three threads.
fn three(world: &World, each: [fn(&World); 3]) {
    let [first, second, third] = each;
    let spawn = |work: fn(&World)| {
        let world = world.clone();
        thread::spawn(move || work(&world))
    };
    let others = [spawn(second), spawn(third)];
    first(world);
    others.into_iter().for_each(|other| other.join().unwrap());
}

/// Three ask for two places: two get one.
#[test]
fn no_more_are_admitted_than_may_be() {
    model(|| {
        let world = World::new(Unit::sessions(2));
        three(
            &world,
            [
                |world| drop(world.admit("a").map(Permit::leave)),
                |world| drop(world.admit("b").map(Permit::leave)),
                |world| {
                    drop(world.admit("c").map(Permit::leave));
                },
            ],
        );
        world.has(2);
    });
}

/// The same INVITE three times is one session, of which one permit is the owner's.
#[test]
fn a_repeated_session_counts_once() {
    model(|| {
        let world = World::new(Unit::sessions(1));
        three(
            &world,
            [
                |world| world.admit("a").unwrap().leave(),
                |world| world.admit("a").unwrap().leave(),
                |world| {
                    world.admit("a").unwrap().leave();
                },
            ],
        );
        world.has(1);
        assert!(world.admission.release(World::sid(), &id("a"), at(0)).is_some());
        world.has(0);
    });
}

/// A drop, a release by id and an expiry of the same session: one of them ends it.
#[test]
fn a_session_ends_once() {
    model(|| {
        let world = World::new(Unit::sessions(2));
        world.admit("b").unwrap().leave();
        let permit = world.admit("a").unwrap();
        let ends = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = |ended: bool, ends: &std::sync::atomic::AtomicU32| {
            ends.fetch_add(u32::from(ended), std::sync::atomic::Ordering::SeqCst);
        };
        let (by_id, expiry) = (world.clone(), world.clone());
        let (of_id, of_expiry) = (Arc::clone(&ends), Arc::clone(&ends));
        let released = thread::spawn(move || {
            count(by_id.admission.release(World::sid(), &id("a"), at(1)).is_some(), &of_id);
            by_id.check();
        });
        let expired = thread::spawn(move || {
            let ended = expiry.admission.expire(at(61));
            count(ended.iter().any(|ended| ended.session() == &id("a")), &of_expiry);
            expiry.check();
        });
        count(permit.release(at(1)).is_some(), &ends);
        released.join().unwrap();
        expired.join().unwrap();
        assert_eq!(ends.load(std::sync::atomic::Ordering::SeqCst), 1);
        world.has(0);
    });
}

/// A session is taken over while its first owner goes, and somebody renews it: it runs on, or has ended, and is counted
/// accordingly.
#[test]
fn a_session_that_is_taken_over_has_one_owner() {
    model(|| {
        let world = World::new(Unit::sessions(2));
        let permit = world.admit("a").unwrap();
        let (taker, renewer) = (world.clone(), world.clone());
        let taken = thread::spawn(move || taker.admission.take_over(World::sid(), &id("a")));
        let renewed = thread::spawn(move || renewer.admission.renew(World::sid(), &id("a"), at(1)).is_ok());
        drop(permit);
        let taken = taken.join().unwrap();
        renewed.join().unwrap();
        world.has(u32::from(taken.is_some()));
        drop(taken);
        world.has(0);
    });
}

/// The maximum is lowered while sessions come and go: nothing is admitted by the old limit once the new one is there.
#[test]
fn a_lowered_limit_holds_at_once() {
    model(|| {
        let world = World::new(Unit::sessions(2));
        let permit = world.admit("a").unwrap();
        let (editor, caller) = (world.clone(), world.clone());
        let edited = thread::spawn(move || {
            editor.limit(Unit::sessions(1));
            // Who is admitted from here on is the only one.
            if let Ok(permit) = editor.admit("b") {
                assert_eq!(editor.admission.running(World::sid()), 1);
                drop(permit);
            }
        });
        let called = thread::spawn(move || drop(caller.admit("c")));
        drop(permit);
        edited.join().unwrap();
        called.join().unwrap();
        world.has(0);
    });
}

/// A reconciliation runs while one session begins and another ends: the first stays, the second does not come back, and one
/// that nobody knows of is freed.
#[test]
fn a_reconciliation_frees_and_adopts_what_it_should() {
    model(|| {
        let world = World::new(Unit::sessions(3));
        let ends = world.admit("ends").unwrap();
        world.admit("gone").unwrap().leave();
        let reconciliation = world.admission.begin_reconcile(at(0));
        let (begins, finishes) = (world.clone(), world.clone());
        let begun = thread::spawn(move || {
            begins.admission.admit(World::sid(), id("begins"), Direction::Inbound, at(0)).unwrap().leave();
        });
        let finished = thread::spawn(move || {
            let live = LiveSession::new(World::sid(), id("ends"), at(0).at());
            let report = reconciliation.finish([live], at(1));
            assert!(report.adopted.is_empty());
            assert_eq!(report.freed.len(), 1);
            drop(finishes);
        });
        drop(ends);
        begun.join().unwrap();
        finished.join().unwrap();
        world.has(1);
    });
}

/// Sessions of two accounts begin and end while their service provider's limit is lowered: those that run stay counted.
#[test]
fn a_service_provider_is_counted_over_its_accounts() {
    model(|| {
        let world = World::new(Unit::sessions(2));
        let provider = full().service_provider().unwrap();
        world.admission.limit_service_provider(provider, Limit::AtMost(1));
        let start = |world: &World, account| {
            let permit = world.admission.admit(account, id("a"), Direction::Inbound, at(0));
            permit.map(Permit::leave).is_ok()
        };
        let (one, other, limits) = (world.clone(), world.clone(), world.clone());
        let one = thread::spawn(move || start(&one, World::sid()));
        let other = thread::spawn(move || {
            let started = start(&other, World::other());
            started && other.admission.release(World::other(), &id("a"), at(0)).is_some()
        });
        let before = limits.admission.service_provider_usage(provider);
        assert!(before.active <= 1);
        limits.admission.limit_service_provider(provider, Limit::AtMost(0));
        let (one, _) = (one.join().unwrap(), other.join().unwrap());
        assert_eq!(world.admission.running(World::sid()), u32::from(one));
        assert_eq!(world.admission.running(World::other()), 0);
        assert_eq!(world.admission.service_provider_usage(provider).active, u32::from(one));
    });
}

/// Two sessions of two accounts ask for one place: one gets it.
#[test]
fn the_last_place_of_a_service_provider_is_taken_once() {
    model(|| {
        let world = World::new(Unit::sessions(2));
        let provider = full().service_provider().unwrap();
        world.admission.limit_service_provider(provider, Limit::AtMost(1));
        // In different shards, so that nothing but the service provider brings them together.
        let of_shard = |account, shard| {
            let names = ["a", "b", "c", "d", "e", "f", "g", "h"].map(id);
            let sessions = &world.admission.gate().sessions;
            let is_in = |name: &SessionId| sessions.place_of(sessions.hash(account, name)) == shard;
            (account, names.into_iter().find(is_in).unwrap())
        };
        let threads = [of_shard(World::sid(), 0), of_shard(World::other(), 1)].map(|(account, name)| {
            let world = world.clone();
            thread::spawn(move || {
                let permit = world.admission.admit(account, name, Direction::Inbound, at(0));
                assert!(world.admission.service_provider_usage(provider).active <= 1);
                permit.map(Permit::leave).is_ok()
            })
        });
        let started = threads.map(|thread| thread.join().unwrap());
        assert_eq!(started.iter().filter(|started| **started).count(), 1);
        assert_eq!(world.admission.service_provider_usage(provider).active, 1);
    });
}

/// Two sessions ask for the last minute; one of them ends. It is never charged twice, and given back whole.
#[test]
fn the_last_minute_is_spent_once() {
    model(|| {
        let world = World::new(Unit::minutes(1));
        let (one, other) = (world.clone(), world.clone());
        let threads = [(one, "a"), (other, "b")].map(|(world, name)| {
            thread::spawn(move || {
                let permit = world.admit(name);
                let (used, reserved) = world.charged();
                assert!(used + reserved <= 60);
                permit.map(|permit| permit.release(at(0)).unwrap().charged_seconds()).ok()
            })
        });
        let ended = threads.map(|thread| thread.join().unwrap());
        assert!(ended.iter().any(Option::is_some));
        assert!(ended.into_iter().flatten().all(|charged| charged == Some(0)));
        assert_eq!(world.charged(), (0, 0));
        world.has(0);
    });
}
