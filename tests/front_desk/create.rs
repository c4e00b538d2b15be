//! Creating accounts.

use crate::world::*;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;

#[test]
fn what_a_draft_leaves_out_is_closed() {
    let world = World::new();
    let account = world.account(&json!({"name": "  Acme "}));
    assert_eq!(account.name().as_str(), "Acme");
    // No session is admitted until an admin says how many.
    assert_eq!(account.unit(), Unit::sessions(0));
    assert_eq!(account.licensed_sessions(), Limit::AtMost(0));
    assert_eq!(account.contract(), Contract::RESTRICTED);
    assert_eq!(*account.status(), Status::Active);
    assert_eq!(account.sip_realm(), None);
    assert_eq!(account.device_calling_application(), None);
    assert_eq!(account.siprec_application(), None);
    assert_eq!(account.registration_webhook(), None);
    assert_eq!(account.queue_event_webhook(), None);
    assert_eq!(account.organisation(), None);
    assert_eq!(account.service_provider(), None);
    assert_eq!(account.revision(), Revision::FIRST);
    let now = Timestamp::from_millis(START);
    assert_eq!((account.created(), account.updated()), (now, now));
    assert_eq!(world.get(account.sid()), account);
}

#[test]
fn what_a_draft_leaves_out_comes_from_the_defaults() {
    let defaults = NewAccount {
        unit: Unit::minutes(600),
        licensed_sessions: Limit::AtMost(7),
        contract: Contract::RESTRICTED.with_edit_unit(true),
    };
    let world = World::new().with_defaults(defaults);
    let account = world.account(&json!({"name": "Acme", "unit": {"maximum": 900}}));
    assert_eq!(account.unit(), Unit::minutes(900));
    assert_eq!(account.licensed_sessions(), defaults.licensed_sessions);
    assert_eq!(account.contract(), defaults.contract);
}

#[test]
#[should_panic(expected = "more licensed sessions than the maximum")]
fn contradicting_defaults_are_a_bug_of_the_program() {
    let defaults = NewAccount { licensed_sessions: Limit::AtMost(1), ..NewAccount::default() };
    let _ = World::new().with_defaults(defaults);
}

#[test]
fn a_draft_fills_every_field() {
    let world = World::new();
    let account = world.full(Contract::OPEN);
    assert_eq!(account.unit(), Unit::sessions(120));
    assert_eq!(account.licensed_sessions(), Limit::AtMost(100));
    assert_eq!(account.sip_realm(), Some(&realm("acme.example")));
    assert_eq!(account.device_calling_application(), Some(sid(APP)));
    assert_eq!(account.siprec_application(), Some(sid(PROVIDERS_APP)));
    let hook = account.registration_webhook().unwrap();
    assert_eq!((hook.url().as_str(), hook.method()), ("https://hooks.example/r", WebhookMethod::Get));
    assert_eq!(hook.credentials().unwrap().reveal_password(), "hunter2");
    assert_eq!(account.queue_event_webhook().unwrap().url().retry().unwrap().count(), 2);
    assert_eq!(account.organisation().unwrap().as_str(), "org-1");
    assert_eq!(account.service_provider(), Some(sid(PROVIDER)));
    assert_eq!(account.contract(), Contract::OPEN);
}

#[test]
fn the_same_draft_built_and_read() {
    let hook = Webhook::new("https://hooks.example/r".parse().unwrap())
        .with_credentials(Some(WebhookCredentials::new("jane", "hunter2").unwrap()));
    let built = AccountPatch::new()
        .name("Acme")
        .unit(Unit::sessions(120))
        .licensed_sessions(Limit::AtMost(100))
        .sip_realm("Acme.Example.")
        .device_calling_application(sid(APP))
        .siprec_application(sid(APP))
        .registration_webhook(hook.clone())
        .queue_event_webhook(hook)
        .organisation("org-1")
        .service_provider(sid(PROVIDER))
        .contract(Contract::OPEN);
    let hook = json!({"url": "https://hooks.example/r", "username": "jane", "password": "hunter2"});
    let read = json!({
        "name": "Acme", "unit": {"kind": "sessions", "maximum": 120}, "licensed_sessions": 100,
        "sip_realm": "acme.example", "device_calling_application_sid": APP, "siprec_application_sid": APP,
        "registration_webhook": hook, "queue_event_webhook": hook, "organisation_id": "org-1",
        "service_provider_sid": PROVIDER, "contract": {"edit_unit": true, "edit_licensed_sessions": true},
    });
    let (one, two) = (World::new(), World::new());
    let built = futures_lite::future::block_on(one.accounts.create(&admin(), built)).unwrap();
    assert_eq!(built, two.account(&read));
}

#[test]
fn a_service_provider_creates_under_itself() {
    let world = World::new();
    for (i, given) in [json!({}), json!({"service_provider_sid": PROVIDER})].into_iter().enumerate() {
        let mut draft = given;
        draft["name"] = format!("Acme {i}").into();
        let account = world.create(&provider(), &draft).unwrap();
        assert_eq!(account.service_provider(), Some(sid(PROVIDER)));
    }
    for given in [json!(OTHER_PROVIDER), json!(null), json!("x"), json!(7)] {
        let draft = json!({"name": "Acme", "service_provider_sid": given});
        world.refused(&[("service_provider_sid", "not_permitted")], |w| w.create(&provider(), &draft));
    }
}

#[test]
fn restricted_fields_of_a_draft() {
    let unit = ("unit", "not_permitted");
    let licensed = ("licensed_sessions", "not_permitted");
    let organisation = ("organisation_id", "not_permitted");
    let contract = ("contract", "not_permitted");
    for (given, draft, expected) in [
        // What the draft leaves as it would be is no change.
        (Contract::RESTRICTED, json!({"unit": {"kind": "sessions", "maximum": 0}}), vec![]),
        (Contract::RESTRICTED, json!({"licensed_sessions": 0, "contract": {}}), vec![]),
        (Contract::RESTRICTED, json!({"organisation_id": null}), vec![]),
        (Contract::RESTRICTED, json!({"unit": {"maximum": 1}}), vec![unit]),
        (Contract::RESTRICTED, json!({"unit": {"maximum": "unlimited"}}), vec![unit]),
        (Contract::RESTRICTED, json!({"unit": {"kind": "minutes", "maximum": 1}}), vec![unit]),
        (Contract::RESTRICTED, json!({"licensed_sessions": 1}), vec![licensed]),
        (Contract::RESTRICTED, json!({"organisation_id": "org-1"}), vec![organisation]),
        (Contract::RESTRICTED, json!({"contract": {"edit_unit": true}}), vec![contract]),
        // Every one is named, and what else is wrong with it is none of the actor's business.
        (
            Contract::RESTRICTED,
            json!({"contract": {"edit_unit": true, "colour": 1}, "organisation_id": "two words",
                   "licensed_sessions": -1, "unit": {"maximum": null, "kind": "calls"}}),
            vec![unit, licensed, organisation, contract],
        ),
        (
            Contract::RESTRICTED.with_edit_unit(true),
            json!({"unit": {"maximum": 9}, "licensed_sessions": 9}),
            vec![licensed],
        ),
        (
            Contract::RESTRICTED.with_edit_licensed_sessions(true),
            json!({"unit": {"kind": "minutes", "maximum": 9}, "licensed_sessions": 0}),
            vec![unit],
        ),
        (Contract::OPEN, json!({"unit": {"maximum": 9}, "licensed_sessions": 9}), vec![]),
    ] {
        let world = World::new().with_defaults(NewAccount { contract: given, ..NewAccount::default() });
        let mut draft = draft;
        draft["name"] = "Acme".into();
        if expected.is_empty() {
            world.create(&provider(), &draft).unwrap();
        } else {
            world.refused(&expected, |w| w.create(&provider(), &draft));
        }
        // None of it is restricted for an admin, but what is no value is none for anybody.
        let valid = !draft.to_string().contains("colour");
        draft["name"] = "Admin's".into();
        if let Err(Error::Invalid(problems)) = world.create(&admin(), &draft) {
            assert!(problems.iter().all(|problem| problem.code() != "not_permitted"), "{problems}");
            assert!(!valid || problems.get("licensed_sessions").unwrap().code() == "above_maximum");
        }
    }
}

#[test]
fn an_account_creates_no_account() {
    let world = World::new();
    let acme = world.account(&json!({"name": "Acme"}));
    for draft in [json!({"name": "New"}), json!({"name": "Acme"}), json!({})] {
        let error = world.unchanged(|w| w.create(&customer(&acme), &draft)).unwrap_err();
        assert!(matches!(error, Error::Forbidden { action: Action::Create }), "{error:?}");
    }
}

#[test]
fn all_problems_in_one_answer_in_the_order_of_the_accounts_page() {
    let contract = Contract::RESTRICTED.with_edit_licensed_sessions(true);
    let unit = Unit::sessions(10);
    let world =
        World::new().with_defaults(NewAccount { unit, licensed_sessions: Limit::AtMost(0), contract });
    world.account(&json!({"name": "Straße", "sip_realm": "acme.example"}));
    let draft = json!({
        "zone": 1,
        "contract": {"edit_unit": true},
        "service_provider_sid": OTHER_PROVIDER,
        "queue_event_webhook": {"url": "ftp://hooks.example/", "method": "PUT", "colour": "red"},
        "registration_webhook": {"url": "https://10.0.0.1/"},
        "siprec_application_sid": "x",
        "device_calling_application_sid": NO_APP,
        "sip_realm": "ACME.example.",
        "webhook_secret": "hunter2",
        "licensed_sessions": 11,
        "unit": {"maximum": 500},
        "name": "STRASSE",
    });
    let problems = world.refused(
        &[
            ("name", "taken"),
            ("unit", "not_permitted"),
            ("licensed_sessions", "above_maximum"),
            ("sip_realm", "taken"),
            ("webhook_secret", "read_only"),
            ("device_calling_application_sid", "unknown_application"),
            ("siprec_application_sid", "not_a_uuid"),
            ("registration_webhook.url", "url_policy"),
            ("queue_event_webhook.colour", "unknown_field"),
            ("queue_event_webhook.method", "not_a_method"),
            ("queue_event_webhook.url", "scheme"),
            ("service_provider_sid", "not_permitted"),
            ("contract", "not_permitted"),
            ("zone", "unknown_field"),
        ],
        |w| w.create(&provider(), &draft),
    );
    // In the form that a web form gets.
    let json = serde_json::to_value(&problems).unwrap();
    assert_eq!(json[0], json!({"field": "name", "code": "taken", "message": "is that of another account"}));
}

#[test]
fn a_draft_needs_a_name() {
    let world = World::new();
    // The name that stands in for a missing one is not taken by an account that has it.
    world.account(&json!({"name": "unnamed"}));
    for draft in [json!({}), json!({"name": null}), json!({"sip_realm": "acme.example"})] {
        world.refused(&[("name", "required")], |w| w.create(&admin(), &draft));
    }
    world.refused(&[("name", "empty")], |w| w.create(&admin(), &json!({"name": " "})));
    world.refused(&[("name", "wrong_type")], |w| w.create(&admin(), &json!({"name": 5})));
}

#[test]
fn sid_and_secret_are_generated_and_distinct() {
    let world = World::new();
    let accounts: Vec<_> = (0..20).map(|i| world.account(&json!({"name": format!("Acme {i}")}))).collect();
    for (i, account) in accounts.iter().enumerate() {
        let secret = account.webhook_secret().reveal();
        assert!(secret.starts_with("whsec_"), "{secret}");
        // The base64 of 32 bytes has 44 characters.
        assert_eq!(secret.len(), "whsec_".len() + 44);
        assert_eq!(account.sid().as_uuid().get_version_num(), 7);
        for other in &accounts[..i] {
            assert_ne!(account.sid(), other.sid());
            assert_ne!(account.webhook_secret(), other.webhook_secret());
        }
    }
    // They come from the random source that was given, and from nothing else.
    let again = World::new().account(&json!({"name": "Acme 0"}));
    assert_eq!(again, accounts[0]);
}

#[test]
fn without_random_bytes_no_account() {
    #[derive(Debug)]
    struct Dry;
    impl Random for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError::new("dry"))
        }
    }
    let mut world = World::new();
    world.accounts = world.accounts.with_random(Dry);
    let error = world.unchanged(|w| w.create(&admin(), &json!({"name": "Acme"}))).unwrap_err();
    assert!(matches!(error, Error::Random(_)), "{error:?}");
}

#[test]
fn a_shared_store_is_the_same_store() {
    let store = Arc::new(MemoryStore::new());
    let (one, two) = (World::over(store.clone()), World::over(store));
    let acme = one.account(&json!({"name": "Acme"}));
    assert_eq!(two.get(acme.sid()), acme);
    assert_eq!(two.accounts.snapshot().unwrap().by_sid(acme.sid()), Some(&acme));
}
