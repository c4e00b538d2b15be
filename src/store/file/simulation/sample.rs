//! The accounts and batches of a simulation: few names and realms, so that they clash, and lines of all lengths.

use super::dice::Dice;
use super::model::Model;
use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyHash, KeyId};
use crate::model::contract::Contract;
use crate::model::former_secret::FormerSecret;
use crate::model::minutes_used::{MinutesUsed, PeriodUse};
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::realm::SipRealm;
use crate::model::scope::Scope;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::status::Status;
use crate::model::timestamp::Timestamp;
use crate::model::unit::{Limit, Unit};
use crate::model::webhook::{Webhook, WebhookUrl};
use crate::model::webhook_secret::WebhookSecret;
use crate::snapshot::{Batch, KeyWrite, Write};
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

/// How many SIDs there are, and names, and realms.
pub(super) const SIDS: usize = 12;
const LABELS: usize = 10;
pub(super) const PROVIDERS: usize = 3;
const KEYS: usize = 16;
/// How many keys an owner may have.
const KEYS_OF_ONE: usize = 5;

/// Parsing them takes longer than all the rest, and so it is done once.
pub(super) struct Samples {
    pub(super) sids: Vec<AccountSid>,
    /// Each name in lower case, and the same in upper case.
    pub(super) names: Vec<[AccountName; 2]>,
    pub(super) realms: Vec<SipRealm>,
    pub(super) providers: Vec<ServiceProviderSid>,
    /// One is the beginning of the other.
    pub(super) secrets: [WebhookSecret; 2],
    organisation: OrganisationId,
    hook: Webhook,
    actors: [Actor; 2],
    pub(super) keys: Vec<KeyId>,
    hashes: [KeyHash; 2],
}

pub(super) static SAMPLES: LazyLock<Samples> = LazyLock::new(|| {
    let uuid = |n: usize| Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n as u128);
    let name = |n: usize| ["account", "ACCOUNT"].map(|word| format!("{word} {n}").parse().unwrap());
    let url = format!("https://hooks.example/{}", "long/".repeat(190));
    let secret = |length: usize| WebhookSecret::import(&"s".repeat(length)).unwrap();
    Samples {
        sids: (0..SIDS).map(|n| AccountSid::from_uuid(uuid(n)).unwrap()).collect(),
        names: (0..LABELS).map(name).collect(),
        realms: (0..LABELS).map(|n| format!("realm-{n}.example").parse().unwrap()).collect(),
        providers: (0..PROVIDERS).map(|n| ServiceProviderSid::from_uuid(uuid(1000 + n)).unwrap()).collect(),
        secrets: [secret(20), secret(WebhookSecret::MAX_LEN)],
        organisation: "o".repeat(OrganisationId::MAX_LEN).parse().unwrap(),
        hook: Webhook::new(WebhookUrl::parse(&url).unwrap()),
        keys: (0..KEYS).map(|n| format!("{n:016}").parse().unwrap()).collect(),
        hashes: ["s", "ssssssss"].map(|salt| KeyHash::parse(&format!("$argon2id${salt}")).unwrap()),
        actors: ["jane", "joe"].map(|subject| Actor::new(Scope::Admin, subject.parse().unwrap())),
    }
});

/// Makes up batches.
pub(super) struct Writer {
    dice: Dice,
    /// A number that no other account or key written has.
    stamp: u32,
    /// Whether there are keys.
    keys: bool,
}

impl Writer {
    pub(super) fn new(dice: Dice) -> Self {
        Self { dice, stamp: 0, keys: true }
    }

    /// One that writes what format 1 can keep: accounts, without minutes used.
    pub(super) fn without_keys(dice: Dice) -> Self {
        Self { keys: false, ..Self::new(dice) }
    }

    /// A batch by somebody who sees these accounts. One in ten, about, is refused.
    pub(super) fn batch(&mut self, seen: &Model) -> Batch {
        let writes = match self.dice.below(100) {
            0..4 => 0,
            4..80 => 1,
            80..95 => 2 + self.dice.index(2),
            _ => 4 + self.dice.index(8),
        };
        let mut batch = self.empty();
        let mut then = seen.clone();
        for _ in 0..writes {
            let write = self.write(&then);
            batch = batch.with(write);
            // The next write of the batch goes on from this one; unless it is refused, as then the batch will be.
            if let Ok((next, _)) = seen.commit(&batch) {
                then = next;
            } else if self.dice.chance(2, 3) {
                batch.writes.pop();
            }
        }
        batch
    }

    /// A batch of so many writes that all go well, but of no more accounts than there are.
    pub(super) fn large_batch(&mut self, seen: &Model, writes: usize) -> Batch {
        let mut batch = self.empty();
        let sids = &SAMPLES.sids;
        let Some((sid, mut revision)) = sids.iter().find_map(|sid| {
            let account = seen.accounts.get(sid)?;
            Some((*sid, account.revision()))
        }) else {
            return batch;
        };
        let account = Account::clone(&seen.accounts[&sid]);
        for _ in 0..writes {
            let licensed_sessions = Limit::AtMost(self.stamp());
            let write = Write::Replace(Arc::new(Account { revision, licensed_sessions, ..account.clone() }));
            batch.writes.push(write);
            revision = revision.next();
        }
        batch
    }

    fn empty(&mut self) -> Batch {
        let actor = SAMPLES.actors[self.dice.index(2)].clone();
        // Clocks of writers step back now and then.
        Batch::new(actor, Timestamp::from_millis(1_795_466_263_042 + self.dice.below(2000) as i64))
    }

    fn write(&mut self, seen: &Model) -> Write {
        if self.keys && self.dice.chance(1, 4) {
            return Write::Key(self.key_write(seen));
        }
        let sid = SAMPLES.sids[self.dice.index(SIDS)];
        let there = seen.accounts.get(&sid);
        let revision = match there {
            // Who has not seen the latest revision.
            Some(account) if self.dice.chance(1, 40) => Revision::new(account.revision().get() + 1),
            Some(account) => account.revision(),
            None => Revision::FIRST,
        };
        match (there, self.dice.below(40)) {
            (_, 14..17) if self.keys && there.is_none() => Write::Restore(Arc::new(self.brought(sid, seen))),
            (Some(_), 0) | (None, 1..) => Write::Create(Arc::new(self.account(sid, revision, seen))),
            (_, 1..9) => Write::Delete { sid, expected: revision },
            (_, 9..14) if self.keys => Write::MinutesUsed { sid, used: self.minutes() },
            _ => Write::Replace(Arc::new(self.account(sid, revision, seen))),
        }
    }

    /// An account that was written elsewhere before.
    fn brought(&mut self, sid: AccountSid, seen: &Model) -> Account {
        let revision = Revision::new(self.dice.below(5));
        let minutes_used = self.dice.chance(1, 2).then(|| self.minutes());
        Account { minutes_used, ..self.account(sid, revision, seen) }
    }

    fn minutes(&mut self) -> Arc<MinutesUsed> {
        let as_of = Timestamp::from_millis(self.dice.below(2000) as i64);
        let periods = (0..self.dice.index(4)).map(|n| n as i64);
        let dice = &mut self.dice;
        let period = |start| PeriodUse { start: Timestamp::from_millis(start), seconds: dice.below(100_000) };
        let periods = periods.map(period).collect();
        Arc::new(MinutesUsed::new(as_of, periods).expect("few, and in order"))
    }

    fn key_write(&mut self, seen: &Model) -> KeyWrite {
        let id = SAMPLES.keys[self.dice.index(KEYS)];
        let there = seen.keys.get(&id);
        let revision = match there {
            Some(key) if self.dice.chance(1, 40) => Revision::new(key.revision().get() + 1),
            Some(key) => key.revision(),
            None => Revision::FIRST,
        };
        match (there, self.dice.below(40)) {
            (None, 20..25) => {
                let revision = Revision::new(self.dice.below(5));
                KeyWrite::Restore(Arc::new(self.key(id, revision, seen)))
            }
            (Some(_), 0) | (None, 3..) => {
                KeyWrite::Add { key: Arc::new(self.key(id, revision, seen)), at_most: KEYS_OF_ONE }
            }
            (_, 1..8) => KeyWrite::Revoke { id, expected: revision },
            (_, 8..20) => KeyWrite::Use { id, at: Timestamp::from_millis(self.dice.below(2000) as i64) },
            _ => KeyWrite::Replace(Arc::new(self.key(id, revision, seen))),
        }
    }

    /// A key of the owner that it has, or of another: an account mostly, and one that is there mostly.
    fn key(&mut self, id: KeyId, revision: Revision, seen: &Model) -> ApiKey {
        let stamp = self.stamp();
        let dice = &mut self.dice;
        let owner = match dice.below(10) {
            0 => Scope::Admin,
            1 => Scope::ServiceProvider(SAMPLES.providers[dice.index(PROVIDERS)]),
            2 => Scope::Account(SAMPLES.sids[dice.index(SIDS)]),
            _ => {
                let sids: Vec<_> = seen.accounts.keys().copied().collect();
                let sid = if sids.is_empty() { SAMPLES.sids[0] } else { sids[dice.index(sids.len())] };
                Scope::Account(sid)
            }
        };
        let former = seen.keys.get(&id).filter(|_| dice.chance(19, 20)).map(|key| key.owner());
        ApiKey {
            id,
            owner: former.unwrap_or(owner),
            label: format!("key {stamp}").parse().expect("it is short"),
            hash: SAMPLES.hashes[dice.index(2)].clone(),
            last_four: *b"1234",
            created: Timestamp::from_millis(0),
            created_by: SAMPLES.actors[0].subject().clone(),
            expires: dice.chance(1, 2).then_some(Timestamp::from_millis(i64::from(stamp))),
            disabled: dice.chance(1, 4),
            last_used: dice.chance(1, 4).then_some(Timestamp::from_millis(dice.below(2000) as i64)),
            revision,
        }
    }

    fn account(&mut self, sid: AccountSid, revision: Revision, seen: &Model) -> Account {
        let samples = &*SAMPLES;
        let licensed_sessions = Limit::AtMost(self.stamp());
        let (name, sip_realm) = self.labels(sid, seen);
        let dice = &mut self.dice;
        // Webhooks make the longest lines, and take the longest to read.
        let (long, hook) = (dice.chance(1, 3), dice.chance(1, 200).then_some(&samples.hook));
        Account {
            sid,
            name,
            unit: Unit { maximum: Limit::Unlimited, ..Unit::sessions(0) },
            licensed_sessions,
            sip_realm,
            webhook_secret: samples.secrets[usize::from(long)].clone(),
            minutes_used: None,
            former_webhook_secret: dice.chance(1, 50).then(|| {
                let until = Timestamp::from_millis(dice.below(2000) as i64);
                Box::new(FormerSecret::new(samples.secrets[0].clone(), until))
            }),
            device_calling_application: None,
            siprec_application: None,
            registration_webhook: hook.cloned().map(Box::new),
            queue_event_webhook: hook.cloned().map(Box::new),
            organisation: long.then(|| samples.organisation.clone()),
            service_provider: samples.providers.get(dice.index(PROVIDERS + 1)).copied(),
            contract: Contract::RESTRICTED,
            status: Status::Active,
            revision,
            created: Timestamp::from_millis(0),
            updated: Timestamp::from_millis(i64::from(self.stamp)),
        }
    }

    /// The name and the realm that the account has, or others; free ones mostly.
    fn labels(&mut self, sid: AccountSid, seen: &Model) -> (AccountName, Option<SipRealm>) {
        let samples = &*SAMPLES;
        let dice = &mut self.dice;
        if let Some(account) = seen.accounts.get(&sid)
            && dice.chance(1, 2)
        {
            return (account.name().clone(), account.sip_realm().cloned());
        }
        let mut name = dice.index(LABELS);
        let mut realm = dice.index(LABELS);
        let others = || seen.accounts.values().filter(|account| account.sid() != sid);
        if dice.chance(9, 10) {
            let taken = |name: usize| others().any(|other| samples.names[name].contains(other.name()));
            name = (0..LABELS).map(|n| (name + n) % LABELS).find(|n| !taken(*n)).unwrap_or(name);
            let taken = |realm| others().any(|other| other.sip_realm() == Some(&samples.realms[realm]));
            realm = (0..LABELS).map(|n| (realm + n) % LABELS).find(|n| !taken(*n)).unwrap_or(realm);
        }
        let spelling = dice.index(2);
        let realm = dice.chance(5, 6).then(|| samples.realms[realm].clone());
        (samples.names[name][spelling].clone(), realm)
    }

    fn stamp(&mut self) -> u32 {
        self.stamp += 1;
        self.stamp
    }
}

/// A batch without writes.
pub(super) fn empty_batch() -> Batch {
    Batch::new(SAMPLES.actors[0].clone(), Timestamp::from_millis(0))
}

/// A batch of new accounts that takes as many bytes more than the shortest as is said, up to 200 for each.
pub(super) fn batch_longer_by(accounts: usize, bytes: usize) -> Batch {
    let mut writer = Writer::new(Dice::new(0));
    let mut left = bytes;
    (0..accounts).fold(empty_batch(), |batch, n| {
        let longer = left.min(200);
        left -= longer;
        batch.with(Write::Create(Arc::new(Account {
            name: SAMPLES.names[n][0].clone(),
            sip_realm: None,
            webhook_secret: WebhookSecret::import(&"s".repeat(20 + longer)).expect("it is short"),
            former_webhook_secret: None,
            minutes_used: None,
            registration_webhook: None,
            queue_event_webhook: None,
            organisation: None,
            service_provider: None,
            ..writer.account(SAMPLES.sids[n], Revision::FIRST, &Model::default())
        })))
    })
}
