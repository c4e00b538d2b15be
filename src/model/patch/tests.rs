use super::*;
use crate::model::account::Account;
use crate::model::record::tests::full;
use crate::model::view::MASK;
use proptest::prelude::*;
use serde_json::json;

fn patch(value: &Value) -> AccountPatch {
    serde_json::from_str(&value.to_string()).unwrap()
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "so that cases are json!(…) and nothing more")]
fn check(value: Value, changed: &[Field], problems: &[(&str, &str)]) -> Account {
    let current = full();
    let (next, found) = patch(&value).merge_into(&current);
    // With a problem, nothing of the account is of use.
    let differences = if found.is_empty() { current.differences(&next) } else { Vec::new() };
    assert_eq!(differences, changed);
    let found: Vec<_> = found.iter().map(|problem| (problem.path(), problem.code())).collect();
    assert_eq!(found, problems);
    next
}

#[test]
fn keep_set_and_clear() {
    use Field::*;
    check(json!({}), &[], &[]);
    check(json!({"name": "Acme"}), &[], &[]);
    check(json!({"name": " Globex "}), &[Name], &[]);
    check(json!({"name": null}), &[], &[("name", "required")]);
    check(json!({"sip_realm": null}), &[SipRealm], &[]);
    check(
        json!({"device_calling_application_sid": null, "siprec_application_sid": null}),
        &[DeviceCallingApplication, SiprecApplication],
        &[],
    );
    check(
        json!({"organisation_id": null, "service_provider_sid": null}),
        &[Organisation, ServiceProvider],
        &[],
    );
    check(json!({"licensed_sessions": 7}), &[LicensedSessions], &[]);
    check(json!({"licensed_sessions": null}), &[], &[("licensed_sessions", "required")]);
    check(json!({"registration_webhook": null}), &[RegistrationWebhook], &[]);
    check(json!({"contract": {"edit_unit": null}}), &[Contract], &[]);
    check(json!({"contract": null}), &[], &[("contract", "required")]);
}

#[test]
fn objects_are_merged_member_by_member() {
    let next = check(json!({"unit": {"maximum": 200}}), &[Field::Unit], &[]);
    assert_eq!(next.unit, Unit::sessions(200));
    let next = check(json!({"unit": {"kind": "minutes", "maximum": 5}}), &[Field::Unit], &[]);
    assert_eq!(next.unit, Unit::minutes(5));
    check(json!({"unit": {"kind": "minutes"}}), &[], &[("unit.maximum", "required")]);
    check(json!({"unit": null}), &[], &[("unit", "required")]);
    check(
        json!({"unit": {"kind": null, "maximum": null}}),
        &[],
        &[("unit.kind", "required"), ("unit.maximum", "required")],
    );

    let next = check(json!({"queue_event_webhook": {"method": "POST"}}), &[Field::QueueEventWebhook], &[]);
    let hook = next.queue_event_webhook().unwrap();
    assert_eq!(hook.url().to_string(), "https://hooks.example/r#rc=2&rp=5xx");
    assert_eq!(hook.credentials().unwrap().reveal_password(), "hunter2");
    let none = json!({"queue_event_webhook": {"username": null, "password": null}});
    assert!(
        check(none, &[Field::QueueEventWebhook], &[]).queue_event_webhook().unwrap().credentials().is_none()
    );
    check(
        json!({"queue_event_webhook": {"password": null}}),
        &[],
        &[("queue_event_webhook.password", "required")],
    );
    check(
        json!({"queue_event_webhook": {"username": "a:b"}}),
        &[],
        &[("queue_event_webhook.username", "character")],
    );
    check(
        json!({"queue_event_webhook": {"url": null, "method": "PUT", "colour": 1}}),
        &[],
        &[
            ("queue_event_webhook.colour", "unknown_field"),
            ("queue_event_webhook.method", "not_a_method"),
            ("queue_event_webhook.url", "required"),
        ],
    );
}

#[test]
fn a_webhook_set_from_nothing_needs_an_address() {
    let mut current = full();
    current.registration_webhook = None;
    let (_, problems) = patch(&json!({"registration_webhook": {"method": "GET"}})).merge_into(&current);
    assert_eq!(problems.get("registration_webhook.url").unwrap().code(), "required");
    let (next, problems) =
        patch(&json!({"registration_webhook": {"url": "https://x.example"}})).merge_into(&current);
    assert!(problems.is_empty());
    assert_eq!(next.registration_webhook().unwrap().method(), WebhookMethod::Post);
}

#[test]
fn wrong_types_unknown_and_read_only_fields() {
    for key in ["name", "sip_realm", "organisation_id", "siprec_application_sid", "service_provider_sid"] {
        for value in [json!(12345), json!({"first": "a"}), json!(["a", "b"]), json!(true)] {
            check(json!({ key: value }), &[], &[(key, "wrong_type")]);
        }
    }
    for key in ["unit", "contract", "registration_webhook", "queue_event_webhook"] {
        check(json!({ key: "x" }), &[], &[(key, "wrong_type")]);
    }
    for key in ["account_sid", "webhook_secret", "api_keys", "status", "revision", "created", "updated"] {
        check(json!({ key: "x" }), &[], &[(key, "read_only")]);
    }
    check(
        json!({"colour": 5, "is_active": 0}),
        &[],
        &[("colour", "unknown_field"), ("is_active", "unknown_field")],
    );
    for text in ["[]", "\"name\"", "null", "7"] {
        assert!(serde_json::from_str::<AccountPatch>(text).is_err(), "{text}");
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    for name in ["name", "account_sid", "revision", "status"] {
        let text = format!(r#"{{"{name}":"a","{name}":"b"}}"#);
        let patch: AccountPatch = serde_json::from_str(&text).unwrap();
        assert_eq!(patch.problems().get(name).unwrap().code(), "given_twice");
    }
}

#[test]
fn a_whole_view_sent_back_changes_nothing() {
    let view = serde_json::to_value(full().view()).unwrap();
    check(view.clone(), &[], &[]);
    let mut renamed = view;
    renamed["name"] = "Globex".into();
    check(renamed, &[Field::Name], &[]);
}

#[test]
fn parts_given_twice_are_refused() {
    let text = r#"{"unit":{"maximum":5,"maximum":500},
        "registration_webhook":{"url":"https://good.example/","url":"https://evil.example/"}}"#;
    let patch: AccountPatch = serde_json::from_str(text).unwrap();
    let found: Vec<_> = patch.problems().iter().map(|problem| (problem.path(), problem.code())).collect();
    assert_eq!(found, [("unit.maximum", "given_twice"), ("registration_webhook.url", "given_twice")]);
}

#[test]
fn a_password_does_not_follow_a_webhook_to_another_host() {
    let field = "registration_webhook";
    let password = "registration_webhook.password";
    for url in ["https://evil.example/", "http://hooks.example/", "https://hooks.example:8443/"] {
        check(json!({ field: {"url": url} }), &[], &[(password, "required")]);
        check(json!({ field: {"url": url, "password": MASK} }), &[], &[(password, "required")]);
        check(json!({ field: {"url": url, "password": "new"} }), &[Field::RegistrationWebhook], &[]);
        let none = json!({ field: {"url": url, "username": null, "password": null} });
        check(none, &[Field::RegistrationWebhook], &[]);
    }
    check(json!({ field: {"url": "https://hooks.example/other"} }), &[Field::RegistrationWebhook], &[]);
}

#[test]
fn a_later_value_corrects_an_earlier_one() {
    let patch = AccountPatch::new().name("").name("Acme").sip_realm("x").clear(Field::SipRealm);
    assert!(patch.problems().is_empty());
    assert_eq!(AccountPatch::new().name("Acme").name("").problems().len(), 1);
}

#[test]
fn all_problems_at_once_and_none_of_them_tells_a_secret() {
    let all = json!({
        "name": "", "sip_realm": "my_realm.example", "unit": {"maximum": -5}, "licensed_sessions": 1.5,
        "registration_webhook": {"url": "https://jane:hunter2@x.example/"},
        "queue_event_webhook": {"url": "https://x.example/", "username": "jane", "password": "hun\nter2"},
        "webhook_secret": "hunter2",
    });
    let (_, problems) = patch(&all).merge_into(&full());
    assert_eq!(problems.len(), 7);
    let text = format!("{problems} {problems:?} {}", serde_json::to_string(&problems).unwrap());
    assert!(!text.contains("hunter2") && !text.contains("ter2"), "{text}");
    let realm = problems.get("sip_realm").unwrap();
    assert_eq!((realm.position(), realm.message()), (Some(2), "must not contain the character '_'"));
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("https://x.example/")),
        Just(json!("GET")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        let keys = prop_oneof![
            Just("kind"),
            Just("maximum"),
            Just("url"),
            Just("method"),
            Just("username"),
            Just("password"),
        ];
        prop::collection::hash_map(keys, inner, 0..4)
            .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    })
}

proptest! {
    #[test]
    fn no_patch_panics_and_what_it_makes_is_valid(
        members in prop::collection::hash_map(prop::sample::select(Field::ALL.to_vec()), json_values(), 0..6)
    ) {
        let object: serde_json::Map<_, _> =
            members.into_iter().map(|(field, value)| (field.name().to_owned(), value)).collect();
        let patch: AccountPatch = serde_json::from_value(Value::Object(object)).unwrap();
        let (next, problems) = patch.merge_into(&full());
        // Whatever comes out can be stored and read again.
        let record = crate::model::record::AccountRecord::from(&next);
        let text = serde_json::to_string(&record).unwrap();
        let back: crate::model::record::AccountRecord = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(crate::model::record::AccountRecord::from(&next).name, back.name);
        // Merging is idempotent (RFC 7396), but for what was refused.
        if problems.is_empty() {
            prop_assert_eq!(patch.merge_into(&next).0, next);
        }
    }
}
