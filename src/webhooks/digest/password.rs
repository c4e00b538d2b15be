//! What a digest is checked against.

use super::algorithm::{DigestAlgorithm, Hashed};
use crate::model::secret::SecretText;
use std::fmt;

/// What a device's digest is checked against: its password, or the digest of its name, realm and password that is kept
/// in place of it ("HA1").
///
/// `Debug` prints neither; the memory of both is wiped.
///
/// ```
/// use gateway_accounts::webhooks::{DigestAlgorithm, DigestPassword};
/// let kept = DigestPassword::ha1_of(DigestAlgorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
/// assert_eq!(kept, "939e7578ed9e3c518a452acee763bce9");
/// let password = DigestPassword::from_ha1(DigestAlgorithm::Md5, &kept)?;
/// # let _ = password;
/// # Ok::<(), gateway_accounts::webhooks::Ha1Error>(())
/// ```
#[derive(Clone)]
pub struct DigestPassword(Kind);

#[derive(Clone)]
enum Kind {
    Clear(SecretText),
    Ha1(DigestAlgorithm, Hashed),
}

/// What was given as the digest of a name, realm and password is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must have {} hexadecimal digits", 2 * .algorithm.len())]
pub struct Ha1Error {
    algorithm: DigestAlgorithm,
}

impl DigestPassword {
    /// A password.
    #[must_use]
    pub fn clear(password: &str) -> Self {
        Self(Kind::Clear(SecretText::new(password)))
    }

    /// The digest of name, realm and password, in hexadecimal digits of either case. It checks credentials of the same algorithm
    /// only, and of the very realm.
    ///
    /// # Errors
    /// [`Ha1Error`] when it has another length than digests of the algorithm, or is not hexadecimal.
    pub fn from_ha1(algorithm: DigestAlgorithm, digits: &str) -> Result<Self, Ha1Error> {
        let hashed = Hashed::from_hex(algorithm, digits).ok_or(Ha1Error { algorithm })?;
        Ok(Self(Kind::Ha1(algorithm, hashed)))
    }

    /// What to keep in place of a password. It is as secret: who has it can answer challenges of that realm.
    #[must_use]
    pub fn ha1_of(algorithm: DigestAlgorithm, username: &str, realm: &str, password: &str) -> String {
        algorithm.digest(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()]).hex().to_string()
    }

    /// The digest of name, realm and password; `None` when it is kept of another algorithm.
    pub(super) fn ha1(&self, algorithm: DigestAlgorithm, username: &str, realm: &str) -> Option<Hashed> {
        match &self.0 {
            Kind::Clear(password) => {
                let parts = [username.as_bytes(), realm.as_bytes(), password.reveal().as_bytes()];
                Some(algorithm.digest(&parts))
            }
            Kind::Ha1(of, hashed) => (*of == algorithm).then(|| hashed.clone()),
        }
    }
}

impl fmt::Debug for DigestPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestPassword((secret))")
    }
}
