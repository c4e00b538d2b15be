//! Admission, as a call router sees it.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

mod model;
mod world;
