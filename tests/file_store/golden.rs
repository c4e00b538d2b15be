//! Files that were written once must open for ever, with the same accounts and the same history in them.

use super::{content, folder};
use futures_lite::future::block_on;
use gateway_accounts::{
    AccountRecord, AccountSid, AccountStore, ApiKeyRecord, Event, Feed, FileStore, FileStoreOptions,
    KeyEvent, Scope, Seq, TornTail,
};
use std::fs;
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Opens a copy of the file and compares its accounts and keys; the store, and where it is.
#[track_caller]
fn opens(options: FileStoreOptions, log: &str, json: &str) -> (tempfile::TempDir, PathBuf, FileStore) {
    let (folder, path) = folder();
    fs::copy(data(log), &path).unwrap();
    let store = block_on(options.open(&path)).unwrap();
    has(&store, json);
    assert_eq!(store.opened().torn_tail, None::<TornTail>);
    (folder, path, store)
}

/// Compares what is there with what must be: an array of accounts, or an object of accounts and keys.
#[track_caller]
fn has(store: &FileStore, json: &str) {
    #[derive(serde::Serialize)]
    struct Content<'a> {
        accounts: &'a [AccountRecord],
        keys: &'a [ApiKeyRecord],
    }
    let accounts: Vec<_> = content(store).iter().map(|account| AccountRecord::from(&**account)).collect();
    let keys: Vec<_> = store.live().unwrap().keys().map(|key| ApiKeyRecord::from(&**key)).collect();
    assert_eq!((store.opened().accounts, store.opened().keys), (accounts.len(), keys.len()));
    let expected = fs::read_to_string(data(json)).unwrap();
    let found = if expected.starts_with('[') {
        assert_eq!(keys.len(), 0, "there are keys in a file that has none");
        serde_json::to_string_pretty(&accounts)
    } else {
        serde_json::to_string_pretty(&Content { accounts: &accounts, keys: &keys })
    };
    assert_eq!(found.unwrap() + "\n", expected);
}

/// Closes a file that was of an older format when it was opened, and sees that it is of the present one: with the same
/// accounts, and the same history after commit `base`.
#[track_caller]
fn was_upgraded(
    store: &FileStore,
    path: &Path,
    options: FileStoreOptions,
    json: &str,
    base: u64,
    expected: &[&str],
) {
    let (seq, accounts) = (store.opened().seq, store.opened().accounts);
    assert_eq!(history(store, base), expected);
    block_on(store.close());
    let verified = block_on(options.clone().verify(path)).unwrap();
    assert_eq!((verified.version, verified.seq, verified.accounts), (6, seq, accounts));
    assert_eq!(verified.torn_tail, None);
    let upgraded = fs::read(path).unwrap();
    let store = block_on(options.open(path)).unwrap();
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (None, seq));
    has(&store, json);
    assert_eq!(history(&store, base), expected);
    block_on(store.close());
    assert_eq!(fs::read(path).unwrap(), upgraded, "a file of the present format was rewritten");
}

/// Closes a file of the present format, of which nothing but the padding may have changed.
#[track_caller]
fn was_left(store: &FileStore, path: &Path, text: &str) {
    block_on(store.close());
    let left = fs::read(path).unwrap();
    assert_eq!(left, text.trim_end_matches('\t').as_bytes(), "more than the padding changed");
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
        Event::Key(KeyEvent::Added(key)) => format!("+{}", key.id()),
        Event::Key(KeyEvent::Replaced { before, after }) => {
            format!("{}:{}>{}", after.id(), before.revision(), after.revision())
        }
        Event::Key(KeyEvent::Revoked(key)) => format!("-{}", key.id()),
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

/// Format 1 is read, and rewritten in the present one before anything else.
#[test]
fn a_file_of_format_1_opens_and_is_upgraded() {
    let options = FileStoreOptions::default();
    let (_folder, path, store) = opens(options.clone(), "accounts-1.log", "accounts-1.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(1), Seq::new(7)));
    assert_eq!(store.opened().accounts, 3);
    was_upgraded(&store, &path, options, "accounts-1.json", 0, &HISTORY_1);
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

/// A base, commits, a group, a commit in two parts, padding, and every field of an account.
#[test]
fn a_file_of_format_2_opens_and_is_upgraded() {
    let text = fs::read_to_string(data("accounts-2.log")).unwrap();
    for what in [
        "\"version\":2,\"base\":{\"seq\":4,\"accounts\":2}",
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
    let options = FileStoreOptions::default();
    let (_folder, path, store) = opens(options.clone(), "accounts-2.log", "accounts-2.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(2), Seq::new(17)));
    was_upgraded(&store, &path, options, "accounts-2.json", 4, &HISTORY_2);
}

const HISTORY_3: [&str; 14] = [
    "21 2026-11-23T20:39:27.978Z provider: +0000000000000001",
    "22 2026-11-23T20:39:29.212Z 0001: ",
    "23 2026-11-23T20:39:30.446Z admin: 4fJ9sKq02LmXa7Rt:1>2",
    "24 2026-11-23T20:39:31.680Z provider: ",
    "25 2026-11-23T20:39:32.914Z 0001: -AbCdEfGhIjKlMnOp +AbCdEfGhIjKlMnOp",
    "26 2026-11-23T20:39:34.148Z admin: AbCdEfGhIjKlMnOp:1>2",
    "27 2026-11-23T20:39:35.382Z provider: +aBcDeFgHiJkLmNoP",
    "28 2026-11-23T20:39:36.616Z 0001: ",
    "29 2026-11-23T20:39:37.850Z admin: ",
    "30 2026-11-23T20:39:39.084Z provider: ",
    "31 2026-11-23T20:39:40.318Z 0001: aBcDeFgHiJkLmNoP:1>2",
    "32 2026-11-23T20:39:41.552Z admin: ",
    "33 2026-11-23T20:39:42.786Z provider: +6666666666666666 +000b +bbbbbbbbbbbbbbbb -5555555555555555 -6666666666666666 -0006",
    "34 2026-11-23T20:39:44.020Z 0001: +5555555555555555",
];

/// What the one of format 2 has, and keys of accounts, a service provider and an admin: in the base, added, replaced,
/// used and revoked, and revoked with their account.
#[test]
fn a_file_of_format_3_opens_and_is_upgraded() {
    let text = fs::read_to_string(data("accounts-3.log")).unwrap();
    for what in [
        "\"version\":3,\"base\":{\"seq\":20,\"accounts\":7,\"keys\":4}",
        "{\"key\":{\"key_id\":\"zzzzzzzzzzzzzzzz\",\"owner\":\"admin\"",
        "\"owner\":{\"service_provider\":",
        "\"owner\":{\"account\":",
        "{\"key_added\":{",
        "{\"key_replaced\":{",
        "{\"key_revoked\":{",
        "{\"key_used\":{",
        "{\"key_used\":{\"key_id\":\"nobodysnobodysno\"",
        "\"joined\":5",
        "\"part\":1",
        "\"more\":true",
        "\n\t\t",
        "\"last_four\":\"\\\"\\\\~!\"",
    ] {
        assert!(text.contains(what), "{what}");
    }
    let options = FileStoreOptions::default();
    let (_folder, path, store) = opens(options.clone(), "accounts-3.log", "accounts-3.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(3), Seq::new(34)));
    was_upgraded(&store, &path, options, "accounts-3.json", 20, &HISTORY_3);
}

/// What the one of format 3 has, and one more commit.
fn history_4() -> Vec<&'static str> {
    let mut history = HISTORY_3.to_vec();
    history.push("35 2026-11-23T20:39:45.254Z admin: 0002:2>3");
    history
}

/// What the one of format 3 has, and former webhook secrets: in the base, and after a rotation.
#[test]
fn a_file_of_format_4_opens_and_is_upgraded() {
    let text = fs::read_to_string(data("accounts-4.log")).unwrap();
    for what in [
        "\"version\":4,\"base\":{\"seq\":20,\"accounts\":7,\"keys\":4}",
        "\"former_webhook_secret\":{\"secret\":\"wh_secret \\\"former",
        "\"former_webhook_secret\":{\"secret\":\"whsec_secret-number-2\",\"until\":\"9998-12-31T23:59:59.999Z\"}",
    ] {
        assert!(text.contains(what), "{what}");
    }
    let options = FileStoreOptions::default();
    let (_folder, path, store) = opens(options.clone(), "accounts-4.log", "accounts-4.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(4), Seq::new(35)));
    was_upgraded(&store, &path, options, "accounts-4.json", 20, &history_4());
}

/// What the one of format 4 has, and two commits that only note minutes.
fn history_5() -> Vec<&'static str> {
    let mut history = history_4();
    history.extend(["36 2026-11-23T20:39:50.000Z admin: ", "37 2026-11-23T20:39:49.000Z admin: "]);
    history
}

/// What the one of format 4 has, and minutes used: in the base, of an account that is edited later, noted twice, and of an
/// account that is not there.
#[test]
fn a_file_of_format_5_opens_and_is_upgraded() {
    let text = fs::read_to_string(data("accounts-5.log")).unwrap();
    for what in [
        "\"version\":5,\"base\":{\"seq\":20,\"accounts\":7,\"keys\":4}",
        "\"minutes_used\":{\"as_of\":",
        "{\"minutes_used\":{\"account_sid\":",
        "0bad\",\"used\":{\"as_of\":\"2026-11-23T20:39:50.000Z\",\"periods\":[]}",
        "\"seconds\":9007199254740993",
    ] {
        assert!(text.contains(what), "{what}");
    }
    let options = FileStoreOptions::default();
    let (_folder, path, store) = opens(options.clone(), "accounts-5.log", "accounts-5.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(5), Seq::new(37)));
    was_upgraded(&store, &path, options, "accounts-5.json", 20, &history_5());
}

/// What the one of format 5 has, and what was brought from elsewhere.
fn history_6() -> Vec<&'static str> {
    let mut history = history_5();
    history.extend([
        "38 2026-11-23T20:40:00.000Z admin: +000c +BroughtBrought41 +BroughtBrought42",
        "39 2026-11-23T20:40:01.000Z admin: +000d",
        "40 2026-11-23T20:40:02.000Z admin: 000c:41>42 BroughtBrought41:3>4",
        "41 2026-11-23T20:40:03.000Z admin: -BroughtBrought42 -000d",
    ]);
    history
}

/// What the one of format 5 has, and accounts and keys that were written elsewhere before: as they were, edited, and gone.
#[test]
fn a_file_of_format_6_opens() {
    let text = fs::read_to_string(data("accounts-6.log")).unwrap();
    for what in [
        "\"version\":6,\"base\":{\"seq\":20,\"accounts\":7,\"keys\":4}",
        "{\"created\":{\"account_sid\":\"01a20a21-4604-7b13-ade4-a4f4557f000c\",",
        "\"seconds\":77}]},\"revision\":41,",
        "\"revision\":9007199254740993,",
        "{\"key_added\":{\"key_id\":\"BroughtBrought41\",",
        "\"last_used\":\"2026-11-23T20:38:31.002Z\",\"revision\":9}",
    ] {
        assert!(text.contains(what), "{what}");
    }
    let (_folder, path, store) = opens(FileStoreOptions::default(), "accounts-6.log", "accounts-6.json");
    assert_eq!((store.opened().upgraded_from, store.opened().seq), (None, Seq::new(41)));
    assert_eq!(history(&store, 20), history_6());
    was_left(&store, &path, &text);
}

/// The same, their secrets sealed: those of the base with one key, those of what was written later with another.
#[cfg(feature = "sealing")]
mod sealed {
    use super::*;
    use gateway_accounts::{Keyring, SealingKey};

    fn options() -> FileStoreOptions {
        let key =
            |id: &str, first: u8| SealingKey::new(id, std::array::from_fn(|i| first + i as u8)).unwrap();
        let keyring = Keyring::new(key("2026-11", 0x80)).with_former(key("2025-06", 0x20)).unwrap();
        FileStoreOptions::default().sealed_with(keyring)
    }

    fn text(log: &str) -> String {
        let text = fs::read_to_string(data(log)).unwrap();
        assert!(text.contains("\"key\":\"2025-06\"") && text.contains("\"key\":\"2026-11\""));
        text
    }

    #[test]
    fn a_sealed_file_of_format_2_opens_and_is_upgraded() {
        text("accounts-2-sealed.log");
        let (_folder, path, store) = opens(options(), "accounts-2-sealed.log", "accounts-2.json");
        assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(2), Seq::new(17)));
        was_upgraded(&store, &path, options(), "accounts-2.json", 4, &HISTORY_2);
    }

    #[test]
    fn a_sealed_file_of_format_3_opens_and_is_upgraded() {
        text("accounts-3-sealed.log");
        let (_folder, path, store) = opens(options(), "accounts-3-sealed.log", "accounts-3.json");
        assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(3), Seq::new(34)));
        was_upgraded(&store, &path, options(), "accounts-3.json", 20, &HISTORY_3);
    }

    #[test]
    fn a_sealed_file_of_format_4_opens_and_is_upgraded() {
        text("accounts-4-sealed.log");
        let (_folder, path, store) = opens(options(), "accounts-4-sealed.log", "accounts-4.json");
        assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(4), Seq::new(35)));
        was_upgraded(&store, &path, options(), "accounts-4.json", 20, &history_4());
    }

    #[test]
    fn a_sealed_file_of_format_5_opens_and_is_upgraded() {
        text("accounts-5-sealed.log");
        let (_folder, path, store) = opens(options(), "accounts-5-sealed.log", "accounts-5.json");
        assert_eq!((store.opened().upgraded_from, store.opened().seq), (Some(5), Seq::new(37)));
        was_upgraded(&store, &path, options(), "accounts-5.json", 20, &history_5());
    }

    #[test]
    fn a_sealed_file_of_format_6_opens() {
        let text = text("accounts-6-sealed.log");
        let (_folder, path, store) = opens(options(), "accounts-6-sealed.log", "accounts-6.json");
        assert_eq!((store.opened().upgraded_from, store.opened().seq), (None, Seq::new(41)));
        assert_eq!(history(&store, 20), history_6());
        was_left(&store, &path, &text);
    }
}
