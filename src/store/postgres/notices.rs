//! Hearing of commits, one's own and others'.

use super::database::{Database, Messages};
use super::error::Failure;
use super::rows::Rows;
use super::secrets::Secrets;
use crate::snapshot::Seq;
use crate::store::{StoreError, StoreErrorKind};
use event_listener::{Event, listener};
use futures_util::StreamExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{AsyncMessage, Client};

/// The latest commit that was heard of, and those who wait for the next. A connection of its own listens, from when somebody
/// waits first until nobody has the store any more.
#[derive(Debug)]
pub(super) struct Notices {
    channel: String,
    latest: AtomicU64,
    /// How often listening failed, and why it did last.
    failed: Mutex<(u64, String)>,
    changed: Event,
    is_listening: AtomicBool,
    is_closed: AtomicBool,
    poll_interval: Duration,
}

impl Notices {
    pub(super) fn new(schema: &str, poll_interval: Duration) -> Self {
        Self {
            channel: format!("{schema}_commits"),
            latest: AtomicU64::new(0),
            failed: Mutex::new((0, String::new())),
            changed: Event::new(),
            is_listening: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            poll_interval,
        }
    }

    /// What the database tells of commits on.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// That there is this commit.
    pub(super) fn saw(&self, seq: Seq) {
        if self.latest.fetch_max(seq.get(), Ordering::AcqRel) < seq.get() {
            self.changed.notify(usize::MAX);
        }
    }

    /// That the store is closed.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    fn failures(&self) -> (u64, String) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, error: &StoreError) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        *failed = (failed.0 + 1, error.to_string());
        drop(failed);
        self.changed.notify(usize::MAX);
    }

    /// Waits for a commit after this one.
    pub(super) async fn wait_past(
        self: &Arc<Self>,
        after: Seq,
        database: &Arc<Database>,
        runtime: &Handle,
    ) -> Result<Seq, StoreError> {
        let (before, _) = self.failures();
        if !self.is_listening.swap(true, Ordering::SeqCst) {
            runtime.spawn(listen(Arc::downgrade(self), Arc::downgrade(database)));
        }
        loop {
            listener!(self.changed => changed);
            // Listening begins before looking, so that nothing falls in between.
            let latest = Seq::new(self.latest.load(Ordering::Acquire));
            if latest > after {
                return Ok(latest);
            }
            if self.is_closed.load(Ordering::SeqCst) {
                return Err(StoreError::new(StoreErrorKind::Failed, "the store is closed"));
            }
            let (failures, why) = self.failures();
            if failures > before {
                let message = format!("commits can't be heard of just now: {why}");
                return Err(StoreError::new(StoreErrorKind::Unavailable, message));
            }
            changed.await;
        }
    }
}

/// Listens, and connects anew when the connection fails, until the store is gone.
async fn listen(notices: Weak<Notices>, database: Weak<Database>) {
    let mut pause = Duration::from_millis(50);
    loop {
        let began = Instant::now();
        let Err(error) = listen_once(&notices, &database).await else { return };
        let Some(notices) = notices.upgrade() else { return };
        notices.fail(&error);
        if notices.is_closed.load(Ordering::SeqCst) {
            return;
        }
        drop(notices);
        if began.elapsed() > Duration::from_secs(10) {
            pause = Duration::from_millis(50);
        }
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Listens until the connection fails; comes back without an error when the store is gone.
async fn listen_once(notices: &Weak<Notices>, database: &Weak<Database>) -> Result<(), StoreError> {
    let (Some(strong), Some(its)) = (notices.upgrade(), database.upgrade()) else { return Ok(()) };
    let (client, mut messages) = its.listener().await?;
    let patience = its.patience();
    let poll_interval = strong.poll_interval;
    let begin = format!("LISTEN \"{}\"", strong.channel());
    let latest = its.sql("SELECT seq FROM {schema}.head");
    drop((strong, its));

    answered(client.batch_execute(&begin), &mut messages, notices, patience).await?;
    loop {
        // What was committed before it listened, and what nobody told of.
        let seq = answered(latest_seq(&client, &latest), &mut messages, notices, patience).await?;
        let Some(strong) = notices.upgrade() else { return Ok(()) };
        if strong.is_closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        strong.saw(seq);
        drop(strong);
        let until = Instant::now() + poll_interval;
        while let Ok(message) = timeout_at(until, messages.next()).await {
            hear(notices, message)?;
        }
    }
}

async fn latest_seq(client: &Client, statement: &str) -> Result<Seq, tokio_postgres::Error> {
    let row = client.query_one(statement, &[]).await?;
    let seq: i64 = row.try_get(0)?;
    Ok(Seq::new(u64::try_from(seq).unwrap_or(0)))
}

/// What a call gives, while what the server says meanwhile is heard: without that, no answer would come.
async fn answered<T>(
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    messages: &mut Messages,
    notices: &Weak<Notices>,
    patience: Duration,
) -> Result<T, StoreError> {
    let mut call = std::pin::pin!(call);
    let until = Instant::now() + patience;
    loop {
        let next = futures_util::future::select(&mut call, messages.next());
        match timeout_at(until, next).await {
            Err(_) => return Err(Failure::no_answer().error),
            Ok(futures_util::future::Either::Left((answer, _))) => return Ok(answer.map_err(Failure::from)?),
            Ok(futures_util::future::Either::Right((message, _))) => hear(notices, message)?,
        }
    }
}

fn hear(
    notices: &Weak<Notices>,
    message: Option<Result<AsyncMessage, tokio_postgres::Error>>,
) -> Result<(), StoreError> {
    match message {
        None => {
            Err(StoreError::new(StoreErrorKind::Unavailable, "the connection to the database was closed"))
        }
        Some(Err(error)) => Err(Failure::from(error).error),
        Some(Ok(AsyncMessage::Notification(notification))) => {
            if let (Ok(seq), Some(notices)) =
                (notification.payload().parse().map(Seq::new), notices.upgrade())
            {
                notices.saw(seq);
            }
            Ok(())
        }
        Some(Ok(_)) => Ok(()),
    }
}

/// The latest commit, asked for on a connection of the pool.
pub(super) async fn latest(database: &Database) -> Result<Seq, StoreError> {
    let rows = database.query(&database.sql("SELECT seq FROM {schema}.head"), &[]).await?;
    let secrets = Secrets::default();
    let row = rows.first().ok_or_else(|| super::rows::damaged("the table head is empty"))?;
    Rows::new(&secrets).this_seq(row, "seq")
}
