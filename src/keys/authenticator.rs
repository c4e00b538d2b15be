//! Who shows an API key.

use super::auth_error::AuthError;
use super::authenticated::{Authenticated, Found};
use super::fingerprint::{AsItIs, Fingerprint, Fingerprints};
use super::flights::Flights;
use super::params::HashParams;
use super::pool::{For, HashPool, new_salt};
use super::stored::StoredHash;
use super::token::ParsedToken;
use super::uses::{Rehash, Uses};
use crate::access::Actor;
use crate::clock::{Clock, SystemClock};
use crate::model::account::Account;
use crate::model::api_key::{ApiKey, KeyId};
use crate::model::scope::Scope;
use crate::model::subject::Subject;
use crate::random::{OsRandom, Random};
use crate::snapshot::{Batch, KeyWrite, Snapshot, Write};
use crate::store::{AccountStore, CommitError, StoreError, StoreErrorKind};
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Tells who shows an API key. Cloning it shares it; one process has one.
///
/// The first time a key is shown, its secret is hashed and compared, on a thread of the [`HashPool`]. After that it is
/// recognized, which takes less than a microsecond and waits for nobody. Whether the key is still there, enabled and in its
/// time, and the account in service, is looked at each time: an authentication that starts after a commit has returned
/// is decided by what was committed.
///
/// When keys were used, and hashes with better parameters, are noted and wait to be written: call
/// [`Authenticator::flush`] every few seconds, and [`Authenticator::flush_all`] when the program ends.
///
/// ```
/// use gateway_accounts::{AuthError, Authenticator, HashPool, KeyToken, MemoryStore, OsRandom};
/// use std::sync::Arc;
/// # futures_lite::future::block_on(async {
/// let authenticator = Authenticator::new(Arc::new(MemoryStore::new()), HashPool::new());
/// let token = KeyToken::generate(&OsRandom)?;
/// let answer = authenticator.authenticate(token.reveal()).await;
/// assert!(matches!(answer, Err(AuthError::Unknown)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Authenticator {
    store: Arc<dyn AccountStore>,
    pool: HashPool,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    params: HashParams,
    use_interval: Duration,
    shared: Arc<Shared>,
}

/// Tokens that were found to be right, whether or not they may be used now.
type Recognized = Cache<Fingerprint, Authenticated, UnitWeighter, AsItIs>;

struct Shared {
    fingerprints: Fingerprints,
    recognized: Recognized,
    flights: Arc<Flights>,
    uses: Arc<Uses>,
}

impl Shared {
    fn new(cache_size: usize) -> Self {
        let most = u64::try_from(cache_size).unwrap_or(u64::MAX);
        // Its memory grows with what is in it, but not beyond this.
        let recognized =
            Cache::with(cache_size, most, UnitWeighter, AsItIs::default(), DefaultLifecycle::default());
        Self {
            fingerprints: Fingerprints::default(),
            recognized,
            flights: Arc::default(),
            uses: Arc::default(),
        }
    }
}

impl Authenticator {
    /// How many keys are recognized at most, when nothing is said.
    pub const DEFAULT_CACHE_SIZE: usize = 100_000;

    /// How long uses wait to be written when nothing is said: ten minutes.
    pub const DEFAULT_USE_INTERVAL: Duration = Duration::from_secs(600);

    /// The least that uses wait to be written: a minute.
    pub const MIN_USE_INTERVAL: Duration = Duration::from_secs(60);

    /// How often a check is made anew because the hash of the key was replaced meanwhile.
    const ATTEMPTS: usize = 3;

    /// How many uses are written in one commit at most.
    const USES_AT_ONCE: usize = 10_000;

    /// For the keys of this store, with the system's clock and random source, and [`HashParams::LIGHT`].
    #[must_use]
    pub fn new(store: Arc<dyn AccountStore>, pool: HashPool) -> Self {
        Self {
            store,
            pool,
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            params: HashParams::LIGHT,
            use_interval: Self::DEFAULT_USE_INTERVAL,
            shared: Arc::new(Shared::new(Self::DEFAULT_CACHE_SIZE)),
        }
    }

    /// The same, with another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// The same, with another random source.
    #[must_use]
    pub fn with_random(self, random: impl Random + 'static) -> Self {
        Self { random: Arc::new(random), ..self }
    }

    /// The same, for hashes with these parameters: a key whose hash has others gets a new one when it is used.
    #[must_use]
    pub fn with_params(self, params: HashParams) -> Self {
        Self { params, ..self }
    }

    /// The same, writing when keys were used this often at most; [`Authenticator::MIN_USE_INTERVAL`] at least. What a crash
    /// loses is the uses since. Each time it is one commit, and so one of the changes that a store keeps (see
    /// [`FileStoreOptions::history`](crate::FileStoreOptions::history)): a store that keeps 10,000 and sees nothing else
    /// reaches back for ten weeks with the default, and for one with a minute.
    #[must_use]
    pub fn with_use_interval(self, interval: Duration) -> Self {
        Self { use_interval: interval.max(Self::MIN_USE_INTERVAL), ..self }
    }

    /// One that recognizes about so many keys, and so far none. Each takes about 400 bytes, beside the key and the account.
    #[must_use]
    pub fn with_cache_size(self, keys: usize) -> Self {
        Self { shared: Arc::new(Shared::new(keys.max(1))), ..self }
    }

    /// Who shows this text as their API key: the text alone, without `Bearer` or white space around it. It looks among those
    /// that are recognized first; [`Authenticator::authenticate_cached`] is for where nothing can be awaited.
    ///
    /// The future may be dropped at any time.
    ///
    /// # Errors
    /// [`AuthError`]. A text that is no key is refused without looking anything up or hashing; an id that does not exist
    /// takes as long as a wrong secret.
    pub async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        if let Some(answer) = self.authenticate_cached(token) {
            return answer;
        }
        let token = ParsedToken::parse(token).map_err(AuthError::Malformed)?;
        self.shared.fingerprints.make_key(&*self.random).map_err(AuthError::Random)?;
        // There is a key now.
        let of = self.shared.fingerprints.get(&token).ok_or(AuthError::Busy)?;
        self.check(&token, of).await
    }

    /// As [`Authenticator::authenticate`], if the answer is known without waiting: the text is no key, or that of one
    /// that is recognized. `None` otherwise, and always for a store without a live snapshot, but for texts that are no
    /// key.
    #[must_use]
    pub fn authenticate_cached(&self, token: &str) -> Option<Result<Authenticated, AuthError>> {
        let token = match ParsedToken::parse(token) {
            Ok(token) => token,
            Err(error) => return Some(Err(AuthError::Malformed(error))),
        };
        let of = self.shared.fingerprints.get(&token)?;
        let known = self.shared.recognized.get(&of)?;
        let now = self.store.live()?;
        let known = if known.is_as_of(now.seq()) { known } else { self.look_again(of, known, &now)? };
        Some(self.admit(known))
    }

    /// What is recognized, as of this snapshot; `None` if it is not what was recognized any more.
    #[cold]
    fn look_again(&self, of: Fingerprint, known: Authenticated, now: &Snapshot) -> Option<Authenticated> {
        match find_in(now, known.key_id()) {
            Some(found) if found.key.hash == known.key().hash => Some(self.renew(of, known, found)),
            _ => {
                self.shared.recognized.remove(&of);
                None
            }
        }
    }

    fn renew(&self, of: Fingerprint, known: Authenticated, found: Found) -> Authenticated {
        match known.renewed(found) {
            None => known,
            Some(renewed) => {
                // What a slower thread puts here of an older snapshot is looked at again by the next.
                self.shared.recognized.insert(of, renewed.clone());
                renewed
            }
        }
    }

    /// Whether who has shown the right secret may use the key.
    fn admit(&self, known: Authenticated) -> Result<Authenticated, AuthError> {
        let now = self.clock.now();
        known.check(now)?;
        self.shared.uses.note(&known, now);
        Ok(known)
    }

    /// Looks the key up, and its secret as often as it has another hash afterwards.
    async fn check(&self, token: &ParsedToken<'_>, of: Fingerprint) -> Result<Authenticated, AuthError> {
        let id = token.id();
        for _ in 0..Self::ATTEMPTS {
            let before = self.find(id).await?;
            let known = self.shared.recognized.get(&of);
            if let (Some(before), Some(known)) = (&before, known)
                && before.key.hash == known.key().hash
            {
                let found =
                    Found { key: Arc::clone(&before.key), account: before.account.clone(), ..*before };
                return self.admit(self.renew(of, known, found));
            }
            let against = before.as_ref().map(|found| &found.key.hash);
            let flights = &self.shared.flights;
            let is_right = flights.verify(&self.pool, of, token, against, self.params).await?;
            let Some(against) = against else { return Err(AuthError::Unknown) };
            if !is_right {
                return Err(AuthError::WrongSecret);
            }
            // Much may have happened since.
            let found = self.find(id).await?.ok_or(AuthError::Unknown)?;
            if found.key.hash != *against {
                continue;
            }
            self.rehash(token, &found.key);
            // Others may have waited for the same answer: they share one entry.
            let known = match self.shared.recognized.get(&of) {
                Some(known) if known.key().hash == *against => self.renew(of, known, found),
                _ => {
                    let known = Authenticated::new(found);
                    self.shared.recognized.insert(of, known.clone());
                    known
                }
            };
            return self.admit(known);
        }
        Err(AuthError::Busy)
    }

    /// The key of this id and its account, as they are now; `None` if one of them is not there.
    async fn find(&self, id: KeyId) -> Result<Option<Found>, AuthError> {
        if let Some(now) = self.store.live() {
            return Ok(find_in(&now, id));
        }
        let Some(key) = self.store.key(id).await.map_err(AuthError::Store)? else { return Ok(None) };
        let account = match key.owner() {
            Scope::Account(sid) => match self.store.by_sid(sid).await.map_err(AuthError::Store)? {
                Some(account) => Some(account),
                None => return Ok(None),
            },
            Scope::ServiceProvider(_) | Scope::Admin => None,
        };
        Ok(Some(Found { key, account, seq: None }))
    }

    /// Has a better hash made, if this one was made with other parameters. If it can't be, the next use tries again.
    fn rehash(&self, token: &ParsedToken<'_>, key: &ApiKey) {
        if StoredHash::parse(&key.hash).is_none_or(|stored| stored.params == self.params) {
            return;
        }
        let Some(rehashing) = self.shared.uses.begin_rehash(key.id()) else { return };
        let Ok(salt) = new_salt(&*self.random) else { return };
        let secret = Zeroizing::new(Box::<str>::from(token.secret()));
        let (from, params) = (key.hash.clone(), self.params);
        let job = Box::new(move |memory: &mut _, _| {
            if let Ok(to) = StoredHash::make(&secret, &salt, params, memory) {
                rehashing.done(Rehash { from, to });
            }
        });
        // When it is refused, it is dropped, and so can be begun again.
        let _ = self.pool.submit(For::Making, job);
    }

    /// Writes when keys were last used, if uses were last written [some time](Authenticator::with_use_interval) ago, and the
    /// hashes with better parameters. Call it every few seconds; mostly it does nothing.
    ///
    /// The uses are written in the name of an admin `authenticator`, since they are those of many accounts' keys; each
    /// better hash, which is a commit of its own, in the name of an `authenticator` with the scope of the key's owner.
    ///
    /// # Errors
    /// [`StoreError`] of the store. Nothing that was noted is lost by it, nor by dropping the future: the next call
    /// writes it.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.write(self.use_interval).await
    }

    /// As [`Authenticator::flush`], without waiting: for when the program ends. First nobody authenticates any more, then
    /// this, and then the store is closed.
    ///
    /// # Errors
    /// [`StoreError`], as there.
    pub async fn flush_all(&self) -> Result<(), StoreError> {
        self.write(Duration::ZERO).await
    }

    async fn write(&self, interval: Duration) -> Result<(), StoreError> {
        let now = self.clock.now();
        let taken = self.shared.uses.take(interval, now);
        for uses in taken.last_uses().chunks(Self::USES_AT_ONCE) {
            let writes = uses.iter().map(|(id, at)| Write::Key(KeyWrite::Use { id: *id, at: *at }));
            match self.store.commit(Batch::new(writer(Scope::Admin), now).with_all(writes)).await {
                Ok(_) => {}
                Err(CommitError::Store(error)) => return Err(error),
                // A use contradicts nothing.
                Err(CommitError::Conflict(conflict)) => {
                    let message = "the store refused to note when keys were used";
                    return Err(StoreError::new(StoreErrorKind::Failed, message).with_source(conflict));
                }
            }
        }
        taken.written();
        for (id, rehash) in self.shared.uses.rehashes() {
            self.write_rehash(id, &rehash).await?;
            self.shared.uses.forget_rehash(id);
        }
        Ok(())
    }

    /// Writes a better hash, unless the key has another by now, or is changed at the same time.
    async fn write_rehash(&self, id: KeyId, rehash: &Rehash) -> Result<(), StoreError> {
        let Some(key) = self.store.key(id).await?.filter(|key| key.hash == rehash.from) else {
            return Ok(());
        };
        let better = ApiKey { hash: rehash.to.clone(), ..ApiKey::clone(&key) };
        let batch = Batch::new(writer(key.owner()), self.clock.now());
        let replace = Write::Key(KeyWrite::Replace(Arc::new(better)));
        match self.store.commit(batch.with(replace)).await {
            Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("pool", &self.pool)
            .field("params", &self.params)
            .field("recognized", &self.shared.recognized.len())
            .finish_non_exhaustive()
    }
}

/// In whose name is written what was noted.
fn writer(scope: Scope) -> Actor {
    Actor::new(scope, Subject::parse("authenticator").expect("a word is a subject"))
}

fn find_in(now: &Snapshot, id: KeyId) -> Option<Found> {
    let key = now.key(id)?;
    let account: Option<Arc<Account>> = match key.owner() {
        Scope::Account(sid) => Some(Arc::clone(now.by_sid(sid)?)),
        Scope::ServiceProvider(_) | Scope::Admin => None,
    };
    Some(Found { key: Arc::clone(key), account, seq: Some(now.seq()) })
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
