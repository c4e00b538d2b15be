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
    #[serde(
        rename = "former_webhook_secret.secret",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "secret::text"
    )]
    former_webhook_secret: Option<Box<str>>,
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
    #[error("there is no box for `{field}`")]
    NoBox { field: SecretField },
    #[error("there is a box for `{field}`, but no `{PLACEHOLDER}` in the account where its text belongs")]
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
            SecretField::FormerWebhookSecret => &self.former_webhook_secret,
        }
        .as_deref()
    }

    fn slot(&mut self, field: SecretField) -> &mut Option<Box<str>> {
        match field {
            SecretField::WebhookSecret => &mut self.webhook_secret,
            SecretField::RegistrationPassword => &mut self.registration_password,
            SecretField::QueueEventPassword => &mut self.queue_event_password,
            SecretField::FormerWebhookSecret => &mut self.former_webhook_secret,
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
            former_webhook_secret: None,
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
        SecretField::FormerWebhookSecret => {
            return record.former_webhook_secret.as_deref().map(|former| former.secret().reveal());
        }
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
        SecretField::FormerWebhookSecret => {
            if let Some(former) = &mut record.former_webhook_secret {
                *former.secret_mut() = WebhookSecret::import(text)?;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::tests::full;
    use crate::model::webhook::WebhookUrl;
    use crate::random::SeededRandom;
    use crate::sealing::key::SealingKey;
    use SecretField as F;

    const SECRET: &str = "wh_secret_abcdefghijklmnop";

    fn key(id: &str, byte: u8) -> SealingKey {
        SealingKey::new(id, [byte; 32]).unwrap()
    }

    fn keyring() -> Keyring {
        Keyring::new(key("2026-11", 1))
    }

    fn seal(keyring: &Keyring, account: &Account) -> (AccountRecord, SealedSecrets) {
        keyring.seal_account(account, &SeededRandom::new(1)).unwrap()
    }

    fn json(record: &AccountRecord) -> String {
        serde_json::to_string(record).unwrap()
    }

    /// The full account with these secrets; `None` for a webhook without credentials.
    fn account(secret: &str, registration: Option<&str>, queue: Option<&str>) -> Account {
        let hook = |password: Option<&str>| {
            let url = WebhookUrl::parse("https://hooks.example/r#rc=2&rp=5xx").unwrap();
            let credentials = password.map(|password| WebhookCredentials::new("jane", password).unwrap());
            Some(Box::new(Webhook::new(url).with_credentials(credentials)))
        };
        let mut record = AccountRecord::from(&full());
        record.webhook_secret = WebhookSecret::import(secret).unwrap();
        record.registration_webhook = hook(registration);
        record.queue_event_webhook = hook(queue);
        record.former_webhook_secret = None;
        Account::try_from(record).unwrap()
    }

    #[test]
    fn every_secret_is_sealed_and_comes_back() {
        let longest = "s".repeat(255);
        let mut without_hooks = AccountRecord::from(&full());
        (without_hooks.registration_webhook, without_hooks.queue_event_webhook) = (None, None);
        without_hooks.former_webhook_secret = None;
        for (account, boxes) in [
            (
                full(),
                "webhook_secret registration_webhook.password queue_event_webhook.password \
                 former_webhook_secret.secret",
            ),
            (Account::try_from(without_hooks).unwrap(), "webhook_secret"),
            (account(SECRET, None, None), "webhook_secret"),
            (account(SECRET, Some("hunter2"), None), "webhook_secret registration_webhook.password"),
            (account(SECRET, None, Some("hunter2")), "webhook_secret queue_event_webhook.password"),
            (
                account(" \tspaces kept \n", Some(""), Some("pão-de-ló")),
                "webhook_secret registration_webhook.password queue_event_webhook.password",
            ),
            (
                account(&longest, Some(&longest), Some(&longest)),
                "webhook_secret registration_webhook.password queue_event_webhook.password",
            ),
            // Secrets that look like the placeholder.
            (
                account(PLACEHOLDER, Some(PLACEHOLDER), Some(PLACEHOLDER)),
                "webhook_secret registration_webhook.password queue_event_webhook.password",
            ),
        ] {
            let (record, sealed) = seal(&keyring(), &account);
            let found: Vec<_> =
                F::ALL.into_iter().filter(|field| sealed.get(*field).is_some()).map(F::name).collect();
            assert_eq!(found.join(" "), boxes);
            for field in F::ALL {
                let expected = sealed.get(field).map(|_| PLACEHOLDER);
                assert_eq!(reveal(&record, field), expected, "{field}");
            }
            // By way of JSON, as a store does.
            let record = serde_json::from_str(&json(&record)).unwrap();
            let sealed = serde_json::from_str(&serde_json::to_string(&sealed).unwrap()).unwrap();
            let opened = keyring().open_account(record, &sealed).unwrap();
            assert_eq!(Account::try_from(opened).unwrap(), account);
        }
    }

    #[test]
    fn no_secret_is_left_beside_the_boxes() {
        let (record, sealed) = seal(&keyring(), &full());
        let text = format!("{} {} {sealed:?}", json(&record), serde_json::to_string(&sealed).unwrap());
        assert!(text.contains("jane"), "{text}");
        for secret in [SECRET, "hunter2", "former_abc"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    /// The nonces 40 41 42 … in hexadecimal.
    #[derive(Debug)]
    struct Counting(std::sync::atomic::AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.fill_with(|| self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(())
        }
    }

    /// The key 80 81 … 9f, the nonces 40 … 57, 58 … 6f and 70 … 87, the clear texts below: these boxes were made by
    /// libsodium (`crypto_aead_xchacha20poly1305_ietf_encrypt`, as PyNaCl 1.6.2 has it), not by this crate.
    #[test]
    fn the_boxes_are_those_of_libsodium() {
        const STORED: &str = concat!(
            r#"{"key":"2026-11","#,
            r#""webhook_secret":"QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXhmQshz6Thj+PTRSZh8npGHYXCCptLPKGp9u/RHQYeaNbR/v"#,
            r#"ASuzVMA5woVIl+Ft5","#,
            r#""registration_webhook.password":"WFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vWpV0BrWj019gX4xniifzx2bvFJe+KJeOzT"#,
            r#"6k","#,
            r#""queue_event_webhook.password":"cHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHcix0fQFGNt8cv3rmcSt5mw=="}"#,
        );
        let account = account("wh_secret_cJqgtMDPzDhhnjmaJH6Mtk", Some("pão-de-ló"), Some(""));
        assert_eq!(account.sid().to_string(), "06b5fe07-1d99-422b-902a-3b343f675413");
        let key = std::array::from_fn(|i| 0x80 + i as u8);
        let keyring = Keyring::new(SealingKey::new("2026-11", key).unwrap());
        let (record, sealed) = keyring.seal_account(&account, &Counting(0x40.into())).unwrap();
        assert_eq!(serde_json::to_string(&sealed).unwrap(), STORED);
        let opened = keyring.open_account(record, &serde_json::from_str(STORED).unwrap()).unwrap();
        assert_eq!(Account::try_from(opened).unwrap(), account);
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let former = keyring();
        let both = Keyring::new(key("2027-01", 2)).with_former(key("2026-11", 1)).unwrap();
        let only_new = Keyring::new(key("2027-01", 2));
        let by_former = seal(&former, &full());
        let by_first = seal(&both, &full());
        assert_eq!((&*by_former.1.key, &*by_first.1.key), ("2026-11", "2027-01"));
        let opens = |keyring: &Keyring, (record, sealed): &(AccountRecord, SealedSecrets)| {
            keyring.open_account(record.clone(), sealed).map(|record| Account::try_from(record).unwrap())
        };
        let unknown = |id: &str| Err(UnsealError::UnknownKey { key: id.into() });
        assert_eq!(opens(&both, &by_former), Ok(full()));
        assert_eq!(opens(&both, &by_first), Ok(full()));
        assert_eq!(opens(&only_new, &by_first), Ok(full()));
        assert_eq!(opens(&only_new, &by_former), unknown("2026-11"));
        assert_eq!(opens(&former, &by_first), unknown("2027-01"));
    }

    /// What is done to a sealed account before it is opened.
    type Change = fn(&mut AccountRecord, &mut SealedSecrets);

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let other_account: Change = |record, _| {
            record.sid = "06b5fe07-1d99-422b-902a-3b343f675414".parse().unwrap();
        };
        let another_key: Change = |record, sealed| {
            (*record, *sealed) = seal(&Keyring::new(key("2026-11", 2)), &full());
        };
        let table: [(Change, &str); 20] = [
            (
                |_, sealed| sealed.key = "2025-06".into(),
                "sealed with key `2025-06`, which is not in the keyring",
            ),
            (another_key, "key `2026-11` does not open `webhook_secret`: REFUSED"),
            (other_account, "key `2026-11` does not open `webhook_secret`: REFUSED"),
            (
                |_, sealed| {
                    std::mem::swap(&mut sealed.registration_password, &mut sealed.queue_event_password)
                },
                "key `2026-11` does not open `registration_webhook.password`: REFUSED",
            ),
            (
                |_, sealed| sealed.webhook_secret = sealed.queue_event_password.clone(),
                "key `2026-11` does not open `webhook_secret`: REFUSED",
            ),
            (
                |_, sealed| sealed.queue_event_password = Some("hunter2!".into()),
                "key `2026-11` does not open `queue_event_webhook.password`: it is not standard base64",
            ),
            (
                |_, sealed| sealed.queue_event_password = Some("hunter22".into()),
                "key `2026-11` does not open `queue_event_webhook.password`: it is shorter than a sealed text can be",
            ),
            (|_, sealed| sealed.webhook_secret = None, "there is no box for `webhook_secret`"),
            (
                |_, sealed| sealed.registration_password = None,
                "there is no box for `registration_webhook.password`",
            ),
            (
                |_, sealed| sealed.former_webhook_secret = sealed.webhook_secret.clone(),
                "key `2026-11` does not open `former_webhook_secret.secret`: REFUSED",
            ),
            (
                |_, sealed| sealed.former_webhook_secret = None,
                "there is no box for `former_webhook_secret.secret`",
            ),
            (
                |record, _| record.former_webhook_secret = None,
                "there is a box for `former_webhook_secret.secret`, but no `(sealed)` in the account where its text \
                 belongs",
            ),
            // In clear, and not in a box.
            (
                |record, sealed| {
                    record.webhook_secret = WebhookSecret::import("8675309").unwrap();
                    sealed.webhook_secret = None;
                },
                "there is no box for `webhook_secret`",
            ),
            // In clear, and in a box too.
            (
                |record, _| record.webhook_secret = WebhookSecret::import("8675309").unwrap(),
                "there is a box for `webhook_secret`, but no `(sealed)` in the account where its text belongs",
            ),
            (
                |record, _| {
                    let hook = record.queue_event_webhook.as_mut().unwrap();
                    *hook.credentials_mut().unwrap() = WebhookCredentials::new("jane", "8675309").unwrap();
                },
                "there is a box for `queue_event_webhook.password`, but no `(sealed)` in the account where its text belongs",
            ),
            // No webhook, or one without credentials.
            (
                |record, _| record.registration_webhook = None,
                "there is a box for `registration_webhook.password`, but no `(sealed)` in the account where its text belongs",
            ),
            (
                |record, _| {
                    let hook = record.registration_webhook.take().unwrap();
                    record.registration_webhook = Some(Box::new(hook.with_credentials(None)));
                },
                "there is a box for `registration_webhook.password`, but no `(sealed)` in the account where its text belongs",
            ),
            (
                |_, sealed| sealed.webhook_secret = Some(boxed(F::WebhookSecret, b"8675309\xff")),
                "what key `2026-11` sealed as `webhook_secret` is not UTF-8 text",
            ),
            (
                |_, sealed| sealed.webhook_secret = Some(boxed(F::WebhookSecret, &[b'8'; 256])),
                "what key `2026-11` sealed as `webhook_secret` breaks a rule: must have at most 255 bytes",
            ),
            (
                |_, sealed| sealed.queue_event_password = Some(boxed(F::QueueEventPassword, b"8675309\n")),
                "what key `2026-11` sealed as `queue_event_webhook.password` breaks a rule: must not contain the \
                 character at this position",
            ),
        ];
        for (change, expected) in table {
            let (mut record, mut sealed) = seal(&keyring(), &full());
            change(&mut record, &mut sealed);
            let boxes: Vec<_> =
                F::ALL.iter().filter_map(|field| sealed.get(*field).map(str::to_owned)).collect();
            let error = keyring().open_account(record, &sealed).unwrap_err();
            let refused = "it is another key of the same name, or the text was altered or belongs to another account \
                           or field";
            assert_eq!(error.to_string(), expected.replace("REFUSED", refused));
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("8675309") && !printed.contains("hunter2"), "{printed}");
            assert!(!boxes.iter().any(|text| printed.contains(&**text)), "{printed}");
        }
    }

    /// A box that the keyring made, of something that it would not have been given.
    fn boxed(field: SecretField, clear: &[u8]) -> Box<str> {
        let of = Binding { sid: full().sid(), field };
        keyring().seal(&of, clear, &SeededRandom::new(2)).unwrap()
    }

    #[test]
    fn broken_boxes_are_not_read() {
        let (_, sealed) = seal(&keyring(), &full());
        let good = serde_json::to_value(&sealed).unwrap();
        assert_eq!(serde_json::from_value::<SealedSecrets>(good.clone()).unwrap(), sealed);
        for (field, value) in [
            ("key", "".into()),
            ("key", "two words".into()),
            ("key", "k".repeat(65).into()),
            ("key", 8_675_309.into()),
            ("webhook_secret", 8_675_309.into()),
            ("registration_webhook.password", serde_json::json!(["8675309"])),
            ("queue_event_webhook.password", serde_json::json!({"8675309": 1})),
            ("colour", "8675309".into()),
        ] {
            let mut json = good.clone();
            json[field] = value;
            let error = serde_json::from_value::<SealedSecrets>(json).unwrap_err().to_string();
            assert!(!error.contains("8675309"), "{error}");
        }
        let mut json = good;
        json.as_object_mut().unwrap().remove("key");
        assert!(serde_json::from_value::<SealedSecrets>(json).is_err());
    }

    #[test]
    fn without_nonces_nothing_is_sealed() {
        #[derive(Debug)]
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError::new("broken"))
            }
        }
        assert!(keyring().seal_account(&full(), &Broken).is_err());
    }
}
