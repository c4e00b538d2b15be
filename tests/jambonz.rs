//! Moving in from jambonz, with what a running jambonz 0.9.6 returned (tests/data/jambonz).
#![cfg(feature = "jambonz")]
#![allow(clippy::unwrap_used, reason = "a panic here is the failing test")]

use futures_lite::future::block_on;
use gateway_accounts::jambonz::{
    self, ByAccount, Documents, Imported, KnownApplications, Options, Outcome, RecordKind,
};
use gateway_accounts::{
    Account, AccountName, AccountSid, AccountStore, Accounts, Actor, ApiKeys, AuthError, Authenticator,
    HashPool, Limit, ManualClock, MemoryStore, Scope, SeededRandom, Status, Timestamp, UnitKind, UrlPolicy,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", "jambonz", name].iter().collect()
}

#[track_caller]
fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn recorded() -> Documents {
    Documents {
        service_providers: read("service_providers.json"),
        accounts: read("accounts.json"),
        applications: read("applications.json"),
        limits: read::<ByAccount<_>>("limits.json").0,
        api_keys: read::<ByAccount<_>>("api_keys.json").0,
    }
}

/// When the files were recorded, about.
fn now() -> Timestamp {
    "2026-11-24T00:00:00Z".parse().unwrap()
}

fn admin() -> Actor {
    Actor::new(Scope::Admin, "import".parse().unwrap())
}

/// Every rule of the crate, applied once more, by a front desk over an empty store.
#[track_caller]
fn assert_an_empty_store_takes_all(imported: &Imported, documents: &Documents, policy: UrlPolicy) {
    let accounts = Accounts::new(MemoryStore::new())
        .with_applications(KnownApplications::new(&documents.applications))
        .with_url_policy(policy);
    for account in &imported.accounts {
        let stored = block_on(accounts.import(&admin(), account.clone()));
        assert_eq!(stored.as_deref().map_err(ToString::to_string), Ok(account));
    }
}

/// Each account came over, or the report says that it did not.
#[track_caller]
fn assert_none_is_lost(imported: &Imported, documents: &Documents) {
    let summary = imported.report.summary();
    assert_eq!(summary.read, documents.accounts.len());
    assert_eq!(summary.unchanged + summary.changed, imported.accounts.len());
    assert_eq!(summary.read, imported.accounts.len() + summary.not_imported);
    let came: HashSet<AccountSid> = imported.accounts.iter().map(Account::sid).collect();
    assert_eq!(came.len(), imported.accounts.len(), "a SID twice");
    let refused: HashSet<&str> = imported
        .report
        .entries()
        .iter()
        .filter(|entry| entry.kind == RecordKind::Account && entry.outcome == Outcome::NotImported)
        .map(|entry| &*entry.sid)
        .collect();
    for document in &documents.accounts {
        let sid = document.account_sid.as_deref().unwrap_or_default();
        let came = sid.parse().is_ok_and(|sid| came.contains(&sid));
        assert!(came || refused.contains(sid), "{document:?}");
    }
}

#[test]
fn the_report_of_the_recorded_files() {
    let imported = recorded().import(&Options::new().with_now(now()));
    let report = format!("{}{}\n", imported.report, imported.report.summary());
    if std::env::var("JAMBONZ_REPORT").is_ok_and(|what| what == "write") {
        std::fs::write(path("report.txt"), &report).unwrap();
    }
    let expected = text("report.txt");
    for (got, expected) in report.lines().zip(expected.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(report, expected);
}

#[test]
fn the_recorded_files_and_the_dump_are_the_same_documents() {
    let (files, dump) = (recorded(), Documents::from_dump(&text("dump.sql")).unwrap());
    assert_eq!(dump.service_providers, files.service_providers);
    assert_eq!(dump.applications, files.applications);
    assert_eq!(dump.accounts, files.accounts);
    // The API lists limits and keys account by account, and so in another order.
    let limits = |documents: &Documents| -> BTreeMap<_, _> {
        documents.limits.iter().map(|limit| (limit.account_limits_sid.clone(), limit.clone())).collect()
    };
    let keys = |documents: &Documents| -> BTreeMap<_, _> {
        documents.api_keys.iter().map(|key| (key.api_key_sid.clone(), key.clone())).collect()
    };
    assert_eq!(limits(&dump), limits(&files));
    // Those of service providers and of admins it does not list at all.
    let (all, mut of_accounts) = (keys(&dump), keys(&dump));
    of_accounts.retain(|_, key| key.account_sid.is_some());
    assert_eq!(of_accounts, keys(&files));
    assert_eq!((all.len(), of_accounts.len()), (22, 19));
    assert_eq!(dump.import(&Options::new()).accounts, files.import(&Options::new()).accounts);
}

#[test]
fn every_recorded_account_is_as_it_was_or_in_the_report() {
    for documents in [recorded(), Documents::from_dump(&text("dump.sql")).unwrap()] {
        let imported = documents.import(&Options::new());
        assert_none_is_lost(&imported, &documents);
        assert_an_empty_store_takes_all(&imported, &documents, UrlPolicy::production());
        assert_eq!(imported.accounts.len(), 36);
        for account in &imported.accounts {
            let sid = account.sid().to_string();
            let document =
                documents.accounts.iter().find(|it| it.account_sid.as_deref() == Some(&*sid)).unwrap();
            assert_as_it_was_or_reported(account, document, &documents, &imported.report);
        }
    }
}

/// Compares field by field, with nothing that the import itself uses.
#[track_caller]
fn assert_as_it_was_or_reported(
    account: &Account,
    document: &jambonz::Account,
    documents: &Documents,
    report: &jambonz::Report,
) {
    let sid = document.account_sid.as_deref().unwrap();
    let check = |field: &str, same: bool| {
        let reported = report
            .entries()
            .iter()
            .filter(|entry| entry.sid == sid && entry.kind == RecordKind::Account)
            .any(|entry| {
                entry
                    .field
                    .as_deref()
                    .is_some_and(|name| name == field || name.starts_with(&format!("{field}.")))
            });
        assert_eq!(reported, !same, "{field} of {sid}: same {same}, reported {reported}");
    };
    check("account_sid", account.sid().to_string() == sid);
    check("name", Some(account.name().as_str()) == document.name.as_deref());
    check("sip_realm", account.sip_realm().map(|realm| realm.as_str()) == document.sip_realm.as_deref());
    check(
        "webhook_secret",
        account.webhook_secret().reveal() == document.webhook_secret.as_ref().unwrap().reveal(),
    );
    check(
        "service_provider_sid",
        account.service_provider().map(|sid| sid.to_string()) == document.service_provider_sid,
    );
    check(
        "device_calling_application_sid",
        account.device_calling_application().map(|sid| sid.to_string())
            == document.device_calling_application_sid,
    );
    check(
        "siprec_hook_sid",
        account.siprec_application().map(|sid| sid.to_string()) == document.siprec_hook_sid,
    );
    check("created_at", Some(account.created().to_string()) == document.created_at);
    for (field, hook, document) in [
        ("registration_hook", account.registration_webhook(), &document.registration_hook),
        ("queue_event_hook", account.queue_event_webhook(), &document.queue_event_hook),
    ] {
        let ours = hook.map(|hook| {
            let credentials = hook.credentials();
            (
                hook.url().to_string(),
                Some(hook.method().to_string()),
                credentials.map(|it| it.username().to_owned()),
                credentials.map(|it| it.reveal_password().to_owned()),
            )
        });
        let reveal = |text: &Option<jambonz::Concealed>| text.as_ref().map(|text| text.reveal().to_owned());
        let theirs = document.as_ref().map(|hook| {
            (reveal(&hook.url).unwrap(), hook.method.clone(), reveal(&hook.username), reveal(&hook.password))
        });
        check(field, ours == theirs);
    }
    check("is_active", account.status().is_active() && document.is_active == Some(1));
    let reason = match account.status() {
        Status::Active => None,
        Status::Suspended(suspension) => Some(suspension.reason.to_string()),
    };
    check("deactivated_reason", reason == document.deactivated_reason);
    let limit = |category: &str| {
        let mut rows = documents
            .limits
            .iter()
            .filter(|it| it.account_sid.as_deref() == Some(sid) && it.category.as_deref() == Some(category));
        (rows.next().map(|row| row.quantity.unwrap()), rows.next().is_some())
    };
    let maximum = |kind| match (account.unit().kind == kind, account.unit().maximum) {
        (true, Limit::AtMost(most)) => Some(i64::from(most)),
        (true, Limit::Unlimited) | (false, _) => None,
    };
    check("limits.voice_call_session", (maximum(UnitKind::Sessions), false) == limit("voice_call_session"));
    check("limits.voice_call_minutes", (maximum(UnitKind::Minutes), false) == limit("voice_call_minutes"));
    let licence = limit("voice_call_session_license");
    let licensed = match account.licensed_sessions() {
        Limit::AtMost(most) => Some(i64::from(most)),
        Limit::Unlimited => None,
    };
    // Without a licence every session is licensed.
    let licensed =
        if licence.0.is_none() && licensed == maximum(UnitKind::Sessions) { None } else { licensed };
    check("limits.voice_call_session_license", (licensed, false) == licence);
    for category in ["voice_call_minutes_license", "device", "api_rate"] {
        check(&format!("limits.{category}"), limit(category).0.is_none());
    }
    check("plan_type", document.plan_type.as_deref() == Some("trial"));
    check("trial_end_date", document.trial_end_date.is_none());
    check("device_to_call_ratio", document.device_to_call_ratio == Some(5));
    check("disable_cdrs", document.disable_cdrs == Some(0));
    check("record_all_calls", document.record_all_calls == Some(0));
    check("record_format", document.record_format.as_deref() == Some("mp3"));
    check("enable_debug_log", document.enable_debug_log == Some(0));
    check("bucket_credential", !document.bucket_credential);
    check("stripe_customer_id", !document.stripe_customer_id);
    check("subspace_client_id", !document.subspace_client_id);
}

/// What jambonz answered to the odd requests that make or change an account, brought in.
#[test]
fn odd_cases() {
    let cases: Vec<Value> = read("odd_cases.json");
    let applications: Vec<jambonz::Application> = read("applications.json");
    let expected: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("empty name", &["not imported: name empty"][..]),
        ("name of three spaces", &["not imported: name empty"]),
        ("numeric name", &[]),
        ("duplicate name, first", &[]),
        ("duplicate name, second, same service provider", &[]),
        ("name of 64 characters outside the BMP", &[]),
        ("name with newline, tab and NUL", &["not imported: name character"]),
        ("name as an object", &[]),
        ("other service_provider_sid with a service provider token", &[]),
        ("realm is an IPv4 address", &["dropped sip_realm ip_address"]),
        ("realm is an IPv6 reference", &["dropped sip_realm ip_address"]),
        ("realm with underscore", &["dropped sip_realm character"]),
        ("realm with trailing dot", &["changed sip_realm normalised"]),
        ("realm in upper case via POST", &[]),
        ("realm of one label", &["dropped sip_realm one_label"]),
        ("realm with inner space and port", &["dropped sip_realm character"]),
        ("empty realm", &["changed sip_realm empty"]),
        ("realm with non-ASCII letters", &["changed sip_realm normalised"]),
        ("SipRealms: upper case with account token", &["changed sip_realm normalised"]),
        ("SipRealms: same realm again in another case", &["changed sip_realm normalised"]),
        ("SipRealms: percent-encoded space and slash", &["dropped sip_realm character"]),
        ("hook url with spaces", &["dropped registration_hook character"]),
        ("hook url ftp", &["dropped registration_hook scheme"]),
        ("hook url relative", &["dropped queue_event_hook not_absolute"]),
        // jambonz made no webhook of it.
        ("hook url empty", &[]),
        (
            "hook without method, username without password",
            &["dropped registration_hook.username incomplete"],
        ),
        ("hook as an array", &["changed is_active since_unknown", "changed deactivated_reason required"]),
        ("PUT hook null", &[]),
        (
            "is_active 0 at creation",
            &["changed is_active since_unknown", "changed deactivated_reason required"],
        ),
        ("is_active 7", &["changed is_active not_a_flag"]),
        ("account_sid chosen by the client", &[]),
        (
            "PUT siprec_hook_sid of another account's application",
            &["dropped siprec_hook_sid unknown_application"],
        ),
        (
            "[not in test mode] SipRealms with no SBC address provisioned: an error, yet the realm is stored",
            &[],
        ),
    ]);
    let mut seen = BTreeSet::new();
    for case in &cases {
        let name = case["case"].as_str().unwrap();
        let document = &case["then_get"]["response"];
        if !document.is_object() {
            continue;
        }
        let documents = Documents {
            accounts: vec![serde_json::from_value(document.clone()).unwrap()],
            applications: applications.clone(),
            ..Documents::default()
        };
        let imported = documents.import(&Options::new());
        let got: Vec<String> = imported
            .report
            .entries()
            .iter()
            .filter(|entry| entry.kind == RecordKind::Account)
            .map(|entry| {
                let outcome = match entry.outcome {
                    Outcome::Changed => "changed",
                    Outcome::Dropped => "dropped",
                    Outcome::NotImported => "not imported:",
                };
                format!("{outcome} {} {}", entry.field.as_deref().unwrap_or("-"), entry.code)
            })
            .collect();
        assert_eq!(got, expected.get(name).copied().unwrap_or(&["a case that the table lacks"]), "{name}");
        assert_none_is_lost(&imported, &documents);
        assert_an_empty_store_takes_all(&imported, &documents, UrlPolicy::production());
        if got.is_empty() {
            let report = &imported.report;
            assert_as_it_was_or_reported(&imported.accounts[0], &documents.accounts[0], &documents, report);
        }
        seen.insert(name);
    }
    assert_eq!(seen, expected.into_keys().collect(), "a case of the table that was not recorded");
}

/// The odd limits that the server let happen, and what they left.
#[test]
fn odd_limits() {
    let cases: Vec<Value> = read("odd_cases.json");
    let left = cases.iter().find(|case| case["case"] == "limits: what the odd posts left").unwrap();
    let limits: Vec<jambonz::Limit> = serde_json::from_value(left["response"].clone()).unwrap();
    let documents = Documents { limits, ..recorded() };
    let imported = documents.import(&Options::new());
    let odd = imported.accounts.iter().find(|it| it.sid().to_string().starts_with("ebd8db08")).unwrap();
    assert_eq!((odd.unit().maximum, odd.licensed_sessions()), (Limit::Unlimited, Limit::AtMost(9)));
    let codes: Vec<&str> = imported
        .report
        .entries()
        .iter()
        .filter(|entry| entry.sid == odd.sid().to_string())
        .map(|entry| entry.code)
        .collect();
    assert_eq!(codes, ["negative", "given_twice", "no_place", "both_units"]);
}

fn account(number: u8, more: &Value) -> jambonz::Account {
    let mut document = json!({
        "account_sid": format!("00000000-0000-4000-8000-0000000000{number:02}"),
        "name": format!("Account {number}"),
        "webhook_secret": "wh_secret_arRiyproWZqJm95Ya5jSRM",
        "created_at": "2026-11-23T20:37:43.000Z",
    });
    for (field, value) in more.as_object().unwrap() {
        document[field] = value.clone();
    }
    serde_json::from_value(document).unwrap()
}

#[track_caller]
fn imported(accounts: Vec<jambonz::Account>, options: &Options) -> Imported {
    let documents = Documents { accounts, ..Documents::default() };
    let imported = documents.import(options);
    assert_none_is_lost(&imported, &documents);
    imported
}

/// One account, and what the report says: ~ changed, - dropped, ! not imported.
#[test]
fn fields() {
    let hook = |more: Value| {
        let mut hook =
            json!({"url": "https://hooks.example/x", "method": "POST", "username": null, "password": null});
        for (field, value) in more.as_object().unwrap() {
            hook[field] = value.clone();
        }
        json!({ "registration_hook": hook })
    };
    let long = "s".repeat(256);
    for (more, expected) in [
        (json!({}), &[][..]),
        (json!({"name": "  Acme "}), &["~normalised"]),
        (json!({"name": "Cafe\u{301}"}), &["~normalised"]),
        (json!({"name": null}), &["!required"]),
        (json!({"account_sid": "acme"}), &["!not_a_uuid"]),
        (json!({"account_sid": "ABCDEF00-0000-4000-8000-000000000001"}), &["~normalised"]),
        (json!({"account_sid": null, "name": "", "webhook_secret": ""}), &["!required", "!empty", "!empty"]),
        (json!({"webhook_secret": null}), &["!empty"]),
        (json!({"webhook_secret": long}), &["!too_long"]),
        (json!({"webhook_secret": " \n"}), &[]),
        (json!({"created_at": null}), &["~not_a_moment"]),
        (json!({"created_at": "0000-00-00T00:00:00.000Z"}), &["~not_a_moment"]),
        (json!({"service_provider_sid": "northwind"}), &["-not_a_uuid"]),
        (json!({"device_calling_application_sid": ""}), &["~empty"]),
        (json!({"device_calling_application_sid": "x"}), &["-not_a_uuid"]),
        (json!({"siprec_hook_sid": "00000000-0000-4000-8000-000000000099"}), &["-unknown_application"]),
        (json!({"is_active": 0, "deactivated_reason": "debts"}), &["~since_unknown"]),
        (json!({"is_active": false, "deactivated_reason": " debts"}), &["~since_unknown", "~normalised"]),
        (json!({"is_active": 0, "deactivated_reason": "a\u{7}"}), &["~since_unknown", "~character"]),
        (json!({"is_active": 1, "deactivated_reason": "debts"}), &["-no_place"]),
        (json!({"is_active": true, "deactivated_reason": ""}), &[]),
        (json!({"plan_type": "gold", "favourite_colour": "blue"}), &["-no_place", "-unknown_field"]),
        (
            json!({"bucket_credential": {"vendor": "aws_s3"}, "subspace_client_secret": "x"}),
            &["-no_place", "-no_place"],
        ),
        (hook(json!({})), &[]),
        (hook(json!({"url": " "})), &["~empty"]),
        (hook(json!({"url": null})), &["~empty"]),
        (hook(json!({"url": "https://hooks.example"})), &["~normalised"]),
        (hook(json!({"url": "https://hooks.example/x#rc=3&rp=ct,5xx"})), &[]),
        (hook(json!({"url": "https://hooks.example/x#rc=9"})), &["~normalised"]),
        (hook(json!({"url": "https://hooks.example/x#top"})), &["~fragment"]),
        (hook(json!({"url": "https://u:p@hooks.example/x"})), &["-user_info"]),
        (hook(json!({"url": "http://hooks.example/x"})), &["-url_policy"]),
        (hook(json!({"url": "https://127.0.0.1/x"})), &["-url_policy"]),
        (hook(json!({"method": "get"})), &["~normalised"]),
        (hook(json!({"method": "PUT"})), &["-not_a_method"]),
        (hook(json!({"method": null})), &[]),
        (hook(json!({"username": "u", "password": "p"})), &[]),
        (hook(json!({"username": "u", "password": ""})), &["-incomplete"]),
        (hook(json!({"username": "", "password": "p"})), &["-incomplete"]),
        (hook(json!({"username": "u:v", "password": "p"})), &["-character"]),
    ] {
        let imported = imported(vec![account(1, &more)], &Options::new());
        let sign = |outcome| match outcome {
            Outcome::Changed => '~',
            Outcome::Dropped => '-',
            Outcome::NotImported => '!',
        };
        let entries = imported.report.entries().iter();
        let codes: Vec<String> =
            entries.map(|entry| format!("{}{}", sign(entry.outcome), entry.code)).collect();
        assert_eq!(codes, expected, "{more}");
    }
}

#[test]
fn an_account_without_a_secret_can_get_one() {
    let options = Options::new().with_new_secrets(SeededRandom::new(1));
    let imported = imported(vec![account(1, &json!({"webhook_secret": ""}))], &options);
    assert!(imported.accounts[0].webhook_secret().reveal().starts_with("whsec_"));
    assert_eq!(imported.report.entries()[0].code, "generated");
}

#[test]
fn who_keeps_a_name_and_a_realm() {
    let earlier = "2020-01-01T00:00:00.000Z";
    let accounts = vec![
        account(4, &json!({"name": "ACME (2)"})),
        account(3, &json!({"name": "acme", "sip_realm": "ACME.example"})),
        account(2, &json!({"name": "Acme", "sip_realm": "acme.example."})),
        account(9, &json!({"name": "ACME", "sip_realm": "acme.example", "created_at": earlier})),
        account(1, &json!({"name": "Acme", "created_at": null})),
        account(9, &json!({"name": "Another with the SID of the first"})),
        // It has no secret, and so stands in nobody's way.
        account(5, &json!({"name": "Globex", "created_at": earlier, "webhook_secret": ""})),
        account(6, &json!({"name": "Globex"})),
    ];
    let named = |imported: &Imported| -> Vec<(String, String)> {
        let short = |account: &Account| account.sid().to_string()[34..].to_owned();
        imported.accounts.iter().map(|it| (short(it), it.name().to_string())).collect()
    };
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(sid, name)| ((*sid).to_owned(), (*name).to_owned())).collect()
    };
    let refused = imported(accounts.clone(), &Options::new());
    assert_eq!(named(&refused), owned(&[("04", "ACME (2)"), ("09", "ACME"), ("06", "Globex")]));
    assert_eq!(refused.accounts[1].sip_realm().unwrap().as_str(), "acme.example");
    let holder = "is that of account 00000000-0000-4000-8000-000000000009";
    let told = |it: &Imported, reason: &str| {
        it.report.entries().iter().filter(|entry| entry.reason == reason).count()
    };
    assert_eq!(told(&refused, holder), 3);
    // What became of the realm of an account that did not come over is nobody's concern.
    assert!(refused.report.entries().iter().all(|entry| entry.outcome == Outcome::NotImported));

    let numbering = Options::new().with_duplicate_name(jambonz::DuplicateName::Number);
    let numbered = imported(accounts, &numbering);
    let expected = [
        ("04", "ACME (2)"),
        ("03", "acme (4)"),
        ("02", "Acme (3)"),
        ("09", "ACME"),
        ("01", "Acme (5)"),
        ("06", "Globex"),
    ];
    assert_eq!(named(&numbered), owned(&expected));
    let with_realm = numbered.accounts.iter().filter(|account| account.sip_realm().is_some()).count();
    assert_eq!(with_realm, 1);
    assert_eq!(told(&numbered, &format!("\"acme.example\" {holder}")), 2);

    let longest = "n".repeat(64);
    let twins = (1..=2).map(|n| account(n, &json!({"name": longest}))).collect();
    assert_eq!(imported(twins, &numbering).accounts.len(), 1);
}

#[test]
fn records_that_have_no_account() {
    let documents = Documents {
        accounts: vec![account(1, &json!({"name": ""}))],
        limits: serde_json::from_value(json!([
            {"account_limits_sid": "l1", "account_sid": "00000000-0000-4000-8000-000000000001", "category": "device"},
            {"account_limits_sid": "l2", "account_sid": "00000000-0000-4000-8000-000000000002", "category": "device"},
            {"account_limits_sid": "l3", "account_sid": null, "category": "device"},
        ]))
        .unwrap(),
        ..Documents::default()
    };
    let imported = documents.import(&Options::new());
    let lines: Vec<(&str, &str)> =
        imported.report.entries().iter().map(|entry| (&*entry.sid, entry.code)).skip(1).collect();
    assert_eq!(lines, [("l1", "no_account"), ("l2", "no_account"), ("l3", "no_account")]);
    assert_eq!(imported.report.summary().other_records, 3);
}

#[test]
fn what_a_store_refuses_is_in_the_report() {
    let documents = recorded();
    let mut imported = documents.import(&Options::new());
    let before = imported.report.summary();
    let accounts = Accounts::new(MemoryStore::new());
    let mut refused = 0;
    for account in &imported.accounts {
        // A front desk that knows no applications.
        if let Err(error) = block_on(accounts.import(&admin(), account.clone())) {
            imported.report.refuse(account, &error);
            refused += 1;
        }
    }
    let after = imported.report.summary();
    assert!(refused > 0);
    assert_eq!(after.not_imported, before.not_imported + refused);
    assert_eq!(after.unchanged + after.changed, before.unchanged + before.changed - refused);
    let last = imported.report.entries().last().unwrap();
    assert_eq!((last.outcome, last.code), (Outcome::NotImported, "unknown_application"));
}

/// As one by one: the same accounts come over, and the same is reported.
#[test]
fn all_that_is_not_refused_comes_over_at_once() {
    let one_by_one = {
        let mut imported = recorded().import(&Options::new());
        let accounts = Accounts::new(MemoryStore::new());
        for account in &imported.accounts {
            if let Err(error) = block_on(accounts.import(&admin(), account.clone())) {
                imported.report.refuse(account, &error);
            }
        }
        (imported.report, accounts.snapshot().unwrap().len())
    };
    let mut imported = recorded().import(&Options::new());
    let accounts = Accounts::new(MemoryStore::new());
    let all = imported.accounts.clone();
    let error = block_on(accounts.import_all(&admin(), all, |_| {})).unwrap_err();
    imported.report.refuse_all(&mut imported.accounts, error.refusals().unwrap());
    let rest = imported.accounts.clone();
    assert_eq!(block_on(accounts.import_all(&admin(), rest, |_| {})).unwrap(), one_by_one.1);
    assert_eq!(imported.report, one_by_one.0);
    assert_eq!(imported.accounts.len(), one_by_one.1);
}

#[test]
fn no_secret_is_ever_printed() {
    let secrets = |documents: &Documents| -> Vec<String> {
        let hooks = |hook: &Option<jambonz::Webhook>| {
            hook.iter()
                .flat_map(|it| [it.url.clone(), it.username.clone(), it.password.clone()])
                .collect::<Vec<_>>()
        };
        let of_accounts = documents.accounts.iter().flat_map(|account| {
            let mut all = vec![account.webhook_secret.clone()];
            all.extend(hooks(&account.registration_hook));
            all.extend(hooks(&account.queue_event_hook));
            all
        });
        let of_keys = documents.api_keys.iter().map(|key| key.token.clone());
        of_accounts.chain(of_keys).flatten().map(|secret| secret.reveal().to_owned()).collect()
    };
    let documents = recorded();
    let imported = documents.import(&Options::new());
    let printed = format!("{}\n{documents:#?}\n{:#?}", imported.report, imported.report);
    let secrets = secrets(&documents);
    assert!(secrets.len() > 80);
    for secret in secrets {
        // These user names are words that stand elsewhere, too.
        if !["jambonz", "globex", "pizza", "padaria"].contains(&&*secret) {
            assert!(!printed.contains(&secret), "{secret}");
        }
    }
}

/// Values that jambonz stores, or that somebody could write into a file.
fn value() -> impl Strategy<Value = Value> {
    let odd = [
        "",
        " ",
        "Acme",
        "ACME",
        " acme ",
        "Acme (2)",
        "a\u{0}b",
        "acme.example",
        "ACME.example.",
        "192.0.2.10",
        "café.example",
        "00000000-0000-4000-8000-000000000001",
        "00000000-0000-4000-8000-000000000002",
        "00000000-0000-0000-0000-000000000000",
        "https://hooks.example/x#rc=3",
        "/queue",
        "http://10.0.0.1",
        "GET",
        "7",
        "2026-11-23T20:37:43.000Z",
        "voice_call_session",
        "voice_call_minutes",
        "voice_call_session_license",
    ];
    prop_oneof![
        2 => Just(Value::Null),
        8 => prop::sample::select(odd.to_vec()).prop_map(Value::from),
        1 => "\\PC{0,80}".prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

fn record(fields: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(fields), value(), 0..fields.len())
        .prop_map(|fields| json!(fields))
}

/// An account that is often nearly right, so that the rules between accounts are reached.
fn account_document() -> impl Strategy<Value = Value> {
    const FIELDS: &[&str] = &[
        "account_sid",
        "name",
        "sip_realm",
        "service_provider_sid",
        "device_calling_application_sid",
        "siprec_hook_sid",
        "deactivated_reason",
        "created_at",
        "webhook_secret",
        "plan_type",
        "bucket_credential",
        "another",
    ];
    let hook = || prop::option::of(record(&["url", "method", "username", "password"]));
    (1..9_u8, 1..4_u8, prop::option::of(record(FIELDS)), hook(), hook(), -1..3_i64).prop_map(
        |(sid, name, odd, registration, queue, is_active)| {
            let mut document = json!({
                "account_sid": format!("00000000-0000-4000-8000-00000000000{sid}"),
                "name": format!("Name {name}"),
                "sip_realm": format!("{name}.example"),
                "webhook_secret": "wh_secret_arRiyproWZqJm95Ya5jSRM",
                "created_at": "2026-11-23T20:37:43.000Z",
                "registration_hook": registration,
                "queue_event_hook": queue,
                "is_active": is_active,
            });
            if let Some(Value::Object(odd)) = odd {
                document.as_object_mut().unwrap().extend(odd);
            }
            document
        },
    )
}

fn documents() -> impl Strategy<Value = Documents> {
    let limit = (1..9_u8, 0..7_usize, any::<i32>()).prop_map(|(account, category, quantity)| {
        let categories = [
            "voice_call_session",
            "voice_call_minutes",
            "voice_call_session_license",
            "VOICE_CALL_SESSION",
            "device",
            "x",
            "",
        ];
        json!({
            "account_sid": format!("00000000-0000-4000-8000-00000000000{account}"),
            "category": categories[category],
            "quantity": quantity / 1_000_000,
        })
    });
    (
        prop::collection::vec(account_document(), 0..12),
        prop::collection::vec(limit, 0..12),
        prop::collection::vec(
            record(&["application_sid", "name", "account_sid", "service_provider_sid"]),
            0..4,
        ),
        prop::collection::vec(record(&["api_key_sid", "token", "account_sid", "expires_at"]), 0..4),
    )
        .prop_map(|(accounts, limits, applications, keys)| Documents {
            accounts: serde_json::from_value(accounts.into()).unwrap(),
            limits: serde_json::from_value(limits.into()).unwrap(),
            applications: serde_json::from_value(applications.into()).unwrap(),
            api_keys: serde_json::from_value(keys.into()).unwrap(),
            service_providers: Vec::new(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the documents: each account comes over or is reported, what comes over keeps every rule, and the
    /// order of the documents decides nothing.
    #[test]
    fn any_documents(documents in documents(), numbering in any::<bool>(), any_url in any::<bool>()) {
        let policy = if any_url { UrlPolicy::development() } else { UrlPolicy::production() };
        let naming = if numbering { jambonz::DuplicateName::Number } else { jambonz::DuplicateName::Refuse };
        let options = Options::new().with_url_policy(policy.clone()).with_duplicate_name(naming);
        let imported = documents.import(&options);
        assert_none_is_lost(&imported, &documents);
        assert_an_empty_store_takes_all(&imported, &documents, policy);
        for entry in imported.report.entries() {
            prop_assert_eq!(entry.to_string().lines().count(), 1);
        }
        let records = documents.limits.len() + documents.api_keys.len() + documents.applications.len();
        prop_assert!(imported.report.summary().other_records <= records);

        let sids: HashSet<_> = documents.accounts.iter().map(|account| account.account_sid.clone()).collect();
        if sids.len() == documents.accounts.len() {
            let mut turned = documents.clone();
            turned.accounts.reverse();
            let mut accounts = turned.import(&options).accounts;
            accounts.reverse();
            prop_assert_eq!(accounts, imported.accounts);
        }
    }

    /// A name that the import takes is the name that the account has, but for what is reported.
    #[test]
    fn any_name(name in any::<String>()) {
        let imported = imported(vec![account(1, &json!({"name": name}))], &Options::new());
        match (AccountName::parse(&name), imported.accounts.first()) {
            (Ok(parsed), Some(account)) => {
                prop_assert_eq!(account.name(), &parsed);
                prop_assert_eq!(imported.report.entries().is_empty(), parsed.as_str() == name);
            }
            (Err(_), None) => {}
            (parsed, account) => prop_assert!(false, "{parsed:?} {account:?}"),
        }
    }
}

/// Every key of the recorded files lets its owner in, as it is and in upper case (as jambonz did), or is in the report.
#[test]
fn every_recorded_key_works_or_is_in_the_report() {
    for documents in [recorded(), Documents::from_dump(&text("dump.sql")).unwrap()] {
        let clock = Arc::new(ManualClock::new(now()));
        let store: Arc<dyn AccountStore> = Arc::new(MemoryStore::new());
        let accounts = Accounts::new(Arc::clone(&store))
            .with_applications(KnownApplications::new(&documents.applications))
            .with_clock(Arc::clone(&clock));
        let mut imported = documents.import(&Options::new().with_now(now()).with_admin_keys());
        let keys = std::mem::take(&mut imported.keys);
        let came = keys.len();
        block_on(accounts.import_all(&admin(), imported.accounts.iter().cloned(), |_| ())).unwrap();
        assert_eq!(block_on(ApiKeys::new(&accounts).import(&admin(), keys)).unwrap().len(), came);

        let authenticator = Authenticator::new(store, HashPool::new()).with_clock(clock);
        let refused: HashSet<&str> = imported
            .report
            .entries()
            .iter()
            .filter(|entry| entry.kind == RecordKind::ApiKey)
            .map(|entry| &*entry.sid)
            .collect();
        assert_eq!(came + refused.len(), documents.api_keys.len());
        for document in &documents.api_keys {
            let token = document.token.as_ref().unwrap().reveal();
            let sid = document.api_key_sid.as_deref().unwrap();
            for token in [token.to_owned(), token.to_uppercase()] {
                match block_on(authenticator.authenticate(&token)) {
                    Ok(found) => {
                        assert!(!refused.contains(sid), "{sid}");
                        let owner = match (&document.account_sid, &document.service_provider_sid) {
                            (Some(account), _) => Scope::Account(account.parse().unwrap()),
                            (None, Some(provider)) => Scope::ServiceProvider(provider.parse().unwrap()),
                            (None, None) => Scope::Admin,
                        };
                        assert_eq!(found.actor().scope(), owner);
                    }
                    // An account that jambonz had deactivated, whose keys it let in all the same.
                    Err(AuthError::Suspended) => assert!(!refused.contains(sid), "{sid}"),
                    Err(error) => assert!(refused.contains(sid), "{sid}: {error}"),
                }
            }
        }
        // The one that jambonz let in after it had expired.
        assert!(refused.contains("df31d707-3fa6-4932-8a82-540d7e701000"));
    }
}

#[test]
fn keys_that_do_not_come_over_are_reported() {
    let account = "06b5fe07-1d99-422b-902a-3b343f675413";
    let token = "961523f6-6cba-40b8-bb34-f349d0bad31d";
    let key = |change: Value| {
        let mut key = json!({"api_key_sid": "k", "token": token, "account_sid": account, "created_at": "2026-11-23T20:37:44.000Z"});
        change.as_object().unwrap().iter().for_each(|(name, value)| key[name] = value.clone());
        key
    };
    for (keys, expected) in [
        (vec![key(json!({}))], vec![]),
        // Without an account it is a provider's or an admin's, which nobody has asked for.
        (vec![key(json!({"account_sid": null}))], vec!["admin_key"]),
        (vec![key(json!({"account_sid": null, "service_provider_sid": account}))], vec![]),
        (vec![key(json!({"account_sid": null, "service_provider_sid": "x"}))], vec!["not_a_uuid"]),
        (vec![key(json!({})), key(json!({"token": token.to_uppercase()}))], vec!["duplicate_token"]),
        (vec![key(json!({"expires_at": "2026-11-24T00:00:00Z"}))], vec!["expired"]),
        (vec![key(json!({"expires_at": "2026-11-24T00:00:01Z"}))], vec![]),
        (vec![key(json!({"expires_at": "soon"}))], vec!["not_a_moment"]),
        (vec![key(json!({"account_sid": "b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce"}))], vec!["no_account"]),
        (vec![key(json!({"token": "hunter2"}))], vec!["not_a_uuid"]),
        (vec![key(json!({"token": null}))], vec!["required"]),
    ] {
        let documents = Documents {
            accounts: serde_json::from_value(json!([{
                "account_sid": account, "name": "Acme", "webhook_secret": "wh_secret_arRiyproWZqJm95Ya5jSRM",
                "created_at": "2026-11-23T20:37:43.000Z"
            }]))
            .unwrap(),
            api_keys: serde_json::from_value(json!(keys)).unwrap(),
            ..Documents::default()
        };
        let imported = documents.import(&Options::new().with_now(now()));
        let found: Vec<_> = imported.report.entries().iter().map(|entry| entry.code).collect();
        assert_eq!(found, expected);
        assert_eq!(imported.keys.len() + expected.len(), documents.api_keys.len());
        assert!(!format!("{imported:?}").contains("961523f6-6cba"), "a token is shown");
    }
}
