//! A moment by two clocks.

use crate::clock::{Clock, SystemClock};
use crate::model::timestamp::Timestamp;
use std::fmt;
use std::time::Duration;

/// A moment, by the clock on the wall and by one that only runs forward.
///
/// Which billing period it is in, the clock on the wall says. How long a session lasts, the other says: a clock on the wall
/// steps, when it is set or corrected, and no session gets longer or shorter by that.
///
/// ```
/// use gateway_accounts::admission::Moment;
/// use std::time::Duration;
/// let now = Moment::now();
/// assert_eq!(now.after(Duration::from_secs(60)).running() - now.running(), Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub(super) wall: i64,
    /// Milliseconds that the other clock has run. Negative before it did.
    pub(super) run: i64,
}

impl Moment {
    /// The moment that it is, by the system's clocks.
    #[must_use]
    pub fn now() -> Self {
        Self::by(&SystemClock)
    }

    /// The moment that it is by this clock.
    #[must_use]
    pub fn by(clock: &(impl Clock + ?Sized)) -> Self {
        Self::new(clock.now(), clock.running())
    }

    /// The moment when the clock on the wall shows `at`, and the other has run for so long, since whenever it began. What
    /// both have beyond whole milliseconds is cut off.
    #[must_use]
    pub fn new(at: Timestamp, running: Duration) -> Self {
        Self { wall: at.as_millis(), run: millis(running) }
    }

    /// What the clock on the wall shows.
    #[must_use]
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(self.wall)
    }

    /// How long the other clock has run.
    #[must_use]
    pub fn running(self) -> Duration {
        Duration::from_millis(u64::try_from(self.run).unwrap_or(0))
    }

    /// The moment so much later, if nobody sets the clock on the wall.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        self.plus(millis(duration))
    }

    #[inline]
    pub(super) fn plus(self, millis: i64) -> Self {
        Self { wall: self.wall.saturating_add(millis), run: self.run.saturating_add(millis) }
    }

    /// The later of the two, by the clock that only runs forward.
    #[inline]
    pub(super) fn max(self, other: Self) -> Self {
        if other.run > self.run { other } else { self }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({}, {:?})", self.at(), self.running())
    }
}

/// Whole milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
