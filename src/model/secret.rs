//! Text that must not be seen.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A text that Debug does not print, that is compared in constant time, and that is wiped when dropped.
#[derive(Clone)]
pub(crate) struct SecretText(Zeroizing<Box<str>>);

impl SecretText {
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Reads a text that may be secret. The error does not repeat what stood there instead, as serde's own would.
pub(crate) fn text<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer).map_err(|_| D::Error::custom("must be a text"))
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
