//! What is done to an account file in a simulation: something else for each seed, or one fixed program.

use super::check::Checked;
use super::dice::Dice;
use super::disk::{Fault, SimDisk};
use super::format_1;
use super::model::Course;
use super::run::{PATH, Run, Tally};
use super::sample::{Writer, empty_batch};
use crate::store::file::disk::Disk;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Puts something between an account file and its disk.
pub(super) type Between<'a> = &'a dyn Fn(SimDisk) -> Arc<dyn Disk>;

/// Runs the program of a seed. `Err` says what went wrong, and with `record` what led to it.
pub(super) fn simulate(seed: u64, between: Between<'_>, record: bool) -> Result<Tally, String> {
    let disk = SimDisk::new(seed);
    if record {
        disk.record();
    }
    let mut run = Run::new(seed, disk.clone(), between(disk.clone()));
    let checked = unwound(|| random(&mut run));
    told(checked, &disk).map(|()| run.tally)
}

/// Runs the fixed program on the disk of a seed, with a fault after so many operations; on a disk with so much room.
pub(super) fn simulate_fixed(
    seed: u64,
    fault: Option<(u64, Fault)>,
    room: Option<usize>,
    record: bool,
) -> Result<(Tally, SimDisk), String> {
    let disk = SimDisk::new(seed);
    if record {
        disk.record();
    }
    disk.set_room(room);
    if let Some((after, fault)) = fault {
        disk.plan(after, fault);
    }
    // The program is the same for all disks.
    let mut run = Run::new(FIXED, disk.clone(), Arc::new(disk.clone()));
    let checked = unwound(|| fixed(&mut run));
    told(checked, &disk).map(|()| (run.tally, disk))
}

/// The seed of the fixed program: that of a long history, so that a compaction takes it over.
const FIXED: u64 = 3;

/// A panic is a failure like any other.
fn unwound(run: impl FnOnce() -> Checked) -> Checked {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("a panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("of no text")))
    })
}

fn told(checked: Checked, disk: &SimDisk) -> Checked {
    checked.map_err(|why| [disk.trace(), vec![why]].concat().join("\n"))
}

/// Several times: opens the file, uses it for a while, and leaves it in one way or another.
fn random(run: &mut Run) -> Checked {
    if run.dice.chance(1, 8) {
        begin_with_format_1(run);
    }
    if run.dice.chance(1, 3) {
        let one_out_of = 2 + run.dice.below(10);
        run.disk.set_hiccups(Some(one_out_of));
    }
    run.open(|dice, disk| {
        if dice.chance(1, 2) {
            plan(dice, disk, 30);
        }
    })?;
    let lives = 3 + run.dice.below(5);
    for _ in 0..lives {
        live(run)?;
        match run.dice.below(8) {
            _ if run.dice.chance(1, 20) => run.disturb()?,
            0 => run.restart_process(),
            1..4 => run.cut_power(),
            _ => {
                run.restart_if_stopped();
                run.close();
            }
        }
        run.open(|dice, disk| {
            if dice.chance(1, 5) {
                plan(dice, disk, 20);
            }
        })?;
    }
    // All that was said to be durable is.
    run.disk.plan_nothing();
    run.cut_power();
    run.open(|_, _| ())
}

/// Puts a file of format 1 on the disk, as a released version has left it: perhaps while it wrote a commit.
fn begin_with_format_1(run: &mut Run) {
    let mut writer = Writer::without_keys(run.dice.split());
    let mut course = Course::new();
    let mut file = format_1::header();
    for _ in 0..run.dice.below(20) {
        let batch = writer.batch(course.latest());
        if let Ok(change) = course.commit(&batch) {
            file.extend(format_1::line(&change));
        }
    }
    if run.dice.chance(1, 2) {
        let next = course.clone().commit(&empty_batch()).expect("nothing is in its way");
        let torn = format_1::line(&next);
        let part = run.dice.index(torn.len() - 1);
        file.extend(&torn[..part]);
    }
    run.disk.put(PATH, &file);
    run.begin_with(course);
}

/// Uses an open file for a while, during which something may happen.
fn live(run: &mut Run) -> Checked {
    run.disk.plan_nothing();
    run.disk.set_room(None);
    match run.dice.below(8) {
        0 | 1 => {}
        2 => {
            let room = run.dice.index(100_000);
            run.disk.set_room(Some(room));
        }
        _ => {
            let longest = [3, 10, 10, 50][run.dice.index(4)];
            plan(&mut run.dice, &run.disk, longest);
        }
    }
    let troubles = run.disk.troubles();
    let most = [4, 4, 4, 20][run.dice.index(4)];
    for _ in 0..2 + run.dice.below(most) {
        if !run.is_open() {
            break;
        }
        match run.dice.below(10) {
            0..5 => {
                let commits = [1, 1, 1, 1, 1, 1, 2, 2, 3, 8][run.dice.index(10)];
                run.group(commits)?;
            }
            // What has begun goes on, mostly.
            5 | 6 if run.is_compacting() => run.compact(false)?,
            7 if run.is_compacting() => run.compact(true)?,
            5..8 if run.is_backing_up() => run.back_up()?,
            5 | 6 if run.wants_compaction() || run.dice.chance(1, 2) => run.compact(false)?,
            8 if run.dice.chance(1, 2) => run.back_up()?,
            9 if run.dice.chance(1, 4) => run.intrude()?,
            9 => run.disk.set_room(None),
            _ => {}
        }
        // One trouble seldom comes alone.
        if run.disk.troubles() > troubles && run.dice.chance(1, 3) {
            plan(&mut run.dice, &run.disk, 20);
        }
        if !run.takes_commits() && run.dice.chance(1, 2) {
            break;
        }
    }
    Ok(())
}

/// Plans a fault for one of the next operations.
fn plan(dice: &mut Dice, disk: &SimDisk, longest: u64) {
    let fault = match dice.below(8) {
        0..5 => Fault::PowerCut,
        5 => Fault::Kill,
        _ => Fault::Error,
    };
    disk.plan(dice.below(longest), fault);
}

/// The same groups and the same compaction each time, whatever happens to them.
fn fixed(run: &mut Run) -> Checked {
    run.open(|_, _| ())?;
    for commits in [1, 3, 8] {
        group(run, commits)?;
    }
    compact(run, false)?;
    group(run, 2)?;
    compact(run, false)?;
    group(run, 1)?;
    back_up(run)?;
    compact(run, true)?;
    back_up(run)?;
    group(run, 4)?;
    for _ in 0..4 {
        back_up(run)?;
    }
    compact(run, false)?;
    compact(run, true)?;
    group(run, 1)?;
    run.close();
    reopen(run)?;
    group(run, 3)?;
    // All that was said to be durable is.
    run.disk.plan_nothing();
    run.cut_power();
    run.open(|_, _| ())?;
    group(run, 1)?;
    run.close();
    run.open(|_, _| ())
}

/// Opens the file again if something has happened.
fn reopen(run: &mut Run) -> Checked {
    if run.is_open() && run.takes_commits() { Ok(()) } else { run.open(|_, _| ()) }
}

fn group(run: &mut Run, commits: usize) -> Checked {
    reopen(run)?;
    run.group(commits)
}

fn back_up(run: &mut Run) -> Checked {
    reopen(run)?;
    run.back_up()
}

fn compact(run: &mut Run, finish: bool) -> Checked {
    reopen(run)?;
    run.compact(finish)
}
