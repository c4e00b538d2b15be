//! Salvaging damaged account files: everything that reads is saved, and exactly the rest is reported.

#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failing test")]

mod keys;
mod minutes;
#[cfg(feature = "testkit")]
mod restored;

use futures_lite::future::block_on;
use gateway_accounts::{
    Account, AccountPatch, AccountRecord, AccountSid, AccountStore, Accounts, Actor, Field, FileStore,
    FileStoreOptions, LeftOut, Loss, Salvaged, Seq, Snapshot, StoreError, StoreErrorKind, WhileRunning,
    WhyLeftOut,
};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

struct Folder {
    _folder: TempDir,
    path: PathBuf,
    new: PathBuf,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let [path, new] = ["accounts.log", "salvaged.log"].map(|name| folder.path().join(name));
    Folder { _folder: folder, path, new }
}

fn admin() -> Actor {
    Actor::admin("jane").unwrap()
}

/// Salvages these bytes; what is reported, and what the new file has. The damaged file stays as it is, and the new one
/// verifies.
#[track_caller]
fn salvage(bytes: &[u8]) -> (Salvaged, Snapshot) {
    let at = folder();
    fs::write(&at.path, bytes).unwrap();
    let salvaged = block_on(FileStore::salvage(&at.path, &at.new)).unwrap();
    assert_eq!(fs::read(&at.path).unwrap(), bytes, "the damaged file was changed");
    assert_eq!(fs::read_dir(at.path.parent().unwrap()).unwrap().count(), 2, "something was left behind");
    (salvaged.clone(), check(&at.new, &salvaged))
}

#[track_caller]
fn check(new: &Path, salvaged: &Salvaged) -> Snapshot {
    let verified = block_on(FileStore::verify(new)).unwrap();
    assert_eq!((verified.version, verified.torn_tail), (6, None));
    assert_eq!((verified.seq, verified.accounts), (salvaged.seq, salvaged.accounts));
    assert_eq!(verified.keys, salvaged.keys);
    assert_eq!(verified.bytes, salvaged.bytes);
    assert_eq!(verified.bytes, fs::metadata(new).unwrap().len());
    let store = block_on(FileStore::open(new)).unwrap();
    let snapshot = store.live().unwrap();
    assert_eq!(snapshot.len(), salvaged.accounts);
    block_on(store.close());
    snapshot
}

fn refused(bytes: &[u8]) -> StoreError {
    let at = folder();
    fs::write(&at.path, bytes).unwrap();
    let error = block_on(FileStore::salvage(&at.path, &at.new)).unwrap_err();
    assert_eq!(fs::read_dir(at.path.parent().unwrap()).unwrap().count(), 1, "something was written");
    error
}

/// What the file of these bytes has when it is opened.
#[track_caller]
fn opened(bytes: &[u8]) -> Vec<Arc<Account>> {
    let at = folder();
    fs::write(&at.path, bytes).unwrap();
    all(&block_on(FileStore::open(&at.path)).unwrap().live().unwrap())
}

fn all(snapshot: &Snapshot) -> Vec<Arc<Account>> {
    snapshot.iter().cloned().collect()
}

/// A file with a base of three accounts and, after it, commits 5 to 10: two accounts created, two edited (one of them
/// of the base), one deleted, and one renamed.
fn file() -> Vec<u8> {
    let at = folder();
    let options = FileStoreOptions::default().history(0);
    let store = Arc::new(block_on(options.open(&at.path)).unwrap());
    let accounts = Accounts::new(Arc::clone(&store));
    let create = |name: &str| {
        let realm = format!("{}.example", name.to_lowercase());
        block_on(accounts.create(&admin(), AccountPatch::new().name(name).sip_realm(realm))).unwrap()
    };
    let edit = |account: &Account, patch: AccountPatch| {
        block_on(accounts.edit(&admin(), account.sid(), account.revision(), patch)).unwrap()
    };
    let delete = |account: &Account| {
        block_on(accounts.delete(&admin(), account.sid(), account.revision(), WhileRunning::Refuse)).unwrap();
    };
    let [acme, globex, initech, gone] = ["Acme", "Globex", "Initech", "Gone"].map(create);
    delete(&gone);
    block_on(store.compact()).unwrap();
    let [umbrella, _] = ["Umbrella", "Vehement"].map(create);
    edit(&acme, AccountPatch::new().name("Acme Ltd"));
    edit(&umbrella, AccountPatch::new().sip_realm("umbrella.sip.example"));
    delete(&globex);
    edit(&initech, AccountPatch::new().name("Globex"));
    block_on(store.close());
    fs::read(&at.path).unwrap()
}

/// Where each line is, with its line feed.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            start += line.len();
            start - line.len()..start
        })
        .collect()
}

fn json(line: &[u8]) -> serde_json::Value {
    serde_json::from_slice(&line[9..]).unwrap()
}

/// A line of its JSON, with the checksum by its definition.
fn line(json: &serde_json::Value) -> Vec<u8> {
    // The lines of a base are known by how they begin; the values themselves may be in any order.
    let json = json.to_string();
    let crc = !json.bytes().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    });
    format!("{crc:08x} {json}\n").into_bytes()
}

/// What is there if these lines are applied, and no others; by SID.
fn applied(lines: &[&[u8]]) -> BTreeMap<String, serde_json::Value> {
    let mut accounts = BTreeMap::new();
    let mut put = |account: &serde_json::Value| {
        accounts.insert(account["account_sid"].as_str().unwrap().to_owned(), account.clone())
    };
    for line in lines {
        let json = json(line);
        if json["account"].is_object() {
            put(&json["account"]);
        }
        for event in json["events"].as_array().into_iter().flatten() {
            let (kind, value) = event.as_object().unwrap().iter().next().unwrap();
            match kind.as_str() {
                "created" | "replaced" => drop(put(value)),
                "deleted" => drop(put(&serde_json::json!({"account_sid": value["account_sid"]}))),
                _ => {}
            }
        }
    }
    accounts
        .into_iter()
        // What is left of a deleted one has no name.
        .filter(|(_, account)| account["name"].is_string())
        .collect()
}

fn records(snapshot: &Snapshot) -> BTreeMap<String, serde_json::Value> {
    let record = |account: &Arc<Account>| serde_json::to_value(AccountRecord::from(&**account)).unwrap();
    snapshot.iter().map(|account| (account.sid().to_string(), record(account))).collect()
}

fn lost_line(loss: &Loss) -> Option<(u64, u64, u64)> {
    match loss {
        Loss::Line { line, offset, bytes, .. } => Some((*line, *offset, *bytes)),
        _ => None,
    }
}

#[test]
fn of_an_undamaged_file_nothing_is_lost() {
    let file = file();
    let (salvaged, snapshot) = salvage(&file);
    assert!(salvaged.is_everything(), "{salvaged:?}");
    assert_eq!((salvaged.version, salvaged.seq, salvaged.torn_tail), (Some(6), Seq::new(11), None));
    assert_eq!(all(&snapshot), opened(&file));
    assert_eq!(format!("{}{}", salvaged.lost, salvaged.left_out), "");

    let old = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/accounts-1.log")).unwrap();
    let (salvaged, snapshot) = salvage(&old);
    assert!(salvaged.is_everything(), "{salvaged:?}");
    assert_eq!((salvaged.version, salvaged.seq), (Some(1), Seq::new(7)));
    assert_eq!(all(&snapshot), opened(&old));
}

#[test]
fn a_flipped_bit_costs_one_line_and_exactly_that_is_reported() {
    let file = file();
    let lines = lines(&file);
    assert_eq!(lines.len(), 1 + 3 + 6);
    for (n, range) in lines.iter().enumerate() {
        let mut bytes = file.clone();
        // In the middle of the JSON, the checksum, and the first bytes.
        for at in
            [range.start, range.start + 5, range.start + 9, (range.start + range.end) / 2, range.end - 2]
        {
            bytes[at] ^= 1;
            let (salvaged, snapshot) = salvage(&bytes);
            bytes[at] ^= 1;
            let what = format!("line {} flipped at {at}: {salvaged:?}", n + 1);

            let place = (n as u64 + 1, range.start as u64, range.len() as u64);
            assert_eq!(
                salvaged.lost.first.iter().filter_map(lost_line).collect::<Vec<_>>(),
                [place],
                "{what}"
            );
            let rest: Vec<_> =
                salvaged.lost.first.iter().filter(|loss| lost_line(loss).is_none()).cloned().collect();
            match n {
                // The header: how many accounts the base has is not known then.
                0 => assert_eq!((rest.as_slice(), salvaged.version), ([].as_slice(), None), "{what}"),
                1..4 => assert_eq!(format!("{:?}", rest), "[Base { expected: 3, found: 2 }]", "{what}"),
                4..9 => {
                    let seq = n + 2;
                    let expected = format!("[Commits {{ first: Seq({seq}), last: Seq({seq}) }}]");
                    assert_eq!(format!("{rest:?}"), expected, "{what}");
                }
                // The last: nothing tells which commit it was.
                _ => assert_eq!(rest, [], "{what}"),
            }
            assert_eq!(salvaged.seq, Seq::new(if n == 9 { 10 } else { 11 }), "{what}");
            assert_eq!(salvaged.torn_tail, None, "{what}");

            let others: Vec<&[u8]> = lines
                .iter()
                .enumerate()
                .filter(|(m, _)| *m != n)
                .map(|(_, range)| &file[range.clone()])
                .collect();
            let mut expected = applied(&others);
            for left_out in &salvaged.left_out.first {
                expected.remove(&left_out.sid.to_string()).unwrap();
            }
            assert_eq!(records(&snapshot), expected, "{what}");
            // Only where the deletion of the first Globex is lost do two have one name.
            assert_eq!(salvaged.left_out.first.len(), usize::from(n == 8), "{what}");
        }
    }
}

#[test]
fn of_two_with_one_name_the_later_keeps_it() {
    let file = file();
    let lines = lines(&file);
    let mut bytes = file.clone();
    bytes[lines[8].start + 50] ^= 1;
    let (salvaged, snapshot) = salvage(&bytes);
    let [LeftOut { sid, name, why: WhyLeftOut::Clash { field, with, with_name }, .. }] =
        salvaged.left_out.first.as_slice()
    else {
        panic!("{salvaged:?}");
    };
    assert_eq!((name.as_str(), *field, with_name.as_str()), ("Globex", Field::Name, "Globex"));
    let holder = snapshot.by_name(name).unwrap();
    assert_eq!((holder.sid(), holder.revision().get()), (*with, 2));
    assert_eq!(snapshot.by_sid(*sid), None);
    assert_eq!(
        salvaged.left_out.to_string(),
        format!(
            "account {sid}, Globex: its Account name is that of account {with}, Globex, which was written later\n"
        )
    );

    // The same for a realm. The name is another, so that it is that which clashes.
    let mut taker = json(&file[lines[4].clone()]);
    taker["seq"] = 12.into();
    let account = &mut taker["events"][0]["created"];
    account["account_sid"] = "06b5fe07-1d99-422b-902a-3b343f675413".into();
    account["name"] = "Taker".into();
    account["sip_realm"] = "umbrella.sip.example".into();
    let bytes = [file.clone(), line(&taker)].concat();
    let (salvaged, snapshot) = salvage(&bytes);
    let [LeftOut { name, why: WhyLeftOut::Clash { field, with_name, .. }, .. }] =
        salvaged.left_out.first.as_slice()
    else {
        panic!("{salvaged:?}");
    };
    assert_eq!((name.as_str(), *field, with_name.as_str()), ("Umbrella", Field::SipRealm, "Taker"));
    assert!(snapshot.by_name(name).is_none() && salvaged.lost.is_empty());
}

/// A line feed that became another character costs nothing but itself.
#[test]
fn a_lost_line_feed_costs_no_line() {
    let file = file();
    for range in &lines(&file)[1..9] {
        let mut bytes = file.clone();
        let at = range.end - 1;
        bytes[at] = b'?';
        let (salvaged, snapshot) = salvage(&bytes);
        assert_eq!(all(&snapshot), opened(&file));
        let [Loss::Line { offset, bytes: 1, .. }] = salvaged.lost.first.as_slice() else {
            panic!("{salvaged:?}");
        };
        assert_eq!(*offset, at as u64);
    }
    // The header's: with it goes what it says, but no account.
    let mut bytes = file.clone();
    let header = lines(&file)[0].clone();
    bytes[header.end - 1] = b'?';
    let (salvaged, snapshot) = salvage(&bytes);
    assert_eq!(all(&snapshot), opened(&file));
    assert_eq!(
        salvaged.lost.first.iter().filter_map(lost_line).collect::<Vec<_>>(),
        [(1, 0, header.end as u64)]
    );
}

#[test]
fn behind_a_hole_it_goes_on() {
    let file = file();
    let lines = lines(&file);
    // From within a line to the end of another, and to within it.
    for (from, to) in [(2, 5), (4, 6), (5, 8)] {
        for to_end in [true, false] {
            let mut bytes = file.clone();
            let end = if to_end { lines[to].end } else { lines[to].end - 30 };
            bytes[lines[from].start + 20..end].fill(0);
            let (salvaged, snapshot) = salvage(&bytes);
            let what = format!("lines {from} to {to}, {to_end}: {salvaged:?}");
            let rest: Vec<&[u8]> =
                lines[..from].iter().chain(&lines[to + 1..]).map(|range| &file[range.clone()]).collect();
            let mut expected = applied(&rest);
            for left_out in &salvaged.left_out.first {
                expected.remove(&left_out.sid.to_string()).unwrap();
            }
            assert_eq!(records(&snapshot), expected, "{what}");
            assert_eq!(salvaged.torn_tail, None, "{what}");
            let lost: u64 = salvaged.lost.first.iter().filter_map(lost_line).map(|(.., bytes)| bytes).sum();
            assert_eq!(lost as usize, lines[to].end - lines[from].start, "{what}");
            let first = Seq::new(from.max(4) as u64 + 2);
            let commits = Loss::Commits { first, last: Seq::new(to as u64 + 2) };
            assert!(salvaged.lost.first.contains(&commits), "{what}");
        }
    }
}

#[test]
fn missing_commits_and_a_base_cut_short_are_reported() {
    let file = file();
    let lines = lines(&file);
    let without =
        |gone: Range<usize>| [&file[..lines[gone.start].start], &file[lines[gone.end - 1].end..]].concat();

    let (salvaged, _) = salvage(&without(5..7));
    assert_eq!(salvaged.lost.to_string(), "commits 7 to 8 are missing\n");
    let (salvaged, _) = salvage(&without(4..5));
    assert_eq!(salvaged.lost.to_string(), "commit 6 is missing\n");
    let (salvaged, snapshot) = salvage(&without(2..3));
    assert_eq!(salvaged.lost.to_string(), "of the 3 accounts that the file began with, 2 were found\n");
    // One of the two is deleted later; and of the third there is an edit, if it is not the one that is.
    assert!(snapshot.len() >= 3);

    // A file cut off within its base.
    let (salvaged, snapshot) = salvage(&file[..lines[2].start + 40]);
    assert_eq!((snapshot.len(), salvaged.seq), (1, Seq::new(5)));
    assert_eq!(salvaged.torn_tail, None);
    assert_eq!(salvaged.lost.first.len(), 2);
    assert_eq!(salvaged.lost.first[1], Loss::Base { expected: 3, found: 1 });

    // Of the header nothing but its line feed is left.
    let (salvaged, snapshot) = salvage(&[b"\n", &file[lines[1].start..]].concat());
    assert_eq!((all(&snapshot), salvaged.lost.first.len()), (opened(&file), 1));

    // A line where it does not belong is not applied.
    let twice = [&file[..], &file[lines[6].clone()], &file[lines[1].clone()]].concat();
    let (salvaged, snapshot) = salvage(&twice);
    assert_eq!((all(&snapshot), salvaged.lost.first.len()), (opened(&file), 2), "{salvaged:?}");
}

#[test]
fn a_torn_tail_is_no_loss() {
    let file = file();
    let last = lines(&file)[9].clone();
    for cut in [last.start + 1, last.start + 100, last.end - 2] {
        let (salvaged, snapshot) = salvage(&file[..cut]);
        assert!(salvaged.lost.is_empty() && salvaged.left_out.is_empty(), "{salvaged:?}");
        assert!(!salvaged.is_everything());
        let torn = salvaged.torn_tail.unwrap();
        assert_eq!((torn.line, torn.offset, torn.bytes), (10, last.start as u64, (cut - last.start) as u64));
        assert_eq!(all(&snapshot), opened(&file[..cut]));
        assert_eq!(salvaged.seq, Seq::new(10));
    }
    // Padding is nothing, and a line without its line feed is a line.
    for end in [&b"\n"[..], b"", b"\n\t\t\t\t", b"\n\0\0\0"] {
        let (salvaged, snapshot) = salvage(&[&file[..file.len() - 1], end].concat());
        assert!(salvaged.is_everything() && salvaged.torn_tail.is_none(), "{salvaged:?}");
        assert_eq!(all(&snapshot), opened(&file));
    }
    // Damage before it is told all the same.
    let mut bytes = file[..last.end - 20].to_vec();
    bytes[lines(&file)[5].start + 60] ^= 1;
    let (salvaged, _) = salvage(&bytes);
    assert_eq!(salvaged.lost.first.len(), 2, "{salvaged:?}");
    assert_eq!(salvaged.torn_tail.unwrap().line, 10);
}

/// A commit in three parts.
fn divided() -> Vec<Vec<u8>> {
    let file = file();
    let lines = lines(&file);
    let part = |part: u64, more: bool| {
        let mut json = json(&file[lines[4].clone()]);
        json["seq"] = 12.into();
        json["part"] = part.into();
        json["more"] = more.into();
        let account = &mut json["events"][0]["created"];
        account["account_sid"] = format!("06b5fe07-1d99-422b-902a-3b343f67541{part}").into();
        account["name"] = format!("Part {part}").into();
        account["sip_realm"] = format!("part-{part}.example").into();
        line(&json)
    };
    vec![file.clone(), part(0, true), part(1, true), part(2, false)]
}

#[test]
fn a_divided_commit_is_applied_as_far_as_it_reads() {
    let parts = divided();
    let part =
        |n: usize| -> AccountSid { format!("06b5fe07-1d99-422b-902a-3b343f67541{n}").parse().unwrap() };
    let next = {
        let mut json = json(&parts[3]);
        json["seq"] = 13.into();
        json["part"] = 0.into();
        json["events"] = serde_json::json!([]);
        line(&json)
    };
    let file = |there: &[usize]| -> Vec<u8> { there.iter().flat_map(|n| parts[*n].clone()).collect() };
    let table: [(&[usize], bool, &str, &[usize]); 7] = [
        (&[0, 1, 2, 3], true, "", &[0, 1, 2]),
        (&[0, 2, 3], true, "part 0 of commit 12 is missing\n", &[1, 2]),
        (&[0, 1, 3], true, "part 1 of commit 12 is missing\n", &[0, 2]),
        (&[0, 3], true, "parts 0 to 1 of commit 12 are missing\n", &[2]),
        (&[0, 1, 2], true, "commit 12 is missing from part 2 on\n", &[0, 1]),
        // Without its end, and nothing after it: it may never have been acknowledged, or the file was cut short.
        (&[0, 1, 2], false, "commit 12 is missing from part 2 on\n", &[0, 1]),
        (&[0, 1, 3], false, "part 1 of commit 12 is missing\n", &[0, 2]),
    ];
    for (there, goes_on, lost, saved) in table {
        let mut bytes = file(there);
        if goes_on {
            bytes.extend(&next);
        }
        let (salvaged, snapshot) = salvage(&bytes);
        assert_eq!(salvaged.lost.to_string(), lost, "{there:?}");
        let found: Vec<usize> = (0..3).filter(|n| snapshot.by_sid(part(*n)).is_some()).collect();
        assert_eq!(found, saved, "{there:?}");
        assert_eq!(salvaged.torn_tail, None, "{there:?}");
    }
}

/// What could be many findings is counted, not listed.
#[test]
fn many_losses_are_counted() {
    let bytes = [file(), b"nothing of ours\n".repeat(2500)].concat();
    let (salvaged, _) = salvage(&bytes);
    assert_eq!((salvaged.lost.first.len(), salvaged.lost.more), (1000, 1500));
    assert!(salvaged.lost.to_string().ends_with("\nand 1500 more\n"));
}

#[test]
fn what_is_refused() {
    for bytes in [&b""[..], b"dear diary\n", &[0; 5000], b"deadbeef {\"seq\":1}\n"] {
        assert_eq!(refused(bytes).kind(), StoreErrorKind::Foreign, "{bytes:?}");
    }
    let newer = line(&serde_json::json!({"format": "gateway-accounts", "version": 7}));
    assert_eq!(refused(&newer).kind(), StoreErrorKind::NewerVersion);
    let at = folder();
    let error = block_on(FileStore::salvage(&at.path, &at.new)).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Io);

    fs::write(&at.path, file()).unwrap();
    fs::write(&at.new, "mine").unwrap();
    for new in [&at.new, &at.path] {
        let before = fs::read(new).unwrap();
        let error = block_on(FileStore::salvage(&at.path, new)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Exists);
        assert_eq!(fs::read(new).unwrap(), before);
    }
}

#[cfg(unix)]
#[test]
fn the_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let at = folder();
    fs::write(&at.path, file()).unwrap();
    block_on(FileStore::salvage(&at.path, &at.new)).unwrap();
    assert_eq!(fs::metadata(&at.new).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(feature = "sealing")]
mod sealed {
    use super::*;
    use gateway_accounts::{Batch, Keyring, SealingKey, Timestamp, Write};

    fn keyring(id: &str, byte: u8) -> Keyring {
        Keyring::new(SealingKey::new(id, [byte; 32]).unwrap())
    }

    fn options(keyring: &Keyring) -> FileStoreOptions {
        FileStoreOptions::default().sealed_with(keyring.clone())
    }

    /// Accounts created in one batch by one key, and one edited by another.
    fn file(path: &Path) -> (Vec<Arc<Account>>, Keyring, Keyring) {
        let (former, first) = (keyring("a", 1), keyring("b", 2));
        let plain = Accounts::new(gateway_accounts::MemoryStore::new());
        let created = ["Acme", "Globex"]
            .map(|name| block_on(plain.create(&admin(), AccountPatch::new().name(name))).unwrap());
        let store = block_on(options(&former).open(path)).unwrap();
        let batch = created.iter().fold(Batch::new(admin(), Timestamp::default()), |batch, account| {
            batch.with(Write::Create(Arc::clone(account)))
        });
        block_on(store.commit(batch)).unwrap();
        block_on(store.close());
        let both = first.clone().with_former(SealingKey::new("a", [1; 32]).unwrap()).unwrap();
        let store = Arc::new(block_on(options(&both).open(path)).unwrap());
        let accounts = Accounts::new(Arc::clone(&store));
        let acme = &created[0];
        let patch = AccountPatch::new().name("Acme Ltd");
        let acme = block_on(accounts.edit(&admin(), acme.sid(), acme.revision(), patch)).unwrap();
        block_on(store.close());
        (vec![acme, Arc::clone(&created[1])], first, both)
    }

    #[test]
    fn secrets_are_opened_and_sealed_again() {
        let at = folder();
        let (accounts, _, both) = file(&at.path);
        let salvaged = block_on(options(&both).salvage(&at.path, &at.new)).unwrap();
        assert!(salvaged.is_everything(), "{salvaged:?}");
        let text = fs::read_to_string(&at.new).unwrap();
        assert!(accounts.iter().all(|account| !text.contains(account.webhook_secret().reveal())));
        let store = block_on(options(&keyring("b", 2)).open(&at.new)).unwrap();
        let live = store.live().unwrap();
        assert!(accounts.iter().all(|account| live.by_sid(account.sid()) == Some(account)));
    }

    /// The account that the key opens as it was last written is saved, though it shared a commit with one that it does
    /// not open.
    #[test]
    fn what_no_key_opens_is_left_out_and_the_rest_is_saved() {
        for header in [true, false] {
            let at = folder();
            let (accounts, first, _) = file(&at.path);
            if !header {
                let mut bytes = fs::read(&at.path).unwrap();
                bytes[12] ^= 1;
                fs::write(&at.path, bytes).unwrap();
            }
            let salvaged = block_on(options(&first).salvage(&at.path, &at.new)).unwrap();
            assert_eq!(salvaged.lost.first.len(), usize::from(!header), "{salvaged:?}");
            let [LeftOut { sid, why: WhyLeftOut::Sealed { reason }, .. }] =
                salvaged.left_out.first.as_slice()
            else {
                panic!("{salvaged:?}");
            };
            assert_eq!((*sid, reason.contains("`a`")), (accounts[1].sid(), true), "{reason}");
            let store = block_on(options(&first).open(&at.new)).unwrap();
            assert_eq!(all(&store.live().unwrap()), [Arc::clone(&accounts[0])]);
        }
    }

    #[test]
    fn without_any_key_it_is_refused() {
        let at = folder();
        file(&at.path);
        let error = block_on(FileStore::salvage(&at.path, &at.new)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Sealed);
        assert!(!at.new.exists());
    }
}
