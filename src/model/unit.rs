//! The unit an account is measured in, and its limits.

use crate::model::problem::ValueError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many of something an account may have: a number, or no limit.
///
/// There is no magic zero. `AtMost(0)` lets nothing through. (jambonz reads 0 as "no limit" in one of its tables
/// and as "block all" in another.)
///
/// In JSON it is the number, or the text `"unlimited"`.
///
/// ```
/// use gateway_accounts::Limit;
/// assert_eq!(serde_json::from_str::<Limit>("30")?, Limit::AtMost(30));
/// assert_eq!(serde_json::from_str::<Limit>("\"unlimited\"")?, Limit::Unlimited);
/// assert!(serde_json::from_str::<Limit>("-5").is_err());
/// assert!(!Limit::AtMost(0).allows(1));
/// assert!(Limit::AtMost(30) < Limit::Unlimited);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// At most so many; of 0, none.
    AtMost(u32),
    /// Any number. Greater than every `AtMost`.
    Unlimited,
}

/// What was wrong with a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Neither a whole number nor `"unlimited"`. Code `not_a_limit`.
    #[error("must be a whole number from 0 to 4294967295, or \"unlimited\"")]
    Form,
}

impl ValueError for LimitError {
    fn code(&self) -> &'static str {
        "not_a_limit"
    }
}

impl Limit {
    /// Whether so many are within the limit.
    #[must_use]
    pub fn allows(self, count: u64) -> bool {
        match self {
            Self::AtMost(most) => count <= u64::from(most),
            Self::Unlimited => true,
        }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`LimitError`] when it is negative, fractional, too large, or another text.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, LimitError> {
        match value {
            serde_json::Value::String(text) if text == UNLIMITED => Ok(Self::Unlimited),
            _ => value
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .map(Self::AtMost)
                .ok_or(LimitError::Form),
        }
    }
}

const UNLIMITED: &str = "unlimited";

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => most.fmt(f),
            Self::Unlimited => f.write_str(UNLIMITED),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtMost(most) => serializer.serialize_u32(*most),
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Limit;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or \"unlimited\"")
            }
            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Limit, E> {
                u32::try_from(count).map(Limit::AtMost).map_err(|_| E::custom(LimitError::Form))
            }
            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Limit, E> {
                u32::try_from(count).map(Limit::AtMost).map_err(|_| E::custom(LimitError::Form))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limit, E> {
                if text == UNLIMITED { Ok(Limit::Unlimited) } else { Err(E::custom(LimitError::Form)) }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an account's use is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// Sessions that run at the same time.
    Sessions,
    /// Minutes in a billing period.
    Minutes,
}

/// What was wrong with the kind of a unit. Code `not_a_unit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be \"sessions\" or \"minutes\"")]
pub struct UnitKindError;

impl ValueError for UnitKindError {
    fn code(&self) -> &'static str {
        "not_a_unit"
    }
}

impl UnitKind {
    /// Reads `sessions` or `minutes`.
    ///
    /// # Errors
    /// [`UnitKindError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, UnitKindError> {
        match text {
            "sessions" => Ok(Self::Sessions),
            "minutes" => Ok(Self::Minutes),
            _ => Err(UnitKindError),
        }
    }
}

impl fmt::Display for UnitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sessions => "sessions",
            Self::Minutes => "minutes",
        })
    }
}

/// A *Unit*: sessions or minutes, never both, and the maximum number of them, which is enforced.
///
/// In JSON: `{"kind":"sessions","maximum":120}`.
///
/// ```
/// use gateway_accounts::{Limit, Unit};
/// let unit = Unit::sessions(120);
/// assert_eq!(unit.to_string(), "120 sessions");
/// assert_eq!(unit.maximum, Limit::AtMost(120));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// What is counted.
    pub kind: UnitKind,
    /// The most of them there may be.
    pub maximum: Limit,
}

impl Unit {
    /// At most so many sessions at the same time.
    #[must_use]
    pub const fn sessions(maximum: u32) -> Self {
        Self { kind: UnitKind::Sessions, maximum: Limit::AtMost(maximum) }
    }

    /// At most so many minutes in a billing period.
    #[must_use]
    pub const fn minutes(maximum: u32) -> Self {
        Self { kind: UnitKind::Minutes, maximum: Limit::AtMost(maximum) }
    }

    /// Whether so many licensed sessions fit: when the unit is sessions with a maximum, no more may be licensed.
    #[must_use]
    pub fn fits(self, licensed_sessions: Limit) -> bool {
        self.kind == UnitKind::Minutes || licensed_sessions <= self.maximum
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.maximum, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_accepted_and_refused() {
        for (value, expected) in [
            (json!(0), Some(Limit::AtMost(0))),
            (json!(30), Some(Limit::AtMost(30))),
            (json!(4_294_967_295_u64), Some(Limit::AtMost(u32::MAX))),
            (json!("unlimited"), Some(Limit::Unlimited)),
            (json!(4_294_967_296_u64), None),
            (json!(-5), None),
            (json!(1.5), None),
            (json!("30"), None),
            (json!("many"), None),
            (json!(null), None),
            (json!([30]), None),
        ] {
            assert_eq!(Limit::from_json(&value).ok(), expected, "{value}");
            assert_eq!(serde_json::from_value::<Limit>(value.clone()).ok(), expected, "{value}");
            if let Some(limit) = expected {
                assert_eq!(serde_json::to_value(limit).unwrap(), value);
            }
        }
    }

    #[test]
    fn licensed_sessions_fit_the_unit() {
        use Limit::{AtMost, Unlimited};
        use UnitKind::{Minutes, Sessions};
        for (kind, maximum, licensed, fits) in [
            (Sessions, AtMost(30), AtMost(30), true),
            (Sessions, AtMost(30), AtMost(31), false),
            (Sessions, AtMost(30), Unlimited, false),
            (Sessions, AtMost(0), AtMost(0), true),
            (Sessions, Unlimited, Unlimited, true),
            (Sessions, Unlimited, AtMost(500), true),
            (Minutes, AtMost(30), AtMost(31), true),
            (Minutes, AtMost(0), Unlimited, true),
        ] {
            assert_eq!(Unit { kind, maximum }.fits(licensed), fits, "{kind:?} {maximum} {licensed}");
        }
    }

    #[test]
    fn a_unit_is_never_both() {
        for (text, accepted) in [
            (r#"{"kind":"sessions","maximum":120}"#, true),
            (r#"{"kind":"minutes","maximum":"unlimited"}"#, true),
            (r#"{"kind":"sessions","maximum":120,"minutes":5}"#, false),
            (r#"{"kind":"sessions"}"#, false),
            (r#"{"kind":"Sessions","maximum":120}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<Unit>(text).is_ok(), accepted, "{text}");
        }
    }
}
