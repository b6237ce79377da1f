//! Reading a map's file: every key checked, and what is wrong collected, so that all faults are reported at once.

use std::collections::BTreeMap;

use certmesh_api::Fault;
use certmesh_ledger::id::HolderKind;
use certmesh_text::nearest;
use toml::{Table, Value as Toml};

use crate::dates::DateFormat;
use crate::encoding::Encoding;
use crate::error::MapFault;
use crate::map::{Condition, Duplicates, HiddenRows, Map};
use crate::value::{Clean, Digits, From, Split, Value};

const KEYS: [&str; 17] = [
    "encoding",
    "delimiter",
    "sheet",
    "header",
    "hidden_rows",
    "rows",
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
    "succession",
];
const VALUE_KEYS: [&str; 12] = [
    "column", "columns", "join", "value", "clean", "split", "part", "exact", "empty", "default",
    "codes", "date",
];
const CONDITION_KEYS: [&str; 6] = ["column", "columns", "join", "clean", "is", "not"];
/// The parts that identify something.
const NUMBERS: [&str; 3] = ["serial", "holder.code", "predecessor"];
/// Kinds of holders whose codes have a check character, which finds digits that are lost.
const CHECKED: [&str; 2] = ["001", "111"];
/// Most rows of a header.
const MAX_HEADER: u64 = 8;
/// What a day in a table is taken to look like when the map says nothing.
const ISO_DAY: &str = "%Y-%m-%d";

/// The map a table of TOML is.
///
/// # Errors
/// Every fault, with its key.
pub(super) fn map_of(table: &Table) -> Result<Map, Vec<Fault<MapFault>>> {
    let mut reader = Reading::default();
    reader.known(table, "", &KEYS);
    let encoding = reader.encoding(table);
    let delimiter = reader.delimiter(table);
    let sheet = reader.text(table, "", "sheet").map(str::to_owned);
    let header = reader.header(table);
    let hidden_rows = reader.hidden_rows(table);
    let rows = reader.rows(table.get("rows"));
    let duplicates = reader.duplicates(table);
    let mut parts = BTreeMap::new();
    for (key, required) in [
        ("serial", true),
        ("version", false),
        ("valid_from", true),
        ("valid_until", false),
        ("sharing", false),
        ("predecessor", false),
        ("succession", false),
    ] {
        match table.get(key) {
            Some(given) => {
                let is_day = key.starts_with("valid_");
                reader.part(&mut parts, key, given, is_day);
            }
            None if required => {
                reader.fault::<()>(key, MapFault::Required);
            }
            None => {}
        }
    }
    reader.holder(&mut parts, table.get("holder"));
    match table.get("fields") {
        Some(Toml::Table(fields)) => {
            for (name, given) in fields {
                reader.part(&mut parts, &format!("fields.{name}"), given, false);
            }
        }
        Some(_) => {
            reader.fault::<()>("fields", MapFault::Fields);
        }
        None => {}
    }
    let duplicates_by = reader.duplicates_by(table, &parts);
    if reader.faults.is_empty() {
        return Ok(Map {
            encoding,
            delimiter,
            sheet,
            header,
            hidden_rows,
            rows,
            duplicates,
            duplicates_by,
            parts,
        });
    }
    Err(reader.faults)
}

/// Reads keys and collects what is wrong with them.
#[derive(Default)]
struct Reading {
    faults: Vec<Fault<MapFault>>,
}

impl Reading {
    fn fault<T>(&mut self, key: &str, kind: MapFault) -> Option<T> {
        self.faults.push(Fault::new(key, kind));
        None
    }

    /// Reports unknown keys.
    fn known(&mut self, table: &Table, at: &str, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = near(key, known.iter().copied());
            self.fault::<()>(&join(at, key), MapFault::UnknownKey { near });
        }
    }

    fn text<'a>(&mut self, table: &'a Table, at: &str, key: &str) -> Option<&'a str> {
        match table.get(key)? {
            Toml::String(text) => Some(text),
            _ => self.fault(&join(at, key), MapFault::NotAText),
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
        texts.or_else(|| self.fault(&join(at, key), MapFault::NotTexts))
    }

    fn encoding(&mut self, table: &Table) -> Option<Encoding> {
        match self.text(table, "", "encoding")? {
            "auto" => None,
            "utf-8" => Some(Encoding::Utf8),
            "gb18030" | "gbk" | "gb2312" => Some(Encoding::Gb18030),
            "utf-16" | "utf-16le" => Some(Encoding::Utf16Le),
            "utf-16be" => Some(Encoding::Utf16Be),
            _ => {
                let expected = &["auto", "utf-8", "gb18030", "utf-16"];
                self.fault("encoding", MapFault::UnknownWord { expected })
            }
        }
    }

    fn delimiter(&mut self, table: &Table) -> Option<u8> {
        match self.text(table, "", "delimiter")?.as_bytes() {
            &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Some(byte),
            _ => self.fault("delimiter", MapFault::Delimiter),
        }
    }

    fn header(&mut self, table: &Table) -> (u64, u64) {
        let row = |row: &Toml| match row {
            Toml::Integer(row) if (1..=1000).contains(row) => Some(row.unsigned_abs()),
            _ => None,
        };
        let rows = match table.get("header") {
            None => Some((1, 1)),
            Some(Toml::Array(rows)) => {
                let rows: Option<Vec<u64>> = rows.iter().map(row).collect();
                rows.and_then(|rows| {
                    let (first, last) = (*rows.first()?, *rows.last()?);
                    let adjoin = rows.windows(2).all(|pair| pair[0] + 1 == pair[1]);
                    (adjoin && rows.len() as u64 <= MAX_HEADER).then_some((first, last))
                })
            }
            Some(one) => row(one).map(|row| (row, row)),
        };
        rows.unwrap_or_else(|| self.fault("header", MapFault::Header).unwrap_or((1, 1)))
    }

    fn hidden_rows(&mut self, table: &Table) -> Option<HiddenRows> {
        match self.text(table, "", "hidden_rows")? {
            "import" => Some(HiddenRows::Import),
            "skip" => Some(HiddenRows::Skip),
            _ => {
                let expected = &["import", "skip"];
                self.fault("hidden_rows", MapFault::UnknownWord { expected })
            }
        }
    }

    /// What holds of the rows that are imported: one condition, or a list.
    fn rows(&mut self, given: Option<&Toml>) -> Vec<Condition> {
        let tables: Option<Vec<&Table>> = match given {
            None => return Vec::new(),
            Some(Toml::Table(one)) => Some(vec![one]),
            Some(Toml::Array(list)) => list.iter().map(Toml::as_table).collect(),
            Some(_) => None,
        };
        let Some(tables) = tables else {
            return self.fault("rows", MapFault::Rows).unwrap_or_default();
        };
        let conditions = tables.into_iter().filter_map(|table| {
            self.known(table, "rows", &CONDITION_KEYS);
            let (is, not) = (
                self.one_or_more(table, "is"),
                self.one_or_more(table, "not"),
            );
            let (texts, not) = match (is, not) {
                (Some(texts), None) => (texts, false),
                (None, Some(texts)) => (texts, true),
                _ => return self.fault("rows", MapFault::Rows),
            };
            let mut source = table.clone();
            source.retain(|key, _| !["is", "not"].contains(&key));
            let value = self.value(&source, "rows", false)?;
            Some(Condition { value, texts, not })
        });
        conditions.collect()
    }

    /// A text or a list of texts under `rows`.
    fn one_or_more(&mut self, table: &Table, key: &str) -> Option<Vec<String>> {
        match table.get(key)? {
            Toml::String(text) => Some(vec![text.clone()]),
            _ => self.texts(table, "rows", key),
        }
    }

    /// What rows that are the same are to be. Who names the parts that make them so expects that the others differ.
    fn duplicates(&mut self, table: &Table) -> Duplicates {
        match self.text(table, "", "duplicates") {
            None if table.contains_key("duplicates_by") => Duplicates::First,
            None | Some("same") => Duplicates::Same,
            Some("first") => Duplicates::First,
            Some("last") => Duplicates::Last,
            Some("reject") => Duplicates::Reject,
            Some(_) => {
                let expected = &["same", "first", "last", "reject"];
                self.fault("duplicates", MapFault::UnknownWord { expected })
                    .unwrap_or(Duplicates::Same)
            }
        }
    }

    /// A part of the certificate; `is_day` where it is one whatever the map says.
    fn part(&mut self, parts: &mut BTreeMap<String, Value>, key: &str, given: &Toml, is_day: bool) {
        let table = match given {
            Toml::Table(table) => table,
            Toml::String(column) => {
                &Table::from_iter([("column".to_owned(), column.clone().into())])
            }
            _ => {
                self.fault::<()>(key, MapFault::SourceForm);
                return;
            }
        };
        self.known(table, key, &VALUE_KEYS);
        if let Some(mut value) = self.value(table, key, is_day) {
            value.digits = digits(key, &value, table);
            parts.insert(key.to_owned(), value);
        }
    }

    fn value(&mut self, table: &Table, at: &str, is_day: bool) -> Option<Value> {
        let constant = self.text(table, at, "value");
        let column = self.text(table, at, "column");
        let columns = self.texts(table, at, "columns");
        let names = match (constant, column, columns) {
            (Some(text), None, None) => {
                for key in VALUE_KEYS
                    .iter()
                    .filter(|key| **key != "value" && table.contains_key(**key))
                {
                    self.fault::<()>(&join(at, key), MapFault::WithConstant);
                }
                return Some(Value::constant(text.to_owned()));
            }
            (None, Some(column), None) => vec![column.to_owned()],
            (None, None, Some(columns)) if !columns.is_empty() => columns,
            _ => return self.fault(at, MapFault::OneSource),
        };
        if table.contains_key("join") && !table.contains_key("columns") {
            self.fault::<()>(&join(at, "join"), MapFault::WithoutColumns);
        }
        let join_with = self.text(table, at, "join").unwrap_or_default().to_owned();
        Some(Value {
            from: From::Columns {
                names,
                join: join_with,
                places: Vec::new(),
            },
            clean: self.clean(table, at),
            split: self.split(table, at),
            digits: match self.flag(table, at, "exact") {
                true => Digits::Exact,
                false => Digits::Any,
            },
            empty: self.texts(table, at, "empty").unwrap_or_default(),
            default: self.text(table, at, "default").map(str::to_owned),
            codes: self.codes(table, at),
            dates: self.dates(table, at, is_day),
        })
    }

    fn flag(&mut self, table: &Table, at: &str, key: &str) -> bool {
        match table.get(key) {
            None => false,
            Some(Toml::Boolean(flag)) => *flag,
            Some(_) => self
                .fault(&join(at, key), MapFault::NotAFlag)
                .unwrap_or_default(),
        }
    }

    fn split(&mut self, table: &Table, at: &str) -> Option<Split> {
        let separators = match table.get("split") {
            Some(Toml::String(one)) => vec![one.clone()],
            Some(_) => self.texts(table, at, "split")?,
            None if table.contains_key("part") => {
                return self.fault(&join(at, "part"), MapFault::WithoutSplit);
            }
            None => return None,
        };
        if separators.is_empty() || separators.iter().any(String::is_empty) {
            return self.fault(&join(at, "split"), MapFault::NoneNamed);
        }
        match table.get("part") {
            Some(Toml::Integer(part @ 1..=2)) => Some(Split {
                separators,
                second: *part == 2,
            }),
            _ => self.fault(&join(at, "part"), MapFault::SplitPart),
        }
    }

    fn clean(&mut self, table: &Table, at: &str) -> Vec<Clean> {
        let Some(rules) = self.texts(table, at, "clean") else {
            return vec![Clean::Trim];
        };
        let mut clean = Vec::new();
        for name in &rules {
            match Clean::ALL.iter().find(|(known, _)| known == name) {
                Some((_, rule)) => clean.push(*rule),
                None => {
                    let rules = Clean::ALL.map(|(name, _)| name);
                    let unknown = MapFault::UnknownRule {
                        name: name.clone(),
                        near: near(name, rules),
                        rules: rules.join(", "),
                    };
                    self.fault::<()>(&join(at, "clean"), unknown);
                }
            }
        }
        clean
    }

    fn codes(&mut self, table: &Table, at: &str) -> Option<BTreeMap<String, String>> {
        let codes = match table.get("codes")? {
            Toml::Table(codes) => codes,
            _ => return self.fault(&join(at, "codes"), MapFault::Codes),
        };
        let pair = |(from, to): (&String, &Toml)| Some((from.clone(), to.as_str()?.to_owned()));
        let pairs = codes.iter().map(pair).collect::<Option<BTreeMap<_, _>>>();
        match pairs {
            Some(codes) if !codes.is_empty() => Some(codes),
            _ => self.fault(&join(at, "codes"), MapFault::NoCodes),
        }
    }

    fn dates(&mut self, table: &Table, at: &str, is_day: bool) -> Vec<DateFormat> {
        // Days of spreadsheets are read as ISO 8601 days, whatever they look like there.
        let iso = (is_day || table.contains_key("date")).then(|| ISO_DAY.to_owned());
        let given = match table.get("date") {
            Some(Toml::String(one)) => vec![one.clone()],
            _ => self.texts(table, at, "date").unwrap_or_default(),
        };
        let mut dates = Vec::new();
        for format in given.iter().chain(&iso) {
            match format.parse::<DateFormat>() {
                Ok(format) => dates.push(format),
                Err(kind) => {
                    self.fault::<()>(&join(at, "date"), kind);
                }
            }
        }
        dates
    }

    fn holder(&mut self, parts: &mut BTreeMap<String, Value>, given: Option<&Toml>) {
        let Some(Toml::Table(table)) = given else {
            self.fault::<()>("holder", MapFault::Holder);
            return;
        };
        match table.get("kind") {
            Some(Toml::String(kind)) => {
                if kind.parse::<HolderKind>().is_err() {
                    let expected = &HolderKind::ALL;
                    self.fault::<()>("holder.kind", MapFault::HolderKind { expected });
                }
                parts.insert("holder.kind".to_owned(), Value::constant(kind.clone()));
            }
            Some(kind @ Toml::Table(_)) => self.part(parts, "holder.kind", kind, false),
            _ => {
                self.fault::<()>("holder.kind", MapFault::HolderKindRequired);
            }
        }
        let mut code = table.clone();
        code.remove("kind");
        self.known(&code, "holder", &[&VALUE_KEYS[..], &["kind"]].concat());
        if let Some(mut value) = self.value(&code, "holder", false) {
            value.digits = digits("holder.code", &value, &code);
            if matches!(table.get("kind"), Some(Toml::String(kind)) if CHECKED.contains(&kind.as_str()))
            {
                value.digits = Digits::Exact;
            }
            parts.insert("holder.code".to_owned(), value);
        }
    }

    fn duplicates_by(&mut self, table: &Table, parts: &BTreeMap<String, Value>) -> Vec<String> {
        let Some(given) = self.texts(table, "", "duplicates_by") else {
            return vec!["serial".to_owned(), "version".to_owned()];
        };
        if given.is_empty() {
            self.fault::<()>("duplicates_by", MapFault::NoneNamed);
        }
        let mut by = Vec::new();
        for name in given {
            if name == "holder" {
                by.extend(["holder.kind", "holder.code"].map(str::to_owned));
            } else if parts.contains_key(&name) {
                by.push(name);
            } else {
                let near = near(&name, parts.keys().map(String::as_str));
                self.fault::<()>("duplicates_by", MapFault::UnknownPart { name, near });
            }
        }
        by
    }
}

/// What the digits of a part may be.
fn digits(key: &str, value: &Value, table: &Table) -> Digits {
    match value.digits {
        Digits::Any if NUMBERS.contains(&key) && !table.contains_key("value") => Digits::Whole,
        _ if !NUMBERS.contains(&key) => Digits::Any,
        digits => digits,
    }
}

fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(str::to_owned)
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}
