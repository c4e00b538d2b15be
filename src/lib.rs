//! The account model of a multi-tenant voice gateway.
#![forbid(unsafe_code)]

mod access;
mod accounts;
mod clock;
#[cfg(feature = "jambonz")]
pub mod jambonz;
mod model;
mod random;
mod snapshot;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod webhooks;

pub use access::{Access, Action, Actor, FieldAccess, Scope, Subject, SubjectError};
pub use accounts::{
    Accounts, AnyApplication, Applications, Error, NewAccount, NoApplications, NoSessions, RealmMatch,
    RunningSessions, WhileRunning,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use model::account::{Account, Revision};
pub use model::contract::Contract;
pub use model::field::Field;
pub use model::name::{AccountName, AccountNameError};
pub use model::organisation::{OrganisationId, OrganisationIdError};
pub use model::patch::AccountPatch;
pub use model::problem::{Problem, Problems, ValueError};
pub use model::realm::{SipRealm, SipRealmError};
pub use model::record::{AccountRecord, AccountRecordError};
pub use model::sid::{AccountSid, ApplicationSid, ServiceProviderSid, SidError};
pub use model::status::{Status, Suspension, SuspensionReason, SuspensionReasonError};
pub use model::timestamp::{Timestamp, TimestampError};
pub use model::unit::{Limit, LimitError, Unit, UnitKind, UnitKindError};
pub use model::view::AccountView;
pub use model::webhook::{
    RetryOn, RetryPolicy, RetryPolicyError, Webhook, WebhookCredentials, WebhookCredentialsError,
    WebhookMethod, WebhookMethodError, WebhookUrl, WebhookUrlError,
};
pub use model::webhook_secret::{WebhookSecret, WebhookSecretError};
pub use random::{OsRandom, Random, RandomError, SeededRandom};
pub use snapshot::{AdvanceError, Batch, Change, Conflict, Event, Listing, Page, Seq, Snapshot, Write};
#[cfg(feature = "file")]
pub use store::file::{FileDamage, FileStore, Opened, Options as FileStoreOptions, TornTail};
pub use store::memory::MemoryStore;
pub use store::{AccountStore, CommitError, Feed, StoreError, StoreErrorKind};
pub use webhooks::url_policy::{UrlPolicy, UrlPolicyError};
