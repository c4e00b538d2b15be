//! Admission, as a call router sees it.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

#[cfg(feature = "file")]
mod day;
mod leaks;
mod limits;
mod minutes;
mod model;
mod signals;
#[cfg(feature = "testkit")]
mod store;
mod world;
