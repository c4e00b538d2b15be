//! Into files, and back.

use super::*;
use gateway_accounts::{FileStore, FileStoreOptions};
use std::path::Path;

/// From memory into a file, which is opened anew, and back into memory.
fn there_and_back(options: &FileStoreOptions, path: &Path) {
    let from = filled();
    let file = block_on(options.clone().open(path)).unwrap();
    copy(&from, &file).unwrap();
    assert_same(&from, &file);
    block_on(file.close());
    let file = block_on(options.clone().open(path)).unwrap();
    assert_same(&from, &file);
    let back = MemoryStore::new();
    let copied = copy(&file, &back).unwrap();
    assert_eq!(copied.as_of, snapshot(&file).seq());
    assert_same(&from, &back);
    // Edits go on where they were.
    commit(&file, [edit(&file, 3, |record| record.licensed_sessions = Limit::AtMost(5))]);
    assert_eq!(snapshot(&file).by_sid(sid(3)).unwrap().revision(), Revision::new(5));
    // The file knows what it had, also after it was closed; and so the copy of it is brought up to date.
    block_on(file.close());
    let file = block_on(options.clone().open(path)).unwrap();
    copy(&file, &back).unwrap();
    assert_same(&file, &back);
    block_on(file.close());
}

#[test]
fn a_file_is_as_good_as_memory() {
    let folder = tempfile::tempdir().unwrap();
    there_and_back(&FileStoreOptions::default(), &folder.path().join("accounts.log"));
}

#[test]
fn a_file_that_was_closed_half_way_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.log");
    let from = filled();
    let later = filled();
    commit(&later, [edit(&later, 2, |record| record.licensed_sessions = Limit::AtMost(5))]);
    let file = block_on(FileStore::open(&path)).unwrap();
    let told = std::sync::atomic::AtomicUsize::new(0);
    let half = StoreCopy::new(&from, &file).batch(3).on_progress(|_| {
        if told.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 6 {
            block_on(file.close());
        }
    });
    assert!(matches!(block_on(half.run(&admin(), &clock())), Err(CopyError::Write { .. })));
    let file = block_on(FileStore::open(&path)).unwrap();
    assert_eq!((snapshot(&file).len(), snapshot(&file).key_count()), (10, 6));
    // Whose first part was copied before the edit.
    copy(&later, &file).unwrap();
    assert_same(&later, &file);
}

#[cfg(feature = "sealing")]
#[test]
fn a_sealed_file_is_as_good_as_one_in_clear() {
    use gateway_accounts::{Keyring, SealingKey};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealed.log");
    let keyring = || Keyring::new(SealingKey::new("2026-11", [7; 32]).unwrap());
    let options = FileStoreOptions::default().sealed_with(keyring());
    there_and_back(&options, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("wh_secret_3"), "a secret is in clear");

    // From a sealed file into one that is not, and into one that is sealed with another key.
    let sealed = block_on(options.open(&path)).unwrap();
    let other = Keyring::new(SealingKey::new("2026-12", [8; 32]).unwrap());
    let others = [FileStoreOptions::default(), FileStoreOptions::default().sealed_with(other)];
    for (n, options) in others.into_iter().enumerate() {
        let path = folder.path().join(format!("{n}.log"));
        let file = block_on(options.clone().open(&path)).unwrap();
        copy(&sealed, &file).unwrap();
        block_on(file.close());
        assert_same(&sealed, &block_on(options.open(&path)).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.contains("wh_secret_3"), n == 0);
    }
}
