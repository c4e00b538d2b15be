//! What is asked of a store, and what came of it.

use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The number of a commit: 1 for a store's first, one more for each that follows, without gaps. 0 stands for the
/// beginning, before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before the first commit.
    pub const START: Self = Self(0);

    /// The commit of that number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The commit after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Writes that are committed together: all of them or none.
///
/// They take effect in order; each sees what the ones before it did.
#[derive(Debug, Clone)]
pub struct Batch {
    pub(crate) actor: Actor,
    pub(crate) at: Timestamp,
    pub(crate) writes: Vec<Write>,
}

/// One write of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Write {
    /// Adds an account. It is stored with [`Revision::FIRST`], whatever revision it carries.
    Create(Arc<Account>),
    /// Puts this account in the place of the one with its SID. The revision it carries is the one its writer saw;
    /// it is stored with the next.
    Replace(Arc<Account>),
    /// Removes an account.
    Delete {
        /// Which.
        sid: AccountSid,
        /// The revision the writer saw.
        expected: Revision,
    },
}

impl Batch {
    /// A batch without writes, on behalf of this actor, at this time.
    #[must_use]
    pub fn new(actor: Actor, at: Timestamp) -> Self {
        Self { actor, at, writes: Vec::new() }
    }

    /// Adds a write.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The writes, in order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }
}

/// What one commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Its number.
    pub seq: Seq,
    /// On whose behalf.
    pub actor: Actor,
    /// When, by the clock of the writer. It may step back between commits; the number never does.
    pub at: Timestamp,
    /// What happened to which account, in order.
    pub events: Vec<Event>,
}

impl Change {
    /// A change, for a store of one's own that keeps them in a form of its own.
    #[must_use]
    pub fn new(seq: Seq, actor: Actor, at: Timestamp, events: Vec<Event>) -> Self {
        Self { seq, actor, at, events }
    }
}

/// What happened to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was added, as it is here.
    Created(Arc<Account>),
    /// It was changed.
    Replaced {
        /// As it was.
        before: Arc<Account>,
        /// As it is now.
        after: Arc<Account>,
    },
    /// It was removed; this is what it was.
    Deleted(Arc<Account>),
}

impl Event {
    /// The SID of the account.
    #[must_use]
    pub fn sid(&self) -> AccountSid {
        match self {
            Self::Created(account) | Self::Deleted(account) => account.sid(),
            Self::Replaced { after, .. } => after.sid(),
        }
    }

    /// The account as it was before the event; `None` when there was none.
    #[must_use]
    pub fn before(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Replaced { before: account, .. } | Self::Deleted(account) => Some(account),
            Self::Created(_) => None,
        }
    }

    /// Which fields the event changed, of an account that was there before and after; none otherwise.
    #[must_use]
    pub fn changed_fields(&self) -> Vec<Field> {
        match self {
            Self::Replaced { before, after } => before.differences(after),
            Self::Created(_) | Self::Deleted(_) => Vec::new(),
        }
    }

    /// The account as it is after the event; `None` when it is no more.
    #[must_use]
    pub fn after(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Created(account) | Self::Replaced { after: account, .. } => Some(account),
            Self::Deleted(_) => None,
        }
    }
}

/// Why a batch can't be applied. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// Another account has this SID, name or realm.
    #[error("the {field} of account {sid} is that of account {holder} already")]
    Taken {
        /// [`Field::AccountSid`], [`Field::Name`] or [`Field::SipRealm`].
        field: Field,
        /// The account that was to have it.
        sid: AccountSid,
        /// The account that has it.
        holder: AccountSid,
    },
    /// The account was changed since the writer saw it.
    #[error("account {sid} is at revision {actual}, not {expected}")]
    Revision {
        /// The account.
        sid: AccountSid,
        /// The revision the writer saw.
        expected: Revision,
        /// The revision it has.
        actual: Revision,
    },
    /// There is no such account (any more).
    #[error("there is no account {sid}")]
    Missing {
        /// The account.
        sid: AccountSid,
    },
}
