//! From jambonz's API keys to ours.

use crate::jambonz::documents::{ApiKey, Documents};
use crate::jambonz::report::shown;
use crate::keys::{KeyImport, KeyToken};
use crate::model::api_key::{KeyId, KeyLabel};
use crate::model::scope::Scope;
use crate::model::sid::{AccountSid, ServiceProviderSid};
use crate::model::timestamp::Timestamp;
use std::collections::HashSet;

/// Tells that a key does not come over, with a code, and why.
type Refuse<'a> = dyn FnMut(&ApiKey, &'static str, &str) + 'a;

impl Documents {
    /// The keys that come over: those of accounts that do, of service providers, and of admins.
    pub(super) fn import_keys(
        &self,
        accounts: &HashSet<AccountSid>,
        now: Option<Timestamp>,
        admin_keys: bool,
        refuse: &mut Refuse<'_>,
    ) -> Vec<KeyImport> {
        let mut seen: HashSet<KeyId> = HashSet::new();
        let mut keys = Vec::new();
        for document in &self.api_keys {
            match read(document, accounts, now) {
                Ok(key) if key.owner == Scope::Admin && !admin_keys => {
                    refuse(document, "admin_key", "it would be an admin's, and those were not asked for");
                }
                Ok(key) if !seen.insert(key.token.id()) => {
                    refuse(document, "duplicate_token", "an earlier key is the same");
                }
                Ok(key) => keys.push(key),
                Err((code, reason)) => refuse(document, code, &reason),
            }
        }
        keys
    }
}

/// Whose key it is, in words.
pub(super) fn whose(key: &ApiKey) -> String {
    match (&key.account_sid, &key.service_provider_sid) {
        (Some(account), _) => format!("account {account}"),
        (None, Some(provider)) => format!("service provider {provider}"),
        (None, None) => "an admin".to_owned(),
    }
}

fn read(
    key: &ApiKey,
    accounts: &HashSet<AccountSid>,
    now: Option<Timestamp>,
) -> Result<KeyImport, (&'static str, String)> {
    // What names both lists every account of the provider in jambonz; here it is the account's alone.
    let owner = match (&key.account_sid, &key.service_provider_sid) {
        (Some(account), _) => match AccountSid::parse(account) {
            Ok(sid) if accounts.contains(&sid) => Scope::Account(sid),
            _ => return Err(("no_account", "its account is not among those imported".to_owned())),
        },
        (None, Some(provider)) => match ServiceProviderSid::parse(provider) {
            Ok(sid) => Scope::ServiceProvider(sid),
            Err(error) => return Err(("not_a_uuid", format!("the SID of its service provider {error}"))),
        },
        (None, None) => Scope::Admin,
    };
    let moment = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Timestamp::parse(text)
            .map(Some)
            .map_err(|error| ("not_a_moment", format!("{name} \"{}\" {error}", shown(text)))),
    };
    let expires = moment("expires_at", &key.expires_at)?;
    if let (Some(expires), Some(now)) = (expires, now)
        && expires <= now
    {
        let reason = format!("it has expired at {expires}, though jambonz lets it in all the same");
        return Err(("expired", reason));
    }
    let token = key.token.as_ref().map(|token| KeyToken::imported(token.reveal()));
    let token = match token {
        Some(Ok(token)) => token,
        Some(Err(_)) => return Err(("not_a_uuid", "it is not a UUID, as keys of jambonz are".to_owned())),
        None => return Err(("required", "the key itself is missing".to_owned())),
    };
    let label = format!("jambonz {}", key.api_key_sid.as_deref().unwrap_or_default());
    let label = KeyLabel::parse(&label).or_else(|_| KeyLabel::parse("jambonz"));
    let Ok(label) = label else { return Err(("required", "it has no name".to_owned())) };
    Ok(KeyImport {
        owner,
        label,
        token,
        created: moment("created_at", &key.created_at)?.unwrap_or_default(),
        expires,
        last_used: moment("last_used", &key.last_used)?,
    })
}
