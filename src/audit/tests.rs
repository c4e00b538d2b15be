//! What is told of each change, and what never is.

use super::*;
use crate::model::contract::Contract;
use crate::model::record::tests::full;
use crate::model::status::Status;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::WebhookUrl;
use crate::model::webhook_secret::WebhookSecret;
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

fn with_password(account: &Account, password: &str) -> Option<Box<Webhook>> {
    let hook = account.registration_webhook().unwrap().clone();
    let credentials = WebhookCredentials::new("jane", password).unwrap();
    Some(Box::new(hook.with_credentials(Some(credentials))))
}

const HOOK: &str =
    r#"{"url":"https://hooks.example/r#rc=2&rp=5xx","method":"GET","username":"jane","password":"********"}"#;

type Edit = fn(&mut Account);

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
fn what_was_done() {
    let active = Arc::new(Account { status: Status::Active, ..full() });
    let suspended = Arc::new(full());
    let reason = Status::suspended("another".parse().unwrap(), Timestamp::from_millis(1));
    let otherwise = Arc::new(Account { status: reason, ..full() });
    let replaced = |before: &Arc<Account>, after: &Arc<Account>| Event::Replaced {
        before: Arc::clone(before),
        after: Arc::clone(after),
    };
    for (event, expected) in [
        (Event::Created(Arc::clone(&active)), AuditAction::Created),
        (Event::Created(Arc::clone(&suspended)), AuditAction::Created),
        (replaced(&active, &active), AuditAction::Edited),
        (replaced(&active, &suspended), AuditAction::Suspended),
        (replaced(&suspended, &otherwise), AuditAction::Edited),
        (replaced(&suspended, &active), AuditAction::Resumed),
        (Event::Deleted(suspended), AuditAction::Deleted),
    ] {
        let action = entry(event).action;
        assert_eq!(action, expected);
        assert_eq!(serde_json::to_value(action).unwrap(), expected.to_string());
    }
}

/// The JSON that programs read. If it changes on purpose, the changelog says so.
#[test]
fn the_json_of_a_new_and_of_a_deleted_account() {
    let created: Value = serde_json::from_str(include_str!("../../tests/data/audit.json")).unwrap();
    let shown = serde_json::to_value(entry(Event::Created(Arc::new(full())))).unwrap();
    assert_eq!(shown, created, "it is now:\n{shown:#}");
    // Of a deleted one, the same in the other place.
    let mut deleted = created;
    deleted["action"] = "deleted".into();
    for field in deleted["fields"].as_array_mut().unwrap() {
        let field = field.as_object_mut().unwrap();
        if let Some(value) = field.remove("after") {
            field.insert("before".into(), value);
        }
    }
    assert_eq!(serde_json::to_value(entry(Event::Deleted(Arc::new(full())))).unwrap(), deleted);

    let bare = Account {
        sip_realm: None,
        device_calling_application: None,
        siprec_application: None,
        registration_webhook: None,
        queue_event_webhook: None,
        organisation: None,
        service_provider: None,
        ..full()
    };
    let fields = entry(Event::Created(Arc::new(bare))).fields;
    let paths: Vec<_> = fields.iter().map(FieldChange::path).collect();
    assert_eq!(paths, ["name", "unit", "licensed_sessions", "webhook_secret", "contract", "status"]);
}

/// As in the view of the account, wherever a field is shown.
#[test]
fn values_have_the_shapes_of_the_view() {
    let account = full();
    let view = serde_json::to_value(account.view()).unwrap();
    for field in entry(Event::Created(Arc::new(account))).fields.iter().filter(|f| !f.is_secret()) {
        assert_eq!(field.after(), view.get(field.field().name()), "{field}");
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
fn no_secret_is_shown() {
    let entries = [
        entry(Event::Created(Arc::new(full()))),
        entry(Event::Deleted(Arc::new(full()))),
        edit(|a| a.registration_webhook = with_password(a, "correct horse")),
        edit(|a| a.webhook_secret = WebhookSecret::import("correct horse").unwrap()),
        edit(|a| a.queue_event_webhook = None),
    ];
    for entry in &entries {
        assert!(entry.fields.iter().any(FieldChange::is_secret));
        let shown = format!("{entry} {entry:?} {entry:#?} {}", json!(entry));
        for secret in ["abcdefgh", "hunter2", "correct horse"] {
            assert!(!shown.contains(secret), "shows {secret}: {shown}");
        }
        assert!(!format!("{entry:?}").contains("hooks.example"), "the address of a webhook may hold a token");
    }
}
