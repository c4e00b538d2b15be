//! A disk in memory that loses power, tears writes, is full, and fails, when it is told to.
//!
//! What it holds of a file is in `platter.rs`, of names in `names.rs`. All chance comes from one seed, so that the
//! same calls meet the same fate again.

use super::dice::Dice;
use super::names::{Lost, Names, Node, folder_of};
use super::platter::{Platter, SECTOR};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is done to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Open,
    Create,
    Rename,
    Link,
    Remove,
    SyncFolder,
    Length,
    Read,
    Write,
    SetLength,
    Sync,
    IsNamed,
    Lock,
}

impl Operation {
    /// Whether a power cut at it may leave something else than one before it.
    pub(super) fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Length | Self::Read | Self::IsNamed | Self::Lock)
    }
}

/// What happens at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The power goes, while the operation is under way: it may be done, by half, or not.
    PowerCut,
    /// The process goes: of a write the first bytes may be done; what was written before stays.
    Kill,
    /// The operation fails, done by half or not at all.
    Error,
}

/// More than any simulation needs: who asks for more does not come to an end.
const MOST_OPERATIONS: usize = 1_000_000;

/// A disk. Its clones are the same disk.
#[derive(Clone)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    names: Names,
    files: BTreeMap<Node, Stored>,
    next_node: Node,
    next_handle: u64,
    /// How many times it was started. What was opened before the last time is of no use.
    starts: u32,
    /// It has stopped, and for what reason.
    stopped: Option<Fault>,
    planned: Option<(u64, Fault)>,
    lost: Lost,
    /// How many sectors more it has room for.
    room: Option<usize>,
    /// One operation out of so many is interrupted or done by half.
    hiccups: Option<u64>,
    /// The file system has met an error in its own structures, and lets nobody write until it is started anew.
    read_only: bool,
    operations: Vec<Operation>,
    /// How many operations have failed as nothing but a simulated fault makes them fail.
    troubles: u64,
    trace: Option<Vec<String>>,
}

#[derive(Default)]
struct Stored {
    platter: Platter,
    locked_by: Option<u64>,
}

/// How an operation is to go.
#[derive(PartialEq, Eq)]
enum Course {
    Well,
    /// It is done by half, and then the fault is there.
    Ill(Fault),
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let lost = if dice.chance(3, 4) { Lost::Latest } else { Lost::Any };
        Self(Arc::new(Mutex::new(State {
            dice,
            names: Names::default(),
            files: BTreeMap::new(),
            next_node: 0,
            next_handle: 0,
            starts: 0,
            stopped: None,
            planned: None,
            lost,
            room: None,
            hiccups: None,
            read_only: false,
            operations: Vec::new(),
            troubles: 0,
            trace: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How names get lost in a power cut; otherwise the seed decides it.
    pub(super) fn set_lost(&self, lost: Lost) {
        self.state().lost = lost;
    }

    /// Plans a fault for the operation after so many others. There is one plan at a time.
    pub(super) fn plan(&self, after: u64, fault: Fault) {
        self.state().planned = Some((after, fault));
    }

    pub(super) fn plan_nothing(&self) {
        self.state().planned = None;
    }

    /// Lets the disk take so many bytes more, in whole sectors; or any number.
    pub(super) fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes.map(|bytes| bytes / SECTOR);
    }

    /// Has one out of so many reads and writes interrupted or cut short, which is no error.
    pub(super) fn set_hiccups(&self, one_out_of: Option<u64>) {
        self.state().hiccups = one_out_of;
    }

    /// Has it remember what is done to it, for [`SimDisk::trace`].
    pub(super) fn record(&self) {
        self.state().trace = Some(Vec::new());
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }

    /// Adds a line of the caller's own to the trace.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.state().trace {
            trace.push(line());
        }
    }

    /// What was done to it since it was made.
    pub(super) fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// How many operations have failed so far for no fault of who asked for them.
    pub(super) fn troubles(&self) -> u64 {
        self.state().troubles
    }

    /// Whether it has stopped, by a fault that was planned.
    pub(super) fn stopped(&self) -> Option<Fault> {
        self.state().stopped
    }

    /// Starts it after a power cut, at whatever moment that was; what is found then is durable.
    pub(super) fn restart_after_power_cut(&self) {
        let state = &mut *self.state();
        state.names.lose_power(state.lost, &mut state.dice);
        for stored in state.files.values_mut() {
            stored.platter.lose_power(&mut state.dice);
        }
        state.restart("the power was cut");
    }

    /// Starts the process anew: what was written is there, and what was not synced is not synced now either.
    pub(super) fn restart_process(&self) {
        self.state().restart("the process was killed");
    }

    /// Starts it again after the fault at which it has stopped.
    pub(super) fn restart(&self) {
        match self.stopped() {
            Some(Fault::PowerCut) => self.restart_after_power_cut(),
            _ => self.restart_process(),
        }
    }

    /// The names of all files that there are, in order.
    pub(super) fn list(&self) -> Vec<String> {
        self.state().names.list().map(str::to_owned).collect()
    }

    /// What a file has in it now.
    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        Some(state.files.get(&state.names.get(path)?)?.platter.content().to_vec())
    }

    /// Puts a file on it, durably.
    pub(super) fn put(&self, path: &str, content: &[u8]) {
        let state = &mut *self.state();
        let node = state.make(path);
        state.names.sync(folder_of(path));
        if let Some(stored) = state.files.get_mut(&node) {
            stored.platter.write(content, 0);
            stored.platter.sync();
        }
    }

    /// Renames a file, durably.
    pub(super) fn put_away(&self, from: &str, to: &str) {
        let state = &mut *self.state();
        state.names.rename(from, to);
        state.names.sync(folder_of(from));
    }
}

impl State {
    /// Begins an operation; an error when nothing is done any more.
    fn begin(&mut self, operation: Operation, what: impl FnOnce() -> String) -> io::Result<Course> {
        if let Some(fault) = self.stopped {
            self.troubles += 1;
            return Err(io::Error::other(format!("the simulated machine has stopped ({fault:?})")));
        }
        self.operations.push(operation);
        assert!(self.operations.len() < MOST_OPERATIONS, "whoever uses the disk does so for ever");
        let course = match &mut self.planned {
            Some((0, fault)) => {
                let fault = *fault;
                self.planned = None;
                self.troubles += 1;
                if fault != Fault::Error {
                    self.stopped = Some(fault);
                }
                Course::Ill(fault)
            }
            Some((after, _)) => {
                *after -= 1;
                Course::Well
            }
            None => Course::Well,
        };
        if let Some(trace) = &mut self.trace {
            let ill = match course {
                Course::Well => String::new(),
                Course::Ill(fault) => format!("  <- {fault:?}"),
            };
            trace.push(format!("{:>5} {operation:?} {}{ill}", self.operations.len() - 1, what()));
        }
        if self.read_only && operation.changes() && course == Course::Well {
            self.troubles += 1;
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(course)
    }

    fn restart(&mut self, why: &str) {
        self.starts += 1;
        self.stopped = None;
        self.planned = None;
        self.read_only = false;
        let named = self.names.nodes();
        self.files.retain(|node, _| named.contains(node));
        for stored in self.files.values_mut() {
            stored.locked_by = None;
        }
        if let Some(trace) = &mut self.trace {
            trace.push(format!("      {why}; found:"));
            for name in self.names.list() {
                let length = self.names.get(name).and_then(|node| self.files.get(&node));
                let length = length.map_or(0, |stored| stored.platter.len());
                trace.push(format!("      {name}, {length} bytes"));
            }
        }
    }

    /// Does a change of names, whole or, when it goes ill, perhaps.
    fn change_names(&mut self, course: &Course, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        // A power cut takes away by itself what was not synced.
        let happens = matches!(course, Course::Well | Course::Ill(Fault::PowerCut)) || self.dice.chance(1, 2);
        if happens {
            change(self);
        }
        course.end()
    }

    fn make(&mut self, name: &str) -> Node {
        let node = self.next_node;
        self.next_node += 1;
        self.files.insert(node, Stored::default());
        self.names.set(name, node);
        node
    }

    /// A new name takes room in its folder, if only a little.
    fn check_room(&mut self) -> io::Result<()> {
        if self.room == Some(0) { Err(self.full()) } else { Ok(()) }
    }

    fn full(&mut self) -> io::Error {
        self.troubles += 1;
        ErrorKind::StorageFull.into()
    }

    fn find(&self, name: &str) -> io::Result<Node> {
        self.names.get(name).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Whether this operation is to be interrupted or cut short.
    fn hiccups(&mut self) -> bool {
        self.hiccups.is_some_and(|one_out_of| self.dice.chance(1, one_out_of))
    }

    /// How much is written of what is written by half: often nothing, all of it, some sectors, or a line with its line
    /// feed or without.
    fn part_of(&mut self, bytes: &[u8]) -> usize {
        let part = self.dice.index(bytes.len() + 1);
        let line = bytes[..part].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        match self.dice.below(6) {
            0 => 0,
            1 => bytes.len(),
            2 => part / SECTOR * SECTOR,
            3 => line,
            4 => part.min(line + 1),
            _ => part,
        }
    }

    /// Does something to a file that may take room or give it back.
    fn resized(&mut self, node: Node, change: impl FnOnce(&mut Platter)) {
        let Some(stored) = self.files.get_mut(&node) else { return };
        let before = stored.platter.takes();
        change(&mut stored.platter);
        let after = stored.platter.takes();
        self.room = self.room.map(|room| (room + before).saturating_sub(after));
    }

    /// A file that lost a name gives its room back if nobody has another.
    fn unnamed(&mut self, node: Node) {
        if !self.names.list().any(|name| self.names.get(name) == Some(node))
            && let Some(stored) = self.files.get(&node)
        {
            self.room = self.room.map(|room| room + stored.platter.takes());
        }
    }
}

impl Course {
    /// The answer to an operation that was done as this course has it.
    fn end(&self) -> io::Result<()> {
        match self {
            Self::Well => Ok(()),
            Self::Ill(Fault::Error) => Err(io::Error::other("simulated input/output error")),
            Self::Ill(fault) => Err(io::Error::other(format!("the simulated machine stops ({fault:?})"))),
        }
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("files", &self.list()).finish_non_exhaustive()
    }
}

mod calls;
#[cfg(test)]
mod tests;
