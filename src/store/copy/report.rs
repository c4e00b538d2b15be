//! How a copy goes, and what came of it.

use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::Seq;
use crate::store::findings::Findings;
use crate::store::{CommitError, StoreError};
use std::fmt;

/// What was copied, compared and found to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The commit of the store that was copied from after which it was as the copy is.
    pub as_of: Seq,
    /// Whether that was its latest commit when the copy had been compared. If not, others wrote to it all the time.
    pub is_current: bool,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many API keys there are.
    pub keys: usize,
    /// How many accounts and keys this run wrote; those that were there and the same are not among them.
    pub written: usize,
    /// In how many rounds.
    pub rounds: usize,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// How many accounts are the same in both stores.
    pub accounts: usize,
    /// How many there are to copy.
    pub total_accounts: usize,
    /// How many API keys are the same in both stores.
    pub keys: usize,
    /// How many there are to copy.
    pub total_keys: usize,
}

impl fmt::Display for CopyProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, total_accounts, keys, total_keys } = self;
        write!(f, "{accounts} of {total_accounts} accounts, {keys} of {total_keys} API keys")
    }
}

/// An account or an API key, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyItem {
    /// An account.
    Account {
        /// Its SID.
        sid: AccountSid,
        /// Its name.
        name: AccountName,
    },
    /// An API key.
    Key {
        /// Its id.
        id: KeyId,
        /// Whose it is.
        owner: Scope,
    },
}

impl CopyItem {
    pub(super) fn account(account: &Account) -> Self {
        Self::Account { sid: account.sid, name: account.name.clone() }
    }

    pub(super) fn key(key: &ApiKey) -> Self {
        Self::Key { id: key.id, owner: key.owner }
    }
}

impl fmt::Display for CopyItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { sid, name } => write!(f, "account {sid} {:?}", name.as_str()),
            Self::Key { id, owner: Scope::Account(sid) } => write!(f, "API key {id} of account {sid}"),
            Self::Key { id, owner: Scope::ServiceProvider(sid) } => {
                write!(f, "API key {id} of service provider {sid}")
            }
            Self::Key { id, owner: Scope::Admin } => write!(f, "API key {id} of an admin"),
        }
    }
}

/// What can't be copied, or stands in the way in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyConflict {
    /// What.
    pub item: CopyItem,
    /// Why.
    pub why: WhyNotCopied,
}

impl fmt::Display for CopyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.item, self.why)
    }
}

/// Why something is not copied, or stays in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNotCopied {
    /// It is in the target alone, and was not copied there, as far as is known.
    OnlyInTarget,
    /// It is in both and differs, and it is not known that the target's was copied.
    Differs {
        /// Its revision in the target.
        target: Revision,
        /// Its revision in the store that is copied from.
        source: Revision,
    },
    /// It was used in the target later than in the store that is copied from.
    UsedInTarget,
    /// It would have the name or the realm of an account that stays in the target.
    Taken {
        /// [`Field::Name`] or [`Field::SipRealm`].
        field: Field,
        /// The account of the target.
        holder: AccountSid,
    },
}

impl fmt::Display for WhyNotCopied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyInTarget => {
                f.write_str("is in the target alone, and is not known to have been copied there")
            }
            Self::Differs { target, source } => write!(
                f,
                "differs, at revision {target} in the target and {source} in the store that is copied from, which is not known to have had it like that"
            ),
            Self::UsedInTarget => {
                f.write_str("was used in the target later than in the store that is copied from")
            }
            Self::Taken { field, holder } => {
                write!(f, "can't have its {field}, which is that of account {holder} in the target")
            }
        }
    }
}

/// What is not the same in both stores.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyDifference {
    /// What.
    pub item: CopyItem,
    /// The fields that differ, as in JSON; none if it is in one of the stores alone.
    pub fields: Vec<&'static str>,
    /// Whether it is in the store that was copied from.
    pub in_source: bool,
    /// Whether it is in the target.
    pub in_target: bool,
}

impl fmt::Display for CopyDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.in_source, self.in_target) {
            (true, false) => write!(f, "{} is not in the target", self.item),
            (false, _) => write!(f, "{} is in the target alone", self.item),
            (true, true) => write!(f, "{} differs in {}", self.item, self.fields.join(", ")),
        }
    }
}

/// Why a copy is not complete. What was written before stays, and another run goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The store that is copied from failed.
    #[error("the store that is copied from can't be read")]
    From(#[source] StoreError),
    /// The target failed when it was read.
    #[error("the target can't be read")]
    To(#[source] StoreError),
    /// A commit of the target failed, or was refused since somebody else wrote to it.
    #[error("a commit of {writes} writes, among them that of {item}, failed")]
    Write {
        /// What was refused or, if the whole commit failed, the first of it.
        item: Box<CopyItem>,
        /// How many writes it had.
        writes: usize,
        /// Why.
        source: CommitError,
    },
    /// There are conflicts; in this round, nothing was written.
    #[error("{}", first(.0))]
    Conflicts(Box<Findings<CopyConflict>>),
    /// The two stores are not the same when all is written: somebody else wrote to the target, or one of the stores does not do
    /// what it promises.
    #[error("{}", first(.0))]
    Differs(Box<Findings<CopyDifference>>),
}

/// The first finding, and how many more there are.
fn first<T: fmt::Display>(findings: &Findings<T>) -> String {
    let first = findings.first.first().map(ToString::to_string).unwrap_or_default();
    match (findings.first.len() as u64 + findings.more).saturating_sub(1) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}
