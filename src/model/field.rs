//! The fields of an account, as the Accounts page names them.

use std::fmt;

/// A field of an account. The order is that of the Accounts page; the four after it are the crate's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// *Account SID*.
    AccountSid,
    /// *Account name*.
    Name,
    /// *Unit*: sessions or minutes, and the maximum number of them.
    Unit,
    /// *Licensed sessions*.
    LicensedSessions,
    /// *SIP realm*.
    SipRealm,
    /// *Webhook secret*.
    WebhookSecret,
    /// *Application for SIP device calls*.
    DeviceCallingApplication,
    /// *Application for SIPREC calls*.
    SiprecApplication,
    /// *Registration webhook*.
    RegistrationWebhook,
    /// *Queue event webhook*.
    QueueEventWebhook,
    /// *Account API keys*.
    ApiKeys,
    /// The organisation of another system that the account stands for.
    Organisation,
    /// The service provider that owns the account.
    ServiceProvider,
    /// Which restricted fields the customer's contract lets others than an admin change.
    Contract,
    /// Active or suspended.
    Status,
}

impl Field {
    /// Every field, in order.
    pub const ALL: [Self; 15] = [
        Self::AccountSid,
        Self::Name,
        Self::Unit,
        Self::LicensedSessions,
        Self::SipRealm,
        Self::WebhookSecret,
        Self::DeviceCallingApplication,
        Self::SiprecApplication,
        Self::RegistrationWebhook,
        Self::QueueEventWebhook,
        Self::ApiKeys,
        Self::Organisation,
        Self::ServiceProvider,
        Self::Contract,
        Self::Status,
    ];

    /// The name in JSON. Where jambonz has the field, and names it well, the name is the same.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountSid => "account_sid",
            Self::Name => "name",
            Self::Unit => "unit",
            Self::LicensedSessions => "licensed_sessions",
            Self::SipRealm => "sip_realm",
            Self::WebhookSecret => "webhook_secret",
            Self::DeviceCallingApplication => "device_calling_application_sid",
            Self::SiprecApplication => "siprec_application_sid",
            Self::RegistrationWebhook => "registration_webhook",
            Self::QueueEventWebhook => "queue_event_webhook",
            Self::ApiKeys => "api_keys",
            Self::Organisation => "organisation_id",
            Self::ServiceProvider => "service_provider_sid",
            Self::Contract => "contract",
            Self::Status => "status",
        }
    }

    /// The words of the Accounts page, for a label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::AccountSid => "Account SID",
            Self::Name => "Account name",
            Self::Unit => "Unit",
            Self::LicensedSessions => "Licensed sessions",
            Self::SipRealm => "SIP realm",
            Self::WebhookSecret => "Webhook secret",
            Self::DeviceCallingApplication => "Application for SIP device calls",
            Self::SiprecApplication => "Application for SIPREC calls",
            Self::RegistrationWebhook => "Registration webhook",
            Self::QueueEventWebhook => "Queue event webhook",
            Self::ApiKeys => "Account API keys",
            Self::Organisation => "Organisation",
            Self::ServiceProvider => "Service provider",
            Self::Contract => "Contract",
            Self::Status => "Status",
        }
    }

    /// The field of that JSON name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Field {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_in_order_and_found_by_name() {
        for (i, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, i);
            assert_eq!(Field::from_name(field.name()), Some(field));
        }
        assert_eq!(Field::from_name("Name"), None);
    }
}
