//! API keys in the hands of who uses them. What a store keeps of a key is in `model/api_key/`; here is the rest, from
//! the text that a customer is shown once to the answer to who shows it:
//!
//! - `token.rs`: the text of a key, and reading what somebody sent instead of one.
//! - `params.rs`, `stored.rs`: how a secret is hashed, and what is kept of it.
//! - `pool.rs`: the threads that hash, and who waits for them.
//! - `desk.rs`: every operation on keys, on behalf of an actor.
//! - `authenticator.rs`: who shows a key; `authenticated.rs` and `auth_error.rs`: the answer.
//! - `fingerprint.rs`: what stands for a token once it was seen; `flights.rs`: checks under way, shared by all who show
//!   the same token; `uses.rs`: what is to be written of keys that were used.
//!
//! That a secret is right is remembered; that its key may be used never is. It is asked of the store's snapshot each
//! time, or known from the snapshot's number to be as it was. So what was revoked is refused as soon as the snapshot
//! without it can be read, which is before its commit returns.

mod auth_error;
mod authenticated;
mod authenticator;
mod desk;
mod fingerprint;
mod flights;
mod params;
mod pool;
mod stored;
mod token;
mod uses;

pub use auth_error::AuthError;
pub use authenticated::Authenticated;
pub use authenticator::Authenticator;
pub use desk::{AddedKey, ApiKeys, KeyImport, NewKey, Rotation};
pub use params::{HashParams, HashParamsError};
pub use pool::{HashError, HashPool};
pub use token::{KeyToken, ParsedToken, TokenError};
