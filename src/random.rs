//! Where random bytes come from. Every rule that needs them takes a [`Random`], so that a test can repeat it.

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A source of random bytes.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `bytes`, all of it, with random bytes.
    ///
    /// # Errors
    /// [`RandomError`] when the source can't give any; `bytes` must then not be used.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

impl<R: Random + ?Sized> Random for Arc<R> {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(bytes)
    }
}

/// The random source failed.
#[derive(Debug, thiserror::Error)]
#[error("the random source gave no bytes")]
pub struct RandomError {
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl RandomError {
    /// An error of a random source of one's own.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()) }
    }
}

/// The operating system's random source; the one for production.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        SysRng.try_fill_bytes(bytes).map_err(RandomError::new)
    }
}

/// A repeatable source for tests: the same seed gives the same bytes. Never for production, since its secrets
/// can be guessed.
#[derive(Debug)]
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// A source that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
        Ok(())
    }
}
