//! The API keys of a damaged file.

use super::*;
use gateway_accounts::{
    ApiKey, ApiKeyRecord, Batch, KeyWrite, MemoryStore, Revision, Scope, Timestamp, Write,
};
use serde_json::Value;
use std::collections::BTreeSet;

fn provider() -> Scope {
    Scope::ServiceProvider("51f4233a-4559-4b8c-a527-725db01b5080".parse().unwrap())
}

/// Key number `n`.
fn key(n: u64, owner: Scope) -> ApiKey {
    let json = serde_json::json!({
        "key_id": format!("{n:016}"), "owner": owner, "label": format!("Key {n}"),
        "hash": "$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA", "last_four": "x7Q2",
        "created": "2026-11-23T20:37:43.000Z", "created_by": "jane", "revision": 1,
    });
    ApiKey::try_from(serde_json::from_value::<ApiKeyRecord>(json).unwrap()).unwrap()
}

fn add(n: u64, owner: Scope) -> Write {
    Write::Key(KeyWrite::Add { key: Arc::new(key(n, owner)), at_most: 10 })
}

fn used(n: u64, millis: i64) -> Write {
    let at = Timestamp::from_millis(millis);
    Write::Key(KeyWrite::Use { id: key(n, Scope::Admin).id(), at })
}

/// A file with a base of two accounts and four keys, and after it commits 5 to 11, of keys but for one.
fn file() -> Vec<u8> {
    let at = folder();
    let store = block_on(FileStoreOptions::default().history(0).open(&at.path)).unwrap();
    let plain = Accounts::new(MemoryStore::new());
    let create = |name: &str| block_on(plain.create(&admin(), AccountPatch::new().name(name))).unwrap();
    let [acme, globex] = ["Acme", "Globex"].map(create);
    let commit = |writes: Vec<Write>| {
        let batch = Batch::new(admin(), Timestamp::default()).with_all(writes);
        block_on(store.commit(batch)).unwrap();
    };
    let [of_acme, of_globex] = [&acme, &globex].map(|account| Scope::Account(account.sid()));
    commit(vec![Write::Create(Arc::clone(&acme)), add(1, of_acme)]);
    commit(vec![Write::Create(Arc::clone(&globex)), add(2, of_globex)]);
    commit(vec![add(3, Scope::Admin), add(4, provider())]);
    commit(vec![used(1, 10)]);
    block_on(store.compact()).unwrap();
    commit(vec![add(5, of_globex), add(6, of_acme)]);
    commit(vec![used(1, 20), used(6, 30)]);
    let disabled = ApiKeyRecord { disabled: true, ..(&key(1, of_acme)).into() };
    commit(vec![Write::Key(KeyWrite::Replace(Arc::new(ApiKey::try_from(disabled).unwrap())))]);
    commit(vec![Write::Key(KeyWrite::Revoke { id: key(3, Scope::Admin).id(), expected: Revision::FIRST })]);
    commit(vec![add(7, provider())]);
    commit(vec![Write::Delete { sid: globex.sid(), expected: globex.revision() }]);
    commit(vec![add(2, Scope::Admin)]);
    block_on(store.close());
    fs::read(&at.path).unwrap()
}

/// Where the lines of [`file`] are.
const ACCOUNTS: Range<usize> = 1..3;
const KEYS: Range<usize> = 3..7;
const COMMITS: Range<usize> = 7..14;

fn id(value: &Value) -> String {
    value["key_id"].as_str().unwrap().to_owned()
}

/// The keys that are there if these lines are applied, and no others; and how many have no account.
fn applied_keys(lines: &[&[u8]]) -> (BTreeMap<String, Value>, usize) {
    let mut keys: BTreeMap<String, Value> = BTreeMap::new();
    for line in lines {
        let json = json(line);
        if json["key"].is_object() {
            keys.insert(id(&json["key"]), json["key"].clone());
        }
        for event in json["events"].as_array().into_iter().flatten() {
            let (kind, value) = event.as_object().unwrap().iter().next().unwrap();
            match kind.as_str() {
                "created" | "deleted" => {
                    keys.retain(|_, key| key["owner"]["account"] != value["account_sid"]);
                }
                "key_added" => drop(keys.insert(id(value), value.clone())),
                "key_replaced" => {
                    let before = keys.insert(id(value), value.clone());
                    use_at(
                        keys.get_mut(&id(value)),
                        before.map_or(Value::Null, |key| key["last_used"].clone()),
                    );
                }
                "key_revoked" => drop(keys.remove(&id(value))),
                "key_used" => use_at(keys.get_mut(&id(value)), value["at"].clone()),
                _ => {}
            }
        }
    }
    let accounts = applied(lines);
    let found = keys.len();
    keys.retain(|_, key| key["owner"]["account"].as_str().is_none_or(|sid| accounts.contains_key(sid)));
    let left_out = found - keys.len();
    (keys, left_out)
}

/// Moments are written so that their texts are in their order.
fn use_at(key: Option<&mut Value>, at: Value) {
    if let Some(key) = key
        && at.as_str() > key["last_used"].as_str()
    {
        key["last_used"] = at;
    }
}

fn key_records(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let record = |key: &Arc<ApiKey>| serde_json::to_value(ApiKeyRecord::from(&**key)).unwrap();
    snapshot.keys().map(|key| (key.id().to_string(), record(key))).collect()
}

/// The lines but for one.
fn without(file: &[u8], gone: usize) -> Vec<&[u8]> {
    let rest = lines(file).into_iter().enumerate().filter(|(n, _)| *n != gone);
    rest.map(|(_, range)| &file[range]).collect()
}

fn whole(file: &[u8]) -> Vec<&[u8]> {
    lines(file).into_iter().map(|range| &file[range]).collect()
}

/// Which line of the base is that of the account of this name.
fn account_line(file: &[u8], name: &str) -> usize {
    let lines = whole(file);
    ACCOUNTS.into_iter().find(|n| json(lines[*n])["account"]["name"] == name).unwrap()
}

/// A commit at the end of the file.
fn and_then(file: &[u8], seq: u64, events: Value) -> Vec<u8> {
    let mut commit = json(whole(file).last().unwrap());
    commit["seq"] = seq.into();
    commit["events"] = events;
    [file, &line(&commit)].concat()
}

#[test]
fn of_an_undamaged_file_no_key_is_lost() {
    let file = file();
    let (salvaged, snapshot) = salvage(&file);
    assert!(salvaged.is_everything(), "{salvaged:?}");
    assert_eq!((salvaged.keys, salvaged.keys_left_out), (5, 0));
    assert_eq!((key_records(&snapshot), 0), applied_keys(&whole(&file)));
    let found: BTreeSet<u64> = snapshot.keys().map(|key| key.id().as_str().parse().unwrap()).collect();
    assert_eq!(found, BTreeSet::from([1, 2, 4, 6, 7]));

    let at = folder();
    fs::write(&at.path, &file).unwrap();
    let opened = block_on(FileStore::open(&at.path)).unwrap().live().unwrap();
    assert!(opened.keys().eq(snapshot.keys()), "salvaging and opening give other keys");
}

#[test]
fn a_flipped_bit_costs_one_line_of_keys_and_exactly_that_is_reported() {
    let file = file();
    let lines = lines(&file);
    assert_eq!(lines.len(), COMMITS.end);
    for (n, range) in lines.iter().enumerate() {
        for at in
            [range.start, range.start + 5, range.start + 9, (range.start + range.end) / 2, range.end - 2]
        {
            let mut bytes = file.clone();
            bytes[at] ^= 1;
            let (salvaged, snapshot) = salvage(&bytes);
            let what = format!("line {} flipped at {at}: {salvaged:?}", n + 1);
            assert!(!salvaged.is_everything(), "{what}");
            let place = (n as u64 + 1, range.start as u64, range.len() as u64);
            let lost = &salvaged.lost.first;
            assert_eq!(lost.iter().filter_map(lost_line).collect::<Vec<_>>(), [place], "{what}");
            let rest: Vec<_> = lost.iter().filter(|loss| lost_line(loss).is_none()).cloned().collect();
            let seq = Seq::new((n + 5).saturating_sub(COMMITS.start) as u64);
            let expected = match n {
                0 => vec![],
                n if ACCOUNTS.contains(&n) => vec![Loss::Base { expected: 2, found: 1 }],
                n if KEYS.contains(&n) => vec![Loss::BaseKeys { expected: 4, found: 3 }],
                n if n + 1 < COMMITS.end => vec![Loss::Commits { first: seq, last: seq }],
                _ => vec![],
            };
            assert_eq!(rest, expected, "{what}");
            let others = without(&file, n);
            let (keys, left_out) = applied_keys(&others);
            assert_eq!(key_records(&snapshot), keys, "{what}");
            assert_eq!(records(&snapshot), applied(&others), "{what}");
            assert_eq!((salvaged.keys, salvaged.keys_left_out), (keys.len(), left_out), "{what}");
            assert!(salvaged.left_out.is_empty(), "{what}");
        }
    }
}

#[test]
fn a_key_whose_account_is_lost_is_left_out_and_counted() {
    let file = file();
    // The line of Acme, which has two keys in the end.
    let bytes = without(&file, account_line(&file, "Acme")).concat();
    let (salvaged, snapshot) = salvage(&bytes);
    assert_eq!((salvaged.accounts, salvaged.keys, salvaged.keys_left_out), (0, 3, 2), "{salvaged:?}");
    assert!(snapshot.keys().all(|key| !matches!(key.owner(), Scope::Account(_))));
    assert_eq!(salvaged.lost.to_string(), "of the 2 accounts that the file began with, 1 were found\n");

    // No line is lost, and one is of a key that no store would have written.
    let nobodys = serde_json::json!({"account": "06b5fe07-1d99-422b-902a-3b343f675413"});
    let mut foreign = serde_json::to_value(ApiKeyRecord::from(&key(9, Scope::Admin))).unwrap();
    foreign["owner"] = nobodys;
    let bytes = and_then(&file, 12, serde_json::json!([{"key_added": foreign}]));
    let (salvaged, snapshot) = salvage(&bytes);
    assert_eq!((salvaged.keys, salvaged.keys_left_out), (5, 1));
    assert!(salvaged.lost.is_empty() && salvaged.left_out.is_empty());
    assert!(!salvaged.is_everything(), "a key was left out");
    assert_eq!((key_records(&snapshot), 1), applied_keys(&whole(&bytes)));
}

/// Of two accounts with one name the later keeps it; with the other go its keys.
#[test]
fn the_keys_of_an_account_that_clashes_are_left_out() {
    let file = file();
    let mut twin = json(whole(&file)[account_line(&file, "Acme")])["account"].clone();
    twin["account_sid"] = "06b5fe07-1d99-422b-902a-3b343f675413".into();
    let (salvaged, snapshot) = salvage(&and_then(&file, 12, serde_json::json!([{"created": twin}])));
    assert_eq!(salvaged.left_out.first.len(), 1, "{salvaged:?}");
    assert_eq!((snapshot.len(), salvaged.keys, salvaged.keys_left_out), (1, 3, 2));
}

#[test]
fn a_base_line_of_a_key_that_is_lost_or_twice_is_reported() {
    let file = file();
    let (salvaged, _) = salvage(&without(&file, KEYS.start).concat());
    assert_eq!(salvaged.lost.to_string(), "of the 4 API keys that the file began with, 3 were found\n");
    let mut twice = whole(&file);
    twice.insert(KEYS.start, twice[KEYS.start]);
    let (salvaged, snapshot) = salvage(&twice.concat());
    assert_eq!(salvaged.lost.first.len(), 1, "{salvaged:?}");
    assert!(salvaged.lost.to_string().contains("is taken"), "{salvaged:?}");
    assert_eq!((key_records(&snapshot), 0), applied_keys(&whole(&file)));
    // A line of a key where commits are.
    let late = [&file, whole(&file)[KEYS.start]].concat();
    let (salvaged, snapshot) = salvage(&late);
    assert_eq!((salvaged.lost.first.len(), salvaged.keys), (1, 5), "{salvaged:?}");
    assert_eq!((key_records(&snapshot), 0), applied_keys(&whole(&file)));
}

/// The line that deleted an account is lost; that it was created again tells that its keys were revoked.
#[test]
fn a_new_account_has_no_key_of_the_one_before_it() {
    let file = file();
    let deletion = COMMITS.start + 5;
    assert!(json(whole(&file)[deletion])["events"][0]["deleted"].is_object());
    let globex = json(whole(&file)[account_line(&file, "Globex")])["account"].clone();
    let sid: AccountSid = globex["account_sid"].as_str().unwrap().parse().unwrap();
    let again = and_then(&file, 12, serde_json::json!([{"created": globex}]));
    let (salvaged, snapshot) = salvage(&without(&again, deletion).concat());
    assert_eq!(salvaged.lost.to_string(), "commit 10 is missing\n");
    assert!(snapshot.by_sid(sid).is_some());
    assert_eq!(snapshot.keys_of(Scope::Account(sid)).count(), 0, "{salvaged:?}");
    assert_eq!(salvaged.keys_left_out, 0);
}

/// A key of an id that was free again was used when it says so, not when the one before it was.
#[test]
fn a_new_key_was_not_used_when_the_one_before_it_was() {
    let file = file();
    let first = key(1, Scope::Admin);
    let added = serde_json::json!([{"key_added": ApiKeyRecord::from(&first)}]);
    // The line that revoked the first is lost.
    let bytes = and_then(&file, 13, added);
    let (salvaged, snapshot) = salvage(&bytes);
    assert_eq!(salvaged.lost.to_string(), "commit 12 is missing\n");
    assert_eq!(snapshot.key(first.id()).map(|key| &**key), Some(&first));
    // Nor does it go with the owner of that.
    let acme = &json(whole(&file)[account_line(&file, "Acme")])["account"];
    let deleted = serde_json::json!([{"deleted": {"account_sid": acme["account_sid"], "revision": 1}}]);
    let (salvaged, snapshot) = salvage(&and_then(&bytes, 14, deleted));
    assert_eq!((salvaged.accounts, salvaged.keys_left_out), (0, 0));
    assert_eq!(snapshot.key(first.id()).map(|key| &**key), Some(&first));
}
