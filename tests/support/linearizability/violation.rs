//! What is wrong with a history.

use super::call::Call;
use gateway_accounts::{Conflict, Seq};
use std::fmt;

/// The first thing that was found to be wrong, with the calls that it takes to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The feed is not numbered from 1 without gaps.
    Gap { expected: Seq, found: Seq },
    /// A commit of the feed that nobody has made.
    Stranger { seq: Seq, by: String },
    /// One commit took effect twice.
    Twice { commit: Box<Call>, first: Seq, second: Seq },
    /// It took effect, and its client was told that it had not.
    Denied { commit: Box<Call>, seq: Seq },
    /// It was acknowledged, and is not in the feed, or is not where it was said to be.
    Lost { commit: Box<Call>, said: Seq, is: Option<Seq> },
    /// The commits before it don't allow it.
    Contradiction { commit: Box<Call>, seq: Seq, conflict: Conflict },
    /// The feed tells another effect than it has.
    OtherEffect { commit: Box<Call>, seq: Seq },
    /// A commit returned before another began, and has the greater number.
    Reordered { lesser: Box<Call>, greater: Box<Call> },
    /// An answer of an older moment than another call proves to be over.
    Stale { call: Box<Call>, saw: Seq, at_least: Seq, because_of: Box<Call> },
    /// An answer of a later moment than another call proves to be to come.
    Future { call: Box<Call>, saw: Seq, at_most: Seq, because_of: Box<Call> },
    /// An answer of no moment.
    Never { call: Box<Call>, at_least: Seq, at_most: Seq },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { expected, found } => {
                write!(f, "the feed has commit {found} in the place of {expected}")
            }
            Self::Stranger { seq, by } => write!(f, "commit {seq} is by {by}, who never made it"),
            Self::Twice { commit, first, second } => {
                write!(f, "a commit is in the feed as {first} and as {second}:\n{commit}")
            }
            Self::Denied { commit, seq } => write!(f, "a commit is in the feed as {seq}:\n{commit}"),
            Self::Lost { commit, said, is: None } => {
                write!(f, "acknowledged commit {said} is not in the feed:\n{commit}")
            }
            Self::Lost { commit, said, is: Some(is) } => {
                write!(f, "acknowledged commit {said} is in the feed as {is}:\n{commit}")
            }
            Self::Contradiction { commit, seq, conflict } => {
                write!(f, "commit {seq} can't be after those before it, since {conflict}:\n{commit}")
            }
            Self::OtherEffect { commit, seq } => {
                write!(f, "the feed tells of commit {seq} what it does not do:\n{commit}")
            }
            Self::Reordered { lesser, greater } => {
                write!(
                    f,
                    "a commit with the greater number returned before the other began:\n{lesser}\n{greater}"
                )
            }
            Self::Stale { call, saw, at_least, because_of } => {
                write!(
                    f,
                    "an answer as of {saw}:\n{call}\nand not of {at_least} or later, as follows from\n{because_of}"
                )
            }
            Self::Future { call, saw, at_most, because_of } => {
                write!(
                    f,
                    "an answer as of {saw}:\n{call}\nand not of {at_most} at most, as follows from\n{because_of}"
                )
            }
            Self::Never { call, at_least, at_most } => {
                write!(
                    f,
                    "an answer that is right at no moment, and should be as of {at_least} to {at_most}:\n{call}"
                )
            }
        }
    }
}
