//! The headers that a request is signed with.

/// The headers that a request is signed with, as [`Signer::sign`](super::Signer::sign) makes them: one, three or four. Their
/// values are visible ASCII characters and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    pub(super) jambonz: Option<String>,
    pub(super) standard_webhooks: Option<StandardWebhooks>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandardWebhooks {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: String,
}

impl SignatureHeaders {
    /// Where jambonz has its signature.
    pub const JAMBONZ_SIGNATURE: &'static str = "Jambonz-Signature";
    /// Where Standard Webhooks has the id of the message.
    pub const WEBHOOK_ID: &'static str = "webhook-id";
    /// Where Standard Webhooks has the time of the attempt.
    pub const WEBHOOK_TIMESTAMP: &'static str = "webhook-timestamp";
    /// Where Standard Webhooks has its signatures.
    pub const WEBHOOK_SIGNATURE: &'static str = "webhook-signature";

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let jambonz = self.jambonz.iter().map(|value| (Self::JAMBONZ_SIGNATURE, value.as_str()));
        let standard_webhooks = self.standard_webhooks.iter().flat_map(|of| {
            [
                (Self::WEBHOOK_ID, of.id.as_str()),
                (Self::WEBHOOK_TIMESTAMP, of.timestamp.as_str()),
                (Self::WEBHOOK_SIGNATURE, of.signature.as_str()),
            ]
        });
        jambonz.chain(standard_webhooks)
    }

    /// The value of the header of this name, without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The same, for a client that uses the crate `http` (feature `http_v1`).
    #[cfg(feature = "http_v1")]
    #[must_use]
    pub fn to_header_map(&self) -> http::HeaderMap {
        self.iter()
            .map(|(name, value)| {
                let name = name.parse::<http::HeaderName>().expect("the four names are tokens");
                (
                    name,
                    http::HeaderValue::from_str(value)
                        .expect("values are visible ASCII characters and spaces"),
                )
            })
            .collect()
    }
}
