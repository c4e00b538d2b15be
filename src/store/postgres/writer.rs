//! Commits that wait together are made together, in one call of the database.

use super::database::Database;
use super::error::{Failure, Fate};
use super::notices::Notices;
use super::secrets::Secrets;
use super::writes::{Group, Outcome, Written};
use crate::snapshot::Seq;
use crate::store::{CommitError, StoreError, StoreErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

/// A batch on its way, and who waits for what becomes of it.
pub(super) type Waiting = (Written, oneshot::Sender<Outcome>);

/// So many commits are made together at most: each is a transaction within the transaction, of which PostgreSQL has 64 at hand.
const GROUP: usize = 48;

/// With so many writes a group is full.
const GROUP_WRITES: usize = 2000;

/// For each so many writes a call may take as long as another statement may.
const WRITES_IN_TIME: usize = 5000;

/// So many calls are under way at a time: while one waits for the disk, the next is sent, and waits for its turn there.
const WRITERS: usize = 2;

/// So many wait before others wait for a place.
const QUEUE: usize = 1024;

/// Every so many commits, what is kept of the oldest is looked at.
const TRIM_EVERY: u64 = 1000;

#[derive(Debug)]
struct Writer {
    database: Arc<Database>,
    notices: Arc<Notices>,
    secrets: Secrets,
    statement: String,
    commit_timeout: Duration,
    history: u64,
}

/// Starts the tasks that commit; they end when nothing is sent any more.
pub(super) fn start(
    database: &Arc<Database>,
    notices: &Arc<Notices>,
    secrets: &Secrets,
    commit_timeout: Duration,
    history: u64,
) -> mpsc::Sender<Waiting> {
    let (send, receive) = mpsc::channel(QUEUE);
    let receive = Arc::new(Mutex::new(receive));
    let writer = Arc::new(Writer {
        statement: Group::statement(database.schema()),
        database: Arc::clone(database),
        notices: Arc::clone(notices),
        secrets: secrets.clone(),
        commit_timeout,
        history,
    });
    for _ in 0..WRITERS {
        let (writer, receive) = (Arc::clone(&writer), Arc::clone(&receive));
        tokio::spawn(async move {
            while let Some((written, waiting)) = next(&receive).await {
                writer.commit(written, waiting).await;
            }
        });
    }
    send
}

/// What waits, as far as it fits into one group; `None` when nothing will come any more.
async fn next(
    receive: &Mutex<mpsc::Receiver<Waiting>>,
) -> Option<(Vec<Written>, Vec<oneshot::Sender<Outcome>>)> {
    let mut receive = receive.lock().await;
    let (first, waiting) = receive.recv().await?;
    let mut writes = first.len();
    let mut group = (vec![first], vec![waiting]);
    while group.0.len() < GROUP && writes < GROUP_WRITES {
        let Ok((written, waiting)) = receive.try_recv() else { break };
        writes += written.len();
        group.0.push(written);
        group.1.push(waiting);
    }
    Some(group)
}

impl Writer {
    async fn commit(self: &Arc<Self>, written: Vec<Written>, waiting: Vec<oneshot::Sender<Outcome>>) {
        let channel = self.notices.channel().to_owned();
        let group = Group::new(channel, self.secrets.are_sealed(), written);
        let outcomes = self.outcomes(group).await;
        let latest = outcomes.iter().flatten().map(|change| change.seq).max();
        if let Some(latest) = latest {
            self.notices.saw(latest);
            self.trim(latest, outcomes.len());
        }
        // Who does not wait any more does not want to know.
        waiting.into_iter().zip(outcomes).for_each(|(waiting, outcome)| drop(waiting.send(outcome)));
    }

    async fn outcomes(&self, group: Group) -> Vec<Outcome> {
        let deadline = Instant::now() + self.commit_timeout;
        match self.try_until(deadline, &group, false).await {
            Ok(outcomes) => outcomes,
            Err(given_up) if given_up.fate == Fate::Never && group.len() > 1 => {
                // It is the fault of one of them.
                let mut outcomes = Vec::with_capacity(group.len());
                for single in group.into_single() {
                    match self.try_until(deadline, &single, given_up.may_be_written).await {
                        Ok(done) => outcomes.extend(done),
                        Err(given_up) => outcomes.push(Err(CommitError::Store(given_up.into_error()))),
                    }
                }
                outcomes
            }
            Err(given_up) => (0..group.len()).map(|_| Err(CommitError::Store(given_up.error()))).collect(),
        }
    }

    /// Commits, again and again while that may help: a group that was committed already is told what it was told, or would have been.
    async fn try_until(
        &self,
        deadline: Instant,
        group: &Group,
        mut may_be_written: bool,
    ) -> Result<Vec<Outcome>, GivenUp> {
        let mut pause = Duration::from_millis(5);
        loop {
            let Failure { error, fate } = match self.call(group).await {
                Ok(rows) => return Ok(group.outcomes(&rows, &self.secrets)),
                Err(failure) => failure,
            };
            may_be_written |= fate == Fate::Unknown;
            let now = Instant::now();
            if fate == Fate::Never || now >= deadline {
                return Err(GivenUp { error, fate, may_be_written });
            }
            tokio::time::sleep(jittered(pause).min(deadline - now)).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn call(&self, group: &Group) -> Result<Vec<tokio_postgres::Row>, Failure> {
        let times = group.writes() / WRITES_IN_TIME;
        if times == 0 {
            return self.database.query(&self.statement, &group.parameters()).await;
        }
        let times = u32::try_from(times).unwrap_or(u32::MAX).saturating_add(1);
        self.database.query_for(times, &self.statement, &group.parameters()).await
    }

    /// Forgets the oldest commits, now and then, without anybody waiting for it.
    fn trim(self: &Arc<Self>, latest: Seq, commits: usize) {
        let before = latest.get().saturating_sub(commits as u64);
        if before / TRIM_EVERY == latest.get() / TRIM_EVERY || latest.get() <= self.history {
            return;
        }
        let Ok(keep) = i64::try_from(self.history) else { return };
        let writer = Arc::clone(self);
        tokio::spawn(async move {
            let trim = writer.database.sql("SELECT {schema}.trim_history($1)");
            // If it fails, more is kept; the next tries again.
            let _ = writer.database.query(&trim, &[&keep]).await;
        });
    }
}

/// A group that could not be committed.
struct GivenUp {
    error: StoreError,
    fate: Fate,
    may_be_written: bool,
}

impl GivenUp {
    fn kind(&self) -> StoreErrorKind {
        if self.may_be_written { StoreErrorKind::Unknown } else { self.error.kind() }
    }

    fn message(&self) -> String {
        let error = &self.error;
        if self.may_be_written {
            format!("whether the commit was written could not be found out; at last, {error}")
        } else {
            error.to_string()
        }
    }

    fn error(&self) -> StoreError {
        StoreError::new(self.kind(), self.message())
    }

    fn into_error(self) -> StoreError {
        self.error().with_source(self.error)
    }
}

/// Between half of it and all of it, so that those who failed together don't come again together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
