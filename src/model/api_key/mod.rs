//! An API key, as it is kept: everything but its secret.

mod hash;
mod id;
mod label;
pub(crate) mod record;
mod view;

pub use hash::{KeyHash, KeyHashError};
pub use id::{KeyId, KeyIdError};
pub use label::{KeyLabel, KeyLabelError};
pub use record::{ApiKeyRecord, ApiKeyRecordError};
pub use view::ApiKeyView;

use crate::model::account::Revision;
use crate::model::scope::Scope;
use crate::model::subject::Subject;
use crate::model::timestamp::Timestamp;
#[cfg(feature = "file")]
use std::sync::Arc;

/// One of the *Account API keys*, or a key of a service provider or an admin: what a customer's programs show to be
/// let in.
///
/// It holds no secret: of that there is only a hash ([`KeyHash`]), which nothing but an
/// [`ApiKeyRecord`] gives away. It is shared as `Arc<ApiKey>` and never changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub(crate) id: KeyId,
    pub(crate) owner: Scope,
    pub(crate) label: KeyLabel,
    pub(crate) hash: KeyHash,
    pub(crate) last_four: [u8; 4],
    pub(crate) created: Timestamp,
    pub(crate) created_by: Subject,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) disabled: bool,
    pub(crate) last_used: Option<Timestamp>,
    pub(crate) revision: Revision,
}

impl ApiKey {
    /// What it is found by. Part of the key's text, and no secret.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whose key it is, and so how far the rights of who shows it reach.
    #[must_use]
    pub fn owner(&self) -> Scope {
        self.owner
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &KeyLabel {
        &self.label
    }

    /// The last four characters of the key, for people to tell it from others.
    #[must_use]
    pub fn last_four(&self) -> &str {
        // They come from a text of such characters.
        std::str::from_utf8(&self.last_four).unwrap_or_default()
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Who created it.
    #[must_use]
    pub fn created_by(&self) -> &Subject {
        &self.created_by
    }

    /// From when on it is refused; `None` for never.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether it is refused from its expiry on, and that is now or was.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it is refused until it is enabled again.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// When it was last used, as far as that has been written: see `Authenticator::with_use_interval` (feature `keys`).
    /// `None` if never.
    #[must_use]
    pub fn last_used(&self) -> Option<Timestamp> {
        self.last_used
    }

    /// How many times it has been written, beside its uses.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The same key, last used at this time if that is later.
    #[cfg(feature = "file")]
    pub(crate) fn used(self: &Arc<Self>, at: Option<Timestamp>) -> Arc<Self> {
        if at <= self.last_used {
            return Arc::clone(self);
        }
        Arc::new(Self { last_used: at, ..Self::clone(self) })
    }

    /// The key as it may be shown.
    #[must_use]
    pub fn view(&self) -> ApiKeyView<'_> {
        ApiKeyView::new(self)
    }
}
