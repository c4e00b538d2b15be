//! Copying an account file while it is in use.

use super::disk::{Disk, DiskFile, read_full_at, write_all_at};
use super::log::{beside, io_error};
use crate::snapshot::Seq;
use crate::store::{StoreError, StoreErrorKind};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// The last commit in it.
    pub seq: Seq,
    /// How many accounts there are.
    pub accounts: usize,
    /// How long the file is.
    pub bytes: u64,
}

/// An account file as of one commit. Commits go on after its end; and when it is rewritten, this is still the one that
/// it was.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) length: u64,
    pub(super) seq: Seq,
    pub(super) accounts: usize,
}

/// A copy on its way, in steps of a megabyte.
#[derive(Debug)]
pub(super) struct Copying {
    disk: Arc<dyn Disk>,
    source: Source,
    path: PathBuf,
    /// Where it is until it is whole.
    partial: PathBuf,
    file: Arc<dyn DiskFile>,
    copied: u64,
}

const STEP: usize = if cfg!(test) { 2 << 10 } else { 1 << 20 };

impl Copying {
    /// Begins a copy. There must not be a file at the path yet.
    pub(super) fn begin(disk: Arc<dyn Disk>, source: Source, path: &Path) -> Result<Self, StoreError> {
        if disk.open_to_read(path).is_ok() {
            return Err(exists(path));
        }
        let partial = beside(path, ".partial");
        let file = create(&*disk, &partial)?;
        Ok(Self { disk, source, path: path.to_owned(), partial, file, copied: 0 })
    }

    /// Goes on; what it is when it is done. After an error nothing is left of it.
    pub(super) fn step(&mut self) -> Result<Option<Backup>, StoreError> {
        let done = self.copy().map_err(io_error("could not back up to", &self.path)).and_then(|done| {
            if !done {
                return Ok(None);
            }
            self.give_name()?;
            let Source { length: bytes, seq, accounts, .. } = self.source;
            Ok(Some(Backup { seq, accounts, bytes }))
        });
        if done.is_err() {
            // What can't be removed now is written over by the next.
            let _ = self.disk.remove(&self.partial);
        }
        done
    }

    fn copy(&mut self) -> io::Result<bool> {
        let left = self.source.length - self.copied;
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(STEP).min(STEP)];
        if read_full_at(&*self.source.file, &mut bytes, self.copied)? < bytes.len() {
            return Err(io::Error::other("the account file has become shorter"));
        }
        write_all_at(&*self.file, &bytes, self.copied)?;
        self.file.sync()?;
        self.copied += bytes.len() as u64;
        Ok(self.copied == self.source.length)
    }

    fn give_name(&self) -> Result<(), StoreError> {
        let Self { disk, path, partial, .. } = self;
        match disk.link(partial, path) {
            Ok(()) => disk.remove(partial).map_err(io_error("could not remove", partial))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
            Err(error) => match disk.open_to_read(path) {
                // A file system without links.
                Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                    disk.rename(partial, path).map_err(io_error("could not name", path))?;
                }
                _ => return Err(io_error("could not name", path)(error)),
            },
        }
        disk.sync_folder(path).map_err(io_error("could not sync the folder of", path))
    }
}

/// Makes the file that is to be the copy, and locks it.
fn create(disk: &dyn Disk, partial: &Path) -> Result<Arc<dyn DiskFile>, StoreError> {
    let could_not = |error| io_error("could not create", partial)(error);
    let is_ours = |file: &dyn DiskFile| Ok(file.try_lock()? && file.is_named(partial)?);
    let in_use = || {
        let message = format!("{} is being written by another backup", partial.display());
        StoreError::new(StoreErrorKind::InUse, message)
    };
    let file = match disk.create_new(partial) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let left = disk.open(partial, false).map_err(could_not)?;
            if !is_ours(&*left).map_err(could_not)? {
                return Err(in_use());
            }
            // A crash has left it. It may be another name of a backup that is whole, and so is not written over.
            disk.remove(partial).map_err(could_not)?;
            disk.create_new(partial).map_err(could_not)?
        }
        created => created.map_err(could_not)?,
    };
    if is_ours(&*file).map_err(could_not)? { Ok(file) } else { Err(in_use()) }
}

fn exists(path: &Path) -> StoreError {
    let message = format!("there is a file at {} already; it was left as it is", path.display());
    StoreError::new(StoreErrorKind::Foreign, message)
}
