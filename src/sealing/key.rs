//! A key that secrets are sealed with.

use crate::random::{Random, RandomError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A key that secrets are sealed with, and the id by which it is found again.
///
/// - The key is 32 bytes that can't be guessed: from [`SealingKey::generate`], or from another good random source.
///   A password is not one.
/// - The id is 1 to [`SealingKey::MAX_ID_LEN`] characters of `A-Z a-z 0-9 . _ -`, such as `2026-11`. It is written in
///   clear beside what the key sealed. Another key needs another id, for ever.
///
/// `Debug` prints the id alone; clones share the key's bytes, which are wiped when the last is dropped.
///
/// ```
/// use gateway_accounts::{OsRandom, SealingKey, SealingKeyError};
/// let key = SealingKey::generate("2026-11", &OsRandom)?;
/// let kept_elsewhere: String = key.reveal_base64();
/// let again = SealingKey::from_base64("2026-11", &kept_elsewhere)?;
/// assert_eq!(format!("{again:?}"), r#"SealingKey("2026-11")"#);
/// # Ok::<(), SealingKeyError>(())
/// ```
#[derive(Clone)]
pub struct SealingKey {
    id: Box<str>,
    key: Arc<Zeroizing<[u8; SealingKey::LEN]>>,
}

/// What was wrong with a key, its id, or a keyring. It does not contain the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealingKeyError {
    /// An empty id.
    #[error("the id of a sealing key must not be empty")]
    EmptyId,
    /// An id of more than [`SealingKey::MAX_ID_LEN`] characters.
    #[error("the id of a sealing key must have at most {} characters", SealingKey::MAX_ID_LEN)]
    IdTooLong,
    /// An id with another character than `A-Z a-z 0-9 . _ -`.
    #[error("the id of a sealing key must not contain the character at position {position}")]
    IdCharacter {
        /// Its position, in characters from 0. The character is not repeated: it is one of the key, if the two were
        /// confused.
        position: usize,
    },
    /// Not the standard base64 form of [`SealingKey::LEN`] bytes.
    #[error("a sealing key must be {} bytes in standard base64, which are 44 characters", SealingKey::LEN)]
    NotBase64,
    /// A key of zeros: not a key, but a place where none was filled in.
    #[error("a sealing key must not be all zeros")]
    Zero,
    /// Two keys of one id in a keyring.
    #[error("two sealing keys have the id `{id}`")]
    DuplicateId {
        /// The id.
        id: Box<str>,
    },
    /// The random source failed.
    #[error("no sealing key could be generated")]
    Random(#[source] RandomError),
}

impl SealingKey {
    /// The length of a key, in bytes.
    pub const LEN: usize = 32;

    /// The longest id, in characters.
    pub const MAX_ID_LEN: usize = 64;

    /// A key of these bytes. The caller's copy of them is the caller's to wipe.
    ///
    /// # Errors
    /// [`SealingKeyError`] when the id breaks a rule, or the key is all zeros.
    pub fn new(id: &str, mut key: [u8; Self::LEN]) -> Result<Self, SealingKeyError> {
        let made = Self::filled(id, |bytes| {
            bytes.copy_from_slice(&key);
            Ok(())
        });
        key.zeroize();
        made
    }

    /// A key in standard base64 with padding, as a configuration or a secret manager holds it. White space at the
    /// ends is trimmed, since a file ends with a line feed.
    ///
    /// # Errors
    /// [`SealingKeyError`] when the id breaks a rule, the text is not that of 32 bytes, or the key is all zeros.
    pub fn from_base64(id: &str, text: &str) -> Result<Self, SealingKeyError> {
        Self::filled(id, |key| {
            // The decoder counts three bytes for each four characters, padding or not.
            let mut bytes = Zeroizing::new([0; Self::LEN.div_ceil(3) * 3]);
            match BASE64_STANDARD.decode_slice(text.trim(), &mut *bytes) {
                Ok(Self::LEN) => key.copy_from_slice(&bytes[..Self::LEN]),
                _ => return Err(SealingKeyError::NotBase64),
            }
            Ok(())
        })
    }

    /// A new key. Keep [`SealingKey::reveal_base64`] of it where the accounts are not: what it seals can't be opened
    /// without it.
    ///
    /// # Errors
    /// [`SealingKeyError`] when the id breaks a rule, or the random source fails.
    pub fn generate(id: &str, random: &dyn Random) -> Result<Self, SealingKeyError> {
        Self::filled(id, |key| random.fill(key).map_err(SealingKeyError::Random))
    }

    /// The bytes are filled in where they stay, so that no copy is left behind.
    fn filled(
        id: &str,
        fill: impl FnOnce(&mut [u8; Self::LEN]) -> Result<(), SealingKeyError>,
    ) -> Result<Self, SealingKeyError> {
        let id = parse_id(id)?;
        let mut key = Arc::new(Zeroizing::new([0; Self::LEN]));
        let bytes: &mut Zeroizing<_> = Arc::make_mut(&mut key);
        fill(bytes)?;
        if bool::from(key.ct_eq(&[0; Self::LEN])) {
            return Err(SealingKeyError::Zero);
        }
        Ok(Self { id, key })
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key in clear, in standard base64, to be kept elsewhere. Think before you log, send or show what this
    /// returns; it is not wiped when dropped.
    #[must_use]
    pub fn reveal_base64(&self) -> String {
        BASE64_STANDARD.encode(self.bytes())
    }

    pub(super) fn bytes(&self) -> &[u8; Self::LEN] {
        &self.key
    }
}

/// The id, if it keeps the rules of one.
pub(super) fn parse_id(id: &str) -> Result<Box<str>, SealingKeyError> {
    if id.is_empty() {
        return Err(SealingKeyError::EmptyId);
    }
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(position) = id.chars().position(|c| !accepted(c)) {
        return Err(SealingKeyError::IdCharacter { position });
    }
    if id.len() > SealingKey::MAX_ID_LEN {
        return Err(SealingKeyError::IdTooLong);
    }
    Ok(id.into())
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    const KEY: &str = "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=";

    /// What a [`SealingKeyError`] is, without its texts.
    fn name(result: Result<SealingKey, SealingKeyError>) -> String {
        match result {
            Ok(key) => format!("ok {}", key.id()),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn ids_accepted_and_refused() {
        let longest = "k".repeat(64);
        let too_long = "k".repeat(65);
        for (id, expected) in [
            ("2026-11", "ok 2026-11"),
            ("Prod_eu.1", "ok Prod_eu.1"),
            ("k", "ok k"),
            (&longest, &format!("ok {longest}")),
            (&too_long, "IdTooLong"),
            ("", "EmptyId"),
            ("two words", "IdCharacter { position: 3 }"),
            ("clé", "IdCharacter { position: 2 }"),
            ("a/b", "IdCharacter { position: 1 }"),
            ("a\0", "IdCharacter { position: 1 }"),
        ] {
            assert_eq!(name(SealingKey::new(id, [1; 32])), expected, "{id:?}");
            assert_eq!(name(SealingKey::from_base64(id, KEY)), expected, "{id:?}");
            assert_eq!(name(SealingKey::generate(id, &SeededRandom::new(1))), expected, "{id:?}");
        }
    }

    #[test]
    fn keys_accepted_and_refused() {
        let zeros = BASE64_STANDARD.encode([0; 32]);
        let last_bit = [vec![0; 31], vec![1]].concat();
        for (text, expected) in [
            (KEY, "ok k"),
            (&format!(" {KEY}\r\n"), "ok k"),
            (&BASE64_STANDARD.encode(last_bit), "ok k"),
            (&zeros, "Zero"),
            ("", "NotBase64"),
            (&KEY[..43], "NotBase64"),
            (&KEY.replace('g', "-"), "NotBase64"),
            // The bits that the last character has to spare.
            (&KEY.replace("8=", "9="), "NotBase64"),
            (&BASE64_STANDARD.encode([1; 31]), "NotBase64"),
            (&BASE64_STANDARD.encode([1; 33]), "NotBase64"),
            (&BASE64_STANDARD.encode([1; 64]), "NotBase64"),
        ] {
            assert_eq!(name(SealingKey::from_base64("k", text)), expected, "{text:?}");
        }
        assert_eq!(name(SealingKey::new("k", [0; 32])), "Zero");
    }

    #[test]
    fn each_way_gives_the_bytes_that_were_meant() {
        let bytes: [u8; 32] = std::array::from_fn(|i| 0x80 + i as u8);
        let key = SealingKey::new("k", bytes).unwrap();
        assert_eq!((key.bytes(), &*key.reveal_base64()), (&bytes, KEY));
        assert_eq!(SealingKey::from_base64("k", KEY).unwrap().bytes(), &bytes);
        let random = SeededRandom::new(1);
        let [one, other] = [(); 2].map(|()| SealingKey::generate("k", &random).unwrap());
        assert_ne!(one.bytes(), other.bytes());
    }

    #[test]
    fn a_source_that_gives_nothing_gives_no_key() {
        #[derive(Debug)]
        struct Broken;
        impl Random for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError::new("broken"))
            }
        }
        #[derive(Debug)]
        struct Zeros;
        impl Random for Zeros {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
                bytes.fill(0);
                Ok(())
            }
        }
        assert!(matches!(SealingKey::generate("k", &Broken), Err(SealingKeyError::Random(_))));
        assert!(matches!(SealingKey::generate("k", &Zeros), Err(SealingKeyError::Zero)));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_key() {
        // A key taken for an id, and texts that are nearly keys.
        let key = SealingKey::from_base64("k", KEY).unwrap();
        let mut texts = vec![format!("{key:?} {key:#?}")];
        for result in [
            SealingKey::from_base64(KEY, "k"),
            SealingKey::from_base64("k", &KEY[..43]),
            SealingKey::from_base64("k", &format!("{KEY}{KEY}")),
            SealingKey::from_base64("k", &KEY.replace("8=", "9=")),
        ] {
            let error = result.unwrap_err();
            texts.push(format!("{error} {error:?}"));
        }
        for text in texts {
            // In base64, as numbers, in hexadecimal.
            for part in ["gIGC", "np8", "128, 129", "8081", "80, 81", "0x80"] {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
}
