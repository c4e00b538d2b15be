//! `PostgresStore` on a real PostgreSQL, which the tests start if it is installed, or find by its URL in
//! `GATEWAY_ACCOUNTS_POSTGRES_URL`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

#[path = "../support/linearizability/mod.rs"]
mod linearizability;
#[path = "../support/postgres/mod.rs"]
mod postgres;

mod connection;
mod feed;
#[cfg(feature = "file")]
mod moving;
mod processes;
mod schema;
mod world;

use gateway_accounts::testkit::conformance;
use world::{Followed, Postgres};

conformance!(
    suite,
    match Postgres::find() {
        Some(postgres) => postgres,
        None => return,
    }
);

// A directory keeps what a store promises.
conformance!(
    directory,
    match Postgres::find() {
        Some(postgres) => Followed(postgres),
        None => return,
    }
);
