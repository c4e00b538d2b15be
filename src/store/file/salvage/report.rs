//! What a salvage saved, and what it did not.

use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::sid::AccountSid;
use crate::snapshot::Seq;
use crate::store::file::recovery::TornTail;
use crate::store::findings::Findings;
use std::fmt;

/// What was salvaged from a damaged account file into a new one, and what was lost.
///
/// An account may be there as it was before an edit that is lost, and one may be there again whose deletion is lost.
/// Compare what was lost with what else is known, such as a backup or the logs of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// The version of the damaged file; `None` when its header does not read.
    pub version: Option<u32>,
    /// The last commit that was found. The new file goes on from it. Commits after it may have been lost without a
    /// trace of their numbers, which are then given anew: whoever follows the feed starts over.
    pub seq: Seq,
    /// How many accounts the new file has.
    pub accounts: usize,
    /// How many API keys it has. That one was revoked or disabled may have been said in a line that is lost: look
    /// through them if any is.
    pub keys: usize,
    /// How many API keys were left out, since their account is not there.
    pub keys_left_out: usize,
    /// How long the new file is, in bytes.
    pub bytes: u64,
    /// What of the damaged file is lost, in its order.
    pub lost: Findings<Loss>,
    /// Accounts that were found and could not be saved, in the order of their SIDs.
    pub left_out: Findings<LeftOut>,
    /// What was being written when the process or the machine stopped: then no acknowledged commit is in it, and it is
    /// no loss. A file that somebody else cut short ends like this too.
    pub torn_tail: Option<TornTail>,
}

impl Salvaged {
    /// Whether nothing was lost and nothing was torn. Even then the file may have been cut short between two commits:
    /// compare with what is known of it, such as the [`Backup`](crate::Backup) that it was.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let nothing_lost = self.lost.is_empty() && self.torn_tail.is_none();
        nothing_lost && self.left_out.is_empty() && self.keys_left_out == 0
    }
}

/// Something of an account file that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// A line that does not read, or what is left of it after whole lines were found in it.
    Line {
        /// The line, from 1.
        line: u64,
        /// Where what is lost begins, in bytes from 0.
        offset: u64,
        /// How many bytes are lost.
        bytes: u64,
        /// Why.
        reason: String,
    },
    /// Accounts of the base: those that were there before the first commit in the file.
    Base {
        /// How many there were.
        expected: u64,
        /// How many were found.
        found: u64,
    },
    /// API keys of the base.
    BaseKeys {
        /// How many there were.
        expected: u64,
        /// How many were found.
        found: u64,
    },
    /// Whole commits.
    Commits {
        /// The first that is missing.
        first: Seq,
        /// The last of those that are missing one after another.
        last: Seq,
    },
    /// Parts of a commit that is so large that it was written in parts. The others were applied.
    Parts {
        /// The commit.
        seq: Seq,
        /// The first part that is missing, from 0.
        first: u64,
        /// The last of those that are missing one after another; `None` when it is not known how many there were.
        last: Option<u64>,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, offset, bytes, reason } => {
                write!(f, "line {line}, {bytes} bytes from byte {offset}: {reason}")
            }
            Self::Base { expected, found } => {
                write!(f, "of the {expected} accounts that the file began with, {found} were found")
            }
            Self::BaseKeys { expected, found } => {
                write!(f, "of the {expected} API keys that the file began with, {found} were found")
            }
            Self::Commits { first, last } if first == last => write!(f, "commit {first} is missing"),
            Self::Commits { first, last } => write!(f, "commits {first} to {last} are missing"),
            Self::Parts { seq, first, last: Some(last) } if first == last => {
                write!(f, "part {first} of commit {seq} is missing")
            }
            Self::Parts { seq, first, last: Some(last) } => {
                write!(f, "parts {first} to {last} of commit {seq} are missing")
            }
            Self::Parts { seq, first, last: None } => {
                write!(f, "commit {seq} is missing from part {first} on")
            }
        }
    }
}

/// An account that was found and could not be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Its SID.
    pub sid: AccountSid,
    /// Its name.
    pub name: AccountName,
    /// Why.
    pub why: WhyLeftOut,
}

/// Why an account was not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyLeftOut {
    /// A secret of it, as it was last written, can't be opened with the keys that were given.
    Sealed {
        /// Which, and why. It repeats no secret.
        reason: String,
    },
    /// As it was last written it breaks a rule.
    Rule {
        /// Which. It repeats no secret.
        reason: String,
    },
    /// Another account, which was written later, has its name or realm: the line in which one of them gave it up is
    /// lost.
    Clash {
        /// The name or the realm.
        field: Field,
        /// The account that has it in the new file.
        with: AccountSid,
        /// The name of that account.
        with_name: AccountName,
    },
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sid, name, why } = self;
        write!(f, "account {sid}, {name}: ")?;
        match why {
            WhyLeftOut::Sealed { reason } => write!(f, "a secret of it can't be opened: {reason}"),
            WhyLeftOut::Rule { reason } => write!(f, "it breaks a rule: {reason}"),
            WhyLeftOut::Clash { field, with, with_name } => {
                write!(
                    f,
                    "its {} is that of account {with}, {with_name}, which was written later",
                    field.label()
                )
            }
        }
    }
}
