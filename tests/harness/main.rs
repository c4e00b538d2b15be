//! What other tests stand on: the PostgreSQL server and the failing network of `tests/support`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

#[path = "../support/postgres/mod.rs"]
mod postgres;

mod proxy;
mod server;
