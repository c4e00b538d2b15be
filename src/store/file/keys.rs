//! The API keys of a file that is being read.

use crate::model::api_key::{ApiKey, KeyId};
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use foldhash::quality::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// API keys by id, and their ids by the account whose they are.
#[derive(Default)]
pub(super) struct Keys {
    keys: HashMap<KeyId, Arc<ApiKey>, RandomState>,
    /// In the order of ids, in which they are revoked when the account is deleted.
    of_accounts: HashMap<AccountSid, BTreeSet<KeyId>, RandomState>,
}

impl Keys {
    pub(super) fn get(&self, id: KeyId) -> Option<&Arc<ApiKey>> {
        self.keys.get(&id)
    }

    /// Adds a key; gives it back if its id is taken.
    pub(super) fn insert(&mut self, key: Arc<ApiKey>) -> Result<(), Arc<ApiKey>> {
        if self.keys.contains_key(&key.id()) {
            return Err(key);
        }
        self.put(key);
        Ok(())
    }

    /// Adds a key, in the place of the one with its id if there is one.
    pub(super) fn put(&mut self, key: Arc<ApiKey>) {
        let owner = key.owner();
        let id = key.id();
        if let Some(before) = self.keys.insert(id, key) {
            if before.owner() == owner {
                return;
            }
            self.forget_owner(&before);
        }
        if let Scope::Account(sid) = owner {
            self.of_accounts.entry(sid).or_default().insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: KeyId) {
        if let Some(key) = self.keys.remove(&id) {
            self.forget_owner(&key);
        }
    }

    fn forget_owner(&mut self, key: &ApiKey) {
        if let Scope::Account(sid) = key.owner()
            && let Some(ids) = self.of_accounts.get_mut(&sid)
        {
            ids.remove(&key.id());
        }
    }

    /// Takes away the keys of an account, in the order of their ids.
    pub(super) fn remove_all_of(&mut self, sid: AccountSid) -> Vec<Arc<ApiKey>> {
        let ids = self.of_accounts.remove(&sid).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.keys.remove(&id)).collect()
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Arc<ApiKey>> {
        self.keys.into_values()
    }
}
