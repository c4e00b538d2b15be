//! The history of one account, page by page.

use crate::access::Actor;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Change, Event, Seq};
use std::sync::Arc;

/// Which page of the history of one account is asked for.
///
/// A history is read newest first, and by commits: what one commit did to the account is never split between two
/// pages. A commit never changes, and new ones come at the front; so the pages that follow a first one have every
/// change from before it exactly once, whatever is written between them.
///
/// ```
/// use gateway_accounts::{AccountHistory, AccountSid, Seq};
/// let sid = AccountSid::parse("06b5fe07-1d99-422b-902a-3b343f675413")?;
/// let second = AccountHistory::of(sid).limit(20).before(Seq::new(812));
/// assert_eq!(second.size(), 20);
/// # Ok::<(), gateway_accounts::SidError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountHistory {
    sid: AccountSid,
    before: Option<Seq>,
    limit: usize,
}

impl AccountHistory {
    /// How many commits a page has when nothing is said.
    pub const DEFAULT_LIMIT: usize = 50;

    /// The most commits of a page.
    pub const MAX_LIMIT: usize = 1000;

    /// The first page, which has the newest changes, of the account of this SID.
    #[must_use]
    pub fn of(sid: AccountSid) -> Self {
        Self { sid, before: None, limit: Self::DEFAULT_LIMIT }
    }

    /// At most so many commits; less than 1 is read as 1, more than [`AccountHistory::MAX_LIMIT`] as that many. Through
    /// [`Accounts`](crate::Accounts), a commit changes an account once; one that changes it several times makes as
    /// many entries.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// Only what was before this commit, which [`HistoryPage::next`] of the page before gave.
    #[must_use]
    pub fn before(mut self, before: Seq) -> Self {
        self.before = Some(before);
        self
    }

    /// Whose history.
    #[must_use]
    pub fn sid(&self) -> AccountSid {
        self.sid
    }

    /// Before which commit it starts; `None` for the newest.
    #[must_use]
    pub fn start(&self) -> Option<Seq> {
        self.before
    }

    /// How many commits it has at most: 1 to [`AccountHistory::MAX_LIMIT`].
    #[must_use]
    pub fn size(&self) -> usize {
        self.limit
    }
}

/// One thing that happened to the account, or to an API key of it. (That a key was used is not part of a history.)
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The commit.
    pub seq: Seq,
    /// On whose behalf.
    pub actor: Actor,
    /// When, by the clock of the writer.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

impl HistoryEntry {
    /// An entry, for a store of one's own that keeps them in a form of its own.
    #[must_use]
    pub fn new(seq: Seq, actor: Actor, at: Timestamp, event: Event) -> Self {
        Self { seq, actor, at, event }
    }
}

/// One page of the history of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryPage {
    /// What happened, newest first: the newest commit first, and in it the last event.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page starts, if there is more: give it to [`AccountHistory::before`].
    pub next: Option<Seq>,
    /// Whether this is the last page, and changes before its entries are not kept any more: the history does not
    /// reach back to the creation of the account. (One that was deleted and imported again with its SID was created
    /// twice; what was before the deletion may then not be kept, and this does not tell.)
    pub trimmed: bool,
}

impl HistoryPage {
    /// A page, from the commits that changed the account, newest first, of which there may be one more than asked
    /// for: then there is a next page. Otherwise `complete` says whether the store keeps all commits before them.
    #[must_use]
    pub fn from_one_more<'a>(
        changes: impl IntoIterator<Item = &'a Arc<Change>>,
        complete: bool,
        history: &AccountHistory,
    ) -> Self {
        let mut page = Self { entries: Vec::new(), next: None, trimmed: false };
        for (nth, change) in changes.into_iter().enumerate() {
            if nth == history.size() {
                page.next = page.entries.last().map(|entry| entry.seq);
                return page;
            }
            let own = change.events.iter().rev().filter(|event| event.is_told_of(history.sid()));
            page.entries.extend(
                own.map(|event| {
                    HistoryEntry::new(change.seq, change.actor.clone(), change.at, event.clone())
                }),
            );
        }
        page.trimmed = match page.entries.last() {
            // Also one about a key: the account was there before it.
            Some(oldest) => !matches!(oldest.event, Event::Created(_)),
            None => !complete,
        };
        page
    }
}
