//! Applying a patch to an account.

use super::{AccountPatch, Edit, WebhookPatch};
use crate::model::account::Account;
use crate::model::field::Field;
use crate::model::problem::{Problem, Problems};
use crate::model::webhook::{Webhook, WebhookCredentials};

impl AccountPatch {
    /// The account that `current` becomes, and every problem found in the patch or in merging it. With a problem,
    /// it is only good for finding more of them.
    pub(crate) fn merge_into(&self, current: &Account) -> (Account, Problems) {
        let mut next = current.clone();
        let mut problems = self.problems.clone();
        self.check_stated(current, &mut problems);
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
                Edit::Set(patch) => {
                    let (merged, problem) = patch.merge_into(field, hook.as_deref());
                    if let Some(merged) = merged {
                        *hook = Some(Box::new(merged));
                    }
                    if let Some(problem) = problem {
                        problems.push(problem);
                    }
                }
            }
        }
        (next, problems)
    }

    /// What no edit sets may be in a patch, if it is what the account has.
    fn check_stated(&self, current: &Account, problems: &mut Problems) {
        if self.stated.0.is_empty() {
            return;
        }
        // A view of plain fields always serializes; if it did not, nothing would be what the account has.
        let view = serde_json::to_value(current.view()).unwrap_or_default();
        for (name, value) in &self.stated.0 {
            if view.get(name) != Some(value) {
                problems.push(Problem::read_only(name));
            }
        }
    }

    /// Whether it sets a name, as a draft must.
    pub(crate) fn names(&self) -> bool {
        matches!(self.name, Edit::Set(_))
    }
}

impl WebhookPatch {
    /// The webhook, as far as it can be made, so that its address is checked too; and what is wrong with it.
    fn merge_into(&self, field: Field, current: Option<&Webhook>) -> (Option<Webhook>, Option<Problem>) {
        let url = match (&self.url, current) {
            (Some(url), _) => url.clone(),
            (None, Some(current)) => current.url().clone(),
            (None, None) => return (None, Some(required_part(field, "url"))),
        };
        let moves = current.is_some_and(|current| current.url().to_url().origin() != url.to_url().origin());
        let method = self.method.or(current.map(Webhook::method)).unwrap_or_default();
        let hook = Webhook::new(url).with_method(method);
        match self.credentials(field, current.and_then(Webhook::credentials), moves) {
            Ok(credentials) => (Some(hook.with_credentials(credentials)), None),
            Err(problem) => (Some(hook), Some(problem)),
        }
    }

    fn credentials(
        &self,
        field: Field,
        current: Option<&WebhookCredentials>,
        moves: bool,
    ) -> Result<Option<WebhookCredentials>, Problem> {
        let username = match &self.username {
            Edit::Keep => current.map(WebhookCredentials::username),
            Edit::Set(username) => Some(username.as_str()),
            Edit::Clear => None,
        };
        let password = match &self.password {
            Edit::Keep if moves => None,
            Edit::Keep => current.map(WebhookCredentials::reveal_password),
            Edit::Set(password) => Some(password.as_str()),
            Edit::Clear => None,
        };
        match (username, password) {
            (None, None) => Ok(None),
            (Some(username), Some(password)) => WebhookCredentials::new(username, password)
                .map(Some)
                .map_err(|error| Problem::of_value_part(field, error.part(), &error)),
            // Half of them would never be sent, and so protect nothing.
            (Some(_), None) => Err(required_part(field, "password")),
            (None, Some(_)) => Err(required_part(field, "username")),
        }
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

pub(super) fn required_part(field: Field, part: &str) -> Problem {
    Problem::of_part(field, part, "required", "must have a value")
}
