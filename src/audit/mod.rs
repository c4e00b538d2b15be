//! What changed, as it may be shown: who, when, and field by field, without secrets. Pure.

mod key;

pub use key::AuditedKey;

use crate::access::Actor;
use crate::model::account::{Account, Revision};
use crate::model::field::Field;
use crate::model::former_secret::FormerSecret;
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
use std::sync::Arc;

/// What happened to one account, or one API key, in one commit, for an audit trail, a user interface or a log. It holds
/// no secret.
///
/// In JSON, about an account:
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
/// `{"field": "registration_webhook.password", "changed": true}`. Until when the former webhook secret signs after a
/// rotation is a value: `{"field": "webhook_secret.overlap_until", "before": null, "after": "2026-11-24T20:37:43.000Z"}`. The account's SID, revision and times are not among
/// the fields.
///
/// About an API key it has `api_key`, and no `name`; if the key is a service provider's or an admin's, no `account_sid`
/// either:
///
/// ```
/// # use gateway_accounts::*;
/// # let key: ApiKeyRecord = serde_json::from_value(serde_json::json!({
/// #     "key_id": "4fJ9sKq02LmXa7Rt",
/// #     "owner": {"account": "06b5fe07-1d99-422b-902a-3b343f675413"},
/// #     "label": "billing export",
/// #     "hash": "$argon2id$v=19$m=256,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
/// #     "last_four": "x7Q2",
/// #     "created": "2026-11-23T20:37:43.000Z",
/// #     "created_by": "jane@operator.example",
/// #     "revision": 1
/// # }))?;
/// # let added = Event::Key(KeyEvent::Added(ApiKey::try_from(key)?.into()));
/// # let jane = Actor::admin("jane@operator.example")?;
/// # let change = Change::new(Seq::new(3), jane, "2026-11-23T20:37:43Z".parse()?, vec![added]);
/// let entry: AuditEntry = change.audit().next().ok_or("it has one event")?;
/// # let mut entry = serde_json::to_value(&entry)?;
/// # entry["account_sid"] = "06b5…".into();
/// # entry["api_key"]["owner"]["account"] = "06b5…".into();
/// # entry["fields"][0]["after"]["account"] = "06b5…".into();
/// assert_eq!(serde_json::to_value(&entry)?, serde_json::json!({
///     "seq": 3,
///     "at": "2026-11-23T20:37:43.000Z",
///     "actor": {"scope": "admin", "subject": "jane@operator.example"},
///     "action": "key_added", // or key_edited, key_disabled, key_enabled, key_revoked
///     "account_sid": "06b5…", // whose key it is
///     "api_key": { // as it is after the commit; if it was revoked, as it was
///         "key_id": "4fJ9sKq02LmXa7Rt",
///         "owner": {"account": "06b5…"},
///         "label": "billing export",
///         "last_four": "x7Q2",
///     },
///     "revision": 1, // of the key
///     "fields": [
///         {"field": "api_keys.owner", "after": {"account": "06b5…"}},
///         {"field": "api_keys.label", "after": "billing export"},
///         // Here, when it expires, if it does: {"field": "api_keys.expires", …
///         {"field": "api_keys.disabled", "after": false},
///         {"field": "api_keys.secret", "changed": true},
///     ],
/// }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A key that is added, changed or revoked is told of as an account that is created, edited or deleted: with what each
/// field was and is. Of its secret, not even the hash is shown. That a key was used has no entry.
///
/// Printed, it is one line, whatever the values:
///
/// ```text
/// 2026-11-23T20:37:43.000Z #2 jane@operator.example (admin) edited account 019a… "Globex" revision 2: name "Acme" -> "Globex", webhook_secret changed
/// 2026-11-23T20:37:43.000Z #4 jane@operator.example (admin) key_edited API key 4fJ9sKq02LmXa7Rt "CI" (account 06b5…) revision 2: api_keys.label "billing export" -> "CI"
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
    /// To which account, or to a key of which; `None` when the key is a service provider's or an admin's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<AccountSid>,
    /// The account's name after the commit; of a deleted account, the one it had. `None` when it is about a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<AccountName>,
    /// To which API key; `None` when it is about the account itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<AuditedKey>,
    /// The revision, of the account or of the key, after the commit; of one that was deleted or revoked, the one it had.
    pub revision: Revision,
    /// What changed, in the order of the Accounts page. Of a key, each is part of [`Field::ApiKeys`].
    pub fields: Vec<FieldChange>,
}

/// What was done to an account or an API key, told from what changed. (Importing an account is creating it.)
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
    /// An API key was added.
    KeyAdded,
    /// An API key was changed; it goes on being accepted, or stays disabled.
    KeyEdited,
    /// An API key was disabled. More of it may have changed with that.
    KeyDisabled,
    /// An API key was enabled again. More of it may have changed with that.
    KeyEnabled,
    /// An API key was revoked.
    KeyRevoked,
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Deleted => "deleted",
            Self::KeyAdded => "key_added",
            Self::KeyEdited => "key_edited",
            Self::KeyDisabled => "key_disabled",
            Self::KeyEnabled => "key_enabled",
            Self::KeyRevoked => "key_revoked",
        })
    }
}

/// What changed of one field, as it may be shown.
///
/// The JSON is described at [`AuditEntry`]. `Debug` prints no addresses of webhooks, which may hold tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldChange {
    field: Field,
    part: Option<&'static str>,
    what: What,
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    Shown {
        before: Option<Value>,
        after: Option<Value>,
    },
    /// The field, or this part of it, is a secret.
    Secret,
}

impl FieldChange {
    /// The field.
    #[must_use]
    pub fn field(&self) -> Field {
        self.field
    }

    /// The field's name as JSON has it, and of the password of a webhook `registration_webhook.password`, as
    /// [`Problem::path`](crate::Problem::path) names it. Of an API key: `api_keys.owner`, `api_keys.label`,
    /// `api_keys.expires`, `api_keys.disabled` or `api_keys.secret`.
    #[must_use]
    pub fn path(&self) -> Cow<'static, str> {
        match self.part {
            Some(part) => Cow::Owned(format!("{}.{part}", self.field.name())),
            None => Cow::Borrowed(self.field.name()),
        }
    }

    /// What it was, `null` if it had no value; `None` of a new account or key, and of a secret.
    #[must_use]
    pub fn before(&self) -> Option<&Value> {
        match &self.what {
            What::Shown { before, .. } => before.as_ref(),
            What::Secret => None,
        }
    }

    /// What it is, `null` if it has no value; `None` of a deleted account, a revoked key, and of a secret.
    #[must_use]
    pub fn after(&self) -> Option<&Value> {
        match &self.what {
            What::Shown { after, .. } => after.as_ref(),
            What::Secret => None,
        }
    }

    /// Whether it is a secret, of which nothing is told but that it changed.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.what, What::Secret)
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
            What::Secret => object.serialize_field("changed", &true)?,
        }
        object.end()
    }
}

impl fmt::Debug for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FieldChange");
        shown.field("path", &self.path());
        match (&self.what, self.field) {
            (What::Secret, _)
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
            What::Secret => f.write_str(" changed"),
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
        let Self { seq, at, actor, action, account_sid, name, api_key, revision, fields } = self;
        // Neither a subject nor a name has characters that break a line; a quotation mark in it is escaped.
        write!(f, "{at} #{seq} {actor} {action} ")?;
        match api_key {
            Some(key) => write!(f, "{key}")?,
            None => {
                f.write_str("account")?;
                account_sid.iter().try_for_each(|sid| write!(f, " {sid}"))?;
                name.iter().try_for_each(|name| write!(f, " {name:?}"))?;
            }
        }
        write!(f, " revision {revision}")?;
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
    /// What the commit did to each account and API key, as it may be shown: an entry for each event, in order.
    pub fn audit(&self) -> impl Iterator<Item = AuditEntry> {
        self.events.iter().map(|event| AuditEntry::new(self.seq, self.at, &self.actor, event))
    }
}

impl HistoryEntry {
    /// What happened, as it may be shown.
    #[must_use]
    pub fn audit(&self) -> AuditEntry {
        AuditEntry::new(self.seq, self.at, &self.actor, &self.event)
    }
}

impl AuditEntry {
    fn new(seq: Seq, at: Timestamp, actor: &Actor, event: &Event) -> Self {
        let of_account = |action, account: &Account, fields| Self {
            seq,
            at,
            actor: actor.clone(),
            action,
            account_sid: Some(account.sid()),
            name: Some(account.name().clone()),
            api_key: None,
            revision: account.revision(),
            fields,
        };
        match event {
            Event::Created(account) => of_account(AuditAction::Created, account, all(None, Some(account))),
            Event::Deleted(account) => of_account(AuditAction::Deleted, account, all(Some(account), None)),
            Event::Replaced { before, after } => {
                let action = match (before.status().is_active(), after.status().is_active()) {
                    (true, false) => AuditAction::Suspended,
                    (false, true) => AuditAction::Resumed,
                    (true, true) | (false, false) => AuditAction::Edited,
                };
                let changed = before.differences(after).into_iter();
                let fields = changed.flat_map(|field| of_field(field, Some(before), Some(after)));
                of_account(action, after, fields.collect())
            }
            Event::Key(event) => Self {
                seq,
                at,
                actor: actor.clone(),
                action: key::action(event),
                account_sid: event.account_sid(),
                name: None,
                api_key: Some(AuditedKey::new(event.key())),
                revision: event.key().revision(),
                fields: key::changes(event.before().map(Arc::as_ref), event.after().map(Arc::as_ref)),
            },
        }
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
    let overlap = (field == Field::WebhookSecret).then(|| of_overlap(before, after));
    let [before, after] = [before, after].map(|account| account.map(|account| seen(field, account)));
    let differs = |seen: Option<&Seen<'_>>, other: Option<&Seen<'_>>| {
        seen.and_then(|seen| seen.secret) != other.and_then(|seen| seen.secret)
    };
    let secret = differs(before.as_ref(), after.as_ref()).then(|| {
        let part = if field == Field::WebhookSecret { None } else { Some("password") };
        FieldChange { field, part, what: What::Secret }
    });
    let [before, after] = [before, after].map(|seen| seen.and_then(|seen| seen.shown));
    told(field, None, before, after).into_iter().chain(secret).chain(overlap.into_iter().flatten().flatten())
}

/// What changed of the webhook secret before the last rotation: until when it signs, and, which no rotation does alone, the
/// secret.
fn of_overlap(before: Option<&Account>, after: Option<&Account>) -> [Option<FieldChange>; 2] {
    let [former_before, former_after] =
        [before, after].map(|account| account.and_then(Account::former_webhook_secret));
    let [until_before, until_after] = [before, after]
        .map(|account| account.map(|account| json(account.former_webhook_secret().map(FormerSecret::until))));
    let until = told(Field::WebhookSecret, Some("overlap_until"), until_before, until_after);
    let another = match (former_before, former_after) {
        (Some(before), Some(after)) => before.until() == after.until() && before.secret() != after.secret(),
        _ => false,
    };
    let secret = another.then_some(FieldChange {
        field: Field::WebhookSecret,
        part: Some("former"),
        what: What::Secret,
    });
    [until, secret]
}

/// What changed of a value that may be shown, if it did. `None` is no account, or no key.
fn told(
    field: Field,
    part: Option<&'static str>,
    before: Option<Value>,
    after: Option<Value>,
) -> Option<FieldChange> {
    // In an edit, nothing is a value too.
    let edited = before.is_some() && after.is_some();
    let [before, after] = [before, after].map(|value| value.filter(|value| edited || !value.is_null()));
    (before != after).then_some(FieldChange { field, part, what: What::Shown { before, after } })
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
        // The entry has the SID, and it never changes. Keys have entries of their own.
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
