//! What a webhook authenticates with.

use crate::model::problem::ValueError;
use crate::model::secret::SecretText;
use std::fmt;

/// The user name and password of a webhook, sent as basic authentication (RFC 7617).
///
/// `Debug` prints neither; two are compared in constant time; the password's memory is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookCredentials {
    username: Box<str>,
    password: SecretText,
}

/// What was wrong with a webhook's user name or password. It contains neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookCredentialsError {
    /// An empty user name. Code `empty`.
    #[error("must not be empty")]
    EmptyUsername,
    /// More than [`WebhookCredentials::MAX_LEN`] bytes. Code `too_long`.
    #[error("must have at most {} bytes", WebhookCredentials::MAX_LEN)]
    TooLong {
        /// `username` or `password`.
        part: &'static str,
    },
    /// A control character, or a colon in the user name (RFC 7617 section 2). Code `character`.
    #[error("must not contain the character at this position")]
    Character {
        /// `username` or `password`.
        part: &'static str,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl WebhookCredentialsError {
    /// Which of the two is at fault: `username` or `password`.
    #[must_use]
    pub fn part(&self) -> &'static str {
        match self {
            Self::EmptyUsername => "username",
            Self::TooLong { part } | Self::Character { part, .. } => part,
        }
    }
}

impl ValueError for WebhookCredentialsError {
    fn code(&self) -> &'static str {
        match self {
            Self::EmptyUsername => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Character { .. } => "character",
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Character { position, .. } => Some(*position),
            _ => None,
        }
    }
}

impl WebhookCredentials {
    /// The longest user name and the longest password, in bytes: what jambonz stores.
    pub const MAX_LEN: usize = 255;

    /// A user name of 1 to 255 bytes without a colon, and a password of 0 to 255 bytes, both without control
    /// characters.
    ///
    /// # Errors
    /// [`WebhookCredentialsError`] when one of them breaks a rule.
    pub fn new(username: &str, password: &str) -> Result<Self, WebhookCredentialsError> {
        if username.is_empty() {
            return Err(WebhookCredentialsError::EmptyUsername);
        }
        for (part, text) in [("username", username), ("password", password)] {
            if text.len() > Self::MAX_LEN {
                return Err(WebhookCredentialsError::TooLong { part });
            }
            let refused = |c: char| c.is_control() || (c == ':' && part == "username");
            if let Some(position) = text.chars().position(refused) {
                return Err(WebhookCredentialsError::Character { part, position });
            }
        }
        Ok(Self { username: username.into(), password: SecretText::new(password) })
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password in clear. Think before you log, send or show what this returns.
    #[must_use]
    pub fn reveal_password(&self) -> &str {
        self.password.reveal()
    }

    /// For comparing.
    pub(crate) fn password(&self) -> &SecretText {
        &self.password
    }
}

impl fmt::Debug for WebhookCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookCredentials((secret))")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_accepted_and_refused() {
        type C = WebhookCredentialsError;
        let longest = "p".repeat(255);
        let too_long = "p".repeat(256);
        for (username, password, expected) in [
            ("svc-queue", "p@ss:word/with%chars", Ok(())),
            ("padaria", "pão-de-ló", Ok(())),
            ("user", "", Ok(())),
            ("user", &longest, Ok(())),
            ("user", &too_long, Err(C::TooLong { part: "password" })),
            (&too_long, "x", Err(C::TooLong { part: "username" })),
            ("", "x", Err(C::EmptyUsername)),
            ("us:er", "x", Err(C::Character { part: "username", position: 2 })),
            ("user", "a\nb", Err(C::Character { part: "password", position: 1 })),
        ] {
            assert_eq!(WebhookCredentials::new(username, password).map(|_| ()), expected, "{username:?}");
        }
        let printed = format!("{:?}", WebhookCredentials::new("jane", "hunter2").unwrap());
        assert!(!printed.contains("jane") && !printed.contains("hunter2"));
    }
}
