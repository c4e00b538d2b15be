//! The two forms that a signature comes in.

/// In which form a request is signed. Both are HMAC-SHA256 with the account's webhook secret, and a request may carry
/// both.
///
/// | | jambonz | Standard Webhooks |
/// |---|---|---|
/// | headers | `Jambonz-Signature: t=<seconds>,v1=<hex>` | `webhook-id`, `webhook-timestamp: <seconds>`, `webhook-signature: v1,<base64>` |
/// | signed | `<seconds>.<content>` | `<id>.<seconds>.<content>` |
/// | key | the bytes of the secret's whole text, `whsec_` included | what the text holds in base64 after `whsec_`; of a secret of another form, the bytes of its whole text |
/// | two secrets | `,v1=<hex>` once more | another `v1,<base64>` after a space |
///
/// `<seconds>` is the Unix time of the attempt, and `<content>` is [`Content`](super::Content).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialects {
    /// As jambonz signs: what applications that were written for it verify.
    Jambonz,
    /// As Standard Webhooks 1.0 has it: what the libraries of many languages verify.
    StandardWebhooks,
    /// Both beside each other.
    Both,
}

impl Dialects {
    pub(super) fn jambonz(self) -> bool {
        matches!(self, Self::Jambonz | Self::Both)
    }

    pub(super) fn standard_webhooks(self) -> bool {
        matches!(self, Self::StandardWebhooks | Self::Both)
    }
}
