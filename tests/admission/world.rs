//! A store with some accounts, a clock, and an admission.

use futures_lite::future::block_on;
use gateway_accounts::admission::{
    Admission, AdmissionOptions, Direction, LiveSession, Moment, Permit, Refused, SessionId,
};
use gateway_accounts::{
    Account, AccountPatch, AccountSid, Accounts, Actor, Clock, Limit, ManualClock, MemoryStore, Revision,
    SeededRandom, ServiceProviderSid, Timestamp, Unit, UnitKind,
};
use std::sync::Arc;
use std::time::Duration;

/// 2026-11-23T20:37:43Z.
pub(crate) const START: i64 = 1_795_466_263_000;

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) accounts: Accounts,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) admission: Admission,
}

pub(crate) fn admin() -> Actor {
    Actor::admin("jane@operator.example").unwrap()
}

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn provider(n: u8) -> ServiceProviderSid {
    format!("51f4233a-4559-4b8c-a527-0000000000{n:02}").parse().unwrap()
}

pub(crate) fn unlimited(kind: UnitKind) -> Unit {
    Unit { kind, maximum: Limit::Unlimited }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(AdmissionOptions::new())
    }

    pub(crate) fn with(options: AdmissionOptions) -> Self {
        let store = MemoryStore::new();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(START)));
        let accounts =
            Accounts::new(store.clone()).with_clock(Arc::clone(&clock)).with_random(SeededRandom::new(1));
        let admission = options.clock(Arc::clone(&clock)).start(store.clone());
        Self { store, accounts, clock, admission }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::by(&*self.clock)
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(secs(seconds));
    }

    pub(crate) fn create(&self, name: &str, unit: Unit, licensed: Limit) -> AccountSid {
        self.create_of(name, unit, licensed, None)
    }

    pub(crate) fn create_of(
        &self,
        name: &str,
        unit: Unit,
        licensed: Limit,
        provider: Option<ServiceProviderSid>,
    ) -> AccountSid {
        let mut draft = AccountPatch::new().name(name).unit(unit).licensed_sessions(licensed);
        if let Some(provider) = provider {
            draft = draft.service_provider(provider);
        }
        block_on(self.accounts.create(&admin(), draft)).unwrap().sid()
    }

    /// Like a SIP trunk that may have so many sessions, all of them licensed.
    pub(crate) fn trunk(&self, name: &str, sessions: u32) -> AccountSid {
        self.create(name, Unit::sessions(sessions), Limit::AtMost(sessions))
    }

    pub(crate) fn account(&self, sid: AccountSid) -> Arc<Account> {
        block_on(self.accounts.get(&admin(), sid)).unwrap()
    }

    pub(crate) fn edit(&self, sid: AccountSid, patch: AccountPatch) -> Revision {
        let revision = self.account(sid).revision();
        block_on(self.accounts.edit(&admin(), sid, revision, patch)).unwrap().revision()
    }

    pub(crate) fn suspend(&self, sid: AccountSid) {
        let revision = self.account(sid).revision();
        block_on(self.accounts.suspend(&admin(), sid, revision, "late".parse().unwrap())).unwrap();
    }

    pub(crate) fn resume(&self, sid: AccountSid) {
        let revision = self.account(sid).revision();
        block_on(self.accounts.resume(&admin(), sid, revision)).unwrap();
    }

    pub(crate) fn admit(&self, account: AccountSid, session: &str) -> Result<Permit, Refused> {
        self.admission.admit(account, id(session), Direction::Inbound, self.now())
    }

    /// Admits a session that is left to run.
    #[track_caller]
    pub(crate) fn start(&self, account: AccountSid, session: &str) {
        self.admit(account, session).unwrap().leave();
    }

    /// Ends one session, and starts another.
    pub(crate) fn start_after_release(&self, account: AccountSid, ends: &str, begins: &str) {
        self.admission.release(account, &id(ends), self.now()).unwrap();
        self.start(account, begins);
    }

    pub(crate) fn live(&self, account: AccountSid, session: &str) -> LiveSession {
        LiveSession::new(account, id(session), self.clock.now())
    }

    pub(crate) fn flush(&self) -> usize {
        block_on(self.admission.flush(self.now())).unwrap().accounts
    }

    /// What is used and what is reserved, in seconds.
    pub(crate) fn charged(&self, account: AccountSid) -> (u64, u64) {
        let minutes = self.admission.usage(account, self.now()).unwrap().minutes.unwrap();
        (minutes.used_seconds, minutes.reserved_seconds)
    }
}
