//! Who may change which field.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a form would send to change each field, and what it would send to leave it.
const CHANGES: [(&str, &str, &str); 11] = [
    ("name", r#""Globex""#, r#""Acme""#),
    ("unit", r#"{"maximum":500}"#, r#"{"kind":"sessions","maximum":120}"#),
    ("licensed_sessions", "99", "100"),
    ("sip_realm", "null", r#""acme.example""#),
    ("device_calling_application_sid", "null", r#""b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce""#),
    ("siprec_application_sid", "null", r#""4b0bed24-d6bd-4295-9617-ad0453c5e87b""#),
    ("registration_webhook", "null", r#"{"url":"https://hooks.example/r","method":"GET"}"#),
    ("queue_event_webhook", "null", r#"{"url":"https://hooks.example/q#rc=2&rp=5xx","method":"POST"}"#),
    ("organisation_id", "null", r#""org-1""#),
    ("service_provider_sid", "null", r#""51f4233a-4559-4b8c-a527-725db01b5080""#),
    ("contract", r#"{"edit_unit":null,"edit_licensed_sessions":true}"#, "{}"),
];

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// An account whose applications may be used under any provider.
fn movable(world: &World, contract: Contract) -> Arc<Account> {
    let account = world.full(contract);
    world.edit(&admin(), &account, &json!({"siprec_application_sid": APP})).unwrap()
}

#[test]
fn each_field_by_each_actor_under_each_contract() {
    for contract in [
        Contract::RESTRICTED,
        Contract::RESTRICTED.with_edit_unit(true),
        Contract::RESTRICTED.with_edit_licensed_sessions(true),
        Contract::OPEN,
    ] {
        for (field, change, _) in CHANGES {
            // A contract that is as the change would have it is not changed by it.
            if field == "contract" && contract == Contract::RESTRICTED.with_edit_licensed_sessions(true) {
                continue;
            }
            let world = World::new();
            let acme = movable(&world, contract);
            let change = json!({ field: value(change) });
            let allowed = match field {
                "unit" => contract.edit_unit,
                "licensed_sessions" => contract.edit_licensed_sessions,
                "organisation_id" | "service_provider_sid" | "contract" => false,
                _ => true,
            };
            for (actor, allowed) in [(customer(&acme), allowed), (provider(), allowed), (admin(), true)] {
                let acme = world.get(acme.sid());
                // What a user interface is told is what the edit does.
                let told = world.accounts.editable_fields(&actor, &acme).of(Field::from_name(field).unwrap());
                assert_eq!(
                    told,
                    if allowed { Access::Editable } else { Access::Visible },
                    "{actor} {change}"
                );
                if allowed {
                    let world = World::new();
                    let acme = movable(&world, contract);
                    let after = world.edit(&actor, &acme, &change).unwrap();
                    assert_eq!(acme.differences(&after).len(), 1, "{actor} {change}");
                } else {
                    world.refused(&[(field, "not_permitted")], |w| w.edit(&actor, &acme, &change));
                }
            }
        }
    }
}

/// The account's own form sends back all it was filled with, greyed out fields included.
#[test]
fn the_full_form_sent_back() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let form: Value = CHANGES
        .into_iter()
        .map(|(field, _, same)| (field.to_owned(), value(same)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for actor in [customer(&acme), provider(), admin()] {
        let same = world.unchanged(|w| w.edit(&actor, &acme, &form)).unwrap();
        assert_eq!(same, acme);
    }
    let mut renamed = form.clone();
    renamed["name"] = "Globex".into();
    let after = world.edit(&customer(&acme), &acme, &renamed).unwrap();
    assert_eq!(acme.differences(&after), [Field::Name]);
}

#[test]
fn an_edit_with_a_refused_field_is_refused_whole_and_names_every_one() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let change: Value = CHANGES
        .into_iter()
        .map(|(field, change, _)| (field.to_owned(), value(change)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for actor in [customer(&acme), provider()] {
        world.refused(
            &[
                ("unit", "not_permitted"),
                ("licensed_sessions", "not_permitted"),
                ("organisation_id", "not_permitted"),
                ("service_provider_sid", "not_permitted"),
                ("contract", "not_permitted"),
            ],
            |w| w.edit(&actor, &acme, &change),
        );
    }
    let after = world.edit(&admin(), &acme, &change).unwrap();
    assert_eq!(acme.differences(&after).len(), CHANGES.len());
}

/// Nobody gives themselves a right and uses it in the same breath.
#[test]
fn rights_are_those_of_the_contract_before_the_edit() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let change = json!({"contract": {"edit_unit": true}, "unit": {"maximum": 500}});
    let refused = [("unit", "not_permitted"), ("contract", "not_permitted")];
    world.refused(&refused, |w| w.edit(&customer(&acme), &acme, &change));
    // Given by an admin, it counts from the next edit on; taken away, no more.
    let unit = json!({"unit": {"maximum": 500}});
    let given = world.edit(&admin(), &acme, &json!({"contract": {"edit_unit": true}})).unwrap();
    let used = world.edit(&customer(&acme), &given, &unit).unwrap();
    let taken = world.edit(&admin(), &used, &json!({"contract": {"edit_unit": null}})).unwrap();
    let again = json!({"unit": {"maximum": 600}});
    world.refused(&[("unit", "not_permitted")], |w| w.edit(&customer(&acme), &taken, &again));
}

/// A value that an actor may not set takes no part in the other checks: it would say things about accounts and
/// applications that are not theirs, and blame fields that they left alone.
#[test]
fn a_refused_value_is_not_looked_into() {
    for (contract, change, problems) in [
        // Whether another provider has an application is nobody else's business.
        (
            Contract::RESTRICTED,
            json!({"service_provider_sid": OTHER_PROVIDER, "siprec_application_sid": OTHER_PROVIDERS_APP}),
            vec![
                ("siprec_application_sid", "unknown_application"),
                ("service_provider_sid", "not_permitted"),
            ],
        ),
        (
            Contract::RESTRICTED,
            json!({"service_provider_sid": OTHER_PROVIDER}),
            vec![("service_provider_sid", "not_permitted")],
        ),
        // The maximum would be below the licensed sessions, which nobody touched.
        (Contract::RESTRICTED, json!({"unit": {"maximum": 5}}), vec![("unit", "not_permitted")]),
        // The maximum that stays is what the licensed sessions must fit.
        (
            Contract::RESTRICTED.with_edit_licensed_sessions(true),
            json!({"unit": {"maximum": 500}, "licensed_sessions": 300}),
            vec![("unit", "not_permitted"), ("licensed_sessions", "above_maximum")],
        ),
    ] {
        let world = World::new();
        let acme = world.full(contract);
        for actor in [customer(&acme), provider()] {
            world.refused(&problems, |w| w.edit(&actor, &acme, &change));
            let strangers =
                world.apps.asked().into_iter().any(|(_, of)| of.as_deref() == Some(OTHER_PROVIDER));
            assert!(!strangers, "asked on behalf of another provider");
        }
    }
}

#[test]
fn what_a_new_account_form_lets_them_fill_in() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    for (actor, name, unit, organisation) in [
        (admin(), Access::Editable, Access::Editable, Access::Editable),
        (provider(), Access::Editable, Access::Visible, Access::Visible),
        (customer(&acme), Access::Hidden, Access::Hidden, Access::Hidden),
    ] {
        let fields = world.accounts.new_account_fields(&actor);
        let told = (fields.of(Field::Name), fields.of(Field::Unit), fields.of(Field::Organisation));
        assert_eq!(told, (name, unit, organisation), "{actor}");
    }
    let open = NewAccount { contract: Contract::OPEN, ..NewAccount::default() };
    let fields = World::new().with_defaults(open).accounts.new_account_fields(&provider());
    assert_eq!(fields.of(Field::Unit), Access::Editable);
}

#[test]
fn only_an_admin_suspends_resumes_and_imports() {
    let world = World::new();
    let acme = world.full(Contract::OPEN);
    let (sid, seen) = (acme.sid(), acme.revision());
    for actor in [customer(&acme), provider()] {
        let suspend = world.accounts.suspend(&actor, sid, seen, "late".parse().unwrap());
        let resume = world.accounts.resume(&actor, sid, seen);
        let import = world.accounts.import(&actor, Account::clone(&acme));
        for (result, wanted) in [
            (world.unchanged(|_| block_on(suspend)), Action::Suspend),
            (world.unchanged(|_| block_on(resume)), Action::Resume),
            (world.unchanged(|_| block_on(import)), Action::Import),
        ] {
            match result {
                Err(Error::Forbidden { action }) => assert_eq!(action, wanted),
                other => panic!("{other:?}"),
            }
        }
    }
    let error = world.unchanged(|w| w.delete(&customer(&acme), &acme, WhileRunning::Delete)).unwrap_err();
    assert!(matches!(error, Error::Forbidden { action: Action::Delete }), "{error:?}");
    // Nor does a stale revision tell them more.
    let edited = world.edit(&admin(), &acme, &json!({"name": "Globex"})).unwrap();
    let error = world.unchanged(|w| w.delete(&customer(&acme), &acme, WhileRunning::Delete)).unwrap_err();
    assert!(matches!(error, Error::Forbidden { action: Action::Delete }), "{error:?}");
    world.delete(&provider(), &edited, WhileRunning::Refuse).unwrap();
}
