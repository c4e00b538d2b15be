//! The front desk, as an application sees it: every operation of `Accounts`, over a store in memory, by each kind
//! of actor.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

mod create;
mod edit;
mod errors;
mod feed;
mod history;
mod import;
#[cfg(feature = "keys")]
mod keys;
mod life;
mod listing;
mod races;
mod realms;
mod remote;
mod rights;
mod rotation;
mod tenants;
mod world;
