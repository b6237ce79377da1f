//! Definitions checked, with all faults reported at once, and shown again.

use std::collections::BTreeSet;
use std::str::FromStr;

use certmesh_ledger::catalogue::Standard;
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::record::{
    ATTACHMENT_MARK, CodeItem, FieldData, FieldDefinition, GrantMade, Grantee, MatterDefined,
    RelatedItem, Requirement, SharingClass, SubMatter, TypeDefined, ValidityRule,
};
use certmesh_ledger::retrieval::ATTACHMENTS;

use crate::definitions::{
    FieldView, GrantRequest, ItemView, MatterRequest, RequirementView, SubMatterView, TypeRequest,
};
use crate::fault::FaultKind;
use crate::faults::{FaultList, Faults};
use crate::words::{FieldType, Word};

fn text_or_empty<const N: usize>(faults: &mut Faults, field: &str, text: &str) -> Text<N> {
    match text {
        "" => Text::default(),
        text => faults.line(field, text).unwrap_or_default(),
    }
}

/// Each text parsed; faults are noted with the place of the list's element.
fn each<'a, T: FromStr<Err: Into<FaultKind>>>(
    faults: &mut Faults,
    field: &str,
    texts: impl IntoIterator<Item = &'a str>,
) -> Vec<T> {
    let mut parsed = Vec::new();
    for (i, text) in texts.into_iter().enumerate() {
        parsed.extend(faults.parse(&format!("{field}[{i}]"), Some(text)));
    }
    parsed
}

fn bounded<T, const N: usize>(faults: &mut Faults, field: &str, list: Vec<T>) -> Bounded<T, N> {
    if list.len() > N {
        let (found, limit) = (list.len(), N);
        faults.add(field, FaultKind::TooMany { found, limit });
    }
    Bounded::first(list)
}

fn field_codes(faults: &mut Faults, field: &str, codes: &[String]) -> Bounded<Text<64>, 64> {
    let mut lines = Vec::with_capacity(codes.len());
    for (i, code) in codes.iter().enumerate() {
        let place = format!("{field}[{i}]");
        if code.starts_with(ATTACHMENT_MARK) && code != ATTACHMENTS {
            faults.add(&place, FaultKind::SingleAttachment);
        }
        lines.extend(faults.line(&place, code));
    }
    bounded(faults, field, lines)
}

impl TypeRequest {
    /// Checks the definition.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(&self) -> Result<TypeDefined, FaultList> {
        let mut faults = Faults::default();
        let faults = &mut faults;
        let code = faults.parse("code", Some(&self.code));
        let name = faults.line("name", &self.name);
        let item = self.item.as_ref().and_then(|item| {
            let code = faults.line("item.code", &item.code);
            let name = faults.line("item.name", &item.name);
            Some(RelatedItem {
                code: code?,
                name: name?,
            })
        });
        let kinds = each(faults, "holder", self.holder.iter().map(Word::as_str));
        let sharing = match self.sharing.as_ref().map(Word::as_str) {
            None => Some(SharingClass::Conditional),
            some => faults.parse("sharing", some),
        };
        let validity = faults.check(
            "validity",
            validity(self.validity.as_deref().unwrap_or("any")),
        );
        let issuers = each(faults, "issuers", self.issuers.iter().map(String::as_str));
        let mut fields = Vec::with_capacity(self.fields.len());
        for (i, field) in self.fields.iter().enumerate() {
            fields.extend(field.check(faults, &format!("fields[{i}]")));
        }
        let authority_name = text_or_empty(faults, "authority_name", &self.authority_name);
        let authority_level = text_or_empty(faults, "authority_level", &self.authority_level);
        let issuing_level = text_or_empty(faults, "issuing_level", &self.issuing_level);
        let holder_kinds = bounded(faults, "holder", kinds);
        let issuers = bounded(faults, "issuers", issuers);
        let fields = bounded(faults, "fields", fields);
        let (Some(code), Some(name), Some(sharing), Some(validity)) =
            (code, name, sharing, validity)
        else {
            return Err(faults.take());
        };
        let definition = TypeDefined {
            code,
            name,
            authority_name,
            authority_level,
            issuing_level,
            item,
            holder_kinds,
            sharing,
            validity,
            issuers,
            fields,
        };
        if let Err(departures) = Standard::new(definition.clone().into()) {
            for departure in departures {
                faults.add(&departure.place, departure.what);
            }
        }
        faults.none().map(|()| definition)
    }

    /// The definition of a record.
    pub fn of(definition: &TypeDefined) -> TypeRequest {
        TypeRequest {
            code: definition.code.to_string(),
            name: definition.name.to_string(),
            authority_name: definition.authority_name.to_string(),
            authority_level: definition.authority_level.to_string(),
            issuing_level: definition.issuing_level.to_string(),
            item: definition.item.as_ref().map(|item| ItemView {
                code: item.code.to_string(),
                name: item.name.to_string(),
            }),
            holder: definition
                .holder_kinds
                .iter()
                .map(|kind| (*kind).into())
                .collect(),
            sharing: Some(definition.sharing.into()),
            validity: Some(match definition.validity {
                ValidityRule::Any => "any".to_owned(),
                ValidityRule::LongTerm => "long-term".to_owned(),
                ValidityRule::Days(days) => format!("{days} days"),
                ValidityRule::Months(months) => format!("{months} months"),
                ValidityRule::Years(years) => format!("{years} years"),
            }),
            issuers: texts(&definition.issuers),
            fields: definition.fields.iter().map(FieldView::of).collect(),
        }
    }
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn validity(text: &str) -> Result<ValidityRule, FaultKind> {
    const FORM: FaultKind = FaultKind::Validity;
    match text {
        "any" => return Ok(ValidityRule::Any),
        "long-term" => return Ok(ValidityRule::LongTerm),
        _ => {}
    }
    let (number, unit) = text.split_once(' ').ok_or(FORM)?;
    let number: u16 = number.parse().map_err(|_| FORM)?;
    match unit {
        "day" | "days" => Ok(ValidityRule::Days(number)),
        "month" | "months" => Ok(ValidityRule::Months(number)),
        "year" | "years" => Ok(ValidityRule::Years(number)),
        _ => Err(FORM),
    }
}

impl FieldView {
    fn check(&self, faults: &mut Faults, at: &str) -> Option<FieldDefinition> {
        let code = faults.line(&format!("{at}.code"), &self.code);
        if self.code.starts_with(ATTACHMENT_MARK) {
            faults.add(&format!("{at}.code"), FaultKind::AttachmentMark);
        }
        let name = faults.line(&format!("{at}.name"), &self.name);
        let kind = match &self.data {
            None => Some(FieldType::Text),
            Some(word) => word.known(),
        };
        for (key, given, of) in [
            ("max", self.max.is_some(), FieldType::Text),
            ("pattern", self.pattern.is_some(), FieldType::Text),
            ("codes", !self.codes.is_empty(), FieldType::Code),
        ] {
            if given && kind != Some(of) {
                let data = of.as_str();
                faults.add(&format!("{at}.{key}"), FaultKind::ForOtherData { data });
            }
        }
        let data = match kind {
            Some(FieldType::Text) => FieldData::Text {
                max: self.max,
                pattern: self
                    .pattern
                    .as_ref()
                    .and_then(|pattern| faults.line(&format!("{at}.pattern"), pattern)),
            },
            Some(FieldType::Integer) => FieldData::Integer,
            Some(FieldType::Decimal) => FieldData::Decimal,
            Some(FieldType::Date) => FieldData::Date,
            Some(FieldType::Code) => {
                let at = format!("{at}.codes");
                let mut items = Vec::with_capacity(self.codes.len());
                for (code, name) in &self.codes {
                    let code = faults.line(&at, code);
                    let name = faults.line(&at, name);
                    items.extend(code.zip(name).map(|(code, name)| CodeItem { code, name }));
                }
                FieldData::Code(bounded(faults, &at, items))
            }
            None => {
                let expected = &["text", "integer", "decimal", "date", "code"];
                faults.add(&format!("{at}.type"), FaultKind::UnknownWord { expected });
                return None;
            }
        };
        Some(FieldDefinition {
            code: code?,
            name: name?,
            required: self.required,
            personal: self.personal,
            data,
        })
    }

    /// The field of a record.
    pub fn of(field: &FieldDefinition) -> FieldView {
        let mut view = FieldView {
            code: field.code.to_string(),
            name: field.name.to_string(),
            required: field.required,
            personal: field.personal,
            ..FieldView::default()
        };
        let kind = match &field.data {
            FieldData::Text { max, pattern } => {
                view.max = *max;
                view.pattern = pattern.as_ref().map(ToString::to_string);
                return view;
            }
            FieldData::Integer => FieldType::Integer,
            FieldData::Decimal => FieldType::Decimal,
            FieldData::Date => FieldType::Date,
            FieldData::Code(items) => {
                let pair = |item: &CodeItem| (item.code.to_string(), item.name.to_string());
                view.codes = items.iter().map(pair).collect();
                FieldType::Code
            }
        };
        view.data = Some(kind.into());
        view
    }
}

impl MatterRequest {
    /// Checks the definition.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(&self) -> Result<MatterDefined, FaultList> {
        let mut faults = Faults::default();
        let faults = &mut faults;
        let code = faults.parse("code", Some(&self.code));
        let name = faults.line("name", &self.name);
        if self.sub.is_empty() {
            faults.add("sub", FaultKind::NoSubMatters);
        }
        let mut seen = BTreeSet::new();
        let mut parts = Vec::with_capacity(self.sub.len());
        for (i, part) in self.sub.iter().enumerate() {
            let at = format!("sub[{i}]");
            if !seen.insert(&part.code) {
                faults.add(&format!("{at}.code"), FaultKind::EarlierSubMatter);
            }
            parts.extend(part.check(faults, &at));
        }
        let parts = bounded(faults, "sub", parts);
        match (code, name) {
            (Some(code), Some(name)) => {
                let definition = MatterDefined { code, name, parts };
                faults.none().map(|()| definition)
            }
            _ => Err(faults.take()),
        }
    }

    /// The definition of a record.
    pub fn of(definition: &MatterDefined) -> MatterRequest {
        let requirement = |requirement: &Requirement| RequirementView {
            types: texts(&requirement.types),
            fields: texts(&requirement.fields),
        };
        let part = |part: &SubMatter| SubMatterView {
            code: part.code.to_string(),
            name: part.name.to_string(),
            requires: part.requires.iter().map(requirement).collect(),
        };
        MatterRequest {
            code: definition.code.to_string(),
            name: definition.name.to_string(),
            sub: definition.parts.iter().map(part).collect(),
        }
    }
}

impl SubMatterView {
    fn check(&self, faults: &mut Faults, at: &str) -> Option<SubMatter> {
        let code = faults.parse(&format!("{at}.code"), Some(&self.code));
        let name = faults.line(&format!("{at}.name"), &self.name);
        let mut requires = Vec::with_capacity(self.requires.len());
        for (i, requirement) in self.requires.iter().enumerate() {
            let at = format!("{at}.requires[{i}]");
            if requirement.types.is_empty() {
                faults.add(&format!("{at}.types"), FaultKind::NoneNamed);
            }
            let types = each(
                faults,
                &format!("{at}.types"),
                requirement.types.iter().map(String::as_str),
            );
            requires.push(Requirement {
                types: bounded(faults, &format!("{at}.types"), types),
                fields: field_codes(faults, &format!("{at}.fields"), &requirement.fields),
            });
        }
        let requires = bounded(faults, &format!("{at}.requires"), requires);
        Some(SubMatter {
            code: code?,
            name: name?,
            requires,
        })
    }
}

impl GrantRequest {
    /// Checks the grant.
    ///
    /// # Errors
    /// Every fault.
    pub fn check(&self) -> Result<GrantMade, FaultList> {
        let mut faults = Faults::default();
        let faults = &mut faults;
        let to = match (self.department.as_deref(), self.role.as_deref()) {
            (department @ Some(_), None) => faults
                .parse("department", department)
                .map(Grantee::Department),
            (None, role @ Some(_)) => faults.parse("role", role).map(Grantee::Role),
            _ => {
                faults.add("department", FaultKind::DepartmentOrRole);
                None
            }
        };
        let type_code = faults.parse("type", Some(&self.type_code));
        let matters = each(faults, "matters", self.matters.iter().map(String::as_str));
        let matters = bounded(faults, "matters", matters);
        let fields = field_codes(faults, "fields", &self.fields);
        let until = faults.parse("until", self.until.as_deref());
        match (to, type_code) {
            (Some(to), Some(type_code)) => {
                let grant = GrantMade {
                    to,
                    type_code,
                    matters,
                    fields,
                    until,
                };
                faults.none().map(|()| grant)
            }
            _ => Err(faults.take()),
        }
    }

    /// What a record grants.
    pub fn of(grant: &GrantMade) -> GrantRequest {
        let (department, role) = match &grant.to {
            Grantee::Department(code) => (Some(code.to_string()), None),
            Grantee::Role(role) => (None, Some(role.to_string())),
        };
        GrantRequest {
            department,
            role,
            type_code: grant.type_code.to_string(),
            matters: texts(&grant.matters),
            fields: texts(&grant.fields),
            until: grant.until.map(|day| day.to_string()),
        }
    }
}
