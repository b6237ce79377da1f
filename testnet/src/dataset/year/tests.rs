use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::{CatalogueKey, Secret};
use certmesh_ledger::id::HolderKind;
use certmesh_ledger::id::{CertificateId, TypeCode};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    CertificateIssued, DefinitionRef, FieldRoot, RecordHash, SharingClass, SubjectTag, Validity,
};

use super::super::{WuhanArgs, write};
use super::draw::{CONCERNED, Came, Case, NEWCOMERS, ORDERS};
use super::logs::{Holders, Side};
use super::*;

fn wuhan(dir: &Path) -> PathBuf {
    let out = dir.join("set");
    let args = WuhanArgs {
        out: out.clone(),
        scale: 0.000_2,
        seed: 3,
        json: true,
    };
    write(&args, &Screen::new(true)).unwrap();
    out
}

fn key() -> CatalogueKey {
    CatalogueKey(Secret::from_bytes([7; 32]))
}

/// Holders of one certificate of every type each, and a first person who holds ten of the first type more.
fn holders(set: &DataSet) -> Holders {
    let mut holders = Holders::default();
    for (place, (_, kind)) in set.types.iter().enumerate() {
        for holder in 0..3 {
            let many = if place == 0 && holder == 0 { 11 } else { 1 };
            for kind_of_code in kind.holder_kinds.iter() {
                let name = format!("{place} {holder} {kind_of_code}");
                for number in 0..many {
                    holders.add(&certificate(kind.code, *kind_of_code, &name, number));
                }
            }
        }
    }
    holders
}

fn certificate(code: TypeCode, kind: HolderKind, name: &str, number: u32) -> CertificateIssued {
    let id = CertificateId::new(code, code.authority().into(), &format!("N{number}"), 1).unwrap();
    CertificateIssued {
        id,
        subject: key().subject_tag(kind, name),
        holder_kind: kind,
        validity: Validity::new("2017-01-01".parse().unwrap(), None).unwrap(),
        sharing: SharingClass::Conditional,
        definition: DefinitionRef {
            log: LogId::first(code.authority()),
            seq: 0,
            hash: RecordHash::NONE,
        },
        field_root: FieldRoot(Hash::ZERO),
        succession: None,
    }
}

fn drawn(set: &DataSet, holders: &Holders, seed: u64, count: u64) -> Vec<Case> {
    let key = key();
    let drawer = Drawer::new(seed, set, holders, &key, "2017-01-01".parse().unwrap());
    (0..count).map(|number| drawer.case(number)).collect()
}

#[test]
fn cases_follow_from_the_seed_and_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let set = DataSet::read(&wuhan(dir.path())).unwrap();
    let holders = holders(&set);
    let of = |seed| drawn(&set, &holders, seed, 200);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    assert_eq!(of(1)[..50], drawn(&set, &holders, 1, 50));
}

#[test]
fn shares_of_subjects_days_and_sub_matters_are_those_that_are_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let set = DataSet::read(&wuhan(dir.path())).unwrap();
    let (holders, key) = (holders(&set), key());
    let cases = drawn(&set, &holders, 5, 20_000);
    let drawer = Drawer::new(5, &set, &holders, &key, "2017-01-01".parse().unwrap());
    let share = |came: Came| cases.iter().filter(|case| case.came == came).count() as u64 / 200;
    assert!(share(Came::Newcomer).abs_diff(NEWCOMERS) <= 1);
    // Some sub-matters ask for nothing that the side they are for can hold.
    let concerned = share(Came::Concerned);
    assert!(
        (CONCERNED - 5..=CONCERNED + 1).contains(&concerned),
        "{concerned}"
    );
    for case in &cases {
        assert_eq!(holders.has(&case.subject), case.came != Came::Newcomer);
        let can = &drawer.parts[case.part].can_meet;
        let met = |side: Side| can.iter().filter(|can| can[side as usize]).count();
        let (own, other) = match case.side {
            Side::Person => (met(Side::Person), met(Side::Organisation)),
            Side::Organisation => (met(Side::Organisation), met(Side::Person)),
        };
        assert!(own >= other, "{case:?}");
        assert!(
            (0..365).contains(&(case.on.days() - "2017-01-01".parse::<Date>().unwrap().days()))
        );
    }
    let days: std::collections::BTreeSet<Date> = cases.iter().map(|case| case.on).collect();
    assert_eq!(days.len(), 365);
    // In each order the first tenth of the sub-matters makes about two thirds of the cases.
    for order in 0..ORDERS {
        let mut often: BTreeMap<usize, usize> = BTreeMap::new();
        for case in cases.iter().filter(|case| case.order == order) {
            *often.entry(case.part).or_default() += 1;
        }
        let mut often: Vec<usize> = often.into_values().collect();
        often.sort_unstable_by(|a, b| b.cmp(a));
        let first: usize = often.iter().take(drawer.parts.len() / 10).sum();
        assert!((1_250..1_550).contains(&first), "{first} of 2,000");
    }
}

#[test]
fn holders_are_drawn_by_certificate_among_the_types_asked_for() {
    let mut holders = Holders::default();
    let authority = "11430000006122244L".parse().unwrap();
    let code = |number| TypeCode::new(&authority, number).unwrap();
    let tag = |name: &str| -> SubjectTag { key().subject_tag(HolderKind::IdentityCard, name) };
    for (number, name, count) in [(1, "a", 3), (1, "b", 1), (2, "c", 5)] {
        for serial in 0..count {
            holders.add(&certificate(
                code(number),
                HolderKind::IdentityCard,
                name,
                serial,
            ));
        }
    }
    let of_first = [code(1)];
    assert_eq!(holders.count(Side::Person, Some(&of_first)), 4);
    assert_eq!(holders.count(Side::Person, None), 9);
    assert_eq!(holders.count(Side::Organisation, None), 0);
    let nth = |types, nth| holders.nth(Side::Person, types, nth);
    let all: Vec<_> = (0..4)
        .map(|n| nth(Some(&of_first[..]), n).unwrap())
        .collect();
    assert_eq!(all, [tag("a"), tag("a"), tag("a"), tag("b")]);
    assert_eq!(nth(None, 4), Some(tag("c")));
    assert_eq!(nth(None, 9), None);
    assert!(holders.has(&tag("b")) && !holders.has(&tag("d")));
}

#[test]
fn a_year_over_a_data_set_adds_up_and_grants_would_add_what_sharing_allows() {
    let dir = tempfile::tempdir().unwrap();
    let year = measure(
        &YearArgs {
            data: wuhan(dir.path()),
            cases: 500,
            seed: 1,
            json: true,
        },
        &Screen::new(true),
    )
    .unwrap();
    let adds_up = |count: &Count| {
        assert_eq!(
            count.saved + count.needs_grant + count.not_valid + count.unknown + count.missing,
            count.requirements
        );
        assert!(count.not_shared <= count.needs_grant && count.of_other_kind <= count.missing);
    };
    adds_up(&year.count);
    let mut sum = [0; 3];
    for department in &year.by_department {
        adds_up(&department.count);
        sum[0] += department.count.cases;
        sum[1] += department.count.requirements;
        sum[2] += department.count.saved;
    }
    let count = &year.count;
    assert_eq!(sum, [500, count.requirements, count.saved]);
    assert!(count.saved > 0 && count.needs_grant > 0 && count.not_valid > 0 && count.missing > 0);
    let subjects = &year.by_subject;
    assert_eq!(subjects.newcomers.missing, subjects.newcomers.requirements);
    assert_eq!(
        subjects.newcomers.cases + subjects.concerned.cases + subjects.any_holders.cases,
        500
    );
    assert_eq!(year.saved_a_year, count.saved * 7_600);
    assert_eq!(year.by_order_spread.groups, ORDERS as u64);
    assert!(year.by_order_spread.min <= year.saved_per_case);
    assert!(year.saved_per_case <= year.by_order_spread.max);
}

const OWN: &str = "11430000006122244L";
const OTHER: &str = "11330105002500287C";

/// A data set with one sub-matter that asks for the one type there is, held by two people without end, not to be shared;
/// two departments have it, one of them the issuer.
fn two_departments_with_one_type(data: &Path) {
    for sub in [
        "types".to_owned(),
        "certificates".to_owned(),
        format!("matters/{OWN}"),
        format!("matters/{OTHER}"),
    ] {
        fs::create_dir_all(data.join(sub)).unwrap();
    }
    let file = |name: &str, text: String| fs::write(data.join(name), text).unwrap();
    let listed = |code: &str| format!("[[department]]\ncode = \"{code}\"\nname = \"{code}\"\n");
    let departments = format!("{}{}", listed(OWN), listed(OTHER));
    file("departments.toml", departments);
    let of_type = format!(
        "code = \"{OWN}001\"\nname = \"证\"\nholder = [\"111\"]\nsharing = \"not-shared\"\n"
    );
    file(&format!("types/{OWN}001.toml"), of_type);
    for code in [OWN, OTHER] {
        let matter = format!(
            "code = \"M\"\nname = \"事项\"\n[[sub]]\ncode = \"01\"\nname = \"子项\"\n\
             [[sub.requires]]\ntypes = [\"{OWN}001\"]\nfields = [\"ZZBH\"]\n"
        );
        file(&format!("matters/{code}/M.toml"), matter);
    }
    let row = |serial: &str, from: &str, holder: &str| {
        let row = serde_json::json!({
            "type": format!("{OWN}001"), "serial": serial, "valid_from": from,
            "holder": { "kind": "111", "code": holder }, "fields": { "ZZBH": "1" },
        });
        format!("{row}\n")
    };
    let rows = [
        row("N1", "2015-01-01", "11010519491231002X"),
        row("N2", "2017-01-01", "440524188001010014"),
    ];
    file(&format!("certificates/{OWN}.jsonl"), rows.concat());
}

#[test]
fn the_figures_of_a_year_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("set");
    two_departments_with_one_type(&data);
    let args = YearArgs {
        data,
        cases: 400,
        seed: 0,
        json: true,
    };
    let year = measure(&args, &Screen::new(true)).unwrap();
    assert_eq!(
        (year.drawn.from.as_str(), year.drawn.to.as_str()),
        ("2016-01-03", "2017-01-01")
    );
    let of = |code: &str| {
        year.by_department
            .iter()
            .find(|one| one.department == code)
            .unwrap()
            .count
    };
    let (own, other) = (of(OWN), of(OTHER));
    assert_eq!(own.cases + other.cases, 400);
    assert!(own.saved > 50 && own.needs_grant == 0, "{own:?}");
    assert!(other.needs_grant > 50 && other.saved == 0, "{other:?}");
    assert_eq!(other.needs_grant, other.not_shared);
    assert_eq!(year.grants_would_add_per_case, 0.0);
    let newcomers = year.by_subject.newcomers.cases;
    assert_eq!(
        (year.count.missing, year.count.of_other_kind),
        (newcomers, 0)
    );
    // Every day of the year but its last is before the second certificate begins.
    assert!(year.count.not_valid > 100, "{:?}", year.count);
}
