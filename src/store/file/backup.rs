//! Copying an account file while it is in use.

use super::disk::{Disk, DiskFile, read_full_at};
use super::log::io_error;
use super::partial::Partial;
use crate::snapshot::Seq;
use crate::store::StoreError;
use std::io;
use std::path::Path;
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
    source: Source,
    copy: Partial,
}

const STEP: usize = if cfg!(test) { 2 << 10 } else { 1 << 20 };

impl Copying {
    /// Begins a copy. There must not be a file at the path yet.
    pub(super) fn begin(disk: Arc<dyn Disk>, source: Source, path: &Path) -> Result<Self, StoreError> {
        Ok(Self { source, copy: Partial::begin(disk, path)? })
    }

    /// Goes on; what it is when it is done. After an error nothing is left of it.
    pub(super) fn step(&mut self) -> Result<Option<Backup>, StoreError> {
        let copied = self.copy().map_err(io_error("could not back up to", self.copy.path()));
        let done = copied.and_then(|done| {
            if !done {
                return Ok(None);
            }
            self.copy.give_name()?;
            let Source { length: bytes, seq, accounts, .. } = self.source;
            Ok(Some(Backup { seq, accounts, bytes }))
        });
        if done.is_err() {
            self.copy.give_up();
        }
        done
    }

    fn copy(&mut self) -> io::Result<bool> {
        let copied = self.copy.length();
        let left = self.source.length - copied;
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(STEP).min(STEP)];
        if read_full_at(&*self.source.file, &mut bytes, copied)? < bytes.len() {
            return Err(io::Error::other("the account file has become shorter"));
        }
        self.copy.append(&bytes)?;
        Ok(self.copy.length() == self.source.length)
    }
}
