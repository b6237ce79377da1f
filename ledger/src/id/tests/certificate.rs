//! Certificate identifiers, strict and as found in use.

use proptest::prelude::*;

use super::strategies::{any_character, issuer, type_code};
use super::{check, through_bincode, through_json, with_char};
use crate::id::{CertificateId, IdError, IssuerCode, Part, Variant};

const SAMPLES: [&str; 3] = [
    "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
    "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
    "1.2.156.3005.2.11100000MB03271699022.340100.000000016.001.9",
];

fn parse(text: &str) -> CertificateId {
    text.parse().unwrap()
}

fn error(text: &str) -> IdError {
    text.parse::<CertificateId>().unwrap_err()
}

/// The first sample with one piece of its text put in place of another.
fn altered(from: &str, to: &str) -> String {
    assert!(SAMPLES[0].contains(from));
    SAMPLES[0].replacen(from, to, 1)
}

#[test]
fn valid_samples_are_read_into_their_parts() {
    let id = parse(SAMPLES[0]);
    assert_eq!(id.as_str(), SAMPLES[0]);
    assert_eq!(id.to_string(), SAMPLES[0]);
    assert_eq!(id.type_code().as_str(), "11100000000013338W011");
    assert_eq!(id.issuer().as_str(), "11430000006122244L");
    assert!(matches!(id.issuer(), IssuerCode::Department(_)));
    assert_eq!(id.serial(), "20230000403");
    assert_eq!(id.version(), 1);
    assert_eq!(id.check(), 'U');

    let id = parse(SAMPLES[1]);
    assert_eq!((id.version(), id.check()), (2, '0'));

    let id = parse(SAMPLES[2]);
    assert_eq!(id.issuer().as_str(), "340100");
    assert!(matches!(id.issuer(), IssuerCode::Division(_)));
    assert_eq!(id.serial(), "000000016");
    assert_eq!((id.version(), id.check()), (1, '9'));
}

#[test]
fn an_identifier_made_of_a_samples_parts_is_the_sample() {
    for text in SAMPLES {
        let id = parse(text);
        let made = CertificateId::new(id.type_code(), id.issuer(), id.serial(), id.version());
        assert_eq!(made, Ok(id));
    }
}

#[test]
fn parts_that_do_not_fit_make_no_identifier() {
    let id = parse(SAMPLES[0]);
    let made = |serial: &str, version| {
        CertificateId::new(id.type_code(), id.issuer(), serial, version).unwrap_err()
    };
    assert_eq!(
        made("1", 1000).to_string(),
        "certificate-version: number 1000"
    );
    for serial in [
        "",
        "a",
        "1.2",
        "证",
        " 1",
        &"1".repeat(41),
        &"1".repeat(1000),
    ] {
        assert_eq!(made(serial, 1).part(), Part::CertificateSerial, "{serial}");
    }
    let longest = "Z".repeat(40);
    let id = CertificateId::new(id.type_code(), id.issuer(), &longest, 999).unwrap();
    assert_eq!(parse(id.as_str()), id);
    assert_eq!(id.serial(), longest);
}

#[test]
fn each_error_names_its_part() {
    let long = "1".repeat(41);
    for (from, to, message) in [
        (
            "3005",
            "3006",
            "certificate-root `1.2.156.3006.2`: another root",
        ),
        (
            "3338W011",
            "3338X011",
            "certificate-type-authority `11100000000013338X`: check character",
        ),
        (
            "W011",
            "W0B1",
            "certificate-type `11100000000013338W0B1`: character 20",
        ),
        (
            "244L",
            "244X",
            "certificate-issuer `11430000006122244X`: check character",
        ),
        (
            "11430000006122244L",
            "3401000",
            "certificate-issuer `3401000`: 7 characters",
        ),
        (
            "20230000403",
            "2023-0403",
            "certificate-serial: character 5",
        ),
        ("20230000403", "", "certificate-serial: 0 characters"),
        ("20230000403", &long, "certificate-serial: 41 characters"),
        (
            "20230000403",
            "2023.0403",
            "certificate-serial: character 5",
        ),
        (".001.", ".01.", "certificate-version `01`: 2 characters"),
        (".001.", ".00A.", "certificate-version `00A`: character 3"),
        (".001.U", ".001.X", "certificate: check character"),
        (".001.U", ".001.UU", "certificate-check: 2 characters"),
        (".001.U", ".001.u", "certificate-check: character 1"),
        (".001.U", ".001", "certificate: 9 parts"),
    ] {
        let text = altered(from, to);
        assert_eq!(error(&text).to_string(), message, "{text}");
    }
    assert_eq!(error("").to_string(), "certificate: 1 parts");
    let long = "9".repeat(129);
    assert_eq!(error(&long).to_string(), "certificate: 129 bytes");
}

#[test]
fn strict_reading_refuses_every_variant() {
    let text = SAMPLES[0];
    for variant in [
        format!(" {text}"),
        format!("{text}\n"),
        text.to_lowercase(),
        altered("3005", "3003"),
        altered(".001.U", ".００1.U"),
        text.replace(".001.U", ".001.7"),
    ] {
        assert!(variant.parse::<CertificateId>().is_err(), "{variant}");
    }
}

#[test]
fn a_serial_is_never_quoted_in_an_error() {
    for text in [
        altered("20230000403", "11010519491231002x"),
        altered("20230000403.001.U", "11010519491231002X.001.0"),
        altered("20230000403", "11010519491231002X."),
    ] {
        let message = error(&text).to_string();
        assert!(!message.contains("1101051949"), "{message}");
        assert!(!format!("{:?}", error(&text)).contains("1101051949"));
    }
}

fn lenient(text: &str) -> (CertificateId, Vec<Variant>) {
    CertificateId::parse_lenient(text).unwrap()
}

#[test]
fn lenient_reading_of_the_canonical_text_warns_of_nothing() {
    for text in SAMPLES {
        assert_eq!(lenient(text), (parse(text), vec![]));
    }
}

#[test]
fn lenient_reading_repairs_each_known_variant_and_reports_it() {
    let text = SAMPLES[0];
    let full_width: String = text
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap())
        .collect();
    let root_counted = Variant::CheckCountsRoot {
        found: '7',
        expected: 'U',
    };
    for (variant, warning) in [
        (format!("\u{3000}{text} \r\n"), Variant::SurroundingSpace),
        (full_width, Variant::FullWidth),
        (text.to_lowercase(), Variant::LowerCase),
        (altered("3005", "3003"), Variant::OldRoot),
        (altered(".001.U", ".001.7"), root_counted),
    ] {
        assert_eq!(lenient(&variant), (parse(text), vec![warning]), "{variant}");
    }
}

#[test]
fn lenient_reading_repairs_several_variants_at_once() {
    let spelt = |root: &str, check: char| {
        let text = altered("1.2.156.3005.2", root).replace(".001.U", &format!(".001.{check}"));
        format!(" {} ", text.to_lowercase().replacen('1', "１", 1))
    };
    let spelling = [
        Variant::SurroundingSpace,
        Variant::FullWidth,
        Variant::LowerCase,
    ];
    let (found, expected) = ('7', 'U');
    for (text, last) in [
        (spelt("1.2.156.3003.2", expected), Variant::OldRoot),
        (
            spelt("1.2.156.3005.2", found),
            Variant::CheckCountsRoot { found, expected },
        ),
    ] {
        let (id, variants) = lenient(&text);
        assert_eq!(id.as_str(), SAMPLES[0]);
        assert_eq!(variants[..3], spelling);
        assert_eq!(variants[3..], [last]);
    }
}

/// So an identifier under the old root needs no second reading of its check character.
#[test]
fn counting_the_old_roots_digits_changes_no_check_character() {
    for text in SAMPLES {
        let id = parse(text);
        let body = text["1.2.156.3005.2.".len()..text.len() - 2].replace('.', "");
        assert_eq!(check::certificate(&["1215630032", &body]), Some(id.check()));
    }
}

#[test]
fn lenient_reading_still_refuses_what_is_wrong() {
    let refused = |text: &str| CertificateId::parse_lenient(text).unwrap_err();
    assert_eq!(
        refused(&altered(".001.U", ".001.X")).to_string(),
        "certificate: check character"
    );
    assert_eq!(
        refused(&altered("3005", "3004")).part(),
        Part::CertificateRoot
    );
    assert_eq!(
        refused(&altered("2023", "20 23")).part(),
        Part::CertificateSerial
    );
    assert_eq!(
        refused(&altered("244L", "244X")).part(),
        Part::CertificateIssuer
    );
    assert!(matches!(
        refused(&" ".repeat(385)),
        IdError::TooLong { limit: 384, .. }
    ));
    assert!(matches!(
        refused(&"1".repeat(200)),
        IdError::TooLong { limit: 128, .. }
    ));
}

#[test]
fn identifiers_are_serialised_as_their_text_and_read_strictly() {
    for text in SAMPLES {
        let id = parse(text);
        assert_eq!(through_json(&id, &format!("\"{text}\"")), id);
        let (back, bytes) = through_bincode(&id);
        assert_eq!(back, id);
        assert_eq!(bytes.len(), 1 + text.len());
    }
    let json = format!("\"{}\"", SAMPLES[0].to_lowercase());
    assert!(serde_json::from_str::<CertificateId>(&json).is_err());
    // An escape keeps the text from being borrowed.
    let json = format!("\"{}\"", SAMPLES[0].replace('W', "\\u0057"));
    assert_eq!(
        serde_json::from_str::<CertificateId>(&json).unwrap(),
        parse(SAMPLES[0])
    );
}

#[test]
fn every_single_changed_character_of_the_samples_is_caught() {
    for text in SAMPLES {
        for at in 0..text.len() {
            for c in ' '..='~' {
                let changed = with_char(text, at, c);
                assert_eq!(changed.parse::<CertificateId>().is_ok(), changed == text);
            }
        }
    }
}

/// The system's own limit: `1` and `0` differ by one, and a state exists at which their swap goes unnoticed.
#[test]
fn a_swap_that_the_check_character_cannot_catch_exists() {
    let id = parse(SAMPLES[0]);
    let missed = (0..10_000).any(|n| {
        let made = |serial: String| {
            CertificateId::new(id.type_code(), id.issuer(), &serial, 1).map(|id| id.check())
        };
        made(format!("{n:04}01")) == made(format!("{n:04}10"))
    });
    assert!(missed);
}

prop_compose! {
    fn certificate()(type_code in type_code(), issuer in issuer(), serial in "[0-9A-Z]{1,40}", version in 0..1000_u16)
        -> CertificateId {
        let id = CertificateId::new(type_code, issuer, &serial, version).unwrap();
        assert_eq!((id.type_code(), id.issuer()), (type_code, issuer));
        assert_eq!((id.serial(), id.version()), (serial.as_str(), version));
        id
    }
}

proptest! {
    #[test]
    fn identifiers_survive_their_text(id in certificate()) {
        prop_assert_eq!(parse(id.as_str()), id.clone());
        prop_assert_eq!(lenient(id.as_str()), (id, vec![]));
    }

    /// Any character, in any place: root and dots are fixed, and MOD 37,36 has no exception (see `check`'s tests).
    #[test]
    fn any_changed_character_of_an_identifier_is_caught(
        id in certificate(), at in any::<prop::sample::Index>(), c in any_character(),
    ) {
        let changed = with_char(id.as_str(), at.index(id.as_str().len()), c);
        prop_assert_eq!(changed.parse::<CertificateId>().is_ok(), changed == id.as_str());
    }

    #[test]
    fn a_check_character_that_counts_the_root_is_distinguished_from_the_standards(id in certificate()) {
        let body = id.as_str()["1.2.156.3005.2.".len()..id.as_str().len() - 2].replace('.', "");
        let found = check::certificate(&["1215630052", &body]).unwrap();
        prop_assert_ne!(found, id.check());
        let text = with_char(id.as_str(), id.as_str().len() - 1, found);
        let expected = id.check();
        prop_assert_eq!(lenient(&text), (id, vec![Variant::CheckCountsRoot { found, expected }]));
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[0-9A-Zａ-ｚ.武\\PC]{0,130}") {
        let _ = text.parse::<CertificateId>();
        let _ = CertificateId::parse_lenient(&text);
    }

    #[test]
    fn what_lenient_reading_gives_is_read_strictly(id in certificate(), at in any::<prop::sample::Index>(), c in any_character()) {
        let changed = with_char(id.as_str(), at.index(id.as_str().len()), c);
        if let Ok((id, _)) = CertificateId::parse_lenient(&changed) {
            prop_assert_eq!(parse(id.as_str()), id);
        }
    }
}
