//! Reading an account file back.
//!
//! A commit is one line, appended and synced before the next one is begun. So after a crash or a power cut only
//! the end of the file can be incomplete, and what is incomplete was never acknowledged: such a *torn tail* is cut
//! off. Anything else that does not read back is damage, and the file is refused as it is.
//!
//! What tells the two apart, at the last line:
//!
//! - without a line feed and not whole: torn;
//! - whole, but for its line feed: kept, since it is all there;
//! - whole, and then something else than a line feed: damage;
//! - with its line feed, but with a block of NUL bytes, where the disk has not written what the file system had
//!   made room for: torn;
//! - with its line feed and a wrong checksum otherwise: damage. The write was complete, so that it may have been
//!   acknowledged.
//!
//! Most of the time goes into the JSON, and so one thread reads the lines while another applies them.

use super::format::{self, LineError, MAX_LINE, Read};
use crate::snapshot::{AdvanceError, Seq, Snapshot};
use crate::store::live::History;
use std::io::{BufRead, Read as _};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// What a file holds.
pub(super) struct Recovered {
    pub(super) snapshot: Snapshot,
    pub(super) history: History,
    /// How long the good part of the file is; what follows is to be cut off.
    pub(super) length: u64,
    /// The last line is whole but for its line feed, which is to be added.
    pub(super) lacks_line_feed: bool,
    /// The torn tail, if there is one.
    pub(super) torn: Option<TornTail>,
}

/// The end of an account file that was cut off when it was opened: a commit that was being written when the
/// process or the machine stopped, and so was never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// The line it was, from 1.
    pub line: u64,
    /// Where it began, in bytes from 0.
    pub offset: u64,
    /// How many bytes there were.
    pub bytes: u64,
}

/// Where and how an account file is damaged. It is the [`source`](std::error::Error::source) of a
/// [`StoreError`](crate::StoreError) of kind [`Damaged`](crate::StoreErrorKind::Damaged).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, which begins at byte {offset}: {reason}")]
#[non_exhaustive]
pub struct FileDamage {
    /// The first damaged line, from 1.
    pub line: u64,
    /// Where it begins, in bytes from 0. The bytes before it are a good file.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file can't be read back.
#[derive(Debug)]
pub(super) enum Unreadable {
    Io(std::io::Error),
    NotAnAccountFile,
    NewerVersion(u32),
    Damaged(FileDamage),
}

/// Reads a file from its beginning. An empty one, or one whose header was torn, is a new one of length 0.
pub(super) fn recover(file: &mut (impl BufRead + Send), history: usize) -> Result<Recovered, Unreadable> {
    let mut recovered = Recovered {
        snapshot: Snapshot::empty(),
        history: History::new(Seq::START, history),
        length: 0,
        lacks_line_feed: false,
        torn: None,
    };
    let mut line = Vec::new();
    read_line(file, &mut line)?;
    let header = format::header();
    if line.last() != Some(&b'\n')
        && (header.starts_with(&line) || (line.len() <= header.len() && line.iter().all(|byte| *byte == 0)))
    {
        // Created, but not completed. Any other start is somebody else's file, and stays as it is.
        if !line.is_empty() {
            recovered.torn = Some(TornTail { line: 1, offset: 0, bytes: line.len() as u64 });
        }
        return Ok(recovered);
    }
    match format::version(line.strip_suffix(b"\n").unwrap_or(&line)) {
        Some(format::VERSION) if line == header => {}
        Some(newer) if newer > format::VERSION => return Err(Unreadable::NewerVersion(newer)),
        _ if resembles(&line, &header) => return Err(damaged(1, 0, &LineError::Checksum)),
        _ => return Err(Unreadable::NotAnAccountFile),
    }
    recovered.length = line.len() as u64;

    let (send, lines) = sync_channel(CHUNKS);
    std::thread::scope(|scope| {
        let offset = recovered.length;
        // When a line does not fit those before it, nobody listens any more, and the reading ends.
        scope.spawn(move || read_lines(file, offset, &send));
        for item in lines.iter().flatten() {
            match item {
                Item::Commit { number, offset, bytes, lacks_line_feed, read } => {
                    apply(read, &mut recovered).map_err(|error| damaged(number, offset, &error))?;
                    recovered.length = offset + bytes;
                    recovered.lacks_line_feed = lacks_line_feed;
                }
                Item::Torn(torn) => recovered.torn = Some(torn),
                Item::Unreadable(unreadable) => return Err(unreadable),
            }
        }
        Ok(recovered)
    })
}

/// What is found in a file, in its order.
enum Item {
    Commit {
        number: u64,
        offset: u64,
        bytes: u64,
        /// Then it is the last.
        lacks_line_feed: bool,
        read: Read,
    },
    /// The end.
    Torn(TornTail),
    Unreadable(Unreadable),
}

/// How many items one thread hands to the other at a time, and how many such chunks may wait.
const CHUNK: usize = 256;
const CHUNKS: usize = 8;

/// Reads the lines after the header, until the end or the first that can't be read.
fn read_lines(file: &mut impl BufRead, start: u64, send: &SyncSender<Vec<Item>>) {
    let mut offset = start;
    let mut line = Vec::new();
    let mut chunk = Vec::with_capacity(CHUNK);
    for number in 2.. {
        let item = match read_item(file, &mut line, number, offset) {
            Ok(Some(item)) => item,
            Ok(None) => break,
            Err(unreadable) => Item::Unreadable(unreadable),
        };
        let goes_on = matches!(item, Item::Commit { lacks_line_feed: false, .. });
        offset += line.len() as u64;
        chunk.push(item);
        if !goes_on {
            break;
        }
        if chunk.len() >= CHUNK
            && send.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK))).is_err()
        {
            return;
        }
    }
    // Whoever does not listen any more has found an error of its own.
    let _ = send.send(chunk);
}

/// Reads one line; `None` at the end of the file.
fn read_item(
    file: &mut impl BufRead,
    line: &mut Vec<u8>,
    number: u64,
    offset: u64,
) -> Result<Option<Item>, Unreadable> {
    read_line(file, line)?;
    let bytes = line.len() as u64;
    let torn = Item::Torn(TornTail { line: number, offset, bytes });
    if line.is_empty() {
        return Ok(None);
    }
    let commit = |line: &[u8], lacks_line_feed| {
        let read = format::read(line)?;
        Ok(Item::Commit { number, offset, bytes, lacks_line_feed, read })
    };
    let item = match line.strip_suffix(b"\n") {
        _ if line.len() > MAX_LINE => Err(LineError::TooLong),
        Some(whole) => commit(whole, false),
        None if format::checked(line).is_ok() => commit(line, true),
        // All of a line, and then something else than the line feed that was there.
        None if format::begins_whole(line) => Err(LineError::Checksum),
        None => return Ok(Some(torn)),
    };
    let error = match item {
        Ok(item) => return Ok(Some(item)),
        Err(error) => error,
    };
    let is_last = file.fill_buf().map_err(Unreadable::Io)?.is_empty();
    if is_last && matches!(error, LineError::Checksum) && has_hole(line, offset) {
        return Ok(Some(torn));
    }
    Err(damaged(number, offset, &error))
}

fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> Result<(), Unreadable> {
    line.clear();
    let most = MAX_LINE as u64 + 1;
    file.take(most).read_until(b'\n', line).map_err(Unreadable::Io)?;
    Ok(())
}

/// Applies a commit. After an error, what was recovered is of no more use.
fn apply(read: Read, recovered: &mut Recovered) -> Result<(), LineError> {
    let change = format::change(read, &recovered.snapshot)?;
    recovered.snapshot.advance_in_place(&change).map_err(|error| match error {
        AdvanceError::Gap { current, found } => LineError::Seq { expected: current.next(), found },
        AdvanceError::Conflict { source, .. } => LineError::Contradiction(source.to_string()),
    })?;
    recovered.history.push(Arc::new(change));
    Ok(())
}

/// Whether a first line was a header before it was damaged: most of its bytes are.
fn resembles(line: &[u8], header: &[u8]) -> bool {
    let same = line.iter().zip(header).filter(|(a, b)| a == b).count();
    same * 2 > header.len()
}

/// Whether some block was not written: all of it that the line, which begins at `offset`, has in it is NUL. One
/// NUL alone does not say so, since a flipped bit makes one of a space.
fn has_hole(line: &[u8], offset: u64) -> bool {
    /// The least that a disk writes at once.
    const BLOCK: u64 = 512;
    let first = usize::try_from(BLOCK - offset % BLOCK).unwrap_or(line.len()).min(line.len());
    let (first, rest) = line.split_at(first);
    std::iter::once(first).chain(rest.chunks(BLOCK as usize)).any(|block| block.iter().all(|byte| *byte == 0))
}

fn damaged(line: u64, offset: u64, error: &LineError) -> Unreadable {
    Unreadable::Damaged(FileDamage { line, offset, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Actor, Scope};
    use crate::model::record::tests::full;
    use crate::model::timestamp::Timestamp;
    use crate::snapshot::{Batch, Write};

    /// A file of four commits, and where its lines begin and the file ends.
    fn file() -> (Vec<u8>, Vec<u64>, Vec<Snapshot>) {
        let actor = Actor::new(Scope::Admin, "jane".parse().unwrap());
        let account = Arc::new(full());
        let renamed = crate::model::account::Account {
            name: "Globex".parse().unwrap(),
            revision: crate::model::account::Revision::FIRST,
            ..full()
        };
        let (mut bytes, mut starts) = (format::header(), vec![0]);
        let mut snapshots = vec![Snapshot::empty()];
        let batch = || Batch::new(actor.clone(), Timestamp::from_millis(7));
        for batch in [
            batch().with(Write::Create(Arc::clone(&account))),
            batch().with(Write::Replace(Arc::new(renamed))),
            batch(),
            batch()
                .with(Write::Delete { sid: account.sid(), expected: crate::model::account::Revision::new(2) })
                .with(Write::Create(Arc::clone(&account))),
        ] {
            let (next, change) = snapshots.last().unwrap().apply(&batch).unwrap();
            starts.push(bytes.len() as u64);
            bytes.extend(format::encode(&change));
            snapshots.push(next);
        }
        starts.push(bytes.len() as u64);
        (bytes, starts, snapshots)
    }

    fn read(bytes: &[u8]) -> Result<Recovered, Unreadable> {
        recover(&mut &*bytes, 100)
    }

    fn same(a: &Snapshot, b: &Snapshot) -> bool {
        a.seq() == b.seq() && a.iter().eq(b.iter())
    }

    #[test]
    fn reads_back_what_was_written() {
        let (bytes, _, snapshots) = file();
        let recovered = read(&bytes).unwrap();
        assert!(same(&recovered.snapshot, snapshots.last().unwrap()));
        assert_eq!((recovered.length, recovered.torn), (bytes.len() as u64, None));
    }

    /// A process that is killed while it appends leaves any number of the first bytes of its line.
    #[test]
    fn a_file_cut_anywhere_opens_with_the_commits_before_the_cut() {
        let (bytes, starts, snapshots) = file();
        for cut in 0..bytes.len() as u64 {
            let recovered = read(&bytes[..cut as usize]).unwrap();
            // A line that lacks nothing but its line feed is kept.
            let whole = starts[1..].iter().filter(|end| **end <= cut + 1).count().max(1);
            let kept = if cut < starts[1] { 0 } else { whole - 1 };
            assert!(same(&recovered.snapshot, &snapshots[kept]), "cut at {cut}");
            let torn = cut - recovered.length;
            assert_eq!(recovered.torn.map_or(0, |torn| torn.bytes), torn, "cut at {cut}");
            assert_eq!(
                recovered.lacks_line_feed,
                cut >= starts[1] && starts.contains(&(cut + 1)),
                "cut at {cut}"
            );
        }
    }

    /// A power cut can leave a line whose length was recorded, but some of whose blocks were not written.
    #[test]
    fn a_last_line_with_a_hole_is_torn() {
        let (mut bytes, starts, snapshots) = file();
        let block = starts[4].next_multiple_of(512) as usize;
        bytes[block..block + 512].fill(0);
        let recovered = read(&bytes).unwrap();
        assert!(same(&recovered.snapshot, &snapshots[3]));
        assert_eq!(recovered.torn.map(|torn| (torn.line, torn.offset)), Some((5, starts[4])));
    }

    #[test]
    fn a_hole_anywhere_else_is_damage() {
        let (mut bytes, starts, _) = file();
        let block = starts[2].next_multiple_of(512) as usize;
        bytes[block..block + 512].fill(0);
        let Err(Unreadable::Damaged(damage)) = read(&bytes) else { panic!("a hole was read over") };
        assert_eq!((damage.line, damage.offset), (3, starts[2]));
    }

    #[test]
    fn every_flipped_bit_is_found_and_named() {
        let (bytes, starts, _) = file();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let line = starts.iter().filter(|start| **start <= at as u64).count() as u64;
                match read(&bytes) {
                    Err(Unreadable::Damaged(damage)) => {
                        assert_eq!(
                            (damage.line, damage.offset),
                            (line, starts[line as usize - 1]),
                            "{at}:{bit}"
                        );
                    }
                    Err(Unreadable::NotAnAccountFile | Unreadable::NewerVersion(_)) => assert_eq!(line, 1),
                    Err(Unreadable::Io(error)) => panic!("{error}"),
                    Ok(recovered) => panic!("byte {at}, bit {bit}: {:?}", recovered.torn),
                }
            }
        }
    }

    #[test]
    fn lines_that_are_whole_but_do_not_follow_are_damage() {
        let (bytes, starts, _) = file();
        let line = |n: usize| &bytes[starts[n] as usize..starts[n + 1] as usize];
        for (order, at) in [
            (vec![0, 2, 3, 4], 2),
            (vec![0, 1, 1, 2], 3),
            (vec![0, 1, 3, 4], 3),
            (vec![0, 1, 2, 4], 4),
            (vec![0, 0, 1, 2], 2),
        ] {
            let bytes: Vec<u8> = order.iter().flat_map(|n| line(*n)).copied().collect();
            let Err(Unreadable::Damaged(damage)) = read(&bytes) else { panic!("{order:?} was read") };
            assert_eq!(damage.line, at, "{order:?}");
        }
    }

    #[test]
    fn foreign_and_newer_files_are_left_alone() {
        for foreign in
            [&b"\n"[..], b"hello\n", b"PK\x03\x04", b"{\"format\":\"gateway-accounts\"}\n", &[1; 4096]]
        {
            assert!(matches!(read(foreign), Err(Unreadable::NotAnAccountFile)), "{foreign:?}");
        }
        let json = br#"{"format":"gateway-accounts","version":2,"hint":"new"}"#;
        let newer = [format!("{:08x} ", crc32fast::hash(json)).as_bytes(), json, b"\n"].concat();
        assert!(matches!(read(&newer), Err(Unreadable::NewerVersion(2))));
    }
}
