//! What happened to an API key, as it may be shown.

use super::{AuditAction, FieldChange, What, json, told};
use crate::model::api_key::{ApiKey, KeyId, KeyLabel};
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::snapshot::KeyEvent;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// The API key that an [`AuditEntry`](crate::AuditEntry) is about, as it is after the commit; of one that was revoked,
/// as it was.
///
/// In JSON, and printed:
///
/// ```text
/// {"key_id": "4fJ9sKq02LmXa7Rt", "owner": {"account": "06b5…"}, "label": "billing export", "last_four": "x7Q2"}
/// API key 4fJ9sKq02LmXa7Rt "billing export" (account 06b5…)
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditedKey {
    /// What it is found by.
    #[serde(rename = "key_id")]
    pub id: KeyId,
    /// Whose key it is.
    pub owner: Scope,
    /// What people call it.
    pub label: KeyLabel,
    /// The last four characters of the key.
    pub last_four: String,
}

impl AuditedKey {
    pub(super) fn new(key: &ApiKey) -> Self {
        Self { id: key.id, owner: key.owner, label: key.label.clone(), last_four: key.last_four().to_owned() }
    }
}

impl fmt::Display for AuditedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, owner, label, last_four: _ } = self;
        // A label has no characters that break a line; a quotation mark in it is escaped.
        write!(f, "API key {id} {label:?} ")?;
        match owner {
            Scope::Admin => f.write_str("(admin)"),
            Scope::ServiceProvider(sid) => write!(f, "(service provider {sid})"),
            Scope::Account(sid) => write!(f, "(account {sid})"),
        }
    }
}

/// What was done to a key.
pub(super) fn action(event: &KeyEvent) -> AuditAction {
    match event {
        KeyEvent::Added(_) => AuditAction::KeyAdded,
        KeyEvent::Revoked(_) => AuditAction::KeyRevoked,
        KeyEvent::Replaced { before, after } => match (before.disabled, after.disabled) {
            (false, true) => AuditAction::KeyDisabled,
            (true, false) => AuditAction::KeyEnabled,
            (false, false) | (true, true) => AuditAction::KeyEdited,
        },
    }
}

/// What changed of a key. `None` is no key.
pub(super) fn changes(before: Option<&ApiKey>, after: Option<&ApiKey>) -> Vec<FieldChange> {
    let shown = |part, value: fn(&ApiKey) -> Value| {
        told(Field::ApiKeys, Some(part), before.map(value), after.map(value))
    };
    let secret = |key: Option<&ApiKey>| key.map(|key| (key.hash.clone(), key.last_four));
    let changed = FieldChange { field: Field::ApiKeys, part: Some("secret"), what: What::Secret };
    let changes = [
        shown("owner", |key| json(key.owner)),
        shown("label", |key| json(&key.label)),
        shown("expires", |key| json(key.expires)),
        shown("disabled", |key| json(key.disabled)),
        (secret(before) != secret(after)).then_some(changed),
    ];
    changes.into_iter().flatten().collect()
}
