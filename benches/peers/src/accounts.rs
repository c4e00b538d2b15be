//! The accounts that every engine keeps.

use gateway_accounts::{
    Account, AccountRecord, AccountSid, Actor, Contract, Limit, Revision, SeededRandom, SipRealm, Status,
    Timestamp, Unit, WebhookSecret,
};
use std::sync::Arc;

/// A step of splitmix64: repeatable, and good enough to shuffle with.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The realm of account `n`; realms are in no order.
pub fn realm(n: u64) -> SipRealm {
    format!("r{:x}.sip.example.com", next(&mut { n })).parse().expect("letters and digits are a realm")
}

/// Account `n`, as customers have them. Those of different numbers differ in SID, name and realm.
pub fn account(n: u64) -> Arc<Account> {
    let created = Timestamp::from_millis(1_795_466_263_042 + n as i64);
    let record = AccountRecord {
        // As the crate generates them, for accounts that are created one after the other.
        sid: AccountSid::generate(created, &SeededRandom::new(n)).expect("a seeded source has bytes"),
        name: format!("Customer {n} of the Benchmark").parse().expect("words and a number are a name"),
        unit: Unit::sessions(120),
        licensed_sessions: Limit::AtMost(100),
        sip_realm: Some(realm(n)),
        former_webhook_secret: None,
        minutes_used: None,
        webhook_secret: WebhookSecret::import(&format!("whsec_{n:043x}=")).expect("a short text is a secret"),
        device_calling_application: None,
        siprec_application: None,
        registration_webhook: None,
        queue_event_webhook: None,
        organisation: None,
        service_provider: Some("51f4233a-4559-4b8c-a527-725db01b5080".parse().expect("it is a UUID")),
        contract: Contract::RESTRICTED,
        status: Status::Active,
        revision: Revision::FIRST,
        created,
        updated: created,
    };
    Arc::new(Account::try_from(record).expect("the fields fit together"))
}

/// Accounts `from` to `to`, without `to`.
pub fn accounts(from: u64, to: u64) -> Vec<Arc<Account>> {
    (from..to).map(account).collect()
}

pub fn actor() -> Actor {
    Actor::admin("bench").expect("a word is a subject")
}

/// What a peer keeps of an account: what it indexes, and the JSON that our file has of it too.
pub struct Row {
    pub sid: [u8; 16],
    pub name: String,
    pub realm: Option<String>,
    pub json: Vec<u8>,
}

impl Row {
    pub fn of(account: &Account) -> Self {
        Self {
            sid: *account.sid().as_uuid().as_bytes(),
            name: account.name().folded().into_owned(),
            realm: account.sip_realm().map(|realm| realm.as_str().to_owned()),
            json: serde_json::to_vec(&AccountRecord::from(account)).expect("records serialize"),
        }
    }
}
