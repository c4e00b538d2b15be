//! Backups that are made while an account file is used, and what has become of them later.

use super::check::{Checked, all, same};
use super::disk::SimDisk;
use super::model::Course;
use super::run::PATH;
use crate::store::StoreError;
use crate::store::file::backup::Copying;
use crate::store::file::disk::Disk;
use crate::store::file::log::{Log, LogOptions};
use std::path::Path;
use std::sync::Arc;

/// Where they are made.
const BACKUP: &str = "data/backup.log";

#[derive(Debug, Default)]
pub(super) struct Backups {
    /// The one under way.
    copying: Option<Copying>,
    /// As of which commits some were begun since a file was found where they are made.
    begun: Vec<u64>,
    /// What is where they are made, once it is known to be one.
    there: Option<Vec<u8>>,
    /// Those that an operator has put away since: where they are, and what they were.
    put_away: Vec<(String, Vec<u8>)>,
}

impl Backups {
    /// One step; whether a backup is done.
    pub(super) fn step(
        &mut self,
        disk: &SimDisk,
        given: &Arc<dyn Disk>,
        log: &Log,
    ) -> Result<bool, StoreError> {
        let Some(mut copying) = self.copying.take() else {
            let source = log.source()?;
            self.begun.push(source.seq.get());
            self.copying = Some(Copying::begin(Arc::clone(given), source, Path::new(BACKUP))?);
            return Ok(false);
        };
        let done = copying.step()?;
        match done {
            None => self.copying = Some(copying),
            Some(_) => self.there = Some(disk.content(BACKUP).unwrap_or_default()),
        }
        Ok(done.is_some())
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.copying.is_some()
    }

    /// Whether there is a file already where the next is to be.
    pub(super) fn is_in_the_way(disk: &SimDisk) -> bool {
        disk.content(BACKUP).is_some()
    }

    /// Whoever made one has gone.
    pub(super) fn leave(&mut self) {
        self.copying = None;
    }

    /// What was told to be done is there as it was; and what is there is whole. Then an operator puts it away.
    pub(super) fn check(&mut self, disk: &SimDisk, course: &Course, options: &LogOptions) -> Checked {
        for (path, content) in &self.put_away {
            if disk.content(path).as_ref() != Some(content) {
                return Err(format!("the backup {path} is not what it was"));
            }
        }
        match (&self.there, disk.content(BACKUP)) {
            (None, None) => {}
            (Some(_), None) => return Err("a backup is lost".to_owned()),
            (there, Some(content)) => {
                if there.as_ref().is_some_and(|there| *there != content) {
                    return Err("a backup is not what it was".to_owned());
                }
                whole(&content, &self.begun, course, options).map_err(|why| format!("a backup: {why}"))?;
                let path = format!("data/backup-{}.log", self.put_away.len());
                disk.put_away(BACKUP, &path);
                self.put_away.push((path, content));
                self.there = None;
                self.begun.clear();
            }
        }
        Ok(())
    }
}

/// That a backup opens, on another disk, as one of those that were begun.
fn whole(content: &[u8], begun: &[u64], course: &Course, options: &LogOptions) -> Checked {
    let disk = SimDisk::new(0);
    disk.put(PATH, content);
    let (log, opened) =
        Log::open(Arc::new(disk), Path::new(PATH), options.clone()).map_err(|error| error.to_string())?;
    same("what was cut off", &opened.torn_tail, &None)?;
    let seq = opened.seq.get();
    if !begun.contains(&seq) {
        return Err(format!("it is as of commit {seq}; they were begun as of {begun:?}"));
    }
    all(log.live(), course, seq, options.history as u64)
}
