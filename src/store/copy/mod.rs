//! Moving everything from one store into another.

mod differences;
mod plan;
mod report;

pub use report::{Copied, CopyConflict, CopyDifference, CopyError, CopyItem, CopyProgress, WhyNotCopied};

use crate::access::Actor;
use crate::clock::Clock;
use crate::snapshot::{Batch, Conflict, Seq, Snapshot};
use crate::store::{AccountStore, CommitError, Feed, StoreError};
use crate::yielding::yield_now;
use plan::{Plan, Step};
use std::fmt;

/// Copies all accounts and API keys from one store into another, each as it is: with its revision, its times, its secrets, the
/// minutes that it has used and when it was last used. For moving from a file into a database, or back.
///
/// ```
/// use gateway_accounts::*;
/// # futures_lite::future::block_on(async {
/// # let from = MemoryStore::new();
/// # let admin = Actor::admin("jane@operator.example")?;
/// # Accounts::new(from.clone()).create(&admin, AccountPatch::new().name("Acme")).await?;
/// let to = MemoryStore::new();
/// let copied = StoreCopy::new(&from, &to)
///     .on_progress(|so_far| println!("{so_far}"))
///     .run(&admin, &SystemClock)
///     .await?;
/// assert_eq!((copied.accounts, copied.is_current), (1, true));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// **What is not copied** is what led there: the history, and the numbers of the commits. Whoever follows the feed of one store
/// starts over from a snapshot of the other.
///
/// **It goes on where it was.** Accounts are written many to a commit, and the keys after them. When a run was cut off, another
/// passes over what is there and the same, and writes the rest.
///
/// **It follows.** When the store that is copied from was written meanwhile, what changed is copied too, in as many
/// [rounds](Self::rounds) as are allowed. [`Copied::as_of`] says of which commit the copy is. To move a store that is in use:
/// run once while it is, stop those who write to it, and run again, which takes as long as there is something to compare.
///
/// **It overwrites nothing that it did not copy.** What is in the target and differs is brought up to date, or removed, only if
/// the store that is copied from is known to have had exactly that: as its feed tells, as far back as that is kept. Anything else
/// is reported ([`CopyError::Conflicts`]), and then nothing is written: accounts and keys that are nowhere in the store that is
/// copied from, edits made in the target, and uses that are later than those there. So the target is an empty store, or a copy
/// that was begun. Nobody else may write to it meanwhile; if somebody does, that is most often found
/// afterwards, but a key that is added to an account just before it is brought up to date goes with its former state.
///
/// An account that changed is deleted and created anew, together with its keys and with all others that changed in the same
/// round, in one commit; so the target never has half of a swap of two names. Its history in the target tells of that.
///
/// **It compares.** In the end both are read again, and everything is compared; [`CopyError::Differs`] tells what is not the
/// same. What a store has in memory and not on its disk, this does not find out; reopen it to be sure of that.
///
/// In memory are at most three snapshots: of the target, and two of the other, which share what is the same if that store is in
/// memory.
#[must_use = "it copies nothing before it is run"]
pub struct StoreCopy<'a> {
    from: &'a dyn AccountStore,
    to: &'a dyn AccountStore,
    batch: usize,
    rounds: usize,
    progress: Option<Box<dyn Fn(CopyProgress) + Send + Sync + 'a>>,
}

impl fmt::Debug for StoreCopy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, batch, rounds, progress: _ } = self;
        let mut debug = f.debug_struct("StoreCopy");
        debug.field("from", from).field("to", to).field("batch", batch).field("rounds", rounds);
        debug.finish_non_exhaustive()
    }
}

/// So many accounts or keys are compared before others go first.
const STEP: usize = 4096;

impl<'a> StoreCopy<'a> {
    /// How many accounts or keys go into a commit when nothing is said.
    pub const DEFAULT_BATCH: usize = 1000;

    /// How often is followed what was written meanwhile when nothing is said.
    pub const DEFAULT_ROUNDS: usize = 10;

    /// A copy of all that is in `from`, into `to`.
    pub fn new(from: &'a dyn AccountStore, to: &'a dyn AccountStore) -> Self {
        Self { from, to, batch: Self::DEFAULT_BATCH, rounds: Self::DEFAULT_ROUNDS, progress: None }
    }

    /// Writes so many accounts or keys with a commit; 0 is read as 1. What changed since it was copied is written in one commit
    /// all the same, however much it is.
    pub fn batch(self, batch: usize) -> Self {
        Self { batch: batch.max(1), ..self }
    }

    /// Copies, compares, and looks whether there is more, so many times at most; 0 is read as 1.
    pub fn rounds(self, rounds: usize) -> Self {
        Self { rounds: rounds.max(1), ..self }
    }

    /// The same copy, with somebody who is told how far it has come, when it begins and after each commit.
    pub fn on_progress(self, watch: impl Fn(CopyProgress) + Send + Sync + 'a) -> Self {
        Self { progress: Some(Box::new(watch)), ..self }
    }

    /// Copies, on behalf of this actor, by this clock: as which and when the commits of the target are told.
    ///
    /// When the future is dropped, or the process ends, what was committed stays, and the next run goes on from there.
    ///
    /// # Errors
    /// [`CopyError`]. What was committed before stays.
    pub async fn run(self, actor: &Actor, clock: &dyn Clock) -> Result<Copied, CopyError> {
        let mut target = self.to.snapshot().await.map_err(CopyError::To)?;
        let mut former = None;
        let (mut written, mut rounds) = (0, 0);
        loop {
            rounds += 1;
            let source = self.from.snapshot().await.map_err(CopyError::From)?;
            let mut plan = Plan::new(&source, &target).await;
            plan.prove(self.from, former.as_ref(), source.seq()).await?;
            plan.check(&target)?;
            // What is there of it needs not be held meanwhile.
            drop(target);
            written += self.write(plan, &source, actor, clock).await?;
            target = self.to.snapshot().await.map_err(CopyError::To)?;
            let differences = differences::between(&source, &target).await;
            if !differences.is_empty() {
                return Err(CopyError::Differs(Box::new(differences)));
            }
            let is_current = self.is_latest(source.seq()).await.map_err(CopyError::From)?;
            if is_current || rounds >= self.rounds {
                return Ok(Copied {
                    as_of: source.seq(),
                    is_current,
                    accounts: source.len(),
                    keys: source.key_count(),
                    written,
                    rounds,
                });
            }
            former = Some(source);
        }
    }

    /// Whether nothing was committed after this.
    async fn is_latest(&self, seq: Seq) -> Result<bool, StoreError> {
        match self.from.changes(seq, 1).await? {
            Feed::Changes(changes) => Ok(changes.is_empty()),
            Feed::Trimmed { .. } => Ok(false),
        }
    }

    /// Does what is planned; how many accounts and keys were written.
    async fn write(
        &self,
        plan: Plan,
        source: &Snapshot,
        actor: &Actor,
        clock: &dyn Clock,
    ) -> Result<usize, CopyError> {
        let mut progress = plan.progress(source);
        self.tell(progress);
        let before = progress;
        let update = plan.update(source);
        if !update.is_empty() {
            self.commit(&update, actor, clock).await?;
            plan.count_update(&mut progress);
            self.tell(progress);
        }
        for accounts in plan.missing.chunks(self.batch) {
            let steps: Vec<Step> = accounts.iter().map(Step::restore).collect();
            self.commit(&steps, actor, clock).await?;
            progress.accounts += steps.len();
            self.tell(progress);
        }
        let keys = plan.keys_after_accounts();
        for keys in keys.chunks(self.batch) {
            let steps: Vec<Step> = keys.iter().map(Step::restore_key).collect();
            self.commit(&steps, actor, clock).await?;
            progress.keys += steps.len();
            self.tell(progress);
        }
        for steps in plan.notes.chunks(self.batch) {
            self.commit(steps, actor, clock).await?;
            for step in steps {
                step.count(&mut progress);
            }
            self.tell(progress);
        }
        Ok(progress.accounts + progress.keys - before.accounts - before.keys)
    }

    async fn commit(&self, steps: &[Step], actor: &Actor, clock: &dyn Clock) -> Result<(), CopyError> {
        let writes = steps.iter().map(|step| step.write.clone());
        let batch = Batch::new(actor.clone(), clock.now()).with_all(writes);
        let Err(source) = self.to.commit(batch).await else { return Ok(()) };
        let concerned = match &source {
            CommitError::Conflict(conflict) => steps.iter().find(|step| step.is_about(conflict)),
            CommitError::Store(_) => None,
        };
        match concerned.or_else(|| steps.first()) {
            Some(step) => Err(CopyError::Write { item: Box::new(step.item()), writes: steps.len(), source }),
            // Nothing is committed without steps.
            None => Ok(()),
        }
    }

    fn tell(&self, progress: CopyProgress) {
        if let Some(watch) = &self.progress {
            watch(progress);
        }
    }
}

impl Step {
    /// Whether it is what was refused for this.
    fn is_about(&self, conflict: &Conflict) -> bool {
        match (conflict, self.item()) {
            (
                Conflict::Taken { sid: about, .. }
                | Conflict::Revision { sid: about, .. }
                | Conflict::Missing { sid: about },
                CopyItem::Account { sid, .. },
            ) => *about == sid,
            (
                Conflict::KeyTaken { id: about }
                | Conflict::KeyRevision { id: about, .. }
                | Conflict::KeyMissing { id: about },
                CopyItem::Key { id, .. },
            ) => *about == id,
            _ => false,
        }
    }
}

/// Lets others go first after so many.
async fn pause(nth: usize) {
    if nth % STEP == STEP - 1 {
        yield_now().await;
    }
}
