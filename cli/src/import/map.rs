//! The map: how the columns of a table become the parts of a certificate. All its faults are told at once, with their keys.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value as Toml};

use super::dates::DateFormat;
use super::encoding::Encoding;
use super::value::{Clean, From, Value};
use crate::{Error, files};

const KEYS: [&str; 14] = [
    "encoding",
    "delimiter",
    "sheet",
    "header",
    "serial",
    "version",
    "holder",
    "valid_from",
    "valid_until",
    "sharing",
    "duplicates",
    "duplicates_by",
    "fields",
    "predecessor",
];
const VALUE_KEYS: [&str; 9] = [
    "column", "columns", "join", "value", "clean", "empty", "default", "codes", "date",
];
/// What a day in a table is taken to look like when the map says nothing.
const ISO_DAY: &str = "%Y-%m-%d";

/// How a table becomes certificates.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// The encoding; found out when not known.
    pub(super) encoding: Option<Encoding>,
    /// What stands between cells of delimited text; found out when not known.
    pub(super) delimiter: Option<u8>,
    /// Sheet of a spreadsheet; the first when none is named.
    pub(super) sheet: Option<String>,
    /// The row of the columns' names, from 1.
    pub(super) header: u64,
    /// What to do with rows that are the same.
    pub(super) duplicates: Duplicates,
    /// The parts that make rows the same, by their keys.
    pub(super) duplicates_by: Vec<String>,
    /// The parts of a certificate by their keys: `serial`, `holder.kind`, `fields.ZZMC` …
    pub(super) parts: BTreeMap<String, Value>,
}

/// What to do with rows that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// The first is taken, the others are merged into it.
    First,
    /// The last is taken.
    Last,
    /// None is taken.
    Reject,
}

impl Map {
    /// Reads a map.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotUtf8`], [`Error::Malformed`], and [`Error::Faults`] with every fault.
    pub(super) fn read(path: &Path) -> Result<Map, Error> {
        let text = files::read_text(path)?;
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| Error::malformed(path, "a map", error.to_string()))?;
        Map::of(&table).map_err(|faults| Error::Faults {
            what: "the map cannot be used",
            faults,
        })
    }

    fn of(table: &Table) -> Result<Map, Vec<String>> {
        let mut reader = Reading::default();
        reader.known(table, "", &KEYS);
        let encoding = match reader.text(table, "", "encoding") {
            Some("utf-8") => Some(Encoding::Utf8),
            Some("gb18030" | "gbk" | "gb2312") => Some(Encoding::Gb18030),
            Some("auto") | None => None,
            Some(_) => reader.fault("encoding", "must be auto, utf-8 or gb18030"),
        };
        let delimiter = match reader.text(table, "", "delimiter").map(str::as_bytes) {
            None => None,
            Some(&[byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Some(byte),
            Some(_) => reader.fault("delimiter", "must be one ASCII character, such as \",\""),
        };
        let header = match table.get("header") {
            None => 1,
            Some(Toml::Integer(row)) if (1..=1000).contains(row) => row.unsigned_abs(),
            Some(_) => reader
                .fault(
                    "header",
                    "must be the number of the row with the columns' names, 1 to 1000",
                )
                .unwrap_or(1),
        };
        let duplicates = match reader.text(table, "", "duplicates") {
            None | Some("first") => Duplicates::First,
            Some("last") => Duplicates::Last,
            Some("reject") => Duplicates::Reject,
            Some(_) => reader
                .fault("duplicates", "must be first, last or reject")
                .unwrap_or(Duplicates::First),
        };
        let mut parts = BTreeMap::new();
        for (key, required) in [
            ("serial", true),
            ("version", false),
            ("valid_from", true),
            ("valid_until", false),
            ("sharing", false),
            ("predecessor", false),
        ] {
            match table.get(key) {
                Some(given) => {
                    let is_day = key.starts_with("valid_");
                    reader.part(&mut parts, key, given, if is_day { ISO_DAY } else { "" });
                }
                None if required => {
                    reader.fault::<()>(key, "is required");
                }
                None => {}
            }
        }
        reader.holder(&mut parts, table.get("holder"));
        match table.get("fields") {
            Some(Toml::Table(fields)) => {
                for (name, given) in fields {
                    reader.part(&mut parts, &format!("fields.{name}"), given, "");
                }
            }
            Some(_) => {
                reader.fault::<()>("fields", "must be a table, such as [fields.ZZMC]");
            }
            None => {}
        }
        let duplicates_by = reader.duplicates_by(table, &parts);
        if reader.faults.is_empty() {
            let sheet = reader.text(table, "", "sheet").map(str::to_owned);
            return Ok(Map {
                encoding,
                delimiter,
                sheet,
                header,
                duplicates,
                duplicates_by,
                parts,
            });
        }
        Err(reader.faults)
    }

    /// The columns it takes values from, each once.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for value in self.parts.values() {
            if let From::Columns { names, .. } = &value.from {
                for name in names {
                    if !columns.contains(name) {
                        columns.push(name.clone());
                    }
                }
            }
        }
        columns
    }

    /// Finds the columns among those of the file.
    ///
    /// # Errors
    /// [`Error::Faults`] with each that is not there, or there twice.
    pub(super) fn find_columns(&mut self, found: &[String]) -> Result<(), Error> {
        let mut faults = Vec::new();
        for (key, value) in &mut self.parts {
            let From::Columns { names, places, .. } = &mut value.from else {
                continue;
            };
            places.clear();
            for name in names {
                let mut at = found
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| *column == name);
                match (at.next(), at.next()) {
                    (Some((place, _)), None) => places.push(place),
                    (Some(_), Some(_)) => {
                        faults.push(format!("{key}: the file has two columns `{name}`"));
                    }
                    (None, _) => {
                        let hint = hint(name, found.iter().map(String::as_str));
                        faults.push(format!("{key}: the file has no column `{name}`{hint}"));
                    }
                }
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let names = found.iter().filter(|name| !name.is_empty());
        let names: Vec<&str> = names.take(100).map(String::as_str).collect();
        faults.push(if names.is_empty() {
            "the file has no columns; `header` tells in which row their names are".to_owned()
        } else {
            format!("the file's columns are: {}", names.join(", "))
        });
        Err(Error::Faults {
            what: "the map does not fit the file",
            faults,
        })
    }
}

/// Reads keys and collects what is wrong with them.
#[derive(Default)]
struct Reading {
    faults: Vec<String>,
}

impl Reading {
    fn fault<T>(&mut self, key: &str, detail: &str) -> Option<T> {
        self.faults.push(format!("{key}: {detail}"));
        None
    }

    /// Tells keys that nobody knows.
    fn known(&mut self, table: &Table, at: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = hint(key, known.iter().copied());
            self.fault::<()>(&join(at, key), &format!("is no key here{hint}"));
        }
    }

    fn text<'a>(&mut self, table: &'a Table, at: &str, key: &str) -> Option<&'a str> {
        match table.get(key)? {
            Toml::String(text) => Some(text),
            _ => self.fault(&join(at, key), "must be a text"),
        }
    }

    fn texts(&mut self, table: &Table, at: &str, key: &str) -> Option<Vec<String>> {
        let texts = match table.get(key)? {
            Toml::Array(list) => list
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        texts.or_else(|| self.fault(&join(at, key), "must be a list of texts"))
    }

    /// A part of the certificate; `date` is the spelling of a day when the map gives none.
    fn part(
        &mut self,
        parts: &mut BTreeMap<String, Value>,
        key: &str,
        given: &Toml,
        date: &'static str,
    ) {
        let table = match given {
            Toml::Table(table) => table,
            Toml::String(column) => {
                &Table::from_iter([("column".to_owned(), column.clone().into())])
            }
            _ => {
                self.fault::<()>(
                    key,
                    "must be a column's name or a table, such as { column = \"…\" }",
                );
                return;
            }
        };
        self.known(table, key, &VALUE_KEYS);
        if let Some(value) = self.value(table, key, date) {
            parts.insert(key.to_owned(), value);
        }
    }

    fn value(&mut self, table: &Table, at: &str, date: &'static str) -> Option<Value> {
        let constant = self.text(table, at, "value");
        let column = self.text(table, at, "column");
        let columns = self.texts(table, at, "columns");
        let names = match (constant, column, columns) {
            (Some(text), None, None) => {
                for key in VALUE_KEYS
                    .iter()
                    .filter(|key| **key != "value" && table.contains_key(**key))
                {
                    self.fault::<()>(
                        &join(at, key),
                        "goes with columns, not with a constant `value`",
                    );
                }
                return Some(Value::constant(text.to_owned()));
            }
            (None, Some(column), None) => vec![column.to_owned()],
            (None, None, Some(columns)) if !columns.is_empty() => columns,
            _ => {
                return self.fault(
                    at,
                    "needs exactly one of `column`, `columns` (at least one) and `value`",
                );
            }
        };
        if table.contains_key("join") && !table.contains_key("columns") {
            self.fault::<()>(&join(at, "join"), "goes with `columns`");
        }
        let join_with = self.text(table, at, "join").unwrap_or_default().to_owned();
        let mut clean = vec![Clean::Trim];
        if let Some(rules) = self.texts(table, at, "clean") {
            clean.clear();
            for name in &rules {
                match Clean::ALL.iter().find(|(known, _)| known == name) {
                    Some((_, rule)) => clean.push(*rule),
                    None => {
                        let names = Clean::ALL.map(|(name, _)| name);
                        let detail = format!(
                            "`{name}` is no rule{}; there are {}",
                            hint(name, names),
                            names.join(", ")
                        );
                        self.fault::<()>(&join(at, "clean"), &detail);
                    }
                }
            }
        }
        let codes = match table.get("codes") {
            None => None,
            Some(Toml::Table(codes)) => {
                let pairs = codes
                    .iter()
                    .map(|(from, to)| Some((from.clone(), to.as_str()?.to_owned())));
                match pairs.collect::<Option<BTreeMap<_, _>>>() {
                    Some(codes) if !codes.is_empty() => Some(codes),
                    _ => self.fault(&join(at, "codes"), "must hold texts, at least one"),
                }
            }
            Some(_) => self.fault(
                &join(at, "codes"),
                "must be a table, such as { \"男\" = \"1\" }",
            ),
        };
        let mut dates = Vec::new();
        // Days of spreadsheets are read as ISO 8601 days, whatever they look like there.
        let iso = (!date.is_empty() || table.contains_key("date")).then(|| ISO_DAY.to_owned());
        let given = match table.get("date") {
            Some(Toml::String(one)) => vec![one.clone()],
            _ => self.texts(table, at, "date").unwrap_or_default(),
        };
        for format in given.iter().chain(&iso) {
            match format.parse::<DateFormat>() {
                Ok(format) => dates.push(format),
                Err(detail) => {
                    self.fault::<()>(&join(at, "date"), &detail);
                }
            }
        }
        Some(Value {
            from: From::Columns {
                names,
                join: join_with,
                places: Vec::new(),
            },
            clean,
            empty: self.texts(table, at, "empty").unwrap_or_default(),
            default: self.text(table, at, "default").map(str::to_owned),
            codes,
            dates,
        })
    }

    fn holder(&mut self, parts: &mut BTreeMap<String, Value>, given: Option<&Toml>) {
        let Some(Toml::Table(table)) = given else {
            self.fault::<()>(
                "holder",
                "is required, as { kind = \"111\", column = \"…\" }",
            );
            return;
        };
        match table.get("kind") {
            Some(Toml::String(kind)) => {
                if let Err(error) = kind.parse::<certmesh_ledger::id::HolderKind>() {
                    self.fault::<()>("holder.kind", &error.to_string());
                }
                parts.insert("holder.kind".to_owned(), Value::constant(kind.clone()));
            }
            Some(kind @ Toml::Table(_)) => self.part(parts, "holder.kind", kind, ""),
            _ => {
                self.fault::<()>(
                    "holder.kind",
                    "is required: a kind of holder's code such as \"111\", or a table, such as { column = \"…\", codes = { … } }",
                );
            }
        }
        let mut code = table.clone();
        code.remove("kind");
        self.known(&code, "holder", &[&VALUE_KEYS[..], &["kind"]].concat());
        if let Some(value) = self.value(&code, "holder", "") {
            parts.insert("holder.code".to_owned(), value);
        }
    }

    fn duplicates_by(&mut self, table: &Table, parts: &BTreeMap<String, Value>) -> Vec<String> {
        let Some(given) = self.texts(table, "", "duplicates_by") else {
            return vec!["serial".to_owned(), "version".to_owned()];
        };
        if given.is_empty() {
            self.fault::<()>("duplicates_by", "must name at least one part");
        }
        let mut by = Vec::new();
        for name in given {
            if name == "holder" {
                by.extend(["holder.kind", "holder.code"].map(str::to_owned));
            } else if parts.contains_key(&name) {
                by.push(name);
            } else {
                let hint = hint(&name, parts.keys().map(String::as_str));
                let detail = format!("the map has no `{name}`{hint}");
                self.fault::<()>("duplicates_by", &detail);
            }
        }
        by
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}

/// `; did you mean …?`, or nothing: at most a third of the characters differ.
pub(super) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty())
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map_or_else(String::new, |(_, near)| format!("; did you mean `{near}`?"))
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
