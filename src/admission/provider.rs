//! The sessions of all accounts of one service provider.

use super::sync::{AtomicU64, RwLock};
use crate::model::sid::ServiceProviderSid;
use crate::model::unit::Limit;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A service provider, and what is counted of it.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) sid: ServiceProviderSid,
    pub(super) number: u32,
    /// How many sessions are running, and above 32 bits how many may; [`UNLIMITED`] for any number. In one word, so that no
    /// session is counted by a limit that does not hold any more.
    count: AtomicU64,
}

const UNLIMITED: u32 = u32::MAX;

/// What a service provider's count is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProviderCount {
    pub(super) active: u32,
    /// [`UNLIMITED`] for any number.
    maximum: u32,
}

impl ProviderCount {
    fn of(word: u64) -> Self {
        Self { active: (word & u64::from(u32::MAX)) as u32, maximum: (word >> 32) as u32 }
    }

    fn word(self) -> u64 {
        u64::from(self.maximum) << 32 | u64::from(self.active)
    }

    pub(super) fn maximum(self) -> Limit {
        if self.maximum == UNLIMITED { Limit::Unlimited } else { Limit::AtMost(self.maximum) }
    }
}

impl Provider {
    pub(super) fn count(&self) -> ProviderCount {
        ProviderCount::of(self.count.load(Ordering::SeqCst))
    }

    /// Counts a session, if there may be one more; else, how many there are, and may be.
    #[inline]
    pub(super) fn try_count(&self) -> Result<(), (u32, u32)> {
        let one_more = |word| {
            let ProviderCount { active, maximum } = ProviderCount::of(word);
            (active < maximum).then(|| ProviderCount { active: active + 1, maximum }.word())
        };
        match self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more) {
            Ok(_) => Ok(()),
            Err(word) => {
                let ProviderCount { active, maximum } = ProviderCount::of(word);
                Err((active, maximum))
            }
        }
    }

    /// Counts a session that is running, whether or not there may be one more.
    pub(super) fn count_up(&self) {
        self.change(|count| ProviderCount { active: count.active.saturating_add(1), ..count });
    }

    #[inline]
    pub(super) fn count_down(&self) {
        self.change(|count| ProviderCount { active: count.active.saturating_sub(1), ..count });
    }

    pub(super) fn limit(&self, maximum: Limit) {
        let maximum = match maximum {
            Limit::AtMost(most) => most,
            Limit::Unlimited => UNLIMITED,
        };
        self.change(|count| ProviderCount { maximum, ..count });
    }

    fn change(&self, change: impl Fn(ProviderCount) -> ProviderCount) {
        let changed = |word| Some(change(ProviderCount::of(word)).word());
        // It is always changed.
        let _ = self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, changed);
    }
}

/// Every service provider that an account has, or whose sessions were limited. None is ever forgotten.
#[derive(Debug)]
pub(super) struct Providers(RwLock<Known>);

#[derive(Debug)]
struct Known {
    numbers: HashMap<ServiceProviderSid, u32>,
    /// By their numbers.
    all: Vec<Arc<Provider>>,
}

impl Providers {
    pub(super) fn new() -> Self {
        Self(RwLock::new(Known { numbers: HashMap::new(), all: Vec::new() }))
    }

    pub(super) fn get(&self, sid: ServiceProviderSid) -> Option<Arc<Provider>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.all.get(usize::try_from(*known.numbers.get(&sid)?).ok()?).cloned()
    }

    pub(super) fn by_number(&self, number: u32) -> Option<Arc<Provider>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.all.get(usize::try_from(number).ok()?).cloned()
    }

    pub(super) fn get_or_add(&self, sid: ServiceProviderSid) -> Arc<Provider> {
        if let Some(provider) = self.get(sid) {
            return provider;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Known { numbers, all } = &mut *known;
        let number = *numbers.entry(sid).or_insert_with(|| {
            let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let count = AtomicU64::new(ProviderCount { active: 0, maximum: UNLIMITED }.word());
            all.push(Arc::new(Provider { sid, number, count }));
            number
        });
        Arc::clone(&all[number as usize])
    }
}
