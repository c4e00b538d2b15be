//! What is told of each change, and what never is.

use super::*;
use crate::model::api_key::{ApiKey, KeyHash};
use crate::model::contract::Contract;
use crate::model::former_secret::FormerSecret;
use crate::model::record::tests::full;
use crate::model::scope::Scope;
use crate::model::sid::ServiceProviderSid;
use crate::model::status::Status;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::WebhookUrl;
use crate::model::webhook_secret::WebhookSecret;
use crate::snapshot::KeyEvent;
use serde_json::json;
use std::sync::Arc;

/// An entry about what this event did.
fn entry(event: Event) -> AuditEntry {
    let actor = Actor::admin("jane").unwrap();
    let change = Change::new(Seq::new(7), actor, Timestamp::from_millis(1), vec![event]);
    change.audit().next().unwrap()
}

fn edit(change: impl FnOnce(&mut Account)) -> AuditEntry {
    let before = Account { status: Status::Active, ..full() };
    let mut after = Account { revision: before.revision.next(), ..before.clone() };
    change(&mut after);
    entry(Event::Replaced { before: Arc::new(before), after: Arc::new(after) })
}

/// A key with every field.
fn full_key() -> ApiKey {
    crate::model::api_key::record::tests::full()
}

fn key_edit(change: impl FnOnce(&mut ApiKey)) -> AuditEntry {
    let before = ApiKey { disabled: false, ..full_key() };
    let mut after = ApiKey { revision: before.revision.next(), ..before.clone() };
    change(&mut after);
    entry(Event::Key(KeyEvent::Replaced { before: Arc::new(before), after: Arc::new(after) }))
}

fn with_password(account: &Account, password: &str) -> Option<Box<Webhook>> {
    let hook = account.registration_webhook().unwrap().clone();
    let credentials = WebhookCredentials::new("jane", password).unwrap();
    Some(Box::new(hook.with_credentials(Some(credentials))))
}

const HOOK: &str =
    r#"{"url":"https://hooks.example/r#rc=2&rp=5xx","method":"GET","username":"jane","password":"********"}"#;

fn former(secret: &WebhookSecret, until: i64) -> Option<Box<FormerSecret>> {
    Some(Box::new(FormerSecret::new(secret.clone(), Timestamp::from_millis(until))))
}

type Edit = fn(&mut Account);
type KeyEdit = fn(&mut ApiKey);

#[test]
fn each_field_of_an_edit() {
    let table: &[(Edit, AuditAction, &str)] = &[
        (|_| {}, AuditAction::Edited, "[]"),
        (
            |a| a.name = "Globex".parse().unwrap(),
            AuditAction::Edited,
            r#"[{"field":"name","before":"Acme","after":"Globex"}]"#,
        ),
        (
            |a| (a.unit, a.licensed_sessions) = (Unit::sessions(9), Limit::Unlimited),
            AuditAction::Edited,
            r#"[{"field":"unit","before":{"kind":"sessions","maximum":120},"after":{"kind":"sessions","maximum":9}},
                {"field":"licensed_sessions","before":100,"after":"unlimited"}]"#,
        ),
        (
            |a| a.sip_realm = None,
            AuditAction::Edited,
            r#"[{"field":"sip_realm","before":"acme.example","after":null}]"#,
        ),
        (
            |a| a.webhook_secret = WebhookSecret::import("correct horse").unwrap(),
            AuditAction::Edited,
            r#"[{"field":"webhook_secret","changed":true}]"#,
        ),
        (
            |a| a.former_webhook_secret = None,
            AuditAction::Edited,
            r#"[{"field":"webhook_secret.overlap_until","before":"1970-01-01T00:00:00.003Z","after":null}]"#,
        ),
        (
            |a| a.former_webhook_secret = former(&a.webhook_secret.clone(), 9),
            AuditAction::Edited,
            r#"[{"field":"webhook_secret.overlap_until",
                 "before":"1970-01-01T00:00:00.003Z","after":"1970-01-01T00:00:00.009Z"}]"#,
        ),
        (
            |a| a.former_webhook_secret = former(&a.webhook_secret.clone(), 3),
            AuditAction::Edited,
            r#"[{"field":"webhook_secret.former","changed":true}]"#,
        ),
        (
            |a| a.device_calling_application = None,
            AuditAction::Edited,
            r#"[{"field":"device_calling_application_sid","before":"b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce","after":null}]"#,
        ),
        (
            |a| a.siprec_application = None,
            AuditAction::Edited,
            r#"[{"field":"siprec_application_sid","before":"4b0bed24-d6bd-4295-9617-ad0453c5e87b","after":null}]"#,
        ),
        (
            |a| a.registration_webhook = with_password(a, "correct horse"),
            AuditAction::Edited,
            r#"[{"field":"registration_webhook.password","changed":true}]"#,
        ),
        (
            |a| a.registration_webhook = None,
            AuditAction::Edited,
            r#"[{"field":"registration_webhook","before":HOOK,"after":null},
                {"field":"registration_webhook.password","changed":true}]"#,
        ),
        (
            |a| {
                a.queue_event_webhook =
                    Some(Box::new(Webhook::new(WebhookUrl::parse("https://x.example/").unwrap())));
            },
            AuditAction::Edited,
            r#"[{"field":"queue_event_webhook","before":HOOK,
                 "after":{"url":"https://x.example/","method":"POST","username":null,"password":null}},
                {"field":"queue_event_webhook.password","changed":true}]"#,
        ),
        (
            |a| a.organisation = Some("org-2".parse().unwrap()),
            AuditAction::Edited,
            r#"[{"field":"organisation_id","before":"org-1","after":"org-2"}]"#,
        ),
        (
            |a| a.service_provider = None,
            AuditAction::Edited,
            r#"[{"field":"service_provider_sid","before":"51f4233a-4559-4b8c-a527-725db01b5080","after":null}]"#,
        ),
        (
            |a| a.contract = Contract::OPEN.with_edit_unit(false),
            AuditAction::Edited,
            r#"[{"field":"contract","before":{"edit_unit":true,"edit_licensed_sessions":true},
                 "after":{"edit_unit":false,"edit_licensed_sessions":true}}]"#,
        ),
        (
            |a| a.status = Status::suspended("late".parse().unwrap(), Timestamp::from_millis(0)),
            AuditAction::Suspended,
            r#"[{"field":"status","before":"active",
                 "after":{"suspended":{"reason":"late","since":"1970-01-01T00:00:00.000Z"}}}]"#,
        ),
    ];
    let mut told = std::collections::BTreeSet::new();
    for (change, action, expected) in table {
        let entry = edit(change);
        let expected: Value = serde_json::from_str(&expected.replace("HOOK", HOOK)).unwrap();
        assert_eq!(serde_json::to_value(&entry.fields).unwrap(), expected);
        assert_eq!((entry.action, entry.revision.get()), (*action, 4), "{expected}");
        told.extend(entry.fields.iter().map(FieldChange::field));
    }
    let untold: Vec<_> = Field::ALL.into_iter().filter(|field| !told.contains(field)).collect();
    assert_eq!(untold, [Field::AccountSid, Field::ApiKeys]);
}

#[test]
fn each_field_of_an_edit_of_a_key() {
    let table: &[(KeyEdit, AuditAction, &str)] = &[
        (|_| {}, AuditAction::KeyEdited, "[]"),
        // When it was last used comes along with an edit, and is not told.
        (|k| k.last_used = None, AuditAction::KeyEdited, "[]"),
        (
            |k| k.label = "CI".parse().unwrap(),
            AuditAction::KeyEdited,
            r#"[{"field":"api_keys.label","before":"billing export","after":"CI"}]"#,
        ),
        (
            |k| k.expires = None,
            AuditAction::KeyEdited,
            r#"[{"field":"api_keys.expires","before":"2030-01-24T06:24:23.000Z","after":null}]"#,
        ),
        (
            |k| k.disabled = true,
            AuditAction::KeyDisabled,
            r#"[{"field":"api_keys.disabled","before":false,"after":true}]"#,
        ),
        (
            |k| k.hash = KeyHash::parse("$argon2id$another").unwrap(),
            AuditAction::KeyEdited,
            r#"[{"field":"api_keys.secret","changed":true}]"#,
        ),
        (
            |k| (k.disabled, k.last_four, k.expires) = (true, *b"1234", Some(Timestamp::from_millis(1))),
            AuditAction::KeyDisabled,
            r#"[{"field":"api_keys.expires","before":"2030-01-24T06:24:23.000Z","after":"1970-01-01T00:00:00.001Z"},
                {"field":"api_keys.disabled","before":false,"after":true},
                {"field":"api_keys.secret","changed":true}]"#,
        ),
    ];
    for (change, action, expected) in table {
        let entry = key_edit(change);
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(serde_json::to_value(&entry.fields).unwrap(), expected);
        assert_eq!((entry.action, entry.revision.get()), (*action, 4), "{expected}");
        assert_eq!((entry.account_sid, entry.name), (Some(full().sid), None));
        assert!(entry.fields.iter().all(|change| change.field() == Field::ApiKeys));
    }
}

#[test]
fn what_was_done() {
    let active = Arc::new(Account { status: Status::Active, ..full() });
    let suspended = Arc::new(full());
    let reason = Status::suspended("another".parse().unwrap(), Timestamp::from_millis(1));
    let otherwise = Arc::new(Account { status: reason, ..full() });
    let replaced = |before: &Arc<Account>, after: &Arc<Account>| Event::Replaced {
        before: Arc::clone(before),
        after: Arc::clone(after),
    };
    let (enabled, disabled) = (Arc::new(ApiKey { disabled: false, ..full_key() }), Arc::new(full_key()));
    let key_replaced = |before: &Arc<ApiKey>, after: &Arc<ApiKey>| {
        Event::Key(KeyEvent::Replaced { before: Arc::clone(before), after: Arc::clone(after) })
    };
    for (event, expected) in [
        (Event::Created(Arc::clone(&active)), AuditAction::Created),
        (Event::Created(Arc::clone(&suspended)), AuditAction::Created),
        (replaced(&active, &active), AuditAction::Edited),
        (replaced(&active, &suspended), AuditAction::Suspended),
        (replaced(&suspended, &otherwise), AuditAction::Edited),
        (replaced(&suspended, &active), AuditAction::Resumed),
        (Event::Deleted(suspended), AuditAction::Deleted),
        (Event::Key(KeyEvent::Added(Arc::clone(&enabled))), AuditAction::KeyAdded),
        (Event::Key(KeyEvent::Added(Arc::clone(&disabled))), AuditAction::KeyAdded),
        (key_replaced(&enabled, &enabled), AuditAction::KeyEdited),
        (key_replaced(&enabled, &disabled), AuditAction::KeyDisabled),
        (key_replaced(&disabled, &disabled), AuditAction::KeyEdited),
        (key_replaced(&disabled, &enabled), AuditAction::KeyEnabled),
        (Event::Key(KeyEvent::Revoked(disabled)), AuditAction::KeyRevoked),
    ] {
        let action = entry(event).action;
        assert_eq!(action, expected);
        assert_eq!(serde_json::to_value(action).unwrap(), expected.to_string());
    }
}

/// The JSON that programs read. If it changes on purpose, the changelog says so.
#[test]
fn the_json_of_what_is_new_and_of_what_is_gone() {
    let expected: Vec<Value> = serde_json::from_str(include_str!("../../tests/data/audit.json")).unwrap();
    let (account, key) = (Arc::new(full()), Arc::new(full_key()));
    let table = [
        (Event::Created(Arc::clone(&account)), Event::Deleted(account), "deleted"),
        (Event::Key(KeyEvent::Added(Arc::clone(&key))), Event::Key(KeyEvent::Revoked(key)), "key_revoked"),
    ];
    assert_eq!(expected.len(), table.len());
    for ((new, gone, action), expected) in table.into_iter().zip(expected) {
        let shown = serde_json::to_value(entry(new)).unwrap();
        assert_eq!(shown, expected, "it is now:\n{shown:#}");
        // Of what is gone, the same in the other place.
        let mut expected = expected;
        expected["action"] = action.into();
        for field in expected["fields"].as_array_mut().unwrap() {
            let field = field.as_object_mut().unwrap();
            if let Some(value) = field.remove("after") {
                field.insert("before".into(), value);
            }
        }
        assert_eq!(serde_json::to_value(entry(gone)).unwrap(), expected);
    }
}

#[test]
fn what_has_no_value_is_not_told_of_what_is_new() {
    let bare = Account {
        sip_realm: None,
        device_calling_application: None,
        siprec_application: None,
        former_webhook_secret: None,
        minutes_used: None,
        registration_webhook: None,
        queue_event_webhook: None,
        organisation: None,
        service_provider: None,
        ..full()
    };
    let fields = entry(Event::Created(Arc::new(bare))).fields;
    let paths: Vec<_> = fields.iter().map(FieldChange::path).collect();
    assert_eq!(paths, ["name", "unit", "licensed_sessions", "webhook_secret", "contract", "status"]);
    let bare = ApiKey { expires: None, disabled: false, ..full_key() };
    let fields = entry(Event::Key(KeyEvent::Added(Arc::new(bare)))).fields;
    let paths: Vec<_> = fields.iter().map(FieldChange::path).collect();
    assert_eq!(paths, ["api_keys.owner", "api_keys.label", "api_keys.disabled", "api_keys.secret"]);
}

/// As in the view of the account, wherever a field is shown.
#[test]
fn values_have_the_shapes_of_the_view() {
    let account = full();
    let view = serde_json::to_value(account.view()).unwrap();
    for field in entry(Event::Created(Arc::new(account))).fields.iter().filter(|f| !f.is_secret()) {
        let name = match &*field.path() {
            "webhook_secret.overlap_until" => "webhook_secret_overlap_until",
            _ => field.field().name(),
        };
        assert_eq!(field.after(), view.get(name), "{field}");
    }
}

#[test]
fn one_line_whatever_the_values() {
    let sid = full().sid;
    let line = edit(|a| {
        a.name = "the \"Globex\"".parse().unwrap();
        a.webhook_secret = WebhookSecret::import("correct horse").unwrap();
        a.sip_realm = None;
    });
    assert_eq!(
        line.to_string(),
        format!(
            "1970-01-01T00:00:00.001Z #7 jane (admin) edited account {sid} \"the \\\"Globex\\\"\" revision 4: \
             name \"Acme\" -> \"the \\\"Globex\\\"\", sip_realm \"acme.example\" -> none, webhook_secret changed"
        )
    );
    let nothing = edit(|_| {}).to_string();
    assert!(nothing.ends_with("\"Acme\" revision 4"), "{nothing}");

    let forged = edit(|a| {
        let hook = a.registration_webhook().unwrap().clone();
        let credentials = WebhookCredentials::new("jane\u{2028}#8\u{202e}", "hunter2").unwrap();
        a.registration_webhook = Some(Box::new(hook.with_credentials(Some(credentials))));
    });
    let line = forged.to_string();
    assert!(!line.contains(is_disruptive), "{line:?}");
    assert!(line.contains("jane\\u2028#8\\u202e"), "{line}");
    for event in [Event::Created(Arc::new(full())), Event::Deleted(Arc::new(full()))] {
        let line = entry(event).to_string();
        assert!(line.contains(": name \"Acme\", unit {") && !line.contains("->"), "{line}");
    }
}

#[test]
fn one_line_about_a_key() {
    let sid = full().sid;
    let provider: ServiceProviderSid = "51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap();
    for (owner, account, whose) in [
        (Scope::Account(sid), Some(sid), format!("(account {sid})")),
        (Scope::ServiceProvider(provider), None, format!("(service provider {provider})")),
        (Scope::Admin, None, "(admin)".to_owned()),
    ] {
        let key = ApiKey { owner, label: "the \"CI\"".parse().unwrap(), last_four: *b"\"\\,:", ..full_key() };
        let revoked = entry(Event::Key(KeyEvent::Revoked(Arc::new(key))));
        assert_eq!(revoked.account_sid, account);
        assert_eq!(
            revoked.to_string(),
            format!(
                "1970-01-01T00:00:00.001Z #7 jane (admin) key_revoked API key 4fJ9sKq02LmXa7Rt \"the \\\"CI\\\"\" \
                 {whose} revision 3: api_keys.owner {}, api_keys.label \"the \\\"CI\\\"\", \
                 api_keys.expires \"2030-01-24T06:24:23.000Z\", api_keys.disabled true, api_keys.secret changed",
                json!(owner)
            )
        );
        let keys = json!(revoked);
        let has = |name| keys.get(name).is_some();
        assert_eq!((has("account_sid"), has("name"), has("api_key")), (account.is_some(), false, true));
    }
    let edited = key_edit(|k| (k.expires, k.disabled) = (None, true)).to_string();
    let fields = "api_keys.expires \"2030-01-24T06:24:23.000Z\" -> none, api_keys.disabled false -> true";
    assert!(edited.ends_with(&format!(" revision 4: {fields}")), "{edited}");
}

#[test]
fn no_secret_is_shown() {
    let entries = [
        entry(Event::Created(Arc::new(full()))),
        entry(Event::Deleted(Arc::new(full()))),
        edit(|a| a.registration_webhook = with_password(a, "correct horse")),
        edit(|a| a.webhook_secret = WebhookSecret::import("correct horse").unwrap()),
        edit(|a| a.queue_event_webhook = None),
        entry(Event::Key(KeyEvent::Added(Arc::new(full_key())))),
        entry(Event::Key(KeyEvent::Revoked(Arc::new(full_key())))),
        key_edit(|k| k.hash = KeyHash::parse("$argon2id$another").unwrap()),
    ];
    for entry in &entries {
        assert!(entry.fields.iter().any(FieldChange::is_secret));
        let shown = format!("{entry} {entry:?} {entry:#?} {}", json!(entry));
        for secret in ["abcdefgh", "hunter2", "correct horse", "argon2id", "aGFzaA", "another"] {
            assert!(!shown.contains(secret), "shows {secret}: {shown}");
        }
        assert!(!format!("{entry:?}").contains("hooks.example"), "the address of a webhook may hold a token");
    }
}
