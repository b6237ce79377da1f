//! Text that certmesh shows to people.
//!
//! - [`one_line`]: text from elsewhere, made safe to show
//! - [`hint`]: the known word that was probably meant
//! - [`shown`]: a name as an error may quote it

mod nearest;
pub mod one_line;

pub use nearest::hint;

/// A member's name as an error may show it. Names are no personal data, but a name that doesn't look like one may be a
/// value that stands in the wrong place.
pub fn shown(name: &str) -> String {
    let like_a_name = |c: char| c.is_alphabetic() || matches!(c, '_' | '-');
    let may_go_on = |c: char| like_a_name(c) || c.is_ascii_digit();
    let mut digits = name.chars().filter(char::is_ascii_digit);
    let shows = name.len() <= 64
        && name.starts_with(like_a_name)
        && name.chars().all(may_go_on)
        && digits.by_ref().take(5).count() < 5;
    if shows {
        name.to_owned()
    } else {
        "(a name not shown)".to_owned()
    }
}
