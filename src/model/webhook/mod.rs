//! A webhook: where and how the account's web application is called.

mod credentials;
mod retry;
mod url;

pub use credentials::{WebhookCredentials, WebhookCredentialsError};
pub use retry::{RetryOn, RetryPolicy, RetryPolicyError};
pub use url::{WebhookUrl, WebhookUrlError};

use crate::model::problem::ValueError;
use crate::model::secret;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// How a webhook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WebhookMethod {
    /// `GET`, the event in the query.
    Get,
    /// `POST`, the event in the body; what jambonz defaults to.
    #[default]
    Post,
}

/// What was wrong with a webhook's method. Code `not_a_method`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be GET or POST")]
pub struct WebhookMethodError;

impl ValueError for WebhookMethodError {
    fn code(&self) -> &'static str {
        "not_a_method"
    }
}

impl WebhookMethod {
    /// Reads `GET` or `POST`.
    ///
    /// # Errors
    /// [`WebhookMethodError`] for any other text; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn parse(text: &str) -> Result<Self, WebhookMethodError> {
        match text {
            "GET" => Ok(Self::Get),
            "POST" => Ok(Self::Post),
            _ => Err(WebhookMethodError),
        }
    }
}

impl fmt::Display for WebhookMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// A webhook: the address, the method, and the credentials if it needs any.
///
/// ```
/// use gateway_accounts::{Webhook, WebhookMethod, WebhookUrl};
/// let hook = Webhook::new(WebhookUrl::parse("https://hooks.example/register")?);
/// assert_eq!(hook.method(), WebhookMethod::Post);
/// # Ok::<(), gateway_accounts::WebhookUrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    url: WebhookUrl,
    method: WebhookMethod,
    credentials: Option<WebhookCredentials>,
}

impl Webhook {
    /// A webhook that is called by POST, without credentials.
    #[must_use]
    pub fn new(url: WebhookUrl) -> Self {
        Self { url, method: WebhookMethod::default(), credentials: None }
    }

    /// The same webhook, called by this method.
    #[must_use]
    pub fn with_method(mut self, method: WebhookMethod) -> Self {
        self.method = method;
        self
    }

    /// The same webhook with these credentials, or without any.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Option<WebhookCredentials>) -> Self {
        self.credentials = credentials;
        self
    }

    /// Where it is called.
    #[must_use]
    pub fn url(&self) -> &WebhookUrl {
        &self.url
    }

    /// How it is called.
    #[must_use]
    pub fn method(&self) -> WebhookMethod {
        self.method
    }

    /// With which credentials.
    #[must_use]
    pub fn credentials(&self) -> Option<&WebhookCredentials> {
        self.credentials.as_ref()
    }

    /// The credentials, to put others in their place.
    #[cfg(feature = "sealing")]
    pub(crate) fn credentials_mut(&mut self) -> Option<&mut WebhookCredentials> {
        self.credentials.as_mut()
    }
}

/// A webhook as a store keeps it, its password in clear.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    url: WebhookUrl,
    #[serde(default)]
    method: WebhookMethod,
    #[serde(default, deserialize_with = "secret::text")]
    username: Option<String>,
    #[serde(default, deserialize_with = "secret::text")]
    password: Option<Zeroizing<String>>,
}

/// For [`AccountRecord`](crate::AccountRecord) alone: webhooks with their passwords in clear.
pub(crate) mod stored {
    use super::{Stored, Webhook, WebhookCredentials, WebhookMethod, WebhookUrl, fmt};
    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize};

    /// What is written of a webhook.
    #[derive(Serialize)]
    pub(crate) struct InClear<'a> {
        url: &'a WebhookUrl,
        method: WebhookMethod,
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        password: Option<&'a str>,
    }

    impl<'a> From<&'a Webhook> for InClear<'a> {
        fn from(hook: &'a Webhook) -> Self {
            Self {
                url: &hook.url,
                method: hook.method,
                username: hook.credentials.as_ref().map(WebhookCredentials::username),
                password: hook.credentials.as_ref().map(WebhookCredentials::reveal_password),
            }
        }
    }

    /// An object or nothing. What else stood there, such as an address with a password in it, is not repeated in the
    /// error.
    struct Hook;

    impl<'de> Visitor<'de> for Hook {
        type Value = Option<Stored>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a webhook")
        }
        fn visit_none<E>(self) -> Result<Option<Stored>, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Option<Stored>, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Stored>, D::Error> {
            deserializer.deserialize_any(self)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Stored>, A::Error> {
            Stored::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Option<Stored>, E> {
            Err(E::custom("must be an object"))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Box<Webhook>>, D::Error> {
        let Some(Stored { url, method, username, password }) = d.deserialize_option(Hook)? else {
            return Ok(None);
        };
        let credentials = match (username, password) {
            (None, None) => None,
            (Some(username), Some(password)) => {
                Some(WebhookCredentials::new(&username, &password).map_err(Error::custom)?)
            }
            _ => return Err(Error::custom("username and password must come together")),
        };
        Ok(Some(Box::new(Webhook { url, method, credentials })))
    }
}
