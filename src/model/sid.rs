//! The identifiers of the account model, all on one screen.
//!
//! Each kind is a type of its own, so that an application's SID can't be handed over where an account's is
//! meant. In text they are UUIDs (RFC 9562): 36 characters, lower case, hyphenated, as the account page shows
//! and as jambonz stores them.

use crate::model::problem::ValueError;
use crate::model::text_form;
use crate::model::timestamp::Timestamp;
use crate::random::{Random, RandomError};
use std::fmt;
use uuid::{NonNilUuid, Uuid};

/// What was wrong with the text of a SID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SidError {
    /// Not the 36 characters of a hyphenated UUID. Code `not_a_uuid`.
    #[error("must be a UUID of 36 characters such as 06b5fe07-1d99-422b-902a-3b343f675413")]
    Form,
    /// The nil UUID (all zeros) names nothing. Code `nil_uuid`.
    #[error("must not be the nil UUID")]
    Nil,
}

impl ValueError for SidError {
    fn code(&self) -> &'static str {
        match self {
            Self::Form => "not_a_uuid",
            Self::Nil => "nil_uuid",
        }
    }
}

fn parse(text: &str) -> Result<NonNilUuid, SidError> {
    if text.len() != 36 {
        return Err(SidError::Form);
    }
    let uuid = Uuid::try_parse(text).map_err(|_| SidError::Form)?;
    NonNilUuid::new(uuid).ok_or(SidError::Nil)
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonNilUuid);

        impl $name {
            /// Reads the 36-character form; upper case is accepted and lowered.
            ///
            /// # Errors
            /// [`SidError`] when it is not a hyphenated UUID, or the nil one.
            pub fn parse(text: &str) -> Result<Self, SidError> {
                parse(text).map(Self)
            }

            /// Wraps a UUID.
            ///
            /// # Errors
            /// [`SidError::Nil`] when all its bits are zero.
            pub fn from_uuid(uuid: Uuid) -> Result<Self, SidError> {
                NonNilUuid::new(uuid).map(Self).ok_or(SidError::Nil)
            }

            /// The UUID.
            #[must_use]
            pub fn as_uuid(self) -> Uuid {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.get().hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        text_form!($name, SidError, "a UUID of 36 characters");
    };
}

sid! {
    /// An *Account SID*: generated when the account is created, and never changed.
    ///
    /// ```
    /// use gateway_accounts::AccountSid;
    /// let sid: AccountSid = "06B5FE07-1d99-422b-902a-3b343f675413".parse()?;
    /// assert_eq!(sid.to_string(), "06b5fe07-1d99-422b-902a-3b343f675413");
    /// assert!("06b5fe07".parse::<AccountSid>().is_err());
    /// assert!("00000000-0000-0000-0000-000000000000".parse::<AccountSid>().is_err());
    /// # Ok::<(), gateway_accounts::SidError>(())
    /// ```
    AccountSid
}

sid! {
    /// The SID of an application: what handles a call. Applications belong to the embedding program; an account
    /// only refers to them.
    ApplicationSid
}

sid! {
    /// The SID of a service provider: the reseller that owns an account.
    ServiceProviderSid
}

impl AccountSid {
    /// A new SID: a UUID version 7 (RFC 9562 section 5.7) of the given moment and 74 random bits, so that
    /// accounts list in the order of their creation.
    ///
    /// # Errors
    /// [`RandomError`] when the random source fails.
    pub fn generate(now: Timestamp, random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 10];
        random.fill(&mut bytes)?;
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        Ok(Self(NonNilUuid::new(uuid).expect("the version bits of a version 7 UUID are not zero")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        for (text, expected) in [
            ("06b5fe07-1d99-422b-902a-3b343f675413", Ok("06b5fe07-1d99-422b-902a-3b343f675413")),
            ("06B5FE07-1D99-422B-902A-3B343F675413", Ok("06b5fe07-1d99-422b-902a-3b343f675413")),
            ("", Err(SidError::Form)),
            ("06b5fe071d99422b902a3b343f675413", Err(SidError::Form)),
            ("{06b5fe07-1d99-422b-902a-3b343f675413}", Err(SidError::Form)),
            ("06b5fe07-1d99-422b-902a-3b343f67541g", Err(SidError::Form)),
            ("06b5fe07-1d99-422b-902a-3b343f675413 ", Err(SidError::Form)),
            ("ééééééééé-é-é-é-é-é", Err(SidError::Form)),
            ("00000000-0000-0000-0000-000000000000", Err(SidError::Nil)),
        ] {
            let got = AccountSid::parse(text).map(|sid| sid.to_string());
            assert_eq!(got, expected.clone().map(str::to_owned), "{text:?}");
            let json = serde_json::from_value::<AccountSid>(text.into()).map(|sid| sid.to_string());
            assert_eq!(json.ok(), expected.ok().map(str::to_owned), "{text:?} as JSON");
        }
    }

    #[test]
    fn an_option_costs_nothing() {
        assert_eq!(size_of::<Option<ApplicationSid>>(), 16);
    }
}
