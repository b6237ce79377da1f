//! How a spreadsheet's number is read: by its stored value, and by its format where that makes another text of it.

use calamine::Style;

/// Digits that a spreadsheet keeps of a number; what a stored value has beyond them is noise of binary fractions.
const KEPT: usize = 15;

/// What a number's format makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NumberForm {
    /// The number, however many digits are shown.
    Plain,
    /// A hundredth, and a sign.
    Percent,
    /// A code of digits with zeros before them and other text in and around them: `"WH"000000`.
    Code(Vec<Sign>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Digit,
    Text(char),
}

impl NumberForm {
    /// Of a cell's style.
    pub(super) fn of(style: &Style) -> NumberForm {
        let format = style.number_format.as_ref();
        format.map_or(NumberForm::Plain, |format| {
            NumberForm::read(&format.format_code)
        })
    }

    fn read(code: &str) -> NumberForm {
        let mut signs = Vec::new();
        let mut chars = code.chars();
        let mut plain = false;
        let mut percent = false;
        while let Some(c) = chars.next() {
            match c {
                '0' => signs.push(Sign::Digit),
                '"' => signs.extend(chars.by_ref().take_while(|c| *c != '"').map(Sign::Text)),
                '\\' | '!' => signs.extend(chars.next().map(Sign::Text)),
                // Width and filling.
                '_' | '*' => drop(chars.next()),
                // Colour, condition, language.
                '[' => drop(chars.by_ref().find(|c| *c == ']')),
                // What numbers below zero, or texts, look like.
                ';' => break,
                '%' => percent = true,
                '-' | ' ' | '(' | ')' | ':' | '/' | '$' | '+' => signs.push(Sign::Text(c)),
                c if c.is_alphabetic() && !c.is_ascii() => signs.push(Sign::Text(c)),
                _ => plain = true,
            }
        }
        let digits = signs.iter().filter(|sign| **sign == Sign::Digit).count();
        match (percent, plain) {
            (true, _) => NumberForm::Percent,
            // One digit with a unit is a quantity and no code.
            (false, false) if digits > 1 => NumberForm::Code(signs),
            _ => NumberForm::Plain,
        }
    }

    /// The text of a number.
    pub(super) fn text(&self, number: f64) -> String {
        match self {
            NumberForm::Plain => kept(number),
            NumberForm::Percent => format!("{}%", kept(number * 100.0)),
            NumberForm::Code(signs) => {
                let digits = kept(number);
                match digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => filled(signs, &digits),
                    false => digits,
                }
            }
        }
    }
}

/// A number to the digits that a spreadsheet keeps, never in scientific notation.
fn kept(number: f64) -> String {
    let rounded = format!("{number:.*e}", KEPT - 1);
    let rounded: f64 = rounded.parse().unwrap_or(number);
    rounded.to_string()
}

/// Digits in the places for them, from the last; those that are too many before the first.
fn filled(signs: &[Sign], digits: &str) -> String {
    let places = signs.iter().filter(|sign| **sign == Sign::Digit).count();
    let digits = format!("{digits:0>places$}");
    let (surplus, digits) = digits.split_at(digits.len() - places);
    let mut digits = digits.chars();
    let mut surplus = Some(surplus);
    let mut text = String::new();
    for sign in signs {
        match sign {
            Sign::Text(c) => text.push(*c),
            Sign::Digit => {
                text.push_str(surplus.take().unwrap_or_default());
                text.extend(digits.next());
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_stored_value_to_fifteen_digits() {
        for (format, number, text) in [
            ("General", 0.1 + 0.2, "0.3"),
            ("0.00", 0.1 + 0.2, "0.3"),
            ("0", 12.5, "12.5"),
            ("#,##0.00", 1234567.891, "1234567.891"),
            ("General", 123456789012345.0, "123456789012345"),
            ("General", 0.000001, "0.000001"),
            ("0.00E+00", 123456.0, "123456"),
            ("0\"元\"", 100.0, "100"),
            ("0%", 0.125, "12.5%"),
            ("0.00%", 0.07, "7%"),
            ("@", 42.0, "42"),
        ] {
            assert_eq!(NumberForm::read(format).text(number), text, "{format}");
        }
    }

    #[test]
    fn a_format_that_makes_a_code_of_a_number_is_followed() {
        for (format, number, text) in [
            ("000000", 42.0, "000042"),
            ("\"WH\"000000", 42.0, "WH000042"),
            ("\\N\\o000", 42.0, "No042"),
            ("000-0000", 12345678.0, "1234-5678"),
            ("鄂00000", 7.0, "鄂00007"),
            ("00000_ ;[Red]-00000", 7.0, "00007"),
            ("0000", -7.0, "-7"),
            ("0000", 7.5, "7.5"),
        ] {
            assert_eq!(NumberForm::read(format).text(number), text, "{format}");
        }
    }
}
