//! The account file on a simulated disk: programs that commit, compact, back up, close and open, while the power is
//! cut, the process killed, and the disk full or failing at any moment; and what is found after that.
//!
//! Everything is decided by seeds. A program that fails tells its own, and all that was done to the disk;
//! `GATEWAY_ACCOUNTS_SEED=<seed>` runs it alone.
//!
//! - `disk.rs`, with `platter.rs` and `names.rs`: the disk;
//! - `model.rs`: what a store does, said in the simplest way; `sample.rs`: what it is asked;
//! - `run.rs`, with `backups.rs`: an account file in use, and what must be true of it; `check.rs`: to all who look;
//! - `program.rs`: how it is used;
//! - `sabotage.rs`: mistakes, to show that they would be found.

mod backups;
mod check;
mod dice;
mod disk;
mod format_1;
mod model;
mod names;
mod platter;
mod program;
mod run;
mod sabotage;
mod sample;

use super::format::PAD;
use super::log::{Log, LogOptions};
use super::secrets::Secrets;
use super::staging::Prepared;
use crate::snapshot::{Batch, Change, Write};
use crate::store::CommitError;
use disk::{Fault, SimDisk};
use program::{simulate, simulate_fixed};
use run::{PATH, Tally};
use sabotage::{Mistake, with};
use sample::{batch_longer_by, empty_batch};
use std::path::Path;
use std::sync::Arc;

/// How often the power is cut in all random programs together.
const POWER_CUTS: u64 = 10_000;

#[test]
fn what_was_acknowledged_is_found_and_nothing_by_half() {
    let one = std::env::var("GATEWAY_ACCOUNTS_SEED");
    if let Ok(seed) = one.map(|text| text.parse().expect("a seed is a whole number")) {
        random(seed);
        return;
    }
    let mut tally = Tally::default();
    let mut seed = 0;
    while tally.power_cuts < POWER_CUTS {
        tally += random(seed);
        seed += 1;
    }
    // That is, not because nothing happened.
    let Tally { kills, failed_groups, commits, conflicts, compactions, failed_compactions, .. } = tally;
    let Tally { failed_opens, torn_tails, unacknowledged, lost, upgrades, backups, failed_backups, .. } =
        tally;
    for (met, least) in [
        (kills, 500),
        (failed_groups, 1000),
        (commits, 10_000),
        (conflicts, 1000),
        (compactions, 200),
        (failed_compactions, 200),
        (failed_opens, 1000),
        (torn_tails, 200),
        (unacknowledged, 200),
        (lost, 200),
        (upgrades, 100),
        (backups, 50),
        (failed_backups, 100),
    ] {
        assert!(met >= least, "the programs have become tame: {tally:?}");
    }
}

/// For whoever changes how the file is written: takes minutes, and less with `--release`.
#[test]
#[ignore = "100,000 programs take minutes; the 10,000 power cuts of the test above run always"]
fn what_was_acknowledged_is_found_in_a_hundred_thousand_programs() {
    for seed in 10_000..110_000 {
        random(seed);
    }
}

fn random(seed: u64) -> Tally {
    let honest = with(Mistake::None);
    simulate(seed, &honest, false).unwrap_or_else(|why| {
        let trace = simulate(seed, &honest, true).err().unwrap_or(why);
        panic!("{trace}\nthe program that failed is that of GATEWAY_ACCOUNTS_SEED={seed}");
    })
}

#[test]
fn the_power_is_cut_at_every_operation() {
    at_every_operation(Fault::PowerCut, 6);
}

#[test]
fn the_process_is_killed_at_every_operation() {
    at_every_operation(Fault::Kill, 3);
}

#[test]
fn every_operation_fails_once() {
    at_every_operation(Fault::Error, 3);
}

/// Runs the fixed program with a fault at each of its operations, on so many disks.
fn at_every_operation(fault: Fault, disks: u64) {
    let (_, disk) = simulate_fixed(0, None, None, false).unwrap();
    let operations = disk.operations();
    assert!(operations.len() > 100);
    for (at, operation) in (0_u64..).zip(&operations) {
        // Where nothing is changed, stopping is all the same.
        let disks = if operation.changes() || fault == Fault::Error { disks } else { 1 };
        for seed in 0..disks {
            if let Err(why) = simulate_fixed(seed, Some((at, fault)), None, false) {
                let trace = simulate_fixed(seed, Some((at, fault)), None, true).err().unwrap_or(why);
                panic!("{trace}\n{fault:?} at operation {at}, {operation:?}, seed {seed}");
            }
        }
    }
}

/// The fixed program on disks of every size up to what it needs, so that each of its writes meets a full disk once.
#[test]
fn the_disk_is_full_at_every_write() {
    let mut room = 0;
    loop {
        match simulate_fixed(room as u64, None, Some(room), false) {
            Ok((_, disk)) if disk.troubles() == 0 => break,
            Ok(_) => {}
            Err(why) => {
                let trace = simulate_fixed(room as u64, None, Some(room), true).err().unwrap_or(why);
                panic!("{trace}\na disk of {room} bytes");
            }
        }
        room += 512;
    }
    assert!(room > 10_000);
}

/// Commits a batch by itself.
fn commit(log: &mut Log, batch: Batch) -> Result<Arc<Change>, CommitError> {
    let mut staging = log.staging();
    staging.stage(Prepared::new(batch, &Secrets::default()).unwrap());
    log.commit(staging.take()).answers.pop().unwrap().0
}

/// Commits that fill the padding to the byte, and whose sync fails: whoever opens the file next must not take it for
/// one that is on the disk.
#[test]
fn what_fills_the_padding_and_is_not_synced_is_not_built_upon() {
    let options = || LogOptions { history: 10, worth_compacting: 1 << 20, secrets: Secrets::default() };
    let open = |disk: &SimDisk| Log::open(Arc::new(disk.clone()), Path::new(PATH), options()).unwrap().0;
    let padding = |disk: &SimDisk| {
        let content = disk.content(PATH).unwrap();
        content.iter().rev().take_while(|byte| **byte == PAD).count()
    };
    // How much a batch leaves of the padding that the first commit makes.
    let left = |accounts| {
        let disk = SimDisk::new(0);
        let mut log = open(&disk);
        commit(&mut log, empty_batch()).unwrap();
        let before = disk.content(PATH).unwrap().len();
        commit(&mut log, batch_longer_by(accounts, 0)).unwrap();
        (disk.content(PATH).unwrap().len() == before).then(|| padding(&disk))
    };
    let fits = |accounts: &usize| left(*accounts).is_some_and(|left| left <= 200 * accounts);
    let accounts = (1..9).find(fits).unwrap();
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let mut log = open(&disk);
        commit(&mut log, empty_batch()).unwrap();
        // What comes before the sync: two looks at the file, and the write.
        disk.plan(3, Fault::Error);
        commit(&mut log, batch_longer_by(accounts, left(accounts).unwrap())).unwrap_err();
        drop(log);
        let mut log = open(&disk);
        let seq = commit(&mut log, empty_batch()).unwrap().seq;
        drop(log);
        disk.restart_after_power_cut();
        assert_eq!(open(&disk).live().snapshot().seq(), seq, "seed {seed}");
    }
}

/// A new file of which nothing but the header was written, and perhaps not synced, and then a commit is torn.
#[test]
fn a_header_that_was_not_synced_is_not_built_upon() {
    let options = || LogOptions { history: 10, worth_compacting: 1 << 20, secrets: Secrets::default() };
    let open = |disk: &SimDisk| Log::open(Arc::new(disk.clone()), Path::new(PATH), options());
    for (at, seed) in (0..16).flat_map(|at| (0..60).map(move |seed| (at, seed))) {
        let disk = SimDisk::new(seed);
        disk.plan(at, Fault::Error);
        drop(open(&disk));
        disk.restart_process();
        let mut log = open(&disk).unwrap().0;
        // What comes before the write: two looks at the file.
        disk.plan(2, Fault::PowerCut);
        commit(&mut log, batch_longer_by(9, 1800)).unwrap_err();
        drop(log);
        disk.restart();
        open(&disk).unwrap_or_else(|error| panic!("an error at operation {at}, seed {seed}: {error}"));
    }
}

/// What is committed while a file is rewritten is as much superseded as what was before, and is not taken for a sign
/// that rewriting gains nothing.
#[test]
fn a_file_that_grew_while_it_was_rewritten_is_rewritten_again() {
    let options = LogOptions { history: 1, worth_compacting: 1, secrets: Secrets::default() };
    let mut log = Log::open(Arc::new(SimDisk::new(0)), Path::new(PATH), options).unwrap().0;
    let created = commit(&mut log, batch_longer_by(1, 0)).unwrap();
    let mut account = Arc::clone(created.events[0].after().unwrap());
    let mut edit = |log: &mut Log| {
        let change = commit(log, empty_batch().with(Write::Replace(Arc::clone(&account)))).unwrap();
        account = Arc::clone(change.events[0].after().unwrap());
    };
    while !log.wants_compaction() {
        edit(&mut log);
    }
    let mut compaction = log.begin_compaction().unwrap();
    for _ in 0..40 {
        edit(&mut log);
    }
    while compaction.step().unwrap() {}
    log.finish_compaction(compaction).unwrap();
    assert!(log.wants_compaction());
}

/// That the simulation can fail: each mistake is found within so many programs.
#[test]
fn mistakes_are_found() {
    for (mistake, within) in [
        (Mistake::NoSync, 20),
        (Mistake::LateSync, 20),
        (Mistake::NoSyncBeforeRename, 100),
        (Mistake::NoFolderSync, 100),
        (Mistake::RetriedSync, 100),
        (Mistake::IgnoredWriteError, 100),
        (Mistake::IgnoredShortWrite, 100),
    ] {
        let sabotaged = with(mistake);
        let found = (0..within).find(|seed| simulate(*seed, &sabotaged, false).is_err());
        assert!(found.is_some(), "{mistake:?} was not found in {within} programs");
    }
}
