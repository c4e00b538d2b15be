//! An account as a store keeps it.

use crate::model::account::{Account, Revision};
use crate::model::contract::Contract;
use crate::model::former_secret::{self, FormerSecret};
use crate::model::minutes_used::MinutesUsed;
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::problem::ValueError;
use crate::model::realm::SipRealm;
use crate::model::sid::{AccountSid, ApplicationSid, ServiceProviderSid};
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::{Webhook, stored};
use crate::model::webhook_secret::WebhookSecret;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Every field of an account, for those who store accounts, import or export them.
///
/// Serialized, it holds the webhook secret and the webhooks' passwords **in clear**. It is the only type that
/// does; to show an account to somebody, use [`AccountView`](crate::AccountView).
///
/// Reading one back goes through the fields' own constructors, and `Account::try_from` adds the one rule that
/// spans fields; so no account that breaks a rule can be loaded. Unknown fields are refused, so that an older
/// program never drops what a newer one wrote.
///
/// ```
/// # use gateway_accounts::*;
/// let record: AccountRecord = serde_json::from_str(r#"{
///     "account_sid": "06b5fe07-1d99-422b-902a-3b343f675413",
///     "name": "Acme",
///     "unit": {"kind": "sessions", "maximum": 120},
///     "licensed_sessions": 100,
///     "webhook_secret": "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk",
///     "revision": 1,
///     "created": "2026-11-23T20:37:43.000Z",
///     "updated": "2026-11-23T20:37:43.000Z"
/// }"#)?;
/// let account = Account::try_from(record)?;
/// assert_eq!(AccountRecord::from(&account).name, *account.name());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each field is documented at the method of Account that reads it")]
pub struct AccountRecord {
    #[serde(rename = "account_sid")]
    pub sid: AccountSid,
    pub name: AccountName,
    pub unit: Unit,
    pub licensed_sessions: Limit,
    #[serde(default)]
    pub sip_realm: Option<SipRealm>,
    pub webhook_secret: WebhookSecret,
    #[serde(default, deserialize_with = "former_secret::stored::deserialize")]
    pub former_webhook_secret: Option<Box<FormerSecret>>,
    #[serde(rename = "device_calling_application_sid", default)]
    pub device_calling_application: Option<ApplicationSid>,
    #[serde(rename = "siprec_application_sid", default)]
    pub siprec_application: Option<ApplicationSid>,
    #[serde(default, deserialize_with = "stored::deserialize")]
    pub registration_webhook: Option<Box<Webhook>>,
    #[serde(default, deserialize_with = "stored::deserialize")]
    pub queue_event_webhook: Option<Box<Webhook>>,
    #[serde(rename = "organisation_id", default)]
    pub organisation: Option<OrganisationId>,
    #[serde(rename = "service_provider_sid", default)]
    pub service_provider: Option<ServiceProviderSid>,
    #[serde(default)]
    pub contract: Contract,
    #[serde(default)]
    pub status: Status,
    #[serde(default, deserialize_with = "shared")]
    pub minutes_used: Option<Arc<MinutesUsed>>,
    pub revision: Revision,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// As `Option` is read, and shared.
fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<MinutesUsed>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(Arc::new))
}

/// Writes the fields of an account or of a record, which have the same names, in one place.
macro_rules! serialize_fields {
    ($of:expr, $revision:expr, $serializer:expr) => {{
        let of = $of;
        let mut fields = $serializer.serialize_struct("AccountRecord", 19)?;
        fields.serialize_field("account_sid", &of.sid)?;
        fields.serialize_field("name", &of.name)?;
        fields.serialize_field("unit", &of.unit)?;
        fields.serialize_field("licensed_sessions", &of.licensed_sessions)?;
        if let Some(realm) = &of.sip_realm {
            fields.serialize_field("sip_realm", realm)?;
        }
        fields.serialize_field("webhook_secret", of.webhook_secret.reveal())?;
        if let Some(former) = &of.former_webhook_secret {
            let former = former_secret::stored::InClear::from(&**former);
            fields.serialize_field("former_webhook_secret", &former)?;
        }
        if let Some(application) = &of.device_calling_application {
            fields.serialize_field("device_calling_application_sid", application)?;
        }
        if let Some(application) = &of.siprec_application {
            fields.serialize_field("siprec_application_sid", application)?;
        }
        if let Some(hook) = &of.registration_webhook {
            fields.serialize_field("registration_webhook", &stored::InClear::from(&**hook))?;
        }
        if let Some(hook) = &of.queue_event_webhook {
            fields.serialize_field("queue_event_webhook", &stored::InClear::from(&**hook))?;
        }
        if let Some(organisation) = &of.organisation {
            fields.serialize_field("organisation_id", organisation)?;
        }
        if let Some(provider) = &of.service_provider {
            fields.serialize_field("service_provider_sid", provider)?;
        }
        fields.serialize_field("contract", &of.contract)?;
        fields.serialize_field("status", &of.status)?;
        if let Some(used) = &of.minutes_used {
            fields.serialize_field("minutes_used", &**used)?;
        }
        fields.serialize_field("revision", &$revision)?;
        fields.serialize_field("created", &of.created)?;
        fields.serialize_field("updated", &of.updated)?;
        fields.end()
    }};
}

impl Serialize for AccountRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields!(self, self.revision, serializer)
    }
}

/// An account that is serialized as its record is, at the revision that a store gives it.
#[cfg(any(feature = "file", test))]
#[derive(Clone, Copy)]
pub(crate) struct InClear<'a>(pub(crate) &'a Account, pub(crate) Revision);

#[cfg(any(feature = "file", test))]
impl Serialize for InClear<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields!(self.0, self.1, serializer)
    }
}

impl From<&Account> for AccountRecord {
    fn from(account: &Account) -> Self {
        let account = account.clone();
        Self {
            sid: account.sid,
            name: account.name,
            unit: account.unit,
            licensed_sessions: account.licensed_sessions,
            sip_realm: account.sip_realm,
            webhook_secret: account.webhook_secret,
            former_webhook_secret: account.former_webhook_secret,
            device_calling_application: account.device_calling_application,
            siprec_application: account.siprec_application,
            registration_webhook: account.registration_webhook,
            queue_event_webhook: account.queue_event_webhook,
            organisation: account.organisation,
            service_provider: account.service_provider,
            contract: account.contract,
            status: account.status,
            minutes_used: account.minutes_used,
            revision: account.revision,
            created: account.created,
            updated: account.updated,
        }
    }
}

/// A record whose fields are valid each, but not together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountRecordError {
    /// More licensed sessions than the unit's maximum. Code `above_maximum`.
    #[error("must not be more than the maximum of {maximum} sessions")]
    AboveMaximum {
        /// The unit's maximum.
        maximum: Limit,
    },
}

impl ValueError for AccountRecordError {
    fn code(&self) -> &'static str {
        match self {
            Self::AboveMaximum { .. } => "above_maximum",
        }
    }
}

impl TryFrom<AccountRecord> for Account {
    type Error = AccountRecordError;

    fn try_from(record: AccountRecord) -> Result<Self, AccountRecordError> {
        let account = Self {
            sid: record.sid,
            name: record.name,
            unit: record.unit,
            licensed_sessions: record.licensed_sessions,
            sip_realm: record.sip_realm,
            webhook_secret: record.webhook_secret,
            former_webhook_secret: record.former_webhook_secret,
            device_calling_application: record.device_calling_application,
            siprec_application: record.siprec_application,
            registration_webhook: record.registration_webhook,
            queue_event_webhook: record.queue_event_webhook,
            organisation: record.organisation,
            service_provider: record.service_provider,
            contract: record.contract,
            status: record.status,
            minutes_used: record.minutes_used,
            revision: record.revision,
            created: record.created,
            updated: record.updated,
        };
        account.check_fields_together()?;
        Ok(account)
    }
}

impl Account {
    /// The rule that spans fields.
    pub(crate) fn check_fields_together(&self) -> Result<(), AccountRecordError> {
        if self.unit.fits(self.licensed_sessions) {
            Ok(())
        } else {
            Err(AccountRecordError::AboveMaximum { maximum: self.unit.maximum })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::minutes_used::tests::used;
    use crate::model::webhook::{WebhookCredentials, WebhookMethod, WebhookUrl};

    /// An account with every field filled.
    pub(crate) fn full() -> Account {
        let hook = Webhook::new(WebhookUrl::parse("https://hooks.example/r#rc=2&rp=5xx").unwrap())
            .with_method(WebhookMethod::Get)
            .with_credentials(Some(WebhookCredentials::new("jane", "hunter2").unwrap()));
        Account {
            sid: "06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap(),
            name: "Acme".parse().unwrap(),
            unit: Unit::sessions(120),
            licensed_sessions: Limit::AtMost(100),
            sip_realm: Some("acme.example".parse().unwrap()),
            webhook_secret: WebhookSecret::import("wh_secret_abcdefghijklmnop").unwrap(),
            former_webhook_secret: Some(Box::new(FormerSecret::new(
                WebhookSecret::import("wh_secret_former_abcdefgh").unwrap(),
                Timestamp::from_millis(3),
            ))),
            device_calling_application: Some("b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce".parse().unwrap()),
            siprec_application: Some("4b0bed24-d6bd-4295-9617-ad0453c5e87b".parse().unwrap()),
            registration_webhook: Some(Box::new(hook.clone())),
            queue_event_webhook: Some(Box::new(hook)),
            organisation: Some("org-1".parse().unwrap()),
            service_provider: Some("51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap()),
            contract: Contract::OPEN,
            status: Status::suspended("payment overdue".parse().unwrap(), Timestamp::from_millis(1)),
            minutes_used: Some(Arc::new(used(2, &[(0, 60), (1, 120)]))),
            revision: Revision::new(3),
            created: Timestamp::from_millis(0),
            updated: Timestamp::from_millis(2),
        }
    }

    #[test]
    fn a_full_account_comes_back_as_it_was() {
        let account = full();
        let text = serde_json::to_string(&AccountRecord::from(&account)).unwrap();
        assert_eq!(serde_json::to_string(&InClear(&account, account.revision)).unwrap(), text);
        let back: AccountRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(Account::try_from(back).unwrap(), account);
        assert!(text.contains("wh_secret_abcdefghijklmnop") && text.contains("hunter2"));
    }

    #[test]
    fn no_broken_record_is_loaded() {
        let good = serde_json::to_value(AccountRecord::from(&full())).unwrap();
        for (field, value) in [
            ("account_sid", "7".into()),
            ("name", " ".into()),
            ("name", serde_json::Value::Null),
            ("unit", "sessions".into()),
            ("licensed_sessions", (-1).into()),
            ("sip_realm", "192.0.2.1".into()),
            ("webhook_secret", "".into()),
            ("former_webhook_secret", "wh_secret_former".into()),
            ("former_webhook_secret", serde_json::json!({"secret": "", "until": "2026-11-23T20:37:43.000Z"})),
            ("former_webhook_secret", serde_json::json!({"secret": "x", "until": "tomorrow"})),
            ("former_webhook_secret", serde_json::json!({"secret": "x"})),
            (
                "former_webhook_secret",
                serde_json::json!({"secret": "x", "until": "2026-11-23T20:37:43.000Z", "since": 1}),
            ),
            ("device_calling_application_sid", "x".into()),
            ("registration_webhook", serde_json::json!({"url": "ftp://x.example/"})),
            ("registration_webhook", serde_json::json!({"url": "https://x.example/", "username": "jane"})),
            ("queue_event_webhook", serde_json::json!({"url": "https://x.example/", "method": "PUT"})),
            ("contract", serde_json::json!({"edit_everything": true})),
            ("status", "closed".into()),
            ("minutes_used", 5.into()),
            ("minutes_used", serde_json::json!({"as_of": "2026-11-23T20:37:43.000Z"})),
            ("created", "yesterday".into()),
            ("colour", "blue".into()),
        ] {
            let mut record = good.clone();
            record[field] = value;
            assert!(serde_json::from_value::<AccountRecord>(record).is_err(), "{field}");
        }
        let mut record = AccountRecord::from(&full());
        record.licensed_sessions = Limit::AtMost(121);
        let maximum = Limit::AtMost(120);
        assert_eq!(Account::try_from(record), Err(AccountRecordError::AboveMaximum { maximum }));
    }

    #[test]
    fn no_error_repeats_what_may_be_secret() {
        let good = serde_json::to_value(AccountRecord::from(&full())).unwrap();
        for (field, value) in [
            ("webhook_secret", serde_json::json!(8_675_309)),
            ("former_webhook_secret", "8675309".into()),
            ("former_webhook_secret", serde_json::json!({"secret": 8_675_309, "until": "tomorrow"})),
            ("registration_webhook", "https://jane:8675309@x.example/".into()),
            ("registration_webhook", serde_json::json!({"url": "https://jane:8675309@x.example/"})),
            ("registration_webhook", serde_json::json!({"url": "https://x.example/", "password": 8_675_309})),
        ] {
            let mut record = good.clone();
            record[field] = value;
            for error in [
                serde_json::from_str::<AccountRecord>(&record.to_string()).unwrap_err(),
                serde_json::from_value::<AccountRecord>(record).unwrap_err(),
            ] {
                assert!(!error.to_string().contains("8675309"), "{error}");
            }
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let account = full();
        for text in [format!("{account:?}"), format!("{:?}", AccountRecord::from(&account))] {
            assert!(!text.contains("abcdefgh") && !text.contains("hunter2"), "{text}");
        }
    }
}
