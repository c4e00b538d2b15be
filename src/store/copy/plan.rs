//! What a round of a copy is to write.

use super::pause;
use super::report::{CopyConflict, CopyError, CopyItem, CopyProgress, WhyNotCopied};
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Event, KeyWrite, Seq, Snapshot, Write};
use crate::store::findings::Findings;
use crate::store::{AccountStore, Feed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many commits of the feed are looked at together.
const FEED: usize = 100;

/// Something that is in the target and not the same in the store that is copied from.
struct Suspect<T> {
    target: Arc<T>,
    /// As it is to be; `None` when it is to go.
    source: Option<Arc<T>>,
    /// The store that is copied from had exactly this, but for its use.
    had: bool,
    /// It had it used as late as the target.
    had_used: bool,
}

/// What can be used, which is no edit: an account by its minutes, and a key.
trait Used: PartialEq + Sized {
    fn item(&self) -> CopyItem;
    fn revision(&self) -> Revision;
    fn last_used(&self) -> Option<Timestamp>;
    fn unused(&self) -> Self;

    /// Whether they differ in nothing but their use.
    fn is_but_for_use(&self, other: &Self) -> bool {
        self.revision() == other.revision() && self.unused() == other.unused()
    }
}

impl Used for Account {
    fn item(&self) -> CopyItem {
        CopyItem::account(self)
    }

    fn revision(&self) -> Revision {
        self.revision
    }

    fn last_used(&self) -> Option<Timestamp> {
        self.minutes_used.as_ref().map(|used| used.as_of())
    }

    fn unused(&self) -> Self {
        Self { minutes_used: None, ..self.clone() }
    }
}

impl Used for ApiKey {
    fn item(&self) -> CopyItem {
        CopyItem::key(self)
    }

    fn revision(&self) -> Revision {
        self.revision
    }

    fn last_used(&self) -> Option<Timestamp> {
        self.last_used
    }

    fn unused(&self) -> Self {
        Self { last_used: None, ..self.clone() }
    }
}

impl<T: Used> Suspect<T> {
    fn new(target: &Arc<T>, source: Option<&Arc<T>>) -> Self {
        let mut suspect =
            Self { target: Arc::clone(target), source: source.cloned(), had: false, had_used: false };
        if let Some(source) = source {
            suspect.had_used = source.last_used() >= target.last_used();
            suspect.had(source);
        }
        suspect
    }

    /// Takes note of something that the store that is copied from had.
    fn had(&mut self, state: &T) {
        if !self.is_copied() && self.target.is_but_for_use(state) {
            self.had = true;
            self.had_used |= state.last_used() >= self.target.last_used();
        }
    }

    /// Whether all that would be lost is in the store that is copied from, or was.
    fn is_copied(&self) -> bool {
        self.had && self.had_used
    }

    fn conflict(&self) -> Option<CopyConflict> {
        let why = match &self.source {
            _ if self.is_copied() => return None,
            _ if self.had => WhyNotCopied::UsedInTarget,
            None => WhyNotCopied::OnlyInTarget,
            Some(source) => {
                WhyNotCopied::Differs { target: self.target.revision(), source: source.revision() }
            }
        };
        Some(CopyConflict { item: self.target.item(), why })
    }
}

/// What is the same, what is not, and what is to be done about it.
pub(super) struct Plan {
    /// Accounts that are not in the target, in the order of their SIDs.
    pub(super) missing: Vec<Arc<Account>>,
    /// Uses, of accounts and keys that are the same but for that.
    pub(super) notes: Vec<Step>,
    missing_keys: Vec<Arc<ApiKey>>,
    accounts: BTreeMap<AccountSid, Suspect<Account>>,
    keys: BTreeMap<KeyId, Suspect<ApiKey>>,
    same: usize,
    same_keys: usize,
}

/// A write, and what it is about.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) write: Write,
    of: Of,
}

#[derive(Clone)]
enum Of {
    Account(Arc<Account>),
    Key(Arc<ApiKey>),
}

impl Step {
    fn of(account: &Arc<Account>, write: Write) -> Self {
        Self { write, of: Of::Account(Arc::clone(account)) }
    }

    fn of_key(key: &Arc<ApiKey>, write: KeyWrite) -> Self {
        Self { write: Write::Key(write), of: Of::Key(Arc::clone(key)) }
    }

    pub(super) fn restore(account: &Arc<Account>) -> Self {
        Self::of(account, Write::Restore(Arc::clone(account)))
    }

    pub(super) fn restore_key(key: &Arc<ApiKey>) -> Self {
        Self::of_key(key, KeyWrite::Restore(Arc::clone(key)))
    }

    pub(super) fn item(&self) -> CopyItem {
        match &self.of {
            Of::Account(account) => CopyItem::account(account),
            Of::Key(key) => CopyItem::key(key),
        }
    }

    /// That what it is about is the same now.
    pub(super) fn count(&self, progress: &mut CopyProgress) {
        match &self.of {
            Of::Account(_) => progress.accounts += 1,
            Of::Key(_) => progress.keys += 1,
        }
    }
}

impl Plan {
    /// Compares the two.
    pub(super) async fn new(source: &Snapshot, target: &Snapshot) -> Self {
        let mut plan = Self {
            missing: Vec::new(),
            notes: Vec::new(),
            missing_keys: Vec::new(),
            accounts: BTreeMap::new(),
            keys: BTreeMap::new(),
            same: 0,
            same_keys: 0,
        };
        for (nth, account) in source.iter().enumerate() {
            plan.compare(account, target.by_sid(account.sid));
            pause(nth).await;
        }
        for (nth, account) in target.iter().enumerate() {
            if source.by_sid(account.sid).is_none() {
                plan.suspect(account, None);
            }
            pause(nth).await;
        }
        for (nth, key) in source.keys().enumerate() {
            plan.compare_key(key, target.key(key.id));
            pause(nth).await;
        }
        for (nth, key) in target.keys().enumerate() {
            if source.key(key.id).is_none() {
                plan.suspect_key(key, None);
            }
            pause(nth).await;
        }
        plan
    }

    fn compare(&mut self, source: &Arc<Account>, target: Option<&Arc<Account>>) {
        let Some(target) = target else { return self.missing.push(Arc::clone(source)) };
        if source == target {
            self.same += 1;
            return;
        }
        match &source.minutes_used {
            Some(used) if source.last_used() >= target.last_used() && source.is_but_for_use(target) => {
                let write = Write::MinutesUsed { sid: source.sid, used: Arc::clone(used) };
                self.notes.push(Step::of(source, write));
            }
            _ => self.suspect(target, Some(source)),
        }
    }

    fn compare_key(&mut self, source: &Arc<ApiKey>, target: Option<&Arc<ApiKey>>) {
        let Some(target) = target else { return self.missing_keys.push(Arc::clone(source)) };
        if source == target {
            self.same_keys += 1;
            return;
        }
        match source.last_used {
            Some(at) if source.last_used >= target.last_used && source.is_but_for_use(target) => {
                self.notes.push(Step::of_key(source, KeyWrite::Use { id: source.id, at }));
            }
            _ => self.suspect_key(target, Some(source)),
        }
    }

    fn suspect(&mut self, target: &Arc<Account>, source: Option<&Arc<Account>>) {
        self.accounts.insert(target.sid, Suspect::new(target, source));
    }

    fn suspect_key(&mut self, target: &Arc<ApiKey>, source: Option<&Arc<ApiKey>>) {
        self.keys.insert(target.id, Suspect::new(target, source));
    }

    /// Looks for what the target has: in what was copied in the round before, and in the feed as far back as it goes.
    pub(super) async fn prove(
        &mut self,
        from: &dyn AccountStore,
        former: Option<&Snapshot>,
        until: Seq,
    ) -> Result<(), CopyError> {
        if let Some(former) = former {
            let accounts: Vec<_> = self.accounts.keys().filter_map(|sid| former.by_sid(*sid)).collect();
            let keys: Vec<_> = self.keys.keys().filter_map(|id| former.key(*id)).collect();
            accounts.into_iter().for_each(|account| self.had(account));
            keys.into_iter().for_each(|key| self.had_key(key));
        }
        let mut seen = Seq::START;
        while seen < until && self.is_unproven() {
            let changes = match from.changes(seen, FEED).await.map_err(CopyError::From)? {
                Feed::Changes(changes) => changes,
                Feed::Trimmed { oldest } => {
                    // Never back, whatever a store says.
                    let before = Seq::new(oldest.get().saturating_sub(1));
                    seen = if before > seen { before } else { seen.next() };
                    continue;
                }
            };
            let Some(last) = changes.last() else { break };
            seen = last.seq;
            for event in changes.iter().flat_map(|change| &change.events) {
                match event {
                    Event::Key(event) => {
                        let states = [event.before(), event.after()];
                        states.into_iter().flatten().for_each(|key| self.had_key(key));
                    }
                    event => {
                        let states = [event.before(), event.after()];
                        states.into_iter().flatten().for_each(|account| self.had(account));
                    }
                }
            }
        }
        Ok(())
    }

    fn is_unproven(&self) -> bool {
        let accounts = self.accounts.values().any(|suspect| !suspect.is_copied());
        accounts || self.keys.values().any(|suspect| !suspect.is_copied())
    }

    /// The store that is copied from had this account.
    fn had(&mut self, account: &Arc<Account>) {
        if let Some(suspect) = self.accounts.get_mut(&account.sid) {
            suspect.had(account);
        }
    }

    /// The store that is copied from had this key.
    fn had_key(&mut self, key: &Arc<ApiKey>) {
        if let Some(suspect) = self.keys.get_mut(&key.id) {
            suspect.had(key);
        }
    }

    /// Whether it can be done.
    pub(super) fn check(&self, target: &Snapshot) -> Result<(), CopyError> {
        let mut conflicts = Findings::default();
        conflicts.extend(self.accounts.values().filter_map(Suspect::conflict));
        conflicts.extend(self.keys.values().filter_map(Suspect::conflict));
        // Who is the same in both, or but for the use, clashes with nobody, and who was copied makes way.
        let stays = |sid: &AccountSid| self.accounts.get(sid).is_some_and(|suspect| !suspect.is_copied());
        let changed = self.accounts.values().filter_map(|suspect| suspect.source.as_ref());
        for account in self.missing.iter().chain(changed) {
            let realm = account.sip_realm().and_then(|realm| target.by_realm(realm));
            let table = [(Field::Name, target.by_name(&account.name)), (Field::SipRealm, realm)];
            for (field, holder) in table {
                let holder = holder.map(|holder| holder.sid).filter(|holder| *holder != account.sid);
                if let Some(holder) = holder.filter(stays) {
                    let why = WhyNotCopied::Taken { field, holder };
                    conflicts.push(CopyConflict { item: CopyItem::account(account), why });
                }
            }
        }
        if conflicts.is_empty() { Ok(()) } else { Err(CopyError::Conflicts(Box::new(conflicts))) }
    }

    /// What is the same before anything is written.
    pub(super) fn progress(&self, source: &Snapshot) -> CopyProgress {
        CopyProgress {
            accounts: self.same,
            total_accounts: source.len(),
            keys: self.same_keys,
            total_keys: source.key_count(),
        }
    }

    /// Whether the account is in the target, goes, and comes again as it is to be or not at all.
    fn goes(&self, owner: Scope) -> bool {
        matches!(owner, Scope::Account(sid) if self.accounts.contains_key(&sid))
    }

    /// The commit that brings up to date what was copied before: all goes that changed, and then comes what is there.
    pub(super) fn update(&self, source: &Snapshot) -> Vec<Step> {
        let mut steps = Vec::new();
        for Suspect { target, .. } in self.accounts.values() {
            steps.push(Step::of(target, Write::Delete { sid: target.sid, expected: target.revision }));
        }
        // Those of the accounts that go, go with them.
        for Suspect { target, .. } in self.keys.values().filter(|key| !self.goes(key.target.owner)) {
            let revoke = KeyWrite::Revoke { id: target.id, expected: target.revision };
            steps.push(Step::of_key(target, revoke));
        }
        let accounts = self.accounts.values().filter_map(|suspect| suspect.source.as_ref());
        steps.extend(accounts.clone().map(Step::restore));
        let of_accounts = accounts.flat_map(|account| source.keys_of(Scope::Account(account.sid)));
        steps.extend(of_accounts.map(Step::restore_key));
        let keys = self.keys.values().filter_map(|suspect| suspect.source.as_ref());
        let others = keys.filter(|key| !self.goes(key.owner) && !self.waits(key));
        steps.extend(others.map(Step::restore_key));
        steps
    }

    /// Whether the account of the key is yet to be written.
    fn waits(&self, key: &ApiKey) -> bool {
        let Scope::Account(sid) = key.owner else { return false };
        self.missing.binary_search_by_key(&sid, |account| account.sid).is_ok()
    }

    /// The keys that are not there when the accounts are.
    pub(super) fn keys_after_accounts(&self) -> Vec<Arc<ApiKey>> {
        let missing = self.missing_keys.iter().filter(|key| !self.goes(key.owner));
        let changed = self.keys.values().filter_map(|suspect| suspect.source.as_ref());
        missing.chain(changed.filter(|key| self.waits(key))).cloned().collect()
    }

    /// What is the same after the update.
    pub(super) fn count_update(&self, progress: &mut CopyProgress) {
        let changed = self.accounts.values().filter(|suspect| suspect.source.is_some());
        progress.accounts += changed.count();
        // The keys of the accounts that were the same are again.
        let missing = self.missing_keys.iter().filter(|key| self.goes(key.owner));
        let changed = self.keys.values().filter_map(|suspect| suspect.source.as_ref());
        progress.keys += missing.count() + changed.filter(|key| !self.waits(key)).count();
    }
}
