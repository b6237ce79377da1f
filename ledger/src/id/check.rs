//! The three check-character systems behind the identifiers.
//!
//! | system | guards | catches |
//! | --- | --- | --- |
//! | GB 32100, modulus 31 | unified social credit codes | every single changed character, every swap of neighbours |
//! | ISO 7064 MOD 37,36 | certificate identifiers | every single changed character, 22,644 of 22,680 swaps of neighbours |
//! | ISO 7064 MOD 11-2 | identity numbers | every single changed digit, every swap of neighbours |
//!
//! The functions here compute; the identifiers' own parsers compare and name what is wrong.

/// Marks a byte that is in no alphabet.
const NONE: u8 = 0xFF;

/// The 31 characters of a unified social credit code, in the order of their values (GB 32100; no I, O, S, V, Z).
pub const CREDIT_CODE_ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// The 36 characters ISO 7064 MOD 37,36 covers, in the order of their values.
pub const CERTIFICATE_ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// 3^i mod 31, for i from 0.
const CREDIT_CODE_WEIGHTS: [u32; 17] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];

/// 2^(17-i) mod 11, for i from 0.
const IDENTITY_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// Check characters of an identity number by the weighted sum modulo 11; X stands for ten.
const IDENTITY_CHECKS: &[u8; 11] = b"10X98765432";

static CREDIT_CODE_VALUES: [u8; 256] = values(CREDIT_CODE_ALPHABET);
static CERTIFICATE_VALUES: [u8; 256] = values(CERTIFICATE_ALPHABET);

const fn values(alphabet: &[u8]) -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < alphabet.len() {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    table
}

/// The check character of a unified social credit code, from its first 17 characters (GB 32100).
///
/// `None` if `body` isn't 17 characters of [`CREDIT_CODE_ALPHABET`].
pub fn credit_code(body: &str) -> Option<char> {
    let body: &[u8; 17] = body.as_bytes().try_into().ok()?;
    credit_code_bytes(body).map(char::from)
}

/// [`credit_code`] for a body whose length the caller has checked.
pub(super) fn credit_code_bytes(body: &[u8; 17]) -> Option<u8> {
    let mut sum = 0;
    let mut seen = 0;
    for (&byte, weight) in body.iter().zip(CREDIT_CODE_WEIGHTS) {
        let value = CREDIT_CODE_VALUES[usize::from(byte)];
        seen |= value;
        sum += u32::from(value) * weight;
    }
    // Values stay below 31, so only the marker sets the top bit.
    (seen & 0x80 == 0).then(|| CREDIT_CODE_ALPHABET[((31 - sum % 31) % 31) as usize])
}

/// Whether a unified social credit code may hold this byte.
pub(super) fn in_credit_code_alphabet(byte: u8) -> bool {
    CREDIT_CODE_VALUES[usize::from(byte)] != NONE
}

/// Whether a certificate identifier's serial may hold this byte.
pub(super) fn in_certificate_alphabet(byte: u8) -> bool {
    CERTIFICATE_VALUES[usize::from(byte)] != NONE
}

/// The ISO 7064 MOD 37,36 check character over the parts taken as one text.
///
/// `None` if any character is outside [`CERTIFICATE_ALPHABET`]. Changing any one character always changes the answer.
/// What it can miss: a swap of two neighbours whose values differ by one (or are 0 and Z), each such pair at one state
/// of the 36; and a lost or added character, one time in 36. Fixed lengths of most parts guard against the latter.
pub fn certificate(parts: &[&str]) -> Option<char> {
    let mut state = 36_u8;
    for part in parts {
        for byte in part.bytes() {
            let value = CERTIFICATE_VALUES[usize::from(byte)];
            if value == NONE {
                return None;
            }
            state = mod_37_36_step(state, value);
        }
    }
    Some(char::from(
        CERTIFICATE_ALPHABET[usize::from(37 - state) % 36],
    ))
}

/// One step of MOD 37,36: add modulo 36 with 36 in the place of 0, then double modulo 37. The state is 1..=36 before
/// and after.
#[inline]
fn mod_37_36_step(state: u8, value: u8) -> u8 {
    // Each step waits for the one before: one look-up by the sum is what makes it short.
    MOD_37_36_BY_SUM[usize::from(state + value) % 128]
}

/// The state after a step, by the sum of state and value: 1..=71.
static MOD_37_36_BY_SUM: [u8; 128] = {
    let mut table = [0; 128];
    let mut sum = 1;
    while sum <= 71 {
        let remainder = if sum > 36 { sum - 36 } else { sum };
        table[sum] = (remainder * 2 % 37) as u8;
        sum += 1;
    }
    table
};

/// The check character of a resident identity number, from its first 17 digits (ISO 7064 MOD 11-2, GB 11643).
///
/// `None` if `body` isn't 17 ASCII digits.
pub fn identity_number(body: &str) -> Option<char> {
    let body: &[u8; 17] = body.as_bytes().try_into().ok()?;
    if !body.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum: u32 = body
        .iter()
        .zip(IDENTITY_WEIGHTS)
        .map(|(&digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    Some(char::from(IDENTITY_CHECKS[(sum % 11) as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_credit_codes_have_the_computed_check_character() {
        for code in [
            "11100000000013338W",
            "11430000006122244L",
            "11330105002500287C",
            "11100000MB03271699",
        ] {
            assert_eq!(credit_code(&code[..17]), code.chars().last(), "{code}");
        }
    }

    #[test]
    fn credit_code_weights_are_powers_of_three() {
        let mut power = 1;
        for weight in CREDIT_CODE_WEIGHTS {
            assert_eq!(weight, power);
            power = power * 3 % 31;
        }
    }

    #[test]
    fn bodies_of_wrong_length_or_alphabet_have_no_check_character() {
        assert_eq!(credit_code("1110000000001333"), None);
        assert_eq!(credit_code("1110000000001333I"), None);
        assert_eq!(certificate(&["ABC", "a"]), None);
        assert_eq!(certificate(&["证照"]), None);
        assert_eq!(identity_number("1101011990030700X"), None);
        assert_eq!(identity_number("110101"), None);
    }

    #[test]
    fn mod_37_36_steps_agree_with_the_standards_wording() {
        for state in 1..=36 {
            for value in 0..36 {
                let sum = match (state + value) % 36 {
                    0 => 36,
                    sum => sum,
                };
                assert_eq!(mod_37_36_step(state, value), sum * 2 % 37);
            }
        }
    }

    /// A step maps different characters to different states, and different states to different states, so one changed
    /// character changes every later state and in the end the check character: no exception exists.
    #[test]
    fn mod_37_36_catches_every_single_changed_character() {
        for fixed in 0..36 {
            let mut by_value = [false; 37];
            let mut by_state = [false; 37];
            for varied in 0..36 {
                let reached = usize::from(mod_37_36_step(fixed + 1, varied));
                assert!(!std::mem::replace(&mut by_value[reached], true));
                let reached = usize::from(mod_37_36_step(varied + 1, fixed));
                assert!(!std::mem::replace(&mut by_state[reached], true));
            }
        }
    }

    #[test]
    fn mod_37_36_misses_only_swaps_of_adjacent_values_at_one_state_each() {
        let mut missed = Vec::new();
        for state in 1..=36 {
            for a in 0..36 {
                for b in 0..a {
                    let ab = mod_37_36_step(mod_37_36_step(state, a), b);
                    let ba = mod_37_36_step(mod_37_36_step(state, b), a);
                    if ab == ba {
                        missed.push((a, b));
                    }
                }
            }
        }
        missed.sort_unstable();
        let mut adjacent: Vec<_> = (1..36).map(|a| (a, a - 1)).chain([(35, 0)]).collect();
        adjacent.sort_unstable();
        assert_eq!(missed, adjacent);
    }

    #[test]
    fn the_identity_number_printed_in_the_standard_checks() {
        assert_eq!(identity_number("11010519491231002"), Some('X'));
        assert_eq!(identity_number("44052418800101001"), Some('4'));
    }
}
