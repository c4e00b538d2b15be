//! Numbers for events.

use crate::model::timestamp::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives numbers that always rise, so that who receives events can tell their order: one for each queue, or one for all.
///
/// A number is about the time, in units of 128 a millisecond, and so also rises over a restart, if the clock did not step
/// back meanwhile further than the restart took. In a stretch of time, more than 128 events a millisecond borrow
/// from the future. All numbers until the year 4199 are below 2^53, which JavaScript reads exactly.
///
/// ```
/// use gateway_accounts::Timestamp;
/// use gateway_accounts::webhooks::EventSequence;
/// let sequence = EventSequence::new();
/// let now = Timestamp::from_millis(1_795_466_263_042);
/// let (first, second) = (sequence.next(now), sequence.next(now));
/// assert!(first < second);
/// assert!(sequence.next(Timestamp::from_millis(0)) > second);
/// ```
#[derive(Debug, Default)]
pub struct EventSequence(AtomicU64);

impl EventSequence {
    /// How many numbers a millisecond has.
    const PER_MILLISECOND: u64 = 128;

    /// A sequence that begins with the time of its first event.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The next number: greater than all before, and not below the time.
    pub fn next(&self, now: Timestamp) -> u64 {
        // A timestamp is not before 1970, and has 48 bits.
        let time = now.as_millis().unsigned_abs() * Self::PER_MILLISECOND;
        let after = |last: u64| last.saturating_add(1).max(time);
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
        after(last.unwrap_or_else(|last| last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_whatever_the_clock_does() {
        let sequence = EventSequence::new();
        let mut last = 0;
        for millis in [0, 0, 5, 5, 4, 1_795_466_263_042, 7, 1_795_466_263_042, i64::MAX, 0] {
            let next = sequence.next(Timestamp::from_millis(millis));
            assert!(next > last, "{millis}");
            last = next;
        }
        // Another process, a millisecond later.
        let before = EventSequence::new().next(Timestamp::from_millis(1_795_466_263_042));
        assert!(EventSequence::new().next(Timestamp::from_millis(1_795_466_263_043)) > before);
        // 4199-01-01.
        assert!(EventSequence::new().next(Timestamp::from_millis(70_340_000_000_000)) < 1 << 53);
    }

    #[test]
    fn no_number_is_given_twice() {
        let sequence = EventSequence::new();
        let mut all = std::thread::scope(|scope| {
            let take =
                || (0..5_000).map(|n| sequence.next(Timestamp::from_millis(n % 7))).collect::<Vec<_>>();
            let threads = [scope.spawn(take), scope.spawn(take), scope.spawn(take)];
            threads.map(|thread| {
                let given = thread.join().unwrap();
                assert!(given.is_sorted());
                given
            })
        })
        .concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 15_000);
    }
}
