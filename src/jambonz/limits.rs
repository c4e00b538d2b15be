//! What an account's limits come to: its unit, and its licensed sessions.

use crate::jambonz::documents;
use crate::jambonz::import::{Options, Zero};
use crate::jambonz::report::{Notes, shown};
use crate::model::unit::{Limit, Unit, UnitKind};

/// The categories that an account of ours has a place for.
const SESSIONS: &str = "voice_call_session";
const MINUTES: &str = "voice_call_minutes";
const LICENSED_SESSIONS: &str = "voice_call_session_license";

/// Those it has none for.
const NO_PLACE: [&str; 3] = ["voice_call_minutes_license", "device", "api_rate"];

/// The unit and the licensed sessions that the limits of one account come to.
pub(super) fn read(rows: &[&documents::Limit], options: &Options, notes: &mut Notes) -> (Unit, Limit) {
    let sessions = strictest(rows, SESSIONS, options.zero, notes);
    let minutes = strictest(rows, MINUTES, options.zero, notes);
    let licence = strictest(rows, LICENSED_SESSIONS, options.zero, notes);
    for row in rows {
        report_without_place(row, notes);
    }
    let unit = match (sessions, minutes) {
        (Some(sessions), Some(minutes)) => {
            let (kept, dropped, other, number) = match options.both_units {
                UnitKind::Sessions => {
                    (Unit { kind: UnitKind::Sessions, maximum: sessions }, MINUTES, "minutes", minutes)
                }
                UnitKind::Minutes => {
                    (Unit { kind: UnitKind::Minutes, maximum: minutes }, SESSIONS, "sessions", sessions)
                }
            };
            let reason = format!("{number} {other}: an account has sessions or minutes, and it keeps {kept}");
            notes.dropped(&field(dropped), "both_units", reason);
            kept
        }
        (None, Some(maximum)) => Unit { kind: UnitKind::Minutes, maximum },
        (sessions, None) => Unit { kind: UnitKind::Sessions, maximum: sessions.unwrap_or(Limit::Unlimited) },
    };
    let licensed = match licence {
        Some(licensed) if unit.fits(licensed) => licensed,
        Some(licensed) => {
            let reason = format!(
                "{licensed} licensed sessions were lowered to the maximum of {} sessions",
                unit.maximum
            );
            notes.changed(&field(LICENSED_SESSIONS), "above_maximum", reason);
            unit.maximum
        }
        // No licence: jambonz then counts no session as overage, and neither do we.
        None if unit.kind == UnitKind::Sessions => unit.maximum,
        None => Limit::Unlimited,
    };
    (unit, licensed)
}

fn field(category: &str) -> String {
    format!("limits.{category}")
}

fn is_of(row: &documents::Limit, category: &str) -> bool {
    // An ENUM of MariaDB is compared without regard to case.
    row.category.as_deref().is_some_and(|given| given.eq_ignore_ascii_case(category))
}

/// The limit of this category; `None` when there is none.
fn strictest(rows: &[&documents::Limit], category: &str, zero: Zero, notes: &mut Notes) -> Option<Limit> {
    let field = field(category);
    let limits: Vec<Limit> = rows
        .iter()
        .filter(|row| is_of(row, category))
        .filter_map(|row| {
            let Some(quantity) = row.quantity else {
                notes.dropped(&field, "required", "the row has no quantity");
                return None;
            };
            Some(match (quantity, u32::try_from(quantity)) {
                (..=-1, _) => {
                    let reason = format!("{quantity} means no limit, as jambonz reads a negative number");
                    notes.changed(&field, "negative", reason);
                    Limit::Unlimited
                }
                (0, _) if zero == Zero::Unlimited => {
                    notes.changed(&field, "zero", "0 means no limit, as jambonz reads it");
                    Limit::Unlimited
                }
                (_, Ok(most)) => Limit::AtMost(most),
                (_, Err(_)) => {
                    notes.changed(&field, "too_large", format!("{quantity} was lowered to {}", u32::MAX));
                    Limit::AtMost(u32::MAX)
                }
            })
        })
        .collect();
    let strictest = limits.iter().min().copied()?;
    if limits.len() > 1 {
        let reason = format!("of {} rows the strictest counts: {strictest}", limits.len());
        notes.changed(&field, "given_twice", reason);
    }
    Some(strictest)
}

fn report_without_place(row: &documents::Limit, notes: &mut Notes) {
    if [SESSIONS, MINUTES, LICENSED_SESSIONS].iter().any(|category| is_of(row, category)) {
        return;
    }
    let quantity = row.quantity.map_or_else(|| "no quantity".to_owned(), |quantity| quantity.to_string());
    match (NO_PLACE.iter().find(|category| is_of(row, category)), row.category.as_deref()) {
        (Some(category), _) => {
            notes.dropped(
                &field(category),
                "no_place",
                format!("{quantity}: accounts have no such limit here"),
            );
        }
        (None, Some(category)) => {
            let reason = format!("{quantity}: jambonz 0.9 has no such category");
            notes.dropped(&field(&shown(category)), "unknown_category", reason);
        }
        (None, None) => notes.dropped("limits", "required", format!("{quantity}: the row has no category")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jambonz::documents::RecordKind;
    use Limit::{AtMost, Unlimited};

    fn sessions(maximum: Limit) -> Unit {
        Unit { kind: UnitKind::Sessions, maximum }
    }

    fn minutes(maximum: Limit) -> Unit {
        Unit { kind: UnitKind::Minutes, maximum }
    }

    #[track_caller]
    fn check(rows: &[(&str, i64)], options: &Options, unit: Unit, licensed: Limit, codes: &[&str]) {
        let rows: Vec<_> = rows
            .iter()
            .map(|(category, quantity)| documents::Limit {
                category: Some((*category).to_owned()),
                quantity: Some(*quantity),
                ..documents::Limit::default()
            })
            .collect();
        let mut notes = Notes::new(RecordKind::Account, String::new(), None);
        let got = read(&rows.iter().collect::<Vec<_>>(), options, &mut notes);
        let got_codes: Vec<_> = notes.entries.iter().map(|entry| entry.code).collect();
        assert_eq!((got, &*got_codes), ((unit, licensed), codes), "{rows:?}");
    }

    #[test]
    fn what_limits_come_to() {
        let (s, m, l) = (SESSIONS, MINUTES, LICENSED_SESSIONS);
        let most = i64::from(u32::MAX);
        let options = Options::new();
        for (rows, unit, licensed, codes) in [
            (&[][..], sessions(Unlimited), Unlimited, &[][..]),
            (&[(s, 120)], sessions(AtMost(120)), AtMost(120), &[]),
            (&[("Voice_Call_Session", 120)], sessions(AtMost(120)), AtMost(120), &[]),
            (&[(s, 120), (l, 100)], sessions(AtMost(120)), AtMost(100), &[]),
            (&[(s, 450), (l, 500)], sessions(AtMost(450)), AtMost(450), &["above_maximum"]),
            (&[(l, 30)], sessions(Unlimited), AtMost(30), &[]),
            (&[(s, 0)], sessions(Unlimited), Unlimited, &["zero"]),
            (&[(s, 60), (l, 0)], sessions(AtMost(60)), AtMost(60), &["zero", "above_maximum"]),
            (&[(s, -5)], sessions(Unlimited), Unlimited, &["negative"]),
            (&[(s, most)], sessions(AtMost(u32::MAX)), AtMost(u32::MAX), &[]),
            (&[(s, most + 1)], sessions(AtMost(u32::MAX)), AtMost(u32::MAX), &["too_large"]),
            (&[(s, 9), (s, 7), (s, 8)], sessions(AtMost(7)), AtMost(7), &["given_twice"]),
            (&[(s, 9), (s, 0)], sessions(AtMost(9)), AtMost(9), &["zero", "given_twice"]),
            (&[(m, 600)], minutes(AtMost(600)), Unlimited, &[]),
            (&[(m, 600), (l, 5)], minutes(AtMost(600)), AtMost(5), &[]),
            (&[(m, 600), (s, 5)], sessions(AtMost(5)), AtMost(5), &["both_units"]),
            (&[(s, i64::MIN), (m, 2)], sessions(Unlimited), Unlimited, &["negative", "both_units"]),
            (&[("device", 9), ("api_rate", 9)], sessions(Unlimited), Unlimited, &["no_place", "no_place"]),
            (&[("voice_call_minutes_license", 9)], sessions(Unlimited), Unlimited, &["no_place"]),
            (&[("fax_pages", 9)], sessions(Unlimited), Unlimited, &["unknown_category"]),
        ] {
            check(rows, &options, unit, licensed, codes);
        }
        let blocked = Options::new().with_zero(Zero::Blocked);
        check(&[(s, 0)], &blocked, sessions(AtMost(0)), AtMost(0), &[]);
        check(&[(s, 9), (s, 0)], &blocked, sessions(AtMost(0)), AtMost(0), &["given_twice"]);
        let by_minute = Options::new().with_both_units(UnitKind::Minutes);
        check(&[(m, 600), (s, 5)], &by_minute, minutes(AtMost(600)), Unlimited, &["both_units"]);
    }

    #[test]
    fn a_row_without_category_or_quantity() {
        let rows = [
            documents::Limit { quantity: Some(3), ..documents::Limit::default() },
            documents::Limit { category: Some(SESSIONS.into()), ..documents::Limit::default() },
        ];
        let mut notes = Notes::new(RecordKind::Account, String::new(), None);
        let got = read(&rows.iter().collect::<Vec<_>>(), &Options::new(), &mut notes);
        assert_eq!(got, (sessions(Unlimited), Unlimited));
        assert_eq!(notes.entries.iter().filter(|entry| entry.code == "required").count(), 2);
    }
}
