//! The keys, and sealing and opening one text with them.

use crate::model::sid::AccountSid;
use crate::random::{Random, RandomError};
use crate::sealing::key::{SealingKey, SealingKeyError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::array::Array;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use std::fmt;
use zeroize::Zeroizing;

/// The keys of a store: the first seals, all open.
///
/// To change keys, make the new one the first and keep the others as former keys until nothing that they sealed is
/// left, not even in a copy that may be restored.
///
/// `Debug` prints the ids alone; clones share the keys' bytes.
///
/// ```
/// use gateway_accounts::{Keyring, OsRandom, SealingKey, SealingKeyError};
/// let former = SealingKey::generate("2025-06", &OsRandom)?;
/// let keyring = Keyring::new(SealingKey::generate("2026-11", &OsRandom)?).with_former(former)?;
/// assert_eq!(keyring.ids().collect::<Vec<_>>(), ["2026-11", "2025-06"]);
/// # Ok::<(), SealingKeyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Keyring {
    first: SealingKey,
    former: Vec<SealingKey>,
}

/// What a box is bound to: it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) sid: AccountSid,
    pub(crate) field: SecretField,
}

/// The fields of an account that are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretField {
    WebhookSecret,
    RegistrationPassword,
    QueueEventPassword,
}

/// Why a box was not opened. It repeats neither the box nor what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it is not standard base64")]
    NotBase64,
    #[error("it is shorter than a sealed text can be")]
    TooShort,
    #[error(
        "it is another key of the same name, or the text was altered or belongs to another account or field"
    )]
    Refused,
}

impl SecretField {
    pub(crate) const ALL: [Self; 3] =
        [Self::WebhookSecret, Self::RegistrationPassword, Self::QueueEventPassword];

    /// Its name, part of what its boxes are bound to.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook_secret",
            Self::RegistrationPassword => "registration_webhook.password",
            Self::QueueEventPassword => "queue_event_webhook.password",
        }
    }
}

impl fmt::Display for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Binding {
    /// What every box is bound to besides: whose it is, and the version of these rules.
    const CONTEXT: &'static str = "gateway-accounts/1";

    fn associated_data(&self) -> String {
        format!("{}\0{}\0{}", Self::CONTEXT, self.sid, self.field)
    }
}

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

impl Keyring {
    /// A keyring whose first and only key is this one.
    #[must_use]
    pub fn new(first: SealingKey) -> Self {
        Self { first, former: Vec::new() }
    }

    /// The same keyring, with a key that opens what it sealed and seals nothing more.
    ///
    /// # Errors
    /// [`SealingKeyError::DuplicateId`] when there is a key of its id already.
    pub fn with_former(mut self, key: SealingKey) -> Result<Self, SealingKeyError> {
        if self.get(key.id()).is_some() {
            return Err(SealingKeyError::DuplicateId { id: key.id().into() });
        }
        self.former.push(key);
        Ok(self)
    }

    /// The ids of the keys, that of the first before the others.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys().map(SealingKey::id)
    }

    /// The key that seals.
    pub(super) fn first(&self) -> &SealingKey {
        &self.first
    }

    /// The key of this id.
    pub(super) fn get(&self, id: &str) -> Option<&SealingKey> {
        self.keys().find(|key| key.id() == id)
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.first).chain(&self.former)
    }

    /// Seals a text with the first key: gives its box, in base64.
    ///
    /// # Errors
    /// [`RandomError`] when the random source gives no nonce.
    pub(crate) fn seal(
        &self,
        of: &Binding,
        clear: &[u8],
        random: &dyn Random,
    ) -> Result<Box<str>, RandomError> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce)?;
        // At its full length at once, since a buffer that grows leaves a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(NONCE_LEN + clear.len() + TAG_LEN));
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(clear);
        let tag = cipher(&self.first)
            .encrypt_inout_detached(
                &Array(nonce),
                of.associated_data().as_bytes(),
                (&mut bytes[NONCE_LEN..]).into(),
            )
            .expect("only texts of 256 GiB and more are refused");
        bytes.extend_from_slice(&tag);
        Ok(BASE64_STANDARD.encode(&*bytes).into())
    }
}

/// Opens a box that this key sealed: gives the clear text.
pub(super) fn open(key: &SealingKey, of: &Binding, sealed: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(sealed.len())]);
    let len = BASE64_STANDARD.decode_slice(sealed, &mut bytes).map_err(|_| OpenError::NotBase64)?;
    bytes.truncate(len);
    let (nonce, rest) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or(OpenError::TooShort)?;
    let (text, tag) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::TooShort)?;
    cipher(key)
        .decrypt_inout_detached(&Array(*nonce), of.associated_data().as_bytes(), text.into(), &Array(*tag))
        .map_err(|_| OpenError::Refused)?;
    // Within the buffer, which is wiped whole.
    bytes.truncate(len - TAG_LEN);
    bytes.drain(..NONCE_LEN);
    Ok(bytes)
}

/// The cipher of a key. It wipes its copy of the key.
fn cipher(key: &SealingKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}
