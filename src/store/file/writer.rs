//! The one thread that writes an account file.

use super::format::{self, MAX_LINE};
use super::recovery::{FileDamage, Recovered, Unreadable, recover};
use super::{FileStoreOptions, Opened};
use crate::snapshot::{Batch, Change};
use crate::store::live::Live;
use crate::store::{CommitError, StoreError, StoreErrorKind};
use async_channel::{Receiver, Sender};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the thread is asked.
pub(super) enum Request {
    Commit { batch: Batch, reply: Sender<Result<Arc<Change>, CommitError>> },
    Close { reply: Sender<()> },
}

/// What the thread tells when it has opened the file.
pub(super) type Start = Result<(Arc<Live>, Opened), StoreError>;

/// Opens the file, tells what it holds, and then commits what is asked until nobody can ask any more.
pub(super) fn run(
    path: &Path,
    options: FileStoreOptions,
    start: &Sender<Start>,
    requests: &Receiver<Request>,
) {
    let _refusing = RefuseTheRest(requests);
    let (mut writer, opened) = match Writer::open(path, options) {
        Ok(opened) => opened,
        Err(error) => {
            // Whoever opens may have given up; then there is nobody to tell.
            let _ = start.send_blocking(Err(error));
            return;
        }
    };
    if start.send_blocking(Ok((Arc::clone(&writer.live), opened))).is_err() {
        return;
    }
    while let Ok(request) = requests.recv_blocking() {
        match request {
            Request::Commit { batch, reply } => {
                // A caller that has gone away does not undo its commit.
                let _ = reply.send_blocking(writer.commit(&batch));
            }
            Request::Close { reply } => {
                requests.close();
                drop(writer);
                let _ = reply.send_blocking(());
                return;
            }
        }
    }
}

/// Lets go of what is still queued when the thread ends, in whatever way, so that whoever waits for an answer learns
/// that none will come.
struct RefuseTheRest<'a>(&'a Receiver<Request>);

impl Drop for RefuseTheRest<'_> {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

struct Writer {
    live: Arc<Live>,
    file: File,
    path: PathBuf,
    /// How long the file is.
    length: u64,
    /// A write failed, and how much of it is in the file is unknown.
    failed: bool,
    /// Keeps every other process out until it is dropped.
    _lock: File,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Also when the thread panics: who waits for a change must not wait for ever.
        self.live.end();
    }
}

impl Writer {
    fn open(path: &Path, options: FileStoreOptions) -> Result<(Self, Opened), StoreError> {
        let foreign = || {
            let message = format!("{} is not a file; it was left as it is", path.display());
            StoreError::new(StoreErrorKind::Foreign, message)
        };
        match path.metadata() {
            Ok(metadata) if !metadata.is_file() => return Err(foreign()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("could not look at", path)(error));
            }
            _ => {}
        }
        let mut file = private(OpenOptions::new().read(true).append(true).create(true))
            .open(path)
            .map_err(io_error("could not open", path))?;
        // Without symbolic links, so that one file has one lock however it is named.
        let path = path.canonicalize().map_err(io_error("could not resolve", path))?;
        let lock = lock(&path, &file)?;
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let recovered =
            recover(&mut reader, options.history).map_err(|unreadable| refused(unreadable, &path))?;
        let length = repair(&mut file, &recovered).map_err(io_error("could not write to", &path))?;
        sync_folder(&path).map_err(io_error("could not sync the folder of", &path))?;
        let Recovered { snapshot, history, torn, .. } = recovered;
        let opened = Opened { seq: snapshot.seq(), accounts: snapshot.len(), torn_tail: torn };
        let live = Arc::new(Live::new(snapshot, history));
        Ok((Self { live, file, path, length, failed: false, _lock: lock }, opened))
    }

    fn commit(&mut self, batch: &Batch) -> Result<Arc<Change>, CommitError> {
        if self.failed {
            let message = "an earlier write failed; open the account file anew to go on";
            return Err(StoreError::new(StoreErrorKind::Failed, message).into());
        }
        let (snapshot, change) = self.live.snapshot().apply(batch)?;
        let line = format::encode(&change);
        if line.len() > MAX_LINE {
            let message = format!("the commit takes more than {MAX_LINE} bytes");
            return Err(StoreError::new(StoreErrorKind::TooLarge, message).into());
        }
        if let Err(error) = self.check_undisturbed() {
            self.failed = true;
            let message = "the account file is not as it was left; nothing more is written to it";
            return Err(StoreError::new(StoreErrorKind::Failed, message).with_source(error).into());
        }
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // A failed sync can't be repeated: the system may have dropped the data and call the next one good.
            self.failed = true;
            let message = "the commit could not be written to the account file";
            return Err(StoreError::new(StoreErrorKind::Io, message).with_source(error).into());
        }
        self.length += line.len() as u64;
        let change = Arc::new(change);
        self.live.publish(snapshot, Arc::clone(&change));
        Ok(change)
    }

    /// That the file is still the one of its name, and as long as it was left: a commit to one that was removed,
    /// replaced or cut by somebody else would be acknowledged, and never found again.
    fn check_undisturbed(&self) -> io::Result<()> {
        let (open, named) = (self.file.metadata()?, self.path.metadata()?);
        if open.len() != self.length {
            return Err(io::Error::other(format!("it has {} bytes instead of {}", open.len(), self.length)));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if (open.dev(), open.ino()) != (named.dev(), named.ino()) {
                return Err(io::Error::other("another file has its name"));
            }
        }
        #[cfg(not(unix))]
        let _ = named;
        Ok(())
    }
}

/// Completes a new file, cuts off a torn tail, adds a missing line feed, and syncs. Gives the length of the file.
fn repair(file: &mut File, recovered: &Recovered) -> io::Result<u64> {
    let mut length = recovered.length;
    if recovered.torn.is_some() {
        file.set_len(length)?;
    }
    if length == 0 {
        let header = format::header();
        file.write_all(&header)?;
        length += header.len() as u64;
    }
    if recovered.lacks_line_feed {
        file.write_all(b"\n")?;
        length += 1;
    }
    // Also what a process that was killed had written but not synced must be on the disk before it is served.
    file.sync_all()?;
    Ok(length)
}

/// The lock is on a file of its own beside the account file, which may be replaced by a rewritten one. It stays when
/// the store is closed: deleting it would let two processes hold two files of its name. The account file is locked
/// too, for the case that somebody deletes it all the same, or has the file under two names.
fn lock(path: &Path, file: &File) -> Result<File, StoreError> {
    let mut name = OsString::from(path.as_os_str());
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let lock = private(OpenOptions::new().write(true).create(true))
        .open(&lock_path)
        .map_err(io_error("could not open", &lock_path))?;
    // Elsewhere than on Unix a lock keeps others from reading, too; an operator may read.
    let files = if cfg!(unix) { [Some(&lock), Some(file)] } else { [Some(&lock), None] };
    for file in files.into_iter().flatten() {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                let message = format!(
                    "the account file {path} is in use by another process, or by another store in this one"
                );
                return Err(StoreError::new(StoreErrorKind::InUse, message));
            }
            Err(TryLockError::Error(error)) => return Err(io_error("could not lock", path)(error)),
        }
    }
    Ok(lock)
}

/// The file is its owner's alone: it holds secrets.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A new file is there after a power cut only when its folder has been synced too.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn io_error(what: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let message = format!("{what} {}", path.display());
    move |error| StoreError::new(StoreErrorKind::Io, message).with_source(error)
}

fn refused(unreadable: Unreadable, path: &Path) -> StoreError {
    let path = path.display();
    match unreadable {
        Unreadable::Io(error) => {
            StoreError::new(StoreErrorKind::Io, format!("could not read {path}")).with_source(error)
        }
        Unreadable::NotAnAccountFile => StoreError::new(
            StoreErrorKind::Foreign,
            format!("{path} is not an account file; it was left as it is"),
        ),
        Unreadable::NewerVersion(version) => StoreError::new(
            StoreErrorKind::NewerVersion,
            format!("{path} has format version {version}, and this program reads up to {}", format::VERSION),
        ),
        Unreadable::Damaged(damage) => {
            let FileDamage { line, offset, .. } = damage;
            StoreError::new(
                StoreErrorKind::Damaged,
                format!(
                    "{path} is damaged at line {line}, byte {offset}; it was left as it is. Restore it from a \
                     backup; or, to go on without this commit and all after it, keep a copy of the file and use \
                     its first {offset} bytes"
                ),
            )
            .with_source(damage)
        }
    }
}
