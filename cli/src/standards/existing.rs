//! Whether what a definition names exists, so that a typing error is found before every department has it.

use std::collections::BTreeMap;

use certmesh_api::{CatalogueView, GrantRequest, MatterRequest, Matters, TypeRequest, TypeView};
use certmesh_text::say;

use crate::Error;
use crate::client::Client;
use crate::lookup::{self, Known, near};
use crate::message::{Advice, Message};

/// What every type may have beside the fields of its standard, and what stands for attachments.
fn is_free(field: &str) -> bool {
    field.starts_with("KZ_") || field == "@"
}

/// What the node knows.
struct Existing {
    types: BTreeMap<String, TypeView>,
    departments: Vec<Known>,
    matters: Matters,
    faults: Vec<String>,
}

impl Existing {
    fn ask(client: &Client) -> Result<Existing, Error> {
        let catalogue: CatalogueView = client.get_list("/v1/catalogue")?;
        let types = catalogue.types.into_iter();
        Ok(Existing {
            types: types.map(|kind| (kind.code.clone(), kind)).collect(),
            departments: lookup::departments(client)?,
            matters: Matters::default(),
            faults: Vec::new(),
        })
    }

    fn add(&mut self, message: &Message) {
        self.faults.push(say(message));
    }

    fn department(&mut self, at: &str, code: &str) {
        if !self.departments.iter().any(|known| known.code == code) {
            self.add(&Message::NoSuchDepartment {
                at: at.to_owned(),
                code: code.to_owned(),
                near: near(code, &self.departments),
            });
        }
    }

    fn type_code(&mut self, at: &str, code: &str) {
        let is_defined = |kind: &TypeView| kind.defined_by.is_some();
        if !self.types.get(code).is_some_and(is_defined) {
            let known = self.types.values().filter(|kind| is_defined(kind));
            let named =
                |kind: &TypeView| Known::new(&*kind.code, kind.name.as_deref().unwrap_or_default());
            let known: Vec<Known> = known.map(named).collect();
            self.add(&Message::NoSuchType {
                at: at.to_owned(),
                code: code.to_owned(),
                near: near(code, &known),
            });
        }
    }

    /// A field of any one of these types.
    fn field(&mut self, at: &str, code: &str, types: &[String]) {
        let mut known: Vec<Known> = Vec::new();
        for kind in types {
            match self.types.get(kind).map(|kind| &*kind.fields) {
                // A type without a standard, or one that is not defined here, may have any.
                None | Some([]) => return,
                Some(fields) => {
                    known.extend(
                        fields
                            .iter()
                            .map(|field| Known::new(&*field.code, &*field.name)),
                    );
                }
            }
        }
        if !is_free(code) && !known.iter().any(|field| field.code == code) {
            self.add(&Message::NoSuchField {
                at: at.to_owned(),
                code: code.to_owned(),
                near: near(code, &known),
                fields: known
                    .iter()
                    .map(|field| field.code.clone())
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
    }

    /// A sub-matter, as `department/matter/sub-matter`, that requires a type.
    fn matter(&mut self, at: &str, text: &str) {
        let parts = self.matters.matters.iter().flat_map(|matter| {
            let (department, code) = (&matter.department, &matter.definition.code);
            let parts = matter.definition.sub.iter();
            parts.map(move |part| {
                let name = format!("{} {}", matter.definition.name, part.name);
                Known::new(format!("{department}/{code}/{}", part.code), name)
            })
        });
        let known: Vec<Known> = parts.collect();
        if !known.iter().any(|known| known.code == text) {
            self.add(&Message::NoSuchMatter {
                at: at.to_owned(),
                code: text.to_owned(),
                near: near(text, &known),
            });
        }
    }

    /// All faults found, if any was.
    fn into_result(self) -> Result<(), Error> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Error::listed(
                Message::NamesNothing,
                self.faults,
                Advice::CorrectOrForce,
            )),
        }
    }
}

/// Checks the issuers of a type.
///
/// # Errors
/// [`Error::Listed`] with all that is not there and what may have been meant.
pub(super) fn check_type(client: &Client, request: &TypeRequest) -> Result<(), Error> {
    if request.issuers.is_empty() {
        return Ok(());
    }
    let mut existing = Existing::ask(client)?;
    for code in &request.issuers {
        existing.department("issuers", code);
    }
    existing.into_result()
}

/// Checks the types and fields that a matter requires.
///
/// # Errors
/// As [`check_type`].
pub(super) fn check_matter(client: &Client, request: &MatterRequest) -> Result<(), Error> {
    let mut existing = Existing::ask(client)?;
    for part in &request.sub {
        for (n, requirement) in part.requires.iter().enumerate() {
            let at = format!("sub-matter {}, requirement {}", part.code, n + 1);
            for code in &requirement.types {
                existing.type_code(&at, code);
            }
            for field in &requirement.fields {
                existing.field(&at, field, &requirement.types);
            }
        }
    }
    existing.into_result()
}

/// Checks whom and what a grant is for.
///
/// # Errors
/// As [`check_type`].
pub(super) fn check_grant(client: &Client, request: &GrantRequest) -> Result<(), Error> {
    let mut existing = Existing::ask(client)?;
    if let Some(code) = &request.department {
        existing.department("--to", code);
    }
    existing.type_code("--type", &request.type_code);
    for field in &request.fields {
        existing.field("--field", field, std::slice::from_ref(&request.type_code));
    }
    if !request.matters.is_empty() {
        existing.matters = client.get_list("/v1/matters")?;
    }
    for matter in &request.matters {
        existing.matter("--matter", matter);
    }
    existing.into_result()
}

#[cfg(test)]
mod tests {
    use certmesh_api::{FieldView, MatterSummary, RequirementView, SubMatterView};

    use super::*;

    const TYPE: &str = "11100000000013338W011";

    fn existing() -> Existing {
        let field = |code: &str, name: &str| FieldView {
            code: code.to_owned(),
            name: name.to_owned(),
            ..FieldView::default()
        };
        let kind = |code: &str, fields: Vec<FieldView>| TypeView {
            code: code.to_owned(),
            name: Some("道路运输经营许可证".to_owned()),
            defined_by: Some("11430000006122244L".to_owned()),
            version: Some(1),
            fields,
            issued: BTreeMap::new(),
        };
        let types = [
            kind(
                TYPE,
                vec![field("ZZMC", "证照名称"), field("ZZBH", "证照编号")],
            ),
            kind("11100000000013338W012", vec![]),
        ];
        let matter = MatterSummary {
            department: "11430000006122244L".to_owned(),
            department_name: String::new(),
            version: 1,
            definition: MatterRequest {
                code: "SL-001".to_owned(),
                name: "企业设立登记".to_owned(),
                sub: vec![SubMatterView {
                    code: "01".to_owned(),
                    name: "有限责任公司设立".to_owned(),
                    requires: Vec::<RequirementView>::new(),
                }],
            },
        };
        Existing {
            types: types
                .into_iter()
                .map(|kind| (kind.code.clone(), kind))
                .collect(),
            departments: vec![Known::new("11430000006122244L", "交通运输厅")],
            matters: Matters {
                matters: vec![matter],
                next: None,
            },
            faults: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_what_may_have_been_meant() {
        let mut checked = existing();
        checked.type_code("--type", "11100000000013338W013");
        checked.field("--field", "ZZMD", &[TYPE.to_owned()]);
        checked.field("--field", "XB", &[TYPE.to_owned()]);
        checked.department("--to", "11430000006122245L");
        checked.matter("--matter", "11430000006122244L/SL-001/02");
        let expected = [
            "(11100000000013338W011)",
            "证照名称 (ZZMC)",
            "ZZMC, ZZBH",
            "交通运输厅",
            "/SL-001/01)",
        ];
        assert_eq!(checked.faults.len(), expected.len(), "{:?}", checked.faults);
        for (fault, expected) in checked.faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault}");
        }
        assert!(checked.into_result().is_err());
    }

    #[test]
    fn what_is_there_and_what_any_certificate_may_have_is_not_at_fault() {
        let mut checked = existing();
        checked.type_code("--type", TYPE);
        for field in ["ZZMC", "@", "KZ_DZ"] {
            checked.field("--field", field, &[TYPE.to_owned()]);
        }
        // No standard says what this one has.
        checked.field("--field", "XB", &["11100000000013338W012".to_owned()]);
        checked.department("--to", "11430000006122244L");
        checked.matter("--matter", "11430000006122244L/SL-001/01");
        assert_eq!(checked.faults, Vec::<String>::new());
    }
}
