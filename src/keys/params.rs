//! How much work it is to hash the secret of an API key.

use crate::model::problem::ValueError;
use std::fmt;

/// The parameters of Argon2id: memory, iterations, and lanes.
///
/// Their cost is what keeps passwords, which people choose, from being found by trying. The secret of a key has 196
/// random bits: who tries a billion billion a second needs 10³³ years, whatever one try costs. So a costly hash
/// protects nothing here, and harms: at the tens of milliseconds of a password's hash, one processor checks fewer than a hundred keys a second, and a restart, after which
/// each key is checked once, or anybody who sends made up keys, keeps customers out. Hence [`HashParams::LIGHT`].
///
/// ```
/// use gateway_accounts::HashParams;
/// assert_eq!(HashParams::default(), HashParams::LIGHT);
/// assert_eq!(HashParams::new(19_456, 2, 1)?, HashParams::OWASP);
/// assert!(HashParams::new(4 * 1024 * 1024, 1, 1).is_err());
/// # Ok::<(), gateway_accounts::HashParamsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashParams {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

/// What was wrong with parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashParamsError {
    /// Less than 8 KiB for each lane, or more than [`HashParams::MAX_MEMORY_KIB`]. Code `memory`.
    #[error("the memory must be 8 KiB for each lane to {} KiB", HashParams::MAX_MEMORY_KIB)]
    Memory,
    /// None, or more than [`HashParams::MAX_ITERATIONS`]. Code `iterations`.
    #[error("the iterations must be 1 to {}", HashParams::MAX_ITERATIONS)]
    Iterations,
    /// None, or more than [`HashParams::MAX_LANES`]. Code `lanes`.
    #[error("the lanes must be 1 to {}", HashParams::MAX_LANES)]
    Lanes,
}

impl ValueError for HashParamsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Iterations => "iterations",
            Self::Lanes => "lanes",
        }
    }
}

impl HashParams {
    /// The default: 512 KiB, one iteration, one lane; about 0.15 milliseconds.
    pub const LIGHT: Self = Self { memory_kib: 512, iterations: 1, lanes: 1 };

    /// What OWASP advises for passwords: 19 MiB, two iterations, one lane; tens of milliseconds. For those whose auditors
    /// ask for it.
    pub const OWASP: Self = Self { memory_kib: 19_456, iterations: 2, lanes: 1 };

    /// The most memory of one hash, in KiB: 64 MiB. Each thread of a [`HashPool`](crate::HashPool) may need as much, and
    /// a stored hash says itself how much it needs.
    pub const MAX_MEMORY_KIB: u32 = 64 * 1024;

    /// The most iterations.
    pub const MAX_ITERATIONS: u32 = 16;

    /// The most lanes. They are computed one after the other, and so only make a difference to the hash.
    pub const MAX_LANES: u32 = 16;

    /// The least memory of a lane, in KiB, by the definition of Argon2.
    const MIN_LANE_KIB: u32 = 8;

    /// Other parameters: memory in KiB, iterations over it, and lanes.
    ///
    /// # Errors
    /// [`HashParamsError`] when one of them is out of range.
    pub fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, HashParamsError> {
        if !(1..=Self::MAX_LANES).contains(&lanes) {
            return Err(HashParamsError::Lanes);
        }
        if !(1..=Self::MAX_ITERATIONS).contains(&iterations) {
            return Err(HashParamsError::Iterations);
        }
        if !(Self::MIN_LANE_KIB * lanes..=Self::MAX_MEMORY_KIB).contains(&memory_kib) {
            return Err(HashParamsError::Memory);
        }
        Ok(Self { memory_kib, iterations, lanes })
    }

    /// The memory, in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// How often the memory is gone over.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Into how many lanes the memory is divided.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes
    }
}

impl Default for HashParams {
    fn default() -> Self {
        Self::LIGHT
    }
}

/// As they stand in a hash: `m=256,t=1,p=1`.
impl fmt::Display for HashParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory_kib, self.iterations, self.lanes)
    }
}

impl fmt::Debug for HashParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashParams({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        for (memory_kib, iterations, lanes, expected) in [
            (8, 1, 1, Ok(())),
            (65_536, 16, 16, Ok(())),
            (128, 1, 16, Ok(())),
            (7, 1, 1, Err(HashParamsError::Memory)),
            (127, 1, 16, Err(HashParamsError::Memory)),
            (65_537, 1, 1, Err(HashParamsError::Memory)),
            (u32::MAX, 1, 1, Err(HashParamsError::Memory)),
            (256, 0, 1, Err(HashParamsError::Iterations)),
            (256, 17, 1, Err(HashParamsError::Iterations)),
            (256, 1, 0, Err(HashParamsError::Lanes)),
            (256, 1, 17, Err(HashParamsError::Lanes)),
            (256, 1, u32::MAX, Err(HashParamsError::Lanes)),
        ] {
            let made = HashParams::new(memory_kib, iterations, lanes);
            assert_eq!(made.map(|_| ()), expected, "{memory_kib} {iterations} {lanes}");
        }
        assert_eq!(HashParams::OWASP.to_string(), "m=19456,t=2,p=1");
    }
}
