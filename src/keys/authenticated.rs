//! Who has shown an API key.

use super::auth_error::AuthError;
use super::uses::Usage;
use crate::access::Actor;
use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::subject::Subject;
use crate::model::timestamp::Timestamp;
use crate::snapshot::Seq;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who has shown an API key: on whose behalf to act, and with which key and account. Cloning it shares it.
///
/// It is an answer for one request. Whether the key may be used the next time is asked the next time.
#[derive(Clone)]
pub struct Authenticated(Arc<Entry>);

/// What is needed each time comes first, and in few places of memory.
#[repr(C)]
struct Entry {
    /// The number of a commit as of which key and account are these.
    seq: AtomicU64,
    usage: Usage,
    expires: Option<Timestamp>,
    disabled: bool,
    suspended: bool,
    key: Arc<ApiKey>,
    account: Option<Arc<Account>>,
    actor: Actor,
}

/// A key and its account, as they are in the store.
pub(super) struct Found {
    pub(super) key: Arc<ApiKey>,
    /// `None` of a service provider's or an admin's.
    pub(super) account: Option<Arc<Account>>,
    /// As of which commit; `None` from a store that has no snapshot at hand.
    pub(super) seq: Option<Seq>,
}

impl Authenticated {
    /// What no commit has for its number.
    const NO_SEQ: u64 = u64::MAX;

    pub(super) fn new(found: Found) -> Self {
        let Found { key, account, seq } = found;
        let subject = Subject::parse(&format!("key:{}", key.id())).expect("a short word is a subject");
        Self(Arc::new(Entry {
            seq: AtomicU64::new(seq.map_or(Self::NO_SEQ, Seq::get)),
            usage: Usage::of(&key),
            expires: key.expires(),
            disabled: key.is_disabled(),
            suspended: account.as_ref().is_some_and(|account| !account.status().is_active()),
            actor: Actor::new(key.owner(), subject),
            key,
            account,
        }))
    }

    /// Whether the key may be used now.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), AuthError> {
        let Entry { disabled, expires, suspended, .. } = &*self.0;
        if *disabled {
            return Err(AuthError::Disabled);
        }
        if expires.is_some_and(|expires| expires <= now) {
            return Err(AuthError::Expired);
        }
        if *suspended { Err(AuthError::Suspended) } else { Ok(()) }
    }

    /// On whose behalf to act: the scope is that of the key's owner, the subject is `key:` and the key's id.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.0.actor
    }

    /// The id of the key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.0.key.id()
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Arc<ApiKey> {
        &self.0.key
    }

    /// The account whose key it is; `None` of a service provider's or an admin's.
    #[must_use]
    pub fn account(&self) -> Option<&Arc<Account>> {
        self.0.account.as_ref()
    }

    pub(super) fn usage(&self) -> &Usage {
        &self.0.usage
    }

    /// Whether key and account are known to be these as of this commit.
    pub(super) fn is_as_of(&self, seq: Seq) -> bool {
        self.0.seq.load(Ordering::Acquire) == seq.get()
    }

    /// What there is in its place as of what was found, which has the same hash; `None` if it is still this.
    pub(super) fn renewed(&self, found: Found) -> Option<Self> {
        let same_account = match (&self.0.account, &found.account) {
            (Some(this), Some(that)) => Arc::ptr_eq(this, that),
            (None, None) => true,
            _ => false,
        };
        if same_account && Arc::ptr_eq(&self.0.key, &found.key) {
            self.0.seq.store(found.seq.map_or(Self::NO_SEQ, Seq::get), Ordering::Release);
            return None;
        }
        Some(Self::new(found))
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticated({})", self.0.actor)
    }
}
