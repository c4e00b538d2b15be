//! The SIP realm.

use crate::model::boxed_text;
use crate::model::problem::ValueError;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use std::borrow::Cow;

/// A *SIP realm*: the domain name that an account's SIP devices register with (RFC 3261 section 19.1.1, `host`;
/// section 22.1, `realm`).
///
/// - a DNS name (RFC 1035 section 2.3.1, RFC 1123 section 2.1) of at least two labels, in lower case;
/// - labels of 1 to [`SipRealm::MAX_LABEL`] letters, digits and inner hyphens;
/// - at most [`SipRealm::MAX_LEN`] characters in all;
/// - names in other scripts are converted to their ASCII form (UTS 46): `café.example` is `xn--caf-dma.example`;
/// - one trailing dot is accepted and dropped;
/// - no IP address, and so no name whose last label is a number (no top-level domain is one);
/// - no port, scheme, user part, underscore or wildcard.
///
/// Realms are equal when they are the same DNS name: `Acme.Example.COM.` is `acme.example.com`.
///
/// ```
/// use gateway_accounts::{SipRealm, SipRealmError};
/// assert_eq!(SipRealm::parse("Acme.Example.COM.")?, SipRealm::parse("acme.example.com")?);
/// assert_eq!(SipRealm::parse("192.0.2.10"), Err(SipRealmError::IpAddress));
/// assert_eq!(SipRealm::parse("localhost"), Err(SipRealmError::OneLabel));
/// assert_eq!(
///     SipRealm::parse("my_realm.example"),
///     Err(SipRealmError::Character { character: '_', position: 2 })
/// );
/// # Ok::<(), SipRealmError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SipRealm(Box<str>);

/// What was wrong with a SIP realm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SipRealmError {
    /// Nothing there. Code `empty`.
    #[error("must not be empty")]
    Empty,
    /// More than [`SipRealm::MAX_LEN`] characters in its ASCII form. Code `too_long`.
    #[error("must have at most {} characters", SipRealm::MAX_LEN)]
    TooLong,
    /// Only one label. Code `one_label`.
    #[error("must have at least two labels, such as acme.example")]
    OneLabel,
    /// A label without characters: two dots in a row, or a leading one. Code `empty_label`.
    #[error("must not have an empty label")]
    EmptyLabel {
        /// Where the label should be, in characters from 0.
        position: usize,
    },
    /// A label of more than [`SipRealm::MAX_LABEL`] characters in its ASCII form. Code `label_too_long`.
    #[error("must have labels of at most {} characters", SipRealm::MAX_LABEL)]
    LabelTooLong {
        /// Where the label begins, in characters from 0.
        position: usize,
    },
    /// A label that begins or ends with a hyphen. Code `hyphen`.
    #[error("must not have a label that begins or ends with a hyphen")]
    Hyphen {
        /// Where the hyphen is, in characters from 0.
        position: usize,
    },
    /// A character that no host name has. Code `character`.
    #[error("must not contain the character {character:?}")]
    Character {
        /// The character.
        character: char,
        /// Its position, in characters from 0.
        position: usize,
    },
    /// An IPv4 or IPv6 address, or a name that ends in a number. Code `ip_address`.
    #[error("must be a domain name, not an IP address")]
    IpAddress,
    /// A label that is not a valid internationalised one (UTS 46). Code `idna`.
    #[error("must have labels that are valid internationalised domain names")]
    Idna {
        /// Where the label begins, in characters from 0.
        position: usize,
    },
}

impl ValueError for SipRealmError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::OneLabel => "one_label",
            Self::EmptyLabel { .. } => "empty_label",
            Self::LabelTooLong { .. } => "label_too_long",
            Self::Hyphen { .. } => "hyphen",
            Self::Character { .. } => "character",
            Self::IpAddress => "ip_address",
            Self::Idna { .. } => "idna",
        }
    }

    fn position(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::TooLong | Self::OneLabel | Self::IpAddress => None,
            Self::EmptyLabel { position }
            | Self::LabelTooLong { position }
            | Self::Hyphen { position }
            | Self::Character { position, .. }
            | Self::Idna { position } => Some(*position),
        }
    }
}

impl SipRealmError {
    /// The same error of a converted name, told at the beginning of the same label of the text it was converted from.
    fn moved_to(mut self, name: &str, text: &str) -> Self {
        if let Self::EmptyLabel { position }
        | Self::LabelTooLong { position }
        | Self::Hyphen { position }
        | Self::Character { position, .. }
        | Self::Idna { position } = &mut self
        {
            let label = name[..*position].matches('.').count();
            *position = text.split(is_dot).take(label).map(|label| label.chars().count() + 1).sum();
        }
        self
    }
}

impl SipRealm {
    /// The longest realm, in characters of its ASCII form: 253, the longest DNS name in text (RFC 1035 section
    /// 2.3.4). jambonz stores up to 132.
    pub const MAX_LEN: usize = 253;

    /// The longest label, in characters of its ASCII form (RFC 1035 section 2.3.4).
    pub const MAX_LABEL: usize = 63;

    /// A text of more bytes than this is refused unread: no ASCII form is shorter than a quarter of its text.
    const MAX_INPUT_BYTES: usize = Self::MAX_LEN * 16;

    /// Reads a realm.
    ///
    /// # Errors
    /// [`SipRealmError`] when it breaks one of the rules above.
    pub fn parse(text: &str) -> Result<Self, SipRealmError> {
        if text.is_empty() {
            return Err(SipRealmError::Empty);
        }
        if text.len() > Self::MAX_INPUT_BYTES {
            return Err(SipRealmError::TooLong);
        }
        if text.starts_with('[') {
            return Err(SipRealmError::IpAddress);
        }
        let given_in_ascii = text.is_ascii() && !has_punycode(text);
        let ascii = if given_in_ascii { text.to_ascii_lowercase() } else { to_ascii(text)? };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        match check(name) {
            Ok(()) => Ok(Self(name.into())),
            Err(error) if given_in_ascii => Err(error),
            Err(error) => Err(error.moved_to(name, text)),
        }
    }

    /// The realm in the script its owner reads: `café.example` for `xn--caf-dma.example`.
    #[must_use]
    pub fn to_unicode(&self) -> Cow<'_, str> {
        Uts46::new().to_unicode(self.0.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast).0
    }

    /// The parent domains that could be realms, nearest first: of `a.b.example.com`, `b.example.com` and
    /// `example.com`.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(&*self.0), |name| name.split_once('.').map(|(_, parent)| parent))
            .skip(1)
            .filter(|name| name.contains('.'))
    }
}

fn has_punycode(text: &str) -> bool {
    text.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--"))
}

/// Converts label by label, so that an error can say where.
fn to_ascii(text: &str) -> Result<String, SipRealmError> {
    let convert = |text: &str| {
        Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore)
            .map(Cow::into_owned)
    };
    match convert(text) {
        Ok(name) => Ok(name),
        Err(_) => {
            let mut position = 0;
            for label in text.split(is_dot) {
                check_ascii_characters(label, position)?;
                if convert(label).is_err() {
                    return Err(SipRealmError::Idna { position });
                }
                position += label.chars().count() + 1;
            }
            // Valid label by label, so that the fault is one of the whole, such as mixed text directions.
            Err(SipRealmError::Idna { position: 0 })
        }
    }
}

/// The full stop, and the characters that UTS 46 maps to it.
fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

fn check_ascii_characters(label: &str, start: usize) -> Result<(), SipRealmError> {
    for (i, character) in label.chars().enumerate() {
        if character.is_ascii() && !(character.is_ascii_alphanumeric() || character == '-') {
            return Err(SipRealmError::Character { character, position: start + i });
        }
    }
    Ok(())
}

/// The rules of a name that is in ASCII and in lower case.
fn check(name: &str) -> Result<(), SipRealmError> {
    let mut position = 0;
    for label in name.split('.') {
        check_ascii_characters(label, position)?;
        if label.is_empty() {
            return Err(SipRealmError::EmptyLabel { position });
        }
        if label.starts_with('-') {
            return Err(SipRealmError::Hyphen { position });
        }
        if label.ends_with('-') {
            return Err(SipRealmError::Hyphen { position: position + label.len() - 1 });
        }
        if label.len() > SipRealm::MAX_LABEL {
            return Err(SipRealmError::LabelTooLong { position });
        }
        position += label.len() + 1;
    }
    if name.len() > SipRealm::MAX_LEN {
        return Err(SipRealmError::TooLong);
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || is_hexadecimal(last) {
        return Err(SipRealmError::IpAddress);
    }
    if last.len() == name.len() {
        return Err(SipRealmError::OneLabel);
    }
    Ok(())
}

/// Whether URL parsers read this as a hexadecimal number, and so the name as an IPv4 address.
fn is_hexadecimal(label: &str) -> bool {
    label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

boxed_text!(SipRealm, SipRealmError, "a domain name");

#[cfg(test)]
mod tests {
    use super::*;
    use SipRealmError as E;
    use proptest::prelude::*;

    #[test]
    fn accepted_and_refused() {
        let label = "l".repeat(63);
        let long_label = format!("{}.example", "l".repeat(64));
        let longest = format!("{label}.{label}.{label}.{}", "l".repeat(61));
        let too_long = format!("{label}.{label}.{label}.{}", "l".repeat(62));
        for (text, expected) in [
            ("acme.sip.northwind.example", Ok("acme.sip.northwind.example")),
            ("Acme.Example.COM", Ok("acme.example.com")),
            ("acme.sip.northwind.example.", Ok("acme.sip.northwind.example")),
            ("realm-bk7wngxs9jzgn5pwslxxxx.cognigy.ai", Ok("realm-bk7wngxs9jzgn5pwslxxxx.cognigy.ai")),
            ("4242.sip.northwind.example", Ok("4242.sip.northwind.example")),
            ("a--b.example", Ok("a--b.example")),
            ("café.sip.northwind.example", Ok("xn--caf-dma.sip.northwind.example")),
            ("XN--CAF-DMA.pbx.atlantico.example", Ok("xn--caf-dma.pbx.atlantico.example")),
            ("acme。example", Ok("acme.example")),
            ("ＡＣＭＥ.example", Ok("acme.example")),
            ("faß.example", Ok("xn--fa-hia.example")),
            (&longest, Ok(longest.as_str())),
            (&too_long, Err(E::TooLong)),
            (&long_label, Err(E::LabelTooLong { position: 0 })),
            ("", Err(E::Empty)),
            (".", Err(E::EmptyLabel { position: 0 })),
            ("acme.example..", Err(E::EmptyLabel { position: 13 })),
            (".acme.example", Err(E::EmptyLabel { position: 0 })),
            ("acme..example", Err(E::EmptyLabel { position: 5 })),
            ("localhost", Err(E::OneLabel)),
            ("localhost.", Err(E::OneLabel)),
            ("192.0.2.10", Err(E::IpAddress)),
            ("192.0.2.10.", Err(E::IpAddress)),
            ("１９２.0.2.10", Err(E::IpAddress)),
            ("3221225994", Err(E::IpAddress)),
            ("acme.0x7f", Err(E::IpAddress)),
            ("[2001:db8::1]", Err(E::IpAddress)),
            ("2001:db8::1", Err(E::Character { character: ':', position: 4 })),
            ("my_realm.sip.northwind.example", Err(E::Character { character: '_', position: 2 })),
            ("*.acme.example", Err(E::Character { character: '*', position: 0 })),
            ("acme.example:5060", Err(E::Character { character: ':', position: 12 })),
            ("sip:acme.example", Err(E::Character { character: ':', position: 3 })),
            ("alice@acme.example", Err(E::Character { character: '@', position: 5 })),
            ("bad realm.example:5060", Err(E::Character { character: ' ', position: 3 })),
            ("acme.sip.northwind.example ", Err(E::Character { character: ' ', position: 26 })),
            ("a b/c.sip.northwind.example", Err(E::Character { character: ' ', position: 1 })),
            ("café_x.example", Err(E::Character { character: '_', position: 4 })),
            ("a\0.example", Err(E::Character { character: '\0', position: 1 })),
            ("-acme.example", Err(E::Hyphen { position: 0 })),
            ("acme-.example", Err(E::Hyphen { position: 4 })),
            ("café..example", Err(E::EmptyLabel { position: 5 })),
            ("éé.日.-a.example", Err(E::Idna { position: 5 })),
            ("acme.xn--zzzz9.example", Err(E::Idna { position: 5 })),
            ("acme.a\u{200d}b.example", Err(E::Idna { position: 5 })),
        ] {
            let got = SipRealm::parse(text);
            assert_eq!(got.as_ref().map(SipRealm::as_str), expected.as_ref().map(|s| *s), "{text:?}");
            assert_eq!(serde_json::from_value::<SipRealm>(text.into()).is_ok(), expected.is_ok(), "{text:?}");
        }
    }

    #[test]
    fn parents_nearest_first() {
        let realm = SipRealm::parse("a.b.example.com").unwrap();
        assert_eq!(realm.parents().collect::<Vec<_>>(), ["b.example.com", "example.com"]);
        assert_eq!(SipRealm::parse("example.com").unwrap().parents().count(), 0);
        assert_eq!(SipRealm::parse("xn--caf-dma.example").unwrap().to_unicode(), "café.example");
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(text in ".{0,40}|[-a-zA-Z0-9.]{1,80}|[a-zé東ß。]{1,10}\\.[a-z]{2,5}\\.?") {
            if let Ok(realm) = SipRealm::parse(&text) {
                prop_assert_eq!(SipRealm::parse(realm.as_str()), Ok(realm.clone()));
                prop_assert_eq!(SipRealm::parse(&realm.as_str().to_uppercase()), Ok(realm.clone()));
                prop_assert_eq!(SipRealm::parse(&format!("{realm}.")), Ok(realm.clone()));
                prop_assert!(realm.as_str().is_ascii());
            }
        }
    }
}
