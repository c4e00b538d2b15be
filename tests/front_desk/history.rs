//! Who sees what of the history of an account.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;

/// The commits that the actor sees, by pages of this size, each as its number and what was done; or the error.
fn seen(
    world: &World,
    actor: &Actor,
    sid: AccountSid,
    size: usize,
) -> Result<Vec<(u64, AuditAction)>, &'static str> {
    let mut request = AccountHistory::of(sid).limit(size);
    let mut all: Vec<(u64, AuditAction)> = Vec::new();
    loop {
        let page = block_on(world.accounts.history(actor, &request)).map_err(|error| error.code())?;
        assert!(page.entries.len() <= size && !page.trimmed);
        assert!(!page.entries.is_empty(), "a page that leads nowhere");
        all.extend(page.entries.iter().map(|entry| (entry.seq.get(), entry.action)));
        let Some(next) = page.next else { return Ok(all) };
        assert_eq!(page.entries.len(), size, "a page that is not the last is full");
        request = request.before(next);
    }
}

/// An account that was created under a provider, moved to another and edited there, moved back, was suspended, and
/// was deleted.
fn moved_about() -> (World, Arc<Account>) {
    let world = World::new();
    let acme = world.create(&provider(), &json!({"name": "Acme"})).unwrap();
    world.account(&json!({"name": "Globex"}));
    let there = world.edit(&admin(), &acme, &json!({"service_provider_sid": OTHER_PROVIDER})).unwrap();
    let edited = world.edit(&other_provider(), &there, &json!({"sip_realm": "acme.example"})).unwrap();
    let back = world.edit(&admin(), &edited, &json!({"service_provider_sid": PROVIDER})).unwrap();
    let reason = "late".parse().unwrap();
    let last = block_on(world.accounts.suspend(&admin(), back.sid(), back.revision(), reason)).unwrap();
    (world, last)
}

#[test]
fn each_sees_what_happened_while_the_account_was_its_own() {
    use AuditAction::*;
    let (world, acme) = moved_about();
    let sid = acme.sid();
    let nobody: AccountSid = crate::world::sid(NOBODY);
    let other_customer = actor(Scope::Account(nobody));
    let all = vec![(6, Suspended), (5, Edited), (4, Edited), (3, Edited), (1, Created)];
    let own = vec![(6, Suspended), (5, Edited), (1, Created)];
    let table = |end: &[(u64, AuditAction)]| {
        let with = |rest: &[(u64, AuditAction)]| Ok([end, rest].concat());
        [
            ("an admin", admin(), with(&all)),
            ("the account", customer(&acme), with(&all)),
            ("its provider", provider(), with(&own)),
            ("the provider that it was under", other_provider(), Ok(vec![(4, Edited), (3, Edited)])),
            (
                "a provider that never had it",
                actor(Scope::ServiceProvider(crate::world::sid(NO_APP))),
                Err("not_found"),
            ),
            ("another account", other_customer.clone(), Err("not_found")),
        ]
    };
    for size in [1, 2, 3, 5, 100] {
        for (who, actor, expected) in table(&[]) {
            assert_eq!(seen(&world, &actor, sid, size), expected, "{who}, by {size}");
        }
    }
    world.delete(&admin(), &acme, WhileRunning::Refuse).unwrap();
    for size in [1, 2, 100] {
        for (who, actor, expected) in table(&[(7, Deleted)]) {
            assert_eq!(seen(&world, &actor, sid, size), expected, "{who}, by {size}, after the deletion");
        }
    }
    for actor in [admin(), provider(), customer(&acme)] {
        assert_eq!(seen(&world, &actor, nobody, 10), Err("not_found"), "{actor}");
    }
}

/// Whoever has seen the end of a history is not told that there is no such account.
#[test]
fn beyond_the_end_is_nothing_for_those_who_know_the_account() {
    let (world, acme) = moved_about();
    world.delete(&admin(), &acme, WhileRunning::Refuse).unwrap();
    let beyond = AccountHistory::of(acme.sid()).before(Seq::new(1));
    for (actor, expected) in [
        (admin(), Ok(0)),
        (provider(), Ok(0)),
        (other_provider(), Ok(0)),
        (customer(&acme), Ok(0)),
        (actor(Scope::ServiceProvider(sid(NO_APP))), Err("not_found")),
    ] {
        let page = block_on(world.accounts.history(&actor, &beyond));
        let got = page.map(|page| page.entries.len()).map_err(|error| error.code());
        assert_eq!(got, expected, "{actor}");
    }
}

#[test]
fn what_is_not_kept_any_more_is_said_to_be_missing() {
    for (kept, entries, trimmed) in [(0, 0, true), (1, 1, true), (3, 3, true), (4, 4, false), (9, 4, false)] {
        let world = World::over(Arc::new(MemoryStore::starting_from(Snapshot::empty(), kept)));
        let mut acme = world.account(&json!({"name": "Acme"}));
        for licensed in 1..=3 {
            acme = world.edit(&admin(), &acme, &json!({"unit": {"maximum": licensed}})).unwrap();
        }
        for actor in [admin(), customer(&acme)] {
            let page = block_on(world.accounts.history(&actor, &AccountHistory::of(acme.sid()))).unwrap();
            assert_eq!((page.entries.len(), page.trimmed), (entries, trimmed), "{kept} are kept");
            assert_eq!(page.next, None);
        }
    }
}

#[test]
fn the_json_of_a_page() {
    let world = World::new();
    let acme = world.account(&json!({"name": "Acme"}));
    let acme = world.edit(&admin(), &acme, &json!({"name": "Globex"})).unwrap();
    let page = block_on(world.accounts.history(&admin(), &AccountHistory::of(acme.sid()).limit(1))).unwrap();
    let expected = json!({
        "entries": [{
            "seq": 2,
            "at": "2026-11-23T20:37:43.000Z",
            "actor": {"scope": "admin", "subject": "jane@operator.example"},
            "action": "edited",
            "account_sid": acme.sid(),
            "name": "Globex",
            "revision": 2,
            "fields": [{"field": "name", "before": "Acme", "after": "Globex"}],
        }],
        "next": 2,
        "trimmed": false,
    });
    assert_eq!(serde_json::to_value(page).unwrap(), expected);
}
