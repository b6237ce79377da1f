//! From a row to a request, checked by all that can be known without issuing it: the map's rules, the API's, and the
//! type's standard, so that every fault of a row is reported at once.
//!
//! No fault holds a value: it names the columns at fault and says what is wrong with them. `Found::refused` replaces the
//! API's faults that would: a new one that shows a value needs its line there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_api::draft::Draft;
use certmesh_api::faults::FaultList;
use certmesh_api::{Coded, Fault, FaultKind, Holder, IssueRequest, Word};
use certmesh_ledger::catalogue::{self, Proposed, Standard};
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind, has_known_region, is_born_after};
use certmesh_ledger::record::{TypeDefined, Validity};
use certmesh_text::nearest;

use crate::error::{Error, MapFault, MapUse};
use crate::map::Map;
use crate::row::Cells;
use crate::value::{Digits, Value};

/// What the summary counts a row under that has this fault: what is wrong, and with which columns.
pub(crate) fn counted_under(fault: &Fault) -> String {
    let code = fault.kind.code();
    match &*fault.at {
        "" => code.to_owned(),
        at => format!("{code}: {at}"),
    }
}

/// A row without a fault as far as can be seen before its department's log is consulted.
pub struct Request {
    /// What it asks for.
    pub request: IssueRequest,
    /// The same, checked.
    pub draft: Draft,
    /// Whether the holder's identity number begins with the code of no province.
    pub unknown_region: bool,
}

/// Makes requests of rows, for one type of certificate.
pub struct Checker {
    type_code: String,
    own: DepartmentCode,
    standard: Standard,
    /// The day in China when it was made.
    today: Date,
}

/// The parts of a row by their keys in the map, each as it is after cleaning.
pub(super) type Parts<'m> = BTreeMap<&'m str, Option<String>>;

impl Checker {
    /// A checker of rows that become certificates of `own` in the type's standard.
    ///
    /// # Errors
    /// What is wrong with the standard.
    pub fn new(own: DepartmentCode, definition: Arc<TypeDefined>) -> Result<Checker, FaultList> {
        let type_code = definition.code.to_string();
        let standard = Standard::new(definition).map_err(|departures| {
            let faults = departures.into_iter();
            let faults = faults.map(|departure| Fault::new(departure.place, departure.what));
            faults.collect::<FaultList>()
        })?;
        Ok(Checker {
            type_code,
            own,
            standard,
            today: today(),
        })
    }

    /// Whether rows of this map can meet the standard at all.
    ///
    /// # Errors
    /// [`Error::Map`].
    pub(super) fn fits(&self, map: &Map) -> Result<(), Error> {
        let definition = self.standard.definition();
        let mut faults = Vec::new();
        if !definition.issuers.is_empty() && !definition.issuers.contains(&self.own) {
            faults.push(Fault::new("", MapFault::Issuer));
        }
        let has = |code: &str| map.parts.contains_key(&format!("fields.{code}"));
        for field in definition.fields.iter() {
            if field.required && !has(field.code.as_str()) {
                let name = field.name.to_string();
                let key = format!("fields.{}", field.code);
                faults.push(Fault::new(key, MapFault::Missing { name }));
            }
        }
        let codes = || definition.fields.iter().map(|field| field.code.as_str());
        let names = map
            .parts
            .keys()
            .filter_map(|key| key.strip_prefix("fields."));
        for name in names.filter(|name| !name.starts_with("KZ_") && !definition.fields.is_empty()) {
            if !codes().any(|code| code == name) {
                let near = nearest(name, codes()).map(str::to_owned);
                let key = format!("fields.{name}");
                faults.push(Fault::new(key, MapFault::UnknownField { near }));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let what = MapUse::Standard;
        Err(Error::Map { what, faults })
    }

    /// The request a row asks for, and its parts.
    ///
    /// # Errors
    /// Every fault.
    pub(super) fn request<'m>(
        &self,
        map: &'m Map,
        cells: &Cells,
    ) -> Result<(Request, Parts<'m>), Vec<Fault>> {
        let mut found = Found {
            map,
            at_fault: Vec::new(),
            faults: Vec::new(),
        };
        let parts = found.parts(cells);
        let part = |key: &str| parts.get(key).cloned().flatten();
        let version = part("version").and_then(|version| {
            let number = version.parse().ok().filter(|n| (1..=999).contains(n));
            if number.is_none() {
                let (least, most) = (1, 999);
                found.add("version", FaultKind::OutOfRange { least, most });
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
        match Draft::check(request.clone(), &self.own) {
            Ok(draft) => {
                let (kind, code) = (draft.holder_kind, draft.holder_code.expose());
                // The peer holds it against the record's time; here before anything is sent.
                if is_born_after(kind, code, self.today) {
                    found.add("holder.code", FaultKind::BornLater);
                }
                let unknown_region = kind == HolderKind::IdentityCard && !has_known_region(code);
                if found.faults.is_empty() {
                    let request = Request {
                        request,
                        draft,
                        unknown_region,
                    };
                    return Ok((request, parts));
                }
            }
            Err(faults) => faults.into_iter().for_each(|fault| found.refused(fault)),
        }
        Err(found.faults)
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
            let kind = match departure.what {
                catalogue::Fault::HolderKind(_) if !sound.0 => continue,
                catalogue::Fault::LongTerm | catalogue::Fault::TooLong(_) if !sound.1 => continue,
                // The day would be one of the row's.
                catalogue::Fault::TooLong(_) => FaultKind::EndsTooLate { last: None },
                what => what.into(),
            };
            found.add(&departure.place, kind);
        }
    }
}

fn today() -> Date {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = since_1970.map_or(0, |since| since.as_millis());
    Date::in_china(u64::try_from(now_ms).unwrap_or(u64::MAX))
}

/// What is found wrong with a row.
struct Found<'m> {
    map: &'m Map,
    /// Keys with a reported fault.
    at_fault: Vec<String>,
    faults: Vec<Fault>,
}

impl<'m> Found<'m> {
    fn label(&self, key: &str) -> String {
        match self.map.parts.get(key) {
            Some(value) => value.label(key),
            None => key.to_owned(),
        }
    }

    /// Once for each key: what follows from a fault is not reported.
    fn add(&mut self, key: &str, kind: FaultKind) {
        let reported = |at: &String| at == key || (key == "holder" && at.starts_with("holder."));
        if !self.at_fault.iter().any(reported) {
            self.faults.push(Fault::new(self.label(key), kind));
            self.at_fault.push(key.to_owned());
        }
    }

    /// A fault that the API's rules find, without the values that it may show there.
    fn refused(&mut self, Fault { at, kind }: Fault) {
        match (&*at, kind) {
            ("serial", kind @ FaultKind::HoldsHolderCode) => self.add("serial", kind),
            ("serial", _) => self.add("serial", FaultKind::Serial),
            ("predecessor", kind @ FaultKind::ReplacesItself) => self.add("predecessor", kind),
            ("predecessor", kind) => self.add(
                "predecessor",
                match kind {
                    FaultKind::MergeOfOne => FaultKind::MergeInTable,
                    FaultKind::OtherType { .. } => FaultKind::PredecessorType,
                    _ => FaultKind::Predecessor,
                },
            ),
            ("predecessors", _) => self.add("predecessor", FaultKind::Empty),
            ("version", FaultKind::NotNextVersion { .. }) => {
                self.add("version", FaultKind::PredecessorVersion);
            }
            ("valid_until", FaultKind::DatesOutOfOrder { .. }) => {
                let from = self.label("valid_from");
                self.add("valid_until", FaultKind::EndsBefore { from });
            }
            (key, FaultKind::Required) => self.add(key, FaultKind::Empty),
            (key, kind) => self.add(key, kind),
        }
    }

    /// Whether a part is a holder's code of a kind whose check character finds digits that are lost.
    fn has_check_character(&self, key: &str, cells: &Cells) -> bool {
        let kind = self.map.parts.get("holder.kind");
        let kind = kind.and_then(|kind| kind.read(cells).ok().flatten());
        key == "holder.code" && matches!(kind.as_deref(), Some("001" | "111"))
    }

    fn parts(&mut self, cells: &Cells) -> Parts<'m> {
        let mut parts = Parts::new();
        for (key, value) in &self.map.parts {
            let mut read = value.read(cells);
            if read == Err(FaultKind::DigitsLost) && self.has_check_character(key, cells) {
                let exact = Value {
                    digits: Digits::Exact,
                    ..value.clone()
                };
                read = exact.read(cells);
            }
            match read {
                Ok(Some(text)) => {
                    parts.insert(key, Some(text));
                }
                Ok(None) => {
                    if matches!(
                        key.as_str(),
                        "serial" | "holder.kind" | "holder.code" | "valid_from"
                    ) {
                        self.add(key, FaultKind::Empty);
                    }
                    parts.insert(key, None);
                }
                Err(kind) => self.add(key, kind),
            }
        }
        parts
    }
}
