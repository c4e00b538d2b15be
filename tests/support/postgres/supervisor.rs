//! The process that ends a PostgreSQL when the tests are gone.

use super::programs::Programs;
use std::fs;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A shell that runs `supervisor.sh`. It is no part of the tests' process group, so that whoever kills that spares it; and
/// has none of the tests' outputs, so that whoever waits for their end does not wait for it.
pub(crate) struct Supervisor {
    child: Child,
    /// Dropped first: closing it is what ends the child.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Supervisor {
    pub(crate) fn new(programs: &Programs) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("supervisor.sh"), "sh"]).arg(programs.folder());
        command.process_group(0).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if is_root()? {
            // PostgreSQL refuses to be run by root.
            let (user, group) = unprivileged()?;
            command.uid(user).gid(group);
        }
        let mut child = command.spawn()?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut supervisor = Self { child, orders, answers, folder: PathBuf::new() };
        let folder = supervisor.answer()?;
        if folder.is_empty() {
            return Err(io::Error::other("no temporary folder can be made"));
        }
        supervisor.folder = folder.into();
        Ok(supervisor)
    }

    /// Where the server keeps its data, its socket and its log.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has an order carried out; the error tells the end of the log.
    pub(crate) fn order(&mut self, order: &str) -> io::Result<()> {
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        orders.write_all(format!("{order}\n").as_bytes())?;
        match self.answer()?.as_str() {
            "ok" => Ok(()),
            _ => Err(io::Error::other(format!("{order} failed:\n{}", self.end_of_log()))),
        }
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn end_of_log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Supervisor {
    /// Waits until the server is gone, and its folder.
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

fn is_root() -> io::Result<bool> {
    let output = Command::new("id").arg("-u").output()?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// The user and the group of the system's own PostgreSQL, or of nobody.
fn unprivileged() -> io::Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    ids("postgres").or_else(|| ids("nobody")).ok_or_else(|| {
        io::Error::other("root can't run PostgreSQL, and there is neither a user postgres nor nobody")
    })
}
