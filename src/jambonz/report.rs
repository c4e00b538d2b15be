//! What a move did to which record.

use crate::accounts::{Error, Refusals};
use crate::jambonz::documents::RecordKind;
use crate::model::account::Account;
use crate::model::sid::AccountSid;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What could not come over as it was, and why: one [`Entry`] for each finding, in the order of the documents.
///
/// An account without an entry has come over as it was. The report never holds a webhook secret, a password, a
/// token, or a URL, which may hold a password.
///
/// Printed, it has one line for each entry:
///
/// ```text
/// account 5c0da876-dc98-465d-ab79-9ee7626df649 "IP realm": dropped sip_realm: "192.0.2.10" must be a domain name, not an IP address [ip_address]
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub(super) entries: Vec<Entry>,
    /// How many account documents there were.
    #[serde(skip)]
    pub(super) read: usize,
    /// The accounts that came over, and whether with changes.
    #[serde(skip)]
    pub(super) imported: BTreeMap<AccountSid, bool>,
}

/// One thing that could not come over as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// What kind of record it is about.
    pub kind: RecordKind,
    /// The record's SID as it was given; empty when it has none.
    pub sid: String,
    /// The record's name as it was given; for an API key or a limit, whose it is.
    pub name: Option<String>,
    /// The field, as jambonz names it: `sip_realm`, `registration_hook.url`, `limits.device`. `None` when it is
    /// the record as a whole. (For what a store refused, as [`Problem::path`](crate::Problem::path) names it.)
    pub field: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// A stable code in `snake_case`; see [the list](crate::jambonz#codes).
    pub code: &'static str,
    /// Why, in words.
    pub reason: String,
}

/// What became of something that could not come over as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The field came over with another value, or with another meaning.
    Changed,
    /// The field, or this part of it, did not come over.
    Dropped,
    /// The record did not come over.
    NotImported,
}

/// How many accounts came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many account documents there were.
    pub read: usize,
    /// How many came over as they were.
    pub unchanged: usize,
    /// How many came over with a field changed or dropped.
    pub changed: usize,
    /// How many did not come over.
    pub not_imported: usize,
    /// How many records of other kinds did not come over: limits, API keys, applications, service providers.
    pub other_records: usize,
}

impl Report {
    /// The entries: the accounts' first, in the order of the documents.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds that a store refused an account that could have come over. Everything else that is said about the
    /// account stays.
    pub fn refuse(&mut self, account: &Account, error: &Error) {
        let mut notes =
            Notes::new(RecordKind::Account, account.sid().to_string(), Some(account.name().to_string()));
        match error.problems() {
            Some(problems) => {
                for problem in problems.iter() {
                    notes.refused(Some(problem.path()), problem.code(), problem.message());
                }
            }
            None => notes.refused(None, "store", error.to_string()),
        }
        self.entries.append(&mut notes.entries);
        self.imported.remove(&account.sid());
    }

    /// Adds what [`Accounts::import_all`](crate::Accounts::import_all) refused, as [`Report::refuse`] does for one
    /// account, and takes these accounts out of those that are to come over. The rest can then be imported without them.
    pub fn refuse_all(&mut self, accounts: &mut Vec<Account>, refusals: &Refusals) {
        let mut refused = refusals.iter().peekable();
        let mut position = 0;
        accounts.retain(|account| {
            let refusal = refused.next_if(|refusal| refusal.position == position);
            position += 1;
            if let Some(refusal) = refusal {
                self.refuse(account, &Error::Invalid(refusal.problems.clone()));
            }
            refusal.is_none()
        });
    }

    /// How many accounts came over.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let changed = self.imported.values().filter(|changed| **changed).count();
        Summary {
            read: self.read,
            unchanged: self.imported.len() - changed,
            changed,
            not_imported: self.read.saturating_sub(self.imported.len()),
            other_records: self.entries.iter().filter(|entry| entry.kind != RecordKind::Account).count(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        match &*self.sid {
            "" => f.write_str("(without a SID)")?,
            sid => f.write_str(&shown(sid))?,
        }
        match (&self.name, self.kind) {
            (Some(owner), RecordKind::ApiKey | RecordKind::Limit) => write!(f, " of {}", shown(owner))?,
            (Some(name), _) => write!(f, " \"{}\"", shown(name))?,
            (None, _) => {}
        }
        let outcome = match self.outcome {
            Outcome::Changed => "changed ",
            Outcome::Dropped => "dropped ",
            Outcome::NotImported => "not imported: ",
        };
        write!(f, ": {outcome}")?;
        match (&self.field, self.outcome) {
            (Some(field), Outcome::NotImported) => write!(f, "{} ", shown(field))?,
            (Some(field), _) => write!(f, "{}: ", shown(field))?,
            (None, _) => {}
        }
        write!(f, "{} [{}]", self.reason, self.code)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, unchanged, changed, not_imported, other_records } = self;
        write!(
            f,
            "{read} accounts: {unchanged} imported as they were, {changed} with changes, {not_imported} not imported; \
             {other_records} other records not imported"
        )
    }
}

/// A given text within one line, and not longer than a line should be.
pub(super) fn shown(text: &str) -> String {
    /// As long as jambonz's longest name; realms, with twice as many, are shown whole most of the time.
    const MOST: usize = 64;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// The entries about one record, while it is read.
#[derive(Debug)]
pub(super) struct Notes {
    kind: RecordKind,
    sid: String,
    name: Option<String>,
    pub(super) entries: Vec<Entry>,
}

impl Notes {
    pub(super) fn new(kind: RecordKind, sid: String, name: Option<String>) -> Self {
        Self { kind, sid, name, entries: Vec::new() }
    }

    pub(super) fn changed(&mut self, field: &str, code: &'static str, reason: impl Into<String>) {
        self.add(Some(field), Outcome::Changed, code, reason.into());
    }

    pub(super) fn dropped(&mut self, field: &str, code: &'static str, reason: impl Into<String>) {
        self.add(Some(field), Outcome::Dropped, code, reason.into());
    }

    pub(super) fn refused(&mut self, field: Option<&str>, code: &'static str, reason: impl Into<String>) {
        self.add(field, Outcome::NotImported, code, reason.into());
    }

    /// What would have become of the fields of a record that does not come over is of no use to anybody.
    pub(super) fn only_refusals(&mut self) {
        self.entries.retain(|entry| entry.outcome == Outcome::NotImported);
    }

    fn add(&mut self, field: Option<&str>, outcome: Outcome, code: &'static str, reason: String) {
        self.entries.push(Entry {
            kind: self.kind,
            sid: self.sid.clone(),
            name: self.name.clone(),
            field: field.map(str::to_owned),
            outcome,
            code,
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_whatever_the_values() {
        let long = "n".repeat(65);
        for (kind, sid, name, field, outcome, expected) in [
            (
                RecordKind::Account,
                "06b5",
                Some("Acme"),
                Some("name"),
                Outcome::Changed,
                "account 06b5 \"Acme\": changed name: why [code]",
            ),
            (
                RecordKind::Account,
                "",
                Some("a\nb\u{202e}"),
                Some("sip_realm"),
                Outcome::Dropped,
                "account (without a SID) \"a\\nb\\u{202e}\": dropped sip_realm: why [code]",
            ),
            (
                RecordKind::Account,
                "06b5",
                Some(&*long),
                Some("name"),
                Outcome::NotImported,
                &format!("account 06b5 \"{}…\": not imported: name why [code]", &long[1..]),
            ),
            (
                RecordKind::ApiKey,
                "06b5",
                Some("account 1"),
                None,
                Outcome::NotImported,
                "API key 06b5 of account 1: not imported: why [code]",
            ),
            (
                RecordKind::ServiceProvider,
                "06b5",
                None,
                None,
                Outcome::NotImported,
                "service provider 06b5: not imported: why [code]",
            ),
        ] {
            let mut notes = Notes::new(kind, sid.into(), name.map(str::to_owned));
            notes.add(field, outcome, "code", "why".into());
            assert_eq!(notes.entries[0].to_string(), expected);
        }
    }
}
