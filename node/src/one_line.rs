//! Text from elsewhere, made safe to show: it can't begin a line of its own, steer a terminal or reorder what stands
//! around it.
//!
//! Every place that shows text to people goes through here: the log, the command line, the reasons in files of rejected
//! rows. So there is one list of the characters that matter.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character ends a line, steers a terminal, or changes the direction of text around it: C0 and C1 controls
/// and DEL, the line and paragraph separators, and the controls of the Unicode bidirectional algorithm (UAX #9).
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line: U+FFFD stands for each character that [steers].
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let shown = |c| {
        if steers(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(shown).collect::<String>().into()
}

/// JSON in which nothing but whitespace between its values [steers]: other such characters are written as escapes, so
/// its values stay what they are. What is given must be JSON: then such characters can only stand in its strings, and
/// no C0 control can.
pub fn json(text: &str) -> Cow<'_, str> {
    let raw = |c: char| steers(c) && !c.is_ascii_control() || c == '\u{7F}';
    if !text.chars().any(raw) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if raw(c) {
            // All of them are in the basic plane, so one escape does.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// Text with a character of every kind that [steers], for tests of what shows it.
#[doc(hidden)]
pub const HOSTILE: &str =
    "a\nerror: forged\r\u{1b}[2J\u{7f}\u{9b}1m\u{85}\u{2028}b\u{2029}\u{202e}\u{2066}\u{61c}\tc";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_on_its_line_and_keeps_its_direction() {
        let shown = one_line(HOSTILE);
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert!(shown.starts_with("a\u{FFFD}error: forged"), "{shown:?}");
        assert_eq!(one_line("公安局 é e\u{301}"), "公安局 é e\u{301}");
    }

    #[test]
    fn json_shows_no_character_that_steers_and_means_the_same() {
        let text = serde_json::to_string(HOSTILE).unwrap();
        let shown = json(&text);
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), HOSTILE);
    }
}
