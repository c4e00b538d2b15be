//! Secrets at rest: webhook secrets and webhooks' passwords, sealed with a key that is kept elsewhere.
//!
//! Sealing is authenticated encryption, XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a nonce of 24 random
//! bytes: so long that one key may seal any number of texts without two of them sharing a nonce. A sealed text is a
//! *box*:
//!
//! ```text
//! box             = base64( nonce (24 bytes) || ciphertext (as long as the clear text) || tag (16 bytes) )
//! associated data = "gateway-accounts/1" 00 account-sid 00 field
//! ```
//!
//! The base64 is the standard one, with padding (RFC 4648 section 4). `00` is a zero byte; `account-sid` is in its 36
//! lower-case characters; `field` is `webhook_secret`, `registration_webhook.password`,
//! `queue_event_webhook.password` or `former_webhook_secret.secret`. None of the three parts can contain a zero byte, so that no two bindings have the
//! same associated data. The clear text is the secret's UTF-8 text and nothing else.
//!
//! The boxes of an account stand beside its record, with the name of the key that sealed them all:
//!
//! ```text
//! {"key":"2026-11","webhook_secret":"…","registration_webhook.password":"…","queue_event_webhook.password":"…","former_webhook_secret.secret":"…"}
//! ```
//!
//! A field without a secret has no box. In the record, the text `(sealed)` stands in place of each secret.
//!
//! What it protects: who reads a file, or a copy of it, without a key learns how long each secret is, and no more of it.
//! A box does not open in another account or field, nor when a bit of it was changed.
//!
//! What it does not: the rest of the record is neither hidden nor sealed. Who can write the file can put an older box
//! of the same field back, or change the address that a password is sent to.
//!
//! - `key.rs`: a key and its name
//! - `keyring.rs`: the keys, and sealing and opening one text
//! - `account.rs`: sealing and opening the secrets of an account

mod account;
mod key;
mod keyring;

pub(crate) use account::{SealedSecrets, UnsealError};
pub use key::{SealingKey, SealingKeyError};
pub use keyring::Keyring;
