//! The rules of the front desk: what an account can't know of itself.

use crate::access::{Access, Actor, FieldAccess};
use crate::accounts::{Accounts, Error};
use crate::model::account::Account;
use crate::model::field::Field;
use crate::model::problem::{Problem, Problems};
use crate::model::scope::Scope;
use std::sync::Arc;

impl Accounts {
    /// Adds what the rules of one account can't see, and ends with all problems together.
    pub(super) async fn check(
        &self,
        actor: &Actor,
        before: Option<&Account>,
        after: &Account,
        mut problems: Problems,
    ) -> Result<(), Error> {
        let unread = |problem: &Problem| {
            matches!(problem.field(), Some(Field::Unit | Field::LicensedSessions))
                && problem.code() != NOT_PERMITTED
        };
        let limits_are_read = !problems.iter().any(unread);
        if let Err(error) = after.check_fields_together()
            && limits_are_read
        {
            // The error belongs beside the field that the actor has touched.
            problems.push(match before {
                Some(before) if before.licensed_sessions == after.licensed_sessions => {
                    let message =
                        format!("must not be below the {} licensed sessions", after.licensed_sessions);
                    Problem::of_part(Field::Unit, "maximum", "below_licensed", message)
                }
                _ => Problem::of_value(Field::LicensedSessions, &error),
            });
        }
        let changed = |field| before.is_none_or(|before| before.differences(after).contains(&field));
        if before.is_none() {
            self.check_overlap(after, &mut problems);
        }
        self.check_webhooks(after, changed, &mut problems);
        self.check_applications(after, changed, &mut problems).await?;
        let store = &self.0.store;
        if changed(Field::Name) && is_other(store.by_name(&after.name).await?.as_ref(), after) {
            problems.push(taken(Field::Name));
        }
        if let Some(realm) = after.sip_realm().filter(|_| changed(Field::SipRealm)) {
            if is_other(store.by_realm(realm).await?.as_ref(), after) {
                problems.push(taken(Field::SipRealm));
            } else if actor.scope() != Scope::Admin
                && let Err(error) = self.0.realm_policy.check(realm)
            {
                problems.push(Problem::of_value(Field::SipRealm, &error));
            }
        }
        problems.into_result().map_err(Error::Invalid)
    }

    /// That the URL policy lets the changed webhooks through.
    pub(super) fn check_webhooks(
        &self,
        after: &Account,
        changed: impl Fn(Field) -> bool,
        problems: &mut Problems,
    ) {
        for (field, hook) in [
            (Field::RegistrationWebhook, after.registration_webhook()),
            (Field::QueueEventWebhook, after.queue_event_webhook()),
        ] {
            if let Some(hook) = hook.filter(|_| changed(field))
                && let Err(error) = self.0.url_policy.check(hook.url())
            {
                problems.push(Problem::of_value_part(field, "url", &error));
            }
        }
    }

    /// That the account may use its applications.
    pub(super) async fn check_applications(
        &self,
        after: &Account,
        changed: impl Fn(Field) -> bool,
        problems: &mut Problems,
    ) -> Result<(), Error> {
        // Who may use an application can depend on the service provider.
        let moved = changed(Field::ServiceProvider);
        for (field, application) in [
            (Field::DeviceCallingApplication, after.device_calling_application),
            (Field::SiprecApplication, after.siprec_application),
        ] {
            if let Some(application) = application.filter(|_| moved || changed(field)) {
                let may_use =
                    self.0.applications.may_use(application, after.sid, after.service_provider).await;
                if !may_use.map_err(Error::Applications)? {
                    let message = "must be an application that this account may use";
                    problems.push(Problem::new(field, "unknown_application", message));
                }
            }
        }
        Ok(())
    }
}

const NOT_PERMITTED: &str = "not_permitted";

/// Undoes what the actor may not change, and says so in place of what else is wrong with those fields. A refused
/// value takes no part in the checks that follow: their answers would tell of accounts and applications that the
/// actor may not know of.
pub(super) fn refuse(
    current: &Account,
    mut next: Account,
    problems: &Problems,
    access: FieldAccess,
) -> (Account, Problems) {
    let changed = current.differences(&next);
    let refused = |field: &Field| {
        // What nobody sets by an edit has its own answer.
        let read_only = problems.get(field.name()).is_some_and(|problem| problem.code() == "read_only");
        let touched = changed.contains(field) || (problems.concern(*field) && !read_only);
        access.of(*field) != Access::Editable && touched
    };
    let mut all = Problems::none();
    for field in Field::ALL.into_iter().filter(refused) {
        next.keep(field, current);
        all.push(Problem::new(field, NOT_PERMITTED, "may not be changed by this actor"));
    }
    for problem in problems.iter().filter(|problem| !problem.field().is_some_and(|field| refused(&field))) {
        all.push(problem.clone());
    }
    (next, all)
}

pub(super) fn is_other(found: Option<&Arc<Account>>, account: &Account) -> bool {
    found.is_some_and(|found| found.sid != account.sid)
}

pub(super) fn taken(field: Field) -> Problem {
    Problem::new(field, "taken", "is that of another account")
}
