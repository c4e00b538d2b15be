//! What an account's minutes are charged by.

use super::increments::Increments;
use super::period::BillingPeriod;
use std::time::Duration;

/// How the minutes of an account are charged: in which periods, in which increments, and from when on.
///
/// When nothing is said: in calendar months in UTC, by the minute (60/60), and from a session's admission on.
///
/// ```
/// use gateway_accounts::admission::{BillingPeriod, Terms};
/// use std::time::Duration;
/// let terms = Terms::new()
///     .in_periods(BillingPeriod::monthly("Europe/Berlin")?)
///     .in_increments(Duration::from_secs(30), Duration::from_secs(6))?
///     .from_answer();
/// # let _ = terms;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub(super) period: BillingPeriod,
    pub(super) increments: Increments,
    pub(super) from_answer: bool,
}

/// An increment is not a whole number of seconds from 1 to 3600.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an increment must be a whole number of seconds from 1 to 3600, not {0:?}")]
pub struct IncrementError(pub Duration);

impl Terms {
    /// Those that are told above.
    #[must_use]
    pub fn new() -> Self {
        let increments = Increments { first: 60, next: 60 };
        Self { period: BillingPeriod::default(), increments, from_answer: false }
    }

    /// The same, in these periods.
    #[must_use]
    pub fn in_periods(self, period: BillingPeriod) -> Self {
        Self { period, ..self }
    }

    /// The same, with a session's time rounded up to a first increment, and what is beyond it to whole further ones: `60/60`
    /// is by the minute, `1/1` by the second, `30/6` charges 30 seconds at least and then by 6 seconds.
    ///
    /// # Errors
    /// [`IncrementError`] when one is not a whole number of seconds, from 1 to 3600.
    pub fn in_increments(self, first: Duration, next: Duration) -> Result<Self, IncrementError> {
        let whole = |increment: Duration| match u32::try_from(increment.as_secs()) {
            Ok(seconds @ 1..=3600) if increment.subsec_nanos() == 0 => Ok(seconds),
            _ => Err(IncrementError(increment)),
        };
        Ok(Self { increments: Increments { first: whole(first)?, next: whole(next)? }, ..self })
    }

    /// The same, but with a session's time counted from when it is answered, which
    /// [`Permit::answered`](super::Permit::answered) tells. Until then its first minute is reserved; a session that is never
    /// answered is charged nothing.
    #[must_use]
    pub fn from_answer(self) -> Self {
        Self { from_answer: true, ..self }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increments_accepted_and_refused() {
        for (first, next, accepted) in [
            (60_000, 60_000, true),
            (1000, 1000, true),
            (3_600_000, 1000, true),
            (0, 1000, false),
            (1000, 0, false),
            (1500, 1000, false),
            (1000, 3_601_000, false),
        ] {
            let [first, next] = [first, next].map(Duration::from_millis);
            assert_eq!(Terms::new().in_increments(first, next).is_ok(), accepted, "{first:?} {next:?}");
        }
    }
}
