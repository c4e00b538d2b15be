//! Finding the account of a realm.

use crate::world::*;
use gateway_accounts::*;
use serde_json::json;

#[test]
fn exactly_or_by_the_nearest_parent() {
    use RealmMatch::{Exact, OrParent};
    let world = World::new();
    for realm in ["example.com", "acme.example.com", "b.pbx.acme.example.com", "other.example"] {
        world.account(&json!({"name": realm, "sip_realm": realm}));
    }
    for (asked, matching, found) in [
        ("acme.example.com", Exact, Some("acme.example.com")),
        ("ACME.Example.com.", Exact, Some("acme.example.com")),
        ("pbx.acme.example.com", Exact, None),
        ("acme.example.com", OrParent, Some("acme.example.com")),
        ("pbx.acme.example.com", OrParent, Some("acme.example.com")),
        ("b.pbx.acme.example.com", OrParent, Some("b.pbx.acme.example.com")),
        ("c.b.a.pbx.acme.example.com", OrParent, Some("acme.example.com")),
        ("z.b.pbx.acme.example.com", OrParent, Some("b.pbx.acme.example.com")),
        ("globex.example.com", OrParent, Some("example.com")),
        // A parent ends at a dot.
        ("notacme.example.com", Exact, None),
        ("notother.example", OrParent, None),
        ("example.com.evil.test", OrParent, None),
        ("unknown.test", OrParent, None),
    ] {
        let answer = world.by_realm(&admin(), asked, matching);
        let answer = match answer {
            Ok(account) => Some(account.name().to_string()),
            Err(Error::NotFound) => None,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(answer.as_deref(), found, "{asked} {matching:?}");
        // The data plane's snapshot gives the same answer.
        let snapshot = world.accounts.snapshot().unwrap();
        let direct = match matching {
            Exact => snapshot.by_realm(&realm(asked)),
            OrParent => snapshot.by_realm_or_parent(&realm(asked)),
        };
        assert_eq!(
            direct.map(|account| account.name().as_str()),
            found,
            "{asked} {matching:?} in the snapshot"
        );
    }
}

#[test]
fn a_parent_that_belongs_to_somebody_else_is_not_found() {
    let world = World::new();
    world.account(
        &json!({"name": "Parent", "sip_realm": "example.com", "service_provider_sid": OTHER_PROVIDER}),
    );
    let child = world.account(
        &json!({"name": "Child", "sip_realm": "acme.example.com", "service_provider_sid": PROVIDER}),
    );
    for (asked, found) in
        [("pbx.acme.example.com", true), ("globex.example.com", false), ("example.com", false)]
    {
        for actor in [provider(), customer(&child)] {
            let answer = world.by_realm(&actor, asked, RealmMatch::OrParent);
            assert_eq!(answer.is_ok(), found, "{asked} by {actor}");
        }
    }
}

/// A subdomain takes devices over that found the other account by its parent domain, and so is not for everybody.
#[test]
fn nobody_takes_a_subdomain_of_an_account_they_may_not_see() {
    let world = World::new();
    let acme = world
        .account(&json!({"name": "Acme", "sip_realm": "acme.example", "service_provider_sid": PROVIDER}));
    let other = world.account(&json!({"name": "Globex", "service_provider_sid": PROVIDER}));
    let under = |name: &str| json!({"name": name, "sip_realm": "pbx.acme.example"});
    let problem = [("sip_realm", "under_anothers")];
    world.refused(&problem, |w| w.create(&other_provider(), &under("Initech")));
    world.refused(&problem, |w| w.edit(&customer(&other), &other, &under("Globex")));
    // Deeper does not help.
    world.refused(&problem, |w| w.edit(&customer(&other), &other, &json!({"sip_realm": "a.b.acme.example"})));
    // Itself, its provider and the admin may.
    world.edit(&customer(&acme), &acme, &json!({"sip_realm": "pbx.acme.example"})).unwrap();
    let acme = world.get(acme.sid());
    world.edit(&admin(), &acme, &json!({"sip_realm": "acme.example"})).unwrap();
    world.create(&provider(), &under("Hooli")).unwrap();
}
