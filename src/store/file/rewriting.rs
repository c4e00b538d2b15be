//! The thread that rewrites an account file, while commits go on.

use super::compaction::Compaction;
use super::writer::Request;
use async_channel::WeakSender;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A compaction on its thread.
#[derive(Debug)]
pub(super) struct Rewriting {
    thread: JoinHandle<(Compaction, io::Result<()>)>,
    /// Set when it is to end early.
    cancelled: Arc<AtomicBool>,
}

impl Rewriting {
    /// Begins. [`Request::Compacted`] says when [`Rewriting::join`] does not have to wait.
    pub(super) fn begin(mut compaction: Compaction, done: WeakSender<Request>) -> io::Result<Self> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = Arc::clone(&cancelled);
        let rewrite = move || {
            let result = rewrite(&mut compaction, &cancel);
            if let Some(requests) = done.upgrade() {
                // When the store is closing, it waits for this thread instead.
                let _ = requests.send_blocking(Request::Compacted);
            }
            (compaction, result)
        };
        let thread = std::thread::Builder::new().name("gateway-accounts-compaction".into()).spawn(rewrite)?;
        Ok(Self { thread, cancelled })
    }

    /// Waits for it. What was rewritten, and whether that went well; `None` if it panicked.
    pub(super) fn join(self) -> Option<(Compaction, io::Result<()>)> {
        self.thread.join().ok()
    }

    /// Ends it early, and removes what it wrote.
    pub(super) fn cancel(self) {
        self.cancelled.store(true, Ordering::Relaxed);
        if let Some((compaction, _)) = self.join() {
            compaction.give_up();
        }
    }
}

fn rewrite(compaction: &mut Compaction, cancelled: &AtomicBool) -> io::Result<()> {
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if !compaction.step()? {
            return Ok(());
        }
    }
}
