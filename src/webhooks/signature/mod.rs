//! Signing what is sent to a webhook, and verifying what was received.

mod content;
mod dialect;
mod headers;
mod keys;
mod message_id;
mod reading;
mod signer;
mod verifier;

pub use content::Content;
pub use dialect::Dialects;
pub use headers::SignatureHeaders;
pub use message_id::{MessageId, MessageIdError};
pub use signer::Signer;
pub use verifier::{ToleranceError, Verified, Verifier, VerifyError};

#[cfg(test)]
mod tests;
