//! The threads that hash secrets, and who waits for them.

use super::params::HashParams;
use super::stored::{Memory, OutOfMemory, SALT_LEN, StoredHash};
use crate::model::api_key::{KeyHash, KeyId};
use crate::random::{Random, RandomError};
use futures_channel::oneshot;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use zeroize::Zeroizing;

/// A few threads that hash secrets, so that no thread that polls futures does. Cloning it shares it.
///
/// - It never takes all processors, unless there is only one.
/// - Who finds too many waiting is refused at once ([`HashError::Busy`]); nobody waits without end.
/// - One key never has more than [`HashPool::PER_KEY`] hashes waiting or being made, so that who tries secrets for one
///   does not keep others waiting. All ids that do not exist have half of the places together, so that who makes up
///   ids does not, either.
/// - A thread starts when it is first needed, and keeps its memory. All end when the last clone is dropped, which does not
///   wait for them.
/// - A future that is dropped leaves nothing behind; its hash is not made if it has not begun.
///
/// ```
/// use gateway_accounts::{HashParams, HashPool, KeyToken, OsRandom};
/// # futures_lite::future::block_on(async {
/// let pool = HashPool::new();
/// let token = KeyToken::generate(&OsRandom)?;
/// let hash = pool.hash(token.parsed().secret(), &OsRandom, HashParams::LIGHT).await?;
/// assert!(pool.verify(token.id(), token.parsed().secret(), &hash).await?);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct HashPool(Arc<Handle>);

/// Why there is no hash, and no answer whether a secret is that of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Too many are waiting. Nothing was done.
    #[error("too many secrets are waiting to be hashed")]
    Busy,
    /// There was no salt.
    #[error("no salt could be made")]
    Random(#[source] RandomError),
    /// What is stored does not read as an Argon2id hash, or as one with parameters in the range of [`HashParams`].
    #[error("what is stored is not an Argon2id hash with parameters in range")]
    Unreadable,
    /// There was no memory, or no thread.
    #[error("there was no memory or no thread to hash with")]
    Failed,
}

impl HashError {
    /// Whether the same call may succeed later without anybody doing something about it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy | Self::Failed => true,
            Self::Random(_) | Self::Unreadable => false,
        }
    }
}

impl From<OutOfMemory> for HashError {
    fn from(_: OutOfMemory) -> Self {
        Self::Failed
    }
}

/// For whom something is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Who shows a key of this id, which exists.
    Key(KeyId),
    /// Who shows a key of an id that does not exist.
    Nobody,
    /// A new hash.
    Making,
}

/// What a thread does: it drops the ticket when it has hashed, and then gives its result.
pub(super) type Job = Box<dyn FnOnce(&mut Memory, Ticket) + Send>;

/// The place of a job that waits or runs. Dropping it frees the place.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    of: For,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        match self.of {
            For::Key(id) => {
                if let Some(jobs) = state.of_keys.get_mut(&id) {
                    *jobs -= 1;
                    if *jobs == 0 {
                        state.of_keys.remove(&id);
                    }
                }
            }
            For::Nobody => state.of_nobody -= 1,
            For::Making => {}
        }
    }
}

struct Handle {
    shared: Arc<Shared>,
    most_threads: usize,
    most_waiting: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Something waits, or the pool is closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Job, Ticket)>,
    /// How many jobs wait or run, for each key that has any.
    of_keys: HashMap<KeyId, usize>,
    of_nobody: usize,
    threads: usize,
    /// How many of them have nothing to do.
    idle: usize,
    closed: bool,
}

impl Shared {
    /// Nothing panics while it is held, but for want of memory.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next job; `None` when there will be none.
    fn next(&self) -> Option<(Job, Ticket)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.waiting.pop_front() {
                return Some(next);
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl HashPool {
    /// How many hashes of one key wait or are being made at most.
    pub const PER_KEY: usize = 4;

    /// How many wait at most, in all, when nothing is said. With [`HashParams::LIGHT`] on one thread, the last waits for
    /// about 40 milliseconds.
    pub const DEFAULT_WAITING: usize = 256;

    /// A pool with a thread for each processor but one, and [`HashPool::DEFAULT_WAITING`] places.
    #[must_use]
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_limits(processors.saturating_sub(1), Self::DEFAULT_WAITING)
    }

    /// A pool of at most so many threads, with so many places for those who wait; at least one of each.
    #[must_use]
    pub fn with_limits(threads: usize, waiting: usize) -> Self {
        Self::of(threads.max(1), waiting.max(1))
    }

    fn of(most_threads: usize, most_waiting: usize) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        Self(Arc::new(Handle { shared, most_threads, most_waiting }))
    }

    /// The hash of a new secret, with a new salt.
    ///
    /// # Errors
    /// [`HashError`], but not [`HashError::Unreadable`].
    pub async fn hash(
        &self,
        secret: &str,
        random: &dyn Random,
        params: HashParams,
    ) -> Result<KeyHash, HashError> {
        let salt = new_salt(random)?;
        let secret = Zeroizing::new(Box::<str>::from(secret));
        let hashing = move |memory: &mut Memory| StoredHash::make(&secret, &salt, params, memory);
        self.run(For::Making, hashing).await
    }

    /// Whether this is the secret of a hash. It is asked for on behalf of who shows a key of this id.
    ///
    /// # Errors
    /// [`HashError`], but not [`HashError::Random`].
    pub async fn verify(&self, id: KeyId, secret: &str, hash: &KeyHash) -> Result<bool, HashError> {
        let stored = StoredHash::parse(hash).ok_or(HashError::Unreadable)?;
        let secret = Zeroizing::new(Box::<str>::from(secret));
        self.run(For::Key(id), move |memory: &mut Memory| stored.verify(&secret, memory)).await
    }

    /// Has a thread do this.
    async fn run<T: Send + 'static>(
        &self,
        of: For,
        hashing: impl FnOnce(&mut Memory) -> Result<T, OutOfMemory> + Send + 'static,
    ) -> Result<T, HashError> {
        let (reply, answer) = oneshot::channel();
        self.submit(
            of,
            Box::new(move |memory, ticket| {
                if !reply.is_canceled() {
                    let hashed = hashing(memory);
                    drop(ticket);
                    // Nobody may want it any more.
                    let _ = reply.send(hashed);
                }
            }),
        )?;
        // A thread that ends without a reply has panicked.
        Ok(answer.await.map_err(|_| HashError::Failed)??)
    }

    /// Puts a job among those that wait.
    pub(super) fn submit(&self, of: For, job: Job) -> Result<(), HashError> {
        let Handle { shared, most_threads, most_waiting } = &*self.0;
        let mut state = shared.lock();
        if state.waiting.len() >= *most_waiting {
            return Err(HashError::Busy);
        }
        match of {
            For::Key(id) => {
                let jobs = state.of_keys.entry(id).or_default();
                if *jobs >= Self::PER_KEY {
                    return Err(HashError::Busy);
                }
                *jobs += 1;
            }
            For::Nobody => {
                if state.of_nobody >= (most_waiting / 2).max(1) {
                    return Err(HashError::Busy);
                }
                state.of_nobody += 1;
            }
            For::Making => {}
        }
        state.waiting.push_back((job, Ticket { shared: Arc::clone(shared), of }));
        if state.idle < state.waiting.len() && state.threads < *most_threads {
            match start(shared) {
                Ok(()) => state.threads += 1,
                // Those that there are do it, later.
                Err(_) if state.threads > 0 => {}
                Err(_) => {
                    let refused = state.waiting.pop_back();
                    // Its ticket takes the lock.
                    drop(state);
                    drop(refused);
                    return Err(HashError::Failed);
                }
            }
        }
        drop(state);
        shared.changed.notify_one();
        Ok(())
    }
}

/// A new salt.
pub(super) fn new_salt(random: &dyn Random) -> Result<[u8; SALT_LEN], HashError> {
    let mut salt = [0; SALT_LEN];
    random.fill(&mut salt).map_err(HashError::Random)?;
    Ok(salt)
}

/// Starts a thread.
fn start(shared: &Arc<Shared>) -> io::Result<()> {
    /// Counts the thread no more, even if it panics.
    struct Leaving(Arc<Shared>);
    impl Drop for Leaving {
        fn drop(&mut self) {
            self.0.lock().threads -= 1;
        }
    }
    let shared = Arc::clone(shared);
    let work = move || {
        let leaving = Leaving(shared);
        let mut memory = Memory::default();
        while let Some((job, ticket)) = leaving.0.next() {
            // Whom it answers may panic when it is woken; the others are not to wait because of that.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(&mut memory, ticket))) {
                // It may panic once more when it is dropped.
                std::mem::forget(panic);
            }
        }
    };
    thread::Builder::new().name("key-hash".to_owned()).spawn(work).map(drop)
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        // Their tickets take the lock.
        drop(state);
        drop(waiting);
        self.shared.changed.notify_all();
    }
}

impl Default for HashPool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handle { shared, most_threads, most_waiting } = &*self.0;
        let waiting = shared.lock().waiting.len();
        f.debug_struct("HashPool")
            .field("most_threads", most_threads)
            .field("most_waiting", most_waiting)
            .field("waiting", &waiting)
            .finish()
    }
}

#[cfg(test)]
impl HashPool {
    /// A pool without threads, for tests that decide when each job is done.
    pub(super) fn manual(waiting: usize) -> Self {
        Self::of(0, waiting)
    }

    /// Does the job that has waited longest, on this thread; `None` when there is none.
    pub(super) fn run_next(&self) -> Option<For> {
        let (job, ticket) = self.0.shared.lock().waiting.pop_front()?;
        let of = ticket.of;
        job(&mut Memory::default(), ticket);
        Some(of)
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.shared.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;
    use futures_lite::future::{block_on, poll_once};
    use std::pin::{Pin, pin};
    use std::sync::mpsc;
    use std::task::{Context, Wake, Waker};

    /// The smallest parameters, for hashes whose cost does not matter.
    fn tiny() -> HashParams {
        HashParams::new(8, 1, 1).unwrap()
    }

    fn id(n: u8) -> KeyId {
        KeyId::parse(&format!("{n:016}")).unwrap()
    }

    fn of(pool: &HashPool, owner: For) -> Result<(), HashError> {
        pool.submit(owner, Box::new(|_, _| {}))
    }

    fn polled<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        block_on(poll_once(future))
    }

    #[test]
    fn hashes_and_verifies_on_its_threads() {
        let pool = HashPool::new();
        let random = SeededRandom::new(1);
        block_on(async {
            let hash = pool.hash("secret", &random, tiny()).await.unwrap();
            let other = pool.hash("secret", &random, tiny()).await.unwrap();
            assert_ne!(hash, other, "each has a salt of its own");
            assert!(pool.verify(id(1), "secret", &hash).await.unwrap());
            assert!(!pool.verify(id(1), "secre", &hash).await.unwrap());
            let unreadable =
                KeyHash::parse("$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA").unwrap();
            let refused = pool.verify(id(1), "secret", &unreadable).await;
            assert!(matches!(refused, Err(HashError::Unreadable)));
        });
    }

    #[test]
    fn nothing_is_hashed_by_who_polls() {
        let pool = HashPool::manual(10);
        let random = SeededRandom::new(1);
        let mut hash = pin!(pool.hash("secret", &random, tiny()));
        assert!(polled(hash.as_mut()).is_none());
        assert!(polled(hash.as_mut()).is_none());
        assert_eq!(pool.run_next(), Some(For::Making));
        assert!(polled(hash.as_mut()).unwrap().is_ok());
    }

    #[test]
    fn who_finds_all_places_taken_is_refused_at_once() {
        let pool = HashPool::manual(8);
        for n in 0..8 {
            of(&pool, For::Key(id(n))).unwrap();
        }
        for owner in [For::Key(id(9)), For::Nobody, For::Making] {
            assert!(matches!(of(&pool, owner), Err(HashError::Busy)), "{owner:?}");
        }
        assert_eq!(pool.run_next(), Some(For::Key(id(0))));
        of(&pool, For::Key(id(9))).unwrap();
    }

    #[test]
    fn one_key_has_four_places_and_ids_that_do_not_exist_have_half() {
        let pool = HashPool::manual(100);
        for _ in 0..HashPool::PER_KEY {
            of(&pool, For::Key(id(1))).unwrap();
        }
        assert!(matches!(of(&pool, For::Key(id(1))), Err(HashError::Busy)));
        of(&pool, For::Key(id(2))).unwrap();
        for _ in 0..50 {
            of(&pool, For::Nobody).unwrap();
        }
        assert!(matches!(of(&pool, For::Nobody), Err(HashError::Busy)));
        of(&pool, For::Key(id(3))).unwrap();
        of(&pool, For::Making).unwrap();
        while pool.run_next().is_some() {}
        of(&pool, For::Nobody).unwrap();
        of(&pool, For::Key(id(1))).unwrap();
    }

    /// A job that runs has no place in the queue, but counts for its key.
    #[test]
    fn a_job_that_runs_counts_for_its_key() {
        let pool = HashPool::with_limits(1, 10);
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let job = move |_: &mut Memory, ticket| {
            begun.send(()).unwrap();
            may_end.recv().unwrap();
            drop(ticket);
            done.send(()).unwrap();
        };
        pool.submit(For::Key(id(1)), Box::new(job)).unwrap();
        has_begun.recv().unwrap();
        for _ in 1..HashPool::PER_KEY {
            of(&pool, For::Key(id(1))).unwrap();
        }
        assert!(matches!(of(&pool, For::Key(id(1))), Err(HashError::Busy)));
        end.send(()).unwrap();
        is_done.recv().unwrap();
        of(&pool, For::Key(id(1))).unwrap();
    }

    #[test]
    fn there_are_never_more_threads_than_were_asked_for_and_they_end_with_the_pool() {
        let pool = HashPool::with_limits(2, 100);
        let shared = Arc::clone(&pool.0.shared);
        assert_eq!(shared.lock().threads, 0, "none before it is needed");
        let (gone, all_gone) = mpsc::channel::<()>();
        for n in 0..50 {
            let gone = gone.clone();
            pool.submit(For::Key(id(n)), Box::new(move |_, _| drop(gone))).unwrap();
            assert!(shared.lock().threads <= 2);
        }
        drop((gone, pool));
        // Jobs that had not begun are dropped.
        assert!(all_gone.recv().is_err());
        while shared.lock().threads > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn a_future_that_is_dropped_leaves_nothing_behind() {
        let pool = HashPool::manual(4);
        let hash =
            KeyHash::parse("$argon2id$v=19$m=65536,t=16,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA");
        let hash = hash.unwrap();
        for _ in 0..HashPool::PER_KEY {
            assert!(polled(pin!(pool.verify(id(1), "secret", &hash))).is_none());
        }
        // A hash with these parameters takes a second and 64 MiB: none of them is made.
        while pool.run_next().is_some() {}
        assert!(pool.0.shared.lock().of_keys.is_empty());
        of(&pool, For::Key(id(1))).unwrap();
    }

    /// An executor that panics when an answer is there.
    #[test]
    fn a_thread_outlives_a_panic_of_whom_it_answers() {
        struct Panicking;
        impl Wake for Panicking {
            fn wake(self: Arc<Self>) {
                panic!("as planned");
            }
        }
        let pool = HashPool::with_limits(1, 10);
        let random = SeededRandom::new(1);
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let job = move |_: &mut Memory, _| {
            begun.send(()).unwrap();
            may_end.recv().unwrap();
        };
        pool.submit(For::Nobody, Box::new(job)).unwrap();
        has_begun.recv().unwrap();
        let mut first = pin!(pool.hash("secret", &random, tiny()));
        let waker = Waker::from(Arc::new(Panicking));
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let mut second = pin!(pool.hash("secret", &random, tiny()));
        assert!(polled(second.as_mut()).is_none());
        end.send(()).unwrap();
        // It hangs if nobody makes it.
        assert!(block_on(second).is_ok());
    }

    #[test]
    fn a_thread_keeps_its_memory() {
        let pool = HashPool::with_limits(1, 10);
        let (place, places) = mpsc::channel();
        for n in 0..3 {
            let place = place.clone();
            let job = move |memory: &mut Memory, _| {
                StoredHash::of_nothing(HashParams::LIGHT).verify("secret", memory).unwrap();
                let (blocks, at) = memory.place();
                place.send((blocks, at as usize)).unwrap();
            };
            pool.submit(For::Key(id(n)), Box::new(job)).unwrap();
        }
        let first = places.recv().unwrap();
        assert_eq!(first.0, 512);
        assert_eq!((places.recv().unwrap(), places.recv().unwrap()), (first, first));
    }

    #[test]
    #[ignore = "measures: run it alone, in release"]
    fn how_long_a_hash_takes() {
        let mut memory = Memory::default();
        for (memory_kib, iterations) in
            [(64, 1), (128, 1), (256, 1), (256, 2), (512, 1), (1024, 1), (19_456, 2)]
        {
            let params = HashParams::new(memory_kib, iterations, 1).unwrap();
            let nothing = StoredHash::of_nothing(params);
            let mut times: Vec<_> = (0..200)
                .map(|_| {
                    let start = std::time::Instant::now();
                    nothing.verify("9vQxY0cUeWm3hTz7LpBnRk5sGdFa1Ji8o", &mut memory).unwrap();
                    start.elapsed()
                })
                .collect();
            times.sort();
            println!("{params}: median {:?}, 99th of 100 {:?}", times[100], times[198]);
        }
    }
}
