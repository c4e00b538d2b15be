//! Telling a replay.

use super::credentials::CheckedDigest;
use crate::model::timestamp::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Which nonces were used how often: so that who recorded a request can't send it once more.
///
/// Of each user and nonce the count must rise from request to request, as RFC 7616 section 3.4 has it; credentials without a
/// count (RFC 2069) are accepted once for each nonce. Over UDP a request that was overtaken by a later one is
/// refused; the device answers the next challenge.
///
/// Memory is bounded: about 150 bytes for each of `capacity` nonces. The oldest are forgotten when there are more, and each
/// when `lifetime` has passed since it was first seen: then what was recorded works again, unless the gateway
/// refuses nonces that old, which it should. Who has a right password can fill it with nonces of their own, and so make it
/// forget those of others: keep one for each account.
///
/// ```
/// # use gateway_accounts::webhooks::{DigestCredentials, DigestPassword};
/// use gateway_accounts::Timestamp;
/// use gateway_accounts::webhooks::{NonceCounts, ReplayError};
/// use std::time::Duration;
/// # let credentials = DigestCredentials::parse(br#"Digest username="Mufasa", realm="testrealm@host.com",
/// #     nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b",
/// #     response="6629fae49393a05397450978507c4ef1""#).unwrap();
/// # let password = DigestPassword::clear("Circle Of Life");
/// # let now = Timestamp::from_millis(0);
/// let mut seen = NonceCounts::new(100_000, Duration::from_secs(3600));
/// let checked = credentials.check("testrealm@host.com", &password, "GET")?;
/// assert_eq!(seen.admit(&checked, now), Ok(()));
/// assert_eq!(seen.admit(&checked, now), Err(ReplayError));
/// # Ok::<(), gateway_accounts::webhooks::DigestError>(())
/// ```
#[derive(Debug)]
pub struct NonceCounts {
    capacity: usize,
    lifetime: Duration,
    /// The highest count of each.
    counts: HashMap<Key, u32>,
    /// The same in the order in which they were first seen.
    order: VecDeque<(Timestamp, Key)>,
}

/// The digest of whose credentials they are, and of the nonce, which may be long.
type Key = [u8; 32];

/// The credentials were used before, or with a higher count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("credentials that were used before")]
pub struct ReplayError;

impl NonceCounts {
    /// Remembers so many nonces, one at least, for so long.
    #[must_use]
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { capacity: capacity.max(1), lifetime, counts: HashMap::new(), order: VecDeque::new() }
    }

    /// Takes note of credentials that were checked.
    ///
    /// # Errors
    /// [`ReplayError`] when they were used before, or others of the same nonce with a higher count.
    pub fn admit(&mut self, checked: &CheckedDigest<'_>, now: Timestamp) -> Result<(), ReplayError> {
        self.forget(now);
        let credentials = checked.credentials();
        // Without a count, as if it were the last that there can be.
        let count = credentials.nonce_count().unwrap_or(u32::MAX);
        let key = key(checked.ha1(), credentials.nonce());
        match self.counts.get_mut(&key) {
            Some(highest) if *highest < count => *highest = count,
            Some(_) => return Err(ReplayError),
            None => {
                if self.counts.len() >= self.capacity {
                    self.forget_first();
                }
                self.counts.insert(key, count);
                self.order.push_back((now, key));
            }
        }
        Ok(())
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn forget(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(seen, _)| now.since(*seen) > self.lifetime) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.counts.remove(&key);
        }
    }
}

fn key(ha1: &[u8], nonce: &str) -> Key {
    // One is of sixteen bytes or of thirty-two.
    let length = [u8::try_from(ha1.len()).unwrap_or(u8::MAX)];
    Sha256::new().chain_update(length).chain_update(ha1).chain_update(nonce).finalize().into()
}
