//! What became of a session.

use super::moment::Moment;
use super::session_id::SessionId;
use super::sessions::{Direction, Session};
use crate::model::sid::AccountSid;
use std::fmt;
use std::time::Duration;

/// A session that has ended.
#[derive(Clone)]
pub struct Ended {
    session: Session,
    how: How,
    end: Moment,
    charged_seconds: Option<u64>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// It was released.
    Released,
    /// Its permit was dropped.
    Dropped,
    /// It was not heard of for longer than a heartbeat.
    Expired,
    /// It was not among those that are live.
    Freed,
}

impl Ended {
    pub(super) fn new(session: Session, how: How, end: Moment, charged_seconds: Option<u64>) -> Self {
        Self { session, how, end, charged_seconds }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountSid {
        self.session.account
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session.id
    }

    /// Which way it went.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.session.direction
    }

    /// How it ended.
    #[must_use]
    pub fn how(&self) -> How {
        self.how
    }

    /// When it was admitted.
    #[must_use]
    pub fn since(&self) -> Moment {
        self.session.since
    }

    /// When it ended; of one that was given up, when it was heard of last.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.end
    }

    /// How long it ran.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let lasted = self.end.run.saturating_sub(self.session.since.run);
        Duration::from_millis(u64::try_from(lasted).unwrap_or(0))
    }

    /// Whether it was above the licensed sessions.
    #[must_use]
    pub fn overage(&self) -> bool {
        self.session.overage
    }

    /// The seconds that it was charged, in whole increments; `None` when it was not metered.
    #[must_use]
    pub fn charged_seconds(&self) -> Option<u64> {
        self.charged_seconds
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("account", &self.account())
            .field("session", self.session())
            .field("how", &self.how)
            .field("duration", &self.duration())
            .field("charged_seconds", &self.charged_seconds)
            .finish_non_exhaustive()
    }
}
