//! The locks, which are those of a model checker when it checks.

use std::sync::PoisonError;

#[cfg(gateway_accounts_loom)]
pub(super) use loom::sync::{Mutex, MutexGuard, RwLock, atomic::AtomicU64};
#[cfg(not(gateway_accounts_loom))]
pub(super) use std::sync::{Mutex, MutexGuard, RwLock, atomic::AtomicU64};

/// Locks, also after a panic: nothing that is locked here is left by half.
#[inline]
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
