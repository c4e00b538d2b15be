//! A session that runs, as the gateway knows it.

use super::session_id::SessionId;
use super::sessions::Direction;
use super::terms::Terms;
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;

/// A session that is running, as those know it who carry it: what media servers or a signalling proxy list.
///
/// Its moments are by the clock on the wall as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    pub(super) account: AccountSid,
    pub(super) id: SessionId,
    pub(super) since: Timestamp,
    pub(super) direction: Direction,
    pub(super) answered: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

impl LiveSession {
    /// An inbound session of this account, running since then.
    #[must_use]
    pub fn new(account: AccountSid, id: SessionId, since: Timestamp) -> Self {
        Self { account, id, since, direction: Direction::Inbound, answered: None, ended: None }
    }

    /// The same, going this way.
    #[must_use]
    pub fn direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// The same, answered then. It matters where minutes count from the answer.
    #[must_use]
    pub fn answered(self, answered: Timestamp) -> Self {
        Self { answered: Some(answered), ..self }
    }

    /// A session that was running, and has ended meanwhile: for [`Admission::adopt`](super::Admission::adopt), which
    /// charges it and does not count it.
    #[must_use]
    pub fn ended(self, ended: Timestamp) -> Self {
        Self { ended: Some(ended), ..self }
    }

    /// From when on its time is charged; `None` before it is.
    pub(super) fn metered_since(&self, terms: &Terms) -> Option<Timestamp> {
        if terms.from_answer { self.answered } else { Some(self.since) }
    }
}
