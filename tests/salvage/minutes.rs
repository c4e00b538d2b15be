//! The minutes that accounts have used, in a damaged file.

use super::{admin, folder, json, lines, salvage};
use futures_lite::future::block_on;
use gateway_accounts::{
    AccountPatch, AccountStore, Accounts, Batch, FileStoreOptions, MinutesUsed, PeriodUse, Timestamp, Write,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

/// A file with a base of two accounts, one of which has used minutes, and after it commits that note minutes, edit, and note
/// them again.
fn file() -> Vec<u8> {
    let at = folder();
    let store = Arc::new(block_on(FileStoreOptions::default().history(0).open(&at.path)).unwrap());
    let accounts = Accounts::new(Arc::clone(&store));
    let create = |name: &str| block_on(accounts.create(&admin(), AccountPatch::new().name(name))).unwrap();
    let [acme, globex] = ["Acme", "Globex"].map(create);
    let note = |sid, seconds| {
        let period = PeriodUse { start: Timestamp::from_millis(0), seconds };
        let used = Arc::new(MinutesUsed::new(Timestamp::from_millis(1), vec![period]).unwrap());
        let batch = Batch::new(admin(), Timestamp::default()).with(Write::MinutesUsed { sid, used });
        block_on(store.commit(batch)).unwrap();
    };
    note(acme.sid(), 60);
    block_on(store.compact()).unwrap();
    note(acme.sid(), 120);
    note(globex.sid(), 180);
    for account in [&acme, &globex] {
        let patch = AccountPatch::new().name(format!("{} Ltd", account.name()));
        block_on(accounts.edit(&admin(), account.sid(), account.revision(), patch)).unwrap();
    }
    note(acme.sid(), 240);
    block_on(store.close());
    fs::read(&at.path).unwrap()
}

/// The seconds of each account that is there, if these lines are applied and no others.
fn applied(lines: &[&[u8]]) -> BTreeMap<String, Option<u64>> {
    let seconds = |used: &Value| used["periods"][0]["seconds"].as_u64();
    let sid = |value: &Value| value["account_sid"].as_str().unwrap().to_owned();
    let mut accounts = BTreeMap::new();
    for line in lines {
        let json = json(line);
        if json["account"].is_object() {
            accounts.insert(sid(&json["account"]), seconds(&json["account"]["minutes_used"]));
        }
        for event in json["events"].as_array().into_iter().flatten() {
            let (kind, value) = event.as_object().unwrap().iter().next().unwrap();
            match kind.as_str() {
                "replaced" => {
                    accounts.entry(sid(value)).or_default();
                }
                "minutes_used" => {
                    if let Some(used) = accounts.get_mut(&sid(value)) {
                        *used = seconds(&value["used"]);
                    }
                }
                other => panic!("{other}"),
            }
        }
    }
    accounts
}

#[test]
fn of_minutes_used_the_last_that_reads_are_saved() {
    let file = file();
    let lines = lines(&file);
    assert_eq!(lines.len(), 1 + 2 + 5);
    assert_eq!(String::from_utf8_lossy(&file).matches("\"minutes_used\":{").count(), 1 + 3);
    for lost in 1..=lines.len() {
        let mut bytes = file.clone();
        if let Some(line) = lines.get(lost) {
            bytes[line.end - 10] ^= 1;
        }
        let left: Vec<&[u8]> = lines
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != lost)
            .map(|(_, line)| &file[line.clone()])
            .collect();
        let (_, snapshot) = salvage(&bytes);
        let found: BTreeMap<String, Option<u64>> = snapshot
            .iter()
            .map(|account| {
                let used = account.minutes_used();
                (account.sid().to_string(), used.map(|used| used.seconds_in(Timestamp::from_millis(0))))
            })
            .collect();
        assert_eq!(found, applied(&left), "without line {}", lost + 1);
    }
}
