//! The organisation an account stands for.

use crate::model::boxed_text;
use crate::model::problem::ValueError;

/// The id of an organisation in another system. The crate does not interpret it.
///
/// 1 to [`OrganisationId::MAX_LEN`] visible ASCII characters (`!` to `~`).
///
/// ```
/// use gateway_accounts::OrganisationId;
/// assert!(OrganisationId::parse("5e8f8c3a1c9d440000a1b2c3").is_ok());
/// assert!(OrganisationId::parse("two words").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationId(Box<str>);

/// What was wrong with an organisation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrganisationIdError {
    /// Nothing there. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`OrganisationId::MAX_LEN`] characters. Code `too_long`.
    #[error("must have at most {} characters", OrganisationId::MAX_LEN)]
    TooLong,
    /// A character other than visible ASCII. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for OrganisationIdError {
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

impl OrganisationId {
    /// Enough for a UUID, an object id, or a URN of either.
    pub const MAX_LEN: usize = 128;

    /// Reads an id.
    ///
    /// # Errors
    /// [`OrganisationIdError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, OrganisationIdError> {
        if text.is_empty() {
            return Err(OrganisationIdError::Empty);
        }
        if let Some((position, character)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_graphic()) {
            return Err(OrganisationIdError::Character { character, position });
        }
        if text.len() > Self::MAX_LEN {
            return Err(OrganisationIdError::TooLong);
        }
        Ok(Self(text.into()))
    }
}

boxed_text!(OrganisationId, OrganisationIdError, "an organisation id");

#[cfg(test)]
mod tests {
    use super::*;
    use OrganisationIdError as E;

    #[test]
    fn accepted_and_refused() {
        let longest = "o".repeat(128);
        let too_long = "o".repeat(129);
        for (text, expected) in [
            ("5e8f8c3a1c9d440000a1b2c3", Ok(())),
            ("urn:uuid:06b5fe07-1d99-422b-902a-3b343f675413", Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(E::TooLong)),
            ("", Err(E::Empty)),
            ("two words", Err(E::Character { character: ' ', position: 3 })),
            ("é", Err(E::Character { character: 'é', position: 0 })),
        ] {
            assert_eq!(
                OrganisationId::parse(text).map(|id| assert_eq!(id.as_str(), text)),
                expected,
                "{text:?}"
            );
        }
    }
}
