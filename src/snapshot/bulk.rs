//! Adding many accounts at once.

use super::State;
use super::batch::Event;
use super::trie::Entry;
use crate::model::account::Account;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use foldhash::quality::SeedableRandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// From this many accounts on, other threads take their part: that of fewer takes no longer than starting them.
const WORTH_THREADS: usize = 50_000;

/// From this many accounts on, and if there are at least a quarter as many as are here already, they are added at
/// once. The ordered sets are made anew then, which costs by all that is in them.
const WORTH_BULK: usize = 10_000;

/// What goes into the parts of a [`State`].
struct Entries {
    by_sid: Vec<Entry<Arc<Account>>>,
    by_name: Vec<Entry<AccountSid>>,
    by_realm: Vec<Entry<Arc<Account>>>,
    sids: Vec<AccountSid>,
    sids_of_providers: Vec<(ServiceProviderSid, Option<AccountSid>)>,
}

impl State {
    pub(super) fn is_worth_bulk(&self, accounts: usize) -> bool {
        accounts >= WORTH_BULK && accounts >= self.sids.len() / 4
    }

    /// The state after these events, but with the same number; `None` when doing one after the other is cheaper or
    /// must tell what is in the way.
    pub(super) fn after_creating(&self, events: &[Event]) -> Option<Self> {
        fn created(event: &Event) -> Option<&Arc<Account>> {
            match event {
                Event::Created(account) => Some(account),
                _ => None,
            }
        }
        if !self.is_worth_bulk(events.len()) {
            return None;
        }
        let accounts: Vec<&Arc<Account>> = events.iter().map(created).collect::<Option<_>>()?;
        let mut state = self.clone();
        state.insert_in_bulk(&accounts).then_some(state)
    }

    /// Adds these accounts, if no two hashes are the same, among them and what is here. If two are, then most
    /// likely something is taken; adding one after the other tells, and this state is of no more use.
    pub(super) fn insert_in_bulk(&mut self, accounts: &[&Arc<Account>]) -> bool {
        let threads = match accounts.len() {
            WORTH_THREADS.. => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            _ => 1,
        };
        self.insert_on_threads(accounts, threads)
    }

    pub(super) fn insert_on_threads(&mut self, accounts: &[&Arc<Account>], threads: usize) -> bool {
        let entries = Entries::of(accounts, &self.hasher, threads);
        let ((sids_differ, realms_differ), names_differ) = both(
            threads >= 2,
            || {
                both(
                    threads >= 3,
                    || self.by_sid.extend(entries.by_sid),
                    || self.by_realm.extend(entries.by_realm),
                )
            },
            || {
                self.sids.extend(entries.sids);
                self.sids_of_providers.extend(entries.sids_of_providers);
                self.by_name.extend(entries.by_name)
            },
        );
        sids_differ && realms_differ && names_differ
    }
}

impl Entries {
    fn of(accounts: &[&Arc<Account>], hasher: &SeedableRandomState, threads: usize) -> Self {
        if threads >= 2 {
            let (left, right) = accounts.split_at(accounts.len() / 2);
            let (mut all, mut right) = both(
                true,
                || Self::of(left, hasher, threads / 2),
                || Self::of(right, hasher, threads - threads / 2),
            );
            all.append(&mut right);
            return all;
        }
        let mut all = Self::with_capacity(accounts.len());
        for account in accounts {
            all.push(account, hasher);
        }
        all
    }

    fn with_capacity(accounts: usize) -> Self {
        Self {
            by_sid: Vec::with_capacity(accounts),
            by_name: Vec::with_capacity(accounts),
            by_realm: Vec::with_capacity(accounts),
            sids: Vec::with_capacity(accounts),
            sids_of_providers: Vec::with_capacity(accounts),
        }
    }

    fn push(&mut self, account: &Arc<Account>, hasher: &SeedableRandomState) {
        let sid = account.sid;
        self.by_sid.push(Entry::new(hasher.hash_one(sid), Arc::clone(account)));
        self.by_name.push(Entry::new(hasher.hash_one(&*account.name.folded()), sid));
        if let Some(realm) = account.sip_realm() {
            self.by_realm.push(Entry::new(hasher.hash_one(realm.as_str()), Arc::clone(account)));
        }
        self.sids.push(sid);
        if let Some(provider) = account.service_provider {
            self.sids_of_providers.push((provider, Some(sid)));
        }
    }

    fn append(&mut self, more: &mut Self) {
        self.by_sid.append(&mut more.by_sid);
        self.by_name.append(&mut more.by_name);
        self.by_realm.append(&mut more.by_realm);
        self.sids.append(&mut more.sids);
        self.sids_of_providers.append(&mut more.sids_of_providers);
    }
}

/// What both give; the first on a thread of its own, if that is asked for and the system has one.
fn both<A: Send, B>(
    on_two_threads: bool,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if !on_two_threads {
        return (first(), second());
    }
    // Here, not in the thread's closure, which is lost when the thread can't be started.
    let first = Mutex::new(Some(first));
    let run = || {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.expect("it is run once: on the other thread, or here if there is none")()
    };
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, run);
        let second = second();
        let first = match other {
            Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => run(),
        };
        (first, second)
    })
}
