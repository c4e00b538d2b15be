//! An account of somebody else is, in every answer, an account that does not exist.

use crate::world::*;
use futures_lite::future::block_on;
use futures_lite::{Stream, StreamExt};
use gateway_accounts::*;
use serde_json::json;
use std::fmt::Debug;
use std::sync::Arc;

fn collect(stream: impl Stream<Item = Result<Arc<Account>, Error>>) -> Vec<Result<Arc<Account>, Error>> {
    block_on(Box::pin(stream).collect())
}

/// All that an answer shows, by Debug and, of an error, by Display.
fn shown<T: Debug>(answer: &Result<T, Error>) -> String {
    match answer {
        Ok(_) => format!("{answer:?}"),
        Err(error) => format!("{answer:?} {error} {:?} {}", error.problems(), error.is_retryable()),
    }
}

/// Every operation that reads, with the answer it gets.
fn reads(
    world: &World,
    actor: &Actor,
    sid: AccountSid,
    name: &AccountName,
    realm: &SipRealm,
) -> Vec<(&'static str, String)> {
    let desk = &world.accounts;
    vec![
        ("get", shown(&block_on(desk.get(actor, sid)))),
        ("name", shown(&block_on(desk.find_by_name(actor, name)))),
        ("realm", shown(&block_on(desk.find_by_realm(actor, realm, RealmMatch::Exact)))),
        ("realm or parent", shown(&block_on(desk.find_by_realm(actor, realm, RealmMatch::OrParent)))),
        ("list", shown(&block_on(desk.list(actor, &Listing::new())))),
        ("list after", shown(&block_on(desk.list(actor, &Listing::new().after(sid))))),
        ("stream", format!("{:?}", collect(desk.stream(actor)))),
    ]
}

/// Every operation that names an account, with the answer it gets.
fn answers(
    world: &World,
    actor: &Actor,
    sid: AccountSid,
    name: &AccountName,
    realm: &SipRealm,
) -> Vec<(&'static str, String)> {
    let desk = &world.accounts;
    let mut answers = reads(world, actor, sid, name, realm);
    for seen in [0, 1, 2, u64::MAX].map(Revision::new) {
        for patch in [
            AccountPatch::new(),
            AccountPatch::new().name("Stolen"),
            AccountPatch::new().name(""),
            AccountPatch::new().unit(Unit::sessions(1)).licensed_sessions(Limit::Unlimited),
        ] {
            answers.push(("edit", shown(&block_on(desk.edit(actor, sid, seen, patch)))));
        }
        let reason = "late".parse().unwrap();
        answers.push(("suspend", shown(&block_on(desk.suspend(actor, sid, seen, reason)))));
        answers.push(("resume", shown(&block_on(desk.resume(actor, sid, seen)))));
        for while_running in [WhileRunning::Refuse, WhileRunning::Delete] {
            answers.push(("delete", shown(&block_on(desk.delete(actor, sid, seen, while_running)))));
        }
    }
    answers
}

#[test]
fn nobody_finds_out_which_other_accounts_exist() {
    let mut all = 0;
    for suspended in [false, true] {
        let world = World::new();
        let mut target = world.full(Contract::OPEN);
        world.account(
            &json!({"name": "Globex", "sip_realm": "globex.example", "service_provider_sid": OTHER_PROVIDER}),
        );
        let own = world.account(&json!({"name": "Own"}));
        if suspended {
            let reason = "late".parse().unwrap();
            target =
                block_on(world.accounts.suspend(&admin(), target.sid(), target.revision(), reason)).unwrap();
        }
        world.sessions.set(target.sid(), 3);
        world.sessions.set(sid(NOBODY), 3);
        for actor in [customer(&own), other_provider(), actor(Scope::Account(sid(NOBODY)))] {
            let theirs = world
                .unchanged(|w| answers(w, &actor, target.sid(), target.name(), target.sip_realm().unwrap()));
            let nobodys = world
                .unchanged(|w| answers(w, &actor, sid(NOBODY), &name("Nobody"), &realm("nobody.example")));
            for ((operation, theirs), (_, nobodys)) in theirs.iter().zip(&nobodys) {
                // A page after a SID differs by the order of the SIDs alone.
                if *operation != "list after" {
                    assert_eq!(theirs, nobodys, "{operation} by {actor}");
                }
                // Not even that they are not allowed to.
                if !matches!(*operation, "list" | "list after" | "stream") {
                    assert!(nobodys.starts_with("Err(NotFound)"), "{operation} by {actor}: {nobodys}");
                }
                all += 1;
                for told in ["Acme", "acme.example", &target.sid().to_string()] {
                    assert!(!theirs.contains(told), "{operation} by {actor} tells {told}: {theirs}");
                }
            }
        }
        // The same calls by those who may see it tell of it.
        for actor in [admin(), provider(), customer(&target)] {
            world.unchanged(|w| {
                let seen = reads(w, &actor, target.sid(), target.name(), target.sip_realm().unwrap());
                assert!(seen.iter().all(|(operation, answer)| {
                    *operation == "list after" || answer.contains("acme.example")
                }));
            });
        }
    }
    assert!(all > 100);
}

/// A service provider that lost an account has lost sight of it.
#[test]
fn an_account_that_moved_to_another_provider_is_out_of_sight() {
    let world = World::new();
    let acme = world.full(Contract::OPEN);
    let change = json!({"service_provider_sid": OTHER_PROVIDER, "siprec_application_sid": null});
    let moved = world.edit(&admin(), &acme, &change).unwrap();
    for seen in [acme.revision(), moved.revision()] {
        let patch = AccountPatch::new().name("Mine");
        let edit = block_on(world.accounts.edit(&provider(), acme.sid(), seen, patch));
        assert!(matches!(edit, Err(Error::NotFound)), "{edit:?}");
    }
    assert!(block_on(world.accounts.list(&provider(), &Listing::new())).unwrap().accounts.is_empty());
    assert_eq!(block_on(world.accounts.get(&other_provider(), acme.sid())).unwrap(), moved);
}

/// A provider's right over accounts is not a right over those that have no provider.
#[test]
fn an_account_without_a_provider_is_seen_by_the_admin_and_itself() {
    let world = World::new();
    let own = world.account(&json!({"name": "Own"}));
    for (actor, sees) in [(admin(), true), (customer(&own), true), (provider(), false)] {
        assert_eq!(block_on(world.accounts.get(&actor, own.sid())).is_ok(), sees, "{actor}");
        assert_eq!(collect(world.accounts.stream(&actor)).len(), usize::from(sees), "{actor}");
    }
}

/// That a name or realm is taken can't be hidden from who wants it, but whose it is can.
#[test]
fn taken_does_not_tell_by_whom() {
    let world = World::new();
    let acme = world.full(Contract::OPEN);
    let own = world.account(&json!({"name": "Own"}));
    let wanted = json!({"name": "ACME", "sip_realm": "acme.example"});
    let taken = [("name", "taken"), ("sip_realm", "taken")];
    for actor in [customer(&own), other_provider()] {
        let problems = match actor.scope() {
            Scope::Account(_) => world.refused(&taken, |w| w.edit(&actor, &own, &wanted)),
            _ => world.refused(&taken, |w| w.create(&actor, &wanted)),
        };
        let text = format!("{problems:?} {problems} {}", serde_json::to_string(&problems).unwrap());
        for told in ["Acme", &acme.sid().to_string(), PROVIDER] {
            assert!(!text.contains(told), "{text}");
        }
    }
}
