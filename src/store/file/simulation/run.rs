//! A program that uses an account file on a simulated disk, and checks all that it sees.

use super::backups::Backups;
use super::check::{Checked, all, glance, same};
use super::dice::Dice;
use super::disk::{Fault, SimDisk};
use super::model::Course;
use super::sample::{SAMPLES, Writer};
use crate::snapshot::{Change, Conflict, Snapshot};
use crate::store::file::compaction::Compaction;
use crate::store::file::disk::Disk;
use crate::store::file::format::DIVIDE;
use crate::store::file::log::{Log, LogOptions};
use crate::store::file::secrets::Secrets;
use crate::store::file::staging::{Group, Prepared, Staging};
use crate::store::file::verify::verify;
use crate::store::{CommitError, StoreError, StoreErrorKind};
use std::path::Path;
use std::sync::Arc;

/// Where the account file is.
pub(super) const PATH: &str = "data/accounts.log";
/// Where somebody may put it while it is open.
const TAKEN: &str = "data/taken.log";
const UNLOCKED: &str = "data/unlocked";
const LOCK: &str = "data/accounts.log.lock";

/// How many writes a large batch has: divided into two lines, and into so many that not all are in memory at once.
const LARGE: [usize; 3] = [DIVIDE + 1, 2 * DIVIDE, 5 * DIVIDE];

/// What was met, so that a test can tell whether it met anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) power_cuts: u64,
    pub(super) kills: u64,
    pub(super) failed_groups: u64,
    pub(super) commits: u64,
    pub(super) conflicts: u64,
    pub(super) compactions: u64,
    pub(super) failed_compactions: u64,
    pub(super) failed_opens: u64,
    pub(super) torn_tails: u64,
    /// Openings that found commits which were not acknowledged.
    pub(super) unacknowledged: u64,
    /// Openings that found fewer commits than were submitted.
    pub(super) lost: u64,
    pub(super) upgrades: u64,
    pub(super) backups: u64,
    pub(super) failed_backups: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.failed_groups += other.failed_groups;
        self.commits += other.commits;
        self.conflicts += other.conflicts;
        self.compactions += other.compactions;
        self.failed_compactions += other.failed_compactions;
        self.failed_opens += other.failed_opens;
        self.torn_tails += other.torn_tails;
        self.unacknowledged += other.unacknowledged;
        self.lost += other.lost;
        self.upgrades += other.upgrades;
        self.backups += other.backups;
        self.failed_backups += other.failed_backups;
    }
}

/// Whether an open file takes commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Good,
    /// Something other than a commit failed, and the next commit tells.
    Doubtful,
    /// It takes none until it is opened anew.
    Failed,
}

/// Commits that were staged, and what is to come of them.
struct Submitted {
    group: (Group, Snapshot),
    expected: Vec<Result<Arc<Change>, Conflict>>,
    /// The commits before them, and with them.
    before: u64,
    after: u64,
}

pub(super) struct Run {
    pub(super) disk: SimDisk,
    /// The same disk, or one that does not tell the truth.
    given: Arc<dyn Disk>,
    pub(super) dice: Dice,
    writer: Writer,
    options: LogOptions,
    /// Whether secrets are to be sealed, sooner or later.
    #[cfg(feature = "sealing")]
    seals: bool,
    log: Option<Log>,
    /// What goes to it.
    staging: Option<Staging>,
    health: Health,
    compaction: Option<Compaction>,
    backups: Backups,
    /// All commits that were submitted and may be there, in order.
    course: Course,
    /// So many of them were acknowledged.
    acknowledged: u64,
    /// Whether the end of the file may be torn though all that was submitted was acknowledged: it is new, or of
    /// another time.
    may_be_torn: bool,
    pub(super) tally: Tally,
}

impl Run {
    pub(super) fn new(seed: u64, disk: SimDisk, given: Arc<dyn Disk>) -> Self {
        let mut dice = Dice::new(seed);
        let options = LogOptions {
            history: [0, 1, 3, 10, 1000][dice.index(5)],
            worth_compacting: [1, 4096][dice.index(2)],
            secrets: Secrets::default(),
        };
        Self {
            disk,
            given,
            writer: Writer::new(dice.split()),
            #[cfg(feature = "sealing")]
            seals: dice.chance(1, 10),
            dice,
            options,
            log: None,
            staging: None,
            health: Health::Good,
            compaction: None,
            backups: Backups::default(),
            course: Course::new(),
            acknowledged: 0,
            may_be_torn: true,
            tally: Tally::default(),
        }
    }

    /// Takes a course that a file, which is on the disk already, is to have.
    pub(super) fn begin_with(&mut self, course: Course) {
        self.acknowledged = course.seq();
        self.course = course;
    }

    pub(super) fn is_open(&self) -> bool {
        self.log.is_some() && self.disk.stopped().is_none()
    }

    pub(super) fn is_compacting(&self) -> bool {
        self.compaction.is_some()
    }

    pub(super) fn is_backing_up(&self) -> bool {
        self.backups.is_under_way()
    }

    pub(super) fn takes_commits(&self) -> bool {
        self.health != Health::Failed
    }

    /// Opens the file, starting the machine again if it has stopped, as often as it takes. `fault` may plan something
    /// for the opening.
    pub(super) fn open(&mut self, mut fault: impl FnMut(&mut Dice, &SimDisk)) -> Checked {
        self.leave();
        #[cfg(feature = "sealing")]
        if self.seals && self.dice.chance(1, 3) {
            self.options.secrets = sealed(self.options.secrets.sealed());
        }
        for attempt in 0..8 {
            self.restart_if_stopped();
            if attempt < 4 {
                fault(&mut self.dice, &self.disk);
            } else {
                self.disk.plan_nothing();
                self.disk.set_room(None);
            }
            if attempt == 4 {
                // A file system that lets nobody write does after it was started again.
                self.restart_process();
            }
            let troubles = self.disk.troubles();
            self.disk.note(|| "open".to_owned());
            match Log::open(Arc::clone(&self.given), Path::new(PATH), self.options.clone()) {
                Ok((log, opened)) => {
                    let (disk, live) = (&self.disk, Arc::clone(log.live()));
                    disk.note(|| format!("opened at commit {}", live.snapshot().seq()));
                    let left_over = |name: &String| name.starts_with(PATH) && *name != PATH && *name != LOCK;
                    if disk.troubles() == troubles
                        && let Some(name) = disk.list().iter().find(|name| left_over(name))
                    {
                        return Err(format!("{name} was left over"));
                    }
                    let found = live.snapshot();
                    same("the commit that opening tells of", &opened.seq, &found.seq())?;
                    same("how many accounts opening tells of", &opened.accounts, &found.len())?;
                    if let Some(torn) = opened.torn_tail {
                        self.tally.torn_tails += 1;
                        if self.acknowledged == self.course.seq() && !self.may_be_torn {
                            return Err(format!("{torn:?} was cut off, and nothing can have been torn"));
                        }
                    }
                    self.may_be_torn = false;
                    if self.options.secrets.sealed() {
                        check_sealed(&self.disk)?;
                    }
                    self.tally.upgrades += u64::from(opened.upgraded_from.is_some());
                    return self.found(log);
                }
                Err(error) => {
                    self.tally.failed_opens += 1;
                    self.check_error(&error, troubles).map_err(|why| format!("opening: {why}"))?;
                }
            }
        }
        Err("the file does not open, though nothing is in the way".to_owned())
    }

    /// Compares what was found with what may be there, and goes on from it.
    fn found(&mut self, log: Log) -> Checked {
        let found = log.live().snapshot().seq().get();
        let (acknowledged, submitted) = (self.acknowledged, self.course.seq());
        if !(acknowledged..=submitted).contains(&found) {
            return Err(format!(
                "found commit {found}; {acknowledged} were acknowledged, and {submitted} submitted"
            ));
        }
        self.tally.unacknowledged += u64::from(found > acknowledged);
        self.tally.lost += u64::from(found < submitted);
        self.course.cut(found);
        // Whoever reads it now must find it again, whatever happens.
        self.acknowledged = found;
        all(log.live(), &self.course, found, self.options.history as u64)?;
        self.staging = Some(log.staging());
        self.log = Some(log);
        self.health = Health::Good;
        self.backups.check(&self.disk, &self.course, &self.options)
    }

    /// One step of a backup: the first, another, or the last.
    pub(super) fn back_up(&mut self) -> Checked {
        let Some(log) = &self.log else { return Ok(()) };
        let troubles = self.disk.troubles();
        self.disk.note(|| "back up".to_owned());
        match self.backups.step(&self.disk, &self.given, log) {
            Ok(done) => self.tally.backups += u64::from(done),
            Err(error) => {
                self.tally.failed_backups += 1;
                let in_the_way = Backups::is_in_the_way(&self.disk) && error.kind() == StoreErrorKind::Exists;
                if !in_the_way {
                    self.check_refusal(&error, troubles).map_err(|why| format!("backing up: {why}"))?;
                }
            }
        }
        self.look()
    }

    /// Commits so many, in one group, or in two that are both staged before the first is written.
    pub(super) fn group(&mut self, commits: usize) -> Checked {
        let first = if self.dice.chance(1, 4) { self.dice.index(commits) } else { 0 };
        let ahead = if first > 0 { Some(self.stage(first)?) } else { None };
        let last = self.stage(commits - first)?;
        for submitted in ahead.into_iter().chain([last]) {
            self.write(submitted)?;
        }
        Ok(())
    }

    /// Stages so many commits.
    fn stage(&mut self, commits: usize) -> Result<Submitted, String> {
        let before = self.course.seq();
        let mut expected = Vec::new();
        for _ in 0..commits {
            // Some of the callers have not seen what the others are about to do.
            let seen = if self.dice.chance(1, 8) { self.acknowledged } else { self.course.seq() };
            let batch = if self.dice.chance(1, 40) {
                let writes = LARGE[self.dice.index(3)];
                self.writer.large_batch(self.course.latest(), writes)
            } else {
                self.writer.batch(self.course.at(seen))
            };
            expected.push(self.course.commit(&batch));
            let prepared = Prepared::new(batch, &self.options.secrets);
            let prepared = prepared.map_err(|error| format!("a batch could not be prepared: {error}"))?;
            self.staging.as_mut().ok_or("nothing is open")?.stage(prepared);
        }
        let group = self.staging.as_mut().ok_or("nothing is open")?.take();
        Ok(Submitted { group, expected, before, after: self.course.seq() })
    }

    /// Writes what was staged.
    fn write(&mut self, submitted: Submitted) -> Checked {
        let Some(log) = &mut self.log else { return Ok(()) };
        let Submitted { group, expected, before, after } = submitted;
        let troubles = self.disk.troubles();
        self.disk.note(|| format!("commit {}: {}", expected.len(), outline(&expected)));
        let results: Vec<_> = log.commit(group).answers.into_iter().map(|(result, _)| result).collect();
        if results.len() != expected.len() {
            return Err(format!("{} answers to {} commits", results.len(), expected.len()));
        }
        let errors: Vec<&StoreError> = results.iter().filter_map(store_error).collect();
        if errors.is_empty() {
            if self.health == Health::Failed {
                return Err("commits were accepted after a failure".to_owned());
            }
            if results.iter().any(Result::is_ok) {
                self.health = Health::Good;
            }
            self.answered(&results, &expected)?;
            self.acknowledged = after;
        } else {
            if errors.len() != results.len() {
                return Err(format!("some commits of a group failed, and others did not: {results:?}"));
            }
            let expecting = self.health != Health::Good;
            self.failed(&errors, &expected, before, expecting, troubles)?;
        }
        self.look()
    }

    fn answered(
        &mut self,
        results: &[Result<Arc<Change>, CommitError>],
        expected: &[Result<Arc<Change>, Conflict>],
    ) -> Checked {
        for (result, expected) in results.iter().zip(expected) {
            match (result, expected) {
                (Ok(change), Ok(expected)) => {
                    self.tally.commits += 1;
                    same("a change", change, expected)?;
                }
                (Err(CommitError::Conflict(conflict)), Err(expected)) => {
                    self.tally.conflicts += 1;
                    same("a conflict", conflict, expected)?;
                }
                (result, expected) => return Err(format!("{result:?} instead of {expected:?}")),
            }
        }
        Ok(())
    }

    /// Checks the errors of a group that failed.
    fn failed(
        &mut self,
        errors: &[&StoreError],
        expected: &[Result<Arc<Change>, Conflict>],
        before: u64,
        expecting: bool,
        troubles: u64,
    ) -> Checked {
        self.tally.failed_groups += 1;
        let mut submitted = errors.iter().zip(expected).filter(|(_, expected)| expected.is_ok());
        let unknown = submitted.clone().any(|(error, _)| error.kind() == StoreErrorKind::Io);
        if submitted.any(|(error, _)| (error.kind() == StoreErrorKind::Io) != unknown) {
            return Err(format!("of the same write, some know the fate and others do not: {errors:?}"));
        }
        for error in errors {
            match error.kind() {
                StoreErrorKind::Failed if expecting => {}
                StoreErrorKind::Failed | StoreErrorKind::Io if self.disk.troubles() > troubles => {}
                kind => return Err(format!("the error {kind:?} for no reason: {error}")),
            }
        }
        if !unknown {
            // Nothing of it was written.
            self.course.cut(before);
        }
        self.health = Health::Failed;
        Ok(())
    }

    /// That readers see what was acknowledged and nothing else, whatever has failed.
    fn look(&self) -> Checked {
        self.log.as_ref().map_or(Ok(()), |log| glance(log.live(), &self.course, self.acknowledged))
    }

    /// One step of rewriting the file: the first, another, or the last.
    pub(super) fn compact(&mut self, finish: bool) -> Checked {
        let Some(log) = &mut self.log else { return Ok(()) };
        let troubles = self.disk.troubles();
        let failed = match self.compaction.take() {
            None => {
                self.disk.note(|| "begin to compact".to_owned());
                match log.begin_compaction() {
                    Ok(compaction) => {
                        self.compaction = Some(compaction);
                        None
                    }
                    Err(error) => Some(error),
                }
            }
            Some(mut compaction) if !finish => {
                self.disk.note(|| "compact".to_owned());
                match compaction.step() {
                    Ok(_) => {
                        self.compaction = Some(compaction);
                        None
                    }
                    Err(error) => {
                        compaction.give_up();
                        Some(log.compaction_failed(error))
                    }
                }
            }
            Some(compaction) => {
                self.disk.note(|| "finish to compact".to_owned());
                match log.finish_compaction(compaction) {
                    Ok(_) => {
                        self.tally.compactions += 1;
                        None
                    }
                    Err(error) => {
                        if self.health == Health::Good {
                            self.health = Health::Doubtful;
                        }
                        Some(error)
                    }
                }
            }
        };
        if let Some(error) = failed {
            self.tally.failed_compactions += 1;
            self.check_refusal(&error, troubles).map_err(|why| format!("compacting: {why}"))?;
        }
        self.look()
    }

    pub(super) fn wants_compaction(&self) -> bool {
        self.log.as_ref().is_some_and(Log::wants_compaction)
    }

    /// Another process finds the file in use, and the same in it as everybody.
    pub(super) fn intrude(&mut self) -> Checked {
        let Some(log) = &self.log else { return Ok(()) };
        let troubles = self.disk.troubles();
        self.disk.note(|| "another process looks".to_owned());
        if self.health == Health::Good && self.dice.chance(1, 4) {
            // Somebody has taken the file of the lock for left over.
            self.disk.put_away(LOCK, UNLOCKED);
        }
        let other = Log::open(Arc::clone(&self.given), Path::new(PATH), self.options.clone());
        match other {
            Ok(_) => return Err("it was opened while it was open".to_owned()),
            Err(error) if error.kind() == StoreErrorKind::InUse => {}
            Err(error) => self.check_error(&error, troubles)?,
        }
        match verify(&*self.given, Path::new(PATH), &self.options.secrets) {
            // What has failed may be there or not, until the file is opened anew.
            Ok(_) if self.health != Health::Good => Ok(()),
            Ok(verified) => {
                same("the commit that is verified", &verified.seq.get(), &self.acknowledged)?;
                same("how many accounts are verified", &verified.accounts, &log.live().snapshot().len())?;
                same("what would be cut off", &verified.torn_tail, &None)
            }
            Err(error) if self.health != Health::Good && error.kind() == StoreErrorKind::Damaged => Ok(()),
            Err(error) => self.check_error(&error, troubles).map_err(|why| format!("verifying: {why}")),
        }
    }

    /// An operator takes the file away while it is open, and may put another there. Nothing is acknowledged any more,
    /// and what is there is left alone. Then everything is closed, and the file put back.
    pub(super) fn disturb(&mut self) -> Checked {
        self.restart_if_stopped();
        if self.log.is_none() {
            return Ok(());
        }
        if self.dice.chance(1, 2) {
            self.compact(false)?;
            self.compact(false)?;
        }
        self.disk.note(|| "the file is taken away".to_owned());
        self.disk.put_away(PATH, TAKEN);
        if self.dice.chance(1, 2) {
            // Longer than the one that was there, so that whoever reads it does not miss anything.
            self.disk.put(PATH, &b"another file\n".repeat(4096));
        }
        let (there, acknowledged) = (self.disk.content(PATH), self.acknowledged);
        self.health = self.health.max(Health::Doubtful);
        for _ in 0..6 {
            let finish = self.dice.chance(1, 2);
            self.compact(finish)?;
            self.back_up()?;
            // Which notices, and then everything does.
            self.group(2)?;
        }
        same("what was acknowledged", &self.acknowledged, &acknowledged)?;
        same("the file that was put there", &self.disk.content(PATH), &there)?;
        self.restart_if_stopped();
        self.close();
        self.disk.put_away(TAKEN, PATH);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.disk.note(|| "close".to_owned());
        if let Some(compaction) = self.compaction.take() {
            compaction.give_up();
        }
        if let Some(log) = self.log.take() {
            log.close();
        }
    }

    /// Stops the machine between two operations, or after the fault that stopped it, and starts it again.
    pub(super) fn cut_power(&mut self) {
        self.tally.power_cuts += 1;
        self.disk.restart_after_power_cut();
        self.leave();
    }

    pub(super) fn restart_process(&mut self) {
        self.tally.kills += 1;
        self.disk.restart_process();
        self.leave();
    }

    pub(super) fn restart_if_stopped(&mut self) {
        match self.disk.stopped() {
            None => {}
            Some(Fault::PowerCut) => self.cut_power(),
            Some(_) => self.restart_process(),
        }
    }

    /// What the process that has gone had open means nothing now.
    fn leave(&mut self) {
        self.compaction = None;
        self.backups.leave();
        self.log = None;
    }

    /// As [`Run::check_error`]; and where the file can't be trusted, it may be just that.
    fn check_refusal(&self, error: &StoreError, troubles: u64) -> Checked {
        let in_trouble = self.health != Health::Good || self.disk.troubles() > troubles;
        match error.kind() {
            StoreErrorKind::Failed | StoreErrorKind::Io if in_trouble => Ok(()),
            _ => self.check_error(error, troubles),
        }
    }

    /// An error needs a reason, and says that it was the disk.
    fn check_error(&self, error: &StoreError, troubles: u64) -> Checked {
        if self.disk.troubles() == troubles {
            return Err(format!("an error for no reason: {error} ({:?})", error.kind()));
        }
        if error.kind() != StoreErrorKind::Io {
            return Err(format!("{error} ({:?}) is not what happened", error.kind()));
        }
        Ok(())
    }
}

/// With one key, and when that is in use, with another.
#[cfg(feature = "sealing")]
fn sealed(already: bool) -> Secrets {
    use crate::sealing::{Keyring, SealingKey};
    let key = |id: &str, byte| SealingKey::new(id, [byte; 32]).expect("32 bytes are a key");
    Secrets::sealed_with(if already {
        Keyring::new(key("new", 2)).with_former(key("old", 1)).expect("the keys have different names")
    } else {
        Keyring::new(key("old", 1))
    })
}

/// That no secret is in the file in clear.
fn check_sealed(disk: &SimDisk) -> Checked {
    let content = disk.content(PATH).unwrap_or_default();
    let secret = SAMPLES.secrets[0].reveal().as_bytes();
    let found = content.windows(secret.len()).any(|text| text == secret);
    if found { Err("a secret is in clear in a file that is sealed".to_owned()) } else { Ok(()) }
}

fn store_error(result: &Result<Arc<Change>, CommitError>) -> Option<&StoreError> {
    match result {
        Err(CommitError::Store(error)) => Some(error),
        _ => None,
    }
}

fn outline(expected: &[Result<Arc<Change>, Conflict>]) -> String {
    let outline = |expected: &Result<Arc<Change>, Conflict>| match expected {
        Ok(change) => format!("{} of {} events", change.seq, change.events.len()),
        Err(_) => "a conflict".to_owned(),
    };
    expected.iter().map(outline).collect::<Vec<_>>().join(", ")
}
