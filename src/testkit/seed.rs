//! The seed of random programs.

use rand::SeedableRng;
use rand::rngs::StdRng;
use std::env;
use std::thread;

/// Sets the seed, to repeat a failure or to try other programs.
const VARIABLE: &str = "GATEWAY_ACCOUNTS_SEED";

/// The seed when the environment gives none: the same programs on every run.
const DEFAULT: u64 = 1;

/// Where the random programs of one check start from. If the check fails, it says so on standard error.
pub(crate) struct Seed(u64);

impl Seed {
    #[track_caller]
    pub(crate) fn from_environment() -> Self {
        let number = env::var(VARIABLE).ok().map(|text| {
            text.parse().unwrap_or_else(|_| panic!("{VARIABLE} must be a whole number, not {text:?}"))
        });
        Self(number.unwrap_or(DEFAULT))
    }

    /// The random numbers of one part of a program, such as one thread's.
    pub(crate) fn numbers(&self, part: usize) -> StdRng {
        let part = u64::try_from(part).unwrap_or(u64::MAX);
        StdRng::seed_from_u64(self.0 ^ part.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the random program that failed is that of {VARIABLE}={}", self.0);
        }
    }
}
