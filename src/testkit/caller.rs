//! Calls to a store that wait for the answer, and in which no store is expected to fail.

use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{
    AccountHistory, Change, Conflict, HistoryPage, KeyWrite, Listing, Page, Seq, Snapshot, Write,
};
use crate::store::{AccountStore, CommitError, Feed, StoreError};
use crate::testkit::executor::block_on;
use crate::testkit::sample::batch;
use std::sync::Arc;

#[derive(Clone, Copy)]
pub(crate) struct Caller<'a>(&'a dyn AccountStore);

impl<'a> Caller<'a> {
    pub(crate) fn new(store: &'a impl AccountStore) -> Self {
        Self(store)
    }

    pub(crate) fn store(self) -> &'a dyn AccountStore {
        self.0
    }

    /// Commits what may contradict what is there.
    #[track_caller]
    pub(crate) fn attempt(self, writes: impl IntoIterator<Item = Write>) -> Result<Arc<Change>, Conflict> {
        match block_on(self.0.commit(batch(writes))) {
            Ok(change) => Ok(change),
            Err(CommitError::Conflict(conflict)) => Err(conflict),
            Err(CommitError::Store(error)) => failed(&error),
        }
    }

    #[track_caller]
    pub(crate) fn commit(self, writes: impl IntoIterator<Item = Write>) -> Arc<Change> {
        match self.attempt(writes) {
            Ok(change) => change,
            Err(conflict) => panic!("a commit that contradicts nothing was refused: {conflict}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(self, writes: impl IntoIterator<Item = Write>) -> Conflict {
        match self.attempt(writes) {
            Ok(change) => panic!("a commit that contradicts what is there was accepted: {change:#?}"),
            Err(conflict) => conflict,
        }
    }

    /// Creates an account, and gives it as the store has it.
    #[track_caller]
    pub(crate) fn create(self, account: Account) -> Arc<Account> {
        after(&self.commit([create(account)]))
    }

    /// Replaces an account, and gives it as the store has it.
    #[track_caller]
    pub(crate) fn replace(self, account: Account) -> Arc<Account> {
        after(&self.commit([replace(account)]))
    }

    #[track_caller]
    pub(crate) fn by_sid(self, sid: AccountSid) -> Option<Arc<Account>> {
        answer(block_on(self.0.by_sid(sid)))
    }

    #[track_caller]
    pub(crate) fn by_name(self, name: &AccountName) -> Option<Arc<Account>> {
        answer(block_on(self.0.by_name(name)))
    }

    #[track_caller]
    pub(crate) fn by_realm(self, realm: &SipRealm) -> Option<Arc<Account>> {
        answer(block_on(self.0.by_realm(realm)))
    }

    #[track_caller]
    pub(crate) fn key(self, id: KeyId) -> Option<Arc<ApiKey>> {
        answer(block_on(self.0.key(id)))
    }

    #[track_caller]
    pub(crate) fn keys(self, owner: Scope) -> Vec<Arc<ApiKey>> {
        answer(block_on(self.0.keys(owner)))
    }

    #[track_caller]
    pub(crate) fn page(self, listing: Listing) -> Page {
        answer(block_on(self.0.list(&listing)))
    }

    /// All pages of a listing, checked to be no longer than asked for and in the order of their SIDs.
    #[track_caller]
    pub(crate) fn pages(self, listing: Listing) -> Vec<Arc<Account>> {
        let mut all: Vec<Arc<Account>> = Vec::new();
        let (mut page, mut after) = (self.page(listing), listing.start());
        loop {
            assert!(page.accounts.len() <= listing.size(), "a page is longer than asked for: {page:#?}");
            for account in page.accounts {
                if let Some(last) = all.last() {
                    assert!(last.sid() < account.sid(), "{} is listed after {}", account.sid(), last.sid());
                }
                all.push(account);
            }
            let Some(next) = page.next else { return all };
            assert!(after.is_none_or(|after| after < next), "a page after {after:?} names {next} as its end");
            after = Some(next);
            page = self.page(listing.after(next));
        }
    }

    #[track_caller]
    pub(crate) fn feed(self, after: Seq, limit: usize) -> Feed {
        answer(block_on(self.0.changes(after, limit)))
    }

    /// The feed of a store that is young enough to have all of it, checked to be no longer than asked for, in
    /// order and without gaps.
    #[track_caller]
    pub(crate) fn changes(self, after: Seq, limit: usize) -> Vec<Arc<Change>> {
        match self.feed(after, limit) {
            Feed::Changes(changes) => {
                assert!(
                    changes.len() <= limit,
                    "the feed gives {} changes, not at most {limit}",
                    changes.len()
                );
                let mut expected = after;
                for change in &changes {
                    expected = expected.next();
                    assert_eq!(
                        change.seq, expected,
                        "the feed after commit {after} is not in order or has gaps"
                    );
                }
                changes
            }
            Feed::Trimmed { oldest } => panic!(
                "the feed begins at commit {oldest}: a backend under test must keep more changes than that (see Backend)"
            ),
        }
    }

    /// The whole feed.
    #[track_caller]
    pub(crate) fn all_changes(self) -> Vec<Arc<Change>> {
        self.changes(Seq::START, usize::MAX)
    }

    #[track_caller]
    pub(crate) fn history(self, history: &AccountHistory) -> HistoryPage {
        answer(block_on(self.0.history(history)))
    }

    #[track_caller]
    pub(crate) fn wait_past(self, after: Seq) -> Seq {
        answer(block_on(self.0.wait_past(after)))
    }

    #[track_caller]
    pub(crate) fn snapshot(self) -> Snapshot {
        answer(block_on(self.0.snapshot()))
    }

    /// Every account and every key, each with everything: what must not differ when nothing was to change.
    #[track_caller]
    pub(crate) fn content(self) -> Content {
        content(&self.snapshot())
    }
}

/// The number of the last commit, the accounts, and the keys.
pub(crate) type Content = (Seq, Vec<Arc<Account>>, Vec<Arc<ApiKey>>);

pub(crate) fn content(snapshot: &Snapshot) -> Content {
    (snapshot.seq(), snapshot.iter().cloned().collect(), snapshot.keys().cloned().collect())
}

#[track_caller]
fn answer<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| failed(&error))
}

#[track_caller]
fn failed(error: &StoreError) -> ! {
    panic!("the store failed: {error} ({:?}, {:?})", error.kind(), std::error::Error::source(error))
}

/// What the first event of a change left.
#[track_caller]
fn after(change: &Change) -> Arc<Account> {
    match change.events.as_slice() {
        [event] => Arc::clone(event.after().expect("the event of a create or replace is that of a delete")),
        events => panic!("a commit of one write has {} events", events.len()),
    }
}

pub(crate) fn create(account: Account) -> Write {
    Write::Create(Arc::new(account))
}

/// Brings an account from elsewhere.
pub(crate) fn restore(account: Account) -> Write {
    Write::Restore(Arc::new(account))
}

/// The write of an account that was changed since it was read.
pub(crate) fn replace(account: Account) -> Write {
    Write::Replace(Arc::new(account))
}

pub(crate) fn delete(account: &Account) -> Write {
    Write::Delete { sid: account.sid(), expected: account.revision() }
}

/// Adds a key to an owner that may have very many.
pub(crate) fn add_key(key: ApiKey) -> Write {
    add_key_at_most(key, usize::MAX)
}

pub(crate) fn add_key_at_most(key: ApiKey, at_most: usize) -> Write {
    Write::Key(KeyWrite::Add { key: Arc::new(key), at_most })
}

/// Brings a key from elsewhere.
pub(crate) fn restore_key(key: ApiKey) -> Write {
    Write::Key(KeyWrite::Restore(Arc::new(key)))
}

/// The write of a key that was changed since it was read.
pub(crate) fn replace_key(key: ApiKey) -> Write {
    Write::Key(KeyWrite::Replace(Arc::new(key)))
}

pub(crate) fn revoke_key(key: &ApiKey) -> Write {
    Write::Key(KeyWrite::Revoke { id: key.id(), expected: key.revision() })
}
