//! What people call an API key.

use crate::model::boxed_text;
use crate::model::problem::ValueError;
use crate::model::text::is_disruptive;

/// The label of an API key: what it is for, in the words of who made it. Labels need not be unique.
///
/// 1 to [`KeyLabel::MAX_LEN`] characters, without white space at either end, control characters, line separators and
/// overrides of the direction of text.
///
/// ```
/// use gateway_accounts::KeyLabel;
/// assert_eq!(KeyLabel::parse(" billing export ")?.as_str(), "billing export");
/// # Ok::<(), gateway_accounts::KeyLabelError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyLabel(Box<str>);

/// What was wrong with a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLabelError {
    /// Nothing but white space. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`KeyLabel::MAX_LEN`] characters. Code `too_long`.
    #[error("must have at most {} characters", KeyLabel::MAX_LEN)]
    TooLong,
    /// A character that a label may not have. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for KeyLabelError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Character { .. } => "character",
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::TooLong => None,
            Self::Character { position, .. } => Some(*position),
        }
    }
}

impl KeyLabel {
    /// As many characters as an account's name has.
    pub const MAX_LEN: usize = 64;

    /// Reads a label; white space at its ends is dropped.
    ///
    /// # Errors
    /// [`KeyLabelError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, KeyLabelError> {
        if let Some((position, character)) = text.chars().enumerate().find(|(_, c)| is_disruptive(*c)) {
            return Err(KeyLabelError::Character { character, position });
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(KeyLabelError::Empty);
        }
        if trimmed.chars().nth(Self::MAX_LEN).is_some() {
            return Err(KeyLabelError::TooLong);
        }
        Ok(Self(trimmed.into()))
    }
}

boxed_text!(KeyLabel, KeyLabelError, "the label of an API key");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        let longest = "é".repeat(64);
        let too_long = "l".repeat(65);
        for (text, expected) in [
            ("CI", Ok("CI")),
            ("  billing export\u{a0}", Ok("billing export")),
            (&longest, Ok(&*longest)),
            (&too_long, Err(KeyLabelError::TooLong)),
            ("", Err(KeyLabelError::Empty)),
            (" \u{3000}", Err(KeyLabelError::Empty)),
            ("a\tb", Err(KeyLabelError::Character { character: '\t', position: 1 })),
            ("a\u{202e}b", Err(KeyLabelError::Character { character: '\u{202e}', position: 1 })),
        ] {
            assert_eq!(
                KeyLabel::parse(text).as_ref().map(KeyLabel::as_str),
                expected.as_ref().copied(),
                "{text:?}"
            );
        }
    }
}
