//! What a store does, said in the simplest way: a map of accounts, searched from one end to the other.

use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::snapshot::{Batch, Change, Conflict, Event, KeyEvent, KeyWrite, Seq, Write};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All accounts after so many commits.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) seq: u64,
    pub(super) accounts: BTreeMap<AccountSid, Arc<Account>>,
    pub(super) keys: BTreeMap<KeyId, Arc<ApiKey>>,
}

impl Model {
    /// What is there after a batch, and the change; or why it can't be.
    pub(super) fn commit(&self, batch: &Batch) -> Result<(Self, Change), Conflict> {
        let mut next = self.clone();
        next.seq += 1;
        let mut events = Vec::new();
        for write in batch.writes() {
            next.write(write, &mut events)?;
        }
        let change = Change::new(Seq::new(next.seq), batch.actor().clone(), batch.at(), events);
        Ok((next, change))
    }

    fn write(&mut self, write: &Write, events: &mut Vec<Event>) -> Result<(), Conflict> {
        let event = match write {
            Write::Create(account) | Write::Restore(account) => {
                let sid = account.sid();
                if self.accounts.contains_key(&sid) {
                    return Err(Conflict::Taken { field: Field::AccountSid, sid, holder: sid });
                }
                self.check_free(account)?;
                let account = match write {
                    Write::Restore(_) => Arc::clone(account),
                    _ => at_revision(account, Revision::FIRST),
                };
                self.accounts.insert(sid, Arc::clone(&account));
                Event::Created(account)
            }
            Write::Replace(account) => {
                let before = self.at(account.sid(), account.revision())?;
                self.check_free(account)?;
                let minutes_used = before.minutes_used().cloned();
                let account = Arc::new(Account { minutes_used, ..Account::clone(account) });
                let after = at_revision(&account, account.revision().next());
                self.accounts.insert(account.sid(), Arc::clone(&after));
                Event::Replaced { before, after }
            }
            Write::Delete { sid, expected } => {
                let before = self.at(*sid, *expected)?;
                self.accounts.remove(sid);
                let own: Vec<_> =
                    self.keys.values().filter(|key| key.owner() == Scope::Account(*sid)).cloned().collect();
                for key in own {
                    self.keys.remove(&key.id());
                    events.push(Event::Key(KeyEvent::Revoked(key)));
                }
                Event::Deleted(before)
            }
            Write::Key(write) => match self.write_key(write)? {
                Some(event) => Event::Key(event),
                None => return Ok(()),
            },
            Write::MinutesUsed { sid, used } => {
                if let Some(before) = self.accounts.get(sid) {
                    let minutes_used = Some(Arc::clone(used));
                    let after = Arc::new(Account { minutes_used, ..Account::clone(before) });
                    self.accounts.insert(*sid, after);
                }
                return Ok(());
            }
        };
        events.push(event);
        Ok(())
    }

    fn write_key(&mut self, write: &KeyWrite) -> Result<Option<KeyEvent>, Conflict> {
        Ok(Some(match write {
            KeyWrite::Add { key, at_most } => {
                let owner = key.owner();
                if self.keys.values().filter(|key| key.owner() == owner).count() >= *at_most {
                    return Err(Conflict::TooManyKeys { owner, at_most: *at_most });
                }
                self.add_key(Arc::new(ApiKey { revision: Revision::FIRST, ..ApiKey::clone(key) }))?
            }
            KeyWrite::Restore(key) => self.add_key(Arc::clone(key))?,
            KeyWrite::Replace(key) => {
                let before = self.key_at(key.id(), key.revision())?;
                if before.owner() != key.owner() {
                    return Err(Conflict::KeyTaken { id: key.id() });
                }
                let last_used = before.last_used().max(key.last_used());
                let after =
                    Arc::new(ApiKey { revision: key.revision().next(), last_used, ..ApiKey::clone(key) });
                self.keys.insert(key.id(), Arc::clone(&after));
                KeyEvent::Replaced { before, after }
            }
            KeyWrite::Revoke { id, expected } => {
                let before = self.key_at(*id, *expected)?;
                self.keys.remove(id);
                KeyEvent::Revoked(before)
            }
            KeyWrite::Use { id, at } => {
                let Some(before) = self.keys.get(id).cloned() else { return Ok(None) };
                if before.last_used() >= Some(*at) {
                    return Ok(None);
                }
                self.keys.insert(*id, Arc::new(ApiKey { last_used: Some(*at), ..ApiKey::clone(&before) }));
                return Ok(None);
            }
        }))
    }

    fn add_key(&mut self, key: Arc<ApiKey>) -> Result<KeyEvent, Conflict> {
        let id = key.id();
        if self.keys.contains_key(&id) {
            return Err(Conflict::KeyTaken { id });
        }
        if let Scope::Account(sid) = key.owner()
            && !self.accounts.contains_key(&sid)
        {
            return Err(Conflict::Missing { sid });
        }
        self.keys.insert(id, Arc::clone(&key));
        Ok(KeyEvent::Added(key))
    }

    fn key_at(&self, id: KeyId, expected: Revision) -> Result<Arc<ApiKey>, Conflict> {
        let key = self.keys.get(&id).ok_or(Conflict::KeyMissing { id })?;
        let actual = key.revision();
        if actual == expected {
            Ok(Arc::clone(key))
        } else {
            Err(Conflict::KeyRevision { id, expected, actual })
        }
    }

    fn at(&self, sid: AccountSid, expected: Revision) -> Result<Arc<Account>, Conflict> {
        let account = self.accounts.get(&sid).ok_or(Conflict::Missing { sid })?;
        let actual = account.revision();
        if actual == expected {
            Ok(Arc::clone(account))
        } else {
            Err(Conflict::Revision { sid, expected, actual })
        }
    }

    /// The name and the realm are nobody else's. The names of these accounts are plain: no two differ but in case.
    fn check_free(&self, account: &Account) -> Result<(), Conflict> {
        let sid = account.sid();
        let name = |account: &Account| account.name().as_str().to_lowercase();
        let others = || self.accounts.values().filter(|other| other.sid() != sid);
        if let Some(holder) = others().find(|other| name(other) == name(account)) {
            return Err(Conflict::Taken { field: Field::Name, sid, holder: holder.sid() });
        }
        let same_realm =
            |other: &&Arc<Account>| other.sip_realm().is_some() && other.sip_realm() == account.sip_realm();
        if let Some(holder) = others().find(same_realm) {
            return Err(Conflict::Taken { field: Field::SipRealm, sid, holder: holder.sid() });
        }
        Ok(())
    }
}

fn at_revision(account: &Account, revision: Revision) -> Arc<Account> {
    Arc::new(Account { revision, ..account.clone() })
}

/// Every state that there was, with the commits that led from one to the next. The first is the one before all
/// commits.
#[derive(Debug, Clone)]
pub(super) struct Course {
    states: Vec<Model>,
    changes: Vec<Arc<Change>>,
}

impl Course {
    pub(super) fn new() -> Self {
        Self { states: vec![Model::default()], changes: Vec::new() }
    }

    pub(super) fn latest(&self) -> &Model {
        self.states.last().expect("there is always the state before all commits")
    }

    pub(super) fn seq(&self) -> u64 {
        self.changes.len() as u64
    }

    /// The state after so many commits.
    pub(super) fn at(&self, seq: u64) -> &Model {
        &self.states[seq as usize]
    }

    /// The commits after one, up to another.
    pub(super) fn changes(&self, after: u64, to: u64) -> &[Arc<Change>] {
        &self.changes[after as usize..to as usize]
    }

    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Arc<Change>, Conflict> {
        let (next, change) = self.latest().commit(batch)?;
        let change = Arc::new(change);
        self.states.push(next);
        self.changes.push(Arc::clone(&change));
        Ok(change)
    }

    /// Forgets what came after so many commits.
    pub(super) fn cut(&mut self, seq: u64) {
        self.changes.truncate(seq as usize);
        self.states.truncate(seq as usize + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::super::sample::{Writer, empty_batch};
    use super::*;
    use crate::snapshot::Snapshot;

    /// The naive model and the snapshot, written apart from each other, agree on every batch that the simulation
    /// makes up.
    #[test]
    fn it_decides_as_the_snapshot_does() {
        let (mut accepted, mut refused) = (0, 0);
        for seed in 0..40 {
            let mut writer = Writer::new(Dice::new(seed));
            let mut course = Course::new();
            let mut snapshot = Snapshot::empty();
            for _ in 0..40 {
                let batch = writer.batch(course.latest());
                match (snapshot.apply(&batch), course.commit(&batch)) {
                    (Ok((next, change)), Ok(expected)) => {
                        assert_eq!(change, *expected, "seed {seed}");
                        snapshot = next;
                        accepted += 1;
                    }
                    (Err(conflict), Err(expected)) => {
                        assert_eq!(conflict, expected, "seed {seed}");
                        refused += 1;
                    }
                    (got, expected) => panic!("seed {seed}: {got:?}, not {expected:?}"),
                }
                assert!(snapshot.iter().eq(course.latest().accounts.values()), "seed {seed}");
            }
        }
        assert!(accepted > 800 && refused > 50, "{accepted} {refused}");
    }

    #[test]
    fn a_course_is_cut() {
        let mut course = Course::new();
        course.commit(&empty_batch()).unwrap();
        course.commit(&empty_batch()).unwrap();
        course.cut(1);
        assert_eq!((course.seq(), course.latest().seq), (1, 1));
        assert_eq!(course.commit(&empty_batch()).unwrap().seq, Seq::new(2));
    }
}
