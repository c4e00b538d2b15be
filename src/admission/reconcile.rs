//! Bringing what is counted in line with what is live.

use super::ended::{Ended, How};
use super::gate::{Admission, Gate};
use super::live::LiveSession;
use super::moment::{Moment, millis};
use super::session_id::SessionId;
use super::sessions::{NewSession, Place, Session, Shard};
use super::tracked::Tracked;
use crate::model::sid::AccountSid;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A reconciliation that has begun: a list of live sessions is on its way.
///
/// What is admitted after it has begun is not freed by it, and what ends after it has begun is not adopted by it, whatever the
/// list says. So the list may be gathered from many servers, while calls go on.
#[derive(Debug)]
#[must_use = "it does nothing until it is finished"]
pub struct Reconciliation {
    admission: Admission,
    number: u32,
    begun: Moment,
}

/// What a reconciliation has done.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reconciled {
    /// How many of the live sessions were counted already.
    pub known: usize,
    /// The live sessions that are counted from now on.
    pub adopted: Vec<(AccountSid, SessionId)>,
    /// The sessions that are not counted any more, since they are not live.
    pub freed: Vec<Ended>,
    /// The live sessions of accounts that do not exist; they are not counted.
    pub unknown: Vec<(AccountSid, SessionId)>,
    /// How many on the list had ended since the reconciliation began.
    pub ended_meanwhile: usize,
}

impl Admission {
    /// Begins to bring what is counted in line with what is live. Now gather the list of live sessions, and then
    /// [`Reconciliation::finish`].
    pub fn begin_reconcile(&self, now: Moment) -> Reconciliation {
        let number = self.gate().reconciliations.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.gate().sessions.each().for_each(|mut shard| shard.watch(number));
        Reconciliation { admission: self.clone(), number, begun: now }
    }

    /// Brings what is counted in line with what is live, by a list that is complete at this very moment. If gathering it
    /// takes time, see [`Admission::begin_reconcile`].
    ///
    /// Sessions that are not on it are freed, but for the youngest
    /// ([`AdmissionOptions::reconcile_grace`](super::AdmissionOptions::reconcile_grace)), and charged until they were heard
    /// of last. Sessions that are on it and were not counted are adopted, also beyond the limits; the others are heard of.
    pub fn reconcile(&self, live: impl IntoIterator<Item = LiveSession>, now: Moment) -> Reconciled {
        self.begin_reconcile(now).finish(live, now)
    }

    /// Counts sessions that are running, and are not counted yet: after a start, before anything is admitted. None is
    /// freed.
    ///
    /// Minutes that the store knows to be used are not charged again. A session that has ended since they were written
    /// ([`LiveSession::ended`]) is charged for the rest, and not counted: with those from the records of calls, nothing is
    /// lost in a crash. Tell of it once.
    pub fn adopt(&self, live: impl IntoIterator<Item = LiveSession>, now: Moment) -> Reconciled {
        let mut report = Reconciled::default();
        for live in live {
            self.gate().take_in(live, None, now, &mut report);
        }
        report
    }
}

impl Reconciliation {
    /// Does it, by this list, which was gathered since it began.
    #[must_use]
    pub fn finish(self, live: impl IntoIterator<Item = LiveSession>, now: Moment) -> Reconciled {
        let gate = self.admission.gate();
        let mut report = Reconciled::default();
        for live in live {
            gate.take_in(live, Some(self.number), now, &mut report);
        }
        let oldest_spared = self.begun.run.saturating_sub(millis(gate.options.grace));
        for mut shard in gate.sessions.each() {
            let freed = shard
                .take_if(|session| session.is_missing_in(self.number) && session.since.run <= oldest_spared);
            shard.tally.freed += freed.len() as u64;
            report.freed.extend(freed.into_iter().map(|session| gate.lose(session, now, How::Freed)));
        }
        report
    }
}

impl Drop for Reconciliation {
    fn drop(&mut self) {
        self.admission.gate().sessions.each().for_each(|mut shard| shard.unwatch());
    }
}

impl Gate {
    /// Takes a live session in: of this reconciliation, or after a start.
    fn take_in(
        self: &Arc<Self>,
        live: LiveSession,
        reconciliation: Option<u32>,
        now: Moment,
        report: &mut Reconciled,
    ) {
        let Ok(tracked) = self.tracked(live.account) else {
            report.unknown.push((live.account, live.id));
            return;
        };
        let hash = self.sessions.hash(live.account, &live.id);
        let mut shard = self.sessions.shard(hash);
        if let Some(session) = shard.find(hash, live.account, &live.id) {
            report.known += 1;
            if let Some(ended) = live.ended {
                let session = session.key;
                drop(shard);
                let ended = now.plus((ended.as_millis() - now.wall).min(0));
                self.end(&tracked, session, None, || ended, How::Released);
                return;
            }
            session.hear(now);
            if let Some(number) = reconciliation {
                session.mark_found(number);
            }
            return;
        }
        let has_ended = |number| shard.has_ended(hash, live.account, &live.id, number);
        if reconciliation.is_some_and(|number| live.ended.is_some() || has_ended(number)) {
            report.ended_meanwhile += 1;
            return;
        }
        if let Some(ended) = live.ended {
            self.current(&tracked).adopt_ended(&live, ended, now);
            return;
        }
        match self.adopt(&mut shard, hash, &tracked, &live, now) {
            Some(session) => {
                if let Some(number) = reconciliation {
                    session.mark_found(number);
                }
                report.adopted.push((live.account, live.id));
            }
            None => report.unknown.push((live.account, live.id)),
        }
    }

    /// Counts a session that is running and not known, whose shard this is; `None` when there is no such account.
    fn adopt<'a>(
        &self,
        shard: &'a mut Shard,
        hash: u64,
        tracked: &Tracked,
        live: &LiveSession,
        now: Moment,
    ) -> Option<&'a mut Session> {
        let mut ledger = self.current(tracked);
        let counted = ledger.adopt(live, now)?;
        drop(ledger);
        let ago = (now.wall - live.since.as_millis()).max(0);
        let new = NewSession {
            account: tracked.sid,
            id: live.id.clone(),
            provider: counted.provider,
            since: now.plus(-ago),
            heard: now,
            direction: live.direction,
            overage: counted.overage,
            meter: counted.meter.map(|(meter, _)| meter),
        };
        Some(match shard.place(hash, tracked.sid, &live.id) {
            Place::Free(place) => {
                place.tally.adopted += 1;
                place.insert(new)
            }
            // It was looked for before, and the shard is locked.
            Place::Taken(session, _) => session,
        })
    }
}
