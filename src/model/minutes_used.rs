//! How much an account has talked in its latest billing periods.

use crate::model::problem::ValueError;
use crate::model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The seconds that an account was charged in its latest billing periods, as a store keeps them.
///
/// Charged are the increments that had begun by [`MinutesUsed::as_of`], also those of sessions that were running then. The
/// periods are told apart by their first moments, in rising order; there are at most [`MinutesUsed::MAX_PERIODS`].
///
/// In JSON: `{"as_of":"2026-11-26T18:00:00.000Z","periods":[{"start":"2026-11-01T00:00:00.000Z","seconds":5400}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct MinutesUsed {
    as_of: Timestamp,
    periods: Box<[PeriodUse]>,
}

/// The seconds charged in one billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodUse {
    /// The first moment of the period.
    pub start: Timestamp,
    /// The seconds charged in it.
    pub seconds: u64,
}

/// What was wrong with the minutes used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinutesUsedError {
    /// A period does not begin after the one before it. Code `periods_out_of_order`.
    #[error("must have each period begin after the one before it")]
    Order,
    /// There are too many. Code `too_many_periods`.
    #[error("must have at most {} periods", MinutesUsed::MAX_PERIODS)]
    TooMany,
}

impl ValueError for MinutesUsedError {
    fn code(&self) -> &'static str {
        match self {
            Self::Order => "periods_out_of_order",
            Self::TooMany => "too_many_periods",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    as_of: Timestamp,
    periods: Vec<PeriodUse>,
}

impl TryFrom<Stored> for MinutesUsed {
    type Error = MinutesUsedError;

    fn try_from(stored: Stored) -> Result<Self, MinutesUsedError> {
        Self::new(stored.as_of, stored.periods)
    }
}

impl MinutesUsed {
    /// The most periods that are kept: a year of months, and the one that has begun.
    pub const MAX_PERIODS: usize = 13;

    /// What was charged by that moment.
    ///
    /// # Errors
    /// [`MinutesUsedError`] when the periods are not in rising order, or too many.
    pub fn new(as_of: Timestamp, periods: Vec<PeriodUse>) -> Result<Self, MinutesUsedError> {
        if periods.len() > Self::MAX_PERIODS {
            return Err(MinutesUsedError::TooMany);
        }
        if !periods.is_sorted_by(|a, b| a.start < b.start) {
            return Err(MinutesUsedError::Order);
        }
        Ok(Self { as_of, periods: periods.into() })
    }

    /// The moment by which this was charged.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// The latest periods in which anything was charged, oldest first.
    #[must_use]
    pub fn periods(&self) -> &[PeriodUse] {
        &self.periods
    }

    /// The seconds charged in the period that begins at this moment; 0 where none is known.
    #[must_use]
    pub fn seconds_in(&self, start: Timestamp) -> u64 {
        self.periods.iter().find(|period| period.start == start).map_or(0, |period| period.seconds)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// So many seconds in a period, by a moment.
    pub(crate) fn used(as_of: i64, periods: &[(i64, u64)]) -> MinutesUsed {
        let period = |(start, seconds): &(i64, u64)| PeriodUse {
            start: Timestamp::from_millis(*start),
            seconds: *seconds,
        };
        MinutesUsed::new(Timestamp::from_millis(as_of), periods.iter().map(period).collect()).unwrap()
    }

    #[test]
    fn accepted_and_refused() {
        let period = |day: usize, seconds: i64| json!({"start": format!("2026-11-{day:02}T00:00:00.000Z"), "seconds": seconds});
        let many = |count: usize| (1..=count).map(|day| period(day, 60)).collect::<Vec<_>>();
        for (periods, accepted) in [
            (json!([]), true),
            (json!([period(1, 0)]), true),
            (json!([period(1, 60), period(2, 60)]), true),
            (json!(many(13)), true),
            (json!(many(14)), false),
            (json!([period(1, -60)]), false),
            (json!([period(2, 60), period(1, 60)]), false),
            (json!([period(1, 60), period(1, 60)]), false),
            (json!([{"start": "2026-11-01T00:00:00.000Z"}]), false),
            (json!([{"start": "2026-11-01T00:00:00.000Z", "seconds": 1, "minutes": 1}]), false),
            (json!(null), false),
        ] {
            let value = json!({"as_of": "2026-11-26T18:00:00.000Z", "periods": periods});
            let read = serde_json::from_value::<MinutesUsed>(value.clone());
            assert_eq!(read.is_ok(), accepted, "{value}");
            if let Ok(used) = read {
                assert_eq!(serde_json::to_value(used).unwrap(), value);
            }
        }
    }

    #[test]
    fn periods_are_found_by_their_start() {
        let used = used(9, &[(1, 60), (5, 7)]);
        for (start, seconds) in [(1, 60), (5, 7), (0, 0), (9, 0)] {
            assert_eq!(used.seconds_in(Timestamp::from_millis(start)), seconds, "{start}");
        }
    }
}
