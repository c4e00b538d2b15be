//! Listings, by page and as a stream.

use crate::world::*;
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Seven accounts, created in this order: three of one provider, two of another, two of none.
fn seven() -> (World, Vec<Arc<Account>>) {
    let world = World::new();
    let accounts = [
        Some(PROVIDER),
        None,
        Some(OTHER_PROVIDER),
        Some(PROVIDER),
        None,
        Some(OTHER_PROVIDER),
        Some(PROVIDER),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, provider)| {
        world.clock.advance(1);
        world.account(&json!({"name": format!("a{i}"), "service_provider_sid": provider}))
    })
    .collect();
    (world, accounts)
}

/// All pages of a listing, walked with pages of each size.
#[track_caller]
fn check(world: &World, actor: &Actor, listing: Listing, expected: &[&str]) {
    for size in [1, 2, 3, 7, 1000] {
        let mut found = Vec::new();
        let mut next = Some(listing.limit(size));
        while let Some(listing) = next {
            let page = block_on(world.accounts.list(actor, &listing)).unwrap();
            assert!(page.accounts.len() <= size);
            assert!(page.next.is_none() || page.accounts.len() == size);
            next = page.next.map(|after| listing.after(after));
            found.extend(page.accounts);
        }
        assert_eq!(names(&found), expected, "{actor}, pages of {size}");
    }
}

#[test]
fn pages_for_each_scope() {
    let (world, all) = seven();
    let whole = Listing::new();
    check(&world, &admin(), whole, &["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
    check(&world, &provider(), whole, &["a0", "a3", "a6"]);
    check(&world, &other_provider(), whole, &["a2", "a5"]);
    check(&world, &customer(&all[1]), whole, &["a1"]);
    check(&world, &actor(Scope::Account(sid(NOBODY))), whole, &[]);
    check(&world, &actor(Scope::ServiceProvider(sid(NOBODY))), whole, &[]);

    let of_one = Listing::new().of_service_provider(sid(PROVIDER));
    check(&world, &admin(), of_one, &["a0", "a3", "a6"]);
    check(&world, &provider(), of_one, &["a0", "a3", "a6"]);
    check(&world, &other_provider(), of_one, &[]);
    check(&world, &customer(&all[0]), of_one, &["a0"]);
    check(&world, &customer(&all[1]), of_one, &[]);
    check(&world, &customer(&all[2]), of_one, &[]);

    let rest = Listing::new().after(all[3].sid());
    check(&world, &admin(), rest, &["a4", "a5", "a6"]);
    check(&world, &provider(), rest, &["a6"]);
    check(&world, &customer(&all[3]), rest, &[]);
    check(&world, &customer(&all[4]), rest, &["a4"]);
    check(&world, &admin(), Listing::new().after(all[6].sid()), &[]);
}

#[test]
fn a_stream_for_each_scope() {
    let (world, all) = seven();
    for (actor, expected) in [
        (admin(), vec!["a0", "a1", "a2", "a3", "a4", "a5", "a6"]),
        (provider(), vec!["a0", "a3", "a6"]),
        (other_provider(), vec!["a2", "a5"]),
        (customer(&all[4]), vec!["a4"]),
        (super::world::actor(Scope::Account(sid(NOBODY))), vec![]),
    ] {
        let found: Vec<_> = block_on(Box::pin(world.accounts.stream(&actor)).try_collect()).unwrap();
        assert_eq!(names(&found), expected, "{actor}");
    }
}

/// Two pages and a half are streamed while, between any two accounts, others are created, deleted and edited.
#[test]
fn a_stream_has_each_account_once_whatever_is_written_meanwhile() {
    let world = World::new();
    let mut draft = 0;
    let mut create = || {
        draft += 1;
        // Newer accounts come before and after the place of the reader.
        world.clock.advance(1);
        world.account(&json!({"name": format!("a{draft}")}))
    };
    let before: Vec<_> = (0..Listing::MAX_LIMIT * 5 / 2).map(|_| create()).collect();
    let mut deleted = HashSet::new();
    let mut seen: HashMap<AccountSid, u32> = HashMap::new();
    let mut stream = Box::pin(world.accounts.stream(&admin()));
    let mut at = 0;
    while let Some(account) = block_on(stream.next()) {
        *seen.entry(account.unwrap().sid()).or_default() += 1;
        at += 1;
        if at > before.len() {
            continue;
        }
        match at % 3 {
            // One that was read, or one that is yet to come.
            0 => {
                let victim = &before[at * 7 % before.len()];
                if deleted.insert(victim.sid()) {
                    let current = world.get(victim.sid());
                    world.delete(&admin(), &current, WhileRunning::Delete).unwrap();
                }
            }
            1 => drop(create()),
            _ => {
                let other = &before[at * 11 % before.len()];
                if !deleted.contains(&other.sid()) {
                    let current = world.get(other.sid());
                    world.edit(&admin(), &current, &json!({"name": format!("b{at}")})).unwrap();
                }
            }
        }
    }
    assert!(seen.values().all(|times| *times == 1));
    let missed =
        before.iter().filter(|a| !deleted.contains(&a.sid()) && !seen.contains_key(&a.sid())).count();
    assert_eq!(missed, 0);
    assert!(deleted.len() > 100);
    // What was deleted before its page was read is not in it.
    assert!(deleted.iter().any(|sid| !seen.contains_key(sid)));
}

#[test]
fn a_stream_reads_no_page_before_it_is_asked_for() {
    let world = World::new();
    let mut stream = Box::pin(world.accounts.stream(&admin()));
    world.account(&json!({"name": "Acme"}));
    assert_eq!(block_on(stream.next()).unwrap().unwrap().name().as_str(), "Acme");
    assert!(block_on(stream.next()).is_none());
    assert!(block_on(stream.next()).is_none());
}
