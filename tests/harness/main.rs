//! What other tests stand on, in `tests/support`: the PostgreSQL server, the failing network before it, and the check of
//! histories.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

#[path = "../support/linearizability/mod.rs"]
mod linearizability;
#[path = "../support/postgres/mod.rs"]
mod postgres;

mod histories;
mod proxy;
mod server;
