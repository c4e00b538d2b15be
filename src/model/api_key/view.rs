//! An API key as it may be shown.

use super::{ApiKey, KeyId, KeyLabel};
use crate::model::account::Revision;
use crate::model::scope::Scope;
use crate::model::subject::Subject;
use crate::model::timestamp::Timestamp;
use serde::Serialize;

/// An API key, to be shown to who may see it: without the hash of its secret.
///
/// ```json
/// {"key_id": "4fJ9sKq02LmXa7Rt", "owner": {"account": "06b5…"}, "label": "billing export", "last_four": "x7Q2",
///  "created": "2026-11-23T20:37:43.000Z", "created_by": "jane@operator.example", "expires": null,
///  "disabled": false, "last_used": null, "revision": 1}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each field is documented at the method of ApiKey that reads it")]
pub struct ApiKeyView<'a> {
    #[serde(rename = "key_id")]
    pub id: KeyId,
    pub owner: Scope,
    pub label: &'a KeyLabel,
    pub last_four: &'a str,
    pub created: Timestamp,
    pub created_by: &'a Subject,
    pub expires: Option<Timestamp>,
    pub disabled: bool,
    pub last_used: Option<Timestamp>,
    pub revision: Revision,
}

impl<'a> ApiKeyView<'a> {
    pub(super) fn new(key: &'a ApiKey) -> Self {
        Self {
            id: key.id,
            owner: key.owner,
            label: &key.label,
            last_four: key.last_four(),
            created: key.created,
            created_by: &key.created_by,
            expires: key.expires,
            disabled: key.disabled,
            last_used: key.last_used,
            revision: key.revision,
        }
    }
}
