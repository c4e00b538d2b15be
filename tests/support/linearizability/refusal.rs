//! Why a commit was refused, and whether that was so.

use super::call::{Edit, KeyTold, Told};
use gateway_accounts::{Account, AccountSid, Batch, Conflict, Field, KeyId, Revision, Scope, Snapshot};
use serde::{Deserialize, Serialize};

/// A [`Conflict`], as it goes from process to process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    Name {
        sid: AccountSid,
        holder: AccountSid,
    },
    SipRealm {
        sid: AccountSid,
        holder: AccountSid,
    },
    Sid(AccountSid),
    Revision {
        sid: AccountSid,
        expected: Revision,
        actual: Revision,
    },
    Missing(AccountSid),
    KeyTaken(KeyId),
    KeyRevision {
        id: KeyId,
        expected: Revision,
        actual: Revision,
    },
    KeyMissing(KeyId),
    /// One that makes no sense, or that no edit of a history can meet.
    Other(String),
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Taken { field: Field::Name, sid, holder } => Self::Name { sid, holder },
            Conflict::Taken { field: Field::SipRealm, sid, holder } => Self::SipRealm { sid, holder },
            Conflict::Taken { field: Field::AccountSid, sid, holder } if sid == holder => Self::Sid(sid),
            Conflict::Revision { sid, expected, actual } => Self::Revision { sid, expected, actual },
            Conflict::Missing { sid } => Self::Missing(sid),
            Conflict::KeyTaken { id } => Self::KeyTaken(id),
            Conflict::KeyRevision { id, expected, actual } => Self::KeyRevision { id, expected, actual },
            Conflict::KeyMissing { id } => Self::KeyMissing(id),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl Refusal {
    /// Whether one of the edits, after those before it, meets this at that moment. When several reasons are true, the store
    /// may tell any of them.
    pub(super) fn is_true(&self, at: &Snapshot, batch: &Batch, edits: &[Edit]) -> bool {
        let mut state = at.clone();
        for (edit, write) in edits.iter().zip(batch.writes()) {
            if self.is_true_of(edit, &state) {
                return true;
            }
            let alone = Batch::new(batch.actor().clone(), batch.at()).with(write.clone());
            match state.apply(&alone) {
                Ok((next, _)) => state = next,
                Err(_) => return false,
            }
        }
        false
    }

    fn is_true_of(&self, edit: &Edit, at: &Snapshot) -> bool {
        let sid_of = |account: Option<&std::sync::Arc<Account>>| account.map(|account| account.sid());
        let revision = |sid| at.by_sid(sid).map(|account| account.revision());
        let key_revision = |id| at.key(id).map(|key| key.revision());
        match (self, edit) {
            (Self::Sid(sid), Edit::Create(Told(account))) => {
                *sid == account.sid() && revision(*sid).is_some()
            }
            (Self::Name { sid, holder }, Edit::Create(Told(account)) | Edit::Replace(Told(account))) => {
                *sid == account.sid() && sid != holder && sid_of(at.by_name(account.name())) == Some(*holder)
            }
            (Self::SipRealm { sid, holder }, Edit::Create(Told(account)) | Edit::Replace(Told(account))) => {
                let has = account.sip_realm().and_then(|realm| at.by_realm(realm));
                *sid == account.sid() && sid != holder && sid_of(has) == Some(*holder)
            }
            (Self::Revision { sid, expected, actual }, Edit::Replace(Told(account))) => {
                let is_about = *sid == account.sid() && *expected == account.revision();
                is_about && actual != expected && revision(*sid) == Some(*actual)
            }
            (Self::Revision { sid, expected, actual }, Edit::Delete { sid: of, expected: seen }) => {
                sid == of && expected == seen && actual != expected && revision(*sid) == Some(*actual)
            }
            (Self::Missing(sid), Edit::Replace(Told(account))) => {
                *sid == account.sid() && revision(*sid).is_none()
            }
            (Self::Missing(sid), Edit::Delete { sid: of, .. }) => sid == of && revision(*sid).is_none(),
            (Self::Missing(sid), Edit::AddKey(KeyTold(key))) => {
                key.owner() == Scope::Account(*sid) && revision(*sid).is_none()
            }
            (Self::KeyTaken(id), Edit::AddKey(KeyTold(key))) => {
                *id == key.id() && key_revision(*id).is_some()
            }
            (Self::KeyTaken(id), Edit::ReplaceKey(KeyTold(key))) => {
                *id == key.id() && at.key(*id).is_some_and(|there| there.owner() != key.owner())
            }
            (Self::KeyRevision { id, expected, actual }, Edit::ReplaceKey(KeyTold(key))) => {
                let is_about = *id == key.id() && *expected == key.revision();
                is_about && actual != expected && key_revision(*id) == Some(*actual)
            }
            (Self::KeyRevision { id, expected, actual }, Edit::RevokeKey { id: of, expected: seen }) => {
                id == of && expected == seen && actual != expected && key_revision(*id) == Some(*actual)
            }
            (Self::KeyMissing(id), Edit::ReplaceKey(KeyTold(key))) => {
                *id == key.id() && key_revision(*id).is_none()
            }
            (Self::KeyMissing(id), Edit::RevokeKey { id: of, .. }) => id == of && key_revision(*id).is_none(),
            _ => false,
        }
    }
}
