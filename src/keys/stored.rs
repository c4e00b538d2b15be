//! What is stored of a secret, taken apart: the PHC string of an Argon2id hash.

use super::params::HashParams;
use crate::model::api_key::KeyHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use std::collections::TryReserveError;
use subtle::ConstantTimeEq;

/// The bytes of a new salt, as the Argon2 specification advises.
pub(super) const SALT_LEN: usize = 16;

/// The bytes of a new hash.
const HASH_LEN: usize = 32;

/// The longest salt and the longest hash that are read, in bytes.
const MAX_LEN: usize = 64;

/// The shortest hash that is read: a shorter one could be met by chance.
const MIN_HASH_LEN: usize = 16;

/// A hash, its salt and its parameters.
#[derive(Clone)]
pub(super) struct StoredHash {
    pub(super) params: HashParams,
    salt: Bytes,
    hash: Bytes,
}

/// At most [`MAX_LEN`] bytes.
#[derive(Clone)]
struct Bytes {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Bytes {
    fn decode(text: &str) -> Option<Self> {
        let mut bytes = [0; MAX_LEN];
        let len = BASE64_STANDARD_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        Some(Self { bytes, len })
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The memory that hashes are made in, used again and again.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

/// There was not enough memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutOfMemory;

impl From<TryReserveError> for OutOfMemory {
    fn from(_: TryReserveError) -> Self {
        Self
    }
}

impl Memory {
    /// What is kept between two hashes at most, in KiB.
    const KEPT_KIB: usize = 19_456;

    fn hash(
        &mut self,
        params: HashParams,
        secret: &str,
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), OutOfMemory> {
        let params = Params::new(params.memory_kib(), params.iterations(), params.lanes(), Some(out.len()));
        // The ranges of HashParams, of salts and of hashes are within those of Argon2; so memory is all that can be
        // missing.
        let params = params.map_err(|_| OutOfMemory)?;
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0.try_reserve_exact(blocks - self.0.len())?;
            self.0.resize(blocks, Block::new());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hashed = argon2.hash_password_into_with_memory(secret.as_bytes(), salt, out, &mut self.0[..]);
        if self.0.len() > Self::KEPT_KIB {
            self.0.truncate(Self::KEPT_KIB);
            self.0.shrink_to_fit();
        }
        hashed.map_err(|_| OutOfMemory)
    }

    /// How many blocks of 1 KiB it has, and where.
    #[cfg(test)]
    pub(super) fn place(&self) -> (usize, *const Block) {
        (self.0.len(), self.0.as_ptr())
    }
}

impl StoredHash {
    /// Reads `$argon2id$v=19$m=256,t=1,p=1$salt$hash`; `None` if it is anything else, or its parameters are out of the
    /// range of [`HashParams`].
    pub(super) fn parse(hash: &KeyHash) -> Option<Self> {
        let mut parts = hash.reveal().strip_prefix("$argon2id$v=19$")?.split('$');
        let (params, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let mut numbers = params.split(',');
        let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        let read = HashParams::new(number("m")?, number("t")?, number("p")?).ok()?;
        let (salt, hash) = (Bytes::decode(salt)?, Bytes::decode(hash)?);
        let fits = read.to_string() == params
            && parts.next().is_none()
            && salt.len >= argon2::MIN_SALT_LEN
            && hash.len >= MIN_HASH_LEN;
        fits.then_some(Self { params: read, salt, hash })
    }

    /// The hash of a secret, and what is stored of it.
    pub(super) fn make(
        secret: &str,
        salt: &[u8; SALT_LEN],
        params: HashParams,
        memory: &mut Memory,
    ) -> Result<KeyHash, OutOfMemory> {
        let mut hash = [0; HASH_LEN];
        memory.hash(params, secret, salt, &mut hash)?;
        let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(hash));
        let text = format!("$argon2id$v=19${params}${salt}${hash}");
        Ok(KeyHash::parse(&text).expect("a hash of 32 bytes and a salt of 16 are within its length"))
    }

    /// The hash of no secret, with these parameters: for taking the same time as a real one.
    pub(super) fn of_nothing(params: HashParams) -> Self {
        let bytes = |len| Bytes { bytes: [0; MAX_LEN], len };
        Self { params, salt: bytes(SALT_LEN), hash: bytes(HASH_LEN) }
    }

    /// Whether it is the hash of this secret. The time it takes tells nothing of either.
    pub(super) fn verify(&self, secret: &str, memory: &mut Memory) -> Result<bool, OutOfMemory> {
        let mut hash = [0; MAX_LEN];
        let hash = &mut hash[..self.hash.len];
        memory.hash(self.params, secret, self.salt.get(), hash)?;
        Ok(self.hash.get().ct_eq(hash).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        let long = "x".repeat(90);
        let too_long = format!("$argon2id$v=19$m=8,t=1,p=1${long}$AAAAAAAAAAAAAAAAAAAAAA");
        for (text, expected) in [
            ("$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", true),
            ("$argon2id$v=16$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=1,p=1,x=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=+256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$t=1,m=256,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            // Four terabytes; and sixteen million lanes.
            ("$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=1,p=16777215$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=4294967295,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=99999999999,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", false),
            ("$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$", false),
            ("$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA", false),
            ("$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA$", false),
            ("$argon2id$v=19$m=256,t=1,p=1$AAAAAAAAAAAAAAAAAAAAA=$AAAAAAAAAAAAAAAAAAAAAA", false),
            (&too_long, false),
            ("$argon2id$", false),
        ] {
            assert_eq!(StoredHash::parse(&KeyHash::parse(text).unwrap()).is_some(), expected, "{text}");
        }
    }

    /// Made with another implementation, `argon2` of the reference code's authors:
    /// `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1`, and the test vectors it comes with.
    #[test]
    fn the_hashes_are_those_of_the_reference_implementation() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let stored = StoredHash::parse(&KeyHash::parse(hash).unwrap()).unwrap();
        let mut memory = Memory::default();
        assert!(stored.verify("password", &mut memory).unwrap());
        assert!(!stored.verify("passwore", &mut memory).unwrap());
        // What was needed beyond the usual is given back.
        assert_eq!(memory.place().0, Memory::KEPT_KIB);
    }

    #[test]
    fn what_is_made_verifies_and_the_memory_is_used_again() {
        let mut memory = Memory::default();
        let made = StoredHash::make("secret", &[7; SALT_LEN], HashParams::LIGHT, &mut memory).unwrap();
        let place = memory.place();
        let stored = StoredHash::parse(&made).unwrap();
        assert_eq!(stored.params, HashParams::LIGHT);
        assert!(stored.verify("secret", &mut memory).unwrap());
        assert!(!stored.verify("Secret", &mut memory).unwrap());
        assert!(!stored.verify("", &mut memory).unwrap());
        assert!(!StoredHash::of_nothing(HashParams::LIGHT).verify("secret", &mut memory).unwrap());
        assert_eq!(memory.place(), place);
    }
}
