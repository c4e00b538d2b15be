//! Moving in from jambonz.
//!
//! [`Documents`] holds what a jambonz 0.9 server's REST API returns, or what a dump of its database holds;
//! [`Documents::import`] turns its accounts into ours, with a [`Report`] of everything that could not come over as
//! it was. Nothing is dropped silently. The import is pure: it reads no file, no clock and no network. The example
//! `import_jambonz` reads files and fills a store, with one commit ([`Accounts::import_all`](crate::Accounts::import_all));
//! what is refused, [`Report::refuse_all`] reports.
//!
//! # What becomes of what
//!
//! | jambonz | here | if that can't be |
//! |---|---|---|
//! | `account_sid`, `name` | the same | the account is not imported, for without them there is none |
//! | a name that another account has | | the later account is not imported, or gets a number ([`DuplicateName`]) |
//! | `webhook_secret` | the same, byte for byte | without one the account is not imported, or gets a new one ([`Options::with_new_secrets`]); with one of more than 255 bytes it is not imported |
//! | `sip_realm` | the same; an empty one is none | the account comes without its realm |
//! | a realm that another account has | | the later account comes without its realm |
//! | `registration_hook`, `queue_event_hook` | the webhooks | the account comes without that webhook |
//! | `username`, `password` of a webhook | the same | the webhook comes without credentials |
//! | `device_calling_application_sid`, `siprec_hook_sid` | the applications | the account comes without that application |
//! | `service_provider_sid` | the same | the account comes without a service provider |
//! | `is_active` 0, `deactivated_reason` | suspended, since the account was created, because jambonz does not record since when | |
//! | `created_at` | created and updated | 1970 |
//! | limits `voice_call_session`, `voice_call_minutes` | unit | see below |
//! | limit `voice_call_session_license` | licensed sessions | lowered to the maximum number of sessions |
//! | other limits, and other fields of accounts | no place | dropped; reported unless the field is as jambonz creates it |
//! | API keys (`token`, `expires_at`, `last_used`) | API keys that work as they are, stored as hashes ([`Imported::keys`]) | not imported, if it is no UUID, its account is not imported, it has expired ([`Options::with_now`]), or is an admin's ([`Options::with_admin_keys`]) |
//! | a key of both an account and a service provider | the account's alone | |
//! | applications, service providers | no place | not imported |
//!
//! An account that can't keep its realm or a webhook comes over all the same: the customer keeps the account, and
//! somebody repairs the rest. A webhook is never called at an address that was guessed.
//!
//! # Limits
//!
//! - No limit in jambonz is no limit here. So is a negative one, and, unless [`Options::with_zero`] says otherwise,
//!   one of 0: that is how jambonz reads them. So an account that never had a limit comes over with none, and
//!   without a word in the report; [`NewAccount`](crate::NewAccount) is for new accounts only.
//! - An account has sessions or minutes here, never both. If it has limits of both, sessions stay and minutes are
//!   reported as dropped: jambonz enforces sessions, and only stores minutes. ([`Options::with_both_units`] turns
//!   it round.) A limit of minutes alone becomes the unit, and may be enforced for the first time.
//! - jambonz counts calls from outside and to the outside apart, each against the limit, so that an account could
//!   have twice as many. Here the maximum is the maximum.
//! - Of several limits of one category (jambonz lets them happen) the strictest counts.
//! - Without licences, all sessions up to the maximum are licensed: jambonz knows no overage. That changes nothing
//!   and is not reported.
//! - The contract of every account is [`Contract::RESTRICTED`](crate::Contract::RESTRICTED). In jambonz an account
//!   could raise its own limits.
//!
//! # Codes
//!
//! The codes of [`Entry::code`] are those of the types' errors (`ip_address` is that of
//! [`SipRealmError::IpAddress`](crate::SipRealmError::IpAddress)), those of [`Problem::code`](crate::Problem::code),
//! and:
//!
//! | code | meaning |
//! |---|---|
//! | `normalised` | the same value, written as it is written here |
//! | `empty` | an empty text that means none, or a required one that is empty |
//! | `required` | there is no value |
//! | `no_place` | nothing here holds it |
//! | `unknown_field`, `unknown_category` | jambonz 0.9 does not have it |
//! | `duplicate_sid`, `duplicate_name`, `duplicate_realm` | an earlier account has it |
//! | `no_account` | a limit or a key of an account that is not imported |
//! | `duplicate_token`, `expired` | a key that is there twice, or has expired |
//! | `admin_key` | a key that would be an admin's ([`Options::with_admin_keys`]) |
//! | `incomplete` | a user name without a password, or a password without a user name |
//! | `fragment` | a URL whose fragment is not a retry policy |
//! | `since_unknown` | suspended, but not known since when |
//! | `not_a_flag` | neither 0 nor 1 |
//! | `not_a_moment` | not a date |
//! | `zero`, `negative` | a limit that means no limit |
//! | `too_large` | a limit that was lowered to the largest there is |
//! | `given_twice` | several limits of one category |
//! | `both_units` | sessions and minutes |
//! | `above_maximum` | more licences than the maximum number of sessions |
//! | `generated` | a new webhook secret |
//! | `random` | no new webhook secret could be generated |
//! | `store` | the store failed ([`Report::refuse`]) |

mod applications;
mod documents;
mod dump;
mod import;
mod keys;
mod limits;
mod report;

pub use applications::KnownApplications;
pub use documents::{
    Account, ApiKey, Application, ByAccount, Concealed, Documents, Limit, RecordKind, ServiceProvider,
    Webhook,
};
pub use dump::{DumpError, DumpErrorKind};
pub use import::{DuplicateName, Imported, Options, Zero};
pub use report::{Entry, Outcome, Report, Summary};
