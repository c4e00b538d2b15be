//! What the tests of the authenticator have around it: a store, a clock, and a pool whose jobs the test does itself.

use super::*;
use crate::clock::ManualClock;
use crate::keys::stored::Memory;
use crate::keys::token::KeyToken;
use crate::model::account::Revision;
use crate::model::name::AccountName;
use crate::model::realm::SipRealm;
use crate::model::record::tests::full;
use crate::model::sid::AccountSid;
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::random::SeededRandom;
use crate::snapshot::{AccountHistory, Change, HistoryPage, Listing, Page, Seq};
use crate::store::Feed;
use crate::store::memory::MemoryStore;
use crate::yielding::yield_now;
use async_trait::async_trait;
use futures_lite::future::{block_on, poll_once};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

/// The parameters of the keys, as cheap as there are.
pub(super) fn tiny() -> HashParams {
    HashParams::new(8, 1, 1).unwrap()
}

/// Other parameters, as cheap.
pub(super) fn other() -> HashParams {
    HashParams::new(8, 2, 1).unwrap()
}

pub(super) struct World {
    pub(super) store: MemoryStore,
    pub(super) commits_fail: Arc<AtomicBool>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) pool: HashPool,
    pub(super) authenticator: Authenticator,
    pub(super) random: SeededRandom,
}

impl World {
    /// An active account, and no keys, in a store that has a live snapshot or has not.
    pub(super) fn new(live: bool) -> Self {
        let account = Account { status: Status::Active, revision: Revision::FIRST, ..full() };
        let accounts = Snapshot::from_accounts(Seq::START, [Arc::new(account)]).unwrap();
        let store = MemoryStore::starting_from(accounts, 1000);
        let commits_fail = Arc::new(AtomicBool::new(false));
        let stub = Stub { inner: store.clone(), live, commits_fail: Arc::clone(&commits_fail) };
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
        let pool = HashPool::manual(100);
        let authenticator = Authenticator::new(Arc::new(stub), pool.clone())
            .with_clock(Arc::clone(&clock))
            .with_random(SeededRandom::new(2))
            .with_use_interval(Duration::from_secs(60))
            .with_params(tiny());
        Self { store, commits_fail, clock, pool, authenticator, random: SeededRandom::new(1) }
    }

    pub(super) fn sid() -> AccountSid {
        full().sid()
    }

    /// Adds a key of the account.
    pub(super) fn key(&self) -> KeyToken {
        let token = KeyToken::generate(&self.random).unwrap();
        self.add(&token, Scope::Account(Self::sid()), tiny());
        token
    }

    pub(super) fn add(&self, token: &KeyToken, owner: Scope, params: HashParams) {
        let salt = new_salt(&self.random).unwrap();
        let hash = StoredHash::make(token.parsed().secret(), &salt, params, &mut Memory::default()).unwrap();
        let key = ApiKey {
            id: token.id(),
            owner,
            label: "test".parse().unwrap(),
            hash,
            last_four: token.last_four(),
            created: self.clock.now(),
            created_by: "jane".parse().unwrap(),
            expires: Some(self.clock.now().after(Duration::from_secs(3600))),
            disabled: false,
            last_used: None,
            revision: Revision::FIRST,
        };
        self.commit(Write::Key(KeyWrite::Add { key: Arc::new(key), at_most: usize::MAX }));
    }

    pub(super) fn stored(&self, token: &KeyToken) -> Arc<ApiKey> {
        block_on(self.store.key(token.id())).unwrap().unwrap()
    }

    pub(super) fn commit(&self, write: Write) {
        let batch = Batch::new(Actor::admin("jane").unwrap(), self.clock.now());
        block_on(self.store.commit(batch.with(write))).unwrap();
    }

    pub(super) fn revoke(&self, token: &KeyToken) {
        let expected = self.stored(token).revision;
        self.commit(Write::Key(KeyWrite::Revoke { id: token.id(), expected }));
    }

    pub(super) fn disable(&self, token: &KeyToken, disabled: bool) {
        let key = ApiKey { disabled, ..ApiKey::clone(&self.stored(token)) };
        self.commit(Write::Key(KeyWrite::Replace(Arc::new(key))));
    }

    /// Puts the hash of another secret in the place of the key's.
    pub(super) fn replace_secret(&self, token: &KeyToken) {
        let hash = self.stored(&self.key()).hash.clone();
        let key = ApiKey { hash, ..ApiKey::clone(&self.stored(token)) };
        self.commit(Write::Key(KeyWrite::Replace(Arc::new(key))));
    }

    pub(super) fn expire(&self) {
        self.clock.advance(Duration::from_secs(3600));
    }

    fn account(&self) -> Arc<Account> {
        block_on(self.store.by_sid(Self::sid())).unwrap().unwrap()
    }

    pub(super) fn suspend(&self) {
        let status = Status::suspended("late".parse().unwrap(), self.clock.now());
        self.commit(Write::Replace(Arc::new(Account { status, ..Account::clone(&self.account()) })));
    }

    pub(super) fn resume(&self) {
        let account = Account { status: Status::Active, ..Account::clone(&self.account()) };
        self.commit(Write::Replace(Arc::new(account)));
    }

    pub(super) fn delete_account(&self) {
        self.commit(Write::Delete { sid: Self::sid(), expected: self.account().revision });
    }

    /// Shows a token, and does what jobs there are.
    pub(super) fn show(&self, token: &str) -> Result<Authenticated, AuthError> {
        self.show_counting(token).0
    }

    /// The answer, and how many jobs were done for it.
    pub(super) fn show_counting(&self, token: &str) -> (Result<Authenticated, AuthError>, Vec<For>) {
        let mut jobs = Vec::new();
        let mut answer = pin!(self.authenticator.authenticate(token));
        for _ in 0..100 {
            if let Some(answer) = block_on(poll_once(answer.as_mut())) {
                return (answer, jobs);
            }
            jobs.extend(self.pool.run_next());
        }
        panic!("no answer");
    }
}

/// A store in memory that says whether it is: if not, it has no live snapshot, and others go first before each read. Its
/// commits fail while they are to.
#[derive(Debug)]
struct Stub {
    inner: MemoryStore,
    live: bool,
    commits_fail: Arc<AtomicBool>,
}

impl Stub {
    async fn read<T>(&self, read: impl Future<Output = T>) -> T {
        yield_now().await;
        read.await
    }
}

#[async_trait]
impl AccountStore for Stub {
    async fn commit(&self, batch: Batch) -> Result<Arc<Change>, CommitError> {
        if self.commits_fail.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "as planned").into());
        }
        self.inner.commit(batch).await
    }

    async fn by_sid(&self, sid: AccountSid) -> Result<Option<Arc<Account>>, StoreError> {
        self.read(self.inner.by_sid(sid)).await
    }

    async fn by_name(&self, name: &AccountName) -> Result<Option<Arc<Account>>, StoreError> {
        self.read(self.inner.by_name(name)).await
    }

    async fn by_realm(&self, realm: &SipRealm) -> Result<Option<Arc<Account>>, StoreError> {
        self.read(self.inner.by_realm(realm)).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.read(self.inner.key(id)).await
    }

    async fn keys(&self, owner: Scope) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        self.read(self.inner.keys(owner)).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.read(self.inner.list(listing)).await
    }

    async fn changes(&self, after: Seq, limit: usize) -> Result<Feed, StoreError> {
        self.read(self.inner.changes(after, limit)).await
    }

    async fn history(&self, history: &AccountHistory) -> Result<HistoryPage, StoreError> {
        self.read(self.inner.history(history)).await
    }

    async fn wait_past(&self, after: Seq) -> Result<Seq, StoreError> {
        self.inner.wait_past(after).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.read(self.inner.snapshot()).await
    }

    fn live(&self) -> Option<Snapshot> {
        self.inner.live().filter(|_| self.live)
    }

    fn live_seq(&self) -> Option<Seq> {
        self.inner.live_seq().filter(|_| self.live)
    }
}
