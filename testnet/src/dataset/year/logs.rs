//! The data set in the logs of its departments, and who holds what of it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use certmesh_api::IssueRequest;
use certmesh_api::draft::Draft;
use certmesh_api::faults::FaultList;
use certmesh_ledger::catalogue::{Batch, Catalogue, FreshnessLimits, Proposed, Standard};
use certmesh_ledger::crypto::keys::CatalogueKey;
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind, TypeCode};
use certmesh_ledger::log::Log;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::record::{CertificateIssued, Entry, SubjectTag, TypeDefined};

use super::reading::DataSet;
use crate::Error;
use crate::fill::{BATCH, Filler, broken, catalogue_key, place};
use crate::network::{Member, Network, Randomness};
use crate::screen::Screen;

/// Who a matter is for, or who holds a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Person,
    Organisation,
}

impl Side {
    /// The side a holder's kind is on.
    pub(super) fn of(kind: HolderKind) -> Side {
        match kind {
            HolderKind::CreditCode | HolderKind::OtherOrganisation => Side::Organisation,
            _ => Side::Person,
        }
    }
}

/// Who holds certificates of what.
#[derive(Default)]
pub(super) struct Holders {
    subjects: Vec<SubjectTag>,
    places: HashMap<SubjectTag, u32>,
    /// Places of the holders, one for each certificate.
    by_type: BTreeMap<(Side, TypeCode), Vec<u32>>,
    /// How many certificates there are.
    pub(super) certificates: u64,
    /// The latest first day of any.
    pub(super) last_day: Option<Date>,
}

impl Holders {
    /// Notes a certificate.
    pub(super) fn add(&mut self, issued: &CertificateIssued) {
        let next = self.subjects.len() as u32;
        let place = *self.places.entry(issued.subject).or_insert(next);
        if place == next {
            self.subjects.push(issued.subject);
        }
        let key = (Side::of(issued.holder_kind), issued.id.type_code());
        self.by_type.entry(key).or_default().push(place);
        self.certificates += 1;
        self.last_day = self.last_day.max(Some(issued.validity.from()));
    }

    /// Whether a subject holds any.
    pub(super) fn has(&self, subject: &SubjectTag) -> bool {
        self.places.contains_key(subject)
    }

    /// How many certificates of these types this side holds; of all types when none are named.
    pub(super) fn count(&self, side: Side, types: Option<&[TypeCode]>) -> u64 {
        self.of(side, types).map(|held| held.len() as u64).sum()
    }

    /// The holder of one of them.
    pub(super) fn nth(
        &self,
        side: Side,
        types: Option<&[TypeCode]>,
        nth: u64,
    ) -> Option<SubjectTag> {
        let mut left = nth as usize;
        for held in self.of(side, types) {
            match held.get(left) {
                Some(place) => return Some(self.subjects[*place as usize]),
                None => left -= held.len(),
            }
        }
        None
    }

    fn of<'a>(
        &'a self,
        side: Side,
        types: Option<&'a [TypeCode]>,
    ) -> impl Iterator<Item = &'a Vec<u32>> {
        let wanted = move |code: &TypeCode| types.is_none_or(|types| types.contains(code));
        let of_side = self.by_type.iter();
        of_side
            .filter(move |((of, code), _)| *of == side && wanted(code))
            .map(|(_, held)| held)
    }
}

/// The logs of all departments, opened as a peer opens them.
pub(super) struct Logs {
    pub(super) catalogue: Catalogue,
    pub(super) holders: Holders,
    /// Makes subjects' tags.
    pub(super) key: CatalogueKey,
}

/// Makes a network of the data set's departments in a directory, writes each department's definitions and certificates
/// into its log, signed with its key, and opens the logs again, which checks every byte of them.
pub(super) fn write(set: &DataSet, dir: &Path, seed: u64, screen: &Screen) -> Result<Logs, Error> {
    let network = Network::of(dir, &set.departments, Randomness::Seed(seed))?;
    let first = &network.members()[0];
    let mut holders = Holders::default();
    fill(set, &network, first, screen, |_, issued| {
        holders.add(issued);
    })?;
    Ok(Logs {
        catalogue: open(&network, first)?,
        holders,
        key: catalogue_key(first)?,
    })
}

/// All logs in one member's directory, as a peer that has replicated every log keeps them.
fn open(network: &Network, host: &Member) -> Result<Catalogue, Error> {
    let members = Membership::from_genesis(network.genesis());
    let opened = Catalogue::open(place(host)?, members, host.code());
    let mut catalogue = opened.map_err(|error| broken(&error))?.catalogue;
    // Nobody adds to them, and there is nobody to ask.
    catalogue.limit_age(FreshnessLimits::NONE);
    catalogue.set_own_log_whole(true);
    Ok(catalogue)
}

/// Writes each department's definitions and certificates into its log, signed with its key, all in one member's directory;
/// `each` is given every row with the certificate that was made of it.
pub(in crate::dataset) fn fill(
    set: &DataSet,
    network: &Network,
    host: &Member,
    screen: &Screen,
    mut each: impl FnMut(&IssueRequest, &CertificateIssued),
) -> Result<(), Error> {
    let catalogue = open(network, host)?;
    let mut desks = Vec::with_capacity(set.departments.len());
    for member in network.members() {
        desks.push(Desk::new(&catalogue, member)?);
    }
    for (place, definition) in &set.types {
        let (path, code) = (place.as_path(), definition.code.authority());
        let desk = desks.iter_mut().find(|desk| desk.department == code);
        let desk = desk.ok_or_else(|| {
            Error::malformed(
                path,
                &format!("its authority {code} is not in departments.toml"),
            )
        })?;
        let taken = desk.add(Entry::from(definition.clone()));
        taken.map_err(|detail| Error::malformed(path, &detail))?;
    }
    for (department, matter) in &set.matters {
        for desk in desks
            .iter_mut()
            .filter(|desk| desk.department == *department)
        {
            let taken = desk.add(Entry::MatterDefined(matter.clone()));
            taken.map_err(Error::Broken)?;
        }
    }
    desks.iter_mut().try_for_each(|desk| desk.flush(1))?;
    let standards = standards(set)?;
    let bar = screen.progress(set.count()?, "certificates");
    for desk in &mut desks {
        let department = desk.department;
        set.certificates(&department, |row| {
            each(&row, &desk.take(row.clone(), &standards)?);
            bar.inc(1);
            desk.flush(BATCH).map_err(|error| error.to_string())
        })?;
        desk.flush(1)?;
    }
    bar.finish_and_clear();
    // Only a department's own log has a journal at its node, and these are of many.
    for log in catalogue.logs() {
        log.clear_redo().map_err(|error| broken(&error))?;
    }
    // As a node that ran and stopped.
    for log in catalogue.logs() {
        log.maintain().map_err(|error| broken(&error))?;
    }
    if let Some((_, error)) = catalogue.save_snapshots().into_iter().next() {
        return Err(broken(&error));
    }
    let journals = host.data().join("redo");
    match fs::remove_dir_all(&journals) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(&journals)(error)),
        _ => Ok(()),
    }
}

fn standards(set: &DataSet) -> Result<HashMap<TypeCode, Standard>, Error> {
    let compiled = |(path, definition): &(PathBuf, TypeDefined)| {
        let standard = Standard::new(Arc::new(definition.clone()));
        let standard = standard
            .map_err(|_| Error::malformed(path, &"no certificate can be held against it"))?;
        Ok((definition.code, standard))
    };
    set.types.iter().map(compiled).collect()
}

/// Where a department's records are checked, as its node would check them, and wait to be written.
struct Desk<'c> {
    department: DepartmentCode,
    catalogue: &'c Catalogue,
    log: Arc<Log>,
    filler: Filler,
    batch: Batch<'c>,
    entries: Vec<Entry>,
}

impl<'c> Desk<'c> {
    fn new(catalogue: &'c Catalogue, member: &Member) -> Result<Desk<'c>, Error> {
        let log = catalogue.log_of(&member.code());
        let log = log.ok_or_else(|| broken(&"a member has no log"))?;
        Ok(Desk {
            department: member.code(),
            catalogue,
            filler: Filler::new(Arc::clone(&log), member)?,
            batch: Batch::new(catalogue, &log),
            log,
            entries: Vec::new(),
        })
    }

    fn add(&mut self, entry: Entry) -> Result<(), String> {
        self.batch.check(&entry).map_err(|not| not.to_string())?;
        self.entries.push(entry);
        Ok(())
    }

    /// Adds the certificate of a row, held against its type's standard.
    fn take(
        &mut self,
        row: IssueRequest,
        standards: &HashMap<TypeCode, Standard>,
    ) -> Result<CertificateIssued, String> {
        let draft = Draft::check(row, &self.department).map_err(|refusal| told_of(&refusal))?;
        let code = draft.id.type_code();
        let standard = standards.get(&code);
        let standard = standard.ok_or_else(|| format!("type {code} is not among the types"))?;
        let departures = standard.departures(&Proposed {
            department: self.department,
            holder_kind: draft.holder_kind,
            validity: draft.validity,
            fields: &draft.fields,
        });
        if let Some(departure) = departures.first() {
            return Err(format!("{}: {}", departure.place, departure.what));
        }
        let sharing = draft.sharing.unwrap_or(standard.definition().sharing);
        let latest = self.catalogue.type_definition(&code);
        let latest = latest.map_err(|error| error.to_string())?;
        let latest = latest.ok_or_else(|| format!("type {code} is not defined"))?;
        let definition = (latest.named, latest.definition);
        let issued = self.filler.issued(&draft, sharing, &definition);
        self.add(Entry::CertificateIssued(issued.clone()))?;
        Ok(issued)
    }

    /// Writes what waits, if it is so much at least.
    fn flush(&mut self, least: usize) -> Result<(), Error> {
        if self.entries.len() >= least {
            self.filler.append(std::mem::take(&mut self.entries))?;
            self.batch = Batch::new(self.catalogue, &self.log);
        }
        Ok(())
    }
}

/// A refusal with each field at fault.
fn told_of(faults: &FaultList) -> String {
    let each = faults.iter().map(certmesh_text::at_field);
    each.collect::<Vec<_>>().join("; ")
}
