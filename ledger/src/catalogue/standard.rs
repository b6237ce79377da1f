//! Whether a certificate meets its type's standard, with every departure reported at once; and whether a standard is
//! valid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::codec::Text;
use crate::id::{Date, DepartmentCode, HolderKind};
use crate::record::{
    ATTACHMENT_MARK, FieldData, FieldDefinition, TypeDefined, Validity, ValidityRule,
};

/// Most memory a compiled pattern may take, in bytes.
const PATTERN_SIZE: usize = 1 << 18;
/// Fields of extensions (扩展字段) may stand in any certificate, in the standard or not.
const EXTENSION: &str = "KZ_";

/// A type's definition, ready to check certificates by.
pub struct Standard {
    definition: Arc<TypeDefined>,
    /// For each field in order, its pattern, if it has one.
    patterns: Vec<Option<Regex>>,
}

/// What is known of a certificate before it is issued.
#[derive(Clone, Copy, Debug)]
pub struct Proposed<'a> {
    /// The department that would issue it.
    pub department: DepartmentCode,
    /// Kind of the holder's code.
    pub holder_kind: HolderKind,
    /// Days of validity.
    pub validity: Validity,
    /// Its fields.
    pub fields: &'a BTreeMap<String, String>,
}

/// One way in which a certificate departs from its type's standard, or a standard from what a standard must be. Holds
/// no field's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Departure {
    /// The part of the request at fault, such as `fields.ZZMC`.
    pub place: String,
    /// What is wrong.
    pub what: Fault,
}

/// What is wrong with a part of a certificate or of a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The department may not issue the type.
    #[error("the type's standard does not allow this department to issue it")]
    Issuer,
    /// Another kind of holder.
    #[error("holders of this type have a code of kind {}", kinds(.0))]
    HolderKind(Vec<HolderKind>),
    /// It must run without end.
    #[error("certificates of this type have no end of validity; leave valid_until out")]
    LongTerm,
    /// It must end.
    #[error("certificates of this type end on {0} at the latest")]
    TooLong(Date),
    /// A required field is missing.
    #[error("is required ({0})")]
    Missing(Text<128>),
    /// The standard has no such field.
    #[error("is not a field of this type's standard; extension fields begin with KZ_")]
    Unknown,
    /// A required field is empty.
    #[error("is empty")]
    Empty,
    /// Too many characters.
    #[error("is {found} characters long, at most {most} are allowed")]
    Length {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        most: u16,
    },
    /// The pattern does not match.
    #[error("does not match {0}")]
    Pattern(Text<256>),
    /// Not a whole number.
    #[error("is not a whole number")]
    Integer,
    /// Not a number.
    #[error("is not a number, such as 12 or 12.5")]
    Decimal,
    /// Not a day.
    #[error("is not a day written YYYY-MM-DD")]
    Date,
    /// Not of the code list.
    #[error("is not one of {0}")]
    Code(String),
    /// A pattern that is not a regular expression, or one too large.
    #[error("is not a usable regular expression: {0}")]
    BadPattern(String),
    /// A code list without codes.
    #[error("lists no codes")]
    NoCodes,
    /// Something stands twice.
    #[error("appears twice: {0}")]
    Twice(String),
    /// Nothing where something must be.
    #[error("must name at least one")]
    None,
    /// Zero where a length must be.
    #[error("must be more than zero")]
    Zero,
}

fn kinds(kinds: &[HolderKind]) -> String {
    let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

impl Departure {
    fn new(place: impl Into<String>, what: Fault) -> Departure {
        Departure {
            place: place.into(),
            what,
        }
    }
}

impl Standard {
    /// Compiles a definition.
    ///
    /// # Errors
    /// Every departure from what a standard must be: patterns that compile, distinct codes.
    pub fn new(definition: Arc<TypeDefined>) -> Result<Standard, Vec<Departure>> {
        let mut departures = Vec::new();
        let mut seen = BTreeSet::new();
        let mut patterns = Vec::with_capacity(definition.fields.len());
        for (i, field) in definition.fields.iter().enumerate() {
            if !seen.insert(&field.code) {
                let twice = Fault::Twice(field.code.to_string());
                departures.push(Departure::new(format!("fields[{i}].code"), twice));
            }
            let pattern = compile(field).map_err(|fault| {
                let part = match fault {
                    Fault::BadPattern(_) => "pattern",
                    _ => "codes",
                };
                departures.push(Departure::new(format!("fields[{i}].{part}"), fault));
            });
            patterns.push(pattern.unwrap_or_default());
        }
        if let ValidityRule::Days(0) | ValidityRule::Months(0) | ValidityRule::Years(0) =
            definition.validity
        {
            departures.push(Departure::new("validity", Fault::Zero));
        }
        if departures.is_empty() {
            Ok(Standard {
                definition,
                patterns,
            })
        } else {
            Err(departures)
        }
    }

    /// The definition.
    pub fn definition(&self) -> &Arc<TypeDefined> {
        &self.definition
    }

    /// Every way in which a certificate departs from the standard; none when it meets it.
    pub fn departures(&self, certificate: &Proposed<'_>) -> Vec<Departure> {
        let mut found = Vec::new();
        let definition = &*self.definition;
        if !definition.lets_issue(&certificate.department) {
            found.push(Departure::new("type", Fault::Issuer));
        }
        let kinds = &definition.holder_kinds;
        if !kinds.is_empty() && !kinds.contains(&certificate.holder_kind) {
            let fault = Fault::HolderKind(kinds.to_vec());
            found.push(Departure::new("holder.kind", fault));
        }
        if let Some(fault) = runs_too_long(definition.validity, certificate.validity) {
            found.push(Departure::new("valid_until", fault));
        }
        if definition.fields.is_empty() {
            return found;
        }
        for (field, pattern) in definition.fields.iter().zip(&self.patterns) {
            let place = || format!("fields.{}", field.code);
            match certificate.fields.get(field.code.as_str()) {
                None if field.required => {
                    found.push(Departure::new(place(), Fault::Missing(field.name.clone())));
                }
                Some(value) if value.is_empty() && field.required => {
                    found.push(Departure::new(place(), Fault::Empty));
                }
                Some(value) if !value.is_empty() => {
                    if let Some(fault) = fault_of(value, &field.data, pattern.as_ref()) {
                        found.push(Departure::new(place(), fault));
                    }
                }
                _ => {}
            }
        }
        for name in certificate.fields.keys() {
            let known = || {
                definition
                    .fields
                    .iter()
                    .any(|field| field.code.as_str() == name)
            };
            if !name.starts_with(EXTENSION) && !name.starts_with(ATTACHMENT_MARK) && !known() {
                found.push(Departure::new(format!("fields.{name}"), Fault::Unknown));
            }
        }
        found
    }
}

fn compile(field: &FieldDefinition) -> Result<Option<Regex>, Fault> {
    match &field.data {
        FieldData::Text {
            pattern: Some(pattern),
            ..
        } => RegexBuilder::new(pattern.as_str())
            .size_limit(PATTERN_SIZE)
            .dfa_size_limit(PATTERN_SIZE)
            .build()
            .map(Some)
            .map_err(|error| Fault::BadPattern(error.to_string())),
        FieldData::Code(items) if items.is_empty() => Err(Fault::NoCodes),
        FieldData::Code(items) => {
            let mut seen = BTreeSet::new();
            match items.iter().find(|item| !seen.insert(&item.code)) {
                Some(item) => Err(Fault::Twice(item.code.to_string())),
                None => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn runs_too_long(rule: ValidityRule, validity: Validity) -> Option<Fault> {
    let from = validity.from();
    let last = match rule {
        ValidityRule::Any => return None,
        ValidityRule::LongTerm => return validity.until().map(|_| Fault::LongTerm),
        ValidityRule::Days(days) => from.plus_days(days),
        ValidityRule::Months(months) => from.plus_months(months),
        ValidityRule::Years(years) => from.plus_months(years.saturating_mul(12)),
    }?;
    validity
        .until()
        .is_none_or(|until| until > last)
        .then_some(Fault::TooLong(last))
}

fn fault_of(value: &str, data: &FieldData, pattern: Option<&Regex>) -> Option<Fault> {
    match data {
        FieldData::Text { max, pattern: text } => {
            let found = value.chars().count();
            if let Some(most) = max.filter(|most| found > usize::from(*most)) {
                return Some(Fault::Length { found, most });
            }
            let refused = pattern.is_some_and(|pattern| !pattern.is_match(value));
            text.clone().filter(|_| refused).map(Fault::Pattern)
        }
        FieldData::Integer => {
            let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            (!whole).then_some(Fault::Integer)
        }
        FieldData::Decimal => (!is_decimal(value)).then_some(Fault::Decimal),
        FieldData::Date => value.parse::<Date>().is_err().then_some(Fault::Date),
        FieldData::Code(items) => {
            if items.iter().any(|item| item.code.as_str() == value) {
                return None;
            }
            let codes: Vec<&str> = items
                .iter()
                .take(20)
                .map(|item| item.code.as_str())
                .collect();
            let rest = if items.len() > codes.len() {
                ", …"
            } else {
                ""
            };
            Some(Fault::Code(format!("{}{rest}", codes.join(", "))))
        }
    }
}

fn is_decimal(value: &str) -> bool {
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part)
}

#[cfg(test)]
#[path = "standard_tests.rs"]
mod tests;
