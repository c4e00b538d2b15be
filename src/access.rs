//! Who may see and change what.

use crate::model::account::Account;
use crate::model::contract::Contract;
use crate::model::field::Field;
use crate::model::scope::Scope;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::subject::{Subject, SubjectError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who acts: a scope, which decides what they may do, and a subject, which tells the audit trail who it was.
///
/// ```
/// use gateway_accounts::{Actor, Scope};
/// let actor = Actor::admin("jane@operator.example")?;
/// assert_eq!(actor.scope(), Scope::Admin);
/// assert_eq!(actor.subject().as_str(), "jane@operator.example");
/// # Ok::<(), gateway_accounts::SubjectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    scope: Scope,
    subject: Subject,
}

impl Actor {
    /// An admin of this name.
    ///
    /// # Errors
    /// [`SubjectError`] when the name is no [`Subject`].
    pub fn admin(subject: &str) -> Result<Self, SubjectError> {
        Ok(Self::new(Scope::Admin, Subject::parse(subject)?))
    }

    /// Somebody of this name who acts for a service provider.
    ///
    /// # Errors
    /// [`SubjectError`] when the name is no [`Subject`].
    pub fn of_service_provider(provider: ServiceProviderSid, subject: &str) -> Result<Self, SubjectError> {
        Ok(Self::new(Scope::ServiceProvider(provider), Subject::parse(subject)?))
    }

    /// Somebody of this name who acts for an account.
    ///
    /// # Errors
    /// [`SubjectError`] when the name is no [`Subject`].
    pub fn of_account(account: AccountSid, subject: &str) -> Result<Self, SubjectError> {
        Ok(Self::new(Scope::Account(account), Subject::parse(subject)?))
    }

    /// Somebody who acts within a scope. The application has authenticated them.
    #[must_use]
    pub fn new(scope: Scope, subject: Subject) -> Self {
        Self { scope, subject }
    }

    /// How far their rights reach.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Who it is.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether they may know that the account exists.
    #[must_use]
    pub fn may_see(&self, account: &Account) -> bool {
        match self.scope {
            Scope::Admin => true,
            Scope::ServiceProvider(own) => account.service_provider() == Some(own),
            Scope::Account(own) => account.sid() == own,
        }
    }

    /// Whether they may do this to an account that they may see.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        match (action, self.scope) {
            (_, Scope::Admin) | (Action::Edit, _) => true,
            (Action::Create | Action::Delete, Scope::ServiceProvider(_)) => true,
            (Action::Create | Action::Delete, Scope::Account(_)) => false,
            (Action::Suspend | Action::Resume | Action::Import, _) => false,
        }
    }

    /// Whether they may see, add, change and revoke the API keys of this owner. If it is an account, `account` is that
    /// one.
    #[cfg(feature = "keys")]
    pub(crate) fn may_manage_keys(&self, owner: Scope, account: Option<&Account>) -> bool {
        match (self.scope, owner) {
            (Scope::Admin, _) => true,
            (_, Scope::Account(_)) => account.is_some_and(|account| self.may_see(account)),
            (own, owner) => own == owner,
        }
    }

    /// What they may do with each field of an account: what a user interface hides, greys out, or lets them edit.
    #[must_use]
    pub fn editable_fields(&self, account: &Account) -> FieldAccess {
        if self.may_see(account) { self.fields_under(account.contract()) } else { FieldAccess::HIDDEN }
    }

    /// What they may fill in of a new account, which starts with this contract. Its secret is generated, it starts
    /// active, and it gets its keys later: these are only visible.
    #[must_use]
    pub fn new_account_fields(&self, contract: Contract) -> FieldAccess {
        if !self.may(Action::Create) {
            return FieldAccess::HIDDEN;
        }
        let mut fields = self.fields_under(contract);
        for field in [Field::WebhookSecret, Field::ApiKeys, Field::Status] {
            fields.0[field as usize] = Access::Visible;
        }
        fields
    }

    fn fields_under(&self, contract: Contract) -> FieldAccess {
        let admin = self.scope == Scope::Admin;
        FieldAccess(Field::ALL.map(|field| {
            let editable = match field {
                Field::AccountSid => false,
                Field::Unit => admin || contract.edit_unit,
                Field::LicensedSessions => admin || contract.edit_licensed_sessions,
                Field::Contract | Field::Status | Field::ServiceProvider | Field::Organisation => admin,
                Field::Name
                | Field::SipRealm
                | Field::WebhookSecret
                | Field::DeviceCallingApplication
                | Field::SiprecApplication
                | Field::RegistrationWebhook
                | Field::QueueEventWebhook
                | Field::ApiKeys => true,
            };
            if editable { Access::Editable } else { Access::Visible }
        }))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Admin => write!(f, "{} (admin)", self.subject),
            Scope::ServiceProvider(sid) => write!(f, "{} (service provider {sid})", self.subject),
            Scope::Account(sid) => write!(f, "{} (account {sid})", self.subject),
        }
    }
}

/// What can be done to an account as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Create one.
    Create,
    /// Change some of its fields; which ones, [`Actor::editable_fields`] tells.
    Edit,
    /// Delete it.
    Delete,
    /// Take it out of service.
    Suspend,
    /// Take it back into service.
    Resume,
    /// Bring one in from elsewhere, with its SID, secret and times.
    Import,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Import => "import",
        })
    }
}

/// What an actor may do with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Not even see it.
    Hidden,
    /// See it, greyed out.
    Visible,
    /// See and change it. An [`AccountPatch`](crate::AccountPatch) changes all fields but three: *Status* is changed
    /// by suspending and resuming, *Account API keys* by `ApiKeys` (feature `keys`), and *Webhook secret* by
    /// [`Accounts::rotate_webhook_secret`](crate::Accounts::rotate_webhook_secret) and its companions.
    Editable,
}

/// What an actor may do with every field. Serialized, it is an object from the field's name to `hidden`,
/// `visible` or `editable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldAccess([Access; Field::ALL.len()]);

impl FieldAccess {
    const HIDDEN: Self = Self([Access::Hidden; Field::ALL.len()]);

    /// What they may do with this field.
    #[must_use]
    pub fn of(&self, field: Field) -> Access {
        self.0[field as usize]
    }

    /// Every field with what they may do, in the order of the Accounts page.
    pub fn iter(&self) -> impl Iterator<Item = (Field, Access)> {
        Field::ALL.into_iter().zip(self.0)
    }
}

impl Serialize for FieldAccess {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::tests::full;
    use std::fmt::Write;

    fn actor(scope: Scope) -> Actor {
        Actor::new(scope, "jane".parse().unwrap())
    }

    /// The whole table of rights, as text: a change of a right is a change of this file.
    #[test]
    fn the_table_of_rights() {
        let mut account = full();
        let own = account.service_provider().unwrap();
        let other: ServiceProviderSid = "8a2e500e-a948-4d4c-88b6-f1c64d31e586".parse().unwrap();
        let actors = [
            ("admin", actor(Scope::Admin)),
            ("provider", actor(Scope::ServiceProvider(own))),
            ("account", actor(Scope::Account(account.sid()))),
            ("other provider", actor(Scope::ServiceProvider(other))),
            ("other account", actor(Scope::Account("b3b70edc-bfa6-41d1-9d85-1eb4ba5f49ce".parse().unwrap()))),
        ];
        let mut table = String::new();
        let mut row = |label: &str, cells: Vec<&str>| {
            let cells: String = cells.iter().map(|cell| format!("{cell:16}")).collect();
            writeln!(table, "{}", format!("{label:36}{cells}").trim_end()).unwrap();
        };
        row("", actors.iter().map(|(name, _)| *name).collect());
        let yes = |may| if may { "yes" } else { "no" };
        row("see", actors.iter().map(|(_, actor)| yes(actor.may_see(&account))).collect());
        for action in
            [Action::Create, Action::Edit, Action::Delete, Action::Suspend, Action::Resume, Action::Import]
        {
            row(&action.to_string(), actors.iter().map(|(_, actor)| yes(actor.may(action))).collect());
        }
        let word = |access| match access {
            Access::Hidden => "hidden",
            Access::Visible => "visible",
            Access::Editable => "editable",
        };
        for (title, contract) in [
            ("fields, restricted contract", Contract::RESTRICTED),
            ("fields, open contract", Contract::OPEN),
            ("fields, unit only", Contract::RESTRICTED.with_edit_unit(true)),
            ("fields, licensed sessions only", Contract::RESTRICTED.with_edit_licensed_sessions(true)),
        ] {
            account.contract = contract;
            row("", vec![]);
            row(title, vec![]);
            for field in Field::ALL {
                let cells =
                    actors.iter().map(|(_, actor)| word(actor.editable_fields(&account).of(field))).collect();
                row(&format!("  {}", field.label()), cells);
            }
        }
        row("", vec![]);
        row("fields of a new account", vec![]);
        for field in Field::ALL {
            let cells = actors
                .iter()
                .map(|(_, a)| word(a.new_account_fields(Contract::RESTRICTED).of(field)))
                .collect();
            row(&format!("  {}", field.label()), cells);
        }
        let expected = include_str!("../tests/data/rights.txt");
        assert!(
            table == expected,
            "the rights changed; if that is meant, tests/data/rights.txt becomes:\n{table}"
        );
    }
}
