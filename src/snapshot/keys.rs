//! API keys in the snapshot: what can be written of them, and what that does.

use super::State;
use super::batch::{Conflict, Event};
use crate::model::account::Revision;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use std::sync::Arc;

/// A write of one API key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyWrite {
    /// Adds a key, stored with [`Revision::FIRST`], if its owner has fewer than so many. If the owner is an account, it
    /// must be there.
    Add {
        /// The key.
        key: Arc<ApiKey>,
        /// How many keys its owner may have with it; [`usize::MAX`] for any number.
        at_most: usize,
    },
    /// Adds a key as it was elsewhere, with its revision and when it was last used. What is checked is what is checked of
    /// [`KeyWrite::Add`], but for how many keys its owner has: who brings keys from elsewhere does not refuse some of them
    /// because fewer are allowed today. The event is the same.
    Restore(Arc<ApiKey>),
    /// Puts this key in the place of the one with its id, which has the same owner. The revision it carries is the one
    /// its writer saw; it is stored with the next. When the key was last used stays as it is, if that is later.
    Replace(Arc<ApiKey>),
    /// Removes a key.
    Revoke {
        /// Which.
        id: KeyId,
        /// The revision the writer saw.
        expected: Revision,
    },
    /// Notes when a key was used. Its revision stays as it is, and no event tells of it: what is kept of the changes is not
    /// to be filled with uses, and whoever follows the feed has them as of the snapshot it began with. Nothing happens if
    /// the key is not there any more, or was used later.
    Use {
        /// Which.
        id: KeyId,
        /// When.
        at: Timestamp,
    },
}

/// What happened to an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEvent {
    /// It was added, as it is here: at the first revision or, if it was brought from elsewhere, at any.
    Added(Arc<ApiKey>),
    /// It was changed.
    Replaced {
        /// As it was.
        before: Arc<ApiKey>,
        /// As it is now.
        after: Arc<ApiKey>,
    },
    /// It was removed; this is what it was. So are all keys of an account before it is deleted.
    Revoked(Arc<ApiKey>),
}

impl KeyEvent {
    /// The key as it was before the event; `None` when there was none.
    #[must_use]
    pub fn before(&self) -> Option<&Arc<ApiKey>> {
        match self {
            Self::Replaced { before: key, .. } | Self::Revoked(key) => Some(key),
            Self::Added(_) => None,
        }
    }

    /// The key as it is after the event; `None` when it is no more.
    #[must_use]
    pub fn after(&self) -> Option<&Arc<ApiKey>> {
        match self {
            Self::Added(key) | Self::Replaced { after: key, .. } => Some(key),
            Self::Revoked(_) => None,
        }
    }

    /// The key: as it is after the event or, when it is no more, as it was.
    #[must_use]
    pub fn key(&self) -> &Arc<ApiKey> {
        match self {
            Self::Added(key) | Self::Replaced { after: key, .. } | Self::Revoked(key) => key,
        }
    }

    /// The account whose key it is; `None` of a service provider's or an admin's.
    #[must_use]
    pub fn account_sid(&self) -> Option<AccountSid> {
        account_of(self.key())
    }
}

fn account_of(key: &ApiKey) -> Option<AccountSid> {
    match key.owner {
        Scope::Account(sid) => Some(sid),
        Scope::ServiceProvider(_) | Scope::Admin => None,
    }
}

impl State {
    pub(super) fn key(&self, id: KeyId) -> Option<&Arc<ApiKey>> {
        self.keys.get(self.hash(id), |key| key.id == id)
    }

    /// The keys of an owner, in the order of their ids.
    pub(super) fn keys_of(&self, owner: Scope) -> impl Iterator<Item = &Arc<ApiKey>> {
        let rest = self.keys_of_owners.after(Some(&(owner, None)));
        rest.take_while(move |(of, _)| *of == owner).filter_map(|(_, id)| self.key((*id)?))
    }

    /// What a write does here, that events tell of.
    pub(super) fn key_event(&self, write: &KeyWrite) -> Result<Option<KeyEvent>, Conflict> {
        let current = |id, expected| {
            let key = self.key(id).ok_or(Conflict::KeyMissing { id })?;
            let actual = key.revision;
            if actual == expected { Ok(key) } else { Err(Conflict::KeyRevision { id, expected, actual }) }
        };
        Ok(Some(match write {
            KeyWrite::Add { key, at_most } => {
                let owner = key.owner;
                // Counting them takes long when there are many, as in an import, which has no limit.
                let is_full = || self.keys_of(owner).take(*at_most).count() >= *at_most;
                if *at_most < usize::MAX && is_full() {
                    return Err(Conflict::TooManyKeys { owner, at_most: *at_most });
                }
                KeyEvent::Added(with(key, Revision::FIRST, key.last_used))
            }
            KeyWrite::Restore(key) => KeyEvent::Added(Arc::clone(key)),
            KeyWrite::Replace(key) => {
                let before = current(key.id, key.revision)?;
                let last_used = key.last_used.max(before.last_used);
                let after = with(key, key.revision.next(), last_used);
                KeyEvent::Replaced { before: Arc::clone(before), after }
            }
            KeyWrite::Revoke { id, expected } => KeyEvent::Revoked(Arc::clone(current(*id, *expected)?)),
            KeyWrite::Use { .. } => return Ok(None),
        }))
    }

    /// Makes an event true, if it does not contradict what is here. After a conflict, the state is as it was.
    pub(super) fn take_key(&mut self, event: &KeyEvent) -> Result<(), Conflict> {
        let id = event.key().id;
        let has = |expected: Revision, actual: Revision| {
            if expected == actual { Ok(()) } else { Err(Conflict::KeyRevision { id, expected, actual }) }
        };
        match (event, self.key(id)) {
            (KeyEvent::Added(key), _) => {
                self.check_new_key(key)?;
                self.insert_key(Arc::clone(key));
            }
            (_, None) => return Err(Conflict::KeyMissing { id }),
            (KeyEvent::Replaced { after, .. }, Some(now)) => {
                has(now.revision.next(), after.revision)?;
                if now.owner != after.owner {
                    return Err(Conflict::KeyTaken { id });
                }
                self.replace_key(after);
            }
            (KeyEvent::Revoked(key), Some(now)) => {
                has(now.revision, key.revision)?;
                self.remove_key(id);
            }
        }
        Ok(())
    }

    /// That there is no key of its id, and the account whose it is.
    pub(super) fn check_new_key(&self, key: &ApiKey) -> Result<(), Conflict> {
        if self.key(key.id).is_some() {
            return Err(Conflict::KeyTaken { id: key.id });
        }
        match account_of(key) {
            Some(sid) if self.by_sid(sid).is_none() => Err(Conflict::Missing { sid }),
            _ => Ok(()),
        }
    }

    /// Notes a use.
    pub(super) fn use_key(&mut self, id: KeyId, at: Timestamp) {
        if let Some(before) = self.key(id)
            && before.last_used < Some(at)
        {
            let after = with(before, before.revision, Some(at));
            self.replace_key(&after);
        }
    }

    /// Adds a key that is not there.
    pub(super) fn insert_key(&mut self, key: Arc<ApiKey>) {
        self.keys_of_owners.insert((key.owner, Some(key.id)));
        self.keys.insert(self.hash(key.id), key);
    }

    fn replace_key(&mut self, after: &Arc<ApiKey>) {
        self.keys.replace(self.hash(after.id), Arc::clone(after), |key| key.id == after.id);
    }

    fn remove_key(&mut self, id: KeyId) {
        if let Some(removed) = self.keys.remove(self.hash(id), |key| key.id == id) {
            self.keys_of_owners.remove(&(removed.owner, Some(id)));
        }
    }

    /// Removes what keys an account still has.
    pub(super) fn remove_keys_of(&mut self, sid: AccountSid) {
        let ids: Vec<KeyId> = self.keys_of(Scope::Account(sid)).map(|key| key.id).collect();
        ids.into_iter().for_each(|id| self.remove_key(id));
    }

    /// That the keys of an account go, before it does.
    pub(super) fn revocations(&self, sid: AccountSid) -> impl Iterator<Item = Event> {
        self.keys_of(Scope::Account(sid)).map(|key| Event::Key(KeyEvent::Revoked(Arc::clone(key))))
    }
}

/// A key with this revision and use.
fn with(key: &Arc<ApiKey>, revision: Revision, last_used: Option<Timestamp>) -> Arc<ApiKey> {
    if (key.revision, key.last_used) == (revision, last_used) {
        return Arc::clone(key);
    }
    Arc::new(ApiKey { revision, last_used, ..ApiKey::clone(key) })
}
