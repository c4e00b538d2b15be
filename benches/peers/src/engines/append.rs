//! Bare append and `fdatasync` of what our file would have for the same accounts, encoded beforehand, in a plain
//! loop: what a store that appends and syncs comes to without doing anything else. With many callers, so many accounts
//! are written at a time.

use crate::measure::Run;
use crate::own::{Commit, line};
use gateway_accounts::Account;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub fn run(folder: &Path, callers: usize, accounts: &[Arc<Account>]) -> Run {
    let lines: Vec<Vec<u8>> = accounts
        .iter()
        .enumerate()
        .map(|(n, account)| line(&Commit::creating(n as u64 + 1, account)))
        .collect();
    let path = folder.join("lines.log");
    let mut file = OpenOptions::new().append(true).create_new(true).open(&path).expect("the file opens");
    let start = Instant::now();
    let mut latencies = Vec::new();
    for together in lines.chunks(callers) {
        let start = Instant::now();
        file.write_all(&together.concat()).and_then(|()| file.sync_data()).expect("it can be written to");
        latencies.extend(std::iter::repeat_n(start.elapsed(), together.len()));
    }
    let elapsed = start.elapsed();
    assert_eq!(std::fs::read(&path).expect("it can be read"), lines.concat());
    Run::new(elapsed, latencies)
}
