//! The front desk: what an application talks to.

mod check;
mod error;
mod history;
mod import;
mod outside;
mod pages;
mod refusals;
mod rotation;

pub use error::Error;
pub use history::AuditPage;
pub use import::{ImportPhase, ImportProgress, ImportStreamError};
pub use outside::{AnyApplication, Applications, NoApplications, NoSessions, RunningSessions, WhileRunning};
pub use refusals::{Refusal, Refusals};
pub use rotation::SecretRotation;

use crate::access::{Action, Actor, FieldAccess};
use crate::clock::{Clock, SystemClock};
use crate::model::account::{Account, Revision};
use crate::model::contract::Contract;
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::patch::{AccountPatch, required};
use crate::model::problem::{Problem, Problems};
use crate::model::realm::SipRealm;
use crate::model::realm_policy::RealmPolicy;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::status::{Status, SuspensionReason};
use crate::model::unit::{Limit, Unit};
use crate::model::webhook_secret::WebhookSecret;
use crate::random::{OsRandom, Random};
use crate::snapshot::{Batch, Conflict, Event, Listing, Page, Snapshot, Write};
use crate::store::{AccountStore, CommitError};
use crate::webhooks::url_policy::UrlPolicy;
use check::{refuse, taken};
use futures_core::Stream;
use std::sync::Arc;

/// The accounts of a gateway: every operation, with every rule applied, on behalf of an [`Actor`].
///
/// Cloning it shares it. It works over any [`AccountStore`] and under any executor.
///
/// ```
/// use gateway_accounts::*;
/// # futures_lite::future::block_on(async {
/// let accounts = Accounts::new(MemoryStore::new());
/// let admin = Actor::admin("jane")?;
/// let acme = accounts
///     .create(&admin, AccountPatch::new().name("Acme").sip_realm("acme.example.com").unit(Unit::sessions(120)))
///     .await?;
/// let edited = accounts
///     .edit(&admin, acme.sid(), acme.revision(), AccountPatch::new().licensed_sessions(Limit::AtMost(100)))
///     .await?;
/// assert_eq!(edited.revision().get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Desk>);

#[derive(Debug, Clone)]
struct Desk {
    store: Arc<dyn AccountStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    applications: Arc<dyn Applications>,
    sessions: Arc<dyn RunningSessions>,
    url_policy: UrlPolicy,
    realm_policy: RealmPolicy,
    defaults: NewAccount,
}

/// What a new account has where its draft says nothing.
///
/// The default is an account that admits no session until an admin says how many, so that a service provider,
/// who may create accounts but not decide their limits, can't create one without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAccount {
    /// *Unit* and its maximum.
    pub unit: Unit,
    /// *Licensed sessions*.
    pub licensed_sessions: Limit,
    /// What the customer and its service provider may change. It decides, too, what a service provider may fill
    /// in when it creates an account.
    pub contract: Contract,
}

impl Default for NewAccount {
    fn default() -> Self {
        Self { unit: Unit::sessions(0), licensed_sessions: Limit::AtMost(0), contract: Contract::RESTRICTED }
    }
}

/// Which realms a look-up finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealmMatch {
    /// Only the realm itself.
    Exact,
    /// The realm itself or, if no account has it, the nearest of its parent domains that an account has. See the
    /// warning at [`Snapshot::by_realm_or_parent`].
    OrParent,
}

impl Accounts {
    /// The accounts of this store, with the system's clock and random source, no applications,
    /// [`UrlPolicy::production`], and [`RealmPolicy::any`].
    #[must_use]
    pub fn new(store: impl AccountStore + 'static) -> Self {
        Self(Arc::new(Desk {
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            applications: Arc::new(NoApplications),
            sessions: Arc::new(NoSessions),
            url_policy: UrlPolicy::production(),
            realm_policy: RealmPolicy::any(),
            defaults: NewAccount::default(),
        }))
    }

    /// The same, with another clock. As with all of these, clones made before stay as they are.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        self.with(|desk| desk.clock = Arc::new(clock))
    }

    /// The same, with another random source.
    #[must_use]
    pub fn with_random(self, random: impl Random + 'static) -> Self {
        self.with(|desk| desk.random = Arc::new(random))
    }

    /// The same, asking this about applications.
    #[must_use]
    pub fn with_applications(self, applications: impl Applications + 'static) -> Self {
        self.with(|desk| desk.applications = Arc::new(applications))
    }

    /// The same, asking this about running sessions.
    #[must_use]
    pub fn with_sessions(self, sessions: impl RunningSessions + 'static) -> Self {
        self.with(|desk| desk.sessions = Arc::new(sessions))
    }

    /// The same, with another policy for the addresses of webhooks.
    #[must_use]
    pub fn with_url_policy(self, policy: UrlPolicy) -> Self {
        self.with(|desk| desk.url_policy = policy)
    }

    /// The same, with another policy for the realms that others than an admin choose.
    #[must_use]
    pub fn with_realm_policy(self, policy: RealmPolicy) -> Self {
        self.with(|desk| desk.realm_policy = policy)
    }

    /// The same, with other defaults for new accounts.
    ///
    /// # Panics
    /// When the defaults contradict each other: more licensed sessions than the maximum.
    #[must_use]
    pub fn with_defaults(self, defaults: NewAccount) -> Self {
        assert!(defaults.unit.fits(defaults.licensed_sessions), "more licensed sessions than the maximum");
        self.with(|desk| desk.defaults = defaults)
    }

    fn with(self, set: impl FnOnce(&mut Desk)) -> Self {
        let mut desk = Arc::unwrap_or_clone(self.0);
        set(&mut desk);
        Self(Arc::new(desk))
    }

    /// The store. What goes to it directly goes around the rules of who may do what.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn AccountStore> {
        &self.0.store
    }

    #[cfg(feature = "keys")]
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    #[cfg(feature = "keys")]
    pub(crate) fn random(&self) -> &Arc<dyn Random> {
        &self.0.random
    }

    /// All accounts at this moment, for the data plane: it answers [`Snapshot::by_sid`] and [`Snapshot::by_realm`]
    /// without waiting, and applies no rights. `None` when the store does not keep its accounts in memory.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.0.store.live()
    }

    /// What the actor may do with each field of the account, for a user interface.
    #[must_use]
    pub fn editable_fields(&self, actor: &Actor, account: &Account) -> FieldAccess {
        actor.editable_fields(account)
    }

    /// What the actor may fill in of a new account, for a user interface.
    #[must_use]
    pub fn new_account_fields(&self, actor: &Actor) -> FieldAccess {
        actor.new_account_fields(self.0.defaults.contract)
    }

    /// Creates an account from a draft, which has at least a name. The SID and the webhook secret are generated.
    /// An account that a service provider creates is under it. What the draft leaves out is as [`NewAccount`] has it:
    /// unless told otherwise, no sessions at all.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong; [`Error::Forbidden`] for an account actor.
    pub async fn create(&self, actor: &Actor, draft: AccountPatch) -> Result<Arc<Account>, Error> {
        self.allow(actor, Action::Create)?;
        let now = self.0.clock.now();
        let blank = Account {
            sid: AccountSid::generate(now, &*self.0.random).map_err(Error::Random)?,
            // Never stored: a draft without a name has a problem.
            name: AccountName::parse("unnamed").expect("a plain word is a name"),
            unit: self.0.defaults.unit,
            licensed_sessions: self.0.defaults.licensed_sessions,
            sip_realm: None,
            webhook_secret: WebhookSecret::generate(&*self.0.random).map_err(Error::Random)?,
            former_webhook_secret: None,
            minutes_used: None,
            device_calling_application: None,
            siprec_application: None,
            registration_webhook: None,
            queue_event_webhook: None,
            organisation: None,
            service_provider: match actor.scope() {
                Scope::ServiceProvider(own) => Some(own),
                Scope::Admin | Scope::Account(_) => None,
            },
            contract: self.0.defaults.contract,
            status: Status::Active,
            revision: Revision::FIRST,
            created: now,
            updated: now,
        };
        let (account, mut problems) = draft.merge_into(&blank);
        if !draft.names() {
            problems.push(required(Field::Name));
        }
        let (account, problems) =
            refuse(&blank, account, &problems, actor.new_account_fields(blank.contract));
        self.check(actor, None, &account, problems).await?;
        self.write(actor, Write::Create(Arc::new(account))).await
    }

    /// Brings in one account from elsewhere (of many, [`Accounts::import_all`] takes less time), with its SID, secret, status and times; its revision starts again from
    /// [`Revision::FIRST`]. Admin only.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong, as for [`Accounts::create`].
    pub async fn import(&self, actor: &Actor, account: Account) -> Result<Arc<Account>, Error> {
        self.allow(actor, Action::Import)?;
        let mut problems = Problems::none();
        if self.0.store.by_sid(account.sid).await?.is_some() {
            problems.push(import::sid_taken());
        }
        self.check(actor, None, &account, problems).await?;
        self.write(actor, Write::Create(Arc::new(account))).await
    }

    /// The account of this SID.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the actor may see.
    pub async fn get(&self, actor: &Actor, sid: AccountSid) -> Result<Arc<Account>, Error> {
        visible(actor, self.0.store.by_sid(sid).await?)
    }

    /// The account of this name, without regard to case.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the actor may see.
    pub async fn find_by_name(&self, actor: &Actor, name: &AccountName) -> Result<Arc<Account>, Error> {
        visible(actor, self.0.store.by_name(name).await?)
    }

    /// The account of this realm.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the actor may see.
    pub async fn find_by_realm(
        &self,
        actor: &Actor,
        realm: &SipRealm,
        matching: RealmMatch,
    ) -> Result<Arc<Account>, Error> {
        if matching == RealmMatch::OrParent
            && let Some(now) = self.snapshot()
        {
            // All at the same moment.
            return visible(actor, now.by_realm_or_parent(realm).cloned());
        }
        let mut found = self.0.store.by_realm(realm).await?;
        if matching == RealmMatch::OrParent {
            // Every parent of two labels or more is a realm.
            for parent in realm.parents().filter_map(|parent| SipRealm::parse(parent).ok()) {
                if found.is_some() {
                    break;
                }
                found = self.0.store.by_realm(&parent).await?;
            }
        }
        visible(actor, found)
    }

    /// A page of the accounts that the actor may see, in the order of their SIDs.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, actor: &Actor, listing: &Listing) -> Result<Page, Error> {
        let listing = match actor.scope() {
            Scope::Admin => *listing,
            Scope::ServiceProvider(own) => match listing.service_provider() {
                Some(other) if other != own => return Ok(Page::empty()),
                _ => (*listing).of_service_provider(own),
            },
            Scope::Account(own) => {
                let account = self.0.store.by_sid(own).await?.filter(|account| {
                    listing.start().is_none_or(|start| start < account.sid)
                        && listing.service_provider().is_none_or(|of| account.service_provider == Some(of))
                });
                return Ok(Page::from_one_more(account.into_iter().collect(), listing));
            }
        };
        Ok(self.0.store.list(&listing).await?)
    }

    /// All accounts that the actor may see, in the order of their SIDs, read page by page as the stream is polled.
    /// An account that is there all the while is in it exactly once.
    ///
    /// After an error the stream ends.
    pub fn stream(&self, actor: &Actor) -> impl Stream<Item = Result<Arc<Account>, Error>> + Send + use<> {
        let (desk, actor) = (self.clone(), actor.clone());
        pages::stream(move |listing| {
            let (desk, actor) = (desk.clone(), actor.clone());
            Box::pin(async move { desk.list(&actor, &listing).await })
        })
    }

    /// Applies a patch to the account, if it is still at the revision that the actor saw. A patch that changes
    /// nothing writes nothing, and answers with the account as it is.
    ///
    /// A patch may carry a field that the actor may not change, as forms do, as long as it leaves the value as it
    /// is; one that would change such a field is refused whole, naming every such field.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong; [`Error::Changed`] when somebody was faster.
    pub async fn edit(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
        patch: AccountPatch,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Edit, sid, seen).await?;
        let (next, problems) = patch.merge_into(&current);
        let (next, problems) = refuse(&current, next, &problems, actor.editable_fields(&current));
        self.check(actor, Some(&current), &next, problems).await?;
        self.replace(actor, &current, next).await
    }

    /// Takes an account out of service. One that is suspended already stays as it is, with its first reason.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for anybody but an admin; [`Error::Changed`] when somebody was faster.
    pub async fn suspend(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
        reason: SuspensionReason,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Suspend, sid, seen).await?;
        if !current.status.is_active() {
            return Ok(current);
        }
        let status = Status::suspended(reason, self.0.clock.now());
        let next = Account { status, ..Account::clone(&current) };
        self.replace(actor, &current, next).await
    }

    /// Takes a suspended account back into service. One that is active stays as it is.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for anybody but an admin; [`Error::Changed`] when somebody was faster.
    pub async fn resume(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Resume, sid, seen).await?;
        let next = Account { status: Status::Active, ..Account::clone(&current) };
        self.replace(actor, &current, next).await
    }

    /// Deletes the account, in one step with all that is its own. Its name and realm are free again. Gives back
    /// the account as it was.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for an account actor; [`Error::Changed`] when somebody was faster;
    /// [`Error::SessionsRunning`] when sessions are running and that was to be refused.
    pub async fn delete(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
        while_running: WhileRunning,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Delete, sid, seen).await?;
        if while_running == WhileRunning::Refuse {
            let running = self.0.sessions.running(sid);
            if running > 0 {
                return Err(Error::SessionsRunning { running });
            }
        }
        self.write(actor, Write::Delete { sid, expected: seen }).await?;
        Ok(current)
    }

    fn allow(&self, actor: &Actor, action: Action) -> Result<(), Error> {
        if actor.may(action) { Ok(()) } else { Err(Error::Forbidden { action }) }
    }

    /// The account, if the actor may see it and do this to it, and it is still at this revision.
    async fn at_revision(
        &self,
        actor: &Actor,
        action: Action,
        sid: AccountSid,
        seen: Revision,
    ) -> Result<Arc<Account>, Error> {
        let account = self.get(actor, sid).await?;
        self.allow(actor, action)?;
        let actual = account.revision;
        if actual == seen { Ok(account) } else { Err(Error::Changed { sid, expected: seen, actual }) }
    }

    async fn replace(
        &self,
        actor: &Actor,
        current: &Arc<Account>,
        next: Account,
    ) -> Result<Arc<Account>, Error> {
        if next == **current {
            return Ok(Arc::clone(current));
        }
        let now = self.0.clock.now();
        // A secret that signs no more is not kept longer than it must.
        let former_webhook_secret = next.former_webhook_secret.filter(|former| former.is_live(now));
        let next = Account { former_webhook_secret, updated: now, ..next };
        self.write(actor, Write::Replace(Arc::new(next))).await
    }

    async fn write(&self, actor: &Actor, write: Write) -> Result<Arc<Account>, Error> {
        let batch = Batch::new(actor.clone(), self.0.clock.now()).with(write);
        match self.0.store.commit(batch).await {
            // Before an account is deleted, its keys are revoked.
            Ok(change) => match change.events.last() {
                Some(
                    Event::Created(account)
                    | Event::Replaced { after: account, .. }
                    | Event::Deleted(account),
                ) => Ok(Arc::clone(account)),
                Some(Event::Key(_)) | None => Err(Error::NotFound),
            },
            Err(error) => Err(refused(error)),
        }
    }
}

/// Why a commit was refused, when somebody was faster than the check.
pub(crate) fn refused(error: CommitError) -> Error {
    match error {
        CommitError::Conflict(Conflict::Taken { field, .. }) => Error::Invalid(taken(field).into()),
        CommitError::Conflict(Conflict::Revision { sid, expected, actual }) => {
            Error::Changed { sid, expected, actual }
        }
        CommitError::Conflict(Conflict::KeyRevision { id, expected, actual }) => {
            Error::KeyChanged { id, expected, actual }
        }
        CommitError::Conflict(Conflict::Missing { .. } | Conflict::KeyMissing { .. }) => Error::NotFound,
        CommitError::Conflict(Conflict::KeyTaken { id }) => {
            Error::Invalid(Problem::new(Field::ApiKeys, "taken", format!("key {id} is there already")).into())
        }
        CommitError::Conflict(Conflict::TooManyKeys { at_most, .. }) => {
            Error::Invalid(too_many_keys(at_most).into())
        }
        CommitError::Store(error) => Error::Store(error),
    }
}

pub(crate) fn too_many_keys(at_most: usize) -> Problem {
    let message = format!("may be {at_most} at most; revoke one that is not needed any more");
    Problem::new(Field::ApiKeys, "too_many", message)
}

/// Not forbidden but not found: nobody learns which other accounts exist.
fn visible(actor: &Actor, account: Option<Arc<Account>>) -> Result<Arc<Account>, Error> {
    account.filter(|account| actor.may_see(account)).ok_or(Error::NotFound)
}
