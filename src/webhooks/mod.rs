//! What the gateway has to know to call a webhook safely.

pub(crate) mod url_policy;

#[cfg(feature = "webhooks")]
mod digest;
#[cfg(feature = "webhooks")]
mod payload;
