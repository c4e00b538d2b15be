//! Finding the account of a realm.

use crate::remote::Remote;
use crate::world::*;
use gateway_accounts::*;
use serde_json::json;
use std::sync::Arc;

#[test]
fn exactly_or_by_the_nearest_parent() {
    // From memory, and from a store that is asked for one realm after the other.
    for world in [World::new(), World::over(Arc::new(Remote::default()))] {
        finds_exactly_or_by_the_nearest_parent(&world);
    }
}

fn finds_exactly_or_by_the_nearest_parent(world: &World) {
    use RealmMatch::{Exact, OrParent};
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
        let Some(snapshot) = world.accounts.snapshot() else { continue };
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

/// A parent or a subdomain takes over devices that are found by a parent domain, and so neither is for everybody.
#[test]
fn customers_choose_realms_below_the_operators_own_domains() {
    let world = World::new().with_realm_policy(RealmPolicy::one_label_under([realm("sip.operator.example")]));
    let acme = world.account(&json!({"name": "Acme", "service_provider_sid": PROVIDER}));
    for refused in
        ["co.uk", "operator.example", "sip.operator.example", "pbx.acme.sip.operator.example", "acme.example"]
    {
        let problem = [("sip_realm", "realm_policy")];
        world.refused(&problem, |w| w.edit(&customer(&acme), &acme, &json!({"sip_realm": refused})));
        world.refused(&problem, |w| w.create(&provider(), &json!({"name": "Globex", "sip_realm": refused})));
    }
    world.edit(&customer(&acme), &acme, &json!({"sip_realm": "acme.sip.operator.example"})).unwrap();
    world
        .create(&provider(), &json!({"name": "Globex", "sip_realm": "globex.sip.operator.example"}))
        .unwrap();
    // The admin decides otherwise, and an edit that keeps such a realm is no new choice.
    let hooli = json!({"name": "Hooli", "sip_realm": "hooli.example", "service_provider_sid": PROVIDER});
    let hooli = world.create(&admin(), &hooli).unwrap();
    world
        .edit(&customer(&hooli), &hooli, &json!({"name": "Hooli Inc", "sip_realm": "hooli.example"}))
        .unwrap();
}
