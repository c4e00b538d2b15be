//! What a secret signs with.

use super::content::Content;
use crate::model::webhook_secret::WebhookSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The HMAC-SHA256 of a message.
pub(super) type Signature = [u8; 32];

/// A secret, ready to sign in either dialect: what HMAC makes of its key is computed once.
#[derive(Clone)]
pub(super) struct Keys {
    jambonz: Hmac<Sha256>,
    standard_webhooks: Hmac<Sha256>,
}

impl Keys {
    pub(super) fn of(secret: &WebhookSecret) -> Self {
        Self {
            jambonz: keyed(secret.reveal().as_bytes()),
            standard_webhooks: keyed(&secret.standard_webhooks_key()),
        }
    }

    /// `<seconds>.<content>`
    pub(super) fn jambonz(&self, seconds: &[u8], content: &Content<'_>) -> Signature {
        let mut mac = self.jambonz.clone();
        mac.update(seconds);
        mac.update(b".");
        content.update(&mut mac);
        mac.finalize().into_bytes().into()
    }

    /// `<id>.<seconds>.<content>`
    pub(super) fn standard_webhooks(&self, id: &[u8], seconds: &[u8], content: &Content<'_>) -> Signature {
        let mut mac = self.standard_webhooks.clone();
        mac.update(id);
        mac.update(b".");
        mac.update(seconds);
        mac.update(b".");
        content.update(&mut mac);
        mac.finalize().into_bytes().into()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}
