//! Comparing two stores.

use super::pause;
use super::report::{CopyDifference, CopyItem};
use crate::model::account::Account;
use crate::model::api_key::ApiKey;
use crate::model::field::Field;
use crate::snapshot::Snapshot;
use crate::store::findings::Findings;
use std::sync::Arc;

/// What is not the same in both, of every field of every account and every key.
pub(super) async fn between(source: &Snapshot, target: &Snapshot) -> Findings<CopyDifference> {
    let mut found = Findings::default();
    for (nth, account) in source.iter().enumerate() {
        match target.by_sid(account.sid) {
            None => found.push(alone(CopyItem::account(account), true)),
            Some(other) if other == account => {}
            Some(other) => found.push(in_fields(CopyItem::account(account), of_accounts(account, other))),
        }
        pause(nth).await;
    }
    for (nth, account) in target.iter().enumerate() {
        if source.by_sid(account.sid).is_none() {
            found.push(alone(CopyItem::account(account), false));
        }
        pause(nth).await;
    }
    for (nth, key) in source.keys().enumerate() {
        match target.key(key.id) {
            None => found.push(alone(CopyItem::key(key), true)),
            Some(other) if other == key => {}
            Some(other) => found.push(in_fields(CopyItem::key(key), of_keys(key, other))),
        }
        pause(nth).await;
    }
    for (nth, key) in target.keys().enumerate() {
        if source.key(key.id).is_none() {
            found.push(alone(CopyItem::key(key), false));
        }
        pause(nth).await;
    }
    found
}

fn alone(item: CopyItem, in_source: bool) -> CopyDifference {
    CopyDifference { item, fields: Vec::new(), in_source, in_target: !in_source }
}

fn in_fields(item: CopyItem, fields: Vec<&'static str>) -> CopyDifference {
    CopyDifference { item, fields, in_source: true, in_target: true }
}

fn of_accounts(one: &Arc<Account>, other: &Arc<Account>) -> Vec<&'static str> {
    let mut fields: Vec<_> = one.differences(other).into_iter().map(Field::name).collect();
    let more = [
        ("minutes_used", one.minutes_used != other.minutes_used),
        ("revision", one.revision != other.revision),
        ("created", one.created != other.created),
        ("updated", one.updated != other.updated),
    ];
    fields.extend(more.into_iter().filter_map(|(name, differs)| differs.then_some(name)));
    fields
}

fn of_keys(one: &ApiKey, other: &ApiKey) -> Vec<&'static str> {
    // With a field more, this does not compile.
    let ApiKey {
        id: _,
        owner,
        label,
        hash,
        last_four,
        created,
        created_by,
        expires,
        disabled,
        last_used,
        revision,
    } = one;
    let fields = [
        ("owner", *owner != other.owner),
        ("label", *label != other.label),
        ("hash", *hash != other.hash),
        ("last_four", *last_four != other.last_four),
        ("created", *created != other.created),
        ("created_by", *created_by != other.created_by),
        ("expires", *expires != other.expires),
        ("disabled", *disabled != other.disabled),
        ("last_used", *last_used != other.last_used),
        ("revision", *revision != other.revision),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
