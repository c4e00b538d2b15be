//! Addresses that no webhook is at.

use super::network::Network;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses that no webhook is at. Printed, it is `10.0.0.0/8 (private use, RFC 1918)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressBlock(Which);

/// Which one: its place in one of the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    V4(u8),
    V6(u8),
    BesideGlobalUnicast,
}

impl AddressBlock {
    /// Its addresses; of what is [not assigned](AddressBlock::name) as global unicast of IPv6, `::/0`.
    #[must_use]
    pub fn network(self) -> Network {
        match self.0 {
            Which::V4(n) => {
                let Block { first, prefix, .. } = V4[usize::from(n)];
                Network::new(Ipv4Addr::from_bits(first).into(), prefix)
            }
            Which::V6(n) => {
                let Block { first, prefix, .. } = V6[usize::from(n)];
                Network::new(Ipv6Addr::from_bits(first).into(), prefix)
            }
            Which::BesideGlobalUnicast => Network::new(Ipv6Addr::UNSPECIFIED.into(), 0),
        }
    }

    /// What it is for: `private use`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Which::V4(n) => V4[usize::from(n)].name,
            Which::V6(n) => V6[usize::from(n)].name,
            Which::BesideGlobalUnicast => "IPv6 beside global unicast 2000::/3",
        }
    }

    /// Where that is laid down: `RFC 1918`.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self.0 {
            Which::V4(n) => V4[usize::from(n)].source,
            Which::V6(n) => V6[usize::from(n)].source,
            Which::BesideGlobalUnicast => "RFC 4291",
        }
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.network(), self.name(), self.source())
    }
}

impl fmt::Debug for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Block<A> {
    first: A,
    prefix: u8,
    name: &'static str,
    source: &'static str,
}

const fn v4(first: [u8; 4], prefix: u8, name: &'static str, source: &'static str) -> Block<u32> {
    Block { first: u32::from_be_bytes(first), prefix, name, source }
}

const fn v6(first: [u16; 8], prefix: u8, name: &'static str, source: &'static str) -> Block<u128> {
    let [a, b, c, d, e, f, g, h] = first;
    Block { first: Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits(), prefix, name, source }
}

/// Every block of the IANA IPv4 Special-Purpose Address Registry that is not within another, also those that it calls globally
/// reachable, which are for protocols and serve no webhook; and multicast.
static V4: [Block<u32>; 18] = [
    v4([10, 0, 0, 0], 8, "private use", "RFC 1918"),
    v4([172, 16, 0, 0], 12, "private use", "RFC 1918"),
    v4([192, 168, 0, 0], 16, "private use", "RFC 1918"),
    v4([127, 0, 0, 0], 8, "loopback", "RFC 1122"),
    v4([169, 254, 0, 0], 16, "link local, cloud metadata", "RFC 3927"),
    v4([100, 64, 0, 0], 10, "shared address space, for carrier-grade NAT", "RFC 6598"),
    v4([0, 0, 0, 0], 8, "this network", "RFC 791"),
    v4([192, 0, 0, 0], 24, "IETF protocol assignments", "RFC 6890"),
    v4([192, 0, 2, 0], 24, "documentation", "RFC 5737"),
    v4([198, 51, 100, 0], 24, "documentation", "RFC 5737"),
    v4([203, 0, 113, 0], 24, "documentation", "RFC 5737"),
    v4([198, 18, 0, 0], 15, "benchmarking", "RFC 2544"),
    v4([192, 31, 196, 0], 24, "AS112", "RFC 7535"),
    v4([192, 52, 193, 0], 24, "AMT", "RFC 7450"),
    v4([192, 88, 99, 0], 24, "6to4 relays", "RFC 7526"),
    v4([192, 175, 48, 0], 24, "AS112", "RFC 7534"),
    v4([224, 0, 0, 0], 4, "multicast", "RFC 5771"),
    v4([240, 0, 0, 0], 4, "reserved, limited broadcast", "RFC 1112"),
];

/// Every block of the IANA IPv6 Special-Purpose Address Registry that is not within another, also those that it calls globally
/// reachable; the other forms that carry an IPv4 address which something may unpack; multicast; and the former 6bone.
static V6: [Block<u128>; 20] = [
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback", "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified", "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped", "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible", "RFC 4291"),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "IPv4-translated", "RFC 2765"),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "IPv4 by NAT64", "RFC 6052"),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "IPv4 by local NAT64", "RFC 8215"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard only", "RFC 6666"),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, "dummy prefix", "RFC 9780"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "IETF protocol assignments, Teredo", "RFC 2928"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation", "RFC 3849"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4", "RFC 3056"),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112", "RFC 7534"),
    v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, "the former 6bone", "RFC 3701"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation", "RFC 9637"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing identifiers", "RFC 9602"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local", "RFC 4193"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link local", "RFC 4291"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site local", "RFC 3879"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast", "RFC 4291"),
];

/// The block that an address is in, if it is not one of the public internet.
pub(super) fn special(address: IpAddr) -> Option<AddressBlock> {
    // The tables are short.
    #[expect(clippy::cast_possible_truncation, reason = "neither has 256 blocks")]
    let nth = |n: usize| n as u8;
    let which = match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            let n = V4.iter().position(|block| (bits ^ block.first) >> (32 - block.prefix) == 0)?;
            Which::V4(nth(n))
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            match V6.iter().position(|block| (bits ^ block.first) >> (128 - block.prefix) == 0) {
                Some(n) => Which::V6(nth(n)),
                // All that is assigned as global unicast is in 2000::/3 (RFC 4291, and the IANA registry of it).
                None if bits >> 125 == 0b001 => return None,
                None => Which::BesideGlobalUnicast,
            }
        }
    };
    Some(AddressBlock(which))
}

/// The IPv4 addresses that an IPv6 address may be unpacked to.
pub(super) fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = address.to_bits();
    let segments = address.segments();
    let is = |start: &[u16]| segments.starts_with(start);
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let [.., last_high, last_low] = segments;
    let last = pair(last_high, last_low);
    // Mapped, compatible (which :: and ::1 are not), translated, NAT64 of 96 bits, and ISATAP (RFC 5214), under any
    // prefix.
    let at_the_end = is(&[0, 0, 0, 0, 0, 0xffff])
        || is(&[0; 6]) && bits > 1
        || is(&[0, 0, 0, 0, 0xffff, 0])
        || is(&[0x64, 0xff9b])
        || matches!(segments[4..6], [0 | 0x200, 0x5efe]);
    let six_to_four = is(&[0x2002]).then(|| pair(segments[1], segments[2]));
    // Teredo (RFC 4380) has the server, and the client inverted.
    let teredo = is(&[0x2001, 0]).then(|| [pair(segments[2], segments[3]), pair(!last_high, !last_low)]);
    // NAT64 with a prefix of 48 bits (RFC 6052 section 2.2) leaves a byte of zeros in the middle.
    let nat64 = is(&[0x64, 0xff9b, 1]).then(|| {
        let [_, _, _, _, _, _, a, b, _, c, d, ..] = bits.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    });
    at_the_end.then_some(last).into_iter().chain(six_to_four).chain(teredo.into_iter().flatten()).chain(nat64)
}
