//! From jambonz's documents to our accounts.

use crate::accounts::Refusals;
use crate::jambonz::applications::KnownApplications;
use crate::jambonz::documents::{self, Documents, RecordKind};
use crate::jambonz::report::{Notes, Report, shown};
use crate::jambonz::{keys, limits};
use crate::keys::KeyImport;
use crate::model::account::{Account, Revision};
use crate::model::contract::Contract;
use crate::model::name::AccountName;
use crate::model::problem::ValueError;
use crate::model::realm::SipRealm;
use crate::model::record::AccountRecord;
use crate::model::scope::Scope;
use crate::model::sid::{AccountSid, ApplicationSid, ServiceProviderSid};
use crate::model::status::{Status, SuspensionReason};
use crate::model::timestamp::Timestamp;
use crate::model::unit::UnitKind;
use crate::model::webhook::{Webhook, WebhookCredentials, WebhookMethod, WebhookUrl, WebhookUrlError};
use crate::model::webhook_secret::WebhookSecret;
use crate::random::Random;
use crate::webhooks::url_policy::UrlPolicy;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a limit of 0 means. jambonz reads it both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zero {
    /// No limit: how jambonz reads the limits of accounts.
    #[default]
    Unlimited,
    /// Nothing gets through: how jambonz reads the products of a subscription, and what somebody who wrote 0 may
    /// have meant.
    Blocked,
}

/// What becomes of an account whose name an earlier one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DuplicateName {
    /// It is not imported.
    #[default]
    Refuse,
    /// It gets a number: `Acme (2)`.
    Number,
}

/// What there is to decide about a move. [`Options::new`] decides as jambonz behaves, where jambonz has a
/// behaviour, and on the side of safety where it has none.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) zero: Zero,
    pub(super) both_units: UnitKind,
    url_policy: UrlPolicy,
    duplicate_name: DuplicateName,
    new_secrets: Option<Arc<dyn Random>>,
    now: Option<Timestamp>,
    admin_keys: bool,
}

impl Options {
    /// [`Zero::Unlimited`], sessions rather than minutes, [`UrlPolicy::production`], [`DuplicateName::Refuse`], and
    /// no new secrets.
    #[must_use]
    pub fn new() -> Self {
        Self {
            zero: Zero::default(),
            both_units: UnitKind::Sessions,
            url_policy: UrlPolicy::production(),
            duplicate_name: DuplicateName::default(),
            new_secrets: None,
            now: None,
            admin_keys: false,
        }
    }

    /// The same, reading a limit of 0 in this way.
    #[must_use]
    pub fn with_zero(mut self, zero: Zero) -> Self {
        self.zero = zero;
        self
    }

    /// The same, keeping this unit where an account has limits of both, which an account here can't have.
    ///
    /// Sessions, if nothing is said: they are what jambonz enforces. It stores minutes and never counts them.
    #[must_use]
    pub fn with_both_units(mut self, kept: UnitKind) -> Self {
        self.both_units = kept;
        self
    }

    /// The same, dropping webhooks that this policy refuses. It should be that of the [`Accounts`](crate::Accounts)
    /// which the accounts are imported through.
    #[must_use]
    pub fn with_url_policy(mut self, policy: UrlPolicy) -> Self {
        self.url_policy = policy;
        self
    }

    /// The same, doing this with an account whose name an earlier one has.
    #[must_use]
    pub fn with_duplicate_name(mut self, action: DuplicateName) -> Self {
        self.duplicate_name = action;
        self
    }

    /// The same, not importing API keys that have expired by this time. Without it they come over with their expiry, which
    /// is kept here, other than in jambonz.
    #[must_use]
    pub fn with_now(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The same, importing API keys of neither an account nor a service provider, which are an admin's. Without it they are
    /// not imported: a document that was cut down or misspelled would make an admin's key of any.
    #[must_use]
    pub fn with_admin_keys(mut self) -> Self {
        self.admin_keys = true;
        self
    }

    /// The same, generating a webhook secret for an account that has none. Without it such an account is not
    /// imported.
    #[must_use]
    pub fn with_new_secrets(mut self, random: impl Random + 'static) -> Self {
        self.new_secrets = Some(Arc::new(random));
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// What came of a move.
#[derive(Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The accounts that came over, in the order of the documents. No two of them have the same SID, name or
    /// realm, so that an empty store takes them all.
    pub accounts: Vec<Account>,
    /// The API keys of those accounts, of service providers and of admins, for [`ApiKeys::import`](crate::ApiKeys::import)
    /// once the accounts are there. No two are the same.
    pub keys: Vec<KeyImport>,
    /// What could not come over as it was.
    pub report: Report,
}

impl Imported {
    /// Takes the accounts that [`Accounts::import_all`](crate::Accounts::import_all) refused out of those that are to come
    /// over, and their keys with them, and adds both to the report. The rest can then be imported without them.
    pub fn refuse_all(&mut self, refusals: &Refusals) {
        self.report.refuse_all(&mut self.accounts, refusals);
        let left: HashSet<AccountSid> = self.accounts.iter().map(Account::sid).collect();
        let Self { keys, report, .. } = self;
        keys.retain(|key| match key.owner {
            Scope::Account(sid) if !left.contains(&sid) => {
                let label = key.label.as_str();
                let name = label.strip_prefix("jambonz ").unwrap_or(label).to_owned();
                let mut notes = Notes::new(RecordKind::ApiKey, name, Some(format!("account {sid}")));
                notes.refused(None, "no_account", "its account is not among those imported");
                report.entries.append(&mut notes.entries);
                false
            }
            Scope::Account(_) | Scope::ServiceProvider(_) | Scope::Admin => true,
        });
    }
}

impl Documents {
    /// Turns the accounts into ours. Each is among the accounts of the result, or in its report as not imported;
    /// each field is as it was, or in the report.
    ///
    /// The result depends on the documents and the options alone, but for new secrets. Where two accounts want the
    /// same name or realm, the one that was created first has it; of two created at the same time, the one with
    /// the smaller SID.
    ///
    /// How each field is read, and why, is told in the [documentation of the module](crate::jambonz).
    ///
    /// ```
    /// use gateway_accounts::jambonz::{Documents, Options};
    /// let documents = Documents {
    ///     accounts: serde_json::from_str(r#"[{
    ///         "account_sid": "06b5fe07-1d99-422b-902a-3b343f675413",
    ///         "name": "Acme",
    ///         "sip_realm": "192.0.2.10",
    ///         "webhook_secret": "wh_secret_arRiyproWZqJm95Ya5jSRM",
    ///         "created_at": "2026-11-23T20:37:43.000Z"
    ///     }]"#)?,
    ///     ..Documents::default()
    /// };
    /// let imported = documents.import(&Options::new());
    /// assert_eq!(imported.accounts[0].name().as_str(), "Acme");
    /// assert_eq!(imported.accounts[0].sip_realm(), None);
    /// assert_eq!(imported.report.entries()[0].code, "ip_address");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn import(&self, options: &Options) -> Imported {
        let applications = KnownApplications::new(&self.applications);
        let mut limits: HashMap<AccountSid, Vec<&documents::Limit>> = HashMap::new();
        for limit in &self.limits {
            if let Some(account) = account_of(limit) {
                limits.entry(account).or_default().push(limit);
            }
        }
        let mut candidates: Vec<Candidate> = self
            .accounts
            .iter()
            .map(|document| {
                let sid = document.account_sid.as_deref().and_then(|sid| AccountSid::parse(sid).ok());
                let limits = sid.and_then(|sid| limits.get(&sid)).map_or(&[][..], Vec::as_slice);
                Candidate::read(document, limits, &applications, options)
            })
            .collect();
        settle(&mut candidates, options);
        let mut report = Report { read: candidates.len(), ..Report::default() };
        let mut accounts = Vec::with_capacity(candidates.len());
        for Candidate { record, mut notes, .. } in candidates {
            if let Some(record) = record {
                match Account::try_from(*record) {
                    Ok(account) => {
                        report.imported.insert(account.sid, !notes.entries.is_empty());
                        accounts.push(account);
                    }
                    Err(error) => {
                        notes.refused(None, error.code(), error.to_string());
                        notes.only_refusals();
                    }
                }
            }
            report.entries.append(&mut notes.entries);
        }
        let keys = self.report_other_records(&mut report, options);
        Imported { accounts, keys, report }
    }

    /// Reports what an account here does not hold, and gives the API keys.
    fn report_other_records(&self, report: &mut Report, options: &Options) -> Vec<KeyImport> {
        let imported: HashSet<AccountSid> = report.imported.keys().copied().collect();
        let mut refuse = |kind, sid: &Option<String>, name, code, reason: &str| {
            let mut notes = Notes::new(kind, sid.clone().unwrap_or_default(), name);
            notes.refused(None, code, reason);
            report.entries.append(&mut notes.entries);
        };
        for limit in &self.limits {
            if account_of(limit).is_none_or(|account| !imported.contains(&account)) {
                let owner = limit.account_sid.as_deref().map(|sid| format!("account {sid}"));
                let reason = "its account is not among those imported";
                refuse(RecordKind::Limit, &limit.account_limits_sid, owner, "no_account", reason);
            }
        }
        let keys = self.import_keys(&imported, options.now, options.admin_keys, &mut |key, code, reason| {
            refuse(RecordKind::ApiKey, &key.api_key_sid, Some(keys::whose(key)), code, reason);
        });
        for application in &self.applications {
            let reason = "applications are not kept here; its record only decided which accounts may use it";
            refuse(
                RecordKind::Application,
                &application.application_sid,
                application.name.clone(),
                "no_place",
                reason,
            );
        }
        for provider in &self.service_providers {
            let hook = provider
                .registration_hook
                .as_ref()
                .map_or("", |_| ", and its registration webhook is dropped");
            let reason = format!("service providers are not kept here; its accounts keep its SID{hook}");
            refuse(
                RecordKind::ServiceProvider,
                &provider.service_provider_sid,
                provider.name.clone(),
                "no_place",
                &reason,
            );
        }
        keys
    }
}

fn account_of(limit: &documents::Limit) -> Option<AccountSid> {
    AccountSid::parse(limit.account_sid.as_deref()?).ok()
}

/// An account that may come over, if no other stands in its way.
struct Candidate {
    /// `None` when it does not come over; why, the notes tell.
    record: Option<Box<AccountRecord>>,
    /// When it was created, if that is known.
    created: Option<Timestamp>,
    notes: Notes,
}

impl Candidate {
    fn read(
        document: &documents::Account,
        limits: &[&documents::Limit],
        applications: &KnownApplications,
        options: &Options,
    ) -> Self {
        let sid = document.account_sid.clone().unwrap_or_default();
        let mut notes = Notes::new(RecordKind::Account, sid, document.name.clone());
        let sid = required("account_sid", document.account_sid.as_deref(), AccountSid::parse, &mut notes);
        let name = required("name", document.name.as_deref(), AccountName::parse, &mut notes);
        let webhook_secret = webhook_secret(document, options, &mut notes);
        let given = document.created_at.as_deref();
        let created = given.and_then(|text| Timestamp::parse(text).ok());
        if created.is_none() {
            let reason =
                "is not a moment within the years 1970 to 9998; the account counts as created in 1970";
            notes.changed("created_at", "not_a_moment", reason);
        }
        let service_provider = optional(
            "service_provider_sid",
            document.service_provider_sid.as_deref(),
            ServiceProviderSid::parse,
            &mut notes,
        );
        let sip_realm = optional("sip_realm", document.sip_realm.as_deref(), SipRealm::parse, &mut notes);
        let mut application = |field, given: &Option<String>| {
            let application = optional(field, given.as_deref(), ApplicationSid::parse, &mut notes)?;
            if applications.allows(application, sid?, service_provider) {
                return Some(application);
            }
            let reason = if applications.contains(application) {
                format!("application {application} belongs to somebody else")
            } else {
                format!("application {application} is not among the applications")
            };
            notes.dropped(field, "unknown_application", reason);
            None
        };
        let device_calling_application =
            application("device_calling_application_sid", &document.device_calling_application_sid);
        let siprec_application = application("siprec_hook_sid", &document.siprec_hook_sid);
        let registration_webhook =
            webhook("registration_hook", document.registration_hook.as_ref(), options, &mut notes);
        let queue_event_webhook =
            webhook("queue_event_hook", document.queue_event_hook.as_ref(), options, &mut notes);
        let (unit, licensed_sessions) = limits::read(limits, options, &mut notes);
        let status = status(document, created.unwrap_or_default(), &mut notes);
        report_without_place(document, &mut notes);
        let (Some(sid), Some(name), Some(webhook_secret)) = (sid, name, webhook_secret) else {
            notes.only_refusals();
            return Self { record: None, created, notes };
        };
        let record = AccountRecord {
            sid,
            name,
            unit,
            licensed_sessions,
            sip_realm,
            webhook_secret,
            former_webhook_secret: None,
            minutes_used: None,
            device_calling_application,
            siprec_application,
            registration_webhook,
            queue_event_webhook,
            organisation: None,
            service_provider,
            contract: Contract::RESTRICTED,
            status,
            revision: Revision::FIRST,
            created: created.unwrap_or_default(),
            updated: created.unwrap_or_default(),
        };
        Self { record: Some(Box::new(record)), created, notes }
    }

    fn refuse(&mut self, field: &str, code: &'static str, reason: String) {
        self.record = None;
        self.notes.refused(Some(field), code, reason);
        self.notes.only_refusals();
    }
}

/// Reads a text that every account has.
fn required<T: ToString, E: ValueError>(
    field: &str,
    given: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
    notes: &mut Notes,
) -> Option<T> {
    match given.map(|text| (text, parse(text))) {
        None => notes.refused(Some(field), "required", "must have a value"),
        Some((text, Ok(value))) => {
            report_normalised(field, text, &value, notes);
            return Some(value);
        }
        Some((_, Err(error))) => notes.refused(Some(field), error.code(), error.to_string()),
    }
    None
}

/// Reads a text that an account may have; jambonz writes an empty one where it means none.
fn optional<T: ToString, E: ValueError>(
    field: &str,
    given: Option<&str>,
    parse: impl Fn(&str) -> Result<T, E>,
    notes: &mut Notes,
) -> Option<T> {
    let text = given?;
    if text.is_empty() {
        notes.changed(field, "empty", "an empty text means that there is none");
        return None;
    }
    match parse(text) {
        Ok(value) => {
            report_normalised(field, text, &value, notes);
            Some(value)
        }
        Err(error) => {
            notes.dropped(field, error.code(), format!("\"{}\" {error}", shown(text)));
            None
        }
    }
}

fn report_normalised(field: &str, given: &str, value: &impl ToString, notes: &mut Notes) {
    let value = value.to_string();
    if value != given {
        let reason = format!("\"{}\" became \"{}\"", shown(given), shown(&value));
        notes.changed(field, "normalised", reason);
    }
}

fn webhook_secret(
    document: &documents::Account,
    options: &Options,
    notes: &mut Notes,
) -> Option<WebhookSecret> {
    const FIELD: &str = "webhook_secret";
    let given = document.webhook_secret.as_ref().map_or("", |secret| secret.reveal());
    if let (true, Some(random)) = (given.is_empty(), &options.new_secrets) {
        return match WebhookSecret::generate(&**random) {
            Ok(secret) => {
                notes.changed(FIELD, "generated", "there was none; a new one was generated");
                Some(secret)
            }
            Err(error) => {
                notes.refused(Some(FIELD), "random", error.to_string());
                None
            }
        };
    }
    WebhookSecret::import(given)
        .map_err(|error| notes.refused(Some(FIELD), error.code(), error.to_string()))
        .ok()
}

fn webhook(
    field: &str,
    document: Option<&documents::Webhook>,
    options: &Options,
    notes: &mut Notes,
) -> Option<Box<Webhook>> {
    let document = document?;
    let given = document.url.as_ref().map_or("", |url| url.reveal());
    let url_field = format!("{field}.url");
    if given.trim().is_empty() {
        notes.changed(field, "empty", "an empty URL means that there is no webhook");
        return None;
    }
    let (url, without_fragment) = match (WebhookUrl::parse(given), given.split_once('#')) {
        // Fragments are never sent. One that is not a retry policy does nothing in jambonz.
        (Err(WebhookUrlError::Fragment), Some((url, _))) => (WebhookUrl::parse(url), true),
        (url, _) => (url, false),
    };
    let url = match url {
        Ok(url) => url,
        Err(error) => {
            notes.dropped(field, error.code(), format!("its URL {error}"));
            return None;
        }
    };
    if let Err(error) = options.url_policy.check(&url) {
        notes.dropped(field, error.code(), format!("its URL {error}"));
        return None;
    }
    let method = match document.method.as_deref() {
        None => WebhookMethod::default(),
        Some(text) => match WebhookMethod::parse(&text.to_ascii_uppercase()) {
            Ok(method) => {
                report_normalised(&format!("{field}.method"), text, &method, notes);
                method
            }
            Err(error) => {
                let reason = format!("its method {error}");
                notes.dropped(field, error.code(), reason);
                return None;
            }
        },
    };
    if without_fragment {
        notes.changed(&url_field, "fragment", "its fragment is not a retry policy and was dropped");
    } else if url.to_string() != given {
        let reason =
            "was normalised, as URL parsers do (white space, case of the host, percent-encoding, IDNA)";
        notes.changed(&url_field, "normalised", reason);
    }
    let credentials = credentials(field, document, notes);
    Some(Box::new(Webhook::new(url).with_method(method).with_credentials(credentials)))
}

fn credentials(field: &str, document: &documents::Webhook, notes: &mut Notes) -> Option<WebhookCredentials> {
    let text = |part: &'_ Option<documents::Concealed>| part.as_ref().map(|part| part.reveal().to_owned());
    let username = zeroize::Zeroizing::new(text(&document.username).unwrap_or_default());
    let password = zeroize::Zeroizing::new(text(&document.password).unwrap_or_default());
    match (username.is_empty(), password.is_empty()) {
        (true, true) => None,
        (false, false) => WebhookCredentials::new(&username, &password)
            .map_err(|error| {
                let part = format!("{field}.{}", error.part());
                notes.dropped(
                    &part,
                    error.code(),
                    format!("{error}; the webhook is called without credentials"),
                );
            })
            .ok(),
        (without_username, _) => {
            let (part, missing) =
                if without_username { ("password", "user name") } else { ("username", "password") };
            let reason = format!("there is no {missing}, and jambonz sends neither without the other");
            notes.dropped(&format!("{field}.{part}"), "incomplete", reason);
            None
        }
    }
}

fn status(document: &documents::Account, created: Timestamp, notes: &mut Notes) -> Status {
    let reason = document.deactivated_reason.as_deref().filter(|reason| !reason.is_empty());
    // The column's default.
    let is_active = document.is_active.unwrap_or(1);
    if !(0..=1).contains(&is_active) {
        let reason = format!("{is_active} means active, as jambonz reads everything but 0");
        notes.changed("is_active", "not_a_flag", reason);
    }
    if is_active != 0 {
        if let Some(reason) = reason {
            let reason = format!("\"{}\": the account is active", shown(reason));
            notes.dropped("deactivated_reason", "no_place", reason);
        }
        return Status::Active;
    }
    notes.changed(
        "is_active",
        "since_unknown",
        "jambonz does not record since when; the account counts as suspended since it was created",
    );
    const DEFAULT_REASON: &str = "deactivated in jambonz";
    let reason = match reason.map(|reason| (reason, SuspensionReason::parse(reason))) {
        Some((given, Ok(reason))) => {
            report_normalised("deactivated_reason", given, &reason, notes);
            reason
        }
        given => {
            let (code, why) = match &given {
                Some((_, Err(error))) => (error.code(), error.to_string()),
                _ => ("required", "there is none".to_owned()),
            };
            notes.changed(
                "deactivated_reason",
                code,
                format!("{why}; \"{DEFAULT_REASON}\" stands in its place"),
            );
            SuspensionReason::parse(DEFAULT_REASON).expect("a few plain words are a reason")
        }
    };
    Status::suspended(reason, created)
}

/// What an account here has no place for, when it is not as jambonz creates it.
fn report_without_place(document: &documents::Account, notes: &mut Notes) {
    let text = |given: &Option<String>| given.as_deref().filter(|text| !text.is_empty()).map(shown);
    let number = |given: Option<i64>| given.map(|number| number.to_string());
    for (field, given, default) in [
        ("plan_type", text(&document.plan_type), "trial"),
        ("trial_end_date", text(&document.trial_end_date), ""),
        ("device_to_call_ratio", number(document.device_to_call_ratio), "5"),
        ("disable_cdrs", number(document.disable_cdrs), "0"),
        ("record_all_calls", number(document.record_all_calls), "0"),
        ("record_format", text(&document.record_format), "mp3"),
        ("enable_debug_log", number(document.enable_debug_log), "0"),
    ] {
        if let Some(given) = given.filter(|given| given != default) {
            notes.dropped(field, "no_place", format!("{given}: accounts have no such field here"));
        }
    }
    for (field, present) in [
        ("bucket_credential", document.bucket_credential),
        ("stripe_customer_id", document.stripe_customer_id),
        ("subspace_client_id", document.subspace_client_id),
        ("subspace_client_secret", document.subspace_client_secret),
        ("subspace_sip_teleport_id", document.subspace_sip_teleport_id),
        ("subspace_sip_teleport_destinations", document.subspace_sip_teleport_destinations),
    ] {
        if present {
            notes.dropped(field, "no_place", "accounts have no such field here");
        }
    }
    for field in &document.others {
        notes.dropped(field, "unknown_field", "jambonz 0.9 has no such field");
    }
}

/// Decides between accounts that want the same.
fn settle(candidates: &mut [Candidate], options: &Options) {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|i| {
        let Candidate { record, created, .. } = &candidates[*i];
        (created.is_none(), *created, record.as_ref().map(|record| record.sid))
    });
    let mut sids = HashSet::new();
    for &i in &order {
        if let Some(record) = &candidates[i].record
            && !sids.insert(record.sid)
        {
            candidates[i].refuse("account_sid", "duplicate_sid", "is that of an earlier record".to_owned());
        }
    }
    let mut names: HashMap<String, AccountSid> = HashMap::new();
    let mut late = Vec::new();
    for &i in &order {
        if let Some(record) = &candidates[i].record {
            let folded = record.name.folded().into_owned();
            match names.get(&folded) {
                None => drop(names.insert(folded, record.sid)),
                Some(holder) => late.push((i, *holder)),
            }
        }
    }
    // Only now, so that no number takes the name of an account that has it by right.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for (i, holder) in late {
        let candidate = &mut candidates[i];
        let Some(record) = &mut candidate.record else { continue };
        let numbered = match options.duplicate_name {
            DuplicateName::Refuse => None,
            DuplicateName::Number => numbered(&record.name, &names, &mut numbers),
        };
        match numbered {
            Some(name) => {
                let reason = format!("\"{}\" became \"{name}\": account {holder} has that name", record.name);
                names.insert(name.folded().into_owned(), record.sid);
                record.name = name;
                candidate.notes.changed("name", "duplicate_name", reason);
            }
            None => candidate.refuse("name", "duplicate_name", format!("is that of account {holder}")),
        }
    }
    let mut realms: HashMap<SipRealm, AccountSid> = HashMap::new();
    for &i in &order {
        let candidate = &mut candidates[i];
        let Some(record) = &mut candidate.record else { continue };
        let Some(realm) = &record.sip_realm else { continue };
        if let Some(holder) = realms.get(realm) {
            let reason = format!("\"{realm}\" is that of account {holder}");
            record.sip_realm = None;
            candidate.notes.dropped("sip_realm", "duplicate_realm", reason);
        } else {
            realms.insert(realm.clone(), record.sid);
        }
    }
}

/// The name with the first number that makes it nobody's; `None` when that is too long for a name. `numbers` has the
/// next number to try for each name, so that many of one name do not each try all of them.
fn numbered(
    name: &AccountName,
    taken: &HashMap<String, AccountSid>,
    numbers: &mut HashMap<String, usize>,
) -> Option<AccountName> {
    let number = numbers.entry(name.folded().into_owned()).or_insert(2);
    loop {
        let numbered = AccountName::parse(&format!("{name} ({number})")).ok()?;
        *number += 1;
        if !taken.contains_key(&*numbered.folded()) {
            return Some(numbered);
        }
    }
}
