//! Signing a request.

use super::content::Content;
use super::dialect::Dialects;
use super::headers::{SignatureHeaders, StandardWebhooks};
use super::keys::{Keys, Signature};
use super::message_id::MessageId;
use crate::model::account::Account;
use crate::model::timestamp::Timestamp;
use crate::model::webhook_secret::WebhookSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt;

/// Signs requests with an account's webhook secret; with both of them, while the overlap of a rotation lasts.
///
/// Making one costs about as much as one signature of a short body. It may be kept as long as the account is at the same
/// revision: the former secret drops out by itself when its time is over.
///
/// ```
/// use gateway_accounts::webhooks::{Content, Dialects, MessageId, Signer};
/// use gateway_accounts::{Timestamp, WebhookSecret};
/// let signer = Signer::new(&WebhookSecret::import("wh_secret_cJqgtMDPzDhhnjmaJH6Mtk")?);
/// let (id, now) = (MessageId::parse("msg_1")?, Timestamp::from_millis(1_795_466_263_042));
/// let headers = signer.sign(Dialects::Jambonz, &id, now, &Content::Body(br#"{"event":"join"}"#));
/// let [(name, value)] = headers.iter().collect::<Vec<_>>()[..] else { panic!() };
/// assert_eq!(name, "Jambonz-Signature");
/// assert_eq!(value, "t=1795466263,v1=e1ccddf88405ea10dc0b6dfc22e2de1303338d757d8310ea2d119b95ec21eb06");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Signer {
    current: Keys,
    former: Option<(Keys, Timestamp)>,
}

impl Signer {
    /// With this secret alone.
    #[must_use]
    pub fn new(secret: &WebhookSecret) -> Self {
        Self { current: Keys::of(secret), former: None }
    }

    /// With the secrets of this account.
    #[must_use]
    pub fn of(account: &Account) -> Self {
        let signer = Self::new(account.webhook_secret());
        match account.former_webhook_secret() {
            Some(former) => signer.with_former(former.secret(), former.until()),
            None => signer,
        }
    }

    /// The same, and until that moment with this secret too: the one before the rotation.
    #[must_use]
    pub fn with_former(mut self, secret: &WebhookSecret, until: Timestamp) -> Self {
        self.former = Some((Keys::of(secret), until));
        self
    }

    /// Signs one attempt to send a message: at another attempt the id is the same, and the time is that of the attempt.
    ///
    /// The signature of the current secret comes first.
    #[must_use]
    pub fn sign(
        &self,
        dialects: Dialects,
        id: &MessageId,
        at: Timestamp,
        content: &Content<'_>,
    ) -> SignatureHeaders {
        // A timestamp is not before 1970.
        let seconds = (at.as_millis() / 1000).to_string();
        SignatureHeaders {
            jambonz: dialects.jambonz().then(|| self.jambonz(&seconds, at, content)),
            standard_webhooks: dialects.standard_webhooks().then(|| StandardWebhooks {
                id: id.as_str().to_owned(),
                signature: self.standard_webhooks(id, &seconds, at, content),
                timestamp: seconds,
            }),
        }
    }

    fn jambonz(&self, seconds: &str, at: Timestamp, content: &Content<'_>) -> String {
        /// How long `,v1=` and a signature are.
        const ONE: usize = 4 + 2 * size_of::<Signature>();
        let mut value = String::with_capacity(2 + seconds.len() + 2 * ONE);
        value.push_str("t=");
        value.push_str(seconds);
        for keys in self.live(at) {
            for content in [Some(*content), content.as_jambonz()].into_iter().flatten() {
                value.push_str(",v1=");
                push_hex(&keys.jambonz(seconds.as_bytes(), &content), &mut value);
            }
        }
        value
    }

    fn standard_webhooks(
        &self,
        id: &MessageId,
        seconds: &str,
        at: Timestamp,
        content: &Content<'_>,
    ) -> String {
        /// How long a space, `v1,` and a signature are.
        const ONE: usize = 4 + size_of::<Signature>().div_ceil(3) * 4;
        let mut value = String::with_capacity(2 * ONE);
        for keys in self.live(at) {
            value.push_str(if value.is_empty() { "v1," } else { " v1," });
            let signature = keys.standard_webhooks(id.as_str().as_bytes(), seconds.as_bytes(), content);
            BASE64_STANDARD.encode_string(signature, &mut value);
        }
        value
    }

    fn live(&self, at: Timestamp) -> impl Iterator<Item = &Keys> {
        let former = self.former.iter().filter(move |(_, until)| at < *until).map(|(keys, _)| keys);
        std::iter::once(&self.current).chain(former)
    }
}

fn push_hex(signature: &Signature, text: &mut String) {
    let mut digits = [0; 2 * size_of::<Signature>()];
    text.push_str(
        base16ct::lower::encode_str(signature, &mut digits).expect("there is room for two digits a byte"),
    );
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer((secret))")
    }
}
