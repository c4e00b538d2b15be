//! The disk, as the account file sees it.
//!
//! All that is done to files is done through these two small traits, so that tests can put a disk in their place that
//! loses power, tears writes, is full, or fails, at any operation.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// Where files are. Names become durable by [`Disk::sync_folder`], content by [`DiskFile::sync`].
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file to read and write it. With `create`, one that is not there is made, empty and its owner's alone.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file to read it.
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a new file, empty and its owner's alone; an error of kind `AlreadyExists` when the name is taken.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in one step, in place of the file that may have it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file another name too; an error of kind `AlreadyExists` when that is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in the folder of this path durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file. It may be used by several threads at a time.
pub(super) trait DiskFile: Send + Sync + fmt::Debug {
    /// How long it is, in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Reads what is at this offset: fewer bytes than asked for where there are not so many at once, 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at this offset; perhaps fewer bytes than it was given. What it overwrites or adds is durable after the
    /// next [`DiskFile::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file to this length, or fills it up with NUL bytes.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes content and length durable. After an error nothing is known of what was not synced before; trying
    /// again may succeed and prove nothing.
    fn sync(&self) -> io::Result<()>;

    /// Whether it is this file that the path names.
    fn is_named(&self, path: &Path) -> io::Result<bool>;

    /// Locks it against every other open file; `false` when another has it locked. Dropping the file unlocks it.
    fn try_lock(&self) -> io::Result<bool>;
}

/// Writes all of it.
pub(super) fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends; how many bytes.
pub(super) fn read_full_at(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// The disk of the operating system.
#[derive(Debug, Clone, Copy)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = private(OpenOptions::new().read(true).write(true).create(create)).open(path)?;
        Ok(Arc::new(file))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // Opening a pipe may never end.
        if !path.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
        }
        Ok(Arc::new(File::open(path)?))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(private(OpenOptions::new().read(true).write(true).create_new(true)).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            // The parent of a bare name is empty, and means the working folder.
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        #[cfg(not(unix))]
        let _ = path;
        Ok(())
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        look::length(self)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(self, buffer, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(self, buffer, offset);
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_at(self, bytes, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_write(self, bytes, offset);
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn is_named(&self, path: &Path) -> io::Result<bool> {
        look::is_named(self, path)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match Self::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Looking at a file without asking when it was changed.
///
/// Since Linux 6.13 the change after somebody has asked for that gets a time of its own, and the next sync has to record
/// it: that makes a write and a sync half as long again (130 µs became 187).
#[cfg(target_os = "linux")]
mod look {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn length(file: &File) -> io::Result<u64> {
        Ok(statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?.stx_size)
    }

    pub(super) fn is_named(file: &File, path: &Path) -> io::Result<bool> {
        let open = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::INO)?;
        let named = match statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
            Ok(named) => named,
            Err(rustix::io::Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        Ok((open.stx_dev_major, open.stx_dev_minor, open.stx_ino)
            == (named.stx_dev_major, named.stx_dev_minor, named.stx_ino))
    }
}

#[cfg(not(target_os = "linux"))]
mod look {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn length(file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    pub(super) fn is_named(file: &File, path: &Path) -> io::Result<bool> {
        let (open, named) = match path.metadata() {
            Ok(named) => (file.metadata()?, named),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
        }
        // Elsewhere the system keeps an open file from being removed or replaced.
        #[cfg(not(unix))]
        Ok(open.len() == named.len())
    }
}

/// The file is its owner's alone: it holds secrets.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
