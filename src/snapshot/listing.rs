//! Listings, page by page.

use crate::model::account::Account;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use std::sync::Arc;

/// Which page of the accounts is asked for.
///
/// Accounts are listed in the order of their SIDs, which for generated ones is the order of creation. A SID never
/// changes, and so an account that is there throughout a listing is in it exactly once, whatever is written
/// between the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listing {
    pub(crate) after: Option<AccountSid>,
    pub(crate) limit: PageLimit,
    pub(crate) service_provider: Option<ServiceProviderSid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageLimit(pub(crate) usize);

impl Default for PageLimit {
    fn default() -> Self {
        Self(Listing::DEFAULT_LIMIT)
    }
}

impl Listing {
    /// How many accounts a page has when nothing is said.
    pub const DEFAULT_LIMIT: usize = 100;

    /// The most accounts of a page, so that no caller can make a store answer with all of them at once.
    pub const MAX_LIMIT: usize = 1000;

    /// The first page of all accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many accounts; less than 1 is read as 1, more than [`Listing::MAX_LIMIT`] as that many.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = PageLimit(limit.clamp(1, Self::MAX_LIMIT));
        self
    }

    /// Only what comes after this account, which [`Page::next`] of the page before gave.
    #[must_use]
    pub fn after(mut self, after: AccountSid) -> Self {
        self.after = Some(after);
        self
    }

    /// Only the accounts of this service provider.
    #[must_use]
    pub fn of_service_provider(mut self, service_provider: ServiceProviderSid) -> Self {
        self.service_provider = Some(service_provider);
        self
    }

    /// After which account it starts.
    #[must_use]
    pub fn start(&self) -> Option<AccountSid> {
        self.after
    }

    /// How many accounts it has at most: 1 to [`Listing::MAX_LIMIT`].
    #[must_use]
    pub fn size(&self) -> usize {
        self.limit.0
    }

    /// Whose accounts, if not all.
    #[must_use]
    pub fn service_provider(&self) -> Option<ServiceProviderSid> {
        self.service_provider
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The accounts, in the order of their SIDs.
    pub accounts: Vec<Arc<Account>>,
    /// Where the next page starts, if there is more: give it to [`Listing::after`].
    pub next: Option<AccountSid>,
}

impl Page {
    /// A page without accounts.
    #[must_use]
    pub fn empty() -> Self {
        Self { accounts: Vec::new(), next: None }
    }

    /// A page, from the accounts in order, of which there may be one more than asked for: then there is a next
    /// page.
    #[must_use]
    pub fn from_one_more(mut accounts: Vec<Arc<Account>>, listing: &Listing) -> Self {
        let more = accounts.len() > listing.size();
        accounts.truncate(listing.size());
        let next = accounts.last().filter(|_| more).map(|account| account.sid());
        Self { accounts, next }
    }
}
