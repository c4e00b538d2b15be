//! What a registration webhook answers.

use super::error::{self, PayloadError};
use super::number_or_text;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::num::NonZeroU32;

/// What a registration webhook answers, with the status 200 whether it grants the registration or not.
///
/// The reader takes `status` in any case, anything but `ok` being a refusal, as jambonz does; `msg` for `message`; and
/// numbers as texts. A reply without `status` is an error.
///
/// ```
/// use gateway_accounts::webhooks::{RegistrationReply, RegistrationStatus};
/// let reply: RegistrationReply = serde_json::from_str(r#"{"status": "FAIL", "msg": "unknown user"}"#)?;
/// assert_eq!(reply.status, RegistrationStatus::Fail);
/// assert_eq!(serde_json::to_string(&reply)?, r#"{"status":"fail","message":"unknown user"}"#);
/// assert_eq!(serde_json::to_string(&RegistrationReply::ok())?, r#"{"status":"ok"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegistrationReply {
    /// Whether the device is registered, or the call goes on.
    pub status: RegistrationStatus,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For how many seconds, if for less than was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u32>,
    /// What handles the calls of this device in place of the account's application: a URL, or an object with `url`, `method`,
    /// `username` and `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_hook: Option<Value>,
    /// What is told of the state of these calls: the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_status_hook: Option<Value>,
    /// Whether the device may call applications by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_direct_app_calling: Option<bool>,
    /// Whether it may call queues by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_direct_queue_calling: Option<bool>,
    /// Whether it may call other devices of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_direct_user_calling: Option<bool>,
    /// Header fields for the SIP response of a refusal, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
    /// Whether the address that the request came from is to be blocked.
    #[serde(skip_serializing_if = "Blacklist::is_no")]
    pub blacklist: Blacklist,
    /// Fields of other names.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Whether a device is who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationStatus {
    /// It is.
    Ok,
    /// It is not.
    Fail,
}

/// Whether an address is to be blocked, and for how long.
///
/// The documents disagree about it: a number of seconds, of which one has 0 for ever and another -1; and jambonz itself acts on
/// `true` alone. So `true`, 0 and -1 are read as for ever, which is written as `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Blacklist {
    /// Not. Written as nothing.
    #[default]
    No,
    /// For so many seconds.
    Seconds(NonZeroU32),
    /// For ever.
    Forever,
}

impl Blacklist {
    fn is_no(&self) -> bool {
        *self == Self::No
    }
}

impl Serialize for Blacklist {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Forever => serializer.serialize_bool(true),
            Self::Seconds(seconds) => seconds.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Blacklist {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::Null | Value::Bool(false) => return Ok(Self::No),
            Value::Bool(true) => return Ok(Self::Forever),
            Value::Number(number) if number.as_i64() == Some(-1) => return Ok(Self::Forever),
            Value::String(text) if text == "-1" => return Ok(Self::Forever),
            _ => {}
        }
        const EXPECTED: &str = "true, false, a number of seconds, or -1";
        let seconds: Option<u32> = number_or_text::deserialize(value)
            .map_err(|_| D::Error::invalid_value(Unexpected::Other("something else"), &EXPECTED))?;
        Ok(match seconds {
            None => Self::No,
            Some(seconds) => NonZeroU32::new(seconds).map_or(Self::Forever, Self::Seconds),
        })
    }
}

/// The fields as they come in.
#[derive(Deserialize)]
struct Read {
    #[serde(deserialize_with = "status")]
    status: RegistrationStatus,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    msg: Option<String>,
    #[serde(default, deserialize_with = "number_or_text::deserialize")]
    expires: Option<u32>,
    #[serde(default)]
    call_hook: Option<Value>,
    #[serde(default)]
    call_status_hook: Option<Value>,
    #[serde(default)]
    allow_direct_app_calling: Option<bool>,
    #[serde(default)]
    allow_direct_queue_calling: Option<bool>,
    #[serde(default)]
    allow_direct_user_calling: Option<bool>,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    blacklist: Blacklist,
    #[serde(flatten)]
    other: Map<String, Value>,
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RegistrationStatus, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(if text.eq_ignore_ascii_case("ok") { RegistrationStatus::Ok } else { RegistrationStatus::Fail })
}

impl<'de> Deserialize<'de> for RegistrationReply {
    /// Of `message` and `msg`, if both are there, the first counts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        Ok(Self {
            status: read.status,
            message: read.message.or(read.msg),
            expires: read.expires,
            call_hook: read.call_hook,
            call_status_hook: read.call_status_hook,
            allow_direct_app_calling: read.allow_direct_app_calling,
            allow_direct_queue_calling: read.allow_direct_queue_calling,
            allow_direct_user_calling: read.allow_direct_user_calling,
            headers: read.headers,
            blacklist: read.blacklist,
            other: read.other,
        })
    }
}

impl RegistrationReply {
    /// Reads the body of a response.
    ///
    /// # Errors
    /// [`PayloadError`] when it is not one.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        error::parse(body)
    }

    /// It is who it says.
    #[must_use]
    pub fn ok() -> Self {
        Self::new(RegistrationStatus::Ok)
    }

    /// It is not, and why not.
    #[must_use]
    pub fn fail(message: &str) -> Self {
        Self { message: Some(message.to_owned()), ..Self::new(RegistrationStatus::Fail) }
    }

    /// The same, for so many seconds.
    #[must_use]
    pub fn with_expires(mut self, seconds: u32) -> Self {
        self.expires = Some(seconds);
        self
    }

    /// The same, with the address blocked, or not.
    #[must_use]
    pub fn with_blacklist(mut self, blacklist: Blacklist) -> Self {
        self.blacklist = blacklist;
        self
    }

    fn new(status: RegistrationStatus) -> Self {
        Self {
            status,
            message: None,
            expires: None,
            call_hook: None,
            call_status_hook: None,
            allow_direct_app_calling: None,
            allow_direct_queue_calling: None,
            allow_direct_user_calling: None,
            headers: None,
            blacklist: Blacklist::No,
            other: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn read_in_many_forms_and_written_in_one() {
        for (read, written) in [
            (json!({"status": "ok"}), json!({"status": "ok"})),
            (json!({"status": "OK"}), json!({"status": "ok"})),
            (json!({"status": "Fail"}), json!({"status": "fail"})),
            (json!({"status": "failed"}), json!({"status": "fail"})),
            (json!({"status": "no way"}), json!({"status": "fail"})),
            (json!({"status": "ok", "expires": "1800"}), json!({"status": "ok", "expires": 1800})),
            (json!({"status": "ok", "expires": null}), json!({"status": "ok"})),
            (json!({"status": "fail", "msg": "who?"}), json!({"status": "fail", "message": "who?"})),
            (
                json!({"status": "fail", "message": "a", "msg": "b"}),
                json!({"status": "fail", "message": "a"}),
            ),
            (
                json!({"status": "fail", "message": null, "msg": "b"}),
                json!({"status": "fail", "message": "b"}),
            ),
            (json!({"status": "fail", "blacklist": true}), json!({"status": "fail", "blacklist": true})),
            (json!({"status": "fail", "blacklist": 0}), json!({"status": "fail", "blacklist": true})),
            (json!({"status": "fail", "blacklist": -1}), json!({"status": "fail", "blacklist": true})),
            (json!({"status": "fail", "blacklist": "-1"}), json!({"status": "fail", "blacklist": true})),
            (json!({"status": "fail", "blacklist": "60"}), json!({"status": "fail", "blacklist": 60})),
            (json!({"status": "fail", "blacklist": 60}), json!({"status": "fail", "blacklist": 60})),
            (json!({"status": "fail", "blacklist": false}), json!({"status": "fail"})),
            (json!({"status": "fail", "blacklist": null}), json!({"status": "fail"})),
            (
                json!({"status": "ok", "call_hook": "https://x.example/", "call_status_hook": {"url": "/s"},
                       "allow_direct_app_calling": true, "allow_direct_queue_calling": false,
                       "allow_direct_user_calling": true, "headers": {"X-Reason": "r"}, "tier": [1, null]}),
                json!({"status": "ok", "call_hook": "https://x.example/", "call_status_hook": {"url": "/s"},
                       "allow_direct_app_calling": true, "allow_direct_queue_calling": false,
                       "allow_direct_user_calling": true, "headers": {"X-Reason": "r"}, "tier": [1, null]}),
            ),
        ] {
            let reply: RegistrationReply = serde_json::from_value(read.clone()).unwrap();
            assert_eq!(serde_json::to_value(&reply).unwrap(), written, "{read}");
            assert_eq!(serde_json::from_value::<RegistrationReply>(written).unwrap(), reply);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, expected) in [
            (json!({}), "missing field `status`"),
            (json!({"Status": "ok"}), "missing field `status`"),
            (json!({"status": null}), "invalid type: null, expected a string"),
            (json!({"status": true}), "invalid type: boolean `true`, expected a string"),
            (
                json!({"status": "ok", "expires": -1}),
                "invalid value: integer `-1`, expected a whole number, or a text of its digits",
            ),
            (
                json!({"status": "ok", "blacklist": -2}),
                "invalid value: something else, expected true, false, a number of seconds, or -1",
            ),
            (
                json!({"status": "ok", "blacklist": "ever"}),
                "invalid value: something else, expected true, false, a number of seconds, or -1",
            ),
        ] {
            let error = serde_json::from_value::<RegistrationReply>(json.clone()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            ok in any::<bool>(),
            message in ".{0,20}",
            expires in any::<Option<u32>>(),
            seconds in any::<u32>(),
            unknown in "x_[a-z]{1,3}",
            number in any::<i64>(),
        ) {
            let mut reply = if ok { RegistrationReply::ok() } else { RegistrationReply::fail(&message) };
            reply.expires = expires;
            reply.blacklist = NonZeroU32::new(seconds).map_or(Blacklist::Forever, Blacklist::Seconds);
            reply.other.insert(unknown, json!({"n": number}));
            let text = serde_json::to_string(&reply).unwrap();
            prop_assert_eq!(serde_json::from_str::<RegistrationReply>(&text).unwrap(), reply);
        }
    }
}
