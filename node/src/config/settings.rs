//! The settings as they were given: the file's table with environment and flags laid over it, and typed getters that note
//! a fault instead of stopping at it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::args::{CONFIG_VARIABLE, NodeArgs};
use super::{Fault, Source};
use certmesh_text::hint;

/// What every environment variable of the node begins with.
const PREFIX: &str = "CERTMESH_NODE_";

/// What a setting's text from the environment becomes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Path,
    Flag,
    Number,
    /// Texts separated by commas.
    List,
    /// A table of lists, or a list of tables; only in the file.
    Table,
}

/// Every setting there is.
pub(super) const KEYS: [(&str, Kind); 33] = [
    ("department", Kind::Text),
    ("data_dir", Kind::Path),
    ("network", Kind::Path),
    ("keys.signing", Kind::Path),
    ("keys.transport", Kind::Path),
    ("keys.sealing", Kind::Path),
    ("keys.field", Kind::Path),
    ("keys.catalogue", Kind::Path),
    ("keys.passphrase_file", Kind::Path),
    ("api.listen", Kind::Text),
    ("api.names", Kind::List),
    ("api.tokens", Kind::Path),
    ("api.tls_certificate", Kind::Path),
    ("api.tls_key", Kind::Path),
    ("api.rate_per_second", Kind::Number),
    ("api.lookups_per_second", Kind::Number),
    ("api.max_body_mib", Kind::Number),
    ("api.timeout_s", Kind::Number),
    ("api.max_uploads_mib", Kind::Number),
    ("api.keep_free_mib", Kind::Number),
    ("net.listen", Kind::List),
    ("net.external", Kind::List),
    ("net.quic", Kind::Flag),
    ("net.retrievals_per_second", Kind::Number),
    ("net.peers", Kind::Table),
    ("log.format", Kind::Text),
    ("log.level", Kind::Text),
    ("freshness.behind_s", Kind::Number),
    ("freshness.silent_s", Kind::Number),
    ("lookups.keep_days", Kind::Number),
    ("disk.reread_days", Kind::Number),
    ("start.trust_own_disk", Kind::Flag),
    ("watch", Kind::Table),
];

fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Settings by the path of their key, and the faults found so far.
pub(super) struct Settings {
    values: BTreeMap<String, (Value, Source)>,
    directory: PathBuf,
    faults: Vec<Fault>,
    /// Keys that were read, so that a fault is reported once.
    broken: BTreeSet<String>,
}

impl Settings {
    /// The file's settings; unknown keys are faults.
    pub(super) fn new(table: Table, directory: PathBuf) -> Self {
        let mut settings = Self {
            values: BTreeMap::new(),
            directory,
            faults: Vec::new(),
            broken: BTreeSet::new(),
        };
        settings.flatten("", table);
        settings
    }

    fn flatten(&mut self, above: &str, table: Table) {
        for (name, value) in table {
            let key = if above.is_empty() {
                name
            } else {
                format!("{above}.{name}")
            };
            let section = format!("{key}.");
            if KEYS.iter().any(|(known, _)| *known == key) {
                self.values.insert(key, (value, Source::File));
            } else if KEYS.iter().any(|(known, _)| known.starts_with(&section)) {
                match value {
                    Value::Table(inner) => self.flatten(&key, inner),
                    _ => self.fault(&key, Source::File, format!("is a section; write [{key}]")),
                }
            } else {
                let sections = ["keys", "api", "net", "log", "freshness", "start"];
                let known = KEYS.iter().map(|(known, _)| *known).chain(sections);
                let detail = format!("there is no such setting{}", hint(&key, known));
                self.fault(&key, Source::File, detail);
            }
        }
    }

    /// Lays the environment over the file.
    pub(super) fn overlay_environment(&mut self, environment: &[(OsString, OsString)]) {
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            if name == CONFIG_VARIABLE {
                continue;
            }
            let source = Source::Environment(name.to_owned());
            let known = KEYS.iter().filter(|(_, kind)| *kind != Kind::Table);
            let Some((key, kind)) = known.clone().find(|(key, _)| variable(key) == name) else {
                let names: Vec<String> = known.map(|(key, _)| variable(key)).collect();
                let detail = format!(
                    "there is no such variable{}",
                    hint(name, names.iter().map(String::as_str))
                );
                self.fault(name, Source::File, detail);
                continue;
            };
            match value.to_str() {
                Some(text) => match typed(*kind, text) {
                    Ok(value) => drop(self.values.insert((*key).to_owned(), (value, source))),
                    Err(detail) => self.fault(key, source, detail.to_owned()),
                },
                None => self.fault(key, source, "isn't UTF-8".to_owned()),
            }
        }
    }

    /// Lays the flags over everything.
    pub(super) fn overlay_flags(&mut self, args: &NodeArgs) {
        let texts = [
            ("department", &args.department),
            ("api.listen", &args.api_listen),
            ("log.format", &args.log_format),
            ("log.level", &args.log_level),
        ];
        for (key, text) in texts {
            self.flag(key, text.clone().map(Value::String));
        }
        let paths = [
            ("data_dir", &args.data_dir),
            ("network", &args.network),
            ("api.tokens", &args.api_tokens),
            ("api.tls_certificate", &args.api_tls_certificate),
            ("api.tls_key", &args.api_tls_key),
        ];
        for (key, path) in paths {
            match path.as_ref().map(|path| path.to_str().ok_or(path)) {
                None => {}
                Some(Ok(path)) => self.flag(key, Some(Value::String(path.to_owned()))),
                Some(Err(_)) => self.fault(key, flag_source(key), "isn't UTF-8".to_owned()),
            }
        }
        let addresses = args
            .net_listen
            .iter()
            .cloned()
            .map(Value::String)
            .collect::<Vec<_>>();
        self.flag(
            "net.listen",
            (!addresses.is_empty()).then_some(Value::Array(addresses)),
        );
        self.flag("net.quic", args.quic.then_some(Value::Boolean(true)));
        self.flag(
            "start.trust_own_disk",
            args.trust_own_disk.then_some(Value::Boolean(true)),
        );
    }

    fn flag(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.values
                .insert(key.to_owned(), (value, flag_source(key)));
        }
    }

    fn fault(&mut self, key: &str, source: Source, detail: String) {
        self.broken.insert(key.to_owned());
        self.faults.push(Fault {
            key: key.to_owned(),
            source,
            detail,
        });
    }

    /// Notes a fault of a setting, wherever its value came from.
    pub(super) fn wrong(&mut self, key: &str, detail: impl Into<String>) {
        let source = self
            .values
            .get(key)
            .map_or(Source::File, |(_, source)| source.clone());
        self.fault(key, source, detail.into());
    }

    fn get<T>(
        &mut self,
        key: &str,
        what: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let (value, _) = self.values.get(key)?;
        let read = read(value);
        if read.is_none() {
            let found = value.type_str();
            self.wrong(key, format!("is {found}, expected {what}"));
        }
        read
    }

    /// A text; `None` when absent or, with its fault noted, of another type.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.get(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, key: &str) -> Option<String> {
        let text = self.text(key);
        if text.is_none() && !self.broken.contains(key) {
            self.wrong(
                key,
                format!("is missing; set it in the file or with {}", variable(key)),
            );
        }
        text
    }

    /// A path that must be there, made relative to where it was written.
    pub(super) fn required_path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.required_text(key)?;
        if text.is_empty() {
            self.wrong(key, "is empty");
            return None;
        }
        Some(self.resolve(key, &text))
    }

    /// A path that may be absent or empty.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key).filter(|text| !text.is_empty())?;
        Some(self.resolve(key, &text))
    }

    fn resolve(&self, key: &str, text: &str) -> PathBuf {
        match self.values.get(key) {
            Some((_, Source::File)) => self.directory.join(text),
            _ => Path::new(text).to_owned(),
        }
    }

    /// Yes or no; no when absent.
    pub(super) fn flag_value(&mut self, key: &str) -> bool {
        self.get(key, "true or false", Value::as_bool)
            .unwrap_or(false)
    }

    /// A whole number in a range; `default` when absent.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(number) = self.get(key, "a whole number", Value::as_integer) else {
            return default;
        };
        match u32::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
        {
            Some(number) => number,
            None => {
                self.wrong(
                    key,
                    format!("is {number}, expected {} to {}", range.start(), range.end()),
                );
                default
            }
        }
    }

    /// A list of texts; `None` when absent.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        self.get(key, "a list of strings", strings)
    }

    /// A table of lists of texts; empty when absent.
    pub(super) fn table(&mut self, key: &str) -> Vec<(String, Vec<String>)> {
        let Some(table) = self.get(key, "a table", |value| value.as_table().cloned()) else {
            return Vec::new();
        };
        let mut lists = Vec::new();
        for (name, value) in table {
            match strings(&value) {
                Some(list) => lists.push((name, list)),
                None => self.wrong(&format!("{key}.{name}"), "expected a list of strings"),
            }
        }
        lists
    }

    /// A list of tables; empty when absent.
    pub(super) fn tables(&mut self, key: &str) -> Vec<Table> {
        let what = format!("a list of tables: write [[{key}]]");
        let tables = |value: &Value| -> Option<Vec<Table>> {
            let list = value.as_array()?.iter();
            list.map(|table| table.as_table().cloned()).collect()
        };
        self.get(key, &what, tables).unwrap_or_default()
    }

    /// A path of the file's, relative to where the file is.
    pub(super) fn beside_file(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }

    /// Whether nothing was wrong so far.
    pub(super) fn sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults, in the order of the keys.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        let place = |key: &str| {
            KEYS.iter()
                .position(|(known, _)| key.starts_with(known))
                .unwrap_or(KEYS.len())
        };
        self.faults.sort_by_key(|fault| place(&fault.key));
        self.faults
    }
}

fn flag_source(key: &str) -> Source {
    let name = match key {
        "net.quic" => "quic".to_owned(),
        "start.trust_own_disk" => "trust-own-disk".to_owned(),
        _ => key.replace(['.', '_'], "-"),
    };
    Source::Flag(format!("--{name}"))
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn typed(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Flag => match text {
            "true" | "1" | "yes" => Ok(Value::Boolean(true)),
            "false" | "0" | "no" | "" => Ok(Value::Boolean(false)),
            _ => Err("expected true or false"),
        },
        Kind::Number => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| "expected a whole number"),
        Kind::List => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Ok(Value::Array(
                items.map(|item| Value::String(item.to_owned())).collect(),
            ))
        }
        Kind::Text | Kind::Path | Kind::Table => Ok(Value::String(text.to_owned())),
    }
}
