//! A listing as a stream.

use crate::accounts::Error;
use crate::model::account::Account;
use crate::snapshot::{Listing, Page};
use futures_core::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

type Fetch = Pin<Box<dyn Future<Output = Result<Page, Error>> + Send>>;

/// The accounts of all pages, each page fetched when the one before is used up.
pub(super) fn stream(
    fetch: impl Fn(Listing) -> Fetch + Send + Unpin + 'static,
) -> impl Stream<Item = Result<Arc<Account>, Error>> + Send {
    let first = fetch(Listing::new().limit(Listing::MAX_LIMIT));
    Pages { fetch, page: Vec::new().into_iter(), next: Some(first) }
}

struct Pages<F> {
    fetch: F,
    page: std::vec::IntoIter<Arc<Account>>,
    /// The page that is on its way; `None` after the last.
    next: Option<Fetch>,
}

impl<F: Fn(Listing) -> Fetch + Unpin> Stream for Pages<F> {
    type Item = Result<Arc<Account>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(account) = this.page.next() {
                return Poll::Ready(Some(Ok(account)));
            }
            let Some(next) = &mut this.next else { return Poll::Ready(None) };
            let page = ready!(next.as_mut().poll(cx));
            this.next = None;
            let page = match page {
                Ok(page) => page,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            this.next =
                page.next.map(|after| (this.fetch)(Listing::new().limit(Listing::MAX_LIMIT).after(after)));
            this.page = page.accounts.into_iter();
        }
    }
}
