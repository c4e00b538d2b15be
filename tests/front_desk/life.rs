//! Suspending, resuming, deleting and importing.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;

fn suspend(world: &World, account: &Account, reason: &str) -> Result<Arc<Account>, Error> {
    let reason = reason.parse().unwrap();
    block_on(world.accounts.suspend(&admin(), account.sid(), account.revision(), reason))
}

fn resume(world: &World, account: &Account) -> Result<Arc<Account>, Error> {
    block_on(world.accounts.resume(&admin(), account.sid(), account.revision()))
}

#[test]
fn suspended_and_resumed() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    assert_eq!(world.unchanged(|w| resume(w, &acme)).unwrap(), acme);

    let since = world.clock.advance(1_000);
    let suspended = suspend(&world, &acme, "payment overdue").unwrap();
    assert_eq!(*suspended.status(), Status::suspended("payment overdue".parse().unwrap(), since));
    assert_eq!((suspended.revision(), suspended.updated()), (Revision::new(2), since));
    assert_eq!(acme.differences(&suspended), [Field::Status]);

    // It still resolves, so that a call for it is refused for the right reason.
    assert_eq!(world.by_realm(&admin(), "acme.example", RealmMatch::Exact).unwrap(), suspended);
    let refusal = suspended.status().in_service().unwrap_err().to_string();
    assert!(refusal.contains("suspended") && refusal.ends_with("payment overdue"), "{refusal}");

    // The first reason and moment stand.
    world.clock.advance(1_000);
    assert_eq!(world.unchanged(|w| suspend(w, &suspended, "fraud")).unwrap(), suspended);

    let now = world.clock.advance(1_000);
    let resumed = resume(&world, &suspended).unwrap();
    assert_eq!((resumed.revision(), resumed.updated()), (Revision::new(3), now));
    assert!(acme.differences(&resumed).is_empty());
}

#[test]
fn a_suspended_account_is_edited_and_stays_suspended() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let suspended = suspend(&world, &acme, "late").unwrap();
    let renamed = world.edit(&customer(&acme), &suspended, &json!({"name": "Globex"})).unwrap();
    assert_eq!(suspended.differences(&renamed), [Field::Name]);
}

#[test]
fn each_needs_the_revision_that_was_seen() {
    let world = World::new();
    let stale = world.full(Contract::RESTRICTED);
    let current = world.edit(&admin(), &stale, &json!({"name": "Globex"})).unwrap();
    for result in [
        world.unchanged(|w| suspend(w, &stale, "late")),
        world.unchanged(|w| resume(w, &stale)),
        world.unchanged(|w| w.delete(&admin(), &stale, WhileRunning::Delete)),
        world.unchanged(|w| w.delete(&admin(), &stale, WhileRunning::Refuse)),
    ] {
        match result {
            Err(Error::Changed { sid, expected, actual }) => {
                assert_eq!((sid, expected, actual), (stale.sid(), stale.revision(), current.revision()));
            }
            other => panic!("{other:?}"),
        }
    }
    // A suspended account, too.
    let suspended = suspend(&world, &current, "late").unwrap();
    assert!(matches!(suspend(&world, &current, "late"), Err(Error::Changed { .. })));
    world.delete(&admin(), &suspended, WhileRunning::Refuse).unwrap();
}

#[test]
fn deleted_is_gone_and_its_name_and_realm_are_free() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    assert_eq!(world.delete(&admin(), &acme, WhileRunning::Refuse).unwrap(), acme);
    let desk = &world.accounts;
    for gone in [
        block_on(desk.get(&admin(), acme.sid())),
        block_on(desk.find_by_name(&admin(), acme.name())),
        block_on(desk.find_by_realm(&admin(), acme.sip_realm().unwrap(), RealmMatch::OrParent)),
        block_on(desk.get(&customer(&acme), acme.sid())),
        world.edit(&admin(), &acme, &json!({"name": "Globex"})),
        suspend(&world, &acme, "late"),
        resume(&world, &acme),
        world.delete(&admin(), &acme, WhileRunning::Delete),
    ] {
        assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    }
    let successor = world.account(&json!({"name": "ACME", "sip_realm": "acme.example"}));
    assert_ne!(successor.sid(), acme.sid());
    assert_eq!(block_on(desk.find_by_name(&admin(), acme.name())).unwrap(), successor);
    // What was seen of the one is not a right over the other.
    assert!(matches!(world.delete(&admin(), &acme, WhileRunning::Delete), Err(Error::NotFound)));
}

#[test]
fn while_sessions_are_running() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let other = world.account(&json!({"name": "Other"}));
    world.sessions.set(acme.sid(), 2);
    let error = world.unchanged(|w| w.delete(&admin(), &acme, WhileRunning::Refuse)).unwrap_err();
    assert!(matches!(error, Error::SessionsRunning { running: 2 }) && error.is_retryable(), "{error:?}");
    // Those of another account are no reason.
    world.delete(&admin(), &other, WhileRunning::Refuse).unwrap();
    // They may be deleted all the same, or when they have ended.
    world.sessions.set(acme.sid(), 0);
    world.delete(&admin(), &acme, WhileRunning::Refuse).unwrap();
    let acme = world.full(Contract::RESTRICTED);
    world.sessions.set(acme.sid(), 1);
    world.delete(&admin(), &acme, WhileRunning::Delete).unwrap();
}

#[test]
fn imported_as_it_was() {
    let source = World::new();
    let acme = suspend(&source, &source.full(Contract::OPEN), "late").unwrap();
    let mut record = AccountRecord::from(&*acme);
    record.webhook_secret = WebhookSecret::import("wh_secret_abcdefghijklmnop").unwrap();
    let account = Account::try_from(record).unwrap();

    let world = World::new();
    world.clock.advance(60_000);
    let imported = block_on(world.accounts.import(&admin(), account.clone())).unwrap();
    assert!(account.differences(&imported).is_empty());
    assert_eq!((imported.created(), imported.updated()), (account.created(), account.updated()));
    assert_eq!(imported.revision(), Revision::FIRST);
    // A SID is imported once.
    world.refused(&[("account_sid", "taken")], |w| block_on(w.accounts.import(&admin(), account.clone())));

    // The rules that span accounts hold for it, too.
    let mut record = AccountRecord::from(&account);
    record.sid = sid(NOBODY);
    record.siprec_application = Some(sid(NO_APP));
    record.queue_event_webhook = Some(Box::new(Webhook::new("http://10.0.0.1/".parse().unwrap())));
    let problems = [
        ("name", "taken"),
        ("sip_realm", "taken"),
        ("siprec_application_sid", "unknown_application"),
        ("queue_event_webhook.url", "url_policy"),
    ];
    let account = Account::try_from(record).unwrap();
    world.refused(&problems, |w| block_on(w.accounts.import(&admin(), account.clone())));
}
