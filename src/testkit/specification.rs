//! What a store does, said in the simplest way: one operation after the other, on plain maps.

use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::unit::Limit;
use crate::snapshot::Conflict;
use crate::testkit::sample::{account, api_key, key_id, sid};
use std::collections::BTreeMap;

/// All accounts and their API keys after so many commits, each by the number of its SID or id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Specification {
    pub(crate) seq: u64,
    pub(crate) accounts: BTreeMap<u64, Entry>,
    pub(crate) keys: BTreeMap<u64, KeyEntry>,
}

/// What tells one state of an account from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    /// The number of its name.
    pub(crate) name: u64,
    /// The number of its realm.
    pub(crate) realm: Option<u64>,
    /// A number that no other write has.
    pub(crate) stamp: u32,
}

/// What tells one state of an API key from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyEntry {
    /// The number of the account whose it is.
    pub(crate) owner: u64,
    pub(crate) revision: u64,
    /// A number that no other write has.
    pub(crate) stamp: u32,
}

/// A commit of one write. An entry carries the revision that its writer saw or, if it is restored, that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    Create(u64, Entry),
    Restore(u64, Entry),
    Replace(u64, Entry),
    Delete { number: u64, seen: u64 },
    AddKey(u64, KeyEntry),
    RestoreKey(u64, KeyEntry),
    ReplaceKey(u64, KeyEntry),
    RevokeKey { number: u64, seen: u64 },
}

/// Why a commit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Taken { field: Field, holder: u64 },
    Revision { actual: u64 },
    Missing,
    KeyTaken,
    KeyRevision { actual: u64 },
    KeyMissing,
}

impl Specification {
    /// After the commit, and whether it was accepted or why it was not. When several reasons are true, the store
    /// may tell any of them; so this is asked about the one it told.
    pub(crate) fn edit(&self, edit: Edit, told: Option<Refusal>) -> Option<Self> {
        match told {
            Some(refusal) => self.reasons(edit).contains(&refusal).then(|| self.clone()),
            None if self.reasons(edit).is_empty() => {
                let mut next = self.clone();
                next.seq += 1;
                match edit {
                    Edit::Create(number, entry) => {
                        next.accounts.insert(number, Entry { revision: 1, ..entry });
                    }
                    Edit::Restore(number, entry) => {
                        next.accounts.insert(number, entry);
                    }
                    Edit::Replace(number, entry) => {
                        next.accounts.insert(number, Entry { revision: entry.revision + 1, ..entry });
                    }
                    Edit::Delete { number, .. } => {
                        next.accounts.remove(&number);
                        next.keys.retain(|_, key| key.owner != number);
                    }
                    Edit::AddKey(number, key) => {
                        next.keys.insert(number, KeyEntry { revision: 1, ..key });
                    }
                    Edit::RestoreKey(number, key) => {
                        next.keys.insert(number, key);
                    }
                    Edit::ReplaceKey(number, key) => {
                        next.keys.insert(number, KeyEntry { revision: key.revision + 1, ..key });
                    }
                    Edit::RevokeKey { number, .. } => {
                        next.keys.remove(&number);
                    }
                }
                Some(next)
            }
            None => None,
        }
    }

    /// Why the commit can't be.
    pub(crate) fn reasons(&self, edit: Edit) -> Vec<Refusal> {
        let current = |number, seen| match self.accounts.get(&number) {
            None => vec![Refusal::Missing],
            Some(entry) if entry.revision != seen => vec![Refusal::Revision { actual: entry.revision }],
            Some(_) => Vec::new(),
        };
        let current_key = |number, seen| match self.keys.get(&number) {
            None => vec![Refusal::KeyMissing],
            Some(key) if key.revision != seen => vec![Refusal::KeyRevision { actual: key.revision }],
            Some(_) => Vec::new(),
        };
        match edit {
            Edit::Create(number, entry) | Edit::Restore(number, entry) => {
                let mut reasons = self.taken(number, entry);
                if self.accounts.contains_key(&number) {
                    reasons.push(Refusal::Taken { field: Field::AccountSid, holder: number });
                }
                reasons
            }
            Edit::Replace(number, entry) => {
                let mut reasons = current(number, entry.revision);
                reasons.extend(self.taken(number, entry));
                reasons
            }
            Edit::Delete { number, seen } => current(number, seen),
            Edit::AddKey(number, key) | Edit::RestoreKey(number, key) => {
                let taken = self.keys.contains_key(&number).then_some(Refusal::KeyTaken);
                let nobodys = (!self.accounts.contains_key(&key.owner)).then_some(Refusal::Missing);
                taken.into_iter().chain(nobodys).collect()
            }
            Edit::ReplaceKey(number, key) => {
                let mut reasons = current_key(number, key.revision);
                let anothers = self.keys.get(&number).is_some_and(|now| now.owner != key.owner);
                reasons.extend(anothers.then_some(Refusal::KeyTaken));
                reasons
            }
            Edit::RevokeKey { number, seen } => current_key(number, seen),
        }
    }

    fn taken(&self, number: u64, entry: Entry) -> Vec<Refusal> {
        let mut reasons = Vec::new();
        for (holder, other) in self.accounts.iter().filter(|(holder, _)| **holder != number) {
            if other.name == entry.name {
                reasons.push(Refusal::Taken { field: Field::Name, holder: *holder });
            }
            if other.realm.is_some() && other.realm == entry.realm {
                reasons.push(Refusal::Taken { field: Field::SipRealm, holder: *holder });
            }
        }
        reasons
    }

    pub(crate) fn by_name(&self, name: u64) -> Option<(u64, Entry)> {
        self.accounts.iter().find(|(_, entry)| entry.name == name).map(|(number, entry)| (*number, *entry))
    }

    pub(crate) fn by_realm(&self, realm: u64) -> Option<(u64, Entry)> {
        self.accounts
            .iter()
            .find(|(_, entry)| entry.realm == Some(realm))
            .map(|(number, entry)| (*number, *entry))
    }
}

impl Entry {
    /// The account that this tells of. Every second stamp writes its name in capitals.
    pub(crate) fn to_account(self, number: u64) -> Account {
        let name = account(self.name).name;
        let capitals = || name.as_str().to_uppercase().parse().expect("a name in capitals is a name");
        Account {
            sid: sid(number),
            name: if self.stamp % 2 == 1 { capitals() } else { name },
            sip_realm: self.realm.and_then(|realm| account(realm).sip_realm),
            licensed_sessions: Limit::AtMost(self.stamp),
            revision: Revision::new(self.revision),
            ..account(number)
        }
    }

    /// What an account that came from [`Entry::to_account`] tells of.
    #[track_caller]
    pub(crate) fn of_account(found: &Account) -> (u64, Self) {
        let number_in = |text: &str| -> u64 {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.parse().unwrap_or_else(|_| panic!("the suite wrote no account like this: {found:#?}"))
        };
        let Limit::AtMost(stamp) = found.licensed_sessions else {
            panic!("the suite wrote no account like this: {found:#?}")
        };
        let entry = Self {
            revision: found.revision.get(),
            name: number_in(found.name.as_str()),
            realm: found.sip_realm.as_ref().map(|realm| number_in(realm.as_str())),
            stamp,
        };
        let number = number_of(found.sid);
        assert_eq!(*found, entry.to_account(number), "the suite wrote no account like this");
        (number, entry)
    }
}

impl KeyEntry {
    /// The key that this tells of.
    pub(crate) fn to_key(self, number: u64) -> ApiKey {
        ApiKey {
            label: format!("Key {number}, {}", self.stamp).parse().expect("a word and numbers are a label"),
            disabled: self.stamp % 2 == 1,
            revision: Revision::new(self.revision),
            ..api_key(number, Scope::Account(sid(self.owner)))
        }
    }

    /// What a key that came from [`KeyEntry::to_key`] tells of.
    #[track_caller]
    pub(crate) fn of_key(found: &ApiKey) -> (u64, Self) {
        let parts = found.label.as_str().strip_prefix("Key ").and_then(|rest| rest.split_once(", "));
        let numbers = parts.and_then(|(number, stamp)| Some((number.parse().ok()?, stamp.parse().ok()?)));
        let (Some((number, stamp)), Scope::Account(owner)) = (numbers, found.owner) else {
            panic!("the suite wrote no key like this: {found:#?}")
        };
        let entry = Self { owner: number_of(owner), revision: found.revision.get(), stamp };
        assert_eq!(*found, entry.to_key(number), "the suite wrote no key like this");
        (number, entry)
    }
}

impl Refusal {
    /// What a conflict over this edit says, checked to be about it.
    #[track_caller]
    pub(crate) fn of_conflict(conflict: &Conflict, edit: Edit) -> Self {
        let (number, seen) = match edit {
            Edit::Create(number, entry) | Edit::Restore(number, entry) | Edit::Replace(number, entry) => {
                (number, entry.revision)
            }
            Edit::Delete { number, seen } => (number, seen),
            Edit::AddKey(number, key) | Edit::RestoreKey(number, key) | Edit::ReplaceKey(number, key) => {
                return Self::of_key_conflict(conflict, number, key.revision, Some(key.owner));
            }
            Edit::RevokeKey { number, seen } => return Self::of_key_conflict(conflict, number, seen, None),
        };
        let (about, refusal) = match conflict {
            Conflict::Taken { field, sid, holder } => {
                (*sid, Self::Taken { field: *field, holder: number_of(*holder) })
            }
            Conflict::Revision { sid, expected, actual } => {
                assert_eq!(expected.get(), seen, "the conflict tells another revision than the writer saw");
                (*sid, Self::Revision { actual: actual.get() })
            }
            Conflict::Missing { sid } => (*sid, Self::Missing),
            other => panic!("the conflict is about an API key, and none was written: {other}"),
        };
        assert_eq!(about, sid(number), "the conflict is about another account");
        refusal
    }

    #[track_caller]
    fn of_key_conflict(conflict: &Conflict, number: u64, seen: u64, owner: Option<u64>) -> Self {
        let (about, refusal): (KeyId, Self) = match conflict {
            Conflict::Missing { sid: about } => {
                assert_eq!(Some(*about), owner.map(sid), "the conflict is about another account");
                return Self::Missing;
            }
            Conflict::KeyTaken { id } => (*id, Self::KeyTaken),
            Conflict::KeyMissing { id } => (*id, Self::KeyMissing),
            Conflict::KeyRevision { id, expected, actual } => {
                assert_eq!(expected.get(), seen, "the conflict tells another revision than the writer saw");
                (*id, Self::KeyRevision { actual: actual.get() })
            }
            other => panic!("the conflict is about an account, and none was written: {other}"),
        };
        assert_eq!(about, key_id(number), "the conflict is about another key");
        refusal
    }
}

/// The number that [`sid`] was given.
fn number_of(of: AccountSid) -> u64 {
    u64::try_from(of.as_uuid().as_u128() - sid(0).as_uuid().as_u128()).expect("the suite wrote no such SID")
}
