//! Whether what several processes were told of one store has one order.
//!
//! Each client notes its calls with a [`Recorder`], one line when a call begins and one when it returns; so it is known of a
//! client that was killed what it had begun. The lines of all, read by [`History::hear`], and the store's feed, read when
//! all is over, are checked by [`History::check`].
//!
//! Commits have numbers. That makes it simple where the suite of `testkit` has to search for an order: commits are in the
//! order of their numbers, a commit tells by its actor which call it was, and what each read may have seen is a range of
//! numbers, given by what had returned before the read began and by what began after it returned. What the store should
//! have answered at each number is what a [`Snapshot`](gateway_accounts::Snapshot) does with the same batches.
//!
//! To be included by a test as a module with `#[path]`. It needs `rustix` (with `time`), `serde` and `serde_json`.
#![allow(dead_code, unused_imports, reason = "no test uses everything")]

mod call;
mod history;
mod recorder;
mod refusal;
mod violation;

pub(crate) use call::{Call, Edit, KeyTold, Operation, Outcome, Promise, Told};
pub(crate) use history::{History, Summary};
pub(crate) use recorder::{Recorder, now};
pub(crate) use refusal::Refusal;
pub(crate) use violation::Violation;
