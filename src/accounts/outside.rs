//! What the front desk has to ask the embedding application.

use crate::model::sid::{AccountSid, ApplicationSid, ServiceProviderSid};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// The applications, which belong to the embedding program. They may be in a database, and so asking is async.
///
/// ```
/// use gateway_accounts::{AccountSid, ApplicationSid, Applications, ServiceProviderSid, async_trait};
/// use std::collections::HashMap;
///
/// /// Each application, and the account it belongs to.
/// #[derive(Debug)]
/// struct Owners(HashMap<ApplicationSid, AccountSid>);
///
/// #[async_trait]
/// impl Applications for Owners {
///     async fn may_use(
///         &self,
///         application: ApplicationSid,
///         account: AccountSid,
///         _: Option<ServiceProviderSid>,
///     ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(self.0.get(&application) == Some(&account))
///     }
/// }
/// ```
#[async_trait]
pub trait Applications: Send + Sync + fmt::Debug {
    /// Whether the application exists and may be used by an account of this SID and service provider. The account
    /// may not exist yet.
    ///
    /// # Errors
    /// When that can't be found out just now. The edit is then refused with
    /// [`Error::Applications`](crate::Error::Applications).
    async fn may_use(
        &self,
        application: ApplicationSid,
        account: AccountSid,
        service_provider: Option<ServiceProviderSid>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>>;
}

/// No application exists. What [`Accounts`](crate::Accounts) starts from: a program that has applications says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoApplications;

#[async_trait]
impl Applications for NoApplications {
    async fn may_use(
        &self,
        _: ApplicationSid,
        _: AccountSid,
        _: Option<ServiceProviderSid>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(false)
    }
}

/// Every application exists and may be used by everybody, for a program that checks them elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyApplication;

#[async_trait]
impl Applications for AnyApplication {
    async fn may_use(
        &self,
        _: ApplicationSid,
        _: AccountSid,
        _: Option<ServiceProviderSid>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(true)
    }
}

/// The sessions that are running. They are counted where the call router is, in memory, and so asking is not async.
pub trait RunningSessions: Send + Sync + fmt::Debug {
    /// How many sessions of the account are running now.
    fn running(&self, account: AccountSid) -> u64;
}

/// Nobody counts sessions, and so none are known to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSessions;

impl RunningSessions for NoSessions {
    fn running(&self, _: AccountSid) -> u64 {
        0
    }
}

#[async_trait]
impl<A: Applications + ?Sized> Applications for Arc<A> {
    async fn may_use(
        &self,
        application: ApplicationSid,
        account: AccountSid,
        service_provider: Option<ServiceProviderSid>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        (**self).may_use(application, account, service_provider).await
    }
}

impl<S: RunningSessions + ?Sized> RunningSessions for Arc<S> {
    fn running(&self, account: AccountSid) -> u64 {
        (**self).running(account)
    }
}

/// What to do about running sessions when an account is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileRunning {
    /// Refuse. Whether any are running, the [`RunningSessions`] given to
    /// [`Accounts::with_sessions`](crate::Accounts::with_sessions) says; without them none are known.
    Refuse,
    /// Delete all the same. What becomes of the sessions is for the application to decide.
    Delete,
}
