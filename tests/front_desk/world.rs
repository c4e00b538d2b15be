//! A front desk with everything around it in the hands of the test.

use async_trait::async_trait;
use futures_lite::future::block_on;
use gateway_accounts::*;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const PROVIDER: &str = "51f4233a-4559-4b8c-a527-725db01b5080";
pub(crate) const OTHER_PROVIDER: &str = "8a2e500e-a948-4d4c-88b6-f1c64d31e586";
/// An account that never exists.
pub(crate) const NOBODY: &str = "06b5fe07-1d99-422b-902a-3b343f675413";
/// An application that everybody may use.
pub(crate) const APP: &str = "b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce";
/// An application that only the accounts of `PROVIDER` may use.
pub(crate) const PROVIDERS_APP: &str = "4b0bed24-d6bd-4295-9617-ad0453c5e87b";
/// An application that only the accounts of `OTHER_PROVIDER` may use.
pub(crate) const OTHER_PROVIDERS_APP: &str = "77f0a4a9-6cf2-4ad5-8a0c-3a33ab2d11b5";
/// An application that does not exist.
pub(crate) const NO_APP: &str = "dd9ee3bb-6ec1-4f4b-a5f6-0a2c9a52a8d4";

pub(crate) const START: i64 = 1_795_466_263_000;

/// One question about an application, and the provider it was asked for.
pub(crate) type Question = (String, Option<String>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Apps(Arc<AppsState>);

#[derive(Debug, Default)]
struct AppsState {
    broken: AtomicBool,
    asked: Mutex<Vec<Question>>,
}

impl Apps {
    pub(crate) fn break_down(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.0.asked.lock().unwrap())
    }
}

#[async_trait]
impl Applications for Apps {
    async fn may_use(
        &self,
        application: ApplicationSid,
        _: AccountSid,
        provider: Option<ServiceProviderSid>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let (application, provider) = (application.to_string(), provider.map(|sid| sid.to_string()));
        let may_use = match application.as_str() {
            APP => true,
            PROVIDERS_APP => provider.as_deref() == Some(PROVIDER),
            OTHER_PROVIDERS_APP => provider.as_deref() == Some(OTHER_PROVIDER),
            _ => false,
        };
        self.0.asked.lock().unwrap().push((application, provider));
        if self.0.broken.load(Ordering::SeqCst) {
            Err("no route to applications".into())
        } else {
            Ok(may_use)
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<AccountSid, u64>>>);

impl Sessions {
    pub(crate) fn set(&self, account: AccountSid, running: u64) {
        self.0.lock().unwrap().insert(account, running);
    }
}

impl RunningSessions for Sessions {
    fn running(&self, account: AccountSid) -> u64 {
        self.0.lock().unwrap().get(&account).copied().unwrap_or(0)
    }
}

/// A clock that the test keeps a hand on.
#[derive(Debug, Clone)]
pub(crate) struct Hand(Arc<ManualClock>);

impl Hand {
    pub(crate) fn advance(&self, millis: u64) -> Timestamp {
        self.0.advance(std::time::Duration::from_millis(millis));
        self.0.now()
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn running(&self) -> std::time::Duration {
        self.0.running()
    }
}

pub(crate) struct World {
    pub(crate) accounts: Accounts,
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) clock: Hand,
    pub(crate) apps: Apps,
    pub(crate) sessions: Sessions,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new()))
    }

    pub(crate) fn over(store: Arc<dyn AccountStore>) -> Self {
        let clock = Hand(Arc::new(ManualClock::new(Timestamp::from_millis(START))));
        let (apps, sessions) = (Apps::default(), Sessions::default());
        let accounts = Accounts::new(Arc::clone(&store))
            .with_clock(clock.clone())
            .with_random(SeededRandom::new(1))
            .with_applications(apps.clone())
            .with_sessions(sessions.clone());
        Self { accounts, store, clock, apps, sessions }
    }

    pub(crate) fn with_defaults(mut self, defaults: NewAccount) -> Self {
        self.accounts = self.accounts.with_defaults(defaults);
        self
    }

    pub(crate) fn with_realm_policy(mut self, policy: RealmPolicy) -> Self {
        self.accounts = self.accounts.with_realm_policy(policy);
        self
    }

    pub(crate) fn with_url_policy(mut self, policy: UrlPolicy) -> Self {
        self.accounts = self.accounts.with_url_policy(policy);
        self
    }

    /// Creates an account as the admin.
    #[track_caller]
    pub(crate) fn account(&self, draft: &Value) -> Arc<Account> {
        block_on(self.accounts.create(&admin(), patch(draft))).unwrap()
    }

    /// An account of `PROVIDER` with a value in every field, under this contract.
    #[track_caller]
    pub(crate) fn full(&self, contract: Contract) -> Arc<Account> {
        let account = self.account(&serde_json::json!({
            "name": "Acme",
            "unit": {"kind": "sessions", "maximum": 120},
            "licensed_sessions": 100,
            "sip_realm": "acme.example",
            "device_calling_application_sid": APP,
            "siprec_application_sid": PROVIDERS_APP,
            "registration_webhook":
                {"url": "https://hooks.example/r", "method": "GET", "username": "jane", "password": "hunter2"},
            "queue_event_webhook": {"url": "https://hooks.example/q#rc=2&rp=5xx"},
            "organisation_id": "org-1",
            "service_provider_sid": PROVIDER,
            "contract": contract,
        }));
        self.apps.asked();
        account
    }

    #[track_caller]
    pub(crate) fn get(&self, sid: AccountSid) -> Arc<Account> {
        block_on(self.accounts.get(&admin(), sid)).unwrap()
    }

    /// Edits the account at the revision it is handed over with.
    pub(crate) fn edit(
        &self,
        actor: &Actor,
        account: &Account,
        change: &Value,
    ) -> Result<Arc<Account>, Error> {
        block_on(self.accounts.edit(actor, account.sid(), account.revision(), patch(change)))
    }

    pub(crate) fn create(&self, actor: &Actor, draft: &Value) -> Result<Arc<Account>, Error> {
        block_on(self.accounts.create(actor, patch(draft)))
    }

    /// Deletes the account at the revision it is handed over with.
    pub(crate) fn delete(
        &self,
        actor: &Actor,
        account: &Account,
        mode: WhileRunning,
    ) -> Result<Arc<Account>, Error> {
        block_on(self.accounts.delete(actor, account.sid(), account.revision(), mode))
    }

    pub(crate) fn by_realm(
        &self,
        actor: &Actor,
        text: &str,
        matching: RealmMatch,
    ) -> Result<Arc<Account>, Error> {
        block_on(self.accounts.find_by_realm(actor, &realm(text), matching))
    }

    /// What is stored, and after how many commits.
    pub(crate) fn state(&self) -> (Seq, Vec<Arc<Account>>) {
        let snapshot = block_on(self.store.snapshot()).unwrap();
        (snapshot.seq(), snapshot.iter().cloned().collect())
    }

    /// Asks something, and checks that it changed nothing.
    #[track_caller]
    pub(crate) fn unchanged<T>(&self, ask: impl FnOnce(&Self) -> T) -> T {
        let before = self.state();
        let answer = ask(self);
        assert!(self.state() == before, "something was written");
        answer
    }

    /// Asks something that is refused for these problems, in this order, and checks that it changed nothing.
    #[track_caller]
    pub(crate) fn refused<T: std::fmt::Debug>(
        &self,
        expected: &[(&str, &str)],
        ask: impl FnOnce(&Self) -> Result<T, Error>,
    ) -> Problems {
        let error = self.unchanged(ask).unwrap_err();
        let problems = error.problems().unwrap_or_else(|| panic!("not Invalid, but {error:?}"));
        let found: Vec<_> = problems.iter().map(|problem| (problem.path(), problem.code())).collect();
        assert_eq!(found, expected);
        problems.clone()
    }
}

pub(crate) fn patch(json: &Value) -> AccountPatch {
    serde_json::from_value(json.clone()).unwrap()
}

pub(crate) fn actor(scope: Scope) -> Actor {
    Actor::new(scope, "jane@operator.example".parse().unwrap())
}

pub(crate) fn admin() -> Actor {
    actor(Scope::Admin)
}

pub(crate) fn provider() -> Actor {
    actor(Scope::ServiceProvider(sid(PROVIDER)))
}

pub(crate) fn other_provider() -> Actor {
    actor(Scope::ServiceProvider(sid(OTHER_PROVIDER)))
}

pub(crate) fn customer(account: &Account) -> Actor {
    actor(Scope::Account(account.sid()))
}

pub(crate) fn sid<T: std::str::FromStr<Err = SidError>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

pub(crate) fn realm(text: &str) -> SipRealm {
    text.parse().unwrap()
}

pub(crate) fn names<'a>(accounts: impl IntoIterator<Item = &'a Arc<Account>>) -> Vec<&'a str> {
    accounts.into_iter().map(|account| account.name().as_str()).collect()
}
