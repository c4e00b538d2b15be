//! The sessions of all accounts of one service provider.

use super::sync::{Mutex, MutexGuard, RwLock, lock};
use crate::model::sid::ServiceProviderSid;
use crate::model::unit::Limit;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

/// A service provider, and what is counted of it. It is locked after the ledger of an account.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) sid: ServiceProviderSid,
    count: Mutex<ProviderCount>,
}

#[derive(Debug)]
pub(super) struct ProviderCount {
    pub(super) active: u32,
    pub(super) maximum: Limit,
}

impl Provider {
    pub(super) fn count(&self) -> MutexGuard<'_, ProviderCount> {
        lock(&self.count)
    }
}

/// Every service provider that an account has, or whose sessions were limited.
#[derive(Debug)]
pub(super) struct Providers(RwLock<HashMap<ServiceProviderSid, Arc<Provider>>>);

impl Providers {
    pub(super) fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    pub(super) fn get(&self, sid: ServiceProviderSid) -> Option<Arc<Provider>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&sid).cloned()
    }

    pub(super) fn get_or_add(&self, sid: ServiceProviderSid) -> Arc<Provider> {
        if let Some(provider) = self.get(sid) {
            return provider;
        }
        let new = || {
            let count = ProviderCount { active: 0, maximum: Limit::Unlimited };
            Arc::new(Provider { sid, count: Mutex::new(count) })
        };
        let mut providers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(providers.entry(sid).or_insert_with(new))
    }
}
