//! A moment in time.

use crate::model::text_form;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A moment in UTC, to the millisecond. In text and JSON it is RFC 3339: `2026-11-23T20:37:43.000Z`.
///
/// It holds the years 1970 to 9998; a moment outside is moved to the nearer end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a moment in RFC 3339 such as 2026-11-23T20:37:43.000Z")]
pub struct TimestampError;

/// 9998-12-31T23:59:59.999Z: in every time zone within the years that RFC 3339 can write.
const LAST_MILLIS: i64 = 253_370_764_799_999;

impl Timestamp {
    /// The moment so many milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LAST_MILLIS))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 text; any offset is converted to UTC, anything below a millisecond is cut off.
    ///
    /// # Errors
    /// [`TimestampError`] when the text is not RFC 3339, or not within the years 1970 to 9998.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        if !has_shape(text.as_bytes()) {
            return Err(TimestampError);
        }
        let moment: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        let millis = moment.as_millisecond();
        if moment >= jiff::Timestamp::UNIX_EPOCH && (0..=LAST_MILLIS).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(TimestampError)
        }
    }

    /// The moment so much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// How much time has passed since `earlier`; zero when `earlier` is the later one (a clock can step back).
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Whether a text has the shape that RFC 3339 section 5.6 asks for; the parser reads other forms of ISO 8601 too.
fn has_shape(text: &[u8]) -> bool {
    let is = |text: &[u8], shape: &[u8]| {
        text.len() == shape.len()
            && text
                .iter()
                .zip(shape)
                .all(|(c, shape)| if *shape == b'0' { c.is_ascii_digit() } else { c == shape })
    };
    let Some((moment, rest)) = text.split_at_checked(19) else { return false };
    let fraction = match rest.split_first() {
        Some((b'.', digits)) => 1 + digits.iter().take_while(|c| c.is_ascii_digit()).count(),
        _ => 0,
    };
    let offset = &rest[fraction..];
    is(moment, b"0000-00-00T00:00:00")
        && fraction != 1
        && (offset == b"Z" || (is(offset, b"+00:00") || is(offset, b"-00:00")) && offset[1..3] <= b"23"[..])
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(moment: Timestamp) -> Self {
        Self::UNIX_EPOCH + Duration::from_millis(u64::try_from(moment.0).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{moment:.3}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_form!(Timestamp, TimestampError, "an RFC 3339 moment");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-23T20:37:43.000Z", Some(1_795_466_263_000)),
            ("2026-11-23T21:37:43+01:00", Some(1_795_466_263_000)),
            ("2026-11-23T20:37:43.0019Z", Some(1_795_466_263_001)),
            ("9998-12-31T23:59:59.999Z", Some(LAST_MILLIS)),
            ("9999-01-01T00:00:00Z", None),
            ("1969-12-31T23:59:59.9999Z", None),
            ("2026-11-23 20:37:43Z", None),
            ("20261123T203743Z", None),
            ("2026-11-23T20Z", None),
            ("+002026-11-23T20:37:43Z", None),
            ("2026-11-23T20:37:43,5Z", None),
            ("2026-11-23T20:37:43.Z", None),
            ("2026-11-23T20:37:43Z[UTC]", None),
            ("2026-11-23T20:37:43+25:00", None),
            ("1969-12-31T23:59:59Z", None),
            ("2026-11-23", None),
            ("2026-11-23T20:37:43", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse(text).ok().map(Timestamp::as_millis), expected, "{text:?}");
        }
    }

    #[test]
    fn prints_what_it_reads_and_stays_within_its_years() {
        for millis in [0, 1, 999, 1_795_466_263_042, LAST_MILLIS] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::parse(&moment.to_string()), Ok(moment));
            assert_eq!(Timestamp::from(SystemTime::from(moment)), moment);
        }
        assert_eq!(Timestamp::from_millis(-1).as_millis(), 0);
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9998-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(5).after(Duration::MAX).as_millis(), LAST_MILLIS);
    }
}
