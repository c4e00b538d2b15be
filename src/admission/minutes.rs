//! The minutes of one account: reserved before they are used, settled when a session ends. Pure: no lock, no clock.

use super::increments::Increments;
use super::moment::Moment;
use super::session_id::SessionId;
use super::terms::Terms;
use crate::model::minutes_used::{MinutesUsed, PeriodUse};
use crate::model::timestamp::Timestamp;
use slab::Slab;
use std::collections::HashMap;
use std::sync::Arc;

/// What is charged to an account, and its sessions that are metered.
///
/// A session's time is divided into increments, and each is charged to the billing period in which it begins, by the clock
/// on the wall as it was when the session began. Increments are reserved before they begin; what is charged includes what is
/// reserved.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    meters: Slab<Meter>,
    charges: Charges,
    calendar: Calendar,
    /// What was charged by then is part of what the store had when this began: also for sessions that ran then.
    restored: Option<i64>,
    /// When [`Minutes::used_by`] was asked last. No session begins before, so that a store that knows what was charged by
    /// then has nothing of it.
    told: Option<Moment>,
    /// Sessions that were given up without anybody saying that they ended. If they turn out to run all the same, they go on
    /// where they were.
    lost: HashMap<SessionId, Lost>,
}

/// A session whose time is charged.
#[derive(Debug, Clone)]
struct Meter {
    since: Moment,
    terms: Arc<Terms>,
    /// How many of its increments are charged.
    charged: i64,
    /// Whether its time runs: from an answer, if it is to.
    runs: bool,
}

#[derive(Debug)]
struct Lost {
    meter: Meter,
    /// When, by the clock that only runs forward.
    at: i64,
}

/// Which meter of an account.
pub(super) type MeterNumber = usize;

/// How long something is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paid {
    /// The moment when the last increment that is charged ends; `None` while no time runs.
    pub(super) until: Option<Moment>,
    /// No more could be reserved.
    pub(super) is_last: bool,
}

/// There are not enough seconds left for another increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedUp {
    /// What is charged in the period.
    pub(super) charged: i64,
    /// When the period ends.
    pub(super) period_ends: i64,
}

impl Meter {
    fn increments(&self) -> Increments {
        self.terms.increments
    }

    /// How many increments have begun.
    fn begun(&self, now: Moment) -> i64 {
        if self.runs { self.increments().begun(now.run.saturating_sub(self.since.run)) } else { 0 }
    }
}

impl Minutes {
    /// At least so much is reserved at a time, so that no session has to ask every second.
    const RESERVED: i64 = 60_000;
    /// So long before its time is over, a session reserves more.
    pub(super) const AHEAD: i64 = 10_000;
    /// So long it is remembered which sessions were given up.
    const LOST_FOR: i64 = 24 * 3600 * 1000;

    /// What a store has of it.
    pub(super) fn restore(used: Option<&MinutesUsed>) -> Self {
        let mut charges = Charges::default();
        for period in used.map_or(&[][..], MinutesUsed::periods) {
            charges.add(period.start.as_millis(), i64::try_from(period.seconds).unwrap_or(i64::MAX / 2));
        }
        Self { charges, restored: used.map(|used| used.as_of().as_millis()), ..Self::default() }
    }

    /// Begins to meter a session, with what it is paid for at first.
    ///
    /// `limit` is how many seconds a period has, here and in what follows.
    pub(super) fn begin(
        &mut self,
        now: Moment,
        terms: &Arc<Terms>,
        limit: Option<i64>,
    ) -> Result<(MeterNumber, Paid), UsedUp> {
        let since = self.not_before_told(now);
        let mut meter = Meter { since, terms: Arc::clone(terms), charged: 0, runs: !terms.from_answer };
        self.reserve(&mut meter, limit);
        if meter.charged == 0 {
            let (start, period_ends) = self.calendar.around(terms, since.wall);
            return Err(UsedUp { charged: self.charges.get(start), period_ends });
        }
        let paid = self.paid(&meter, false);
        Ok((self.meters.insert(meter), paid))
    }

    /// Undoes what [`Minutes::begin`] did.
    pub(super) fn cancel(&mut self, number: MeterNumber) {
        if let Some(meter) = self.meters.try_remove(number) {
            self.change(&meter, 0, meter.charged, -1);
        }
    }

    /// Forgets a session that was given up.
    pub(super) fn forget(&mut self, id: &SessionId) {
        self.lost.remove(id);
    }

    /// Begins to meter a session that is running already: if there is nothing left, it is paid for until now.
    pub(super) fn begin_running(
        &mut self,
        now: Moment,
        terms: &Arc<Terms>,
        limit: Option<i64>,
    ) -> (MeterNumber, Paid) {
        let since = self.not_before_told(now);
        let mut meter = Meter { since, terms: Arc::clone(terms), charged: 0, runs: true };
        self.reserve(&mut meter, limit);
        let paid = self.paid(&meter, meter.charged == 0);
        (self.meters.insert(meter), paid)
    }

    /// Charges what a session has used, and reserves more when its time is nearly over.
    pub(super) fn renew(&mut self, number: MeterNumber, now: Moment, limit: Option<i64>) -> Paid {
        let Some(mut meter) = self.meters.get(number).cloned() else {
            return Paid { until: None, is_last: true };
        };
        self.charge_up_to(&mut meter, now);
        let left = meter.increments().offset(meter.charged) - now.run.saturating_sub(meter.since.run);
        let mut is_last = false;
        if meter.runs && left <= Self::AHEAD {
            let before = meter.charged;
            self.reserve(&mut meter, limit);
            is_last = meter.charged == before;
        }
        let paid = self.paid(&meter, is_last);
        self.put(number, meter);
        paid
    }

    /// What a session is paid for, as it is.
    pub(super) fn paid_now(&self, number: MeterNumber) -> Paid {
        let paid = self.meters.get(number).map(|meter| self.paid(meter, false));
        paid.unwrap_or(Paid { until: None, is_last: true })
    }

    /// Begins to count the time of a session that was to be counted from its answer. What was reserved for it stays so.
    pub(super) fn answer(&mut self, number: MeterNumber, now: Moment) {
        let Some(mut meter) = self.meters.get(number).filter(|meter| !meter.runs).cloned() else { return };
        let reserved = meter.charged;
        self.change(&meter, 0, reserved, -1);
        meter.since = self.not_before_told(now);
        meter.runs = true;
        self.change(&meter, 0, reserved, 1);
        self.put(number, meter);
    }

    /// Ends a session, gives back what it had reserved and not used, and tells how many seconds it was charged.
    pub(super) fn end(&mut self, number: MeterNumber, now: Moment) -> i64 {
        let Some(mut meter) = self.meters.try_remove(number) else { return 0 };
        self.settle(&mut meter, now);
        meter.increments().seconds(0, meter.charged)
    }

    /// As [`Minutes::end`], but remembers it under its id.
    pub(super) fn lose(&mut self, number: MeterNumber, heard: Moment, id: &SessionId, now: Moment) -> i64 {
        let Some(mut meter) = self.meters.try_remove(number) else { return 0 };
        self.settle(&mut meter, heard);
        let seconds = meter.increments().seconds(0, meter.charged);
        self.lost.insert(id.clone(), Lost { meter, at: now.run });
        seconds
    }

    /// Takes up a session that runs and was not known, since a moment by the clock on the wall; `None` if it was not answered.
    /// What the store had of it, it is not charged again; nor what it was charged before it was lost.
    pub(super) fn adopt(
        &mut self,
        id: &SessionId,
        since: Option<Timestamp>,
        now: Moment,
        terms: &Arc<Terms>,
        limit: Option<i64>,
    ) -> (MeterNumber, Paid) {
        let meter = match self.lost.remove(id) {
            Some(lost) => lost.meter,
            None => self.unknown(since, now, terms),
        };
        let number = self.meters.insert(meter);
        let mut paid = self.renew(number, now, limit);
        // Where no time runs yet, renewing reserves nothing.
        if let Some(mut meter) =
            self.meters.get(number).filter(|meter| meter.charged == 0 && !meter.runs).cloned()
        {
            self.reserve(&mut meter, limit);
            paid = self.paid(&meter, meter.charged == 0);
            self.put(number, meter);
        }
        (number, paid)
    }

    fn unknown(&self, since: Option<Timestamp>, now: Moment, terms: &Arc<Terms>) -> Meter {
        let ago = since.map_or(0, |since| (now.wall - since.as_millis()).max(0));
        let since_then = now.plus(-ago);
        let runs = since.is_some();
        let stored = |by: i64| terms.increments.begun(by - since_then.wall);
        let charged = if runs { self.restored.map_or(0, stored) } else { 0 };
        Meter { since: since_then, terms: Arc::clone(terms), charged, runs }
    }

    /// What was charged by this moment: the increments that have begun, without what is reserved beyond them.
    pub(super) fn used_by(&mut self, now: Moment) -> MinutesUsed {
        let now = self.not_before_told(now);
        self.told = Some(now);
        self.lost.retain(|_, lost| now.run.saturating_sub(lost.at) < Self::LOST_FOR);
        self.charges.forget_all_but(MinutesUsed::MAX_PERIODS);
        let charges = self.begun_by(now);
        let periods: Vec<PeriodUse> = charges
            .0
            .iter()
            .filter(|(_, seconds)| *seconds > 0)
            .map(|(start, seconds)| PeriodUse {
                start: Timestamp::from_millis(*start),
                seconds: seconds.unsigned_abs(),
            })
            .collect();
        let latest = periods.len().saturating_sub(MinutesUsed::MAX_PERIODS);
        MinutesUsed::new(now.at(), periods[latest..].to_vec())
            .expect("charges are in the order of their periods, of which no more are taken than may be")
    }

    /// What is charged without what is reserved.
    fn begun_by(&mut self, now: Moment) -> Charges {
        let mut charges = self.charges.clone();
        for (_, meter) in &self.meters {
            let (begun, charged) = (meter.begun(now), meter.charged);
            let (from, to, sign) = if begun < charged { (begun, charged, -1) } else { (charged, begun, 1) };
            each_period(&mut self.calendar, meter, from, to, |start, seconds| {
                charges.add(start, sign * seconds)
            });
        }
        charges
    }

    /// The period that a moment is in, how many seconds of it are used, and how many are reserved beside.
    pub(super) fn in_period(&mut self, now: Moment, terms: &Arc<Terms>) -> PeriodFigures {
        let (start, end) = self.calendar.around(terms, now.wall);
        let used = self.begun_by(now).get(start);
        let mut reserved = Charges::default();
        for (_, meter) in &self.meters {
            let (begun, charged) = (meter.begun(now), meter.charged);
            each_period(&mut self.calendar, meter, begun, charged, |start, seconds| {
                reserved.add(start, seconds)
            });
        }
        PeriodFigures { start, end, used, reserved: reserved.get(start) }
    }

    /// What is charged in the period that a moment is in, and that period's first moment.
    pub(super) fn charged_in_period(&mut self, now: Moment, terms: &Arc<Terms>) -> (i64, i64) {
        let (start, _) = self.calendar.around(terms, now.wall);
        (self.charges.get(start), start)
    }

    /// The moment, or that of what the store was told last, whichever is later: a caller may have looked at the clock before.
    fn not_before_told(&self, now: Moment) -> Moment {
        self.told.map_or(now, |told| now.max(told))
    }

    fn put(&mut self, number: MeterNumber, meter: Meter) {
        if let Some(place) = self.meters.get_mut(number) {
            *place = meter;
        }
    }

    fn paid(&self, meter: &Meter, is_last: bool) -> Paid {
        let until = meter.runs.then(|| meter.since.plus(meter.increments().offset(meter.charged)));
        Paid { until, is_last }
    }

    /// Charges as many more increments as make up a minute, or as many as there are seconds left for.
    fn reserve(&mut self, meter: &mut Meter, limit: Option<i64>) {
        let increments = meter.increments();
        let mut wanted = increments.covering(meter.charged, Self::RESERVED);
        while wanted > 0 {
            let begins = meter.since.wall.saturating_add(increments.offset(meter.charged));
            let (start, end) = self.calendar.around(&meter.terms, begins);
            // At least this one begins in the period that it begins in.
            let in_period = (increments.begun(end.saturating_sub(meter.since.wall)) - meter.charged).max(1);
            let left = limit.map(|limit| limit - self.charges.get(start));
            let affordable = left.map_or(i64::MAX, |left| increments.affordable(meter.charged, left));
            let more = wanted.min(in_period).min(affordable);
            if more <= 0 {
                return;
            }
            self.charges.add(start, increments.seconds(meter.charged, meter.charged + more));
            meter.charged += more;
            wanted -= more;
        }
    }

    /// Charges every increment that has begun.
    fn charge_up_to(&mut self, meter: &mut Meter, now: Moment) {
        let begun = meter.begun(now);
        if begun > meter.charged {
            self.change(meter, meter.charged, begun, 1);
            meter.charged = begun;
        }
    }

    /// Charges exactly the increments that have begun.
    fn settle(&mut self, meter: &mut Meter, end: Moment) {
        self.charge_up_to(meter, end);
        let begun = meter.begun(end);
        self.change(meter, begun, meter.charged, -1);
        meter.charged = begun;
    }

    fn change(&mut self, meter: &Meter, from: i64, to: i64, sign: i64) {
        let charges = &mut self.charges;
        each_period(&mut self.calendar, meter, from, to, |start, seconds| charges.add(start, sign * seconds));
    }
}

/// What is used of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PeriodFigures {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) used: i64,
    pub(super) reserved: i64,
}

/// Tells the seconds that increments of a session have in each period.
fn each_period(calendar: &mut Calendar, meter: &Meter, from: i64, to: i64, mut tell: impl FnMut(i64, i64)) {
    let increments = meter.increments();
    let mut next = from;
    while next < to {
        let begins = meter.since.wall.saturating_add(increments.offset(next));
        let (start, end) = calendar.around(&meter.terms, begins);
        let in_period = increments.begun(end.saturating_sub(meter.since.wall)).clamp(next + 1, to);
        tell(start, increments.seconds(next, in_period));
        next = in_period;
    }
}

/// Seconds by the first moment of their period, in rising order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Charges(Vec<(i64, i64)>);

impl Charges {
    fn get(&self, start: i64) -> i64 {
        self.0.iter().rev().find(|(of, _)| *of == start).map_or(0, |(_, seconds)| *seconds)
    }

    fn add(&mut self, start: i64, seconds: i64) {
        let at = self.0.partition_point(|(of, _)| *of < start);
        match self.0.get_mut(at) {
            Some((of, sum)) if *of == start => *sum = sum.saturating_add(seconds),
            _ => self.0.insert(at, (start, seconds)),
        }
    }

    fn forget_all_but(&mut self, latest: usize) {
        self.0.drain(..self.0.len().saturating_sub(latest));
    }
}

/// The billing period that was asked for last, which is most often the one that is asked for next.
#[derive(Debug, Default)]
struct Calendar(Option<(Arc<Terms>, i64, i64)>);

impl Calendar {
    fn around(&mut self, terms: &Arc<Terms>, moment: i64) -> (i64, i64) {
        if let Some((of, start, end)) = &self.0
            && Arc::ptr_eq(of, terms)
            && (*start..*end).contains(&moment)
        {
            return (*start, *end);
        }
        let (start, end) = terms.period.around_millis(moment);
        self.0 = Some((Arc::clone(terms), start, end));
        (start, end)
    }
}
