//! Checks of secrets that are under way. Who shows a token that is being checked waits for the same check.

use super::fingerprint::Fingerprint;
use super::params::HashParams;
use super::pool::{For, HashError, HashPool};
use super::stored::{OutOfMemory, StoredHash};
use super::token::ParsedToken;
use crate::model::api_key::KeyHash;
use futures_channel::oneshot;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The checks under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Fingerprint, Arc<Flight>>>);

/// Whether the secret is that of the hash.
type Verdict = Result<bool, OutOfMemory>;

/// A check, which tells nothing but whether the secret is that of this hash: whether the key may still be used, each
/// who waits finds out afterwards.
struct Flight {
    /// `None` when the key does not exist: then the answer takes as long, and is no.
    against: Option<KeyHash>,
    /// `None` once it is over.
    waiting: Mutex<Option<Vec<oneshot::Sender<Verdict>>>>,
}

impl Flight {
    /// Waits with the others; `None` if it is over.
    fn join(&self) -> Option<oneshot::Receiver<Verdict>> {
        let (reply, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.push(reply);
        Some(answer)
    }

    /// Ends it if nobody waits any more.
    fn is_deserted(&self) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let deserted = waiting.iter().flatten().all(oneshot::Sender::is_canceled);
        if deserted {
            *waiting = None;
        }
        deserted
    }

    fn end(&self) -> Vec<oneshot::Sender<Verdict>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// Ends a flight when it is dropped, so that nobody waits for a check that is not made.
struct Landing {
    flights: Arc<Flights>,
    of: Fingerprint,
    flight: Arc<Flight>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&self.of).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            flights.remove(&self.of);
        }
        drop(flights);
        self.flight.end();
    }
}

impl Flights {
    /// Whether a token's secret is that of the hash; with no hash, it is not, which takes as long as with these
    /// parameters.
    pub(super) async fn verify(
        self: &Arc<Self>,
        pool: &HashPool,
        of: Fingerprint,
        token: &ParsedToken<'_>,
        against: Option<&KeyHash>,
        params: HashParams,
    ) -> Result<bool, HashError> {
        let stored = match against {
            Some(hash) => StoredHash::parse(hash).ok_or(HashError::Unreadable)?,
            None => StoredHash::of_nothing(params),
        };
        let answer = match self.join(of, against) {
            Ok(answer) => answer,
            Err((flight, answer)) => {
                let landing = Landing { flights: Arc::clone(self), of, flight };
                let secret = Zeroizing::new(Box::<str>::from(token.secret()));
                let owner = if against.is_some() { For::Key(token.id()) } else { For::Nobody };
                pool.submit(
                    owner,
                    Box::new(move |memory, ticket| {
                        if landing.flight.is_deserted() {
                            return;
                        }
                        let verdict = stored.verify(&secret, memory);
                        drop(ticket);
                        for reply in landing.flight.end() {
                            // Some may not wait any more.
                            let _ = reply.send(verdict);
                        }
                    }),
                )?;
                answer
            }
        };
        // It was not made: the pool refused it to whom it was made for.
        Ok(answer.await.map_err(|_| HashError::Busy)??)
    }

    /// Joins a flight, or announces a new one.
    #[allow(clippy::type_complexity, reason = "a private function with one caller")]
    fn join(
        &self,
        of: Fingerprint,
        against: Option<&KeyHash>,
    ) -> Result<oneshot::Receiver<Verdict>, (Arc<Flight>, oneshot::Receiver<Verdict>)> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = flights.get(&of).filter(|flight| flight.against.as_ref() == against);
        if let Some(answer) = under_way.and_then(|flight| flight.join()) {
            return Ok(answer);
        }
        let (reply, answer) = oneshot::channel();
        let flight = Arc::new(Flight { against: against.cloned(), waiting: Mutex::new(Some(vec![reply])) });
        flights.insert(of, Arc::clone(&flight));
        Err((flight, answer))
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
