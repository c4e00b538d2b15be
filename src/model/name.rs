//! The account name.

use crate::model::boxed_text;
use crate::model::problem::ValueError;
use crate::model::text::is_disruptive;
use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::DefaultIgnorableCodePoint;
use icu_properties::{CodePointSetData, CodePointSetDataBorrowed};
use std::borrow::Cow;

/// An *Account name*.
///
/// - 1 to [`AccountName::MAX_CHARS`] characters after trimming and normalising;
/// - no white space at either end (it is trimmed, and so are the invisible U+200B, U+2060 and U+FEFF);
/// - in Unicode normalisation form C, so that the same name typed on two systems is the same bytes;
/// - no control characters, no line or paragraph separators, and none of the characters that override the
///   direction of text (U+202A to U+202E, U+2066 to U+2069), with which one name can be made to look like
///   another.
///
/// Two names clash when they are the same without regard to case, as Unicode's canonical caseless matching has
/// it (section 3.13, D145): "Straße", "STRASSE" and "strasse" are one name. Characters that are not seen
/// (`Default_Ignorable_Code_Point`) make no difference either, nor does how much white space of which kind is
/// between two words; and nothing but these is no name. Look-alike letters of other scripts are told apart.
/// [`AccountName::folded`] gives the form to compare. `==` compares the names as they are written.
///
/// ```
/// use gateway_accounts::{AccountName, AccountNameError};
/// let name = AccountName::parse("  Acme  ")?;
/// assert_eq!(name.as_str(), "Acme");
/// assert_eq!(name.folded(), AccountName::parse("ACME")?.folded());
/// assert_eq!(AccountName::parse(" \t"), Err(AccountNameError::Empty));
/// assert_eq!(AccountName::parse("a\nb"), Err(AccountNameError::Character { character: '\n', position: 1 }));
/// # Ok::<(), AccountNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Box<str>);

/// What was wrong with an account name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountNameError {
    /// Nothing is left after trimming. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`AccountName::MAX_CHARS`] characters. Code `too_long`.
    #[error("must have at most {} characters", AccountName::MAX_CHARS)]
    TooLong,
    /// A character that a name may not have. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl ValueError for AccountNameError {
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

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
const NFD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfd();

const INVISIBLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

impl AccountName {
    /// The most characters (Unicode scalar values) a name has: what jambonz stores.
    pub const MAX_CHARS: usize = 64;

    /// A text of more bytes than this is refused unread. Composition makes one character of at most four, of at
    /// most four bytes each, so that no text that is too long here could still become a name.
    const MAX_INPUT_BYTES: usize = Self::MAX_CHARS * 4 * 4;

    /// Reads a name.
    ///
    /// # Errors
    /// [`AccountNameError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, AccountNameError> {
        let trimmed = text.trim_matches(is_trimmed);
        if trimmed.is_empty() {
            return Err(AccountNameError::Empty);
        }
        if trimmed.len() > Self::MAX_INPUT_BYTES {
            return Err(AccountNameError::TooLong);
        }
        if let Some((position, character)) = trimmed.chars().enumerate().find(|(_, c)| is_disruptive(*c)) {
            let margin = text.chars().take_while(|c| is_trimmed(*c)).count();
            return Err(AccountNameError::Character { character, position: margin + position });
        }
        let name = NFC.normalize(trimmed);
        if name.len() > Self::MAX_CHARS && name.chars().count() > Self::MAX_CHARS {
            return Err(AccountNameError::TooLong);
        }
        let name = Self(name.into());
        if name.folded().is_empty() { Err(AccountNameError::Empty) } else { Ok(name) }
    }

    /// The name for comparing: two names clash exactly when these are equal.
    #[must_use]
    pub fn folded(&self) -> Cow<'_, str> {
        if self.0.is_ascii() && !self.0.contains("  ") {
            if self.0.bytes().any(|b| b.is_ascii_uppercase()) {
                return Cow::Owned(self.0.to_ascii_lowercase());
            }
            return Cow::Borrowed(&self.0);
        }
        let seen = |c: &char| !INVISIBLE.contains(*c);
        let visible: String =
            self.0.chars().filter(seen).map(|c| if is_blank(c) { ' ' } else { c }).collect();
        let words = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let folded = CaseMapper::new().fold_string(&NFD.normalize(&words)).into_owned();
        Cow::Owned(NFC.normalize(&folded).into_owned())
    }
}

/// White space, and the braille pattern without dots, which is none but looks the same.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{2800}'
}

fn is_trimmed(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

boxed_text!(AccountName, AccountNameError, "an account name");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn character(character: char, position: usize) -> Result<&'static str, AccountNameError> {
        Err(AccountNameError::Character { character, position })
    }

    #[test]
    fn accepted_and_refused() {
        let longest = "📞".repeat(64);
        let too_long = "n".repeat(65);
        let long_until_composed = "e\u{301}".repeat(64);
        let composed = "é".repeat(64);
        for (text, expected) in [
            ("Acme Corp", Ok("Acme Corp")),
            ("  Acme\u{a0}\n", Ok("Acme")),
            ("\u{feff}Acme\u{200b}", Ok("Acme")),
            ("Tallinna Sõnumitooja OÜ", Ok("Tallinna Sõnumitooja OÜ")),
            ("So\u{303}num", Ok("Sõnum")),
            ("東京コールセンター株式会社", Ok("東京コールセンター株式会社")),
            ("شركة الاتصالات الحديثة", Ok("شركة الاتصالات الحديثة")),
            ("O’Brien & Sons “Fast” <Lines>", Ok("O’Brien & Sons “Fast” <Lines>")),
            ("4242", Ok("4242")),
            (&longest, Ok(longest.as_str())),
            (&long_until_composed, Ok(composed.as_str())),
            ("", Err(AccountNameError::Empty)),
            ("   ", Err(AccountNameError::Empty)),
            ("\u{200b}", Err(AccountNameError::Empty)),
            ("\u{200d}", Err(AccountNameError::Empty)),
            ("\u{2800}", Err(AccountNameError::Empty)),
            ("a\u{fff9}b", character('\u{fff9}', 1)),
            ("\u{3164}\u{ad}", Err(AccountNameError::Empty)),
            ("👩\u{200d}🚒", Ok("👩\u{200d}🚒")),
            (&too_long, Err(AccountNameError::TooLong)),
            ("line1\nline2\t\0end", character('\n', 5)),
            ("  a\0", character('\0', 3)),
            ("a\u{7f}b", character('\u{7f}', 1)),
            ("a\u{85}b", character('\u{85}', 1)),
            ("pay\u{202e}lap", character('\u{202e}', 3)),
            ("a\u{2066}b", character('\u{2066}', 1)),
            ("a\u{2028}b", character('\u{2028}', 1)),
        ] {
            let got = AccountName::parse(text);
            assert_eq!(got.as_ref().map(AccountName::as_str), expected.as_ref().map(|s| *s), "{text:?}");
            assert_eq!(
                serde_json::from_value::<AccountName>(text.into()).is_ok(),
                expected.is_ok(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn names_that_clash() {
        for (a, b, clash) in [
            ("Acme", "ACME", true),
            ("Straße", "STRASSE", true),
            ("Ärger", "a\u{308}RGER", true),
            ("ΟΔΟΣ", "οδος", true),
            ("İstanbul", "i\u{307}stanbul", true),
            ("\u{1fb3}", "\u{3b1}\u{3b9}", true),
            ("Acme", "Ac\u{200b}me", true),
            ("Acme", "Acme\u{200e}", true),
            ("Acme Corp", "Acme\u{a0}\u{2009} corp", true),
            ("Acme Corp", "Acme  Corp", true),
            ("Acme", "Acme \u{200d}", true),
            ("Acme", "\u{ad} Acme", true),
            ("Acme", "Acme\u{2800}", true),
            ("Acme Corp", "AcmeCorp", false),
            ("Acme", "Acme 2", false),
            ("cafe", "café", false),
        ] {
            let (a, b) = (AccountName::parse(a).unwrap(), AccountName::parse(b).unwrap());
            assert_eq!(a.folded() == b.folded(), clash, "{a} and {b}");
        }
    }

    #[test]
    fn a_megabyte_is_refused_unread() {
        assert_eq!(AccountName::parse(&"x".repeat(1 << 20)), Err(AccountNameError::TooLong));
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(text in "\\PC{0,80}|.{0,80}|[ A-Za-z\u{300}-\u{36f}\u{1100}-\u{11ff}]{0,70}") {
            if let Ok(name) = AccountName::parse(&text) {
                prop_assert!((1..=AccountName::MAX_CHARS).contains(&name.as_str().chars().count()));
                prop_assert_eq!(AccountName::parse(name.as_str()), Ok(name.clone()));
                let json = serde_json::to_string(&name).unwrap();
                prop_assert_eq!(serde_json::from_str::<AccountName>(&json).unwrap(), name);
            }
        }

        #[test]
        fn case_never_tells_two_names_apart(text in "[a-zA-Z ßİΣ0-9éü]{1,40}") {
            if let (Ok(name), Ok(upper)) = (AccountName::parse(&text), AccountName::parse(&text.to_uppercase())) {
                prop_assert_eq!(name.folded(), upper.folded());
            }
        }
    }
}
