//! Digest credentials.

use super::algorithm::{DigestAlgorithm, Hashed};
use super::header::{self, NotCredentials};
use super::password::DigestPassword;
use crate::webhooks::payload::RegistrationRequest;
use std::fmt;
use subtle::ConstantTimeEq;

/// The credentials of a SIP request that answered a digest challenge.
///
/// ```
/// use gateway_accounts::webhooks::{DigestCredentials, DigestError, DigestPassword, RegistrationRequest};
/// let mut request = RegistrationRequest::new(
///     "Mufasa",
///     "testrealm@host.com",
///     "dcd98b7102dd2f0e8b11d0f600bfb0c093",
///     "/dir/index.html",
///     "6629fae49393a05397450978507c4ef1",
/// );
/// request.qop = Some("auth".into());
/// request.nc = Some("00000001".into());
/// request.cnonce = Some("0a4f113b".into());
/// let credentials = DigestCredentials::of(&request)?;
/// let check = |password| {
///     let password = DigestPassword::clear(password);
///     credentials.check("testrealm@host.com", &password, "GET").map(|_| ())
/// };
/// assert_eq!(check("Circle Of Life"), Ok(()));
/// assert_eq!(check("circle of life"), Err(DigestError::WrongPassword));
/// # Ok::<(), gateway_accounts::webhooks::DigestCredentialsError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DigestCredentials {
    username: String,
    realm: String,
    nonce: String,
    uri: String,
    algorithm: DigestAlgorithm,
    response: Hashed,
    auth: Option<Auth>,
}

/// The quality of protection `auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Auth {
    /// As it was written, which the digest covers.
    nc: String,
    count: u32,
    cnonce: String,
}

/// What was wrong with digest credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestCredentialsError {
    /// Another scheme than `Digest`, or a header that is not a list of parameters.
    #[error("not the form of digest credentials, from byte {position} on")]
    Form {
        /// Where, in bytes from 0.
        position: usize,
    },
    /// A parameter that must be there is not.
    #[error("the parameter {parameter} is missing")]
    Missing {
        /// Which one.
        parameter: &'static str,
    },
    /// A parameter is there twice.
    #[error("the parameter {parameter} is there twice")]
    Duplicate {
        /// Which one.
        parameter: &'static str,
    },
    /// A parameter's value is not what it must be.
    #[error("the parameter {parameter} {reason}")]
    Malformed {
        /// Which one.
        parameter: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A parameter says something that is valid, and not done here.
    #[error("the parameter {parameter} asks for what is not supported")]
    Unsupported {
        /// Which one.
        parameter: &'static str,
    },
}

/// Why credentials are not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// They are for another realm.
    #[error("for another realm")]
    Realm,
    /// What is kept of the password is of another algorithm.
    #[error("{algorithm} is not the algorithm of what is kept of the password")]
    Algorithm {
        /// The algorithm of the credentials.
        algorithm: DigestAlgorithm,
    },
    /// The digest is not one of this password.
    #[error("not of this password")]
    WrongPassword,
}

/// Credentials whose digest is that of the password, as [`DigestCredentials::check`] found.
#[derive(Clone)]
pub struct CheckedDigest<'a> {
    credentials: &'a DigestCredentials,
    ha1: Hashed,
}

/// The parameters that matter, by name.
#[derive(Default)]
struct Parameters {
    values: [Option<Vec<u8>>; NAMES.len()],
}

const NAMES: [&str; 11] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "qop",
    "nc",
    "cnonce",
    "username*",
    "userhash",
];

impl Parameters {
    /// Takes a value; what goes by another name is passed over.
    fn take(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), DigestCredentialsError> {
        let Some(n) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes())) else {
            return Ok(());
        };
        match self.values[n].replace(value) {
            None => Ok(()),
            Some(_) => Err(DigestCredentialsError::Duplicate { parameter: NAMES[n] }),
        }
    }

    fn get(&mut self, parameter: &'static str) -> Result<Option<String>, DigestCredentialsError> {
        let n = NAMES.iter().position(|known| *known == parameter);
        let value = n.and_then(|n| self.values[n].take());
        let reason = "is not UTF-8";
        value
            .map(|bytes| {
                String::from_utf8(bytes).map_err(|_| DigestCredentialsError::Malformed { parameter, reason })
            })
            .transpose()
    }

    fn required(&mut self, parameter: &'static str) -> Result<String, DigestCredentialsError> {
        self.get(parameter)?.ok_or(DigestCredentialsError::Missing { parameter })
    }

    fn into_credentials(mut self) -> Result<DigestCredentials, DigestCredentialsError> {
        use DigestCredentialsError as E;
        if self.get("username*")?.is_some() {
            return Err(E::Unsupported { parameter: "username*" });
        }
        if self.get("userhash")?.is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
            return Err(E::Unsupported { parameter: "userhash" });
        }
        let algorithm = match self.get("algorithm")?.as_deref() {
            None | Some("") => DigestAlgorithm::Md5,
            Some(name) => DigestAlgorithm::parse(name).ok_or(E::Unsupported { parameter: "algorithm" })?,
        };
        let username = self.required("username")?;
        let realm = self.required("realm")?;
        let nonce = self.required("nonce")?;
        let uri = self.required("uri")?;
        let response = self.required("response")?;
        for (parameter, value) in [("username", &username), ("nonce", &nonce), ("uri", &uri)] {
            if value.is_empty() {
                return Err(E::Malformed { parameter, reason: "is empty" });
            }
        }
        // The digest covers nonce, count and client's nonce with colons between, or the nonce alone: with a colon in the nonce, who
        // recorded the one could show it as the other.
        if nonce.contains(':') {
            return Err(E::Malformed { parameter: "nonce", reason: "has a colon" });
        }
        let response = Hashed::from_hex(algorithm, &response).ok_or(E::Malformed {
            parameter: "response",
            reason: "is not a digest of the algorithm in hexadecimal",
        })?;
        let auth = match self.get("qop")?.as_deref() {
            None | Some("") => None,
            Some("auth") => {
                let nc = self.required("nc")?;
                let eight_digits = nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
                let count = u32::from_str_radix(&nc, 16).ok().filter(|count| eight_digits && *count > 0);
                let count = count.ok_or(E::Malformed {
                    parameter: "nc",
                    reason: "is not a count from 1 in eight hexadecimal digits",
                })?;
                Some(Auth { nc, count, cnonce: self.required("cnonce")? })
            }
            Some(_) => return Err(E::Unsupported { parameter: "qop" }),
        };
        Ok(DigestCredentials { username, realm, nonce, uri, algorithm, response, auth })
    }
}

impl DigestCredentials {
    /// Reads the value of an `Authorization` or `Proxy-Authorization` header field: `Digest username="jane", …`.
    ///
    /// Values may be quoted or not, and have escapes; the names of the scheme, the parameters and the algorithm are taken in
    /// any case. Parameters that are not known are passed over. Time is linear in the length.
    ///
    /// # Errors
    /// [`DigestCredentialsError`] with the first thing that is wrong.
    pub fn parse(value: &[u8]) -> Result<Self, DigestCredentialsError> {
        let list = header::parameters(value, b"Digest")
            .map_err(|NotCredentials(position)| DigestCredentialsError::Form { position })?;
        let mut parameters = Parameters::default();
        for (name, value) in list {
            parameters.take(name, value)?;
        }
        parameters.into_credentials()
    }

    /// The credentials that a registration webhook received.
    ///
    /// # Errors
    /// [`DigestCredentialsError`] with the first thing that is wrong.
    pub fn of(request: &RegistrationRequest) -> Result<Self, DigestCredentialsError> {
        if !request.scheme.eq_ignore_ascii_case("digest") {
            return Err(DigestCredentialsError::Unsupported { parameter: "scheme" });
        }
        let required = [
            ("username", &request.username),
            ("realm", &request.realm),
            ("nonce", &request.nonce),
            ("uri", &request.uri),
            ("response", &request.response),
            ("algorithm", &request.algorithm),
        ];
        let optional = [("qop", &request.qop), ("nc", &request.nc), ("cnonce", &request.cnonce)];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let mut parameters = Parameters::default();
        for (name, value) in required.into_iter().chain(optional) {
            parameters.take(name.as_bytes(), value.clone().into_bytes())?;
        }
        parameters.into_credentials()
    }

    /// Whose they are. Nothing says that it is true before [`DigestCredentials::check`].
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// For which realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The nonce of the challenge; it has no colon. That the gateway made it, the gateway has to know.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The URI that the digest covers. In SIP it need not be that of the request, which is changed on its way
    /// (RFC 3261 section 22.4).
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The algorithm. Who wants SHA-256 only looks here first.
    #[must_use]
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// How often the nonce was used with this, from 1; `None` in the form of RFC 2069.
    #[must_use]
    pub fn nonce_count(&self) -> Option<u32> {
        self.auth.as_ref().map(|auth| auth.count)
    }

    /// Whether the digest is that of this password, for a request of this method (`REGISTER`, `INVITE`) and for this realm,
    /// which is compared without regard to the case of ASCII letters.
    ///
    /// What is compared is compared in constant time. That does not hide which users exist: let who is not known wait as
    /// long, by checking against some password.
    ///
    /// # Errors
    /// [`DigestError`] when it is not.
    pub fn check(
        &self,
        realm: &str,
        password: &DigestPassword,
        method: &str,
    ) -> Result<CheckedDigest<'_>, DigestError> {
        if !self.realm.eq_ignore_ascii_case(realm) {
            return Err(DigestError::Realm);
        }
        let algorithm = self.algorithm;
        let hashed = password
            .ha1(algorithm, &self.username, &self.realm)
            .ok_or(DigestError::Algorithm { algorithm })?;
        let ha1 = hashed.hex();
        let ha2 = algorithm.digest(&[method.as_bytes(), self.uri.as_bytes()]).hex();
        let (ha1, nonce, ha2) = (ha1.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes());
        let expected = match &self.auth {
            Some(Auth { nc, cnonce, .. }) => {
                algorithm.digest(&[ha1, nonce, nc.as_bytes(), cnonce.as_bytes(), b"auth", ha2])
            }
            None => algorithm.digest(&[ha1, nonce, ha2]),
        };
        if expected.bytes().ct_eq(self.response.bytes()).into() {
            Ok(CheckedDigest { credentials: self, ha1: hashed })
        } else {
            Err(DigestError::WrongPassword)
        }
    }
}

impl<'a> CheckedDigest<'a> {
    /// The credentials.
    #[must_use]
    pub fn credentials(&self) -> &'a DigestCredentials {
        self.credentials
    }

    /// Whose they are beyond doubt: the digest of name, realm and password. (Where that is what is kept, nothing in the
    /// credentials proves how the name was written.)
    pub(super) fn ha1(&self) -> &[u8] {
        self.ha1.bytes()
    }
}

impl fmt::Debug for CheckedDigest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CheckedDigest").field(self.credentials).finish()
    }
}

/// Without the response, from which a weak password can be guessed.
impl fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCredentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("nonce", &self.nonce)
            .field("uri", &self.uri)
            .field("algorithm", &self.algorithm)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
