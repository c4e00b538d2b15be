//! Sealing and opening the secrets of an account.

use crate::model::account::Account;
use crate::model::record::AccountRecord;
use crate::model::secret;
use crate::model::webhook::{Webhook, WebhookCredentials, WebhookCredentialsError};
use crate::model::webhook_secret::{WebhookSecret, WebhookSecretError};
use crate::random::{Random, RandomError};
use crate::sealing::key;
use crate::sealing::keyring::{self, Binding, Keyring, OpenError, SecretField};
use serde::{Deserialize, Deserializer, Serialize};

/// What stands in a record in place of a secret that is in a box. As a secret it breaks no rule; a secret that is this
/// very text is in a box as every other.
const PLACEHOLDER: &str = "(sealed)";

/// The boxes of one account, as they are stored beside its record: one for each secret that it has, all sealed with
/// the key of this id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedSecrets {
    #[serde(deserialize_with = "key_id")]
    key: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "secret::text")]
    webhook_secret: Option<Box<str>>,
    #[serde(
        rename = "registration_webhook.password",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "secret::text"
    )]
    registration_password: Option<Box<str>>,
    #[serde(
        rename = "queue_event_webhook.password",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "secret::text"
    )]
    queue_event_password: Option<Box<str>>,
}

/// An id that breaks no rule: it is repeated in errors.
fn key_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let id: Box<str> = secret::text(deserializer)?;
    key::parse_id(&id).map_err(serde::de::Error::custom)
}

/// Why the secrets of an account were not opened. It repeats neither a secret nor a box.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnsealError {
    #[error("sealed with key `{key}`, which is not in the keyring")]
    UnknownKey { key: Box<str> },
    #[error("key `{key}` does not open `{field}`: {source}")]
    Open { key: Box<str>, field: SecretField, source: OpenError },
    #[error("`{field}` is not in a box")]
    NoBox { field: SecretField },
    #[error(
        "there is a box for `{field}`, but the account has no such secret, or one that stands beside the box"
    )]
    NoPlace { field: SecretField },
    #[error("what key `{key}` sealed as `{field}` is not UTF-8 text")]
    NotText { key: Box<str>, field: SecretField },
    #[error("what key `{key}` sealed as `{field}` breaks a rule: {source}")]
    Rule { key: Box<str>, field: SecretField, source: BrokenRule },
}

/// A text that is no value of its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenRule {
    #[error(transparent)]
    Secret(#[from] WebhookSecretError),
    #[error(transparent)]
    Password(#[from] WebhookCredentialsError),
}

impl SealedSecrets {
    fn get(&self, field: SecretField) -> Option<&str> {
        match field {
            SecretField::WebhookSecret => &self.webhook_secret,
            SecretField::RegistrationPassword => &self.registration_password,
            SecretField::QueueEventPassword => &self.queue_event_password,
        }
        .as_deref()
    }

    fn slot(&mut self, field: SecretField) -> &mut Option<Box<str>> {
        match field {
            SecretField::WebhookSecret => &mut self.webhook_secret,
            SecretField::RegistrationPassword => &mut self.registration_password,
            SecretField::QueueEventPassword => &mut self.queue_event_password,
        }
    }
}

impl Keyring {
    /// The account's record with a placeholder for each secret, and the boxes that hold them, sealed with the first
    /// key. A nonce is taken from `random` for each.
    ///
    /// # Errors
    /// [`RandomError`] when the random source fails.
    pub(crate) fn seal_account(
        &self,
        account: &Account,
        random: &dyn Random,
    ) -> Result<(AccountRecord, SealedSecrets), RandomError> {
        let mut record = AccountRecord::from(account);
        let mut sealed = SealedSecrets {
            key: self.first().id().into(),
            webhook_secret: None,
            registration_password: None,
            queue_event_password: None,
        };
        for field in SecretField::ALL {
            let Some(clear) = reveal(&record, field) else { continue };
            let of = Binding { sid: record.sid, field };
            *sealed.slot(field) = Some(self.seal(&of, clear.as_bytes(), random)?);
            replace(&mut record, field, PLACEHOLDER).expect("the placeholder breaks no rule");
        }
        Ok((record, sealed))
    }

    /// The record with its secrets in clear, out of one with placeholders and the boxes beside it. Each secret of the
    /// account must be a placeholder and have a box, and no other field may have one.
    ///
    /// # Errors
    /// [`UnsealError`] when no key of that id is there, a box does not open, what it holds is not a value of the field,
    /// or boxes and placeholders do not go together.
    pub(crate) fn open_account(
        &self,
        mut record: AccountRecord,
        sealed: &SealedSecrets,
    ) -> Result<AccountRecord, UnsealError> {
        let id = || sealed.key.clone();
        let key = self.get(&sealed.key).ok_or_else(|| UnsealError::UnknownKey { key: id() })?;
        for field in SecretField::ALL {
            let text = match (sealed.get(field), reveal(&record, field)) {
                (None, None) => continue,
                (None, Some(_)) => return Err(UnsealError::NoBox { field }),
                (Some(text), Some(PLACEHOLDER)) => text,
                (Some(_), _) => return Err(UnsealError::NoPlace { field }),
            };
            let of = Binding { sid: record.sid, field };
            let clear = keyring::open(key, &of, text).map_err(|source| UnsealError::Open {
                key: id(),
                field,
                source,
            })?;
            let clear = str::from_utf8(&clear).map_err(|_| UnsealError::NotText { key: id(), field })?;
            replace(&mut record, field, clear).map_err(|source| UnsealError::Rule {
                key: id(),
                field,
                source,
            })?;
        }
        Ok(record)
    }
}

/// The secret of this field in clear, or what stands in its place; `None` when the account has no such secret.
fn reveal(record: &AccountRecord, field: SecretField) -> Option<&str> {
    let hook = match field {
        SecretField::WebhookSecret => return Some(record.webhook_secret.reveal()),
        SecretField::RegistrationPassword => record.registration_webhook.as_deref(),
        SecretField::QueueEventPassword => record.queue_event_webhook.as_deref(),
    };
    hook.and_then(Webhook::credentials).map(WebhookCredentials::reveal_password)
}

/// Puts this text where [`reveal`] finds one; does nothing where it finds none.
fn replace(record: &mut AccountRecord, field: SecretField, text: &str) -> Result<(), BrokenRule> {
    let hook = match field {
        SecretField::WebhookSecret => {
            record.webhook_secret = WebhookSecret::import(text)?;
            return Ok(());
        }
        SecretField::RegistrationPassword => record.registration_webhook.as_deref_mut(),
        SecretField::QueueEventPassword => record.queue_event_webhook.as_deref_mut(),
    };
    if let Some(credentials) = hook.and_then(Webhook::credentials_mut) {
        *credentials = WebhookCredentials::new(credentials.username(), text)?;
    }
    Ok(())
}
