//! Characters that no line of text for people has.

/// Whether the character could break a line, or make text look like other text: control characters, line and
/// paragraph separators, those that override the direction of text (U+202A to U+202E, U+2066 to U+2069), and those of
/// interlinear annotations (U+FFF9 to U+FFFB).
pub(crate) fn is_disruptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
}
