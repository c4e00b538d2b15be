//! The account.

use crate::model::contract::Contract;
use crate::model::field::Field;
use crate::model::former_secret::FormerSecret;
use crate::model::minutes_used::MinutesUsed;
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::realm::SipRealm;
use crate::model::sid::{AccountSid, ApplicationSid, ServiceProviderSid};
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::Webhook;
use crate::model::webhook_secret::WebhookSecret;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// How many times an account has been written: 1 when it is created, one more at each edit. Who edits or deletes
/// an account names the revision they saw, so that nobody overwrites what they have not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a new account.
    pub const FIRST: Self = Self(1);

    /// The revision of that number, such as one that a form or an `If-Match` header carried.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One customer of the gateway: a row of the Accounts page.
///
/// An account that exists is valid: it comes from [`Accounts`](crate::Accounts), which applies the rules, or from
/// an [`AccountRecord`](crate::AccountRecord), whose fields were parsed. It is shared as `Arc<Account>` and never
/// changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub(crate) sid: AccountSid,
    pub(crate) name: AccountName,
    pub(crate) unit: Unit,
    pub(crate) licensed_sessions: Limit,
    pub(crate) sip_realm: Option<SipRealm>,
    pub(crate) webhook_secret: WebhookSecret,
    pub(crate) former_webhook_secret: Option<Box<FormerSecret>>,
    pub(crate) device_calling_application: Option<ApplicationSid>,
    pub(crate) siprec_application: Option<ApplicationSid>,
    pub(crate) registration_webhook: Option<Box<Webhook>>,
    pub(crate) queue_event_webhook: Option<Box<Webhook>>,
    pub(crate) organisation: Option<OrganisationId>,
    pub(crate) service_provider: Option<ServiceProviderSid>,
    pub(crate) contract: Contract,
    pub(crate) status: Status,
    pub(crate) minutes_used: Option<Arc<MinutesUsed>>,
    pub(crate) revision: Revision,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Account {
    /// *Account SID*.
    #[must_use]
    pub fn sid(&self) -> AccountSid {
        self.sid
    }

    /// *Account name*; unique, as [`AccountName::folded`] compares.
    #[must_use]
    pub fn name(&self) -> &AccountName {
        &self.name
    }

    /// *Unit*, and the maximum number of them.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// *Licensed sessions*: how many were purchased. Sessions above this number and under the unit's maximum are
    /// overage.
    #[must_use]
    pub fn licensed_sessions(&self) -> Limit {
        self.licensed_sessions
    }

    /// *SIP realm*; unique.
    #[must_use]
    pub fn sip_realm(&self) -> Option<&SipRealm> {
        self.sip_realm.as_ref()
    }

    /// *Webhook secret*.
    #[must_use]
    pub fn webhook_secret(&self) -> &WebhookSecret {
        &self.webhook_secret
    }

    /// The webhook secret before the last rotation, as long as it is kept: also when its time is over, until the account is
    /// written again. What signs now, [`Account::live_webhook_secrets`] tells.
    #[must_use]
    pub fn former_webhook_secret(&self) -> Option<&FormerSecret> {
        self.former_webhook_secret.as_deref()
    }

    /// The secrets that calls are signed with at this moment: the current one, and after it the former one while the overlap
    /// of a rotation lasts.
    pub fn live_webhook_secrets(&self, now: Timestamp) -> impl Iterator<Item = &WebhookSecret> {
        let former = self.former_webhook_secret().filter(|former| former.is_live(now));
        std::iter::once(&self.webhook_secret).chain(former.map(FormerSecret::secret))
    }

    /// *Application for SIP device calls*: handles calls from devices registered in the realm.
    #[must_use]
    pub fn device_calling_application(&self) -> Option<ApplicationSid> {
        self.device_calling_application
    }

    /// *Application for SIPREC calls* (RFC 7866). jambonz calls it `siprec_hook_sid`.
    #[must_use]
    pub fn siprec_application(&self) -> Option<ApplicationSid> {
        self.siprec_application
    }

    /// *Registration webhook*: called to authenticate a registration.
    #[must_use]
    pub fn registration_webhook(&self) -> Option<&Webhook> {
        self.registration_webhook.as_deref()
    }

    /// *Queue event webhook*: told when a member joins or leaves a queue.
    #[must_use]
    pub fn queue_event_webhook(&self) -> Option<&Webhook> {
        self.queue_event_webhook.as_deref()
    }

    /// The organisation of another system that the account stands for.
    #[must_use]
    pub fn organisation(&self) -> Option<&OrganisationId> {
        self.organisation.as_ref()
    }

    /// The service provider that owns the account.
    #[must_use]
    pub fn service_provider(&self) -> Option<ServiceProviderSid> {
        self.service_provider
    }

    /// Which restricted fields the customer may change itself.
    #[must_use]
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// Active or suspended.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The minutes that it has used in its latest billing periods, as they were last written; `None` before they were. Writing
    /// them ([`Write::MinutesUsed`](crate::Write::MinutesUsed)) is no edit: the revision stays as it is.
    #[must_use]
    pub fn minutes_used(&self) -> Option<&Arc<MinutesUsed>> {
        self.minutes_used.as_ref()
    }

    /// How many times it has been written.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When it was last written.
    #[must_use]
    pub fn updated(&self) -> Timestamp {
        self.updated
    }

    /// Which fields differ between this account and another, in the order of the Accounts page. Revision,
    /// times and minutes used are not among them.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Field> {
        let differs = |field| match field {
            Field::AccountSid => self.sid != other.sid,
            Field::Name => self.name != other.name,
            Field::Unit => self.unit != other.unit,
            Field::LicensedSessions => self.licensed_sessions != other.licensed_sessions,
            Field::SipRealm => self.sip_realm != other.sip_realm,
            Field::WebhookSecret => {
                self.webhook_secret != other.webhook_secret
                    || self.former_webhook_secret != other.former_webhook_secret
            }
            Field::DeviceCallingApplication => {
                self.device_calling_application != other.device_calling_application
            }
            Field::SiprecApplication => self.siprec_application != other.siprec_application,
            Field::RegistrationWebhook => self.registration_webhook != other.registration_webhook,
            Field::QueueEventWebhook => self.queue_event_webhook != other.queue_event_webhook,
            // Keys are not part of the account's own record.
            Field::ApiKeys => false,
            Field::Organisation => self.organisation != other.organisation,
            Field::ServiceProvider => self.service_provider != other.service_provider,
            Field::Contract => self.contract != other.contract,
            Field::Status => self.status != other.status,
        };
        Field::ALL.into_iter().filter(|field| differs(*field)).collect()
    }

    /// Takes one field over from `before`.
    pub(crate) fn keep(&mut self, field: Field, before: &Self) {
        match field {
            Field::AccountSid => self.sid = before.sid,
            Field::Name => self.name.clone_from(&before.name),
            Field::Unit => self.unit = before.unit,
            Field::LicensedSessions => self.licensed_sessions = before.licensed_sessions,
            Field::SipRealm => self.sip_realm.clone_from(&before.sip_realm),
            Field::WebhookSecret => {
                self.webhook_secret.clone_from(&before.webhook_secret);
                self.former_webhook_secret.clone_from(&before.former_webhook_secret);
            }
            Field::DeviceCallingApplication => {
                self.device_calling_application = before.device_calling_application;
            }
            Field::SiprecApplication => self.siprec_application = before.siprec_application,
            Field::RegistrationWebhook => self.registration_webhook.clone_from(&before.registration_webhook),
            Field::QueueEventWebhook => self.queue_event_webhook.clone_from(&before.queue_event_webhook),
            // Keys are not part of the account's own record.
            Field::ApiKeys => {}
            Field::Organisation => self.organisation.clone_from(&before.organisation),
            Field::ServiceProvider => self.service_provider = before.service_provider,
            Field::Contract => self.contract = before.contract,
            Field::Status => self.status.clone_from(&before.status),
        }
    }
}
