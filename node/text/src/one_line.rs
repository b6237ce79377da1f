//! Text from elsewhere, made safe to show: it can't begin a line of its own, steer a terminal or reorder what stands
//! around it.
//!
//! Every place that shows text to people goes through here: the log, the command line, the reasons in files of rejected
//! rows. So there is one list of the characters that matter.

use std::borrow::Cow;
use std::ffi::OsString;
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

/// A message of several lines: all but the first are indented, so that none of them is taken for another message.
pub fn indented(text: &str) -> String {
    let mut lines = text.split('\n').map(one_line);
    let mut out = lines.next().unwrap_or_default().into_owned();
    for line in lines {
        out.push_str(if line.starts_with("  ") { "\n" } else { "\n  " });
        out.push_str(&line);
    }
    out
}

/// A command's arguments as an error may quote them; `None` when they can be quoted as they are.
pub fn quotable(args: &[OsString]) -> Option<Vec<OsString>> {
    let texts = || args.iter().map(|arg| arg.to_string_lossy());
    let shown = |arg: Cow<'_, str>| one_line(&arg).into_owned().into();
    texts()
        .any(|arg| arg.contains(steers))
        .then(|| texts().map(shown).collect())
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
    fn a_message_of_several_lines_has_one_that_begins_at_the_margin() {
        let shown = indented("two faults\n  first\nerror: forged\r\u{85}");
        assert_eq!(
            shown,
            "two faults\n  first\n  error: forged\u{FFFD}\u{FFFD}"
        );
    }

    #[test]
    fn json_shows_no_character_that_steers_and_means_the_same() {
        let text = serde_json::to_string(HOSTILE).unwrap();
        let shown = json(&text);
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), HOSTILE);
    }
}
