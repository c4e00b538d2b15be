//! Billing periods.

use crate::model::timestamp::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;

/// When minutes are counted from 0 again: on a day of each month, as that day begins in a time zone.
///
/// ```
/// use gateway_accounts::{Timestamp, admission::BillingPeriod};
/// let period = BillingPeriod::monthly("Europe/Berlin")?.from_day(15)?;
/// let (start, end) = period.around(Timestamp::parse("2026-11-26T18:00:00Z")?);
/// assert_eq!(start.to_string(), "2026-11-14T23:00:00.000Z");
/// assert_eq!(end.to_string(), "2026-12-14T23:00:00.000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BillingPeriod {
    zone: TimeZone,
    /// 1 to 31.
    day: i8,
}

/// What was wrong with a billing period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BillingPeriodError {
    /// No time zone has this name.
    #[error("must be a time zone of the IANA database such as Europe/Berlin, not {name:?}")]
    Zone {
        /// The name.
        name: String,
    },
    /// No month has such a day.
    #[error("must begin on a day from 1 to 31, not {day}")]
    Day {
        /// The day.
        day: u8,
    },
}

impl BillingPeriod {
    /// Calendar months in UTC.
    #[must_use]
    pub fn monthly_utc() -> Self {
        Self { zone: TimeZone::UTC, day: 1 }
    }

    /// Calendar months in the time zone of this name in the IANA database. The system's database is asked, and without one
    /// the one that this crate brings.
    ///
    /// # Errors
    /// [`BillingPeriodError::Zone`] when there is none of the name.
    pub fn monthly(zone: &str) -> Result<Self, BillingPeriodError> {
        let zone = TimeZone::get(zone).map_err(|_| BillingPeriodError::Zone { name: zone.to_owned() })?;
        Ok(Self { zone, day: 1 })
    }

    /// Periods that begin on this day of each month (the anchor day), and where a month is shorter on its last.
    ///
    /// # Errors
    /// [`BillingPeriodError::Day`] when it is not 1 to 31.
    pub fn from_day(self, day: u8) -> Result<Self, BillingPeriodError> {
        match i8::try_from(day) {
            Ok(day @ 1..=31) => Ok(Self { day, ..self }),
            _ => Err(BillingPeriodError::Day { day }),
        }
    }

    /// The first moment of the period that a moment is in, and the first after it.
    #[must_use]
    pub fn around(&self, moment: Timestamp) -> (Timestamp, Timestamp) {
        let (start, end) = self.around_millis(moment.as_millis());
        (Timestamp::from_millis(start), Timestamp::from_millis(end))
    }

    pub(super) fn around_millis(&self, moment: i64) -> (i64, i64) {
        self.find(moment).unwrap_or((i64::MIN, i64::MAX))
    }

    /// `None` where there is no calendar: beyond the years that a `Timestamp` holds.
    fn find(&self, moment: i64) -> Option<(i64, i64)> {
        let today = self.zone.to_datetime(jiff::Timestamp::from_millisecond(moment).ok()?).date();
        let this_month = today.first_of_month();
        let start = self.start_in(this_month)?;
        if moment < start {
            let before = this_month.checked_sub(1.month()).ok()?;
            return Some((self.start_in(before)?, start));
        }
        let after = this_month.checked_add(1.month()).ok()?;
        Some((start, self.start_in(after)?))
    }

    /// When the period that begins in this month does.
    fn start_in(&self, month: Date) -> Option<i64> {
        let day = self.day.min(month.days_in_month());
        let date = Date::new(month.year(), month.month(), day).ok()?;
        // Where the clocks are put forward at midnight, it begins when they are.
        Some(self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().ok()?.as_millisecond())
    }
}

impl Default for BillingPeriod {
    fn default() -> Self {
        Self::monthly_utc()
    }
}

impl fmt::Debug for BillingPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "BillingPeriod(from day {} in {zone})", self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_on_their_day_in_their_zone() {
        for (zone, day, moment, start, end) in [
            ("UTC", 1, "2026-11-26T18:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("UTC", 1, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("UTC", 1, "2026-11-30T23:59:59.999Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("UTC", 15, "2026-11-14T23:00:00Z", "2026-10-15T00:00:00Z", "2026-11-15T00:00:00Z"),
            // Shorter months.
            ("UTC", 31, "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"),
            ("UTC", 31, "2026-02-27T23:59:59Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("UTC", 31, "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"),
            ("UTC", 30, "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-30T00:00:00Z"),
            // Winter and summer time.
            ("Europe/Berlin", 1, "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
            ("Europe/Berlin", 1, "2026-10-31T23:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"),
            // There, that midnight did not exist; the day began an hour later.
            ("America/Asuncion", 1, "2023-10-01T04:00:00Z", "2023-10-01T04:00:00Z", "2023-11-01T03:00:00Z"),
            ("America/Asuncion", 1, "2023-10-01T03:59:59Z", "2023-09-01T04:00:00Z", "2023-10-01T04:00:00Z"),
            ("Pacific/Kiritimati", 1, "2026-10-31T10:00:00Z", "2026-10-31T10:00:00Z", "2026-11-30T10:00:00Z"),
        ] {
            let period = BillingPeriod::monthly(zone).unwrap().from_day(day).unwrap();
            let at = |text| Timestamp::parse(text).unwrap();
            assert_eq!(period.around(at(moment)), (at(start), at(end)), "{zone} {day} {moment}");
        }
    }

    #[test]
    fn the_ends_of_time_are_in_a_period() {
        for zone in ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"] {
            let period = BillingPeriod::monthly(zone).unwrap();
            for millis in [i64::MIN, -1, 0, i64::MAX, Timestamp::from_millis(i64::MAX).as_millis()] {
                let (start, end) = period.around_millis(millis);
                assert!(start <= millis && (millis < end || end == i64::MAX), "{zone} {millis}");
            }
        }
    }

    #[test]
    fn no_such_zone_no_such_day() {
        let error = BillingPeriod::monthly("Europe/Atlantis").unwrap_err();
        assert!(error.to_string().contains("Atlantis"));
        for day in [0, 32, 255] {
            assert_eq!(BillingPeriod::monthly_utc().from_day(day), Err(BillingPeriodError::Day { day }));
        }
    }
}
