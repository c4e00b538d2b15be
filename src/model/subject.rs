//! Who somebody is.

use crate::model::boxed_text;
use crate::model::problem::ValueError;
use crate::model::text::is_disruptive;

/// Who an actor is, for the audit trail: a user's name or a key's id.
///
/// 1 to [`Subject::MAX_LEN`] bytes, not all white space, without control characters, line separators and overrides
/// of the direction of text, so that it can't forge lines of a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Box<str>);

/// What was wrong with a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// Nothing but white space. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`Subject::MAX_LEN`] bytes. Code `too_long`.
    #[error("must have at most {} bytes", Subject::MAX_LEN)]
    TooLong,
    /// A character that a subject may not have. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for SubjectError {
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

impl Subject {
    /// Long enough for an e-mail address (254) or a URI of a person.
    pub const MAX_LEN: usize = 255;

    /// Reads a subject.
    ///
    /// # Errors
    /// [`SubjectError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        if text.trim().is_empty() {
            return Err(SubjectError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(SubjectError::TooLong);
        }
        if let Some((position, character)) = text.chars().enumerate().find(|(_, c)| is_disruptive(*c)) {
            return Err(SubjectError::Character { character, position });
        }
        Ok(Self(text.into()))
    }
}

boxed_text!(Subject, SubjectError, "a subject");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_accepted_and_refused() {
        let too_long = "s".repeat(256);
        for (text, expected) in [
            ("jane@operator.example", Ok(())),
            ("キー 7", Ok(())),
            ("", Err(SubjectError::Empty)),
            (" ", Err(SubjectError::Empty)),
            ("jane\u{202e}nimda", Err(SubjectError::Character { character: '\u{202e}', position: 4 })),
            (&too_long, Err(SubjectError::TooLong)),
            ("jane\n{\"admin\"", Err(SubjectError::Character { character: '\n', position: 4 })),
        ] {
            assert_eq!(Subject::parse(text).map(|_| ()), expected, "{text:?}");
        }
    }
}
