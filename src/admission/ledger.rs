//! What is counted of one account, and what its limits are.

use super::live::LiveSession;
use super::minutes::{MeterNumber, Minutes, Paid, PeriodFigures};
use super::moment::Moment;
use super::provider::Provider;
use super::refused::Refused;
use super::session_id::SessionId;
use super::signals::{Alarm, Alarms, SignalKind};
use super::source::Source;
use super::terms::Terms;
use super::usage::PeriodUsage;
use crate::model::account::Account;
use crate::model::minutes_used::MinutesUsed;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, UnitKind};
use crate::snapshot::Seq;
use std::sync::Arc;
use std::time::Duration;

/// What is counted of one account. What every admission needs comes first, to be together in memory.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Ledger {
    /// The commit that the limits are as of, and of which source; `None` when that is to be found out.
    pub(super) seen: Option<(Arc<Source>, Seq)>,
    pub(super) active: u32,
    /// How many sessions may run; [`UNLIMITED`] for any number, also where the unit is minutes.
    maximum: u32,
    /// How many are licensed; [`UNLIMITED`] for any number.
    licensed: u32,
    /// With fewer sessions than this there is nothing to tell.
    quiet_below: u32,
    is_active: bool,
    pub(super) is_metered: bool,
    /// It is not in the table any more.
    pub(super) retired: bool,
    pub(super) provider: Option<Arc<Provider>>,
    /// `None` when there is no such account (any more).
    pub(super) account: Option<Arc<Account>>,
    /// What is charged; `None` as long as nothing is metered.
    pub(super) minutes: Option<Box<Minutes>>,
    alarms: Alarms,
    pub(super) terms: Arc<Terms>,
    /// What the store was told last of the minutes used.
    pub(super) written: Option<Arc<MinutesUsed>>,
}

const UNLIMITED: u32 = u32::MAX;

/// What was counted for a session that may start.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) overage: bool,
    pub(super) meter: Option<(MeterNumber, Paid)>,
    /// The number of the service provider that it is counted with.
    pub(super) provider: Option<u32>,
}

impl Ledger {
    pub(super) fn new(terms: Arc<Terms>) -> Self {
        Self {
            seen: None,
            active: 0,
            maximum: 0,
            licensed: 0,
            quiet_below: 0,
            is_active: false,
            is_metered: false,
            retired: false,
            provider: None,
            account: None,
            minutes: None,
            alarms: Alarms::default(),
            terms,
            written: None,
        }
    }

    /// The account as it is now, with what its service provider and its terms are.
    pub(super) fn take_account(
        &mut self,
        account: Arc<Account>,
        provider: Option<Arc<Provider>>,
        terms: Terms,
    ) {
        if *self.terms != terms {
            self.terms = Arc::new(terms);
        }
        let unit = account.unit();
        self.is_metered = unit.kind == UnitKind::Minutes;
        self.maximum = if self.is_metered { UNLIMITED } else { number(unit.maximum) };
        self.licensed = number(account.licensed_sessions());
        self.quiet_below = near(self.maximum).min(self.licensed.saturating_add(1));
        self.is_active = account.status().is_active();
        self.provider = provider;
        self.account = Some(account);
    }

    /// That there is no such account.
    pub(super) fn forget_account(&mut self) {
        *self = Self {
            seen: self.seen.take(),
            active: self.active,
            minutes: self.minutes.take(),
            ..Self::new(Arc::clone(&self.terms))
        };
    }

    /// How many seconds may be charged in a period.
    fn seconds(&self) -> Option<i64> {
        let unit = self.account.as_ref()?.unit();
        match unit.maximum {
            Limit::AtMost(minutes) if unit.kind == UnitKind::Minutes => Some(i64::from(minutes) * 60),
            _ => None,
        }
    }

    /// What is charged, beginning with what the store has.
    fn minutes(&mut self) -> &mut Minutes {
        let stored = self.account.as_ref().and_then(|account| account.minutes_used());
        let begun = || Box::new(Minutes::restore(stored.map(|stored| &**stored)));
        if self.minutes.is_none() {
            self.written = stored.cloned();
        }
        self.minutes.get_or_insert_with(begun)
    }

    /// Counts a session, if it may start, here and with the service provider, or not at all.
    #[inline]
    pub(super) fn admit(&mut self, sid: AccountSid, id: &SessionId, now: Moment) -> Result<Counted, Refused> {
        if !self.is_active {
            return Err(self.not_in_service(sid));
        }
        let (active, maximum) = (self.active, self.maximum);
        if active >= maximum {
            return Err(Refused::Sessions { account: sid, active, maximum });
        }
        let meter = if self.is_metered { Some(self.begin_meter(sid, now)?) } else { None };
        if let Some(provider) = &self.provider
            && let Err((active, maximum)) = provider.try_count()
        {
            let service_provider = provider.sid;
            if let (Some((meter, _)), Some(minutes)) = (meter, &mut self.minutes) {
                minutes.cancel(meter);
            }
            return Err(Refused::ServiceProvider { account: sid, service_provider, active, maximum });
        }
        if let (Some(_), Some(minutes)) = (meter, &mut self.minutes) {
            // What had this id before is another session.
            minutes.forget(id);
        }
        Ok(self.counted(meter))
    }

    fn not_in_service(&self, sid: AccountSid) -> Refused {
        match self.account.as_ref().map(|account| account.status().in_service()) {
            Some(Err(suspension)) => {
                Refused::Suspended { account: sid, suspension: Box::new(suspension.clone()) }
            }
            _ => Refused::UnknownAccount { account: sid },
        }
    }

    #[inline]
    fn counted(&mut self, meter: Option<(MeterNumber, Paid)>) -> Counted {
        self.active = self.active.saturating_add(1);
        let provider = self.provider.as_ref().map(|provider| provider.number);
        Counted { overage: self.active > self.licensed, meter, provider }
    }

    fn begin_meter(&mut self, sid: AccountSid, now: Moment) -> Result<(MeterNumber, Paid), Refused> {
        let (terms, limit) = (Arc::clone(&self.terms), self.seconds());
        self.minutes().begin(now, &terms, limit).map_err(|used_up| Refused::Minutes {
            account: sid,
            charged_seconds: u64::try_from(used_up.charged).unwrap_or(0),
            maximum: u32::try_from(limit.unwrap_or(0) / 60).unwrap_or(u32::MAX),
            period_ends: Timestamp::from_millis(used_up.period_ends),
        })
    }

    /// Counts a session that is running, whatever the limits are.
    pub(super) fn adopt(&mut self, live: &LiveSession, now: Moment) -> Option<Counted> {
        self.account.as_ref().filter(|_| !self.retired)?;
        let meter = self.is_metered.then(|| {
            let (terms, limit) = (Arc::clone(&self.terms), self.seconds());
            self.minutes().adopt(&live.id, live.metered_since(&terms), now, &terms, limit)
        });
        if let Some(provider) = &self.provider {
            provider.count_up();
        }
        Some(self.counted(meter))
    }

    /// Charges a session that has ended, and was not known.
    pub(super) fn adopt_ended(&mut self, live: &LiveSession, ended: Timestamp, now: Moment) {
        if !self.is_metered {
            return;
        }
        let terms = Arc::clone(&self.terms);
        let ended = now.plus((ended.as_millis() - now.wall).min(0));
        let minutes = self.minutes();
        // Nothing is reserved for it.
        let (meter, _) = minutes.adopt(&live.id, live.metered_since(&terms), ended, &terms, Some(0));
        minutes.end(meter, ended);
    }

    /// Ends a session that is counted; how many seconds it was charged.
    #[inline]
    pub(super) fn end(&mut self, meter: Option<MeterNumber>, now: Moment) -> Option<u64> {
        self.count_down();
        let seconds = self.minutes.as_mut()?.end(meter?, now);
        Some(u64::try_from(seconds).unwrap_or(0))
    }

    /// As [`Ledger::end`], of a session of which nobody said that it ended; it was heard of last at `heard`.
    pub(super) fn lose(
        &mut self,
        meter: Option<MeterNumber>,

        heard: Moment,
        id: &SessionId,
        now: Moment,
    ) -> Option<u64> {
        self.count_down();
        let seconds = self.minutes.as_mut()?.lose(meter?, heard, id, now);
        Some(u64::try_from(seconds).unwrap_or(0))
    }

    #[inline]
    fn count_down(&mut self) {
        self.active = self.active.saturating_sub(1);
        if self.alarms.any_told() {
            self.rearm();
        }
    }

    /// Renews what a session has paid for. A session that is not metered is from now on, if the account's are.
    pub(super) fn renew(&mut self, meter: Option<MeterNumber>, now: Moment) -> Option<(MeterNumber, Paid)> {
        let (terms, limit) = (Arc::clone(&self.terms), self.seconds());
        match meter {
            Some(meter) => Some((meter, self.minutes().renew(meter, now, limit))),
            None if self.is_metered => Some(self.minutes().begin_running(now, &terms, limit)),
            None => None,
        }
    }

    /// What is to be written of the minutes used, if it is not what was written last.
    pub(super) fn use_to_write(&mut self, now: Moment) -> Option<MinutesUsed> {
        let used = self.minutes.as_mut()?.used_by(now);
        let written = self.written.as_ref().map_or(&[][..], |written| written.periods());
        (written != used.periods()).then_some(used)
    }

    /// What is used of the billing period; `None` where minutes are not limited and none were charged.
    pub(super) fn period_usage(&mut self, now: Moment) -> Option<PeriodUsage> {
        let terms = Arc::clone(&self.terms);
        let is_metered = self.is_metered;
        let stored = self.account.as_ref().is_some_and(|account| account.minutes_used().is_some());
        if !is_metered && self.minutes.is_none() && !stored {
            return None;
        }
        let PeriodFigures { start, end, used, reserved } = self.minutes().in_period(now, &terms);
        Some(PeriodUsage {
            start: Timestamp::from_millis(start),
            end: Timestamp::from_millis(end),
            used_seconds: u64::try_from(used).unwrap_or(0),
            reserved_seconds: u64::try_from(reserved).unwrap_or(0),
        })
    }

    /// What there is to tell after something was counted.
    #[inline]
    pub(super) fn news(&mut self, now: Moment, interval: Duration) -> Vec<SignalKind> {
        if self.active < self.quiet_below && !self.is_metered {
            return Vec::new();
        }
        self.find_news(now, interval)
    }

    fn find_news(&mut self, now: Moment, interval: Duration) -> Vec<SignalKind> {
        let mut news = Vec::new();
        self.rearm();
        let Self { active, maximum, licensed, .. } = *self;
        if maximum < UNLIMITED {
            let is_near = active >= near(maximum);
            // Of one that is reached at once, the next is enough.
            if self.alarms.is_news(Alarm::SessionsNear, is_near, now.run, interval) && active < maximum {
                news.push(SignalKind::SessionsNearMaximum { active, maximum });
            }
            if self.alarms.is_news(Alarm::SessionsFull, active >= maximum, now.run, interval) {
                news.push(SignalKind::SessionsAtMaximum { active, maximum });
            }
        }
        if self.alarms.is_news(Alarm::Overage, active > licensed, now.run, interval) {
            news.push(SignalKind::OverageBegan { active, licensed });
        }
        if let (Some(limit), Some(minutes)) = (self.seconds(), &mut self.minutes) {
            let (charged, start) = minutes.charged_in_period(now, &self.terms);
            let is_up = charged + 60 > limit;
            self.alarms.note_ended(Alarm::MinutesNear, charged * 10 < limit * 7);
            self.alarms.note_ended(Alarm::MinutesUp, charged * 10 < limit * 9);
            let charged_seconds = u64::try_from(charged).unwrap_or(0);
            let maximum = u32::try_from(limit / 60).unwrap_or(u32::MAX);
            let period_start = Timestamp::from_millis(start);
            let is_near = charged * 5 >= limit * 4;
            if self.alarms.is_news(Alarm::MinutesNear, is_near, now.run, interval) && !is_up {
                news.push(SignalKind::MinutesNearMaximum { charged_seconds, maximum, period_start });
            }
            if self.alarms.is_news(Alarm::MinutesUp, is_up, now.run, interval) {
                news.push(SignalKind::MinutesUsedUp { charged_seconds, maximum, period_start });
            }
        }
        news
    }

    /// What there is to tell of a refusal.
    pub(super) fn news_of_refusal(
        &mut self,
        refused: &Refused,
        now: Moment,
        interval: Duration,
    ) -> Vec<SignalKind> {
        let mut news = self.news(now, interval);
        if let Some(times) = self.alarms.refused(now.run, interval) {
            news.push(SignalKind::Refused { refused: refused.clone(), times });
        }
        news
    }

    /// Notes that limits are not reached any more.
    fn rearm(&mut self) {
        let Self { active, maximum, licensed, .. } = *self;
        let alarms = &mut self.alarms;
        alarms.note_ended(Alarm::SessionsNear, below(active, near(maximum)));
        alarms.note_ended(Alarm::SessionsFull, below(active, maximum));
        alarms.note_ended(Alarm::Overage, below(active, licensed.saturating_add(1)));
    }
}

/// Whether it is a tenth below, or more, and one at least.
fn below(active: u32, limit: u32) -> bool {
    active < limit && u64::from(active) * 10 <= u64::from(limit) * 9
}

/// From how many on it is 80 % or more.
fn near(maximum: u32) -> u32 {
    if maximum == UNLIMITED {
        return UNLIMITED;
    }
    u32::try_from((u64::from(maximum) * 4).div_ceil(5)).unwrap_or(UNLIMITED)
}

fn number(limit: Limit) -> u32 {
    match limit {
        Limit::AtMost(most) => most,
        Limit::Unlimited => UNLIMITED,
    }
}
