//! The text of an API key: what a customer is shown once, keeps, and sends.

use crate::model::api_key::KeyId;
use crate::model::problem::ValueError;
use crate::model::secret::SecretText;
use crate::random::{Random, RandomError};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The digits of base 62, by their value.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The characters of a checksum: the fewest that 32 bits fit in.
const CHECKSUM_LEN: usize = 6;

/// Where the secret begins.
const SECRET_AT: usize = KeyToken::PREFIX.len() + KeyId::LEN + 1;

/// Where the checksum begins, and what it is of ends.
const CHECKSUM_AT: usize = SECRET_AT + KeyToken::SECRET_LEN;

/// The characters of a UUID with hyphens, which jambonz's keys are.
const UUID_LEN: usize = 36;

/// The text of an API key, in clear. It is shown once, when it is made; nothing stores it.
///
/// ```text
/// gak_4fJ9sKq02LmXa7Rt_9vQxY0cUeWm3hTz7LpBnRk5sGdFa1Ji8o1GgPmr
///     id (16)          secret (33)                      checksum (6)
/// ```
///
/// [`KeyToken::PREFIX`]; the key's [id](KeyId), of 16 letters and digits; an underscore; the secret, of 33 random letters
/// and digits (196 bits); the CRC-32 (IEEE) of all characters before it, as a number in six digits of base 62 (`0-9A-Za-z`,
/// the most significant first). 60 characters in all. Upper and lower case differ. So a scanner finds keys that were
/// published by accident, a typo is told from a wrong key without looking anything up, and a double click selects all
/// of it.
///
/// A key of a jambonz server that was moved here is another text: a UUID in 36 characters, of any case. Its id follows
/// from it by SHA-256, and its secret is the whole of it.
///
/// `Debug` does not print it, nothing serializes it, and its memory is wiped when it is dropped.
///
/// ```
/// use gateway_accounts::{KeyToken, OsRandom, ParsedToken};
/// let token = KeyToken::generate(&OsRandom)?;
/// assert_eq!(token.reveal().len(), KeyToken::LEN);
/// assert_eq!(ParsedToken::parse(token.reveal())?.id(), token.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct KeyToken {
    text: SecretText,
    id: KeyId,
}

/// A text that reads as an API key, not copied. Whether it is one is for the
/// [`Authenticator`](crate::Authenticator) to say.
pub struct ParsedToken<'a>(Form<'a>);

enum Form<'a> {
    /// One of ours.
    Issued(&'a str),
    /// A UUID, in lower case.
    Imported(Zeroizing<[u8; UUID_LEN]>),
}

/// Why a text is not that of an API key. It does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It does not begin like an API key, and is no UUID. Code `not_a_key`.
    #[error("is not an API key")]
    NotAKey,
    /// It begins like an API key, but a character of it is wrong, or there are too many. Code `mistyped`.
    #[error("is a mistyped API key")]
    Mistyped,
    /// It is the beginning of an API key. Code `truncated`.
    #[error("is the beginning of an API key, without its end")]
    Truncated,
}

impl ValueError for TokenError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAKey => "not_a_key",
            Self::Mistyped => "mistyped",
            Self::Truncated => "truncated",
        }
    }
}

impl KeyToken {
    /// What a key begins with.
    pub const PREFIX: &'static str = "gak_";

    /// How many characters a key has.
    pub const LEN: usize = CHECKSUM_AT + CHECKSUM_LEN;

    /// What finds keys in a text, for scanners that look for published secrets. The regular expression is one of any
    /// dialect; what it finds need not have a right checksum.
    pub const PATTERN: &'static str = r"\bgak_[0-9A-Za-z]{16}_[0-9A-Za-z]{39}\b";

    /// 196 bits, which nobody finds by trying.
    const SECRET_LEN: usize = 33;

    /// A new key, with a new id.
    ///
    /// # Errors
    /// [`RandomError`] when the random source fails, or gives nothing usable.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut digits = Zeroizing::new([0; KeyId::LEN + Self::SECRET_LEN]);
        fill_base62(random, &mut *digits)?;
        let (id, secret) = digits.split_first_chunk::<{ KeyId::LEN }>().unwrap_or((&[b'0'; KeyId::LEN], &[]));
        let id = KeyId::from_base62(*id);
        let mut text = Zeroizing::new(String::with_capacity(Self::LEN));
        text.push_str(Self::PREFIX);
        text.push_str(id.as_str());
        text.push('_');
        text.extend(secret.iter().map(|digit| char::from(*digit)));
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(Self { text: SecretText::new(&text), id })
    }

    /// A key of a jambonz server, which goes on being used. It is kept in lower case.
    ///
    /// # Errors
    /// [`TokenError::NotAKey`] when it is no UUID in 36 characters.
    pub fn imported(text: &str) -> Result<Self, TokenError> {
        let parsed = ParsedToken(Form::Imported(lower_case_uuid(text).ok_or(TokenError::NotAKey)?));
        Ok(Self { text: SecretText::new(parsed.secret()), id: parsed.id() })
    }

    /// The text in clear. Think before you log, send or show what this returns.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }

    /// What the key is found by. No secret.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The last four characters, for people to tell keys apart. They are kept beside the hash; of an issued key they
    /// belong to the checksum, and leave 172 bits of the secret unknown.
    #[must_use]
    pub fn last_four(&self) -> [u8; 4] {
        // No token is shorter.
        self.reveal().as_bytes().last_chunk().copied().unwrap_or_default()
    }

    /// It as whoever gets it reads it.
    #[must_use]
    pub fn parsed(&self) -> ParsedToken<'_> {
        let text = self.reveal();
        ParsedToken(match lower_case_uuid(text) {
            Some(lower) => Form::Imported(lower),
            None => Form::Issued(text),
        })
    }
}

impl fmt::Debug for KeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyToken({}, …)", self.id)
    }
}

impl<'a> ParsedToken<'a> {
    /// Reads a text. It costs next to nothing, however long the text is.
    ///
    /// # Errors
    /// [`TokenError`] when it is no key.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        let bytes = text.as_bytes();
        // What comes most of the time, in as little time as it can be told.
        if is_issued(bytes) {
            return Ok(Self(Form::Issued(text)));
        }
        let Some((start, rest)) = bytes.split_at_checked(KeyToken::PREFIX.len()) else {
            return Err(TokenError::NotAKey);
        };
        if !start.eq_ignore_ascii_case(KeyToken::PREFIX.as_bytes()) {
            return lower_case_uuid(text).map(|lower| Self(Form::Imported(lower))).ok_or(TokenError::NotAKey);
        }
        let fits = start == KeyToken::PREFIX.as_bytes() && bytes.len() <= KeyToken::LEN && {
            let (id, rest) = rest.split_at(rest.len().min(KeyId::LEN));
            let (underscore, rest) = rest.split_at(rest.len().min(1));
            are_base62(id) && matches!(underscore, [] | [b'_']) && are_base62(rest)
        };
        if !fits {
            return Err(TokenError::Mistyped);
        }
        // If nothing else is wrong with one of the right length, its checksum is.
        Err(if bytes.len() < KeyToken::LEN { TokenError::Truncated } else { TokenError::Mistyped })
    }

    /// The id of the key that it would be.
    #[must_use]
    pub fn id(&self) -> KeyId {
        match &self.0 {
            Form::Issued(text) => {
                let id = text.as_bytes().get(KeyToken::PREFIX.len()..);
                // All issued texts have the same length.
                KeyId::from_base62(id.and_then(|id| id.first_chunk().copied()).unwrap_or([b'0'; KeyId::LEN]))
            }
            Form::Imported(lower) => imported_id(lower),
        }
    }

    /// What is hashed and compared with the hash that is stored.
    #[must_use]
    pub fn secret(&self) -> &str {
        match &self.0 {
            // All issued texts have the same length, and are ASCII.
            Form::Issued(text) => text.get(SECRET_AT..CHECKSUM_AT).unwrap_or_default(),
            Form::Imported(lower) => std::str::from_utf8(&lower[..]).unwrap_or_default(),
        }
    }

    /// Bytes that differ if the tokens do, as few as there can be: without prefix and checksum, so that they and their
    /// padding fit one block of SHA-256.
    pub(crate) fn distinct(&self) -> &[u8] {
        match &self.0 {
            // All issued texts have the same length.
            Form::Issued(text) => {
                text.as_bytes().get(KeyToken::PREFIX.len()..CHECKSUM_AT).unwrap_or_default()
            }
            Form::Imported(lower) => &lower[..],
        }
    }
}

impl fmt::Debug for ParsedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParsedToken({}, …)", self.id())
    }
}

/// Whether it is the whole of an issued key.
fn is_issued(bytes: &[u8]) -> bool {
    bytes.len() == KeyToken::LEN
        && bytes.starts_with(KeyToken::PREFIX.as_bytes())
        && bytes[SECRET_AT - 1] == b'_'
        && are_base62(&bytes[KeyToken::PREFIX.len()..SECRET_AT - 1])
        && are_base62(&bytes[SECRET_AT..])
        && bytes[CHECKSUM_AT..] == checksum(&bytes[..CHECKSUM_AT])
}

/// Looks at all of them in any case, which takes less time than to stop early.
fn are_base62(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32fast::hash(content);
    base62(|| {
        let digit = rest % 62;
        rest /= 62;
        digit.into()
    })
}

/// A number in base 62, from a function that divides it by 62 and gives the remainder. The most significant digit
/// comes first.
fn base62<const N: usize>(mut divide: impl FnMut() -> u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        // A remainder of 62 is below 62.
        *digit = BASE62[usize::try_from(divide() % 62).unwrap_or(0)];
    }
    digits
}

/// Fills with random digits of base 62, each as likely as any other.
fn fill_base62(random: &dyn Random, digits: &mut [u8]) -> Result<(), RandomError> {
    /// The most bytes of which each digit comes from equally many.
    const FAIR: u8 = 248;
    /// One fill gives all digits two times out of three. A source that needs more than a hundred is none.
    const MOST_FILLS: usize = 100;
    let mut digits = digits.iter_mut();
    let mut next = digits.next();
    let mut bytes = Zeroizing::new([0; 64]);
    for _ in 0..MOST_FILLS {
        random.fill(&mut *bytes)?;
        for byte in bytes.iter().filter(|byte| **byte < FAIR) {
            let Some(digit) = next else { return Ok(()) };
            *digit = BASE62[usize::from(byte % 62)];
            next = digits.next();
        }
    }
    Err(RandomError::new("the random source repeats a few bytes"))
}

/// The UUID in lower case; `None` if it is none in 36 characters.
fn lower_case_uuid(text: &str) -> Option<Zeroizing<[u8; UUID_LEN]>> {
    let mut lower: Zeroizing<[u8; UUID_LEN]> = Zeroizing::new(text.as_bytes().try_into().ok()?);
    lower.make_ascii_lowercase();
    let fits = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    lower.iter().enumerate().all(fits).then_some(lower)
}

/// The id of an imported key: SHA-256 of `gateway-accounts:imported:` and the text in lower case, of which the first
/// 16 bytes are read as a big-endian number, of which the last 16 digits in base 62.
fn imported_id(lower: &[u8; UUID_LEN]) -> KeyId {
    let digest = Sha256::new().chain_update("gateway-accounts:imported:").chain_update(lower).finalize();
    // A digest has 32 bytes.
    let half = digest.first_chunk().copied().unwrap_or_default();
    let mut rest = u128::from_be_bytes(half);
    KeyId::from_base62(base62(|| {
        let digit = rest % 62;
        rest /= 62;
        // It is below 62.
        u64::try_from(digit).unwrap_or(0)
    }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use std::collections::HashSet;

    const TOKEN: &str = "gak_4fJ9sKq02LmXa7Rt_9vQxY0cUeWm3hTz7LpBnRk5sGdFa1Ji8o1GgPmr";
    const UUID: &str = "38700987-c7a4-4685-a5bb-af378f9734de";

    fn error(text: &str) -> Option<TokenError> {
        ParsedToken::parse(text).err()
    }

    #[test]
    fn accepted_and_refused() {
        let upper_uuid = UUID.to_uppercase();
        for text in [TOKEN, UUID, &upper_uuid] {
            assert_eq!(error(text), None, "{text:?}");
        }
        let long = format!("gak_{}", "a".repeat(1 << 20));
        for (text, expected) in [
            ("", TokenError::NotAKey),
            ("g", TokenError::NotAKey),
            ("gak", TokenError::NotAKey),
            ("gak-", TokenError::NotAKey),
            (&format!(" {TOKEN}"), TokenError::NotAKey),
            (&format!("\u{feff}{TOKEN}"), TokenError::NotAKey),
            ("ghp_4fJ9sKq02LmXa7Rt_9vQxY0cUeWm3hTz7LpBnRk5sGdFa1Ji8o1GgPmr", TokenError::NotAKey),
            // The fourth byte is within a character.
            ("gaké", TokenError::NotAKey),
            ("ééé", TokenError::NotAKey),
            (&"x".repeat(1 << 20), TokenError::NotAKey),
            (&UUID[..35], TokenError::NotAKey),
            (&UUID.replace('-', ""), TokenError::NotAKey),
            (&UUID.replace('-', "_"), TokenError::NotAKey),
            (&UUID.replace('d', "g"), TokenError::NotAKey),
            (&format!("{{{UUID}}}"), TokenError::NotAKey),
            (&format!("{UUID}\n"), TokenError::NotAKey),
            ("gak_", TokenError::Truncated),
            ("gak_4", TokenError::Truncated),
            ("gak_4fJ9sKq02LmXa7Rt", TokenError::Truncated),
            ("gak_4fJ9sKq02LmXa7Rt_", TokenError::Truncated),
            (&TOKEN[..54], TokenError::Truncated),
            (&TOKEN[..59], TokenError::Truncated),
            ("GAK_", TokenError::Mistyped),
            ("Gak_4fJ9", TokenError::Mistyped),
            ("gak_4fJ9sKq02LmXa7R_", TokenError::Mistyped),
            ("gak_4fJ9sKq02LmXa7Rt9", TokenError::Mistyped),
            ("gak_4fJ9-", TokenError::Mistyped),
            ("gak_é", TokenError::Mistyped),
            (&TOKEN.to_lowercase(), TokenError::Mistyped),
            (&TOKEN.to_uppercase(), TokenError::Mistyped),
            (&TOKEN.replace("gak_", "GAK_"), TokenError::Mistyped),
            (&format!("{TOKEN}\n"), TokenError::Mistyped),
            (&format!("{TOKEN} "), TokenError::Mistyped),
            (&format!("{TOKEN}{TOKEN}"), TokenError::Mistyped),
            // Sixty bytes, fifty-nine characters.
            (&format!("{}é", &TOKEN[..58]), TokenError::Mistyped),
            (&TOKEN.replace("1GgPmr", "1GgPms"), TokenError::Mistyped),
            // A checksum of six digits beyond 32 bits.
            (&TOKEN.replace("1GgPmr", "zzzzzz"), TokenError::Mistyped),
            (&TOKEN.replace('_', "-"), TokenError::NotAKey),
            (&long, TokenError::Mistyped),
        ] {
            assert_eq!(error(text), Some(expected), "{:?}", text.chars().take(80).collect::<String>());
        }
    }

    /// Computed with another implementation of CRC-32 and SHA-256.
    #[test]
    fn the_parts_of_a_key() {
        let token = ParsedToken::parse(TOKEN).unwrap();
        assert_eq!(token.id().as_str(), "4fJ9sKq02LmXa7Rt");
        assert_eq!(token.secret(), "9vQxY0cUeWm3hTz7LpBnRk5sGdFa1Ji8o");
        assert_eq!(token.distinct(), b"4fJ9sKq02LmXa7Rt_9vQxY0cUeWm3hTz7LpBnRk5sGdFa1Ji8o");
        let imported = KeyToken::imported(&UUID.to_uppercase()).unwrap();
        let upper = UUID.to_uppercase();
        for token in
            [ParsedToken::parse(UUID).unwrap(), ParsedToken::parse(&upper).unwrap(), imported.parsed()]
        {
            assert_eq!(token.id().as_str(), "CMyBXYgKqC4HX8Zi");
            assert_eq!(token.secret(), UUID);
            assert_eq!(token.distinct(), UUID.as_bytes());
        }
        assert_eq!((imported.reveal(), imported.id().as_str()), (UUID, "CMyBXYgKqC4HX8Zi"));
        assert_eq!(imported.last_four(), *b"34de");
        assert_eq!(KeyToken::imported(TOKEN).err(), Some(TokenError::NotAKey));
    }

    #[test]
    fn what_is_generated_reads_back_and_differs() {
        let random = SeededRandom::new(1);
        let mut ids = HashSet::new();
        let mut digits = [0_u32; 256];
        for _ in 0..2_000 {
            let token = KeyToken::generate(&random).unwrap();
            let text = token.reveal();
            assert_eq!(text.len(), KeyToken::LEN);
            let parsed = ParsedToken::parse(text).unwrap();
            assert_eq!(parsed.id(), token.id());
            assert_eq!(token.parsed().secret(), parsed.secret());
            assert_eq!(token.last_four(), text.as_bytes()[56..]);
            assert!(ids.insert(token.id()));
            for byte in parsed.distinct() {
                digits[usize::from(*byte)] += 1;
            }
        }
        // 98,000 digits: each of 62 about 1,580 times. A remainder of 256 would give the first eight 1,914 times.
        for digit in BASE62 {
            assert!((1_400..1_760).contains(&digits[usize::from(*digit)]), "{}", char::from(*digit));
        }
    }

    #[test]
    fn a_broken_random_source_gives_no_key() {
        #[derive(Debug)]
        struct Stuck;
        impl Random for Stuck {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
                bytes.fill(u8::MAX);
                Ok(())
            }
        }
        assert!(KeyToken::generate(&Stuck).is_err());
    }

    #[test]
    fn every_wrong_character_and_every_swapped_pair_is_noticed() {
        for place in 4..KeyToken::LEN {
            for digit in BASE62.iter().chain(b"_- \0") {
                let mut text = TOKEN.as_bytes().to_vec();
                let same = std::mem::replace(&mut text[place], *digit) == *digit;
                assert_eq!(error(str::from_utf8(&text).unwrap()).is_none(), same, "{place}");
            }
            let mut text = TOKEN.as_bytes().to_vec();
            text.swap(place - 1, place);
            assert!(error(str::from_utf8(&text).unwrap()).is_some() || text == TOKEN.as_bytes(), "{place}");
        }
        assert!((0..KeyToken::LEN).all(|len| error(&TOKEN[..len]).is_some()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = KeyToken::generate(&SeededRandom::new(1)).unwrap();
        for shown in [format!("{token:?}"), format!("{:?}", token.parsed())] {
            assert!(
                shown.contains(token.id().as_str()) && !shown.contains(&token.reveal()[SECRET_AT..]),
                "{shown}"
            );
        }
    }

    #[test]
    fn the_pattern_is_that_of_the_grammar() {
        let (id, rest) = (KeyId::LEN, KeyToken::LEN - SECRET_AT);
        let prefix = KeyToken::PREFIX;
        assert_eq!(KeyToken::PATTERN, format!(r"\b{prefix}[0-9A-Za-z]{{{id}}}_[0-9A-Za-z]{{{rest}}}\b"));
    }

    /// A text like this one, but for something.
    #[cfg(feature = "testkit")]
    pub(in super::super) fn mutated(text: &str, numbers: &mut impl rand::RngExt) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        let place = |chars: &[char], numbers: &mut _| rand::RngExt::random_range(numbers, 0..=chars.len());
        for _ in 0..numbers.random_range(1..4) {
            let at = place(&chars, numbers);
            match numbers.random_range(0..7) {
                0 => chars.truncate(at),
                1 => chars.insert(at, char::from(BASE62[numbers.random_range(0..62)])),
                2 => chars.insert(at, numbers.random()),
                3 if at < chars.len() => drop(chars.remove(at)),
                4 if at < chars.len() => chars[at] = numbers.random(),
                5 if at < chars.len() => {
                    let c = chars[at];
                    chars[at] =
                        if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
                }
                _ => {
                    let other = place(&chars, numbers);
                    if at < chars.len() && other < chars.len() {
                        chars.swap(at, other);
                    } else {
                        chars.reverse();
                    }
                }
            }
        }
        chars.into_iter().collect()
    }

    #[cfg(feature = "testkit")]
    fn no_text_panics_nor_reads_as_a_key_by_chance(texts: usize) {
        let seed = crate::testkit::seed::Seed::from_environment();
        let mut numbers = seed.numbers(0);
        for nth in 0..texts {
            let original = if nth % 4 == 0 { UUID } else { TOKEN };
            let text = match nth % 3 {
                0 => (0..rand::RngExt::random_range(&mut numbers, 0..80))
                    .map(|_| rand::RngExt::random::<char>(&mut numbers))
                    .collect(),
                _ => mutated(original, &mut numbers),
            };
            if let Ok(token) = ParsedToken::parse(&text) {
                // Changes of a UUID may give another.
                assert!(original == UUID || text == TOKEN, "{text:?}");
                assert_eq!(token.id().as_str().len(), KeyId::LEN);
                assert!(!token.secret().is_empty());
            }
        }
    }

    #[cfg(feature = "testkit")]
    #[test]
    fn texts_at_random() {
        no_text_panics_nor_reads_as_a_key_by_chance(200_000);
    }

    #[cfg(feature = "testkit")]
    #[test]
    #[ignore = "takes minutes without --release; 200,000 of each kind run always"]
    fn ten_million_texts_at_random() {
        no_text_panics_nor_reads_as_a_key_by_chance(10_000_000);
    }
}
