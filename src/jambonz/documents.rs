//! The records of a jambonz server, as its REST API writes them.

use crate::model::secret::SecretText;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

/// Everything that is moved: what a jambonz server returned, or what a dump of its database holds
/// ([`Documents::from_dump`]).
///
/// ```
/// use gateway_accounts::jambonz::{ByAccount, Documents};
/// let documents = Documents {
///     accounts: serde_json::from_str(r#"[{"account_sid": "06b5fe07-1d99-422b-902a-3b343f675413", "name": "Acme"}]"#)?,
///     limits: serde_json::from_str::<ByAccount<_>>(
///         r#"{"06b5fe07-1d99-422b-902a-3b343f675413": [{"category": "voice_call_session", "quantity": 120}]}"#,
///     )?.0,
///     ..Documents::default()
/// };
/// assert_eq!(documents.limits[0].quantity, Some(120));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// `GET /v1/ServiceProviders`.
    pub service_providers: Vec<ServiceProvider>,
    /// `GET /v1/Accounts`.
    pub accounts: Vec<Account>,
    /// `GET /v1/Applications`. An account's reference to an application that is not among them is dropped.
    pub applications: Vec<Application>,
    /// `GET /v1/Accounts/:sid/Limits` of every account.
    pub limits: Vec<Limit>,
    /// `GET /v1/Accounts/:sid/ApiKeys` of every account.
    pub api_keys: Vec<ApiKey>,
}

/// An account, as `GET /v1/Accounts` lists it.
///
/// Like all documents it is read with tolerance, since jambonz checks little of what it stores: a field may be
/// absent or `null`, a text may be a number, a number a text or a boolean, and fields that this version of the crate
/// does not know are accepted. What a text means is decided by [`Documents::import`], so that one bad value does
/// not hide the other records. Reading fails, with line and column, only where a value has another shape: a list for
/// a name, a word for a number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Account {
    /// A UUID.
    #[serde(deserialize_with = "text")]
    pub account_sid: Option<String>,
    /// Any text of up to 64 characters; empty and repeated ones, too.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// Any text of up to 132 characters.
    #[serde(deserialize_with = "text")]
    pub sip_realm: Option<String>,
    /// A UUID.
    #[serde(deserialize_with = "text")]
    pub service_provider_sid: Option<String>,
    /// The SID of an application, of any account.
    #[serde(deserialize_with = "text")]
    pub device_calling_application_sid: Option<String>,
    /// The SID of an application, in spite of its name.
    #[serde(deserialize_with = "text")]
    pub siprec_hook_sid: Option<String>,
    /// 0: deactivated.
    #[serde(deserialize_with = "whole_number")]
    pub is_active: Option<i64>,
    /// Why it is deactivated.
    #[serde(deserialize_with = "text")]
    pub deactivated_reason: Option<String>,
    /// RFC 3339, in UTC.
    #[serde(deserialize_with = "text")]
    pub created_at: Option<String>,
    /// What signs the webhooks.
    pub webhook_secret: Option<Concealed>,
    /// Called to authenticate a registration.
    #[serde(deserialize_with = "webhook")]
    pub registration_hook: Option<Webhook>,
    /// Told when a member joins or leaves a queue.
    #[serde(deserialize_with = "webhook")]
    pub queue_event_hook: Option<Webhook>,
    /// `trial`, `free` or `paid`.
    #[serde(deserialize_with = "text")]
    pub plan_type: Option<String>,
    /// RFC 3339, in UTC.
    #[serde(deserialize_with = "text")]
    pub trial_end_date: Option<String>,
    /// How many devices may register for each session.
    #[serde(deserialize_with = "whole_number")]
    pub device_to_call_ratio: Option<i64>,
    /// 0 or 1.
    #[serde(deserialize_with = "whole_number")]
    pub disable_cdrs: Option<i64>,
    /// 0 or 1.
    #[serde(deserialize_with = "whole_number")]
    pub record_all_calls: Option<i64>,
    /// `mp3` or `wav`.
    #[serde(deserialize_with = "text")]
    pub record_format: Option<String>,
    /// 0 or 1.
    #[serde(deserialize_with = "whole_number")]
    pub enable_debug_log: Option<i64>,
    /// Whether there are credentials for recordings. They are not read, since the list has them in clear.
    #[serde(deserialize_with = "presence")]
    pub bucket_credential: bool,
    /// Whether there is one. It is not read.
    #[serde(deserialize_with = "presence")]
    pub stripe_customer_id: bool,
    /// Whether there is one. It is not read.
    #[serde(deserialize_with = "presence")]
    pub subspace_client_id: bool,
    /// Whether there is one. It is not read.
    #[serde(deserialize_with = "presence")]
    pub subspace_client_secret: bool,
    /// Whether there is one. It is not read.
    #[serde(deserialize_with = "presence")]
    pub subspace_sip_teleport_id: bool,
    /// Whether there are any. They are not read.
    #[serde(deserialize_with = "presence")]
    pub subspace_sip_teleport_destinations: bool,
    /// The names of the fields that are not among the above and hold something. They are not read.
    #[serde(flatten, deserialize_with = "names")]
    pub others: BTreeSet<String>,
}

/// A webhook within another document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Webhook {
    /// Any text of up to 1024 characters. Concealed, since it may hold a password.
    pub url: Option<Concealed>,
    /// `GET` or `POST`.
    #[serde(deserialize_with = "text")]
    pub method: Option<String>,
    /// The user name for basic authentication. jambonz sends none without a password.
    pub username: Option<Concealed>,
    /// The password for basic authentication.
    pub password: Option<Concealed>,
}

/// A limit of an account, as `GET /v1/Accounts/:sid/Limits` lists it. There can be several of one category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Limit {
    /// A UUID.
    #[serde(deserialize_with = "text")]
    pub account_limits_sid: Option<String>,
    /// Whose limit it is.
    #[serde(deserialize_with = "text")]
    pub account_sid: Option<String>,
    /// `voice_call_session`, `voice_call_minutes`, `voice_call_session_license`, `voice_call_minutes_license`,
    /// `device` or `api_rate`.
    #[serde(deserialize_with = "text")]
    pub category: Option<String>,
    /// Negative ones, too.
    #[serde(deserialize_with = "whole_number")]
    pub quantity: Option<i64>,
}

/// An API key, as `GET /v1/Accounts/:sid/ApiKeys` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ApiKey {
    /// A UUID.
    #[serde(deserialize_with = "text")]
    pub api_key_sid: Option<String>,
    /// The key itself, which jambonz keeps and lists in clear.
    pub token: Option<Concealed>,
    /// The account it is for.
    #[serde(deserialize_with = "text")]
    pub account_sid: Option<String>,
    /// The service provider it is for. A key with neither is an admin's.
    #[serde(deserialize_with = "text")]
    pub service_provider_sid: Option<String>,
    /// RFC 3339, in UTC. jambonz lets the key in afterwards, too.
    #[serde(deserialize_with = "text")]
    pub expires_at: Option<String>,
    /// RFC 3339, in UTC.
    #[serde(deserialize_with = "text")]
    pub last_used: Option<String>,
    /// RFC 3339, in UTC.
    #[serde(deserialize_with = "text")]
    pub created_at: Option<String>,
}

/// An application, as `GET /v1/Applications` lists it; only what says whose it is and which webhooks it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Application {
    /// A UUID.
    #[serde(deserialize_with = "text")]
    pub application_sid: Option<String>,
    /// Unique within an account.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// The account that owns it.
    #[serde(deserialize_with = "text")]
    pub account_sid: Option<String>,
    /// The service provider that owns it, when no account does: then all accounts under it may use it.
    #[serde(deserialize_with = "text")]
    pub service_provider_sid: Option<String>,
    /// Called for instructions when a call comes in.
    #[serde(deserialize_with = "webhook")]
    pub call_hook: Option<Webhook>,
    /// Told about the state of calls.
    #[serde(deserialize_with = "webhook")]
    pub call_status_hook: Option<Webhook>,
    /// Called for messages.
    #[serde(deserialize_with = "webhook")]
    pub messaging_hook: Option<Webhook>,
}

/// A service provider, as `GET /v1/ServiceProviders` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServiceProvider {
    /// A UUID.
    #[serde(deserialize_with = "text")]
    pub service_provider_sid: Option<String>,
    /// Unique.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// What people say of it.
    #[serde(deserialize_with = "text")]
    pub description: Option<String>,
    /// The domain under which its accounts have their realms.
    #[serde(deserialize_with = "text")]
    pub root_domain: Option<String>,
    /// The domain for Microsoft Teams.
    #[serde(deserialize_with = "text")]
    pub ms_teams_fqdn: Option<String>,
    /// Called by older versions to authenticate a registration in the root domain.
    #[serde(deserialize_with = "webhook")]
    pub registration_hook: Option<Webhook>,
}

/// Records that the REST API gives account by account: a list of them, or an object whose keys are account SIDs
/// and whose values are such lists. What a record says of its account counts, not the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByAccount<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByAccount<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lists<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Lists<T> {
            type Value = ByAccount<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records, or an object of such lists by account SID")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ByAccount<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(record) = list.next_element()? {
                    all.push(record);
                }
                Ok(ByAccount(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut lists: A) -> Result<ByAccount<T>, A::Error> {
                let mut all = Vec::new();
                while let Some((_, mut list)) = lists.next_entry::<IgnoredAny, Vec<T>>()? {
                    all.append(&mut list);
                }
                Ok(ByAccount(all))
            }
        }
        deserializer.deserialize_any(Lists(PhantomData))
    }
}

/// A text that must not be seen: a secret, a password, a token, or a URL, which may hold one.
///
/// `Debug` does not print it, it is compared in constant time, and its memory is wiped when it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concealed(SecretText);

impl Concealed {
    /// Conceals a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretText::new(text))
    }

    /// The text in clear. Think before you log, send or show what this returns.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl<'de> Deserialize<'de> for Concealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer)?.ok_or_else(|| Error::custom("must be a text"))?;
        Ok(Self::new(&zeroize::Zeroizing::new(text)))
    }
}

/// What kind of record something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// An [`Account`].
    Account,
    /// A [`Limit`].
    Limit,
    /// An [`ApiKey`].
    ApiKey,
    /// An [`Application`].
    Application,
    /// A [`ServiceProvider`].
    ServiceProvider,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Limit => "limit",
            Self::ApiKey => "API key",
            Self::Application => "application",
            Self::ServiceProvider => "service provider",
        })
    }
}

/// A value of any type, as text. The errors of all these readers never repeat the value, which may be a secret.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct AnyText;
    impl<'de> Visitor<'de> for AnyText {
        type Value = Option<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
            Ok(Some(flag.to_string()))
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Self::Value, D::Error> {
            some.deserialize_any(self)
        }
    }
    deserializer.deserialize_any(AnyText)
}

/// A webhook, or none.
fn webhook<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Webhook>, D::Error> {
    struct Hook;
    impl<'de> Visitor<'de> for Hook {
        type Value = Option<Webhook>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with a URL")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Webhook::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::custom("must be an object with a URL"))
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Self::Value, D::Error> {
            some.deserialize_any(self)
        }
    }
    deserializer.deserialize_any(Hook)
}

/// A whole number, a boolean as 0 or 1, a fraction rounded as MariaDB rounds it, or any of these in a text.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(text) = text(deserializer)? else { return Ok(None) };
    let number = match text.trim() {
        "" => return Ok(None),
        "false" => Some(0),
        "true" => Some(1),
        digits => digits.parse().ok().or_else(|| rounded(digits)),
    };
    number.map(Some).ok_or_else(|| Error::custom("must be a whole number"))
}

fn rounded(digits: &str) -> Option<i64> {
    /// All whole numbers up to here are exact in a 64-bit float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = digits.parse().ok()?;
    (number.abs() <= EXACT).then(|| number.round() as i64)
}

/// Whether there is something other than `null` and an empty text.
fn presence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Anything;
    impl<'de> Visitor<'de> for Anything {
        type Value = bool;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
            Ok(!text.is_empty())
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
            Ok(true)
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
            Ok(true)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
            Ok(true)
        }
        fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
            Ok(true)
        }
        fn visit_unit<E: Error>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_none<E: Error>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<bool, D::Error> {
            some.deserialize_any(self)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(true)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(true)
        }
    }
    deserializer.deserialize_any(Anything)
}

/// The names of the fields that hold something.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    struct Presence(bool);
    impl<'de> Deserialize<'de> for Presence {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            presence(deserializer).map(Self)
        }
    }
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = BTreeSet<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = BTreeSet::new();
            while let Some((name, Presence(present))) = map.next_entry::<String, _>()? {
                if present {
                    names.insert(name);
                }
            }
            Ok(names)
        }
    }
    deserializer.deserialize_map(Names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_with_tolerance() {
        for (json, expected) in [
            (r#"{"is_active": 1}"#, Some(1)),
            (r#"{"is_active": true}"#, Some(1)),
            (r#"{"is_active": false}"#, Some(0)),
            (r#"{"is_active": "0"}"#, Some(0)),
            (r#"{"is_active": -5}"#, Some(-5)),
            (r#"{"is_active": 1.5}"#, Some(2)),
            (r#"{"is_active": ""}"#, None),
            (r#"{"is_active": null}"#, None),
            (r"{}", None),
        ] {
            assert_eq!(serde_json::from_str::<Account>(json).unwrap().is_active, expected, "{json}");
        }
        for (json, expected) in [
            (r#"{"name": "Acme"}"#, Some("Acme")),
            (r#"{"name": 4242}"#, Some("4242")),
            (r#"{"name": true}"#, Some("true")),
            (r#"{"name": null}"#, None),
        ] {
            assert_eq!(serde_json::from_str::<Account>(json).unwrap().name.as_deref(), expected, "{json}");
        }
        for (json, expected) in [
            (r#"{"bucket_credential": {"vendor": "aws_s3"}}"#, true),
            (r#"{"bucket_credential": "{}"}"#, true),
            (r#"{"bucket_credential": ""}"#, false),
            (r#"{"bucket_credential": null}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<Account>(json).unwrap().bucket_credential, expected, "{json}");
        }
    }

    #[test]
    fn fields_of_a_later_jambonz_are_named_when_they_hold_something() {
        let account: Account =
            serde_json::from_str(r#"{"name": "x", "new": {"a": [1]}, "nothing": null, "blank": ""}"#)
                .unwrap();
        assert_eq!(account.others, BTreeSet::from(["new".to_owned()]));
    }

    #[test]
    fn lists_and_lists_by_account_are_the_same() {
        let row = r#"{"category": "device", "quantity": "12"}"#;
        for json in [format!("[{row}, {row}]"), format!(r#"{{"a": [{row}], "b": [], "c": [{row}]}}"#)] {
            let limits: ByAccount<Limit> = serde_json::from_str(&json).unwrap();
            assert_eq!(limits.0.len(), 2, "{json}");
            assert_eq!(limits.0[1].quantity, Some(12), "{json}");
        }
        assert!(serde_json::from_str::<ByAccount<Limit>>("3").is_err());
    }

    #[test]
    fn secrets_are_neither_printed_nor_repeated_in_errors() {
        let account: Account = serde_json::from_str(
            r#"{"webhook_secret": "s3cr3t", "bucket_credential": {"secret_access_key": "s3cr3t"},
                "registration_hook": {"url": "https://s3cr3t@x", "username": "s3cr3t", "password": "s3cr3t"}}"#,
        )
        .unwrap();
        let key: ApiKey = serde_json::from_str(r#"{"token": "s3cr3t"}"#).unwrap();
        assert!(!format!("{account:?} {key:#?}").contains("s3cr3t"));
        for json in [
            r#"{"webhook_secret": ["s3cr3t"]}"#,
            r#"{"webhook_secret": {"a": "s3cr3t"}}"#,
            r#"{"is_active": "s3cr3t"}"#,
            r#"{"registration_hook": "https://s3cr3t@x"}"#,
            r#"{"registration_hook": ["https://s3cr3t@x"]}"#,
            r#"{"registration_hook": {"url": ["https://s3cr3t@x"]}}"#,
        ] {
            let error = serde_json::from_str::<Account>(json).unwrap_err();
            assert!(!error.to_string().contains("s3cr3t"), "{error}");
        }
    }
}
