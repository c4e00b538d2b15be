//! Why somebody who shows an API key is not let in.

use super::pool::HashError;
use super::token::TokenError;
use crate::model::problem::ValueError;
use crate::random::RandomError;
use crate::store::StoreError;

/// Why who shows a key is not let in.
///
/// It is for logs and for who runs the gateway. Outside, a [refusal](AuthError::is_refusal) is a `401`, whichever it is: who
/// does not have the key is not told how close they came. Who has shown the right secret may be told more; only then is
/// an error one of [`AuthError::Disabled`], [`AuthError::Expired`] and [`AuthError::Suspended`]. All others are the
/// gateway's own trouble, a `503`: a `Retry-After` of a second will do for `Busy`.
///
/// | | outside |
/// |---|---|
/// | `Malformed`, `Unknown`, `WrongSecret`, `Disabled`, `Expired`, `Suspended` | `401` |
/// | `Busy`, `Hash`, `Random`, `Store` | `503` |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The text is not that of a key. Nothing was looked up. Codes are those of [`TokenError`].
    #[error("the text is not that of an API key")]
    Malformed(#[source] TokenError),
    /// There is no such key, or it was revoked, or its account deleted. Code `unknown`.
    #[error("there is no such API key")]
    Unknown,
    /// There is a key of this id, but its secret is another. Code `wrong_secret`.
    #[error("the API key has another secret")]
    WrongSecret,
    /// The key is disabled. Code `disabled`.
    #[error("the API key is disabled")]
    Disabled,
    /// The key's time is over. Code `expired`.
    #[error("the API key has expired")]
    Expired,
    /// The account whose key it is is suspended. Code `suspended`.
    #[error("the account of the API key is suspended")]
    Suspended,
    /// Too many keys are waiting to be checked, in all or of this id. Code `busy`.
    #[error("too many API keys are waiting to be checked")]
    Busy,
    /// The secret could not be hashed. Code `hash`.
    #[error("the secret could not be hashed")]
    Hash(#[source] HashError),
    /// The random source failed. Code `random`.
    #[error("there were no random bytes to begin with")]
    Random(#[source] RandomError),
    /// The store could not be read. Code `store`.
    #[error("the API key could not be looked up")]
    Store(#[source] StoreError),
}

impl AuthError {
    /// A stable code, in `snake_case`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(error) => error.code(),
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::Busy => "busy",
            Self::Hash(_) => "hash",
            Self::Random(_) => "random",
            Self::Store(_) => "store",
        }
    }

    /// Whether it is the key that is at fault, and not the gateway.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::Unknown
            | Self::WrongSecret
            | Self::Disabled
            | Self::Expired
            | Self::Suspended => true,
            Self::Busy | Self::Hash(_) | Self::Random(_) | Self::Store(_) => false,
        }
    }

    /// Whether the same key may be let in later without anybody doing something about it: `Busy`, and what of `Hash` and
    /// `Store` says so itself.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Hash(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
            Self::Malformed(_)
            | Self::Unknown
            | Self::WrongSecret
            | Self::Disabled
            | Self::Expired
            | Self::Suspended
            | Self::Random(_) => false,
        }
    }
}

impl From<HashError> for AuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Random(error) => Self::Random(error),
            error @ (HashError::Unreadable | HashError::Failed) => Self::Hash(error),
        }
    }
}
