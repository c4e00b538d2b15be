//! Names that are not on the public internet.

/// What tells that a host name is not one of the public internet, if it is not. `name` is as URLs have it, without a full stop
/// at the end.
///
/// The top-level names are those of RFC 6761 (`localhost`, `test`, `invalid`), RFC 6762 and its appendix G, RFC 7686
/// (`onion`), RFC 9476 (`alt`), the one that ICANN reserved (`internal`), the one of the infrastructure (RFC 3172; RFC 8375
/// has `home.arpa` in it), and two that clusters give to their own services.
pub(super) fn local_name(name: &str) -> Option<&'static str> {
    // Resolvers differ about an empty label.
    if name.starts_with('.') || name.ends_with('.') || name.as_bytes().windows(2).any(|pair| pair == b"..") {
        return Some("an empty label");
    }
    let Some((_, top)) = name.rsplit_once('.') else { return Some("one label") };
    Some(match top {
        "localhost" => ".localhost",
        "localdomain" => ".localdomain",
        "local" => ".local",
        "internal" => ".internal",
        "intranet" => ".intranet",
        "private" => ".private",
        "corp" => ".corp",
        "home" => ".home",
        "lan" => ".lan",
        "test" => ".test",
        "onion" => ".onion",
        "alt" => ".alt",
        "invalid" => ".invalid",
        "arpa" => ".arpa",
        "svc" => ".svc",
        "consul" => ".consul",
        _ => return None,
    })
}
