//! Random contents, random changes, and copies that fail now and then.

use super::*;
use gateway_accounts::testkit::{FaultyStore, key_id};
use gateway_accounts::{
    Contract, FormerSecret, OrganisationId, Status, Unit, Webhook, WebhookCredentials, WebhookMethod,
    WebhookSecret, WebhookUrl,
};
use std::sync::Mutex;

struct Dice(u64);

impl Dice {
    /// Less than this: a step of splitmix64.
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }

    fn one_of(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn moment(&mut self) -> Timestamp {
        Timestamp::from_millis(self.below(4_000_000_000_000) as i64)
    }
}

const ACCOUNTS: u64 = 12;
const KEYS: u64 = 20;

/// An account with any of its fields filled; its name and realm are those of any number.
fn random_account(dice: &mut Dice, n: u64) -> Arc<Account> {
    let [name, realm] = [dice.below(2 * ACCOUNTS), dice.below(2 * ACCOUNTS)];
    with(&account(n), |record| {
        record.name = account(name).name().clone();
        record.sip_realm = account(realm).sip_realm().cloned().filter(|_| !dice.one_of(3));
        if dice.one_of(2) {
            record.unit = Unit { maximum: Limit::AtMost(dice.below(1 << 32) as u32), ..Unit::minutes(0) };
        }
        record.licensed_sessions = Limit::AtMost(dice.below(1 << 32) as u32);
        record.webhook_secret =
            WebhookSecret::import(&format!("secret \u{e9}\" {}", dice.below(1 << 40))).unwrap();
        record.former_webhook_secret = dice.one_of(2).then(|| {
            let former = WebhookSecret::import("the one before \u{1f511}").unwrap();
            Box::new(FormerSecret::new(former, dice.moment()))
        });
        record.device_calling_application =
            dice.one_of(2).then(|| "b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce".parse().unwrap());
        record.siprec_application =
            dice.one_of(2).then(|| "4b0bed24-d6bd-4295-9617-ad0453c5e87b".parse().unwrap());
        let mut hook = || {
            let credentials = WebhookCredentials::new("jane", " hunter2 \"'\\").unwrap();
            let url = format!("https://hooks.example/{}#rc=2&rp=5xx", dice.below(100));
            let hook = Webhook::new(WebhookUrl::parse(&url).unwrap()).with_method(WebhookMethod::Get);
            let credentials = Some(credentials).filter(|_| dice.one_of(2));
            Some(Box::new(hook.with_credentials(credentials))).filter(|_| dice.one_of(2))
        };
        record.registration_webhook = hook();
        record.queue_event_webhook = hook();
        record.organisation =
            dice.one_of(2).then(|| format!("org-{}", dice.below(100)).parse::<OrganisationId>().unwrap());
        record.service_provider = dice.one_of(2).then(provider);
        record.contract = Contract::RESTRICTED.with_edit_unit(dice.one_of(2));
        if dice.one_of(3) {
            record.status = Status::suspended("payment overdue".parse().unwrap(), dice.moment());
        }
        record.created = dice.moment();
        record.updated = dice.moment();
    })
}

fn random_key(dice: &mut Dice, n: u64, owner: Scope) -> Arc<ApiKey> {
    key_with(&api_key(n, owner), |record| {
        record.label = format!("Key {n}, {}", dice.below(1000)).parse().unwrap();
        record.hash =
            gateway_accounts::KeyHash::parse(&format!("$argon2id$v=19${}", dice.below(1 << 40))).unwrap();
        record.last_four = format!("{:04}", dice.below(10_000));
        record.created = dice.moment();
        record.created_by = format!("subject {}", dice.below(100)).parse().unwrap();
        record.expires = dice.one_of(2).then(|| dice.moment());
        record.disabled = dice.one_of(2);
        record.last_used = dice.one_of(2).then(|| dice.moment());
    })
}

/// A write, which may be refused.
fn random_write(dice: &mut Dice, now: &Snapshot) -> Write {
    let n = dice.below(ACCOUNTS);
    let there = now.by_sid(sid(n)).cloned();
    match (dice.below(12), there) {
        (0..=3, None) => Write::Create(random_account(dice, n)),
        (4..=5, None) => {
            let elsewhere = Revision::new(dice.below(9));
            let restored = random_account(dice, n);
            Write::Restore(with(&restored, |record| record.revision = elsewhere))
        }
        (0..=3, Some(there)) => {
            let edited = random_account(dice, n);
            Write::Replace(with(&edited, |record| {
                record.revision = there.revision();
                record.created = there.created();
            }))
        }
        (4, Some(there)) => Write::Delete { sid: there.sid(), expected: there.revision() },
        (5..=6, Some(there)) => {
            // Minutes are noted by one clock.
            let before = there.minutes_used().map_or(0, |used| used.as_of().as_millis());
            Write::MinutesUsed {
                sid: there.sid(),
                used: used(before + 1 + dice.below(9) as i64, dice.below(1000)),
            }
        }
        _ => Write::Key(random_key_write(dice, now)),
    }
}

fn random_key_write(dice: &mut Dice, now: &Snapshot) -> KeyWrite {
    let n = dice.below(KEYS);
    let owners = [
        own(dice.below(ACCOUNTS)),
        own(dice.below(ACCOUNTS)),
        Scope::Admin,
        Scope::ServiceProvider(provider()),
    ];
    let owner = owners[dice.below(4) as usize];
    match (dice.below(6), now.key(key_id(n))) {
        (0..=4, None) => KeyWrite::Add { key: random_key(dice, n, owner), at_most: usize::MAX },
        (_, None) => {
            let restored = random_key(dice, n, owner);
            KeyWrite::Restore(key_with(&restored, |record| record.revision = Revision::new(dice.below(9))))
        }
        (0..=1, Some(there)) => {
            let edited = random_key(dice, n, there.owner());
            KeyWrite::Replace(key_with(&edited, |record| {
                record.revision = there.revision();
                record.created = there.created();
            }))
        }
        (2, Some(there)) => KeyWrite::Revoke { id: there.id(), expected: there.revision() },
        (_, Some(there)) => KeyWrite::Use { id: there.id(), at: dice.moment() },
    }
}

fn change(dice: &mut Dice, store: &MemoryStore, commits: u64) {
    for _ in 0..commits {
        let writes: Vec<_> = (0..=dice.below(3)).map(|_| random_write(dice, &snapshot(store))).collect();
        let _ = block_on(store.commit(Batch::new(admin(), dice.moment()).with_all(writes)));
    }
}

/// However a store is filled and changed, and however often a copy fails half way, in the end the two are the same.
#[test]
fn in_the_end_they_are_the_same() {
    const PROGRAMS: u64 = 150;
    let first: u64 = std::env::var("GATEWAY_ACCOUNTS_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (mut failed, mut updated) = (0, 0);
    for seed in first..first + PROGRAMS {
        // Shown if anything below fails.
        println!("GATEWAY_ACCOUNTS_SEED={seed}");
        let dice = &mut Dice(seed);
        let from = MemoryStore::new();
        let to = FaultyStore::new(MemoryStore::new());
        for _ in 0..6 {
            let commits = dice.below(40);
            change(dice, &from, commits);
            // Meanwhile too, now and then.
            let (batch, meanwhile) = (dice.below(6) as usize, Mutex::new(Dice(dice.below(u64::MAX))));
            to.fail_at_random(dice.below(u64::MAX), [0, 3, 8][dice.below(3) as usize]);
            let copy = StoreCopy::new(&from, &to).batch(batch).on_progress(|_| {
                let mut dice = meanwhile.lock().unwrap();
                if dice.one_of(4) {
                    change(&mut dice, &from, 2);
                }
            });
            match block_on(copy.run(&admin(), &clock())) {
                Ok(copied) => {
                    updated += copied.rounds - 1;
                    if copied.is_current {
                        assert_same(&from, to.inner());
                    }
                }
                Err(CopyError::Write { .. } | CopyError::To(_)) => failed += 1,
                Err(other) => panic!("{other:?}"),
            }
            to.reopen();
        }
        let copied = copy(&from, &to).unwrap();
        assert_eq!((copied.as_of, copied.is_current), (snapshot(&from).seq(), true));
        assert_same(&from, &to);
    }
    assert!(failed > 100 && updated > 50, "{failed} {updated}");
}
