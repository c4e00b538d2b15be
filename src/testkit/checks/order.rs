//! Commits have one total order, numbered without gaps, and a read that starts after a commit has returned sees
//! it.

use crate::model::account::Account;
use crate::model::contract::Contract;
use crate::model::former_secret::FormerSecret;
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::{Webhook, WebhookCredentials, WebhookMethod, WebhookUrl};
use crate::model::webhook_secret::WebhookSecret;
use crate::snapshot::{AccountHistory, Listing, Seq};
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete};
use crate::testkit::history;
use crate::testkit::race::race;
use crate::testkit::sample::{account, sid};
use crate::testkit::seed::Seed;

/// Eight writers get the commit numbers from 1 on, each once; those that are refused use up none.
pub fn commits_are_numbered_without_gaps<B: Backend>(backend: &B) {
    const WRITERS: usize = 8;
    const COMMITS: u64 = 20;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    store.create(account(0));
    let numbers = race(WRITERS, |writer| {
        let mut last = Seq::START;
        let numbers = (0..COMMITS).map(|nth| {
            store.refused([create(account(0))]);
            let seq = store.commit([create(account(1 + writer as u64 * COMMITS + nth))]).seq;
            assert!(seq > last, "a commit has number {seq}, the one before it {last}");
            last = seq;
            seq
        });
        numbers.collect::<Vec<_>>()
    });
    let mut numbers: Vec<_> = numbers.into_iter().flatten().collect();
    numbers.sort_unstable();
    let last = WRITERS as u64 * COMMITS + 1;
    assert!(numbers.iter().copied().eq((2..=last).map(Seq::new)), "commits were numbered {numbers:?}");
    assert_eq!(store.snapshot().seq(), Seq::new(last));
}

/// Whatever is read, and by whichever thread: once a commit has returned, it is seen.
pub fn a_read_sees_what_was_committed_before<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let look = |present: &Account, gone: Option<&Account>, seq: Seq| {
        let found = Some(present);
        assert_eq!(store.by_sid(present.sid).as_deref(), found, "by_sid");
        assert_eq!(store.by_name(&present.name).as_deref(), found, "by_name");
        let realm = present.sip_realm.as_ref().expect("a sample account has a realm");
        assert_eq!(store.by_realm(realm).as_deref(), found, "by_realm");
        assert_eq!(store.page(Listing::new()).accounts, [present.clone().into()], "list");
        assert_eq!(store.all_changes().last().map(|change| change.seq), Some(seq), "changes");
        let history = store.history(&AccountHistory::of(present.sid).limit(1));
        assert_eq!(history.entries.first().map(|entry| entry.seq), Some(seq), "history");
        assert_eq!(store.wait_past(Seq::START), seq, "wait_past");
        for snapshot in [Some(store.snapshot()), store.store().live()].into_iter().flatten() {
            assert_eq!(snapshot.seq(), seq, "snapshot");
            assert_eq!(snapshot.len(), 1, "snapshot");
            assert_eq!(snapshot.by_sid(present.sid).map(|account| &**account), found, "snapshot");
        }
        let live_seq = store.store().live().map(|_| seq);
        assert_eq!(store.store().live_seq(), live_seq, "live_seq");
        if let Some(gone) = gone {
            assert_eq!(store.by_sid(gone.sid), None, "by_sid");
            assert_eq!(store.by_name(&gone.name), None, "by_name");
        }
    };
    let mut before: Option<Account> = None;
    for n in 1..10 {
        let writes = before.iter().map(delete).chain([create(account(n))]);
        let seq = store.commit(writes).seq;
        look(&account(n), before.as_ref(), seq);
        race(2, |_| look(&account(n), before.as_ref(), seq));
        let edited = Account { licensed_sessions: Limit::AtMost(1), ..account(n) };
        let edited = store.replace(edited);
        race(2, |_| look(&edited, None, Seq::new(seq.get() + 1)));
        before = Some(Account::clone(&edited));
    }
}

/// One order of all operations explains what concurrent callers saw: random commits, some of them given up half
/// way, and reads of every kind, by four threads on three accounts and two API keys, many times.
pub fn one_order_explains_what_concurrent_callers_see<B: Backend>(backend: &B) {
    const ROUNDS: usize = 120;
    let seed = Seed::from_environment();
    for round in 0..ROUNDS {
        let fresh = Fresh::new(backend);
        history::record(&**fresh.store(), &seed, round).check();
    }
}

/// Every field of an account comes back as it was written, from every read.
pub fn every_field_comes_back_as_it_was<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let full = full();
    let bare = Account { sip_realm: None, ..account(2) };
    for expected in [&full, &bare] {
        let created = store.create(expected.clone());
        assert_eq!(&*created, expected, "commit");
        assert_eq!(store.by_sid(expected.sid).as_deref(), Some(expected), "by_sid");
        assert_eq!(store.by_name(&expected.name).as_deref(), Some(expected), "by_name");
        let found = store.page(Listing::new()).accounts;
        assert!(found.iter().any(|account| **account == *expected), "list: {found:#?}");
        assert_eq!(
            store.snapshot().by_sid(expected.sid).map(|account| &**account),
            Some(expected),
            "snapshot"
        );
        let change = store.all_changes().pop().expect("there was a commit");
        assert_eq!(change.events[0].after(), Some(&created), "changes");
    }
    let realm = full.sip_realm.as_ref().expect("it is full");
    assert_eq!(store.by_realm(realm).as_ref(), Some(&full.clone().into()), "by_realm");
    let emptied = store.replace(Account { name: full.name.clone(), sid: full.sid, ..account(3) });
    assert_eq!(store.by_sid(full.sid), Some(emptied));
}

/// An account with every field filled, none with a usual value.
pub(super) fn full() -> Account {
    let hook = |url: &str| Webhook::new(WebhookUrl::parse(url).expect("the address is valid"));
    let credentials = WebhookCredentials::new("jane\u{e9}", " hunter2 \"'\\").expect("they are valid");
    Account {
        sid: sid(1),
        name: "Stra\u{df}e '7' \"\\ \u{1f4de} %_".parse().expect("the name is valid"),
        unit: Unit { maximum: Limit::AtMost(u32::MAX), ..Unit::sessions(0) },
        licensed_sessions: Limit::AtMost(u32::MAX - 1),
        sip_realm: Some("caf\u{e9}.example".parse().expect("the realm is valid")),
        webhook_secret: WebhookSecret::import(" \u{e9}\t'\"\\ ").expect("it is short"),
        former_webhook_secret: Some(Box::new(FormerSecret::new(
            WebhookSecret::import("\u{e9} former \"'\\").expect("it is short"),
            Timestamp::parse("9998-12-31T23:59:59.999Z").expect("the moment is valid"),
        ))),
        device_calling_application: Some(
            "b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce".parse().expect("the SID is valid"),
        ),
        siprec_application: Some("4b0bed24-d6bd-4295-9617-ad0453c5e87b".parse().expect("the SID is valid")),
        registration_webhook: Some(Box::new(hook("https://hooks.example/r?a=%20#rc=2&rp=5xx"))),
        queue_event_webhook: Some(Box::new(
            hook("http://hooks.example:8080/q")
                .with_method(WebhookMethod::Get)
                .with_credentials(Some(credentials)),
        )),
        organisation: Some("org-1".parse().expect("the id is valid")),
        service_provider: Some("51f4233a-4559-4b8c-a527-725db01b5080".parse().expect("the SID is valid")),
        contract: Contract { edit_unit: true, edit_licensed_sessions: false },
        status: Status::suspended(
            "payment overdue".parse().expect("the reason is valid"),
            Timestamp::from_millis(1),
        ),
        created: Timestamp::from_millis(0),
        updated: Timestamp::parse("9998-12-31T23:59:59.999Z").expect("the moment is valid"),
        ..account(1)
    }
}
