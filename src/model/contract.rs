//! What the customer's contract says.

use serde::{Deserialize, Serialize};

/// Which restricted fields this customer may change itself, "if it is specified in the customer contract" as the
/// Accounts page has it. What the contract does not give, only an admin may change.
///
/// In JSON: `{"edit_unit":false,"edit_licensed_sessions":false}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Contract {
    /// *Unit* may be changed by the account itself and by its service provider.
    pub edit_unit: bool,
    /// *Licensed sessions* may be changed by the account itself and by its service provider.
    pub edit_licensed_sessions: bool,
}

impl Contract {
    /// A contract that leaves both restricted fields to the admin.
    pub const RESTRICTED: Self = Self { edit_unit: false, edit_licensed_sessions: false };

    /// A contract that lets the customer change both.
    pub const OPEN: Self = Self { edit_unit: true, edit_licensed_sessions: true };

    /// The same contract, giving *Unit* or not.
    #[must_use]
    pub const fn with_edit_unit(mut self, given: bool) -> Self {
        self.edit_unit = given;
        self
    }

    /// The same contract, giving *Licensed sessions* or not.
    #[must_use]
    pub const fn with_edit_licensed_sessions(mut self, given: bool) -> Self {
        self.edit_licensed_sessions = given;
        self
    }
}
