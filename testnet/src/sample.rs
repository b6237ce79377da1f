//! Made-up certificates: valid in every check character, and clearly nobody's.
//!
//! A row is a function of its department, its run and its number, so a sample of any length needs no memory. People have
//! identity numbers of division 990000, organisations credit codes of it; neither exists. The same holders appear at
//! every department, so that looking for a holder finds certificates of several issuers.

use std::collections::BTreeMap;
use std::ops::Range;

use certmesh_api::{Holder, IssueRequest, SharingClass};
use certmesh_ledger::id::{
    CertificateId, Date, DepartmentCode, IdError, IssuerCode, TypeCode, check,
};

use crate::departments::{self, CertificateType};

/// Rows of the sample file that comes with this crate.
pub const SHIPPED_ROWS: u64 = 3_000;

const PEOPLE: u64 = 60_000;
/// Identity numbers of one division: 20,000 birthdays, 999 people each.
const MOST_PEOPLE: u64 = 20_000 * 999;
const ORGANISATIONS: u64 = 20_000;

/// 1950-01-01 and 2021-01-01 in days since 1970.
const FIRST_BIRTHDAY: i32 = -7_305;
const FIRST_ISSUE: i32 = 18_628;

const SURNAMES: [&str; 12] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙",
];

/// Certificates of one department.
#[derive(Clone, Debug)]
pub struct Sample {
    issuer: DepartmentCode,
    issuer_name: String,
    types: Vec<(TypeCode, CertificateType)>,
    run: String,
    /// Numbers of the people, each with as many of the certificates as the next: `None` for those drawn by chance, of whom there
    /// are as many however long the sample is.
    people: Option<Range<u64>>,
}

impl Sample {
    /// Certificates of the department with this index. `run`, up to 24 of `0-9 A-Z`, begins each serial: samples of two
    /// runs have no certificate in common.
    ///
    /// # Errors
    /// [`IdError`] when the index is out of range or `run` cannot be part of a serial.
    pub fn new(department: usize, run: &str) -> Result<Sample, IdError> {
        let issuer = departments::code(department)?;
        let types = departments::types(department).iter().enumerate();
        let types: Result<Vec<_>, IdError> = types
            .map(|(place, kind)| Ok((departments::type_code(department, place)?, *kind)))
            .collect();
        let issuer_name = departments::chinese_name(department);
        let sample = Sample {
            issuer,
            issuer_name,
            types: types?,
            run: run.to_owned(),
            people: None,
        };
        CertificateId::new(
            sample.types[0].0,
            IssuerCode::from(issuer),
            &sample.serial(u64::MAX),
            1,
        )?;
        Ok(sample)
    }

    /// The sample that comes with this crate: the first department's.
    ///
    /// # Errors
    /// [`IdError`] never in practice: index and run are valid.
    pub fn shipped() -> Result<Sample, IdError> {
        Sample::new(0, "2025S")
    }

    /// The same certificates, held in turn by these people: those of one are far from each other in the sample.
    ///
    /// # Panics
    /// For no people, or more than identity numbers can be made up for.
    #[must_use]
    pub(crate) fn among(self, people: Range<u64>) -> Sample {
        assert!(people.start < people.end && people.end <= MOST_PEOPLE);
        let people = Some(people);
        Sample { people, ..self }
    }

    /// The department that issues them.
    pub fn issuer(&self) -> DepartmentCode {
        self.issuer
    }

    /// Identifier of one certificate.
    pub fn id(&self, number: u64) -> CertificateId {
        let (type_code, _) = self.types[self.place(number)];
        CertificateId::new(
            type_code,
            IssuerCode::from(self.issuer),
            &self.serial(number),
            1,
        )
        .expect("serials of this form were checked when the sample was made")
    }

    /// One certificate, as the API takes it.
    pub fn row(&self, number: u64) -> IssueRequest {
        let (_, kind) = self.types[self.place(number)];
        let dice = self.dice(number);
        let issued = day(FIRST_ISSUE + (dice[0] % 1_400) as i32);
        let chosen = |of: u64| match &self.people {
            Some(people) => people.start + number % (people.end - people.start),
            None => dice[1] % of,
        };
        let (code, holder_name) = match kind.personal {
            true => person(chosen(PEOPLE)),
            false => organisation(chosen(ORGANISATIONS)),
        };
        // Twenty years for most, long-term for the rest.
        let until = (!dice[2].is_multiple_of(4)).then(|| day(issued.days() + 7_304).to_string());
        let sharing = match dice[3] % 4 {
            0 => SharingClass::Unconditional,
            1 | 2 => SharingClass::Conditional,
            _ => SharingClass::NotShared,
        };
        let fields = [
            ("ZZMC", kind.name.to_owned()),
            ("ZZBH", self.serial(number)),
            ("CZZT", holder_name),
            ("ZZBFJG", self.issuer_name.clone()),
            ("ZZBFRQ", issued.to_string()),
        ];
        IssueRequest {
            id: Some(self.id(number).to_string()),
            holder: Some(Holder {
                kind: kind.holder_kind().into(),
                code,
            }),
            valid_from: Some(issued.to_string()),
            valid_until: until,
            sharing: Some(sharing.into()),
            fields: fields
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            ..IssueRequest::default()
        }
    }

    /// One certificate as a line of JSON, line feed included.
    pub fn line(&self, number: u64) -> Vec<u8> {
        let mut line =
            serde_json::to_vec(&self.row(number)).expect("texts and maps of texts are always JSON");
        line.push(b'\n');
        line
    }

    fn serial(&self, number: u64) -> String {
        format!("{}{:08}", self.run, number % 10_000_000_000)
    }

    fn place(&self, number: u64) -> usize {
        (number % self.types.len() as u64) as usize
    }

    /// Four numbers that look like chance and are the same every time.
    fn dice(&self, number: u64) -> [u64; 4] {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(self.issuer.as_str().as_bytes())
            .update(self.run.as_bytes())
            .update(&number.to_le_bytes());
        let bytes = *hasher.finalize().as_bytes();
        let (words, _) = bytes.as_chunks::<8>();
        [0, 1, 2, 3].map(|i| u64::from_le_bytes(words[i]))
    }
}

fn day(days: i32) -> Date {
    Date::from_days(days).expect("days of samples lie between 1950 and 2050")
}

/// Identity number and name of a person who does not exist.
fn person(number: u64) -> (String, String) {
    let born = day(FIRST_BIRTHDAY + (number % 20_000) as i32)
        .to_string()
        .replace('-', "");
    let body = format!("990000{born}{:03}", 1 + number / 20_000);
    let check =
        check::identity_number(&body).expect("six digits, a date and three digits are seventeen");
    let surname = SURNAMES[(number % SURNAMES.len() as u64) as usize];
    (format!("{body}{check}"), format!("{surname}样本"))
}

/// Identity number and name of a person who does not exist either, and is in no sample.
pub(crate) fn stranger(number: u64) -> (String, String) {
    person(PEOPLE + number)
}

/// Credit code and name of an organisation that does not exist.
fn organisation(number: u64) -> (String, String) {
    let body = format!(
        "91990000{}",
        departments::organisation_code(98_000_000 + number)
    );
    let check = check::credit_code(&body)
        .expect("eight digits and an organisation code are seventeen characters");
    (format!("{body}{check}"), format!("样本第{number}有限公司"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use certmesh_ledger::id::{HolderKind, normalise};

    use super::*;

    fn check_row(row: &IssueRequest, issuer: &DepartmentCode) -> CertificateId {
        let id: CertificateId = row.id.as_deref().unwrap().parse().unwrap();
        assert!(id.issuer().names(issuer));
        assert_eq!(id.type_code().authority(), *issuer);
        let holder = row.holder.as_ref().unwrap();
        let kind = HolderKind::from(holder.kind.known().unwrap());
        assert_eq!(normalise(kind, &holder.code).unwrap(), holder.code);
        let from: Date = row.valid_from.as_deref().unwrap().parse().unwrap();
        if let Some(until) = &row.valid_until {
            assert!(until.parse::<Date>().unwrap() > from);
        }
        id
    }

    #[test]
    fn every_row_has_valid_identifiers_holders_and_dates() {
        let mut seen = BTreeSet::new();
        for department in [0, 1, 2, 20] {
            let sample = Sample::new(department, "T").unwrap();
            for number in 0..500 {
                let row = sample.row(number);
                assert!(seen.insert(check_row(&row, &sample.issuer())));
                assert_eq!(row.id, Some(sample.id(number).to_string()));
            }
        }
    }

    #[test]
    fn people_in_turn_hold_as_many_certificates_of_each_type() {
        let sample = Sample::new(0, "T").unwrap().among(7..12);
        let mut held: BTreeMap<(String, TypeCode), u64> = BTreeMap::new();
        for number in 0..40 {
            let row = sample.row(number);
            let id = check_row(&row, &sample.issuer());
            *held
                .entry((row.holder.unwrap().code, id.type_code()))
                .or_default() += 1;
        }
        assert_eq!(held.into_values().collect::<Vec<_>>(), [4; 10]);
    }

    #[test]
    fn the_same_holders_appear_at_several_departments() {
        let holders = |department| {
            let sample = Sample::new(department, "T").unwrap();
            (0..5_000)
                .map(|n| sample.row(n).holder.unwrap().code)
                .collect::<BTreeSet<_>>()
        };
        assert!(holders(0).intersection(&holders(4)).count() > 10);
    }

    #[test]
    fn the_sample_file_is_what_the_generator_makes() {
        let sample = Sample::shipped().unwrap();
        let file = include_str!("../sample/certificates.jsonl");
        assert_eq!(file.lines().count() as u64, SHIPPED_ROWS);
        for (number, line) in file.lines().enumerate() {
            let row: IssueRequest = serde_json::from_str(line).unwrap();
            check_row(&row, &departments::code(0).unwrap());
            assert_eq!(format!("{line}\n").as_bytes(), sample.line(number as u64));
        }
    }

    #[test]
    fn a_run_that_fits_no_serial_is_refused() {
        assert!(Sample::new(0, "a").is_err());
        assert!(Sample::new(0, &"A".repeat(40)).is_err());
    }
}
