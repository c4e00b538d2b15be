//! Group commit for engines that have none of their own.

use super::Taken;
use crate::accounts::Row;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// What commits rows together.
pub trait Commit: Send + 'static {
    /// Adds the rows and makes them durable, all at once, except those whose SID, name or realm is taken.
    fn commit(&mut self, rows: &[Row]) -> Vec<Result<(), Taken>>;
}

type Request = (Row, oneshot::Sender<Result<(), Taken>>);

/// The way from callers to the one that commits.
pub enum Front<C> {
    /// The only caller commits itself.
    Direct(Mutex<C>),
    /// A thread commits, in one transaction, whatever has come while it was busy with the one before.
    Grouped { requests: Option<Sender<Request>>, thread: Option<JoinHandle<()>> },
}

impl<C: Commit> Front<C> {
    pub fn new(mut commit: C, grouped: bool) -> Self {
        if !grouped {
            return Self::Direct(Mutex::new(commit));
        }
        let (requests, asked) = channel::<Request>();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = asked.recv() {
                let (rows, replies): (Vec<_>, Vec<_>) =
                    std::iter::once(first).chain(asked.try_iter()).unzip();
                for (reply, result) in replies.into_iter().zip(commit.commit(&rows)) {
                    // A caller that has gone away needs no answer.
                    let _ = reply.send(result);
                }
            }
        });
        Self::Grouped { requests: Some(requests), thread: Some(thread) }
    }

    pub async fn create(&self, row: Row) -> Result<(), Taken> {
        match self {
            Self::Direct(commit) => {
                let mut commit = commit.lock().unwrap_or_else(PoisonError::into_inner);
                commit.commit(std::slice::from_ref(&row))[0]
            }
            Self::Grouped { requests, .. } => {
                let (reply, answer) = oneshot::channel();
                let requests = requests.as_ref().expect("it is there until it is dropped");
                requests.send((row, reply)).expect("the thread ends after its callers");
                answer.await.expect("the thread answers all")
            }
        }
    }
}

impl<C> Drop for Front<C> {
    fn drop(&mut self) {
        if let Self::Grouped { requests, thread } = self {
            drop(requests.take());
            if let Some(thread) = thread.take() {
                thread.join().expect("it does not panic");
            }
        }
    }
}
