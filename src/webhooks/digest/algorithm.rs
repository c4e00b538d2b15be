//! How a digest is made.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The algorithm of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// `MD5`: what most SIP devices can, and what is meant when none is named. It is broken for signatures; here it means
    /// that a weak password is found quickly by who sees a digest.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
}

impl DigestAlgorithm {
    /// The algorithm of this name, in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256].into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// How many bytes a digest has.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 => 32,
        }
    }

    /// The digest of the parts with a colon between each two.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Hashed {
        match self {
            Self::Md5 => Hashed::new(&joined::<Md5>(parts)),
            Self::Sha256 => Hashed::new(&joined::<Sha256>(parts)),
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut digest = D::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    Zeroizing::new(digest.finalize().to_vec())
}

/// A digest. That of a name, a realm and a password is as good as the password, so it is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hashed(Zeroizing<Vec<u8>>);

impl Hashed {
    fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Reads hexadecimal digits, in any case.
    pub(super) fn from_hex(algorithm: DigestAlgorithm, digits: &str) -> Option<Self> {
        if digits.len() != 2 * algorithm.len() {
            return None;
        }
        let mut bytes = Zeroizing::new(vec![0; algorithm.len()]);
        base16ct::mixed::decode(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// In lower-case hexadecimal, which is what goes into further digests.
    pub(super) fn hex(&self) -> Zeroizing<String> {
        let mut digits = Zeroizing::new(vec![0; 2 * self.0.len()]);
        let text =
            base16ct::lower::encode_str(&self.0, &mut digits).expect("there is room for two digits a byte");
        Zeroizing::new(text.to_owned())
    }
}
