//! Holders who do not exist: people and organisations whose codes pass every check and belong to nobody.
//!
//! Identity numbers begin with the code of a made-up division, 9901 and two digits: GB/T 2260 assigns no code that
//! begins with 99, so no identity card and no credit code has ever been issued with one. A holder is a function of its
//! number, the same at every department and in every data set.

use certmesh_ledger::id::{Date, HolderKind, check};

use super::dice::Dice;
use super::offices::{DISTRICTS, division};
use crate::departments::organisation_code;

/// 1936-01-01 in days since 1970, and the days until 1994-09-01: everybody is of age when the city begins to collect.
const FIRST_BIRTHDAY: i32 = -12_419;
const BIRTHDAYS: u64 = 21_428;
/// Organisations' codes follow this number.
const FIRST_ORGANISATION: u64 = 10_000_000;

/// Surnames with their shares, roughly as they are in China.
const SURNAMES: [(&str, u64); 20] = [
    ("王", 72),
    ("李", 72),
    ("张", 68),
    ("刘", 54),
    ("陈", 45),
    ("杨", 31),
    ("黄", 22),
    ("赵", 21),
    ("吴", 20),
    ("周", 20),
    ("徐", 14),
    ("孙", 13),
    ("马", 13),
    ("朱", 13),
    ("胡", 12),
    ("郭", 12),
    ("何", 11),
    ("高", 10),
    ("欧阳", 1),
    ("司马", 1),
];
const GIVEN: [&str; 24] = [
    "伟", "芳", "娜", "敏", "静", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超",
    "秀", "霞", "平", "刚", "桂", "丽", "文", "辉",
];
const TRADES: [&str; 12] = [
    "商贸",
    "餐饮",
    "建筑工程",
    "科技",
    "物流",
    "物业",
    "服装",
    "医药",
    "教育咨询",
    "机械",
    "装饰",
    "农产品",
];

/// Somebody who can hold a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Somebody {
    /// Kind of the code.
    pub(super) kind: HolderKind,
    /// The code.
    pub(super) code: String,
    /// Name; every one has 样 or 样本 in it, for sample.
    pub(super) name: String,
}

/// The person of this number.
pub(super) fn person(number: u64) -> Somebody {
    let (home, rest) = home(number);
    let born = FIRST_BIRTHDAY + (rest * 7_919 % BIRTHDAYS) as i32;
    let born = Date::from_days(born).expect("birthdays lie between 1936 and 1994");
    let body = format!(
        "{home}{}{:03}",
        born.to_string().replace('-', ""),
        1 + rest / BIRTHDAYS % 999
    );
    let check =
        check::identity_number(&body).expect("six digits, a date and three digits are seventeen");
    let mut dice = Dice::new(0, "person", &[number]);
    let surname = SURNAMES[dice.weighted(&SURNAMES.map(|(_, share)| share))].0;
    Somebody {
        kind: HolderKind::IdentityCard,
        code: format!("{body}{check}"),
        name: format!("{surname}样{}", dice.pick(&GIVEN)),
    }
}

/// The organisation of this number.
pub(super) fn organisation(number: u64) -> Somebody {
    let (home, _) = home(number);
    let body = format!(
        "91{home}{}",
        organisation_code(FIRST_ORGANISATION + number % 80_000_000)
    );
    let check = check::credit_code(&body)
        .expect("eight digits and an organisation code are seventeen characters");
    let trade = Dice::new(0, "organisation", &[number]).index(TRADES.len());
    Somebody {
        kind: HolderKind::CreditCode,
        code: format!("{body}{check}"),
        name: format!("武汉样本{number}号{}有限公司", TRADES[trade]),
    }
}

/// The division of a holder's code, and the holder's number among those of that division.
fn home(number: u64) -> (String, u64) {
    let divisions = DISTRICTS.len() as u64;
    let (_, digits, _) = DISTRICTS[(number % divisions) as usize];
    (division(digits), number / divisions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use certmesh_ledger::id::normalise;

    use super::*;

    #[test]
    fn codes_are_valid_distinct_and_of_divisions_that_do_not_exist() {
        let mut seen = BTreeSet::new();
        // 11 million people and more live in the city: numbers far apart must not meet either.
        for number in (0..3_000).chain((0..11_000_000).step_by(4_999)) {
            for (somebody, division) in [(person(number), 0..4), (organisation(number), 2..6)] {
                let normal = normalise(somebody.kind, &somebody.code).unwrap();
                assert_eq!(normal, somebody.code);
                assert_eq!(&somebody.code[division], "9901");
                seen.insert(somebody.code);
            }
        }
        let twice = (0..3_000_u64).filter(|number| *number % 4_999 == 0).count();
        assert_eq!(
            seen.len(),
            2 * (3_000 + 11_000_000_usize.div_ceil(4_999) - twice)
        );
    }
}
