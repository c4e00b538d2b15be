//! How often a failed webhook is called again.

use crate::model::problem::ValueError;
use std::fmt;

/// How often a failed call is tried again, and after which failures, in the form that jambonz reads from the
/// fragment of a URL: `rc=3&rp=ct,5xx`.
///
/// `rc` is the number of further attempts, 0 to [`RetryPolicy::MAX_COUNT`]; more is read as that many, as jambonz
/// does. `rp` lists the failures: `ct` the connection could not be made, `rt` no answer in time, `4xx` and `5xx`
/// an answer with such a status, `all` of them; without `rp`, `ct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    count: u8,
    failures: u8,
}

/// A failure after which a call may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// `ct`: the connection could not be made.
    Connect = 1,
    /// `rt`: the connection was made, but no answer came in time.
    Response = 2,
    /// `4xx`: an answer with a status of 400 to 499.
    ClientError = 4,
    /// `5xx`: an answer with a status of 500 to 599.
    ServerError = 8,
}

/// Not a retry policy. Code `not_a_retry_policy`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a retry policy such as rc=3&rp=ct,5xx")]
pub struct RetryPolicyError;

impl ValueError for RetryPolicyError {
    fn code(&self) -> &'static str {
        "not_a_retry_policy"
    }
}

impl RetryOn {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Connect, "ct"),
        (Self::Response, "rt"),
        (Self::ClientError, "4xx"),
        (Self::ServerError, "5xx"),
    ];
}

impl RetryPolicy {
    /// The most further attempts.
    pub const MAX_COUNT: u8 = 5;

    /// So many further attempts (at most [`RetryPolicy::MAX_COUNT`]), after these failures; after a connection
    /// that could not be made when none is named.
    #[must_use]
    pub fn new(count: u8, failures: &[RetryOn]) -> Self {
        let failures = failures.iter().fold(0, |set, on| set | *on as u8);
        let failures = if failures == 0 { RetryOn::Connect as u8 } else { failures };
        Self { count: count.min(Self::MAX_COUNT), failures }
    }

    /// Reads the form jambonz has.
    ///
    /// # Errors
    /// [`RetryPolicyError`] for any other key or value, or a key given twice.
    pub fn parse(text: &str) -> Result<Self, RetryPolicyError> {
        let (mut count, mut failures) = (None, None);
        for pair in text.split('&') {
            match pair.split_once('=').ok_or(RetryPolicyError)? {
                ("rc", digits) if count.is_none() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    let given: u32 = digits.parse().map_err(|_| RetryPolicyError)?;
                    count = Some(u8::try_from(given).unwrap_or(u8::MAX).min(Self::MAX_COUNT));
                }
                ("rp", list) if failures.is_none() => {
                    let mut set = 0;
                    for word in list.split(',') {
                        set |= match RetryOn::ALL.iter().find(|(_, name)| *name == word) {
                            Some((on, _)) => *on as u8,
                            None if word == "all" => {
                                RetryOn::ALL.iter().fold(0, |all, (on, _)| all | *on as u8)
                            }
                            None => return Err(RetryPolicyError),
                        };
                    }
                    failures = Some(set);
                }
                _ => return Err(RetryPolicyError),
            }
        }
        Ok(Self { count: count.unwrap_or(0), failures: failures.unwrap_or(RetryOn::Connect as u8) })
    }

    /// How many further attempts after the first.
    #[must_use]
    pub fn count(self) -> u8 {
        self.count
    }

    /// Whether such a failure is worth another attempt.
    #[must_use]
    pub fn after(self, failure: RetryOn) -> bool {
        self.failures & failure as u8 != 0
    }
}

impl fmt::Display for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rc={}", self.count)?;
        let mut separator = "&rp=";
        for (on, name) in RetryOn::ALL {
            if self.after(on) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn retry_policies_print_what_they_read(text in "(rc=[0-9]{1,3})?&?(rp=(ct|rt|4xx|5xx|all)(,(ct|rt|4xx|5xx)){0,3})?|.{0,20}") {
            if let Ok(retry) = RetryPolicy::parse(&text) {
                prop_assert_eq!(RetryPolicy::parse(&retry.to_string()), Ok(retry));
            }
        }
    }
}
