//! Who has shown an API key.

use super::auth_error::AuthError;
use super::token::CHECKSUM_LEN;
use super::uses::{Usage, Uses};
use crate::access::Actor;
use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::subject::Subject;
use crate::model::timestamp::Timestamp;
use crate::snapshot::Seq;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Who has shown an API key: on whose behalf to act, and with which key and account. Cloning it shares it.
///
/// It is an answer for one request. Whether the key may be used the next time is asked the next time.
#[derive(Clone)]
pub struct Authenticated(Arc<Entry>);

/// In the order in which it lies in memory: what is asked for each time is within one line of the processor's cache.
#[repr(C)]
struct Entry {
    /// The number of a commit as of which key and account are these.
    seq: AtomicU64,
    /// Key and account, as far as they are asked whether the key may be used.
    expires: i64,
    /// The second in which a use was last noted.
    noted: AtomicI64,
    state: State,
    checksum: [u8; CHECKSUM_LEN],
    usage: Arc<Usage>,
    actor: Actor,
    key: Arc<ApiKey>,
    account: Option<Arc<Account>>,
}

/// Whether a key may be used by who has shown its secret, as long as it has not expired.
#[derive(Clone, Copy)]
enum State {
    InService,
    Disabled,
    /// Its account is.
    Suspended,
}

impl State {
    fn of(key: &ApiKey, account: Option<&Account>) -> Self {
        match account {
            _ if key.is_disabled() => Self::Disabled,
            Some(account) if !account.status().is_active() => Self::Suspended,
            _ => Self::InService,
        }
    }
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

    /// The key as it was found, used as it was before.
    pub(super) fn new(found: Found, usage: Arc<Usage>, checksum: [u8; CHECKSUM_LEN]) -> Self {
        let Found { key, account, seq } = found;
        let expires = key.expires().map_or(i64::MAX, Timestamp::as_millis);
        let state = State::of(&key, account.as_deref());
        let subject = Subject::parse(&format!("key:{}", key.id())).expect("a short word is a subject");
        let seq = AtomicU64::new(seq.map_or(Self::NO_SEQ, Seq::get));
        let actor = Actor::new(key.owner(), subject);
        let noted = AtomicI64::new(i64::MIN);
        Self(Arc::new(Entry { seq, expires, noted, state, checksum, usage, actor, key, account }))
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

    /// Whether this is the checksum of the token.
    pub(super) fn has_checksum(&self, checksum: [u8; CHECKSUM_LEN]) -> bool {
        self.0.checksum == checksum
    }

    /// Whether who has shown the secret may use the key now, which is then noted: once a second, since what is noted is
    /// elsewhere in memory.
    pub(super) fn admit(&self, now: Timestamp, uses: &Uses) -> Result<(), AuthError> {
        match self.0.state {
            State::Disabled => return Err(AuthError::Disabled),
            _ if self.0.expires <= now.as_millis() => return Err(AuthError::Expired),
            State::Suspended => return Err(AuthError::Suspended),
            State::InService => {}
        }
        let second = now.as_millis() / 1000;
        if self.0.noted.load(Ordering::Relaxed) != second {
            self.0.noted.store(second, Ordering::Relaxed);
            uses.note(&self.0.usage, now);
        }
        Ok(())
    }

    /// Whether key and account are known to be these as of this commit.
    pub(super) fn is_as_of(&self, seq: Seq) -> bool {
        self.0.seq.load(Ordering::Acquire) == seq.get()
    }

    /// The same as of what was found: itself if nothing changed. The hash is the same.
    pub(super) fn renewed(self, found: Found) -> Self {
        let same_account = match (&self.0.account, &found.account) {
            (Some(this), Some(that)) => Arc::ptr_eq(this, that),
            (None, None) => true,
            _ => false,
        };
        if same_account && Arc::ptr_eq(&self.0.key, &found.key) {
            self.0.seq.store(found.seq.map_or(Self::NO_SEQ, Seq::get), Ordering::Release);
            return self;
        }
        let usage = Arc::clone(&self.0.usage);
        Self::new(found, usage, self.0.checksum)
    }

    /// Whether the two are one in memory.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticated({})", self.0.actor)
    }
}
