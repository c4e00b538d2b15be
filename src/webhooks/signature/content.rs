//! What of a request is signed.

use hmac::Mac;

/// What of a request is signed: of a POST the body, of a GET, which has none, the method and the URL.
///
/// The body is bytes, and need not be UTF-8: sign the ones that you send, and verify the ones that you received, before
/// anything parses them.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A POST: its body, byte for byte.
    Body(&'a [u8]),
    /// A GET: `GET`, a space, and its URL.
    Get {
        /// The URL as it is called: absolute, with its query, without a fragment, in the form that the WHATWG URL
        /// standard prints. Who receives the request knows its own address, and appends the query that came in.
        url: &'a str,
        /// The bytes that jambonz would sign for the same request, to sign or accept them too: in jambonz's dialect only.
        /// It signs for a GET what it does not send: of a queue event the body that a POST would have, and of a
        /// registration [`Content::JAMBONZ_REGISTRATION`]. Such a signature protects nothing but the time, so
        /// leave this out, unless an application asks for it that was there before.
        as_jambonz: Option<&'a [u8]>,
    },
}

impl<'a> Content<'a> {
    /// What jambonz signs when a registration webhook is called by GET, whatever is registered.
    pub const JAMBONZ_REGISTRATION: &'static [u8] = b"\"null\"";

    /// A GET of this URL.
    #[must_use]
    pub const fn get(url: &'a str) -> Self {
        Self::Get { url, as_jambonz: None }
    }

    /// Adds what is signed.
    pub(super) fn update(&self, mac: &mut impl Mac) {
        match self {
            Self::Body(body) => mac.update(body),
            Self::Get { url, .. } => {
                mac.update(b"GET ");
                mac.update(url.as_bytes());
            }
        }
    }

    /// What jambonz would sign instead, if that is to be signed or accepted too.
    pub(super) fn as_jambonz(&self) -> Option<Content<'a>> {
        match self {
            Self::Get { as_jambonz, .. } => as_jambonz.map(Content::Body),
            Self::Body(_) => None,
        }
    }
}
