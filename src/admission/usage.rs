//! How much is used: for a page that shows it, and for whoever exports metrics.

use super::gate::Admission;
use super::ledger::Ledger;
use super::moment::Moment;
use super::refused::CODES;
use super::sync::lock;
use super::tracked::Tracked;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What an account uses, and what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// The account.
    #[serde(rename = "account_sid")]
    pub account: AccountSid,
    /// How many sessions are running.
    pub active: u32,
    /// *Unit*, and the maximum.
    pub unit: Unit,
    /// *Licensed sessions*.
    pub licensed_sessions: Limit,
    /// How many of the running sessions are above the licensed ones.
    pub overage: u32,
    /// The minutes of the billing period, where the unit is minutes or some were charged.
    pub minutes: Option<PeriodUsage>,
}

/// What is used of a billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PeriodUsage {
    /// When the period began.
    pub start: Timestamp,
    /// When the next begins.
    pub end: Timestamp,
    /// The seconds used: those of the increments that have begun.
    pub used_seconds: u64,
    /// The seconds reserved beside, by sessions that are running.
    pub reserved_seconds: u64,
}

/// What a service provider's accounts use together, and what they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceProviderUsage {
    /// The service provider.
    #[serde(rename = "service_provider_sid")]
    pub service_provider: ServiceProviderSid,
    /// How many sessions are running.
    pub active: u32,
    /// How many may.
    pub maximum: Limit,
}

/// Figures of all accounts together, for metrics. Those that end in `_total` only rise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// How many sessions are running.
    pub active: u64,
    /// Of how many accounts something is counted.
    pub accounts: u64,
    /// The sessions admitted.
    pub admitted_total: u64,
    /// Those of them that were above the licensed sessions.
    pub overage_total: u64,
    /// How often a session was asked for that was running.
    pub repeated_total: u64,
    /// The sessions refused, by [`Refused::code`](super::Refused::code).
    pub refused_total: [(&'static str, u64); CODES.len()],
    /// The sessions that were counted since they were found running.
    pub adopted_total: u64,
    /// The sessions that ended, by their permit or by their id.
    pub released_total: u64,
    /// The sessions that were given up since they were not heard of.
    pub expired_total: u64,
    /// The sessions that were given up since they were not live.
    pub freed_total: u64,
    /// The signals that nobody had room for.
    pub signals_dropped_total: u64,
    /// How long ago the minutes used were last written; `None` before the first time.
    pub written_ago: Option<Duration>,
    /// How often in a row writing them has failed; 0 when all is well.
    pub write_failures: u64,
    /// Of how many accounts they were to be written when it was tried last, and are not.
    pub unwritten_accounts: u64,
}

impl Admission {
    /// What an account uses; `None` when there is no such account.
    #[must_use]
    pub fn usage(&self, account: AccountSid, now: Moment) -> Option<Usage> {
        // Looking is no reason to keep anything.
        let tracked = match self.gate().accounts.get(account) {
            Some(tracked) => tracked,
            None => Arc::new(self.gate().untracked(account).ok()?),
        };
        let mut ledger = self.gate().current(&tracked);
        usage(&tracked, &mut ledger, now)
    }

    /// The accounts with the most sessions running, at most so many, the one with the most first. It looks at every account
    /// that has had a session.
    #[must_use]
    pub fn top(&self, most: usize, now: Moment) -> Vec<Usage> {
        let mut running: Vec<(u32, Arc<Tracked>)> = self
            .gate()
            .accounts
            .all()
            .into_iter()
            .map(|tracked| {
                let active = lock(&tracked.ledger).active;
                (active, tracked)
            })
            .filter(|(active, _)| *active > 0)
            .collect();
        running.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then(one.sid.cmp(&other.sid)));
        let top =
            running.iter().filter_map(|(_, tracked)| usage(tracked, &mut self.gate().current(tracked), now));
        top.take(most).collect()
    }

    /// What the accounts of a service provider use together.
    #[must_use]
    pub fn service_provider_usage(&self, service_provider: ServiceProviderSid) -> ServiceProviderUsage {
        let provider = self.gate().providers.get(service_provider);
        let (active, maximum) = provider.map_or((0, Limit::Unlimited), |provider| {
            let count = provider.count();
            (count.active, count.maximum())
        });
        ServiceProviderUsage { service_provider, active, maximum }
    }

    /// Figures of all accounts together. Each is right by itself; they are not all of the same moment.
    #[must_use]
    pub fn figures(&self, now: Moment) -> Figures {
        let gate = self.gate();
        let mut figures = Figures {
            active: 0,
            accounts: gate.accounts.len() as u64,
            admitted_total: 0,
            overage_total: 0,
            repeated_total: 0,
            refused_total: CODES.map(|code| (code, 0)),
            adopted_total: 0,
            released_total: 0,
            expired_total: 0,
            freed_total: 0,
            signals_dropped_total: gate.subscribers.dropped(),
            written_ago: None,
            write_failures: gate.flushing.failures.load(Ordering::Relaxed),
            unwritten_accounts: gate.flushing.unwritten.load(Ordering::Relaxed),
        };
        for shard in gate.sessions.each() {
            let tally = shard.tally;
            figures.active += shard.len() as u64;
            figures.admitted_total += tally.admitted;
            figures.overage_total += tally.overage;
            figures.repeated_total += tally.repeated;
            figures.adopted_total += tally.adopted;
            figures.released_total += tally.released;
            figures.expired_total += tally.expired;
            figures.freed_total += tally.freed;
        }
        for ((_, count), refused) in figures.refused_total.iter_mut().zip(&gate.refused) {
            *count = refused.load(Ordering::Relaxed);
        }
        let last = gate.flushing.last.load(Ordering::Relaxed);
        if last != i64::MIN {
            let ago = u64::try_from(now.run.saturating_sub(last)).unwrap_or(0);
            figures.written_ago = Some(Duration::from_millis(ago));
        }
        figures
    }
}

fn usage(tracked: &Tracked, ledger: &mut Ledger, now: Moment) -> Option<Usage> {
    let account = Arc::clone(ledger.account.as_ref()?);
    let licensed_sessions = account.licensed_sessions();
    let overage = match licensed_sessions {
        Limit::AtMost(licensed) => ledger.active.saturating_sub(licensed),
        Limit::Unlimited => 0,
    };
    Some(Usage {
        account: tracked.sid,
        active: ledger.active,
        unit: account.unit(),
        licensed_sessions,
        overage,
        minutes: ledger.period_usage(now),
    })
}
