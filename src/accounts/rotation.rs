//! Giving an account another webhook secret.

use crate::access::{Action, Actor};
use crate::accounts::{Accounts, Error};
use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::former_secret::FormerSecret;
use crate::model::problem::{Problem, Problems};
use crate::model::sid::AccountSid;
use crate::model::timestamp::Timestamp;
use crate::model::webhook_secret::WebhookSecret;
use std::sync::Arc;
use std::time::Duration;

/// How a webhook secret is rotated: for how long the one before goes on signing, and what happens if that is still so since
/// the last rotation.
///
/// ```
/// use gateway_accounts::SecretRotation;
/// use std::time::Duration;
/// assert_eq!(SecretRotation::default().overlap(), Duration::from_secs(24 * 60 * 60));
/// let patient = SecretRotation::default().with_overlap(Duration::from_secs(7 * 24 * 60 * 60));
/// # let _ = patient;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretRotation {
    overlap: Duration,
    forced: bool,
}

impl SecretRotation {
    /// For how long both secrets sign unless told otherwise: a day, as others have it (Svix).
    pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

    /// The longest overlap: seven days. A secret that is to go is not to stay for ever.
    pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The same with another overlap, of at most [`SecretRotation::MAX_OVERLAP`]. With none, calls are signed with the new
    /// secret alone from now on.
    #[must_use]
    pub fn with_overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    /// The same, also while the overlap of the last rotation lasts. The secret before that rotation is dropped at once then,
    /// since no more than two sign: who has no other does not accept calls any more.
    #[must_use]
    pub fn forced(mut self) -> Self {
        self.forced = true;
        self
    }

    /// For how long both secrets sign.
    #[must_use]
    pub fn overlap(&self) -> Duration {
        self.overlap
    }
}

impl Default for SecretRotation {
    fn default() -> Self {
        Self { overlap: Self::DEFAULT_OVERLAP, forced: false }
    }
}

impl Accounts {
    /// Gives the account a new webhook secret. The one that it had goes on signing beside it for the overlap, so that
    /// the web application can be given the new one meanwhile; [`Account::webhook_secret`] of what is returned is the new one.
    ///
    /// This, [`Accounts::finish_webhook_secret_rotation`] and [`Accounts::revoke_webhook_secret`] are the only operations
    /// that change a secret: an edit never does, so that nobody undoes a rotation by saving a form. Whoever may see an
    /// account may rotate its secret.
    ///
    /// When the overlap is over, the former secret signs no more; it is dropped from the account with the next write. The changes
    /// that a store keeps for the feed and the history have it, as they have every former value, until they are trimmed.
    ///
    /// ```
    /// use gateway_accounts::*;
    /// # futures_lite::future::block_on(async {
    /// # let accounts = Accounts::new(MemoryStore::new());
    /// # let admin = Actor::admin("jane")?;
    /// # let acme = accounts.create(&admin, AccountPatch::new().name("Acme")).await?;
    /// let rotated =
    ///     accounts.rotate_webhook_secret(&admin, acme.sid(), acme.revision(), SecretRotation::default()).await?;
    /// let live: Vec<_> = rotated.live_webhook_secrets(SystemClock.now()).collect();
    /// assert_eq!(live, [rotated.webhook_secret(), acme.webhook_secret()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] with a problem of the field `webhook_secret`: `rotation_open` when the overlap of the last rotation
    /// is not over, unless it is [`SecretRotation::forced`]; `overlap_too_long`. [`Error::Changed`] when somebody was faster.
    pub async fn rotate_webhook_secret(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
        how: SecretRotation,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Edit, sid, seen).await?;
        let now = self.0.clock.now();
        if how.overlap > SecretRotation::MAX_OVERLAP {
            return Err(Error::Invalid(overlap_too_long().into()));
        }
        if let Some(former) = live_former(&current, now)
            && !how.forced
        {
            let message = format!(
                "is being rotated until {}: finish that rotation first, or force this one, which drops the former secret",
                former.until()
            );
            return Err(Error::Invalid(Problem::new(Field::WebhookSecret, "rotation_open", message).into()));
        }
        let former = FormerSecret::new(current.webhook_secret.clone(), now.after(how.overlap));
        self.replace_secrets(actor, &current, self.new_secret()?, Some(former)).await
    }

    /// Ends the overlap of a rotation: the former secret signs no more from now on, and is dropped. If there is none, the
    /// account stays as it is.
    ///
    /// # Errors
    /// [`Error::Changed`] when somebody was faster.
    pub async fn finish_webhook_secret_rotation(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Edit, sid, seen).await?;
        self.replace_secrets(actor, &current, current.webhook_secret.clone(), None).await
    }

    /// For a webhook secret that got into wrong hands: gives the account a new one, and drops all before it at once, whether or
    /// not a rotation is under way. Calls are not accepted by the web application until it has the new one.
    ///
    /// # Errors
    /// [`Error::Changed`] when somebody was faster.
    pub async fn revoke_webhook_secret(
        &self,
        actor: &Actor,
        sid: AccountSid,
        seen: Revision,
    ) -> Result<Arc<Account>, Error> {
        let current = self.at_revision(actor, Action::Edit, sid, seen).await?;
        self.replace_secrets(actor, &current, self.new_secret()?, None).await
    }

    /// That a former secret which comes from elsewhere signs no longer than one that was rotated here.
    pub(super) fn check_overlap(&self, account: &Account, problems: &mut Problems) {
        let latest = || self.0.clock.now().after(SecretRotation::MAX_OVERLAP);
        if account.former_webhook_secret().is_some_and(|former| former.until() > latest()) {
            problems.push(overlap_too_long());
        }
    }

    fn new_secret(&self) -> Result<WebhookSecret, Error> {
        WebhookSecret::generate(&*self.0.random).map_err(Error::Random)
    }

    async fn replace_secrets(
        &self,
        actor: &Actor,
        current: &Arc<Account>,
        webhook_secret: WebhookSecret,
        former: Option<FormerSecret>,
    ) -> Result<Arc<Account>, Error> {
        let former_webhook_secret = former.map(Box::new);
        self.replace(
            actor,
            current,
            Account { webhook_secret, former_webhook_secret, ..Account::clone(current) },
        )
        .await
    }
}

fn live_former(account: &Account, now: Timestamp) -> Option<&FormerSecret> {
    account.former_webhook_secret().filter(|former| former.is_live(now))
}

fn overlap_too_long() -> Problem {
    let days = SecretRotation::MAX_OVERLAP.as_secs() / (24 * 60 * 60);
    Problem::new(Field::WebhookSecret, "overlap_too_long", format!("must overlap for {days} days at most"))
}
