//! An account file that is open for writing: the state that it holds, and the one place where it grows.
//!
//! It knows nothing of threads. [`super::writer`] drives it on one.

use super::append::{Append, Found, repair};
use super::backup::Source;
use super::compaction::Compaction;
use super::disk::{Disk, DiskFile};
use super::format::{self, Header};
use super::recovery::{FileDamage, Recovered, TornTail, Unreadable, recover};
use super::secrets::Secrets;
use super::size::Size;
use super::staging::{Group, Prepared, Staged, Staging};
use crate::snapshot::{Change, Seq, Snapshot};
use crate::store::live::Live;
use crate::store::{CommitError, StoreError, StoreErrorKind};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a file is kept.
#[derive(Debug, Clone)]
pub(super) struct LogOptions {
    /// How many changes are kept.
    pub(super) history: usize,
    /// The least number of superseded bytes for which the file is rewritten.
    pub(super) worth_compacting: u64,
    pub(super) secrets: Secrets,
}

/// What was found when an account file was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The last commit in it.
    pub seq: Seq,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many API keys.
    pub keys: usize,
    /// What was cut off at its end: what was being written when the process or the machine stopped, in which no
    /// acknowledged commit is. A file that was cut short by somebody else, such as by a copy that was not completed,
    /// looks the same; so an application should log it.
    pub torn_tail: Option<TornTail>,
    /// There was no file, or one without any content, and a new one was begun. Whoever knows better should not go on.
    pub created: bool,
    /// The version of the format that it had, if that was an older one. It was rewritten in the present one.
    pub upgraded_from: Option<u32>,
    /// Its secrets were in clear, and now are sealed, since there is a keyring.
    pub newly_sealed: bool,
}

/// What came of a commit, and the commit, whose memory goes back to where it came from: freeing it takes a while.
pub(super) type Answer = (Result<Arc<Change>, CommitError>, Prepared);

/// What came of a group of commits.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) answers: Vec<Answer>,
    /// What was published before. Freeing what is superseded takes about as long as applying it, and so is best done
    /// when everybody has been answered.
    pub(super) former: Option<Arc<Snapshot>>,
}

#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    live: Arc<Live>,
    options: LogOptions,
    size: Size,
    /// Where the last synced line ends. Shared with a compaction.
    end: Arc<AtomicU64>,
    /// How long the file is: content and padding.
    length: u64,
    /// A write failed, and how much of it is in the file is unknown.
    failed: bool,
    /// Not before the file is this long, since it failed last time.
    compact_above: u64,
    /// Keeps every other process out until it is dropped.
    _lock: Arc<dyn DiskFile>,
}

impl Log {
    /// Opens a file; creates it when there is none.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        options: LogOptions,
    ) -> Result<(Self, Opened), StoreError> {
        let lock = lock(&*disk, path)?;
        let file = disk.open(path, true).map_err(io_error("could not open", path))?;
        lock_file(&*file, path)?;
        let recovered =
            recover(&*file, options.history, &options.secrets).map_err(|error| refused(error, path))?;
        let Recovered { header, snapshot, history, size, length, group, lacks_line_feed, torn } = recovered;
        let found = Found { has_header: header.is_some(), group, length, lacks_line_feed };
        let length =
            repair(&*file, &found, &options.secrets).map_err(io_error("could not write to", path))?;
        // What a crash left of a rewritten file.
        match disk.remove(&rewritten(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("could not remove what was left beside", path)(error));
            }
            _ => disk.sync_folder(path).map_err(io_error("could not sync the folder of", path))?,
        }
        let created = header.is_none();
        let header = header.unwrap_or(Header::new(options.secrets.sealed()));
        let opened = Opened {
            seq: snapshot.seq(),
            accounts: snapshot.len(),
            keys: snapshot.key_count(),
            torn_tail: torn,
            created,
            newly_sealed: !header.sealed && options.secrets.sealed(),
            upgraded_from: (header.version < format::VERSION).then_some(header.version),
        };
        let mut log = Self {
            disk,
            path: path.to_owned(),
            file,
            live: Arc::new(Live::new(snapshot, history)),
            options,
            size,
            end: Arc::new(AtomicU64::new(length)),
            length,
            failed: false,
            compact_above: 0,
            _lock: lock,
        };
        if header.version < format::VERSION || header.sealed != log.options.secrets.sealed() {
            log.rewrite()?;
        }
        Ok((log, opened))
    }

    /// What readers see.
    pub(super) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Where commits begin that go to this file.
    pub(super) fn staging(&self) -> Staging {
        Staging::new(self.live.snapshot(), self.options.secrets.clone())
    }

    /// Commits a group with one write and one sync; it follows the one before. What applies is durable when this
    /// returns. After an error nothing is committed any more.
    pub(super) fn commit(&mut self, (mut group, snapshot): (Group, Snapshot)) -> Committed {
        let written = match self.failed {
            true => Err(Failure::Earlier),
            false if group.changes().next().is_none() => Ok(Vec::new()),
            false => self.write(&mut group),
        };
        if let Err(Failure::Disturbed(_) | Failure::Io(_)) = written {
            // A failed sync can't be repeated: the system may have dropped the data and call the next one good.
            self.fail();
        }
        let mut former = None;
        if let Ok(sizes) = &written
            && !sizes.is_empty()
        {
            sizes.iter().for_each(|(bytes, weight)| self.size.push(*bytes, *weight));
            former = Some(self.live.publish(snapshot, group.changes().cloned()));
        }
        let answer = |Staged { prepared, applied }| {
            let result = match (&written, applied) {
                (Ok(_), applied) => applied.map_err(CommitError::from),
                (Err(failure), Ok(_)) => Err(failure.error().into()),
                // What it conflicts with may not be there either.
                (Err(_), Err(_)) => Err(after_failure().into()),
            };
            (result, prepared)
        };
        Committed { answers: group.commits.into_iter().map(answer).collect(), former }
    }

    /// Appends a group and syncs.
    fn write(&mut self, group: &mut Group) -> Result<Vec<(u64, i64)>, Failure> {
        self.check_undisturbed().map_err(Failure::Disturbed)?;
        let mut append = Append::new(&*self.file, self.end());
        let sizes = group.write(&mut append, &self.options.secrets)?;
        let end = append.end();
        self.length = append.finish(self.length)?;
        self.end.store(end, Ordering::Release);
        Ok(sizes)
    }

    /// That the file is still the one of its name, and as long as it was left: a commit to one that was removed,
    /// replaced or cut by somebody else would be acknowledged, and never found again.
    fn check_undisturbed(&self) -> io::Result<()> {
        let length = self.file.len()?;
        if length != self.length {
            let message = format!("{} has {length} bytes instead of {}", self.path.display(), self.length);
            return Err(io::Error::other(message));
        }
        if !self.file.is_named(&self.path)? {
            let message = format!("{} is another file by now, or none", self.path.display());
            return Err(io::Error::other(message));
        }
        Ok(())
    }

    /// Whether so much of the file is superseded that it should be rewritten.
    pub(super) fn wants_compaction(&self) -> bool {
        let end = self.end();
        !self.failed
            && end > self.compact_above
            && self.size.is_superseded(end, self.options.worth_compacting)
    }

    /// Begins to rewrite the file. Commits go on meanwhile.
    pub(super) fn begin_compaction(&self) -> Result<Compaction, StoreError> {
        if self.failed {
            return Err(after_failure());
        }
        let old = self.open_again()?;
        Ok(Compaction::new(
            Arc::clone(&self.disk),
            rewritten(&self.path),
            old,
            Arc::clone(&self.end),
            &self.live,
            self.options.secrets.clone(),
            self.size.base,
        ))
    }

    /// Puts a rewritten file in the place of this one, and gives back the one that was. After an error this one is
    /// still there, and commits go on, if [`Log::commit`] does not say otherwise.
    pub(super) fn finish_compaction(
        &mut self,
        mut compaction: Compaction,
    ) -> Result<Arc<dyn DiskFile>, StoreError> {
        if self.failed {
            compaction.give_up();
            return Err(after_failure());
        }
        let (file, length) = match compaction.complete() {
            Ok(complete) => complete,
            Err(error) => {
                compaction.give_up();
                return Err(self.compaction_failed(error));
            }
        };
        // What somebody else has put there meanwhile is not replaced.
        if let Err(error) = self.check_undisturbed() {
            compaction.give_up();
            return Err(self.compaction_failed(error));
        }
        if let Err(error) = self.disk.rename(&rewritten(&self.path), &self.path) {
            // If it happened all the same, or who knows what did, what is written to the file that was here is lost.
            if matches!(self.file.is_named(&self.path), Ok(true)) {
                compaction.give_up();
            } else {
                self.fail();
            }
            return Err(self.compaction_failed(error));
        }
        if let Err(error) = self.disk.sync_folder(&self.path) {
            // After a power cut the former file might have the name, without what is written from here on.
            self.fail();
            return Err(self.compaction_failed(error));
        }
        self.size.base = self.size.base.saturating_add_signed(compaction.base_misjudged());
        self.end.store(length, Ordering::Release);
        // Then what is superseded was not counted right, and the next would gain as little. What was committed meanwhile
        // says nothing of that.
        self.compact_above = if compaction.gained_little() { length + length / 4 } else { 0 };
        self.length = length;
        Ok(std::mem::replace(&mut self.file, file))
    }

    /// Commits nothing any more, and tells those who wait for the next.
    fn fail(&mut self) {
        self.failed = true;
        self.live.end();
    }

    /// Makes a note of a compaction that failed: another is tried when the file has grown by a quarter.
    pub(super) fn compaction_failed(&mut self, error: io::Error) -> StoreError {
        let end = self.end();
        self.compact_above = end + end / 4;
        io_error("could not rewrite", &self.path)(error)
    }

    /// Rewrites the file, all at once.
    fn rewrite(&mut self) -> Result<(), StoreError> {
        let mut compaction = self.begin_compaction()?;
        loop {
            match compaction.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    compaction.give_up();
                    return Err(self.compaction_failed(error));
                }
            }
        }
        self.finish_compaction(compaction).map(drop)
    }

    /// The file, opened once more to be read, without its lock: whoever reads it may be there for longer than this.
    fn open_again(&self) -> Result<Arc<dyn DiskFile>, StoreError> {
        let path = &self.path;
        let file = self.disk.open_to_read(path).map_err(io_error("could not open", path))?;
        // Another one may have the name by now: one that somebody else put there, or a rewritten one, if the system
        // said that it could not be put there.
        if self.file.is_named(path).map_err(io_error("could not look at", path))? {
            return Ok(file);
        }
        let message = format!("{} is not the account file any more, which was opened", path.display());
        Err(StoreError::new(StoreErrorKind::Failed, message))
    }

    /// The file as it is now, for whoever copies it.
    pub(super) fn source(&self) -> Result<Source, StoreError> {
        let file = self.open_again()?;
        let snapshot = self.live.snapshot();
        Ok(Source { file, length: self.end(), seq: snapshot.seq(), accounts: snapshot.len() })
    }

    /// Cuts off the padding. What is not synced of this, the next opening does again.
    pub(super) fn close(self) {
        let end = self.end();
        if !self.failed && self.length > end {
            // Nothing depends on it.
            let _ = self.file.set_len(end);
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Also when its thread panics: who waits for a change must not wait for ever.
        self.live.end();
    }
}

/// Why a group of commits failed.
enum Failure {
    /// Of another group, before this one.
    Earlier,
    /// Before anything was written.
    Disturbed(io::Error),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failure {
    /// The error, once for each of those whom it hits.
    fn error(&self) -> StoreError {
        let (kind, message, error) = match self {
            Self::Earlier => return after_failure(),
            Self::Disturbed(error) => (
                StoreErrorKind::Failed,
                "the account file is not as it was left; nothing more is written to it",
                error,
            ),
            Self::Io(error) => {
                (StoreErrorKind::Io, "the commit could not be written to the account file", error)
            }
        };
        let again = match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        StoreError::new(kind, message).with_source(again)
    }
}

fn after_failure() -> StoreError {
    StoreError::new(StoreErrorKind::Failed, "an earlier write failed; open the account file anew to go on")
}

/// The lock is on a file of its own beside the account file, which may be replaced by a rewritten one. It stays when
/// the store is closed: deleting it would let two processes hold two files of its name. The account file is locked
/// too, for the case that somebody deletes it all the same, or has the file under two names.
fn lock(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>, StoreError> {
    let lock_path = beside(path, ".lock");
    let lock = disk.open(&lock_path, true).map_err(io_error("could not open", &lock_path))?;
    lock_file(&*lock, path)?;
    Ok(lock)
}

fn lock_file(file: &dyn DiskFile, path: &Path) -> Result<(), StoreError> {
    if file.try_lock().map_err(io_error("could not lock", path))? {
        return Ok(());
    }
    let path = path.display();
    let message =
        format!("the account file {path} is in use by another process, or by another store in this one");
    Err(StoreError::new(StoreErrorKind::InUse, message))
}

/// Where a rewritten file is until it gets the name of the account file.
fn rewritten(path: &Path) -> PathBuf {
    beside(path, ".new")
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

pub(super) fn io_error(what: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let message = format!("{what} {}", path.display());
    move |error| StoreError::new(StoreErrorKind::Io, message).with_source(error)
}

pub(super) fn refused(unreadable: Unreadable, path: &Path) -> StoreError {
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
        Unreadable::Sealed => {
            let message = if cfg!(feature = "sealing") {
                format!(
                    "the secrets in {path} are sealed: open it with the keyring (FileStoreOptions::sealed_with)"
                )
            } else {
                format!(
                    "the secrets in {path} are sealed; opening it takes the feature `sealing` and the keys"
                )
            };
            StoreError::new(StoreErrorKind::Sealed, message)
        }
        Unreadable::Locked(damage) => {
            let message = format!(
                "a secret in {path} can't be opened with the keys that were given; a key that was replaced may still \
                 be needed (Keyring::with_former)"
            );
            StoreError::new(StoreErrorKind::Sealed, message).with_source(damage)
        }
        Unreadable::Damaged(damage) => {
            let FileDamage { line, offset, .. } = damage;
            StoreError::new(
                StoreErrorKind::Damaged,
                format!(
                    "{path} is damaged at line {line}, byte {offset}; it was left as it is. Restore it from a \
                     backup, or salvage what can be read into a new file"
                ),
            )
            .with_source(damage)
        }
    }
}
