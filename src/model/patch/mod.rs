//! What a person wants an account to be, parsed, with the problems found on the way.

mod json;
mod merge;
#[cfg(test)]
mod tests;

pub(crate) use merge::required;

use crate::model::account::Revision;
use crate::model::contract::Contract;
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::problem::{Problem, Problems, ValueError};
use crate::model::realm::SipRealm;
use crate::model::sid::{ApplicationSid, ServiceProviderSid};
use crate::model::unit::{Limit, Unit, UnitKind};
use crate::model::webhook::{Webhook, WebhookMethod, WebhookUrl};
use json::Member;
use serde_json::Value;
use std::fmt;

/// What an edit does with one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Edit<T> {
    /// The field stays as it is: it is absent from the JSON.
    #[default]
    Keep,
    /// The field gets this value.
    Set(T),
    /// The field is emptied: it is `null` in the JSON.
    Clear,
}

/// A change to some fields of an account. Applied to nothing, it is the draft of a new account.
///
/// Each field is kept, set, or cleared, as in a JSON merge patch (RFC 7396): absent, a value, or `null`. A
/// webhook and a unit are objects, and so are merged field by field: `{"queue_event_webhook":{"method":"GET"}}`
/// keeps the address and the password that are there. So does the password `"********"`, which is how an
/// [`AccountView`](crate::AccountView) shows one. A password is not kept when the webhook moves to another host: it
/// must be given again, so that nobody can have it sent to a host of theirs without knowing it.
///
/// The JSON is typed: a browser's form, which sends `""` for an empty field and `"7"` for a number, has to be
/// translated to `null` and 7 first.
///
/// A whole `AccountView` can be sent back. The members that no edit sets (`account_sid`, `webhook_secret`,
/// `webhook_secret_overlap_until`, `status`, `revision`, `created`, `updated`) are no problem as long as they say what is.
///
/// Values are parsed as they are set, and what is wrong is remembered, so that [`Accounts`](crate::Accounts)
/// reports it together with everything else. Build one field by field, or read JSON; both go through the same
/// parsers.
///
/// ```
/// use gateway_accounts::{AccountPatch, Field, Unit};
/// let patch = AccountPatch::new().name("Acme").sip_realm("acme.example.com").unit(Unit::sessions(120));
/// assert!(patch.problems().is_empty());
///
/// let patch: AccountPatch =
///     serde_json::from_str(r#"{"name": "", "sip_realm": "192.0.2.1", "siprec_application_sid": null, "color": 1}"#)?;
/// let found: Vec<_> = patch.problems().iter().map(|problem| (problem.path(), problem.code())).collect();
/// assert_eq!(found, [("name", "empty"), ("sip_realm", "ip_address"), ("color", "unknown_field")]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountPatch {
    name: Edit<AccountName>,
    unit: Edit<UnitPatch>,
    licensed_sessions: Edit<Limit>,
    sip_realm: Edit<SipRealm>,
    device_calling_application: Edit<ApplicationSid>,
    siprec_application: Edit<ApplicationSid>,
    registration_webhook: Edit<WebhookPatch>,
    queue_event_webhook: Edit<WebhookPatch>,
    organisation: Edit<OrganisationId>,
    service_provider: Edit<ServiceProviderSid>,
    contract: Edit<ContractPatch>,
    /// Members of the JSON that no edit sets. They are no problem as long as they say what is.
    stated: Stated,
    problems: Problems,
}

/// `Debug` prints the names alone: what somebody wrote there may be anything.
#[derive(Clone, PartialEq, Eq, Default)]
struct Stated(Vec<(&'static str, Value)>);

impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct UnitPatch {
    kind: Option<UnitKind>,
    maximum: Option<Limit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct ContractPatch {
    edit_unit: Option<bool>,
    edit_licensed_sessions: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Default)]
struct WebhookPatch {
    url: Option<WebhookUrl>,
    method: Option<WebhookMethod>,
    username: Edit<String>,
    password: Edit<zeroize::Zeroizing<String>>,
}

impl fmt::Debug for WebhookPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookPatch")
            .field("url", &self.url)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl From<Webhook> for WebhookPatch {
    fn from(hook: Webhook) -> Self {
        let (username, password) = match hook.credentials() {
            Some(credentials) => (
                Edit::Set(credentials.username().to_owned()),
                Edit::Set(credentials.reveal_password().to_owned().into()),
            ),
            None => (Edit::Clear, Edit::Clear),
        };
        Self { url: Some(hook.url().clone()), method: Some(hook.method()), username, password }
    }
}

impl AccountPatch {
    /// A patch that keeps every field.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets *Account name*.
    #[must_use]
    pub fn name(mut self, text: impl AsRef<str>) -> Self {
        self.name = self.parsed(Field::Name, AccountName::parse(text.as_ref()));
        self
    }

    /// Sets *Unit*.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.problems.forget(Field::Unit);
        self.unit = Edit::Set(UnitPatch { kind: Some(unit.kind), maximum: Some(unit.maximum) });
        self
    }

    /// Sets *Licensed sessions*.
    #[must_use]
    pub fn licensed_sessions(mut self, limit: Limit) -> Self {
        self.problems.forget(Field::LicensedSessions);
        self.licensed_sessions = Edit::Set(limit);
        self
    }

    /// Sets *SIP realm*.
    #[must_use]
    pub fn sip_realm(mut self, text: impl AsRef<str>) -> Self {
        self.sip_realm = self.parsed(Field::SipRealm, SipRealm::parse(text.as_ref()));
        self
    }

    /// Sets *Application for SIP device calls*.
    #[must_use]
    pub fn device_calling_application(mut self, application: ApplicationSid) -> Self {
        self.problems.forget(Field::DeviceCallingApplication);
        self.device_calling_application = Edit::Set(application);
        self
    }

    /// Sets *Application for SIPREC calls*.
    #[must_use]
    pub fn siprec_application(mut self, application: ApplicationSid) -> Self {
        self.problems.forget(Field::SiprecApplication);
        self.siprec_application = Edit::Set(application);
        self
    }

    /// Sets *Registration webhook*, all of it.
    #[must_use]
    pub fn registration_webhook(mut self, hook: Webhook) -> Self {
        self.problems.forget(Field::RegistrationWebhook);
        self.registration_webhook = Edit::Set(hook.into());
        self
    }

    /// Sets *Queue event webhook*, all of it.
    #[must_use]
    pub fn queue_event_webhook(mut self, hook: Webhook) -> Self {
        self.problems.forget(Field::QueueEventWebhook);
        self.queue_event_webhook = Edit::Set(hook.into());
        self
    }

    /// Sets the organisation the account stands for.
    #[must_use]
    pub fn organisation(mut self, text: impl AsRef<str>) -> Self {
        self.organisation = self.parsed(Field::Organisation, OrganisationId::parse(text.as_ref()));
        self
    }

    /// Sets the service provider that owns the account.
    #[must_use]
    pub fn service_provider(mut self, service_provider: ServiceProviderSid) -> Self {
        self.problems.forget(Field::ServiceProvider);
        self.service_provider = Edit::Set(service_provider);
        self
    }

    /// Sets the contract, all of it.
    #[must_use]
    pub fn contract(mut self, contract: Contract) -> Self {
        self.problems.forget(Field::Contract);
        self.contract = Edit::Set(ContractPatch {
            edit_unit: Some(contract.edit_unit),
            edit_licensed_sessions: Some(contract.edit_licensed_sessions),
        });
        self
    }

    /// Clears a field. One that an account must have gets a problem with code `required`; one that no edit sets gets
    /// `read_only`, at the latest when it is applied.
    #[must_use]
    pub fn clear(mut self, field: Field) -> Self {
        self.problems.forget(field);
        self.read(field.name(), Member::Other(Value::Null));
        self
    }

    /// The `revision` that the JSON stated, if it did: the one that whoever sends a whole view back has seen.
    #[must_use]
    pub fn stated_revision(&self) -> Option<Revision> {
        let (_, value) = self.stated.0.iter().find(|(name, _)| *name == "revision")?;
        value.as_u64().map(Revision::new)
    }

    /// What is wrong with it so far.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// What a setter does with its value. A later one corrects an earlier one.
    fn parsed<T>(&mut self, field: Field, result: Result<T, impl ValueError>) -> Edit<T> {
        self.problems.forget(field);
        match result {
            Ok(value) => Edit::Set(value),
            Err(error) => {
                self.problems.push(Problem::of_value(field, &error));
                Edit::Keep
            }
        }
    }
}
