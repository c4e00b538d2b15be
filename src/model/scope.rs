//! How far rights reach.

use crate::model::sid::{AccountSid, ServiceProviderSid};
use serde::{Deserialize, Serialize};

/// How far an actor's rights reach: the rules of the Accounts page, enforced by the crate and not by a user
/// interface.
///
/// | | admin | service provider | account |
/// |---|---|---|---|
/// | create an account | yes | under itself | no |
/// | see an account | all | those under itself | itself |
/// | edit an account | all | those under itself | itself |
/// | delete an account | all | those under itself | no |
/// | suspend, resume, import | all | no | no |
/// | *Unit*, *Licensed sessions* | yes | if the [`Contract`](crate::Contract) says so | if the contract says so |
/// | contract, status, service provider, organisation | yes | no | no |
/// | every other field | yes | yes | yes |
///
/// What an actor may not see is reported as not found, never as forbidden. What uniqueness itself tells can't be
/// hidden: whoever asks for a name or a realm that another account has hears that it is taken, but not by whom.
///
/// In JSON: `"admin"`, `{"service_provider":"…sid…"}`, `{"account":"…sid…"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The operator of the gateway.
    Admin,
    /// A service provider, over the accounts under it.
    ServiceProvider(ServiceProviderSid),
    /// One account, over itself.
    Account(AccountSid),
}
