use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};

fn url(text: &str) -> WebhookUrl {
    WebhookUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Which rule refuses it; `ok` if none does.
fn rule(policy: &UrlPolicy, text: &str) -> String {
    match policy.check(&url(text)) {
        Ok(()) => "ok".into(),
        Err(UrlPolicyError::Http) => "http".into(),
        Err(UrlPolicyError::LocalName { name }) => name.to_string(),
        Err(UrlPolicyError::Address { block }) => block.name().into(),
        Err(UrlPolicyError::DeniedHost { .. }) => "denied host".into(),
        Err(UrlPolicyError::DeniedNetwork { .. }) => "denied network".into(),
    }
}

#[test]
fn production_accepts_and_refuses() {
    for (text, expected) in [
        ("https://hooks.acme.example/", "ok"),
        ("https://hooks.acme.example:8443/x?y", "ok"),
        ("https://93.184.215.14/", "ok"),
        ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", "ok"),
        ("https://localhost.example/", "ok"),
        ("https://corp.example/", "ok"),
        ("http://hooks.acme.example/", "http"),
        ("http://127.0.0.1/", "http"),
        ("https://localhost/", "one label"),
        ("https://LOCALHOST./", "one label"),
        ("https://redis/", "one label"),
        ("https://a.localhost/", ".localhost"),
        ("https://printer.local/", ".local"),
        ("https://printer.local./", ".local"),
        ("https://metadata.google.internal/", ".internal"),
        ("https://metadata.google.internal./", ".internal"),
        ("https://router.home.arpa/", ".arpa"),
        ("https://1.0.0.127.in-addr.arpa/", ".arpa"),
        ("https://nas.lan/", ".lan"),
        ("https://kubernetes.default.svc/", ".svc"),
        ("https://vault.service.consul/", ".consul"),
        ("https://x.localdomain/", ".localdomain"),
        ("https://x.intranet/", ".intranet"),
        ("https://x.private/", ".private"),
        ("https://x.corp/", ".corp"),
        ("https://x.home/", ".home"),
        ("https://x.test/", ".test"),
        ("https://x.onion/", ".onion"),
        ("https://x.alt/", ".alt"),
        ("https://x.invalid/", ".invalid"),
        ("https://localhost../", "an empty label"),
        ("https://metadata.google.internal../", "an empty label"),
        ("https://a..example/", "an empty label"),
        ("https://.example/", "an empty label"),
    ] {
        assert_eq!(rule(&UrlPolicy::production(), text), expected, "{text}");
        assert_eq!(rule(&UrlPolicy::development(), text), "ok", "{text}");
    }
    assert_eq!(rule(&UrlPolicy::production().with_http(true), "http://hooks.acme.example/"), "ok");
    assert_eq!(rule(&UrlPolicy::development().with_http(false), "http://hooks.acme.example/"), "http");
}

/// The IANA IPv4 Special-Purpose Address Registry, whole, and what else production refuses.
const REGISTRY_V4: [(&str, &str); 31] = [
    ("0.0.0.0", "0.255.255.255"),
    ("0.0.0.0", "0.0.0.0"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.0.0", "192.0.0.7"),
    ("192.0.0.8", "192.0.0.8"),
    ("192.0.0.9", "192.0.0.9"),
    ("192.0.0.10", "192.0.0.10"),
    ("192.0.0.170", "192.0.0.171"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.88.99.2", "192.88.99.2"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("240.0.0.0", "255.255.255.255"),
    ("255.255.255.255", "255.255.255.255"),
    // Multicast has a registry of its own; these are its blocks of note.
    ("224.0.0.0", "239.255.255.255"),
    ("224.0.0.1", "224.0.0.255"),
    ("232.0.0.0", "232.255.255.255"),
    ("233.252.0.0", "233.252.0.255"),
    ("239.0.0.0", "239.255.255.255"),
    // Where clouds keep their machines' credentials.
    ("169.254.169.254", "169.254.169.254"),
];

/// The IANA IPv6 Special-Purpose Address Registry, whole, and what else production refuses.
const REGISTRY_V6: [(&str, &str); 35] = [
    ("::1", "::1"),
    ("::", "::"),
    ("::ffff:0:0", "::ffff:ffff:ffff"),
    ("64:ff9b::", "64:ff9b::ffff:ffff"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
    ("100::", "100::ffff:ffff:ffff:ffff"),
    ("100:0:0:1::", "100::1:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:1::1", "2001:1::1"),
    ("2001:1::2", "2001:1::2"),
    ("2001:1::3", "2001:1::3"),
    ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"),
    ("2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff"),
    ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    // Other forms of IPv4 addresses: compatible, and translated.
    ("::", "::ffff:ffff"),
    ("::ffff:0:0:0", "::ffff:0:ffff:ffff"),
    // Site local, multicast, and the former 6bone.
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("ff02::1", "ff02::1"),
    ("3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    // What is not assigned as global unicast.
    ("0:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("200::", "3ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("6000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

const GLOBAL_V4: [&str; 26] = [
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.31.195.255",
    "192.52.194.0",
    "192.88.98.255",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "223.255.255.255",
];

const GLOBAL_V6: [&str; 12] = [
    "2001:200::",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db9::",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700::1111",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "2620:4f:7fff::1",
    "2620:4f:8001::1",
    "2a00:1450:4001:81b::200e",
    "3ffd::1",
    "3fff:1000::",
];

/// The first, the last, and one or two between.
fn samples(first: u128, last: u128) -> [u128; 4] {
    let length = last - first;
    [first, first + length / 3, first + length / 2 + length % 2, last]
}

fn samples_v4() -> impl Iterator<Item = Ipv4Addr> {
    let bits = |text: &str| u128::from(text.parse::<Ipv4Addr>().unwrap().to_bits());
    let all = REGISTRY_V4.into_iter().flat_map(move |(first, last)| samples(bits(first), bits(last)));
    all.map(|bits| Ipv4Addr::from_bits(u32::try_from(bits).unwrap()))
}

fn samples_v6() -> impl Iterator<Item = Ipv6Addr> {
    let bits = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
    REGISTRY_V6
        .into_iter()
        .flat_map(move |(first, last)| samples(bits(first), bits(last)))
        .map(Ipv6Addr::from_bits)
}

#[test]
fn resolved_addresses_of_the_registries_are_refused_and_global_ones_pass() {
    let production = UrlPolicy::production();
    for address in samples_v4().map(IpAddr::from).chain(samples_v6().map(IpAddr::from)) {
        let refused = production.check_resolved(address);
        let Err(UrlPolicyError::Address { block }) = refused else { panic!("{address}: {refused:?}") };
        assert!(block.network().contains(address), "{address}: {block}");
        assert_eq!(UrlPolicy::development().check_resolved(address), Ok(()), "{address}");
    }
    for address in GLOBAL_V4.iter().chain(&GLOBAL_V6) {
        assert_eq!(production.check_resolved(address.parse().unwrap()), Ok(()), "{address}");
    }
}

/// A way to write an address as the host of a URL.
type Spelling<A> = (&'static str, fn(A) -> String);

fn digits(text: &str, zero: char) -> String {
    text.chars().map(|c| c.to_digit(10).map_or(c, |d| char::from_u32(u32::from(zero) + d).unwrap())).collect()
}

/// Spellings that mean the IPv4 address itself.
const SPELLINGS_V4: [Spelling<Ipv4Addr>; 18] = [
    ("dotted decimal", |a| a.to_string()),
    ("a full stop at the end", |a| format!("{a}.")),
    ("one decimal number", |a| a.to_bits().to_string()),
    ("one hexadecimal number", |a| format!("0x{:08x}", a.to_bits())),
    ("one hexadecimal number in capitals", |a| format!("0X{:X}", a.to_bits())),
    ("one octal number", |a| format!("0{:o}", a.to_bits())),
    ("one octal number with many zeros", |a| format!("000000{:o}", a.to_bits())),
    ("dotted hexadecimal", |a| a.octets().map(|b| format!("{b:#x}")).join(".")),
    ("dotted octal", |a| a.octets().map(|b| format!("0{b:o}")).join(".")),
    ("decimal, hexadecimal and octal mixed", |a| {
        let [a, b, c, d] = a.octets();
        format!("{a}.{b:#x}.0{c:o}.{d}")
    }),
    ("two numbers", |a| format!("{}.{}", a.octets()[0], a.to_bits() & 0xff_ffff)),
    ("three numbers", |a| format!("{}.{}.{}", a.octets()[0], a.octets()[1], a.to_bits() & 0xffff)),
    ("full-width digits", |a| digits(&a.to_string(), '０')),
    ("mathematical digits", |a| digits(&a.to_string(), '𝟎')),
    ("ideographic full stops", |a| a.to_string().replace('.', "。")),
    ("half-width ideographic full stops", |a| a.to_string().replace('.', "｡")),
    ("percent-encoded digits", |a| a.to_string().chars().map(|c| format!("%{:02X}", u32::from(c))).collect()),
    ("percent-encoded full stops", |a| a.to_string().replace('.', "%2e")),
];

/// IPv6 addresses that something on the way may unpack to the IPv4 address.
const CARRIERS_V4: [Spelling<Ipv4Addr>; 12] = [
    ("IPv4-mapped, dotted", |a| format!("[::ffff:{a}]")),
    ("IPv4-mapped, hexadecimal", |a| {
        format!("[{}]", a.to_ipv6_mapped().segments().map(|s| format!("{s:x}")).join(":"))
    }),
    ("IPv4-mapped, in capitals", |a| format!("[0:0:0:0:0:FFFF:{a}]")),
    ("IPv4-compatible, dotted", |a| format!("[::{a}]")),
    ("IPv4-compatible, hexadecimal", |a| {
        format!("[0:0:0:0:0:0:{:x}:{:x}]", a.to_bits() >> 16, a.to_bits() & 0xffff)
    }),
    ("IPv4-translated", |a| format!("[::ffff:0:{a}]")),
    ("NAT64", |a| format!("[64:ff9b::{a}]")),
    ("NAT64, hexadecimal", |a| format!("[64:ff9b:0::{:x}:{:x}]", a.to_bits() >> 16, a.to_bits() & 0xffff)),
    ("local NAT64", |a| format!("[64:ff9b:1::{a}]")),
    ("local NAT64 after 48 bits", |a| {
        let [a, b, c, d] = a.octets();
        format!("[64:ff9b:1:{a:x}{b:02x}:{c:x}:{d:02x}00::]")
    }),
    ("6to4", |a| format!("[2002:{:x}:{:x}::1]", a.to_bits() >> 16, a.to_bits() & 0xffff)),
    ("Teredo", |a| {
        format!("[2001:0:4136:e378:8000:63bf:{:x}:{:x}]", !a.to_bits() >> 16, !a.to_bits() & 0xffff)
    }),
];

const SPELLINGS_V6: [Spelling<Ipv6Addr>; 5] = [
    ("compressed", |a| format!("[{a}]")),
    ("in capitals", |a| format!("[{}]", a.to_string().to_uppercase())),
    ("whole", |a| format!("[{}]", a.segments().map(|s| format!("{s:x}")).join(":"))),
    ("whole, with zeros", |a| format!("[{}]", a.segments().map(|s| format!("{s:04x}")).join(":"))),
    ("its end dotted", |a| {
        let [first @ .., _, _] = a.segments();
        let end = Ipv4Addr::from_bits(u32::try_from(a.to_bits() & u128::from(u32::MAX)).unwrap());
        format!("[{}:{end}]", first.map(|s| format!("{s:x}")).join(":"))
    }),
];

#[test]
fn every_spelling_of_every_block_is_refused() {
    let production = UrlPolicy::production();
    let refused = |spelling: &str, host: String, address: IpAddr| {
        for text in [format!("https://{host}/"), format!("https://{host}:8443/x?y#rc=1")] {
            let got = production.check(&url(&text));
            assert!(
                matches!(got, Err(UrlPolicyError::Address { .. })),
                "{spelling} of {address}: {text}: {got:?}"
            );
        }
    };
    for address in samples_v4() {
        for (spelling, host) in SPELLINGS_V4.into_iter().chain(CARRIERS_V4) {
            refused(spelling, host(address), address.into());
        }
    }
    for address in samples_v6() {
        for (spelling, host) in SPELLINGS_V6 {
            refused(spelling, host(address), address.into());
        }
    }
}

#[test]
fn every_spelling_of_global_addresses_passes_but_for_those_that_hide_one_in_another() {
    let production = UrlPolicy::production();
    let check = |spelling: &str, host: String, passes: bool| {
        let got = production.check(&url(&format!("https://{host}/")));
        assert_eq!(got.is_ok(), passes, "{spelling}: {host}: {got:?}");
    };
    for address in GLOBAL_V4.map(|text| text.parse::<Ipv4Addr>().unwrap()) {
        SPELLINGS_V4.into_iter().for_each(|(spelling, host)| check(spelling, host(address), true));
        CARRIERS_V4.into_iter().for_each(|(spelling, host)| check(spelling, host(address), false));
    }
    for address in GLOBAL_V6.map(|text| text.parse::<Ipv6Addr>().unwrap()) {
        SPELLINGS_V6.into_iter().for_each(|(spelling, host)| check(spelling, host(address), true));
    }
}

#[test]
fn denied_wins_over_allowed_and_allowed_over_the_rules() {
    let host = |text: &str| HostPattern::parse(text).unwrap();
    let network = |text: &str| Network::parse(text).unwrap();
    let lists = |policy: UrlPolicy| {
        policy
            .allow_host(host("*.hooks.internal"))
            .allow_host(host("redis"))
            .allow_network(network("10.20.0.0/16"))
            .allow_network(network("fd00:1::/32"))
            .deny_host(host("*.acme.example"))
            .deny_host(host("bad.hooks.internal"))
            .deny_network(network("10.20.30.0/24"))
            .deny_network(network("93.184.215.14"))
            .deny_network(network("2606:4700::/32"))
    };
    // What production says, and what development does.
    for (text, production, development) in [
        ("https://a.hooks.internal/", "ok", "ok"),
        ("https://A.Hooks.INTERNAL./", "ok", "ok"),
        ("https://bad.hooks.internal/", "denied host", "denied host"),
        ("https://hooks.internal/", ".internal", "ok"),
        ("https://redis:6379/", "ok", "ok"),
        ("http://redis/", "http", "ok"),
        ("https://redis.internal/", ".internal", "ok"),
        ("https://x.acme.example/", "denied host", "denied host"),
        ("https://X.ACME.example./", "denied host", "denied host"),
        ("https://acme.example/", "ok", "ok"),
        ("https://10.20.0.1/", "ok", "ok"),
        ("https://0x0a140001/", "ok", "ok"),
        ("https://10.20.30.1/", "denied network", "denied network"),
        ("https://10.21.0.0/", "private use", "ok"),
        ("https://[::ffff:10.20.0.1]/", "IPv4-mapped", "ok"),
        ("https://[fd00:1::1]/", "ok", "ok"),
        ("https://[fd00:2::1]/", "unique local", "ok"),
        ("https://93.184.215.14/", "denied network", "denied network"),
        ("https://93.184.215.15/", "ok", "ok"),
        ("https://[2606:4700::1111]/", "denied network", "denied network"),
        ("https://[2606:4701::1111]/", "ok", "ok"),
    ] {
        assert_eq!(rule(&lists(UrlPolicy::production()), text), production, "{text}");
        assert_eq!(rule(&lists(UrlPolicy::development()), text), development, "{text}");
    }
    // However it is carried, and also by a network that a global prefix hides it in.
    let denied: Ipv4Addr = "93.184.215.14".parse().unwrap();
    let isatap: Spelling<Ipv4Addr> = ("ISATAP", |a| format!("[2a00:1450:4001:81b:0:5efe:{a}]"));
    for (spelling, host) in SPELLINGS_V4.into_iter().chain(CARRIERS_V4).chain([isatap]) {
        for policy in [lists(UrlPolicy::production()), lists(UrlPolicy::development())] {
            let text = format!("https://{}/", host(denied));
            assert_eq!(rule(&policy, &text), "denied network", "{spelling}: {text}");
        }
    }
}

#[test]
fn an_allowed_network_does_not_allow_what_it_carries() {
    let policy = ["64:ff9b::/96", "::1", "::/96", "2002::/16", "10.1.0.0/16", "fd00::/8"]
        .into_iter()
        .fold(UrlPolicy::production(), |policy, network| {
            policy.allow_network(Network::parse(network).unwrap())
        });
    for (text, expected) in [
        ("https://[64:ff9b::93.184.215.14]/", "ok"),
        ("https://[64:ff9b::10.1.2.3]/", "ok"),
        ("https://[64:ff9b::10.2.2.3]/", "private use"),
        ("https://[64:ff9b::169.254.169.254]/", "link local, cloud metadata"),
        ("https://[64:ff9b:1::93.184.215.14]/", "IPv4 by local NAT64"),
        ("https://[::1]/", "ok"),
        ("https://[::93.184.215.14]/", "ok"),
        ("https://[::127.0.0.1]/", "loopback"),
        ("https://[2002:5db8:d70e::1]/", "ok"),
        ("https://[2002:7f00:1::1]/", "loopback"),
        ("https://[fd00::1]/", "ok"),
        ("https://[fd00::5efe:127.0.0.1]/", "loopback"),
        ("https://[fd00::127.0.0.1]/", "ok"),
        ("https://127.0.0.1/", "loopback"),
    ] {
        assert_eq!(rule(&policy, text), expected, "{text}");
    }
}

#[test]
fn errors_say_which_rule_and_how_to_allow() {
    let policy = UrlPolicy::production()
        .deny_host(HostPattern::parse("*.acme.example").unwrap())
        .deny_network(Network::parse("93.184.0.0/16").unwrap());
    for (text, expected) in [
        (
            "http://x.example/",
            "must begin with https://; an operator can let plain http through in the URL policy",
        ),
        (
            "https://x.internal/",
            "must not be a name of a local machine or network (.internal); an operator can allow the host in the URL \
             policy",
        ),
        (
            "https://192.168.1.1/",
            "must not be at an address of 192.168.0.0/16 (private use, RFC 1918); an operator can allow its network in \
             the URL policy",
        ),
        (
            "https://[4000::1]/",
            "must not be at an address of ::/0 (IPv6 beside global unicast 2000::/3, RFC 4291); an operator can allow its \
             network in the URL policy",
        ),
        ("https://a.acme.example/", "must not be at *.acme.example, which the operator's URL policy denies"),
        (
            "https://93.184.215.14/",
            "must not be at an address of 93.184.0.0/16, which the operator's URL policy denies",
        ),
    ] {
        let error = policy.check(&url(text)).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.code()), (expected, "url_policy"), "{text}");
    }
}
