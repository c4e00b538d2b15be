//! Reading an account file without opening it for writing.

use super::disk::Disk;
use super::format::VERSION;
use super::log::{io_error, refused};
use super::recovery::{TornTail, recover};
use super::secrets::Secrets;
use crate::snapshot::Seq;
use crate::store::StoreError;
use std::path::Path;

/// What a file holds that reads well from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The version of its format.
    pub version: u32,
    /// The last commit in it.
    pub seq: Seq,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many API keys.
    pub keys: usize,
    /// How long its good part is, in bytes. What may follow is padding or a torn tail.
    pub bytes: u64,
    /// Whether its secrets are sealed.
    pub sealed: bool,
    /// What opening it would cut off at its end.
    pub torn_tail: Option<TornTail>,
}

pub(super) fn verify(disk: &dyn Disk, path: &Path, secrets: &Secrets) -> Result<Verified, StoreError> {
    let file = disk.open_to_read(path).map_err(io_error("could not open", path))?;
    let found = recover(&*file, 0, secrets).map_err(|error| refused(error, path))?;
    Ok(Verified {
        // A new file, without a header yet, is given the present version.
        version: found.header.map_or(VERSION, |header| header.version),
        seq: found.snapshot.seq(),
        accounts: found.snapshot.len(),
        keys: found.snapshot.key_count(),
        bytes: found.length,
        sealed: found.header.is_some_and(|header| header.sealed),
        torn_tail: found.torn,
    })
}
