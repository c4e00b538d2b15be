//! What was found, of which there may be very much.

use std::fmt;

/// The first of possibly very many findings, and how many more there were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Findings<T> {
    /// At most [`Findings::LISTED`].
    pub first: Vec<T>,
    /// How many more there were.
    pub more: u64,
}

impl<T> Findings<T> {
    /// How many are listed.
    pub const LISTED: usize = 1000;

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(crate) fn push(&mut self, finding: T) {
        if self.first.len() < Self::LISTED {
            self.first.push(finding);
        } else {
            self.more += 1;
        }
    }
}

impl<T> Default for Findings<T> {
    fn default() -> Self {
        Self { first: Vec::new(), more: 0 }
    }
}

impl<T> Extend<T> for Findings<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

/// One a line, and at the end how many more there were.
impl<T: fmt::Display> fmt::Display for Findings<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.first {
            writeln!(f, "{finding}")?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        Ok(())
    }
}
