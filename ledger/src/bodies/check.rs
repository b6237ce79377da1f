//! Opens every body a department keeps and compares it with what the records commit to. Nothing is changed, and no node
//! need have run here: a copy of the files will do.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rayon::prelude::*;

use super::attachments::{self, AttachmentKey};
use super::chunks::{AttachmentError, AttachmentFile};
use super::lost::{About, Slot, slots};
use super::{
    Body, FullSlot, KEYS_HEADER_LEN, Opened, SLOT_LEN, beginning, checksum, keys_header, open_body,
    read_slot,
};
use crate::codec::Text;
use crate::crypto::hash::Hash;
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
use crate::record::{
    Attachment, CertificateIssued, DefinitionRef, Entry, Received, Record, RetrievalAcknowledged,
    TypeDefined, commit_fields,
};
use crate::retrieval::{CaseFile, EvidenceCopy, code_of};

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
    let mut check = Check {
        place,
        dir,
        members,
        today,
        key: key.filter(|key| files.is_under(key, &mut report)),
        files: &files,
        attached: attachments::counts(&*place.disk, &dir.join("attachments"))?,
        logs: HashMap::new(),
        definitions: Mutex::default(),
        undefined: Mutex::default(),
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
        let place = match as_replayed(place, &name) {
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

    /// The slot of a position; only for one that was found kept.
    fn slot(&self, seq: u64) -> io::Result<Option<FullSlot>> {
        let mut bytes = [0; SLOT_LEN];
        let read = self.keys.read_at(&mut bytes, super::place(seq))?;
        Ok(read_slot(&bytes[..read]))
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

/// A definition that a certificate names; `None` when no log at hand has it.
type Defined = Option<Arc<TypeDefined>>;

struct Check<'c> {
    place: &'c Place,
    dir: &'c Path,
    members: &'c Membership,
    today: Date,
    key: Option<&'c FieldKey>,
    files: &'c Files,
    /// Attachment files by position.
    attached: BTreeMap<u64, u32>,
    logs: HashMap<LogId, RawLog<'c>>,
    definitions: Mutex<HashMap<(LogId, u64), Defined>>,
    /// Records whose bodies could not be compared, since another log lacks what they name.
    undefined: Mutex<BTreeSet<u64>>,
}

/// A record whose body is to be looked at.
struct Asked {
    seq: u64,
    about: About,
    entry: Entry,
    slot: Slot,
}

/// The outcome of one.
#[derive(Default)]
struct Found {
    opened: bool,
    attachments: u64,
    faults: Vec<(String, String)>,
}

impl Found {
    fn fault(&mut self, file: impl Into<String>, rule: impl fmt::Display) {
        self.faults.push((file.into(), rule.to_string()));
    }
}

const KEYS: &str = "bodies/keys";
const BODIES: &str = "bodies/bodies";

impl<'c> Check<'c> {
    fn run(&mut self, report: &mut BodiesReport, mut progress: impl FnMut(u64)) -> io::Result<()> {
        let own = self.files.name;
        for member in self.members.members() {
            let name = LogName {
                network: own.network,
                id: LogId::first(member.code),
            };
            if let Some(log) = RawLog::find(self.place, name)? {
                self.logs.insert(name.id, log);
            }
        }
        let Some(log) = self.logs.get(&own.id) else {
            return self.without_log(report);
        };
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
                self.look(&mut batch, report)?;
                progress(seen);
            }
            Ok(())
        })?;
        self.look(&mut batch, report)?;
        progress(seen);
        if self.key.is_none() && report.kept > 0 {
            report.unchecked.push(format!(
                "none of the {} bodies was opened: the field key they were kept under is missing",
                report.kept
            ));
        }
        let undefined = self.undefined.lock().len();
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

    /// Checks the bodies of some records.
    fn look(&self, batch: &mut Vec<Asked>, report: &mut BodiesReport) -> io::Result<()> {
        let found: Vec<Found> = batch
            .par_iter()
            .map(|asked| self.look_at(asked))
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

    fn look_at(&self, asked: &Asked) -> io::Result<Found> {
        let mut found = Found::default();
        match asked.slot {
            Slot::Empty => found.fault(
                KEYS,
                match asked.about {
                    About::Fields(_) => {
                        "the certificate's fields are lost: none are kept, and no record says that they were erased"
                    }
                    About::Copy { .. } => "the copy of what was retrieved is lost before its last day",
                    About::Case(_) => "what was collected for the case is lost",
                },
            ),
            Slot::Damaged => found.fault(KEYS, DAMAGED),
            Slot::CutOff => found.fault(BODIES, CUT_OFF),
            Slot::Kept { attachments } => self.look_in(asked, attachments, &mut found)?,
        }
        Ok(found)
    }

    fn look_in(&self, asked: &Asked, attachments: u32, found: &mut Found) -> io::Result<()> {
        let there = self.attached.get(&asked.seq).copied().unwrap_or(0);
        let Some(key) = self.key else {
            if there < attachments {
                let rule =
                    format!("{there} of the certificate's {attachments} attachments are here");
                found.fault("bodies/attachments", rule);
            }
            return Ok(());
        };
        let Some(slot) = self.files.slot(asked.seq)? else {
            found.fault(KEYS, DAMAGED);
            return Ok(());
        };
        let about = asked.about.text();
        let bodies = &*self.files.bodies;
        let before = found.faults.len();
        match &asked.entry {
            Entry::CertificateIssued(issued) => {
                match open_body::<Body>(bodies, key, &slot, about)? {
                    Some(opened) => self.certificate(asked.seq, issued, &opened, found)?,
                    None => found.fault(BODIES, UNREADABLE),
                }
            }
            Entry::RetrievalAcknowledged(acknowledged) => {
                match open_body::<EvidenceCopy>(bodies, key, &slot, about)? {
                    Some(opened) => self.copy(asked.seq, acknowledged, &opened, found)?,
                    None => found.fault(BODIES, UNREADABLE),
                }
            }
            _ => {
                if open_body::<CaseFile>(bodies, key, &slot, about)?.is_none() {
                    found.fault(BODIES, UNREADABLE);
                }
            }
        }
        found.opened = found.faults.len() == before;
        Ok(())
    }

    fn certificate(
        &self,
        seq: u64,
        issued: &CertificateIssued,
        opened: &Opened<Body>,
        found: &mut Found,
    ) -> io::Result<()> {
        let body = &opened.body;
        match self.definition(&issued.definition)? {
            None => drop(self.undefined.lock().insert(seq)),
            Some(definition) => {
                let fields = &definition.fields;
                let root = commit_fields(&opened.key, &issued.id, fields, &body.fields);
                if root != issued.field_root || body.holder_kind != issued.holder_kind {
                    let rule =
                        "the fields kept are not those that the certificate's record commits to";
                    found.fault(BODIES, rule);
                }
            }
        }
        for (name, value) in &body.fields {
            if let Ok(Some(attachment)) = Attachment::of_field(name, value) {
                match body.attachments.get(attachment.name.as_str()) {
                    Some(key) => self.attachment(seq, key, &attachment, true, found)?,
                    None => found.fault(
                        BODIES,
                        format!(
                            "it is not recorded where attachment {} is kept",
                            attachment.name
                        ),
                    ),
                }
            }
        }
        Ok(())
    }

    fn copy(
        &self,
        seq: u64,
        acknowledged: &RetrievalAcknowledged,
        opened: &Opened<EvidenceCopy>,
        found: &mut Found,
    ) -> io::Result<()> {
        let copy = &opened.body;
        let shown: BTreeSet<&str> = copy
            .disclosure
            .shown()
            .map(|field| code_of(&field.name))
            .collect();
        let expected = match &acknowledged.outcome {
            Received::Fields { fields, .. } => fields.iter().map(Text::as_str).collect(),
            _ => BTreeSet::new(),
        };
        if copy.request.retrieval().asked() != acknowledged.asked || shown != expected {
            let rule = "the copy kept does not match what the acknowledgement says was retrieved";
            found.fault(BODIES, rule);
        }
        let record = match self.logs.get(&copy.log) {
            Some(log) => log.record(copy.seq)?,
            None => None,
        };
        let issued = record.and_then(|(record, _)| match record.entry {
            Entry::CertificateIssued(issued) => Some(issued),
            _ => None,
        });
        let issued = issued.filter(|issued| issued.id == copy.request.retrieval().certificate);
        let definition = match &issued {
            Some(issued) => self.definition(&issued.definition)?,
            None => None,
        };
        match issued.zip(definition) {
            None => drop(self.undefined.lock().insert(seq)),
            Some((issued, definition)) => {
                let request = &copy.request;
                if let Err(why) = request.check_answer(&issued, &definition, &copy.disclosure) {
                    found.fault(BODIES, why);
                }
            }
        }
        for field in copy.disclosure.shown() {
            if let Ok(Some(attachment)) = Attachment::of_field(&field.name, &field.value) {
                let key = opened.key.attachment(&attachment.name);
                // It may never have been asked for.
                self.attachment(seq, &key, &attachment, false, found)?;
            }
        }
        Ok(())
    }

    /// Reads a whole attachment.
    fn attachment(
        &self,
        seq: u64,
        key: &AttachmentKey,
        attachment: &Attachment,
        must_be: bool,
        found: &mut Found,
    ) -> io::Result<()> {
        let path = attachments::place(&self.dir.join("attachments"), seq, key.file());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("bodies/attachments/{name}");
        let (disk, own) = (&*self.place.disk, &self.files.name);
        match hash_of(AttachmentFile::open(
            disk,
            &path,
            own,
            key.key(),
            attachment.size,
        )) {
            Ok(content) if content == attachment.content => found.attachments += 1,
            Ok(_) => found.fault(
                shown,
                "the attachment is not the one that the fields commit to",
            ),
            Err(AttachmentError::Missing) if !must_be => {}
            Err(AttachmentError::Io(error)) => return Err(error),
            Err(error) => found.fault(shown, error),
        }
        Ok(())
    }

    /// A definition that a certificate names, where its log is here.
    fn definition(&self, named: &DefinitionRef) -> io::Result<Option<Arc<TypeDefined>>> {
        let place = (named.log, named.seq);
        if let Some(known) = self.definitions.lock().get(&place) {
            return Ok(known.clone());
        }
        let record = match self.logs.get(&named.log) {
            Some(log) => log.record(named.seq)?,
            None => None,
        };
        let definition = record.and_then(|(record, hash)| match record.entry {
            Entry::TypeDefined(definition) if hash == named.hash => Some(Arc::new(*definition)),
            _ => None,
        });
        self.definitions.lock().insert(place, definition.clone());
        Ok(definition)
    }
}

const DAMAGED: &str = "the body's slot is damaged: its key and place are lost";
const CUT_OFF: &str =
    "the body is lost: the file ends before it, or other bodies were written over it";
const UNREADABLE: &str = "the body is damaged, or its key was wrapped under another field key";

fn hash_of(file: Result<AttachmentFile, AttachmentError>) -> Result<Hash, AttachmentError> {
    let file = file?;
    let mut hasher = blake3::Hasher::new();
    for number in 0..file.chunks() {
        hasher.update(&file.read(number)?);
    }
    Ok(Hash::from_bytes(*hasher.finalize().as_bytes()))
}
