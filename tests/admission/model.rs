//! Random programs, and what comes of them said in the simplest way.

use crate::world::{START, World, id, provider, secs};
use gateway_accounts::admission::{
    Admission, AdmissionOptions, BillingPeriod, Direction, Ended, LiveSession, Moment, Permit, Refused, Terms,
};
use gateway_accounts::{Account, AccountPatch, AccountSid, Clock, Field, Limit, Timestamp, Unit, UnitKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::time::Duration;

const HEARTBEAT: i64 = 120_000;
const GRACE: i64 = 10_000;

/// What an account may.
#[derive(Debug, Clone)]
struct May {
    sid: AccountSid,
    unit: Unit,
    licensed: Limit,
    suspended: bool,
    provider: Option<usize>,
    terms: TermsOf,
}

/// Terms, by their numbers.
#[derive(Debug, Clone, Copy)]
struct TermsOf {
    first: i64,
    next: i64,
    from_answer: bool,
    zone: &'static str,
    day: u8,
}

impl TermsOf {
    fn terms(self) -> Terms {
        let [first, next] = [self.first, self.next].map(|seconds| secs(seconds.unsigned_abs()));
        let terms = Terms::new().in_periods(self.period()).in_increments(first, next).unwrap();
        if self.from_answer { terms.from_answer() } else { terms }
    }

    fn period(self) -> BillingPeriod {
        BillingPeriod::monthly(self.zone).unwrap().from_day(self.day).unwrap()
    }

    /// The length of the n-th increment, in milliseconds.
    fn length(self, n: i64) -> i64 {
        1000 * if n == 0 { self.first } else { self.next }
    }
}

/// A session's time: one increment after the other.
#[derive(Debug, Clone)]
struct Meter {
    wall: i64,
    run: i64,
    charged: i64,
    runs: bool,
}

#[derive(Debug)]
struct Session {
    since: i64,
    answered: Option<i64>,
    heard: i64,
    overage: bool,
    provider: Option<usize>,
    meter: Option<Meter>,
    permit: Option<Permit>,
}

type Name = (usize, u32);

/// The simplest way.
struct Model {
    may: Vec<May>,
    caps: Vec<Limit>,
    sessions: BTreeMap<Name, Session>,
    /// Seconds of sessions that have ended, by account and first moment of the period.
    settled: BTreeMap<(usize, i64), i64>,
    lost: BTreeMap<Name, Meter>,
    /// Those that have ended since the last flush: since when, answered, and when they ended.
    ended: Vec<(Name, i64, Option<i64>, i64)>,
    flushed: i64,
    wall: i64,
    run: i64,
}

impl Model {
    fn active(&self, account: usize) -> usize {
        self.sessions.keys().filter(|(of, _)| *of == account).count()
    }

    fn active_of(&self, provider: usize) -> usize {
        self.sessions.values().filter(|session| session.provider == Some(provider)).count()
    }

    fn begun(&self, account: usize, meter: &Meter, run: i64) -> i64 {
        let (mut n, mut at) = (0, meter.run);
        while meter.runs && at < run {
            at += self.may[account].terms.length(n);
            n += 1;
        }
        n
    }

    fn begins(&self, account: usize, n: i64) -> i64 {
        (0..n).map(|k| self.may[account].terms.length(k)).sum()
    }

    /// The first moment of the period that an increment begins in.
    fn period(&self, account: usize, wall: i64) -> i64 {
        let (start, _) = self.may[account].terms.period().around(Timestamp::from_millis(wall));
        start.as_millis()
    }

    /// Seconds charged in a period: of all increments of all sessions that begin in it.
    fn charged(&self, account: usize, period: i64, count: impl Fn(&Meter) -> i64) -> i64 {
        let of = |meter: &Meter| {
            let (mut at, mut sum) = (meter.wall, 0);
            let (start, end) = self.may[account].terms.period().around(Timestamp::from_millis(period));
            for n in 0..count(meter) {
                let length = self.may[account].terms.length(n);
                if (start.as_millis()..end.as_millis()).contains(&at) {
                    sum += length / 1000;
                }
                at += length;
            }
            sum
        };
        let running = self.sessions.iter().filter(|((of, _), _)| *of == account);
        let running: i64 = running.filter_map(|(_, session)| session.meter.as_ref()).map(of).sum();
        running + self.settled.get(&(account, period)).copied().unwrap_or(0)
    }

    fn settle(&mut self, account: usize, meter: &Meter, sign: i64) {
        let mut at = meter.wall;
        for n in 0..meter.charged {
            let length = self.may[account].terms.length(n);
            *self.settled.entry((account, self.period(account, at))).or_default() += sign * length / 1000;
            at += length;
        }
    }

    /// Charges more increments, a minute of them or as many as are left.
    fn reserve(&self, account: usize, meter: &mut Meter, others: impl Fn(i64) -> i64) {
        let May { unit, terms, .. } = self.may[account];
        let before = meter.charged;
        let mut got = 0;
        while got < 60_000 {
            let length = terms.length(meter.charged);
            let at = meter.wall + self.begins(account, meter.charged);
            let period = self.period(account, at);
            let own: i64 = (before..meter.charged)
                .filter(|n| self.period(account, meter.wall + self.begins(account, *n)) == period)
                .map(|n| terms.length(n) / 1000)
                .sum();
            if let (UnitKind::Minutes, Limit::AtMost(maximum)) = (unit.kind, unit.maximum)
                && others(period) + own + length / 1000 > i64::from(maximum) * 60
            {
                return;
            }
            meter.charged += 1;
            got += length;
        }
    }

    /// Takes the meter of a running session out, has something done to it, and puts it back.
    fn with_meter<T>(&mut self, name: Name, change: impl FnOnce(&Self, &mut Meter) -> T) -> Option<T> {
        let mut meter = self.sessions.get(&name)?.meter.clone()?;
        let result = change(self, &mut meter);
        self.sessions.get_mut(&name)?.meter = Some(meter);
        Some(result)
    }

    fn all(&self, account: usize) -> impl Fn(i64) -> i64 + '_ {
        move |period| self.charged(account, period, |meter| meter.charged)
    }

    fn renew(&mut self, name: Name) {
        let (run, account) = (self.run, name.0);
        if let Some(session) = self.sessions.get_mut(&name) {
            session.heard = session.heard.max(run);
        }
        let is_metered = self.may[account].unit.kind == UnitKind::Minutes;
        if self.sessions[&name].meter.is_none() && is_metered {
            let mut meter = Meter { wall: self.wall, run, charged: 0, runs: true };
            self.reserve(account, &mut meter, self.all(account));
            self.sessions.get_mut(&name).unwrap().meter = Some(meter);
            return;
        }
        // What has begun is charged first, and then counts for what is reserved.
        self.with_meter(name, |model, meter| {
            meter.charged = meter.charged.max(model.begun(account, meter, run));
        });
        self.with_meter(name, |model, meter| {
            let left = model.begins(account, meter.charged) - (run - meter.run);
            if meter.runs && left <= 10_000 {
                model.reserve(account, meter, model.all(account));
            }
        });
    }

    fn answer(&mut self, name: Name) {
        let (wall, run) = (self.wall, self.run);
        if let Some(session) = self.sessions.get_mut(&name) {
            session.answered.get_or_insert(run);
        }
        self.with_meter(name, |_, meter| {
            if !meter.runs {
                (meter.wall, meter.run, meter.runs) = (wall, run, true);
            }
        });
        self.renew(name);
    }

    fn admit(&mut self, name: Name) -> Result<bool, &'static str> {
        let account = name.0;
        if let Some(session) = self.sessions.get_mut(&name) {
            session.heard = session.heard.max(self.run);
            return Ok(session.overage);
        }
        let May { unit, licensed, suspended, provider, terms, .. } = self.may[account].clone();
        if suspended {
            return Err("suspended");
        }
        let active = self.active(account) as u64;
        if unit.kind == UnitKind::Sessions && !unit.maximum.allows(active + 1) {
            return Err("sessions");
        }
        let mut meter = None;
        if unit.kind == UnitKind::Minutes {
            let mut new = Meter { wall: self.wall, run: self.run, charged: 0, runs: !terms.from_answer };
            self.reserve(account, &mut new, self.all(account));
            if new.charged == 0 {
                return Err("minutes");
            }
            meter = Some(new);
        }
        if let Some(provider) = provider
            && !self.caps[provider].allows(self.active_of(provider) as u64 + 1)
        {
            return Err("service_provider");
        }
        if meter.is_some() {
            self.lost.remove(&name);
        }
        let overage = !licensed.allows(active + 1);
        let (since, heard) = (self.run, self.run);
        let session = Session { since, answered: None, heard, overage, provider, meter, permit: None };
        self.sessions.insert(name, session);
        Ok(overage)
    }

    fn charge_of(&self, account: usize, meter: &Meter) -> i64 {
        self.begins(account, meter.charged) / 1000
    }

    /// Ends a session; how many seconds it is charged.
    fn end(&mut self, name: Name, at: i64, lost: bool) -> Option<i64> {
        let session = self.sessions.remove(&name).unwrap();
        self.ended.push((name, session.since, session.answered, at));
        let mut meter = session.meter?;
        meter.charged = self.begun(name.0, &meter, at);
        self.settle(name.0, &meter, 1);
        let charge = self.charge_of(name.0, &meter);
        if lost {
            self.lost.insert(name, meter);
        }
        Some(charge)
    }

    /// Counts a session that runs since so long ago; `known` is how many of its increments are charged already.
    fn adopt(&mut self, name: Name, since: i64, answered: Option<i64>, known: impl Fn(&Self, &Meter) -> i64) {
        let account = name.0;
        let (licensed, provider, terms) =
            (self.may[account].licensed, self.may[account].provider, self.may[account].terms);
        let mut meter = None;
        if self.may[account].unit.kind == UnitKind::Minutes {
            meter = self.lost.remove(&name).inspect(|lost| self.settle(account, lost, -1)).or_else(|| {
                let from = if terms.from_answer { answered } else { Some(since) };
                let run = from.unwrap_or(self.run);
                let wall = self.wall - (self.run - run);
                let mut new = Meter { wall, run, charged: 0, runs: from.is_some() };
                new.charged = known(self, &new);
                Some(new)
            });
        }
        let overage = !licensed.allows(self.active(account) as u64 + 1);
        let unanswered = meter.as_ref().is_some_and(|meter| !meter.runs && meter.charged == 0);
        let session = Session { since, answered, heard: self.run, overage, provider, meter, permit: None };
        self.sessions.insert(name, session);
        self.renew(name);
        if unanswered {
            self.with_meter(name, |model, meter| model.reserve(account, meter, model.all(account)));
        }
    }

    /// What all read: used and reserved in the present period.
    fn used(&self, account: usize) -> (i64, i64) {
        let period = self.period(account, self.wall);
        let begun = |meter: &Meter| self.begun(account, meter, self.run);
        let used = self.charged(account, period, begun);
        let reserved = self.charged(account, period, |meter| meter.charged.max(begun(meter)));
        (used, reserved - used)
    }
}

/// A program: the admission and the model, step by step.
struct Program {
    dice: StdRng,
    world: World,
    model: Model,
    /// Permits that are not, or no longer, those of their sessions.
    stale: Vec<Permit>,
    restarts: bool,
}

const TERMS: [TermsOf; 4] = [
    TermsOf { first: 60, next: 60, from_answer: false, zone: "UTC", day: 1 },
    TermsOf { first: 30, next: 6, from_answer: false, zone: "Europe/Berlin", day: 24 },
    TermsOf { first: 60, next: 60, from_answer: true, zone: "UTC", day: 23 },
    TermsOf { first: 1, next: 1, from_answer: false, zone: "America/New_York", day: 31 },
];

fn options() -> AdmissionOptions {
    AdmissionOptions::new().terms_of(|account: &Account| {
        let number: usize = account.name().as_str().parse().unwrap();
        TERMS[number % TERMS.len()].terms()
    })
}

impl Program {
    fn new(seed: u64, restarts: bool) -> Self {
        let world = World::with(options());
        let mut dice = StdRng::seed_from_u64(seed);
        let may: Vec<May> = (0..8)
            .map(|number| {
                let unit = if number < 4 { Unit::minutes(5) } else { Unit::sessions(3) };
                let (licensed, of) = (Limit::AtMost(2), [None, Some(0), Some(1)][dice.random_range(0..3)]);
                let sid = world.create_of(&number.to_string(), unit, licensed, of.map(provider_of));
                let terms = TERMS[number % TERMS.len()];
                May { sid, unit, licensed, suspended: false, provider: of, terms }
            })
            .collect();
        let model = Model {
            may,
            caps: vec![Limit::Unlimited; 2],
            sessions: BTreeMap::new(),
            settled: BTreeMap::new(),
            lost: BTreeMap::new(),
            ended: Vec::new(),
            flushed: i64::MIN,
            wall: world.now().at().as_millis(),
            run: 0,
        };
        Self { dice, world, model, stale: Vec::new(), restarts }
    }

    fn now(&self) -> Moment {
        self.world.now()
    }

    fn admission(&self) -> &Admission {
        &self.world.admission
    }

    fn below(&mut self, most: usize) -> usize {
        self.dice.random_range(0..most)
    }

    fn any(&mut self) -> Option<Name> {
        let running: Vec<Name> = self.model.sessions.keys().copied().collect();
        if running.is_empty() { None } else { Some(running[self.below(running.len())]) }
    }

    fn wall_of(&self, run: i64) -> Timestamp {
        Timestamp::from_millis(self.model.wall - (self.model.run - run))
    }

    fn live(&self, name: Name, since: i64, answered: Option<i64>) -> LiveSession {
        let live = LiveSession::new(self.model.may[name.0].sid, session(name), self.wall_of(since));
        match answered {
            Some(answered) => live.answered(self.wall_of(answered)),
            None => live,
        }
    }

    fn step(&mut self) {
        let (account, number) = (self.below(8), self.dice.random_range(0..6));
        let name = (account, number);
        match self.below(100) {
            0..25 => self.admit(name),
            25..40 => self.pass(),
            40..55 => self.renew(),
            55..65 => self.answer(),
            65..76 => self.end(name),
            76..79 => self.take_over(),
            79..85 => self.edit(account),
            85..88 => self.cap(),
            88..91 => self.expire(),
            91..94 => self.reconcile(),
            94..97 => self.flush(),
            97..99 if self.restarts => self.restart(),
            _ => self.stale.truncate(0),
        }
        self.compare();
    }

    fn admit(&mut self, name: Name) {
        let known = self.model.sessions.contains_key(&name);
        let sid = self.model.may[name.0].sid;
        let direction = if self.below(2) == 0 { Direction::Inbound } else { Direction::Outbound };
        let found = self.admission().admit(sid, session(name), direction, self.now());
        let expected = self.model.admit(name);
        match (found, expected) {
            (Ok(permit), Ok(overage)) => {
                let admitted = permit.admitted();
                assert_eq!((admitted.overage, admitted.repeated), (overage, known));
                if known {
                    self.stale.push(permit);
                } else {
                    self.model.sessions.get_mut(&name).unwrap().permit = Some(permit);
                }
                self.compare_meter(name);
            }
            (Err(refused), Err(why)) => {
                assert_eq!(refused.code(), why);
                if let Refused::Sessions { active, .. } = refused {
                    assert_eq!(active as usize, self.model.active(name.0));
                }
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    fn compare_meter(&mut self, name: Name) {
        let session = &self.model.sessions[&name];
        let Some(permit) = self.admission().take_over(self.model.may[name.0].sid, &self::session(name))
        else {
            panic!("{name:?} is not running");
        };
        let found = permit.admitted().minutes.map(|minutes| minutes.must_end_by.map(|end| end.running()));
        let expected = session.meter.as_ref().map(|meter| {
            let end = meter.run + self.model.begins(name.0, meter.charged);
            meter.runs.then(|| Duration::from_millis(u64::try_from(end).unwrap_or(0)))
        });
        assert_eq!(found, expected, "{name:?}");
        let session = self.model.sessions.get_mut(&name).unwrap();
        // Whoever had it before has it no longer.
        self.stale.extend(session.permit.replace(permit));
    }

    fn pass(&mut self) {
        let millis = match self.below(10) {
            0 => 0,
            1..4 => self.dice.random_range(1..3000),
            4..9 => self.dice.random_range(1..60_000),
            _ => self.dice.random_range(1..300_000),
        };
        self.world.clock.advance(Duration::from_millis(millis));
        self.model.run += millis.cast_signed();
        if !self.restarts && self.below(20) == 0 {
            // Somebody sets the clock: by an hour or a month, forward or back.
            let step = self.dice.random_range(-3..=3) * [1, 3_600_000, 31 * 86_400_000][self.below(3)];
            let to = self.world.clock.now().as_millis() + step;
            // Within as many periods as are kept.
            let year = 150 * 86_400_000;
            self.world.clock.set(Timestamp::from_millis(to.clamp(START - year, START + year)));
        } else if self.restarts && self.below(400) == 0 {
            let month: u64 = 31 * 86_400_000;
            // All calls have long ended by then.
            let names: Vec<Name> = self.model.sessions.keys().copied().collect();
            names.into_iter().for_each(|name| self.release(name));
            self.world.clock.advance(Duration::from_millis(month));
            self.model.run += month.cast_signed();
        }
        self.model.wall = self.world.clock.now().as_millis();
    }

    fn renew(&mut self) {
        let Some(name) = self.any() else { return };
        let sid = self.model.may[name.0].sid;
        self.admission().renew(sid, &session(name), self.now()).unwrap();
        self.model.renew(name);
        self.compare_meter(name);
    }

    fn answer(&mut self) {
        let Some(name) = self.any() else { return };
        let sid = self.model.may[name.0].sid;
        self.admission().answered(sid, &session(name), self.now()).unwrap();
        self.model.answer(name);
        self.compare_meter(name);
    }

    fn end(&mut self, name: Name) {
        let name = self.any().unwrap_or(name);
        if !self.model.sessions.contains_key(&name) {
            let sid = self.model.may[name.0].sid;
            assert!(self.admission().release(sid, &session(name), self.now()).is_none());
            return;
        }
        self.release(name);
    }

    fn release(&mut self, name: Name) {
        let (sid, now) = (self.model.may[name.0].sid, self.now());
        let permit = self.model.sessions.get_mut(&name).unwrap().permit.take();
        let ended = match (permit, self.below(3)) {
            (Some(permit), 0) => permit.release(now),
            (Some(permit), 1) => {
                drop(permit);
                self.model.end(name, self.model.run, false);
                return;
            }
            (permit, _) => {
                let ended = self.admission().release(sid, &session(name), now);
                // Too late.
                assert!(permit.and_then(|permit| permit.release(now)).is_none());
                ended
            }
        };
        let charged = self.model.end(name, self.model.run, false);
        assert_eq!(charge(&ended.unwrap()), charged);
    }

    fn take_over(&mut self) {
        let Some(name) = self.any() else { return };
        let sid = self.model.may[name.0].sid;
        let permit = self.admission().take_over(sid, &session(name)).unwrap();
        let before = self.model.sessions.get_mut(&name).unwrap().permit.replace(permit);
        if let Some(before) = before {
            // What it does is nothing.
            if self.below(2) == 0 {
                assert!(before.release(self.now()).is_none());
            }
        }
    }

    fn edit(&mut self, account: usize) {
        let maximum =
            if self.below(6) == 0 { Limit::Unlimited } else { Limit::AtMost(self.dice.random_range(0..6)) };
        let licensed = Limit::AtMost(self.dice.random_range(0..4));
        let suspended = self.below(5) == 0;
        let kind = self.model.may[account].unit.kind;
        let kind = match (self.restarts, self.below(4), kind) {
            (false, 0, UnitKind::Sessions) => UnitKind::Minutes,
            (false, 0, UnitKind::Minutes) => UnitKind::Sessions,
            (_, _, kind) => kind,
        };
        let unit = Unit { kind, maximum };
        let licensed = if unit.fits(licensed) { licensed } else { maximum };
        let of = [None, Some(0), Some(1)][self.below(3)];
        let sid = self.model.may[account].sid;
        let mut patch = AccountPatch::new().unit(unit).licensed_sessions(licensed);
        patch = match of {
            Some(of) => patch.service_provider(provider_of(of)),
            None => patch.clear(Field::ServiceProvider),
        };
        self.world.edit(sid, patch);
        if suspended {
            self.world.suspend(sid);
        } else {
            self.world.resume(sid);
        }
        let may = &mut self.model.may[account];
        (may.unit, may.licensed, may.suspended, may.provider) = (unit, licensed, suspended, of);
    }

    fn cap(&mut self) {
        let of = self.below(2);
        let cap =
            if self.below(4) == 0 { Limit::Unlimited } else { Limit::AtMost(self.dice.random_range(0..9)) };
        self.admission().limit_service_provider(provider_of(of), cap);
        self.model.caps[of] = cap;
    }

    fn expire(&mut self) {
        let ended = self.admission().expire(self.now());
        let due: Vec<Name> = self
            .model
            .sessions
            .iter()
            .filter(|(_, session)| self.model.run - session.heard > HEARTBEAT)
            .map(|(name, _)| *name)
            .collect();
        self.compare_lost(&due, &ended);
    }

    fn compare_lost(&mut self, due: &[Name], ended: &[Ended]) {
        let mut expected = BTreeMap::new();
        for name in due {
            let session = self.model.sessions.get_mut(name).unwrap();
            let (heard, permit) = (session.heard, session.permit.take());
            self.stale.extend(permit);
            expected.insert(*name, self.model.end(*name, heard, true));
        }
        let found: BTreeMap<Name, Option<i64>> = ended
            .iter()
            .map(|ended| {
                let account = self.model.may.iter().position(|may| may.sid == ended.account()).unwrap();
                ((account, ended.session().as_str().parse().unwrap()), charge(ended))
            })
            .collect();
        assert_eq!(found, expected);
    }

    /// A list of live sessions that lacks some, and has some that are not counted.
    fn reconcile(&mut self) {
        let now = self.now();
        let mut listed = BTreeSet::new();
        let mut live = Vec::new();
        for name in self.model.sessions.keys().copied().collect::<Vec<_>>() {
            if self.below(4) > 0 {
                listed.insert(name);
                let session = &self.model.sessions[&name];
                live.push(self.live(name, session.since, session.answered));
            }
        }
        // Sessions that were lost run all the same, and others were never heard of.
        let run = self.model.run;
        let mut adopted: Vec<(Name, i64, Option<i64>)> = Vec::new();
        let number = self.dice.random_range(0..7);
        let strangers = (0..8).map(|account| (account, number));
        let unknown: Vec<Name> = self.model.lost.keys().copied().chain(strangers).collect();
        for name in unknown {
            let is_new = !adopted.iter().any(|(other, ..)| *other == name);
            if !self.restarts && is_new && !self.model.sessions.contains_key(&name) && self.below(6) == 0 {
                let since = run - self.dice.random_range(0..200_000);
                let answered = (self.below(2) == 0).then(|| since + self.dice.random_range(0..=run - since));
                adopted.push((name, since, answered));
                live.push(self.live(name, since, answered));
            }
        }
        let report = self.admission().reconcile(live, now);
        for name in &listed {
            let session = self.model.sessions.get_mut(name).unwrap();
            session.heard = session.heard.max(run);
        }
        for (name, since, answered) in &adopted {
            self.model.adopt(*name, *since, *answered, |_, _| 0);
        }
        let freed: Vec<Name> = self
            .model
            .sessions
            .iter()
            .filter(|(name, _)| {
                !listed.contains(name) && !adopted.iter().any(|(adopted, ..)| adopted == *name)
            })
            .filter(|(_, session)| session.since <= run - GRACE)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!((report.known, report.adopted.len()), (listed.len(), adopted.len()));
        self.compare_lost(&freed, &report.freed);
    }

    fn flush(&mut self) {
        self.world.flush();
        self.model.ended.clear();
        self.model.flushed = self.model.run;
        for account in 0..8 {
            let used = self.world.account(self.model.may[account].sid).minutes_used().cloned();
            let period = self.model.period(account, self.model.wall);
            let found = used.map_or(0, |used| used.seconds_in(Timestamp::from_millis(period)));
            assert_eq!(found.cast_signed(), self.model.used(account).0, "what the store has of {account}");
        }
    }

    /// The process is killed and started again.
    fn restart(&mut self) {
        for session in self.model.sessions.values_mut() {
            session.permit = None;
        }
        let mut model = std::mem::take(&mut self.model.sessions);
        self.stale.clear();
        self.world.admission = options().clock(self.world.clock.clone()).start(self.world.store.clone());
        for of in 0..2 {
            self.admission().limit_service_provider(provider_of(of), self.model.caps[of]);
        }
        let ended = std::mem::take(&mut self.model.ended);
        let mut live: Vec<LiveSession> = ended
            .iter()
            .map(|(name, since, answered, at)| self.live(*name, *since, *answered).ended(self.wall_of(*at)))
            .collect();
        live.extend(model.iter().map(|(name, session)| self.live(*name, session.since, session.answered)));
        let report = self.admission().adopt(live, self.now());
        assert_eq!((report.known, report.adopted.len()), (0, model.len()));

        self.model.ended = ended;
        self.model.lost.clear();
        // What the store knew of each, it had before any was adopted.
        let flushed = self.model.flushed;
        for (name, session) in &mut model {
            if let Some(meter) = &mut session.meter {
                meter.charged = self.model.begun(name.0, meter, flushed);
                self.model.settle(name.0, meter, 1);
            }
        }
        for (name, session) in model {
            if let Some(meter) = &session.meter {
                self.model.settle(name.0, meter, -1);
            }
            let known = |model: &Model, meter: &Meter| model.begun(name.0, meter, flushed);
            self.model.adopt(name, session.since, session.answered, known);
        }
        for name in self.model.sessions.keys().copied().collect::<Vec<_>>() {
            self.compare_meter(name);
        }
    }

    fn compare(&self) {
        for (account, may) in self.model.may.iter().enumerate() {
            let usage = self.admission().usage(may.sid, self.now()).unwrap();
            assert_eq!(usage.active as usize, self.model.active(account), "sessions of {account}");
            let minutes =
                usage.minutes.map_or((0, 0), |minutes| (minutes.used_seconds, minutes.reserved_seconds));
            let (used, reserved) = self.model.used(account);
            assert_eq!(minutes, (used.unsigned_abs(), reserved.unsigned_abs()), "seconds of {account}");
        }
        for of in 0..2 {
            let usage = self.admission().service_provider_usage(provider_of(of));
            assert_eq!(usage.active as usize, self.model.active_of(of), "sessions of provider {of}");
        }
    }
}

fn provider_of(number: usize) -> gateway_accounts::ServiceProviderSid {
    provider(u8::try_from(number).unwrap())
}

fn session(name: Name) -> gateway_accounts::admission::SessionId {
    id(&name.1.to_string())
}

fn charge(ended: &Ended) -> Option<i64> {
    ended.charged_seconds().map(u64::cast_signed)
}

fn run(restarts: bool) {
    const PROGRAMS: u64 = 12;
    const STEPS: usize = 2500;
    let first: u64 = env::var("GATEWAY_ACCOUNTS_SEED").map_or(1, |seed| seed.parse().unwrap());
    for seed in first..first + PROGRAMS {
        let mut at = 0;
        let mut program = Program::new(seed, restarts);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for step in 0..STEPS {
                at = step;
                program.step();
            }
        }));
        if let Err(panic) = result {
            eprintln!("the program that failed is that of GATEWAY_ACCOUNTS_SEED={seed}, in step {at}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Sessions, minutes, edits, and clocks that are set; sessions that were given up come back.
#[test]
fn a_program_does_what_the_model_does() {
    run(false);
}

/// The same with crashes, after which nothing is lost that calls' own records tell.
#[test]
fn nothing_is_lost_in_a_crash() {
    run(true);
}
