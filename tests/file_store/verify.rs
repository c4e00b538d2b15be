//! Verifying a file, which changes nothing.

use super::{admin, filled, folder, open};
use futures_lite::future::block_on;
use gateway_accounts::{AccountPatch, Accounts, FileDamage, FileStore, Seq, StoreErrorKind, Verified};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

#[track_caller]
fn verify(path: &Path) -> Result<Verified, gateway_accounts::StoreError> {
    let before = fs::read(path).ok();
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    let verified = block_on(FileStore::verify(path));
    assert_eq!(fs::read(path).ok(), before, "verifying changed the file");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), files, "verifying left something");
    verified
}

#[test]
fn a_good_file() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let verified = verify(&path).unwrap();
    assert_eq!((verified.version, verified.seq, verified.accounts), (6, Seq::new(2), 2));
    assert_eq!((verified.bytes, verified.sealed), (fs::metadata(&path).unwrap().len(), false));
    assert_eq!(verified.torn_tail, None);
}

#[test]
fn a_torn_tail_is_told_and_left() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let verified = verify(&path).unwrap();
    let torn = verified.torn_tail.unwrap();
    assert_eq!((torn.line, torn.offset), (3, verified.bytes));
    assert_eq!(torn.offset + torn.bytes, whole.len() as u64 - 100);
    assert_eq!((verified.seq, verified.accounts), (Seq::new(1), 1));
}

#[test]
fn damage_is_named_by_line_and_offset() {
    let (_folder, path) = folder();
    filled(&path, &["Acme", "Globex"]);
    let mut bytes = fs::read(&path).unwrap();
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[first + 70] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = verify(&path).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged);
    let damage = error.source().unwrap().downcast_ref::<FileDamage>().unwrap();
    assert_eq!((damage.line, damage.offset), (2, first as u64));
}

#[test]
fn foreign_files_and_none() {
    let (_folder, path) = folder();
    assert_eq!(verify(&path).unwrap_err().kind(), StoreErrorKind::Io);
    fs::write(&path, "dear diary\n").unwrap();
    assert_eq!(verify(&path).unwrap_err().kind(), StoreErrorKind::Foreign);
}

#[test]
fn a_file_that_is_in_use() {
    let (_folder, path) = folder();
    filled(&path, &["Acme"]);
    let store = open(&path);
    let accounts = Accounts::new(Arc::clone(&store));
    block_on(accounts.create(&admin(), AccountPatch::new().name("Globex"))).unwrap();
    let verified = verify(&path).unwrap();
    assert_eq!((verified.accounts, verified.torn_tail), (2, None));
    // What is there behind it is padding.
    assert!(verified.bytes < fs::metadata(&path).unwrap().len());
    block_on(accounts.create(&admin(), AccountPatch::new().name("Initech"))).unwrap();
}
