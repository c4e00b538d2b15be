//! Reading a patch from JSON.

use super::merge::{required, required_part};
use super::{AccountPatch, ContractPatch, Edit, UnitPatch, WebhookPatch};
use crate::model::field::Field;
use crate::model::name::AccountName;
use crate::model::organisation::OrganisationId;
use crate::model::problem::{Problem, ValueError};
use crate::model::realm::SipRealm;
use crate::model::sid::{ApplicationSid, ServiceProviderSid};
use crate::model::unit::{Limit, UnitKind};
use crate::model::view::MASK;
use crate::model::webhook::{WebhookMethod, WebhookUrl};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The members of an [`AccountView`](crate::AccountView) that no edit sets, and that may be kept to compare.
const STATED: [&str; 6] =
    ["account_sid", "webhook_secret_overlap_until", "status", "revision", "created", "updated"];

/// Which of two values wins differs between JSON readers, so that neither does here.
const GIVEN_TWICE: (&str, &str) = ("given_twice", "must not be given twice");

/// A member of the patch. An object keeps all of its own members, also those of the same name.
pub(super) enum Member {
    Object(Vec<(String, Value)>),
    Other(Value),
}

impl Member {
    /// The value; of an object that has a member twice, whichever.
    fn into_value(self) -> Value {
        match self {
            Self::Object(members) => members.into_iter().collect(),
            Self::Other(value) => value,
        }
    }
}

impl AccountPatch {
    /// Reads one member of the JSON object.
    pub(super) fn read(&mut self, key: &str, member: Member) {
        if let Some(name) = STATED.into_iter().find(|name| *name == key) {
            if self.stated.0.iter().any(|(stated, _)| *stated == name) {
                self.problems.push(Problem::of_name(name, GIVEN_TWICE.0, GIVEN_TWICE.1));
            } else {
                self.stated.0.push((name, member.into_value()));
            }
            return;
        }
        let Some(field) = Field::from_name(key) else {
            self.problems.push(Problem::unknown(shortened(key)));
            return;
        };
        match field {
            Field::Unit => self.unit = self.read_unit(field, member),
            Field::Contract => self.contract = self.read_contract(field, member),
            Field::RegistrationWebhook => self.registration_webhook = self.read_webhook(field, member),
            Field::QueueEventWebhook => self.queue_event_webhook = self.read_webhook(field, member),
            Field::Name => self.name = self.text(field, member, true, AccountName::parse),
            Field::SipRealm => self.sip_realm = self.text(field, member, false, SipRealm::parse),
            Field::Organisation => self.organisation = self.text(field, member, false, OrganisationId::parse),
            Field::DeviceCallingApplication => {
                self.device_calling_application = self.text(field, member, false, ApplicationSid::parse);
            }
            Field::SiprecApplication => {
                self.siprec_application = self.text(field, member, false, ApplicationSid::parse);
            }
            Field::ServiceProvider => {
                self.service_provider = self.text(field, member, false, ServiceProviderSid::parse);
            }
            Field::LicensedSessions => match member.into_value() {
                Value::Null => self.problems.push(required(field)),
                value => self.licensed_sessions = self.parsed(field, Limit::from_json(&value)),
            },
            // A secret is not kept to compare it: only what a view shows in its place is no problem.
            Field::WebhookSecret if member.into_value() == MASK => {}
            Field::AccountSid | Field::WebhookSecret | Field::ApiKeys | Field::Status => {
                self.problems.push(Problem::read_only(field.name()));
            }
        }
    }

    fn text<T, E: ValueError>(
        &mut self,
        field: Field,
        member: Member,
        is_required: bool,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Edit<T> {
        match member.into_value() {
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

    fn read_unit(&mut self, field: Field, member: Member) -> Edit<UnitPatch> {
        let mut unit = UnitPatch::default();
        self.members(field, member, |patch, part, value| {
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

    fn read_contract(&mut self, field: Field, member: Member) -> Edit<ContractPatch> {
        let mut contract = ContractPatch::default();
        self.members(field, member, |patch, part, value| {
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

    fn read_webhook(&mut self, field: Field, member: Member) -> Edit<WebhookPatch> {
        if matches!(member, Member::Other(Value::Null)) {
            return Edit::Clear;
        }
        let mut hook = WebhookPatch::default();
        self.members(field, member, |patch, part, value| {
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
        member: Member,
        mut read: impl FnMut(&mut Self, &str, Value) -> bool,
    ) -> Option<()> {
        match member {
            Member::Object(parts) => {
                let mut seen = Vec::new();
                for (part, value) in parts {
                    if seen.contains(&part) {
                        self.problems.push(Problem::of_part(field, &part, GIVEN_TWICE.0, GIVEN_TWICE.1));
                    } else if read(self, &part, value) {
                        seen.push(part);
                    } else {
                        self.problems.push(Problem::unknown(format!(
                            "{}.{}",
                            field.name(),
                            shortened(&part)
                        )));
                    }
                }
                Some(())
            }
            Member::Other(Value::Null) => {
                self.problems.push(required(field));
                None
            }
            Member::Other(_) => {
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
        impl<'de> Visitor<'de> for Members {
            type Value = AccountPatch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of the fields to change")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AccountPatch, A::Error> {
                let mut patch = AccountPatch::new();
                let mut seen = Vec::new();
                while let Some((key, member)) = map.next_entry::<String, Member>()? {
                    match Field::from_name(&key) {
                        Some(field) if seen.contains(&field) => {
                            patch.problems.push(Problem::new(field, GIVEN_TWICE.0, GIVEN_TWICE.1));
                        }
                        field => {
                            seen.extend(field);
                            patch.read(&key, member);
                        }
                    }
                }
                Ok(patch)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> serde::Deserialize<'de> for Member {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Member;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Member::Object(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
                // No field is a list: what is in it does not matter.
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                Ok(Member::Other(Value::Array(Vec::new())))
            }
            fn visit_unit<E>(self) -> Result<Member, E> {
                Ok(Member::Other(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Member, E> {
                Ok(Member::Other(Value::Null))
            }
            fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
                deserializer.deserialize_any(self)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Member, E> {
                Ok(Member::Other(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Member, E> {
                Ok(Member::Other(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Member, E> {
                Ok(Member::Other(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Member, E> {
                Ok(Member::Other(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Member, E> {
                Ok(Member::Other(value.into()))
            }
            fn visit_string<E>(self, value: String) -> Result<Member, E> {
                Ok(Member::Other(value.into()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
