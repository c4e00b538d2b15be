//! An API key as a store keeps it.

use super::{ApiKey, KeyHash, KeyId, KeyLabel};
use crate::model::account::Revision;
use crate::model::scope::Scope;
use crate::model::secret::text;
use crate::model::subject::Subject;
use crate::model::timestamp::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Every field of an API key, for those who store keys. It holds the hash of the secret, and no secret; to show a key
/// to somebody, use [`ApiKeyView`](crate::ApiKeyView).
///
/// Reading one back goes through the fields' own constructors. Unknown fields are refused, so that an older program
/// never drops what a newer one wrote.
///
/// ```
/// # use gateway_accounts::*;
/// let record: ApiKeyRecord = serde_json::from_str(r#"{
///     "key_id": "4fJ9sKq02LmXa7Rt",
///     "owner": {"account": "06b5fe07-1d99-422b-902a-3b343f675413"},
///     "label": "billing export",
///     "hash": "$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
///     "last_four": "x7Q2",
///     "created": "2026-11-23T20:37:43.000Z",
///     "created_by": "jane@operator.example",
///     "revision": 1
/// }"#)?;
/// let key = ApiKey::try_from(record)?;
/// assert_eq!(key.label().as_str(), "billing export");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is documented at the method of ApiKey that reads it")]
pub struct ApiKeyRecord {
    #[serde(rename = "key_id")]
    pub id: KeyId,
    pub owner: Scope,
    pub label: KeyLabel,
    #[serde(serialize_with = "hash_to_text", deserialize_with = "hash_from_text")]
    pub hash: KeyHash,
    pub last_four: String,
    pub created: Timestamp,
    pub created_by: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    pub revision: Revision,
}

fn hash_to_text<S: Serializer>(hash: &KeyHash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(hash.reveal())
}

fn hash_from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyHash, D::Error> {
    let text: std::borrow::Cow<'de, str> = text(deserializer)?;
    KeyHash::parse(&text).map_err(D::Error::custom)
}

/// Why a record is not that of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyRecordError {
    /// The last four characters are not four visible ASCII characters.
    #[error("last_four must be four visible ASCII characters")]
    LastFour,
}

impl TryFrom<ApiKeyRecord> for ApiKey {
    type Error = ApiKeyRecordError;

    fn try_from(record: ApiKeyRecord) -> Result<Self, ApiKeyRecordError> {
        let ApiKeyRecord {
            id,
            owner,
            label,
            hash,
            last_four,
            created,
            created_by,
            expires,
            disabled,
            last_used,
            revision,
        } = record;
        let last_four = last_four.into_bytes().try_into().ok();
        let last_four = last_four.filter(|four: &[u8; 4]| four.iter().all(u8::is_ascii_graphic));
        let last_four = last_four.ok_or(ApiKeyRecordError::LastFour)?;
        Ok(Self {
            id,
            owner,
            label,
            hash,
            last_four,
            created,
            created_by,
            expires,
            disabled,
            last_used,
            revision,
        })
    }
}

impl From<&ApiKey> for ApiKeyRecord {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id,
            owner: key.owner,
            label: key.label.clone(),
            hash: key.hash.clone(),
            last_four: key.last_four().to_owned(),
            created: key.created,
            created_by: key.created_by.clone(),
            expires: key.expires,
            disabled: key.disabled,
            last_used: key.last_used,
            revision: key.revision,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key with every field.
    pub(crate) fn full() -> ApiKey {
        ApiKey::try_from(ApiKeyRecord {
            id: "4fJ9sKq02LmXa7Rt".parse().unwrap(),
            owner: Scope::Account("06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap()),
            label: "billing export".parse().unwrap(),
            hash: KeyHash::parse("$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA").unwrap(),
            last_four: "x7Q2".to_owned(),
            created: Timestamp::from_millis(1_795_466_263_000),
            created_by: "jane@operator.example".parse().unwrap(),
            expires: Some(Timestamp::from_millis(1_895_466_263_000)),
            disabled: true,
            last_used: Some(Timestamp::from_millis(1_795_466_299_000)),
            revision: Revision::new(3),
        })
        .unwrap()
    }

    #[test]
    fn comes_back_as_it_was() {
        let key = full();
        let json = serde_json::to_string(&ApiKeyRecord::from(&key)).unwrap();
        let record: ApiKeyRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(ApiKey::try_from(record).unwrap(), key);
    }

    #[test]
    fn no_broken_record_is_loaded() {
        let json = serde_json::to_value(ApiKeyRecord::from(&full())).unwrap();
        for (field, value) in [
            ("key_id", "short".into()),
            ("owner", "nobody".into()),
            ("label", "".into()),
            ("hash", "$1$".into()),
            ("hash", 7.into()),
            ("last_four", "x7Q".into()),
            ("last_four", "é7Q".into()),
            ("created", "yesterday".into()),
            ("created_by", "".into()),
            ("expires", 7.into()),
            ("disabled", "no".into()),
            ("secret", "x".into()),
        ] {
            let mut json = json.clone();
            let value: serde_json::Value = value;
            json[field] = value;
            let read = serde_json::from_value::<ApiKeyRecord>(json).map_err(|error| error.to_string());
            let read = read.and_then(|record| ApiKey::try_from(record).map_err(|error| error.to_string()));
            assert!(read.is_err(), "{field}");
        }
    }
}
