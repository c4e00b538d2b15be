//! The account file on a simulated disk: programs that commit, compact, close and open, while the power is cut, the
//! process killed, and the disk full or failing at any moment; and what is found after that.
//!
//! Everything is decided by seeds. A program that fails tells its own, and all that was done to the disk;
//! `GATEWAY_ACCOUNTS_SEED=<seed>` runs it alone.

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

use disk::Fault;
use program::{simulate, simulate_fixed};
use run::Tally;
use sabotage::{Mistake, with};

/// The one seed to run, if the environment gives one.
fn seed() -> Option<u64> {
    std::env::var("GATEWAY_ACCOUNTS_SEED").ok().map(|text| text.parse().expect("a seed is a whole number"))
}

/// How often the power is cut in all random programs together.
const POWER_CUTS: u64 = 10_000;

/// Random programs.
#[test]
fn what_was_acknowledged_is_found_and_nothing_by_half() {
    let honest = with(Mistake::None);
    let run = |seed| {
        simulate(seed, &honest, false).unwrap_or_else(|why| {
            let trace = simulate(seed, &honest, true).err().unwrap_or(why);
            panic!("{trace}\nthe program that failed is that of GATEWAY_ACCOUNTS_SEED={seed}");
        })
    };
    let mut tally = Tally::default();
    match seed() {
        Some(seed) => tally += run(seed),
        None => (0..)
            .map(run)
            .take_while(|one| {
                tally += *one;
                tally.power_cuts < POWER_CUTS
            })
            .for_each(drop),
    }
    println!("{tally:?}");
}

/// One program, and the power cut, the process killed, or an error, at each of its operations.
#[test]
fn at_every_operation_of_a_program() {
    let (_, disk) = simulate_fixed(0, None, None, false).unwrap();
    let operations = disk.operations();
    let (mut runs, mut tally) = (0, Tally::default());
    for (at, operation) in (0_u64..).zip(&operations) {
        for fault in [Fault::PowerCut, Fault::Kill, Fault::Error] {
            let seeds = match fault {
                Fault::PowerCut | Fault::Kill if !operation.changes() => 0..1,
                Fault::PowerCut => 0..8,
                Fault::Kill | Fault::Error => 0..4,
            };
            for seed in seeds {
                match simulate_fixed(seed, Some((at, fault)), None, false) {
                    Ok((one, _)) => tally += one,
                    Err(why) => {
                        let trace = simulate_fixed(seed, Some((at, fault)), None, true);
                        let trace = trace.err().unwrap_or(why);
                        panic!("{trace}\n{fault:?} at operation {at}, {operation:?}, seed {seed}");
                    }
                }
                runs += 1;
            }
        }
    }
    println!("{runs} runs, {} operations: {tally:?}", operations.len());
}

/// One program on disks of every size up to what it needs, so that each of its writes meets a full disk once.
#[test]
fn on_a_disk_that_is_full_at_every_write() {
    let mut tally = Tally::default();
    let mut room = 0;
    let mut is_too_small = true;
    while is_too_small {
        for seed in 0..2 {
            match simulate_fixed(seed, None, Some(room), false) {
                Ok((one, disk)) => {
                    tally += one;
                    is_too_small = disk.troubles() > 0;
                }
                Err(why) => {
                    let trace = simulate_fixed(seed, None, Some(room), true).err().unwrap_or(why);
                    panic!("{trace}\na disk of {room} bytes, seed {seed}");
                }
            }
        }
        room += 512;
    }
    println!("up to {room} bytes: {tally:?}");
}

/// That the simulation can fail: each mistake is found within a few programs.
#[test]
fn mistakes_are_found() {
    for (mistake, within) in [
        (Mistake::NoSync, 20),
        (Mistake::LateSync, 20),
        (Mistake::NoSyncBeforeRename, 200),
        (Mistake::NoFolderSync, 200),
        (Mistake::RetriedSync, 200),
        (Mistake::IgnoredWriteError, 200),
        (Mistake::IgnoredShortWrite, 200),
    ] {
        let sabotaged = with(mistake);
        let found = (0..within).find_map(|seed| Some((seed, simulate(seed, &sabotaged, false).err()?)));
        let (seed, why) = found.unwrap_or_else(|| panic!("{mistake:?} was not found in {within} programs"));
        println!("{mistake:?} was found by seed {seed}: {}", why.lines().last().unwrap_or_default());
    }
}

#[test]
#[ignore]
fn survey() {
    let honest = with(Mistake::None);
    let mut tally = Tally::default();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    for seed in number("FROM").unwrap_or(0)..number("TO").unwrap_or(2000) {
        match simulate(seed, &honest, false) {
            Ok(one) => tally += one,
            Err(why) => println!("SEED {seed}: {}", why.chars().take(300).collect::<String>()),
        }
    }
    println!("{tally:?}");
}
