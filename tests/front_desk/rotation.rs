//! Rotating the webhook secret.

use crate::world::*;
use futures_lite::future::block_on;
use gateway_accounts::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60 * 1000;

fn rotate(world: &World, account: &Account, how: SecretRotation) -> Result<Arc<Account>, Error> {
    block_on(world.accounts.rotate_webhook_secret(&admin(), account.sid(), account.revision(), how))
}

fn finish(world: &World, account: &Account) -> Result<Arc<Account>, Error> {
    block_on(world.accounts.finish_webhook_secret_rotation(&admin(), account.sid(), account.revision()))
}

fn revoke(world: &World, account: &Account) -> Result<Arc<Account>, Error> {
    block_on(world.accounts.revoke_webhook_secret(&admin(), account.sid(), account.revision()))
}

/// The secrets that sign at this moment.
fn live(account: &Account, now: Timestamp) -> Vec<&str> {
    account.live_webhook_secrets(now).map(WebhookSecret::reveal).collect()
}

/// What the latest commit did to the account, as it may be shown.
fn told(world: &World, account: &Account) -> Value {
    let listing = block_on(world.accounts.history(&admin(), &AccountHistory::of(account.sid()))).unwrap();
    serde_json::to_value(listing.entries.first().unwrap()).unwrap()["fields"].clone()
}

#[test]
fn both_sign_until_the_overlap_is_over() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let (name, old) = (acme.name().clone(), acme.webhook_secret().reveal());
    let now = world.clock.advance(1_000);
    let rotated = rotate(&world, &acme, SecretRotation::default()).unwrap();
    let new = rotated.webhook_secret().reveal();
    assert!(new.starts_with("whsec_") && new != old);
    assert_eq!((rotated.revision(), rotated.updated()), (Revision::new(2), now));
    assert_eq!(acme.differences(&rotated), [Field::WebhookSecret]);
    let until = now.after(SecretRotation::DEFAULT_OVERLAP);
    for (at, expected) in [
        (now, vec![new, old]),
        (Timestamp::from_millis(until.as_millis() - 1), vec![new, old]),
        (until, vec![new]),
        (until.after(Duration::from_secs(1)), vec![new]),
    ] {
        assert_eq!(live(&rotated, at), expected, "{at}");
    }
    assert_eq!(
        told(&world, &acme),
        json!([
            {"field": "webhook_secret", "changed": true},
            {"field": "webhook_secret.overlap_until", "before": null, "after": until},
        ])
    );
    let view = serde_json::to_value(rotated.view()).unwrap();
    assert_eq!(view["webhook_secret_overlap_until"], json!(until));
    assert_eq!(world.by_realm(&admin(), "acme.example", RealmMatch::Exact).unwrap(), rotated);

    // It is dropped with the next write after its time, and not before.
    world.clock.advance(DAY - 1);
    let edited = world.edit(&admin(), &rotated, &json!({"name": "Globex"})).unwrap();
    assert_eq!(edited.former_webhook_secret(), rotated.former_webhook_secret());
    world.clock.advance(1);
    assert_eq!(world.unchanged(|w| world_edit(w, &edited, &json!({"name": "Globex"}))).unwrap(), edited);
    let edited = world_edit(&world, &edited, &json!({"name": name})).unwrap();
    assert_eq!((edited.former_webhook_secret(), edited.webhook_secret().reveal()), (None, new));
}

fn world_edit(world: &World, account: &Account, change: &Value) -> Result<Arc<Account>, Error> {
    world.edit(&admin(), account, change)
}

#[test]
fn how_long_they_overlap() {
    for (overlap, expected) in [
        (Duration::ZERO, Some(None)),
        (Duration::from_millis(1), Some(Some(1))),
        (Duration::from_secs(3600), Some(Some(3_600_000))),
        (SecretRotation::MAX_OVERLAP, Some(Some(7 * DAY))),
        (SecretRotation::MAX_OVERLAP + Duration::from_millis(1), None),
        (Duration::MAX, None),
    ] {
        let world = World::new();
        let acme = world.full(Contract::RESTRICTED);
        let how = SecretRotation::default().with_overlap(overlap);
        assert_eq!(how.overlap(), overlap);
        match expected {
            Some(until) => {
                let rotated = rotate(&world, &acme, how).unwrap();
                let found = rotated.former_webhook_secret().map(|former| former.until().as_millis() - START);
                assert_eq!(found, until.map(|millis| millis as i64), "{overlap:?}");
                assert_ne!(rotated.webhook_secret(), acme.webhook_secret());
            }
            None => {
                let problems =
                    world.refused(&[("webhook_secret", "overlap_too_long")], |w| rotate(w, &acme, how));
                let [problem] = problems.iter().collect::<Vec<_>>()[..] else { panic!() };
                assert_eq!(problem.to_string(), "webhook_secret must overlap for 7 days at most");
            }
        }
    }
}

#[test]
fn no_more_than_two_sign() {
    let world = World::new();
    let first = world.full(Contract::RESTRICTED);
    let second = rotate(&world, &first, SecretRotation::default()).unwrap();
    world.clock.advance(DAY - 1);
    let problems = world
        .refused(&[("webhook_secret", "rotation_open")], |w| rotate(w, &second, SecretRotation::default()));
    assert!(problems.to_string().contains("is being rotated until 2026-11-24T20:37:43.000Z"), "{problems}");

    // Forced, the oldest goes at once.
    let now = world.clock.advance(0);
    let third = rotate(&world, &second, SecretRotation::default().forced()).unwrap();
    let secrets = [&third, &second].map(|account| account.webhook_secret().reveal());
    assert_eq!(live(&third, now), secrets);

    // Once it is over, nothing needs to be forced.
    let now = world.clock.advance(DAY);
    let fourth = rotate(&world, &third, SecretRotation::default()).unwrap();
    let secrets = [&fourth, &third].map(|account| account.webhook_secret().reveal());
    assert_eq!(live(&fourth, now), secrets);
}

#[test]
fn finished_early() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    assert_eq!(world.unchanged(|w| finish(w, &acme)).unwrap(), acme);
    let rotated = rotate(&world, &acme, SecretRotation::default()).unwrap();
    let now = world.clock.advance(1_000);
    let finished = finish(&world, &rotated).unwrap();
    assert_eq!(live(&finished, now), [rotated.webhook_secret().reveal()]);
    assert_eq!(finished.former_webhook_secret(), None);
    let until = rotated.former_webhook_secret().unwrap().until();
    let expected = json!([{"field": "webhook_secret.overlap_until", "before": until, "after": null}]);
    assert_eq!(told(&world, &acme), expected);
    assert!(rotate(&world, &finished, SecretRotation::default()).is_ok());
}

#[test]
fn revoked_now() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let revoked = revoke(&world, &acme).unwrap();
    assert_eq!(told(&world, &acme), json!([{"field": "webhook_secret", "changed": true}]));
    assert_eq!(live(&revoked, world.clock.advance(0)), [revoked.webhook_secret().reveal()]);
    assert_ne!(revoked.webhook_secret(), acme.webhook_secret());

    // Also while a rotation is under way.
    let rotated = rotate(&world, &revoked, SecretRotation::default()).unwrap();
    let again = revoke(&world, &rotated).unwrap();
    assert_eq!(live(&again, world.clock.advance(0)), [again.webhook_secret().reveal()]);
    assert!(
        ![&acme, &revoked, &rotated].iter().any(|account| account.webhook_secret() == again.webhook_secret())
    );
}

#[test]
fn who_may() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let other = world.account(&json!({"name": "Globex", "service_provider_sid": OTHER_PROVIDER}));
    for (actor, may) in [
        (admin(), true),
        (provider(), true),
        (customer(&acme), true),
        (other_provider(), false),
        (customer(&other), false),
    ] {
        let seen = world.get(acme.sid());
        let visible = actor.editable_fields(&seen).of(Field::WebhookSecret) == Access::Editable;
        assert_eq!(visible, may, "{actor}");
        let how = SecretRotation::default().forced();
        let (desk, sid, revision) = (&world.accounts, seen.sid(), seen.revision());
        let rotated = block_on(desk.rotate_webhook_secret(&actor, sid, revision, how));
        let revision = world.get(sid).revision();
        let finished = block_on(desk.finish_webhook_secret_rotation(&actor, sid, revision));
        let revision = world.get(sid).revision();
        let revoked = block_on(desk.revoke_webhook_secret(&actor, sid, revision));
        for result in [rotated, finished, revoked] {
            match result {
                Ok(_) => assert!(may, "{actor}"),
                Err(error) => assert!(!may && matches!(error, Error::NotFound), "{actor}: {error:?}"),
            }
        }
    }
}

#[test]
fn each_needs_the_revision_that_was_seen() {
    let world = World::new();
    let stale = world.full(Contract::RESTRICTED);
    let current = rotate(&world, &stale, SecretRotation::default()).unwrap();
    for result in [
        world.unchanged(|w| rotate(w, &stale, SecretRotation::default())),
        world.unchanged(|w| finish(w, &stale)),
        world.unchanged(|w| revoke(w, &stale)),
    ] {
        let Err(Error::Changed { expected, actual, .. }) = result else { panic!("{result:?}") };
        assert_eq!((expected, actual), (stale.revision(), current.revision()));
    }
}

/// A form that was loaded before a rotation and saved after it took the secret back to what it was, in a gateway whose forms
/// send it along.
#[test]
fn no_form_undoes_a_rotation() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let mut form = serde_json::to_value(acme.view()).unwrap();
    form["name"] = "Globex".into();
    form.as_object_mut().unwrap().remove("revision");
    let rotated = rotate(&world, &acme, SecretRotation::default()).unwrap();
    let stale = world.unchanged(|w| world_edit(w, &acme, &form));
    assert!(matches!(stale, Err(Error::Changed { .. })), "{stale:?}");

    // What it says of the overlap is not so any more, and nobody else's business.
    world.refused(&[("webhook_secret_overlap_until", "read_only")], |w| world_edit(w, &rotated, &form));
    form["webhook_secret_overlap_until"] = json!(rotated.former_webhook_secret().unwrap().until());
    for account in [json!(acme.webhook_secret().reveal()), json!("chosen"), Value::Null] {
        form["webhook_secret"] = account;
        world.refused(&[("webhook_secret", "read_only")], |w| world_edit(w, &rotated, &form));
    }
    form["webhook_secret"] = "********".into();
    let edited = world_edit(&world, &rotated, &form).unwrap();
    assert_eq!(rotated.differences(&edited), [Field::Name]);
    assert_eq!(live(&edited, Timestamp::from_millis(START)), live(&rotated, Timestamp::from_millis(START)));

    // Nor does suspending.
    let reason = "late".parse().unwrap();
    let suspended = block_on(world.accounts.suspend(&admin(), edited.sid(), edited.revision(), reason));
    assert_eq!(edited.differences(&suspended.unwrap()), [Field::Status]);
}

#[test]
fn neither_secret_is_shown() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let rotated = rotate(&world, &acme, SecretRotation::default()).unwrap();
    let history = block_on(world.accounts.history(&admin(), &AccountHistory::of(acme.sid()))).unwrap();
    let shown = format!(
        "{rotated:?} {} {} {}",
        serde_json::to_string(&rotated.view()).unwrap(),
        serde_json::to_string(&history.entries).unwrap(),
        history.entries.iter().map(ToString::to_string).collect::<String>(),
    );
    for account in [&acme, &rotated] {
        assert!(!shown.contains(&account.webhook_secret().reveal()[6..]), "{shown}");
    }
}

#[test]
fn an_import_brings_both_along() {
    let world = World::new();
    let acme = world.full(Contract::RESTRICTED);
    let rotated = rotate(&world, &acme, SecretRotation::default()).unwrap();
    let until = |millis: u64| {
        let mut record = AccountRecord::from(&*rotated);
        (record.device_calling_application, record.siprec_application) = (None, None);
        let until = Timestamp::from_millis(START + millis as i64);
        record.former_webhook_secret =
            Some(Box::new(FormerSecret::new(acme.webhook_secret().clone(), until)));
        Account::try_from(record).unwrap()
    };
    for (millis, expected) in [(0, true), (1, true), (7 * DAY, true), (7 * DAY + 1, false)] {
        let account = until(millis);
        let former = account.former_webhook_secret().cloned();
        for all_at_once in [false, true] {
            let elsewhere = World::new();
            let result = if all_at_once {
                block_on(elsewhere.accounts.import_all(&admin(), [account.clone()], |_| {})).map(|_| ())
            } else {
                block_on(elsewhere.accounts.import(&admin(), account.clone())).map(|_| ())
            };
            assert_eq!(result.is_ok(), expected, "{millis}: {result:?}");
            if expected {
                assert_eq!(elsewhere.get(account.sid()).former_webhook_secret().cloned(), former);
            } else {
                assert!(format!("{result:?}").contains("overlap_too_long"), "{result:?}");
            }
        }
    }
}

/// What is done to an account, and to a model of it.
#[derive(Debug, Clone)]
enum Step {
    Rotate { overlap: u64, forced: bool },
    Finish,
    Revoke,
    Rename(u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let millis = || prop_oneof![Just(0), Just(1), 0..3_u64, 0..20_u64];
    let step = prop_oneof![
        (millis(), any::<bool>()).prop_map(|(overlap, forced)| Step::Rotate { overlap, forced }),
        Just(Step::Finish),
        Just(Step::Revoke),
        any::<u8>().prop_map(Step::Rename),
        millis().prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..30)
}

proptest! {
    /// Secrets are numbered in the order in which they were made; the model has the current one, and the one before with
    /// its end.
    #[test]
    fn whatever_is_done_the_secrets_that_sign_are_those_of_the_model(steps in steps()) {
        let world = World::new();
        let mut account = world.full(Contract::RESTRICTED);
        let mut made = vec![account.webhook_secret().clone()];
        let (mut current, mut former) = (0, None::<(usize, u64)>);
        let mut now = 0;
        for step in steps {
            let open = former.is_some_and(|(_, until)| now < until);
            let renew = |world: &World, result: Result<Arc<Account>, Error>, made: &mut Vec<WebhookSecret>| {
                let account = result.unwrap();
                made.push(account.webhook_secret().clone());
                assert_eq!(*world.get(account.sid()), *account);
                account
            };
            match step {
                Step::Rotate { overlap, forced } => {
                    let mut how = SecretRotation::default().with_overlap(Duration::from_millis(overlap));
                    if forced {
                        how = how.forced();
                    }
                    let result = rotate(&world, &account, how);
                    if open && !forced {
                        prop_assert!(result.is_err());
                    } else {
                        account = renew(&world, result, &mut made);
                        (current, former) = (made.len() - 1, Some((current, now + overlap)));
                    }
                }
                Step::Revoke => {
                    account = renew(&world, revoke(&world, &account), &mut made);
                    (current, former) = (made.len() - 1, None);
                }
                Step::Finish => (account, former) = (finish(&world, &account).unwrap(), None),
                Step::Rename(n) => {
                    account = world_edit(&world, &account, &json!({"name": format!("Acme {n}")})).unwrap();
                }
                Step::Wait(millis) => {
                    now += millis;
                    world.clock.advance(millis);
                }
            }
            let expected: Vec<_> = [Some(current), former.filter(|(_, until)| now < *until).map(|(n, _)| n)]
                .into_iter()
                .flatten()
                .map(|n| made[n].reveal())
                .collect();
            prop_assert_eq!(live(&account, Timestamp::from_millis(START + now as i64)), expected);
        }
    }
}
