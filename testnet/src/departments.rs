//! Made-up departments: a code, names in two languages, and the types of certificate each issues.
//!
//! Codes are valid by GB 32100 and lie in division 990100, which GB/T 2260 does not assign, so that none can be taken
//! for that of a real department. A department is a function of its index: the same in every test network.

use certmesh_api::{FieldView, TypeRequest};
use certmesh_ledger::id::{DepartmentCode, HolderKind, IdError, TypeCode};

/// Most departments a test network may have.
pub const MAX_DEPARTMENTS: usize = 128;

/// Registering authority and category of an organ of government, and the division.
const OFFICE_PREFIX: &str = "11990100";

/// Fields every type has: standard code (GB/T 36903), name, whether required.
const FIELDS: [(&str, &str, bool); 5] = [
    ("ZZMC", "证照名称", true),
    ("ZZBH", "证照编号", true),
    ("CZZT", "持证主体", true),
    ("ZZBFJG", "证照颁发机构", true),
    ("ZZBFRQ", "证照颁发日期", false),
];

/// A type of certificate that a made-up department defines and issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateType {
    /// Name in Chinese.
    pub name: &'static str,
    /// Name in English.
    pub english: &'static str,
    /// Whether people hold it; otherwise organisations do.
    pub personal: bool,
}

impl CertificateType {
    /// The kind of code its holders are identified by.
    pub fn holder_kind(&self) -> HolderKind {
        if self.personal {
            HolderKind::IdentityCard
        } else {
            HolderKind::CreditCode
        }
    }
}

const fn personal(name: &'static str, english: &'static str) -> CertificateType {
    CertificateType {
        name,
        english,
        personal: true,
    }
}

const fn corporate(name: &'static str, english: &'static str) -> CertificateType {
    CertificateType {
        name,
        english,
        personal: false,
    }
}

/// Chinese name, English name, types.
type Office = (&'static str, &'static str, &'static [CertificateType]);

const OFFICES: [Office; 16] = [
    (
        "公安局",
        "Public Security Bureau",
        &[
            personal("居民身份证", "resident identity card"),
            personal("居住证", "residence permit"),
        ],
    ),
    (
        "市场监督管理局",
        "Market Regulation Administration",
        &[
            corporate("营业执照", "business licence"),
            corporate("食品经营许可证", "food business permit"),
        ],
    ),
    (
        "自然资源和规划局",
        "Natural Resources and Planning Bureau",
        &[
            personal("不动产权证书", "real-estate title"),
            corporate("建设工程规划许可证", "construction planning permit"),
        ],
    ),
    (
        "民政局",
        "Civil Affairs Bureau",
        &[
            personal("结婚证", "marriage certificate"),
            corporate("社会团体法人登记证书", "association registration"),
        ],
    ),
    (
        "人力资源和社会保障局",
        "Human Resources and Social Security Bureau",
        &[personal("社会保障卡", "social security card")],
    ),
    (
        "住房和城乡建设局",
        "Housing and Urban-Rural Development Bureau",
        &[corporate("建筑工程施工许可证", "building permit")],
    ),
    (
        "交通运输局",
        "Transport Bureau",
        &[corporate("道路运输经营许可证", "road transport permit")],
    ),
    (
        "卫生健康委员会",
        "Health Commission",
        &[
            personal("出生医学证明", "birth certificate"),
            corporate("医疗机构执业许可证", "medical practice permit"),
        ],
    ),
    (
        "教育局",
        "Education Bureau",
        &[personal("教师资格证书", "teacher certificate")],
    ),
    (
        "生态环境局",
        "Ecology and Environment Bureau",
        &[corporate("排污许可证", "pollutant discharge permit")],
    ),
    (
        "税务局",
        "Taxation Bureau",
        &[corporate("税务登记证", "tax registration")],
    ),
    (
        "司法局",
        "Justice Bureau",
        &[personal("律师执业证", "lawyer's licence")],
    ),
    (
        "农业农村局",
        "Agriculture and Rural Affairs Bureau",
        &[corporate("农药经营许可证", "pesticide trade permit")],
    ),
    (
        "文化和旅游局",
        "Culture and Tourism Bureau",
        &[corporate("旅行社业务经营许可证", "travel agency permit")],
    ),
    (
        "应急管理局",
        "Emergency Management Bureau",
        &[corporate("安全生产许可证", "work safety permit")],
    ),
    (
        "水务局",
        "Water Affairs Bureau",
        &[corporate("取水许可证", "water abstraction permit")],
    ),
];

const APPROVALS: &[CertificateType] = &[corporate("行政许可决定书", "administrative permit")];

/// The code of the department with this index.
///
/// # Errors
/// [`IdError`] for an index of nine digits or more.
pub fn code(index: usize) -> Result<DepartmentCode, IdError> {
    DepartmentCode::from_body(&format!(
        "{OFFICE_PREFIX}{}",
        organisation_code(99_000_001 + index as u64)
    ))
}

/// Its English name.
pub fn name(index: usize) -> String {
    OFFICES.get(index).map_or_else(
        || format!("Approval Bureau of District {}", district(index)),
        |office| office.1.to_owned(),
    )
}

/// Its Chinese name.
pub fn chinese_name(index: usize) -> String {
    OFFICES.get(index).map_or_else(
        || format!("第{}区行政审批局", district(index)),
        |office| office.0.to_owned(),
    )
}

/// The types it defines; the place in the list, from 1, is the number in the type's code.
pub fn types(index: usize) -> &'static [CertificateType] {
    OFFICES.get(index).map_or(APPROVALS, |office| office.2)
}

/// The code of one of its types.
///
/// # Errors
/// [`IdError`] when index or place are beyond what codes can hold.
pub fn type_code(index: usize, place: usize) -> Result<TypeCode, IdError> {
    TypeCode::new(&code(index)?, u16::try_from(place + 1).unwrap_or(u16::MAX))
}

/// Definitions of all its types, as its node's API takes them.
///
/// # Errors
/// [`IdError`] as for [`code`].
pub fn type_definitions(index: usize) -> Result<Vec<TypeRequest>, IdError> {
    let field = |(code, name, required): &(&str, &str, bool)| FieldView {
        code: (*code).to_owned(),
        name: (*name).to_owned(),
        required: *required,
        ..FieldView::default()
    };
    let definition = |(place, certificate): (usize, &CertificateType)| {
        Ok(TypeRequest {
            code: type_code(index, place)?.to_string(),
            name: certificate.name.to_owned(),
            fields: FIELDS.iter().map(field).collect(),
            ..TypeRequest::default()
        })
    };
    types(index).iter().enumerate().map(definition).collect()
}

fn district(index: usize) -> usize {
    index + 1 - OFFICES.len()
}

/// An organisation code of GB 11714: eight digits and a check character modulo 11.
pub(crate) fn organisation_code(number: u64) -> String {
    const WEIGHTS: [u64; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
    let digits = format!("{:08}", number % 100_000_000);
    let sum: u64 = digits
        .bytes()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u64::from(digit - b'0') * weight)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        check => char::from(b'0' + check as u8),
    };
    format!("{digits}{check}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_department_has_a_valid_code_and_a_name_of_its_own() {
        let mut seen = BTreeSet::new();
        for index in 0..MAX_DEPARTMENTS {
            let code = code(index).unwrap();
            assert_eq!(code.as_str().parse(), Ok(code));
            assert_eq!(code.division().as_str(), "990100");
            for text in [code.to_string(), name(index), chinese_name(index)] {
                assert!(seen.insert(text));
            }
            assert!(!type_definitions(index).unwrap().is_empty());
        }
        assert_eq!(name(16), "Approval Bureau of District 1");
    }

    #[test]
    fn organisation_codes_end_in_the_standard_s_check_character() {
        // As they stand within two published credit codes.
        assert_eq!(organisation_code(612_224), "006122244");
        assert_eq!(organisation_code(250_028), "002500287");
    }
}
