//! The webhook secret before the last rotation.

use crate::model::timestamp::Timestamp;
use crate::model::webhook_secret::WebhookSecret;

/// The webhook secret before the last rotation: until a moment, calls are signed with it too, so that who still has this
/// one accepts them.
///
/// `Debug` does not print the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerSecret {
    secret: WebhookSecret,
    until: Timestamp,
}

impl FormerSecret {
    /// This secret, until before that moment.
    #[must_use]
    pub fn new(secret: WebhookSecret, until: Timestamp) -> Self {
        Self { secret, until }
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &WebhookSecret {
        &self.secret
    }

    /// The moment from which on nothing is signed with it.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether calls are signed with it at this moment.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// The secret, to put another in its place.
    #[cfg(feature = "sealing")]
    pub(crate) fn secret_mut(&mut self) -> &mut WebhookSecret {
        &mut self.secret
    }
}

/// For [`AccountRecord`](crate::AccountRecord) alone: the secret in clear.
pub(crate) mod stored {
    use super::{FormerSecret, Timestamp, WebhookSecret};
    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize};
    use std::fmt;

    /// What is written of it.
    #[derive(Serialize)]
    pub(crate) struct InClear<'a> {
        secret: &'a str,
        until: Timestamp,
    }

    impl<'a> From<&'a FormerSecret> for InClear<'a> {
        fn from(former: &'a FormerSecret) -> Self {
            Self { secret: former.secret.reveal(), until: former.until }
        }
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        secret: WebhookSecret,
        until: Timestamp,
    }

    /// An object or nothing. What else stood there, such as the secret alone, is not repeated in the error.
    struct Former;

    impl<'de> Visitor<'de> for Former {
        type Value = Option<Box<FormerSecret>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a former webhook secret")
        }
        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            let Stored { secret, until } = Stored::deserialize(MapAccessDeserializer::new(map))?;
            Ok(Some(Box::new(FormerSecret { secret, until })))
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::custom("must be an object"))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Box<FormerSecret>>, D::Error> {
        d.deserialize_option(Former)
    }
}
