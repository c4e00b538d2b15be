//! Minutes, as a call router sees them.

use crate::world::{World, id, secs};
use futures_lite::future::block_on;
use gateway_accounts::admission::{AdmissionOptions, BillingPeriod, Direction, Moment, Terms};
use gateway_accounts::{AccountPatch, AccountStore, Clock, Limit, Timestamp, Unit};

/// A call of two minutes and a half, with three minutes left: what each renewal says.
#[test]
fn a_call_is_told_when_to_ask_and_when_it_must_end() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(3), Limit::AtMost(9));
    let start = world.now().running();
    let permit = world.admit(account, "1").unwrap();
    let minutes = permit.admitted().minutes.unwrap();
    assert_eq!(minutes.must_end_by.unwrap().running() - start, secs(60));
    assert_eq!(minutes.ask_again_at.unwrap().running() - start, secs(50));
    // Seconds passed, until when it is paid for then, whether that is all, and what is used and reserved.
    for (after, until, is_last, charged) in [
        (49, 60, false, (60, 0)),
        (1, 120, false, (60, 60)),
        (10, 120, false, (60, 60)),
        (45, 120, false, (120, 0)),
        (10, 180, false, (120, 60)),
        (55, 180, true, (180, 0)),
    ] {
        world.pass(after);
        let renewed = permit.renew(world.now()).unwrap().minutes.unwrap();
        let at = world.now().running() - start;
        assert_eq!(renewed.must_end_by.unwrap().running() - start, secs(until), "after {at:?}");
        assert_eq!((renewed.is_last, world.charged(account)), (is_last, charged), "after {at:?}");
    }
    assert_eq!(world.admit(account, "2").unwrap_err().code(), "minutes");
    // More minutes are there for the next renewal.
    world.edit(account, AccountPatch::new().unit(Unit::minutes(4)));
    let renewed = permit.renew(world.now()).unwrap().minutes.unwrap();
    assert!(!renewed.is_last);
    let ended = permit.release(world.now()).unwrap();
    assert_eq!((ended.duration(), ended.charged_seconds()), (secs(170), Some(180)));
    assert_eq!(world.charged(account), (180, 0));
}

#[test]
fn sessions_at_the_same_time_never_spend_the_same_minute() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(5), Limit::AtMost(9));
    let admitted = (0..8).filter_map(|n| world.admit(account, &n.to_string()).ok()).collect::<Vec<_>>();
    assert_eq!((admitted.len(), world.charged(account)), (5, (0, 300)));
    // One ends before it used its minute; another begins.
    world.pass(1);
    let ended = admitted.into_iter().next().unwrap().release(world.now()).unwrap();
    assert_eq!(ended.charged_seconds(), Some(60));
}

/// A call that was never answered is charged nothing, where charging begins with the answer.
#[test]
fn charging_from_the_answer() {
    let world = World::with(AdmissionOptions::new().terms(Terms::new().from_answer()));
    let account = world.create("Acme", Unit::minutes(2), Limit::AtMost(9));
    let rings = world.admit(account, "1").unwrap();
    assert_eq!(rings.admitted().minutes.unwrap().must_end_by, None);
    world.pass(100);
    assert_eq!(world.charged(account), (0, 60));
    assert_eq!(rings.release(world.now()).unwrap().charged_seconds(), Some(0));

    let answered = world.admit(account, "2").unwrap();
    world.pass(100);
    let minutes = answered.answered(world.now()).unwrap().minutes.unwrap();
    assert_eq!(minutes.must_end_by.unwrap().running() - world.now().running(), secs(60));
    world.pass(30);
    // Once is enough.
    answered.answered(world.now()).unwrap();
    world.pass(20);
    assert_eq!(answered.release(world.now()).unwrap().charged_seconds(), Some(60));
    assert_eq!(world.charged(account), (60, 0));
}

/// A session over the end of a month is charged in both, each increment where it begins.
#[test]
fn a_new_period_has_its_own_minutes() {
    let terms = Terms::new().in_periods(BillingPeriod::monthly("Europe/Berlin").unwrap());
    let world = World::with(AdmissionOptions::new().terms(terms));
    let account = world.create("Acme", Unit::minutes(3), Limit::AtMost(9));
    let seconds_before = |seconds: i64| {
        let end = Timestamp::parse("2026-12-01T00:00:00+01:00").unwrap().as_millis();
        world.clock.set(Timestamp::from_millis(end - 1000 * seconds));
    };
    seconds_before(150);
    let permit = world.admit(account, "1").unwrap();
    for _ in 0..5 {
        world.pass(50);
        permit.renew(world.now()).unwrap();
    }
    // 250 seconds: the third minute began in November, the fourth and fifth in December.
    assert_eq!(permit.release(world.now()).unwrap().charged_seconds(), Some(300));
    assert_eq!(world.charged(account), (120, 0));
    world.flush();
    let used = world.account(account).minutes_used().cloned().unwrap();
    let periods: Vec<_> = used.periods().iter().map(|use_| (use_.start.to_string(), use_.seconds)).collect();
    assert_eq!(
        periods,
        [("2026-10-31T23:00:00.000Z".to_owned(), 180), ("2026-11-30T23:00:00.000Z".to_owned(), 120)]
    );
}

/// A clock that is set changes no call's length.
#[test]
fn a_clock_that_is_set_charges_nothing_and_loses_nothing() {
    let hour = 3_600_000;
    for step in [-hour, hour, -31 * 24 * hour, 31 * 24 * hour] {
        let world = World::new();
        let account = world.create("Acme", Unit::minutes(100), Limit::AtMost(9));
        let permit = world.admit(account, "1").unwrap();
        world.pass(30);
        world.clock.set(Timestamp::from_millis(world.clock.now().as_millis() + step));
        permit.renew(world.now()).unwrap();
        assert!(world.admission.expire(world.now()).is_empty());
        world.pass(30);
        let ended = permit.release(world.now()).unwrap();
        assert_eq!((ended.duration(), ended.charged_seconds()), (secs(60), Some(60)), "{step}");
    }
}

/// The unit changes while sessions run: one that was not metered is from its next renewal on, one that was stays so.
#[test]
fn a_changed_unit() {
    let world = World::new();
    let account = world.create("Acme", Unit::sessions(9), Limit::AtMost(9));
    let permit = world.admit(account, "1").unwrap();
    assert_eq!(permit.renew(world.now()).unwrap().minutes, None);
    world.pass(600);
    world.edit(account, AccountPatch::new().unit(Unit::minutes(2)));
    assert!(permit.renew(world.now()).unwrap().minutes.is_some());
    world.pass(50);
    world.edit(account, AccountPatch::new().unit(Unit::sessions(9)));
    assert!(permit.renew(world.now()).unwrap().minutes.is_some());
    world.pass(30);
    assert_eq!(permit.release(world.now()).unwrap().charged_seconds(), Some(120));

    // Where there is none left, it must end at once.
    let permit = world.admit(account, "2").unwrap();
    world.edit(account, AccountPatch::new().unit(Unit::minutes(0)));
    let minutes = permit.renew(world.now()).unwrap().minutes.unwrap();
    assert!(minutes.is_last);
    assert_eq!(minutes.must_end_by, Some(world.now()));
}

/// A caller that looked at the clock before minutes were written, and comes after, is charged by the later moment; else its
/// first increment would be taken for written after a crash.
#[test]
fn a_session_begins_no_earlier_than_what_was_written() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(10), Limit::AtMost(9));
    let early = world.now();
    world.start(account, "1");
    world.pass(5);
    world.flush();
    let permit = world.admission.admit(account, id("2"), Direction::Inbound, early).unwrap();
    let end = permit.admitted().minutes.unwrap().must_end_by.unwrap();
    assert_eq!(end.running() - world.now().running(), secs(60));
}

/// The process is killed after a flush, and the calls go on; one has ended meanwhile.
#[test]
fn after_a_crash_calls_are_charged_for_what_was_not_written() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(100), Limit::AtMost(9));
    let since = world.clock.now();
    world.start(account, "goes-on");
    world.start(account, "ends");
    world.pass(70);
    for session in ["goes-on", "ends"].map(id) {
        let _ = world.admission.renew(account, &session, world.now());
    }
    world.flush();
    world.pass(60);
    let ended = world.clock.now();
    world.pass(60);
    let World { store, clock, .. } = world;
    let now = Moment::by(&*clock);
    for (tells_of_the_ended, used) in [(true, 240 + 180), (false, 240 + 120)] {
        let admission = AdmissionOptions::new().clock(clock.clone()).start(store.clone());
        let live = |name: &str| gateway_accounts::admission::LiveSession::new(account, id(name), since);
        let mut sessions = vec![live("goes-on")];
        if tells_of_the_ended {
            sessions.push(live("ends").ended(ended));
        }
        let report = admission.adopt(sessions, now);
        assert_eq!((report.adopted.len(), report.known), (1, 0));
        assert_eq!(admission.running(account), 1);
        let usage = admission.usage(account, now).unwrap().minutes.unwrap();
        assert_eq!(usage.used_seconds, used, "{tells_of_the_ended}");
    }
    assert!(block_on(store.by_sid(account)).unwrap().unwrap().minutes_used().is_some());
}
