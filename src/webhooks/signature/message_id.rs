//! What tells one message from another.

use crate::model::boxed_text;
use crate::model::problem::ValueError;
use crate::random::{Random, RandomError};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// The id of a message to a webhook: the same whenever the message is tried again, so that who receives it twice can tell.
///
/// - 1 to [`MessageId::MAX_LEN`] visible ASCII characters (`!` to `~`);
/// - no full stop: it divides what Standard Webhooks signs, and with one in the id, a part of the id could pass for
///   the time, and the time for a part of the message.
///
/// ```
/// use gateway_accounts::OsRandom;
/// use gateway_accounts::webhooks::{MessageId, MessageIdError};
/// assert!(MessageId::generate(&OsRandom)?.as_str().starts_with("msg_"));
/// assert_eq!(MessageId::parse("evt.7"), Err(MessageIdError::Character { character: '.', position: 3 }));
/// # Ok::<(), gateway_accounts::RandomError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Box<str>);

/// What was wrong with the id of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageIdError {
    /// Nothing there. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`MessageId::MAX_LEN`] characters. Code `too_long`.
    #[error("must have at most {} characters", MessageId::MAX_LEN)]
    TooLong,
    /// A full stop, or no visible ASCII character. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for MessageIdError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
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

impl MessageId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 255;

    /// How many random bytes a generated id has.
    const RANDOM_BYTES: usize = 18;

    /// A new id: `msg_` and 24 characters, of 144 random bits.
    ///
    /// # Errors
    /// [`RandomError`] when the random source fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0; Self::RANDOM_BYTES];
        random.fill(&mut bytes)?;
        let mut text = String::with_capacity(4 + Self::RANDOM_BYTES / 3 * 4);
        text.push_str("msg_");
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        Ok(Self(text.into()))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`MessageIdError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, MessageIdError> {
        if text.is_empty() {
            return Err(MessageIdError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(MessageIdError::TooLong);
        }
        let refused = |c: char| !c.is_ascii_graphic() || c == '.';
        match text.chars().enumerate().find(|(_, c)| refused(*c)) {
            Some((position, character)) => Err(MessageIdError::Character { character, position }),
            None => Ok(Self(text.into())),
        }
    }
}

boxed_text!(MessageId, MessageIdError, "the id of a message");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn accepted_and_refused() {
        type E = MessageIdError;
        let longest = "m".repeat(255);
        let too_long = "m".repeat(256);
        for (text, expected) in [
            ("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", Ok(())),
            ("06b5fe07-1d99-422b-902a-3b343f675413", Ok(())),
            ("!~,=", Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(E::TooLong)),
            ("", Err(E::Empty)),
            ("evt.7", Err(E::Character { character: '.', position: 3 })),
            ("a b", Err(E::Character { character: ' ', position: 1 })),
            ("a\n", Err(E::Character { character: '\n', position: 1 })),
            ("né", Err(E::Character { character: 'é', position: 1 })),
        ] {
            assert_eq!(MessageId::parse(text).map(|id| assert_eq!(id.as_str(), text)), expected, "{text:?}");
        }
    }

    #[test]
    fn generated_ones_are_ids_and_differ() {
        let random = SeededRandom::new(1);
        let id = MessageId::generate(&random).unwrap();
        assert_eq!(MessageId::parse(id.as_str()), Ok(id.clone()));
        assert_ne!(MessageId::generate(&random).unwrap(), id);
        assert_eq!(id.as_str().len(), 28);
    }
}
