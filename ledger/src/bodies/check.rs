//! Opens every body a department keeps and compares it with what the records commit to. Nothing is changed, and no node
//! need have run here: a copy of the files will do.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::attachments;
use super::compare::{Asked, BODIES, CUT_OFF, Compare, DAMAGED, Found, KEYS};
use super::lost::{About, Slot, slots};
use super::{KEYS_HEADER_LEN, SLOT_LEN, beginning, checksum, keys_header};
use crate::crypto::keys::FieldKey;
use crate::disk::DiskFile;
use crate::header::HeaderError;
use crate::header::{HEADER_LEN, Kind, check_header};
use crate::id::Date;
use crate::log::Place;
use crate::log::raw::RawLog;
use crate::log::redo::as_replayed;
use crate::membership::Membership;
use crate::names::{LogId, LogName};
use crate::record::{Entry, Record};

/// Most faults that are kept; all are counted.
const MAX_FAULTS: usize = 1000;
/// Records whose bodies are opened together.
const BATCH: usize = 1024;

/// One thing wrong with what a department keeps beside its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyFault {
    /// File it was found in, from the data directory.
    pub file: String,
    /// Position of the record whose body it is, where it is one's.
    pub record: Option<u64>,
    /// What is wrong.
    pub rule: String,
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(record) = self.record {
            write!(f, "record {record}, ")?;
        }
        write!(f, "{}: {}", self.file, self.rule)
    }
}

/// What a department keeps beside its log, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodiesReport {
    /// Whose log it is beside; `None` when no file says it.
    pub log: Option<LogId>,
    /// Bodies that are there.
    pub kept: u64,
    /// Of these, those that were opened and are what their records commit to.
    pub opened: u64,
    /// Attachments read to their end that are what the fields commit to.
    pub attachments: u64,
    /// Certificates whose fields were erased.
    pub erased: u64,
    /// Copies whose last day is over.
    pub over: u64,
    /// Everything wrong, at most 1,000.
    pub faults: Vec<BodyFault>,
    /// How much is wrong.
    pub fault_count: u64,
    /// What could not be checked, and why: sentences without their full stop.
    pub unchecked: Vec<String>,
}

impl BodiesReport {
    fn fault(&mut self, file: impl Into<String>, record: Option<u64>, rule: impl fmt::Display) {
        self.fault_count += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(BodyFault {
                file: file.into(),
                record,
                rule: rule.to_string(),
            });
        }
    }
}

/// Checks the directory of bodies `dir` against the logs at `place`: every slot, and with the department's field key every
/// body and attachment as well. `today` says which copies are to be there still; `progress` is called with the records
/// looked at so far.
///
/// # Errors
/// Those of the medium. What is wrong with the content is in the report.
pub fn check_bodies(
    place: &Place,
    dir: &Path,
    members: &Membership,
    key: Option<&FieldKey>,
    today: Date,
    progress: impl FnMut(u64),
) -> io::Result<BodiesReport> {
    let mut report = BodiesReport::default();
    let Some(files) = Files::open(place, dir, members, &mut report)? else {
        return Ok(report);
    };
    report.log = Some(files.name.id);
    let place = &files.place;
    let check = Check {
        place,
        members,
        today,
        key: key.filter(|key| files.is_under(key, &mut report)),
        dir,
        files: &files,
    };
    check.run(&mut report, progress)?;
    Ok(report)
}

/// The two files of bodies, and whose they are.
struct Files {
    name: LogName,
    /// Where the logs are, as an opening would find them.
    place: Place,
    keys: Box<dyn DiskFile>,
    keys_header: Vec<u8>,
    bodies: Box<dyn DiskFile>,
}

impl Files {
    /// Opens both; `None` if their log can't be determined, or one is missing.
    fn open(
        place: &Place,
        dir: &Path,
        members: &Membership,
        report: &mut BodiesReport,
    ) -> io::Result<Option<Files>> {
        let mut owner = None;
        let mut whole = true;
        let mut headers = Vec::new();
        for (file, kind) in [("keys", Kind::BodyKeys), ("bodies", Kind::Bodies)] {
            let found = beginning(&*place.disk, &dir.join(file), KEYS_HEADER_LEN)?;
            let shown = format!("bodies/{file}");
            match found.as_deref().map(|bytes| owner_of(bytes, kind, members)) {
                None => {
                    report.fault(shown, None, "the file is missing");
                    whole = false;
                }
                Some(Err(error)) => {
                    report.fault(shown, None, error);
                    whole &= !matches!(error, HeaderError::Later(_));
                }
                Some(Ok(name)) if owner.is_some_and(|owner| owner != name) => {
                    report.fault(shown, None, HeaderError::Other);
                    whole = false;
                }
                Some(Ok(name)) => owner = Some(name),
            }
            headers.push(found.unwrap_or_default());
        }
        let Some(name) = owner.filter(|_| whole) else {
            let why = "bodies/ was not checked: without both files it is unknown what is missing";
            report.unchecked.push(why.to_owned());
            return Ok(None);
        };
        // What a crash left in the redo journal counts: an opening brings it to its place. One that can't be read is reported with
        // the log.
        let mut present = name;
        present.id = members.present_log(&name.id.department);
        let place = match as_replayed(place, &present) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => place.clone(),
            replayed => replayed?,
        };
        Ok(Some(Files {
            name,
            keys: place.disk.open(&dir.join("keys"), false)?,
            keys_header: headers.swap_remove(0),
            bodies: place.disk.open(&dir.join("bodies"), false)?,
            place,
        }))
    }

    /// Whether the bodies were kept under this key, as far as the file of keys can say.
    fn is_under(&self, key: &FieldKey, report: &mut BodiesReport) -> bool {
        let (value, sum) = self
            .keys_header
            .split_at(self.keys_header.len().saturating_sub(8));
        if self.keys_header.len() < KEYS_HEADER_LEN as usize || sum != checksum(value) {
            let rule = "the field key's check value is damaged";
            report.fault("bodies/keys", None, rule);
            return true;
        }
        let same = self.keys_header == keys_header(&self.name, key);
        if !same {
            let rule = "kept under another field key than the one given";
            report.fault("bodies/keys", None, rule);
        }
        same
    }
}

/// The member that a file with this beginning belongs to.
fn owner_of(bytes: &[u8], kind: Kind, members: &Membership) -> Result<LogName, HeaderError> {
    let head = &bytes[..bytes.len().min(HEADER_LEN as usize)];
    let mut why = HeaderError::Damaged;
    for member in members.members() {
        let name = LogName {
            network: members.network(),
            id: LogId::first(member.code),
        };
        match check_header(head, kind, &name, 0) {
            Ok(()) => return Ok(name),
            Err(error) => why = error,
        }
    }
    Err(why)
}

struct Check<'c> {
    place: &'c Place,
    members: &'c Membership,
    today: Date,
    key: Option<&'c FieldKey>,
    dir: &'c Path,
    files: &'c Files,
}

impl Check<'_> {
    fn run(&self, report: &mut BodiesReport, mut progress: impl FnMut(u64)) -> io::Result<()> {
        let own = self.files.name;
        let mut logs = HashMap::new();
        for member in self.members.members() {
            let history = self.members.history();
            let lineage = history.lineage(history.present_log(&member.code));
            if let Some(log) = RawLog::find(self.place, lineage)? {
                logs.insert(member.code, log);
            }
        }
        let Some(log) = logs.get(&own.id.department) else {
            return self.without_log(report);
        };
        let records = |of: &LogId, seq| match logs.get(&of.department) {
            Some(log) => log.record(seq),
            None => Ok(None),
        };
        let disk = &*self.place.disk;
        let dir = self.dir.join("attachments");
        let attached = attachments::counts(disk, &dir)?;
        let (keys, bodies) = (&*self.files.keys, &*self.files.bodies);
        let compare = Compare::new(own, disk, &dir, keys, bodies, self.key, attached, &records);
        let mut erased = HashSet::new();
        let mut size = 0;
        let vouched = log.vouched();
        let read = log.each(vouched.unwrap_or(u64::MAX), |record| {
            size = record.seq + 1;
            if let Entry::CertificateErased(gone) = record.entry {
                erased.insert(gone.id);
            }
            Ok(())
        })?;
        let size = vouched.unwrap_or(size);
        if read < size {
            report.unchecked.push(format!(
                "{} of the {size} records of log {} can't be read here, so their bodies were not checked",
                size - read,
                own.id
            ));
        }
        let slots = slots(&*self.files.keys, self.files.bodies.len()?, size)?;
        report.kept = slots.iter().filter(|slot| slot.is_kept()).count() as u64;
        let mut batch = Vec::with_capacity(BATCH);
        let mut seen = 0;
        log.each(size, |record: Record| {
            let Record { seq, entry, .. } = record;
            let slot = slots[seq as usize];
            seen += 1;
            match About::of(&own, &entry) {
                None if slot.is_kept() && !matches!(entry, Entry::Unknown(_)) => {
                    report.fault(KEYS, Some(seq), "a body is kept of a record that has none");
                }
                None => {}
                Some(About::Fields(id)) if erased.contains(&id) => match slot {
                    Slot::Empty => report.erased += 1,
                    _ => {
                        let rule = "the certificate's fields were erased, and they are here: older files were put back; \
                                    the node destroys them again when it starts";
                        report.fault(KEYS, Some(seq), rule);
                    }
                },
                Some(About::Copy { until, .. }) if until < self.today => report.over += 1,
                Some(about) => batch.push(Asked {
                    seq,
                    about,
                    entry,
                    slot,
                }),
            }
            if batch.len() == BATCH {
                look(&compare, &mut batch, report)?;
                progress(seen);
            }
            Ok(())
        })?;
        look(&compare, &mut batch, report)?;
        progress(seen);
        if self.key.is_none() && report.kept > 0 {
            report.unchecked.push(format!(
                "none of the {} bodies was opened: the field key they were kept under is missing",
                report.kept
            ));
        }
        let undefined = compare.undefined();
        if undefined > 0 {
            report.unchecked.push(format!(
                "{undefined} bodies were opened and not compared with what their records commit to: the logs that define \
                 their types, or that hold the certificates, are not here"
            ));
        }
        Ok(())
    }

    /// Without the log nothing can be opened, since each body is bound to what it is about, nor is it known what there
    /// has to be.
    fn without_log(&self, report: &mut BodiesReport) -> io::Result<()> {
        let len = self.files.keys.len()?.saturating_sub(KEYS_HEADER_LEN);
        let slots = slots(
            &*self.files.keys,
            self.files.bodies.len()?,
            len / SLOT_LEN as u64,
        )?;
        for (seq, slot) in (0..).zip(slots) {
            match slot {
                Slot::Empty => {}
                Slot::Kept { .. } => report.kept += 1,
                Slot::Damaged => report.fault(KEYS, Some(seq), DAMAGED),
                Slot::CutOff => report.fault(BODIES, Some(seq), CUT_OFF),
            }
        }
        report.unchecked.push(format!(
            "log {} is not here: which records must have a body is not known, and none can be opened without what its \
             record says",
            self.files.name.id
        ));
        Ok(())
    }
}

/// Checks the bodies of some records.
fn look(
    compare: &Compare<'_>,
    batch: &mut Vec<Asked>,
    report: &mut BodiesReport,
) -> io::Result<()> {
    let found: Vec<Found> = batch
        .par_iter()
        .map(|asked| compare.look_at(asked))
        .collect::<io::Result<_>>()?;
    for (asked, found) in batch.drain(..).zip(found) {
        report.opened += u64::from(found.opened);
        report.attachments += found.attachments;
        for (file, rule) in found.faults {
            report.fault(file, Some(asked.seq), rule);
        }
    }
    Ok(())
}
