//! The address of a webhook.

use crate::model::problem::ValueError;
use crate::model::text_form;
use crate::model::webhook::retry::RetryPolicy;
use std::fmt;
use url::{Host, Url};

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

    /// Whether it begins with `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// The host to call: a name, with the full stop at its end if it has one, or an address.
    #[must_use]
    pub fn host(&self) -> Host<&str> {
        // Normalised, it has its scheme, two slashes, no user information, and a host.
        let rest = self.url.split_once("//").map_or("", |(_, rest)| rest);
        if let Some(address) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let address = address.0.parse().expect("the host in brackets was printed from an IPv6 address");
            return Host::Ipv6(address);
        }
        let host = &rest[..rest.find([':', '/', '?']).unwrap_or(rest.len())];
        // No name's last label begins with a digit and is a number: that would have been an IPv4 address.
        let ends_in_a_digit = host.ends_with(|c: char| c.is_ascii_digit());
        match if ends_in_a_digit { host.parse() } else { return Host::Domain(host) } {
            Ok(address) => Host::Ipv4(address),
            Err(_) => Host::Domain(host),
        }
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

    proptest! {
        #[test]
        fn prints_what_it_reads(
            text in "(https?://)?[a-zé0-9.@:%/?#&=,\\\\ -]{0,60}|https?://[a-z]{1,9}\\.example(:[0-9]{1,5})?/.{0,20}(#rc=[0-9]&rp=(ct|5xx|all))?"
        ) {
            if let Ok(url) = WebhookUrl::parse(&text) {
                prop_assert_eq!(WebhookUrl::parse(&url.to_string()), Ok(url.clone()));
                let parsed = url.to_url();
                prop_assert_eq!(parsed.as_str(), url.as_str());
                prop_assert!(url.as_str().len() <= WebhookUrl::MAX_LEN);
                prop_assert_eq!(parsed.host(), Some(url.host()));
                prop_assert_eq!(parsed.scheme() == "https", url.is_https());
            }
        }

        #[test]
        fn the_host_is_that_of_the_parser(
            host in "[a-z0-9.x-]{1,30}|[0-9.]{1,15}|0x[0-9a-f]{1,8}|\\[[0-9a-f:.]{2,39}\\]|[a-zé０-９。%0-9.-]{1,20}",
            rest in "(:[0-9]{1,5})?(/[a-z:/?@\\[\\]]{0,9})?(\\?[a-z:/@]{0,9})?",
        ) {
            if let Ok(url) = WebhookUrl::parse(&format!("https://{host}{rest}")) {
                let parsed = url.to_url();
                prop_assert_eq!(parsed.host(), Some(url.host()), "{}", url);
            }
        }
    }
}
