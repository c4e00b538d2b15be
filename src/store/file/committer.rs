//! How commits get to the file: while a group of them is written and synced, the next is staged.
//!
//! There are two locks. What is staged is behind one, held for as long as it takes to apply a commit. The file is behind
//! the other, held while a group is written and synced; whoever takes what is staged holds it, so that groups are
//! written in the order in which they were staged. Of the two, the file is locked first.

use super::backup::Source;
use super::log::{Answer, Committed, Log};
use super::rewriting::Rewriting;
use super::staging::{Prepared, Staging};
use super::writer::Request;
use crate::snapshot::{Change, Snapshot};
use crate::store::{CommitError, StoreError, StoreErrorKind};
use async_channel::{Sender, WeakSender};
use futures_channel::oneshot;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The file is closed, or a thread has panicked.
#[derive(Debug)]
pub(super) struct Ended;

impl<T> From<PoisonError<T>> for Ended {
    fn from(_: PoisonError<T>) -> Self {
        Self
    }
}

/// How many commits are written together at most.
const GROUP: usize = 1024;

/// How many snapshots wait at most to be freed by the thread that stages, which does so only when it has nothing else
/// to do.
const SUPERSEDED: usize = 16;

#[derive(Debug)]
pub(super) struct Committer {
    stage: Mutex<Stage>,
    /// Something was staged, or nothing will be any more.
    staged: Condvar,
    /// What was staged is being written, so that there is room for more.
    taken: Condvar,
    /// `None` when it is closed.
    open: Mutex<Option<Open>>,
    requests: WeakSender<Request>,
}

#[derive(Debug)]
struct Stage {
    staging: Staging,
    /// Those who wait for what is staged, in its order.
    replies: Vec<oneshot::Sender<Answer>>,
    /// What is still to be freed, by the thread that stages: much of it was made there.
    superseded: Vec<Arc<Snapshot>>,
    ended: bool,
}

/// What came of committing on the caller's thread.
pub(super) enum Here {
    Done(Result<Arc<Change>, CommitError>),
    /// Somebody else is writing, or the file is closed.
    Busy(Prepared),
}

/// The file, and its compaction.
#[derive(Debug)]
struct Open {
    log: Log,
    rewriting: Option<Rewriting>,
    /// Those who wait for a compaction.
    compacted: Vec<Sender<Result<(), StoreError>>>,
}

impl Committer {
    /// `requests` is where the rewriting thread tells that it has done its part.
    pub(super) fn new(log: Log, requests: WeakSender<Request>) -> Self {
        let stage =
            Stage { staging: log.staging(), replies: Vec::new(), superseded: Vec::new(), ended: false };
        Self {
            stage: Mutex::new(stage),
            staged: Condvar::new(),
            taken: Condvar::new(),
            open: Mutex::new(Some(Open { log, rewriting: None, compacted: Vec::new() })),
            requests,
        }
    }

    /// Stages a commit, when there is room for it. Only one thread does.
    pub(super) fn stage(&self, prepared: Prepared, reply: oneshot::Sender<Answer>) -> Result<(), Ended> {
        let mut stage = self.stage.lock()?;
        while stage.staging.len() >= GROUP && !stage.ended {
            self.staged.notify_one();
            stage = self.taken.wait(stage)?;
        }
        if stage.ended {
            return Err(Ended);
        }
        stage.staging.stage(prepared);
        stage.replies.push(reply);
        Ok(())
    }

    /// Has what is staged written by the thread that does so, while more can be staged.
    pub(super) fn have_written(&self) {
        self.staged.notify_one();
    }

    /// Writes what is staged on this thread, if it is a single commit, without waking the other for it.
    pub(super) fn write_if_single(&self) -> Result<(), Ended> {
        let mut stage = self.stage.lock()?;
        let superseded = std::mem::take(&mut stage.superseded);
        let staged = stage.staging.len();
        drop(stage);
        drop(superseded);
        if staged == 1 {
            return self.write();
        }
        self.staged.notify_one();
        Ok(())
    }

    /// Writes whatever is staged, until nothing will be any more.
    pub(super) fn write_what_is_staged(&self) -> Result<(), Ended> {
        loop {
            let waiting = |stage: &mut Stage| stage.staging.len() == 0 && !stage.ended;
            let stage = self.staged.wait_while(self.stage.lock()?, waiting)?;
            if stage.staging.len() == 0 {
                return Ok(());
            }
            drop(stage);
            self.write()?;
        }
    }

    /// Writes what is staged by now, and answers.
    pub(super) fn write(&self) -> Result<(), Ended> {
        let mut open = self.open.lock()?;
        let mut stage = self.stage.lock()?;
        let group = stage.staging.take();
        let replies = std::mem::take(&mut stage.replies);
        drop(stage);
        self.taken.notify_one();
        let open_file = open.as_mut().ok_or(Ended)?;
        let committed = open_file.log.commit(group);
        self.compact_if_worthwhile(open_file);
        drop(open);
        let Committed { answers, former } = committed;
        for (reply, answer) in replies.into_iter().zip(answers) {
            // A caller that has gone away does not undo its commit.
            let _ = reply.send(answer);
        }
        let mut stage = self.stage.lock()?;
        stage.superseded.extend(former);
        let too_many = if stage.superseded.len() > SUPERSEDED { Some(&mut stage.superseded) } else { None };
        let superseded = too_many.map(std::mem::take);
        drop(stage);
        drop(superseded);
        Ok(())
    }

    /// Commits on this thread, if nobody else is at it.
    pub(super) fn commit_here(&self, prepared: Prepared) -> Here {
        let Ok(mut open) = self.open.try_lock() else { return Here::Busy(prepared) };
        let Some(open_file) = open.as_mut() else { return Here::Busy(prepared) };
        let mut stage = match self.stage.try_lock() {
            Ok(stage) if stage.staging.len() == 0 => stage,
            _ => return Here::Busy(prepared),
        };
        stage.staging.stage(prepared);
        let group = stage.staging.take();
        drop(stage);
        let mut committed = open_file.log.commit(group);
        self.compact_if_worthwhile(open_file);
        drop(open);
        Here::Done(committed.answers.pop().expect("a group of one has one answer").0)
    }

    fn compact_if_worthwhile(&self, open: &mut Open) {
        if open.rewriting.is_none() && open.log.wants_compaction() {
            open.begin_compaction(self.requests.clone());
        }
    }

    /// Rewrites the file. Who asks while it is being rewritten waits for that.
    pub(super) fn compact(&self, reply: Sender<Result<(), StoreError>>) -> Result<(), Ended> {
        let mut open = self.open.lock()?;
        let open = open.as_mut().ok_or(Ended)?;
        open.compacted.push(reply);
        if open.rewriting.is_none() {
            open.begin_compaction(self.requests.clone());
        }
        Ok(())
    }

    /// Puts the rewritten file in the place of the one that there is.
    pub(super) fn finish_compaction(&self) -> Result<(), Ended> {
        self.open.lock()?.as_mut().ok_or(Ended)?.finish_compaction();
        Ok(())
    }

    /// The file as it is now, for whoever copies it.
    pub(super) fn source(&self) -> Result<Result<Source, StoreError>, Ended> {
        Ok(self.open.lock()?.as_ref().ok_or(Ended)?.log.source())
    }

    /// Says that nothing is staged any more.
    pub(super) fn end(&self) {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.staged.notify_one();
        self.taken.notify_one();
    }

    /// Closes the file, whatever has happened. What is still staged is not written any more, and whoever waits for it
    /// learns that.
    pub(super) fn close(&self) {
        self.end();
        let refused = std::mem::take(&mut self.stage.lock().unwrap_or_else(PoisonError::into_inner).replies);
        drop(refused);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Open { log, rewriting, .. }) = open {
            if let Some(rewriting) = rewriting {
                rewriting.cancel();
            }
            log.close();
        }
    }
}

impl Open {
    fn begin_compaction(&mut self, done: WeakSender<Request>) {
        let begun = self.log.begin_compaction().and_then(|compaction| {
            Rewriting::begin(compaction, done).map_err(|error| self.log.compaction_failed(error))
        });
        match begun {
            Ok(rewriting) => self.rewriting = Some(rewriting),
            Err(error) => self.tell_compacted(Err(error)),
        }
    }

    fn finish_compaction(&mut self) {
        let Some(rewriting) = self.rewriting.take() else { return };
        let result = match rewriting.join() {
            Some((compaction, Ok(()))) => self.log.finish_compaction(compaction).map(|old| {
                // Letting go of a large file takes a while, in which commits need not wait.
                let _ = std::thread::Builder::new().spawn(move || drop(old));
            }),
            Some((compaction, Err(error))) => {
                compaction.give_up();
                Err(self.log.compaction_failed(error))
            }
            None => Err(self.log.compaction_failed(io::Error::other("the rewriting thread panicked"))),
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
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::super::log::LogOptions;
    use super::super::secrets::Secrets;
    use super::*;
    use crate::access::Actor;
    use crate::model::timestamp::Timestamp;
    use crate::snapshot::Batch;

    #[test]
    fn what_is_superseded_does_not_pile_up_while_there_is_always_more_to_stage() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        let options = LogOptions { history: 0, worth_compacting: u64::MAX, secrets: secrets.clone() };
        let path = folder.path().join("accounts.log");
        let (log, _) = Log::open(Arc::new(RealDisk), &path, options).unwrap();
        let (requests, _asked) = async_channel::bounded(1);
        let committer = Committer::new(log, requests.downgrade());
        for _ in 0..3 * SUPERSEDED {
            let batch = Batch::new(Actor::admin("jane").unwrap(), Timestamp::default());
            let (reply, _answer) = oneshot::channel();
            committer.stage(Prepared::new(batch, &secrets).unwrap(), reply).unwrap();
            committer.write().unwrap();
            assert!(committer.stage.lock().unwrap().superseded.len() <= SUPERSEDED);
        }
    }
}
