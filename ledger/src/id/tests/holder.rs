//! Holder-code kinds, and holders' codes made uniform.

use proptest::prelude::*;

use super::strategies::{any_character, department};
use super::{check, through_bincode, through_json, with_char};
use crate::id::{
    Date, HolderError, HolderKind, HolderKindError, MAX_HOLDER_CHARS, has_known_region,
    is_born_after, normalise,
};

#[test]
fn kinds_have_three_digits_and_two_names() {
    let codes: Vec<String> = HolderKind::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(
        codes,
        [
            "001", "099", "111", "411", "412", "413", "414", "511", "516", "999"
        ]
    );
    for kind in HolderKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        assert_eq!(HolderKind::from_code(kind.code()), Ok(kind));
        assert!(!kind.name().is_empty() && !kind.chinese_name().is_empty());
    }
    assert_eq!(HolderKind::IdentityCard.chinese_name(), "居民身份证");
}

#[test]
fn other_kinds_are_refused() {
    for text in ["", "1", "01", "0001", "002", "112", "1110", "11１", "+11"] {
        assert_eq!(text.parse::<HolderKind>(), Err(HolderKindError), "{text}");
    }
}

#[test]
fn kinds_are_digits_in_json_and_a_number_in_binary() {
    let kind = HolderKind::OtherOrganisation;
    assert_eq!(through_json(&kind, r#""099""#), kind);
    let (back, bytes) = through_bincode(&kind);
    assert_eq!((back, bytes), (kind, vec![99]));
    assert!(serde_json::from_str::<HolderKind>("99").is_err());
    let config = bincode::config::standard();
    assert!(bincode::serde::decode_from_slice::<HolderKind, _>(&[2], config).is_err());
}

#[test]
fn one_holder_gives_one_text_however_the_code_is_written() {
    for code in [
        "11010519491231002X",
        "11010519491231002x",
        " 110105 19491231 002x\u{3000}",
        "１１０１０５１９４９１２３１００２Ｘ",
    ] {
        assert_eq!(
            normalise(HolderKind::IdentityCard, code).unwrap(),
            "11010519491231002X"
        );
    }
    assert_eq!(
        normalise(HolderKind::CreditCode, "11430000006122244l").unwrap(),
        "11430000006122244L"
    );
    assert_eq!(
        normalise(HolderKind::OrdinaryPassport, "e 1234\t5678").unwrap(),
        "E12345678"
    );
    assert_eq!(
        normalise(HolderKind::Other, "军字第 ００１ 号").unwrap(),
        "军字第001号"
    );
}

#[test]
fn wrong_check_characters_name_the_expected_one() {
    assert_eq!(
        normalise(HolderKind::IdentityCard, "110105194912310021")
            .unwrap_err()
            .to_string(),
        "holder's resident identity card: check character doesn't fit, expected `X`"
    );
    assert_eq!(
        normalise(HolderKind::CreditCode, "11430000006122244X")
            .unwrap_err()
            .to_string(),
        "holder's unified social credit code: check character doesn't fit, expected `L`"
    );
}

#[test]
fn a_misplaced_character_is_reported_by_its_place() {
    let kind = HolderKind::IdentityCard;
    assert_eq!(
        normalise(kind, "1101 05194912X1002X"),
        Err(HolderError::Character { kind, position: 13 })
    );
    assert_eq!(
        normalise(kind, "11010519491231002Y"),
        Err(HolderError::Character { kind, position: 18 })
    );
    assert_eq!(
        normalise(kind, "1101051949123100２武"),
        Err(HolderError::Character { kind, position: 18 })
    );
    let kind = HolderKind::CreditCode;
    assert_eq!(
        normalise(kind, "1143000000612224OL"),
        Err(HolderError::Character { kind, position: 17 })
    );
}

#[test]
fn an_identity_number_of_fifteen_digits_is_refused_as_such() {
    let error = normalise(HolderKind::IdentityCard, "110105491231002").unwrap_err();
    assert_eq!(error, HolderError::OldIdentityNumber);
    assert!(error.to_string().contains("15-digit"));
}

#[test]
fn lengths_are_bounded() {
    let kind = HolderKind::Other;
    assert_eq!(normalise(kind, " \u{3000}"), Err(HolderError::Empty));
    assert!(normalise(kind, &"证".repeat(MAX_HOLDER_CHARS)).is_ok());
    assert_eq!(
        normalise(kind, &"证".repeat(MAX_HOLDER_CHARS + 1)),
        Err(HolderError::TooLong)
    );
    assert_eq!(normalise(kind, &" ".repeat(513)), Err(HolderError::TooLong));
    for kind in [HolderKind::CreditCode, HolderKind::IdentityCard] {
        assert_eq!(
            normalise(kind, "1234567"),
            Err(HolderError::Length { kind, found: 7 })
        );
    }
}

#[test]
fn characters_that_cannot_be_seen_are_refused() {
    let kind = HolderKind::OrdinaryPassport;
    for hidden in ['\0', '\u{200b}', '\u{202e}', '\u{feff}'] {
        assert_eq!(
            normalise(kind, &format!("E1{hidden}2")),
            Err(HolderError::Character { kind, position: 3 })
        );
    }
}

#[test]
fn an_identity_number_names_a_day_that_somebody_can_have_been_born_on() {
    let kind = HolderKind::IdentityCard;
    let number = |body: &str| format!("{body}{}", check::identity_number(body).unwrap());
    for (day, expected) in [
        ("20000229", Ok(())),
        ("18000101", Ok(())),
        ("19000229", Err(HolderError::Birthday)),
        ("19900231", Err(HolderError::Birthday)),
        ("19901301", Err(HolderError::Birthday)),
        ("19900100", Err(HolderError::Birthday)),
        ("17991231", Err(HolderError::Birthday)),
        ("30000101", Err(HolderError::Birthday)),
    ] {
        let found = normalise(kind, &number(&format!("110105{day}001")));
        assert_eq!(found.map(drop), expected, "{day}");
    }
}

#[test]
fn a_placeholder_is_nobodys_code() {
    let credit = HolderKind::CreditCode;
    for (kind, code) in [
        (credit, "000000000000000000"),
        (HolderKind::Other, "无"),
        (HolderKind::Other, " n/a "),
        (HolderKind::OrdinaryPassport, "000000000"),
        (HolderKind::OtherOrganisation, "—"),
        (HolderKind::TaiwanPermit, "00000000"),
        (HolderKind::HongKongMacauPermit, "H00000000"),
    ] {
        assert_eq!(
            normalise(kind, code),
            Err(HolderError::Placeholder(kind)),
            "{code}"
        );
    }
    for number in [
        "000000000000000001",
        "111111111111111110",
        "999999999999999993",
    ] {
        assert!(normalise(HolderKind::IdentityCard, number).is_err());
    }
    let zeros = format!(
        "00000019900307001{}",
        check::identity_number("00000019900307001").unwrap()
    );
    let kind = HolderKind::IdentityCard;
    assert_eq!(normalise(kind, &zeros), Err(HolderError::Placeholder(kind)));
}

#[test]
fn what_a_spreadsheet_leaves_of_long_digits_is_nobodys_code() {
    let kind = HolderKind::Other;
    for code in [
        "9.90101E+17",
        "9.90101e17",
        "1E+15",
        "9.9E-05",
        "９.９Ｅ＋１７",
    ] {
        assert_eq!(
            normalise(kind, code),
            Err(HolderError::Scientific(kind)),
            "{code}"
        );
    }
    for code in ["12E5", "E12345678", "9.90101E", "1234E+5", "军E+5"] {
        assert!(normalise(kind, code).is_ok(), "{code}");
    }
}

#[test]
fn the_spellings_of_one_permit_are_one_holder() {
    for (kind, number, spellings) in [
        (
            HolderKind::HongKongMacauPermit,
            "H12345678",
            &[
                "h12345678 ",
                "H1234567802",
                "H12345678(02)",
                "Ｈ１２３４５６７８（０２）",
                "H12345678-02",
            ][..],
        ),
        (
            HolderKind::TaiwanPermit,
            "12345678",
            &[
                "12345678",
                "1234567801",
                "12345678(01)",
                "1234567801(B)",
                "12345678 01 b",
            ],
        ),
    ] {
        for spelling in spellings {
            assert_eq!(
                normalise(kind, spelling).as_deref(),
                Ok(number),
                "{spelling}"
            );
        }
        for wrong in [
            "1234567",
            "A12345678",
            "H1234567",
            "H123456780",
            "1234567x",
            "1234567801023",
            "12345678证",
        ] {
            assert_eq!(
                normalise(kind, wrong),
                Err(HolderError::Permit(kind)),
                "{wrong}"
            );
        }
    }
    let kind = HolderKind::HongKongMacauPermit;
    assert_eq!(normalise(kind, "12345678"), Err(HolderError::Permit(kind)));
    assert_eq!(
        normalise(kind, "H12345678B"),
        Err(HolderError::Permit(kind))
    );
}

#[test]
fn a_passport_is_any_states() {
    for code in [
        "E12345678",
        "AB1234567",
        "123456789",
        "YA1234567",
        "C01X00T47",
    ] {
        assert_eq!(
            normalise(HolderKind::OrdinaryPassport, code).as_deref(),
            Ok(code)
        );
    }
}

#[test]
fn a_region_is_known_by_its_province() {
    for (number, known) in [
        ("11010519491231002X", true),
        ("810000199001010018", true),
        ("911124199001010018", true),
        ("990101199003071026", true),
        ("160000199001010018", false),
        ("916000199001010018", false),
    ] {
        assert_eq!(has_known_region(number), known, "{number}");
    }
}

#[test]
fn nobody_holds_anything_before_the_day_of_birth() {
    let day = |text: &str| text.parse::<Date>().unwrap();
    for (code, on, later) in [
        ("110105199003070013", "1990-03-06", true),
        ("110105199003070013", "1990-03-07", false),
        ("110105299903070013", "2026-11-27", true),
        ("110105184912310013", "1900-01-01", false),
    ] {
        let found = is_born_after(HolderKind::IdentityCard, code, day(on));
        assert_eq!(found, later, "{code} {on}");
    }
    let passport = HolderKind::OrdinaryPassport;
    assert!(!is_born_after(
        passport,
        "110105299903070013",
        day("2026-11-27")
    ));
}

prop_compose! {
    fn identity_number()(region in "[1-9][0-9]{5}", day in "(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])", order in "[0-9]{3}") -> String {
        let body = format!("{region}{day}{order}");
        let check = check::identity_number(&body).unwrap();
        format!("{body}{check}")
    }
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(kind in prop::sample::select(&HolderKind::ALL[..]), code in "\\PC{1,30}") {
        if let Ok(once) = normalise(kind, &code) {
            prop_assert_eq!(normalise(kind, &once), Ok(once));
        }
    }

    #[test]
    fn any_changed_character_of_an_identity_number_is_caught(
        number in identity_number(), at in 0..18_usize, c in "[0-9X]",
    ) {
        let changed = with_char(&number, at, c.chars().next().unwrap());
        prop_assert_eq!(normalise(HolderKind::IdentityCard, &changed).is_ok(), changed == number);
    }

    #[test]
    fn no_error_repeats_a_holders_code(
        number in identity_number(), code in department(), at in 0..18_usize, c in any_character(),
    ) {
        for (kind, code) in [(HolderKind::IdentityCard, number.as_str()), (HolderKind::CreditCode, code.as_str())] {
            if let Err(error) = normalise(kind, &with_char(code, at, c)) {
                let shown = format!("{error} {error:?}");
                for piece in code.as_bytes().windows(4) {
                    prop_assert!(!shown.contains(std::str::from_utf8(piece).unwrap()), "{}", shown);
                }
            }
        }
    }
}
