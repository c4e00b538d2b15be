//! API keys in the hands of who uses them. What a store keeps of a key is in `model/api_key/`; here is the rest, from
//! the text that a customer is shown once to the answer to who shows it:
//!
//! - `token.rs`: the text of a key, and reading what somebody sent instead of one.
//! - `params.rs`, `stored.rs`: how a secret is hashed, and what is kept of it.
//! - `pool.rs`: the threads that hash, and who waits for them.
//! - `desk.rs`: every operation on keys, on behalf of an actor.

mod desk;
mod params;
mod pool;
mod stored;
mod token;

pub use desk::{AddedKey, ApiKeys, KeyImport, NewKey, Rotation};
pub use params::{HashParams, HashParamsError};
pub use pool::{HashError, HashPool};
pub use token::{KeyToken, ParsedToken, TokenError};
