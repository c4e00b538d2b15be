//! What programs do to the simulated disk, and how it goes.

use super::{Course, Fault, Operation, SimDisk, State};
use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::simulation::names::{Node, folder_of};
use crate::store::file::simulation::platter::{SECTOR, place};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// An open file.
struct SimFile {
    disk: SimDisk,
    node: Node,
    handle: u64,
    starts: u32,
    writable: bool,
    name: String,
}

impl SimDisk {
    fn opened(&self, state: &mut State, node: Node, path: &Path, writable: bool) -> Arc<dyn DiskFile> {
        state.next_handle += 1;
        let (handle, starts) = (state.next_handle, state.starts);
        Arc::new(SimFile { disk: self.clone(), node, handle, starts, writable, name: name_of(path) })
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.state();
        let name = name_of(path);
        let there = state.names.get(&name);
        let operation = if create && there.is_none() { Operation::Create } else { Operation::Open };
        let course = state.begin(operation, || name.clone())?;
        if let Some(node) = there {
            course.end()?;
            return Ok(self.opened(state, node, path, true));
        }
        if !create {
            return Err(ErrorKind::NotFound.into());
        }
        state.check_room()?;
        state.change_names(&course, |state| {
            state.make(&name);
        })?;
        let node = state.find(&name)?;
        Ok(self.opened(state, node, path, true))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.state();
        let name = name_of(path);
        state.begin(Operation::Open, || format!("{name} to read"))?.end()?;
        let node = state.find(&name)?;
        Ok(self.opened(state, node, path, false))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.state();
        let name = name_of(path);
        let course = state.begin(Operation::Create, || format!("{name}, new"))?;
        if state.names.get(&name).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.check_room()?;
        state.change_names(&course, |state| {
            state.make(&name);
        })?;
        let node = state.find(&name)?;
        Ok(self.opened(state, node, path, true))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        let (from, to) = (name_of(from), name_of(to));
        let course = state.begin(Operation::Rename, || format!("{from} to {to}"))?;
        one_folder(&from, &to)?;
        state.find(&from)?;
        let replaced = state.names.get(&to);
        state.change_names(&course, |state| {
            state.names.rename(&from, &to);
            if let Some(node) = replaced {
                state.unnamed(node);
            }
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        let (from, to) = (name_of(from), name_of(to));
        let course = state.begin(Operation::Link, || format!("{from} as {to}"))?;
        one_folder(&from, &to)?;
        let node = state.find(&from)?;
        if state.names.get(&to).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.check_room()?;
        state.change_names(&course, |state| state.names.set(&to, node))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        let name = name_of(path);
        let course = state.begin(Operation::Remove, || name.clone())?;
        let node = state.find(&name)?;
        state.change_names(&course, |state| {
            state.names.remove(&name);
            state.unnamed(node);
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        let name = name_of(path);
        let course = state.begin(Operation::SyncFolder, || folder_of(&name).to_owned())?;
        match course {
            Course::Well => state.names.sync(folder_of(&name)),
            // A file system that can't write its journal stops writing.
            Course::Ill(Fault::Error) => state.read_only = state.dice.chance(1, 2),
            Course::Ill(_) => {}
        }
        course.end()
    }
}

impl SimFile {
    /// Begins an operation on this file.
    fn begin(
        &self,
        state: &mut State,
        operation: Operation,
        what: impl FnOnce() -> String,
    ) -> io::Result<Course> {
        let course = state.begin(operation, || format!("{} {}", self.name, what()))?;
        if self.starts != state.starts {
            return Err(io::Error::other("the file was opened before the machine stopped"));
        }
        if operation.changes() && !self.writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(course)
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let state = &mut *self.disk.state();
        self.begin(state, Operation::Length, String::new)?.end()?;
        Ok(state.files[&self.node].platter.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.state();
        self.begin(state, Operation::Read, || format!("at {offset}, up to {}", buffer.len()))?.end()?;
        let most = match (state.hiccups(), buffer.len()) {
            (true, _) if state.dice.chance(1, 3) => return Err(ErrorKind::Interrupted.into()),
            (true, length @ 2..) => 1 + state.dice.index(length),
            (_, length) => length,
        };
        Ok(state.files[&self.node].platter.read(&mut buffer[..most], place(offset)?))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.state();
        let course = self.begin(state, Operation::Write, || format!("at {offset}, {} bytes", bytes.len()))?;
        let mut most = bytes.len();
        match course {
            Course::Well if state.hiccups() => match state.dice.below(3) {
                0 => return Err(ErrorKind::Interrupted.into()),
                _ if most > 1 => {
                    most = 1 + state.dice.index(most);
                    // Not up to the last byte of a sector: that it is not the new one can't be told from a flipped
                    // bit, if the power goes just then.
                    most += usize::from((place(offset)? + most) % SECTOR == SECTOR - 1);
                    most = most.min(bytes.len());
                }
                _ => {}
            },
            // Which sectors of it are lost, the power cut decides.
            Course::Well | Course::Ill(Fault::PowerCut) => {}
            Course::Ill(Fault::Kill | Fault::Error) => most = state.part_of(bytes),
        }
        let start = place(offset)?;
        if let Some(room) = state.room {
            let platter = &state.files[&self.node].platter;
            while platter.needs(most, start) > room {
                // As far as the beginning of the last sector that it would take.
                most = ((start + most - 1) / SECTOR * SECTOR).saturating_sub(start);
            }
            if most == 0 && !bytes.is_empty() {
                course.end()?;
                return Err(state.full());
            }
        }
        state.resized(self.node, |platter| platter.write(&bytes[..most], start));
        course.end()?;
        Ok(most)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let course = self.begin(state, Operation::SetLength, || format!("to {length}"))?;
        let length = place(length)?;
        if matches!(course, Course::Well | Course::Ill(Fault::PowerCut)) || state.dice.chance(1, 2) {
            state.resized(self.node, |platter| platter.set_len(length));
        }
        course.end()
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let course = self.begin(state, Operation::Sync, String::new)?;
        let State { files, dice, .. } = state;
        let platter = &mut files.get_mut(&self.node).ok_or(ErrorKind::NotFound)?.platter;
        match course {
            Course::Well => platter.sync(),
            Course::Ill(Fault::Error) => platter.fail_sync(dice),
            // The system may have been through with it.
            Course::Ill(_) if dice.chance(1, 4) => platter.sync(),
            Course::Ill(_) => {}
        }
        course.end()
    }

    fn is_named(&self, path: &Path) -> io::Result<bool> {
        let state = &mut *self.disk.state();
        self.begin(state, Operation::IsNamed, || name_of(path))?.end()?;
        Ok(state.names.get(&name_of(path)) == Some(self.node))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let state = &mut *self.disk.state();
        self.begin(state, Operation::Lock, String::new)?.end()?;
        let stored = state.files.get_mut(&self.node).ok_or(ErrorKind::NotFound)?;
        let holder = *stored.locked_by.get_or_insert(self.handle);
        Ok(holder == self.handle)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let stored = &mut self.disk.state().files;
        if let Some(stored) = stored.get_mut(&self.node)
            && stored.locked_by == Some(self.handle)
        {
            stored.locked_by = None;
        }
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("name", &self.name).finish_non_exhaustive()
    }
}

fn name_of(path: &Path) -> String {
    path.to_str().expect("simulated paths are Unicode").to_owned()
}

fn one_folder(from: &str, to: &str) -> io::Result<()> {
    if folder_of(from) == folder_of(to) { Ok(()) } else { Err(ErrorKind::CrossesDevices.into()) }
}
