//! What an application is told of accounts that come near their limits.

use super::refused::Refused;
use super::sync::RwLock;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use async_channel::{Receiver, Sender, TrySendError};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Something worth an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signal {
    /// The account.
    pub account: AccountSid,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: SignalKind,
}

/// What is signalled.
///
/// Each kind is told of an account once when it begins, again only when it has ended and begun anew, and at most once in each
/// interval. It has ended when the figure is a tenth below what it was told for: so an account that is busy is not told of with
/// every call. The interval is that of the options ([`AdmissionOptions::signal_interval`](super::AdmissionOptions::signal_interval)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalKind {
    /// The sessions that are running are 80 % of the maximum, or more.
    SessionsNearMaximum {
        /// How many are running.
        active: u32,
        /// How many may.
        maximum: u32,
    },
    /// As many sessions are running as may.
    SessionsAtMaximum {
        /// How many are running.
        active: u32,
        /// How many may.
        maximum: u32,
    },
    /// More sessions are running than are licensed.
    OverageBegan {
        /// How many are running.
        active: u32,
        /// How many are licensed.
        licensed: u32,
    },
    /// 80 % of the minutes of the billing period are used or reserved, or more.
    MinutesNearMaximum {
        /// The seconds used and reserved.
        charged_seconds: u64,
        /// The minutes that there are.
        maximum: u32,
        /// When the billing period began.
        period_start: Timestamp,
    },
    /// All minutes of the billing period are used or reserved.
    MinutesUsedUp {
        /// The seconds used and reserved.
        charged_seconds: u64,
        /// The minutes that there are.
        maximum: u32,
        /// When the billing period began.
        period_start: Timestamp,
    },
    /// Sessions were refused.
    Refused {
        /// Why the last was.
        refused: Refused,
        /// How many were, since this was told last.
        times: u64,
    },
}

/// Receives signals. Those that come while it is full are dropped, and counted
/// ([`Figures::signals_dropped_total`](super::Figures)): nobody who starts a session ever waits for it.
#[derive(Debug)]
pub struct Signals(Box<Receiver<Signal>>);

impl Signals {
    /// Waits for the next; `None` when there are no more, as the [`Admission`](super::Admission) is gone.
    pub async fn next(&mut self) -> Option<Signal> {
        self.0.recv().await.ok()
    }

    /// As [`Signals::next`], on a thread of its own.
    pub fn next_blocking(&mut self) -> Option<Signal> {
        self.0.recv_blocking().ok()
    }

    /// The next, if there is one now.
    pub fn try_next(&mut self) -> Option<Signal> {
        self.0.try_recv().ok()
    }
}

/// Those who receive.
#[derive(Debug)]
pub(super) struct Subscribers {
    senders: RwLock<Vec<Sender<Signal>>>,
    dropped: AtomicU64,
}

impl Subscribers {
    pub(super) fn new() -> Self {
        Self { senders: RwLock::new(Vec::new()), dropped: AtomicU64::new(0) }
    }

    pub(super) fn subscribe(&self, capacity: usize) -> Signals {
        let (sender, receiver) = async_channel::bounded(capacity.max(1));
        let mut senders = self.senders.write().unwrap_or_else(PoisonError::into_inner);
        senders.retain(|sender| !sender.is_closed());
        senders.push(sender);
        Signals(Box::new(receiver))
    }

    #[inline]
    pub(super) fn tell(&self, account: AccountSid, at: Timestamp, kinds: Vec<SignalKind>) {
        if !kinds.is_empty() {
            self.tell_all(account, at, kinds);
        }
    }

    fn tell_all(&self, account: AccountSid, at: Timestamp, kinds: Vec<SignalKind>) {
        let senders = self.senders.read().unwrap_or_else(PoisonError::into_inner);
        for kind in kinds {
            let signal = Signal { account, at, kind };
            for sender in &*senders {
                if let Err(TrySendError::Full(_)) = sender.try_send(signal.clone()) {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What was told of an account, and when.
#[derive(Debug)]
pub(super) struct Alarms {
    told: u8,
    /// By the clock that only runs forward.
    last: [i64; KINDS],
    refused: u64,
}

const KINDS: usize = 6;

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alarm {
    SessionsNear,
    SessionsFull,
    Overage,
    MinutesNear,
    MinutesUp,
    Refused,
}

impl Default for Alarms {
    fn default() -> Self {
        Self { told: 0, last: [i64::MIN; KINDS], refused: 0 }
    }
}

impl Alarms {
    /// Whether to tell it now, given whether it is so.
    pub(super) fn is_news(&mut self, alarm: Alarm, is_so: bool, run: i64, interval: Duration) -> bool {
        let place = alarm as usize;
        if !is_so || self.told & 1 << place != 0 || !self.is_due(place, run, interval) {
            return false;
        }
        self.told |= 1 << place;
        self.last[place] = run;
        true
    }

    /// Notes whether it has ended, so that it is news when it begins again.
    pub(super) fn note_ended(&mut self, alarm: Alarm, has_ended: bool) {
        if has_ended {
            self.told &= !(1 << alarm as usize);
        }
    }

    /// Whether anything was told that has not ended since.
    pub(super) fn any_told(&self) -> bool {
        self.told != 0
    }

    /// Counts a refusal; how many there were, if they are to be told now.
    pub(super) fn refused(&mut self, run: i64, interval: Duration) -> Option<u64> {
        let place = Alarm::Refused as usize;
        self.refused += 1;
        if !self.is_due(place, run, interval) {
            return None;
        }
        self.last[place] = run;
        Some(std::mem::take(&mut self.refused))
    }

    fn is_due(&self, place: usize, run: i64, interval: Duration) -> bool {
        self.last[place] == i64::MIN
            || run.saturating_sub(self.last[place]) >= super::moment::millis(interval)
    }
}
