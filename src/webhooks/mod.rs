//! Calling an account's webhooks, and answering such calls.
//!
//! The crate makes no HTTP call of its own: it decides, signs and describes, for whatever client the gateway uses. All but the
//! policy for addresses needs the feature `webhooks`.
//!
//! For the gateway that calls:
//!
//! | for | see |
//! |---|---|
//! | a whole call: method, URL, headers, body | `WebhookRequests`, `WebhookRequest` |
//! | the signatures alone | `Signer`, `SignatureHeaders`, `Dialects` |
//! | where a webhook may be, when it is edited and when it is called | [`UrlPolicy`], [`HostPattern`], [`Network`] |
//! | what is sent and answered | `RegistrationRequest`, `RegistrationReply`, `QueueEvent`, `EventSequence` |
//! | another secret without a break | [`Accounts::rotate_webhook_secret`](crate::Accounts::rotate_webhook_secret) |
//!
//! For the web application that is called, which needs `default-features = false, features = ["webhooks"]` and no more:
//!
//! | for | see |
//! |---|---|
//! | is it from the gateway, and as it was sent | `Verifier`, `Content` |
//! | is the device that registers who it says | `DigestCredentials`, `DigestPassword`, `NonceCounts` |
//!
//! The examples `sign_webhook`, `verify_webhook` and `registration_webhook` have both sides.

pub(crate) mod url_policy;

#[cfg(feature = "webhooks")]
mod digest;
#[cfg(feature = "webhooks")]
mod payload;
#[cfg(feature = "webhooks")]
mod request;
#[cfg(feature = "webhooks")]
mod signature;

pub use url_policy::{
    AddressBlock, HostPattern, HostPatternError, LocalName, Network, NetworkError, UrlPolicy, UrlPolicyError,
};

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
pub use request::{RequestError, WebhookRequest, WebhookRequests};
#[cfg(feature = "webhooks")]
pub use signature::{
    Content, Dialects, MessageId, MessageIdError, SignatureHeaders, Signer, ToleranceError, Verified,
    Verifier, VerifyError,
};
