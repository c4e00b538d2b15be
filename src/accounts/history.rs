//! The history of one account, as an actor may see it.

use crate::access::Actor;
use crate::accounts::{Accounts, Error};
use crate::audit::AuditEntry;
use crate::model::account::Account;
use crate::model::scope::Scope;
use crate::snapshot::{AccountHistory, Event, HistoryEntry, Seq};
use serde::Serialize;
use std::sync::Arc;

/// One page of the history of an account, for a user interface.
///
/// In JSON: `{"entries": […], "next": 812, "trimmed": false}`, each entry as [`AuditEntry`] has it; `next` is `null` on
/// the last page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditPage {
    /// What happened, newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page starts, if there is more: give it to [`AccountHistory::before`].
    pub next: Option<Seq>,
    /// Whether this is the last page, and older changes are not kept any more. See
    /// [`HistoryPage::trimmed`](crate::HistoryPage::trimmed).
    pub trimmed: bool,
}

impl Accounts {
    /// A page of what happened to an account and to its API keys, newest first: who changed what, and when. How far it
    /// reaches back is up to the store; [`AuditPage::trimmed`] tells.
    ///
    /// An actor sees an entry if it may see the account as the entry left it, or, of a deletion, as it was. An entry
    /// about a key leaves the account as it is. So a service provider sees what happened while the account was under
    /// it, and, as its last one, that it was deleted.
    ///
    /// ```
    /// use gateway_accounts::*;
    /// # futures_lite::future::block_on(async {
    /// # let accounts = Accounts::new(MemoryStore::new());
    /// # let admin = Actor::admin("jane")?;
    /// let acme = accounts.create(&admin, AccountPatch::new().name("Acme")).await?;
    /// accounts.edit(&admin, acme.sid(), acme.revision(), AccountPatch::new().name("Globex")).await?;
    ///
    /// let user = Actor::of_account(acme.sid(), "bob@acme.example")?;
    /// let page = accounts.history(&user, &AccountHistory::of(acme.sid()).limit(20)).await?;
    /// assert_eq!(page.entries[0].fields[0].to_string(), r#"name "Acme" -> "Globex""#);
    /// assert_eq!(page.entries[1].action, AuditAction::Created);
    /// assert!(page.next.is_none() && !page.trimmed);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] when the actor may see neither the account nor anything of its history.
    pub async fn history(&self, actor: &Actor, history: &AccountHistory) -> Result<AuditPage, Error> {
        if matches!(actor.scope(), Scope::Account(own) if own != history.sid()) {
            // Nothing can be visible, and nobody has to look.
            return Err(Error::NotFound);
        }
        let page = self.visible_history(actor, history).await?;
        if page.entries.is_empty() && !self.knows_of(actor, history).await? {
            return Err(Error::NotFound);
        }
        Ok(page)
    }

    /// As many entries as were asked for, if there are: those that the actor may not see are passed over, and it does
    /// not learn whether there are any.
    async fn visible_history(&self, actor: &Actor, history: &AccountHistory) -> Result<AuditPage, Error> {
        let mut visible = AuditPage { entries: Vec::new(), next: None, trimmed: false };
        let mut commits = 0;
        let mut request = *history;
        let mut sight = match actor.scope() {
            Scope::ServiceProvider(_) => {
                Sight::OfAccount { actor, account: self.as_of_start(history).await? }
            }
            Scope::Admin | Scope::Account(_) => Sight::OfEverything,
        };
        loop {
            let page = self.0.store.history(&request).await?;
            for entry in page.entries.iter().filter(|entry| sight.reaches(entry)) {
                let last = visible.entries.last().map(|last| last.seq);
                if last != Some(entry.seq) {
                    if commits == history.size() {
                        visible.next = last;
                        return Ok(visible);
                    }
                    commits += 1;
                }
                visible.entries.push(entry.audit());
            }
            match page.next {
                Some(next) if !matches!(sight, Sight::OfEverything) => request = request.before(next),
                // The store's page is that of who sees everything.
                next => return Ok(AuditPage { next, trimmed: page.trimmed, ..visible }),
            }
        }
    }

    /// The account as it was just before the commit that the history is to start before; as it is, if it is to start
    /// with the newest.
    ///
    /// What is committed between reading the account and reading the history is in the history, and is undone by it.
    async fn as_of_start(&self, history: &AccountHistory) -> Result<Option<Arc<Account>>, Error> {
        let mut account = self.0.store.by_sid(history.sid()).await?;
        let Some(start) = history.start() else { return Ok(account) };
        let mut request = AccountHistory::of(history.sid()).limit(AccountHistory::MAX_LIMIT);
        loop {
            let page = self.0.store.history(&request).await?;
            for entry in page.entries.iter().take_while(|entry| entry.seq >= start) {
                if !matches!(entry.event, Event::Key(_)) {
                    account = entry.event.before().cloned();
                }
            }
            match page.next {
                Some(next) if next > start => request = request.before(next),
                _ => return Ok(account),
            }
        }
    }

    /// Whether the actor may see the account as it is, or anything that happened to it.
    async fn knows_of(&self, actor: &Actor, history: &AccountHistory) -> Result<bool, Error> {
        let account = self.0.store.by_sid(history.sid()).await?;
        if account.is_some_and(|account| actor.may_see(&account)) {
            return Ok(true);
        }
        if history.start().is_none() {
            return Ok(false);
        }
        let newest = AccountHistory::of(history.sid()).limit(1);
        Ok(!self.visible_history(actor, &newest).await?.entries.is_empty())
    }
}

/// What an actor may see of a history that it goes through, newest first.
enum Sight<'a> {
    OfEverything,
    /// What happened while it could see the account. An event of a key does not tell how the account was; the newer
    /// events of the account do.
    OfAccount {
        actor: &'a Actor,
        /// As it was after the next entry.
        account: Option<Arc<Account>>,
    },
}

impl Sight<'_> {
    fn reaches(&mut self, entry: &HistoryEntry) -> bool {
        let Self::OfAccount { actor, account } = self else { return true };
        let sees = |account: Option<&Arc<Account>>| account.is_some_and(|account| actor.may_see(account));
        match &entry.event {
            Event::Key(_) => sees(account.as_ref()),
            event => {
                *account = event.before().cloned();
                sees(event.after().or(event.before()))
            }
        }
    }
}
