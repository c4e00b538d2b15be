//! What a registration webhook is asked.

use super::error::{self, PayloadError};
use super::number_or_text;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// What a registration webhook is asked: whether a device that answered a digest challenge is who it says. jambonz asks
/// the same of a call from a device, with the method INVITE.
///
/// By POST it is the body, in JSON; by GET the query has the same fields but `headers`.
///
/// Reading it, the five fields of [`RegistrationRequest::new`] must be there; numbers may be texts, and `null` is as good
/// as nothing. `Debug` does not print the digest's response, from which a weak password can be guessed.
///
/// ```
/// use gateway_accounts::webhooks::RegistrationRequest;
/// let request: RegistrationRequest = serde_json::from_str(
///     r#"{"source_address": "192.0.2.7", "source_port": "5060", "method": "REGISTER", "expires": 3600, "scheme": "digest",
///         "username": "jane", "realm": "acme.example", "nonce": "1795466263", "uri": "sip:acme.example",
///         "algorithm": "MD5", "response": "7b2c9dbf4dc9c4a2dd8f5d9c5b8a0c11", "tenant": 7}"#,
/// )?;
/// assert_eq!((request.source_port, request.expires), (Some(5060), Some(3600)));
/// assert_eq!(request.other["tenant"], 7);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistrationRequest {
    /// The IP address that the SIP request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// The port that it came from.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number_or_text::deserialize"
    )]
    pub source_port: Option<u16>,
    /// The method of the SIP request, which the digest covers: `REGISTER`, or `INVITE`.
    #[serde(default = "register")]
    pub method: String,
    /// The header fields of the SIP request, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Map<String, Value>>,
    /// For how many seconds the device wants to be registered, 0 to be no more; written as `null` when there is none, as of an
    /// INVITE.
    #[serde(default, deserialize_with = "number_or_text::deserialize")]
    pub expires: Option<u32>,
    /// The scheme of the credentials: `digest`.
    #[serde(default = "digest")]
    pub scheme: String,
    /// Whose credentials they are (RFC 7616 section 3.4, as the fields below).
    pub username: String,
    /// The realm of the challenge: the account's SIP realm.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The URI that the digest covers.
    pub uri: String,
    /// The algorithm: `MD5`, which is also meant if there is none, or `SHA-256`.
    #[serde(default = "md5")]
    pub algorithm: String,
    /// The digest, in hexadecimal.
    pub response: String,
    /// The quality of protection: `auth`; none in the form of RFC 2069.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qop: Option<String>,
    /// The nonce count, eight hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nc: Option<String>,
    /// The device's own nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnonce: Option<String>,
    /// What the challenge asked to be sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<String>,
    /// Fields of other names.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn register() -> String {
    "REGISTER".to_owned()
}

fn digest() -> String {
    "digest".to_owned()
}

fn md5() -> String {
    "MD5".to_owned()
}

impl RegistrationRequest {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`PayloadError`] when it is not one.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        error::parse(body)
    }

    /// The credentials of a REGISTER, and nothing else yet.
    #[must_use]
    pub fn new(username: &str, realm: &str, nonce: &str, uri: &str, response: &str) -> Self {
        Self {
            source_address: None,
            source_port: None,
            method: register(),
            headers: None,
            expires: None,
            scheme: digest(),
            username: username.to_owned(),
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            uri: uri.to_owned(),
            algorithm: md5(),
            response: response.to_owned(),
            qop: None,
            nc: None,
            cnonce: None,
            opaque: None,
            other: Map::new(),
        }
    }
}

impl fmt::Debug for RegistrationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrationRequest")
            .field("source_address", &self.source_address)
            .field("source_port", &self.source_port)
            .field("method", &self.method)
            .field("expires", &self.expires)
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("uri", &self.uri)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// As jambonz's registrar sends it.
    fn sent() -> Value {
        json!({
            "source_address": "192.0.2.7", "source_port": 5060, "method": "REGISTER",
            "headers": {"via": "SIP/2.0/UDP 192.0.2.7:5060", "contact": ["<sip:jane@192.0.2.7>"]},
            "expires": 3600, "scheme": "digest", "username": "jane", "realm": "acme.example", "nonce": "16a8f",
            "uri": "sip:acme.example", "algorithm": "MD5", "response": "0123456789abcdef0123456789abcdef", "qop": "auth",
            "nc": "00000001", "cnonce": "0a4f", "opaque": ""
        })
    }

    #[test]
    fn what_is_sent_is_read_and_written_again() {
        let read: RegistrationRequest = serde_json::from_value(sent()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), sent());
        assert!(read.other.is_empty());
        let keys = "source_address source_port method headers expires scheme username realm nonce uri algorithm response \
                    qop nc cnonce opaque";
        let text = serde_json::to_string(&read).unwrap();
        let places: Vec<_> = keys.split(' ').map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(!format!("{read:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn read_with_less_and_written_whole() {
        let read: RegistrationRequest = serde_json::from_value(json!({
            "username": "jane", "realm": "acme.example", "nonce": "n", "uri": "sip:acme.example", "response": "r",
            "expires": null, "qop": null, "source_port": "", "shard": {"n": [1, 2.5, 18446744073709551615_u64]}
        }))
        .unwrap();
        let mut expected = RegistrationRequest::new("jane", "acme.example", "n", "sip:acme.example", "r");
        expected.other.insert("shard".into(), json!({"n": [1, 2.5, 18446744073709551615_u64]}));
        assert_eq!(read, expected);
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!({
                "method": "REGISTER", "expires": null, "scheme": "digest", "username": "jane", "realm": "acme.example",
                "nonce": "n", "uri": "sip:acme.example", "algorithm": "MD5", "response": "r",
                "shard": {"n": [1, 2.5, 18446744073709551615_u64]}
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (field, value, expected) in [
            ("username", None, "missing field `username`"),
            ("realm", None, "missing field `realm`"),
            ("nonce", None, "missing field `nonce`"),
            ("uri", None, "missing field `uri`"),
            ("response", None, "missing field `response`"),
            ("username", Some(json!(7)), "invalid type: integer `7`, expected a string"),
            (
                "expires",
                Some(json!("soon")),
                "invalid value: string \"soon\", expected a whole number, or a text of its digits",
            ),
            (
                "source_port",
                Some(json!(65_536)),
                "invalid value: integer `65536`, expected a whole number of 16 bits at most",
            ),
            ("headers", Some(json!("via")), "invalid type: string \"via\", expected a map"),
        ] {
            let mut sent = sent();
            match value {
                Some(value) => sent[field] = value,
                None => drop(sent.as_object_mut().unwrap().remove(field)),
            }
            let error = serde_json::from_value::<RegistrationRequest>(sent).unwrap_err();
            assert_eq!(error.to_string(), expected, "{field}");
        }
        let twice = serde_json::from_str::<RegistrationRequest>(r#"{"username": "jane", "username": "bob"}"#);
        assert!(twice.unwrap_err().to_string().starts_with("duplicate field `username`"));
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            texts in proptest::collection::vec(".{0,12}", 9),
            port in any::<Option<u16>>(),
            expires in any::<Option<u32>>(),
            unknown in "[a-z]{1,3}_x",
            number in any::<u64>(),
        ) {
            let mut request = RegistrationRequest::new(&texts[0], &texts[1], &texts[2], &texts[3], &texts[4]);
            (request.source_port, request.expires) = (port, expires);
            request.qop = Some(texts[5].clone());
            request.method.clone_from(&texts[6]);
            request.headers = Some(Map::from_iter([(texts[7].clone(), json!([texts[8]]))]));
            request.other.insert(unknown, json!({"n": number}));
            let text = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<RegistrationRequest>(&text).unwrap(), request);
        }
    }
}
