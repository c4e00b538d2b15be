//! What changed, as it may be shown: who, when, and field by field, without secrets. Pure.

use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::secret::SecretText;
use crate::model::sid::AccountSid;
use crate::model::text::is_disruptive;
use crate::model::timestamp::Timestamp;
use crate::model::view::WebhookView;
use crate::model::webhook::{Webhook, WebhookCredentials};
use crate::snapshot::{Change, Event, HistoryEntry, Seq};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// What happened to one account in one commit, for an audit trail, a user interface or a log. It holds no secret.
///
/// In JSON:
///
/// ```
/// # use gateway_accounts::*;
/// # futures_lite::future::block_on(async {
/// # let clock = ManualClock::new("2026-11-23T20:37:43Z".parse()?);
/// # let accounts = Accounts::new(MemoryStore::new()).with_clock(clock);
/// # let jane = Actor::admin("jane@operator.example")?;
/// # let acme = accounts.create(&jane, AccountPatch::new().name("Acme")).await?;
/// # accounts.edit(&jane, acme.sid(), acme.revision(), AccountPatch::new().name("Globex").sip_realm("globex.example")).await?;
/// # let Feed::Changes(changes) = accounts.store().changes(Seq::new(1), 1).await? else { panic!() };
/// # let change = &changes[0];
/// let entry: AuditEntry = change.audit().next().ok_or("it has one event")?;
/// # let mut entry = serde_json::to_value(&entry)?;
/// # entry["account_sid"] = "019a…".into();
/// assert_eq!(serde_json::to_value(&entry)?, serde_json::json!({
///     "seq": 2,
///     "at": "2026-11-23T20:37:43.000Z",
///     "actor": {"scope": "admin", "subject": "jane@operator.example"},
///     "action": "edited", // or created, suspended, resumed, deleted
///     "account_sid": "019a…",
///     "name": "Globex", // as it is after the commit; of a deleted account, as it was
///     "revision": 2, // the same
///     "fields": [ // in the order of the Accounts page
///         {"field": "name", "before": "Acme", "after": "Globex"},
///         {"field": "sip_realm", "before": null, "after": "globex.example"},
///     ],
/// }));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// A value has the shape that it has in an [`AccountView`](crate::AccountView). An edit tells what each changed field
/// was and is (`null` is none). A creation tells every field that has a value, without `before`; a deletion, the same
/// without `after`. Of a secret that was set, changed or taken away nothing is told but that:
/// `{"field": "webhook_secret", "changed": true}`, and of the password of a webhook
/// `{"field": "registration_webhook.password", "changed": true}`. The account's SID, revision and times are not among
/// the fields.
///
/// Printed, it is one line, whatever the values:
///
/// ```text
/// 2026-11-23T20:37:43.000Z #2 jane@operator.example (admin) edited account 019a… "Globex" revision 2: name "Acme" -> "Globex", webhook_secret changed
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The commit.
    pub seq: Seq,
    /// When, by the clock of the writer.
    pub at: Timestamp,
    /// On whose behalf.
    pub actor: Actor,
    /// What was done.
    pub action: AuditAction,
    /// To which account.
    pub account_sid: AccountSid,
    /// Its name after the commit; of a deleted account, the one it had.
    pub name: AccountName,
    /// Its revision after the commit; of a deleted account, the one it had.
    pub revision: Revision,
    /// What changed, in the order of the Accounts page.
    pub fields: Vec<FieldChange>,
}

/// What was done to an account, told from what changed. (Importing an account is creating it.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditAction {
    /// It was created or imported.
    Created,
    /// Fields of it were changed; its service goes on or stays suspended.
    Edited,
    /// It was taken out of service. Other fields may have changed with that.
    Suspended,
    /// It was taken back into service. Other fields may have changed with that.
    Resumed,
    /// It was deleted.
    Deleted,
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Deleted => "deleted",
        })
    }
}

/// What changed of one field, as it may be shown.
///
/// The JSON is described at [`AuditEntry`]. `Debug` prints no addresses of webhooks, which may hold tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldChange {
    field: Field,
    what: What,
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    Shown {
        before: Option<Value>,
        after: Option<Value>,
    },
    /// The field, or this part of it, is a secret.
    Secret {
        part: Option<&'static str>,
    },
}

impl FieldChange {
    /// The field.
    #[must_use]
    pub fn field(&self) -> Field {
        self.field
    }

    /// The field's name as JSON has it, and of the password of a webhook `registration_webhook.password`, as
    /// [`Problem::path`](crate::Problem::path) names it.
    #[must_use]
    pub fn path(&self) -> Cow<'static, str> {
        match self.what {
            What::Secret { part: Some(part) } => Cow::Owned(format!("{}.{part}", self.field.name())),
            What::Secret { part: None } | What::Shown { .. } => Cow::Borrowed(self.field.name()),
        }
    }

    /// What it was, `null` if it had no value; `None` of a new account and of a secret.
    #[must_use]
    pub fn before(&self) -> Option<&Value> {
        match &self.what {
            What::Shown { before, .. } => before.as_ref(),
            What::Secret { .. } => None,
        }
    }

    /// What it is, `null` if it has no value; `None` of a deleted account and of a secret.
    #[must_use]
    pub fn after(&self) -> Option<&Value> {
        match &self.what {
            What::Shown { after, .. } => after.as_ref(),
            What::Secret { .. } => None,
        }
    }

    /// Whether it is a secret, of which nothing is told but that it changed.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.what, What::Secret { .. })
    }
}

impl Serialize for FieldChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("FieldChange", 3)?;
        object.serialize_field("field", &self.path())?;
        match &self.what {
            What::Shown { before, after } => {
                for (name, value) in [("before", before), ("after", after)] {
                    match value {
                        Some(value) => object.serialize_field(name, value)?,
                        None => object.skip_field(name)?,
                    }
                }
            }
            What::Secret { .. } => object.serialize_field("changed", &true)?,
        }
        object.end()
    }
}

impl fmt::Debug for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FieldChange");
        shown.field("path", &self.path());
        match (&self.what, self.field) {
            (What::Secret { .. }, _)
            | (What::Shown { .. }, Field::RegistrationWebhook | Field::QueueEventWebhook) => {
                shown.finish_non_exhaustive()
            }
            (What::Shown { before, after }, _) => {
                shown.field("before", before).field("after", after).finish()
            }
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())?;
        match &self.what {
            What::Secret { .. } => f.write_str(" changed"),
            What::Shown { before, after } => {
                for (arrow, value) in [(" ", before), (" -> ", after)] {
                    if let Some(value) = value {
                        // Of a new account there is no arrow, and of a deleted one none is needed.
                        f.write_str(if before.is_none() { " " } else { arrow })?;
                        one_line(f, value)?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, at, actor, action, account_sid, name, revision, fields } = self;
        // Neither a subject nor a name has characters that break a line; a quotation mark in it is escaped.
        write!(f, "{at} #{seq} {actor} {action} account {account_sid} {name:?} revision {revision}")?;
        for (i, field) in fields.iter().enumerate() {
            write!(f, "{}{field}", if i == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

/// A JSON value within one line, in which nothing changes the direction of the text.
fn one_line(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Null => f.write_str("none"),
        // JSON escapes fewer characters than there are that break or turn a line, and the user name of a webhook may
        // have those.
        value => value.to_string().chars().try_for_each(|c| {
            if is_disruptive(c) { write!(f, "\\u{:04x}", u32::from(c)) } else { f.write_char(c) }
        }),
    }
}

impl Change {
    /// What the commit did to each account, as it may be shown: an entry for each event, in order.
    pub fn audit(&self) -> impl Iterator<Item = AuditEntry> {
        self.events.iter().filter_map(|event| AuditEntry::new(self.seq, self.at, &self.actor, event))
    }
}

impl HistoryEntry {
    /// What happened, as it may be shown.
    #[must_use]
    pub fn audit(&self) -> Option<AuditEntry> {
        AuditEntry::new(self.seq, self.at, &self.actor, &self.event)
    }
}

impl AuditEntry {
    fn new(seq: Seq, at: Timestamp, actor: &Actor, event: &Event) -> Option<Self> {
        let (account, action, fields) = match event {
            Event::Created(account) => (account, AuditAction::Created, all(None, Some(account))),
            Event::Deleted(account) => (account, AuditAction::Deleted, all(Some(account), None)),
            Event::Replaced { before, after } => {
                let action = match (before.status().is_active(), after.status().is_active()) {
                    (true, false) => AuditAction::Suspended,
                    (false, true) => AuditAction::Resumed,
                    (true, true) | (false, false) => AuditAction::Edited,
                };
                let changed = before.differences(after).into_iter();
                let fields = changed.flat_map(|field| of_field(field, Some(before), Some(after)));
                (after, action, fields.collect())
            }
            Event::Key(_) => return None,
        };
        Some(Self {
            seq,
            at,
            actor: actor.clone(),
            action,
            account_sid: account.sid(),
            name: account.name().clone(),
            revision: account.revision(),
            fields,
        })
    }
}

fn all(before: Option<&Account>, after: Option<&Account>) -> Vec<FieldChange> {
    Field::ALL.into_iter().flat_map(|field| of_field(field, before, after)).collect()
}

/// What changed of one field: its value, its secret, both or neither. `None` is no account.
fn of_field(
    field: Field,
    before: Option<&Account>,
    after: Option<&Account>,
) -> impl Iterator<Item = FieldChange> {
    let edited = before.is_some() && after.is_some();
    let [before, after] = [before, after].map(|account| account.map(|account| seen(field, account)));
    let differs = |seen: Option<&Seen<'_>>, other: Option<&Seen<'_>>| {
        seen.and_then(|seen| seen.secret) != other.and_then(|seen| seen.secret)
    };
    let secret = differs(before.as_ref(), after.as_ref()).then(|| {
        let part = if field == Field::WebhookSecret { None } else { Some("password") };
        FieldChange { field, what: What::Secret { part } }
    });
    // In an edit, nothing is a value too.
    let shown = |seen: Option<Seen<'_>>| seen.and_then(|seen| seen.shown).filter(|v| edited || !v.is_null());
    let (before, after) = (shown(before), shown(after));
    let shown = (before != after).then_some(FieldChange { field, what: What::Shown { before, after } });
    shown.into_iter().chain(secret)
}

/// What a field holds: what may be shown, and what may not.
struct Seen<'a> {
    shown: Option<Value>,
    /// Two are compared, in constant time; nothing else is done with them.
    secret: Option<&'a SecretText>,
}

fn seen(field: Field, account: &Account) -> Seen<'_> {
    let view = account.view();
    let shown = |value| Seen { shown: Some(value), secret: None };
    match field {
        Field::Name => shown(json(view.name)),
        Field::Unit => shown(json(view.unit)),
        Field::LicensedSessions => shown(json(view.licensed_sessions)),
        Field::SipRealm => shown(json(view.sip_realm)),
        Field::WebhookSecret => Seen { shown: None, secret: Some(account.webhook_secret.text()) },
        Field::DeviceCallingApplication => shown(json(view.device_calling_application_sid)),
        Field::SiprecApplication => shown(json(view.siprec_application_sid)),
        Field::RegistrationWebhook => of_hook(view.registration_webhook, account.registration_webhook()),
        Field::QueueEventWebhook => of_hook(view.queue_event_webhook, account.queue_event_webhook()),
        Field::Organisation => shown(json(view.organisation_id)),
        Field::ServiceProvider => shown(json(view.service_provider_sid)),
        Field::Contract => shown(json(view.contract)),
        Field::Status => shown(json(view.status)),
        // The entry has the SID, and it never changes. Keys are not part of the account's own record.
        Field::AccountSid | Field::ApiKeys => Seen { shown: None, secret: None },
    }
}

fn of_hook<'a>(view: Option<WebhookView<'a>>, hook: Option<&'a Webhook>) -> Seen<'a> {
    let password = hook.and_then(Webhook::credentials).map(WebhookCredentials::password);
    Seen { shown: Some(json(view)), secret: password }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("texts, whole numbers, flags, and objects of them are JSON")
}

#[cfg(test)]
mod tests;
