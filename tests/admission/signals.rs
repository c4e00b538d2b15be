//! What an application is told of.

use crate::world::{World, id, secs};
use gateway_accounts::admission::{AdmissionOptions, Refused, SignalKind, Signals};
use gateway_accounts::{AccountSid, Limit, Unit};

fn all(signals: &mut Signals) -> Vec<SignalKind> {
    std::iter::from_fn(|| signals.try_next()).map(|signal| signal.kind).collect()
}

fn start(world: &World, account: AccountSid, sessions: std::ops::Range<u32>) {
    for n in sessions {
        let _ = world.admit(account, &n.to_string()).map(gateway_accounts::admission::Permit::leave);
    }
}

fn release(world: &World, account: AccountSid, sessions: std::ops::Range<u32>) {
    for n in sessions {
        world.admission.release(account, &id(&n.to_string()), world.now()).unwrap();
    }
}

#[test]
fn thresholds_are_told_once_when_they_are_reached() {
    let world = World::with(AdmissionOptions::new().signal_interval(secs(60)));
    let account = world.create("Acme", Unit::sessions(10), Limit::AtMost(6));
    let mut signals = world.admission.subscribe(100);
    start(&world, account, 0..6);
    assert_eq!(all(&mut signals), []);
    start(&world, account, 6..10);
    let (active, maximum, licensed) = (10, 10, 6);
    let near = SignalKind::SessionsNearMaximum { active: 8, maximum };
    let full = SignalKind::SessionsAtMaximum { active, maximum };
    let overage = SignalKind::OverageBegan { active: 7, licensed };
    assert_eq!(all(&mut signals), [overage.clone(), near.clone(), full.clone()]);
    // Again, but not so soon.
    release(&world, account, 0..9);
    start(&world, account, 0..9);
    assert_eq!(all(&mut signals), []);
    // While it is still so, it is told as soon as it may be.
    world.pass(60);
    release(&world, account, 9..10);
    start(&world, account, 9..10);
    assert_eq!(all(&mut signals), [full, SignalKind::OverageBegan { active: 10, licensed }]);
    let told = world.admission.figures(world.now());
    assert_eq!(told.signals_dropped_total, 0);
}

#[test]
fn refusals_are_counted_and_told_once_a_minute() {
    let world = World::new();
    let account = world.trunk("Acme", 0);
    let mut signals = world.admission.subscribe(100);
    start(&world, account, 0..50);
    let refused = Refused::Sessions { account, active: 0, maximum: 0 };
    let full = SignalKind::SessionsAtMaximum { active: 0, maximum: 0 };
    assert_eq!(all(&mut signals), [full, SignalKind::Refused { refused: refused.clone(), times: 1 }]);
    world.pass(60);
    start(&world, account, 0..1);
    assert_eq!(all(&mut signals), [SignalKind::Refused { refused, times: 50 }]);
}

#[test]
fn minutes_are_told_when_they_are_nearly_and_all_used() {
    let world = World::new();
    let account = world.create("Acme", Unit::minutes(10), Limit::AtMost(99));
    let mut signals = world.admission.subscribe(100);
    start(&world, account, 0..7);
    assert_eq!(all(&mut signals), []);
    start(&world, account, 7..10);
    let found = all(&mut signals);
    assert!(
        matches!(
            found[..],
            [
                SignalKind::MinutesNearMaximum { charged_seconds: 480, maximum: 10, .. },
                SignalKind::MinutesUsedUp { charged_seconds: 600, maximum: 10, .. }
            ]
        ),
        "{found:?}"
    );
}

#[test]
fn nobody_waits_for_whoever_does_not_receive() {
    let world = World::with(AdmissionOptions::new().signal_interval(secs(0)));
    let account = world.trunk("Acme", 0);
    let mut slow = world.admission.subscribe(1);
    let gone = world.admission.subscribe(1);
    drop(gone);
    start(&world, account, 0..5);
    assert_eq!(all(&mut slow).len(), 1);
    assert!(world.admission.figures(world.now()).signals_dropped_total >= 5);
    // It ends with the admission.
    let World { admission, .. } = world;
    drop(admission);
    assert!(slow.next_blocking().is_none());
}
