//! Files that were written once must open for ever, with the same accounts and the same history in them.

use super::{content, folder};
use futures_lite::future::block_on;
use gateway_accounts::{
    AccountRecord, AccountSid, AccountStore, Event, Feed, FileStore, FileStoreOptions, Scope, Seq, TornTail,
};
use std::fs;
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Opens a copy of the file and compares its accounts; the store, where it is, and what the file was.
#[track_caller]
fn opens(options: FileStoreOptions, log: &str, json: &str) -> (tempfile::TempDir, PathBuf, FileStore) {
    let (folder, path) = folder();
    fs::copy(data(log), &path).unwrap();
    let store = block_on(options.open(&path)).unwrap();
    let records: Vec<_> = content(&store).iter().map(|account| AccountRecord::from(&**account)).collect();
    let expected = fs::read_to_string(data(json)).unwrap();
    assert_eq!(serde_json::to_string_pretty(&records).unwrap() + "\n", expected);
    assert_eq!(store.opened().torn_tail, None::<TornTail>);
    (folder, path, store)
}

/// The history, a line for each commit.
#[track_caller]
fn history(store: &FileStore, after: u64) -> Vec<String> {
    let Feed::Changes(changes) = block_on(store.changes(Seq::new(after), 1000)).unwrap() else {
        panic!("the history was trimmed");
    };
    let last = |sid: AccountSid| sid.to_string()[32..].to_owned();
    let event = |event: &Event| match event {
        Event::Created(account) => format!("+{}", last(account.sid())),
        Event::Replaced { before, after } => {
            format!("{}:{}>{}", last(after.sid()), before.revision(), after.revision())
        }
        Event::Deleted(account) => format!("-{}", last(account.sid())),
        other => panic!("{other:?}"),
    };
    let line = |change: &gateway_accounts::Change| {
        let scope = match change.actor.scope() {
            Scope::Admin => "admin".to_owned(),
            Scope::ServiceProvider(_) => "provider".to_owned(),
            Scope::Account(sid) => last(sid),
        };
        let events: Vec<_> = change.events.iter().map(event).collect();
        format!("{} {} {scope}: {}", change.seq, change.at, events.join(" "))
    };
    changes.iter().map(|change| line(change)).collect()
}

const HISTORY_1: [&str; 7] = [
    "1 2026-11-23T20:37:46.000Z admin: +4a69",
    "2 2026-11-23T20:37:49.000Z admin: +a8cd",
    "3 2026-11-23T20:37:52.000Z admin: +f135",
    "4 2026-11-23T20:37:55.000Z 4a69: 4a69:1>2",
    "5 2026-11-23T20:37:59.500Z admin: a8cd:1>2",
    "6 2026-11-23T20:38:01.000Z admin: -f135",
    "7 2026-11-23T20:38:04.000Z provider: +17fe",
];

/// Format 1 is read, and rewritten as format 2 before anything else.
#[test]
fn a_file_of_format_1_opens_and_is_upgraded() {
    let (_folder, path, store) = opens(FileStoreOptions::default(), "accounts-1.log", "accounts-1.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(1), Seq::new(7)));
    assert_eq!(history(&store, 0), HISTORY_1);
    block_on(store.close());
    let verified = block_on(FileStore::verify(&path)).unwrap();
    assert_eq!((verified.version, verified.seq, verified.accounts), (2, Seq::new(7), 3));

    let store = block_on(FileStore::open(&path)).unwrap();
    assert_eq!(store.opened().upgraded_from, None);
    assert_eq!(history(&store, 0), HISTORY_1);
}

const HISTORY_2: [&str; 13] = [
    "5 2026-11-23T20:37:49.170Z 0001: +0004",
    "6 2026-11-23T20:37:50.404Z admin: ",
    "7 2026-11-23T20:37:51.638Z provider: +0005",
    "8 2026-11-23T20:37:52.872Z 0001: 0002:1>2",
    "9 2026-11-23T20:37:54.106Z admin: -0004",
    "10 2026-11-23T20:37:55.340Z provider: ",
    "11 2026-11-23T20:37:56.574Z 0001: ",
    "12 2026-11-23T20:37:57.808Z admin: ",
    "13 2026-11-23T20:37:59.042Z provider: ",
    "14 2026-11-23T20:38:07.680Z 0001: +0006",
    "15 2026-11-23T20:38:08.914Z admin: +0007",
    "16 2026-11-23T20:38:20.020Z admin: +0008 +0009 -0005",
    "17 2026-11-23T20:38:21.254Z provider: +000a",
];

/// A base, commits, a group, a commit in two parts, padding, and every field.
#[test]
fn a_file_of_format_2_opens() {
    let written = fs::read(data("accounts-2.log")).unwrap();
    let text = String::from_utf8(written.clone()).unwrap();
    for what in [
        "\"base\":{\"seq\":4,\"accounts\":2}",
        "\"joined\":5",
        "\"part\":1",
        "\"more\":true",
        "\n\t\t",
        "\\u0001",
        "\u{1f511}",
        "\"password\":\"\"",
        "\"suspended\"",
    ] {
        assert!(text.contains(what), "{what}");
    }
    let (_folder, path, store) = opens(FileStoreOptions::default(), "accounts-2.log", "accounts-2.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (None, Seq::new(17)));
    assert_eq!(history(&store, 4), HISTORY_2);
    block_on(store.close());
    assert_eq!(
        fs::read(&path).unwrap(),
        text.trim_end_matches('\t').as_bytes(),
        "more than the padding changed"
    );
}

/// The same, its secrets sealed: those of the base with one key, those of what was written later with another.
#[cfg(feature = "sealing")]
#[test]
fn a_sealed_file_of_format_2_opens() {
    use gateway_accounts::{Keyring, SealingKey};
    let key = |id: &str, first: u8| SealingKey::new(id, std::array::from_fn(|i| first + i as u8)).unwrap();
    let keyring = Keyring::new(key("2026-11", 0x80)).with_former(key("2025-06", 0x20)).unwrap();
    let text = fs::read_to_string(data("accounts-2-sealed.log")).unwrap();
    assert!(text.contains("\"key\":\"2025-06\"") && text.contains("\"key\":\"2026-11\""));
    let options = FileStoreOptions::default().sealed_with(keyring);
    let (_folder, path, store) = opens(options, "accounts-2-sealed.log", "accounts-2.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (None, Seq::new(17)));
    assert_eq!(history(&store, 4), HISTORY_2);
    block_on(store.close());
    assert_eq!(
        fs::read(&path).unwrap(),
        text.trim_end_matches('\t').as_bytes(),
        "more than the padding changed"
    );
}
