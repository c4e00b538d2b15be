//! What is held of a session that may run.

use super::ended::{Ended, How};
use super::minutes::{Minutes, Paid};
use super::moment::Moment;
use super::session_id::SessionId;
use super::sessions::{Key, Session};
use super::tracked::Tracked;
use crate::model::sid::AccountSid;
use std::fmt;
use std::sync::Arc;

/// A session that was admitted. It is counted until it ends: when this is released or dropped, when it is released by its id,
/// or when nobody renews it. Whichever of them comes first, it is counted down once.
///
/// Somebody else can take the session over by its id ([`Admission::take_over`](super::Admission::take_over)); then this permit ends nothing any more.
#[must_use = "the session ends when its permit is dropped"]
pub struct Permit {
    account: Arc<Tracked>,
    id: SessionId,
    key: Key,
    /// The session is this permit's as long as the session's owner has this number.
    owner: u32,
    overage: bool,
    repeated: bool,
    since: Moment,
    heard: Moment,
    paid: Option<Paid>,
}

/// How a session was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admitted {
    /// It is above the licensed sessions, and under the maximum.
    pub overage: bool,
    /// It was running already, and was not counted again.
    pub repeated: bool,
    /// When it was admitted.
    pub since: Moment,
    /// When it is taken to have ended, if it is not renewed before.
    pub expires: Moment,
    /// How long it may run, where minutes are limited; `None` where sessions are.
    pub minutes: Option<Allowance>,
}

/// For how long a session has minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// The moment when it must end, if nothing changes; `None` until it is answered, where its minutes count from then. A
    /// session that goes on all the same is charged what it takes.
    pub must_end_by: Option<Moment>,
    /// When to ask for more, by [`Permit::renew`]: somewhat before it must end. It may be over already.
    pub ask_again_at: Option<Moment>,
    /// There was no more to reserve when it was asked for.
    pub is_last: bool,
}

impl Allowance {
    pub(super) fn of(paid: Paid) -> Self {
        Self {
            must_end_by: paid.until,
            ask_again_at: paid.until.map(|until| until.plus(-Minutes::AHEAD)),
            is_last: paid.is_last,
        }
    }
}

/// What renewing a session gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewed {
    /// When the session is taken to have ended, if it is not renewed before.
    pub expires: Moment,
    /// How long it may run, where it is metered.
    pub minutes: Option<Allowance>,
}

/// No such session is running (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such session is running")]
pub struct NotRunning;

impl Permit {
    /// The owner's number of those who own nothing.
    pub(super) const NOBODYS: u32 = 0;

    #[inline]
    pub(super) fn new(
        account: Arc<Tracked>,
        session: &Session,
        owner: u32,
        repeated: bool,
        paid: Option<Paid>,
    ) -> Self {
        Self {
            account,
            id: session.id.clone(),
            key: session.key,
            owner,
            overage: session.overage,
            repeated,
            since: session.since,
            heard: session.heard(),
            paid,
        }
    }

    /// How the session was admitted.
    #[must_use]
    pub fn admitted(&self) -> Admitted {
        Admitted {
            overage: self.overage,
            repeated: self.repeated,
            since: self.since,
            expires: self.heard.after(self.account.gate.options.heartbeat),
            minutes: self.paid.map(Allowance::of),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountSid {
        self.account.sid
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.id
    }

    /// Says that the session is running, and reserves its next minutes if it is metered and its time is nearly over.
    ///
    /// # Errors
    /// [`NotRunning`] when it has ended.
    pub fn renew(&self, now: Moment) -> Result<Renewed, NotRunning> {
        self.account.gate.renew(&self.account, self.key, now)
    }

    /// Says that the session was answered: [`Admission::answered`](super::Admission::answered).
    ///
    /// # Errors
    /// [`NotRunning`] when it has ended.
    pub fn answered(&self, now: Moment) -> Result<Renewed, NotRunning> {
        self.account.gate.answered(&self.account, self.key, now)
    }

    /// Ends the session; `None` when it has ended before, or is somebody else's.
    #[allow(clippy::must_use_candidate, reason = "releasing is what it is called for")]
    pub fn release(mut self, now: Moment) -> Option<Ended> {
        let owner = std::mem::replace(&mut self.owner, Self::NOBODYS);
        self.account.gate.end(&self.account, self.key, Some(owner), || now, How::Released)
    }

    /// Leaves the session running, for whoever ends it by its id.
    pub fn leave(mut self) {
        self.owner = Self::NOBODYS;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.owner == Self::NOBODYS {
            return;
        }
        let gate = &*self.account.gate;
        let now = || Moment::by(&*gate.options.clock);
        gate.end(&self.account, self.key, Some(self.owner), now, How::Dropped);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("account", &self.account())
            .field("session", self.session())
            .field("admitted", &self.admitted())
            .finish_non_exhaustive()
    }
}
