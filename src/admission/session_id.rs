//! How a session is named.

use crate::model::problem::ValueError;
use crate::model::text_form;
use smallvec::SmallVec;
use std::fmt;

/// The name of a session within its account: a SIP `Call-ID` (RFC 3261 section 20.8), or whatever else the gateway tells
/// sessions apart by.
///
/// - 1 to [`SessionId::MAX_LEN`] bytes,
/// - none of them a control character or a space,
/// - compared byte by byte, with regard to case, as RFC 3261 compares a `Call-ID`.
///
/// ```
/// use gateway_accounts::admission::SessionId;
/// assert!(SessionId::parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6@192.0.2.4").is_ok());
/// assert!(SessionId::parse("").is_err());
/// assert!(SessionId::parse("two words").is_err());
/// ```
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(SmallVec<[u8; INLINE]>);

/// So long, an id needs no memory of its own: a UUID as text, as media servers make them, has 36.
const INLINE: usize = 40;

/// What was wrong with a session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionIdError {
    /// It is empty. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// It is too long. Code `too_long`.
    #[error("must be at most {} bytes, not {length}", SessionId::MAX_LEN)]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// A character that it may not have. Code `invalid_character`.
    #[error("must have no space or control character, but has {character:?} at byte {position}")]
    Character {
        /// The character.
        character: char,
        /// Where it begins.
        position: usize,
    },
}

impl ValueError for SessionIdError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Character { .. } => "invalid_character",
        }
    }
}

impl SessionId {
    /// The most bytes that one has. Call-IDs are told by those who call; this keeps them from filling the memory.
    pub const MAX_LEN: usize = 255;

    /// Reads a session id.
    ///
    /// # Errors
    /// [`SessionIdError`] when it is empty or too long, or has a space or a control character.
    pub fn parse(text: &str) -> Result<Self, SessionIdError> {
        if text.is_empty() {
            return Err(SessionIdError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(SessionIdError::TooLong { length: text.len() });
        }
        // Most are ASCII, and then there is nothing to decode. Looking at all bytes is quicker than stopping early.
        if !text.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic())
            && let Some((position, character)) =
                text.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control())
        {
            return Err(SessionIdError::Character { character, position });
        }
        Ok(Self(SmallVec::from_slice(text.as_bytes())))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was made of a text")
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Clone for SessionId {
    #[inline]
    fn clone(&self) -> Self {
        // At once, and not byte by byte.
        Self(SmallVec::from_slice(&self.0))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:?})", self.as_str())
    }
}

text_form!(SessionId, SessionIdError, "a session id of 1 to 255 bytes");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        let long = "x".repeat(256);
        for (text, expected) in [
            ("a", Ok(())),
            (&long[..255], Ok(())),
            ("a84b4c76e66710@pc33.example.com", Ok(())),
            ("\"<>:\\[]?{}", Ok(())),
            ("é", Ok(())),
            ("", Err("empty")),
            (&long, Err("too_long")),
            ("a b", Err("invalid_character")),
            ("a\n", Err("invalid_character")),
            ("a\u{85}", Err("invalid_character")),
            ("é ", Err("invalid_character")),
            ("\0", Err("invalid_character")),
        ] {
            let read = SessionId::parse(text);
            assert_eq!(read.as_ref().map(|_| ()).map_err(ValueError::code), expected, "{text:?}");
            if let Ok(id) = read {
                assert_eq!(id.to_string(), text);
                let json = serde_json::to_string(&id).unwrap();
                assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), id);
            }
        }
        assert_ne!(SessionId::parse("a").unwrap(), SessionId::parse("A").unwrap());
    }
}
