//! Letting others go first in the middle of long work.

use std::future::poll_fn;
use std::task::Poll;

/// Lets others go first, once. The executor polls the future again at once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
