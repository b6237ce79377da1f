//! Department, division, issuer and type codes.

use proptest::prelude::*;

use super::strategies::{any_character, department, issuer, type_code};
use super::{check, through_bincode, through_json, with_char};
use crate::id::{DepartmentCode, DivisionCode, IdError, IssuerCode, Part, TypeCode};

const DEPARTMENTS: [&str; 4] = [
    "11100000000013338W",
    "11430000006122244L",
    "11330105002500287C",
    "11100000MB03271699",
];

fn department_error(text: &str) -> IdError {
    text.parse::<DepartmentCode>().unwrap_err()
}

#[test]
fn valid_department_codes_are_read_and_shown_unchanged() {
    for text in DEPARTMENTS {
        let code: DepartmentCode = text.parse().unwrap();
        assert_eq!(code.as_str(), text);
        assert_eq!(code.to_string(), text);
        assert_eq!(format!("{code:?}"), format!("DepartmentCode({text})"));
        assert_eq!(DepartmentCode::from_body(&text[..17]).unwrap(), code);
    }
}

#[test]
fn a_department_code_contains_its_division() {
    let code: DepartmentCode = "11330105002500287C".parse().unwrap();
    assert_eq!(code.division().as_str(), "330105");
}

#[test]
fn a_wrong_department_check_character_names_the_expected_one() {
    assert!(matches!(
        department_error("11430000006122244X"),
        IdError::Check {
            part: Part::DepartmentCode,
            found: 'X',
            expected: 'L',
            ..
        }
    ));
}

#[test]
fn a_character_outside_the_department_alphabet_is_named_with_its_place() {
    assert_eq!(
        department_error("1143000000612224IL").to_string(),
        "department-code `1143000000612224IL`: character 17"
    );
    assert_eq!(
        department_error("1143A000006122244L").to_string(),
        "department-code `1143A000006122244L`: character 5"
    );
    // In the place of the check character, too.
    assert!(matches!(
        department_error("11430000006122244S"),
        IdError::Character {
            position: 18,
            found: 'S',
            ..
        }
    ));
}

#[test]
fn lower_case_and_spaces_are_refused_in_department_codes() {
    assert!(matches!(
        department_error("11430000006122244l"),
        IdError::Character { position: 18, .. }
    ));
    assert!(matches!(
        department_error(" 11430000006122244L"),
        IdError::Length { found: 19, .. }
    ));
}

#[test]
fn a_department_code_of_wrong_length_says_both_lengths() {
    assert_eq!(
        department_error("11430000006122244").to_string(),
        "department-code `11430000006122244`: 17 characters"
    );
    assert!(matches!(
        department_error(""),
        IdError::Length { found: 0, .. }
    ));
    assert_eq!(
        DepartmentCode::from_body("1143").unwrap_err().to_string(),
        "department-code `1143`: 4 characters"
    );
}

#[test]
fn letters_of_several_bytes_count_as_one_character() {
    // 18 characters, more bytes.
    assert!(matches!(
        department_error("11430000006122244Ｌ"),
        IdError::Character {
            position: 18,
            found: 'Ｌ',
            ..
        }
    ));
    // 18 bytes, six characters: read as far as the first.
    assert!(matches!(
        department_error("武汉市民之家"),
        IdError::Character {
            position: 1,
            found: '武',
            ..
        }
    ));
}

#[test]
fn an_endless_text_is_refused_by_its_length_and_not_repeated() {
    let long = "1".repeat(1 << 20);
    let message = department_error(&long).to_string();
    assert_eq!(message, "department-code: 1048576 bytes");
    for error in [
        long.parse::<TypeCode>().unwrap_err(),
        long.parse::<DivisionCode>().unwrap_err(),
        long.parse::<IssuerCode>().unwrap_err(),
    ] {
        assert!(matches!(error, IdError::TooLong { .. }));
    }
}

#[test]
fn quoted_text_is_shortened_and_its_control_characters_escaped() {
    let message = department_error("1\n\u{1b}[31m").to_string();
    assert!(message.contains(r"`1\n\u{1b}[31m`"), "{message}");
    let message = department_error(&"7".repeat(100)).to_string();
    assert!(
        message.contains(&format!("`{}…`", "7".repeat(32))),
        "{message}"
    );
}

#[test]
fn a_division_code_is_six_digits() {
    let code: DivisionCode = "340100".parse().unwrap();
    assert_eq!(code.as_str(), "340100");
    let error = "34O100".parse::<DivisionCode>().unwrap_err();
    assert_eq!(error.to_string(), "division-code `34O100`: character 3");
    let error = "34010".parse::<DivisionCode>().unwrap_err();
    assert_eq!(error.to_string(), "division-code `34010`: 5 characters");
}

#[test]
fn an_issuer_names_its_department_or_any_department_of_its_division() {
    let department: DepartmentCode = "11330105002500287C".parse().unwrap();
    let neighbour: DepartmentCode = "11430000006122244L".parse().unwrap();
    let itself: IssuerCode = "11330105002500287C".parse().unwrap();
    assert_eq!(itself, IssuerCode::Department(department));
    assert!(itself.names(&department));
    assert!(!itself.names(&neighbour));
    let division: IssuerCode = "330105".parse().unwrap();
    assert_eq!(division, department.division().into());
    assert!(division.names(&department));
    assert!(!division.names(&neighbour));
}

#[test]
fn an_issuer_of_another_length_is_refused_with_both_lengths() {
    let error = "1234567".parse::<IssuerCode>().unwrap_err();
    assert_eq!(error.part(), Part::IssuerCode);
    assert_eq!(error.to_string(), "issuer-code `1234567`: 7 characters");
}

#[test]
fn a_type_code_contains_its_authority_and_number() {
    let code: TypeCode = "11100000000013338W011".parse().unwrap();
    assert_eq!(code.authority().as_str(), "11100000000013338W");
    assert_eq!(code.number(), 11);
    assert_eq!(TypeCode::new(&code.authority(), 11).unwrap(), code);
    assert_eq!(
        TypeCode::new(&code.authority(), 1000)
            .unwrap_err()
            .to_string(),
        "type-code: number 1000"
    );
}

#[test]
fn type_code_errors_say_whether_authority_or_number_is_wrong() {
    let error = |text: &str| text.parse::<TypeCode>().unwrap_err().to_string();
    assert_eq!(
        error("11100000000013338X011"),
        "type-authority `11100000000013338X`: check character"
    );
    assert_eq!(
        error("11100000000013338W01A"),
        "type-code `11100000000013338W01A`: character 21"
    );
    assert_eq!(
        error("11100000000013338W01"),
        "type-code `11100000000013338W01`: 20 characters"
    );
    // 21 bytes, with a letter of three across the end of the authority's code.
    assert_eq!(
        error("11100000000013338武1"),
        "type-code `11100000000013338武1`: 19 characters"
    );
}

#[test]
fn codes_are_serialised_as_their_text_and_read_strictly() {
    let department: DepartmentCode = DEPARTMENTS[0].parse().unwrap();
    let type_code = TypeCode::new(&department, 7).unwrap();
    let json = r#""11100000000013338W""#;
    assert_eq!(through_json(&department, json), department);
    assert_eq!(
        through_json(&IssuerCode::Department(department), json),
        department.into()
    );
    assert_eq!(
        through_json(&department.division(), r#""100000""#),
        department.division()
    );
    assert_eq!(
        through_json(&type_code, r#""11100000000013338W007""#),
        type_code
    );
    let (back, bytes) = through_bincode(&department);
    assert_eq!(back, department);
    assert_eq!(bytes.len(), 19);
    let error = serde_json::from_str::<DepartmentCode>(r#""11100000000013338X""#).unwrap_err();
    assert!(error.to_string().contains("check character"), "{error}");
    let error = serde_json::from_str::<DepartmentCode>("1").unwrap_err();
    assert!(error.to_string().contains("18-character"), "{error}");
}

#[test]
fn every_single_changed_character_of_the_samples_is_caught() {
    for text in DEPARTMENTS {
        for at in 0..text.len() {
            for c in check::CREDIT_CODE_ALPHABET.iter().copied().map(char::from) {
                let changed = with_char(text, at, c);
                assert_eq!(changed.parse::<DepartmentCode>().is_ok(), changed == text);
            }
        }
    }
}

proptest! {
    #[test]
    fn codes_survive_their_text(department in department(), type_code in type_code(), issuer in issuer()) {
        prop_assert_eq!(department.to_string().parse(), Ok(department));
        prop_assert_eq!(type_code.to_string().parse(), Ok(type_code));
        prop_assert_eq!(issuer.to_string().parse(), Ok(issuer));
        prop_assert_eq!(TypeCode::new(&type_code.authority(), type_code.number()), Ok(type_code));
        prop_assert!(IssuerCode::from(department).names(&department));
        prop_assert!(IssuerCode::from(department.division()).names(&department));
    }

    #[test]
    fn any_changed_character_of_a_department_code_is_caught(
        code in department(), at in 0..18_usize, c in any_character(),
    ) {
        let changed = with_char(code.as_str(), at, c);
        prop_assert_eq!(changed.parse::<DepartmentCode>().is_ok(), changed == code.as_str());
    }

    #[test]
    fn any_swap_of_different_neighbours_in_a_department_code_is_caught(code in department(), at in 0..17_usize) {
        let mut bytes = code.as_str().as_bytes().to_vec();
        bytes.swap(at, at + 1);
        let swapped = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(swapped.parse::<DepartmentCode>().is_ok(), swapped == code.as_str());
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<DepartmentCode>();
        let _ = text.parse::<DivisionCode>();
        let _ = text.parse::<IssuerCode>();
        let _ = text.parse::<TypeCode>();
    }
}
