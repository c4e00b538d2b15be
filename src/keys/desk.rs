//! The front desk of API keys: adding, listing, changing, rotating and revoking them.

use super::params::HashParams;
use super::pool::{HashError, HashPool};
use super::token::KeyToken;
use crate::access::{Action, Actor};
use crate::accounts::{Accounts, Error};
use crate::model::account::{Account, Revision};
use crate::model::api_key::{ApiKey, KeyId, KeyLabel};
use crate::model::field::Field;
use crate::model::problem::{Problem, Problems};
use crate::model::scope::Scope;
use crate::model::timestamp::Timestamp;
use crate::snapshot::{Batch, KeyWrite, Write};
use crate::store::CommitError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The API keys of a gateway: every operation on them, with every rule applied, on behalf of an [`Actor`].
///
/// | | admin | service provider | account |
/// |---|---|---|---|
/// | its own keys | yes | yes | yes |
/// | keys of accounts | all | those under itself | its own |
/// | keys of others | yes | no | no |
/// | import | yes | no | no |
///
/// Keys whose owner an actor may not see are not found. Who has shown a key acts as its owner, and so may do with the
/// owner's keys whatever the owner may: add one that outlives it, or enable one that an admin has disabled. A program
/// that does not want that looks at [`Authenticated::key_id`](crate::Authenticated::key_id) first; an admin who wants a
/// key gone for good revokes it. A suspended account can have keys added, which are not let in before it is resumed.
///
/// Cloning it shares it. What it is told by `with_…` is its own: another handle, such as one for
/// [`FileStore::in_place`](crate::FileStore::in_place), is to be told the same.
///
/// ```
/// use gateway_accounts::*;
/// # futures_lite::future::block_on(async {
/// # let accounts = Accounts::new(MemoryStore::new());
/// # let admin = Actor::admin("jane")?;
/// # let acme = accounts.create(&admin, AccountPatch::new().name("Acme")).await?;
/// let keys = ApiKeys::new(&accounts);
/// let user = Actor::of_account(acme.sid(), "bob@acme.example")?;
/// let new = keys.add(&user, NewKey::of(user.scope(), "billing export")).await?;
/// // The only time that the key is there to be shown.
/// println!("{}", new.token.reveal());
///
/// let listed = keys.list(&user, user.scope()).await?;
/// assert_eq!(listed[0].label().as_str(), "billing export");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct ApiKeys {
    accounts: Accounts,
    pool: HashPool,
    params: HashParams,
    at_most: usize,
}

/// What is asked for with "Add key".
#[derive(Debug, Clone)]
pub struct NewKey {
    owner: Scope,
    label: String,
    expires: Option<Timestamp>,
}

impl NewKey {
    /// A key of this owner, with a label: see [`KeyLabel`]. It does not expire, unless [`NewKey::expires`] says so.
    #[must_use]
    pub fn of(owner: Scope, label: impl Into<String>) -> Self {
        Self { owner, label: label.into(), expires: None }
    }

    /// From when on it is refused.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }
}

/// A key that was just created, and its text, which nobody can be given again.
#[derive(Debug)]
#[non_exhaustive]
pub struct AddedKey {
    /// The key as it is kept.
    pub key: Arc<ApiKey>,
    /// The key itself: what its user has to show. It is wiped when this is dropped.
    pub token: KeyToken,
}

/// How a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    overlap: Duration,
    expires: Option<Timestamp>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { overlap: Self::DEFAULT_OVERLAP, expires: None }
    }
}

impl Rotation {
    /// How long the former key goes on when nothing is said: a day.
    pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

    /// The longest that a former key goes on: a week.
    pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// With [`Rotation::DEFAULT_OVERLAP`], and the expiry of the former key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the former key goes on, unless it expires before; not at all with zero, and never longer than
    /// [`Rotation::MAX_OVERLAP`].
    #[must_use]
    pub fn overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap.min(Self::MAX_OVERLAP);
        self
    }

    /// When the new key expires. If nothing is said, when the former one was to, so that rotating a key does not
    /// prolong it.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }
}

/// A key from elsewhere, which is to work here as it is.
#[derive(Debug)]
pub struct KeyImport {
    /// Whose it is.
    pub owner: Scope,
    /// What people call it.
    pub label: KeyLabel,
    /// The key itself.
    pub token: KeyToken,
    /// When it was created.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

impl ApiKeys {
    /// How many keys an owner may have when nothing is said.
    pub const DEFAULT_AT_MOST: usize = 100;

    /// The keys of these accounts, in their store, with their clock and random source, and a [`HashPool`] of its own.
    #[must_use]
    pub fn new(accounts: &Accounts) -> Self {
        Self {
            accounts: accounts.clone(),
            pool: HashPool::new(),
            params: HashParams::LIGHT,
            at_most: Self::DEFAULT_AT_MOST,
        }
    }

    /// The same, hashing with these threads: those of the [`Authenticator`](crate::Authenticator), say.
    #[must_use]
    pub fn with_pool(mut self, pool: HashPool) -> Self {
        self.pool = pool;
        self
    }

    /// The same, hashing new keys with these parameters.
    #[must_use]
    pub fn with_params(mut self, params: HashParams) -> Self {
        self.params = params;
        self
    }

    /// The same, with another number of keys that each owner may have, disabled ones included; expired ones make room for
    /// new ones, for which they are revoked. Who has more already keeps them.
    #[must_use]
    pub fn with_at_most(mut self, keys: usize) -> Self {
        self.at_most = keys;
        self
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong: paths `api_keys.label` and `api_keys.expires` (code `past`), and
    /// `api_keys` (code `too_many`) when the owner has as many as it may; [`Error::NotFound`] when the actor may not see
    /// the owner; [`Error::Busy`] when too many are made at once.
    pub async fn add(&self, actor: &Actor, new: NewKey) -> Result<AddedKey, Error> {
        self.check_owner(actor, new.owner).await?;
        let now = self.accounts.clock().now();
        let mut problems = Problems::none();
        let label = KeyLabel::parse(&new.label);
        if let Err(error) = &label {
            problems.push(Problem::of_value_part(Field::ApiKeys, "label", error));
        }
        if new.expires.is_some_and(|expires| expires <= now) {
            problems.push(past());
        }
        problems.into_result().map_err(Error::Invalid)?;
        let Ok(label) = label else { return Err(Error::NotFound) };
        let mut writes = self.make_room(new.owner, None, now).await?;
        let (key, token) = self.make(actor, new.owner, label, now, new.expires).await?;
        writes.push(KeyWrite::Add { key, at_most: self.at_most });
        let key = self.write(actor, now, writes).await?;
        Ok(AddedKey { key, token })
    }

    /// Revokes the owner's expired keys, if there is no room for another otherwise. `going` is one that goes anyway. The
    /// store looks once more.
    async fn make_room(
        &self,
        owner: Scope,
        going: Option<KeyId>,
        now: Timestamp,
    ) -> Result<Vec<KeyWrite>, Error> {
        let mut there = self.accounts.store().keys(owner).await?;
        there.retain(|key| Some(key.id) != going);
        if there.len() < self.at_most {
            return Ok(Vec::new());
        }
        let expired = there.iter().filter(|key| key.is_expired(now));
        let revoke = |key: &Arc<ApiKey>| KeyWrite::Revoke { id: key.id, expected: key.revision };
        let revocations: Vec<_> = expired.map(revoke).collect();
        if there.len() - revocations.len() < self.at_most {
            return Ok(revocations);
        }
        Err(Error::Invalid(crate::accounts::too_many_keys(self.at_most).into()))
    }

    /// The keys of an owner, in no particular order. They say everything but the keys themselves.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the actor may not see the owner.
    pub async fn list(&self, actor: &Actor, owner: Scope) -> Result<Vec<Arc<ApiKey>>, Error> {
        self.check_owner(actor, owner).await?;
        Ok(self.accounts.store().keys(owner).await?)
    }

    /// The key of this id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none that the actor may see.
    pub async fn get(&self, actor: &Actor, id: KeyId) -> Result<Arc<ApiKey>, Error> {
        let key = self.accounts.store().key(id).await?.ok_or(Error::NotFound)?;
        self.check_owner(actor, key.owner).await?;
        Ok(key)
    }

    /// Gives a key another label.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no [`KeyLabel`]; [`Error::KeyChanged`] when somebody was faster;
    /// [`Error::NotFound`].
    pub async fn rename(
        &self,
        actor: &Actor,
        id: KeyId,
        seen: Revision,
        label: &str,
    ) -> Result<Arc<ApiKey>, Error> {
        let current = self.at_revision(actor, id, seen).await?;
        let label = KeyLabel::parse(label).map_err(|error| {
            Error::Invalid(Problem::of_value_part(Field::ApiKeys, "label", &error).into())
        })?;
        self.replace(actor, &current, ApiKey { label, ..ApiKey::clone(&current) }).await
    }

    /// Has a key refused until it is enabled again. One that is disabled stays as it is.
    ///
    /// # Errors
    /// [`Error::KeyChanged`] when somebody was faster; [`Error::NotFound`].
    pub async fn disable(&self, actor: &Actor, id: KeyId, seen: Revision) -> Result<Arc<ApiKey>, Error> {
        let current = self.at_revision(actor, id, seen).await?;
        self.replace(actor, &current, ApiKey { disabled: true, ..ApiKey::clone(&current) }).await
    }

    /// Lets a disabled key in again. One that is enabled stays as it is.
    ///
    /// # Errors
    /// [`Error::KeyChanged`] when somebody was faster; [`Error::NotFound`].
    pub async fn enable(&self, actor: &Actor, id: KeyId, seen: Revision) -> Result<Arc<ApiKey>, Error> {
        let current = self.at_revision(actor, id, seen).await?;
        self.replace(actor, &current, ApiKey { disabled: false, ..ApiKey::clone(&current) }).await
    }

    /// Removes a key, for good. Once this has returned, it is not let in any more. Unlike every other change it needs no
    /// revision: whatever somebody else has just changed of it, it is to go. Gives back the key as it was.
    ///
    /// # Errors
    /// [`Error::NotFound`], also when it has been revoked already.
    pub async fn revoke(&self, actor: &Actor, id: KeyId) -> Result<Arc<ApiKey>, Error> {
        loop {
            let current = self.get(actor, id).await?;
            let revoke = KeyWrite::Revoke { id, expected: current.revision };
            match self.write(actor, self.accounts.clock().now(), vec![revoke]).await {
                // It is read anew, with whose it is.
                Err(Error::KeyChanged { .. }) => {}
                revoked => return revoked,
            }
        }
    }

    /// Makes a new key beside a key, with the same owner and label. The former one goes on for the overlap, and never
    /// longer than it would have; without an overlap it is revoked in the same step. During the overlap both count as
    /// keys of the owner; of one that has as many as it may, a key is rotated without an overlap. In a history it is the
    /// commit that ends one key and adds another.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the new key would be expired (path `api_keys.expires`, code `past`), when the key is
    /// disabled (path `api_keys.disabled`, code `disabled`: enable it first), and when the owner has as many keys as it
    /// may; [`Error::KeyChanged`] when somebody was faster; [`Error::NotFound`];
    /// [`Error::Busy`] when too many are made at once.
    pub async fn rotate(
        &self,
        actor: &Actor,
        id: KeyId,
        seen: Revision,
        rotation: Rotation,
    ) -> Result<AddedKey, Error> {
        let former = self.at_revision(actor, id, seen).await?;
        let now = self.accounts.clock().now();
        let expires = rotation.expires.or(former.expires);
        if former.disabled {
            let message = "is set; enable the key, or add another";
            return Err(Error::Invalid(
                Problem::of_part(Field::ApiKeys, "disabled", "disabled", message).into(),
            ));
        }
        if expires.is_some_and(|expires| expires <= now) {
            let message = "must be in the future; the key has expired, so say when the new one is to";
            return Err(Error::Invalid(match rotation.expires {
                Some(_) => past().into(),
                None => Problem::of_part(Field::ApiKeys, "expires", "past", message).into(),
            }));
        }
        let going = rotation.overlap.is_zero().then_some(id);
        let mut writes = self.make_room(former.owner, going, now).await?;
        // An expired one that is rotated all the same is among those that make room.
        writes.retain(|write| !matches!(write, KeyWrite::Revoke { id: expired, .. } if *expired == id));
        let (key, token) = self.make(actor, former.owner, former.label.clone(), now, expires).await?;
        let end = if rotation.overlap.is_zero() {
            KeyWrite::Revoke { id, expected: seen }
        } else {
            let overlap = now.after(rotation.overlap);
            let expires = former.expires.map_or(overlap, |expires| expires.min(overlap));
            KeyWrite::Replace(Arc::new(ApiKey { expires: Some(expires), ..ApiKey::clone(&former) }))
        };
        // The former one goes first, so that it makes room.
        writes.extend([end, KeyWrite::Add { key, at_most: self.at_most }]);
        let key = self.write(actor, now, writes).await?;
        Ok(AddedKey { key, token })
    }

    /// Brings in keys from elsewhere, in one commit, all or none; the number of keys an owner may have does not apply.
    /// Admin only. It takes a hash for each, one after the other.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for anybody but an admin; [`Error::Invalid`] (path `api_keys`) with the first key whose account
    /// is not there (code `no_account`), or that is there already, or twice among these (code `taken`).
    pub async fn import(
        &self,
        actor: &Actor,
        keys: impl IntoIterator<Item = KeyImport>,
    ) -> Result<Vec<Arc<ApiKey>>, Error> {
        if !actor.may(Action::Import) {
            return Err(Error::Forbidden { action: Action::Import });
        }
        let now = self.accounts.clock().now();
        let mut batch = Batch::new(actor.clone(), now);
        for import in keys {
            let KeyImport { owner, label, token, created, expires, last_used } = import;
            if let Scope::Account(sid) = owner
                && self.accounts.store().by_sid(sid).await?.is_none()
            {
                let message = format!("there is no account {sid}, whose key {} is", token.id());
                return Err(Error::Invalid(Problem::new(Field::ApiKeys, "no_account", message).into()));
            }
            let made = self.hashed(actor, owner, label, &token, created).await?;
            let key = Arc::new(ApiKey { expires, last_used, ..made });
            batch = batch.with(Write::Key(KeyWrite::Add { key, at_most: usize::MAX }));
        }
        let change = self.accounts.store().commit(batch).await.map_err(crate::accounts::refused)?;
        Ok(change.events.iter().filter_map(|event| event.key()?.after().cloned()).collect())
    }

    /// That the actor may have to do with the keys of this owner, which is there if it is an account.
    async fn check_owner(&self, actor: &Actor, owner: Scope) -> Result<(), Error> {
        let account: Option<Arc<Account>> = match owner {
            Scope::Account(sid) => Some(self.accounts.get(actor, sid).await?),
            Scope::ServiceProvider(_) | Scope::Admin => None,
        };
        if actor.may_manage_keys(owner, account.as_deref()) { Ok(()) } else { Err(Error::NotFound) }
    }

    async fn at_revision(&self, actor: &Actor, id: KeyId, seen: Revision) -> Result<Arc<ApiKey>, Error> {
        let key = self.get(actor, id).await?;
        let actual = key.revision;
        if actual == seen { Ok(key) } else { Err(Error::KeyChanged { id, expected: seen, actual }) }
    }

    /// A new key and its text.
    async fn make(
        &self,
        actor: &Actor,
        owner: Scope,
        label: KeyLabel,
        now: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<(Arc<ApiKey>, KeyToken), Error> {
        let token = KeyToken::generate(&**self.accounts.random()).map_err(Error::Random)?;
        let key = self.hashed(actor, owner, label, &token, now).await?;
        // Meanwhile the account may have become that of another service provider.
        self.check_owner(actor, owner).await?;
        Ok((Arc::new(ApiKey { expires, ..key }), token))
    }

    /// A key of this text.
    async fn hashed(
        &self,
        actor: &Actor,
        owner: Scope,
        label: KeyLabel,
        token: &KeyToken,
        created: Timestamp,
    ) -> Result<ApiKey, Error> {
        let secret = token.parsed();
        let hash = self.pool.hash(secret.secret(), &**self.accounts.random(), self.params).await;
        Ok(ApiKey {
            id: token.id(),
            owner,
            label,
            hash: hash.map_err(of_pool)?,
            last_four: token.last_four(),
            created,
            created_by: actor.subject().clone(),
            expires: None,
            disabled: false,
            last_used: None,
            revision: Revision::FIRST,
        })
    }

    async fn replace(
        &self,
        actor: &Actor,
        current: &Arc<ApiKey>,
        next: ApiKey,
    ) -> Result<Arc<ApiKey>, Error> {
        if next == **current {
            return Ok(Arc::clone(current));
        }
        let replace = KeyWrite::Replace(Arc::new(next));
        self.write(actor, self.accounts.clock().now(), vec![replace]).await
    }

    /// Commits these writes, and gives the key of the last.
    async fn write(
        &self,
        actor: &Actor,
        now: Timestamp,
        writes: Vec<KeyWrite>,
    ) -> Result<Arc<ApiKey>, Error> {
        let batch = Batch::new(actor.clone(), now).with_all(writes.into_iter().map(Write::Key));
        let change = self
            .accounts
            .store()
            .commit(batch)
            .await
            .map_err(|error: CommitError| crate::accounts::refused(error))?;
        let key = change.events.last().and_then(|event| Some(Arc::clone(event.key()?.key())));
        key.ok_or(Error::NotFound)
    }
}

fn past() -> Problem {
    Problem::of_part(Field::ApiKeys, "expires", "past", "must be in the future")
}

fn of_pool(error: HashError) -> Error {
    match error {
        HashError::Random(error) => Error::Random(error),
        // Making a hash reads none.
        HashError::Busy | HashError::Failed | HashError::Unreadable => Error::Busy,
    }
}

impl fmt::Display for AddedKey {
    /// Its id and label, not the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.key.id, self.key.label)
    }
}
