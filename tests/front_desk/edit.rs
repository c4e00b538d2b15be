//! Editing accounts: patches, revisions, and the rules that look beyond one field.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;

#[test]
fn keep_set_and_clear() {
    use Field::*;
    for (change, changed) in [
        (json!({}), vec![]),
        (json!({"name": "Globex"}), vec![Name]),
        (json!({"unit": {"maximum": 200}}), vec![Unit]),
        (json!({"unit": {"kind": "minutes", "maximum": 9}}), vec![Unit]),
        (json!({"licensed_sessions": 0}), vec![LicensedSessions]),
        (json!({"sip_realm": "globex.example"}), vec![SipRealm]),
        (json!({"sip_realm": null}), vec![SipRealm]),
        (
            json!({"device_calling_application_sid": null, "siprec_application_sid": APP}),
            vec![DeviceCallingApplication, SiprecApplication],
        ),
        (json!({"registration_webhook": null}), vec![RegistrationWebhook]),
        (json!({"registration_webhook": {"method": "POST"}}), vec![RegistrationWebhook]),
        (json!({"queue_event_webhook": {"url": "https://hooks.example/q"}}), vec![QueueEventWebhook]),
        (json!({"organisation_id": null, "contract": {"edit_unit": true}}), vec![Organisation, Contract]),
        (json!({"name": "Globex", "sip_realm": null, "unit": {}}), vec![Name, SipRealm]),
    ] {
        let world = World::new();
        let before = world.full(gateway_accounts::Contract::RESTRICTED);
        let now = world.clock.advance(5_000);
        let after = world.edit(&admin(), &before, &change).unwrap();
        assert_eq!(before.differences(&after), changed, "{change}");
        assert_eq!(world.get(before.sid()), after);
        assert_eq!(after.created(), before.created());
        if !changed.is_empty() {
            assert_eq!((after.revision(), after.updated()), (Revision::new(2), now));
        }
    }
}

#[test]
fn a_webhook_is_merged_and_replaced() {
    let world = World::new();
    let before = world.full(Contract::RESTRICTED);
    let merged =
        world.edit(&admin(), &before, &json!({"registration_webhook": {"username": "joe"}})).unwrap();
    let credentials = merged.registration_webhook().unwrap().credentials().unwrap();
    assert_eq!((credentials.username(), credentials.reveal_password()), ("joe", "hunter2"));
    let hook = Webhook::new("https://hooks.example/new".parse().unwrap());
    let patch = AccountPatch::new().registration_webhook(hook.clone());
    let replaced = block_on(world.accounts.edit(&admin(), merged.sid(), merged.revision(), patch)).unwrap();
    assert_eq!(replaced.registration_webhook(), Some(&hook));
}

/// A form is filled from the account as it may be shown, and sends back all of it. It once made the eight stars
/// the password.
#[test]
fn a_webhook_sent_back_as_it_was_shown_keeps_its_password() {
    let world = World::new();
    let before = world.full(Contract::RESTRICTED);
    let mut hook = serde_json::to_value(before.view()).unwrap()["registration_webhook"].take();
    let same =
        world.unchanged(|w| w.edit(&admin(), &before, &json!({"registration_webhook": hook}))).unwrap();
    assert_eq!(same, before);
    hook["method"] = "POST".into();
    let after = world.edit(&admin(), &before, &json!({"registration_webhook": hook})).unwrap();
    let credentials = after.registration_webhook().unwrap().credentials().unwrap();
    assert_eq!(credentials.reveal_password(), "hunter2");
    // Where there is no password, there is none to keep.
    let required = [("queue_event_webhook.password", "required")];
    world.refused(&required, |w| w.edit(&admin(), &after, &json!({"queue_event_webhook": hook})));
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let world = World::new();
    let before = world.full(Contract::RESTRICTED);
    world.clock.advance(5_000);
    for change in [
        json!({}),
        json!({"name": " Acme ", "sip_realm": "ACME.example."}),
        json!({"unit": {"maximum": 120}, "contract": {}}),
        json!({"registration_webhook": {"password": "hunter2"}}),
    ] {
        let after = world.unchanged(|w| w.edit(&admin(), &before, &change)).unwrap();
        assert_eq!(after, before);
    }
}

#[test]
fn a_refused_edit_changes_nothing_of_it() {
    let world = World::new();
    let before = world.full(Contract::RESTRICTED);
    let good = json!({"name": "Globex", "queue_event_webhook": null});
    for (change, problem) in [
        (json!({"sip_realm": "192.0.2.1"}), ("sip_realm", "ip_address")),
        (json!({"licensed_sessions": 121}), ("licensed_sessions", "above_maximum")),
        (json!({"siprec_application_sid": NO_APP}), ("siprec_application_sid", "unknown_application")),
        (
            json!({"registration_webhook": {"url": "http://hooks.example/r", "password": "again"}}),
            ("registration_webhook.url", "url_policy"),
        ),
        (json!({"colour": 1}), ("colour", "unknown_field")),
        (json!({"status": "closed"}), ("status", "read_only")),
    ] {
        let mut both = good.clone();
        both.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        world.refused(&[problem], |w| w.edit(&admin(), &before, &both));
    }
    world.edit(&admin(), &before, &good).unwrap();
}

#[test]
fn all_problems_of_an_edit_in_one_answer() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    world.account(&json!({"name": "Globex", "sip_realm": "globex.example"}));
    let change = json!({
        "name": "GLOBEX", "unit": {"maximum": 99}, "sip_realm": "globex.example",
        "device_calling_application_sid": NO_APP, "siprec_application_sid": OTHER_PROVIDERS_APP,
        "registration_webhook": {"url": "http://hooks.example", "password": "again"}, "queue_event_webhook": {"url": "https://redis/"},
        "organisation_id": "", "colour": 1,
    });
    world.refused(
        &[
            ("name", "taken"),
            ("unit.maximum", "below_licensed"),
            ("sip_realm", "taken"),
            ("device_calling_application_sid", "unknown_application"),
            ("siprec_application_sid", "unknown_application"),
            ("registration_webhook.url", "url_policy"),
            ("queue_event_webhook.url", "url_policy"),
            ("organisation_id", "empty"),
            ("colour", "unknown_field"),
        ],
        |w| w.edit(&admin(), &acme, &change),
    );
}

#[test]
fn nobody_overwrites_what_they_have_not_seen() {
    let world = World::new();
    let first = world.full(Contract::RESTRICTED);
    let sid = first.sid();
    let second = world.edit(&provider(), &first, &json!({"name": "Globex"})).unwrap();
    for seen in [0, 1, 3, u64::MAX].map(Revision::new) {
        let error = world
            .unchanged(|w| {
                block_on(w.accounts.edit(&admin(), sid, seen, AccountPatch::new().name("Initech")))
            })
            .unwrap_err();
        match error {
            Error::Changed { sid: of, expected, actual } => {
                assert_eq!((of, expected, actual), (sid, seen, Revision::new(2)));
            }
            other => panic!("{other:?}"),
        }
        // A stale edit is told so even if it would change nothing or has problems.
        for patch in [AccountPatch::new(), AccountPatch::new().name("")] {
            let error = block_on(world.accounts.edit(&admin(), sid, seen, patch)).unwrap_err();
            assert!(matches!(error, Error::Changed { .. }), "{error:?}");
        }
    }
    assert_eq!(world.get(sid), second);
}

#[test]
fn a_renamed_account_frees_its_name() {
    let world = World::new();
    let acme = world.account(&json!({"name": "Acme"}));
    world.refused(&[("name", "taken")], |w| w.create(&admin(), &json!({"name": "aCME"})));
    let globex = world.edit(&admin(), &acme, &json!({"name": "Globex"})).unwrap();
    let successor = world.account(&json!({"name": "acme"}));
    assert_eq!(block_on(world.accounts.find_by_name(&admin(), &name("ACME"))).unwrap(), successor);
    world.refused(&[("name", "taken")], |w| w.edit(&admin(), &globex, &json!({"name": "ACME"})));
}

#[test]
fn a_name_may_change_its_case() {
    let world = World::new();
    let mut account = world.account(&json!({"name": "Acme"}));
    for changed in ["ACME", "acmé", "ACMÉ", "Straße", "STRASSE"] {
        account = world.edit(&admin(), &account, &json!({"name": changed})).unwrap();
        assert_eq!(account.name().as_str(), changed);
        assert_eq!(block_on(world.accounts.find_by_name(&admin(), &name(changed))).unwrap(), account);
    }
    assert_eq!(account.revision(), Revision::new(6));
}

#[test]
fn a_realm_moves_from_one_account_to_another() {
    let world = World::new();
    let from = world.account(&json!({"name": "From", "sip_realm": "acme.example"}));
    let to = world.account(&json!({"name": "To", "sip_realm": "to.example"}));
    let take = json!({"sip_realm": "Acme.Example"});
    world.refused(&[("sip_realm", "taken")], |w| w.edit(&admin(), &to, &take));
    let from = world.edit(&admin(), &from, &json!({"sip_realm": null})).unwrap();
    let to = world.edit(&admin(), &to, &take).unwrap();
    assert_eq!(world.by_realm(&admin(), "acme.example", RealmMatch::Exact).unwrap(), to);
    let former = world.by_realm(&admin(), "to.example", RealmMatch::Exact);
    assert!(matches!(former, Err(Error::NotFound)), "{former:?}");
    world.edit(&admin(), &from, &json!({"sip_realm": "to.example"})).unwrap();
}

#[test]
fn licensed_sessions_stay_within_the_maximum_whichever_is_edited() {
    for (change, accepted) in [
        (json!({"licensed_sessions": 120}), true),
        (json!({"licensed_sessions": 121}), false),
        (json!({"licensed_sessions": "unlimited"}), false),
        (json!({"unit": {"maximum": 100}}), true),
        (json!({"unit": {"maximum": 99}}), false),
        (json!({"unit": {"maximum": "unlimited"}, "licensed_sessions": "unlimited"}), true),
        (json!({"unit": {"maximum": 50}, "licensed_sessions": 50}), true),
        (json!({"unit": {"maximum": 50}, "licensed_sessions": 51}), false),
        // Minutes say nothing about sessions.
        (json!({"unit": {"kind": "minutes", "maximum": 1}}), true),
        (json!({"unit": {"kind": "minutes", "maximum": 1}, "licensed_sessions": "unlimited"}), true),
    ] {
        let world = World::new();
        let acme = world.full(Contract::RESTRICTED);
        if accepted {
            world.edit(&admin(), &acme, &change).unwrap();
        } else {
            // The problem is told beside the field that was edited.
            let problem = match change.get("licensed_sessions") {
                Some(_) => ("licensed_sessions", "above_maximum"),
                None => ("unit.maximum", "below_licensed"),
            };
            world.refused(&[problem], |w| w.edit(&admin(), &acme, &change));
        }
    }
    // Back from minutes, the sessions must fit again.
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let minutes = json!({"unit": {"kind": "minutes", "maximum": 1}});
    let acme = world.edit(&admin(), &acme, &minutes).unwrap();
    let sessions = json!({"unit": {"kind": "sessions", "maximum": 99}});
    world.refused(&[("unit.maximum", "below_licensed")], |w| w.edit(&admin(), &acme, &sessions));
}

#[test]
fn applications_are_asked_about_what_changed() {
    let at = |provider: &str| Some(provider.to_owned());
    for (change, asked, problems) in [
        (json!({"name": "Globex"}), vec![], vec![]),
        (
            json!({"device_calling_application_sid": APP, "siprec_application_sid": PROVIDERS_APP}),
            vec![],
            vec![],
        ),
        (json!({"siprec_application_sid": null}), vec![], vec![]),
        (json!({"siprec_application_sid": APP}), vec![(APP, at(PROVIDER))], vec![]),
        (
            json!({"siprec_application_sid": NO_APP}),
            vec![(NO_APP, at(PROVIDER))],
            vec![("siprec_application_sid", "unknown_application")],
        ),
        // Under another provider, each is asked about again, as of that provider.
        (
            json!({"service_provider_sid": OTHER_PROVIDER}),
            vec![(APP, at(OTHER_PROVIDER)), (PROVIDERS_APP, at(OTHER_PROVIDER))],
            vec![("siprec_application_sid", "unknown_application")],
        ),
        (json!({"service_provider_sid": null, "siprec_application_sid": null}), vec![(APP, None)], vec![]),
        (
            json!({"service_provider_sid": OTHER_PROVIDER, "siprec_application_sid": OTHER_PROVIDERS_APP}),
            vec![(APP, at(OTHER_PROVIDER)), (OTHER_PROVIDERS_APP, at(OTHER_PROVIDER))],
            vec![],
        ),
    ] {
        let world = World::new();
        let acme = world.full(Contract::RESTRICTED);
        if problems.is_empty() {
            world.edit(&admin(), &acme, &change).unwrap();
        } else {
            world.refused(&problems, |w| w.edit(&admin(), &acme, &change));
        }
        let asked: Vec<Question> = asked.into_iter().map(|(app, of)| (app.to_owned(), of)).collect();
        assert_eq!(world.apps.asked(), asked, "{change}");
    }
}

#[test]
fn no_answer_about_an_application_is_no_permission() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    world.apps.break_down();
    for change in [
        json!({"name": "Globex", "siprec_application_sid": APP}),
        json!({"name": "Globex", "service_provider_sid": null}),
    ] {
        let error = world.unchanged(|w| w.edit(&admin(), &acme, &change)).unwrap_err();
        assert!(matches!(error, Error::Applications(_)) && error.is_retryable(), "{error:?}");
    }
    let draft = json!({"name": "Globex", "siprec_application_sid": APP});
    let error = world.unchanged(|w| w.create(&admin(), &draft)).unwrap_err();
    assert!(matches!(error, Error::Applications(_)), "{error:?}");
    // What needs no answer goes on.
    world.edit(&admin(), &acme, &json!({"name": "Globex", "siprec_application_sid": null})).unwrap();
}

/// A policy that was tightened refuses no edit of something else.
#[test]
fn only_a_changed_webhook_is_checked_against_the_policy() {
    let world = World::new().with_url_policy(UrlPolicy::development());
    let hook = json!({"url": "http://10.0.0.1/"});
    let acme =
        world.account(&json!({"name": "Acme", "registration_webhook": hook, "queue_event_webhook": hook}));
    let world = world.with_url_policy(UrlPolicy::production());
    let acme = world.edit(&admin(), &acme, &json!({"name": "Globex", "queue_event_webhook": hook})).unwrap();
    let change = json!({"queue_event_webhook": {"method": "GET"}});
    world.refused(&[("queue_event_webhook.url", "url_policy")], |w| w.edit(&admin(), &acme, &change));
    let account = world.edit(&admin(), &acme, &json!({"queue_event_webhook": null})).unwrap();
    assert!(account.registration_webhook().is_some());
}

/// Once, reading a body took time by the square of the names in it: five seconds for 20,000.
#[test]
fn a_body_of_unknown_fields_is_refused_with_a_short_answer() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let many: serde_json::Map<_, _> = (0..20_000).map(|i| (format!("field{i}"), json!(i))).collect();
    for body in [json!(many), json!({"unit": many}), json!({"registration_webhook": many})] {
        let error = world.unchanged(|w| w.edit(&admin(), &acme, &body)).unwrap_err();
        assert_eq!(error.problems().map(Problems::len), Some(Problems::MAX_LEN));
    }
}
