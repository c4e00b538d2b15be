//! Files as the first version wrote them: a header, and a line for each commit.

use crate::model::record::AccountRecord;
use crate::snapshot::{Change, Event};
use serde_json::{Value, json};

pub(super) fn header() -> Vec<u8> {
    with_checksum(r#"{"format":"gateway-accounts","version":1}"#)
}

/// The line of a commit, with its line feed.
pub(super) fn line(change: &Change) -> Vec<u8> {
    let record =
        |account: &_| serde_json::to_value(AccountRecord::from(account)).expect("a record serializes");
    let event = |event: &Event| match event {
        Event::Created(account) => json!({ "created": record(account) }),
        Event::Replaced { after, .. } => json!({ "replaced": record(after) }),
        Event::Deleted(account) => {
            json!({ "deleted": { "account_sid": account.sid(), "revision": account.revision() } })
        }
        Event::Key(_) => unreachable!("the first version had no API keys"),
    };
    let events: Vec<Value> = change.events.iter().map(event).collect();
    let commit = json!({ "seq": change.seq, "at": change.at, "actor": change.actor, "events": events });
    with_checksum(&commit.to_string())
}

fn with_checksum(json: &str) -> Vec<u8> {
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes()
}
