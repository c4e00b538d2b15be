//! A real PostgreSQL for tests.
//!
//! [`server`] is one of the test process's own, or the one of which `GATEWAY_ACCOUNTS_POSTGRES_URL` tells. Where there is
//! neither, tests are not run, and say so; with `GATEWAY_ACCOUNTS_POSTGRES_REQUIRED=1` they fail instead. So each test
//! begins with
//!
//! ```ignore
//! let Some(server) = postgres::server() else { return };
//! let schema = server.fresh_schema();
//! ```
//!
//! A server of one's own costs about a second, once for a test process: `cargo test` starts one for all tests of a file.
//! Where each test has a process of its own, as with nextest, there are as many at a time as tests run at a time.
//!
//! To be included by a test, or by a package of its own, as a module with `#[path]`. It needs `tokio` (with `io-util`, `net`,
//! `rt`, `sync` and `time`) and `tokio-postgres`.
#![allow(dead_code, unused_imports, reason = "no test uses everything")]

mod blocking;
mod port;
mod programs;
mod proxy;
mod schema;
mod server;
mod supervisor;
mod wire;

pub(crate) use port::free as free_port;
pub(crate) use proxy::{Proxy, Trap};
pub(crate) use schema::Schema;
pub(crate) use server::{Server, StopMode};

use programs::Programs;
use std::env;
use std::io::Write as _;
use std::sync::OnceLock;
use std::thread;

/// The server to use, as a URL or as `key=value` pairs.
pub(crate) const URL: &str = "GATEWAY_ACCOUNTS_POSTGRES_URL";

/// Whether a test that finds no server fails: `1` or anything else but `0` and nothing.
pub(crate) const REQUIRED: &str = "GATEWAY_ACCOUNTS_POSTGRES_REQUIRED";

/// The server that all tests of this process share; `None` after having said that the test is not run. Only schemas are
/// one's own there: who stops the server uses [`Server::private`].
///
/// # Panics
/// When there is none and there must be, and when it doesn't start.
#[track_caller]
pub(crate) fn server() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    let start = || match env::var(URL) {
        Ok(url) => Some(Server::of_url(&url)),
        Err(_) => Programs::find().map(|programs| Server::start_new(&programs)),
    };
    let server = SHARED.get_or_init(start).as_ref();
    if server.is_none() {
        not_run(&format!("{URL} is not set, and {}", programs::NOT_FOUND));
    }
    server
}

/// Says on standard error, where the test harness does not capture it, that the test is not run.
///
/// # Panics
/// When it must be run.
#[track_caller]
pub(crate) fn not_run(reason: &str) {
    let required = env::var(REQUIRED).is_ok_and(|text| !text.is_empty() && text != "0");
    assert!(!required, "{REQUIRED} is set, and there is no PostgreSQL: {reason}");
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    // One write, so that lines of several tests do not mix. If nobody can be told, nobody is.
    let _ = std::io::stderr().write_all(format!("\n*** NOT RUN: {test}: {reason} ***\n").as_bytes());
}
