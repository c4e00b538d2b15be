//! A payload as the query of a GET.

use serde::Serialize;
use serde_json::Value;

/// The members of an object by name and value: texts as they are, numbers and flags as JSON has them, nothing for `null`, as
/// jambonz's queries do; objects and arrays as JSON texts, which jambonz loses. In the order of the names, unless
/// serde_json was built to keep the order of members.
pub(in super::super) fn pairs(payload: &impl Serialize) -> Vec<(String, String)> {
    let Ok(Value::Object(members)) = serde_json::to_value(payload) else { return Vec::new() };
    members
        .into_iter()
        .map(|(name, value)| match value {
            Value::Null => (name, String::new()),
            Value::String(text) => (name, text),
            value => (name, value.to_string()),
        })
        .collect()
}
