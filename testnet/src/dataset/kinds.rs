//! The 664 types: their definitions and what their certificates say.

use std::collections::BTreeMap;

use certmesh_api::{FieldType, FieldView, ItemView, SharingClass, TypeRequest};
use certmesh_ledger::id::{Date, HolderKind, IdError, TypeCode};

use super::dice::Dice;
use super::known_types::KNOWN;
use super::offices::{CITY, Office, place_of};

/// Types of the data set.
pub(super) const TYPES: usize = 664;
/// Suffix of the name of a made-up type.
pub(super) const MADE_UP: &str = "（模拟）";

/// Who may hold a type's certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// People.
    Person,
    /// Organisations.
    Organisation,
    /// Either.
    Anyone,
}

impl Who {
    fn kinds(self) -> &'static [HolderKind] {
        match self {
            Who::Person => &[HolderKind::IdentityCard],
            Who::Organisation => &[HolderKind::CreditCode],
            Who::Anyone => &[HolderKind::CreditCode, HolderKind::IdentityCard],
        }
    }
}

/// What stands in a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// A code of a list.
    Codes(&'static [(&'static str, &'static str)]),
    /// One of some texts.
    OneOf(&'static [&'static str]),
    /// A whole number from one to the other.
    Integer(u64, u64),
    /// A number with two decimals from one to the other.
    Decimal(u64, u64),
}

impl Value {
    fn draw(self, dice: &mut Dice) -> String {
        match self {
            Value::Codes(codes) => dice.pick(codes).0.to_owned(),
            Value::OneOf(texts) => (*dice.pick(texts)).to_owned(),
            Value::Integer(least, most) => (least + dice.skewed(most - least)).to_string(),
            Value::Decimal(least, most) => {
                format!(
                    "{}.{:02}",
                    least + dice.skewed(most - least),
                    dice.below(100)
                )
            }
        }
    }

    fn field(self, code: &str, name: &str) -> FieldView {
        let field = FieldView {
            code: code.to_owned(),
            name: name.to_owned(),
            ..FieldView::default()
        };
        match self {
            Value::Codes(codes) => {
                let pair = |(code, name): &(&str, &str)| ((*code).to_owned(), (*name).to_owned());
                let codes: BTreeMap<_, _> = codes.iter().map(pair).collect();
                FieldView {
                    data: Some(FieldType::Code.into()),
                    codes,
                    ..field
                }
            }
            Value::OneOf(_) => FieldView {
                max: Some(64),
                ..field
            },
            Value::Integer(..) => FieldView {
                data: Some(FieldType::Integer.into()),
                ..field
            },
            Value::Decimal(..) => FieldView {
                data: Some(FieldType::Decimal.into()),
                ..field
            },
        }
    }
}

/// A type of the data set.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// Type code.
    pub(super) code: TypeCode,
    /// Name.
    pub(super) name: String,
    /// Place of the department that it is of.
    pub(super) department: usize,
    /// Who holds it.
    pub(super) who: Who,
    /// Validity, as its definition has it.
    pub(super) validity: String,
    /// Weight among all certificates.
    pub(super) certificates: u64,
    /// Weight among all demands.
    pub(super) demand: u64,
    /// Whether districts issue it.
    pub(super) districts: bool,
    /// Fields beyond those that every type has.
    pub(super) fields: Vec<(&'static str, &'static str, Value)>,
    /// Whether the number of a certificate is its holder's code.
    numbered_by_holder: bool,
}

/// What a generated type is: the end of its name, who holds it, for how long.
const FORMS: [(&str, Who, &str); 14] = [
    ("经营许可证", Who::Organisation, "5 years"),
    ("资质证书", Who::Organisation, "5 years"),
    ("备案证明", Who::Organisation, "long-term"),
    ("批准书", Who::Organisation, "2 years"),
    ("验收合格证", Who::Organisation, "long-term"),
    ("检验报告", Who::Organisation, "1 year"),
    ("核准决定书", Who::Organisation, "long-term"),
    ("审查意见书", Who::Organisation, "1 year"),
    ("登记证书", Who::Anyone, "any"),
    ("年度检查合格证", Who::Organisation, "1 year"),
    ("从业资格证", Who::Person, "6 years"),
    ("培训合格证", Who::Person, "3 years"),
    ("个人证明", Who::Person, "90 days"),
    ("公示情况证明", Who::Anyone, "60 days"),
];

const EXTRA: [(&str, &str, Value); 4] = [
    (
        "KZ_XKFW",
        "许可范围",
        Value::OneOf(&["全部项目", "部分项目", "以附件为准"]),
    ),
    (
        "KZ_DJ",
        "等级",
        Value::Codes(&[("1", "甲级"), ("2", "乙级"), ("3", "丙级")]),
    ),
    ("KZ_SL", "数量", Value::Integer(1, 500)),
    ("KZ_MJ", "面积", Value::Decimal(10, 20_000)),
];

/// Every type: the known ones first, then the generated.
pub(super) fn all(seed: u64, offices: &[Office]) -> Result<Vec<Kind>, IdError> {
    let mut numbers = vec![0_u16; CITY.len()];
    let mut next_code = |department: usize| {
        numbers[department] += 1;
        TypeCode::new(&offices[department].code, numbers[department])
    };
    let mut kinds = Vec::with_capacity(TYPES);
    for known in &KNOWN {
        let department = place_of(known.department);
        kinds.push(Kind {
            code: next_code(department)?,
            name: known.name.to_owned(),
            department,
            who: known.who,
            validity: known.validity.to_owned(),
            certificates: known.thousands * 1_000,
            demand: known.demand,
            districts: known.districts,
            fields: known.fields.to_vec(),
            numbered_by_holder: matches!(known.name, "居民身份证" | "营业执照"),
        });
    }
    // Departments take turns, each with its topics and forms in an order of its own.
    let forms = FORMS.len();
    for place in 0..TYPES - KNOWN.len() {
        let (department, turn) = (place % CITY.len(), place / CITY.len());
        let first = Dice::new(seed, "forms", &[department as u64]).index(forms);
        // Steps through all pairs of the 4 topics and 14 forms before one comes again.
        let topic = CITY[department].1[turn % 4];
        let (form, who, validity) = FORMS[(first + turn * 3 + turn / 28) % forms];
        let mut dice = Dice::new(seed, "type", &[place as u64]);
        let fields = EXTRA.into_iter().filter(|_| dice.percent(30)).collect();
        kinds.push(Kind {
            code: next_code(department)?,
            name: format!("{topic}{form}{MADE_UP}"),
            department,
            who,
            validity: validity.to_owned(),
            certificates: 100 + dice.skewed(4_000),
            demand: 1 + dice.skewed(6),
            districts: dice.percent(25),
            fields,
            numbered_by_holder: false,
        });
    }
    Ok(kinds)
}

impl Kind {
    /// Whether it is a known type.
    pub(super) fn is_known(&self) -> bool {
        !self.name.ends_with(MADE_UP)
    }

    /// Its definition, as a node's API takes it.
    pub(super) fn definition(&self, offices: &[Office]) -> TypeRequest {
        let text = |code: &str, name: &str, personal: bool| FieldView {
            code: code.to_owned(),
            name: name.to_owned(),
            required: true,
            personal,
            max: Some(128),
            ..FieldView::default()
        };
        let number = FieldView {
            pattern: Some(self.number_pattern().to_owned()),
            max: None,
            ..text("ZZBH", "证照编号", self.numbered_by_holder)
        };
        let issued = FieldView {
            data: Some(FieldType::Date.into()),
            max: None,
            ..text("ZZBFRQ", "证照颁发日期", false)
        };
        let mut fields = vec![
            text("ZZMC", "证照名称", false),
            number,
            text("CZZT", "持证主体", true),
            text("ZZBFJG", "证照颁发机构", false),
            issued,
        ];
        fields.extend(
            self.fields
                .iter()
                .map(|(code, name, value)| value.field(code, name)),
        );
        let mut issuers = vec![offices[self.department].code.to_string()];
        if self.districts {
            let districts = offices.iter().filter(|office| office.district);
            issuers.extend(districts.map(|office| office.code.to_string()));
        }
        TypeRequest {
            code: self.code.to_string(),
            name: self.name.clone(),
            authority_name: offices[self.department].name.clone(),
            authority_level: "市级".to_owned(),
            issuing_level: if self.districts {
                "市级、区级"
            } else {
                "市级"
            }
            .to_owned(),
            item: Some(ItemView {
                code: format!("SL-{:02}-T{:03}", self.department, self.code.number()),
                name: format!("{}核发", self.name),
            }),
            holder: self.who.kinds().iter().map(|kind| (*kind).into()).collect(),
            sharing: Some(self.sharing().into()),
            validity: Some(self.validity.clone()),
            issuers,
            fields,
        }
    }

    fn sharing(&self) -> SharingClass {
        match (self.who, self.code.number() % 11) {
            (_, 10) => SharingClass::NotShared,
            (Who::Organisation, number) if number % 2 == 1 => SharingClass::Unconditional,
            _ => SharingClass::Conditional,
        }
    }

    fn number_pattern(&self) -> &'static str {
        match (self.numbered_by_holder, self.who) {
            (true, Who::Person) => "^[0-9]{17}[0-9X]$",
            (true, _) => "^[0-9A-HJ-NPQRTUWXY]{18}$",
            (false, _) => "^[0-9]{4}[A-Z][0-9]{9}$",
        }
    }

    /// What the number of a certificate of a year is.
    pub(super) fn number(&self, year: i32, number: u64, holder: &str) -> String {
        if self.numbered_by_holder {
            return holder.to_owned();
        }
        let letter = char::from(b'A' + (self.code.number() % 26) as u8);
        format!("{year:04}{letter}{:09}", number % 1_000_000_000)
    }

    /// What the fields hold that other types do not have.
    pub(super) fn draw_fields(&self, dice: &mut Dice) -> Vec<(String, String)> {
        // One certificate in ten lacks what it need not have.
        let fields = self.fields.iter().filter_map(|(code, _, value)| {
            let drawn = value.draw(dice);
            (!dice.percent(10)).then(|| ((*code).to_owned(), drawn))
        });
        fields.collect()
    }

    /// The last day of a certificate whose first is this one; `None` for one without end.
    pub(super) fn last_day(&self, first: Date, dice: &mut Dice) -> Option<Date> {
        let day_before = |day: Date| Date::from_days(day.days() - 1).ok();
        let Some((number, unit)) = self.validity.split_once(' ') else {
            // `any`: for most without end, for the others some years.
            let years = 5 + 5 * dice.below(4) as u16;
            let runs_on = self.validity == "long-term" || dice.percent(70);
            return (!runs_on)
                .then(|| first.plus_months(12 * years).and_then(day_before))
                .flatten();
        };
        let number: u16 = number.parse().unwrap_or(1);
        let end = match unit {
            "day" | "days" => first.plus_days(number),
            "month" | "months" => first.plus_months(number),
            _ => first.plus_months(12 * number),
        };
        end.and_then(day_before)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::offices;
    use super::*;

    #[test]
    fn every_type_passes_the_check_of_definitions_and_has_a_code_and_a_name_of_its_own() {
        let offices = offices::all().unwrap();
        for seed in [0, 1, 77] {
            let kinds = all(seed, &offices).unwrap();
            assert_eq!(kinds.len(), TYPES);
            let mut seen = BTreeSet::new();
            for kind in &kinds {
                kind.definition(&offices).check().unwrap();
                assert!(seen.insert(kind.code.to_string()));
                assert!(seen.insert(kind.name.clone()), "{}", kind.name);
            }
            let known = kinds.iter().filter(|kind| kind.is_known()).count();
            assert_eq!(known, KNOWN.len());
        }
    }

    #[test]
    fn every_known_type_is_of_a_department_there_is() {
        for known in &KNOWN {
            assert!(
                CITY.iter().any(|(name, _)| *name == known.department),
                "{}",
                known.department
            );
        }
    }
}
