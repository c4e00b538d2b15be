//! A webhook: where and how the account's web application is called.

use crate::model::problem::ValueError;
use crate::model::secret::{self, SecretText};
use crate::model::text_form;
use serde::{Deserialize, Serialize};
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// The address of a webhook.
///
/// - an absolute `http` or `https` URL (WHATWG URL standard) with a host;
/// - at most [`WebhookUrl::MAX_LEN`] bytes once normalised;
/// - no user name or password in it: credentials are a field of their own;
/// - no white space, control characters or backslashes, which URL parsers disagree about (white space at the ends
///   is trimmed);
/// - no fragment, but for the [`RetryPolicy`] that jambonz writes there: `#rc=3&rp=5xx`.
///
/// Which hosts may be called is another matter: see [`UrlPolicy`](crate::UrlPolicy). `Debug` prints no more than the
/// host: what follows it may hold a token.
///
/// ```
/// use gateway_accounts::{WebhookUrl, WebhookUrlError};
/// let url = WebhookUrl::parse("https://Hooks.Example/réglage#rc=3&rp=5xx,ct")?;
/// assert_eq!(url.as_str(), "https://hooks.example/r%C3%A9glage");
/// assert_eq!(url.retry().map(|retry| retry.count()), Some(3));
/// assert_eq!(url.to_string(), "https://hooks.example/r%C3%A9glage#rc=3&rp=ct,5xx");
/// assert_eq!(WebhookUrl::parse("/queue"), Err(WebhookUrlError::NotAbsolute));
/// assert_eq!(WebhookUrl::parse("wss://hooks.example"), Err(WebhookUrlError::Scheme));
/// # Ok::<(), WebhookUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebhookUrl {
    url: Box<str>,
    retry: Option<RetryPolicy>,
}

/// What was wrong with the address of a webhook. It does not contain the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookUrlError {
    /// Nothing there. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`WebhookUrl::MAX_LEN`] bytes. Code `too_long`.
    #[error("must have at most {} bytes", WebhookUrl::MAX_LEN)]
    TooLong,
    /// White space, a control character or a backslash. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
    /// No scheme and host, or not a URL at all. Code `not_absolute`.
    #[error("must be an absolute URL such as https://hooks.example/register")]
    NotAbsolute,
    /// Another scheme than `http` and `https`. Code `scheme`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A host that is not a valid name or address. Code `host`.
    #[error("must have a valid host")]
    Host,
    /// A user name or password in the URL. Code `user_info`.
    #[error("must not contain a user name or password; they are fields of their own")]
    UserInfo,
    /// A fragment other than a retry policy. Code `fragment`.
    #[error("must not have a fragment other than a retry policy such as #rc=3&rp=ct,5xx")]
    Fragment,
}

impl ValueError for WebhookUrlError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Character { .. } => "character",
            Self::NotAbsolute => "not_absolute",
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::UserInfo => "user_info",
            Self::Fragment => "fragment",
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Character { position, .. } => Some(*position),
            _ => None,
        }
    }
}

impl WebhookUrl {
    /// The longest address, in bytes, without its retry policy: what jambonz stores.
    pub const MAX_LEN: usize = 1024;

    /// A text of more bytes than this is refused unread; normalising does not shorten a URL this much.
    const MAX_INPUT_BYTES: usize = 4 * Self::MAX_LEN;

    /// Reads an address.
    ///
    /// # Errors
    /// [`WebhookUrlError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, WebhookUrlError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(WebhookUrlError::Empty);
        }
        if trimmed.len() > Self::MAX_INPUT_BYTES {
            return Err(WebhookUrlError::TooLong);
        }
        let refused = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if let Some((position, character)) = trimmed.chars().enumerate().find(|(_, c)| refused(*c)) {
            let margin = text.chars().take_while(|c| c.is_whitespace()).count();
            return Err(WebhookUrlError::Character { character, position: margin + position });
        }
        let mut url = Url::parse(trimmed).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => WebhookUrlError::NotAbsolute,
            _ => WebhookUrlError::Host,
        })?;
        let (scheme, rest) = trimmed.split_once(':').unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") {
            // "hooks.example:8080/x" has a scheme only by accident.
            let meant = rest.starts_with("//") || !scheme.contains('.');
            return Err(if meant { WebhookUrlError::Scheme } else { WebhookUrlError::NotAbsolute });
        }
        if !rest.starts_with("//") {
            // URL parsers read "https:hooks.example" as if it had its slashes; people do not.
            return Err(WebhookUrlError::NotAbsolute);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(WebhookUrlError::UserInfo);
        }
        let retry = match url.fragment() {
            None | Some("") => None,
            Some(fragment) => Some(RetryPolicy::parse(fragment).map_err(|_| WebhookUrlError::Fragment)?),
        };
        url.set_fragment(None);
        if url.as_str().len() > Self::MAX_LEN {
            return Err(WebhookUrlError::TooLong);
        }
        Ok(Self { url: url.as_str().into(), retry })
    }

    /// The URL to call, normalised, without its retry policy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The URL to call, parsed.
    #[must_use]
    pub fn to_url(&self) -> Url {
        Url::parse(&self.url).expect("it was parsed and printed by the same parser")
    }

    /// How often, and after what, a failed call is tried again.
    #[must_use]
    pub fn retry(&self) -> Option<RetryPolicy> {
        self.retry
    }

    /// The same address with another retry policy.
    #[must_use]
    pub fn with_retry(mut self, retry: Option<RetryPolicy>) -> Self {
        self.retry = retry;
        self
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)?;
        match self.retry {
            Some(retry) => write!(f, "#{retry}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.to_url().origin().ascii_serialization())
    }
}

text_form!(WebhookUrl, WebhookUrlError, "a URL");

/// How often a failed call is tried again, and after which failures, in the form that jambonz reads from the
/// fragment of a URL: `rc=3&rp=ct,5xx`.
///
/// `rc` is the number of further attempts, 0 to [`RetryPolicy::MAX_COUNT`]; more is read as that many, as jambonz
/// does. `rp` lists the failures: `ct` the connection could not be made, `rt` no answer in time, `4xx` and `5xx`
/// an answer with such a status, `all` of them; without `rp`, `ct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    count: u8,
    failures: u8,
}

/// A failure after which a call may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// `ct`: the connection could not be made.
    Connect = 1,
    /// `rt`: the connection was made, but no answer came in time.
    Response = 2,
    /// `4xx`: an answer with a status of 400 to 499.
    ClientError = 4,
    /// `5xx`: an answer with a status of 500 to 599.
    ServerError = 8,
}

/// Not a retry policy. Code `not_a_retry_policy`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a retry policy such as rc=3&rp=ct,5xx")]
pub struct RetryPolicyError;

impl ValueError for RetryPolicyError {
    fn code(&self) -> &'static str {
        "not_a_retry_policy"
    }
}

impl RetryOn {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Connect, "ct"),
        (Self::Response, "rt"),
        (Self::ClientError, "4xx"),
        (Self::ServerError, "5xx"),
    ];
}

impl RetryPolicy {
    /// The most further attempts.
    pub const MAX_COUNT: u8 = 5;

    /// So many further attempts (at most [`RetryPolicy::MAX_COUNT`]), after these failures; after a connection
    /// that could not be made when none is named.
    #[must_use]
    pub fn new(count: u8, failures: &[RetryOn]) -> Self {
        let failures = failures.iter().fold(0, |set, on| set | *on as u8);
        let failures = if failures == 0 { RetryOn::Connect as u8 } else { failures };
        Self { count: count.min(Self::MAX_COUNT), failures }
    }

    /// Reads the form jambonz has.
    ///
    /// # Errors
    /// [`RetryPolicyError`] for any other key or value, or a key given twice.
    pub fn parse(text: &str) -> Result<Self, RetryPolicyError> {
        let (mut count, mut failures) = (None, None);
        for pair in text.split('&') {
            match pair.split_once('=').ok_or(RetryPolicyError)? {
                ("rc", digits) if count.is_none() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    let given: u32 = digits.parse().map_err(|_| RetryPolicyError)?;
                    count = Some(u8::try_from(given).unwrap_or(u8::MAX).min(Self::MAX_COUNT));
                }
                ("rp", list) if failures.is_none() => {
                    let mut set = 0;
                    for word in list.split(',') {
                        set |= match RetryOn::ALL.iter().find(|(_, name)| *name == word) {
                            Some((on, _)) => *on as u8,
                            None if word == "all" => {
                                RetryOn::ALL.iter().fold(0, |all, (on, _)| all | *on as u8)
                            }
                            None => return Err(RetryPolicyError),
                        };
                    }
                    failures = Some(set);
                }
                _ => return Err(RetryPolicyError),
            }
        }
        Ok(Self { count: count.unwrap_or(0), failures: failures.unwrap_or(RetryOn::Connect as u8) })
    }

    /// How many further attempts after the first.
    #[must_use]
    pub fn count(self) -> u8 {
        self.count
    }

    /// Whether such a failure is worth another attempt.
    #[must_use]
    pub fn after(self, failure: RetryOn) -> bool {
        self.failures & failure as u8 != 0
    }
}

impl fmt::Display for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rc={}", self.count)?;
        let mut separator = "&rp=";
        for (on, name) in RetryOn::ALL {
            if self.after(on) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

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

/// The user name and password of a webhook, sent as basic authentication (RFC 7617).
///
/// `Debug` prints neither; two are compared in constant time; the password's memory is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookCredentials {
    username: Box<str>,
    password: SecretText,
}

/// What was wrong with a webhook's user name or password. It contains neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookCredentialsError {
    /// An empty user name. Code `empty`.
    #[error("must not be empty")]
    EmptyUsername,
    /// More than [`WebhookCredentials::MAX_LEN`] bytes. Code `too_long`.
    #[error("must have at most {} bytes", WebhookCredentials::MAX_LEN)]
    TooLong {
        /// `username` or `password`.
        part: &'static str,
    },
    /// A control character, or a colon in the user name (RFC 7617 section 2). Code `character`.
    #[error("must not contain the character at this position")]
    Character {
        /// `username` or `password`.
        part: &'static str,
        /// Its position, in characters from 0.
        position: usize,
    },
}

impl WebhookCredentialsError {
    /// Which of the two is at fault: `username` or `password`.
    #[must_use]
    pub fn part(&self) -> &'static str {
        match self {
            Self::EmptyUsername => "username",
            Self::TooLong { part } | Self::Character { part, .. } => part,
        }
    }
}

impl ValueError for WebhookCredentialsError {
    fn code(&self) -> &'static str {
        match self {
            Self::EmptyUsername => "empty",
            Self::TooLong { .. } => "too_long",
            Self::Character { .. } => "character",
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Character { position, .. } => Some(*position),
            _ => None,
        }
    }
}

impl WebhookCredentials {
    /// The longest user name and the longest password, in bytes: what jambonz stores.
    pub const MAX_LEN: usize = 255;

    /// A user name of 1 to 255 bytes without a colon, and a password of 0 to 255 bytes, both without control
    /// characters.
    ///
    /// # Errors
    /// [`WebhookCredentialsError`] when one of them breaks a rule.
    pub fn new(username: &str, password: &str) -> Result<Self, WebhookCredentialsError> {
        if username.is_empty() {
            return Err(WebhookCredentialsError::EmptyUsername);
        }
        for (part, text) in [("username", username), ("password", password)] {
            if text.len() > Self::MAX_LEN {
                return Err(WebhookCredentialsError::TooLong { part });
            }
            let refused = |c: char| c.is_control() || (c == ':' && part == "username");
            if let Some(position) = text.chars().position(refused) {
                return Err(WebhookCredentialsError::Character { part, position });
            }
        }
        Ok(Self { username: username.into(), password: SecretText::new(password) })
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password in clear. Think before you log, send or show what this returns.
    #[must_use]
    pub fn reveal_password(&self) -> &str {
        self.password.reveal()
    }
}

impl fmt::Debug for WebhookCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookCredentials((secret))")
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
}

/// A webhook as a store keeps it, its password in clear.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    url: WebhookUrl,
    #[serde(default)]
    method: WebhookMethod,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "secret::text")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "secret::text")]
    password: Option<Zeroizing<String>>,
}

/// For [`AccountRecord`](crate::AccountRecord) alone: webhooks with their passwords in clear.
pub(crate) mod stored {
    use super::{Stored, Webhook, WebhookCredentials, Zeroizing, fmt};
    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    // serde hands a reference to the field's type.
    #[allow(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(
        hook: &Option<Box<Webhook>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        hook.as_ref()
            .map(|hook| Stored {
                url: hook.url.clone(),
                method: hook.method,
                username: hook.credentials.as_ref().map(|credentials| credentials.username.clone().into()),
                password: hook
                    .credentials
                    .as_ref()
                    .map(|credentials| Zeroizing::new(credentials.reveal_password().to_owned())),
            })
            .serialize(serializer)
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

#[cfg(test)]
mod tests {
    use super::*;
    use WebhookUrlError as E;
    use proptest::prelude::*;

    #[test]
    fn urls_accepted_and_refused() {
        let longest = format!("https://h.example/{}", "p".repeat(1024 - 18));
        let too_long = format!("https://h.example/{}", "p".repeat(1025 - 18));
        let escaped = format!("https://h.example/{}", "é".repeat(200));
        for (text, expected) in [
            ("https://auth.acme.example/sip/register", Ok("https://auth.acme.example/sip/register")),
            (" https://hooks.example/x\n", Ok("https://hooks.example/x")),
            ("HTTP://Initech.Example:8080/q", Ok("http://initech.example:8080/q")),
            ("https://hooks.example:443", Ok("https://hooks.example/")),
            ("https://globex.example/hooks/reg?tenant=7", Ok("https://globex.example/hooks/reg?tenant=7")),
            ("https://obrien.example/q?a=1&b='x'", Ok("https://obrien.example/q?a=1&b=%27x%27")),
            ("https://kyiv.example/р", Ok("https://kyiv.example/%D1%80")),
            ("https://sõnum.example/reg", Ok("https://xn--snum-0qa.example/reg")),
            ("https://hooks.example/#rc=3&rp=5xx", Ok("https://hooks.example/#rc=3&rp=5xx")),
            ("https://hooks.example/#rp=all", Ok("https://hooks.example/#rc=0&rp=ct,rt,4xx,5xx")),
            ("https://hooks.example/#rc=9", Ok("https://hooks.example/#rc=5&rp=ct")),
            ("https://hooks.example/#", Ok("https://hooks.example/")),
            ("https://[2001:db8::1]/x", Ok("https://[2001:db8::1]/x")),
            ("http://0x7f.1/", Ok("http://127.0.0.1/")),
            (&longest, Ok(longest.as_str())),
            (&too_long, Err(E::TooLong)),
            (&escaped, Err(E::TooLong)),
            ("", Err(E::Empty)),
            ("  ", Err(E::Empty)),
            ("/queue", Err(E::NotAbsolute)),
            ("hooks.example/x", Err(E::NotAbsolute)),
            ("hooks.example:8080/x", Err(E::NotAbsolute)),
            ("//hooks.example/x", Err(E::NotAbsolute)),
            ("https:hooks.example", Err(E::NotAbsolute)),
            ("not a url", Err(E::Character { character: ' ', position: 3 })),
            (" https://hooks.example/a b c ", Err(E::Character { character: ' ', position: 24 })),
            ("https://hooks.example/a\tb", Err(E::Character { character: '\t', position: 23 })),
            ("https://good.example\\@evil.example", Err(E::Character { character: '\\', position: 20 })),
            ("ftp://hooks.example/reg", Err(E::Scheme)),
            ("wss://clinica.example/queue-events", Err(E::Scheme)),
            ("javascript:alert(1)", Err(E::Scheme)),
            ("https://", Err(E::Host)),
            ("https://a..b:99999/", Err(E::Host)),
            ("https://user@hooks.example/", Err(E::UserInfo)),
            ("https://user:pw@hooks.example/", Err(E::UserInfo)),
            ("https://:pw@hooks.example/", Err(E::UserInfo)),
            ("https://hooks.example/#top", Err(E::Fragment)),
            ("https://hooks.example/#rc=3&rp=5xx,6xx", Err(E::Fragment)),
            ("https://hooks.example/#rc=-1", Err(E::Fragment)),
            ("https://hooks.example/#rc=1&rc=2", Err(E::Fragment)),
        ] {
            let got = WebhookUrl::parse(text).map(|url| url.to_string());
            assert_eq!(got.as_deref(), expected.as_ref().map(|s| *s), "{text:?}");
            assert_eq!(
                serde_json::from_value::<WebhookUrl>(text.into()).is_ok(),
                expected.is_ok(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn credentials_accepted_and_refused() {
        type C = WebhookCredentialsError;
        let longest = "p".repeat(255);
        let too_long = "p".repeat(256);
        for (username, password, expected) in [
            ("svc-queue", "p@ss:word/with%chars", Ok(())),
            ("padaria", "pão-de-ló", Ok(())),
            ("user", "", Ok(())),
            ("user", &longest, Ok(())),
            ("user", &too_long, Err(C::TooLong { part: "password" })),
            (&too_long, "x", Err(C::TooLong { part: "username" })),
            ("", "x", Err(C::EmptyUsername)),
            ("us:er", "x", Err(C::Character { part: "username", position: 2 })),
            ("user", "a\nb", Err(C::Character { part: "password", position: 1 })),
        ] {
            assert_eq!(WebhookCredentials::new(username, password).map(|_| ()), expected, "{username:?}");
        }
        let printed = format!("{:?}", WebhookCredentials::new("jane", "hunter2").unwrap());
        assert!(!printed.contains("jane") && !printed.contains("hunter2"));
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(
            text in "(https?://)?[a-zé0-9.@:%/?#&=,\\\\ -]{0,60}|https?://[a-z]{1,9}\\.example(:[0-9]{1,5})?/.{0,20}(#rc=[0-9]&rp=(ct|5xx|all))?"
        ) {
            if let Ok(url) = WebhookUrl::parse(&text) {
                prop_assert_eq!(WebhookUrl::parse(&url.to_string()), Ok(url.clone()));
                let parsed = url.to_url();
                prop_assert_eq!(parsed.as_str(), url.as_str());
                prop_assert!(parsed.host().is_some() && url.as_str().len() <= WebhookUrl::MAX_LEN);
            }
        }

        #[test]
        fn retry_policies_print_what_they_read(text in "(rc=[0-9]{1,3})?&?(rp=(ct|rt|4xx|5xx|all)(,(ct|rt|4xx|5xx)){0,3})?|.{0,20}") {
            if let Ok(retry) = RetryPolicy::parse(&text) {
                prop_assert_eq!(RetryPolicy::parse(&retry.to_string()), Ok(retry));
            }
        }
    }
}
