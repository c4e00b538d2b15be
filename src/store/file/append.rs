//! The end of an account file: how it grows, and how it is mended when the file is opened.
//!
//! The two have padding in common: what [`Append`] leaves behind the last line is what [`repair`] goes by.

use super::disk::{DiskFile, read_full_at, write_all_at};
use super::format::{Header, PAD};
use super::secrets::Secrets;
use std::io;

/// Lines on their way to the end of the file.
pub(super) struct Append<'a> {
    file: &'a dyn DiskFile,
    pub(super) lines: Vec<u8>,
    /// Where they go.
    at: u64,
}

impl<'a> Append<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, end: u64) -> Self {
        Self { file, lines: Vec::new(), at: end }
    }

    /// Lines of many events are not all kept in memory.
    const MANY: usize = if cfg!(test) { 4 << 10 } else { 1 << 20 };

    /// How far a file is padded at least and at most, so that the next commits overwrite what is there instead of
    /// making the file longer, which takes a disk half as long again.
    const LEAST_PADDING: usize = if cfg!(test) { 2 << 10 } else { 64 << 10 };
    const MOST_PADDING: usize = if cfg!(test) { 16 << 10 } else { 1 << 20 };

    pub(super) fn end(&self) -> u64 {
        self.at + self.lines.len() as u64
    }

    pub(super) fn write_if_many(&mut self) -> io::Result<()> {
        if self.lines.len() < Self::MANY {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        write_all_at(self.file, &self.lines, self.at)?;
        self.at = self.end();
        self.lines.clear();
        Ok(())
    }

    /// Writes what is left, and syncs all. How long the file is then.
    pub(super) fn finish(mut self, length: u64) -> io::Result<u64> {
        let end = self.end();
        // There is always some when a sync is tried: by that, opening tells that it may have failed.
        if end >= length {
            let padding = (8 * self.lines.len()).clamp(Self::LEAST_PADDING, Self::MOST_PADDING);
            self.lines.resize(self.lines.len() + padding, PAD);
        }
        self.write()?;
        self.file.sync()?;
        Ok(self.at.max(length))
    }
}

/// Writes the commits that were written last once more, as they are. If their sync failed, the system may show them and
/// have thrown them away all the same; and then the next sync would make durable only what is written after them.
fn rewrite_last(file: &dyn DiskFile, mut start: u64, end: u64) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX).min(1 << 20)];
    while start < end {
        let most = usize::try_from(end - start).unwrap_or(usize::MAX).min(bytes.len());
        if read_full_at(file, &mut bytes[..most], start)? < most {
            return Err(io::Error::other("it has become shorter"));
        }
        write_all_at(file, &bytes[..most], start)?;
        start += most as u64;
    }
    Ok(())
}

/// What [`repair`] has to know of a file.
pub(super) struct Found {
    pub(super) has_header: bool,
    /// Where the last group of commits begins.
    pub(super) group: u64,
    /// Where the good part ends.
    pub(super) length: u64,
    pub(super) lacks_line_feed: bool,
}

/// Completes a new file, adds a missing line feed, syncs, and then cuts off padding and a torn tail. Gives the length
/// of the file.
///
/// If a sync failed, here or in a process before, the system may show what it was to make durable, and have thrown it
/// away; the next sync would make durable only what is written after it. So padding is cut off only after a sync, and
/// there is some whenever one is tried. Where there is some, what was written last is written once more.
pub(super) fn repair(file: &dyn DiskFile, found: &Found, secrets: &Secrets) -> io::Result<u64> {
    let Found { has_header, group, mut length, lacks_line_feed } = *found;
    let mut missing = match (has_header, lacks_line_feed) {
        (false, _) => Header::new(secrets.sealed()).line(),
        (true, true) => b"\n".to_vec(),
        (true, false) => Vec::new(),
    };
    let complete = length + missing.len() as u64;
    let padded = file.len()? > complete;
    if padded || lacks_line_feed {
        rewrite_last(file, group, length)?;
    }
    if !padded {
        missing.push(PAD);
    }
    match write_all_at(file, &missing, length) {
        // A full disk keeps nobody from reading a file that lacks nothing.
        Err(error) if error.kind() == io::ErrorKind::StorageFull && missing == [PAD] => {}
        written => written?,
    }
    length = complete;
    // Also what a process that was killed had written but not synced must be on the disk before it is served.
    file.sync()?;
    file.set_len(length)?;
    file.sync()?;
    Ok(length)
}
