//! Any text as a webhook's address, a host and a network, and any address: `just fuzz url_policy`.

#![no_main]

use gateway_accounts::webhooks::{HostPattern, Network};
use gateway_accounts::{UrlPolicy, WebhookUrl};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv6Addr};
use url::Host;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bits) = <[u8; 16]>::try_from(bytes) {
        let address = Ipv6Addr::from(bits);
        let passes = UrlPolicy::production().check_resolved(address.into()).is_ok();
        assert!(!passes || is_global(address.into()), "{address}");
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(pattern) = HostPattern::parse(text) {
        assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
    }
    if let Ok(network) = Network::parse(text) {
        assert_eq!(Network::parse(&network.to_string()), Ok(network));
    }
    // As it is, and as a host with something after it.
    for text in [text.to_owned(), format!("https://{text}/"), format!("https://[{text}]:8443/x")] {
        let Ok(url) = WebhookUrl::parse(&text) else { continue };
        let parsed = url.to_url();
        assert_eq!(parsed.host(), Some(url.host()), "{text:?}");
        assert_eq!(UrlPolicy::development().check(&url), Ok(()), "{text:?}");
        if UrlPolicy::production().check(&url).is_ok() {
            assert_eq!(parsed.scheme(), "https", "{text:?}");
            match parsed.host() {
                Some(Host::Domain(name)) => assert!(is_public(name), "{text:?}"),
                Some(Host::Ipv4(address)) => assert!(is_global(address.into()), "{text:?}"),
                Some(Host::Ipv6(address)) => assert!(is_global(address.into()), "{text:?}"),
                None => panic!("{text:?} has no host"),
            }
        }
        if let (Host::Domain(name), Ok(pattern)) = (url.host(), HostPattern::parse(text.trim_matches(['/', ' ']))) {
            // A name that is denied is refused in whatever form it comes.
            let denied = UrlPolicy::development().deny_host(pattern.clone()).check(&url).is_err();
            assert_eq!(denied, pattern.matches(name.strip_suffix('.').unwrap_or(name)), "{text:?}");
        }
    }
});

/// By the standard library's words for what is special, and a few of its own: not all of them, but told another way.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_unspecified()
                || a == 0
                || a >= 240
                || a == 100 && (64..128).contains(&b)
                || a == 198 && (18..20).contains(&b))
        }
        IpAddr::V6(address) => {
            let [a, b, ..] = address.segments();
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.to_ipv4().is_some()
                || a == 0x2002
                || a == 0x64
                || a == 0x2001 && (b < 0x200 || b == 0xdb8))
        }
    }
}

fn is_public(name: &str) -> bool {
    let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
        && !["localhost", "local", "internal", "arpa", "test", "onion"].contains(&labels[labels.len() - 1])
}
