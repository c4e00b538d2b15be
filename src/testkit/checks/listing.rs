//! A listing by pages is in the order of the SIDs, and complete.

use crate::model::account::Account;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::unit::Limit;
use crate::snapshot::{Conflict, Listing, Page, Write};
use crate::testkit::backend::{Backend, Fresh};
use crate::testkit::caller::{Caller, create, delete, replace};
use crate::testkit::race::{Meanwhile, race};
use crate::testkit::sample::{account, sid};
use uuid::Uuid;

/// The page sizes that are tried; the last is the most.
const SIZES: [usize; 4] = [1, 7, 100, Listing::MAX_LIMIT];

/// When nothing is written meanwhile, the pages of a listing together are all accounts, or all of a service
/// provider, in the order of their SIDs; only the last names no next.
pub fn pages_are_complete_and_in_order<B: Backend>(backend: &B) {
    const ACCOUNTS: u64 = 100;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    for listing in [Listing::new(), Listing::new().limit(1), Listing::new().of_service_provider(provider(0))]
    {
        assert_eq!(store.page(listing), Page::empty(), "an empty store lists something");
    }
    // Not in the order of their SIDs; every third is under a provider, every ninth under another.
    let of = |n: u64| match n % 9 {
        0 => Some(provider(1)),
        3 | 6 => Some(provider(0)),
        _ => None,
    };
    let shuffled = (0..ACCOUNTS).map(|n| n * 37 % ACCOUNTS);
    store.commit(shuffled.map(|n| create(Account { service_provider: of(n), ..account(n) })));
    for size in SIZES {
        let listing = Listing::new().limit(size);
        let listed = |listing| store.pages(listing).iter().map(|account| account.sid).collect::<Vec<_>>();
        assert_eq!(listed(listing), (0..ACCOUNTS).map(sid).collect::<Vec<_>>(), "by {size}");
        for number in 0..3 {
            let own = (0..ACCOUNTS).filter(|n| of(*n) == Some(provider(number))).map(sid);
            let provider = provider(number);
            assert_eq!(listed(listing.of_service_provider(provider)), own.collect::<Vec<_>>(), "by {size}");
        }
        let after = listed(listing.after(sid(40)));
        assert_eq!(after, (41..ACCOUNTS).map(sid).collect::<Vec<_>>(), "after one, by {size}");
        assert!(listed(listing.after(sid(ACCOUNTS))).is_empty());
    }
    let page = |size| store.page(Listing::new().limit(size)).next;
    assert_eq!(page(99), Some(sid(98)), "a page that is not the last names no next");
    assert_eq!(page(100), None, "the last page, which is full, names a next");
}

/// A listing goes on where it was, even when the account that it goes on from is deleted between two pages, is
/// renamed, or moves to another service provider; and others come and go.
pub fn a_listing_goes_on_where_it_was<B: Backend>(backend: &B) {
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    let own = Listing::new().limit(2).of_service_provider(provider(0));
    let under = |n| Account { service_provider: Some(provider(0)), ..account(n) };
    for listing in [Listing::new().limit(2), own] {
        let current = |n| Account::clone(&store.by_sid(sid(n)).expect("it was created"));
        store.commit((10..20).map(|n| create(under(n))));
        let sids = |page: &Page| page.accounts.iter().map(|account| account.sid).collect::<Vec<_>>();

        let first = store.page(listing);
        assert_eq!(sids(&first), [sid(10), sid(11)]);
        let next = first.next.expect("there is more");
        // Before where the listing is, it is too late for one to come; after it, it is not.
        store.commit([delete(&current(10)), delete(&current(11)), create(under(5)), create(under(12_000))]);
        let second = store.page(listing.after(next));
        assert_eq!(sids(&second), [sid(12), sid(13)]);
        let next = second.next.expect("there is more");
        let renamed = Account { name: account(1).name, ..current(12) };
        let moved = Account { service_provider: Some(provider(1)), ..current(13) };
        store.commit([replace(renamed), replace(moved), delete(&current(14))]);
        let rest = store.pages(listing.limit(100).after(next));
        let rest: Vec<_> = rest.iter().map(|account| account.sid).collect();
        assert_eq!(rest, [15, 16, 17, 18, 19, 12_000].map(sid));

        store.commit(store.snapshot().iter().map(|account| delete(account)));
    }
}

/// While accounts are created, renamed, moved and deleted, an account that is there throughout a listing is in it
/// exactly once, and in the listing of its service provider, by whatever pages.
pub fn a_listing_has_what_is_there_throughout<B: Backend>(backend: &B) {
    const STAYING: u64 = 60;
    const WRITERS: usize = 3;
    const MOST_COMMITS: u64 = 1000;
    let fresh = Fresh::new(backend);
    let store = Caller::new(&**fresh.store());
    // Every tenth number stays, and every twentieth is under a provider throughout; those between come and go.
    let stays = |sid: AccountSid| (0..STAYING).any(|n| sid == self::sid(n * 10));
    let of = |n: u64| n.is_multiple_of(2).then(|| provider(0));
    store.commit((0..STAYING).map(|n| create(Account { service_provider: of(n), ..account(n * 10) })));

    let listing = Meanwhile::new();
    race(WRITERS + 1, |thread| {
        let Some(writer) = thread.checked_sub(1) else {
            let _end = listing.until_dropped();
            for size in SIZES {
                let listed = store.pages(Listing::new().limit(size));
                let staying: Vec<_> =
                    listed.iter().map(|account| account.sid).filter(|sid| stays(*sid)).collect();
                assert_eq!(staying, (0..STAYING).map(|n| sid(n * 10)).collect::<Vec<_>>(), "by {size}");

                let listed = store.pages(Listing::new().limit(size).of_service_provider(provider(0)));
                for account in &listed {
                    assert_eq!(
                        account.service_provider,
                        Some(provider(0)),
                        "in the listing of another: {account:#?}"
                    );
                }
                let staying: Vec<_> =
                    listed.iter().map(|account| account.sid).filter(|sid| stays(*sid)).collect();
                assert_eq!(
                    staying,
                    (0..STAYING).step_by(2).map(|n| sid(n * 10)).collect::<Vec<_>>(),
                    "by {size}"
                );
            }
            return;
        };
        let writer = writer as u64;
        for nth in 0..MOST_COMMITS {
            if !listing.goes_on() {
                break;
            }
            let number = nth * 7 % STAYING * 10 + 1 + writer;
            let write = match store.by_sid(sid(number)) {
                None => create(Account { service_provider: of(nth), ..account(number) }),
                Some(found) if nth % 3 == 0 => delete(&found),
                Some(found) => replace(Account { service_provider: of(nth), ..Account::clone(&found) }),
            };
            let staying = store.by_sid(sid(nth % STAYING * 10)).expect("nobody deletes it");
            // Two writers may meet here; one is then too late.
            match store.attempt([write.clone(), rename(&staying, nth)]) {
                Ok(_) | Err(Conflict::Revision { .. }) => {}
                Err(conflict) => panic!("a commit was refused: {conflict}"),
            }
        }
    });
}

fn rename(account: &Account, nth: u64) -> Write {
    let name = format!("{} {nth}", account.sid).parse().expect("a SID and a number are a name");
    let licensed_sessions = Limit::AtMost(u32::try_from(nth).unwrap_or_default());
    replace(Account { name, licensed_sessions, ..account.clone() })
}

fn provider(n: u128) -> ServiceProviderSid {
    ServiceProviderSid::from_uuid(Uuid::from_u128(n + 1)).expect("the number is not 0")
}
