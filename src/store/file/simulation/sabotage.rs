//! Disks that do not keep what they promise, each as a mistake in the account file would have it. What does not find
//! them out would not find the mistake.

use super::disk::SimDisk;
use crate::store::file::disk::{Disk, DiskFile};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// None: nothing must be found.
    None,
    /// Commits are not synced.
    NoSync,
    /// Commits are acknowledged first, and synced when the next are written.
    LateSync,
    /// Of all files only the account file itself is synced, and not the one that is to replace it.
    NoSyncBeforeRename,
    /// Names are not synced.
    NoFolderSync,
    /// A sync that failed is tried again.
    RetriedSync,
    /// An error of a write is taken for done.
    IgnoredWriteError,
    /// A write that was cut short is taken for whole.
    IgnoredShortWrite,
}

/// Has a mistake made on a disk.
pub(super) fn with(mistake: Mistake) -> impl Fn(SimDisk) -> Arc<dyn Disk> {
    move |disk| Arc::new(Mistaken { disk, mistake })
}

#[derive(Debug)]
struct Mistaken {
    disk: SimDisk,
    mistake: Mistake,
}

struct MistakenFile {
    file: Arc<dyn DiskFile>,
    mistake: Mistake,
    /// Whether it was opened by the name that it is to have.
    named: bool,
    /// A sync that is still to be done.
    owed: Mutex<bool>,
}

impl Mistaken {
    fn file(&self, file: io::Result<Arc<dyn DiskFile>>, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let named = path.extension().is_some_and(|extension| extension == "log");
        Ok(Arc::new(MistakenFile { file: file?, mistake: self.mistake, named, owed: Mutex::new(false) }))
    }
}

impl Disk for Mistaken {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        self.file(self.disk.open(path, create), path)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(self.disk.open_to_read(path), path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(self.disk.create_new(path), path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.mistake == Mistake::NoFolderSync { Ok(()) } else { self.disk.sync_folder(path) }
    }
}

impl DiskFile for MistakenFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.file.sync()?;
        }
        match self.file.write_at(bytes, offset) {
            Err(_) if self.mistake == Mistake::IgnoredWriteError => Ok(bytes.len()),
            Ok(_) if self.mistake == Mistake::IgnoredShortWrite => Ok(bytes.len()),
            result => result,
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        match self.mistake {
            Mistake::NoSync => Ok(()),
            Mistake::NoSyncBeforeRename if !self.named => Ok(()),
            Mistake::LateSync => {
                *self.owed.lock().unwrap_or_else(PoisonError::into_inner) = true;
                Ok(())
            }
            Mistake::RetriedSync => self.file.sync().or_else(|_| self.file.sync()),
            _ => self.file.sync(),
        }
    }

    fn is_named(&self, path: &Path) -> io::Result<bool> {
        self.file.is_named(path)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
}

impl fmt::Debug for MistakenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
