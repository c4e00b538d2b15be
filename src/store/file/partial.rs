//! A new file that has its name only when it is whole.

use super::disk::{Disk, DiskFile, write_all_at};
use super::log::{beside, io_error};
use crate::store::{StoreError, StoreErrorKind};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file on its way. Until it is whole it has the name that it is to have, and `.partial`.
#[derive(Debug)]
pub(super) struct Partial {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    partial: PathBuf,
    file: Arc<dyn DiskFile>,
    length: u64,
}

impl Partial {
    /// Begins a file. There must not be one at the path yet.
    pub(super) fn begin(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        if [".new", ".lock", ".partial"].into_iter().any(|end| path.to_string_lossy().ends_with(end)) {
            let message = format!("{} has the name of a file that stores make and remove", path.display());
            return Err(StoreError::new(StoreErrorKind::InUse, message));
        }
        if disk.open_to_read(path).is_ok() {
            return Err(exists(path));
        }
        let partial = beside(path, ".partial");
        let file = create(&*disk, &partial)?;
        Ok(Self { disk, path: path.to_owned(), partial, file, length: 0 })
    }

    /// The name that it is to have.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    /// How long it is, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes and syncs, so that no commit elsewhere waits behind a mountain of unwritten data.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_all_at(&*self.file, bytes, self.length)?;
        self.file.sync()?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes what was written.
    pub(super) fn give_up(&self) {
        // What can't be removed now is removed by the next that is written there.
        let _ = self.disk.remove(&self.partial);
    }

    /// Gives it its name, now that it is whole.
    pub(super) fn give_name(&self) -> Result<(), StoreError> {
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

/// Makes the file, and locks it.
fn create(disk: &dyn Disk, partial: &Path) -> Result<Arc<dyn DiskFile>, StoreError> {
    let could_not = |error| io_error("could not create", partial)(error);
    let is_ours = |file: &dyn DiskFile| Ok(file.try_lock()? && file.is_named(partial)?);
    let in_use = || {
        let message = format!("{} is being written already", partial.display());
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
    StoreError::new(StoreErrorKind::Exists, message)
}
