//! Why a session may not start, and what to answer.

use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::status::Suspension;
use crate::model::timestamp::Timestamp;
use std::fmt;

/// Why a session may not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no such account.
    #[error("there is no account {account}")]
    UnknownAccount {
        /// The account.
        account: AccountSid,
    },
    /// The account is suspended.
    #[error("account {account} is suspended since {}: {}", suspension.since, suspension.reason)]
    Suspended {
        /// The account.
        account: AccountSid,
        /// Why, and since when.
        suspension: Box<Suspension>,
    },
    /// As many sessions are running as may.
    #[error("account {account} has {active} sessions running, of at most {maximum}")]
    Sessions {
        /// The account.
        account: AccountSid,
        /// How many are running. It is more than the maximum when that was lowered, or more were found running.
        active: u32,
        /// How many may.
        maximum: u32,
    },
    /// The minutes of the billing period are used up, or reserved by sessions that are running.
    #[error("account {account} has used {charged_seconds} seconds of {maximum} minutes until {period_ends}")]
    Minutes {
        /// The account.
        account: AccountSid,
        /// The seconds used and reserved.
        charged_seconds: u64,
        /// The minutes that there are in the period.
        maximum: u32,
        /// When the next period begins.
        period_ends: Timestamp,
    },
    /// As many sessions of all accounts of the service provider are running as may.
    #[error("service provider {service_provider} has {active} sessions running, of at most {maximum}")]
    ServiceProvider {
        /// The account that the session was for.
        account: AccountSid,
        /// Its service provider.
        service_provider: ServiceProviderSid,
        /// How many are running.
        active: u32,
        /// How many may.
        maximum: u32,
    },
    /// Nothing is known of any account, since the store has no snapshot in memory.
    #[error("the accounts are not known")]
    Unavailable,
}

/// A SIP final response (RFC 3261 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipResponse {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'static str,
}

impl fmt::Display for SipResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason)
    }
}

impl Refused {
    /// What to answer the INVITE with.
    ///
    /// 503 where something is used up, with the reason phrases of jambonz where it has one; 403 for a suspended account, and
    /// 404 for one that does not exist (RFC 3261 sections 21.5.4, 21.4.4 and 21.4.5). None has a `Retry-After`: whoever
    /// gets one with a 503 sends nothing more until then, also for other accounts.
    ///
    /// ```
    /// use gateway_accounts::admission::Refused;
    /// let account = "06b5fe07-1d99-422b-902a-3b343f675413".parse()?;
    /// let refused = Refused::Sessions { account, active: 30, maximum: 30 };
    /// assert_eq!(refused.sip_response().to_string(), "503 Max Account Calls In Progress");
    /// # Ok::<(), gateway_accounts::SidError>(())
    /// ```
    #[must_use]
    pub fn sip_response(&self) -> SipResponse {
        let (status, reason) = match self {
            Self::UnknownAccount { .. } => (404, "Not Found"),
            Self::Suspended { .. } => (403, "Account Suspended"),
            Self::Sessions { .. } => (503, "Max Account Calls In Progress"),
            Self::Minutes { .. } => (503, "Account Minutes Used Up"),
            Self::ServiceProvider { .. } => (503, "Max Service Provider Calls In Progress"),
            Self::Unavailable => (503, "Service Unavailable"),
        };
        SipResponse { status, reason }
    }

    /// The headers that jambonz adds to such an answer, for whoever reads its traces: whose limit it was, and how high it is.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let account = |account: &AccountSid| Some(("X-Account-Sid", account.to_string()));
        let limit = |maximum: &u32| Some(("X-Call-Limit", maximum.to_string()));
        let (whose, limit) = match self {
            Self::Sessions { account: of, maximum, .. } => (account(of), limit(maximum)),
            Self::ServiceProvider { service_provider, maximum, .. } => {
                (Some(("X-Service-Provider-Sid", service_provider.to_string())), limit(maximum))
            }
            Self::UnknownAccount { account: of }
            | Self::Suspended { account: of, .. }
            | Self::Minutes { account: of, .. } => (account(of), None),
            Self::Unavailable => (None, None),
        };
        whose.into_iter().chain(limit)
    }

    /// Which of them it is, for counting: a short name that stays as it is.
    #[must_use]
    pub fn code(&self) -> &'static str {
        CODES[self.place()]
    }

    /// Where it is among [`CODES`].
    pub(super) fn place(&self) -> usize {
        match self {
            Self::UnknownAccount { .. } => 0,
            Self::Suspended { .. } => 1,
            Self::Sessions { .. } => 2,
            Self::Minutes { .. } => 3,
            Self::ServiceProvider { .. } => 4,
            Self::Unavailable => 5,
        }
    }

    /// The account that the session was for, where it is told.
    #[must_use]
    pub fn account(&self) -> Option<AccountSid> {
        match self {
            Self::UnknownAccount { account }
            | Self::Suspended { account, .. }
            | Self::Sessions { account, .. }
            | Self::Minutes { account, .. }
            | Self::ServiceProvider { account, .. } => Some(*account),
            Self::Unavailable => None,
        }
    }
}

/// What [`Refused::code`] says.
pub(super) const CODES: [&str; 6] =
    ["unknown_account", "suspended", "sessions", "minutes", "service_provider", "unavailable"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_answered_as_the_field_does() {
        let account: AccountSid = "06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap();
        let provider: ServiceProviderSid = "51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap();
        let suspension = Box::new(Suspension {
            reason: "payment overdue".parse().unwrap(),
            since: Timestamp::from_millis(0),
        });
        let period_ends = Timestamp::from_millis(0);
        let (own, limit) = ("X-Account-Sid", "X-Call-Limit");
        for (refused, response, headers) in [
            (Refused::UnknownAccount { account }, "404 Not Found", &[own][..]),
            (Refused::Suspended { account, suspension }, "403 Account Suspended", &[own]),
            (
                Refused::Sessions { account, active: 3, maximum: 3 },
                "503 Max Account Calls In Progress",
                &[own, limit],
            ),
            (
                Refused::Minutes { account, charged_seconds: 60, maximum: 1, period_ends },
                "503 Account Minutes Used Up",
                &[own],
            ),
            (
                Refused::ServiceProvider { account, service_provider: provider, active: 9, maximum: 9 },
                "503 Max Service Provider Calls In Progress",
                &["X-Service-Provider-Sid", limit],
            ),
            (Refused::Unavailable, "503 Service Unavailable", &[]),
        ] {
            assert_eq!(refused.sip_response().to_string(), response);
            assert_eq!(refused.headers().map(|(name, _)| name).collect::<Vec<_>>(), headers, "{refused}");
        }
    }
}
