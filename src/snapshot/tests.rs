//! Doing many things at once, or in place, against doing one after the other on copies.

use super::*;
use crate::testkit::{account, batch, sid};
use proptest::prelude::*;

/// Accounts of numbers from 0 to this have other SIDs, names and realms, so that all levels of the trees are used.
const NUMBERS: u64 = 700;

/// What tells an account from another: its numbers of SID, name and realm, and its provider's.
#[derive(Debug, Clone, Copy)]
struct Sample {
    sid: u64,
    name: u64,
    realm: u64,
    provider: u8,
}

impl Sample {
    fn of(number: u64) -> Self {
        Self { sid: number, name: number, realm: number, provider: (number % 4) as u8 }
    }

    /// In one case of four without a realm, and in one of four without a provider.
    fn account(self) -> Arc<Account> {
        Arc::new(Account {
            sid: sid(self.sid),
            name: if self.name.is_multiple_of(5) {
                format!("ÄCCOUNT {}", self.name)
            } else {
                format!("Account {}", self.name)
            }
            .parse()
            .unwrap(),
            sip_realm: account(self.realm).sip_realm.filter(|_| !self.realm.is_multiple_of(4)),
            service_provider: provider(self.provider),
            revision: Revision::new(1 + self.sid % 3),
            ..account(self.sid)
        })
    }
}

fn provider(number: u8) -> Option<ServiceProviderSid> {
    (number > 0).then(|| sid(u64::from(number)).to_string().parse().unwrap())
}

/// Each number once in random order, and then a few that clash with another.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let numbers = Just((0..NUMBERS).collect::<Vec<_>>()).prop_shuffle();
    let clash = (any::<prop::sample::Index>(), 0..NUMBERS, 0..3_u8);
    let clashes = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(clash, 1..4)];
    (numbers, 0..=NUMBERS as usize, clashes).prop_map(|(mut numbers, count, clashes)| {
        numbers.truncate(count);
        let mut samples: Vec<Sample> = numbers.into_iter().map(Sample::of).collect();
        for (at, number, what) in clashes {
            if !samples.is_empty() {
                let at = at.index(samples.len());
                let sample = &mut samples[at];
                *[&mut sample.sid, &mut sample.name, &mut sample.realm][usize::from(what)] = number;
            }
        }
        samples
    })
}

/// One write: which account, what, of which numbers, and whether with a revision that is not the present one.
type Step = (u64, u8, u64, u64, u8, bool);

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let number = || 0..NUMBERS;
    let step = (number(), 0..4_u8, number(), number(), 0..4_u8, prop::bool::weighted(0.05));
    prop::collection::vec(prop::collection::vec(step, 0..4), 0..60)
}

fn write(snapshot: &Snapshot, (number, what, name, realm, provider, stale): Step) -> Write {
    let seen = snapshot.by_sid(sid(number)).map_or(Revision::FIRST, |account| account.revision);
    let seen = if stale { seen.next() } else { seen };
    match what {
        0 => Write::Create(Sample::of(number).account()),
        1 => Write::Delete { sid: sid(number), expected: seen },
        2 => Write::Create(Sample { sid: number, name, realm, provider }.account()),
        _ => {
            let account = Sample { sid: number, name, realm, provider }.account();
            Write::Replace(Arc::new(Account { revision: seen, ..Account::clone(&account) }))
        }
    }
}

fn one_by_one(seq: Seq, accounts: &[Arc<Account>]) -> Result<Snapshot, Conflict> {
    let mut state = State { seq, ..State::empty() };
    for account in accounts {
        state.insert(Arc::clone(account))?;
    }
    Ok(Snapshot(Arc::new(state)))
}

/// All that can be asked of a snapshot, but its number.
#[derive(Debug, PartialEq)]
struct Contents {
    len: usize,
    listed: Vec<Arc<Account>>,
    of_providers: Vec<Vec<Arc<Account>>>,
    found: Vec<[Option<AccountSid>; 3]>,
}

fn contents(snapshot: &Snapshot) -> Contents {
    let all = |listing: Listing| {
        let mut listing = listing.limit(97);
        let mut all = Vec::new();
        loop {
            let page = snapshot.page(&listing);
            all.extend(page.accounts);
            match page.next {
                Some(after) => listing = listing.after(after),
                None => return all,
            }
        }
    };
    let listed = all(Listing::new());
    assert!(snapshot.iter().eq(&listed));
    let found = |number| {
        // A multiple of four has no realm, and asks for one that nobody has.
        let account = Sample::of(number).account();
        let realm = account.sip_realm().and_then(|realm| snapshot.by_realm(realm));
        [snapshot.by_sid(account.sid), snapshot.by_name(&account.name), realm]
            .map(|found| found.map(|account| account.sid))
    };
    Contents {
        len: snapshot.len(),
        listed,
        of_providers: (1..4)
            .map(|number| all(Listing::new().of_service_provider(provider(number).unwrap())))
            .collect(),
        found: (0..NUMBERS).map(found).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However many of them are there already, and on however many threads.
    #[test]
    fn added_at_once_is_as_added_one_by_one(
        samples in samples(), split in any::<prop::sample::Index>(), threads in 1..6_usize, steps in steps(),
    ) {
        let accounts: Vec<Arc<Account>> = samples.into_iter().map(Sample::account).collect();
        let expected = one_by_one(Seq::new(5), &accounts);
        let got = Snapshot::from_accounts(Seq::new(5), accounts.iter().cloned());
        prop_assert_eq!(got.as_ref().map(contents), expected.as_ref().map(contents));

        let (first, rest) = accounts.split_at(split.index(accounts.len() + 1));
        if let Ok(former) = one_by_one(Seq::new(5), first) {
            let before = contents(&former);
            let mut state = State::clone(&former.0);
            let differ = state.insert_on_threads(&rest.iter().collect::<Vec<_>>(), threads);
            prop_assert_eq!(differ, expected.is_ok());
            prop_assert_eq!(contents(&former), before);
            if let Ok(expected) = &expected {
                prop_assert_eq!(contents(&Snapshot(Arc::new(state))), contents(expected));
            }
        }

        let (Ok(mut got), Ok(mut expected)) = (got, expected) else { return Ok(()) };
        let mut versions = vec![(got.clone(), contents(&got))];
        for step in steps {
            let batch = batch(step.into_iter().map(|step| write(&expected, step)));
            let (next, next_expected) = (got.apply(&batch), expected.apply(&batch));
            prop_assert_eq!(next.as_ref().map(|(_, change)| change), next_expected.as_ref().map(|(_, change)| change));
            if let (Ok((next, _)), Ok((next_expected, _))) = (next, next_expected) {
                (got, expected) = (next, next_expected);
            }
        }
        prop_assert_eq!(contents(&got), contents(&expected));
        versions.push((got, contents(&expected)));
        for (version, contents_then) in versions {
            prop_assert_eq!(contents(&version), contents_then);
        }
    }

    #[test]
    fn applied_in_place_is_as_applied_to_a_copy(count in 0..NUMBERS, steps in steps(), keep in 1..9_usize) {
        let accounts: Vec<_> = (0..count).map(|number| Sample::of(number).account()).collect();
        let mut expected = one_by_one(Seq::START, &accounts).unwrap();
        let mut working = one_by_one(Seq::START, &accounts).unwrap();
        let mut kept = Vec::new();
        for (i, step) in steps.into_iter().enumerate() {
            if i % keep == 0 {
                kept.push((working.clone(), contents(&expected)));
            }
            let batch = batch(step.into_iter().map(|step| write(&expected, step)));
            let applied = expected.apply(&batch);
            let change = working.apply_in_place(&batch);
            prop_assert_eq!(change.as_ref(), applied.as_ref().map(|(_, change)| change));
            if let Ok((next, _)) = applied {
                expected = next;
            }
            prop_assert_eq!(working.seq(), expected.seq());
            prop_assert!(working.iter().eq(expected.iter()));
        }
        prop_assert_eq!(contents(&working), contents(&expected));
        for (version, then) in kept {
            prop_assert_eq!(contents(&version), then);
        }
    }
}

#[test]
fn what_is_taken_first_in_the_order_of_the_accounts_is_told() {
    let conflict = |samples: Vec<Sample>| {
        Snapshot::from_accounts(Seq::START, samples.into_iter().map(Sample::account)).unwrap_err()
    };
    for (field, clash) in [
        (Field::AccountSid, Sample { sid: 1, ..Sample::of(20) }),
        (Field::Name, Sample { name: 1, ..Sample::of(20) }),
        (Field::SipRealm, Sample { realm: 1, ..Sample::of(20) }),
    ] {
        let mut samples: Vec<Sample> = (0..9).map(Sample::of).chain([clash]).collect();
        let mut with_another = samples.clone();
        with_another.push(Sample { sid: 2, ..Sample::of(21) });
        let expected = Conflict::Taken { field, sid: sid(clash.sid), holder: sid(1) };
        assert_eq!(conflict(with_another), expected);
        samples.reverse();
        assert_eq!(conflict(samples), Conflict::Taken { field, sid: sid(1), holder: sid(clash.sid) });
    }
}

/// Enough to be created at once, beside some that are there.
#[test]
fn a_big_batch_is_applied_or_refused_as_a_small_one() {
    let here: Vec<_> = (0..5_000).map(|number| Sample::of(number).account()).collect();
    let before = Snapshot::from_accounts(Seq::new(7), here).unwrap();
    let creates: Vec<Sample> = (5_000..16_000).map(Sample::of).collect();
    let one_by_one = |samples: &[Sample]| {
        let mut snapshot = before.clone();
        for sample in samples {
            snapshot.apply_in_place(&batch([Write::Create(sample.account())]))?;
        }
        Ok::<_, Conflict>(snapshot)
    };
    let big = |samples: &[Sample]| batch(samples.iter().map(|sample| Write::Create(sample.account())));

    let expected = one_by_one(&creates).unwrap();
    let (after, change) = before.apply(&big(&creates)).unwrap();
    assert!(before.0.after_creating(&change.events).is_some(), "else this tests nothing");
    assert_eq!((before.seq(), before.len(), after.seq()), (Seq::new(7), 5_000, Seq::new(8)));
    assert_eq!(contents(&after), contents(&expected));
    assert!(
        change.events.iter().map(Event::after).eq(creates.iter().map(|sample| after.by_sid(sid(sample.sid))))
    );
    assert!(after.iter().skip(5_000).all(|account| account.revision == Revision::FIRST));
    let followed = before.advance(&change).unwrap();
    assert_eq!((followed.seq(), contents(&followed)), (after.seq(), contents(&after)));

    for clash in [
        Sample { sid: 17, ..Sample::of(20_000) },
        Sample { name: 17, ..Sample::of(20_000) },
        Sample { realm: 17, ..Sample::of(20_000) },
        Sample { realm: 15_999, ..Sample::of(20_000) },
    ] {
        let mut creates = creates.clone();
        creates[9_000] = clash;
        creates[9_500].sid = 1;
        let mut working = before.clone();
        let expected = one_by_one(&creates).unwrap_err();
        assert_eq!(before.apply(&big(&creates)).unwrap_err(), expected);
        assert_eq!(working.apply_in_place(&big(&creates)), Err(expected));
        assert_eq!((working.seq(), contents(&working)), (before.seq(), contents(&before)));
    }
}

/// What is brought from elsewhere keeps its revision, also when there is much of it, and also for who follows.
#[test]
fn a_big_batch_restores_as_a_small_one() {
    let restored = |number: u64| {
        Arc::new(Account {
            revision: Revision::new(1 + number % 7),
            ..Account::clone(&Sample::of(number).account())
        })
    };
    let writes: Vec<Write> = (0..12_000).map(|number| Write::Restore(restored(number))).collect();
    let (after, change) = Snapshot::empty().apply(&batch(writes.clone())).unwrap();
    assert!(Snapshot::empty().0.after_creating(&change.events).is_some(), "else this tests nothing");
    let mut expected = Snapshot::empty();
    for write in writes {
        expected.apply_in_place(&batch([write])).unwrap();
    }
    assert_eq!(contents(&after), contents(&expected));
    assert!((0..12_000).all(|number| after.by_sid(sid(number)) == Some(&restored(number))));
    assert_eq!(contents(&Snapshot::empty().advance(&change).unwrap()), contents(&after));

    // One that is there already is told.
    let twice = (0..12_000).chain([17]).map(|number| Write::Restore(restored(number)));
    let taken = Conflict::Taken { field: Field::AccountSid, sid: sid(17), holder: sid(17) };
    assert_eq!(Snapshot::empty().apply(&batch(twice)).unwrap_err(), taken);
}
