//! Work that is spread over the processors and comes back in order.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// How many pieces of work that are done may wait for their turn to be taken, beside those out of turn.
const WAITING: usize = 8;

/// Does `work` on all that `next` gives, on as many threads as there are processors, and gives the results to `take`
/// in the order of what they were made from. An error of `take` ends it. Where no thread can be started, this one does it all.
pub(super) fn in_order<T: Send, R: Send, E>(
    next: impl FnMut() -> Option<T> + Send,
    work: impl Fn(T) -> R + Sync,
    take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    in_order_on(threads, next, work, take)
}

fn in_order_on<T: Send, R: Send, E>(
    threads: usize,
    next: impl FnMut() -> Option<T> + Send,
    work: impl Fn(T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let source = Mutex::new((0_u64, next));
    let next = || {
        let (index, next) = &mut *source.lock().unwrap_or_else(PoisonError::into_inner);
        *index += 1;
        Some((*index, next()?))
    };
    std::thread::scope(|scope| {
        let (send, done) = sync_channel(WAITING);
        let mut started = 0;
        for _ in 0..threads {
            let (send, next, work) = (send.clone(), &next, &work);
            let thread = std::thread::Builder::new().spawn_scoped(scope, move || {
                while let Some((index, piece)) = next() {
                    // When nobody listens any more, there was an error.
                    if send.send((index, work(piece))).is_err() {
                        return;
                    }
                }
            });
            started += usize::from(thread.is_ok());
        }
        drop(send);
        if started == 0 {
            while let Some((_, piece)) = next() {
                take(work(piece))?;
            }
            return Ok(());
        }
        // Those that were done before their turn. There are hardly more than threads: pieces are much alike.
        let mut early = BTreeMap::new();
        let mut turn = 1;
        for (index, piece) in done {
            early.insert(index, piece);
            while let Some(piece) = early.remove(&turn) {
                turn += 1;
                take(piece)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_comes_in_order() {
        for threads in [0, 1, 2, 5] {
            let mut source = 0..1000;
            let mut taken = Vec::new();
            in_order_on(
                threads,
                || source.next(),
                |n| {
                    // Some take longer than others.
                    (0..n % 7 * 1000).for_each(|_| std::hint::spin_loop());
                    n
                },
                |n| {
                    taken.push(n);
                    Ok::<_, ()>(())
                },
            )
            .unwrap();
            assert_eq!(taken, (0..1000).collect::<Vec<_>>(), "{threads}");
        }
    }

    #[test]
    fn an_error_ends_it() {
        for threads in [0, 1, 2, 5] {
            let mut taken = 0;
            let result = in_order_on(
                threads,
                || Some(()),
                |()| (),
                |()| {
                    taken += 1;
                    if taken == 10 { Err("enough") } else { Ok(()) }
                },
            );
            assert_eq!((result, taken), (Err("enough"), 10), "{threads}");
        }
    }
}
