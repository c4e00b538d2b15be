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
    FormerWebhookSecret,
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
    pub(crate) const ALL: [Self; 4] = [
        Self::WebhookSecret,
        Self::RegistrationPassword,
        Self::QueueEventPassword,
        Self::FormerWebhookSecret,
    ];

    /// Its name, part of what its boxes are bound to.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook_secret",
            Self::RegistrationPassword => "registration_webhook.password",
            Self::QueueEventPassword => "queue_event_webhook.password",
            Self::FormerWebhookSecret => "former_webhook_secret.secret",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    const ACME: &str = "06b5fe07-1d99-422b-902a-3b343f675413";
    const OTHER: &str = "06b5fe07-1d99-422b-902a-3b343f675414";

    fn binding(sid: &str, field: SecretField) -> Binding {
        Binding { sid: sid.parse().unwrap(), field }
    }

    fn key(id: &str, byte: u8) -> SealingKey {
        SealingKey::new(id, [byte; 32]).unwrap()
    }

    #[test]
    fn what_a_box_is_bound_to() {
        for (field, expected) in [
            (SecretField::WebhookSecret, format!("gateway-accounts/1\0{ACME}\0webhook_secret")),
            (
                SecretField::RegistrationPassword,
                format!("gateway-accounts/1\0{ACME}\0registration_webhook.password"),
            ),
            (
                SecretField::QueueEventPassword,
                format!("gateway-accounts/1\0{ACME}\0queue_event_webhook.password"),
            ),
        ] {
            assert_eq!(binding(ACME, field).associated_data(), expected);
            assert_eq!(binding(&ACME.to_uppercase(), field).associated_data(), expected);
        }
    }

    #[test]
    fn opens_with_its_key_and_binding_only() {
        let [secret, password] = [SecretField::WebhookSecret, SecretField::RegistrationPassword];
        let first = key("k", 1);
        let keyring = Keyring::new(first.clone());
        let of = binding(ACME, secret);
        let random = SeededRandom::new(1);
        for clear in [b"".as_slice(), b"x", &[0xff; 64], &[7; 255]] {
            let sealed = keyring.seal(&of, clear, &random).unwrap();
            assert_eq!(**open(&first, &of, &sealed).unwrap(), *clear);
            assert_ne!(keyring.seal(&of, clear, &random).unwrap(), sealed, "another nonce");
            for (key, of) in
                [(&key("k", 2), of), (&first, binding(OTHER, secret)), (&first, binding(ACME, password))]
            {
                assert_eq!(open(key, &of, &sealed), Err(OpenError::Refused), "{key:?} {of:?}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let first = key("k", 1);
        let of = binding(ACME, SecretField::WebhookSecret);
        let sealed = Keyring::new(first.clone()).seal(&of, b"hunter2", &SeededRandom::new(1)).unwrap();
        let bytes = BASE64_STANDARD.decode(&*sealed).unwrap();
        assert_eq!(bytes.len(), 24 + 7 + 16);
        let open = |bytes: &[u8]| open(&first, &of, &BASE64_STANDARD.encode(bytes));
        assert_eq!(**open(&bytes).unwrap(), *b"hunter2");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&flipped), Err(OpenError::Refused), "bit {bit}");
        }
        for len in 0..bytes.len() {
            let expected = if len < 24 + 16 { OpenError::TooShort } else { OpenError::Refused };
            assert_eq!(open(&bytes[..len]), Err(expected), "{len} bytes");
        }
        assert_eq!(open(&[&*bytes, &[0]].concat()), Err(OpenError::Refused));
    }

    #[test]
    fn every_changed_character_of_a_box_is_refused() {
        let first = key("k", 1);
        let of = binding(ACME, SecretField::WebhookSecret);
        // With padding of 0, 1 and 2 characters.
        for clear in ["hunter22", "hunter2", "hunter"] {
            let random = SeededRandom::new(1);
            let sealed = Keyring::new(first.clone()).seal(&of, clear.as_bytes(), &random).unwrap();
            for at in 0..sealed.len() {
                for other in (0..0x80).map(char::from).filter(|c| !sealed[at..].starts_with(*c)) {
                    let changed = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
                    assert!(open(&first, &of, &changed).is_err(), "{other:?} at {at}");
                }
            }
            for text in [format!("{sealed}\n"), format!(" {sealed}"), format!("{sealed}=")] {
                assert_eq!(open(&first, &of, &text), Err(OpenError::NotBase64), "{text:?}");
            }
        }
    }

    #[test]
    fn one_key_of_an_id() {
        let keyring = Keyring::new(key("a", 1)).with_former(key("b", 2)).unwrap();
        for id in ["a", "b"] {
            match keyring.clone().with_former(key(id, 3)) {
                Err(SealingKeyError::DuplicateId { id: found }) => assert_eq!(&*found, id),
                other => panic!("{other:?}"),
            }
        }
        let keyring = keyring.with_former(key("c", 3)).unwrap();
        assert_eq!(keyring.ids().collect::<Vec<_>>(), ["a", "b", "c"]);
        for (id, byte) in [("a", 1), ("b", 2), ("c", 3)] {
            assert_eq!(keyring.get(id).unwrap().bytes(), &[byte; 32]);
        }
        assert!(keyring.get("d").is_none());
        assert_eq!(
            format!("{keyring:?}"),
            r#"Keyring { first: SealingKey("a"), former: [SealingKey("b"), SealingKey("c")] }"#
        );
    }
}
