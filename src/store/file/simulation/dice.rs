//! Repeatable chance: all that a simulation decides, it decides by one of these.

/// The generator splitmix64. The same seed rolls the same numbers, on every machine.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another generator, whose numbers do not depend on how many are taken from this one later.
    pub(super) fn split(&mut self) -> Self {
        Self(self.roll())
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is more than 0. That the first ones are likelier by a hair does no harm here.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// As [`Dice::below`], for places in a list.
    pub(super) fn index(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// True `times` out of `of`.
    pub(super) fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }
}

#[test]
fn the_same_seed_rolls_the_same_and_all_faces_come_up() {
    // The first numbers that the published generator gives for this seed.
    let mut dice = Dice::new(1_234_567);
    assert_eq!([dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    let mut seen = [0; 6];
    (0..6000).for_each(|_| seen[dice.index(6)] += 1);
    assert!(seen.iter().all(|times| (800..1200).contains(times)), "{seen:?}");
}
