//! Calls and what they were told, as they go from process to process.

use super::refusal::Refusal;
use gateway_accounts::{
    Account, AccountName, AccountRecord, AccountRecordError, AccountSid, AccountStore, Actor, ApiKey,
    ApiKeyRecord, ApiKeyRecordError, Batch, Change, CommitError, Feed, KeyId, KeyWrite, Listing, Revision,
    Scope, Seq, SipRealm, Snapshot, StoreErrorKind, Timestamp, Write,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An account, with all that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "AccountRecord", try_from = "AccountRecord")]
pub(crate) struct Told(pub(crate) Arc<Account>);

impl From<Told> for AccountRecord {
    fn from(Told(account): Told) -> Self {
        (&*account).into()
    }
}

impl TryFrom<AccountRecord> for Told {
    type Error = AccountRecordError;

    fn try_from(record: AccountRecord) -> Result<Self, AccountRecordError> {
        Account::try_from(record).map(|account| Self(account.into()))
    }
}

/// An API key, with all that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ApiKeyRecord", try_from = "ApiKeyRecord")]
pub(crate) struct KeyTold(pub(crate) Arc<ApiKey>);

impl From<KeyTold> for ApiKeyRecord {
    fn from(KeyTold(key): KeyTold) -> Self {
        (&*key).into()
    }
}

impl TryFrom<ApiKeyRecord> for KeyTold {
    type Error = ApiKeyRecordError;

    fn try_from(record: ApiKeyRecord) -> Result<Self, ApiKeyRecordError> {
        ApiKey::try_from(record).map(|key| Self(key.into()))
    }
}

/// One write of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Edit {
    Create(Told),
    Replace(Told),
    Delete { sid: AccountSid, expected: Revision },
    AddKey(KeyTold),
    ReplaceKey(KeyTold),
    RevokeKey { id: KeyId, expected: Revision },
}

impl Edit {
    pub(crate) fn create(account: Account) -> Self {
        Self::Create(Told(account.into()))
    }

    /// The account carries the revision that its writer saw.
    pub(crate) fn replace(account: Account) -> Self {
        Self::Replace(Told(account.into()))
    }

    pub(crate) fn add_key(key: ApiKey) -> Self {
        Self::AddKey(KeyTold(key.into()))
    }

    pub(super) fn to_write(&self) -> Write {
        match self.clone() {
            Self::Create(Told(account)) => Write::Create(account),
            Self::Replace(Told(account)) => Write::Replace(account),
            Self::Delete { sid, expected } => Write::Delete { sid, expected },
            Self::AddKey(KeyTold(key)) => Write::Key(KeyWrite::Add { key, at_most: usize::MAX }),
            Self::ReplaceKey(KeyTold(key)) => Write::Key(KeyWrite::Replace(key)),
            Self::RevokeKey { id, expected } => Write::Key(KeyWrite::Revoke { id, expected }),
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operation {
    Commit(Vec<Edit>),
    BySid(AccountSid),
    ByName(AccountName),
    ByRealm(SipRealm),
    Key(KeyId),
    Keys(Scope),
    /// The first thousand accounts.
    List,
    Snapshot,
    /// As [`Operation::Snapshot`], of a store that has one at hand.
    Live,
    /// The first thousand commits after this one.
    Changes(Seq),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Committed(Seq),
    Refused(Refusal),
    /// The store said that nothing was written.
    NotWritten,
    Account(Option<Told>),
    Key(Option<KeyTold>),
    Keys(Vec<KeyTold>),
    Accounts(Vec<Told>),
    /// All accounts in the order of their SIDs, all keys in that of their owners.
    Snapshot {
        seq: Seq,
        accounts: Vec<Told>,
        keys: Vec<KeyTold>,
    },
    /// The commits, and who made them.
    Changes(Vec<(Seq, String)>),
}

/// What the store owes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Promise {
    /// All that had returned to anybody before it began.
    #[default]
    Linearizable,
    /// All that had returned to the same client before it began: what a copy that follows the store owes. That it is as the
    /// accounts were at one moment, and not out of the future, is owed too.
    Session,
}

/// One call of one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Who called; the same in all calls that one thread makes one after the other.
    pub(crate) client: String,
    /// Which call of this client.
    pub(crate) nth: u64,
    /// In nanoseconds of a clock that all processes share: see [`now`](super::now).
    pub(crate) began: u64,
    pub(crate) operation: Operation,
    pub(crate) promise: Promise,
    /// When it returned and with what. A commit without may have been done at any time after it began, or never; of other
    /// calls without, nothing is known.
    pub(crate) returned: Option<(u64, Outcome)>,
}

impl Call {
    /// What tells it from all others: the subject of a commit's actor.
    pub(crate) fn id(&self) -> String {
        id(&self.client, self.nth)
    }

    pub(super) fn batch(&self) -> Option<Batch> {
        let Operation::Commit(edits) = &self.operation else { return None };
        Some(batch(&self.client, self.nth, edits))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} ", self.id(), self.began)?;
        match &self.returned {
            Some((at, outcome)) => write!(f, "to {at}: {:?} gave {outcome:?}", self.operation),
            None => write!(f, "without end: {:?}", self.operation),
        }
    }
}

fn id(client: &str, nth: u64) -> String {
    format!("{client}/{nth}")
}

fn batch(client: &str, nth: u64, edits: &[Edit]) -> Batch {
    let actor = Actor::admin(&id(client, nth)).expect("a client's name and a number are a subject");
    Batch::new(actor, Timestamp::default()).with_all(edits.iter().map(Edit::to_write))
}

/// Makes a call. `None` when nobody knows what came of it.
pub(super) async fn make(
    store: &dyn AccountStore,
    client: &str,
    nth: u64,
    operation: &Operation,
) -> Option<Outcome> {
    let told = |account: Option<Arc<Account>>| Outcome::Account(account.map(Told));
    let all = |accounts: Vec<Arc<Account>>| accounts.into_iter().map(Told).collect();
    match operation {
        Operation::Commit(edits) => match store.commit(batch(client, nth, edits)).await {
            Ok(change) => Some(Outcome::Committed(change.seq)),
            Err(CommitError::Conflict(conflict)) => Some(Outcome::Refused(conflict.into())),
            Err(CommitError::Store(error)) => match error.kind() {
                StoreErrorKind::Unavailable | StoreErrorKind::Failed | StoreErrorKind::TooLarge => {
                    Some(Outcome::NotWritten)
                }
                _ => None,
            },
        },
        Operation::BySid(sid) => store.by_sid(*sid).await.ok().map(told),
        Operation::ByName(name) => store.by_name(name).await.ok().map(told),
        Operation::ByRealm(realm) => store.by_realm(realm).await.ok().map(told),
        Operation::Key(id) => store.key(*id).await.ok().map(|key| Outcome::Key(key.map(KeyTold))),
        Operation::Keys(owner) => {
            let keys = store.keys(*owner).await.ok()?;
            Some(Outcome::Keys(keys.into_iter().map(KeyTold).collect()))
        }
        Operation::List => {
            let page = store.list(&Listing::new().limit(Listing::MAX_LIMIT)).await.ok()?;
            Some(Outcome::Accounts(all(page.accounts)))
        }
        Operation::Snapshot => store.snapshot().await.ok().as_ref().map(seen),
        Operation::Live => store.live().as_ref().map(seen),
        Operation::Changes(after) => match store.changes(*after, CHANGES).await.ok()? {
            Feed::Changes(changes) => {
                Some(Outcome::Changes(changes.iter().map(|change| made(change)).collect()))
            }
            Feed::Trimmed { .. } => None,
        },
    }
}

/// How many commits [`Operation::Changes`] asks for.
pub(super) const CHANGES: usize = 1000;

/// Which commit it was, and who made it.
pub(super) fn made(change: &Change) -> (Seq, String) {
    (change.seq, change.actor.subject().as_str().to_owned())
}

pub(super) fn seen(snapshot: &Snapshot) -> Outcome {
    Outcome::Snapshot {
        seq: snapshot.seq(),
        accounts: snapshot.iter().cloned().map(Told).collect(),
        keys: snapshot.keys().cloned().map(KeyTold).collect(),
    }
}
