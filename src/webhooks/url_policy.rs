//! Which addresses a webhook may have.

use crate::model::problem::ValueError;
use crate::model::webhook::WebhookUrl;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Host;

/// Which addresses a webhook may have: a guard against server-side request forgery, in which a customer makes the
/// gateway call the operator's own machines.
///
/// A URL is checked when an account is created or edited. A name may resolve to another address later (DNS
/// rebinding), so that the HTTP client must check again what it connects to, with
/// [`UrlPolicy::check_resolved`].
///
/// ```
/// use gateway_accounts::{UrlPolicy, UrlPolicyError, WebhookUrl};
/// let policy = UrlPolicy::production();
/// assert!(policy.check(&WebhookUrl::parse("https://hooks.acme.example/")?).is_ok());
/// for refused in ["http://hooks.acme.example/", "https://localhost/", "https://0x7f.1/", "https://[::ffff:10.0.0.1]/"] {
///     assert!(policy.check(&WebhookUrl::parse(refused)?).is_err());
/// }
/// assert_eq!(policy.check_resolved([169, 254, 169, 254].into()), Err(UrlPolicyError::Address));
/// # Ok::<(), gateway_accounts::WebhookUrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPolicy {
    allow_http: bool,
    allow_any_address: bool,
}

/// Why the policy refuses an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlPolicyError {
    /// Plain `http`. Code `url_policy`.
    #[error("must begin with https:// (plain http is for the development policy)")]
    Http,
    /// A name of this machine or of a local network: `localhost`, one label, or a name under a
    /// top-level name that is not on the public internet, such as `.local` and `.internal`. Code `url_policy`.
    #[error("must not be a name of a local machine or network (only the development policy lets it through)")]
    LocalName,
    /// An address that is not globally routable. Code `url_policy`.
    #[error(
        "must not be an address that is not globally routable (only the development policy lets it through)"
    )]
    Address,
}

impl ValueError for UrlPolicyError {
    fn code(&self) -> &'static str {
        "url_policy"
    }
}

impl UrlPolicy {
    /// `https` only, and no host that is not on the public internet. The default.
    #[must_use]
    pub fn production() -> Self {
        Self { allow_http: false, allow_any_address: false }
    }

    /// Anything goes. For a developer's machine.
    #[must_use]
    pub fn development() -> Self {
        Self { allow_http: true, allow_any_address: true }
    }

    /// The same policy, letting plain `http` through or not.
    #[must_use]
    pub fn with_http(mut self, allowed: bool) -> Self {
        self.allow_http = allowed;
        self
    }

    /// Whether a webhook may have this address.
    ///
    /// # Errors
    /// [`UrlPolicyError`], the first rule that refuses it.
    pub fn check(&self, url: &WebhookUrl) -> Result<(), UrlPolicyError> {
        if let Some(name) = plain_name(url) {
            let local = !self.allow_any_address && is_local(name);
            return if local { Err(UrlPolicyError::LocalName) } else { Ok(()) };
        }
        let url = url.to_url();
        if url.scheme() != "https" && !self.allow_http {
            return Err(UrlPolicyError::Http);
        }
        match url.host() {
            Some(Host::Domain(name)) if !self.allow_any_address && is_local(name) => {
                Err(UrlPolicyError::LocalName)
            }
            Some(Host::Ipv4(address)) => self.check_resolved(address.into()),
            Some(Host::Ipv6(address)) => self.check_resolved(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// Whether a webhook may be called at this address, to which its name was resolved.
    ///
    /// # Errors
    /// [`UrlPolicyError::Address`] when it is not globally routable.
    pub fn check_resolved(&self, address: IpAddr) -> Result<(), UrlPolicyError> {
        let global = match address {
            IpAddr::V4(address) => is_global_v4(address),
            IpAddr::V6(address) => is_global_v6(address),
        };
        if global || self.allow_any_address { Ok(()) } else { Err(UrlPolicyError::Address) }
    }
}

impl Default for UrlPolicy {
    fn default() -> Self {
        Self::production()
    }
}

/// The host of an address that has no need to be parsed again, since it can only be a name: `https`, letters, digits,
/// hyphens and dots, the last label beginning with a letter, no port. An import checks millions; for all others, the
/// parser decides.
fn plain_name(url: &WebhookUrl) -> Option<&str> {
    let (name, _) = url.as_str().strip_prefix("https://")?.split_once('/')?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let (_, last) = name.rsplit_once('.')?;
    let is_name = last.starts_with(|c: char| c.is_ascii_lowercase());
    (is_name && name.bytes().all(plain)).then_some(name)
}

/// Top-level names that are not on the public internet: those of RFC 6761 (`localhost`, `test`), RFC 6762 and its
/// appendix G, RFC 7686, RFC 8375 and RFC 9476, the one of the infrastructure (RFC 3172), and two that clusters give to
/// their own services. The URL parser has lowered the name.
const LOCAL_NAMES: [&str; 17] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "test",
    "onion",
    "alt",
    "invalid",
    "arpa",
    "svc",
    "consul",
];

fn is_local(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    // An empty label is no name of the public internet, and resolvers differ about it.
    name.split('.').any(str::is_empty)
        || !name.contains('.')
        || LOCAL_NAMES.iter().any(|local| name.strip_suffix(local).is_some_and(|rest| rest.ends_with('.')))
}

/// The blocks that the IANA IPv4 Special-Purpose Address Registry marks as not globally reachable, and multicast
/// (RFC 5771), deprecated 6to4 relays (RFC 7526), and the reserved rest.
const NOT_GLOBAL_V4: [([u8; 4], u8); 15] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared, for carrier-grade NAT
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, cloud metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24), // IETF protocol assignments; the two global anycast addresses in it serve no webhook
    ([192, 0, 2, 0], 24), // documentation
    ([192, 88, 99, 0], 24), // 6to4 relay anycast
    ([192, 168, 0, 0], 16), // private
    ([198, 18, 0, 0], 15), // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24), // documentation
    ([224, 0, 0, 0], 4),  // multicast
    ([240, 0, 0, 0], 4),  // reserved, and broadcast
];

fn is_global_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !NOT_GLOBAL_V4.iter().any(|(network, length)| (bits ^ u32::from_be_bytes(*network)) >> (32 - length) == 0)
}

/// Within 2000::/3, which is all that is assigned as global unicast, the blocks that the IANA IPv6 Special-Purpose
/// Address Registry marks as not globally reachable, and those that carry an IPv4 address that something else may
/// unpack.
const NOT_GLOBAL_V6: [([u16; 3], u8); 5] = [
    ([0x2001, 0, 0], 23),     // IETF protocol assignments: Teredo, benchmarking, ORCHID
    ([0x2001, 0xdb8, 0], 32), // documentation
    ([0x2002, 0, 0], 16),     // 6to4, which carries an IPv4 address
    ([0x3ffe, 0, 0], 16),     // the former 6bone
    ([0x3fff, 0, 0], 20),     // documentation
];

fn is_global_v6(address: Ipv6Addr) -> bool {
    // The forms that carry an IPv4 address are outside 2000::/3, all but 6to4: IPv4-mapped ::ffff:0:0/96,
    // IPv4-compatible ::/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48. So are loopback, unique local, link-local and
    // multicast.
    let bits = u128::from(address);
    bits >> 125 == 0b001
        && !NOT_GLOBAL_V6.iter().any(|([a, b, c], length)| {
            let network = u128::from(Ipv6Addr::new(*a, *b, *c, 0, 0, 0, 0, 0));
            (bits ^ network) >> (128 - length) == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use UrlPolicyError as E;

    #[test]
    fn production_accepts_and_refuses() {
        for (text, expected) in [
            ("https://hooks.acme.example/", Ok(())),
            ("https://hooks.acme.example:8443/x?y", Ok(())),
            ("https://93.184.215.14/", Ok(())),
            ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", Ok(())),
            ("https://localhost.example/", Ok(())),
            ("http://hooks.acme.example/", Err(E::Http)),
            ("https://localhost/", Err(E::LocalName)),
            ("https://LOCALHOST./", Err(E::LocalName)),
            ("https://a.localhost/", Err(E::LocalName)),
            ("https://printer.local/", Err(E::LocalName)),
            ("https://metadata.google.internal/", Err(E::LocalName)),
            ("https://router.home.arpa/", Err(E::LocalName)),
            ("https://nas.lan/", Err(E::LocalName)),
            ("https://localhost../", Err(E::LocalName)),
            ("https://metadata.google.internal../", Err(E::LocalName)),
            ("https://kubernetes.default.svc/", Err(E::LocalName)),
            ("https://x.localdomain/", Err(E::LocalName)),
            ("https://x.onion/", Err(E::LocalName)),
            ("https://corp.example/", Ok(())),
            ("https://redis/", Err(E::LocalName)),
            ("https://127.0.0.1/", Err(E::Address)),
            ("https://127.1/", Err(E::Address)),
            ("https://2130706433/", Err(E::Address)),
            ("https://0x7f000001/", Err(E::Address)),
            ("https://0x7f.0.0.1/", Err(E::Address)),
            ("https://0177.0.0.1/", Err(E::Address)),
            ("https://017700000001/", Err(E::Address)),
            ("https://１２７.０.０.１/", Err(E::Address)),
            ("https://127。0。0。1/", Err(E::Address)),
            ("https://%31%32%37.0.0.1/", Err(E::Address)),
            ("https://[::1]/", Err(E::Address)),
            ("https://[::]/", Err(E::Address)),
            ("https://[::ffff:93.184.215.14]/", Err(E::Address)),
            ("https://[::ffff:7f00:1]/", Err(E::Address)),
            ("https://[::127.0.0.1]/", Err(E::Address)),
            ("https://[64:ff9b::7f00:1]/", Err(E::Address)),
            ("https://[64:ff9b:1::a00:1]/", Err(E::Address)),
            ("https://[2002:7f00:1::]/", Err(E::Address)),
            ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", Err(E::Address)),
            ("https://[fe80::1]/", Err(E::Address)),
            ("https://[fd00::1]/", Err(E::Address)),
            ("https://[ff02::1]/", Err(E::Address)),
        ] {
            let url = WebhookUrl::parse(text).unwrap();
            assert_eq!(UrlPolicy::production().check(&url), expected, "{text}");
            assert_eq!(UrlPolicy::development().check(&url), Ok(()), "{text}");
            if let Some(name) = plain_name(&url) {
                assert_eq!(url.to_url().host(), Some(Host::Domain(name)), "{text}");
            }
        }
        let http = WebhookUrl::parse("http://hooks.acme.example/").unwrap();
        assert_eq!(UrlPolicy::production().with_http(true).check(&http), Ok(()));
    }

    #[test]
    fn only_what_can_be_nothing_but_a_name_is_not_parsed_again() {
        for (text, expected) in [
            ("https://hooks.acme.example/x?y", Some("hooks.acme.example")),
            ("https://Hooks.ACME.example", Some("hooks.acme.example")),
            ("https://bücher.example/", Some("xn--bcher-kva.example")),
            ("https://printer.local/", Some("printer.local")),
            ("http://hooks.acme.example/", None),
            ("https://hooks.acme.example:8443/", None),
            ("https://hooks.acme.example./", None),
            ("https://localhost/", None),
            ("https://0x7f.1/", None),
            ("https://93.184.215.14/", None),
            ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", None),
            ("https://a_b.example/", None),
        ] {
            assert_eq!(plain_name(&WebhookUrl::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn every_special_block_at_both_ends() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            for address in [first, last] {
                let address: IpAddr = address.parse().unwrap();
                assert_eq!(UrlPolicy::production().check_resolved(address), Err(E::Address), "{address}");
            }
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.0",
            "192.0.1.0",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db9::",
            "2606:4700::1111",
            "3ffd::1",
            "3fff:1000::",
        ] {
            assert_eq!(UrlPolicy::production().check_resolved(address.parse().unwrap()), Ok(()), "{address}");
        }
    }
}
