//! The id of an API key.

use crate::model::problem::ValueError;
use crate::model::text_form;
use std::fmt;

/// What an API key is found by: [`KeyId::LEN`] letters and digits (base 62). It is a part of the key's text, can be shown
/// and logged, and is in lists of keys.
///
/// ```
/// use gateway_accounts::KeyId;
/// let id = KeyId::parse("4fJ9sKq02LmXa7Rt")?;
/// assert_eq!(id.to_string(), "4fJ9sKq02LmXa7Rt");
/// assert!(KeyId::parse("4fJ9-Kq02LmXa7Rt").is_err());
/// # Ok::<(), gateway_accounts::KeyIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LEN]);

/// What was wrong with a key's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyIdError {
    /// Not [`KeyId::LEN`] characters. Code `length`.
    #[error("must have {} characters", KeyId::LEN)]
    Length,
    /// A character other than a letter or a digit of ASCII. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for KeyIdError {
    fn code(&self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Character { .. } => "character",
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Length => None,
            Self::Character { position, .. } => Some(*position),
        }
    }
}

impl KeyId {
    /// 95 bits: no two keys get the same by chance, and none can be guessed to exist.
    pub const LEN: usize = 16;

    /// Reads an id. Upper and lower case differ.
    ///
    /// # Errors
    /// [`KeyIdError`] when it breaks a rule above.
    pub fn parse(text: &str) -> Result<Self, KeyIdError> {
        let bytes = text.as_bytes().try_into().map_err(|_| KeyIdError::Length)?;
        match text.chars().enumerate().find(|(_, c)| !c.is_ascii_alphanumeric()) {
            Some((position, character)) => Err(KeyIdError::Character { character, position }),
            None => Ok(Self(bytes)),
        }
    }

    /// The id of these letters and digits, which the caller has looked at.
    #[cfg(feature = "keys")]
    pub(crate) fn from_base62(characters: [u8; Self::LEN]) -> Self {
        debug_assert!(characters.iter().all(u8::is_ascii_alphanumeric));
        Self(characters)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // They are letters and digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

text_form!(KeyId, KeyIdError, "the id of an API key");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        for (text, expected) in [
            ("4fJ9sKq02LmXa7Rt", Ok(())),
            ("", Err(KeyIdError::Length)),
            ("4fJ9sKq02LmXa7R", Err(KeyIdError::Length)),
            ("4fJ9sKq02LmXa7Rtt", Err(KeyIdError::Length)),
            ("4fJ9sKq0_LmXa7Rt", Err(KeyIdError::Character { character: '_', position: 8 })),
            // Sixteen bytes, fifteen characters.
            ("é4fJ9sKq02LmXa7", Err(KeyIdError::Character { character: 'é', position: 0 })),
        ] {
            assert_eq!(KeyId::parse(text).map(|id| assert_eq!(id.as_str(), text)), expected, "{text:?}");
        }
    }
}
