//! Accounts and API keys to test with.

use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyHash, KeyId};
use crate::model::contract::Contract;
use crate::model::scope::Scope;
use crate::model::sid::AccountSid;
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook_secret::WebhookSecret;
use crate::snapshot::{Batch, Write};
use uuid::Uuid;

/// Where the numbers of [`sid`] start: within UUIDs of version 7.
const FIRST_SID: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

/// The SID of [`account`] `n`. Greater numbers give greater SIDs.
#[must_use]
pub fn sid(n: u64) -> AccountSid {
    AccountSid::from_uuid(Uuid::from_u128(FIRST_SID + u128::from(n))).expect("a UUID of version 7 is not nil")
}

/// Account number `n`, valid and ready to be created. Accounts of different numbers differ in SID, name, realm and
/// secret, and so do not clash.
///
/// Another field is set by way of the record:
///
/// ```
/// use gateway_accounts::{Account, AccountRecord, Limit, testkit};
/// let record = AccountRecord { licensed_sessions: Limit::AtMost(5), ..(&testkit::account(1)).into() };
/// let account = Account::try_from(record)?;
/// assert_eq!(account.name().as_str(), "Account 1");
/// assert_eq!(account.licensed_sessions(), Limit::AtMost(5));
/// # Ok::<(), gateway_accounts::AccountRecordError>(())
/// ```
#[must_use]
pub fn account(n: u64) -> Account {
    Account {
        sid: sid(n),
        name: format!("Account {n}").parse().expect("a word and a number are a name"),
        unit: Unit { maximum: Limit::Unlimited, ..Unit::sessions(0) },
        licensed_sessions: Limit::AtMost(0),
        sip_realm: Some(
            format!("account-{n}.example").parse().expect("letters, digits and a hyphen are a realm"),
        ),
        webhook_secret: WebhookSecret::import(&format!("wh_secret_{n}")).expect("a short text is a secret"),
        former_webhook_secret: None,
        minutes_used: None,
        device_calling_application: None,
        siprec_application: None,
        registration_webhook: None,
        queue_event_webhook: None,
        organisation: None,
        service_provider: None,
        contract: Contract::RESTRICTED,
        status: Status::Active,
        revision: Revision::FIRST,
        created: now(),
        updated: now(),
    }
}

/// The id of [`api_key`] `n`. Greater numbers give greater ids.
#[must_use]
pub fn key_id(n: u64) -> KeyId {
    // The largest number has twenty digits; no test counts that far.
    let digits = n % 10_u64.pow(16);
    format!("{digits:016}").parse().expect("digits are an id")
}

/// API key number `n` of this owner, valid and ready to be added. Keys of different numbers differ in id and label.
///
/// Its hash is that of no secret, so that nobody gets in with it. Another field is set by way of the record:
///
/// ```
/// use gateway_accounts::{ApiKey, ApiKeyRecord, Scope, testkit};
/// let record = ApiKeyRecord { disabled: true, ..(&testkit::api_key(1, Scope::Admin)).into() };
/// let key = ApiKey::try_from(record)?;
/// assert_eq!(key.label().as_str(), "Key 1");
/// assert!(key.is_disabled());
/// # Ok::<(), gateway_accounts::ApiKeyRecordError>(())
/// ```
#[must_use]
pub fn api_key(n: u64, owner: Scope) -> ApiKey {
    ApiKey {
        id: key_id(n),
        owner,
        label: format!("Key {n}").parse().expect("a word and a number are a label"),
        hash: KeyHash::parse("$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA")
            .expect("it begins like a hash"),
        last_four: *b"x7Q2",
        created: now(),
        created_by: admin().subject().clone(),
        expires: None,
        disabled: false,
        last_used: None,
        revision: Revision::FIRST,
    }
}

/// An admin whose subject is `testkit`.
#[must_use]
pub fn admin() -> Actor {
    Actor::new(Scope::Admin, "testkit".parse().expect("a word is a subject"))
}

/// When everything in the suite happens.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_795_466_263_042)
}

/// A batch of these writes, on behalf of [`admin`].
///
/// ```
/// use gateway_accounts::{AccountStore, MemoryStore, Write, testkit};
/// let store = MemoryStore::new();
/// let create = Write::Create(testkit::account(1).into());
/// let change = testkit::block_on(store.commit(testkit::batch([create])))?;
/// assert_eq!(change.seq.get(), 1);
/// # Ok::<(), gateway_accounts::CommitError>(())
/// ```
#[must_use]
pub fn batch(writes: impl IntoIterator<Item = Write>) -> Batch {
    writes.into_iter().fold(Batch::new(admin(), now()), Batch::with)
}
