//! The values an account is made of. All of it is pure: no I/O, no clock, no random source of its own.

pub(crate) mod account;
pub(crate) mod api_key;
pub(crate) mod contract;
pub(crate) mod field;
pub(crate) mod former_secret;
pub(crate) mod minutes_used;
pub(crate) mod name;
pub(crate) mod organisation;
pub(crate) mod patch;
pub(crate) mod problem;
pub(crate) mod realm;
pub(crate) mod realm_policy;
pub(crate) mod record;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod sid;
pub(crate) mod status;
pub(crate) mod subject;
pub(crate) mod text;
pub(crate) mod timestamp;
pub(crate) mod unit;
pub(crate) mod view;
pub(crate) mod webhook;
pub(crate) mod webhook_secret;

/// Gives a type whose whole meaning is its text one door in and one out: `FromStr`, `TryFrom` and serde's
/// `Deserialize` all call its `parse`; `Serialize` writes its `Display`.
macro_rules! text_form {
    ($name:ident, $error:ty, $expecting:literal) => {
        impl std::str::FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $error;
            fn try_from(text: &str) -> Result<Self, $error> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use text_form;

/// Gives a type that wraps its text, `struct T(Box<str>)`, the ways to get at it, and those of [`text_form`].
macro_rules! boxed_text {
    ($name:ident, $error:ty, $expecting:literal) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        crate::model::text_form!($name, $error, $expecting);
    };
}
pub(crate) use boxed_text;
