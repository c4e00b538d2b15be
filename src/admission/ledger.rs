//! What is counted of one account, and what its limits are.

use super::live::LiveSession;
use super::minutes::{MeterNumber, Minutes, Paid, PeriodFigures};
use super::moment::Moment;
use super::provider::Provider;
use super::refused::Refused;
use super::session_id::SessionId;
use super::signals::{Alarm, Alarms, SignalKind};
use super::sync::Mutex;
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

/// An account of which something is counted. Its ledger is locked after the sessions it is about, and before the count of its
/// service provider.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) sid: AccountSid,
    pub(super) ledger: Mutex<Ledger>,
}

/// What is counted of one account.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The commit that the limits are as of; `None` when that is to be found out.
    pub(super) seen: Option<Seq>,
    /// `None` when there is no such account (any more).
    pub(super) account: Option<Arc<Account>>,
    pub(super) provider: Option<Arc<Provider>>,
    pub(super) terms: Arc<Terms>,
    pub(super) active: u32,
    /// What is charged; `None` as long as nothing is metered.
    pub(super) minutes: Option<Box<Minutes>>,
    /// What the store was told last of it.
    pub(super) written: Option<Arc<MinutesUsed>>,
    /// It is not in the table any more.
    pub(super) retired: bool,
    alarms: Alarms,
}

/// What was counted for a session that may start.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) overage: bool,
    pub(super) meter: Option<(MeterNumber, Paid)>,
    pub(super) provider: Option<Arc<Provider>>,
}

impl Tracked {
    pub(super) fn new(sid: AccountSid, terms: Arc<Terms>) -> Self {
        let ledger = Ledger {
            seen: None,
            account: None,
            provider: None,
            terms,
            active: 0,
            minutes: None,
            written: None,
            retired: false,
            alarms: Alarms::default(),
        };
        Self { sid, ledger: Mutex::new(ledger) }
    }
}

impl Ledger {
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
        self.provider = provider;
        self.account = Some(account);
    }

    /// That there is no such account.
    pub(super) fn forget_account(&mut self) {
        self.account = None;
        self.provider = None;
    }

    fn maximum(&self, kind: UnitKind) -> Option<u32> {
        match self.account.as_ref()?.unit() {
            unit if unit.kind == kind => at_most(unit.maximum),
            _ => None,
        }
    }

    pub(super) fn is_metered(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.unit().kind == UnitKind::Minutes)
    }

    /// How many seconds may be charged in a period.
    fn seconds(&self) -> Option<i64> {
        self.maximum(UnitKind::Minutes).map(|minutes| i64::from(minutes) * 60)
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
    pub(super) fn admit(&mut self, sid: AccountSid, id: &SessionId, now: Moment) -> Result<Counted, Refused> {
        let account = self.account.as_ref().ok_or(Refused::UnknownAccount { account: sid })?;
        if let Err(suspension) = account.status().in_service() {
            return Err(Refused::Suspended { account: sid, suspension: Box::new(suspension.clone()) });
        }
        let licensed = account.licensed_sessions();
        if let Some(maximum) = self.maximum(UnitKind::Sessions)
            && self.active >= maximum
        {
            return Err(Refused::Sessions { account: sid, active: self.active, maximum });
        }
        let provider = self.provider.clone();
        let mut of_provider = provider.as_ref().map(|provider| provider.count());
        if let (Some(count), Some(provider)) = (&of_provider, &provider)
            && let Some(maximum) = at_most(count.maximum)
            && count.active >= maximum
        {
            let service_provider = provider.sid;
            return Err(Refused::ServiceProvider {
                account: sid,
                service_provider,
                active: count.active,
                maximum,
            });
        }
        let meter = self.is_metered().then(|| self.begin_meter(sid, id, now)).transpose()?;
        if let Some(count) = &mut of_provider {
            count.active = count.active.saturating_add(1);
        }
        drop(of_provider);
        self.active = self.active.saturating_add(1);
        Ok(Counted { overage: !licensed.allows(u64::from(self.active)), meter, provider })
    }

    fn begin_meter(
        &mut self,
        sid: AccountSid,
        id: &SessionId,
        now: Moment,
    ) -> Result<(MeterNumber, Paid), Refused> {
        let (terms, limit) = (Arc::clone(&self.terms), self.seconds());
        self.minutes().begin(id, now, &terms, limit).map_err(|used_up| Refused::Minutes {
            account: sid,
            charged_seconds: u64::try_from(used_up.charged).unwrap_or(0),
            maximum: u32::try_from(limit.unwrap_or(0) / 60).unwrap_or(u32::MAX),
            period_ends: Timestamp::from_millis(used_up.period_ends),
        })
    }

    /// Counts a session that is running, whatever the limits are.
    pub(super) fn adopt(&mut self, live: &LiveSession, now: Moment) -> Option<Counted> {
        let licensed = self.account.as_ref()?.licensed_sessions();
        let meter = self.is_metered().then(|| {
            let (terms, limit) = (Arc::clone(&self.terms), self.seconds());
            self.minutes().adopt(&live.id, live.metered_since(&terms), now, &terms, limit)
        });
        let provider = self.provider.clone();
        if let Some(provider) = &provider {
            let mut count = provider.count();
            count.active = count.active.saturating_add(1);
        }
        self.active = self.active.saturating_add(1);
        Some(Counted { overage: !licensed.allows(u64::from(self.active)), meter, provider })
    }

    /// Charges a session that has ended, and was not known.
    pub(super) fn adopt_ended(&mut self, live: &LiveSession, ended: Timestamp, now: Moment) {
        if !self.is_metered() {
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
    pub(super) fn end(
        &mut self,
        meter: Option<MeterNumber>,
        provider: Option<&Provider>,
        now: Moment,
    ) -> Option<u64> {
        self.count_down(provider);
        let seconds = self.minutes.as_mut()?.end(meter?, now);
        Some(u64::try_from(seconds).unwrap_or(0))
    }

    /// As [`Ledger::end`], of a session of which nobody said that it ended; it was heard of last at `heard`.
    pub(super) fn lose(
        &mut self,
        meter: Option<MeterNumber>,
        provider: Option<&Provider>,
        heard: Moment,
        id: &SessionId,
        now: Moment,
    ) -> Option<u64> {
        self.count_down(provider);
        let seconds = self.minutes.as_mut()?.lose(meter?, heard, id, now);
        Some(u64::try_from(seconds).unwrap_or(0))
    }

    fn count_down(&mut self, provider: Option<&Provider>) {
        if let Some(provider) = provider {
            let mut count = provider.count();
            count.active = count.active.saturating_sub(1);
        }
        self.active = self.active.saturating_sub(1);
        self.rearm();
    }

    /// Renews what a session has paid for. A session that is not metered is from now on, if the account's are.
    pub(super) fn renew(&mut self, meter: Option<MeterNumber>, now: Moment) -> Option<(MeterNumber, Paid)> {
        let (terms, limit) = (Arc::clone(&self.terms), self.seconds());
        match meter {
            Some(meter) => Some((meter, self.minutes().renew(meter, now, limit))),
            None if self.is_metered() => Some(self.minutes().begin_running(now, &terms, limit)),
            None => None,
        }
    }

    /// What is to be written of the minutes used, if it is not what was written last.
    pub(super) fn use_to_write(&mut self, now: Moment) -> Option<MinutesUsed> {
        let used = self.minutes.as_mut()?.used_by(now);
        let is_written = self.written.as_ref().is_some_and(|written| written.periods() == used.periods());
        (!is_written && !(self.written.is_none() && used.periods().is_empty())).then_some(used)
    }

    /// What is used of the billing period; `None` where minutes are not limited and none were charged.
    pub(super) fn period_usage(&mut self, now: Moment) -> Option<PeriodUsage> {
        let terms = Arc::clone(&self.terms);
        let is_metered = self.is_metered();
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
    pub(super) fn news(&mut self, now: Moment, interval: Duration) -> Vec<SignalKind> {
        let mut news = Vec::new();
        let active = self.active;
        if let Some(maximum) = self.maximum(UnitKind::Sessions) {
            let is_near = is_near(i64::from(active), i64::from(maximum));
            if self.alarms.is_news(Alarm::SessionsNear, is_near && active < maximum, now.run, interval) {
                news.push(SignalKind::SessionsNearMaximum { active, maximum });
            }
            if self.alarms.is_news(Alarm::SessionsFull, active >= maximum, now.run, interval) {
                news.push(SignalKind::SessionsAtMaximum { active, maximum });
            }
        }
        let licensed = self.account.as_ref().and_then(|account| at_most(account.licensed_sessions()));
        if let Some(licensed) = licensed
            && self.alarms.is_news(Alarm::Overage, active > licensed, now.run, interval)
        {
            news.push(SignalKind::OverageBegan { active, licensed });
        }
        if let (Some(limit), Some(minutes)) = (self.seconds(), &mut self.minutes) {
            let (charged, start) = minutes.charged_in_period(now, &self.terms);
            let is_up = charged + 60 > limit;
            let charged_seconds = u64::try_from(charged).unwrap_or(0);
            let maximum = u32::try_from(limit / 60).unwrap_or(u32::MAX);
            let period_start = Timestamp::from_millis(start);
            if self.alarms.is_news(Alarm::MinutesNear, is_near(charged, limit) && !is_up, now.run, interval) {
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
        let active = self.active;
        let ended = |alarms: &mut Alarms, alarm, is_so: bool| {
            if !is_so {
                alarms.is_news(alarm, false, 0, Duration::ZERO);
            }
        };
        let maximum = self.maximum(UnitKind::Sessions).unwrap_or(u32::MAX);
        let licensed = self
            .account
            .as_ref()
            .and_then(|account| at_most(account.licensed_sessions()))
            .unwrap_or(u32::MAX);
        ended(&mut self.alarms, Alarm::SessionsNear, is_near(i64::from(active), i64::from(maximum)));
        ended(&mut self.alarms, Alarm::SessionsFull, active >= maximum);
        ended(&mut self.alarms, Alarm::Overage, active > licensed);
    }
}

/// 80 % of it, or more.
fn is_near(count: i64, maximum: i64) -> bool {
    count * 5 >= maximum * 4
}

fn at_most(limit: Limit) -> Option<u32> {
    match limit {
        Limit::AtMost(most) => Some(most),
        Limit::Unlimited => None,
    }
}
