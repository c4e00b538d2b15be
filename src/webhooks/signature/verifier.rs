//! Verifying what was received.

use super::content::Content;
use super::dialect::Dialects;
use super::headers::SignatureHeaders;
use super::keys::{Keys, Signature};
use super::message_id::MessageId;
use super::reading::{self, Fault, JambonzSignature};
use crate::model::timestamp::Timestamp;
use crate::model::webhook_secret::WebhookSecret;
use std::fmt;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};

/// Tells whether a request that was received is from who has the webhook secret, and is as they sent it.
///
/// For the application that is called. It is made once, with the secrets that it accepts: while a rotation is under way,
/// the new one and the one before.
///
/// ```
/// use gateway_accounts::webhooks::{Content, Dialects, MessageId, Signer, Verifier, VerifyError};
/// use gateway_accounts::{Timestamp, WebhookSecret};
/// let secret = WebhookSecret::import("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let now = Timestamp::parse("2026-11-23T20:37:43Z")?;
/// let body = br#"{"event":"join","queue":"support"}"#;
/// let sent = Signer::new(&secret).sign(Dialects::Both, &MessageId::parse("msg_1")?, now, &Content::Body(body));
///
/// let verifier = Verifier::new([&secret]);
/// let verified = verifier.verify(sent.iter(), &Content::Body(body), now)?;
/// assert_eq!(verified.id().map(MessageId::as_str), Some("msg_1"));
///
/// let tampered = br#"{"event":"join","queue":"sales"}"#;
/// assert_eq!(verifier.verify(sent.iter(), &Content::Body(tampered), now), Err(VerifyError::NoMatch));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A request that was accepted once is accepted again as long as its time is within the tolerance. Where that matters,
/// remember the [ids](Verified::id) that were seen, for twice the tolerance; jambonz's own requests have none.
#[derive(Clone)]
pub struct Verifier {
    secrets: Vec<Keys>,
    tolerance: u64,
    dialects: Dialects,
}

/// A request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    secret: usize,
    dialects: Dialects,
    id: Option<MessageId>,
    at: Timestamp,
}

/// Why a request was not accepted. Of what was received it says only which header was at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No header with a signature, in a dialect that is accepted.
    #[error("the request is not signed")]
    Unsigned,
    /// Of the three headers of Standard Webhooks, one is not there.
    #[error("the header {header} is missing")]
    Missing {
        /// Which one.
        header: &'static str,
    },
    /// A header is there twice.
    #[error("the header {header} is there twice")]
    Duplicate {
        /// Which one.
        header: &'static str,
    },
    /// A header's value is not what it must be.
    #[error("the header {header} {reason}")]
    Malformed {
        /// Which one.
        header: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The two dialects say different things: another time, or another secret.
    #[error("the signatures of the two dialects contradict each other")]
    Conflict,
    /// It was signed longer ago than is tolerated: delayed, or sent once more by somebody who recorded it.
    #[error("signed {seconds} s ago, which is more than is tolerated")]
    TooOld {
        /// How long ago.
        seconds: u64,
    },
    /// It was signed further in the future than is tolerated: one of the two clocks is wrong.
    #[error("signed {seconds} s in the future, which is more than is tolerated")]
    TooNew {
        /// How far in the future.
        seconds: u64,
    },
    /// No signature is one of an accepted secret over this content.
    #[error("no signature matches")]
    NoMatch,
}

/// A tolerance that would protect from nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be at most {} s", Verifier::MAX_TOLERANCE.as_secs())]
pub struct ToleranceError;

impl Verifier {
    /// How far the time of a request may be from now, either way: what Standard Webhooks and jambonz's clients have.
    pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

    /// The greatest tolerance: a day.
    pub const MAX_TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

    /// Accepts requests that are signed with one of these secrets, in either dialect. With no secret it accepts
    /// none.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a WebhookSecret>) -> Self {
        Self {
            secrets: secrets.into_iter().map(Keys::of).collect(),
            tolerance: Self::DEFAULT_TOLERANCE.as_secs(),
            dialects: Dialects::Both,
        }
    }

    /// The same with another tolerance, in whole seconds; what is below is cut off. Zero does not disable the check, but
    /// asks for the very second.
    ///
    /// # Errors
    /// [`ToleranceError`] above [`Verifier::MAX_TOLERANCE`].
    pub fn with_tolerance(mut self, tolerance: Duration) -> Result<Self, ToleranceError> {
        if tolerance > Self::MAX_TOLERANCE {
            return Err(ToleranceError);
        }
        self.tolerance = tolerance.as_secs();
        Ok(self)
    }

    /// The same, looking at the headers of these dialects only.
    #[must_use]
    pub fn with_dialects(mut self, dialects: Dialects) -> Self {
        self.dialects = dialects;
        self
    }

    /// Accepts a request, or says why not.
    ///
    /// `headers` are all headers of the request, names in any case: pairs of texts and bytes, or a `&http::HeaderMap` as
    /// it is. If they have signatures in both dialects, both must be right. `content` is what came in, and `now` the time.
    /// Time is about that of one HMAC-SHA256 of the content for each secret, and linear in the length of the
    /// headers; where a signature differs from the right one does not show in it.
    ///
    /// # Errors
    /// [`VerifyError`], the first thing that is wrong.
    pub fn verify<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        content: &Content<'_>,
        now: Timestamp,
    ) -> Result<Verified, VerifyError> {
        let received = Received::gather(headers)?;
        let jambonz = match &received.jambonz {
            Some(value) if self.dialects.jambonz() => Some(self.jambonz(value.as_ref(), content, now)?),
            _ => None,
        };
        let standard_webhooks = match received.standard_webhooks() {
            Some(headers) if self.dialects.standard_webhooks() => {
                Some(self.standard_webhooks(headers?, content, now)?)
            }
            _ => None,
        };
        match (jambonz, standard_webhooks) {
            (Some(one), Some(other)) if one.secret == other.secret && one.at == other.at => {
                Ok(Verified { dialects: Dialects::Both, ..other })
            }
            (Some(_), Some(_)) => Err(VerifyError::Conflict),
            (Some(verified), None) | (None, Some(verified)) => Ok(verified),
            (None, None) => Err(VerifyError::Unsigned),
        }
    }

    fn jambonz(&self, value: &[u8], content: &Content<'_>, now: Timestamp) -> Result<Verified, VerifyError> {
        let header = JambonzSignature::read(value).map_err(malformed(SignatureHeaders::JAMBONZ_SIGNATURE))?;
        let at = self.in_time(header.seconds, now)?;
        let secret = self.secret(|keys| {
            let right =
                |content: Content<'_>| any(&header.signatures, &keys.jambonz(header.seconds_text, &content));
            right(*content) || content.as_jambonz().is_some_and(right)
        })?;
        Ok(Verified { secret, dialects: Dialects::Jambonz, id: None, at })
    }

    fn standard_webhooks(
        &self,
        [id, timestamp, signature]: [&[u8]; 3],
        content: &Content<'_>,
        now: Timestamp,
    ) -> Result<Verified, VerifyError> {
        let id = str::from_utf8(id).ok().and_then(|id| MessageId::parse(id).ok()).ok_or(
            VerifyError::Malformed {
                header: SignatureHeaders::WEBHOOK_ID,
                reason: "is not the id of a message",
            },
        )?;
        let seconds = reading::seconds(timestamp).map_err(malformed(SignatureHeaders::WEBHOOK_TIMESTAMP))?;
        let signatures = reading::standard_webhooks_signatures(signature)
            .map_err(malformed(SignatureHeaders::WEBHOOK_SIGNATURE))?;
        let at = self.in_time(seconds, now)?;
        let secret = self.secret(|keys| {
            any(&signatures, &keys.standard_webhooks(id.as_str().as_bytes(), timestamp, content))
        })?;
        Ok(Verified { secret, dialects: Dialects::StandardWebhooks, id: Some(id), at })
    }

    fn in_time(&self, seconds: u64, now: Timestamp) -> Result<Timestamp, VerifyError> {
        // A timestamp is not before 1970, and what was read has twelve digits at most.
        let now = now.as_millis().unsigned_abs() / 1000;
        let apart = now.abs_diff(seconds);
        if apart <= self.tolerance {
            Ok(Timestamp::from_millis(i64::try_from(seconds * 1000).unwrap_or(i64::MAX)))
        } else if seconds < now {
            Err(VerifyError::TooOld { seconds: apart })
        } else {
            Err(VerifyError::TooNew { seconds: apart })
        }
    }

    /// The first secret with which a signature is right.
    fn secret(&self, right: impl FnMut(&Keys) -> bool) -> Result<usize, VerifyError> {
        self.secrets.iter().position(right).ok_or(VerifyError::NoMatch)
    }
}

/// Whether one of them is the right one. It looks at all of each.
fn any(signatures: &[Signature], right: &Signature) -> bool {
    signatures.iter().fold(Choice::from(0), |found, signature| found | signature.ct_eq(right)).into()
}

fn malformed(header: &'static str) -> impl Fn(Fault) -> VerifyError {
    move |reason| VerifyError::Malformed { header, reason }
}

/// The headers that a request was received with, of those that matter.
struct Received<V> {
    jambonz: Option<V>,
    id: Option<V>,
    timestamp: Option<V>,
    signature: Option<V>,
}

impl<V: AsRef<[u8]>> Received<V> {
    fn gather<N: AsRef<str>>(headers: impl IntoIterator<Item = (N, V)>) -> Result<Self, VerifyError> {
        let mut received = Self { jambonz: None, id: None, timestamp: None, signature: None };
        for (name, value) in headers {
            let slots = [
                (SignatureHeaders::JAMBONZ_SIGNATURE, &mut received.jambonz),
                (SignatureHeaders::WEBHOOK_ID, &mut received.id),
                (SignatureHeaders::WEBHOOK_TIMESTAMP, &mut received.timestamp),
                (SignatureHeaders::WEBHOOK_SIGNATURE, &mut received.signature),
            ];
            for (header, slot) in slots {
                if name.as_ref().eq_ignore_ascii_case(header) {
                    if slot.replace(value).is_some() {
                        return Err(VerifyError::Duplicate { header });
                    }
                    break;
                }
            }
        }
        Ok(received)
    }

    /// Id, timestamp and signature; `None` when none of the three is there.
    fn standard_webhooks(&self) -> Option<Result<[&[u8]; 3], VerifyError>> {
        let names = [
            SignatureHeaders::WEBHOOK_ID,
            SignatureHeaders::WEBHOOK_TIMESTAMP,
            SignatureHeaders::WEBHOOK_SIGNATURE,
        ];
        let values = [&self.id, &self.timestamp, &self.signature];
        if values.iter().all(|value| value.is_none()) {
            return None;
        }
        let mut all: [&[u8]; 3] = [&[]; 3];
        for ((header, value), slot) in names.into_iter().zip(values).zip(&mut all) {
            match value {
                Some(value) => *slot = value.as_ref(),
                None => return Some(Err(VerifyError::Missing { header })),
            }
        }
        Some(Ok(all))
    }
}

impl Verified {
    /// With which of the verifier's secrets it was signed, from 0: with the first one that matched.
    #[must_use]
    pub fn secret(&self) -> usize {
        self.secret
    }

    /// In which dialects.
    #[must_use]
    pub fn dialects(&self) -> Dialects {
        self.dialects
    }

    /// The id of the message; jambonz's dialect has none.
    #[must_use]
    pub fn id(&self) -> Option<&MessageId> {
        self.id.as_ref()
    }

    /// When it was signed, to the second.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("secrets", &self.secrets.len())
            .field("tolerance", &self.tolerance)
            .field("dialects", &self.dialects)
            .finish()
    }
}
