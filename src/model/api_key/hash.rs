//! What is kept of an API key's secret.

use crate::model::problem::ValueError;
use std::fmt;

/// The Argon2id hash of an API key's secret, with its salt and parameters, as a PHC string:
/// `$argon2id$v=19$m=256,t=1,p=1$…salt…$…hash…`.
///
/// At most [`KeyHash::MAX_LEN`] visible ASCII characters. Whether it reads as a hash is found out when a key is
/// checked against it. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyHash(Box<str>);

/// What was wrong with a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyHashError {
    /// It does not begin like an Argon2id hash. Code `not_argon2id`.
    #[error("must be an Argon2id hash in PHC format")]
    Form,
    /// More than [`KeyHash::MAX_LEN`] characters. Code `too_long`.
    #[error("must have at most {} characters", KeyHash::MAX_LEN)]
    TooLong,
}

impl ValueError for KeyHashError {
    fn code(&self) -> &'static str {
        match self {
            Self::Form => "not_argon2id",
            Self::TooLong => "too_long",
        }
    }
}

impl KeyHash {
    /// Twice what salts of 16 and hashes of 32 bytes need.
    pub const MAX_LEN: usize = 200;

    const START: &str = "$argon2id$";

    /// Reads a hash.
    ///
    /// # Errors
    /// [`KeyHashError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, KeyHashError> {
        if text.len() > Self::MAX_LEN {
            return Err(KeyHashError::TooLong);
        }
        if !text.starts_with(Self::START) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyHashError::Form);
        }
        Ok(Self(text.into()))
    }

    /// The PHC string. Who has it can try secrets on it; those of keys are too long to be found so.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        let too_long = format!("$argon2id${}", "x".repeat(191));
        for (text, expected) in [
            ("$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA", Ok(())),
            ("$argon2i$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA", Err(KeyHashError::Form)),
            ("$argon2id$a b", Err(KeyHashError::Form)),
            ("", Err(KeyHashError::Form)),
            (&too_long, Err(KeyHashError::TooLong)),
        ] {
            assert_eq!(
                KeyHash::parse(text).map(|hash| assert_eq!(hash.reveal(), text)),
                expected,
                "{text:?}"
            );
        }
        assert!(!format!("{:?}", KeyHash::parse("$argon2id$v=19$secret").unwrap()).contains("secret"));
    }
}
