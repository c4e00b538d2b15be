//! Who sees what of the history of an account.

use crate::world::*;
use async_trait::async_trait;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The entries that the actor sees, by pages of so many commits, each as its commit and what was done; or the error.
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
        let commits: BTreeSet<Seq> = page.entries.iter().map(|entry| entry.seq).collect();
        assert!(commits.len() <= size && !page.trimmed);
        assert!(!page.entries.is_empty(), "a page that leads nowhere");
        all.extend(page.entries.iter().map(|entry| (entry.seq.get(), entry.action)));
        let Some(next) = page.next else { return Ok(all) };
        assert_eq!(commits.len(), size, "a page that is not the last is full");
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

/// A key of this owner, told from others by the digit at its end.
fn key(owner: Scope, digit: u8, label: &str) -> ApiKeyRecord {
    let json = json!({
        "key_id": format!("4fJ9sKq02LmXa7R{digit}"),
        "owner": owner,
        "label": label,
        "hash": "$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
        "last_four": "x7Q2",
        "created": "2026-11-23T20:37:43.000Z",
        "created_by": "jane@operator.example",
        "revision": 1,
    });
    serde_json::from_value(json).unwrap()
}

/// Commits these writes.
#[track_caller]
fn commit(store: &dyn AccountStore, writes: impl IntoIterator<Item = Write>) {
    let batch = Batch::new(admin(), Timestamp::from_millis(START)).with_all(writes);
    block_on(store.commit(batch)).unwrap();
}

fn add(key: ApiKeyRecord) -> Write {
    Write::Key(KeyWrite::Add { key: Arc::new(key.try_into().unwrap()), at_most: 9 })
}

fn replace(key: ApiKeyRecord) -> Write {
    Write::Key(KeyWrite::Replace(Arc::new(key.try_into().unwrap())))
}

fn revoke(key: &ApiKeyRecord, revision: u64) -> Write {
    Write::Key(KeyWrite::Revoke { id: key.id, expected: Revision::new(revision) })
}

/// An event of a key does not tell under whom the account was: its neighbours do.
#[test]
fn each_sees_what_happened_to_keys_while_the_account_was_its_own() {
    use AuditAction::*;
    let world = World::new();
    let acme = world.create(&provider(), &json!({"name": "Acme"})).unwrap(); // 1
    let sid = acme.sid();
    let (first, second) = (key(Scope::Account(sid), 1, "first"), key(Scope::Account(sid), 2, "second"));
    let write = |write| commit(&*world.store, [write]);
    write(add(first.clone())); // 2
    write(add(key(Scope::ServiceProvider(crate::world::sid(PROVIDER)), 3, "another's"))); // 3
    let there = world.edit(&admin(), &acme, &json!({"service_provider_sid": OTHER_PROVIDER})).unwrap(); // 4
    write(add(second.clone())); // 5
    write(replace(ApiKeyRecord { disabled: true, ..first.clone() })); // 6
    write(Write::Key(KeyWrite::Use { id: first.id, at: Timestamp::from_millis(START) })); // 7
    let back = world.edit(&admin(), &there, &json!({"service_provider_sid": PROVIDER})).unwrap(); // 8
    write(replace(ApiKeyRecord { revision: Revision::new(2), ..first.clone() })); // 9
    write(revoke(&second, 1)); // 10
    let alone = world.edit(&admin(), &back, &json!({"service_provider_sid": null})).unwrap(); // 11
    write(add(second.clone())); // 12

    let all = [
        (12, KeyAdded),
        (11, Edited),
        (10, KeyRevoked),
        (9, KeyEnabled),
        (8, Edited),
        (6, KeyDisabled),
        (5, KeyAdded),
        (4, Edited),
        (2, KeyAdded),
        (1, Created),
    ];
    let own = [(10, KeyRevoked), (9, KeyEnabled), (8, Edited), (2, KeyAdded), (1, Created)];
    let others = [(6, KeyDisabled), (5, KeyAdded), (4, Edited)];
    let table = |end: &[(u64, AuditAction)], last: Scope| {
        let with = |actor: &Actor, rest: &[_]| {
            let sees_end = matches!(actor.scope(), Scope::Admin | Scope::Account(_)) || actor.scope() == last;
            Ok([if sees_end { end } else { &[] }, rest].concat())
        };
        let stranger = actor(Scope::ServiceProvider(crate::world::sid(NO_APP)));
        [
            ("an admin", admin(), with(&admin(), &all)),
            ("the account", customer(&acme), with(&customer(&acme), &all)),
            ("the provider that had it twice", provider(), with(&provider(), &own)),
            ("the provider that had it once", other_provider(), with(&other_provider(), &others)),
            ("a provider that never had it", stranger, Err("not_found")),
        ]
    };
    let check = |end: &[_], last: Scope, when: &str| {
        for size in [1, 2, 3, 5, 100] {
            for (who, actor, expected) in table(end, last) {
                assert_eq!(seen(&world, &actor, sid, size), expected, "{who}, by {size}, {when}");
            }
        }
    };
    check(&[], Scope::Admin, "while nobody has it");
    // What is newest is about a key, and the account as it is tells whose it was.
    let again = world.edit(&admin(), &alone, &json!({"service_provider_sid": OTHER_PROVIDER})).unwrap(); // 13
    write(revoke(&second, 1)); // 14
    let end = [(14, KeyRevoked), (13, Edited)];
    check(&end, other_provider().scope(), "while another has it");
    world.delete(&admin(), &again, WhileRunning::Refuse).unwrap(); // 15
    let end = [(15, Deleted), (15, KeyRevoked), (14, KeyRevoked), (13, Edited)];
    check(&end, other_provider().scope(), "after it was deleted");
}

/// Within one commit too, what counts is how the account was just then.
#[test]
fn keys_written_with_a_move() {
    use AuditAction::*;
    let world = World::new();
    let acme = world.create(&provider(), &json!({"name": "Acme"})).unwrap();
    let moved = AccountRecord { service_provider: Some(sid(OTHER_PROVIDER)), ..AccountRecord::from(&*acme) };
    let keys = [1, 2].map(|digit| add(key(Scope::Account(acme.sid()), digit, "CI")));
    let [before, after] = keys;
    let write = Write::Replace(Arc::new(moved.try_into().unwrap()));
    commit(&*world.store, [before, write, after]);
    for (actor, expected) in [
        (admin(), vec![(2, KeyAdded), (2, Edited), (2, KeyAdded), (1, Created)]),
        (provider(), vec![(2, KeyAdded), (1, Created)]),
        (other_provider(), vec![(2, KeyAdded), (2, Edited)]),
    ] {
        assert_eq!(seen(&world, &actor, acme.sid(), 1), Ok(expected), "{actor}");
    }
}

/// A store in which an account is moved to `OTHER_PROVIDER` right after it was first read, in whatever way.
#[derive(Debug)]
struct Moving {
    store: MemoryStore,
    account: Arc<Account>,
    moved: AtomicBool,
}

impl Moving {
    fn moves(&self) {
        if !self.moved.swap(true, Ordering::SeqCst) {
            let patch = patch(&json!({"service_provider_sid": OTHER_PROVIDER}));
            let (sid, revision) = (self.account.sid(), self.account.revision());
            block_on(Accounts::new(self.store.clone()).edit(&admin(), sid, revision, patch)).unwrap();
        }
    }
}

#[async_trait]
impl AccountStore for Moving {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        self.store.commit(batch).await
    }
    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.store.by_sid(sid).await;
        self.moves();
        found
    }
    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        self.store.by_name(name).await
    }
    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        self.store.by_realm(realm).await
    }
    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.store.key(id).await
    }
    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.store.keys(owner).await
    }
    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.store.list(listing).await
    }
    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        self.store.changes(after, limit).await
    }
    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        let page = self.store.history(history).await;
        self.moves();
        page
    }
    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.store.wait_past(after).await
    }
    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot().await
    }
    fn live(&self) -> Option<Snapshot> {
        self.store.live()
    }

    fn live_seq(&self) -> Option<Seq> {
        self.store.live_seq()
    }
}

/// Only keys have changed for as long as changes are kept, and the account is moved while somebody asks.
#[test]
fn a_move_meanwhile_shows_nobody_what_was_not_theirs() {
    let added = vec![(3, AuditAction::KeyAdded), (2, AuditAction::KeyAdded)];
    let edited = vec![(4, AuditAction::Edited)];
    for (actor, before, expected) in [
        (provider(), None, added.clone()),
        (provider(), Some(4), added),
        (other_provider(), None, edited),
        (other_provider(), Some(4), vec![]),
    ] {
        let world = World::new();
        let account = world.account(&json!({"name": "Acme", "service_provider_sid": PROVIDER}));
        let sid = account.sid();
        let store = MemoryStore::starting_from(block_on(world.store.snapshot()).unwrap(), 9);
        for digit in [1, 2] {
            commit(&store, [add(key(Scope::Account(sid), digit, "CI"))]);
        }
        let moving = Moving { store, account, moved: AtomicBool::new(false) };
        let world = World::over(Arc::new(moving));
        let request = AccountHistory::of(sid);
        let request = before.map_or(request, |seq| request.before(Seq::new(seq)));
        let page = block_on(world.accounts.history(&actor, &request)).unwrap();
        let found: Vec<_> = page.entries.iter().map(|entry| (entry.seq.get(), entry.action)).collect();
        assert_eq!((found, page.next, page.trimmed), (expected, None, true), "{actor}, before {before:?}");
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
