//! The webhook secret.

use crate::model::problem::ValueError;
use crate::model::secret::{self, SecretText};
use crate::random::{Random, RandomError};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// A *Webhook secret*: signs the calls to the account's web application.
///
/// - A generated one is 32 random bytes, shown as `whsec_` and their base64 form, as Standard Webhooks has it.
/// - An imported one is any other text of 1 to [`WebhookSecret::MAX_LEN`] bytes, such as jambonz's
///   `wh_secret_…`, and is kept byte for byte, white space included, since the other side signs with every byte.
///
/// `Debug` does not print it, nothing serializes it but [`AccountRecord`](crate::AccountRecord), two are compared
/// in constant time, and its memory is wiped when it is dropped.
///
/// ```
/// use gateway_accounts::{OsRandom, WebhookSecret};
/// let secret = WebhookSecret::generate(&OsRandom)?;
/// assert!(secret.reveal().starts_with("whsec_"));
/// assert_eq!(format!("{secret:?}"), "WebhookSecret((secret))");
/// # Ok::<(), gateway_accounts::RandomError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(SecretText);

/// What was wrong with an imported webhook secret. It does not contain the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookSecretError {
    /// Nothing there: a signature with it would protect nothing. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`WebhookSecret::MAX_LEN`] bytes. Code `too_long`.
    #[error("must have at most {} bytes", WebhookSecret::MAX_LEN)]
    TooLong,
}

impl ValueError for WebhookSecretError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
        }
    }
}

/// As the libraries of Standard Webhooks decode: some senders leave the padding away, and nobody looks at the last bits.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl WebhookSecret {
    /// The longest secret, in bytes: well above the 64 bytes (90 as text) that Standard Webhooks allows.
    pub const MAX_LEN: usize = 255;

    /// What a generated secret begins with.
    pub const PREFIX: &'static str = "whsec_";

    /// How many random bytes a generated secret has.
    const RANDOM_BYTES: usize = 32;

    /// A new secret.
    ///
    /// # Errors
    /// [`RandomError`] when the random source fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; Self::RANDOM_BYTES]);
        random.fill(&mut *bytes)?;
        let mut text =
            Zeroizing::new(String::with_capacity(Self::PREFIX.len() + Self::RANDOM_BYTES.div_ceil(3) * 4));
        text.push_str(Self::PREFIX);
        BASE64_STANDARD.encode_string(bytes.as_slice(), &mut text);
        Ok(Self(SecretText::new(&text)))
    }

    /// A secret from elsewhere, kept as it is.
    ///
    /// # Errors
    /// [`WebhookSecretError`] when it is empty or too long.
    pub fn import(text: &str) -> Result<Self, WebhookSecretError> {
        match text.len() {
            0 => Err(WebhookSecretError::Empty),
            1..=Self::MAX_LEN => Ok(Self(SecretText::new(text))),
            _ => Err(WebhookSecretError::TooLong),
        }
    }

    /// The secret in clear. Think before you log, send or show what this returns.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// The secret as the libraries of Standard Webhooks take it: `whsec_` and base64. That is its own text, if it has
    /// that form; otherwise, what has to be given to such a library so that it takes the text's bytes for the key.
    ///
    /// Think before you log, send or show what this returns.
    ///
    /// ```
    /// use gateway_accounts::WebhookSecret;
    /// let secret = WebhookSecret::import("wh_secret_cJqgtMDPzDhhnjmaJH6Mtk")?;
    /// assert_eq!(secret.standard_webhooks_form(), "whsec_d2hfc2VjcmV0X2NKcWd0TURQekRoaG5qbWFKSDZNdGs=");
    /// # Ok::<(), gateway_accounts::WebhookSecretError>(())
    /// ```
    #[must_use]
    pub fn standard_webhooks_form(&self) -> String {
        format!("{}{}", Self::PREFIX, *Zeroizing::new(BASE64_STANDARD.encode(&*self.standard_webhooks_key())))
    }

    /// The key of Standard Webhooks: what stands in base64, padded or not, after `whsec_`; of any other text, its
    /// bytes. It is never empty.
    pub(crate) fn standard_webhooks_key(&self) -> Zeroizing<Vec<u8>> {
        let text = self.reveal();
        let decoded = text.strip_prefix(Self::PREFIX).and_then(|rest| LENIENT_BASE64.decode(rest).ok());
        match decoded {
            Some(key) if !key.is_empty() => Zeroizing::new(key),
            _ => Zeroizing::new(text.into()),
        }
    }

    /// For comparing.
    pub(crate) fn text(&self) -> &SecretText {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookSecret").field(&self.0).finish()
    }
}

impl<'de> serde::Deserialize<'de> for WebhookSecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::<String>::new(secret::text(deserializer)?);
        Self::import(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn generated() {
        let random = SeededRandom::new(1);
        let secret = WebhookSecret::generate(&random).unwrap();
        let bytes = BASE64_STANDARD.decode(secret.reveal().strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(bytes.len(), 32);
        assert_ne!(secret, WebhookSecret::generate(&random).unwrap());
    }

    #[test]
    fn imported_byte_for_byte() {
        let longest = "s".repeat(255);
        let too_long = "s".repeat(256);
        for (text, expected) in [
            ("wh_secret_cJqgtMDPzDhhnjmaJH6Mtk", Ok(())),
            (" \tspaces kept \n", Ok(())),
            ("x", Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(WebhookSecretError::TooLong)),
            ("", Err(WebhookSecretError::Empty)),
        ] {
            let got = WebhookSecret::import(text);
            assert_eq!(got.map(|secret| assert_eq!(secret.reveal(), text)), expected, "{text:?}");
        }
    }

    #[test]
    fn keys_of_standard_webhooks() {
        for (text, key, form) in [
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", None, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            ("whsec_a2V5", Some("key"), "whsec_a2V5"),
            ("whsec_a2V5MQ==", Some("key1"), "whsec_a2V5MQ=="),
            ("whsec_a2V5MQ", Some("key1"), "whsec_a2V5MQ=="),
            ("whsec_a2V5MZ", Some("key1"), "whsec_a2V5MQ=="),
            ("whsec_", Some("whsec_"), "whsec_d2hzZWNf"),
            ("whsec_==", Some("whsec_=="), "whsec_d2hzZWNfPT0="),
            ("whsec_?", Some("whsec_?"), "whsec_d2hzZWNfPw=="),
            ("WHSEC_a2V5", Some("WHSEC_a2V5"), "whsec_V0hTRUNfYTJWNQ=="),
            ("a2V5", Some("a2V5"), "whsec_YTJWNQ=="),
        ] {
            let secret = WebhookSecret::import(text).unwrap();
            assert_eq!(secret.standard_webhooks_form(), form, "{text}");
            let form = WebhookSecret::import(form).unwrap();
            assert_eq!(form.standard_webhooks_key(), secret.standard_webhooks_key(), "{text}");
            if let Some(key) = key {
                assert_eq!(secret.standard_webhooks_key().as_slice(), key.as_bytes(), "{text}");
            }
        }
    }

    #[test]
    fn never_printed() {
        let secret = WebhookSecret::import("wh_secret_abc").unwrap();
        assert!(!format!("{secret:?} {secret:#?}").contains("abc"));
        let error = serde_json::from_str::<WebhookSecret>(&format!("\"{}\"", "k3y".repeat(100))).unwrap_err();
        assert!(!error.to_string().contains("k3y"));
        for json in ["8675309", "[\"8675309\"]", "{\"8675309\":1}"] {
            let error = serde_json::from_str::<WebhookSecret>(json).unwrap_err();
            assert!(!error.to_string().contains("8675309"), "{error}");
        }
    }
}
