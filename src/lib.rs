//! The account model of a multi-tenant voice gateway: what an account is, who may change what, and stores that
//! lose nothing.
//!
//! A voice gateway serves many customers. Each is an [`Account`]. Two kinds of code ask for them:
//!
//! - The **control plane** (an admin API, a provisioning job) creates and edits accounts on behalf of people whose
//!   rights differ. It goes through [`Accounts`], the front desk, which applies every rule.
//! - The **data plane** (registrar, call router) asks tens of thousands of times a second which account a realm
//!   belongs to. It reads a [`Snapshot`], which answers from memory without waiting or locking.
//!
//! ```
//! use gateway_accounts::*;
//! # futures_lite::future::block_on(async {
//! let accounts = Accounts::new(MemoryStore::new());
//! let admin = Actor::admin("jane@operator.example")?;
//! let draft = AccountPatch::new().name("Acme").sip_realm("acme.example.com").unit(Unit::sessions(120));
//! let acme = accounts.create(&admin, draft).await?;
//!
//! let realm = SipRealm::parse("phones.acme.example.com")?;
//! let found = accounts.snapshot().and_then(|now| now.by_realm_or_parent(&realm).cloned());
//! assert_eq!(found, Some(acme));
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | creating, finding, editing, deleting | [`Accounts`], [`AccountPatch`], [`Error`], [`Problem`] |
//! | who may do what | [`Actor`], [`Scope`], [`Access`] |
//! | the fields and their rules | [`Account`], [`AccountName`], [`SipRealm`], [`Unit`], [`Webhook`], [`Contract`] |
//! | showing an account, storing one | [`AccountView`], [`AccountRecord`] |
//! | the data plane | [`Snapshot`] |
//! | keeping accounts | [`FileStore`], [`MemoryStore`], [`AccountStore`] |
//! | accounts of many machines, in PostgreSQL (feature `postgres`) | `PostgresStore`, [`Directory`] |
//! | moving to another store | [`StoreCopy`], [`Write::Restore`] |
//! | following changes | [`AccountStore::changes`], [`Change`] |
//! | who changed what, without secrets | [`Accounts::history`], [`Change::audit`], [`AuditEntry`] |
//! | bringing in many accounts | [`Accounts::import_all`], [`Accounts::import_stream`], [`Refusals`] |
//! | may this call start, and how many minutes are left | `admission` (feature `admission`), [`MinutesUsed`] |
//! | API keys (feature `keys`) | `ApiKeys`, `Authenticator`, `KeyToken`; the example `api_keys` |
//! | calling webhooks, and answering such calls | [`webhooks`] (most of it: feature `webhooks`), [`UrlPolicy`], [`SecretRotation`] |
//! | keeping secrets sealed in the file (feature `sealing`) | `Keyring` |
//! | moving in from jambonz (feature `jambonz`) | `jambonz` |
//! | a store of one's own | [`AccountStore`], [`Snapshot::apply`], `testkit` |
//!
//! # Executors, features, dependencies
//!
//! Nothing needs a particular executor, and no future blocks the thread that polls it. Time and randomness are
//! passed in ([`Clock`], [`Random`]), so that a test decides both. Features only add. Of the dependencies, five
//! show in the public interface: `url`, `uuid`, `serde` (with `serde_json` values), `futures-core` and `async-trait`,
//! whose macro is re-exported; `http` with the feature `http_v1`, and `tokio-postgres` with the feature `postgres`, which is
//! the one that needs a tokio runtime.

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used)]
#![cfg_attr(
    not(feature = "file"),
    allow(rustdoc::broken_intra_doc_links, reason = "FileStore is behind a feature")
)]

mod access;
mod accounts;
#[cfg(feature = "admission")]
pub mod admission;
mod audit;
mod blocking;
mod clock;
mod directory;
#[cfg(feature = "jambonz")]
pub mod jambonz;
#[cfg(feature = "keys")]
mod keys;
mod model;
mod random;
#[cfg(feature = "sealing")]
mod sealing;
mod snapshot;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod webhooks;
mod yielding;

// The front desk, and who stands at it.
pub use access::{Access, Action, Actor, FieldAccess};
pub use accounts::{
    Accounts, AnyApplication, Applications, AuditPage, Error, ImportPhase, ImportProgress, ImportStreamError,
    NewAccount, NoApplications, NoSessions, RealmMatch, Refusal, Refusals, RunningSessions, SecretRotation,
    WhileRunning,
};
pub use model::scope::Scope;
pub use model::subject::{Subject, SubjectError};

// An account, and what it is made of.
pub use model::account::{Account, Revision};
pub use model::contract::Contract;
pub use model::former_secret::FormerSecret;
pub use model::minutes_used::{MinutesUsed, MinutesUsedError, PeriodUse};
pub use model::name::{AccountName, AccountNameError};
pub use model::organisation::{OrganisationId, OrganisationIdError};
pub use model::realm::{SipRealm, SipRealmError};
pub use model::realm_policy::{RealmPolicy, RealmPolicyError};
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
pub use webhooks::url_policy::{UrlPolicy, UrlPolicyError};

// API keys, but for their secrets.
pub use model::api_key::{
    ApiKey, ApiKeyRecord, ApiKeyRecordError, ApiKeyView, KeyHash, KeyHashError, KeyId, KeyIdError, KeyLabel,
    KeyLabelError,
};

// Drafts and edits, and what is wrong with them.
pub use model::field::Field;
pub use model::patch::AccountPatch;
pub use model::problem::{Problem, Problems, ValueError};

// All accounts at one moment, and the next.
pub use snapshot::{
    AccountHistory, AdvanceError, Batch, Change, Conflict, Event, HistoryEntry, HistoryPage, KeyEvent,
    KeyWrite, Listing, Page, Seq, Snapshot, Write, WriteProgress,
};

// What changed, as it may be shown.
pub use audit::{AuditAction, AuditEntry, AuditedKey, FieldChange};

// Where accounts are kept.
#[cfg(feature = "file")]
pub use store::file::{
    Backup, FileDamage, FileStore, FileStoreOptions, LeftOut, Loss, Opened, Salvaged, TornTail, Verified,
    WhyLeftOut,
};
pub use store::memory::MemoryStore;
pub use store::{AccountStore, CommitError, Feed, Findings, StoreError, StoreErrorKind};

// Moving them from one store into another.
pub use store::{
    Copied, CopyConflict, CopyDifference, CopyError, CopyItem, CopyProgress, StoreCopy, WhyNotCopied,
};

// A snapshot that is kept current, of a store that has none of its own.
pub use directory::{Directory, DirectoryOptions, DirectoryState, DirectoryStatus, DirectoryWatch};

// Keeping their secrets sealed.
#[cfg(feature = "sealing")]
pub use sealing::{Keyring, SealingKey, SealingKeyError};
#[cfg(feature = "postgres")]
pub use store::postgres::{PostgresStore, PostgresStoreOptions, SchemaNameError};

// API keys in the hands of who uses them.
#[cfg(feature = "keys")]
pub use keys::{
    AddedKey, ApiKeys, AuthError, Authenticated, Authenticator, HashError, HashParams, HashParamsError,
    HashPool, KeyImport, KeyToken, NewKey, ParsedToken, Rotation, TokenError,
};

// What the program brings.
pub use async_trait::async_trait;
pub use clock::{Clock, ManualClock, SystemClock};
pub use random::{OsRandom, Random, RandomError, SeededRandom};

/// The README's example is compiled and run.
#[cfg(all(doctest, feature = "file"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
