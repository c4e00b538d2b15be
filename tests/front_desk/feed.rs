//! The audit trail: the feed tells who changed what, and when.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;

#[test]
fn every_change_carries_its_actor_and_the_time_of_the_clock() {
    let world = World::new();
    let jane = Actor::new(Scope::Admin, "jane".parse().unwrap());
    let pete = Actor::new(Scope::ServiceProvider(sid(PROVIDER)), "pete".parse().unwrap());

    let created_at = world.clock.advance(1_000);
    let created = world.create(&pete, &json!({"name": "Acme"})).unwrap();
    let mary = Actor::new(Scope::Account(created.sid()), "mary".parse().unwrap());
    let edited_at = world.clock.advance(1_000);
    let edited = world.edit(&mary, &created, &json!({"name": "Globex"})).unwrap();
    let suspended_at = world.clock.advance(1_000);
    let suspend = world.accounts.suspend(&jane, edited.sid(), edited.revision(), "late".parse().unwrap());
    let suspended = block_on(suspend).unwrap();
    let resumed_at = world.clock.advance(1_000);
    let resumed = block_on(world.accounts.resume(&jane, suspended.sid(), suspended.revision())).unwrap();
    let deleted_at = world.clock.advance(1_000);
    let delete = world.accounts.delete(&pete, resumed.sid(), resumed.revision(), WhileRunning::Refuse);
    let deleted = block_on(delete).unwrap();
    let imported_at = world.clock.advance(1_000);
    let imported = block_on(world.accounts.import(&jane, Account::clone(&deleted))).unwrap();

    let replaced = |before: &Arc<Account>, after: &Arc<Account>| Event::Replaced {
        before: Arc::clone(before),
        after: Arc::clone(after),
    };
    let expected = [
        (&pete, created_at, Event::Created(Arc::clone(&created))),
        (&mary, edited_at, replaced(&created, &edited)),
        (&jane, suspended_at, replaced(&edited, &suspended)),
        (&jane, resumed_at, replaced(&suspended, &resumed)),
        (&pete, deleted_at, Event::Deleted(deleted)),
        (&jane, imported_at, Event::Created(imported)),
    ];
    let Feed::Changes(changes) = block_on(world.store.changes(Seq::START, 100)).unwrap() else {
        panic!("nothing was trimmed")
    };
    assert_eq!(changes.len(), expected.len());
    for (i, (change, (actor, at, event))) in changes.iter().zip(expected).enumerate() {
        assert_eq!(change.seq, Seq::new(i as u64 + 1));
        assert_eq!((&change.actor, change.at), (actor, at), "{}", change.seq);
        assert_eq!(change.events, [event]);
    }
}
