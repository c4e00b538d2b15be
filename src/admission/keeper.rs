//! A thread that does what has to be done from time to time.

use super::ended::Ended;
use super::gate::Admission;
use super::moment::Moment;
use crate::store::StoreError;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Expires sessions and writes the minutes used, on a thread of its own, every second. For programs whose store needs no
/// particular executor, as those of this crate; others call [`Admission::expire`] and [`Admission::flush`] themselves.
///
/// When it is stopped, it writes once more and waits for that. When it is dropped, it writes once more, and nobody waits.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: Mutex<bool>,
    wake: Condvar,
}

/// Something that a keeper tells of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kept {
    /// A session was not heard of for longer than a heartbeat.
    Expired(Ended),
    /// The minutes used could not be written. They are kept, and it is tried again.
    NotWritten(StoreError),
}

impl Keeper {
    const EVERY: Duration = Duration::from_secs(1);

    /// Starts the thread. `tell` is called on it, and must not block for long.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(admission: Admission, tell: impl Fn(Kept) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("admission".to_owned()).spawn(move || {
            while !its.stopped_after(Self::EVERY) {
                let now = Moment::by(&*admission.gate().options.clock);
                admission.expire(now).into_iter().for_each(|ended| tell(Kept::Expired(ended)));
                if admission.wants_flush(now) {
                    write(&admission, now, &tell);
                }
            }
            write(&admission, Moment::by(&*admission.gate().options.clock), &tell);
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Stops it, after what is used has been written once more.
    pub fn stop(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            // A panic of `tell` is its own affair.
            let _ = thread.join();
        }
    }
}

fn write(admission: &Admission, now: Moment, tell: &impl Fn(Kept)) {
    if let Err(error) = crate::blocking::block_on(admission.flush(now)) {
        tell(Kept::NotWritten(error));
    }
}

impl Shared {
    /// Waits; whether it was stopped meanwhile.
    fn stopped_after(&self, duration: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(stopped, duration, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *self.shared.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_one();
    }
}
