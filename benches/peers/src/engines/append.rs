//! Bare append and `fdatasync` of what our file would have for the same accounts, encoded beforehand, in a plain
//! loop: no store that appends to a file and syncs can be faster with one caller.

use crate::measure::Run;
use crate::own::{Commit, line};
use gateway_accounts::Account;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub fn run(folder: &Path, accounts: &[Arc<Account>]) -> Run {
    let lines: Vec<Vec<u8>> = accounts
        .iter()
        .enumerate()
        .map(|(n, account)| line(&Commit::creating(n as u64 + 1, account)))
        .collect();
    let path = folder.join("lines.log");
    let mut file = OpenOptions::new().append(true).create_new(true).open(&path).expect("the file opens");
    let start = Instant::now();
    let latencies = lines.iter().map(|line| {
        let start = Instant::now();
        file.write_all(line).and_then(|()| file.sync_data()).expect("it can be written to");
        start.elapsed()
    });
    let latencies = latencies.collect();
    let elapsed = start.elapsed();
    assert_eq!(std::fs::read(&path).expect("it can be read"), lines.concat());
    Run::new(elapsed, latencies)
}
