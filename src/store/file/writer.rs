//! The thread that writes an account file, and the one that rewrites it.

use super::compaction::Compaction;
use super::disk::Disk;
use super::log::{Log, LogOptions, Opened, Prepared};
use super::{disk, log};
use crate::snapshot::Change;
use crate::store::live::Live;
use crate::store::{CommitError, StoreError, StoreErrorKind};
use async_channel::{Receiver, Sender, WeakSender};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What the thread is asked.
pub(super) enum Request {
    Commit {
        prepared: Prepared,
        reply: Sender<Answer>,
    },
    Compact {
        reply: Sender<Result<(), StoreError>>,
    },
    /// The rewriting thread has done its part.
    Compacted,
    /// Where the file ends now, for whoever copies it.
    End {
        reply: Sender<Result<super::backup::Source, StoreError>>,
    },
    Close,
}

/// What came of a commit, and the commit, whose memory goes back to where it came from: freeing it takes a while, and
/// everybody waits for this thread.
pub(super) type Answer = (Result<Arc<Change>, CommitError>, Prepared);

/// What the thread tells when it has opened the file.
pub(super) type Start = Result<(Arc<Live>, Opened), StoreError>;

/// How many commits are written together at most.
const GROUP: usize = 1024;

/// Opens the file, tells what it holds, and then commits what is asked until nobody can ask any more.
pub(super) fn run(
    path: &Path,
    options: LogOptions,
    start: &Sender<Start>,
    requests: &Receiver<Request>,
    itself: &WeakSender<Request>,
) {
    let _refusing = RefuseTheRest(requests);
    let log = match open(path, options) {
        Ok((log, opened)) => {
            if start.send_blocking(Ok((Arc::clone(log.live()), opened))).is_err() {
                return log.close();
            }
            log
        }
        Err(error) => {
            // Whoever opens may have given up; then there is nobody to tell.
            let _ = start.send_blocking(Err(error));
            return;
        }
    };
    let mut writer = Writer { log, rewriting: None, compacted: Vec::new(), itself };
    writer.serve(requests);
    requests.close();
    writer.close();
}

fn open(path: &Path, options: LogOptions) -> Result<(Log, Opened), StoreError> {
    check_is_file(path)?;
    let resolved = resolve(path).map_err(log::io_error("could not resolve", path))?;
    Log::open(Arc::new(disk::RealDisk), &resolved, options)
}

/// That there is a file or nothing: reading from anything else may never end.
pub(super) fn check_is_file(path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            let message = format!("{} is not a file; it was left as it is", path.display());
            Err(StoreError::new(StoreErrorKind::Foreign, message))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(log::io_error("could not look at", path)(error))
        }
        _ => Ok(()),
    }
}

/// The path without symbolic links, so that one file has one lock however it is named.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let text = path.as_os_str().to_string_lossy();
    let names_a_folder = text.ends_with(['/', std::path::MAIN_SEPARATOR]) || text.ends_with("/.");
    if path.is_symlink() && !path.exists() {
        // The file is made there, where the lock and the rewritten file are to be too.
        disk::RealDisk.open(path, true)?;
    }
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !names_a_folder => {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(error) };
            // `accounts.log/` and `accounts.log/.` name a folder that is not there, and not a file.
            if !path.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()) {
                return Err(error);
            }
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(folder.canonicalize()?.join(name))
        }
        resolved => resolved,
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

struct Writer<'a> {
    log: Log,
    rewriting: Option<Rewriting>,
    /// Those who wait for a compaction.
    compacted: Vec<Sender<Result<(), StoreError>>>,
    itself: &'a WeakSender<Request>,
}

/// A compaction on its thread.
struct Rewriting {
    thread: JoinHandle<(Compaction, io::Result<()>)>,
    /// Set when it is to end early.
    cancelled: Arc<AtomicBool>,
}

impl Writer<'_> {
    /// Does what is asked until it is to close.
    fn serve(&mut self, requests: &Receiver<Request>) {
        // What was taken from the queue while a group was made, and is not part of it.
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => request,
                None => match requests.recv_blocking() {
                    Ok(request) => request,
                    Err(_) => return,
                },
            };
            match request {
                Request::Commit { prepared, reply } => {
                    let mut group = vec![prepared];
                    let mut replies = vec![reply];
                    while group.len() < GROUP && next.is_none() {
                        match requests.try_recv() {
                            Ok(Request::Commit { prepared, reply }) => {
                                group.push(prepared);
                                replies.push(reply);
                            }
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    let results = self.log.commit(&group);
                    for (reply, answer) in replies.into_iter().zip(results.into_iter().zip(group)) {
                        // A caller that has gone away does not undo its commit.
                        let _ = reply.try_send(answer);
                    }
                    self.log.let_go();
                    if self.rewriting.is_none() && self.log.wants_compaction() {
                        self.begin_compaction();
                    }
                }
                Request::Compact { reply } => {
                    self.compacted.push(reply);
                    if self.rewriting.is_none() {
                        self.begin_compaction();
                    }
                }
                Request::Compacted => self.finish_compaction(),
                Request::End { reply } => {
                    let _ = reply.try_send(self.log.source());
                }
                Request::Close => return,
            }
        }
    }

    fn begin_compaction(&mut self) {
        let begun = self.log.begin_compaction().and_then(|compaction| {
            let cancelled = Arc::new(AtomicBool::new(false));
            let (cancel, done) = (Arc::clone(&cancelled), self.itself.clone());
            let rewrite = move || rewrite(compaction, &cancel, &done);
            let thread = std::thread::Builder::new().name("gateway-accounts-compaction".into());
            match thread.spawn(rewrite) {
                Ok(thread) => Ok(Rewriting { thread, cancelled }),
                Err(error) => Err(self.log.compaction_failed(error)),
            }
        });
        match begun {
            Ok(rewriting) => self.rewriting = Some(rewriting),
            Err(error) => self.tell_compacted(Err(error)),
        }
    }

    fn finish_compaction(&mut self) {
        let Some(rewriting) = self.rewriting.take() else { return };
        let result = match rewriting.thread.join() {
            Ok((compaction, Ok(()))) => self.log.finish_compaction(compaction).map(|old| {
                // Letting go of a large file takes a while, in which commits need not wait.
                let _ = std::thread::Builder::new().spawn(move || drop(old));
            }),
            Ok((compaction, Err(error))) => {
                compaction.give_up();
                Err(self.log.compaction_failed(error))
            }
            Err(_) => Err(self.log.compaction_failed(io::Error::other("the rewriting thread panicked"))),
        };
        self.tell_compacted(result);
    }

    fn tell_compacted(&mut self, result: Result<(), StoreError>) {
        let mut waiting = self.compacted.drain(..);
        // The first is told why; there is hardly ever another.
        if let Some(first) = waiting.next() {
            let failed = result.is_err();
            let _ = first.try_send(result);
            for reply in waiting {
                let message = "the account file could not be rewritten";
                let error = || StoreError::new(StoreErrorKind::Io, message);
                let _ = reply.try_send(if failed { Err(error()) } else { Ok(()) });
            }
        }
    }

    fn close(mut self) {
        if let Some(rewriting) = self.rewriting.take() {
            rewriting.cancelled.store(true, Ordering::Relaxed);
            if let Ok((compaction, _)) = rewriting.thread.join() {
                compaction.give_up();
            }
        }
        self.log.close();
    }
}

/// The rewriting thread.
fn rewrite(
    mut compaction: Compaction,
    cancelled: &AtomicBool,
    done: &WeakSender<Request>,
) -> (Compaction, io::Result<()>) {
    let result = loop {
        if cancelled.load(Ordering::Relaxed) {
            break Err(io::ErrorKind::Interrupted.into());
        }
        match compaction.step() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if let Some(writer) = done.upgrade() {
        // When it is closing, it waits for this thread instead.
        let _ = writer.send_blocking(Request::Compacted);
    }
    (compaction, result)
}
