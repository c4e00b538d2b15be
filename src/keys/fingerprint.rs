//! What stands for a token in memory once it was seen.

use super::token::ParsedToken;
use crate::random::{Random, RandomError};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::OnceLock;
use zeroize::Zeroize;

/// HMAC-SHA256 of a token with a key that only this process has. Nobody finds the token from it, nor two tokens with
/// the same; nor does the time that looking one up takes tell anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

/// The key of fingerprints, made when it is first needed.
#[derive(Default)]
pub(super) struct Fingerprints(OnceLock<Hmac<Sha256>>);

impl Fingerprints {
    /// A token's fingerprint, if there is a key.
    pub(super) fn get(&self, token: &ParsedToken<'_>) -> Option<Fingerprint> {
        let keyed = self.0.get()?;
        Some(Fingerprint(keyed.clone().chain_update(token.distinct()).finalize().into_bytes().into()))
    }

    /// Makes a key, if there is none.
    pub(super) fn make_key(&self, random: &dyn Random) -> Result<(), RandomError> {
        if self.0.get().is_none() {
            let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
            random.fill(&mut key)?;
            // Another thread may have made one first, which is then the one.
            let _ = self.0.set(Hmac::new(&key));
            key.as_mut_slice().zeroize();
        }
        Ok(())
    }
}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // A fingerprint has 32 bytes.
        state.write_u64(self.0.first_chunk().copied().map_or(0, u64::from_ne_bytes));
    }
}

/// Takes fingerprints for hashes, which they are already.
#[derive(Clone, Default)]
pub(super) struct AsItIs(u64);

impl BuildHasher for AsItIs {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
