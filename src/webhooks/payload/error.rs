//! What was wrong with a payload.

use serde::de::DeserializeOwned;

/// A body that is not the payload that it should be. What exactly is wrong, its source says: serde's own error.
#[derive(Debug, thiserror::Error)]
#[error("{}", match .path.as_str() { "." => "the body does not read".to_owned(), path => format!("the field `{path}` does not read") })]
pub struct PayloadError {
    path: String,
    source: serde_json::Error,
}

impl PayloadError {
    /// Which field is at fault: `expires`, `dequeuer.duration`; `None` when it is the body as a whole, or one of the fields of
    /// a call that stand beside those of an event.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        Some(&*self.path).filter(|path| *path != ".")
    }
}

/// Reads a body of JSON.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let error = |path: String, source| PayloadError { path, source };
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|found| error(found.path().to_string(), found.into_inner()))?;
    json.end().map_err(|source| error(".".to_owned(), source))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use crate::webhooks::{QueueEvent, RegistrationReply, RegistrationRequest};
    use std::error::Error;

    #[test]
    fn the_field_is_named() {
        let told = |error: super::PayloadError| {
            let source = error.source().unwrap().to_string();
            (error.field().map(str::to_owned), error.to_string(), source)
        };
        for (body, field, text, source) in [
            (
                &br#"{"status": "ok", "expires": "soon"}"#[..],
                Some("expires"),
                "the field `expires` does not read",
                "invalid value: string \"soon\", expected a whole number, or a text of its digits at line 1 column 34",
            ),
            (
                br#"{"status": 7}"#,
                Some("status"),
                "the field `status` does not read",
                "invalid type: integer `7`, expected a string at line 1 column 12",
            ),
            (br#"{}"#, None, "the body does not read", "missing field `status` at line 1 column 2"),
            (b"", None, "the body does not read", "EOF while parsing a value at line 1 column 0"),
            (b"\xff", None, "the body does not read", "expected value at line 1 column 1"),
            (
                br#"{"status": "ok"} x"#,
                None,
                "the body does not read",
                "trailing characters at line 1 column 18",
            ),
        ] {
            let expected = (field.map(str::to_owned), text.to_owned(), source.to_owned());
            assert_eq!(told(RegistrationReply::parse(body).unwrap_err()), expected);
        }
        let error = RegistrationRequest::parse(br#"{"source_port": 65536}"#).unwrap_err();
        assert_eq!(error.field(), Some("source_port"));
        let body = br#"{"event": "leave", "queue": "q", "length": 1, "dequeuer": {"duration": -1}}"#;
        assert_eq!(QueueEvent::parse(body).unwrap_err().field(), Some("dequeuer.duration"));
        let deep = [b"{\"status\":\"ok\",\"x\":".to_vec(), b"[".repeat(100_000)].concat();
        assert!(RegistrationReply::parse(&deep).is_err());
    }
}
