//! What the gateway has to know to call a webhook safely.

pub(crate) mod url_policy;
