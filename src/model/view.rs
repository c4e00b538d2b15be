//! An account as it may be shown.

use crate::model::account::{Account, Revision};
use crate::model::contract::Contract;
use crate::model::former_secret::FormerSecret;
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::realm::SipRealm;
use crate::model::sid::{AccountSid, ApplicationSid, ServiceProviderSid};
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::{Webhook, WebhookMethod, WebhookUrl};
use serde::Serialize;

/// What stands for a secret that is there. A form sends it back when nobody typed a new one.
pub(crate) const MASK: &str = "********";

/// An account for a user interface, an API answer or a log: every field under its JSON name, the webhook secret
/// and the passwords of the webhooks as `"********"`. An [`AccountPatch`](crate::AccountPatch) that is read with
/// such a password keeps the one that is there.
///
/// `webhook_secret_overlap_until` is when the former secret of the last rotation stops signing, or `null`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AccountView<'a> {
    pub(crate) account_sid: AccountSid,
    pub(crate) name: &'a AccountName,
    pub(crate) unit: Unit,
    pub(crate) licensed_sessions: Limit,
    pub(crate) sip_realm: Option<&'a SipRealm>,
    pub(crate) webhook_secret: &'static str,
    pub(crate) webhook_secret_overlap_until: Option<Timestamp>,
    pub(crate) device_calling_application_sid: Option<ApplicationSid>,
    pub(crate) siprec_application_sid: Option<ApplicationSid>,
    pub(crate) registration_webhook: Option<WebhookView<'a>>,
    pub(crate) queue_event_webhook: Option<WebhookView<'a>>,
    pub(crate) organisation_id: Option<&'a OrganisationId>,
    pub(crate) service_provider_sid: Option<ServiceProviderSid>,
    pub(crate) contract: Contract,
    pub(crate) status: &'a Status,
    pub(crate) revision: Revision,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct WebhookView<'a> {
    pub(crate) url: &'a WebhookUrl,
    pub(crate) method: WebhookMethod,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'static str>,
}

impl Account {
    /// The account as it may be shown.
    #[must_use]
    pub fn view(&self) -> AccountView<'_> {
        fn hook(hook: &Webhook) -> WebhookView<'_> {
            WebhookView {
                url: hook.url(),
                method: hook.method(),
                username: hook.credentials().map(|credentials| credentials.username()),
                password: hook.credentials().map(|_| MASK),
            }
        }
        AccountView {
            account_sid: self.sid,
            name: &self.name,
            unit: self.unit,
            licensed_sessions: self.licensed_sessions,
            sip_realm: self.sip_realm.as_ref(),
            webhook_secret: MASK,
            webhook_secret_overlap_until: self.former_webhook_secret().map(FormerSecret::until),
            device_calling_application_sid: self.device_calling_application,
            siprec_application_sid: self.siprec_application,
            registration_webhook: self.registration_webhook().map(hook),
            queue_event_webhook: self.queue_event_webhook().map(hook),
            organisation_id: self.organisation.as_ref(),
            service_provider_sid: self.service_provider,
            contract: self.contract,
            status: &self.status,
            revision: self.revision,
            created: self.created,
            updated: self.updated,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::field::Field;
    use crate::model::record::tests::full;

    #[test]
    fn shows_every_field_and_no_secret() {
        let account = full();
        let view = serde_json::to_value(account.view()).unwrap();
        for field in Field::ALL.into_iter().filter(|field| *field != Field::ApiKeys) {
            assert!(view.get(field.name()).is_some(), "{field}");
        }
        let text = view.to_string() + &format!("{:?}", account.view());
        assert!(!text.contains("abcdefgh") && !text.contains("hunter2"), "{text}");
    }
}
