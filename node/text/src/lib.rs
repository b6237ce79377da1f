//! Text that certmesh shows to people.
//!
//! - [`say`]: the sentence of a code, from the catalogue `en.ftl`, where it stands as `<family>-<code>` (families: `fault`,
//!   `refusal` and others; a code without a sentence fails the tests of the crate that declares it)
//! - [`at_field`], [`at_column`] and [`faults`]: faults with where they are; [`parse_fault`], [`genesis_fault`],
//!   [`address_fault`]: those of the ledger, whose own messages are short
//! - [`explain`]: of a verdict; [`missing`] and others: what it rests on; [`case`]: of requirements
//! - [`governance`]: what members decide
//! - [`Broken`], [`Damaged`]: what is wrong with a log
//! - [`sentences!`]: codes as arguments of others
//! - [`one_line`]: text from elsewhere, made safe to show
//! - [`nearest`]: the known word that was probably meant

pub mod case;
mod catalogue;
#[doc(hidden)]
pub mod check;
mod counting;
mod explain;
pub mod governance;
mod log;
mod membership;
mod nearest;
pub mod one_line;
mod verdict;

use std::path::Path;

use certmesh_api::faults::FaultList;
use certmesh_api::{Coded, Fault, FaultKind, FieldFault, coded};

pub use catalogue::{all_of, few, say};
pub use counting::NotCounting;
pub use explain::{Basis, Explained, explain};
pub use log::{Broken, CopyEnd, Damaged, NotTheFile};
pub use membership::{address_fault, genesis_fault};
pub use nearest::{closest, hint, nearest};
pub use verdict::{Held, NoDefinition, NoProof, NotNewest, Unauthorised, missing};

/// Lets codes be arguments of others: each is shown by its own sentence.
#[macro_export]
macro_rules! sentences {
    ($($coded:ty),* $(,)?) => {
        $(impl certmesh_api::Argument for $coded {
            fn arg(&self) -> certmesh_api::Arg {
                certmesh_api::Arg::Text($crate::say(self))
            }
        })*
    };
}

coded! {
    /// What stands around the sentences of others.
    enum Frame: "frame" {
        "at-field" AtField { field: String, detail: String },
        "at-column" AtColumn { column: String, detail: String },
        "at-path" AtPath { path: String, detail: String },
        "more" More { count: usize },
        "or" Or { first: String, last: String },
        "and" And { first: String, last: String },
        "few" Few { first: String, count: usize },
    }
}

/// A fault with the field or key it is at.
pub fn at_field<K: Coded>(fault: &Fault<K>) -> String {
    let (field, detail) = (fault.at.clone(), say(&fault.kind));
    match field.is_empty() {
        true => detail,
        false => say(&Frame::AtField { field, detail }),
    }
}

/// What is wrong with a text that was to be parsed.
pub fn parse_fault(error: impl Into<FaultKind>) -> String {
    say(&error.into())
}

/// A fault of a row with the columns it is at.
pub fn at_column<K: Coded>(fault: &Fault<K>) -> String {
    let (column, detail) = (fault.at.clone(), say(&fault.kind));
    match column.is_empty() {
        true => detail,
        false => say(&Frame::AtColumn { column, detail }),
    }
}

/// What is wrong with a file.
pub fn at_path<K: Coded>(path: &Path, kind: &K) -> String {
    let (path, detail) = (path.display().to_string(), say(kind));
    say(&Frame::AtPath { path, detail })
}

/// All faults of a request on one line, and how many there are beside those listed.
pub fn faults(faults: &FaultList) -> String {
    let mut texts: Vec<String> = faults.iter().map(at_field).collect();
    if faults.more() > 0 {
        let count = faults.more();
        texts.push(say(&Frame::More { count }));
    }
    texts.join("; ")
}

/// A fault as the API shows it.
pub fn field_fault(fault: &Fault) -> FieldFault {
    let args = fault.kind.args().into_iter();
    FieldFault {
        field: fault.at.clone(),
        code: fault.kind.code().to_owned(),
        args: args.map(|(name, arg)| (name.to_owned(), arg)).collect(),
        detail: say(&fault.kind),
    }
}

#[cfg(test)]
mod tests {
    use certmesh_api::{Arg, Caution};
    use certmesh_ledger::id::{CertificateId, DepartmentCode};
    use fluent_bundle::FluentArgs;

    use super::*;
    use crate::catalogue::{Catalogue, SOURCES};
    use crate::check::{messages, mismatches, needed};

    #[test]
    fn each_fault_has_a_text_with_its_arguments_and_each_text_a_fault() {
        let found = [
            mismatches::<FaultKind>(),
            mismatches::<Caution>(),
            mismatches::<Frame>(),
        ];
        assert_eq!(found.concat(), Vec::<String>::new());
    }

    #[test]
    fn a_text_that_fits_no_code_is_found() {
        coded! {
            enum Other: "frame" {
                "at-field" AtField { field: String },
                "missing" Missing,
                "or" Or { first: String, last: String },
            }
        }
        let made = [
            Other::AtField {
                field: String::new(),
            },
            Other::Missing,
            Other::Or {
                first: String::new(),
                last: String::new(),
            },
        ];
        assert_eq!(made.len(), Other::CODES.len());
        let found = mismatches::<Other>();
        let starts = [
            "en: frame-at-field: shows",
            "en: frame-missing: no text",
            "en: frame-and: no code",
            "en: frame-at-column: no code",
            "en: frame-at-path: no code",
            "en: frame-few: no code",
            "en: frame-more: no code",
        ];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        assert!(
            found
                .iter()
                .zip(starts)
                .all(|(found, start)| found.starts_with(start)),
            "{found:?}"
        );
    }

    /// How the identifiers of the texts that something shows by themselves begin.
    const FAMILIES: &[&str] = &[
        "act-",
        "command-",
        "advice-",
        "obstacle-",
        "denied-",
        "frame-",
        "fault-",
        "table-",
        "mapping-",
        "map-",
        "refusal-",
        "unreachable-",
        "reason-",
        "unauthorised-",
        "missing-",
        "searched-",
        "definition-",
        "newest-",
        "held-",
        "no-proof-",
        "verdict-",
        "change-",
        "place-",
        "taker-",
        "unconfirmed-",
        "awaited-",
        "loss-",
        "broken-",
        "damage-",
        "copy-end-",
        "file-",
        "stopped-",
        "read-only-",
        "clock-",
        "unrecorded-",
        "salvage-",
        "unprovable-",
        "log-",
        "warning-",
        "lost-",
        "rejection-",
        "malformed-",
        "ignored-",
        "caution-",
        "genesis-",
        "address-",
        "taken-",
        "not-counting-",
        "unsettled-",
    ];

    #[test]
    fn every_text_can_be_shown_and_belongs_to_a_family_or_to_another_text() {
        for (language, source) in SOURCES {
            let (catalogue, wrong) = Catalogue::read(language, source);
            assert_eq!(wrong, Vec::<String>::new(), "{language}");
            let all = messages(source);
            for id in all.keys() {
                let args: FluentArgs<'_> = needed(id, &all)
                    .into_iter()
                    .map(|name| (name, "x"))
                    .collect();
                let (text, wrong) = catalogue.render(id, &args);
                assert_eq!(wrong, Vec::<String>::new(), "{language}: {id}");
                assert!(!text.contains('\n'), "{id}: {text}");
                let of_family = FAMILIES.iter().any(|family| id.starts_with(family));
                let of_another = all.values().any(|shows| shows.messages.contains(id));
                assert!(
                    of_family || of_another,
                    "{language}: {id}: nothing shows it"
                );
            }
        }
    }

    #[test]
    fn a_sentence_shows_its_arguments_and_leaves_out_what_is_absent() {
        let near = |near: Option<&str>| {
            say(&FaultKind::NoSuchField {
                near: near.map(str::to_owned),
            })
        };
        assert_eq!(
            near(Some("valid_from")),
            "there is no such field; did you mean `valid_from`?"
        );
        assert_eq!(near(None), "there is no such field");
        let (found, limit) = (1 << 20, 4096);
        assert_eq!(
            say(&FaultKind::TooLong { found, limit }),
            "is 1048576 bytes long, at most 4096 are allowed"
        );
        let expected = &["renewal", "amendment", "merge"];
        assert_eq!(
            say(&FaultKind::UnknownWord { expected }),
            "must be renewal, amendment or merge"
        );
    }

    #[test]
    fn a_fault_of_an_identifier_names_its_part_what_is_there_and_what_is_expected() {
        const ID: &str =
            "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";
        for (from, to, expected) in [
            (
                "3005",
                "3006",
                "root `1.2.156.3006.2` is not `1.2.156.3005.2`",
            ),
            (
                "3338W011",
                "3338X011",
                "type: authority `11100000000013338X`: check character is `X`, expected `W`",
            ),
            (
                "W011",
                "W0B1",
                "type `11100000000013338W0B1`: character 20 is `B`, expected a digit",
            ),
            (
                "11430000006122244L",
                "3401000",
                "issuer `3401000`: 7 characters long, expected 18 (department code) or 6 (division code)",
            ),
            (
                "20230000403",
                "2023-0403",
                "serial: character 5 is `-`, expected one of 0-9 A-Z",
            ),
            (
                "20230000403",
                "",
                "serial: 0 characters long, expected 1 to 40",
            ),
            (
                ".001.",
                ".01.",
                "version `01`: 2 characters long, expected 3",
            ),
            (".001.U", ".001.X", "check character is `X`, expected `U`"),
            (".001.U", ".001", "needs 10 parts between dots, has 9"),
        ] {
            let fault = ID.replacen(from, to, 1).parse::<CertificateId>();
            let text = parse_fault(fault.unwrap_err());
            let rest = text.strip_prefix("certificate identifier: ");
            assert_eq!(rest, Some(expected), "{text}");
        }
    }

    #[test]
    fn an_identifier_that_is_too_long_and_a_department_code_are_described_too() {
        let long = "9".repeat(200).parse::<CertificateId>().unwrap_err();
        assert_eq!(
            parse_fault(long),
            "certificate identifier: 200 bytes long, at most 128 are read"
        );
        let code = "1143000000612224IL".parse::<DepartmentCode>().unwrap_err();
        assert_eq!(
            parse_fault(code),
            "department code `1143000000612224IL`: character 17 is `I`, expected one of 0-9 A-H J-N P-R T U W X Y"
        );
    }

    #[test]
    fn the_faults_of_a_list_are_on_one_line_and_those_not_listed_are_counted() {
        let fault = || Fault::new("serial", FaultKind::Empty);
        assert_eq!(faults(&fault().into()), "serial: is empty");
        let list = |count| {
            let faults = std::iter::repeat_with(fault).take(count);
            faults.collect::<FaultList>()
        };
        assert_eq!(faults(&list(2)), "serial: is empty; serial: is empty");
        assert!(faults(&list(250)).ends_with("serial: is empty; and 150 more"));
    }

    #[test]
    fn a_program_gets_code_and_arguments_beside_the_sentence() {
        let shown = field_fault(&Fault::new(
            "limit",
            FaultKind::OutOfRange { least: 1, most: 9 },
        ));
        assert_eq!(
            (&*shown.code, &*shown.detail),
            ("out-of-range", "must be 1 to 9")
        );
        assert_eq!(shown.args["most"], Arg::Number(9));
    }
}
