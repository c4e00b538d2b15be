//! The conformance suite: what every [`AccountStore`](crate::AccountStore) must pass, ours and anybody's. For
//! authors of stores and for tests of applications; not for production.
//!
//! One line enrols a backend, in its tests:
//!
//! ```
//! use gateway_accounts::{MemoryStore, testkit};
//! testkit::conformance!(memory, MemoryStore::new);
//! # fn main() {}
//! ```
//!
//! This makes a module `memory` with one test for each of the [checks]: batches that must not apply by half, eight
//! writers racing for one name, a listing while accounts come and go, commits that are given up half way, random
//! programs of concurrent callers whose answers one order must explain. There is one list of them, so that no
//! backend can miss one. What opens the store is a [`Backend`]: a closure, or, for a store that keeps its accounts
//! when it is closed, a type that says how to open it again. [`run`] is the same without a test harness.
//!
//! The suite needs no async runtime, sleeps nowhere and looks at no clock but to give up on a store that hangs. Its
//! random programs are the same on each run. One that fails tells its seed; the environment variable
//! `GATEWAY_ACCOUNTS_SEED` sets it. Programs of several threads, though, are run as the system schedules them.
//!
//! What it can't find: whether a store survives a power cut, since it only closes and reopens one; faults below the
//! store, on its disk or network; and whatever is not a promise of the trait, such as speed.
//!
//! There are also sample accounts and API keys ([`account`], [`sid`], [`api_key`], [`key_id`], [`admin`], [`batch`]),
//! [`block_on`], and a [`FaultyStore`] that fails as planned, for tests of what an application does then.

mod backend;
mod caller;
pub mod checks;
pub(crate) mod executor;
mod faults;
mod history;
mod race;
mod sample;
pub(crate) mod seed;
mod specification;

#[cfg(test)]
mod broken;

#[doc(inline)]
pub use crate::conformance;
pub use backend::Backend;
pub use executor::block_on;
pub use faults::{Fault, FaultyStore};
pub use sample::{account, admin, api_key, batch, key_id, sid};

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Makes a module of tests, one for each of the [checks](crate::testkit::checks), which a
/// [`Backend`](crate::testkit::Backend) must pass.
///
/// The backend is an expression, and made anew for each test:
///
/// ```
/// use gateway_accounts::{AccountStore, MemoryStore, testkit};
/// use std::sync::Arc;
/// testkit::conformance!(shared, || -> Arc<dyn AccountStore> { Arc::new(MemoryStore::new()) });
/// # fn main() {}
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! conformance {
    ($(#[$attribute:meta])* $name:ident, $backend:expr $(,)?) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "the backend may need none of them")]
            use super::*;
            $crate::__conformance! { tests of [$backend] }
        }
    };
}

/// What came of [`run`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// The checks that the backend passed.
    pub passed: Vec<&'static str>,
    /// Those that it did not.
    pub failed: Vec<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks passed, {} failed", self.passed.len(), self.failed.len())
    }
}

/// Runs all checks, one after the other, without a test harness, and prints the name of each and what came of it.
///
/// ```
/// use gateway_accounts::{MemoryStore, testkit};
/// let report = testkit::run(&MemoryStore::new);
/// assert!(report.failed.is_empty(), "{report}");
/// ```
pub fn run<B: Backend>(backend: &B) -> Report {
    let mut report = Report::default();
    for (name, check) in crate::__conformance! { names and functions over [B] } {
        // What a check leaves behind when it panics, nobody looks at again.
        let passed = catch_unwind(AssertUnwindSafe(|| check(backend))).is_ok();
        println!("{name} ... {}", if passed { "ok" } else { "FAILED" });
        if passed { &mut report.passed } else { &mut report.failed }.push(name);
    }
    report
}
