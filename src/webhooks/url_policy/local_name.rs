//! Names that are not on the public internet.

use std::fmt;

/// What tells that a host name is not one of the public internet. Printed: `an empty label`, `one label`, or the top-level
/// name, `.internal`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LocalName(u8);

/// In place of a top-level name.
const EMPTY_LABEL: LocalName = LocalName(254);
const ONE_LABEL: LocalName = LocalName(255);

/// Top-level names of RFC 6761 (`localhost`, `test`, `invalid`), RFC 6762 and its appendix G, RFC 7686 (`onion`), RFC 9476
/// (`alt`), the one that ICANN reserved (`internal`), the one of the infrastructure (RFC 3172; RFC 8375 has `home.arpa` in
/// it), and two that clusters give to their own services.
const TOP_LEVEL_NAMES: [&str; 16] = [
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".intranet",
    ".private",
    ".corp",
    ".home",
    ".lan",
    ".test",
    ".onion",
    ".alt",
    ".invalid",
    ".arpa",
    ".svc",
    ".consul",
];

impl LocalName {
    /// Whether a host name, as URLs have it and without a full stop at the end, is a local one.
    pub(super) fn of(name: &str) -> Option<Self> {
        // Resolvers differ about an empty label.
        if name.starts_with('.')
            || name.ends_with('.')
            || name.as_bytes().windows(2).any(|pair| pair == b"..")
        {
            return Some(EMPTY_LABEL);
        }
        let Some(dot) = name.rfind('.') else { return Some(ONE_LABEL) };
        let n = TOP_LEVEL_NAMES.iter().position(|local| *local == &name[dot..])?;
        u8::try_from(n).ok().map(Self)
    }
}

impl fmt::Display for LocalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            EMPTY_LABEL => "an empty label",
            ONE_LABEL => "one label",
            Self(n) => TOP_LEVEL_NAMES.get(usize::from(n)).copied().unwrap_or_default(),
        })
    }
}

impl fmt::Debug for LocalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
