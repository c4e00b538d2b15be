//! May this session start.

use super::ended::{Ended, How};
use super::ledger::Ledger;
use super::moment::{Moment, millis};
use super::options::AdmissionOptions;
use super::permit::{Allowance, NotRunning, Permit, Renewed};
use super::provider::Providers;
use super::refused::{CODES, Refused};
use super::session_id::SessionId;
use super::sessions::{Direction, Key, NewSession, Place, Session, Sessions};
use super::signals::{Signals, Subscribers};
use super::source::{Follow, Source};
use super::sync::{MutexGuard, lock};
use super::terms::Terms;
use super::tracked::{Tracked, TrackedAccounts};
use crate::accounts::RunningSessions;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::unit::Limit;
use crate::store::AccountStore;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Decides whether a session may start, counts those that run, and charges their minutes.
///
/// Cloning it shares it. No call waits for a disk or a network, but for [`Admission::flush`].
///
/// ```
/// use gateway_accounts::{*, admission::{Admission, Direction, Moment, SessionId}};
/// # futures_lite::future::block_on(async {
/// let store = MemoryStore::new();
/// let accounts = Accounts::new(store.clone());
/// let admin = Actor::admin("jane@operator.example")?;
/// let draft = AccountPatch::new().name("Acme").unit(Unit::sessions(1)).licensed_sessions(Limit::AtMost(1));
/// let acme = accounts.create(&admin, draft).await?;
///
/// let admission = Admission::new(store);
/// let [first, second] = ["a84b4c76e66710@pc33", "f81d4fae7dec@pc34"].map(|id| SessionId::parse(id));
/// let permit = admission.admit(acme.sid(), first?, Direction::Inbound, Moment::now())?;
/// let refused = admission.admit(acme.sid(), second?, Direction::Outbound, Moment::now()).unwrap_err();
/// assert_eq!(refused.sip_response().to_string(), "503 Max Account Calls In Progress");
///
/// permit.release(Moment::now());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Admission(Arc<Handle>);

/// What the clones of an admission share. When the last is gone, nothing is counted any more.
struct Handle(Arc<Gate>);

impl Drop for Handle {
    fn drop(&mut self) {
        // The accounts know the gate, which knows them.
        self.0.sessions.each().for_each(|mut shard| shard.clear());
        self.0.accounts.clear();
    }
}

/// What is shared.
pub(super) struct Gate {
    pub(super) options: AdmissionOptions,
    pub(super) source: Follow,
    pub(super) accounts: TrackedAccounts,
    pub(super) providers: Providers,
    pub(super) sessions: Sessions,
    pub(super) subscribers: Subscribers,
    pub(super) refused: [AtomicU64; CODES.len()],
    pub(super) reconciliations: AtomicU32,
    pub(super) flushing: Flushing,
    default_terms: Arc<Terms>,
}

/// How the writing of minutes goes.
#[derive(Debug)]
pub(super) struct Flushing {
    pub(super) is_under_way: AtomicBool,
    /// By the clock that only runs forward; `i64::MIN` before the first.
    pub(super) last: AtomicI64,
    /// How often in a row it failed.
    pub(super) failures: AtomicU64,
    pub(super) unwritten: AtomicU64,
}

impl Admission {
    /// Admits sessions of the accounts that this store keeps, by what holds where nothing is said
    /// ([`AdmissionOptions`]).
    #[must_use]
    pub fn new(store: impl AccountStore + 'static) -> Self {
        AdmissionOptions::new().start(store)
    }

    pub(super) fn with_options(options: AdmissionOptions, store: Box<dyn AccountStore>) -> Self {
        let gate = Gate {
            options,
            source: Follow::new(store),
            accounts: TrackedAccounts::new(),
            providers: Providers::new(),
            sessions: Sessions::new(),
            subscribers: Subscribers::new(),
            refused: Default::default(),
            reconciliations: AtomicU32::new(0),
            flushing: Flushing {
                is_under_way: AtomicBool::new(false),
                last: AtomicI64::new(i64::MIN),
                failures: AtomicU64::new(0),
                unwritten: AtomicU64::new(0),
            },
            default_terms: Arc::new(Terms::new()),
        };
        Self(Arc::new(Handle(Arc::new(gate))))
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.0.0
    }

    /// Whether a session may start, and if so, counts it.
    ///
    /// A session that is running already is not counted again, whatever the limits are by now: its permit says so
    /// ([`Admitted::repeated`](super::Admitted::repeated)), and ends nothing when it is dropped. So a retransmitted INVITE has the answer of the
    /// first. Ids are those of an account: another account's sessions may have the same.
    ///
    /// An edit that was committed before the call is seen by it.
    ///
    /// # Errors
    /// [`Refused`]; then nothing is counted.
    pub fn admit(
        &self,
        account: AccountSid,
        session: SessionId,
        direction: Direction,
        now: Moment,
    ) -> Result<Permit, Refused> {
        let gate = self.gate();
        let refuse = |refused: Refused| {
            gate.refused[refused.place()].fetch_add(1, Ordering::Relaxed);
            refused
        };
        loop {
            let tracked = gate.tracked(account).map_err(refuse)?;
            let hash = gate.sessions.hash(account, &session);
            let mut shard = gate.sessions.shard(hash);
            let place = match shard.place(hash, account, &session) {
                Place::Taken(running, tally) => {
                    running.hear(now);
                    tally.repeated += 1;
                    let paid = tracked.paid(running);
                    return Ok(Permit::new(Arc::clone(&tracked), running, Permit::NOBODYS, true, paid));
                }
                Place::Free(place) => place,
            };
            let mut ledger = lock(&tracked.ledger);
            if ledger.retired {
                continue;
            }
            if !gate.bring_up_to_date(&tracked, &mut ledger) {
                return Err(refuse(Refused::Unavailable));
            }
            let counted = match ledger.admit(account, &session, now) {
                Ok(counted) => counted,
                Err(refused) => {
                    let news = ledger.news_of_refusal(&refused, now, gate.options.signal_interval);
                    drop((ledger, shard));
                    gate.subscribers.tell(account, now.at(), news);
                    return Err(refuse(refused));
                }
            };
            let news = ledger.news(now, gate.options.signal_interval);
            drop(ledger);
            place.tally.admitted += 1;
            place.tally.overage += u64::from(counted.overage);
            let new = NewSession {
                account,
                id: session,
                provider: counted.provider,
                since: now,
                heard: now,
                direction,
                overage: counted.overage,
                meter: counted.meter.map(|(meter, _)| meter),
            };
            let running = place.insert(new);
            let permit =
                Permit::new(tracked, running, running.owner, false, counted.meter.map(|(_, paid)| paid));
            drop(shard);
            gate.subscribers.tell(account, now.at(), news);
            return Ok(permit);
        }
    }

    /// Says that a session is running, and reserves its next minutes if it is metered and its time is nearly over.
    ///
    /// # Errors
    /// [`NotRunning`] when it is not.
    pub fn renew(
        &self,
        account: AccountSid,
        session: &SessionId,
        now: Moment,
    ) -> Result<Renewed, NotRunning> {
        let (tracked, key) = self.gate().find(account, session).ok_or(NotRunning)?;
        self.gate().renew(&tracked, key, now)
    }

    /// Says that a session was answered, from when on its minutes count where the terms say so
    /// ([`Terms::from_answer`](super::Terms::from_answer)); elsewhere, only that it is running.
    ///
    /// # Errors
    /// [`NotRunning`] when it is not.
    pub fn answered(
        &self,
        account: AccountSid,
        session: &SessionId,
        now: Moment,
    ) -> Result<Renewed, NotRunning> {
        let (tracked, key) = self.gate().find(account, session).ok_or(NotRunning)?;
        self.gate().answered(&tracked, key, now)
    }

    /// Ends a session, whoever has its permit; `None` when it is not running (any more).
    pub fn release(&self, account: AccountSid, session: &SessionId, now: Moment) -> Option<Ended> {
        let (tracked, key) = self.gate().find(account, session)?;
        self.gate().end(&tracked, key, None, || now, How::Released)
    }

    /// Makes a session that is running the caller's: from now on it ends with this permit, and no longer with the one that
    /// there was (as after a REFER, or when another thread takes over). `None` when it is not running.
    #[must_use]
    pub fn take_over(&self, account: AccountSid, session: &SessionId) -> Option<Permit> {
        let gate = self.gate();
        let tracked = gate.accounts.get(account)?;
        let hash = gate.sessions.hash(account, session);
        let mut shard = gate.sessions.shard(hash);
        let running = shard.find(hash, account, session)?;
        let owner = running.next_owner();
        let paid = tracked.paid(running);
        Some(Permit::new(Arc::clone(&tracked), running, owner, true, paid))
    }

    /// Ends the sessions that were not heard of for longer than a heartbeat, and tells which. They are charged until they
    /// were heard of last. Call it every few seconds, or have a [`Keeper`](super::Keeper) do it.
    pub fn expire(&self, now: Moment) -> Vec<Ended> {
        let heartbeat = millis(self.gate().options.heartbeat);
        let is_over = |session: &Session| now.run.saturating_sub(session.heard().run) > heartbeat;
        let mut ended = Vec::new();
        for mut shard in self.gate().sessions.each() {
            let expired = shard.take_if(is_over);
            shard.tally.expired += expired.len() as u64;
            ended.extend(expired.into_iter().map(|session| self.gate().lose(session, now, How::Expired)));
        }
        ended
    }

    /// Limits the sessions of all accounts of a service provider together. Both limits hold: a session is counted with its
    /// account and with the service provider, or with neither. Those that are running count, whatever the limit.
    ///
    /// It is not kept in the store: it is for the application to say so after each start.
    pub fn limit_service_provider(&self, service_provider: ServiceProviderSid, maximum: Limit) {
        self.gate().providers.get_or_add(service_provider).limit(maximum);
    }

    /// Has signals sent, from now on; at most so many wait to be received.
    #[must_use]
    pub fn subscribe(&self, capacity: usize) -> Signals {
        self.gate().subscribers.subscribe(capacity)
    }

    /// Lets go of the store, and goes on with the accounts as they are now: for a store that has failed and has to be opened
    /// anew. What minutes are used is kept until another is followed.
    pub fn leave_store(&self) {
        let snapshot = self.gate().source.hold().snapshot();
        self.gate().replace_source(Source::Left(snapshot));
    }

    /// Follows this store from now on: the one that was left, opened anew.
    pub fn follow(&self, store: impl AccountStore + 'static) {
        self.gate().replace_source(Source::Store(Box::new(store)));
    }

    /// How many sessions of the account are running.
    #[must_use]
    pub fn running(&self, account: AccountSid) -> u32 {
        self.gate().accounts.get(account).map_or(0, |tracked| lock(&tracked.ledger).active)
    }
}

impl RunningSessions for Admission {
    fn running(&self, account: AccountSid) -> u64 {
        u64::from(Admission::running(self, account))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("options", &self.gate().options).finish_non_exhaustive()
    }
}

impl Gate {
    fn replace_source(&self, source: Source) {
        self.source.set(source);
        self.accounts.all().iter().for_each(|tracked| {
            let mut ledger = lock(&tracked.ledger);
            // Whoever looks next, looks there.
            ledger.seen = None;
            // It may lack what was written last.
            ledger.written = None;
        });
    }

    /// What is counted of an account that there is.
    #[inline]
    pub(super) fn tracked(self: &Arc<Self>, sid: AccountSid) -> Result<Arc<Tracked>, Refused> {
        if let Some(tracked) = self.accounts.get(sid) {
            return Ok(tracked);
        }
        let new = self.untracked(sid)?;
        Ok(self.accounts.get_or_add(sid, || new))
    }

    /// An account that there is, and of which nothing is counted yet.
    pub(super) fn untracked(self: &Arc<Self>, sid: AccountSid) -> Result<Tracked, Refused> {
        let snapshot = self.source.hold().snapshot().ok_or(Refused::Unavailable)?;
        // Nothing is kept of what somebody makes up.
        if snapshot.by_sid(sid).is_none() {
            return Err(Refused::UnknownAccount { account: sid });
        }
        Ok(Tracked::new(sid, Arc::clone(&self.default_terms), Arc::clone(self)))
    }

    /// Takes the account over as it is now, if it may have changed since it was looked at; whether that is known.
    #[inline]
    pub(super) fn bring_up_to_date(&self, tracked: &Tracked, ledger: &mut Ledger) -> bool {
        match &ledger.seen {
            Some((source, seen)) if source.seq().is_some_and(|latest| latest <= *seen) => true,
            _ => self.look_again(tracked, ledger),
        }
    }

    fn look_again(&self, tracked: &Tracked, ledger: &mut Ledger) -> bool {
        let source = self.source.hold();
        let Some(snapshot) = source.snapshot() else { return false };
        match (snapshot.by_sid(tracked.sid), &ledger.account) {
            (Some(now), Some(before)) if Arc::ptr_eq(now, before) => {}
            (Some(now), _) => {
                let provider = now.service_provider().map(|sid| self.providers.get_or_add(sid));
                let terms = (self.options.terms)(now);
                ledger.take_account(Arc::clone(now), provider, terms);
            }
            (None, _) => ledger.forget_account(),
        }
        // Last, so that all is done again if asking for the terms panics.
        ledger.seen = Some((source, snapshot.seq()));
        true
    }

    /// The ledger, with the account as it is now.
    pub(super) fn current<'a>(&self, tracked: &'a Tracked) -> MutexGuard<'a, Ledger> {
        let mut ledger = lock(&tracked.ledger);
        self.bring_up_to_date(tracked, &mut ledger);
        ledger
    }

    fn find(&self, account: AccountSid, session: &SessionId) -> Option<(Arc<Tracked>, Key)> {
        let hash = self.sessions.hash(account, session);
        let key = self.sessions.shard(hash).find(hash, account, session)?.key;
        Some((self.accounts.get(account)?, key))
    }

    fn expires(&self, session: &Session) -> Moment {
        session.heard().after(self.options.heartbeat)
    }

    pub(super) fn renew(&self, tracked: &Tracked, session: Key, now: Moment) -> Result<Renewed, NotRunning> {
        self.hear(tracked, session, now, false)
    }

    pub(super) fn answered(
        &self,
        tracked: &Tracked,
        session: Key,
        now: Moment,
    ) -> Result<Renewed, NotRunning> {
        self.hear(tracked, session, now, true)
    }

    fn hear(
        &self,
        tracked: &Tracked,
        session: Key,
        now: Moment,
        answered: bool,
    ) -> Result<Renewed, NotRunning> {
        let mut shard = self.sessions.shard_of(session);
        let session = shard.find_by(session).ok_or(NotRunning)?;
        session.hear(now);
        let mut ledger = self.current(tracked);
        if let (true, Some(meter), Some(minutes)) = (answered, session.meter(), &mut ledger.minutes) {
            minutes.answer(meter, now);
        }
        let renewed = ledger.renew(session.meter(), now);
        if let Some((meter, _)) = renewed {
            session.set_meter(meter);
        }
        let expires = self.expires(session);
        let news = match renewed {
            Some(_) => ledger.news(now, self.options.signal_interval),
            None => Vec::new(),
        };
        drop((ledger, shard));
        self.subscribers.tell(tracked.sid, now.at(), news);
        Ok(Renewed { expires, minutes: renewed.map(|(_, paid)| Allowance::of(paid)) })
    }

    /// Ends a session, if it is running, and if its owner has this number.
    pub(super) fn end(
        &self,
        tracked: &Tracked,
        session: Key,
        owner: Option<u32>,
        now: impl FnOnce() -> Moment,
        how: How,
    ) -> Option<Ended> {
        let mut shard = self.sessions.shard_of(session);
        let is_owners = |session: &Session| owner.is_none_or(|owner| owner == session.owner);
        let session = shard.remove_if(session, is_owners)?;
        shard.tally.released += 1;
        let now = now();
        let mut ledger = lock(&tracked.ledger);
        let charged = ledger.end(session.meter(), now);
        self.leave_provider(&session, &ledger);
        drop((ledger, shard));
        Some(Ended::new(session, how, now, charged))
    }

    /// Ends a session that was taken out of its shard, which is locked, and of which nobody said that it ended.
    pub(super) fn lose(&self, session: Session, now: Moment, how: How) -> Ended {
        let heard = session.heard();
        // No account is forgotten that has a session.
        let charged = self.accounts.get(session.account).and_then(|tracked| {
            let mut ledger = lock(&tracked.ledger);
            let charged = ledger.lose(session.meter(), heard, &session.id, now);
            self.leave_provider(&session, &ledger);
            charged
        });
        Ended::new(session, how, heard, charged)
    }

    /// Counts a session down with the service provider that it was counted with, most often that of its account still.
    #[inline]
    fn leave_provider(&self, session: &Session, ledger: &Ledger) {
        let Some(number) = session.provider else { return };
        match &ledger.provider {
            Some(provider) if provider.number == number => provider.count_down(),
            _ => {
                if let Some(provider) = self.providers.by_number(number) {
                    provider.count_down();
                }
            }
        }
    }

    /// Whether a tracked account can be forgotten, and if so, sees to it that nothing more is counted there.
    pub(super) fn retire(&self, tracked: &Tracked) {
        let mut ledger = self.current(tracked);
        if ledger.account.is_none() && ledger.seen.is_some() && ledger.active == 0 {
            ledger.retired = true;
            drop(ledger);
            self.accounts.remove(tracked);
        }
    }
}
