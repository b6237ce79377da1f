//! From a row to a request, checked by all that can be known without issuing it: the map's rules, the API's, and the
//! type's standard, so that every fault of a row is reported at once.
//!
//! No reason holds a value: it names the columns at fault and says what is wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use certmesh_api::draft::Draft;
use certmesh_api::faults::Unfit;
use certmesh_api::{Holder, IssueRequest, Word};
use certmesh_ledger::catalogue::{Departure, Fault, Proposed, Standard};
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind};
use certmesh_ledger::record::{Misfit, SuccessionError, TypeDefined, Validity};

use certmesh_text::hint;

use crate::error::Error;
use crate::map::Map;
use crate::row::{Cells, Unreadable};
use crate::value::Unusable;

/// Why a row is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What the summary counts it under: what is wrong, and with which columns.
    pub name: String,
    /// What to report.
    pub text: String,
}

impl Reason {
    fn of(label: &str, name: &str, text: &str) -> Reason {
        Reason {
            name: format!("{name}: {label}"),
            text: format!("`{label}` {text}"),
        }
    }

    /// The reason of a row that could not be read.
    pub(super) fn unreadable(trouble: Unreadable) -> Reason {
        Reason {
            name: trouble.name().to_owned(),
            text: trouble.reason(),
        }
    }
}

/// A row without a fault as far as can be seen before its department's log is consulted.
pub struct Request {
    /// What it asks for.
    pub request: IssueRequest,
    /// The same, checked.
    pub draft: Draft,
}

/// Makes requests of rows, for one type of certificate.
pub struct Checker {
    type_code: String,
    own: DepartmentCode,
    standard: Standard,
}

/// The parts of a row by their keys in the map, each as it is after cleaning.
pub(super) type Parts<'m> = BTreeMap<&'m str, Option<String>>;

impl Checker {
    /// A checker of rows that become certificates of `own` in the type's standard.
    ///
    /// # Errors
    /// What is wrong with the standard.
    pub fn new(own: DepartmentCode, definition: Arc<TypeDefined>) -> Result<Checker, String> {
        let type_code = definition.code.to_string();
        let standard = Standard::new(definition).map_err(|departures| {
            let described = |d: &Departure| format!("{}: {}", d.place, d.what);
            departures
                .iter()
                .map(described)
                .collect::<Vec<_>>()
                .join("; ")
        })?;
        Ok(Checker {
            type_code,
            own,
            standard,
        })
    }

    /// Whether rows of this map can meet the standard at all.
    ///
    /// # Errors
    /// [`Error::Faults`].
    pub(super) fn fits(&self, map: &Map) -> Result<(), Error> {
        let definition = self.standard.definition();
        let mut faults = Vec::new();
        if !definition.issuers.is_empty() && !definition.issuers.contains(&self.own) {
            faults.push(format!("the type: {}", Fault::Issuer));
        }
        let has = |code: &str| map.parts.contains_key(&format!("fields.{code}"));
        for field in definition.fields.iter() {
            if field.required && !has(field.code.as_str()) {
                let (code, name) = (&field.code, &field.name);
                faults.push(format!(
                    "fields.{code}: the type's standard requires it ({name})"
                ));
            }
        }
        let codes = || definition.fields.iter().map(|field| field.code.as_str());
        let names = map
            .parts
            .keys()
            .filter_map(|key| key.strip_prefix("fields."));
        for name in names.filter(|name| !name.starts_with("KZ_") && !definition.fields.is_empty()) {
            if !codes().any(|code| code == name) {
                let hint = hint(name, codes());
                faults.push(format!("fields.{name}: {}{hint}", Fault::Unknown));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Faults {
            what: "the map does not fit the type's standard",
            faults,
        })
    }

    /// The request a row asks for, and its parts.
    ///
    /// # Errors
    /// Every reason against it.
    pub(super) fn request<'m>(
        &self,
        map: &'m Map,
        cells: &Cells,
    ) -> Result<(Request, Parts<'m>), Vec<Reason>> {
        let mut found = Found {
            map,
            at_fault: Vec::new(),
            reasons: Vec::new(),
        };
        let parts = found.parts(cells);
        let part = |key: &str| parts.get(key).cloned().flatten();
        let version = part("version").and_then(|version| {
            let number = version.parse().ok().filter(|n| (1..=999).contains(n));
            if number.is_none() {
                found.add("version", "invalid", "must be 1 to 999");
            }
            number
        });
        let fields = parts.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix("fields.")?;
            Some((name.to_owned(), value.clone()?))
        });
        let request = IssueRequest {
            id: None,
            type_code: Some(self.type_code.clone()),
            serial: part("serial"),
            version,
            holder: part("holder.kind")
                .zip(part("holder.code"))
                .map(|(kind, code)| Holder {
                    kind: Word::read(&kind),
                    code,
                }),
            valid_from: part("valid_from"),
            valid_until: part("valid_until"),
            sharing: part("sharing").as_deref().map(Word::read),
            fields: fields.collect(),
            succession: part("succession").as_deref().map(Word::read),
            predecessors: Vec::new(),
            attachments: BTreeMap::new(),
            predecessor: part("predecessor"),
        };
        self.departures(&request, &mut found);
        // The API's own rules: the faults that were not reported already.
        let refusal = match Draft::check(request.clone(), &self.own) {
            Ok(draft) if found.reasons.is_empty() => {
                return Ok((Request { request, draft }, parts));
            }
            Ok(_) => return Err(found.reasons),
            Err(refusal) => refusal,
        };
        match refusal {
            Unfit::Fields(faults) => {
                for fault in faults {
                    found.refused(&fault.field, &fault.detail);
                }
            }
            Unfit::DatesOutOfOrder { .. } => {
                let from = found.label("valid_from");
                let text = format!("is before `{from}`");
                found.add("valid_until", "dates-out-of-order", &text);
            }
        }
        Err(found.reasons)
    }

    fn departures(&self, request: &IssueRequest, found: &mut Found<'_>) {
        let kind = request
            .holder
            .as_ref()
            .and_then(|holder| holder.kind.known())
            .map(HolderKind::from);
        let from = request
            .valid_from
            .as_deref()
            .and_then(|day| day.parse().ok());
        let until: Option<Date> = request
            .valid_until
            .as_deref()
            .and_then(|day| day.parse().ok());
        // Where a part is wrong itself, any value stands in for it, and what is said about that is left out.
        let validity = from.and_then(|from| Validity::new(from, until).ok());
        let sound = (kind.is_some(), validity.is_some());
        let Some(any) = validity.or_else(|| Validity::new(Date::MIN, None).ok()) else {
            return;
        };
        let proposed = Proposed {
            department: self.own,
            holder_kind: kind.unwrap_or(HolderKind::Other),
            validity: any,
            fields: &request.fields,
        };
        for departure in self.standard.departures(&proposed) {
            let (name, text) = match departure.what {
                Fault::HolderKind(_) if !sound.0 => continue,
                Fault::LongTerm | Fault::TooLong(_) if !sound.1 => continue,
                // The day would be one of the row's.
                Fault::TooLong(_) => (
                    "too-long",
                    "ends later than the type's standard allows".to_owned(),
                ),
                what => {
                    let name = match what {
                        Fault::Issuer => "issuer",
                        Fault::HolderKind(_) => "holder-kind",
                        Fault::LongTerm => "too-long",
                        Fault::Missing(_) | Fault::Empty => "empty",
                        Fault::Unknown => "unknown-field",
                        Fault::Length { .. } => "length",
                        Fault::Pattern(_) => "pattern",
                        Fault::Integer | Fault::Decimal => "not-a-number",
                        Fault::Date => "not-a-day",
                        Fault::Code(_) => "not-in-code-list",
                        _ => "standard",
                    };
                    (name, what.to_string())
                }
            };
            found.add(&departure.place, name, &text);
        }
    }
}

/// What is wrong with the certificate that a row replaces, without naming it.
fn predecessor(detail: &str) -> &'static str {
    if detail == Misfit::Itself.to_string() {
        "is the certificate itself"
    } else if detail == SuccessionError::OneMerged.to_string() {
        "is only one; a merge replaces two or more, which a table can't name"
    } else if detail.contains("keeps the type") {
        "is of another type; a renewal or an amendment keeps it"
    } else {
        "is not a certificate identifier"
    }
}

/// What is found wrong with a row.
struct Found<'m> {
    map: &'m Map,
    /// Keys with a reported fault.
    at_fault: Vec<String>,
    reasons: Vec<Reason>,
}

impl<'m> Found<'m> {
    fn label(&self, key: &str) -> String {
        match self.map.parts.get(key) {
            Some(value) => value.label(key),
            None => key.to_owned(),
        }
    }

    /// Once for each key: what follows from a fault is not reported.
    fn add(&mut self, key: &str, name: &str, text: &str) {
        let reported = |at: &String| at == key || (key == "holder" && at.starts_with("holder."));
        if !self.at_fault.iter().any(reported) {
            self.reasons.push(Reason::of(&self.label(key), name, text));
            self.at_fault.push(key.to_owned());
        }
    }

    /// A fault that the API's rules find, in words without values.
    fn refused(&mut self, key: &str, detail: &str) {
        match key {
            "serial" if !detail.starts_with("holds the holder's code") => self.add(
                key,
                "invalid",
                "is not a serial number of 1 to 40 of 0-9 A-Z; see the rules of `clean`",
            ),
            "holder.code" => self.add(key, "holder-code", &format!("is no such code: {detail}")),
            "predecessor" => self.add(key, "invalid", predecessor(detail)),
            "predecessors" => self.add("predecessor", "empty", "is empty"),
            "version" if detail.contains("does not follow") => self.add(
                key,
                "invalid",
                "is not the one after the predecessor's, and the serial number is the same",
            ),
            "succession" => self.add(
                key,
                "invalid",
                "is not renewal, amendment, merge, split or transfer",
            ),
            "sharing" => self.add(
                key,
                "invalid",
                "is not unconditional, conditional or not-shared",
            ),
            _ if detail == "is required" => self.add(key, "empty", "is empty"),
            _ => self.add(key, "invalid", detail),
        }
    }

    fn parts(&mut self, cells: &Cells) -> Parts<'m> {
        let mut parts = Parts::new();
        for (key, value) in &self.map.parts {
            match value.read(cells) {
                Ok(Some(text)) => {
                    parts.insert(key, Some(text));
                }
                Ok(None) => {
                    if matches!(
                        key.as_str(),
                        "serial" | "holder.kind" | "holder.code" | "valid_from"
                    ) {
                        self.add(key, "empty", "is empty");
                    }
                    parts.insert(key, None);
                }
                Err(why) => {
                    let (name, text) = match why {
                        Unusable::Cell(why) => ("unusable-cell", why),
                        Unusable::Encoding => (
                            "encoding",
                            "holds bytes that are not valid in the file's encoding",
                        ),
                        Unusable::NotListed => (
                            "not-in-codes",
                            "has a value that `codes` of the map does not list",
                        ),
                        Unusable::NotADay => (
                            "not-a-day",
                            "is not a valid day in any of the map's spellings",
                        ),
                    };
                    self.add(key, name, text);
                }
            }
        }
        parts
    }
}
