//! What is asked of a store, and what came of it.

use super::keys::{KeyEvent, KeyWrite};
use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::api_key::KeyId;
use crate::model::field::Field;
use crate::model::minutes_used::MinutesUsed;
use crate::model::scope::Scope;
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
    progress: Option<Watcher>,
}

/// How far a store has come with writing a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteProgress {
    /// How many of its writes are done. They are not committed before all are.
    pub done: usize,
    /// How many it has.
    pub total: usize,
}

/// Who wants to know of the progress.
#[derive(Clone)]
struct Watcher(Arc<dyn Fn(WriteProgress) + Send + Sync>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a function)")
    }
}

/// One write of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Write {
    /// Adds an account. It is stored with [`Revision::FIRST`], whatever revision it carries.
    Create(Arc<Account>),
    /// Adds an account as it was elsewhere, with its revision, its times and the minutes it has used: for bringing accounts
    /// from one store into another ([`StoreCopy`](crate::StoreCopy)). What is checked is what is checked of [`Write::Create`], and the event is the same.
    Restore(Arc<Account>),
    /// Puts this account in the place of the one with its SID. The revision it carries is the one its writer saw;
    /// it is stored with the next.
    Replace(Arc<Account>),
    /// Removes an account, and its API keys.
    Delete {
        /// Which.
        sid: AccountSid,
        /// The revision the writer saw.
        expected: Revision,
    },
    /// Writes an API key.
    Key(KeyWrite),
    /// Notes the minutes that an account has used, in place of what was noted before. Its revision stays as it is, and no event
    /// tells of it: what is kept of the changes is not to be filled with minutes, and whoever follows the feed has them as of
    /// the snapshot it began with. An edit leaves them as they are. Nothing happens if the account is not there any more.
    MinutesUsed {
        /// Which account.
        sid: AccountSid,
        /// What it has used.
        used: Arc<MinutesUsed>,
    },
}

impl Batch {
    /// A batch without writes, on behalf of this actor, at this time.
    #[must_use]
    pub fn new(actor: Actor, at: Timestamp) -> Self {
        Self { actor, at, writes: Vec::new(), progress: None }
    }

    /// Adds a write.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds many writes, in order.
    #[must_use]
    pub fn with_all(mut self, writes: impl IntoIterator<Item = Write>) -> Self {
        self.writes.extend(writes);
        self
    }

    /// The same batch, with somebody who is told how far it has come: for a progress bar. The store calls the function
    /// from whatever thread it writes on, as often as it thinks useful; a store that is done at once may never call
    /// it. It must return soon, and must not call the store.
    ///
    /// ```
    /// use gateway_accounts::{Actor, Batch, Timestamp};
    /// let batch = Batch::new(Actor::admin("jane")?, Timestamp::default())
    ///     .on_progress(|progress| println!("{} of {}", progress.done, progress.total));
    /// # Ok::<(), gateway_accounts::SubjectError>(())
    /// ```
    #[must_use]
    pub fn on_progress(mut self, watch: impl Fn(WriteProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Watcher(Arc::new(watch)));
        self
    }

    /// For a store: says that so many of the writes are done. A store that writes large batches calls this every few
    /// thousand writes; it costs next to nothing when nobody wants to know.
    pub fn report(&self, done: usize) {
        if let Some(Watcher(watch)) = &self.progress {
            let total = self.writes.len();
            watch(WriteProgress { done: done.min(total), total });
        }
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
    /// What happened to which account or API key, in order.
    pub events: Vec<Event>,
}

impl Change {
    /// A change, for a store of one's own that keeps them in a form of its own.
    #[must_use]
    pub fn new(seq: Seq, actor: Actor, at: Timestamp, events: Vec<Event>) -> Self {
        Self { seq, actor, at, events }
    }
}

/// What happened to an account, or to an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was added, as it is here: at the first revision or, if it was brought from elsewhere, at any.
    Created(Arc<Account>),
    /// It was changed.
    Replaced {
        /// As it was.
        before: Arc<Account>,
        /// As it is now.
        after: Arc<Account>,
    },
    /// It was removed; this is what it was. Before it, the same commit says that its API keys were revoked, each of
    /// those that there were.
    Deleted(Arc<Account>),
    /// Something happened to an API key.
    Key(KeyEvent),
}

impl Event {
    /// The SID of the account that it happened to, or whose key; `None` when the key is a service provider's or an
    /// admin's.
    #[must_use]
    pub fn sid(&self) -> Option<AccountSid> {
        match self {
            Self::Created(account) | Self::Deleted(account) => Some(account.sid()),
            Self::Replaced { after, .. } => Some(after.sid()),
            Self::Key(event) => event.account_sid(),
        }
    }

    /// Whether it is part of the history of this account: all that happened to it and to its keys.
    #[must_use]
    pub fn is_told_of(&self, sid: AccountSid) -> bool {
        self.sid() == Some(sid)
    }

    /// The account as it was before the event; `None` when there was none, and when the event is about a key.
    #[must_use]
    pub fn before(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Replaced { before: account, .. } | Self::Deleted(account) => Some(account),
            Self::Created(_) | Self::Key(_) => None,
        }
    }

    /// Which fields the event changed, of an account that was there before and after; none otherwise.
    #[must_use]
    pub fn changed_fields(&self) -> Vec<Field> {
        match self {
            Self::Replaced { before, after } => before.differences(after),
            Self::Created(_) | Self::Deleted(_) | Self::Key(_) => Vec::new(),
        }
    }

    /// The account as it is after the event; `None` when it is no more, and when the event is about a key.
    #[must_use]
    pub fn after(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Created(account) | Self::Replaced { after: account, .. } => Some(account),
            Self::Deleted(_) | Self::Key(_) => None,
        }
    }

    /// What happened to which key, when it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&KeyEvent> {
        match self {
            Self::Key(event) => Some(event),
            Self::Created(_) | Self::Replaced { .. } | Self::Deleted(_) => None,
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
    /// There is a key of this id already, or the one that there is belongs to another owner.
    #[error("the id of API key {id} is taken")]
    KeyTaken {
        /// The key.
        id: KeyId,
    },
    /// The key was changed since the writer saw it.
    #[error("API key {id} is at revision {actual}, not {expected}")]
    KeyRevision {
        /// The key.
        id: KeyId,
        /// The revision the writer saw.
        expected: Revision,
        /// The revision it has.
        actual: Revision,
    },
    /// There is no such key (any more).
    #[error("there is no API key {id}")]
    KeyMissing {
        /// The key.
        id: KeyId,
    },
    /// The owner has as many keys as it may have.
    #[error("there are {at_most} API keys of the owner already")]
    TooManyKeys {
        /// Whose they are.
        owner: Scope,
        /// How many it may have.
        at_most: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn progress_is_told_to_who_asked() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let writes = |n: usize| {
            let sid = "06b5fe07-1d99-422b-902a-3b343f675413".parse().unwrap();
            vec![Write::Delete { sid, expected: Revision::FIRST }; n]
        };
        let batch = Batch::new(Actor::admin("jane").unwrap(), Timestamp::default()).with_all(writes(3));
        batch.report(1);
        let watch = Arc::clone(&told);
        let watched = batch.on_progress(move |progress| watch.lock().unwrap().push(progress));
        // Also of a copy, and never more than there are.
        watched.report(1);
        watched.clone().with_all(writes(2)).report(4);
        watched.report(9);
        let told: Vec<_> = told.lock().unwrap().iter().map(|told| (told.done, told.total)).collect();
        assert_eq!(told, [(1, 3), (4, 5), (3, 3)]);
        assert!(format!("{watched:?}").contains("(a function)"));
    }
}
