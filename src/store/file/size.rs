//! How much of an account file is superseded.

use std::collections::VecDeque;

/// What an account file would be if it were rewritten: a base of the accounts before the history, and the commits of
/// the history.
#[derive(Debug, Default)]
pub(super) struct Size {
    /// How many bytes the accounts take as lines of the base.
    pub(super) base: u64,
    /// For each commit of the history, its bytes, and by how much it makes the base heavier that it will be in.
    history: VecDeque<(u64, i64)>,
    /// The bytes of all commits of the history.
    history_bytes: u64,
    /// How many commits the history has at most.
    most: usize,
}

impl Size {
    /// Of a history of at most so many commits.
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Adds a commit to the history.
    pub(super) fn push(&mut self, bytes: u64, weight: i64) {
        self.history.push_back((bytes, weight));
        self.history_bytes += bytes;
        while self.history.len() > self.most
            && let Some((bytes, weight)) = self.history.pop_front()
        {
            self.history_bytes -= bytes;
            self.base = self.base.saturating_add_signed(weight);
        }
    }

    /// How many bytes a rewritten file would have, about.
    pub(super) fn rewritten(&self) -> u64 {
        self.base + self.history_bytes
    }

    /// Whether more than half of a file of this length is superseded, and at least `worth` bytes are.
    pub(super) fn is_superseded(&self, length: u64, worth: u64) -> bool {
        let superseded = length.saturating_sub(self.rewritten());
        superseded > length / 2 && superseded >= worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_history_weighs_in_the_base() {
        let mut size = Size::new(2);
        size.push(100, 70);
        size.push(110, 75);
        assert_eq!((size.base, size.rewritten()), (0, 210));
        // The account of the first is edited, and that of the second deleted.
        size.push(100, 0);
        size.push(20, -75);
        assert_eq!((size.base, size.rewritten()), (145, 265));
        size.push(20, -70);
        size.push(20, 0);
        assert_eq!((size.base, size.rewritten()), (70, 110));
    }

    #[test]
    fn superseded_by_more_than_half_and_worth_it() {
        let size = Size { base: 1000, ..Size::default() };
        for (length, worth, expected) in [
            (1000, 1, false),
            (2000, 1, false),
            (2001, 1, true),
            (2001, 1002, false),
            (5000, 1002, true),
            (0, 0, false),
        ] {
            assert_eq!(size.is_superseded(length, worth), expected, "{length}, {worth}");
        }
    }
}
