//! API keys: who may have to do with whose, and every operation.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Desk {
    world: World,
    keys: ApiKeys,
    acme: Arc<Account>,
    other: Arc<Account>,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        let acme = world.full(Contract::RESTRICTED);
        let other = world.account(&json!({"name": "Other", "service_provider_sid": OTHER_PROVIDER}));
        let keys = ApiKeys::new(&world.accounts);
        Self { world, keys, acme, other }
    }

    fn owner(&self) -> Scope {
        Scope::Account(self.acme.sid())
    }

    #[track_caller]
    fn add(&self, label: &str) -> AddedKey {
        block_on(self.keys.add(&admin(), NewKey::of(self.owner(), label))).unwrap()
    }

    #[track_caller]
    fn stored(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        block_on(self.world.store.key(id)).unwrap()
    }

    fn seq(&self) -> Seq {
        block_on(self.world.store.snapshot()).unwrap().seq()
    }
}

/// Each kind of actor, each kind of owner: what they may not see is not found, whatever they ask.
#[test]
fn who_may_have_to_do_with_whose_keys() {
    let desk = Desk::new();
    let account = Scope::Account(desk.acme.sid());
    let owners = [
        ("acme", account),
        ("its provider", Scope::ServiceProvider(sid(PROVIDER))),
        ("admin", Scope::Admin),
        ("other", Scope::Account(desk.other.sid())),
        ("other provider", Scope::ServiceProvider(sid(OTHER_PROVIDER))),
        ("nobody", Scope::Account(sid(NOBODY))),
    ];
    for (who, actor, may) in [
        ("admin", admin(), [true, true, true, true, true, false]),
        ("provider", provider(), [true, true, false, false, false, false]),
        ("other provider", other_provider(), [false, false, false, true, true, false]),
        ("acme", customer(&desk.acme), [true, false, false, false, false, false]),
        ("other", customer(&desk.other), [false, false, false, true, false, false]),
    ] {
        for ((whose, owner), may) in owners.into_iter().zip(may) {
            let key = match owner {
                Scope::Account(of) if of == sid(NOBODY) => None,
                owner => Some(block_on(desk.keys.add(&admin(), NewKey::of(owner, "key"))).unwrap().key),
            };
            let found = |found: bool, what: &str| assert_eq!(found, may, "{who}, {what} {whose}");
            let not_found = |error: Option<Error>| match error {
                None => true,
                Some(Error::NotFound) => false,
                Some(error) => panic!("{error}"),
            };
            let added = block_on(desk.keys.add(&actor, NewKey::of(owner, "another")));
            found(not_found(added.err()), "add");
            found(not_found(block_on(desk.keys.list(&actor, owner)).err()), "list");
            let Some(key) = key else { continue };
            let (id, seen) = (key.id(), key.revision());
            found(not_found(block_on(desk.keys.get(&actor, id)).err()), "get");
            let renamed = block_on(desk.keys.rename(&actor, id, seen, "renamed"));
            found(not_found(renamed.as_ref().err().map(|_| Error::NotFound)), "rename");
            let seen = renamed.map_or(seen, |key| key.revision());
            let rotated = block_on(desk.keys.rotate(&actor, id, seen, Rotation::new()));
            found(not_found(rotated.err()), "rotate");
            let seen = if may { seen.next() } else { seen };
            let disabled = block_on(desk.keys.disable(&actor, id, seen));
            found(not_found(disabled.as_ref().err().map(|_| Error::NotFound)), "disable");
            let seen = disabled.map_or(seen, |key| key.revision());
            found(not_found(block_on(desk.keys.enable(&actor, id, seen)).err()), "enable");
            found(not_found(block_on(desk.keys.revoke(&actor, id)).err()), "revoke");
            assert_eq!(desk.stored(id).is_none(), may, "{who}, {whose}");
        }
    }
}

#[test]
fn a_key_is_kept_without_its_secret() {
    let desk = Desk::new();
    let expires = desk.world.clock.now().after(Duration::from_secs(60));
    let new = NewKey::of(desk.owner(), " billing ").expires(expires);
    let AddedKey { key, token, .. } = block_on(desk.keys.add(&customer(&desk.acme), new)).unwrap();
    assert_eq!((key.id(), key.last_four().as_bytes()), (token.id(), &token.last_four()[..]));
    assert_eq!((key.label().as_str(), key.expires()), ("billing", Some(expires)));
    assert_eq!((key.created(), key.created_by().as_str()), (desk.world.clock.now(), "jane@operator.example"));
    assert!(!key.is_disabled() && key.last_used().is_none());
    assert_eq!(block_on(desk.keys.list(&admin(), desk.owner())).unwrap(), [Arc::clone(&key)]);
    // The id is no secret; what follows it is.
    let (_, secret) = token.reveal().rsplit_once('_').unwrap();
    let kept = serde_json::to_string(&ApiKeyRecord::from(&*key)).unwrap();
    let shown = format!("{key:?} {token:?} {}", serde_json::to_string(&key.view()).unwrap());
    for text in [kept, shown] {
        assert!(!text.contains(&secret[..8]), "{text}");
    }
    assert!(!serde_json::to_string(&key.view()).unwrap().contains("argon2"));
}

#[test]
fn all_that_is_wrong_with_a_new_key_is_told() {
    let desk = Desk::new();
    let now = desk.world.clock.now();
    desk.world.refused(&[("api_keys.label", "empty"), ("api_keys.expires", "past")], |_| {
        block_on(desk.keys.add(&admin(), NewKey::of(desk.owner(), " ").expires(now)))
    });
    let key = desk.add("key").key;
    desk.world.refused(&[("api_keys.label", "too_long")], |_| {
        block_on(desk.keys.rename(&admin(), key.id(), key.revision(), &"x".repeat(65)))
    });
}

#[test]
fn stale_edits_are_refused_and_edits_that_change_nothing_write_nothing() {
    let desk = Desk::new();
    let key = desk.add("key").key;
    let (id, first) = (key.id(), key.revision());
    let renamed = block_on(desk.keys.rename(&admin(), id, first, "other")).unwrap();
    assert_eq!((renamed.revision(), renamed.label().as_str()), (first.next(), "other"));
    let before = desk.seq();
    let stale = [
        block_on(desk.keys.rename(&admin(), id, first, "third")).err(),
        block_on(desk.keys.disable(&admin(), id, first)).err(),
        block_on(desk.keys.enable(&admin(), id, first)).err(),
        block_on(desk.keys.rotate(&admin(), id, first, Rotation::new())).err(),
    ];
    for error in stale {
        let Some(Error::KeyChanged { expected, actual, .. }) = error else { panic!("{error:?}") };
        assert_eq!((expected, actual), (first, first.next()));
    }
    assert_eq!(block_on(desk.keys.rename(&admin(), id, first.next(), "other")).unwrap(), renamed);
    assert_eq!(block_on(desk.keys.enable(&admin(), id, first.next())).unwrap(), renamed);
    assert_eq!(desk.seq(), before);
    // Revoking needs no revision.
    assert_eq!(block_on(desk.keys.revoke(&admin(), id)).unwrap(), renamed);
    assert!(matches!(block_on(desk.keys.revoke(&admin(), id)), Err(Error::NotFound)));
}

/// The overlap, what the former key's expiry was, and what it becomes; what the new key's is.
#[test]
fn rotating_never_prolongs_a_key() {
    let hour = 60 * 60;
    let at = |seconds: u64| Timestamp::from_millis(START).after(Duration::from_secs(seconds));
    for (overlap, expires, asked, former, new) in [
        (24 * hour, None, None, Some(at(24 * hour)), None),
        (24 * hour, Some(at(hour)), None, Some(at(hour)), Some(at(hour))),
        (24 * hour, Some(at(48 * hour)), None, Some(at(24 * hour)), Some(at(48 * hour))),
        (hour, Some(at(2 * hour)), Some(at(500 * hour)), Some(at(hour)), Some(at(500 * hour))),
        // No longer than a week.
        (1000 * hour, None, None, Some(at(7 * 24 * hour)), None),
        (0, Some(at(hour)), None, None, Some(at(hour))),
    ] {
        let desk = Desk::new();
        let mut draft = NewKey::of(desk.owner(), "key");
        if let Some(expires) = expires {
            draft = draft.expires(expires);
        }
        let key = block_on(desk.keys.add(&admin(), draft)).unwrap().key;
        let mut rotation = Rotation::new().overlap(Duration::from_secs(overlap));
        if let Some(asked) = asked {
            rotation = rotation.expires(asked);
        }
        let before = desk.seq();
        let added = block_on(desk.keys.rotate(&admin(), key.id(), key.revision(), rotation)).unwrap();
        assert_eq!(desk.seq(), before.next(), "it is one step");
        assert_eq!(desk.stored(key.id()).map(|key| key.expires()), former.map(Some));
        assert_eq!((added.key.expires(), added.key.label()), (new, key.label()));
        assert_ne!(added.key.id(), key.id());
    }
}

#[test]
fn an_expired_key_is_not_rotated() {
    let desk = Desk::new();
    let expires = desk.world.clock.now().after(Duration::from_secs(60));
    let key =
        block_on(desk.keys.add(&admin(), NewKey::of(desk.owner(), "key").expires(expires))).unwrap().key;
    desk.world.clock.advance(60_000);
    desk.world.refused(&[("api_keys.expires", "past")], |_| {
        block_on(desk.keys.rotate(&admin(), key.id(), key.revision(), Rotation::new()))
    });
}

#[test]
fn an_owner_has_so_many_keys_and_no_more() {
    let mut desk = Desk::new();
    desk.keys = desk.keys.clone().with_at_most(3);
    let first = desk.add("1").key;
    desk.add("2");
    desk.add("3");
    desk.world.refused(&[("api_keys", "too_many")], |_| {
        block_on(desk.keys.add(&admin(), NewKey::of(desk.owner(), "4")))
    });
    desk.world.refused(&[("api_keys", "too_many")], |_| {
        block_on(desk.keys.rotate(&admin(), first.id(), first.revision(), Rotation::new()))
    });
    // Others have their own.
    block_on(desk.keys.add(&admin(), NewKey::of(Scope::Admin, "1"))).unwrap();
    // Without an overlap, the former one makes room.
    let rotation = Rotation::new().overlap(Duration::ZERO);
    block_on(desk.keys.rotate(&admin(), first.id(), first.revision(), rotation)).unwrap();
    assert_eq!(block_on(desk.keys.list(&admin(), desk.owner())).unwrap().len(), 3);
}

/// Expired keys are revoked to make room, in the same step, and no others.
#[test]
fn expired_keys_make_room() {
    let mut desk = Desk::new();
    desk.keys = desk.keys.clone().with_at_most(3);
    let soon = desk.world.clock.now().after(Duration::from_secs(60));
    let short = |label: &str| NewKey::of(desk.owner(), label).expires(soon);
    let first = block_on(desk.keys.add(&admin(), short("1"))).unwrap().key;
    let second = block_on(desk.keys.add(&admin(), short("2"))).unwrap().key;
    let third = desk.add("3").key;
    desk.world.clock.advance(60_000);
    let before = desk.seq();
    let fourth = desk.add("4").key;
    assert_eq!(desk.seq(), before.next());
    let left = |id: KeyId| desk.stored(id).is_some();
    assert_eq!([first.id(), second.id(), third.id(), fourth.id()].map(left), [false, false, true, true]);
    // Where there is room, they stay to be seen.
    let fifth = NewKey::of(desk.owner(), "5").expires(desk.world.clock.now().after(Duration::from_secs(60)));
    let fifth = block_on(desk.keys.add(&admin(), fifth)).unwrap().key;
    desk.world.clock.advance(60_000);
    assert!(left(fifth.id()));
    // One that has expired can be rotated, if it is said when the new one expires; also where it is in its own way.
    let rotation = Rotation::new().expires(desk.world.clock.now().after(Duration::from_secs(60)));
    block_on(desk.keys.rotate(&admin(), third.id(), third.revision(), rotation)).unwrap();
    assert!(!left(fifth.id()));
}

#[test]
fn a_disabled_key_is_not_rotated() {
    let desk = Desk::new();
    let key = desk.add("key").key;
    let key = block_on(desk.keys.disable(&admin(), key.id(), key.revision())).unwrap();
    desk.world.refused(&[("api_keys.disabled", "disabled")], |_| {
        block_on(desk.keys.rotate(&admin(), key.id(), key.revision(), Rotation::new()))
    });
}

#[test]
fn deleting_an_account_revokes_its_keys_with_it() {
    let desk = Desk::new();
    let (first, second) = (desk.add("1").key, desk.add("2").key);
    let others =
        block_on(desk.keys.add(&admin(), NewKey::of(Scope::Account(desk.other.sid()), "3"))).unwrap();
    let before = desk.seq();
    desk.world.delete(&admin(), &desk.acme, WhileRunning::Delete).unwrap();
    assert_eq!(desk.seq(), before.next());
    for key in [first, second] {
        assert!(desk.stored(key.id()).is_none());
    }
    assert!(desk.stored(others.key.id()).is_some());
    assert!(matches!(block_on(desk.keys.list(&admin(), desk.owner())), Err(Error::NotFound)));
}

#[test]
fn keys_come_in_from_elsewhere_all_or_none() {
    let desk = Desk::new();
    let import = |token: &str, owner| KeyImport {
        owner,
        label: "imported".parse().unwrap(),
        token: KeyToken::imported(token).unwrap(),
        created: Timestamp::from_millis(1000),
        expires: None,
        last_used: Some(Timestamp::from_millis(2000)),
    };
    let token = "961523f6-6cba-40b8-bb34-f349d0bad31d";
    let nobody = Scope::Account(sid(NOBODY));
    for actor in [provider(), customer(&desk.acme)] {
        let refused = block_on(desk.keys.import(&actor, [import(token, desk.owner())]));
        assert!(matches!(refused, Err(Error::Forbidden { .. })));
    }
    let broken = [
        vec![import(token, desk.owner()), import("05373113-c90a-4704-aa15-5eeae4617264", nobody)],
        vec![import(token, desk.owner()), import(&token.to_uppercase(), Scope::Admin)],
    ];
    for keys in broken {
        assert!(desk.world.unchanged(|_| block_on(desk.keys.import(&admin(), keys))).is_err());
    }
    let imported = block_on(desk.keys.import(&admin(), [import(token, desk.owner())])).unwrap();
    assert_eq!(imported[0].last_used(), Some(Timestamp::from_millis(2000)));
    assert_eq!((imported[0].last_four(), imported[0].owner()), ("d31d", desk.owner()));
}

#[test]
fn a_key_that_is_being_made_is_not_given_to_who_may_not_see_its_owner_any_more() {
    use futures_lite::future::poll_once;
    use std::pin::pin;
    const ONE: &str = "38700987-c7a4-4685-a5bb-af378f9734d1";
    const TWO: &str = "38700987-c7a4-4685-a5bb-af378f9734d2";
    let desk = Desk::new();
    let provider = Actor::new(Scope::ServiceProvider(ONE.parse().unwrap()), "eve".parse().unwrap());
    let accounts = &desk.world.accounts;
    let account = desk.world.account(&json!({"name": "Moved", "service_provider_sid": ONE}));
    let owner = Scope::Account(account.sid());
    let key = block_on(desk.keys.add(&admin(), NewKey::of(owner, "first"))).unwrap().key;
    // The secret is hashed on another thread; what happens afterwards waits to be polled.
    let mut add = pin!(desk.keys.add(&provider, NewKey::of(owner, "second")));
    let mut rotate = pin!(desk.keys.rotate(&provider, key.id(), key.revision(), Rotation::new()));
    assert!(block_on(poll_once(add.as_mut())).is_none());
    assert!(block_on(poll_once(rotate.as_mut())).is_none());
    let patch = AccountPatch::new().service_provider(TWO.parse::<ServiceProviderSid>().unwrap());
    block_on(accounts.edit(&admin(), account.sid(), account.revision(), patch)).unwrap();
    assert!(matches!(block_on(add), Err(Error::NotFound)));
    assert!(matches!(block_on(rotate), Err(Error::NotFound)));
    assert_eq!(block_on(desk.keys.list(&admin(), owner)).unwrap(), [key]);
}
