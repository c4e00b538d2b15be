//! The digest credentials of a SIP request: read, checked against a password, and told from a replay.
//!
//! RFC 7616 with MD5 (as RFC 2617 has it too) and SHA-256 (RFC 8760 for SIP), with the quality of protection `auth` or, as in
//! RFC 2069, none. Not done, and said to be unsupported: `auth-int`, the `-sess` algorithms, SHA-512/256, `userhash` and `username*`.

mod algorithm;
mod credentials;
mod header;
mod nonce_counts;
mod password;

pub use algorithm::DigestAlgorithm;
pub use credentials::{CheckedDigest, DigestCredentials, DigestCredentialsError, DigestError};
pub use nonce_counts::{NonceCounts, ReplayError};
pub use password::{DigestPassword, Ha1Error};
