//! Waiting for a future on a thread of one's own.

use std::ops::ControlFlow;
use std::pin::Pin;
#[cfg(feature = "admission")]
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
#[cfg(feature = "admission")]
use std::thread::Thread;
use std::time::Duration;

#[cfg(feature = "admission")]
struct Unpark(Thread);

#[cfg(feature = "admission")]
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The output of a future that needs no particular executor.
#[cfg(feature = "admission")]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Wakes a thread that waits for a future, and for other things too: by the future, or by whoever has something else for it.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Alarm {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }

    /// Waits until it is rung, or was since the last time, or for so long.
    fn wait(&self, at_most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.heard.wait_timeout_while(rung, at_most.min(LONGEST), |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// The longest single wait, which is short enough for every system's clock. Who waits longer waits again.
const LONGEST: Duration = Duration::from_secs(3600);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// The output of a future that needs no particular executor, unless something else ends the wait: `meanwhile` is asked after
/// each time that the future was not ready, and gives a reason to break off, or how long to wait at most before both are
/// asked again, which they are earlier when the alarm is rung.
pub(crate) fn block_on_until<F: Future, B>(
    mut future: Pin<&mut F>,
    alarm: &Arc<Alarm>,
    mut meanwhile: impl FnMut() -> ControlFlow<B, Duration>,
) -> Result<F::Output, B> {
    let waker = Waker::from(Arc::clone(alarm));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
        match meanwhile() {
            ControlFlow::Break(reason) => return Err(reason),
            ControlFlow::Continue(at_most) => alarm.wait(at_most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yielding::yield_now;
    use std::future::{pending, ready};
    use std::pin::pin;

    const FOR_EVER: ControlFlow<(), Duration> = ControlFlow::Continue(Duration::MAX);

    #[test]
    fn the_future_is_asked_first() {
        let alarm = Arc::default();
        assert_eq!(block_on_until(pin!(ready(7)), &alarm, || ControlFlow::Break(())), Ok(7));
    }

    #[test]
    fn the_future_or_anybody_else_ends_the_wait() {
        let alarm: Arc<Alarm> = Arc::default();
        assert_eq!(block_on_until(pin!(yield_now()), &alarm, || FOR_EVER), Ok(()));

        let mut asked = 0;
        let thrice = || {
            asked += 1;
            match asked {
                // Before the wait begins, and after that from elsewhere.
                1 => alarm.ring(),
                2 => {
                    let alarm = Arc::clone(&alarm);
                    std::thread::spawn(move || alarm.ring());
                }
                _ => return ControlFlow::Break("rung twice"),
            }
            ControlFlow::Continue(Duration::MAX)
        };
        assert_eq!(block_on_until(pin!(pending::<()>()), &alarm, thrice), Err("rung twice"));
    }

    #[test]
    fn it_ends_by_time() {
        let mut waits = [Duration::ZERO, Duration::from_millis(1)].into_iter();
        let waited = || waits.next().map_or(ControlFlow::Break(()), ControlFlow::Continue);
        assert_eq!(block_on_until(pin!(pending::<()>()), &Arc::default(), waited), Err(()));
    }
}
