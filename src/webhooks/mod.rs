//! Calling an account's webhooks, and answering such calls.
//!
//! The crate makes no HTTP call of its own. For whatever client the gateway uses it decides where a webhook may be
//! ([`UrlPolicy`]), and signs.

pub(crate) mod url_policy;

#[cfg(feature = "webhooks")]
mod digest;
#[cfg(feature = "webhooks")]
mod payload;
#[cfg(feature = "webhooks")]
mod request;
#[cfg(feature = "webhooks")]
mod signature;

pub use url_policy::{HostPattern, HostPatternError, Network, NetworkError, UrlPolicy, UrlPolicyError};

#[cfg(feature = "webhooks")]
pub use digest::{
    CheckedDigest, DigestAlgorithm, DigestCredentials, DigestCredentialsError, DigestError, DigestPassword,
    Ha1Error, NonceCounts, ReplayError,
};
#[cfg(feature = "webhooks")]
pub use payload::{
    Blacklist, CallInfo, EventSequence, PayloadError, QueueChange, QueueEvent, RegistrationReply,
    RegistrationRequest, RegistrationStatus,
};
#[cfg(feature = "webhooks")]
pub use request::{Caller, RequestError, WebhookRequest};
#[cfg(feature = "webhooks")]
pub use signature::{
    Content, Dialects, MessageId, MessageIdError, SignatureHeaders, Signer, ToleranceError, Verified,
    Verifier, VerifyError,
};
