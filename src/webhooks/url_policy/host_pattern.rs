//! Hosts, as an operator names them.

use crate::model::problem::ValueError;
use crate::model::text_form;
use std::fmt;
use url::Host;

/// A host name, or all names below one: `hooks.acme.example`, `*.acme.example`.
///
/// It is brought to the form that URLs have: lower case, IDNA to ASCII, no full stop at the end. `*.acme.example` is
/// every name below `acme.example`, at any depth, and not that itself. A name has at most [`HostPattern::MAX_LEN`] bytes.
///
/// ```
/// use gateway_accounts::webhooks::{HostPattern, HostPatternError};
/// let pattern = HostPattern::parse("*.Bücher.example.")?;
/// assert_eq!(pattern.to_string(), "*.xn--bcher-kva.example");
/// assert!(pattern.matches("a.b.xn--bcher-kva.example") && !pattern.matches("xn--bcher-kva.example"));
/// assert_eq!(HostPattern::parse("127.1"), Err(HostPatternError::Address));
/// # Ok::<(), HostPatternError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    name: Box<str>,
    below: bool,
}

/// What was wrong with a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostPatternError {
    /// An address. Code `address`.
    #[error("must be a name; an address belongs among the networks")]
    Address,
    /// No host name. Code `not_a_host`.
    #[error("must be a host name such as hooks.acme.example, or *.acme.example for all below it")]
    NotAHost,
}

impl ValueError for HostPatternError {
    fn code(&self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::NotAHost => "not_a_host",
        }
    }
}

impl HostPattern {
    /// The longest name, in bytes: that of the DNS (RFC 1035 section 2.3.4).
    pub const MAX_LEN: usize = 253;

    /// A text of more bytes than this is refused unread; no name that is short enough is written with more.
    const MAX_INPUT_BYTES: usize = 4 * Self::MAX_LEN;

    /// Reads a host.
    ///
    /// # Errors
    /// [`HostPatternError`] when it is not a name.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let (rest, below) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if rest.len() > Self::MAX_INPUT_BYTES {
            return Err(HostPatternError::NotAHost);
        }
        let name = match Host::parse(rest).map_err(|_| HostPatternError::NotAHost)? {
            Host::Domain(name) => name,
            Host::Ipv4(_) | Host::Ipv6(_) => return Err(HostPatternError::Address),
        };
        let name = name.strip_suffix('.').unwrap_or(&name);
        if name.len() > Self::MAX_LEN || name.contains('*') || name.split('.').any(str::is_empty) {
            return Err(HostPatternError::NotAHost);
        }
        Ok(Self { name: name.into(), below })
    }

    /// Whether this is the host, or among the hosts, meant. `host` is as URLs have it, without a full stop at the end.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match host.strip_suffix(&*self.name) {
            Some(rest) if self.below => rest.len() > 1 && rest.ends_with('.'),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.below { "*." } else { "" })?;
        f.write_str(&self.name)
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_form!(HostPattern, HostPatternError, "a host");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        type E = HostPatternError;
        let longest = format!("{}example", "a.".repeat(123));
        let too_long = format!("{}example", "a.".repeat(124));
        let far_too_long = "é".repeat(40_000);
        for (text, expected) in [
            ("hooks.acme.example", Ok("hooks.acme.example")),
            ("Hooks.ACME.example.", Ok("hooks.acme.example")),
            ("*.acme.example", Ok("*.acme.example")),
            ("redis", Ok("redis")),
            (&longest, Ok(longest.as_str())),
            (&too_long, Err(E::NotAHost)),
            (&far_too_long, Err(E::NotAHost)),
            ("*.internal", Ok("*.internal")),
            ("bücher.example", Ok("xn--bcher-kva.example")),
            ("a_b.example", Ok("a_b.example")),
            ("10.0.0.1", Err(E::Address)),
            ("0x7f.1", Err(E::Address)),
            ("2130706433", Err(E::Address)),
            ("[::1]", Err(E::Address)),
            ("*.10.0.0.1", Err(E::Address)),
            ("10.0.0.0/8", Err(E::NotAHost)),
            ("::1", Err(E::NotAHost)),
            ("", Err(E::NotAHost)),
            ("*", Err(E::NotAHost)),
            ("*.", Err(E::NotAHost)),
            ("*.*.example", Err(E::NotAHost)),
            ("hooks.*.example", Err(E::NotAHost)),
            ("*acme.example", Err(E::NotAHost)),
            (".acme.example", Err(E::NotAHost)),
            ("a..example", Err(E::NotAHost)),
            ("acme.example..", Err(E::NotAHost)),
            ("acme.example:443", Err(E::NotAHost)),
            ("https://acme.example", Err(E::NotAHost)),
            ("user@acme.example", Err(E::NotAHost)),
            ("acme example", Err(E::NotAHost)),
        ] {
            let got = HostPattern::parse(text);
            assert_eq!(got.clone().map(|value| value.to_string()), expected.map(str::to_owned), "{text:?}");
            if let Ok(pattern) = got {
                assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
            }
        }
    }

    #[test]
    fn matched_and_not() {
        for (pattern, host, expected) in [
            ("acme.example", "acme.example", true),
            ("acme.example", "hooks.acme.example", false),
            ("acme.example", "xacme.example", false),
            ("acme.example", "acme.example.com", false),
            ("*.acme.example", "hooks.acme.example", true),
            ("*.acme.example", "a.b.acme.example", true),
            ("*.acme.example", "acme.example", false),
            ("*.acme.example", ".acme.example", false),
            ("*.acme.example", "xacme.example", false),
            ("*.acme.example", "hooks.acme.example.com", false),
        ] {
            assert_eq!(HostPattern::parse(pattern).unwrap().matches(host), expected, "{pattern} {host}");
        }
    }
}
