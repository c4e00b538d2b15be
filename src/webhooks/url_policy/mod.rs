//! Which addresses a webhook may have.

mod host_pattern;
mod local_name;
mod network;
mod special;

pub use host_pattern::{HostPattern, HostPatternError};
pub use local_name::LocalName;
pub use network::{Network, NetworkError};
pub use special::AddressBlock;

use crate::model::problem::ValueError;
use crate::model::webhook::WebhookUrl;
use special::{embedded, special};
use std::net::IpAddr;
use url::Host;

/// Which addresses a webhook may have: a guard against server-side request forgery, in which a customer makes the
/// gateway call the operator's own machines.
///
/// [`UrlPolicy::production`] lets `https` through, to names and addresses of the public internet. An operator's own exceptions
/// are two lists: what is allowed in spite of that, and what is denied in spite of everything. Denied wins.
///
/// | list | entries | decides |
/// |---|---|---|
/// | [`allow_host`](UrlPolicy::allow_host), [`deny_host`](UrlPolicy::deny_host) | [`HostPattern`] | about the name in the URL |
/// | [`allow_network`](UrlPolicy::allow_network), [`deny_network`](UrlPolicy::deny_network) | [`Network`] | about an address in the URL, and the ones that a name is resolved to |
///
/// A name that is allowed may still be resolved to allowed and global addresses only: who controls its DNS does not
/// reach anything else.
///
/// A URL is checked when an account is created or edited. A name may resolve to another address later (DNS
/// rebinding), so the HTTP client must check again what it connects to, with
/// [`UrlPolicy::check_resolved`].
///
/// ```
/// use gateway_accounts::webhooks::{HostPattern, Network};
/// use gateway_accounts::{UrlPolicy, WebhookUrl};
/// let policy = UrlPolicy::production()
///     .allow_host(HostPattern::parse("*.hooks.internal")?)
///     .allow_network(Network::parse("10.20.0.0/16")?)
///     .deny_host(HostPattern::parse("*.acme.example")?);
/// for accepted in ["https://hooks.globex.example/", "https://a.hooks.internal/", "https://10.20.30.40/"] {
///     policy.check(&WebhookUrl::parse(accepted)?)?;
/// }
/// for refused in ["http://hooks.globex.example/", "https://localhost/", "https://0x7f.1/", "https://x.acme.example/"] {
///     assert!(policy.check(&WebhookUrl::parse(refused)?).is_err());
/// }
/// assert_eq!(
///     policy.check_resolved([10, 1, 2, 3].into()).unwrap_err().to_string(),
///     "must not be at an address of 10.0.0.0/8 (private use, RFC 1918); an operator can allow its network in the URL policy",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPolicy {
    allow_http: bool,
    allow_any_address: bool,
    allowed_hosts: Vec<HostPattern>,
    denied_hosts: Vec<HostPattern>,
    allowed_networks: Vec<Network>,
    denied_networks: Vec<Network>,
}

/// Why the policy refuses an address: which rule it was, and how an operator would let it through. All have the code
/// `url_policy`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlPolicyError {
    /// Plain `http`.
    #[error("must begin with https://; an operator can let plain http through in the URL policy")]
    Http,
    /// A name of this machine or of a local network: `localhost`, one label, an empty label, or a name under a
    /// top-level name that is not on the public internet, such as `.local` and `.internal`.
    #[error(
        "must not be a name of a local machine or network ({name}); an operator can allow the host in the URL policy"
    )]
    LocalName {
        /// What tells.
        name: LocalName,
    },
    /// An address that is not one of the public internet.
    #[error("must not be at an address of {block}; an operator can allow its network in the URL policy")]
    Address {
        /// The block that it is in.
        block: AddressBlock,
    },
    /// A host on the operator's list of denied ones.
    #[error("must not be at {pattern}, which the operator's URL policy denies")]
    DeniedHost {
        /// The entry.
        pattern: Box<HostPattern>,
    },
    /// An address of a network on the operator's list of denied ones.
    #[error("must not be at an address of {network}, which the operator's URL policy denies")]
    DeniedNetwork {
        /// The entry.
        network: Box<Network>,
    },
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
        Self::new(false)
    }

    /// Anything goes that is not denied. For a developer's machine.
    #[must_use]
    pub fn development() -> Self {
        Self::new(true)
    }

    fn new(anything: bool) -> Self {
        Self {
            allow_http: anything,
            allow_any_address: anything,
            allowed_hosts: Vec::new(),
            denied_hosts: Vec::new(),
            allowed_networks: Vec::new(),
            denied_networks: Vec::new(),
        }
    }

    /// The same policy, letting plain `http` through or not.
    #[must_use]
    pub fn with_http(mut self, allowed: bool) -> Self {
        self.allow_http = allowed;
        self
    }

    /// The same policy, letting URLs with such a name through although it is a local one. What the name is resolved to must be
    /// global all the same, or in an allowed network.
    #[must_use]
    pub fn allow_host(mut self, pattern: HostPattern) -> Self {
        self.allowed_hosts.push(pattern);
        self
    }

    /// The same policy, refusing URLs with such a name.
    #[must_use]
    pub fn deny_host(mut self, pattern: HostPattern) -> Self {
        self.denied_hosts.push(pattern);
        self
    }

    /// The same policy, letting addresses of the network through although they are not global.
    ///
    /// A network of IPv4 does not let IPv6 addresses through that carry such an address, nor does one of IPv6 let an IPv4
    /// address through that it carries. So `64:ff9b::/96`, which an operator with DNS64 has to allow, opens what is global in
    /// IPv4, and nothing else.
    #[must_use]
    pub fn allow_network(mut self, network: Network) -> Self {
        self.allowed_networks.push(network);
        self
    }

    /// The same policy, refusing addresses of the network; of a network of IPv4, also IPv6 addresses that carry such an address
    /// (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP). For global addresses that are an operator's own, and for
    /// those that a cloud gives to its own services, such as 168.63.129.16 in Azure.
    #[must_use]
    pub fn deny_network(mut self, network: Network) -> Self {
        self.denied_networks.push(network);
        self
    }

    /// Whether a webhook may have this address.
    ///
    /// # Errors
    /// [`UrlPolicyError`], the first rule that refuses it.
    pub fn check(&self, url: &WebhookUrl) -> Result<(), UrlPolicyError> {
        if !self.allow_http && !url.is_https() {
            return Err(UrlPolicyError::Http);
        }
        match url.host() {
            Host::Domain(name) => self.check_name(name.strip_suffix('.').unwrap_or(name)),
            Host::Ipv4(address) => self.check_resolved(address.into()),
            Host::Ipv6(address) => self.check_resolved(address.into()),
        }
    }

    fn check_name(&self, name: &str) -> Result<(), UrlPolicyError> {
        let found = |patterns: &[HostPattern]| patterns.iter().find(|pattern| pattern.matches(name)).cloned();
        if let Some(pattern) = found(&self.denied_hosts) {
            return Err(UrlPolicyError::DeniedHost { pattern: pattern.into() });
        }
        match LocalName::of(name) {
            Some(name) if !self.allow_any_address && found(&self.allowed_hosts).is_none() => {
                Err(UrlPolicyError::LocalName { name })
            }
            _ => Ok(()),
        }
    }

    /// Whether a webhook may be called at this address, to which its name was resolved.
    ///
    /// The HTTP client must ask for each address that it is about to connect to, as its resolver gives it. With reqwest:
    ///
    /// ```
    /// use gateway_accounts::UrlPolicy;
    /// use reqwest::dns::{Addrs, Name, Resolve, Resolving};
    /// use std::sync::Arc;
    ///
    /// struct Checked(UrlPolicy);
    ///
    /// impl Resolve for Checked {
    ///     fn resolve(&self, name: Name) -> Resolving {
    ///         let policy = self.0.clone();
    ///         Box::pin(async move {
    ///             let mut addresses = Vec::new();
    ///             for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
    ///                 // One that is refused refuses the call: a name that also is at a private address is suspect.
    ///                 policy.check_resolved(address.ip())?;
    ///                 addresses.push(address);
    ///             }
    ///             Ok(Box::new(addresses.into_iter()) as Addrs)
    ///         })
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), reqwest::Error> {
    /// let client = reqwest::Client::builder()
    ///     .dns_resolver(Arc::new(Checked(UrlPolicy::production())))
    ///     // Who answers a webhook must not send the gateway elsewhere; nor may a proxy do the resolving.
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .no_proxy()
    ///     .build()?;
    /// # // That it refuses what resolves to loopback, and why.
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # let error = runtime.block_on(client.get("http://localhost:9/").send()).unwrap_err();
    /// # assert!(format!("{error:?}").contains("(loopback, RFC "), "{error:?}");
    /// # Ok(()) }
    /// ```
    ///
    /// No resolver is asked about an address in the URL itself; [`UrlPolicy::check`] is, so ask that before each call, too.
    ///
    /// # Errors
    /// [`UrlPolicyError`], the first rule that refuses it.
    pub fn check_resolved(&self, address: IpAddr) -> Result<(), UrlPolicyError> {
        if let Some(network) = self.denied(address) {
            return Err(UrlPolicyError::DeniedNetwork { network: network.into() });
        }
        if self.allow_any_address {
            return Ok(());
        }
        let allowed = |address| self.allowed_networks.iter().any(|network| network.contains(address));
        let refused = |address| special(address).filter(|_| !allowed(address));
        let block = refused(address).or_else(|| match address {
            // What an allowed network carries is not allowed with it.
            IpAddr::V6(carrier) if allowed(address) => {
                embedded(carrier).find_map(|address| refused(address.into()))
            }
            _ => None,
        });
        block.map_or(Ok(()), |block| Err(UrlPolicyError::Address { block }))
    }

    fn denied(&self, address: IpAddr) -> Option<Network> {
        let denies = |network: &&Network| {
            network.contains(address)
                || match address {
                    IpAddr::V6(address) => embedded(address).any(|address| network.contains(address.into())),
                    IpAddr::V4(_) => false,
                }
        };
        self.denied_networks.iter().find(denies).copied()
    }
}

impl Default for UrlPolicy {
    fn default() -> Self {
        Self::production()
    }
}

#[cfg(test)]
mod tests;
