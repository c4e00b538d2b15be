//! What may start, and what is answered.

use crate::world::{World, id, provider, secs, unlimited};
use gateway_accounts::admission::{AdmissionOptions, Direction, Refused};
use gateway_accounts::{AccountPatch, Error, Limit, Unit, UnitKind, WhileRunning};

#[test]
fn sessions_licensed_overage_and_refused() {
    // Unit, licensed; how many are within the licence, and how many more are overage.
    for (unit, licensed, within, overage) in [
        (Unit::sessions(5), Limit::AtMost(3), 3, 2),
        (Unit::sessions(5), Limit::AtMost(5), 5, 0),
        (Unit::sessions(5), Limit::AtMost(0), 0, 5),
        (Unit::sessions(0), Limit::AtMost(0), 0, 0),
        (unlimited(UnitKind::Sessions), Limit::AtMost(2), 2, 10),
        (unlimited(UnitKind::Sessions), Limit::Unlimited, 12, 0),
        // Where minutes are limited, sessions are not; but they are licensed all the same.
        (Unit::minutes(1000), Limit::AtMost(2), 2, 10),
        (Unit::minutes(0), Limit::AtMost(2), 0, 0),
    ] {
        let world = World::new();
        let account = world.create("Acme", unit, licensed);
        let mut found = (0, 0);
        for n in 0..12 {
            // Both ways together.
            let way = if n % 2 == 0 { Direction::Inbound } else { Direction::Outbound };
            match world.admission.admit(account, id(&format!("{n}")), way, world.now()) {
                Ok(permit) if permit.admitted().overage => found.1 += 1,
                Ok(permit) => {
                    assert_eq!(found.1, 0, "one within the licence came after overage");
                    found.0 += 1;
                    permit.leave();
                    continue;
                }
                Err(refused) => {
                    assert_eq!(refused.sip_response().status, 503, "{refused}");
                    continue;
                }
            }
            world.start(account, &format!("{n}"));
        }
        assert_eq!(found, (within, overage), "{unit} {licensed}");
        assert_eq!(world.admission.running(account), within + overage);
    }
}

#[test]
fn a_refusal_tells_the_figures() {
    let world = World::new();
    let acme = world.trunk("Acme", 1);
    let globex = world.create("Globex", Unit::minutes(1), Limit::AtMost(9));
    world.start(acme, "1");
    world.start(globex, "1");
    assert_eq!(
        world.admit(acme, "2").unwrap_err(),
        Refused::Sessions { account: acme, active: 1, maximum: 1 }
    );
    match world.admit(globex, "2").unwrap_err() {
        Refused::Minutes { charged_seconds: 60, maximum: 1, period_ends, .. } => {
            assert_eq!(period_ends.to_string(), "2026-12-01T00:00:00.000Z");
        }
        other => panic!("{other}"),
    }
    let nobody = "06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap();
    assert_eq!(world.admit(nobody, "1").unwrap_err(), Refused::UnknownAccount { account: nobody });
    world.suspend(acme);
    match world.admit(acme, "2").unwrap_err() {
        Refused::Suspended { suspension, .. } => assert_eq!(suspension.reason.to_string(), "late"),
        other => panic!("{other}"),
    }
    let figures = world.admission.figures(world.now());
    assert_eq!(
        figures.refused_total,
        [
            ("unknown_account", 1),
            ("suspended", 1),
            ("sessions", 1),
            ("minutes", 1),
            ("service_provider", 0),
            ("unavailable", 0)
        ]
    );
    assert_eq!((figures.active, figures.accounts, figures.admitted_total), (2, 2, 2));
}

#[test]
fn an_edit_counts_from_the_next_session_on() {
    let world = World::new();
    let account = world.trunk("Acme", 3);
    for session in ["1", "2", "3"] {
        world.start(account, session);
    }
    world.edit(account, AccountPatch::new().unit(Unit::sessions(1)).licensed_sessions(Limit::AtMost(1)));
    // None of those that are running ends, and no other is admitted before it fits.
    assert_eq!(world.admission.running(account), 3);
    for (session, maximum) in [("1", 1), ("2", 1), ("3", 1)] {
        match world.admit(account, "4").unwrap_err() {
            Refused::Sessions { maximum: found, .. } => assert_eq!(found, maximum),
            other => panic!("{other}"),
        }
        world.admission.release(account, &id(session), world.now()).unwrap();
    }
    assert!(world.admit(account, "4").is_ok());

    world.suspend(account);
    assert_eq!(world.admit(account, "5").unwrap_err().code(), "suspended");
    world.resume(account);
    assert!(world.admit(account, "5").is_ok());
}

#[test]
fn a_repeated_session_has_the_same_answer_whatever_has_changed() {
    let world = World::new();
    let account = world.trunk("Acme", 1);
    let permit = world.admit(account, "1").unwrap();
    for change in [World::suspend, |world: &World, account| {
        world.edit(account, AccountPatch::new().licensed_sessions(Limit::AtMost(0)));
        world.edit(account, AccountPatch::new().unit(Unit::sessions(0)));
    }] {
        change(&world, account);
        let again = world.admit(account, "1").unwrap();
        assert!(again.admitted().repeated && !again.admitted().overage);
        assert_eq!(again.admitted().since, permit.admitted().since);
        assert_eq!(world.admission.running(account), 1);
        // What is dropped is not the owner's.
        drop(again);
        assert_eq!(world.admission.running(account), 1);
    }
    drop(permit);
    assert_eq!(world.admission.running(account), 0);
}

/// Call-IDs are told by those who call, so that another customer's must not get in the way.
#[test]
fn accounts_may_have_sessions_of_the_same_id() {
    let world = World::new();
    let [acme, globex] = ["Acme", "Globex"].map(|name| world.trunk(name, 1));
    world.start(acme, "same");
    assert!(!world.admit(globex, "same").unwrap().admitted().repeated);
    assert_eq!((world.admission.running(acme), world.admission.running(globex)), (1, 0));
}

#[test]
fn a_service_provider_is_counted_with_its_accounts_or_not_at_all() {
    let world = World::new();
    let [one, other] = [provider(1), provider(2)];
    let of = |name, of| world.create_of(name, Unit::sessions(2), Limit::AtMost(2), of);
    let [acme, globex] = [of("Acme", Some(one)), of("Globex", Some(one))];
    let initech = of("Initech", Some(other));
    let running = |of| world.admission.service_provider_usage(of).active;
    world.start(acme, "1");
    // Those that run already count.
    world.admission.limit_service_provider(one, Limit::AtMost(2));
    world.start(globex, "1");
    match world.admit(globex, "2").unwrap_err() {
        Refused::ServiceProvider { service_provider, active: 2, maximum: 2, .. } => {
            assert_eq!(service_provider, one)
        }
        refused => panic!("{refused}"),
    }
    assert_eq!((world.admission.running(globex), running(one)), (1, 2));
    world.start(initech, "1");
    // The account's own limit refuses: nothing is counted of the service provider either.
    world.start(initech, "2");
    assert_eq!(world.admit(initech, "3").unwrap_err().code(), "sessions");
    assert_eq!(running(other), 2);

    // A session is counted down where it was counted, wherever its account is by then.
    world.edit(acme, AccountPatch::new().service_provider(other));
    world.start(acme, "2");
    assert_eq!((running(one), running(other)), (2, 3));
    world.admission.release(acme, &id("1"), world.now()).unwrap();
    assert_eq!((running(one), running(other)), (1, 3));
    world.admission.limit_service_provider(one, Limit::Unlimited);
    world.start(globex, "2");
    assert_eq!(running(one), 2);
}

/// Where minutes are limited too, what a service provider refuses reserves none.
#[test]
fn a_refusal_by_the_service_provider_reserves_nothing() {
    let world = World::new();
    let account = world.create_of("Acme", Unit::minutes(5), Limit::AtMost(9), Some(provider(1)));
    world.admission.limit_service_provider(provider(1), Limit::AtMost(0));
    assert_eq!(world.admit(account, "1").unwrap_err().code(), "service_provider");
    assert_eq!(world.charged(account), (0, 0));
}

#[test]
fn an_account_with_running_sessions_is_deleted_only_when_forced() {
    let world = World::new();
    let accounts =
        gateway_accounts::Accounts::new(world.store.clone()).with_sessions(world.admission.clone());
    let account = world.trunk("Acme", 2);
    let permit = world.admit(account, "1").unwrap();
    let delete = |how| {
        let revision = world.account(account).revision();
        futures_lite::future::block_on(accounts.delete(&crate::world::admin(), account, revision, how))
    };
    assert!(matches!(delete(WhileRunning::Refuse), Err(Error::SessionsRunning { running: 1 })));
    delete(WhileRunning::Delete).unwrap();
    // The session runs on, and no other begins.
    assert_eq!(world.admission.running(account), 1);
    assert_eq!(world.admit(account, "2").unwrap_err().code(), "unknown_account");
    assert!(permit.release(world.now()).is_some());
    assert_eq!(world.admission.figures(world.now()).accounts, 1);
    // Nothing is kept of what is gone.
    world.flush();
    assert_eq!(world.admission.figures(world.now()).accounts, 0);
}

#[test]
fn nothing_is_kept_of_accounts_that_do_not_exist() {
    let world = World::with(AdmissionOptions::new().heartbeat(secs(60)));
    for n in 0..1000_u32 {
        let sid = format!("06b5fe07-1d99-422b-902a-{n:012}").parse().unwrap();
        assert!(world.admit(sid, "1").is_err());
        assert!(world.admission.usage(sid, world.now()).is_none());
    }
    let account = world.create("Acme", Unit::minutes(5), Limit::AtMost(9));
    assert_eq!(world.charged(account), (0, 0));
    assert_eq!(world.admission.figures(world.now()).accounts, 0);
}

#[test]
fn the_busiest_come_first() {
    let world = World::new();
    let accounts: Vec<_> = (0..5).map(|n| world.trunk(&format!("Customer {n}"), 10)).collect();
    for (sessions, account) in [2, 0, 5, 1, 5].into_iter().zip(&accounts) {
        for n in 0..sessions {
            world.start(*account, &n.to_string());
        }
    }
    let top = world.admission.top(3, world.now());
    let found: Vec<_> = top.iter().map(|usage| (usage.account, usage.active)).collect();
    let mut busiest = [accounts[2], accounts[4]];
    // Of those with as many, the lower SID.
    busiest.sort_unstable();
    assert_eq!(found, [(busiest[0], 5), (busiest[1], 5), (accounts[0], 2)]);
    assert_eq!(world.admission.top(10, world.now()).len(), 4);
    let json = serde_json::to_value(top[0]).unwrap();
    assert_eq!(json["active"], 5);
    assert_eq!(json["unit"], serde_json::json!({"kind": "sessions", "maximum": 10}));
}
