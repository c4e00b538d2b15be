//! What a person wants an account to be, parsed, with the problems found on the way.

use crate::model::account::Account;
use crate::model::contract::Contract;
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::problem::{Problem, Problems, ValueError};
use crate::model::realm::SipRealm;
use crate::model::sid::{ApplicationSid, ServiceProviderSid};
use crate::model::unit::{Limit, Unit, UnitKind};
use crate::model::view::MASK;
use crate::model::webhook::{Webhook, WebhookCredentials, WebhookMethod, WebhookUrl};
use serde_json::Value;
use std::fmt;

/// What an edit does with one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Edit<T> {
    /// The field stays as it is: it is absent from the JSON.
    #[default]
    Keep,
    /// The field gets this value.
    Set(T),
    /// The field is emptied: it is `null` in the JSON.
    Clear,
}

/// A change to some fields of an account. Applied to nothing, it is the draft of a new account.
///
/// Each field is kept, set, or cleared, as in a JSON merge patch (RFC 7396): absent, a value, or `null`. A
/// webhook and a unit are objects, and so are merged field by field: `{"queue_event_webhook":{"method":"GET"}}`
/// keeps the address and the password that are there. So does the password `"********"`, which is how an
/// [`AccountView`](crate::AccountView) shows one.
///
/// Values are parsed as they are set, and what is wrong is remembered, so that [`Accounts`](crate::Accounts)
/// reports it together with everything else. Build one field by field, or read JSON; both go through the same
/// parsers.
///
/// ```
/// use gateway_accounts::{AccountPatch, Field, Unit};
/// let patch = AccountPatch::new().name("Acme").sip_realm("acme.example.com").unit(Unit::sessions(120));
/// assert!(patch.problems().is_empty());
///
/// let patch: AccountPatch =
///     serde_json::from_str(r#"{"name": "", "sip_realm": "192.0.2.1", "siprec_application_sid": null, "color": 1}"#)?;
/// let found: Vec<_> = patch.problems().iter().map(|problem| (problem.path(), problem.code())).collect();
/// assert_eq!(found, [("name", "empty"), ("sip_realm", "ip_address"), ("color", "unknown_field")]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountPatch {
    name: Edit<AccountName>,
    unit: Edit<UnitPatch>,
    licensed_sessions: Edit<Limit>,
    sip_realm: Edit<SipRealm>,
    device_calling_application: Edit<ApplicationSid>,
    siprec_application: Edit<ApplicationSid>,
    registration_webhook: Edit<WebhookPatch>,
    queue_event_webhook: Edit<WebhookPatch>,
    organisation: Edit<OrganisationId>,
    service_provider: Edit<ServiceProviderSid>,
    contract: Edit<ContractPatch>,
    problems: Problems,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct UnitPatch {
    kind: Option<UnitKind>,
    maximum: Option<Limit>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct ContractPatch {
    edit_unit: Option<bool>,
    edit_licensed_sessions: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Default)]
struct WebhookPatch {
    url: Option<WebhookUrl>,
    method: Option<WebhookMethod>,
    username: Edit<String>,
    password: Edit<zeroize::Zeroizing<String>>,
}

impl fmt::Debug for WebhookPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookPatch")
            .field("url", &self.url)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl From<Webhook> for WebhookPatch {
    fn from(hook: Webhook) -> Self {
        let (username, password) = match hook.credentials() {
            Some(credentials) => (
                Edit::Set(credentials.username().to_owned()),
                Edit::Set(credentials.reveal_password().to_owned().into()),
            ),
            None => (Edit::Clear, Edit::Clear),
        };
        Self { url: Some(hook.url().clone()), method: Some(hook.method()), username, password }
    }
}

impl AccountPatch {
    /// A patch that keeps every field.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets *Account name*.
    #[must_use]
    pub fn name(mut self, text: impl AsRef<str>) -> Self {
        self.name = self.parsed(Field::Name, AccountName::parse(text.as_ref()));
        self
    }

    /// Sets *Unit*.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = Edit::Set(UnitPatch { kind: Some(unit.kind), maximum: Some(unit.maximum) });
        self
    }

    /// Sets *Licensed sessions*.
    #[must_use]
    pub fn licensed_sessions(mut self, limit: Limit) -> Self {
        self.licensed_sessions = Edit::Set(limit);
        self
    }

    /// Sets *SIP realm*.
    #[must_use]
    pub fn sip_realm(mut self, text: impl AsRef<str>) -> Self {
        self.sip_realm = self.parsed(Field::SipRealm, SipRealm::parse(text.as_ref()));
        self
    }

    /// Sets *Application for SIP device calls*.
    #[must_use]
    pub fn device_calling_application(mut self, application: ApplicationSid) -> Self {
        self.device_calling_application = Edit::Set(application);
        self
    }

    /// Sets *Application for SIPREC calls*.
    #[must_use]
    pub fn siprec_application(mut self, application: ApplicationSid) -> Self {
        self.siprec_application = Edit::Set(application);
        self
    }

    /// Sets *Registration webhook*, all of it.
    #[must_use]
    pub fn registration_webhook(mut self, hook: Webhook) -> Self {
        self.registration_webhook = Edit::Set(hook.into());
        self
    }

    /// Sets *Queue event webhook*, all of it.
    #[must_use]
    pub fn queue_event_webhook(mut self, hook: Webhook) -> Self {
        self.queue_event_webhook = Edit::Set(hook.into());
        self
    }

    /// Sets the organisation the account stands for.
    #[must_use]
    pub fn organisation(mut self, text: impl AsRef<str>) -> Self {
        self.organisation = self.parsed(Field::Organisation, OrganisationId::parse(text.as_ref()));
        self
    }

    /// Sets the service provider that owns the account.
    #[must_use]
    pub fn service_provider(mut self, service_provider: ServiceProviderSid) -> Self {
        self.service_provider = Edit::Set(service_provider);
        self
    }

    /// Sets the contract, all of it.
    #[must_use]
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = Edit::Set(ContractPatch {
            edit_unit: Some(contract.edit_unit),
            edit_licensed_sessions: Some(contract.edit_licensed_sessions),
        });
        self
    }

    /// Clears a field. One that an account must have gets a problem with code `required`; one that no edit sets,
    /// `read_only`.
    #[must_use]
    pub fn clear(mut self, field: Field) -> Self {
        self.read(field.name(), Value::Null);
        self
    }

    /// What is wrong with it so far.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    fn parsed<T>(&mut self, field: Field, result: Result<T, impl ValueError>) -> Edit<T> {
        match result {
            Ok(value) => Edit::Set(value),
            Err(error) => {
                self.problems.push(Problem::of_value(field, &error));
                Edit::Keep
            }
        }
    }

    /// Reads one member of the JSON object.
    fn read(&mut self, key: &str, value: Value) {
        let Some(field) = Field::from_name(key) else {
            self.problems.push(Problem::unknown(shortened(key)));
            return;
        };
        match field {
            Field::Name => self.name = self.text(field, value, true, AccountName::parse),
            Field::SipRealm => self.sip_realm = self.text(field, value, false, SipRealm::parse),
            Field::Organisation => self.organisation = self.text(field, value, false, OrganisationId::parse),
            Field::DeviceCallingApplication => {
                self.device_calling_application = self.text(field, value, false, ApplicationSid::parse);
            }
            Field::SiprecApplication => {
                self.siprec_application = self.text(field, value, false, ApplicationSid::parse);
            }
            Field::ServiceProvider => {
                self.service_provider = self.text(field, value, false, ServiceProviderSid::parse);
            }
            Field::LicensedSessions if value.is_null() => self.problems.push(required(field)),
            Field::LicensedSessions => {
                self.licensed_sessions = self.parsed(field, Limit::from_json(&value));
            }
            Field::Unit => self.unit = self.read_unit(field, value),
            Field::Contract => self.contract = self.read_contract(field, value),
            Field::RegistrationWebhook => self.registration_webhook = self.read_webhook(field, value),
            Field::QueueEventWebhook => self.queue_event_webhook = self.read_webhook(field, value),
            Field::AccountSid => self.read_only(field, "is generated and never changes"),
            Field::WebhookSecret => self.read_only(field, "is not set by an edit; it is generated"),
            Field::ApiKeys => self.read_only(field, "are not set by an edit"),
            Field::Status => self.read_only(field, "is not set by an edit; suspend or resume the account"),
        }
    }

    fn read_only(&mut self, field: Field, message: &str) {
        self.problems.push(Problem::new(field, "read_only", message));
    }

    fn text<T, E: ValueError>(
        &mut self,
        field: Field,
        value: Value,
        is_required: bool,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Edit<T> {
        match value {
            Value::Null if is_required => {
                self.problems.push(required(field));
                Edit::Keep
            }
            Value::Null => Edit::Clear,
            Value::String(text) => self.parsed(field, parse(&text)),
            _ => {
                self.problems.push(Problem::new(field, "wrong_type", "must be a text"));
                Edit::Keep
            }
        }
    }

    fn read_unit(&mut self, field: Field, value: Value) -> Edit<UnitPatch> {
        let mut unit = UnitPatch::default();
        self.members(field, value, |patch, part, value| {
            match part {
                "kind" => unit.kind = patch.text_part(field, part, value, UnitKind::parse),
                "maximum" if value.is_null() => patch.problems.push(required_part(field, part)),
                "maximum" => match Limit::from_json(&value) {
                    Ok(limit) => unit.maximum = Some(limit),
                    Err(error) => patch.problems.push(Problem::of_value_part(field, part, &error)),
                },
                _ => return false,
            }
            true
        })
        .map_or(Edit::Keep, |()| Edit::Set(unit))
    }

    fn read_contract(&mut self, field: Field, value: Value) -> Edit<ContractPatch> {
        let mut contract = ContractPatch::default();
        self.members(field, value, |patch, part, value| {
            let given = match part {
                "edit_unit" => &mut contract.edit_unit,
                "edit_licensed_sessions" => &mut contract.edit_licensed_sessions,
                _ => return false,
            };
            match value {
                Value::Bool(value) => *given = Some(value),
                // Absent from a contract means not given, so that removing it takes it away.
                Value::Null => *given = Some(false),
                _ => {
                    patch.problems.push(Problem::of_part(field, part, "wrong_type", "must be true or false"))
                }
            }
            true
        })
        .map_or(Edit::Keep, |()| Edit::Set(contract))
    }

    fn read_webhook(&mut self, field: Field, value: Value) -> Edit<WebhookPatch> {
        if value.is_null() {
            return Edit::Clear;
        }
        let mut hook = WebhookPatch::default();
        self.members(field, value, |patch, part, value| {
            match part {
                "url" => hook.url = patch.text_part(field, part, value, WebhookUrl::parse),
                // Removing the method leaves the default.
                "method" if value.is_null() => hook.method = Some(WebhookMethod::default()),
                "method" => hook.method = patch.text_part(field, part, value, WebhookMethod::parse),
                "username" | "password" => {
                    let edit = match value {
                        Value::Null => Edit::Clear,
                        // What a form was filled with, and not a new password.
                        Value::String(text) if part == "password" && text == MASK => Edit::Keep,
                        Value::String(text) => Edit::Set(text),
                        _ => {
                            patch.problems.push(Problem::of_part(
                                field,
                                part,
                                "wrong_type",
                                "must be a text",
                            ));
                            Edit::Keep
                        }
                    };
                    match (part, edit) {
                        ("username", edit) => hook.username = edit,
                        (_, Edit::Keep) => hook.password = Edit::Keep,
                        (_, Edit::Clear) => hook.password = Edit::Clear,
                        (_, Edit::Set(text)) => hook.password = Edit::Set(text.into()),
                    }
                }
                _ => return false,
            }
            true
        })
        .map_or(Edit::Keep, |()| Edit::Set(hook))
    }

    /// Hands each member of an object to `read`, which says whether it knows it.
    fn members(
        &mut self,
        field: Field,
        value: Value,
        mut read: impl FnMut(&mut Self, &str, Value) -> bool,
    ) -> Option<()> {
        match value {
            Value::Null => {
                self.problems.push(required(field));
                None
            }
            Value::Object(members) => {
                for (part, value) in members {
                    if !read(self, &part, value) {
                        self.problems.push(Problem::unknown(format!(
                            "{}.{}",
                            field.name(),
                            shortened(&part)
                        )));
                    }
                }
                Some(())
            }
            _ => {
                self.problems.push(Problem::new(field, "wrong_type", "must be an object"));
                None
            }
        }
    }

    fn text_part<T, E: ValueError>(
        &mut self,
        field: Field,
        part: &str,
        value: Value,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match value {
            Value::String(text) => match parse(&text) {
                Ok(value) => return Some(value),
                Err(error) => self.problems.push(Problem::of_value_part(field, part, &error)),
            },
            Value::Null => self.problems.push(required_part(field, part)),
            _ => self.problems.push(Problem::of_part(field, part, "wrong_type", "must be a text")),
        }
        None
    }

    /// The account that `current` becomes, and every problem found in the patch or in merging it. A field with a
    /// problem stays as it is in `current`.
    pub(crate) fn merge_into(&self, current: &Account) -> (Account, Problems) {
        let mut next = current.clone();
        let mut problems = self.problems.clone();
        // A name can't be cleared; reading the patch has made a problem of the attempt.
        if let Edit::Set(name) = &self.name {
            next.name = name.clone();
        }
        if let Edit::Set(limit) = self.licensed_sessions {
            next.licensed_sessions = limit;
        }
        merge(&self.sip_realm, &mut next.sip_realm);
        merge(&self.device_calling_application, &mut next.device_calling_application);
        merge(&self.siprec_application, &mut next.siprec_application);
        merge(&self.organisation, &mut next.organisation);
        merge(&self.service_provider, &mut next.service_provider);
        if let Edit::Set(unit) = &self.unit
            && !problems.concern(Field::Unit)
        {
            next.unit.kind = unit.kind.unwrap_or(current.unit.kind);
            match unit.maximum {
                Some(maximum) => next.unit.maximum = maximum,
                // A number of sessions says nothing about minutes.
                None if next.unit.kind != current.unit.kind => {
                    problems.push(required_part(Field::Unit, "maximum"));
                    next.unit = current.unit;
                }
                None => {}
            }
        }
        if let Edit::Set(contract) = &self.contract
            && !problems.concern(Field::Contract)
        {
            let now = &mut next.contract;
            now.edit_unit = contract.edit_unit.unwrap_or(now.edit_unit);
            now.edit_licensed_sessions =
                contract.edit_licensed_sessions.unwrap_or(now.edit_licensed_sessions);
        }
        for (field, edit, hook) in [
            (Field::RegistrationWebhook, &self.registration_webhook, &mut next.registration_webhook),
            (Field::QueueEventWebhook, &self.queue_event_webhook, &mut next.queue_event_webhook),
        ] {
            match edit {
                Edit::Keep => {}
                Edit::Clear => *hook = None,
                Edit::Set(_) if problems.concern(field) => {}
                Edit::Set(patch) => match patch.merge_into(field, hook.as_deref()) {
                    Ok(merged) => *hook = Some(Box::new(merged)),
                    Err(problem) => problems.push(problem),
                },
            }
        }
        (next, problems)
    }

    /// Whether it sets a name, as a draft must.
    pub(crate) fn names(&self) -> bool {
        matches!(self.name, Edit::Set(_))
    }
}

impl WebhookPatch {
    fn merge_into(&self, field: Field, current: Option<&Webhook>) -> Result<Webhook, Problem> {
        let url = match (&self.url, current) {
            (Some(url), _) => url.clone(),
            (None, Some(current)) => current.url().clone(),
            (None, None) => return Err(required_part(field, "url")),
        };
        let method = self.method.or(current.map(Webhook::method)).unwrap_or_default();
        let credentials = current.and_then(Webhook::credentials);
        let username = match &self.username {
            Edit::Keep => credentials.map(WebhookCredentials::username),
            Edit::Set(username) => Some(username.as_str()),
            Edit::Clear => None,
        };
        let password = match &self.password {
            Edit::Keep => credentials.map(WebhookCredentials::reveal_password),
            Edit::Set(password) => Some(password.as_str()),
            Edit::Clear => None,
        };
        let credentials = match (username, password) {
            (None, None) => None,
            (Some(username), Some(password)) => Some(
                WebhookCredentials::new(username, password)
                    .map_err(|error| Problem::of_value_part(field, error.part(), &error))?,
            ),
            // Half of them would never be sent, and so protect nothing.
            (Some(_), None) => return Err(required_part(field, "password")),
            (None, Some(_)) => return Err(required_part(field, "username")),
        };
        Ok(Webhook::new(url).with_method(method).with_credentials(credentials))
    }
}

fn merge<T: Clone>(edit: &Edit<T>, value: &mut Option<T>) {
    match edit {
        Edit::Keep => {}
        Edit::Set(new) => *value = Some(new.clone()),
        Edit::Clear => *value = None,
    }
}

pub(crate) fn required(field: Field) -> Problem {
    Problem::new(field, "required", "must have a value")
}

fn required_part(field: Field, part: &str) -> Problem {
    Problem::of_part(field, part, "required", "must have a value")
}

/// An unknown name as it is reported: it may be anything, of any length.
fn shortened(name: &str) -> String {
    const MOST: usize = 64;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

impl<'de> serde::Deserialize<'de> for AccountPatch {
    /// Reads a JSON object. What is wrong with its members becomes [`AccountPatch::problems`]; only what is no
    /// object, or no JSON, is an error here.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = AccountPatch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of the fields to change")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<AccountPatch, A::Error> {
                let mut patch = AccountPatch::new();
                let mut seen = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    // Which of two values wins differs between JSON readers, so that neither does here.
                    if seen.contains(&key) {
                        let problem = match Field::from_name(&key) {
                            Some(field) => Problem::new(field, "given_twice", "must not be given twice"),
                            None => Problem::unknown(shortened(&key)),
                        };
                        patch.problems.push(problem);
                        continue;
                    }
                    patch.read(&key, value);
                    if Field::from_name(&key).is_some() {
                        seen.push(key);
                    }
                }
                Ok(patch)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::tests::full;
    use proptest::prelude::*;
    use serde_json::json;

    fn patch(value: &Value) -> AccountPatch {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "so that cases are json!(…) and nothing more")]
    fn check(value: Value, changed: &[Field], problems: &[(&str, &str)]) -> Account {
        let current = full();
        let (next, found) = patch(&value).merge_into(&current);
        assert_eq!(current.differences(&next), changed);
        let found: Vec<_> = found.iter().map(|problem| (problem.path(), problem.code())).collect();
        assert_eq!(found, problems);
        next
    }

    #[test]
    fn keep_set_and_clear() {
        use Field::*;
        check(json!({}), &[], &[]);
        check(json!({"name": "Acme"}), &[], &[]);
        check(json!({"name": " Globex "}), &[Name], &[]);
        check(json!({"name": null}), &[], &[("name", "required")]);
        check(json!({"sip_realm": null}), &[SipRealm], &[]);
        check(
            json!({"device_calling_application_sid": null, "siprec_application_sid": null}),
            &[DeviceCallingApplication, SiprecApplication],
            &[],
        );
        check(
            json!({"organisation_id": null, "service_provider_sid": null}),
            &[Organisation, ServiceProvider],
            &[],
        );
        check(json!({"licensed_sessions": 7}), &[LicensedSessions], &[]);
        check(json!({"licensed_sessions": null}), &[], &[("licensed_sessions", "required")]);
        check(json!({"registration_webhook": null}), &[RegistrationWebhook], &[]);
        check(json!({"contract": {"edit_unit": null}}), &[Contract], &[]);
        check(json!({"contract": null}), &[], &[("contract", "required")]);
    }

    #[test]
    fn objects_are_merged_member_by_member() {
        let next = check(json!({"unit": {"maximum": 200}}), &[Field::Unit], &[]);
        assert_eq!(next.unit, Unit::sessions(200));
        let next = check(json!({"unit": {"kind": "minutes", "maximum": 5}}), &[Field::Unit], &[]);
        assert_eq!(next.unit, Unit::minutes(5));
        check(json!({"unit": {"kind": "minutes"}}), &[], &[("unit.maximum", "required")]);
        check(json!({"unit": null}), &[], &[("unit", "required")]);
        check(
            json!({"unit": {"kind": null, "maximum": null}}),
            &[],
            &[("unit.kind", "required"), ("unit.maximum", "required")],
        );

        let next =
            check(json!({"queue_event_webhook": {"method": "POST"}}), &[Field::QueueEventWebhook], &[]);
        let hook = next.queue_event_webhook().unwrap();
        assert_eq!(hook.url().to_string(), "https://hooks.example/r#rc=2&rp=5xx");
        assert_eq!(hook.credentials().unwrap().reveal_password(), "hunter2");
        let none = json!({"queue_event_webhook": {"username": null, "password": null}});
        assert!(
            check(none, &[Field::QueueEventWebhook], &[])
                .queue_event_webhook()
                .unwrap()
                .credentials()
                .is_none()
        );
        check(
            json!({"queue_event_webhook": {"password": null}}),
            &[],
            &[("queue_event_webhook.password", "required")],
        );
        check(
            json!({"queue_event_webhook": {"username": "a:b"}}),
            &[],
            &[("queue_event_webhook.username", "character")],
        );
        check(
            json!({"queue_event_webhook": {"url": null, "method": "PUT", "colour": 1}}),
            &[],
            &[
                ("queue_event_webhook.colour", "unknown_field"),
                ("queue_event_webhook.method", "not_a_method"),
                ("queue_event_webhook.url", "required"),
            ],
        );
    }

    #[test]
    fn a_webhook_set_from_nothing_needs_an_address() {
        let mut current = full();
        current.registration_webhook = None;
        let (_, problems) = patch(&json!({"registration_webhook": {"method": "GET"}})).merge_into(&current);
        assert_eq!(problems.get("registration_webhook.url").unwrap().code(), "required");
        let (next, problems) =
            patch(&json!({"registration_webhook": {"url": "https://x.example"}})).merge_into(&current);
        assert!(problems.is_empty());
        assert_eq!(next.registration_webhook().unwrap().method(), WebhookMethod::Post);
    }

    #[test]
    fn wrong_types_unknown_and_read_only_fields() {
        for key in ["name", "sip_realm", "organisation_id", "siprec_application_sid", "service_provider_sid"]
        {
            for value in [json!(12345), json!({"first": "a"}), json!(["a", "b"]), json!(true)] {
                check(json!({ key: value }), &[], &[(key, "wrong_type")]);
            }
        }
        for key in ["unit", "contract", "registration_webhook", "queue_event_webhook"] {
            check(json!({ key: "x" }), &[], &[(key, "wrong_type")]);
        }
        for key in ["account_sid", "webhook_secret", "api_keys", "status"] {
            check(json!({ key: "x" }), &[], &[(key, "read_only")]);
        }
        check(
            json!({"revision": 5, "is_active": 0}),
            &[],
            &[("is_active", "unknown_field"), ("revision", "unknown_field")],
        );
        for text in ["[]", "\"name\"", "null", "7"] {
            assert!(serde_json::from_str::<AccountPatch>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let patch: AccountPatch = serde_json::from_str(r#"{"name":"a","name":"b"}"#).unwrap();
        assert_eq!(patch.problems().get("name").unwrap().code(), "given_twice");
    }

    #[test]
    fn all_problems_at_once_and_none_of_them_tells_a_secret() {
        let all = json!({
            "name": "", "sip_realm": "my_realm.example", "unit": {"maximum": -5}, "licensed_sessions": 1.5,
            "registration_webhook": {"url": "https://jane:hunter2@x.example/"},
            "queue_event_webhook": {"url": "https://x.example/", "username": "jane", "password": "hun\nter2"},
            "webhook_secret": "hunter2",
        });
        let (_, problems) = patch(&all).merge_into(&full());
        assert_eq!(problems.len(), 7);
        let text = format!("{problems} {problems:?} {}", serde_json::to_string(&problems).unwrap());
        assert!(!text.contains("hunter2") && !text.contains("ter2"), "{text}");
        let realm = problems.get("sip_realm").unwrap();
        assert_eq!((realm.position(), realm.message()), (Some(2), "must not contain the character _"));
    }

    fn json_values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!("https://x.example/")),
            Just(json!("GET")),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            let keys = prop_oneof![
                Just("kind"),
                Just("maximum"),
                Just("url"),
                Just("method"),
                Just("username"),
                Just("password"),
            ];
            prop::collection::hash_map(keys, inner, 0..4)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        })
    }

    proptest! {
        #[test]
        fn no_patch_panics_and_what_it_makes_is_valid(
            members in prop::collection::hash_map(prop::sample::select(Field::ALL.to_vec()), json_values(), 0..6)
        ) {
            let object: serde_json::Map<_, _> =
                members.into_iter().map(|(field, value)| (field.name().to_owned(), value)).collect();
            let patch: AccountPatch = serde_json::from_value(Value::Object(object)).unwrap();
            let (next, problems) = patch.merge_into(&full());
            // Whatever comes out can be stored and read again.
            let record = crate::model::record::AccountRecord::from(&next);
            let text = serde_json::to_string(&record).unwrap();
            let back: crate::model::record::AccountRecord = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(crate::model::record::AccountRecord::from(&next).name, back.name);
            // Merging is idempotent (RFC 7396), but for what was refused.
            if problems.is_empty() {
                prop_assert_eq!(patch.merge_into(&next).0, next);
            }
        }
    }
}
