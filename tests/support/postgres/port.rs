//! Ports of the loopback address.

use std::hash::BuildHasher;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

/// Below those that the system gives to outgoing connections (from 32768 on Linux, from 49152 elsewhere): so nobody has the
/// port by chance while its server is stopped, not even who tries to connect to the server meanwhile and would then be
/// connected to itself.
const PORTS: Range<u16> = 15_000..32_000;

/// Listens to a port that was free.
pub(crate) fn listen() -> TcpListener {
    (0..1000)
        .find_map(|nth| TcpListener::bind(loopback(random_port(nth))).ok())
        .expect("one of a thousand ports is free")
}

/// A port that was free just now.
pub(crate) fn free() -> u16 {
    listen().local_addr().expect("a listener has an address").port()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn random_port(nth: u32) -> u16 {
    let spread = random(nth) % u64::from(PORTS.end - PORTS.start);
    PORTS.start + u16::try_from(spread).expect("it is less than there are ports")
}

/// A number that differs from process to process, and from call to call.
pub(crate) fn random(nth: u32) -> u64 {
    std::hash::RandomState::new().hash_one(nth)
}
