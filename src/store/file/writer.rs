//! The threads of an account file: one takes what is asked, one writes it, and one rewrites the file.

use super::committer::{Committer, Ended};
use super::disk::{self, Disk};
use super::log::{self, Answer, Log, LogOptions, Opened};
use super::staging::Prepared;
use crate::store::live::Live;
use crate::store::{StoreError, StoreErrorKind};
use async_channel::{Receiver, Sender, WeakSender};
use futures_channel::oneshot;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked.
pub(super) enum Request {
    Commit {
        prepared: Prepared,
        reply: oneshot::Sender<Answer>,
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

/// What the thread tells when it has opened the file.
pub(super) type Start = Result<(Arc<Live>, Opened, Arc<Committer>), StoreError>;

/// Opens the file, tells what it holds, and then commits what is asked until nobody can ask any more.
pub(super) fn run(
    path: &Path,
    options: LogOptions,
    start: &Sender<Start>,
    requests: &Receiver<Request>,
    itself: WeakSender<Request>,
) {
    let _refusing = RefuseTheRest(requests);
    let (log, opened) = match open(path, options) {
        Ok(open) => open,
        Err(error) => {
            // Whoever opens may have given up; then there is nobody to tell.
            let _ = start.send_blocking(Err(error));
            return;
        }
    };
    let live = Arc::clone(log.live());
    let committer = Arc::new(Committer::new(log, itself));
    std::thread::scope(|scope| {
        // However this ends, the file is closed, and the other thread ends.
        let _closing = Close { requests, committer: &committer };
        let write = || {
            let _refusing = RefuseMore { requests, committer: &committer };
            // An error means that the file is closed, or that a thread has panicked.
            let _ = committer.write_what_is_staged();
        };
        let writing = std::thread::Builder::new().name("gateway-accounts-writing".into());
        let started = writing.spawn_scoped(scope, write);
        let opened = started.map(|_| (live, opened, Arc::clone(&committer))).map_err(|error| {
            StoreError::new(StoreErrorKind::Io, "could not start the writing thread").with_source(error)
        });
        let goes_on = opened.is_ok();
        if start.send_blocking(opened).is_ok() && goes_on {
            // An error means that the other thread has panicked.
            let _ = serve(&committer, requests);
            requests.close();
            let _ = committer.write();
        }
    });
}

/// Does what is asked until it is to close.
fn serve(committer: &Committer, requests: &Receiver<Request>) -> Result<(), Ended> {
    // What was taken from the queue while commits were, and is not one.
    let mut next = None;
    loop {
        let request = match next.take() {
            Some(request) => request,
            None => match requests.recv_blocking() {
                Ok(request) => request,
                Err(_) => return Ok(()),
            },
        };
        match request {
            Request::Commit { prepared, reply } => {
                committer.stage(prepared, reply)?;
                match requests.try_recv() {
                    // It is alone, and written without waking the other thread for it.
                    Err(_) => committer.write_if_single()?,
                    Ok(request) => {
                        committer.have_written();
                        next = Some(request);
                    }
                }
            }
            Request::Compact { reply } => committer.compact(reply)?,
            Request::Compacted => committer.finish_compaction()?,
            Request::End { reply } => {
                let _ = reply.try_send(committer.source()?);
            }
            Request::Close => return Ok(()),
        }
    }
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

/// Closes the queue when the thread that writes ends, in whatever way, so that the other ends too.
struct RefuseMore<'a> {
    requests: &'a Receiver<Request>,
    committer: &'a Committer,
}

impl Drop for RefuseMore<'_> {
    fn drop(&mut self) {
        self.requests.close();
        self.committer.end();
    }
}

/// Closes the file, and before it the queue: the rewriting thread, which is waited for, may wait for a place in it.
struct Close<'a> {
    requests: &'a Receiver<Request>,
    committer: &'a Committer,
}

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.requests.close();
        self.committer.close();
    }
}
