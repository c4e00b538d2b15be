//! Many accounts from elsewhere: all or none, and everything that is wrong with each.

use crate::remote::Remote;
use crate::world::*;
use futures_lite::future::block_on;
use futures_lite::stream;
use gateway_accounts::*;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// An account of this number, with these fields.
fn elsewhere(n: usize, fields: &Value) -> Account {
    let mut record = json!({
        "account_sid": format!("00000000-0000-4000-8000-{:012}", n + 1),
        "name": format!("Account {n}"),
        "unit": {"kind": "sessions", "maximum": 10},
        "licensed_sessions": 0,
        "sip_realm": format!("r{n}.example"),
        "webhook_secret": "wh_secret_abcdefghijklmnop",
        "revision": 7,
        "created": "2020-01-01T00:00:00.000Z",
        "updated": "2021-01-01T00:00:00.000Z",
    });
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    Account::try_from(serde_json::from_value::<AccountRecord>(record).unwrap()).unwrap()
}

fn many(count: usize) -> Vec<Account> {
    (0..count).map(|n| elsewhere(n, &json!({}))).collect()
}

/// What was told of the progress.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<ImportProgress>>>);

impl Told {
    fn watch(&self) -> impl Fn(ImportProgress) + Send + Sync + 'static {
        let told = self.clone();
        move |progress| told.0.lock().unwrap().push(progress)
    }

    /// The phases and how far each came, without the steps on the way.
    #[track_caller]
    fn phases(&self, total: Option<usize>) -> Vec<(ImportPhase, usize)> {
        let mut phases: Vec<(ImportPhase, usize)> = Vec::new();
        for progress in self.0.lock().unwrap().iter() {
            assert_eq!(progress.total, total);
            match phases.last_mut() {
                Some((phase, done)) if *phase == progress.phase => {
                    assert!(*done <= progress.done, "it went back");
                    *done = progress.done;
                }
                _ => phases.push((progress.phase, progress.done)),
            }
        }
        phases
    }
}

/// Positions and problems of those that were refused.
type Found<'a> = Vec<(usize, Vec<(&'a str, &'a str)>)>;

#[track_caller]
fn found(error: &Error) -> Found<'_> {
    let refusals = error.refusals().unwrap_or_else(|| panic!("not Refused, but {error:?}"));
    refusals
        .iter()
        .map(|refusal| (refusal.position, refusal.problems.iter().map(|p| (p.path(), p.code())).collect()))
        .collect()
}

#[test]
fn all_come_in_with_one_commit_and_start_again() {
    for store in [Arc::new(MemoryStore::new()) as Arc<dyn AccountStore>, Arc::new(Remote::default())] {
        let world = World::over(store);
        let told = Told::default();
        let imported = block_on(world.accounts.import_all(&admin(), many(10_000), told.watch())).unwrap();
        let (seq, stored) = world.state();
        assert_eq!((imported, seq, stored.len()), (10_000, Seq::new(1), 10_000));
        for (account, expected) in stored.iter().zip(many(10_000)) {
            let record = AccountRecord { revision: Revision::FIRST, ..(&expected).into() };
            assert_eq!(**account, Account::try_from(record).unwrap());
        }
        let phases = told.phases(Some(10_000));
        assert_eq!(phases, [(ImportPhase::Checking, 10_000), (ImportPhase::Writing, 10_000)]);
    }
}

#[test]
fn nothing_is_no_commit() {
    let world = World::new();
    world.unchanged(|w| assert_eq!(block_on(w.accounts.import_all(&admin(), [], |_| {})).unwrap(), 0));
}

#[test]
fn only_an_admin_imports() {
    let world = World::new();
    let acme = world.full(Contract::OPEN);
    for actor in [provider(), customer(&acme)] {
        let all = world.unchanged(|w| block_on(w.accounts.import_all(&actor, many(1), |_| {})));
        assert!(matches!(all, Err(Error::Forbidden { action: Action::Import })), "{all:?}");
        let accounts = stream::iter(many(1));
        let streamed = world.unchanged(|w| block_on(w.accounts.import_stream(&actor, accounts, 1, |_| {})));
        let error = streamed.unwrap_err();
        assert!(matches!(error.error, Error::Forbidden { action: Action::Import }), "{error:?}");
        assert_eq!(error.committed, 0);
    }
}

/// Each rule, what is taken here and what by an earlier one; and nothing comes in.
#[test]
fn every_problem_of_every_account_is_told() {
    let hook = |url: &str| json!({"url": url});
    let first = elsewhere(0, &json!({})).sid().to_string();
    let table: &[(Value, &[(&str, &str)])] = &[
        (json!({}), &[]),
        // With the SID of one that is here, it has its name and realm as a matter of course.
        (
            json!({"account_sid": "HERE", "name": "Here", "sip_realm": "here.example"}),
            &[("account_sid", "taken")],
        ),
        (json!({"name": "HERE"}), &[("name", "taken")]),
        (json!({"sip_realm": "here.example"}), &[("sip_realm", "taken")]),
        (
            json!({"registration_webhook": hook("http://x.example/")}),
            &[("registration_webhook.url", "url_policy")],
        ),
        (
            json!({"queue_event_webhook": hook("https://localhost/")}),
            &[("queue_event_webhook.url", "url_policy")],
        ),
        (
            json!({"device_calling_application_sid": NO_APP}),
            &[("device_calling_application_sid", "unknown_application")],
        ),
        (
            json!({"siprec_application_sid": PROVIDERS_APP}),
            &[("siprec_application_sid", "unknown_application")],
        ),
        (json!({"siprec_application_sid": PROVIDERS_APP, "service_provider_sid": PROVIDER}), &[]),
        // Of those that clash with one another, the first stands.
        (json!({"name": "Same"}), &[]),
        (json!({"name": "same"}), &[("name", "taken")]),
        (json!({"name": "SAME", "sip_realm": "r0.example"}), &[("name", "taken"), ("sip_realm", "taken")]),
        // The same of an earlier one.
        (
            json!({"account_sid": first, "name": "Account 0", "sip_realm": "r0.example"}),
            &[("account_sid", "taken")],
        ),
        (
            json!({"name": "here", "sip_realm": "here.example", "siprec_application_sid": NO_APP,
                   "registration_webhook": hook("http://x.example/")}),
            &[
                ("name", "taken"),
                ("sip_realm", "taken"),
                ("siprec_application_sid", "unknown_application"),
                ("registration_webhook.url", "url_policy"),
            ],
        ),
        (json!({"sip_realm": null}), &[]),
        (json!({"sip_realm": null}), &[]),
    ];
    for store in [Arc::new(MemoryStore::new()) as Arc<dyn AccountStore>, Arc::new(Remote::default())] {
        let world = World::over(store);
        let here = world.account(&json!({"name": "Here", "sip_realm": "here.example"}));
        let account = |(n, (fields, _)): (usize, &(Value, _))| {
            let fields =
                fields.to_string().replace("\"HERE\",\"name\"", &format!("\"{}\",\"name\"", here.sid()));
            elsewhere(n, &serde_json::from_str(&fields).unwrap())
        };
        let accounts: Vec<_> = table.iter().enumerate().map(account).collect();
        let all = |w: &World| block_on(w.accounts.import_all(&admin(), accounts.clone(), |_| {}));
        let error = world.unchanged(all).unwrap_err();
        let expected: Found<'_> = (0..)
            .zip(table)
            .filter(|(_, (_, problems))| !problems.is_empty())
            .map(|(position, (_, problems))| (position, problems.to_vec()))
            .collect();
        assert_eq!(found(&error), expected);
        let refusals = error.refusals().unwrap();
        assert_eq!((refusals.count(), refusals.more()), (expected.len(), 0));
        for refusal in refusals.iter() {
            let account = &accounts[refusal.position];
            assert_eq!((refusal.account_sid, &refusal.name), (account.sid(), account.name()));
        }
        // One by one, those that come in are the ones that were not refused.
        for (account, (fields, problems)) in accounts.iter().zip(table) {
            let one = block_on(world.accounts.import(&admin(), account.clone()));
            assert_eq!(one.is_ok(), problems.is_empty(), "{fields}");
        }
    }
}

#[test]
fn of_many_problems_the_first_are_told_and_the_rest_counted() {
    let world = World::new();
    let twins = (0..Refusals::MAX_LEN + 501).map(|n| elsewhere(n, &json!({"name": "Same"})));
    let error = block_on(world.accounts.import_all(&admin(), twins, |_| {})).unwrap_err();
    let refusals = error.refusals().unwrap();
    assert_eq!((refusals.iter().count(), refusals.more()), (Refusals::MAX_LEN, 500));
    assert_eq!(refusals.count(), Refusals::MAX_LEN + 500);
    let positions: Vec<_> = refusals.iter().map(|refusal| refusal.position).collect();
    assert!(positions.into_iter().eq(1..=Refusals::MAX_LEN));
    assert!(refusals.to_string().ends_with("and 500 more\n"));
}

#[test]
fn no_answer_about_an_application_is_no_import() {
    let world = World::new();
    world.apps.break_down();
    let accounts = [elsewhere(0, &json!({})), elsewhere(1, &json!({"siprec_application_sid": APP}))];
    let error = world.unchanged(|w| block_on(w.accounts.import_all(&admin(), accounts, |_| {}))).unwrap_err();
    assert!(matches!(error, Error::Applications(_)), "{error:?}");
}

#[test]
fn a_stream_comes_in_by_chunks() {
    for (count, chunk, commits) in
        [(0, 3, 0), (1, 3, 1), (3, 3, 1), (7, 3, 3), (9, 3, 3), (4, 0, 4), (5, 9, 1)]
    {
        let world = World::new();
        let told = Told::default();
        let accounts = stream::iter(many(count));
        let imported =
            block_on(world.accounts.import_stream(&admin(), accounts, chunk, told.watch())).unwrap();
        assert_eq!(imported, count);
        let (seq, stored) = world.state();
        assert_eq!((seq.get(), stored.len()), (commits, count), "{count} by {chunk}");
        let done = told.phases(None).last().map(|(_, done)| *done);
        assert_eq!(done.unwrap_or(0), count, "{count} by {chunk}");
    }
}

/// The chunks before a refused one stay, and are counted.
#[test]
fn a_stream_ends_with_the_first_chunk_that_is_refused() {
    for (bad, chunk, committed) in [(0, 3, 0), (2, 3, 0), (3, 3, 3), (8, 3, 6), (8, 1, 8), (5, 100, 0)] {
        let world = World::new();
        let mut accounts = many(10);
        // It has the name of the first, which may be in the same chunk or here already.
        accounts[bad] = match bad {
            0 => elsewhere(0, &json!({"siprec_application_sid": NO_APP})),
            _ => elsewhere(bad, &json!({"name": "account 0"})),
        };
        let accounts = stream::iter(accounts);
        let error = block_on(world.accounts.import_stream(&admin(), accounts, chunk, |_| {})).unwrap_err();
        assert_eq!((error.committed, world.state().1.len()), (committed, committed), "{bad} by {chunk}");
        let positions: Vec<_> = found(&error.error).into_iter().map(|(position, _)| position).collect();
        assert_eq!(positions, [bad], "by {chunk}");
        let message = format!("after {committed} accounts had been imported, one chunk was not");
        assert_eq!(error.to_string(), message);
    }
}

/// A store in which something happens between the check and the commit.
#[derive(Debug)]
struct Interrupted {
    store: MemoryStore,
    before: Mutex<Option<Batch>>,
    answer: Mutex<Option<Conflict>>,
}

impl Interrupted {
    fn by(before: Option<Batch>, answer: Option<Conflict>) -> Self {
        Self { store: MemoryStore::new(), before: Mutex::new(before), answer: Mutex::new(answer) }
    }
}

#[async_trait]
impl AccountStore for Interrupted {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        let before = self.before.lock().unwrap().take();
        if let Some(before) = before {
            self.store.commit(before).await?;
        }
        if let Some(conflict) = self.answer.lock().unwrap().take() {
            return Err(conflict.into());
        }
        batch.report(1);
        self.store.commit(batch).await
    }
    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        self.store.by_sid(sid).await
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
        self.store.history(history).await
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

#[test]
fn who_was_faster_is_told_as_the_check_would() {
    let create = |n, fields| Write::Create(Arc::new(elsewhere(n, &fields)));
    let batch = |write| Batch::new(admin(), Timestamp::default()).with(write);
    let (third, stranger) = (elsewhere(3, &json!({})).sid(), elsewhere(99, &json!({})).sid());
    let gone = |field| Conflict::Taken { field, sid: third, holder: stranger };
    for (before, answer, expected) in [
        (Some(batch(create(99, json!({"name": "ACCOUNT 3"})))), None, ("name", "taken")),
        (Some(batch(create(99, json!({"sip_realm": "r3.example"})))), None, ("sip_realm", "taken")),
        (Some(batch(create(3, json!({"name": "Other", "sip_realm": null})))), None, ("account_sid", "taken")),
        // What was in the way is gone when the check looks again.
        (None, Some(gone(Field::Name)), ("name", "taken")),
        (None, Some(gone(Field::AccountSid)), ("account_sid", "taken")),
    ] {
        let world = World::over(Arc::new(Interrupted::by(before, answer)));
        let error = block_on(world.accounts.import_all(&admin(), many(5), |_| {})).unwrap_err();
        assert_eq!(found(&error), [(3, vec![expected])]);
        assert!(world.state().1.len() <= 1, "some came in");
    }
}

#[test]
fn the_store_tells_how_far_it_has_come() {
    let world = World::over(Arc::new(Interrupted::by(None, None)));
    let told = Told::default();
    block_on(world.accounts.import_stream(&admin(), stream::iter(many(4)), 2, told.watch())).unwrap();
    let written: Vec<_> = told.0.lock().unwrap().iter().copied().collect();
    let written = written.iter().filter(|told| told.phase == ImportPhase::Writing);
    assert_eq!(written.map(|told| told.done).collect::<Vec<_>>(), [0, 1, 2, 2, 3, 4]);
}
