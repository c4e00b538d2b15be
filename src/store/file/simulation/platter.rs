//! What a disk holds of one file: what programs read, and what a power cut can't take.
//!
//! A file is written in sectors of 512 bytes, each whole or not at all, in any order, at any time between the write
//! and the sync after it.

use super::dice::Dice;
use std::collections::BTreeMap;
use std::io;

/// The least that a disk writes at once.
pub(super) const SECTOR: usize = 512;

/// The content of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Platter {
    /// As programs read it.
    cached: Vec<u8>,
    /// As it was synced.
    durable: Vec<u8>,
    /// Which sectors were written since the last sync; as long as the longest content since then.
    dirty: Vec<bool>,
    /// What a sector held between, when it was written several times since the last sync: that may be on the disk
    /// too.
    between: BTreeMap<usize, Vec<Vec<u8>>>,
    /// How long the file has been since the last sync, if its length changed.
    lengths: Vec<usize>,
    /// Which sectors the disk has room for. What was only made longer has none yet.
    allocated: Vec<bool>,
}

impl Platter {
    pub(super) fn len(&self) -> usize {
        self.cached.len()
    }

    /// As programs read it.
    pub(super) fn content(&self) -> &[u8] {
        &self.cached
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        let rest = self.cached.get(offset..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        read
    }

    /// How many sectors more a write takes on the disk.
    pub(super) fn needs(&self, bytes: usize, offset: usize) -> usize {
        sectors(offset, offset + bytes).filter(|sector| self.allocated.get(*sector) != Some(&true)).count()
    }

    /// How many sectors it takes on the disk.
    pub(super) fn takes(&self) -> usize {
        self.allocated.iter().filter(|allocated| **allocated).count()
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if offset > self.len() {
            self.set_len(offset);
        }
        self.touch(offset, end);
        if end > self.len() {
            self.cached.resize(end, 0);
            self.lengths.push(end);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        let last = sectors(offset, end).end;
        if self.allocated.len() < last {
            self.allocated.resize(last, false);
        }
        self.allocated[sectors(offset, end)].fill(true);
    }

    pub(super) fn set_len(&mut self, length: usize) {
        let before = self.len();
        if length == before {
            return;
        }
        if length < before {
            // The rest of the sector in which it ends now is cleared; those after it are gone.
            self.touch(length, length.next_multiple_of(SECTOR).min(before));
            self.allocated.truncate(length.div_ceil(SECTOR));
        } else {
            self.touch(before, length);
        }
        self.cached.resize(length, 0);
        self.lengths.push(length);
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        self.durable.resize(self.cached.len(), 0);
        for sector in self.dirty_sectors() {
            copy_sector(&self.cached, &mut self.durable, sector);
        }
        self.forget();
    }

    /// A sync that fails. Each sector that it was to write has reached the disk or not; and the system takes it for
    /// clean all the same, so that the next sync does not write it. What was not written, programs go on reading as
    /// if it were, or as it was before. The length is written or still to be written.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        if dice.chance(1, 2) {
            self.durable.resize(self.cached.len(), 0);
            self.lengths.clear();
        }
        for sector in self.dirty_sectors() {
            match dice.below(3) {
                0 => copy_sector(&self.cached, &mut self.durable, sector),
                1 => {}
                _ => {
                    let range = range(sector, self.cached.len());
                    self.cached[range].fill(0);
                    copy_sector(&self.durable, &mut self.cached, sector);
                }
            }
        }
        self.dirty.fill(false);
        self.between.clear();
    }

    /// What is found after a power cut: each sector and the length, as synced or as it was some time since.
    pub(super) fn lose_power(&mut self, dice: &mut Dice) {
        // How many sectors get lost differs from one power cut to another: none, all, or anything between.
        let lost = [0, 1, 4, 7, 8][dice.index(5)];
        let mut found = std::mem::take(&mut self.durable);
        found.resize(self.found_len(found.len(), dice), 0);
        for sector in self.dirty_sectors() {
            if dice.chance(lost, 8) {
                continue;
            }
            let between = self.between.get(&sector).filter(|_| dice.chance(1, 2));
            match between {
                Some(versions) => {
                    let version = &versions[dice.index(versions.len())];
                    let range = range(sector, found.len());
                    let whole = range.len();
                    found[range].copy_from_slice(&version[..whole]);
                }
                None => {
                    // What the sector has after the end, should the file be found longer, was cleared.
                    let cleared = range(sector, found.len());
                    found[cleared].fill(0);
                    copy_sector(&self.cached, &mut found, sector);
                }
            }
        }
        self.allocated.clear();
        self.allocated.resize(found.len().div_ceil(SECTOR), true);
        self.cached.clone_from(&found);
        self.durable = found;
        self.forget();
    }

    fn found_len(&self, durable: usize, dice: &mut Dice) -> usize {
        match (self.lengths.as_slice(), dice.below(3)) {
            ([], _) | (_, 0) => durable,
            (lengths, 1) => lengths[dice.index(lengths.len())],
            // Part of what a write added: so many sectors of it.
            (lengths, _) => {
                let latest = lengths[lengths.len() - 1];
                let (from, to) = (durable.min(latest), durable.max(latest));
                let between = (from / SECTOR + dice.index((to - from) / SECTOR + 1)) * SECTOR;
                between.clamp(from, to)
            }
        }
    }

    /// Marks the sectors between two places as written, before they are.
    fn touch(&mut self, from: usize, to: usize) {
        let touched = sectors(from, to);
        if self.dirty.len() < touched.end {
            self.dirty.resize(touched.end, false);
        }
        for sector in touched {
            if self.dirty[sector] {
                let mut version = self.cached[range(sector, self.cached.len())].to_vec();
                version.resize(SECTOR, 0);
                self.between.entry(sector).or_default().push(version);
            }
            self.dirty[sector] = true;
        }
    }

    fn dirty_sectors(&self) -> Vec<usize> {
        self.dirty.iter().enumerate().filter(|(_, dirty)| **dirty).map(|(sector, _)| sector).collect()
    }

    fn forget(&mut self) {
        self.dirty.clear();
        self.between.clear();
        self.lengths.clear();
    }
}

/// The sectors that have the bytes between two places.
fn sectors(from: usize, to: usize) -> std::ops::Range<usize> {
    if from < to { from / SECTOR..to.div_ceil(SECTOR) } else { 0..0 }
}

/// The bytes of a sector that are in a content of this length.
fn range(sector: usize, length: usize) -> std::ops::Range<usize> {
    (sector * SECTOR).min(length)..((sector + 1) * SECTOR).min(length)
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let range = range(sector, from.len().min(to.len()));
    to[range.clone()].copy_from_slice(&from[range]);
}

/// An offset or a length, as the disk counts them.
pub(super) fn place(number: u64) -> io::Result<usize> {
    /// Far more than any simulated file has: whatever is beyond is a mistake, and must not take all memory.
    const LARGEST: u64 = 1 << 30;
    if number > LARGEST {
        return Err(io::Error::other(format!("a simulated file has at most {LARGEST} bytes, not {number}")));
    }
    Ok(number as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A file of two sectors of `a`, synced.
    fn synced() -> Platter {
        let mut platter = Platter::default();
        platter.write(&[b'a'; 2 * SECTOR], 0);
        platter.sync();
        platter
    }

    /// What is found after power cuts by many seeds, each as the first byte of every sector.
    fn found(platter: &Platter) -> BTreeSet<String> {
        (0..400)
            .map(|seed| {
                let mut platter = platter.clone();
                platter.lose_power(&mut Dice::new(seed));
                assert_eq!(platter.cached, platter.durable);
                let whole =
                    |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0]) || sector.contains(&b'|');
                assert!(platter.cached.chunks(SECTOR).all(whole), "a sector was torn");
                platter.cached.chunks(SECTOR).map(|sector| char::from(sector[0])).collect()
            })
            .collect()
    }

    fn texts<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
        texts.map(str::to_owned).into()
    }

    #[test]
    fn what_was_synced_stays() {
        assert_eq!(found(&synced()), texts(["aa"]));
    }

    #[test]
    fn each_sector_that_was_overwritten_survives_or_not() {
        let mut platter = synced();
        platter.write(&[b'b'; 2 * SECTOR], 0);
        assert_eq!(platter.cached, [b'b'; 2 * SECTOR]);
        assert_eq!(found(&platter), texts(["aa", "ab", "ba", "bb"]));
        platter.sync();
        assert_eq!(found(&platter), texts(["bb"]));
    }

    #[test]
    fn a_sector_that_was_written_twice_may_be_found_as_between() {
        let mut platter = synced();
        platter.write(&[b'b'; SECTOR], 0);
        platter.write(&[b'c'; SECTOR], 0);
        assert_eq!(found(&platter), texts(["aa", "ba", "ca"]));
    }

    #[test]
    fn what_was_added_may_be_short_or_have_holes() {
        let mut platter = synced();
        platter.write(&[b'b'; 2 * SECTOR], 2 * SECTOR);
        let holes = ["aa", "aab", "aa\0", "aabb", "aa\0\0", "aab\0", "aa\0b"];
        assert_eq!(found(&platter), texts(holes));
    }

    #[test]
    fn a_file_that_was_cut_may_be_found_as_long_as_before() {
        let mut platter = synced();
        platter.set_len(SECTOR);
        assert_eq!((platter.len(), found(&platter)), (SECTOR, texts(["a", "aa"])));
        platter.sync();
        assert_eq!(found(&platter), texts(["a"]));
        // What is added later does not bring back what was cut off.
        platter.set_len(2 * SECTOR);
        assert_eq!(platter.cached[SECTOR..], [0; SECTOR]);
        assert_eq!(found(&platter), texts(["a", "a\0"]));
    }

    #[test]
    fn a_cut_within_a_sector_clears_its_rest() {
        let mut platter = synced();
        platter.set_len(10);
        platter.set_len(20);
        assert_eq!(platter.cached, *b"aaaaaaaaaa\0\0\0\0\0\0\0\0\0\0");
        platter.sync();
        assert_eq!(platter.durable, platter.cached);
    }

    #[test]
    fn a_write_beyond_the_end_leaves_nuls_between() {
        let mut platter = Platter::default();
        platter.write(b"x", 3);
        assert_eq!(platter.cached, *b"\0\0\0x");
        let mut buffer = [b'?'; 3];
        assert_eq!((platter.read(&mut buffer, 2), &buffer[..2]), (2, &b"\0x"[..]));
        assert_eq!((platter.read(&mut buffer, 4), platter.read(&mut buffer, 9)), (0, 0));
    }

    /// The error that must not be retried: the second sync succeeds, and the data is not there.
    #[test]
    fn a_sync_that_is_retried_proves_nothing() {
        let mut outcomes = BTreeSet::new();
        for seed in 0..400 {
            let mut dice = Dice::new(seed);
            let mut platter = synced();
            platter.write(&[b'b'; SECTOR], 0);
            platter.fail_sync(&mut dice);
            platter.sync();
            let read = platter.cached[0];
            platter.lose_power(&mut dice);
            outcomes.insert((char::from(read), char::from(platter.cached[0])));
        }
        assert_eq!(outcomes, [('b', 'b'), ('b', 'a'), ('a', 'a')].into());
    }

    #[test]
    fn what_is_written_again_after_a_failed_sync_is_synced() {
        for seed in 0..100 {
            let mut platter = synced();
            platter.write(&[b'b'; 2 * SECTOR], SECTOR);
            platter.fail_sync(&mut Dice::new(seed));
            platter.write(&[b'c'; 2 * SECTOR], SECTOR);
            platter.sync();
            assert_eq!(found(&platter), texts(["acc"]));
        }
    }

    #[test]
    fn room_is_taken_by_what_is_written_and_not_by_length() {
        let mut platter = Platter::default();
        platter.set_len(4 * SECTOR);
        assert_eq!((platter.takes(), platter.needs(SECTOR + 1, SECTOR)), (0, 2));
        platter.write(&[1; SECTOR + 1], SECTOR);
        assert_eq!((platter.takes(), platter.needs(SECTOR + 1, SECTOR)), (2, 0));
        assert_eq!(platter.needs(SECTOR, 2 * SECTOR + 1), 1);
        platter.set_len(SECTOR + 1);
        assert_eq!(platter.takes(), 1);
    }
}
