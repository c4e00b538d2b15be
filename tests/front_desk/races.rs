//! Many at once.

use crate::world::*;
use async_trait::async_trait;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::json;
use std::sync::{Arc, Barrier};

/// A store in which every commit waits until all callers have come this far, so that all of them have passed the
/// checks before the first writes.
#[derive(Debug)]
struct Together {
    store: MemoryStore,
    all: Barrier,
}

#[async_trait]
impl AccountStore for Together {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        self.all.wait();
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

const CALLERS: usize = 8;

/// The same call from eight threads, whose commits start together; the answers that were no success.
#[track_caller]
fn race(
    store: &MemoryStore,
    call: impl Fn(&Accounts, usize) -> Result<Arc<Account>, Error> + Sync,
) -> Vec<Error> {
    let together = Together { store: store.clone(), all: Barrier::new(CALLERS) };
    let accounts = Accounts::new(together);
    let (accounts, call) = (&accounts, &call);
    let results: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|i| scope.spawn(move || call(accounts, i))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let lost: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(lost.len(), CALLERS - 1, "one and only one wins: {lost:?}");
    lost
}

#[test]
fn one_of_many_gets_the_name_or_realm() {
    for (draft, field) in
        [(json!({"name": "Acme"}), "name"), (json!({"sip_realm": "acme.example"}), "sip_realm")]
    {
        let store = MemoryStore::new();
        let lost = race(&store, |accounts, i| {
            let mut draft = draft.clone();
            // In upper and lower case, it is the same name.
            draft["name"] = match field {
                "name" if i % 2 == 0 => "ACME".into(),
                "name" => "Acme".into(),
                _ => format!("Acme {i}").into(),
            };
            block_on(accounts.create(&admin(), patch(&draft)))
        });
        for error in lost {
            let problems = error.problems().unwrap_or_else(|| panic!("{error:?}"));
            let found: Vec<_> = problems.iter().map(|problem| (problem.path(), problem.code())).collect();
            assert_eq!(found, [(field, "taken")]);
        }
        assert_eq!(store.live().unwrap().len(), 1);
    }
}

#[test]
fn one_of_many_edits_of_the_same_revision_wins() {
    let store = MemoryStore::new();
    let acme =
        block_on(Accounts::new(store.clone()).create(&admin(), AccountPatch::new().name("Acme"))).unwrap();
    let lost = race(&store, |accounts, i| {
        let patch = AccountPatch::new().name(format!("Acme {i}"));
        block_on(accounts.edit(&admin(), acme.sid(), acme.revision(), patch))
    });
    for error in lost {
        match error {
            Error::Changed { sid, expected, actual } => {
                assert_eq!((sid, expected, actual), (acme.sid(), Revision::FIRST, Revision::new(2)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_of_many_deletes_wins() {
    let store = MemoryStore::new();
    let acme =
        block_on(Accounts::new(store.clone()).create(&admin(), AccountPatch::new().name("Acme"))).unwrap();
    let lost = race(&store, |accounts, _| {
        block_on(accounts.delete(&admin(), acme.sid(), acme.revision(), WhileRunning::Delete))
    });
    assert!(lost.iter().all(|error| matches!(error, Error::NotFound)), "{lost:?}");
}

/// Without the helping barrier, as an application has it.
#[test]
fn many_creators_of_the_same_name() {
    for _ in 0..50 {
        let accounts = &Accounts::new(MemoryStore::new());
        let start = &Barrier::new(CALLERS);
        let results: Vec<_> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    scope.spawn(move || {
                        start.wait();
                        block_on(accounts.create(&admin(), AccountPatch::new().name("Acme")))
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for error in results.into_iter().filter_map(Result::err) {
            let problem = error.problems().and_then(|problems| problems.get("name"));
            assert_eq!(problem.map(Problem::code), Some("taken"), "{error:?}");
        }
    }
}
