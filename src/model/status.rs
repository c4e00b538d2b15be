//! Whether an account is in service.

use crate::model::boxed_text;
use crate::model::problem::ValueError;
use crate::model::text::is_disruptive;
use crate::model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Active, or suspended with a reason and since when.
///
/// A suspended account still resolves, so that a call for it can be refused for the right reason; but none of
/// its sessions are admitted and none of its keys authenticate.
///
/// In JSON: `"active"`, or `{"suspended":{"reason":"payment overdue","since":"2026-11-23T20:37:43.000Z"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In service.
    #[default]
    Active,
    /// Out of service.
    Suspended(Box<Suspension>),
}

/// Why and since when an account is suspended. It is an error, for whoever has to refuse a call, a registration or a
/// key because of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("the account is suspended since {since}: {reason}")]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// Why, in the operator's words.
    pub reason: SuspensionReason,
    /// Since when.
    pub since: Timestamp,
}

impl Status {
    /// Suspended.
    #[must_use]
    pub fn suspended(reason: SuspensionReason, since: Timestamp) -> Self {
        Self::Suspended(Box::new(Suspension { reason, since }))
    }

    /// Whether in service.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }

    /// That it is in service, or why not: to be asked before anything is done for the account.
    ///
    /// # Errors
    /// The [`Suspension`], when it is suspended.
    ///
    /// ```
    /// use gateway_accounts::{Status, Timestamp};
    /// let status = Status::suspended("payment overdue".parse()?, Timestamp::from_millis(0));
    /// let refusal = status.in_service().unwrap_err();
    /// assert_eq!(refusal.to_string(), "the account is suspended since 1970-01-01T00:00:00.000Z: payment overdue");
    /// assert!(Status::Active.in_service().is_ok());
    /// # Ok::<(), gateway_accounts::SuspensionReasonError>(())
    /// ```
    pub fn in_service(&self) -> Result<(), &Suspension> {
        match self {
            Self::Active => Ok(()),
            Self::Suspended(suspension) => Err(suspension),
        }
    }
}

/// Why an account is suspended: trimmed, 1 to [`SuspensionReason::MAX_CHARS`] characters, none of
/// them a control character, a line separator or an override of the direction of text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SuspensionReason(Box<str>);

/// What was wrong with a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuspensionReasonError {
    /// Nothing is left after trimming. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`SuspensionReason::MAX_CHARS`] characters. Code `too_long`.
    #[error("must have at most {} characters", SuspensionReason::MAX_CHARS)]
    TooLong,
    /// A character that a reason may not have. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for SuspensionReasonError {
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

impl SuspensionReason {
    /// A sentence or two.
    pub const MAX_CHARS: usize = 255;

    /// Reads a reason.
    ///
    /// # Errors
    /// [`SuspensionReasonError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, SuspensionReasonError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(SuspensionReasonError::Empty);
        }
        if trimmed.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(SuspensionReasonError::TooLong);
        }
        if let Some((position, character)) = trimmed.chars().enumerate().find(|(_, c)| is_disruptive(*c)) {
            let margin = text.chars().take_while(|c| c.is_whitespace()).count();
            return Err(SuspensionReasonError::Character { character, position: margin + position });
        }
        Ok(Self(trimmed.into()))
    }
}

boxed_text!(SuspensionReason, SuspensionReasonError, "a reason");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_accepted_and_refused() {
        let longest = "r".repeat(255);
        let too_long = "r".repeat(256);
        for (text, expected) in [
            (" payment overdue ", Ok("payment overdue")),
            (&longest, Ok(longest.as_str())),
            (&too_long, Err(SuspensionReasonError::TooLong)),
            (" ", Err(SuspensionReasonError::Empty)),
            ("a\u{202e}b", Err(SuspensionReasonError::Character { character: '\u{202e}', position: 1 })),
            (" a\tb", Err(SuspensionReasonError::Character { character: '\t', position: 2 })),
        ] {
            let got = SuspensionReason::parse(text);
            assert_eq!(got.as_ref().map(SuspensionReason::as_str), expected.as_ref().map(|s| *s), "{text:?}");
        }
    }

    #[test]
    fn json() {
        let reason = SuspensionReason::parse("payment overdue").unwrap();
        let status = Status::suspended(reason, Timestamp::from_millis(0));
        let text = r#"{"suspended":{"reason":"payment overdue","since":"1970-01-01T00:00:00.000Z"}}"#;
        assert_eq!(serde_json::to_string(&status).unwrap(), text);
        assert_eq!(serde_json::from_str::<Status>(text).unwrap(), status);
        assert_eq!(serde_json::from_str::<Status>("\"active\"").unwrap(), Status::Active);
        assert!(serde_json::from_str::<Status>(&text.replace("payment overdue", " ")).is_err());
    }
}
