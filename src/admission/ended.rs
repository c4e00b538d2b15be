//! What became of a session.

use super::moment::Moment;
use super::session_id::SessionId;
use super::sessions::{Direction, Session};
use crate::model::sid::AccountSid;
use std::time::Duration;

/// A session that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The account.
    pub account: AccountSid,
    /// The session.
    pub session: SessionId,
    /// Which way it went.
    pub direction: Direction,
    /// How it ended.
    pub how: How,
    /// When it was admitted.
    pub since: Moment,
    /// How long it ran; of one that was given up, until it was heard of last.
    pub duration: Duration,
    /// It was above the licensed sessions.
    pub overage: bool,
    /// The seconds that it was charged, in whole increments; `None` when it was not metered.
    pub charged_seconds: Option<u64>,
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
    pub(super) fn new(session: &Session, how: How, end: Moment, charged_seconds: Option<u64>) -> Self {
        let lasted = end.run.saturating_sub(session.since.run);
        Self {
            account: session.account.sid,
            session: session.id.clone(),
            direction: session.direction,
            how,
            since: session.since,
            duration: Duration::from_millis(u64::try_from(lasted).unwrap_or(0)),
            overage: session.overage,
            charged_seconds,
        }
    }
}
