//! Nothing leaks: whatever is not told to have ended is found out.

use crate::world::{World, id, secs};
use gateway_accounts::admission::{AdmissionOptions, How, LiveSession};
use gateway_accounts::{Limit, Unit};

#[test]
fn each_way_to_end_a_session_ends_it_once() {
    let world = World::new();
    let account = world.trunk("Acme", 9);
    let running = || world.admission.running(account);

    let permit = world.admit(account, "released").unwrap();
    world.pass(7);
    let ended = permit.release(world.now()).unwrap();
    assert_eq!((ended.how(), ended.duration(), running()), (How::Released, secs(7), 0));

    let permit = world.admit(account, "by-id").unwrap();
    assert_eq!(world.admission.release(account, &id("by-id"), world.now()).unwrap().session(), &id("by-id"));
    assert!(permit.release(world.now()).is_none());
    assert!(world.admission.release(account, &id("by-id"), world.now()).is_none());

    drop(world.admit(account, "dropped").unwrap());
    assert_eq!(running(), 0);

    // A permit of an earlier session does not end a later one of the same id.
    let early = world.admit(account, "again").unwrap();
    world.admission.release(account, &id("again"), world.now()).unwrap();
    let late = world.admit(account, "again").unwrap();
    drop(early);
    assert_eq!(running(), 1);
    assert!(late.renew(world.now()).is_ok());
    drop(late);

    let before = world.admit(account, "transferred").unwrap();
    let after = world.admission.take_over(account, &id("transferred")).unwrap();
    assert_eq!(after.admitted().since, before.admitted().since);
    drop(before);
    assert_eq!(running(), 1);
    assert!(after.release(world.now()).is_some());
    assert!(world.admission.take_over(account, &id("transferred")).is_none());
    assert!(world.admission.renew(account, &id("transferred"), world.now()).is_err());

    world.admit(account, "left").unwrap().leave();
    assert_eq!(running(), 1);
    assert_eq!(world.admission.figures(world.now()).released_total, 6);
}

#[test]
fn who_is_not_heard_of_expires() {
    let world = World::with(AdmissionOptions::new().heartbeat(secs(60)));
    let account = world.create("Acme", Unit::minutes(100), Limit::AtMost(9));
    world.start(account, "silent");
    let speaks = world.admit(account, "speaks").unwrap();
    assert_eq!(speaks.admitted().expires.running() - world.now().running(), secs(60));
    world.pass(60);
    speaks.renew(world.now()).unwrap();
    assert!(world.admission.expire(world.now()).is_empty());
    world.pass(1);
    let ended = world.admission.expire(world.now());
    assert_eq!(ended.len(), 1);
    // It is charged until it was heard of, which is when it began.
    assert_eq!(
        (ended[0].session(), ended[0].how(), ended[0].charged_seconds()),
        (&id("silent"), How::Expired, Some(0))
    );
    assert_eq!(world.admission.running(account), 1);
    assert!(world.admission.renew(account, &id("silent"), world.now()).is_err());

    // It runs all the same: from then on it is charged as if nothing had happened.
    let live = [world.live(account, "silent"), world.live(account, "speaks")];
    let report = world.admission.reconcile(live, world.now());
    assert_eq!((report.known, report.adopted.as_slice()), (1, &[(account, id("silent"))][..]));
    let ended = world.admission.release(account, &id("silent"), world.now()).unwrap();
    assert_eq!(ended.charged_seconds(), Some(120));
}

#[test]
fn a_list_of_live_sessions_frees_and_adopts() {
    let world = World::with(AdmissionOptions::new().reconcile_grace(secs(10)));
    let account = world.trunk("Acme", 3);
    for session in ["live", "gone", "over"] {
        world.start(account, session);
    }
    world.pass(60);
    world.start_after_release(account, "over", "young");
    let nobody = "06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap();
    let live = [
        world.live(account, "live"),
        world.live(account, "stranger"),
        world.live(account, "another"),
        world.live(account, "stranger"),
        LiveSession::new(nobody, id("lost"), gateway_accounts::Clock::now(&*world.clock)),
    ];
    let report = world.admission.reconcile(live, world.now());
    assert_eq!(report.known, 2, "the one that was known, and the one that was told twice");
    assert_eq!(report.adopted, [(account, id("stranger")), (account, id("another"))]);
    assert_eq!(report.unknown, [(nobody, id("lost"))]);
    let freed: Vec<_> = report.freed.iter().map(|ended| (ended.session().as_str(), ended.how())).collect();
    assert_eq!(freed, [("gone", How::Freed)]);
    // Above the maximum, as they are live; and the youngest may not be on the list yet.
    assert_eq!(world.admission.running(account), 4);
    assert_eq!(world.admit(account, "more").unwrap_err().code(), "sessions");
    // Whoever is adopted is nobody's, until somebody takes it over.
    drop(world.admission.take_over(account, &id("stranger")).unwrap());
    assert_eq!(world.admission.running(account), 3);
}

/// A list takes time to gather. What begins and ends meanwhile is known better.
#[test]
fn what_happens_while_a_list_is_gathered_counts() {
    let world = World::with(AdmissionOptions::new().reconcile_grace(secs(0)));
    let account = world.trunk("Acme", 9);
    world.start(account, "ends");
    let reconciliation = world.admission.begin_reconcile(world.now());
    let live = [world.live(account, "ends")];
    world.admission.release(account, &id("ends"), world.now()).unwrap();
    world.start(account, "begins");
    let other = world.admission.begin_reconcile(world.now());
    let report = reconciliation.finish(live.clone(), world.now());
    assert_eq!((report.ended_meanwhile, report.adopted.len(), report.freed.len()), (1, 0, 0));
    assert_eq!(world.admission.running(account), 1);
    // Another that began later knows of the one that had begun, and not of what had ended before.
    let report = other.finish([], world.now());
    assert_eq!(report.freed.len(), 1);
    // What is given up without being finished does nothing.
    world.start(account, "stays");
    drop(world.admission.begin_reconcile(world.now()));
    assert_eq!(world.admission.running(account), 1);
}

#[test]
fn permits_outlive_their_admission_and_do_nothing() {
    let world = World::new();
    let account = world.trunk("Acme", 9);
    let permit = world.admit(account, "1").unwrap();
    let World { admission, .. } = world;
    let clone = admission.clone();
    drop(admission);
    assert_eq!(clone.running(account), 1);
    drop(clone);
    assert!(permit.renew(permit.admitted().since).is_err());
    drop(permit);
}
