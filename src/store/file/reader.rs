//! Reading the lines of an account file.
//!
//! Nearly all of the time that opening takes goes into JSON. So the file is cut into chunks at line feeds, whose lines
//! are read on all processors, and taken in the order of the file.

use super::disk::{DiskFile, read_full_at};
use super::format::{Line, LineError, MAX_LINE, PAD, begins_whole};
use super::parallel::in_order;
use super::secrets::Secrets;
use crate::access::Actor;
use std::io::{self, BufRead};
use std::sync::Arc;

/// A line after the header.
pub(super) struct ReadLine {
    /// Where it begins, in bytes from 0.
    pub(super) offset: u64,
    /// How many bytes it has, with its line feed.
    pub(super) bytes: u64,
    /// Whether it has a line feed. Only the last may have none.
    pub(super) ended: bool,
    pub(super) content: Result<Line, BadLine>,
}

/// A line that does not read.
pub(super) struct BadLine {
    pub(super) error: LineError,
    /// Whether it looks as if some of it was never written; see [`lost_block`].
    pub(super) lost: bool,
    /// Whether it begins with all of a line.
    pub(super) begins_whole: bool,
}

/// How much one thread takes at a time.
const CHUNK: usize = 1 << 20;

/// Gives the lines from `start` to `end`, in order, until the taker has an error.
pub(super) fn read_lines<E: From<io::Error>>(
    file: &dyn DiskFile,
    start: u64,
    end: u64,
    secrets: &Secrets,
    mut take: impl FnMut(ReadLine) -> Result<(), E>,
) -> Result<(), E> {
    let mut chunks = Chunks { file, next: start, end, carried: Vec::new() };
    let mut take_all = |lines: io::Result<Vec<ReadLine>>| lines?.into_iter().try_for_each(&mut take);
    let read = |chunk: io::Result<Chunk>| Ok(chunk?.lines(secrets).collect());
    if end - start <= CHUNK as u64 {
        return chunks.next().map_or(Ok(()), |chunk| take_all(read(chunk)));
    }
    in_order(|| chunks.next(), read, take_all)
}

/// Cuts a file into chunks of whole lines.
struct Chunks<'a> {
    file: &'a dyn DiskFile,
    /// What is read next.
    next: u64,
    end: u64,
    /// The beginning of a line, from the chunk before.
    carried: Vec<u8>,
}

struct Chunk {
    offset: u64,
    bytes: Vec<u8>,
}

impl Chunks<'_> {
    /// `None` after the end, and after an error.
    fn next(&mut self) -> Option<io::Result<Chunk>> {
        let chunk = self.cut();
        if chunk.is_err() {
            self.end = self.next;
            self.carried.clear();
        }
        chunk.transpose()
    }

    fn cut(&mut self) -> io::Result<Option<Chunk>> {
        let mut bytes = std::mem::take(&mut self.carried);
        let offset = self.next - bytes.len() as u64;
        while self.next < self.end {
            let known = bytes.len();
            let more = usize::try_from(self.end - self.next).unwrap_or(CHUNK).min(CHUNK);
            bytes.resize(known + more, 0);
            let read = read_full_at(self.file, &mut bytes[known..], self.next)?;
            bytes.truncate(known + read);
            self.next += read as u64;
            if read < more {
                // Somebody has cut it since.
                self.end = self.next;
            } else if self.next < self.end
                && let Some(last) = bytes[known..].iter().rposition(|byte| *byte == b'\n')
            {
                self.carried = bytes.split_off(known + last + 1);
                break;
            } else if bytes.len() > MAX_LINE {
                break;
            }
        }
        Ok((!bytes.is_empty()).then_some(Chunk { offset, bytes }))
    }
}

impl Chunk {
    fn lines(&self, secrets: &Secrets) -> impl Iterator<Item = ReadLine> {
        let mut rest = self.bytes.as_slice();
        let mut actor = None;
        std::iter::from_fn(move || {
            let start = self.bytes.len() - rest.len();
            // Reading from memory does not fail.
            let length = rest.skip_until(b'\n').unwrap_or(0);
            let line = &self.bytes[start..start + length];
            (length > 0).then(|| ReadLine::read(line, self.offset + start as u64, secrets, &mut actor))
        })
    }
}

impl ReadLine {
    fn read(line: &[u8], offset: u64, secrets: &Secrets, actor: &mut Option<Arc<Actor>>) -> Self {
        let (text, ended) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
        let read =
            if line.len() > MAX_LINE { Err(LineError::TooLong) } else { Line::read(text, secrets, actor) };
        let content = read.map_err(|error| BadLine {
            error,
            lost: lost_block(line, offset),
            begins_whole: begins_whole(text),
        });
        Self { offset, bytes: line.len() as u64, ended, content }
    }
}

/// Whether some of the line, which begins at `offset`, was never written: where it should be, there is still what was
/// there before, which is padding, or NUL where the file grew. A line has neither anywhere. One such byte may be a
/// flipped bit, and says so only if it is all that the line has of a block; and no one flipped bit makes one of what a
/// line begins or ends with.
fn lost_block(line: &[u8], offset: u64) -> bool {
    /// The least that a disk writes at once.
    const BLOCK: u64 = 512;
    let first = usize::try_from(BLOCK - offset % BLOCK).unwrap_or(line.len()).min(line.len());
    let (first, rest) = line.split_at(first);
    let unwritten = |byte: u8| [PAD, 0].contains(&byte);
    let lost = |part: &[u8]| match part {
        [byte] => unwritten(*byte),
        _ => part.windows(2).any(|pair| pair[0] == pair[1] && unwritten(pair[0])),
    };
    std::iter::once(first).chain(rest.chunks(BLOCK as usize)).any(lost)
}
