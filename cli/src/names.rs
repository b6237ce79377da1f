//! Departments by the names people know them by.

use std::collections::BTreeMap;

use crate::client::{Client, segment};
use crate::screen::printable;
use certmesh_api::{FieldView, LogView, TypeStandard};

/// Names of departments, by code.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The names a node knows. They only make an answer easier to read, so a node that does not give them is not an
    /// error.
    pub(crate) fn ask(client: &Client) -> Self {
        let logs = client
            .get("/v1/logs")
            .and_then(|answer| answer.parse::<Vec<LogView>>());
        Self(
            logs.unwrap_or_default()
                .into_iter()
                .map(|log| (log.department, log.name))
                .collect(),
        )
    }

    /// Names known otherwise.
    pub(crate) fn of(names: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(names.into_iter().collect())
    }

    /// The department's name, else its code.
    pub(crate) fn short(&self, code: &str) -> String {
        match self.0.get(code) {
            Some(name) if !name.is_empty() => printable(name),
            _ => printable(code),
        }
    }

    /// `name (code)`, or the code alone.
    pub(crate) fn full(&self, code: &str) -> String {
        named(code, self.0.get(code).map(String::as_str))
    }
}

/// Names of the fields of types, each type asked for once.
#[derive(Debug, Default)]
pub(crate) struct FieldNames(BTreeMap<String, FieldsOf>);

/// One type's fields, by code.
#[derive(Debug, Default)]
pub(crate) struct FieldsOf(BTreeMap<String, FieldView>);

impl FieldNames {
    /// Those of a type by its newest standard. They only make an answer easier to read, so a node that does not give them
    /// is not an error.
    pub(crate) fn of(&mut self, type_code: &str, client: &Client) -> &FieldsOf {
        self.0.entry(type_code.to_owned()).or_insert_with(|| {
            let standard = client.get(&format!("/v1/types/{}", segment(type_code)));
            let standard = standard.and_then(|answer| answer.parse::<TypeStandard>());
            let fields = standard.map(|standard| standard.definition.fields);
            let fields = fields.unwrap_or_default().into_iter();
            FieldsOf(fields.map(|field| (field.code.clone(), field)).collect())
        })
    }
}

impl FieldsOf {
    /// The field's name, else its code.
    pub(crate) fn name<'n>(&'n self, code: &'n str) -> &'n str {
        let name = self.0.get(code).map(|field| &*field.name);
        name.filter(|name| !name.is_empty()).unwrap_or(code)
    }

    /// The field's value; where it is a code, with what the code stands for.
    pub(crate) fn value(&self, code: &str, value: &str) -> String {
        match self.0.get(code).and_then(|field| field.codes.get(value)) {
            Some(meaning) => format!("{value} {meaning}"),
            None => value.to_owned(),
        }
    }
}

/// `name (code)`, or the code alone.
pub(crate) fn named(code: &str, name: Option<&str>) -> String {
    match name {
        Some(name) if !name.is_empty() && name != code => {
            format!("{} ({})", printable(name), printable(code))
        }
        _ => printable(code),
    }
}
