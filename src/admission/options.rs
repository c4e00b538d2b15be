//! How an admission is set up.

use super::Admission;
use super::terms::Terms;
use crate::clock::{Clock, SystemClock};
use crate::model::account::Account;
use crate::store::AccountStore;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What an [`Admission`] goes by.
///
/// ```
/// use gateway_accounts::{MemoryStore, admission::{AdmissionOptions, BillingPeriod, Terms}};
/// use std::time::Duration;
/// let berlin = Terms::new().in_periods(BillingPeriod::monthly("Europe/Berlin")?);
/// let admission = AdmissionOptions::new()
///     .heartbeat(Duration::from_secs(90))
///     .terms(berlin)
///     .start(MemoryStore::new());
/// # let _ = admission;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AdmissionOptions {
    pub(super) heartbeat: Duration,
    pub(super) flush_interval: Duration,
    pub(super) signal_interval: Duration,
    pub(super) grace: Duration,
    pub(super) terms: TermsOf,
    pub(super) clock: Arc<dyn Clock>,
}

/// Says by which terms an account is charged.
pub(super) type TermsOf = Arc<dyn Fn(&Account) -> Terms + Send + Sync>;

impl AdmissionOptions {
    /// What holds where nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self {
            heartbeat: Duration::from_secs(120),
            flush_interval: Duration::from_secs(10),
            signal_interval: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            terms: Arc::new(|_| Terms::new()),
            clock: Arc::new(SystemClock),
        }
    }

    /// How long a session is taken to run without being heard of: 2 minutes, when nothing is said.
    #[must_use]
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// How often the minutes used are written: every 10 seconds, when nothing is said. What is charged in between is what a
    /// crash puts at risk.
    #[must_use]
    pub fn flush_interval(self, flush_interval: Duration) -> Self {
        Self { flush_interval, ..self }
    }

    /// How much time there is at least between two signals of the same kind about the same account: a minute, when nothing
    /// is said.
    #[must_use]
    pub fn signal_interval(self, signal_interval: Duration) -> Self {
        Self { signal_interval, ..self }
    }

    /// How old a session is before a reconciliation frees it, since a call router may admit a session before a list of live
    /// ones has it: 10 seconds, when nothing is said.
    #[must_use]
    pub fn reconcile_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// The terms that all accounts' minutes are charged by.
    #[must_use]
    pub fn terms(self, terms: Terms) -> Self {
        self.terms_of(move |_| terms.clone())
    }

    /// The terms that each account's minutes are charged by, for those whose service providers have other ones. It is asked
    /// when an account is seen first, and after each change of it, while the account's counts are locked: it must be quick,
    /// and must not call the admission.
    #[must_use]
    pub fn terms_of(self, terms: impl Fn(&Account) -> Terms + Send + Sync + 'static) -> Self {
        Self { terms: Arc::new(terms), ..self }
    }

    /// The clock that says when a session ends whose permit is dropped. All other moments are passed in.
    #[must_use]
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Begins to admit sessions of the accounts that this store keeps. It has to keep them in memory
    /// ([`AccountStore::live`]).
    #[must_use]
    pub fn start(self, store: impl AccountStore + 'static) -> Admission {
        Admission::with_options(self, Box::new(store))
    }
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AdmissionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionOptions")
            .field("heartbeat", &self.heartbeat)
            .field("flush_interval", &self.flush_interval)
            .field("signal_interval", &self.signal_interval)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
