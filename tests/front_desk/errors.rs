//! What errors say, and what nothing ever says.

use crate::remote::Remote;
use crate::world::*;
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The messages of an error and its causes, outermost first.
fn chain(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect()
}

/// One error of each kind.
fn one_of_each() -> Vec<Error> {
    let store = Arc::new(Remote::default());
    let world = World::over(store.clone());
    let acme = world.full(Contract::RESTRICTED);
    let mut errors = vec![
        world.create(&admin(), &json!({})).unwrap_err(),
        world.create(&admin(), &json!({"name": "", "sip_realm": "x_y.example"})).unwrap_err(),
        world.create(&customer(&acme), &json!({})).unwrap_err(),
        block_on(world.accounts.get(&admin(), sid(NOBODY))).unwrap_err(),
        block_on(world.accounts.edit(&admin(), acme.sid(), Revision::new(7), AccountPatch::new()))
            .unwrap_err(),
    ];
    let twice = [Account::clone(&acme), Account::clone(&acme)];
    errors.push(block_on(world.accounts.import_all(&admin(), twice, |_| {})).unwrap_err());
    world.sessions.set(acme.sid(), 4);
    errors.push(world.delete(&admin(), &acme, WhileRunning::Refuse).unwrap_err());
    world.apps.break_down();
    errors
        .push(world.create(&admin(), &json!({"name": "Globex", "siprec_application_sid": APP})).unwrap_err());
    store.fails.store(true, Ordering::SeqCst);
    errors.push(block_on(world.accounts.get(&admin(), acme.sid())).unwrap_err());
    errors.push(Error::Random(RandomError::new(std::io::Error::other("no entropy"))));
    errors
}

#[test]
fn each_message_is_said_once() {
    let errors = one_of_each();
    let first: Vec<_> = errors.iter().map(|error| chain(error).remove(0)).collect();
    assert_eq!(first[0], "name must have a value");
    assert_eq!(
        first[1],
        "2 fields have problems: name must not be empty; sip_realm must not contain the character '_'"
    );
    assert_eq!(first[2], "this actor may not create an account");
    assert_eq!(first[3], "there is no such account or API key");
    assert!(first[4].ends_with("is at revision 1, not 7"), "{}", first[4]);
    let refused = "2 accounts of the import are refused, the first of them account ";
    assert!(first[5].starts_with(refused), "{}", first[5]);
    let problem = "\"Acme\": account_sid is that of an account that is here already";
    assert!(first[5].ends_with(problem), "{}", first[5]);
    assert_eq!(first[6], "the account has running sessions: 4");
    for error in &errors {
        let chain = chain(error);
        assert!(chain.iter().all(|message| !message.is_empty()));
        for (i, message) in chain.iter().enumerate() {
            for (j, other) in chain.iter().enumerate() {
                assert!(i == j || !message.contains(other.as_str()), "said twice: {chain:?}");
            }
        }
    }
    let kinds: Vec<_> = errors.iter().map(std::mem::discriminant).collect();
    let distinct: std::collections::HashSet<_> = kinds.iter().collect();
    assert_eq!(distinct.len(), 9, "one of each kind");
}

#[test]
fn causes_are_kept() {
    let errors = one_of_each();
    let causes = |wanted: fn(&Error) -> bool| chain(errors.iter().find(|error| wanted(error)).unwrap());
    assert_eq!(
        causes(|error| matches!(error, Error::Applications(_))),
        ["the applications could not be looked up", "no route to applications"]
    );
    assert_eq!(
        causes(|error| matches!(error, Error::Store(_))),
        ["the account store failed", "the account file could not be read", "disk on fire"]
    );
    assert_eq!(
        causes(|error| matches!(error, Error::Random(_))),
        ["no SID or secret could be generated", "the random source gave no bytes", "no entropy"]
    );
}

#[test]
fn a_failing_store_fails_every_operation_and_ends_a_stream() {
    let store = Arc::new(Remote::default());
    let world = World::over(store.clone());
    let acme = world.full(Contract::OPEN);
    store.fails.store(true, Ordering::SeqCst);
    let desk = &world.accounts;
    let (sid, seen) = (acme.sid(), acme.revision());
    for result in [
        world.create(&admin(), &json!({"name": "Globex"})),
        world.edit(&admin(), &acme, &json!({"name": "Globex"})),
        block_on(desk.get(&admin(), sid)),
        block_on(desk.find_by_name(&admin(), acme.name())),
        block_on(desk.find_by_realm(&admin(), acme.sip_realm().unwrap(), RealmMatch::Exact)),
        block_on(desk.suspend(&admin(), sid, seen, "late".parse().unwrap())),
        block_on(desk.resume(&admin(), sid, seen)),
        block_on(desk.delete(&admin(), sid, seen, WhileRunning::Delete)),
        block_on(desk.import(&admin(), Account::clone(&acme))),
        block_on(desk.import_all(&admin(), [Account::clone(&acme)], |_| {})).map(|_| Arc::clone(&acme)),
        block_on(desk.history(&admin(), &AccountHistory::of(sid))).map(|_| Arc::clone(&acme)),
        block_on(desk.list(&admin(), &Listing::new())).map(|_| Arc::clone(&acme)),
        block_on(desk.list(&customer(&acme), &Listing::new())).map(|_| Arc::clone(&acme)),
    ] {
        match result {
            Err(Error::Store(error)) => assert_eq!(error.kind(), StoreErrorKind::Io),
            other => panic!("{other:?}"),
        }
    }
    let streamed: Vec<_> = block_on(Box::pin(desk.stream(&admin())).collect());
    assert!(matches!(streamed.as_slice(), [Err(Error::Store(_))]), "{streamed:?}");
}

/// Three secrets go in; they are looked for in all that comes out.
#[test]
fn no_secret_is_ever_shown() {
    let world = World::new();
    let hook = json!({"url": "https://hooks.example/r", "username": "jane", "password": "hunter2"});
    let draft = json!({"name": "Acme", "registration_webhook": hook, "queue_event_webhook": hook});
    let acme = world.account(&draft);
    let secret = acme.webhook_secret().reveal().strip_prefix("whsec_").unwrap();
    let edited = world
        .edit(
            &admin(),
            &acme,
            &json!({"name": "Globex", "registration_webhook": {"password": "correct horse"}}),
        )
        .unwrap();

    let bad = json!({
        "name": "", "webhook_secret": "correct horse", "api_keys": ["hunter2"],
        "registration_webhook": {"url": "https://jane:hunter2@hooks.example/", "password": ["correct horse"]},
        "queue_event_webhook": {"url": "https://hooks.example/", "username": "jane", "password": "hunter2\n"},
    });
    let problems = world.create(&admin(), &bad).unwrap_err();
    assert_eq!(problems.problems().unwrap().len(), 6);
    let changed = world.edit(&admin(), &acme, &json!({})).unwrap_err();
    let change = block_on(world.store.changes(Seq::START, 10)).unwrap();
    let batch = Batch::new(admin(), Timestamp::default()).with(Write::Create(Arc::clone(&acme)));
    let view = serde_json::to_value(edited.view()).unwrap();
    assert_eq!(view["webhook_secret"], "********");
    assert_eq!(view["registration_webhook"]["password"], "********");

    let history = block_on(world.accounts.history(&admin(), &AccountHistory::of(acme.sid()))).unwrap();
    assert_eq!(history.entries.len(), 2);
    let again = [Account::clone(&edited)];
    let refused = block_on(world.accounts.import_all(&admin(), again, |_| {})).unwrap_err();

    for shown in [
        format!("{acme:?} {edited:#?} {:?}", acme.webhook_secret()),
        format!("{:?} {view}", edited.view()),
        format!("{:?}", AccountRecord::from(&*edited)),
        format!("{:?} {:?}", patch(&draft), patch(&bad)),
        format!("{problems:?} {problems}"),
        serde_json::to_string(problems.problems().unwrap()).unwrap(),
        format!("{changed:?} {changed}"),
        format!("{change:?} {batch:?}"),
        format!("{:?} {:?}", world.accounts, world.accounts.snapshot()),
        format!("{:?}", block_on(world.accounts.list(&admin(), &Listing::new()))),
        format!("{history:?} {}", serde_json::to_string(&history).unwrap()),
        format!("{refused:?} {refused} {}", serde_json::to_string(refused.refusals().unwrap()).unwrap()),
    ] {
        for secret in [secret, "hunter2", "correct horse"] {
            assert!(!shown.contains(secret), "shows {secret}: {shown}");
        }
    }
}
