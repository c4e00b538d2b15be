//! Numbers that some senders write as texts.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

use crate::model::timestamp::Timestamp;

/// Reads a whole number, a text of its digits, or nothing: `null`, or an empty text.
pub(super) fn deserialize<'de, T: TryFrom<u64>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let number = deserializer.deserialize_any(Number)?;
    let fits = |number| {
        T::try_from(number)
            .map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(number), &Expected::<T>(PhantomData)))
    };
    number.map(fits).transpose()
}

struct Expected<T>(PhantomData<T>);

impl<T> serde::de::Expected for Expected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number of {} bits at most", 8 * size_of::<T>())
    }
}

struct Number;

impl<'de> Visitor<'de> for Number {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a text of its digits")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<u64>, E> {
        Ok(Some(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<u64>, E> {
        u64::try_from(number).map(Some).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<u64>, E> {
        // Every whole number below 2^53 is one of double precision, and JavaScript writes 1e21 for the first that it
        // does not write with all its digits.
        let whole = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and in range"
        )]
        if whole { Ok(Some(number as u64)) } else { Err(E::invalid_value(Unexpected::Float(number), &self)) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<u64>, E> {
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| digits)
            .map(Some)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_unit<E>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Moments as milliseconds since 1970.
pub(super) mod millis {
    use super::*;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let millis: Option<i64> = super::deserialize(deserializer)?;
        Ok(millis.map(Timestamp::from_millis))
    }

    pub(in super::super) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(Timestamp::as_millis).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn accepted_and_refused() {
        for (value, expected) in [
            (json!(0), Ok(Some(0))),
            (json!(3600), Ok(Some(3600))),
            (json!(3600.0), Ok(Some(3600))),
            (json!("3600"), Ok(Some(3600))),
            (json!("03600"), Ok(Some(3600))),
            (json!(""), Ok(None)),
            (json!(null), Ok(None)),
            (json!(65_535), Ok(Some(65_535))),
            (
                json!(65_536),
                Err("invalid value: integer `65536`, expected a whole number of 16 bits at most"),
            ),
            (
                json!("65536"),
                Err("invalid value: integer `65536`, expected a whole number of 16 bits at most"),
            ),
            (json!(-1), Err("invalid value: integer `-1`, expected a whole number, or a text of its digits")),
            (
                json!(0.5),
                Err("invalid value: floating point `0.5`, expected a whole number, or a text of its digits"),
            ),
            (
                json!(1e300),
                Err(
                    "invalid value: floating point `1e+300`, expected a whole number, or a text of its digits",
                ),
            ),
            (
                json!("-1"),
                Err("invalid value: string \"-1\", expected a whole number, or a text of its digits"),
            ),
            (
                json!("+1"),
                Err("invalid value: string \"+1\", expected a whole number, or a text of its digits"),
            ),
            (
                json!(" 1"),
                Err("invalid value: string \" 1\", expected a whole number, or a text of its digits"),
            ),
            (
                json!("1h"),
                Err("invalid value: string \"1h\", expected a whole number, or a text of its digits"),
            ),
            (
                json!(true),
                Err("invalid type: boolean `true`, expected a whole number, or a text of its digits"),
            ),
            (json!([1]), Err("invalid type: sequence, expected a whole number, or a text of its digits")),
        ] {
            let got: Result<Option<u16>, _> = deserialize(value.clone());
            assert_eq!(got.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{value}");
        }
    }
}
