//! A network, as an operator writes it.

use crate::model::problem::ValueError;
use crate::model::text_form;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// Addresses that begin alike: `10.20.0.0/16`, `fd00::/8`, or a single one.
///
/// The address before the slash is the first of the network (`10.20.0.0`, not `10.20.0.7`).
///
/// ```
/// use gateway_accounts::webhooks::{Network, NetworkError};
/// let office = Network::parse("10.20.0.0/16")?;
/// assert!(office.contains([10, 20, 30, 40].into()) && !office.contains([10, 21, 0, 0].into()));
/// assert_eq!(Network::parse("192.0.2.1")?.to_string(), "192.0.2.1/32");
/// assert_eq!(Network::parse("10.20.0.7/16"), Err(NetworkError::NotTheFirst { first: [10, 20, 0, 0].into() }));
/// # Ok::<(), NetworkError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

/// What was wrong with a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No address, or no number of bits that fits it. Code `not_a_network`.
    #[error("must be a network such as 10.20.0.0/16 or fd00::/8, or an address")]
    NotANetwork,
    /// An address within the network in place of its first. Code `not_the_first`.
    #[error("must begin with the first address of the network, {first}")]
    NotTheFirst {
        /// The first address.
        first: IpAddr,
    },
}

impl ValueError for NetworkError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotANetwork => "not_a_network",
            Self::NotTheFirst { .. } => "not_the_first",
        }
    }
}

impl Network {
    /// The network of the addresses that have their first `prefix` bits as this one has.
    pub(super) fn new(first: IpAddr, prefix: u8) -> Self {
        Self(IpNet::new(first, prefix).expect("the prefixes of the tables fit their addresses").trunc())
    }

    /// Reads a network.
    ///
    /// # Errors
    /// [`NetworkError`] when it is not written so.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        // The parser of ipnet reads a zero in front as nothing, where others read an octal number.
        let parse = || {
            let Some((address, prefix)) = text.split_once('/') else {
                return Some(IpNet::from(text.parse::<IpAddr>().ok()?));
            };
            let digits =
                prefix.bytes().all(|b| b.is_ascii_digit()) && !(prefix.len() > 1 && prefix.starts_with('0'));
            IpNet::new(address.parse().ok()?, prefix.parse().ok().filter(|_| digits)?).ok()
        };
        let network = parse().ok_or(NetworkError::NotANetwork)?;
        if network.addr() == network.network() {
            Ok(Self(network))
        } else {
            Err(NetworkError::NotTheFirst { first: network.network() })
        }
    }

    /// Whether an address is in it. An IPv4 address is in no network of IPv6, however it is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_form!(Network, NetworkError, "a network");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        type E = NetworkError;
        let first = |text: &str| E::NotTheFirst { first: text.parse().unwrap() };
        for (text, expected) in [
            ("10.20.0.0/16", Ok("10.20.0.0/16")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("192.0.2.1", Ok("192.0.2.1/32")),
            ("192.0.2.1/32", Ok("192.0.2.1/32")),
            ("FD00::/8", Ok("fd00::/8")),
            ("::1", Ok("::1/128")),
            ("::/0", Ok("::/0")),
            ("10.20.0.7/16", Err(first("10.20.0.0"))),
            ("fd00::1/8", Err(first("fd00::"))),
            ("10.20.0.0/33", Err(E::NotANetwork)),
            ("fd00::/129", Err(E::NotANetwork)),
            ("10.20.0.0/", Err(E::NotANetwork)),
            ("10.20/16", Err(E::NotANetwork)),
            ("010.20.0.0/16", Err(E::NotANetwork)),
            ("10.20.0.0/016", Err(E::NotANetwork)),
            ("10.20.0.0/+16", Err(E::NotANetwork)),
            ("10.20.0.0/16/16", Err(E::NotANetwork)),
            ("0x0a.20.0.0/16", Err(E::NotANetwork)),
            ("169090600", Err(E::NotANetwork)),
            ("[fd00::]/8", Err(E::NotANetwork)),
            ("10.20.0.0/255.255.0.0", Err(E::NotANetwork)),
            (" 10.20.0.0/16", Err(E::NotANetwork)),
            ("hooks.example", Err(E::NotANetwork)),
            ("*", Err(E::NotANetwork)),
            ("", Err(E::NotANetwork)),
        ] {
            let got = Network::parse(text);
            assert_eq!(got.clone().map(|value| value.to_string()), expected.map(str::to_owned), "{text:?}");
            if let Ok(network) = got {
                assert_eq!(Network::parse(&network.to_string()), Ok(network));
            }
        }
    }
}
