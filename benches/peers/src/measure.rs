//! Callers, and what they measured.

use crate::accounts::{account, accounts};
use crate::engines::{Engine, Kind, Taken, append};
use gateway_accounts::{Account, AccountRecord};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long each repeat is to take.
pub const REPEAT: Duration = Duration::from_millis(1200);

/// Creates, and how long each took.
pub struct Run {
    elapsed: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Run {
    pub fn new(elapsed: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { elapsed, latencies }
    }

    pub fn count(&self) -> usize {
        self.latencies.len()
    }

    pub fn per_second(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in microseconds that so many of a hundred creates do not exceed.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.count() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// So many callers, tasks of the runtime this runs in, create accounts as fast as they are answered: each the next
/// that `next` gives, until there is none.
pub async fn call(
    engine: &Arc<dyn Engine>,
    callers: usize,
    next: impl Fn() -> Option<Arc<Account>> + Clone + Send + 'static,
) -> Run {
    let start = Instant::now();
    let tasks = (0..callers).map(|_| {
        let (engine, next) = (Arc::clone(engine), next.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while let Some(account) = next() {
                let start = Instant::now();
                engine.create(&account).await.expect("all accounts differ");
                latencies.push(start.elapsed());
            }
            latencies
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("callers do not panic"));
    }
    Run::new(start.elapsed(), latencies)
}

/// Callers create all of these.
pub async fn create_all(engine: &Arc<dyn Engine>, callers: usize, accounts: Arc<[Arc<Account>]>) -> Run {
    let given = Arc::new(AtomicUsize::new(0));
    let all = accounts.len();
    let run =
        call(engine, callers, move || accounts.get(given.fetch_add(1, Ordering::Relaxed)).map(Arc::clone));
    let run = run.await;
    assert_eq!(run.count(), all);
    run
}

/// Callers create accounts from number `first` on until `stop` is set.
pub async fn create_until(
    engine: &Arc<dyn Engine>,
    callers: usize,
    first: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Run {
    let next = move || {
        let goes_on = !stop.load(Ordering::Relaxed);
        goes_on.then(|| account(first.fetch_add(1, Ordering::Relaxed)))
    };
    call(engine, callers, next).await
}

/// Callers create these in an empty folder; afterwards all must be there, also when it is opened anew.
pub async fn create_in(folder: &Path, kind: Kind, callers: usize, accounts: Arc<[Arc<Account>]>) -> Run {
    let folder = tempfile::tempdir_in(folder).expect("the folder can be written to");
    if kind == Kind::Append {
        return append::run(folder.path(), callers, &accounts);
    }
    let engine: Arc<dyn Engine> = kind.open(folder.path(), callers).await.into();
    let run = create_all(&engine, callers, Arc::clone(&accounts)).await;
    engine.close().await;
    drop(engine);
    let engine = kind.open(folder.path(), callers).await;
    assert_eq!(engine.count().await, accounts.len() as u64, "{}", kind.name());
    let realms: Vec<_> = accounts.iter().filter_map(|account| account.sip_realm().cloned()).collect();
    assert_eq!(engine.look_up(&realms).await, accounts.len(), "{}", kind.name());
    engine.close().await;
    run
}

/// How many creates take about as long as `time`.
pub async fn size(folder: &Path, kind: Kind, callers: usize, time: Duration) -> usize {
    let few: Arc<[_]> = accounts(0, (callers * 20).max(100) as u64).into();
    let run = create_in(folder, kind, callers, few).await;
    ((run.per_second() * time.as_secs_f64()) as usize).clamp(callers, 200_000)
}

/// That an engine refuses a SID, a name (in another case too) and a realm that are taken, whether it has been
/// committed or is being committed, and that what was refused is not there.
pub async fn verify(folder: &Path, kind: Kind) {
    for callers in [1, 64] {
        let folder = tempfile::tempdir_in(folder).expect("the folder can be written to");
        let engine: Arc<dyn Engine> = kind.open(folder.path(), callers).await.into();
        let (first, second) = (account(1), account(2));
        let with = |change: &dyn Fn(&mut AccountRecord)| {
            let mut record = AccountRecord::from(&*second);
            change(&mut record);
            Arc::new(Account::try_from(record).expect("the fields fit together"))
        };
        let clashes = [
            with(&|record| record.sid = first.sid()),
            with(&|record| record.name = first.name().as_str().to_uppercase().parse().expect("it is a name")),
            with(&|record| record.sip_realm = first.sip_realm().cloned()),
        ];
        engine.create(&first).await.expect("it is the first");
        for clash in &clashes {
            assert_eq!(engine.create(clash).await, Err(Taken), "{}", kind.name());
        }
        // All at once, and so in one batch perhaps.
        let tasks: Vec<_> = std::iter::repeat_n(&second, 8)
            .map(|account| {
                let (engine, account) = (Arc::clone(&engine), Arc::clone(account));
                tokio::spawn(async move { engine.create(&account).await })
            })
            .collect();
        let mut created = 0;
        for task in tasks {
            created += usize::from(task.await.expect("callers do not panic").is_ok());
        }
        assert_eq!(created, 1, "{}", kind.name());
        engine.close().await;
        drop(engine);
        let engine = kind.open(folder.path(), callers).await;
        assert_eq!(engine.count().await, 2, "{}", kind.name());
        engine.close().await;
    }
}
