//! The snapshot against a naive model, at sizes at which its trees have several levels.
#![cfg(feature = "testkit")]

use gateway_accounts::testkit::{account, batch, sid};
use gateway_accounts::{Account, Listing, Seq, Snapshot, Write};
use std::collections::BTreeMap;
use std::sync::Arc;

fn seed() -> u64 {
    std::env::var("GATEWAY_ACCOUNTS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7)
}

/// A step of splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A listing, page by page.
fn listed(snapshot: &Snapshot) -> Vec<Arc<Account>> {
    let mut listing = Listing::new().limit(777);
    let mut all = Vec::new();
    loop {
        let page = snapshot.page(&listing);
        all.extend(page.accounts);
        match page.next {
            Some(after) => listing = listing.after(after),
            None => return all,
        }
    }
}

/// Runs of neighbouring accounts are created and deleted, thousands at a time. A listing once ended early after
/// such a program, because a key below the least of its node was lost when two nodes were joined.
#[test]
fn a_large_snapshot_is_what_a_map_would_be() {
    let seed = seed();
    let mut random = seed;
    let mut snapshot = Snapshot::empty();
    let mut model: BTreeMap<u64, Arc<Account>> = BTreeMap::new();
    let mut former = Vec::new();
    for step in 0..40 {
        let (first, count) = (next(&mut random) % 12_000, next(&mut random) % 5_000);
        let creates = next(&mut random).is_multiple_of(2);
        let run = (first..first + count).filter(|n| model.contains_key(n) != creates);
        let writes: Vec<Write> = run
            .map(|n| match model.get(&n) {
                None => Write::Create(account(n).into()),
                Some(account) => Write::Delete { sid: account.sid(), expected: account.revision() },
            })
            .collect();
        let (after, change) =
            snapshot.apply(&batch(writes)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for event in &change.events {
            let n = (first..first + count).find(|n| Some(sid(*n)) == event.sid()).unwrap();
            match event.after() {
                Some(account) => model.insert(n, Arc::clone(account)),
                None => model.remove(&n),
            };
        }
        former.push((snapshot, after.clone(), change));
        snapshot = after;
        assert_eq!(
            (snapshot.seq(), snapshot.len()),
            (Seq::new(step + 1), model.len()),
            "seed {seed}, step {step}"
        );
    }
    let mut expected: Vec<_> = model.values().cloned().collect();
    expected.sort_by_key(|account| account.sid());
    assert!(listed(&snapshot) == expected, "seed {seed}: the listing is another");
    assert!(snapshot.iter().eq(&expected), "seed {seed}: the iteration is another");
    for n in 0..17_000 {
        let (found, account) = (model.get(&n), account(n));
        assert_eq!(snapshot.by_sid(account.sid()), found, "seed {seed}");
        assert_eq!(snapshot.by_name(account.name()), found, "seed {seed}");
        assert_eq!(account.sip_realm().and_then(|realm| snapshot.by_realm(realm)), found, "seed {seed}");
    }
    // No step changed what was there before it, and each change alone leads from one to the next.
    for (before, after, change) in former {
        assert!(before.advance(&change).unwrap().iter().eq(after.iter()), "seed {seed}: {}", change.seq);
    }
}
