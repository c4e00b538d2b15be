//! What the front desk answers when it does not do what was asked.

use crate::access::Action;
use crate::accounts::refusals::Refusals;
use crate::model::account::Revision;
use crate::model::api_key::KeyId;
use crate::model::problem::Problems;
use crate::model::sid::AccountSid;
use crate::random::RandomError;
use crate::store::StoreError;

/// Why the front desk did not do what was asked. Nothing was changed, but for what [`Error::Store`] says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something is wrong with the fields: all of it, one entry for each field. A form shows each beside its
    /// field; an HTTP API answers 422.
    #[error("{}", in_words(.0))]
    Invalid(Problems),
    /// Something is wrong with accounts of an import, and so none came in: which, and what. 422.
    #[error("{} accounts of the import are refused, the first of them {}", .0.count(), first(.0))]
    Refused(Box<Refusals>),
    /// There is no such account or API key, or none that this actor may see. 404.
    #[error("there is no such account or API key")]
    NotFound,
    /// The actor may see the account, or the list it would be on, but not do this. 403.
    #[error("this actor may not {action} an account")]
    Forbidden {
        /// What they wanted.
        action: Action,
    },
    /// Somebody else changed the account since this actor saw it: read it again, and decide again. 409 or 412.
    #[error("account {sid} is at revision {actual}, not {expected}")]
    Changed {
        /// The account.
        sid: AccountSid,
        /// The revision the actor saw.
        expected: Revision,
        /// The revision it has.
        actual: Revision,
    },
    /// Somebody else changed the API key since this actor saw it: read it again, and decide again. 409 or 412.
    #[error("API key {id} is at revision {actual}, not {expected}")]
    KeyChanged {
        /// The key.
        id: KeyId,
        /// The revision the actor saw.
        expected: Revision,
        /// The revision it has.
        actual: Revision,
    },
    /// The account is not deleted while sessions are running. 409.
    #[error("the account has running sessions: {running}")]
    SessionsRunning {
        /// How many.
        running: u64,
    },
    /// As many API keys are being made or checked as can be at once. 503.
    #[error("too many API keys are being hashed at once")]
    Busy,
    /// The random source failed, and so no SID or secret could be made. 503.
    #[error("no SID or secret could be generated")]
    Random(#[source] RandomError),
    /// The embedding application could not say whether an application may be used. 503.
    #[error("the applications could not be looked up")]
    Applications(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed. [`StoreError::kind`] says what is known of the write. 503.
    #[error("the account store failed")]
    Store(#[source] StoreError),
}

fn in_words(problems: &Problems) -> String {
    match problems.len() {
        1 => problems.to_string(),
        many => format!("{many} fields have problems: {problems}"),
    }
}

fn first(refusals: &Refusals) -> String {
    refusals.iter().next().map(ToString::to_string).unwrap_or_default()
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Error {
    /// A stable code, for an API to answer with: `invalid`, `refused`, `not_found`, `forbidden`, `changed`, `sessions_running`,
    /// `busy`, `random`, `applications`, `store`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Refused(_) => "refused",
            Self::NotFound => "not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::Changed { .. } | Self::KeyChanged { .. } => "changed",
            Self::SessionsRunning { .. } => "sessions_running",
            Self::Busy => "busy",
            Self::Random(_) => "random",
            Self::Applications(_) => "applications",
            Self::Store(_) => "store",
        }
    }

    /// The problems of the fields, if that is what it is.
    #[must_use]
    pub fn problems(&self) -> Option<&Problems> {
        match self {
            Self::Invalid(problems) => Some(problems),
            _ => None,
        }
    }

    /// The refused accounts of an import, if that is what it is.
    #[must_use]
    pub fn refusals(&self) -> Option<&Refusals> {
        match self {
            Self::Refused(refusals) => Some(refusals),
            _ => None,
        }
    }

    /// Whether the same call may succeed later, without anybody doing something about it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::SessionsRunning { .. } | Self::Busy | Self::Random(_) | Self::Applications(_) => true,
            Self::Invalid(_)
            | Self::Refused(_)
            | Self::NotFound
            | Self::Forbidden { .. }
            | Self::Changed { .. }
            | Self::KeyChanged { .. } => false,
        }
    }
}
