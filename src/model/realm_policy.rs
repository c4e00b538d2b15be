//! Which realms customers may have.

use crate::model::problem::ValueError;
use crate::model::realm::SipRealm;

/// Which realms others than an admin may give to an account.
///
/// Where calls find an account by a parent domain of the realm they are for
/// ([`Snapshot::by_realm_or_parent`](crate::Snapshot::by_realm_or_parent)), a realm is more than a name: whoever has
/// `co.uk` gets the calls of all that nobody has below it, and whoever has `pbx.acme.example` takes them from
/// `acme.example`. So an operator that lets customers choose their realms, and looks them up like that, gives out names
/// below domains of its own: [`RealmPolicy::one_label_under`].
///
/// ```
/// use gateway_accounts::{RealmPolicy, RealmPolicyError, SipRealm};
/// let policy = RealmPolicy::one_label_under([SipRealm::parse("sip.operator.example")?]);
/// assert!(policy.check(&SipRealm::parse("acme.sip.operator.example")?).is_ok());
/// for refused in ["co.uk", "sip.operator.example", "operator.example", "pbx.acme.sip.operator.example"] {
///     assert_eq!(policy.check(&SipRealm::parse(refused)?), Err(RealmPolicyError::NotUnderARoot));
/// }
/// # Ok::<(), gateway_accounts::SipRealmError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RealmPolicy {
    roots: Option<Vec<SipRealm>>,
}

/// Why the policy refuses a realm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RealmPolicyError {
    /// It is not one label below one of the operator's domains. Code `realm_policy`.
    #[error("must be one label below a domain that the operator gives out realms of")]
    NotUnderARoot,
}

impl ValueError for RealmPolicyError {
    fn code(&self) -> &'static str {
        "realm_policy"
    }
}

impl RealmPolicy {
    /// Any realm that nobody has. The default.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Only realms of one label more than one of these domains, so that none is a parent of another.
    #[must_use]
    pub fn one_label_under(roots: impl IntoIterator<Item = SipRealm>) -> Self {
        Self { roots: Some(roots.into_iter().collect()) }
    }

    /// Whether somebody who is no admin may have this realm.
    ///
    /// # Errors
    /// [`RealmPolicyError`], why not.
    pub fn check(&self, realm: &SipRealm) -> Result<(), RealmPolicyError> {
        let parent = realm.as_str().split_once('.').map(|(_, parent)| parent);
        match &self.roots {
            Some(roots) if !roots.iter().any(|root| Some(root.as_str()) == parent) => {
                Err(RealmPolicyError::NotUnderARoot)
            }
            _ => Ok(()),
        }
    }
}
