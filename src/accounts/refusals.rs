//! Which accounts of a bulk import were refused, and why.

use crate::model::account::Account;
use crate::model::name::AccountName;
use crate::model::problem::Problems;
use crate::model::sid::AccountSid;
use serde::Serialize;
use std::fmt;

/// Which accounts of an import were refused, in the order in which they were handed over. Never longer than [`Refusals::MAX_LEN`]: of the rest, the number is told.
///
/// In JSON:
/// `{"refused": [{"position": 3, "account_sid": "…", "name": "Acme", "problems": […]}], "more": 0}`, the problems as
/// [`Problem`](crate::Problem) has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Refusals {
    refused: Vec<Refusal>,
    more: usize,
}

/// One account that was refused, and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// Its place among the accounts that were handed over, from 0.
    pub position: usize,
    /// Its SID.
    pub account_sid: AccountSid,
    /// Its name.
    pub name: AccountName,
    /// What is wrong, one entry for each field.
    pub problems: Problems,
}

impl Refusals {
    /// The most that are told one by one.
    pub const MAX_LEN: usize = 1000;

    /// The refused accounts that are told one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Refusal> {
        self.refused.iter()
    }

    /// How many more were refused.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }

    /// How many were refused altogether.
    #[must_use]
    pub fn count(&self) -> usize {
        self.refused.len() + self.more
    }

    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }

    /// Adds an account, if something is wrong with it.
    pub(super) fn add(&mut self, position: usize, account: &Account, problems: Problems) {
        if problems.is_empty() {
            return;
        }
        if self.refused.len() == Self::MAX_LEN {
            self.more += 1;
            return;
        }
        let (account_sid, name) = (account.sid, account.name.clone());
        self.refused.push(Refusal { position, account_sid, name, problems });
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {} {:?}: {}", self.account_sid, self.name, self.problems)
    }
}

/// One line for each, and one for those that are only counted.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refused.iter().try_for_each(|refusal| writeln!(f, "{refusal}"))?;
        if self.more > 0 { writeln!(f, "and {} more", self.more) } else { Ok(()) }
    }
}
