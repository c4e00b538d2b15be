//! What is wrong with a draft or an edit, field by field, in a form that a user interface can show.

use crate::model::field::Field;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// What every error about one value can tell.
pub trait ValueError: std::error::Error {
    /// A stable code, in `snake_case`, that a form can map to a message of its own. Codes are listed at
    /// [`Problem::code`].
    fn code(&self) -> &'static str;

    /// Where in the value the problem is: the position of the first offending character, counted in characters
    /// (not bytes) from 0 of the text as it was given. `None` when the whole value is at fault.
    fn position(&self) -> Option<usize> {
        None
    }
}

/// One thing that is wrong with one field.
///
/// It never contains a secret, nor the refused value as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "field")]
    path: Cow<'static, str>,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
}

impl Problem {
    /// A problem of a field.
    #[must_use]
    pub fn new(field: Field, code: &'static str, message: impl Into<String>) -> Self {
        Self { path: Cow::Borrowed(field.name()), code, message: message.into(), position: None }
    }

    /// A problem of a part of a field, such as `url` of a webhook.
    pub(crate) fn of_part(field: Field, part: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: Cow::Owned(format!("{}.{part}", field.name())),
            code,
            message: message.into(),
            position: None,
        }
    }

    /// A problem of a field name that no account has.
    pub(crate) fn unknown(path: String) -> Self {
        Self { path: path.into(), code: "unknown_field", message: "is not a field".into(), position: None }
    }

    /// A problem of a member that no edit sets, and that says something else than what is.
    pub(crate) fn read_only(name: &'static str) -> Self {
        let message = match name {
            "account_sid" => "is generated and never changes",
            "webhook_secret" => "is generated, and not set by an edit; rotate it",
            "api_keys" => "are not set by an edit",
            "status" => "is not set by an edit; suspend or resume the account",
            _ => "is not set by an edit, and is another now",
        };
        Self::of_name(name, "read_only", message)
    }

    /// A problem of a member of the JSON, whether or not it is a field.
    pub(crate) fn of_name(name: &'static str, code: &'static str, message: &str) -> Self {
        Self { path: Cow::Borrowed(name), code, message: message.into(), position: None }
    }

    /// The problem of a value that its type refused.
    #[must_use]
    pub fn of_value(field: Field, error: &dyn ValueError) -> Self {
        Self {
            path: Cow::Borrowed(field.name()),
            code: error.code(),
            message: error.to_string(),
            position: error.position(),
        }
    }

    /// The problem of a part of a field, whose type refused its value.
    pub(crate) fn of_value_part(field: Field, part: &str, error: &dyn ValueError) -> Self {
        Self { path: Cow::Owned(format!("{}.{part}", field.name())), ..Self::of_value(field, error) }
    }

    /// The field's name as JSON has it; a part of a field follows after a dot: `registration_webhook.url`. A problem
    /// may be the field's or a part's: to show all beside the field, use [`Problems::of`].
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The field; `None` when no account has a field of that name.
    #[must_use]
    pub fn field(&self) -> Option<Field> {
        Field::from_name(self.path.split('.').next().unwrap_or_default())
    }

    /// A stable code. Those of the types are documented at each type's error; those of the rules that span
    /// fields are:
    ///
    /// | code | meaning |
    /// |---|---|
    /// | `required` | the field must have a value |
    /// | `unknown_field` | no account has such a field |
    /// | `given_twice` | the JSON object has the field more than once |
    /// | `wrong_type` | the JSON value is of another type than the field |
    /// | `read_only` | this field is not set by an edit, and the value is not the one it has |
    /// | `not_permitted` | this actor may not change the field |
    /// | `taken` | another account has this value, and it must be unique |
    /// | `below_licensed` | a maximum below the number of licensed sessions |
    /// | `above_maximum` | more licensed sessions than the unit's maximum |
    /// | `unknown_application` | no such application, or not one this account may use |
    /// | `realm_policy` | the realm policy refuses the realm to others than an admin |
    /// | `url_policy` | the URL policy refuses the address |
    /// | `rotation_open` | the overlap of the last rotation of the webhook secret is not over |
    /// | `overlap_too_long` | the former webhook secret would sign for too long |
    /// | `past` | a moment that must be in the future is not |
    /// | `too_many` | the owner has as many API keys as it may have |
    /// | `no_account` | an imported API key is of an account that is not there |
    /// | `disabled` | a disabled API key is not rotated |
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, in words that follow the field's name: "must not be empty".
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the value, as [`ValueError::position`] counts.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.position
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.escape_debug(), self.message)
    }
}

/// All that is wrong with a draft or an edit: one entry for each field, in the order of the Accounts page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// No problems.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The most problems that are kept: far more than an account has fields and parts of fields. A body of a
    /// megabyte can name a hundred thousand fields that no account has, and nobody reads a list of them.
    pub const MAX_LEN: usize = 100;

    /// Adds a problem, unless its field has one already (the first found stands) or there are
    /// [`Problems::MAX_LEN`].
    pub fn push(&mut self, problem: Problem) {
        if self.0.len() < Self::MAX_LEN && self.get(&problem.path).is_none() {
            let order = |problem: &Problem| problem.field().map_or(usize::MAX, |field| field as usize);
            let at = self.0.partition_point(|other| order(other) <= order(&problem));
            self.0.insert(at, problem);
        }
    }

    /// Removes the problems of a field and its parts.
    pub(crate) fn forget(&mut self, field: Field) {
        self.0.retain(|problem| problem.field() != Some(field));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are, one for each field or part of a field.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The problem of one field, by its path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Problem> {
        self.0.iter().find(|problem| problem.path == path)
    }

    /// The problems, in the order of the Accounts page.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// The problems of a field and of its parts.
    pub fn of(&self, field: Field) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(move |problem| problem.field() == Some(field))
    }

    /// Whether any problem concerns the field or a part of it.
    #[must_use]
    pub fn concern(&self, field: Field) -> bool {
        self.of(field).next().is_some()
    }

    /// `Err` with the problems if there are any.
    ///
    /// # Errors
    /// Itself, when not empty.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
