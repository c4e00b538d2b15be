//! Billing increments: how time becomes charged seconds.

/// How a session's time is rounded up: to the first increment, and after it to whole further ones.
///
/// An increment is begun once any time of it has passed. Numbers of increments and of milliseconds are `i64` throughout: the
/// years that a [`Timestamp`](crate::Timestamp) holds fit it in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Increments {
    /// Seconds, at least 1.
    pub(super) first: u32,
    /// Seconds, at least 1.
    pub(super) next: u32,
}

const MILLIS: i64 = 1000;

/// No session lasts longer than a century; beyond it, time is not counted.
const LONGEST: i64 = 100 * 366 * 24 * 3600 * MILLIS;

impl Increments {
    fn first_millis(self) -> i64 {
        i64::from(self.first) * MILLIS
    }

    fn next_millis(self) -> i64 {
        i64::from(self.next) * MILLIS
    }

    /// How many increments have begun when a session has lasted so many milliseconds.
    pub(super) fn begun(self, elapsed: i64) -> i64 {
        if elapsed <= 0 {
            return 0;
        }
        let after_first = (elapsed.min(LONGEST) - self.first_millis()).max(0);
        1 + after_first / self.next_millis() + i64::from(after_first % self.next_millis() > 0)
    }

    /// When the increment of this number begins, counted from 0, in milliseconds from the start of the session; which is
    /// also when the increments before it end.
    pub(super) fn offset(self, number: i64) -> i64 {
        if number == 0 { 0 } else { self.first_millis() + (number - 1) * self.next_millis() }
    }

    /// The seconds of the increments from this number to before that.
    pub(super) fn seconds(self, from: i64, to: i64) -> i64 {
        (self.offset(to) - self.offset(from)) / MILLIS
    }

    /// How many increments, from this number, so many seconds are enough for.
    pub(super) fn affordable(self, from: i64, seconds: i64) -> i64 {
        if from > 0 {
            return (seconds / i64::from(self.next)).max(0);
        }
        let after_first = seconds - i64::from(self.first);
        if after_first < 0 { 0 } else { 1 + after_first / i64::from(self.next) }
    }

    /// How many increments, from this number, it takes to have at least so many milliseconds.
    pub(super) fn covering(self, from: i64, millis: i64) -> i64 {
        self.begun(self.offset(from) + millis) - from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up() {
        for (first, next, millis, seconds) in [
            (60, 60, 0, 0),
            (60, 60, -5, 0),
            (60, 60, 1, 60),
            (60, 60, 60_000, 60),
            (60, 60, 60_001, 120),
            (60, 60, 180_000, 180),
            (30, 6, 29_000, 30),
            (30, 6, 30_001, 36),
            (30, 6, 41_999, 42),
            (1, 1, 999, 1),
            (1, 1, 1000, 1),
            (1, 1, 1001, 2),
            (6, 60, 7000, 66),
            (1, 1, i64::MAX, LONGEST / MILLIS),
        ] {
            let increments = Increments { first, next };
            let begun = increments.begun(millis);
            assert_eq!(increments.seconds(0, begun), seconds, "{first}/{next} {millis}");
        }
    }

    #[test]
    fn what_is_affordable_is_what_fits() {
        for (first, next) in [(60, 60), (30, 6), (6, 60), (1, 1)] {
            let increments = Increments { first, next };
            for from in 0..4 {
                for seconds in -1..200 {
                    let affordable = increments.affordable(from, seconds);
                    assert!(affordable == 0 || increments.seconds(from, from + affordable) <= seconds);
                    assert!(increments.seconds(from, from + affordable + 1) > seconds);
                }
                for millis in [1, 999, 1000, 59_999, 60_000, 60_001] {
                    let covering = increments.covering(from, millis);
                    assert!(increments.seconds(from, from + covering) * 1000 >= millis);
                    assert!(increments.seconds(from, from + covering - 1) * 1000 < millis);
                }
            }
        }
    }
}
