//! Who may use which application.

use crate::accounts::Applications;
use crate::jambonz::documents::Application;
use crate::model::sid::{AccountSid, ApplicationSid, ServiceProviderSid};
use async_trait::async_trait;
use std::collections::HashMap;

/// The applications of a jambonz server, for [`Accounts::with_applications`](crate::Accounts::with_applications)
/// during a move.
///
/// An application that belongs to an account may be used by that account; one that belongs to a service provider
/// and to no account, by all accounts under it. (jambonz itself lets an account refer to anybody's.) One whose
/// SIDs are not UUIDs may be used by nobody.
#[derive(Debug, Clone, Default)]
pub struct KnownApplications(HashMap<ApplicationSid, Owner>);

#[derive(Debug, Clone, Copy)]
enum Owner {
    Account(AccountSid),
    ServiceProvider(ServiceProviderSid),
}

impl KnownApplications {
    /// These applications.
    #[must_use]
    pub fn new(documents: &[Application]) -> Self {
        Self(documents.iter().filter_map(|document| Some((sid(document)?, owner(document)?))).collect())
    }

    /// Whether the application is among them at all.
    #[must_use]
    pub fn contains(&self, application: ApplicationSid) -> bool {
        self.0.contains_key(&application)
    }

    /// Whether an account of this SID and service provider may use the application.
    #[must_use]
    pub fn allows(
        &self,
        application: ApplicationSid,
        account: AccountSid,
        service_provider: Option<ServiceProviderSid>,
    ) -> bool {
        match self.0.get(&application) {
            Some(Owner::Account(owner)) => *owner == account,
            Some(Owner::ServiceProvider(owner)) => Some(*owner) == service_provider,
            None => false,
        }
    }
}

fn sid(document: &Application) -> Option<ApplicationSid> {
    ApplicationSid::parse(document.application_sid.as_deref()?).ok()
}

fn owner(document: &Application) -> Option<Owner> {
    match (document.account_sid.as_deref(), document.service_provider_sid.as_deref()) {
        (Some(account), _) => AccountSid::parse(account).ok().map(Owner::Account),
        (None, Some(provider)) => ServiceProviderSid::parse(provider).ok().map(Owner::ServiceProvider),
        (None, None) => None,
    }
}

#[async_trait]
impl Applications for KnownApplications {
    async fn may_use(
        &self,
        application: ApplicationSid,
        account: AccountSid,
        service_provider: Option<ServiceProviderSid>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.allows(application, account, service_provider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_which() {
        let sid = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
        let (account, other) = (AccountSid::parse(&sid(1)).unwrap(), AccountSid::parse(&sid(2)).unwrap());
        let provider = ServiceProviderSid::parse(&sid(3)).unwrap();
        let other_provider = ServiceProviderSid::parse(&sid(4)).unwrap();
        let document = |application: u8, account: Option<String>, provider: Option<String>| Application {
            application_sid: Some(sid(application)),
            account_sid: account,
            service_provider_sid: provider,
            ..Application::default()
        };
        let known = KnownApplications::new(&[
            document(10, Some(sid(1)), None),
            document(11, None, Some(sid(3))),
            document(12, Some(sid(1)), Some(sid(3))),
            document(13, None, None),
            document(14, Some("acme".into()), Some(sid(3))),
        ]);
        for (application, account, provider, expected) in [
            (10, account, None, true),
            (10, account, Some(provider), true),
            (10, other, None, false),
            (11, other, Some(provider), true),
            (11, other, Some(other_provider), false),
            (11, other, None, false),
            (12, account, None, true),
            (12, other, Some(provider), false),
            (13, account, Some(provider), false),
            (14, account, Some(provider), false),
            (99, account, Some(provider), false),
        ] {
            let application = ApplicationSid::parse(&sid(application)).unwrap();
            let asked = known.may_use(application, account, provider);
            assert_eq!(futures_lite::future::block_on(asked).unwrap(), expected, "{application} {account}");
        }
    }
}
