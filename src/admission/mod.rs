//! Licence admission: may this session start, and how many minutes are left.
//!
//! [`Admission`] counts the sessions of each account as they run. It is asked before a call is set up, after whoever calls was
//! authenticated, and answers from memory:
//!
//! - within the *licensed sessions*: admitted;
//! - above them and within the maximum of the *Unit*: admitted, as overage;
//! - above the maximum, or of an account that is suspended or unknown: [`Refused`], with the figures and the SIP response.
//!
//! There is one count for both directions. What is admitted is held as a [`Permit`], and counted down exactly once, whoever ends
//! it and however often.
//!
//! | when | call |
//! |---|---|
//! | an INVITE comes, or is to be sent | [`Admission::admit`] |
//! | the call is answered | [`Permit::answered`] |
//! | every minute or so, and when minutes have to be asked for again | [`Permit::renew`] |
//! | it ends | [`Permit::release`], [`Admission::release`], or the permit is dropped |
//! | it goes on elsewhere (REFER) | [`Permit::leave`], [`Admission::take_over`] |
//! | after a start, before anything is admitted | [`Admission::adopt`] |
//! | every few seconds | [`Admission::expire`] and [`Admission::flush`], or a [`Keeper`] |
//! | every few minutes, with a list of what is live | [`Admission::begin_reconcile`] |
//!
//! # Minutes
//!
//! Where the unit is minutes, the time of each session is charged in increments ([`Terms`]), each to the billing period
//! ([`BillingPeriod`]) in which it begins. A session reserves its next increments before they begin, a minute at least if there
//! is as much; so sessions that run at the same time never spend the same minute. [`Allowance`] says when it must end, and when
//! to ask for more. When it ends, what it did not use is given back.
//!
//! Durations go by a clock that never steps ([`Moment`]). So a session is charged for as long as it lasted, whatever happens to
//! the clock on the wall, which only decides the period.
//!
//! What is used is kept with the account ([`Account::minutes_used`](crate::Account::minutes_used)) and written by
//! [`Admission::flush`]. After a crash, [`Admission::adopt`] charges the sessions that still run for what was not written; what
//! is lost are those increments that sessions began after the last flush and ended before the crash, unless the records of calls
//! tell of these too ([`LiveSession::ended`]).
//!
//! A session is metered from its admission if its account's unit is minutes then, else from the first renewal at which it is, and
//! until it ends.
//!
//! # One process
//!
//! Counts are those of one process: the caps hold for what this [`Admission`] was asked.

mod ended;
mod flush;
mod gate;
mod increments;
#[cfg(all(test, gateway_accounts_loom))]
mod interleavings;
mod keeper;
mod ledger;
mod live;
mod minutes;
mod moment;
mod options;
mod period;
mod permit;
mod provider;
mod reconcile;
mod refused;
mod session_id;
mod sessions;
mod signals;
mod source;
mod sync;
mod terms;
mod tracked;
mod usage;

pub use ended::{Ended, How};
pub use flush::Flushed;
pub use gate::Admission;
pub use keeper::{Keeper, Kept};
pub use live::LiveSession;
pub use moment::Moment;
pub use options::AdmissionOptions;
pub use period::{BillingPeriod, BillingPeriodError};
pub use permit::{Admitted, Allowance, NotRunning, Permit, Renewed};
pub use reconcile::{Reconciled, Reconciliation};
pub use refused::{Refused, SipResponse};
pub use session_id::{SessionId, SessionIdError};
pub use sessions::Direction;
pub use signals::{Signal, SignalKind, Signals};
pub use terms::{IncrementError, Terms};
pub use usage::{Figures, PeriodUsage, ServiceProviderUsage, Usage};
