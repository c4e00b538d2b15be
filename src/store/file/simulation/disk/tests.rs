//! That the disk does to its files what real ones do at their worst.

use super::*;
use crate::store::file::disk::{Disk, DiskFile, write_all_at};
use std::collections::BTreeSet;
use std::path::Path;

const A: &str = "d/a";

fn path(name: &str) -> &Path {
    Path::new(name)
}

/// A disk with one file of two sectors, synced, and its name too.
fn disk(seed: u64) -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new(seed);
    let file = disk.create_new(path(A)).unwrap();
    write_all_at(&*file, &[b'a'; 2 * SECTOR], 0).unwrap();
    file.sync().unwrap();
    disk.sync_folder(path(A)).unwrap();
    (disk, file)
}

/// The first byte of every sector of a file, and `-` when there is no such file.
fn sectors(disk: &SimDisk, name: &str) -> String {
    let Some(content) = disk.content(name) else { return "-".to_owned() };
    content.chunks(SECTOR).map(|sector| char::from(sector[0])).collect()
}

/// What is found by many seeds.
fn outcomes<T: Ord>(run: impl Fn(u64) -> T) -> BTreeSet<T> {
    (0..200).map(run).collect()
}

fn texts<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.map(str::to_owned).into()
}

#[test]
fn a_power_cut_tears_the_write_under_way_and_stops_the_machine() {
    let found = outcomes(|seed| {
        let (disk, file) = disk(seed);
        disk.plan(0, Fault::PowerCut);
        file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap_err();
        assert_eq!(disk.stopped(), Some(Fault::PowerCut));
        file.len().unwrap_err();
        disk.open_to_read(path(A)).unwrap_err();
        disk.restart();
        file.len().unwrap_err();
        disk.open_to_read(path(A)).unwrap();
        sectors(&disk, A)
    });
    assert_eq!(found, texts(["aa", "ab", "ba", "bb"]));
}

#[test]
fn a_killed_process_leaves_what_it_wrote_and_the_first_bytes_of_the_rest() {
    let found = outcomes(|seed| {
        let (disk, file) = disk(seed);
        file.write_at(&[b'b'; SECTOR], 0).unwrap();
        disk.plan(0, Fault::Kill);
        file.write_at(&[b'c'; 2 * SECTOR], 0).unwrap_err();
        disk.restart();
        let content = disk.content(A).unwrap();
        let written = content.iter().take_while(|byte| **byte == b'c').count();
        let rest = [[b'b'; SECTOR], [b'a'; SECTOR]].concat();
        assert_eq!(content[written..], rest[written..]);
        // It was never synced, and a power cut may still take it.
        disk.restart_after_power_cut();
        (written > SECTOR, sectors(&disk, A))
    });
    assert!(
        found.contains(&(true, "aa".to_owned())) && found.contains(&(false, "ba".to_owned())),
        "{found:?}"
    );
}

#[test]
fn a_new_file_is_found_when_its_folder_was_synced_and_its_content_when_it_was() {
    let found = outcomes(|seed| {
        let (disk, _) = disk(seed);
        let file = disk.create_new(path("d/b")).unwrap();
        file.write_at(&[b'b'; SECTOR], 0).unwrap();
        let (content, name) = (seed % 2 == 0, seed % 3 == 0);
        if content {
            file.sync().unwrap();
        }
        if name {
            disk.sync_folder(path("d/b")).unwrap();
        }
        disk.restart_after_power_cut();
        (content, name, sectors(&disk, "d/b"))
    });
    let expected = [
        (false, false, "-"),
        (false, false, ""),
        (false, false, "\0"),
        (false, false, "b"),
        (false, true, ""),
        (false, true, "\0"),
        (false, true, "b"),
        (true, false, "-"),
        (true, false, "b"),
        (true, true, "b"),
    ];
    assert_eq!(found, expected.map(|(content, name, text)| (content, name, text.to_owned())).into());
}

#[test]
fn a_file_that_was_renamed_over_another_is_found_as_one_or_the_other() {
    for lost in [Lost::Latest, Lost::Any] {
        let found = outcomes(|seed| {
            let (disk, _) = disk(seed);
            disk.set_lost(lost);
            let file = disk.create_new(path("d/b")).unwrap();
            file.write_at(b"b", 0).unwrap();
            file.sync().unwrap();
            disk.rename(path("d/b"), path(A)).unwrap();
            assert!(file.is_named(path(A)).unwrap() && !file.is_named(path("d/b")).unwrap());
            disk.restart_after_power_cut();
            format!("{} {}", sectors(&disk, A), sectors(&disk, "d/b"))
        });
        let mut expected = texts(["aa -", "aa b", "b -"]);
        if lost == Lost::Any {
            expected.insert("b b".to_owned());
        }
        assert_eq!(found, expected, "{lost:?}");
    }
}

#[test]
fn what_fails_is_done_by_half_and_the_rest_goes_on() {
    let found = outcomes(|seed| {
        let (disk, file) = disk(seed);
        disk.plan(1, Fault::Error);
        file.write_at(&[b'b'; 1], 0).unwrap();
        file.write_at(&[b'c'; 2 * SECTOR], 0).unwrap_err();
        assert_eq!(disk.stopped(), None);
        file.sync().unwrap();
        sectors(&disk, A)
    });
    assert_eq!(found, texts(["ba", "ca", "cc"]));

    let names = outcomes(|seed| {
        let (disk, _) = disk(seed);
        disk.plan(0, Fault::Error);
        disk.rename(path(A), path("d/b")).unwrap_err();
        disk.list()
    });
    assert_eq!(names, [vec![A.to_owned()], vec!["d/b".to_owned()]].into());
}

#[test]
fn a_failed_sync_is_not_made_good_by_another() {
    let found = outcomes(|seed| {
        let (disk, file) = disk(seed);
        file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap();
        disk.plan(0, Fault::Error);
        file.sync().unwrap_err();
        file.sync().unwrap();
        disk.restart_after_power_cut();
        sectors(&disk, A)
    });
    assert_eq!(found, texts(["aa", "ab", "ba", "bb"]));
}

#[test]
fn after_a_failed_sync_of_a_folder_it_is_retried_in_earnest_or_nothing_is_written_any_more() {
    let found = outcomes(|seed| {
        let (disk, _) = disk(seed);
        let file = disk.create_new(path("d/b")).unwrap();
        disk.plan(0, Fault::Error);
        disk.sync_folder(path("d/b")).unwrap_err();
        let retried = disk.sync_folder(path("d/b"));
        let written = file.write_at(b"b", 0);
        assert_eq!(retried.is_ok(), written.is_ok());
        file.len().unwrap();
        disk.restart_after_power_cut();
        disk.create_new(path("d/c")).unwrap();
        (retried.is_ok(), disk.content("d/b").is_some())
    });
    assert_eq!(found, [(true, true), (false, true), (false, false)].into());
}

#[test]
fn a_full_disk_takes_what_fits_and_overwrites_what_is_there() {
    let (disk, file) = disk(1);
    disk.set_room(Some(SECTOR + 100));
    assert_eq!(file.write_at(&[b'b'; 3 * SECTOR], SECTOR as u64).unwrap(), 2 * SECTOR);
    let full = file.write_at(b"c", 3 * SECTOR as u64).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(disk.create_new(path("d/b")).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(write_all_at(&*file, &[b'c'; SECTOR], 10).map_err(|error| error.kind()), Ok(()));
    // What is cut off or removed makes room.
    file.set_len(2 * SECTOR as u64).unwrap();
    let other = disk.create_new(path("d/b")).unwrap();
    assert_eq!(other.write_at(&[b'b'; 3 * SECTOR], 0).unwrap(), SECTOR);
    disk.remove(path("d/b")).unwrap();
    assert_eq!(file.write_at(&[b'd'; 3 * SECTOR], 2 * SECTOR as u64).unwrap(), SECTOR);
    disk.set_room(None);
    assert_eq!(file.write_at(&[b'd'; 3 * SECTOR], 3 * SECTOR as u64).unwrap(), 3 * SECTOR);
}

#[test]
fn reads_and_writes_may_be_short_or_interrupted() {
    let (disk, file) = disk(1);
    disk.set_hiccups(Some(2));
    let bytes: Vec<u8> = (0..=255).collect();
    let (mut short, mut interrupted) = ([0; 2], [0; 2]);
    for _ in 0..100 {
        let mut buffer = [0; 256];
        for (i, result) in [file.write_at(&bytes, 7), file.read_at(&mut buffer, 7)].into_iter().enumerate() {
            match result {
                Ok(256) => {}
                Ok(1..256) => short[i] += 1,
                Err(error) if error.kind() == ErrorKind::Interrupted => interrupted[i] += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(short.into_iter().chain(interrupted).all(|times| times > 5), "{short:?} {interrupted:?}");
    write_all_at(&*file, &bytes, 7).unwrap();
    assert_eq!(disk.content(A).unwrap()[7..263], bytes);
}

#[test]
fn a_file_is_locked_until_it_is_dropped_or_its_process_ends() {
    let (disk, file) = disk(1);
    let other = disk.open(path(A), false).unwrap();
    assert!(file.try_lock().unwrap() && file.try_lock().unwrap());
    assert!(!other.try_lock().unwrap());
    drop(file);
    assert!(other.try_lock().unwrap());
    disk.restart_process();
    let again = disk.open_to_read(path(A)).unwrap();
    assert!(again.try_lock().unwrap());
    // The file of the process that has gone unlocks nothing.
    drop(other);
    assert!(!disk.open_to_read(path(A)).unwrap().try_lock().unwrap());
}

#[test]
fn names_and_rights_are_those_of_files() {
    let (disk, file) = disk(1);
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(disk.open(path("d/x"), false).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.open_to_read(path("d/x")).map(drop)), ErrorKind::NotFound);
    assert_eq!(kind(disk.create_new(path(A)).map(drop)), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.link(path(A), path(A))), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.rename(path(A), path("e/a"))), ErrorKind::CrossesDevices);
    assert_eq!(kind(disk.remove(path("d/x"))), ErrorKind::NotFound);
    assert_eq!(
        kind(disk.open_to_read(path(A)).unwrap().write_at(b"x", 0).map(drop)),
        ErrorKind::PermissionDenied
    );
    disk.link(path(A), path("d/b")).unwrap();
    disk.remove(path(A)).unwrap();
    assert!(file.is_named(path("d/b")).unwrap() && !file.is_named(path(A)).unwrap());
    // A file that has lost its names is there for those who have it open.
    disk.remove(path("d/b")).unwrap();
    assert_eq!(file.len().unwrap(), 2 * SECTOR as u64);
    let opened = disk.open(path(A), true).unwrap();
    assert_eq!(opened.len().unwrap(), 0);
}

#[test]
fn operations_are_counted_and_traced_and_the_same_seed_does_the_same() {
    let run = || {
        let (disk, file) = disk(7);
        disk.record();
        disk.set_hiccups(Some(3));
        disk.plan(4, Fault::PowerCut);
        while disk.stopped().is_none() {
            let _ = file.write_at(&[b'b'; 5 * SECTOR], 100);
        }
        disk.restart();
        (disk.operations(), disk.trace(), disk.content(A))
    };
    let (operations, trace, _) = run();
    assert_eq!(
        operations[..4],
        [Operation::Create, Operation::Write, Operation::Sync, Operation::SyncFolder]
    );
    assert_eq!(trace[0], "    4 Write d/a at 100, 2560 bytes");
    assert!(trace.iter().any(|line| line.starts_with("      the power was cut; found:")), "{trace:?}");
    assert_eq!(run(), run());
}
